//! Values of operators worked out by hand, in ONNX Runtime and in the embedded engine; batches symbolic where a net that
//! is exported has them.

use evolve::engine::{Choice, Device, Engine, Request, Tract, select};
use evolve::graph::ops::activation::{Activation, ActivationGrad, ActivationKind};
use evolve::graph::ops::dropout::Dropout;
use evolve::graph::ops::embedding::{Embedding, OneHot};
use evolve::graph::ops::encoding::{FeatureLinear, Periodic, PiecewiseLinear};
use evolve::graph::ops::loss::{Huber, SoftmaxCrossEntropy, SquaredError};
use evolve::graph::ops::optimizer::{AdamStep, ExponentialAverage, SgdStep};
use evolve::graph::ops::resize::Resize;
use evolve::graph::ops::softmax::Softmax;
use evolve::graph::{DType, Data, Dim, Graph, Op, Target, Tensor, spell};
use std::f32::consts::LN_2;
use std::sync::Arc;

/// Runs one operator on both engines and compares its outputs with what is wanted. The first axis of inputs up to
/// `batched` is the symbolic batch.
fn check(op: impl Op, batched: usize, inputs: &[Tensor], wanted: &[&[f32]]) {
    let name = op.name();
    let mut graph = Graph::new();
    let mut values = Vec::new();
    for (i, tensor) in inputs.iter().enumerate() {
        let mut ty = tensor.ty();
        if i < batched {
            ty.shape.0[0] = Dim::Batch;
        }
        values.push(graph.input(format!("x{i}"), ty));
    }
    for (i, value) in graph.add(op, &values).unwrap().into_iter().enumerate() {
        graph.output(format!("y{i}"), value);
    }
    let model = evolve::onnx::write(&spell(&graph, Target::Portable).unwrap(), &vec![]).unwrap();
    for engine in engines() {
        let outputs = engine.load_model(&model).and_then(|mut m| m.run(inputs));
        let outputs = outputs.unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(outputs.len(), wanted.len());
        for (output, wanted) in outputs.iter().zip(wanted) {
            let given = output.as_f32().unwrap();
            assert_eq!(given.len(), wanted.len(), "{name} in {}", engine.name());
            for (g, w) in given.iter().zip(*wanted) {
                let close = (g - w).abs() <= 1e-6 * w.abs().max(1.0);
                assert!(close, "{name} in {}: {given:?} for {wanted:?}", engine.name());
            }
        }
    }
}

/// Every engine of this machine. Without a library, one is installed, as for a user.
fn engines() -> [Arc<dyn Engine>; 2] {
    let request = Request { engine: Choice::OnnxRuntime, device: Device::Cpu, ..Request::default() };
    let selected = select(&request).unwrap_or_else(|e| panic!("the tests need ONNX Runtime: {e}"));
    [selected.engine, Arc::new(Tract)]
}

fn floats(shape: &[usize], values: &[f32]) -> Tensor {
    Tensor::f32(shape, values.to_vec())
}

fn scalar(value: f32) -> Tensor {
    floats(&[], &[value])
}

fn codes(shape: &[usize], values: &[i64]) -> Tensor {
    Tensor::new(shape, Data::I64(values.to_vec()))
}

#[test]
fn softmax_cross_entropy_is_the_weighted_mean_over_all_rows() {
    // Probabilities (1/2, 1/2) and (3/4, 1/4); the true classes cost ln 2 and ln 4.
    let z = floats(&[2, 2], &[0.0, 0.0, 3.0_f32.ln(), 0.0]);
    let t = floats(&[2, 2], &[1.0, 0.0, 0.0, 1.0]);
    check(SoftmaxCrossEntropy, 0, &[z, t, floats(&[2], &[1.0, 2.0])], &[&[(LN_2 + 2.0 * 2.0 * LN_2) / 2.0]]);
}

#[test]
fn softmax_cross_entropy_stands_extreme_logits() {
    let z = floats(&[2, 2], &[1000.0, -1000.0, 1000.0, -1000.0]);
    let t = floats(&[2, 2], &[1.0, 0.0, 0.0, 1.0]);
    check(SoftmaxCrossEntropy, 0, &[z, t, floats(&[2], &[1.0, 1.0])], &[&[1000.0]]);
}

