//! Models as they are exported: raw strings and pixels in, labels out.

use super::engines;
use crate::engine::EngineError;
use crate::graph::{
    Attribute, DType, Data, Dim, Graph, GraphError, Op, Shape, ShapeError, Speller, Target, Tensor, TensorType, spell,
};
use crate::onnx;

/// Label, its number, and the scores of `[one-hot of the word, size, pixels]·W`.
#[derive(Debug)]
struct Labeller;

const WORDS: [&str; 3] = ["red", "green", "blue"];
const LABELS: [&str; 3] = ["a", "b", "ü"];
/// One row for each word, for the size and for each of two pixels.
#[rustfmt::skip]
const WEIGHTS: [f32; 18] = [
    1.0, 0.0, 0.0,
    0.0, 1.0, 0.0,
    0.0, 0.0, 1.0,
    0.0, 0.0, 1.0,
    0.1, 0.0, 0.0,
    0.0, 0.1, 0.0,
];

fn words(words: &[&str]) -> Data {
    Data::Str(words.iter().map(|w| (*w).to_owned()).collect())
}

impl Op for Labeller {
    fn name(&self) -> &'static str {
        "Labeller"
    }

    fn infer(&self, _inputs: &[&TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let batched = |dtype, rest: &[usize]| TensorType::new(dtype, Shape::batched(Dim::Batch, rest));
        Ok(vec![batched(DType::Str, &[]), batched(DType::I64, &[]), batched(DType::F32, &[3])])
    }

    fn standard(&self, s: &mut Speller<'_>) -> Result<(), GraphError> {
        let float = || vec![("to", Attribute::Int(1))];
        let known = s.constant(Tensor::new(&[1, 3], words(&WORDS)));
        let same = s.node("Equal", &[s.input(0), known], vec![]);
        let one_hot = s.node("Cast", &[same], float());
        let pixels = s.node("Cast", &[s.input(2)], float());
        let row = s.node("Concat", &[one_hot, s.input(1), pixels], vec![("axis", Attribute::Int(1))]);
        let weights = s.constant(Tensor::f32(&[6, 3], WEIGHTS.to_vec()));
        let scores = s.node("MatMul", &[row, weights], vec![]);
        let axes = vec![("axis", Attribute::Int(1)), ("keepdims", Attribute::Int(0))];
        let best = s.node("ArgMax", &[scores], axes);
        let labels = s.constant(Tensor::new(&[3], words(&LABELS)));
        let label = s.node("Gather", &[labels, best], vec![]);
        for (i, term) in [label, best, scores].into_iter().enumerate() {
            s.output(i, term);
        }
        Ok(())
    }
}

fn labeller() -> Vec<u8> {
    let mut g = Graph::new();
    let batched = |dtype, width| TensorType::new(dtype, Shape::batched(Dim::Batch, &[width]));
    let inputs = [
        g.input("word", batched(DType::Str, 1)),
        g.input("size", batched(DType::F32, 1)),
        g.input("pixels", batched(DType::U8, 2)),
    ];
    let outputs = g.add(Labeller, &inputs).unwrap();
    for (name, value) in ["label", "number", "scores"].into_iter().zip(outputs) {
        g.output(name, value);
    }
    onnx::write(&spell(&g, Target::Portable).unwrap(), &vec![]).unwrap()
}

fn row(n: usize) -> [Tensor; 3] {
    let (word, size, pixels) = [("red", 0.0, [0, 0]), ("unheard of", 0.0, [0, 200]), ("", 3.0, [10, 0])][n];
    [Tensor::new(&[1, 1], words(&[word])), Tensor::f32(&[1, 1], vec![size]), Tensor::new(&[1, 2], Data::U8(pixels.to_vec()))]
}

#[test]
fn strings_and_pixels_go_in_and_labels_and_numbers_come_out() {
    let all = [
        Tensor::new(&[3, 1], words(&["red", "unheard of", ""])),
        Tensor::f32(&[3, 1], vec![0.0, 0.0, 3.0]),
        Tensor::new(&[3, 2], Data::U8(vec![0, 0, 0, 200, 10, 0])),
    ];
    for engine in engines() {
        let mut model = engine.load_model(&labeller()).unwrap();
        let dtypes: Vec<DType> = model.inputs().iter().chain(model.outputs()).map(|p| p.dtype).collect();
        assert_eq!(dtypes, [DType::Str, DType::F32, DType::U8, DType::Str, DType::I64, DType::F32]);
        let out = model.run(&all).unwrap();
        assert_eq!(out[0], Tensor::new(&[3], words(&LABELS)), "{}", engine.name());
        assert_eq!(out[1], Tensor::ints(&[0, 1, 2]));
        assert_eq!(out[2], Tensor::f32(&[3, 3], vec![1.0, 0.0, 0.0, 0.0, 20.0, 0.0, 1.0, 0.0, 3.0]));
        for n in 0..3 {
            assert_eq!(model.run(&row(n)).unwrap()[0], Tensor::new(&[1], words(&LABELS[n..=n])));
        }
    }
}

#[test]
fn no_rows_in_give_no_rows_out() {
    let none = [Tensor::new(&[0, 1], words(&[])), Tensor::f32(&[0, 1], vec![]), Tensor::new(&[0, 2], Data::U8(vec![]))];
    for engine in engines() {
        let out = engine.load_model(&labeller()).unwrap().run(&none);
        assert_eq!(out.unwrap()[2].shape, [0, 3], "{}", engine.name());
    }
}

#[test]
fn tensors_of_another_type_are_named() {
    for engine in engines() {
        let mut model = engine.load_model(&labeller()).unwrap();
        let [word, size, _] = row(0);
        let wrong = Tensor::f32(&[1, 2], vec![0.0; 2]);
        let Err(EngineError::Run { reason, .. }) = model.run(&[word, size, wrong]) else { panic!("it ran") };
        assert!(reason.contains("pixels") && reason.contains("uint8"), "{reason}");
    }
}
