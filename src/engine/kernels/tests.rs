//! Every kernel against the standard spelling of its operator, in ONNX Runtime.

mod fused;
mod linear_step;
pub(super) mod rounding;

use super::memory::Memory;
use super::{ALL, optimizer};
use crate::engine::tests::onnxruntime;
use crate::engine::{Engine, EngineError};
use crate::graph::ops::activation::ActivationKind;
use crate::graph::ops::conv::Conv;
use crate::graph::ops::elementwise::{Binary, BinaryKind};
use crate::graph::ops::loss::{SoftmaxCrossEntropy, SoftmaxCrossEntropyGrad};
use crate::graph::ops::norm::{BatchNorm, LayerNorm};
use crate::graph::ops::optimizer::{AdamStep, SgdStep};
use crate::graph::ops::pool::{GlobalAveragePool, GlobalMaxPool};
use crate::graph::ops::reduce::Mean;
use crate::graph::ops::{self, Case, Feed};
use crate::graph::{
    Attribute, DType, Data, Graph, KERNEL_DOMAIN, Kernel, Op, Shape, ShapeError, Speller, Target, Tensor, TensorType,
    differentiate, spell,
};
use crate::onnx;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use std::collections::BTreeSet;

/// Kernels of nodes that only [`crate::graph::passes::fuse`] makes; [`fused`] compares them.
const FUSED: [&str; 4] = ["FusedConv", "FusedConvGrad", "BatchNormParameterGrad", "BatchNormAdd"];

/// Largest difference accepted, relative to the largest value of the output.
const TOLERANCE: f32 = 1e-5;

fn sample(feed: &Feed, rng: &mut ChaCha8Rng) -> Tensor {
    let (shape, mut values): (&[usize], Vec<f32>) = match feed {
        Feed::Normal(shape) | Feed::Distinct(shape) => {
            (shape, StandardNormal.sample_iter(&mut *rng).take(shape.iter().product()).collect())
        }
        Feed::Positive(shape) | Feed::Distribution(shape) => {
            (shape, (0..shape.iter().product::<usize>()).map(|_| rng.random_range(0.5..2.0)).collect())
        }
        other => panic!("no kernel takes {other:?}"),
    };
    if matches!(feed, Feed::Distribution(_)) {
        for row in values.chunks_mut(shape.last().copied().unwrap_or(1)) {
            let sum: f32 = row.iter().sum();
            row.iter_mut().for_each(|v| *v /= sum);
        }
    }
    Tensor::f32(shape, values)
}

/// A model of the one operator, its inputs fed and its outputs read.
fn model(case: &Case, target: Target) -> Vec<u8> {
    let mut graph = Graph::new();
    let inputs: Vec<_> = case
        .inputs
        .iter()
        .enumerate()
        .map(|(i, feed)| graph.input(format!("x{i}"), TensorType::new(DType::F32, Shape::fixed(shape_of(feed)))))
        .collect();
    for (i, value) in graph.add_shared(case.op.clone(), &inputs).unwrap().into_iter().enumerate() {
        graph.output(format!("y{i}"), value);
    }
    onnx::write(&spell(&graph, target).unwrap(), &vec![]).unwrap()
}

fn shape_of(feed: &Feed) -> &[usize] {
    match feed {
        Feed::Normal(s) | Feed::Positive(s) | Feed::Distinct(s) | Feed::Distribution(s) | Feed::Mask(s) => s,
        Feed::Index(s, _) | Feed::Known(s, _) | Feed::Text(s, _) => s,
    }
}

fn kernel_of(case: &Case) -> Option<Kernel> {
    let types: Vec<TensorType> =
        case.inputs.iter().map(|feed| TensorType::new(DType::F32, Shape::fixed(shape_of(feed)))).collect();
    case.op.kernel(&types.iter().collect::<Vec<_>>())
}

fn run(engine: &dyn Engine, model: &[u8], inputs: &[Tensor]) -> Result<Vec<Tensor>, EngineError> {
    engine.load_model(model)?.run(inputs)
}

fn floats(tensor: &Tensor) -> &[f32] {
    tensor.as_f32().unwrap()
}