#[test]
fn regression_losses_are_weighted_means() {
    let rows = [floats(&[3], &[1.0, 2.0, -3.0]), floats(&[3], &[0.0, 2.5, 1.0]), floats(&[3], &[1.0, 2.0, 1.0])];
    // Residuals 1, −1/2, −4.
    check(SquaredError, 0, &rows, &[&[(1.0 + 2.0 * 0.25 + 16.0) / 3.0]]);
    check(Huber { delta: 1.0 }, 0, &rows, &[&[(0.5 + 2.0 * 0.125 + 3.5) / 3.0]]);
}

#[test]
fn gradient_descent_looks_ahead_by_the_momentum() {
    let inputs = [scalar(0.1), scalar(0.5), floats(&[1], &[2.0]), floats(&[1], &[3.0]), floats(&[1], &[10.0])];
    // g = 3 + 0.5·2 = 4, v' = 0.9·10 + 4 = 13, w' = 2 − 0.1·(4 + 0.9·13).
    check(SgdStep { momentum: 0.9, decay: vec![true] }, 0, &inputs, &[&[2.0 - 1.57], &[13.0]]);
    check(SgdStep { momentum: 0.0, decay: vec![false] }, 0, &inputs, &[&[2.0 - 0.3], &[3.0]]);
}

#[test]
fn the_first_step_of_adam_is_the_rate() {
    let (lr, wd, c1, c2) = (scalar(0.1), scalar(0.5), scalar(1.0 / 0.1), scalar(1.0 / 0.001));
    let (w, g, m, v) = (floats(&[1], &[2.0]), floats(&[1], &[0.5]), floats(&[1], &[0.0]), floats(&[1], &[0.0]));
    let inputs = [lr, wd, c1, c2, w, g, m, v];
    let step = |decoupled, decay| AdamStep { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decoupled, decay: vec![decay] };
    check(step(true, false), 0, &inputs, &[&[1.9], &[0.05], &[0.00025]]);
    // AdamW takes lr·wd·w = 0.1 off besides.
    check(step(true, true), 0, &inputs, &[&[1.8], &[0.05], &[0.00025]]);
    // L2 decay only changes the gradient, to 1.5, and the step of Adam does not depend on its size.
    check(step(false, true), 0, &inputs, &[&[1.9], &[0.15], &[0.00225]]);
}

#[test]
fn averages_move_by_the_rate() {
    let inputs = [scalar(0.25), floats(&[2], &[1.0, 0.0]), floats(&[2], &[5.0, -4.0]), scalar(2.0), scalar(2.0)];
    check(ExponentialAverage, 0, &inputs, &[&[2.0, -1.0], &[2.0]]);
}

#[test]
fn dropout_keeps_the_mean() {
    let mask = Tensor::new(&[1, 2, 1], Data::U8(vec![0, 1]));
    let x = floats(&[1, 2, 2], &[1.0, 2.0, 3.0, 4.0]);
    check(Dropout, 0, &[x, mask, floats(&[], &[4.0])], &[&[0.0, 0.0, 12.0, 16.0]]);
}

#[test]
fn categories_become_rows_and_ones() {
    let table = floats(&[4, 2], &[0.0, 1.0, 10.0, 11.0, 20.0, 21.0, 30.0, 31.0]);
    let one = [&[30.0, 31.0, 0.0, 1.0][..]];
    check(Embedding, 0, &[table, codes(&[1, 2], &[3, 0])], &one);
    for (rows, values, wanted) in [
        (1, vec![1, 3], vec![0.0, 1.0, 0.0, 1.0, 0.0]),
        (2, vec![0, 4, 2, 3], vec![1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 1.0, 0.0]),
    ] {
        check(OneHot { slots: 5 }, 1, &[codes(&[rows, 2], &values)], &[&wanted]);
    }
}

#[test]
fn relu6_is_flat_below_zero_and_above_six() {
    let (x, y, dy) = ([-1.0, 0.0, 2.0, 6.0, 9.0], [0.0, 0.0, 2.0, 6.0, 6.0], floats(&[1, 5], &[3.0; 5]));
    check(Activation(ActivationKind::Relu6), 1, &[floats(&[1, 5], &x)], &[&y]);
    let slopes = [0.0, 0.0, 3.0, 0.0, 0.0];
    check(ActivationGrad(ActivationKind::Relu6), 3, &[dy, floats(&[1, 5], &x), floats(&[1, 5], &y)], &[&slopes]);
}

