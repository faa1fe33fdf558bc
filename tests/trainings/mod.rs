//! Small trainings of real data: shared by the tests that compare one with another.

use evolve::data::{Dataset, Options, TaskKind, Validation, load};
use evolve::engine::Engine;
use evolve::graph::Target;
use evolve::train::{ClassWeights, Setting, metric};
use std::path::Path;
use std::sync::atomic::AtomicBool;

/// Rows that are trained on: few, and no multiple of a batch.
pub const ROWS: usize = 100;

/// The first rows of a fixture.
pub fn data(file: &str, target: Option<&str>) -> Dataset {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(file);
    let target = target.map(str::to_owned);
    let options = Options { path, target, task: None, validation: Validation::Share(0.2), group: None, seed: 0 };
    let mut dataset = load(&options).expect("a dataset");
    let first = |rows: usize, most: usize| (0..rows.min(most)).collect::<Vec<_>>();
    dataset.train = dataset.train.take(&first(dataset.train.targets.len(), ROWS));
    dataset.validation = dataset.validation.take(&first(dataset.validation.targets.len(), 40));
    dataset
}

pub fn setting<'a>(dataset: &'a Dataset, engine: &'a dyn Engine, target: Target, stop: &'a AtomicBool) -> Setting<'a> {
    let name = if dataset.task.kind == TaskKind::Regression { "rmse" } else { "log_loss" };
    Setting {
        task: &dataset.task,
        train: &dataset.train,
        resident: None,
        validation: &dataset.validation,
        engine,
        target,
        metric: metric::find(name, dataset.task.kind).expect("a metric"),
        class_weights: &ClassWeights::Auto,
        stop,
    }
}
