//! Named ancestors become graphs: as many parameters as are counted, the same outputs in every engine, training steps that
//! are the same in both spellings.

use evolve::data::{Features, InputSpec, OutputSpec, Part, Targets, Task, TaskKind};
use evolve::engine::{Choice, Device, Engine, FeedMut, Request, Tract, select};
use evolve::express::{domain, embed, feature_inputs, inference, initialise, training_step};
use evolve::genome::{Ancestor, AncestorNet, Genome, InputDomain, Net, SearchSpace, Size, ancestor};
use evolve::graph::{Dim, Graph, Target, Tensor, passes::fold_batch_norm, spell};
use evolve::train::{self, Evaluator, Weights};
use evolve::{genome, onnx};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::sync::Arc;

fn task(height: usize, width: usize, channels: usize, classes: usize) -> Task {
    let (mean, std) = (vec![100.0; channels], vec![60.0; channels]);
    let names = (0..classes).map(|class| class.to_string()).collect();
    Task {
        kind: TaskKind::Multiclass,
        input: InputSpec::Image { height, width, channels, mean, std },
        output: OutputSpec::Classes { names, integers: true, counts: vec![10; classes] },
    }
}

fn genome(net: AncestorNet, task: &Task) -> Genome {
    Genome { net: Net::Ancestor(net), training: SearchSpace::preset(&domain(task, 700)).seeds()[0].training }
}

fn published(name: &str) -> AncestorNet {
    AncestorNet::published(ancestor::find(name).expect("an ancestor"))
}

/// The ancestors so narrow and shallow that tests run them in a moment, with a task of small images that each fits.
fn small() -> Vec<(AncestorNet, Task)> {
    let side = |ancestor: Ancestor| if ancestor == published("inception_v3").name { 76 } else { 33 };
    let net = |ancestor| AncestorNet { width: 1, depth: 2, ..AncestorNet::published(ancestor) };
    Ancestor::all().map(|ancestor| (net(ancestor), task(side(ancestor), side(ancestor) + 3, 3, 5))).collect()
}

fn onnxruntime() -> Arc<dyn Engine> {
    let request = Request { engine: Choice::OnnxRuntime, device: Device::Cpu, ..Request::default() };
    select(&request).expect("ONNX Runtime").engine
}

/// Initial weights with statistics as after some training.
fn weights(genome: &Genome, task: &Task) -> Weights {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let params = inference(genome, task, Dim::Batch).expect("a graph").params;
    let weights = params.into_iter().map(|param| {
        let drawn = initialise(&param, genome.training.initialisation, &mut rng);
        let values = drawn.as_f32().expect("floats").iter();
        let moved = match param.name.rsplit('.').next() {
            Some("variance") => values.map(|v| v + rng.random_range(-0.3..0.3)).collect(),
            Some("mean" | "beta") => values.map(|v| v + rng.random_range(-0.1..0.1)).collect(),
            _ => values.copied().collect(),
        };
        (param.name, Tensor::f32(&param.shape, moved))
    });
    weights.collect()
}

#[test]
fn expressed_parameters_are_those_that_are_counted() {
    for ancestor in Ancestor::all() {
        let net = AncestorNet::published(ancestor);
        for (net, height, width, channels) in [
            (net, 96, 96, 3),
            (AncestorNet { width: 3, ..net }, 80, 131, 1),
            (AncestorNet { width: 2, depth: 16, ..net }, 77, 75, 3),
            (AncestorNet { width: 1, depth: 1, resolution: 16, ..net }, 40, 64, 4),
        ] {
            let task = task(height, width, channels, 7);
            let genome = genome(net, &task);
            let architecture = net.architecture(Size { height, width }, channels, 7).expect("a fit");
            let inference = inference(&genome, &task, Dim::Batch).expect("a graph");
            let count = |trainable: bool| -> u64 {
                let kept = inference.params.iter().filter(|param| param.trainable || !trainable);
                kept.map(|param| param.elements() as u64).sum()
            };
            assert_eq!(count(false), architecture.parameters(), "{net}");
            assert_eq!(count(true), architecture.trainable(), "{net}");
            assert_eq!(inference.graph.macs(), architecture.macs(), "{net}");
            let domain = domain(&task, 700);
            assert_eq!(count(true), genome::parameters(&genome, &domain), "{net}");
            assert_eq!(architecture.macs(), genome::macs(&genome, &domain), "{net}");
            let step = training_step(&genome, &task, 2).expect("a step");
            assert_eq!(step.params, inference.params, "{net}");
        }
    }
}

