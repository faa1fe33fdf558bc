//! Trainings as a study asks for them: how long they are, what they start from.

use evolve::data::{self, Dataset, Options, Validation};
use evolve::engine::Tract;
use evolve::genome::{Genome, Net, SearchSpace, TableNet};
use evolve::graph::Target;
use evolve::train::{ClassWeights, Request, Setting, TrainError, Trained, metric, train};
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

fn iris() -> Dataset {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/iris.csv");
    let target = Some("species".to_owned());
    data::load(&Options { path, target, task: None, validation: Validation::Auto, group: None, seed: 0 }).expect("iris")
}

/// A small net without dropout.
fn genome(dataset: &Dataset) -> Genome {
    let mut genome =
        SearchSpace::preset(&evolve::express::domain(&dataset.task, dataset.train.targets.len())).seeds().remove(0);
    if let Net::Table(TableNet { blocks, .. }) = &mut genome.net {
        blocks.iter_mut().for_each(|block| (block.width, block.dropout) = (16, 0.0));
    }
    genome
}

fn trained(dataset: &Dataset, stop: bool, request: Request<'_>) -> Result<Trained, TrainError> {
    let setting = Setting {
        task: &dataset.task,
        train: &dataset.train,
        resident: None,
        validation: &dataset.validation,
        engine: &Tract,
        target: Target::Portable,
        metric: metric::default_for(dataset.task.kind),
        class_weights: &ClassWeights::Auto,
        stop: &AtomicBool::new(stop),
    };
    train(&setting, request)
}

#[test]
fn a_training_past_its_deadline_is_scored_as_it_stands() {
    let dataset = iris();
    let genome = genome(&dataset);
    let request = Request { deadline: Some(Instant::now()), ..Request::new(&genome, 1, 1_000_000_000) };
    let trained = trained(&dataset, false, request).expect("a score");
    assert_eq!(trained.costs.examples, genome.training.batch as u64, "one step");
    assert_eq!(trained.curve.len(), 1);
    assert!(trained.score.is_finite());
}

#[test]
fn a_training_that_is_told_to_stop_has_no_score() {
    let dataset = iris();
    let genome = genome(&dataset);
    let request = Request::new(&genome, 1, 100);
    assert!(matches!(trained(&dataset, true, request), Err(TrainError::Stopped)));
}

#[test]
fn a_training_goes_on_from_weights_at_the_rate_it_is_given() {
    let dataset = iris();
    let genome = genome(&dataset);
    let run = |start, rate| {
        let request = Request { start, rate, ..Request::new(&genome, 1, 320) };
        trained(&dataset, false, request).expect("a score").weights
    };
    let first = run(None, 1.0);
    let still = run(Some(first.clone()), 0.0);
    let on = run(Some(first.clone()), 0.5);
    let moved = |a: &evolve::train::Weights, b: &evolve::train::Weights| {
        let far = |name: &String| {
            let (a, b) = (a[name].as_f32().expect("floats"), b[name].as_f32().expect("floats"));
            a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
        };
        a.keys().map(far).fold(0.0, f32::max)
    };
    assert_eq!(moved(&still, &first), 0.0, "a rate of 0 leaves all weights where they are");
    assert!(moved(&on, &first) > 1e-4);
}

#[test]
fn a_start_that_counts_is_kept_where_training_spoils_it() {
    let dataset = iris();
    let genome = genome(&dataset);
    let run = |start, examples, keeps_start, rate| {
        let request = Request { start, keeps_start, rate, ..Request::new(&genome, 1, examples) };
        trained(&dataset, false, request).expect("a score")
    };
    let first = run(None, 6_400, false, 1.0);
    let start = || Some(first.weights.clone());
    let (spoilt, kept) = (run(start(), 32, false, 1000.0), run(start(), 32, true, 1000.0));
    assert!(spoilt.score < first.score, "{} after {}", spoilt.score, first.score);
    assert_eq!((kept.score, kept.weights), (first.score, first.weights));
    assert_eq!(kept.curve, spoilt.curve, "the start has no loss, so it is no point of the course");
}
