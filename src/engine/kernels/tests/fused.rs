//! Nets whose convolutions are fused against the same nets in the standard spelling.

use super::{FUSED, floats, run, sample};
use crate::engine::kernels::cpu::tests::on_each;
use crate::engine::tests::onnxruntime;
use crate::graph::ops::Feed;
use crate::graph::ops::activation::{Activation, ActivationKind};
use crate::graph::ops::conv::Conv;
use crate::graph::ops::elementwise::{Binary, BinaryKind};
use crate::graph::ops::norm::BatchNorm;
use crate::graph::ops::pool::MaxPool;
use crate::graph::ops::reduce::Mean;
use crate::graph::{Attribute, DType, Graph, KERNEL_DOMAIN, Shape, Target, Tensor, TensorType, Value, differentiate, spell};
use crate::onnx;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeSet;

/// Layers of a net, one after the other.
#[derive(Debug, Clone, Copy)]
enum Layer {
    /// To so many channels, with a square kernel, a stride, a dilation and groups; with a bias or not.
    Conv([usize; 5], bool),
    Norm(Option<ActivationKind>),
    /// Halves the image.
    Pool,
    /// Adds what the layer so many before gave.
    Skip(usize),
    Act(ActivationKind),
}

use Layer::{Act, Norm, Pool, Skip};

fn conv(outputs: usize, kernel: usize) -> Layer {
    Layer::Conv([outputs, kernel, 1, 1, 1], false)
}

/// Nets in which each way of joining nodes occurs, and each reason not to.
fn nets() -> Vec<([usize; 4], Vec<Layer>)> {
    let relu = Norm(Some(ActivationKind::Relu));
    let mut nets = vec![
        ([6, 3, 9, 8], vec![conv(20, 3), relu, conv(17, 1), relu, conv(32, 3), relu]),
        ([20, 1, 14, 14], vec![conv(16, 3), relu, Pool, conv(40, 3), relu, Pool, conv(33, 3), relu]),
        ([4, 8, 7, 7], vec![conv(8, 3), relu, conv(8, 3), Norm(None), Skip(3), conv(12, 3), relu, conv(5, 1)]),
        (
            [3, 4, 8, 9],
            vec![Layer::Conv([24, 3, 2, 1, 1], false), relu, Layer::Conv([24, 3, 1, 1, 24], false), relu, conv(6, 1), relu],
        ),
        (
            [3, 6, 9, 9],
            vec![conv(12, 1), relu, Layer::Conv([12, 3, 2, 1, 3], false), relu, Layer::Conv([8, 3, 1, 2, 1], false), relu],
        ),
        ([5, 2, 6, 6], vec![Layer::Conv([7, 3, 1, 1, 1], true), relu, Layer::Conv([9, 3, 1, 1, 1], true), conv(4, 3)]),
        ([9, 3, 1, 40], vec![relu, Layer::Conv([20, 1, 1, 1, 1], false), Norm(None), conv(3, 1), Skip(3), relu]),
    ];
    for kind in ActivationKind::ALL {
        let residual = [conv(9, 3), relu, conv(9, 3), Norm(None), Skip(4), Act(kind), conv(4, 3), relu];
        nets.push(([3, 2, 6, 7], [vec![conv(9, 1)], residual.to_vec()].concat()));
        nets.push(([3, 4, 6, 5], vec![conv(9, 3), conv(9, 3), Norm(Some(kind)), Skip(2), Act(kind), conv(4, 1)]));
        nets.push(([4, 3, 5, 6], vec![conv(18, 3), Norm(Some(kind)), conv(9, 3), Norm(Some(kind)), conv(4, 1)]));
    }
    nets
}