fn outputs(genome: &Genome, task: &Task, part: &Part, engine: &dyn Engine, target: Target) -> Vec<f32> {
    let mut evaluator = Evaluator::new(genome, task, 3, engine, target).expect("an inference graph");
    evaluator.set_weights(&weights(genome, task)).expect("weights");
    evaluator.outputs(part).expect("outputs")
}

#[test]
fn engines_and_spellings_agree() {
    let onnxruntime = onnxruntime();
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let finer = published("mobilenet_v2");
    let finer = (AncestorNet { width: 1, resolution: 12, ..finer }, task(30, 21, 1, 3));
    let coarser = (AncestorNet { width: 2, resolution: 5, ..published("efficientnet_b0") }, task(50, 60, 3, 3));
    for (net, task) in small().into_iter().chain([finer, coarser]) {
        let InputDomain::Image { height, width, channels } = domain(&task, 3).input else { panic!("images") };
        let pixels = (0..3 * height * width * channels).map(|_| rng.random()).collect();
        let part = Part { features: Features::Images { pixels }, targets: Targets::Classes(vec![0; 3]) };
        let genome = genome(net, &task);
        let wanted = outputs(&genome, &task, &part, &Tract, Target::Portable);
        assert!(wanted.iter().all(|v| v.is_finite()), "{net}: {wanted:?}");
        let size = wanted.iter().fold(0.0_f32, |size, v| size.max(v.abs()));
        assert!(wanted.iter().any(|v| (v - wanted[0]).abs() > 1e-3 * size), "{net} says the same of all images: {wanted:?}");
        for target in [Target::Portable, Target::CpuKernels] {
            let given = outputs(&genome, &task, &part, &*onnxruntime, target);
            for (given, wanted) in given.iter().zip(&wanted) {
                assert!((given - wanted).abs() <= 2e-4 * size, "{net}: {given} for {wanted}");
            }
        }
    }
}

/// Loss of each of some steps on one batch, and the moments after them, each with its name: after one step they are
/// multiples of the gradients and of their squares.
fn losses(
    genome: &Genome,
    task: &Task,
    engine: &dyn Engine,
    target: Target,
    steps: usize,
) -> (Vec<f32>, Vec<(String, Vec<f32>)>) {
    const BATCH: usize = 8;
    let step = training_step(genome, task, BATCH).expect("a step");
    let mut session = train::load(&step, engine, target).expect("a session");
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    for (slot, param) in step.params.iter().enumerate() {
        let drawn = initialise(param, genome.training.initialisation, &mut rng);
        session.write_state(slot, drawn.as_f32().expect("floats")).expect("state");
    }
    for (slot, feed) in step.feeds.iter().enumerate() {
        match (feed.name.as_str(), session.feed(slot)) {
            ("lr", FeedMut::F32(values)) => values.fill(1e-3),
            ("wd", FeedMut::F32(values)) => values.fill(0.0),
            ("targets", FeedMut::F32(values)) => {
                values.fill(0.0);
                values.chunks_exact_mut(5).enumerate().for_each(|(row, targets)| targets[row % 5] = 1.0);
            }
            ("image", FeedMut::F32(values)) => values.iter_mut().for_each(|v| *v = rng.random_range(-1.5..1.5)),
            (_, FeedMut::F32(values)) => values.fill(1.0),
            (_, FeedMut::U8(values)) => values.fill(1),
            (name, FeedMut::I64(_)) => panic!("{name} is fed to a net for images"),
        }
    }
    let mut losses = vec![];
    for _ in 0..steps {
        session.step().expect("a step");
        losses.push(session.fetch(0).expect("a loss")[0]);
    }
    for (slot, param) in step.params.iter().enumerate() {
        let mut values = vec![0.0; param.elements()];
        session.read_state(slot, &mut values).expect("state");
        assert!(values.iter().all(|v| v.is_finite()), "{} after {steps} steps", param.name);
        // An input's statistics are given; they stand still.
        if param.name.starts_with("normalization.") {
            let given = if param.name.ends_with("variance") { 1.0 } else { 0.0 };
            assert!(values.iter().all(|&v| v == given), "{}: {values:?}", param.name);
        }
    }
    let mut moments = vec![];
    for (slot, (name, _, shape)) in (step.params.len()..).zip(&step.moments) {
        let mut values = vec![0.0; shape.iter().product()];
        session.read_state(slot, &mut values).expect("state");
        moments.push((name.clone(), values));
    }
    (losses, moments)
}

