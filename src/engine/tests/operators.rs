//! Every operator's cases: ONNX Runtime and the embedded engine give the same.

use super::{bytes, engines};
use crate::graph::ops::{ALL, Case, Feed};
use crate::graph::{DType, Data, Graph, Shape, Tensor, TensorType};
use rand::{RngExt, SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

/// Largest difference accepted, relative to the largest value of the output.
const TOLERANCE: f64 = 2e-5;

fn sample(feed: &Feed, rng: &mut ChaCha8Rng) -> Tensor {
    let count = |shape: &[usize]| shape.iter().product::<usize>();
    match feed {
        Feed::Normal(shape) => Tensor::f32(shape, StandardNormal.sample_iter(rng).take(count(shape)).collect()),
        Feed::Positive(shape) => Tensor::f32(shape, (0..count(shape)).map(|_| rng.random_range(0.5..2.0)).collect()),
        Feed::Distinct(shape) => {
            let n = count(shape);
            let mut values: Vec<f32> = (0..n).map(|i| 6.0 * (i as f32 + 0.4) / n as f32 - 3.0).collect();
            values.shuffle(rng);
            Tensor::f32(shape, values)
        }
        Feed::Distribution(shape) => {
            let mut values: Vec<f32> = (0..count(shape)).map(|_| rng.random_range(0.1..1.0)).collect();
            for row in values.chunks_mut(shape.last().copied().unwrap_or(1)) {
                let sum: f32 = row.iter().sum();
                row.iter_mut().for_each(|v| *v /= sum);
            }
            Tensor::f32(shape, values)
        }
        Feed::Mask(shape) => Tensor::new(shape, Data::U8((0..count(shape)).map(|_| rng.random_range(0..2)).collect())),
        Feed::Index(shape, bound) => {
            let values = (0..count(shape)).map(|_| rng.random_range(0..*bound as i64)).collect();
            Tensor::new(shape, Data::I64(values))
        }
        Feed::Known(shape, values) => Tensor::from_f64(DType::F32, shape, values),
    }
}

/// The operator as a model, and what to feed to its inputs; what is known is a constant in it.
fn problem(case: &Case, rng: &mut ChaCha8Rng) -> (Vec<u8>, Vec<Tensor>) {
    let mut graph = Graph::new();
    let (mut values, mut fed) = (Vec::new(), Vec::new());
    for (i, feed) in case.inputs.iter().enumerate() {
        let tensor = sample(feed, rng);
        if matches!(feed, Feed::Known(..)) {
            values.push(graph.constant(tensor));
        } else {
            let ty = TensorType::new(tensor.data.dtype(), Shape::fixed(&tensor.shape));
            values.push(graph.input(format!("x{i}"), ty));
            fed.push(tensor);
        }
    }
    for (i, value) in graph.add_shared(case.op.clone(), &values).unwrap().into_iter().enumerate() {
        graph.output(format!("y{i}"), value);
    }
    (bytes(&graph), fed)
}

fn numbers(tensor: &Tensor) -> Vec<f64> {
    match &tensor.data {
        Data::F32(v) => v.iter().map(|&x| x.into()).collect(),
        Data::I64(v) => v.iter().map(|&x| x as f64).collect(),
        other => panic!("an operator gave {}", other.dtype()),
    }
}

#[test]
fn engines_agree_on_every_operator() {
    let engines = engines();
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    for entry in ALL {
        for (number, case) in (entry.cases)().iter().enumerate() {
            let place = format!("{} case {number}", entry.name);
            let (model, inputs) = problem(case, &mut rng);
            let results: Vec<Vec<Tensor>> = engines
                .iter()
                .map(|e| e.load_model(&model).and_then(|mut m| m.run(&inputs)).unwrap_or_else(|x| panic!("{place}: {x}")))
                .collect();
            assert!(!results[0].is_empty(), "{place}");
            for (one, other) in results[0].iter().zip(&results[1]) {
                assert_eq!(one.shape, other.shape, "{place}");
                let (one, other) = (numbers(one), numbers(other));
                let scale = one.iter().fold(1.0f64, |m, v| m.max(v.abs()));
                let far =
                    one.iter().zip(&other).find(|(a, b)| (*a - *b).abs() > TOLERANCE * scale || a.is_nan() || b.is_nan());
                assert!(far.is_none(), "{place}: {far:?}");
            }
        }
    }
}