fn compare(engine: &dyn Engine, case: &Case, seed: u64) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let inputs: Vec<Tensor> = case.inputs.iter().map(|feed| sample(feed, &mut rng)).collect();
    let wanted = run(engine, &model(case, Target::Portable), &inputs).unwrap();
    let given = run(engine, &model(case, Target::CpuKernels), &inputs).unwrap();
    for (i, (wanted, given)) in wanted.iter().zip(&given).enumerate() {
        assert_eq!(wanted.shape, given.shape);
        let size = floats(wanted).iter().fold(1e-3_f32, |m, v| m.max(v.abs()));
        for (w, g) in floats(wanted).iter().zip(floats(given)) {
            assert!((w - g).abs() <= TOLERANCE * size, "output {i} of {:?} on {:?}: {g} for {w}", case.op, case.inputs);
        }
    }
}

/// Larger problems than those of the operators' lists: several blocks, whole lanes and rests, many rows.
fn large_cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (b, c) in [(128, 10), (257, 2), (3, 1000), (64, 1)] {
        let rows = || vec![Feed::Normal(vec![b, c]), Feed::Distribution(vec![b, c]), Feed::Positive(vec![b])];
        cases.push(Case::new(SoftmaxCrossEntropy, rows()));
        cases.push(Case::new(SoftmaxCrossEntropyGrad, [vec![Feed::Positive(vec![])], rows()].concat()));
    }
    for shape in [[512, 1], [1023, 3], [1, 17]] {
        let mut feeds = vec![Feed::Positive(vec![]); 2];
        feeds.extend(vec![Feed::Normal(shape.to_vec()); 3]);
        cases.push(Case::new(SgdStep { momentum: 0.9, decay: vec![true] }, feeds));
        let mut feeds = vec![Feed::Positive(vec![]); 4];
        feeds.extend([vec![Feed::Normal(shape.to_vec()); 3], vec![Feed::Positive(shape.to_vec())]].concat());
        let adam = AdamStep { beta1: 0.9, beta2: 0.99, epsilon: 1e-6, decoupled: false, decay: vec![true] };
        cases.push(Case::new(adam, feeds));
    }
    for x in [vec![128, 17], vec![100, 1], vec![33, 64], vec![8, 17, 7, 7], vec![4, 1, 28, 28], vec![5, 16, 1, 1]] {
        for activation in [None].into_iter().chain(ActivationKind::ALL.map(Some)) {
            let (c, op) = (|| vec![x[1]], BatchNorm { epsilon: 1e-5, activation });
            cases.push(Case::new(op, vec![Feed::Normal(x.clone()), Feed::Positive(c()), Feed::Normal(c())]));
        }
    }
    cases
}

#[test]
fn kernels_equal_the_standard_spelling() {
    let engine = onnxruntime();
    let mut seen = BTreeSet::new();
    let listed = ops::ALL.iter().flat_map(|entry| (entry.cases)());
    for (i, case) in listed.chain(large_cases()).chain(large_images()).enumerate() {
        if let Some(kernel) = kernel_of(&case) {
            seen.insert(kernel.op_type);
            // Fed at random, y is not the normalisation's own: the next test feeds what belongs together.
            if kernel.op_type != "BatchNormGrad" {
                compare(&*engine, &case, i as u64);
            }
        }
    }
    let names: BTreeSet<&str> = ALL.iter().map(|entry| entry.name).collect();
    assert_eq!(names.len(), ALL.len(), "a name stands in the list twice");
    // Gradients of convolutions are operators with cases of their own; where both are wanted they are fused.
    let alone = |name: &&str| (!name.ends_with("Grad") || name.starts_with("Conv")) && !FUSED.contains(name);
    for name in names.into_iter().filter(alone) {
        assert!(seen.contains(name), "no operator with cases has the kernel {name}");
    }
}

