//! Trainings on a device that runs out of memory.

use super::*;
use crate::data::{self, CrossValidation, Dataset, Validation};
use crate::engine::{self, Engine, EngineError, FeedMut, HostTensor, Model, Plan, Resident, Session};
use crate::genome::{Genome, SearchSpace};
use crate::graph::Tensor;
use crate::study::{Event, Folder, Record, Resources, Settings, Study, tests as studies};
use crate::train::{ClassWeights, Rung, metric};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

static GO: AtomicBool = AtomicBool::new(false);

/// Batch of the genomes.
const BATCH: usize = 32;

/// ONNX Runtime, with memory for a training step only where `fits` says so of how many there were before and of the examples
/// of the step, those of all members together, and for so many examples of all that are loaded at a time.
#[derive(Debug, Clone)]
struct Device {
    engine: Arc<dyn Engine>,
    fits: fn(usize, usize) -> bool,
    room: usize,
    steps: Arc<AtomicUsize>,
    used: Arc<AtomicUsize>,
}

impl Device {
    fn new(fits: fn(usize, usize) -> bool) -> Self {
        let engine = engine::tests::onnxruntime();
        Device { engine, fits, room: usize::MAX, steps: Arc::default(), used: Arc::default() }
    }

    /// Training steps that were loaded.
    fn steps(&self) -> usize {
        self.steps.load(Ordering::Relaxed)
    }
}

impl Engine for Device {
    fn name(&self) -> &'static str {
        self.engine.name()
    }

    fn version(&self) -> String {
        self.engine.version()
    }

    fn device(&self) -> String {
        self.engine.device()
    }

    fn has_kernels(&self) -> bool {
        self.engine.has_kernels()
    }

    fn shared(&self) -> Arc<dyn Engine> {
        Arc::new(self.clone())
    }

    fn reside(&self, _tensors: &[HostTensor<'_>]) -> Result<Option<Resident>, EngineError> {
        Err(EngineError::OutOfMemory { engine: "onnxruntime", reason: "there is no room".into() })
    }

    fn load(&self, model: &[u8], plan: Plan) -> Result<Box<dyn Session>, EngineError> {
        let weights = plan.feeds.iter().find(|feed| feed.name == "weights");
        let examples = weights.map_or(0, |feed| feed.shape.iter().product());
        let fits = self.used.fetch_add(examples, Ordering::SeqCst) + examples <= self.room;
        let fits = examples == 0 || ((self.fits)(self.steps.fetch_add(1, Ordering::Relaxed), examples) && fits);
        Ok(Box::new(Loaded { session: self.engine.load(model, plan)?, fits, examples, used: Arc::clone(&self.used) }))
    }

    fn load_model(&self, model: &[u8]) -> Result<Box<dyn Model>, EngineError> {
        self.engine.load_model(model)
    }
}

/// What takes its memory as it runs, as an arena does.
struct Loaded {
    session: Box<dyn Session>,
    fits: bool,
    examples: usize,
    used: Arc<AtomicUsize>,
}

impl Drop for Loaded {
    fn drop(&mut self) {
        self.used.fetch_sub(self.examples, Ordering::SeqCst);
    }
}

impl Session for Loaded {
    fn feed(&mut self, slot: usize) -> FeedMut<'_> {
        self.session.feed(slot)
    }

    fn step(&mut self) -> Result<(), EngineError> {
        match self.fits {
            true => self.session.step(),
            false => Err(EngineError::OutOfMemory { engine: "onnxruntime", reason: "there is no more".into() }),
        }
    }

    fn fetch(&mut self, slot: usize) -> Result<&[f32], EngineError> {
        self.session.fetch(slot)
    }

    fn read_state(&mut self, slot: usize, into: &mut [f32]) -> Result<(), EngineError> {
        self.session.read_state(slot, into)
    }

    fn write_state(&mut self, slot: usize, from: &[f32]) -> Result<(), EngineError> {
        self.session.write_state(slot, from)
    }
}

fn iris(validation: Validation) -> Dataset {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/iris.csv");
    let target = Some("species".to_owned());
    data::load(&data::Options { path, target, task: None, validation, group: None, seed: 0 }).unwrap()
}

fn space(dataset: &Dataset) -> SearchSpace {
    SearchSpace::preset(&express::domain(&dataset.task, dataset.train.targets.len()))
}