/// The net with a loss and all gradients as outputs; its parameters' shapes.
fn model(x: [usize; 4], layers: &[Layer]) -> (Graph, Vec<Vec<usize>>) {
    let mut graph = Graph::new();
    let mut shapes = vec![];
    let input = |graph: &mut Graph, dims: Vec<usize>, shapes: &mut Vec<Vec<usize>>| -> Value {
        let ty = TensorType::new(DType::F32, Shape::fixed(&dims));
        shapes.push(dims);
        graph.input(format!("x{}", shapes.len() - 1), ty)
    };
    let mut values = vec![input(&mut graph, x.to_vec(), &mut shapes)];
    for layer in layers {
        let y = values[values.len() - 1];
        let channels = graph.ty(y).shape.extent(1).unwrap();
        let next = match *layer {
            Layer::Conv([outputs, k, stride, dilation, groups], bias) => {
                let height = if x[2] == 1 { 1 } else { k };
                let w = input(&mut graph, vec![outputs, channels / groups, height, k], &mut shapes);
                let mut inputs = vec![y, w];
                if bias {
                    inputs.push(input(&mut graph, vec![outputs], &mut shapes));
                }
                let pads = [height / 2 * dilation, k / 2 * dilation, height / 2 * dilation, k / 2 * dilation];
                let op = Conv { stride: [stride; 2], pads, dilation: [dilation; 2], groups };
                graph.apply(op, &inputs).unwrap()
            }
            Norm(activation) => {
                let parameters = [(); 2].map(|()| input(&mut graph, vec![channels], &mut shapes));
                let made = graph.add(BatchNorm { epsilon: 1e-3, activation }, &[y, parameters[0], parameters[1]]).unwrap();
                graph.output(format!("mean{}", values.len()), made[1]);
                graph.output(format!("variance{}", values.len()), made[2]);
                made[0]
            }
            Pool => graph.apply(MaxPool { kernel: [2, 2], stride: [2, 2], pads: [0; 4] }, &[y]).unwrap(),
            Act(kind) => graph.apply(Activation(kind), &[y]).unwrap(),
            Skip(back) => graph.apply(Binary(BinaryKind::Add), &[y, values[values.len() - 1 - back]]).unwrap(),
        };
        values.push(next);
    }
    let y = values[values.len() - 1];
    let shape = graph.ty(y).shape.clone();
    let dims: Vec<usize> = (0..4).map(|a| shape.extent(a).unwrap()).collect();
    let weights = input(&mut graph, dims, &mut shapes);
    let weighted = graph.apply(Binary(BinaryKind::Mul), &[y, weights]).unwrap();
    let loss = graph.apply(Mean, &[weighted]).unwrap();
    graph.output("loss", loss);
    // The images have no gradient, as in training, where a net begins with them.
    let targets: Vec<Value> = graph.inputs()[1..shapes.len() - 1].to_vec();
    for (i, gradient) in differentiate(&mut graph, loss, &targets).unwrap().into_iter().enumerate() {
        graph.output(format!("g{i}"), gradient);
    }
    (graph, shapes)
}

#[test]
fn fused_nets_equal_the_standard_spelling() {
    let engine = onnxruntime();
    let (mut seen, mut added) = (BTreeSet::new(), 0);
    for (i, (x, layers)) in nets().into_iter().enumerate() {
        let (graph, shapes) = model(x, &layers);
        let mut rng = ChaCha8Rng::seed_from_u64(i as u64);
        let inputs: Vec<Tensor> = shapes.iter().map(|s| sample(&Feed::Normal(s.clone()), &mut rng)).collect();
        let portable = onnx::write(&spell(&graph, Target::Portable).unwrap(), &vec![]).unwrap();
        let spelled = spell(&graph, Target::CpuKernels).unwrap();
        seen.extend(spelled.nodes.iter().filter(|n| n.domain == KERNEL_DOMAIN).map(|n| n.op_type));
        added += spelled.nodes.iter().filter(|n| n.attributes.contains(&("plus", Attribute::Int(1)))).count();
        let kernels = onnx::write(&spelled, &vec![]).unwrap();
        let wanted = run(&*engine, &portable, &inputs).unwrap();
        on_each(|cpu| {
            let given = run(&*engine, &kernels, &inputs).unwrap();
            for ((wanted, given), (name, _)) in wanted.iter().zip(&given).zip(graph.outputs()) {
                let size = floats(wanted).iter().fold(1e-3_f32, |m, v| m.max(v.abs()));
                let pairs = floats(wanted).iter().zip(floats(given));
                let worst = pairs.fold(0.0_f32, |worst, (w, g)| worst.max((w - g).abs()));
                assert!(worst <= 2e-4 * size, "{cpu}, {name} of {layers:?}: off by {worst} of {size}");
            }
        });
    }
    for name in FUSED.into_iter().chain(["BatchNormInference", "BatchNormGrad"]) {
        assert!(seen.contains(name), "no net has a node {name}");
    }
    assert!(added > 0, "nothing is added to a gradient");
}