/// Images large enough for several blocks, tiles and rests, in every form of a convolution.
fn large_images() -> Vec<Case> {
    let conv =
        |stride, pads, dilation, groups| Conv { stride: [stride; 2], pads: [pads; 4], dilation: [dilation; 2], groups };
    let case = |x: [usize; 4], w: [usize; 4], conv: Conv| {
        Case::new(conv, [x.to_vec(), w.to_vec(), vec![w[0]]].map(Feed::Normal).to_vec())
    };
    let mut cases = vec![
        case([32, 1, 28, 28], [32, 1, 3, 3], conv(1, 1, 1, 1)),
        case([32, 17, 9, 9], [24, 17, 3, 3], conv(2, 1, 1, 1)),
        case([64, 48, 4, 4], [64, 48, 3, 3], conv(1, 2, 2, 1)),
        case([16, 32, 8, 8], [64, 8, 5, 5], conv(1, 2, 1, 4)),
        case([16, 33, 15, 14], [33, 1, 3, 3], conv(1, 1, 1, 33)),
        case([128, 64, 7, 7], [16, 64, 1, 1], conv(1, 0, 1, 1)),
    ];
    for x in [[8, 17, 7, 7], [4, 1, 28, 28], [5, 16, 1, 1], [9, 3, 6, 6]] {
        cases.push(Case::new(GlobalAveragePool, vec![Feed::Normal(x.to_vec())]));
        cases.push(Case::new(GlobalMaxPool, vec![Feed::Normal(x.to_vec())]));
        let feeds = vec![Feed::Normal(x.to_vec()), Feed::Positive(vec![x[1]]), Feed::Normal(vec![x[1]])];
        cases.push(Case::new(LayerNorm { epsilon: 1e-5 }, feeds));
    }
    cases
}

/// The gradients of a mean of randomly weighted outputs, as a model; which inputs these are; whether there is a kernel.
fn gradient_model(case: &Case, weights: Tensor, target: Target) -> (Vec<u8>, Vec<usize>, BTreeSet<&'static str>) {
    let mut graph = Graph::new();
    let inputs: Vec<_> = case
        .inputs
        .iter()
        .enumerate()
        .map(|(i, feed)| graph.input(format!("x{i}"), TensorType::new(DType::F32, Shape::fixed(shape_of(feed)))))
        .collect();
    let y = graph.add_shared(case.op.clone(), &inputs).unwrap()[0];
    let weights = graph.constant(weights);
    let weighted = graph.apply(Binary(BinaryKind::Mul), &[y, weights]).unwrap();
    let loss = graph.apply(Mean, &[weighted]).unwrap();
    let moving: Vec<usize> =
        (0..inputs.len()).filter(|&i| !matches!(case.inputs[i], Feed::Distribution(_) | Feed::Mask(_))).collect();
    let targets: Vec<_> = moving.iter().map(|&i| inputs[i]).collect();
    for (i, gradient) in differentiate(&mut graph, loss, &targets).unwrap().into_iter().enumerate() {
        graph.output(format!("g{i}"), gradient);
    }
    let spelled = spell(&graph, target).unwrap();
    let kernels = spelled.nodes.iter().filter(|n| n.domain == KERNEL_DOMAIN).map(|n| n.op_type).collect();
    (onnx::write(&spelled, &vec![]).unwrap(), moving, kernels)
}

/// Compares the gradients of a case in both spellings, and returns the kernels that took part.
fn compare_gradients(engine: &dyn Engine, case: &Case, seed: u64) -> BTreeSet<&'static str> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let inputs: Vec<Tensor> = case.inputs.iter().map(|feed| sample(feed, &mut rng)).collect();
    let outputs = run(engine, &model(case, Target::Portable), &inputs).unwrap();
    let weights = sample(&Feed::Normal(outputs[0].shape.clone()), &mut rng);
    let (portable, moving, _) = gradient_model(case, weights.clone(), Target::Portable);
    let (kernels, _, names) = gradient_model(case, weights, Target::CpuKernels);
    if names.is_empty() {
        return names;
    }
    // An input that the gradients do not depend on is no input of the model's nodes, but still one of the model.
    let (wanted, given) = (run(engine, &portable, &inputs).unwrap(), run(engine, &kernels, &inputs).unwrap());
    for ((wanted, given), i) in wanted.iter().zip(&given).zip(moving) {
        assert_eq!(wanted.shape, given.shape);
        let size = floats(wanted).iter().fold(1e-6_f32, |m, v| m.max(v.abs()));
        let pairs = floats(wanted).iter().zip(floats(given));
        let worst = pairs.fold(0.0_f32, |worst, (w, g)| worst.max((w - g).abs()));
        // Sums over a channel cancel, so that their rounding grows with the number of terms.
        let terms = (inputs[0].data.len() / wanted.data.len()).max(1) as f32;
        let accepted = (TOLERANCE + f32::EPSILON * terms) * size;
        assert!(worst <= accepted, "{:?} on {:?}: gradient of input {i} is off by {worst} of {size}", case.op, case.inputs);
    }
    names
}