/// Trainings of a genome with such a batch.
fn job(dataset: &Dataset, number: u64, batch: usize) -> Job {
    let mut genome: Genome = space(dataset).seeds().swap_remove(0);
    genome.training.batch = batch;
    let (start, deadline, rungs, checkpoint) = (None, None, vec![], None);
    Job { number, genome, seed: number, examples: 1280, start, whole: false, deadline, rungs, checkpoint }
}

fn setting<'a>(dataset: &'a Dataset, device: &'a Device, metric: &'static metric::Metric) -> Setting<'a> {
    let Dataset { task, train, validation, .. } = dataset;
    let (target, class_weights) = (Target::CpuKernels, &ClassWeights::Auto);
    Setting { task, train, resident: None, validation, engine: device, target, metric, class_weights, stop: &GO }
}

fn workshop<'a>(dataset: &'a Dataset, device: &'a Device, store: &'a Store, executions: usize) -> Workshop<'a> {
    let metric = metric::find("accuracy", dataset.task.kind).unwrap();
    let setting = |data| setting(data, device, metric);
    Workshop {
        setting: setting(dataset),
        folds: dataset.folds.iter().map(setting).collect(),
        whole: setting(dataset),
        last: !dataset.folds.is_empty(),
        executions,
        store,
        gauge: None,
        memory: Memory::new(1 << 30),
        clock: Clock::new(0.0),
    }
}

/// What becomes of jobs that come together.
fn ended(dataset: &Dataset, device: &Device, store: &Store, jobs: &[Job]) -> Vec<Ended> {
    evaluate(&workshop(dataset, device, store, 1), jobs).unwrap()
}

/// The same of one, in a store of its own.
fn alone(dataset: &Dataset, device: &Device, job: Job) -> Ended {
    let folder = tempfile::tempdir().unwrap();
    ended(dataset, device, &Store::open(folder.path()).unwrap(), &[job]).swap_remove(0)
}

/// What a training made of a net: its weights and how it came to them.
fn made(ended: &Ended) -> (&str, f64, &[train::CurvePoint]) {
    match &ended.outcome {
        Some(Outcome::Scored { weights, score, curve, .. }) => (weights, *score, curve),
        other => panic!("{other:?}"),
    }
}

