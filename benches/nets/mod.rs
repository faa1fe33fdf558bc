//! The nets that benches time, as genomes with their tasks or, where no genome has their shape, as graphs. They are those
//! of `peers/nets.py`, layer for layer.

mod images;
mod series;
mod tables;

use evolve::data::{OutputSpec, Task, TaskKind};
use evolve::engine::{Choice, Device, Engine, FeedMut, Request, Session, select};
use evolve::express::{Feed, TrainingStep, initialise, training_step};
use evolve::genome::{Augmentation, Genome, Initialisation, Loss, Optimizer, Schedule, Training};
use evolve::graph::Target;
use evolve::train;
use std::sync::Arc;

/// Rows of a training batch where a net's name says no other.
pub const BATCH: usize = 128;

/// A net by name with its task; the genome says how many rows a batch has.
pub fn net(name: &str) -> Option<(Genome, Task)> {
    tables::net(name).or_else(|| images::net(name))
}

/// The training step of a net by name: that of [`net`], or that of the one which no genome expresses.
pub fn step(name: &str) -> Option<TrainingStep> {
    let step = match net(name) {
        Some((genome, task)) => training_step(&genome, &task, genome.training.batch),
        None if name == "series" => series::step(),
        None => return None,
    };
    Some(step.expect("a valid net"))
}

/// Ten classes.
fn classes() -> (TaskKind, OutputSpec) {
    let names = (0..10).map(|c| c.to_string()).collect();
    (TaskKind::Multiclass, OutputSpec::Classes { names, integers: true, counts: vec![100; 10] })
}

/// Adam at a constant rate on batches of `batch` rows.
fn training(batch: usize, loss: Loss) -> Training {
    Training {
        optimizer: Optimizer::Adam { beta2: 0.999 },
        learning_rate: 1e-3,
        schedule: Schedule::Constant,
        weight_decay: 0.0,
        label_smoothing: 0.0,
        batch,
        initialisation: Initialisation::HeNormal,
        loss,
        augmentation: Augmentation::default(),
        length: 1.0,
    }
}

/// The session of a training step of so many members, with drawn weights and filled feeds.
pub fn session(step: &TrainingStep, target: Target, engine: &dyn Engine, members: usize) -> Box<dyn Session> {
    let mut session = train::load_population(step, engine, target, members).expect("a session");
    let mut rng = train::random(0, 0);
    for (slot, param) in step.params.iter().enumerate() {
        let drawn = (0..members).map(|_| initialise(param, Initialisation::HeNormal, &mut rng));
        let values: Vec<f32> = drawn.flat_map(|tensor| tensor.as_f32().expect("floats").to_vec()).collect();
        session.write_state(slot, &values).expect("state");
    }
    for (slot, feed) in step.feeds.iter().enumerate() {
        for member in 0..members {
            if let FeedMut::F32(values) = session.feed(slot).part(member, members) {
                fill(feed, values);
            }
        }
    }
    session
}

/// ONNX Runtime on the CPU.
pub fn engine() -> Arc<dyn Engine> {
    engine_on(Device::Cpu)
}

/// ONNX Runtime on a device.
pub fn engine_on(device: Device) -> Arc<dyn Engine> {
    let request = Request { engine: Choice::OnnxRuntime, device, graphs: true, ..Request::default() };
    let selected = select(&request).unwrap_or_else(|e| panic!("{e}"));
    selected.notices.iter().for_each(|notice| eprintln!("{notice}"));
    selected.engine
}

/// Fills a feed with what looks like data; where targets are classes, each row's is the next.
fn fill(feed: &Feed, values: &mut [f32]) {
    match (feed.name.as_str(), &feed.shape[..]) {
        ("lr", _) => values[0] = 1e-3,
        ("wd", _) => values[0] = 0.0,
        ("c1" | "c2" | "weights", _) => values.fill(1.0),
        ("targets", &[_, classes]) => {
            let is_target = |i: usize| i % classes == i / classes % classes;
            values.iter_mut().enumerate().for_each(|(i, v)| *v = f32::from(u8::from(is_target(i))));
        }
        _ => values.iter_mut().enumerate().for_each(|(i, v)| *v = ((i as f32) * 0.7).sin()),
    }
}