#[test]
fn gradients_equal_the_standard_spelling() {
    let engine = onnxruntime();
    let mut seen = BTreeSet::new();
    let fed = |case: &Case| {
        case.inputs.iter().all(|f| !matches!(f, Feed::Mask(_) | Feed::Index(..) | Feed::Known(..) | Feed::Text(..)))
    };
    let listed = ops::ALL.iter().filter(|entry| entry.differentiable).flat_map(|entry| (entry.cases)());
    let large = large_cases().into_iter().filter(|case| case.op.name() == "BatchNorm");
    for (i, case) in listed.filter(fed).chain(large).chain(large_images()).enumerate() {
        seen.extend(compare_gradients(&*engine, &case, i as u64));
    }
    let through_rules = |name: &&str| name.ends_with("Grad") && !name.starts_with("Conv") || *name == "ChannelSum";
    for name in ALL.iter().map(|entry| entry.name).filter(through_rules).filter(|name| !FUSED.contains(name)) {
        assert!(seen.contains(name), "no case of an operator has a gradient with the kernel {name}");
    }
}

#[test]
fn a_mean_far_from_zero_keeps_the_variance() {
    let op = BatchNorm { epsilon: 1e-5, activation: None };
    let case = Case::new(op, vec![Feed::Normal(vec![64, 2]), Feed::Positive(vec![2]), Feed::Normal(vec![2])]);
    let x: Vec<f32> = (0..128).map(|i| 1000.0 + (i / 2 % 4) as f32).collect();
    let inputs = [Tensor::f32(&[64, 2], x), Tensor::f32(&[2], vec![1.0; 2]), Tensor::f32(&[2], vec![0.0; 2])];
    let outputs = run(&*onnxruntime(), &model(&case, Target::CpuKernels), &inputs).unwrap();
    assert_eq!(floats(&outputs[1]), [1001.5; 2]);
    assert_eq!(floats(&outputs[2]), [1.25; 2]);
}

#[test]
fn not_a_number_passes_every_kernel() {
    let engine = onnxruntime();
    for case in large_cases() {
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        let mut inputs: Vec<Tensor> = case.inputs.iter().map(|feed| sample(feed, &mut rng)).collect();
        let at = inputs.iter().position(|t| !t.shape.is_empty()).unwrap();
        // The first tensor that is no scalar: logits, weights, or what is normalised.
        if let Data::F32(values) = &mut inputs[at].data {
            values[0] = f32::NAN;
        }
        let outputs = run(&*engine, &model(&case, Target::CpuKernels), &inputs).unwrap();
        assert!(floats(&outputs[0])[0].is_nan(), "{:?} on {:?} hides NaN", case.op, case.inputs);
    }
}

#[test]
fn an_optimizer_steps_state_in_place() {
    let shape = vec![1030];
    let op = SgdStep { momentum: 0.9, decay: vec![true] };
    let mut feeds = vec![Feed::Positive(vec![]); 2];
    feeds.extend(vec![Feed::Normal(shape.clone()); 3]);
    let case = Case::new(op, feeds);
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let inputs: Vec<Tensor> = case.inputs.iter().map(|feed| sample(feed, &mut rng)).collect();
    let engine = onnxruntime();
    let wanted = run(&*engine, &model(&case, Target::CpuKernels), &inputs).unwrap();

    let mut buffers: Vec<Vec<f32>> = inputs.iter().map(|t| floats(t).to_vec()).collect();
    let all: Vec<Memory> = buffers.iter_mut().map(|buffer| Memory::over(buffer)).collect();
    let outputs = [Memory::over(&mut buffers[2]), Memory::over(&mut buffers[4])];
    optimizer::Sgd { momentum: 0.9, decay: vec![1] }.run(&all, &outputs);
    assert_eq!((floats(&wanted[0]), floats(&wanted[1])), (&buffers[2][..], &buffers[4][..]));
}