fn message(ended: &Ended) -> &str {
    match &ended.outcome {
        Some(Outcome::Failed { kind: Failure::Memory, message, .. }) => message,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_batch_that_is_too_large_is_halved_once() {
    let dataset = iris(Validation::Auto);
    let half = Device::new(|_, examples| examples <= BATCH / 2);
    let halved = alone(&dataset, &half, job(&dataset, 0, BATCH));
    assert_eq!((halved.batch, half.steps()), (Some(BATCH / 2), 2));
    let whole = alone(&dataset, &half, job(&dataset, 0, BATCH / 2));
    assert_eq!((whole.batch, half.steps()), (None, 3));
    assert_eq!(made(&halved), made(&whole), "it is the training with that batch");

    let less = Device::new(|_, examples| examples < BATCH / 2);
    let failed = alone(&dataset, &less, job(&dataset, 0, BATCH));
    assert_eq!((failed.batch, less.steps()), (Some(BATCH / 2), 2));
    let said = "with batches of 32, then of 16: onnxruntime ran out of memory: there is no more";
    assert_eq!(message(&failed), said);

    let none = Device::new(|_, _| false);
    let failed = alone(&dataset, &none, job(&dataset, 0, 1));
    assert_eq!((failed.batch, none.steps()), (None, 1));
    assert_eq!(message(&failed), "with batches of 1: onnxruntime ran out of memory: there is no more");
}

#[test]
fn the_trainings_that_follow_begin_with_the_batch_that_there_was_memory_for() {
    let dataset = iris(Validation::Folds(CrossValidation { folds: 3, repetitions: 1 }));
    let second = Device::new(|before, examples| before == 0 || examples < BATCH);
    let halved = alone(&dataset, &second, job(&dataset, 0, BATCH));
    assert_eq!((halved.batch, second.steps()), (Some(BATCH / 2), 4));
    assert!(matches!(&halved.outcome, Some(Outcome::Scored { trainings, .. }) if trainings.len() == 3));
    // A single training on all rows has no other way.
    let half = Device::new(|_, examples| examples < BATCH);
    let whole = alone(&dataset, &half, Job { whole: true, ..job(&dataset, 0, BATCH) });
    assert_eq!((whole.batch, half.steps(), made(&whole).2.is_empty()), (Some(BATCH / 2), 2, false));
    // The last has no memory for half of that either.
    let last = Device::new(|before, examples| before < 3 && (before == 0 || examples < BATCH));
    let failed = alone(&dataset, &last, job(&dataset, 0, BATCH));
    assert_eq!((failed.batch, last.steps()), (Some(BATCH / 4), 5));
    assert!(message(&failed).starts_with("with batches of 16, then of 8: "), "{}", message(&failed));
}

#[test]
fn of_several_members_each_is_tried_alone_before_its_batch_is_halved() {
    let dataset = iris(Validation::Auto);
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let jobs: Vec<Job> = (0..3).map(|number| job(&dataset, number, BATCH)).collect();
    let one = Device::new(|_, examples| examples <= BATCH);
    let together = ended(&dataset, &one, &store, &jobs);
    assert_eq!(one.steps(), 4);
    let half = Device::new(|_, examples| examples <= BATCH / 2);
    let halved = ended(&dataset, &half, &store, &jobs);
    assert_eq!(half.steps(), 7);
    for ((job, together), halved) in jobs.iter().zip(&together).zip(&halved) {
        assert_eq!((together.batch, halved.batch), (None, Some(BATCH / 2)));
        assert_eq!(made(together), made(&alone(&dataset, &one, job.clone())));
        assert_eq!(made(halved), made(&alone(&dataset, &half, job.clone())));
    }
}

/// The checkpoint of a paused training, and its hash.
fn paused(ended: &Ended, store: &Store) -> (String, train::Place) {
    let Some(Outcome::Paused { checkpoint, .. }) = &ended.outcome else { panic!("{:?}", ended.outcome) };
    (checkpoint.clone(), store.get_checkpoint(checkpoint).unwrap().place)
}

#[test]
fn a_paused_training_goes_on_with_the_batch_that_it_has() {
    let dataset = iris(Validation::Auto);
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let half = Device::new(|_, examples| examples <= BATCH / 2);
    let rung = |share, least| Rung { share, least };
    let go_on = |device: &Device, checkpoint: Option<String>, rungs: Vec<Rung>| {
        ended(&dataset, device, &store, &[Job { rungs, checkpoint, ..job(&dataset, 0, BATCH) }]).swap_remove(0)
    };
    let whole = go_on(&half, None, vec![rung(0.5, None)]);
    let first = go_on(&half, None, vec![rung(0.5, Some(f64::MAX))]);
    let (checkpoint, place) = paused(&first, &store);
    assert_eq!((first.batch, place.batch, place.steps, place.updates), (Some(16), Some(16), 40, None));
    let steps = half.steps();
    let last = go_on(&half, Some(checkpoint.clone()), vec![]);
    assert_eq!((last.batch, half.steps()), (Some(16), steps + 1), "it is not tried with more again");
    assert_eq!(made(&last), made(&whole), "as if it had never stopped");

    // Where there is less memory than before, it goes on with half of that, at the same example.
    let quarter = Device::new(|_, examples| examples <= BATCH / 4);
    let rungs = vec![rung(0.5, Some(f64::MAX)), rung(0.75, Some(f64::MAX))];
    let (again, place) = {
        let ended = go_on(&quarter, Some(checkpoint), rungs);
        assert_eq!(ended.batch, Some(8));
        paused(&ended, &store)
    };
    assert_eq!((place.batch, place.steps, place.updates), (Some(8), 120, Some(80)));
    assert_eq!(place.rungs.iter().map(|rung| rung.share).collect::<Vec<_>>(), [0.5, 0.75]);
    let last = go_on(&quarter, Some(again), vec![]);
    assert_eq!((last.batch, made(&last).2.last().unwrap().examples), (Some(8), 1280));
}

/// Settings of a short search.
fn settings(space: &SearchSpace, candidates: u64) -> Settings {
    let mut settings = studies::settings(space);
    settings.search.candidates = Some(candidates);
    settings.search.metric = "accuracy".into();
    settings.training.limit_examples(320);
    settings
}

/// Candidates and finalists with less than their whole batch, and those that failed for want of memory.
fn without_memory(records: &[Record]) -> (usize, usize) {
    let all = records.iter().filter_map(|record| match record {
        Record::Candidate(c) => Some((&c.outcome, &c.timing)),
        Record::Finalist(f) => Some((&f.outcome, &f.timing)),
        _ => None,
    });
    let (mut halved, mut failed) = (0, 0);
    for (outcome, timing) in all {
        match outcome {
            Outcome::Failed { kind: Failure::Memory, .. } => failed += 1,
            _ => halved += usize::from(timing.batch.is_some()),
        }
    }
    (halved, failed)
}

#[test]
fn what_others_take_of_the_memory_changes_no_result() {
    let dataset = iris(Validation::Auto);
    // Whatever batch a candidate has there is memory for it alone, and for two at most.
    let device = Device { room: 40, ..Device::new(|_, _| true) };
    let run = |workers: usize| {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("study");
        let resources = Resources {
            dataset: &dataset,
            engine: &device,
            assemble: &|_, _, _, _| Ok(vec![]),
            workers,
            memory: 1 << 30,
            stop: &GO,
        };
        let settings = settings(&space(&dataset), 16);
        let mut study = Study::create(Folder::create(&root).unwrap(), settings, &studies::preprocessing(), None).unwrap();
        study.run(&resources, Clock::new(0.0), &mut |_| {}).unwrap();
        let records = study.records().unwrap();
        assert_eq!(without_memory(&records), (0, 0), "with {workers} workers");
        let candidates = records.into_iter().filter_map(|record| match record {
            Record::Candidate(c) => Some((c.number, (c.hash, c.outcome))),
            _ => None,
        });
        candidates.collect::<std::collections::BTreeMap<_, _>>()
    };
    assert_eq!(run(1), run(4));
}

#[test]
fn the_search_goes_on_and_is_replayed() {
    let dataset = iris(Validation::Auto);
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("study");
    let device = Device::new(|before, examples| examples <= 8 && before % 4 != 3);
    let resources = Resources {
        dataset: &dataset,
        engine: &device,
        assemble: &|_, _, _, _| Ok(vec![]),
        workers: 1,
        memory: 1 << 30,
        stop: &GO,
    };
    let run = |study: &mut Study| {
        let mut warnings = vec![];
        let watch = &mut |event: Event<'_>| {
            if let Event::Warning(text) = event {
                warnings.push(text.to_owned());
            }
        };
        study.run(&resources, Clock::new(study.elapsed()), watch).unwrap();
        (warnings, study.records().unwrap())
    };
    let settings = settings(&space(&dataset), 12);
    let folder = Folder::create(&root).unwrap();
    let mut study = Study::create(folder, settings, &studies::preprocessing(), None).unwrap();
    let (warnings, records) = run(&mut study);
    let (halved, failed) = without_memory(&records);
    assert!(halved >= 2 && failed >= 1 && study.candidates() == 12, "{halved} halved, {failed} failed");
    let of = |words: &str| warnings.iter().filter(|warning| warning.contains(words)).count();
    assert_eq!(of(": the device ran out of memory"), halved, "{warnings:?}");
    assert!(
        warnings[0].starts_with("the training examples are sent step by step") && of(" step by step") == 1,
        "{warnings:?}"
    );
    assert!(warnings[1].starts_with("candidate 0 was trained with batches of 8 instead of 16"), "{warnings:?}");
    assert_eq!(of(" failed: with batches of "), failed, "{warnings:?}");
    assert!(of(" in the finals was trained") >= 1, "{warnings:?}");
    drop(study);

    let mut study = Study::open(Folder::open(&root).unwrap()).unwrap();
    study.extend(Some(14), None, None).unwrap();
    let (_, longer) = run(&mut study);
    assert_eq!((study.candidates(), &longer[..records.len()]), (14, &records[..]));
}

#[test]
fn executions_go_on_from_their_own_weights_and_a_training_on_all_rows_from_those_it_is_given() {
    let folder = tempfile::tempdir().unwrap();
    let (dataset, store) = (iris(Validation::Share(0.2)), Store::open(folder.path()).unwrap());
    let device = Device::new(|_, _| true);
    let workshop = workshop(&dataset, &device, &store, 2);
    let of = |names: &[(&str, f32)]| -> Weights {
        names.iter().map(|&(name, value)| (name.to_owned(), Tensor::f32(&[1], vec![value]))).collect()
    };
    let from = |weights: &Weights, whole: bool, training: usize| {
        let job = Job { whole, ..job(&dataset, 0, BATCH) };
        let start = Start { genome: job.genome.clone(), weights: store.put(weights).unwrap(), counts: false, rate: 1.0 };
        inherited(&workshop, &job, &start, training).unwrap().unwrap()
    };
    let both = of(&[("0/w", 1.0), ("1/w", 2.0)]);
    assert_eq!(from(&both, false, 0), Some(of(&[("w", 1.0)])));
    assert_eq!(from(&both, false, 1), Some(of(&[("w", 2.0)])));
    assert_eq!(from(&of(&[("w", 2.0)]), true, 0), Some(of(&[("w", 2.0)])));
}