fn norm(values: impl Iterator<Item = f32>) -> f64 {
    values.map(|v| f64::from(v).powi(2)).sum::<f64>().sqrt()
}

#[test]
fn training_steps_learn_and_stay_finite() {
    let onnxruntime = onnxruntime();
    for (net, task) in small() {
        let genome = genome(net, &task);
        let (loss, wanted) = losses(&genome, &task, &*onnxruntime, Target::Portable, 1);
        let (given_loss, given) = losses(&genome, &task, &*onnxruntime, Target::CpuKernels, 1);
        assert!((loss[0] - given_loss[0]).abs() <= 1e-3 * loss[0].abs(), "{net}: {} and {}", loss[0], given_loss[0]);
        // Some gradients are zero in theory, such as those of biases before a normalisation, and noise in both spellings.
        // Normalisations of a few values each amplify what rounding there is from layer to layer.
        let largest = wanted.iter().map(|(_, values)| norm(values.iter().copied())).fold(0.0, f64::max);
        for ((name, wanted), (_, given)) in wanted.iter().zip(&given) {
            let size = norm(wanted.iter().copied()).max(1e-4 * largest);
            let difference = norm(wanted.iter().zip(given).map(|(w, g)| w - g));
            assert!(difference <= 0.05 * size, "{net}: {name} is off by {difference} of {size}");
        }
        let (losses, _) = losses(&genome, &task, &*onnxruntime, Target::CpuKernels, 12);
        assert!(losses[11] < losses[0], "{net}: {losses:?}");
    }
}

/// The file as it is exported, with random weights: normalisations folded, standard operators, the batch symbolic.
fn exported(genome: &Genome, task: &Task) -> Vec<u8> {
    let mut graph = Graph::new();
    let inputs = feature_inputs(&mut graph, task, Dim::Batch);
    let output = embed(&mut graph, genome, task, inputs, &weights(genome, task)).expect("a net");
    graph.output("output", output);
    onnx::write(&spell(&fold_batch_norm(&graph).expect("folded"), Target::Portable).expect("spelled"), &vec![])
        .expect("a model")
}

/// Exports the ancestor at its published size and runs it on one image.
fn run_at_published_size(net: AncestorNet, engine: &dyn Engine) {
    let side = net.name.entry().side;
    let task = task(side, side, 3, 1000);
    let model = exported(&genome(net, &task), &task);
    let summary = onnx::read(&model).expect("a valid model");
    assert!(summary.nodes.iter().all(|node| node.domain.is_empty()));
    let image = Tensor::f32(&[1, 3, side, side], (0..3 * side * side).map(|i| (i as f32 * 0.37).sin()).collect());
    let mut model = engine.load_model(&model).expect("a model that loads");
    let outputs = model.run(&[image]).expect("outputs");
    assert_eq!(outputs[0].shape, [1, 1000]);
    assert!(outputs[0].as_f32().expect("floats").iter().all(|v| v.is_finite()), "{net}");
}

#[test]
fn small_ancestors_run_at_their_published_size() {
    let onnxruntime = onnxruntime();
    for name in ["mobilenet_v2", "efficientnet_b0"] {
        run_at_published_size(published(name), &*onnxruntime);
    }
}

#[test]
#[ignore = "takes a minute and several gigabytes"]
fn every_ancestor_runs_at_its_published_size() {
    let onnxruntime = onnxruntime();
    for ancestor in Ancestor::all() {
        let began = std::time::Instant::now();
        run_at_published_size(AncestorNet::published(ancestor), &*onnxruntime);
        println!("{ancestor}: {:.1} s", began.elapsed().as_secs_f64());
    }
}