/// An operator whose kernel node is given as it stands.
#[derive(Debug)]
struct Raw {
    kernel: Kernel,
    outputs: Vec<Shape>,
}

impl Op for Raw {
    fn name(&self) -> &'static str {
        "Raw"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        Ok(self.outputs.iter().map(|shape| inputs[0].with_shape(shape.clone())).collect())
    }

    fn standard(&self, s: &mut Speller<'_>) -> Result<(), crate::graph::GraphError> {
        Err(s.refuse("only its kernel is wanted"))
    }

    fn kernel(&self, _inputs: &[&TensorType]) -> Option<Kernel> {
        Some(self.kernel.clone())
    }
}

#[test]
fn misfits_are_errors_of_the_run() {
    let engine = onnxruntime();
    let attempt = |op_type, attributes, inputs: &[&[usize]], outputs: &[&[usize]]| {
        let outputs = outputs.iter().map(|s| Shape::fixed(s)).collect();
        let feeds = inputs.iter().map(|s| Feed::Positive(s.to_vec())).collect();
        let case = Case::new(Raw { kernel: Kernel::new(op_type, attributes), outputs }, feeds);
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        let tensors: Vec<Tensor> = case.inputs.iter().map(|feed| sample(feed, &mut rng)).collect();
        match run(&*engine, &model(&case, Target::CpuKernels), &tensors) {
            Ok(_) => panic!("{op_type} took {inputs:?}"),
            Err(e) => e.to_string(),
        }
    };
    let norm = || vec![("epsilon", Attribute::Float(1e-5)), ("activation", Attribute::Int(-1))];
    let problem = attempt("BatchNorm", norm(), &[&[4, 3], &[2], &[3]], &[&[4, 3], &[3], &[3]]);
    assert!(problem.contains("does not fit the channels"), "{problem}");
    let problem = attempt("BatchNorm", vec![], &[&[4, 3], &[3], &[3]], &[&[4, 3], &[3], &[3]]);
    assert!(problem.contains("attribute epsilon is missing"), "{problem}");
    let mut unknown = norm();
    unknown[1].1 = Attribute::Int(99);
    let problem = attempt("BatchNorm", unknown, &[&[4, 3], &[3], &[3]], &[&[4, 3], &[3], &[3]]);
    assert!(problem.contains("no activation 99"), "{problem}");
    let problem = attempt("SoftmaxCrossEntropy", vec![], &[&[4, 3], &[4, 2], &[4]], &[&[]]);
    assert!(problem.contains("do not fit"), "{problem}");
    let conv = |groups| {
        let ints = |v: &[i64]| Attribute::Ints(v.to_vec());
        let rest = ("group", Attribute::Int(groups));
        vec![("strides", ints(&[1, 1])), ("pads", ints(&[0; 4])), ("dilations", ints(&[1, 1])), rest]
    };
    let problem = attempt("Conv", conv(1), &[&[2, 5, 5, 3], &[4, 2, 3, 3]], &[&[2, 3, 3, 4]]);
    assert!(problem.contains("do not fit images"), "{problem}");
    let problem = attempt("Conv", conv(0), &[&[2, 5, 5, 3], &[4, 3, 3, 3]], &[&[2, 3, 3, 4]]);
    assert!(problem.contains("at least 1 wanted"), "{problem}");
    let problem = attempt("Conv", conv(1), &[&[2, 2, 2, 3], &[4, 3, 3, 3]], &[&[2, 1, 1, 4]]);
    assert!(problem.contains("do not fit images"), "{problem}");
    let problem = attempt("Conv", conv(1), &[&[2, 5, 5, 3], &[4, 3, 3, 3], &[3]], &[&[2, 3, 3, 4]]);
    assert!(problem.contains("bias of 4"), "{problem}");
    let momentum = vec![("momentum", Attribute::Float(0.9)), ("decay", Attribute::Ints(vec![0]))];
    let problem = attempt("SgdStep", momentum, &[&[], &[], &[3], &[2], &[3]], &[&[3], &[3]]);
    assert!(problem.contains("shapes of parameter 0 differ"), "{problem}");
    assert_eq!(KERNEL_DOMAIN, "evolve.train");
}
