//! Random genomes whose training step is spelled in kernels compute what the standard spelling computes.

use evolve::data::{CategoricalFeature, InputSpec, NumericFeature, OutputSpec, Task, TaskKind};
use evolve::engine::{Choice, Device, Engine, FeedMut, Request, select};
use evolve::express::{Feed, TrainingStep, domain, initialise, training_step};
use evolve::genome::{Genome, Initialisation, SearchSpace};
use evolve::graph::Target;
use evolve::train;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Rows of a batch: odd, and few enough that a net takes a moment.
const BATCH: usize = 7;

/// Genomes of each task.
const GENOMES: usize = 60;

fn tasks() -> Vec<Task> {
    let classes = |n: usize| OutputSpec::Classes {
        names: (0..n).map(|c| c.to_string()).collect(),
        integers: true,
        counts: vec![100; n],
    };
    let image = |size: [usize; 2], channels: usize| Task {
        kind: TaskKind::Multiclass,
        input: InputSpec::Image {
            height: size[0],
            width: size[1],
            channels,
            mean: vec![100.0; channels],
            std: vec![60.0; channels],
        },
        output: classes(5),
    };
    let numeric =
        (0..5).map(|i| NumericFeature { name: format!("n{i}"), knots: (0..20).map(|k| k as f32 / 5.0 - 2.0).collect() });
    let categorical = vec![CategoricalFeature { name: "c".into(), slots: 6 }];
    let table = Task {
        kind: TaskKind::Regression,
        input: InputSpec::Table { numeric: numeric.collect(), categorical },
        output: OutputSpec::Value { mean: 1.0, std: 2.0 },
    };
    vec![image([9, 9], 1), image([12, 10], 3), table]
}

/// Fills a feed, the same for both spellings.
fn fill(feed: &Feed, values: FeedMut<'_>, rng: &mut ChaCha8Rng) {
    match (feed.name.as_str(), values) {
        ("lr", FeedMut::F32(values)) => values[0] = 1e-3,
        ("wd", FeedMut::F32(values)) => values[0] = 0.01,
        ("c1" | "c2" | "weights", FeedMut::F32(values)) => values.fill(1.0),
        ("targets", FeedMut::F32(values)) if feed.shape.len() == 2 => {
            let classes = feed.shape[1];
            values.fill(0.0);
            values.chunks_exact_mut(classes).for_each(|row| row[rng.random_range(0..classes)] = 1.0);
        }
        (_, FeedMut::F32(values)) => values.iter_mut().for_each(|v| *v = rng.random_range(-1.5..1.5)),
        (_, FeedMut::U8(values)) => values.iter_mut().for_each(|v| *v = rng.random()),
        (_, FeedMut::I64(values)) => values.iter_mut().for_each(|v| *v = rng.random_range(0..6)),
    }
}

/// Loss and moments after the first step: moments that start from zero are multiples of gradients and of their squares.
fn moments(step: &TrainingStep, engine: &dyn Engine, target: Target, seed: u64) -> (f32, Vec<Vec<f32>>) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut session = train::load(step, engine, target).expect("a session");
    for (slot, param) in step.params.iter().enumerate() {
        let tensor = initialise(param, Initialisation::HeNormal, &mut rng);
        session.write_state(slot, tensor.as_f32().expect("floats")).expect("state");
    }
    for (slot, feed) in step.feeds.iter().enumerate() {
        fill(feed, session.feed(slot), &mut rng);
    }
    session.step().expect("a step");
    let read = |slot: usize, shape: &[usize]| {
        let mut values = vec![0.0; shape.iter().product()];
        session.read_state(slot, &mut values).expect("state");
        values
    };
    let slots = step.params.len()..step.params.len() + step.moments.len();
    let moments = slots.zip(&step.moments).map({
        let mut read = read;
        move |(slot, (_, _, shape))| read(slot, shape)
    });
    let moments = moments.collect();
    (session.fetch(0).expect("a loss")[0], moments)
}

fn norm(values: impl Iterator<Item = f32>) -> f64 {
    values.map(|v| f64::from(v).powi(2)).sum::<f64>().sqrt()
}

fn compare(genome: &Genome, step: &TrainingStep, engine: &dyn Engine, seed: u64) {
    let (loss, wanted) = moments(step, engine, Target::Portable, seed);
    let (given_loss, given) = moments(step, engine, Target::CpuKernels, seed);
    let json = genome.json();
    assert!((loss - given_loss).abs() <= 1e-4 * loss.abs().max(0.1), "loss {given_loss} for {loss}: {json}");
    // Some gradients are zero in theory, and noise in both spellings; maxima and activations may tip at a rounding.
    let largest = wanted.iter().map(|w| norm(w.iter().copied())).fold(0.0, f64::max);
    for ((wanted, given), (name, ..)) in wanted.iter().zip(&given).zip(&step.moments) {
        let size = norm(wanted.iter().copied()).max(1e-4 * largest);
        let difference = norm(wanted.iter().zip(given).map(|(w, g)| w - g));
        assert!(difference <= 0.01 * size, "{name}: off by {difference} of {size}: {json}");
    }
}

#[test]
fn random_genomes_train_alike_in_both_spellings() {
    let request = Request { engine: Choice::OnnxRuntime, device: Device::Cpu, ..Request::default() };
    let engine = select(&request).expect("ONNX Runtime").engine;
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    for task in tasks() {
        let space = SearchSpace::preset(&domain(&task, 700));
        let seeds = space.seeds();
        let births = (0..GENOMES).map(|_| space.birth(&mut rng)).collect::<Vec<_>>();
        for (seed, genome) in seeds.into_iter().chain(births).enumerate() {
            let step = training_step(&genome, &task, BATCH).expect("a valid genome");
            compare(&genome, &step, &*engine, seed as u64);
        }
    }
}
