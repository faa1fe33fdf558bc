//! Training kernels of convolutions alone, in multiply-accumulates a second: `cargo bench --bench kernels`. With the
//! environment variable that `engine::kernels::CPU_VARIABLE` names, those for a lesser CPU than the one at hand.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use evolve::engine::{Choice, Device, Model, Request, select};
use evolve::graph::ops::conv::{Conv, ConvInputGrad, ConvWeightGrad};
use evolve::graph::{DType, Graph, Op, Shape, Target, Tensor, TensorType, spell};
use evolve::onnx;
use std::time::Duration;

const BATCH: usize = 128;

/// Channels read and written, side of the image, kernel, stride, groups.
const SHAPES: [[usize; 6]; 12] = [
    [1, 32, 28, 3, 1, 1],
    [3, 16, 32, 3, 1, 1],
    [16, 16, 32, 3, 1, 1],
    [32, 32, 16, 3, 1, 1],
    [32, 64, 14, 3, 1, 1],
    [64, 128, 7, 3, 1, 1],
    [64, 128, 14, 3, 2, 1],
    [64, 64, 14, 1, 1, 1],
    [20, 40, 14, 3, 1, 1],
    [32, 32, 14, 3, 1, 4],
    [64, 64, 14, 3, 1, 64],
    [64, 64, 14, 5, 1, 64],
];

/// A model of one operator on inputs of these shapes, and what it is fed.
fn model(op: impl Op, shapes: &[Vec<usize>]) -> (Box<dyn Model>, Vec<Tensor>) {
    let mut graph = Graph::new();
    let ty = |dims: &[usize]| TensorType::new(DType::F32, Shape::fixed(dims));
    let inputs: Vec<_> = shapes.iter().enumerate().map(|(i, dims)| graph.input(format!("x{i}"), ty(dims))).collect();
    let y = graph.apply(op, &inputs).expect("shapes that fit");
    graph.output("y", y);
    let bytes = onnx::write(&spell(&graph, Target::CpuKernels).expect("a spelling"), &vec![]).expect("a model");
    let request = Request { engine: Choice::OnnxRuntime, device: Device::Cpu, ..Request::default() };
    let engine = select(&request).expect("ONNX Runtime").engine;
    let drawn = |dims: &Vec<usize>| (0..dims.iter().product::<usize>()).map(|i| (i as f32 * 0.7).sin()).collect();
    (engine.load_model(&bytes).expect("a session"), shapes.iter().map(|dims| Tensor::f32(dims, drawn(dims))).collect())
}

fn convolutions(c: &mut Criterion) {
    for [inputs, outputs, side, kernel, stride, groups] in SHAPES {
        let conv = Conv { stride: [stride; 2], pads: [kernel / 2; 4], dilation: [1, 1], groups };
        let size = (side - 1) / stride + 1;
        let x = vec![BATCH, inputs, side, side];
        let (w, y) = (vec![outputs, inputs / groups, kernel, kernel], vec![BATCH, outputs, size, size]);
        let mut group =
            c.benchmark_group(format!("{inputs} to {outputs}, {side}, {kernel}, stride {stride}, groups {groups}"));
        group.throughput(Throughput::Elements((y.iter().product::<usize>() * w[1..].iter().product::<usize>()) as u64));
        group.sample_size(10).warm_up_time(Duration::from_millis(200)).measurement_time(Duration::from_secs(1));
        let forward = model(conv, &[x.clone(), w.clone()]);
        let input = model(ConvInputGrad { conv, size: [side; 2] }, &[y.clone(), w]);
        let weights = model(ConvWeightGrad { conv, kernel: [kernel; 2] }, &[x, y]);
        for (name, (mut model, tensors)) in [("forward", forward), ("input gradient", input), ("weight gradient", weights)] {
            group.bench_function(name, |b| b.iter(|| model.run(&tensors).expect("a run")));
        }
        group.finish();
    }
}

criterion_group!(benches, convolutions);
criterion_main!(benches);