#[test]
fn images_are_interpolated_between_the_centres_of_pixels() {
    let x = floats(&[1, 1, 2, 1], &[0.0, 4.0]);
    check(Resize { size: [4, 2] }, 1, &[x], &[&[0.0, 0.0, 1.0, 1.0, 3.0, 3.0, 4.0, 4.0]]);
}

#[test]
fn bins_are_filled_from_the_left_and_open_at_the_ends() {
    // Feature 0 has two bins of width 1 and 2, feature 1 none.
    let op = PiecewiseLinear { knots: vec![vec![0.0, 1.0, 3.0], vec![7.0]], bins: 3 };
    let x = floats(&[4, 2], &[-2.0, 5.0, 0.5, -5.0, 2.0, 0.0, 5.0, 1e6]);
    let wanted =
        [-2.0, 0.0, 0.0, 5.0, 0.0, 0.0, 0.5, 0.0, 0.0, -5.0, 0.0, 0.0, 1.0, 0.5, 0.0, 0.0, 0.0, 0.0, 1.0, 2.0, 0.0, 1e6]
            .iter()
            .copied()
            .chain([0.0, 0.0])
            .collect::<Vec<f32>>();
    check(op, 1, &[x], &[&wanted]);
}

#[test]
fn too_many_knots_are_thinned_evenly() {
    let op = PiecewiseLinear { knots: vec![(0..9).map(|k| k as f32).collect()], bins: 2 };
    check(op, 1, &[floats(&[3, 1], &[2.0, 6.0, 10.0])], &[&[0.5, 0.0, 1.0, 0.5, 1.0, 1.5]]);
}

#[test]
fn knots_that_do_not_increase_are_refused() {
    for knots in [vec![0.0, 0.0], vec![1.0, 0.0], vec![0.0, f32::NAN], vec![0.0, f32::INFINITY]] {
        let mut graph = Graph::new();
        let x = graph.input("x", floats(&[2, 1], &[0.0, 0.0]).ty());
        let error = graph.apply(PiecewiseLinear { knots: vec![knots], bins: 2 }, &[x]).unwrap_err();
        assert!(error.to_string().contains("knots of feature 0"), "{error}");
    }
}

#[test]
fn each_feature_has_its_own_weights() {
    let x = floats(&[2, 2, 1], &[1.0, 2.0, 3.0, 4.0]);
    let (w, b) = (floats(&[2, 1, 2], &[1.0, 10.0, 100.0, 1000.0]), floats(&[2, 2], &[0.5, 0.0, 0.0, -0.5]));
    check(FeatureLinear, 1, &[x, w, b], &[&[1.5, 10.0, 200.0, 1999.5, 3.5, 30.0, 400.0, 3999.5]]);
}

#[test]
fn periods_are_sines_then_cosines() {
    let (x, c) = (floats(&[2, 1], &[0.25, 1.0]), floats(&[1, 2], &[1.0, 2.0]));
    check(Periodic, 1, &[x, c], &[&[1.0, 0.0, 0.0, -1.0, 0.0, 0.0, 1.0, 1.0]]);
}

#[test]
fn probabilities_sum_to_one_in_each_row() {
    let x = floats(&[2, 2], &[0.0, 3.0_f32.ln(), 500.0, 500.0]);
    check(Softmax, 1, &[x], &[&[0.25, 0.75, 0.5, 0.5]]);
}

#[test]
fn misfits_are_refused_with_the_reason() {
    let mut graph = Graph::new();
    let x = graph.input("x", floats(&[2, 3], &[0.0; 6]).ty());
    let error = graph.add(AdamStep { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decoupled: true, decay: vec![] }, &[x; 8]);
    assert!(error.unwrap_err().to_string().contains("a scalar wanted"));
    let error = graph.apply(Dropout, &[x, x, x]).unwrap_err();
    assert!(error.to_string().contains("a mask of bytes wanted"), "{error}");
    let error = graph.apply(OneHot { slots: 3 }, &[x]).unwrap_err();
    assert!(error.to_string().contains("int64 codes"), "{error}");
    assert_eq!(graph.ty(x).dtype, DType::F32);
}
