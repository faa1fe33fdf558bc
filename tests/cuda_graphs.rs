//! Training steps are captured as CUDA graphs, one for each of the two sets of state, and are then replayed without a launch;
//! shown on stand-ins of NVIDIA's libraries.

#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

mod cuda;
mod tasks;

use cuda::{BATCH, Counts, Stubs, fed, genomes, part};
use evolve::data::Task;
use evolve::engine::{CudaOptions, Engine, EngineError, Model, OnnxRuntime, Plan, Session};
use evolve::express::{TrainingStep, domain, training_step};
use evolve::genome::{Genome, SearchSpace};
use evolve::graph::Target;
use evolve::train::{self, Evaluator, ResidentFeatures, ResidentPart};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// Members of a population.
const MEMBERS: usize = 3;

/// What is counted in two steps, and in the two that follow.
fn pairs(
    step: &TrainingStep,
    members: usize,
    features: Option<&ResidentFeatures>,
    engine: &dyn Engine,
    stubs: &Stubs,
) -> Result<[Counts; 2], train::TrainError> {
    let mut session = match features {
        Some(features) => train::load_resident(step, engine, Target::Portable, members, features)?,
        None => train::load_population(step, engine, Target::Portable, members)?,
    };
    let mut pair = || {
        let (made, counts) = stubs.count(|| session.step().and_then(|()| session.step()));
        made.map(|()| counts)
    };
    Ok([pair()?, pair()?])
}

/// Checks that a genome's steps are captured once for each set of state and replayed from then on, and that nothing crosses
/// over but what is fed and the losses, whether or not its features lie on the device.
fn check(genome: &Genome, task: &Task, members: usize, engine: &dyn Engine, stubs: &Stubs) {
    let step = training_step(genome, task, BATCH).expect("a step");
    let part = part(task);
    let resident = ResidentPart::new(task, &part);
    for features in [None, Some(resident.features(engine).expect("room"))] {
        let [first, later] = pairs(&step, members, features, engine, stubs)
            .unwrap_or_else(|e| panic!("{members} members: {e}: {}", genome.json()));
        assert_eq!((first.captures, later.captures, later.replays), (2, 0, 2), "{}", genome.json());
        let feeds = features.map_or_else(|| step.feeds.clone(), |features| features.feeds(&step));
        let crossing = (2 * members as u64 * fed(&feeds), 2 * (members * size_of::<f32>()) as u64);
        assert_eq!((later.launches, (later.to_device, later.to_host)), (0, crossing), "{}", genome.json());
        // What is uploaded in a capture is read again in each replay, when its memory may have another use.
        assert_eq!(first.copies_in_capture, 0, "{}", genome.json());
    }
}

/// While one thread captures, others train, too, and bring features and take them away: what they allocate, free and wait for
/// would end the capture.
fn captures_beside_other_threads(genome: &Genome, task: &Task, engine: &dyn Engine) {
    const TRAININGS: usize = 4;
    let (failed, left) = (AtomicBool::new(false), AtomicUsize::new(TRAININGS));
    let part = part(task);
    std::thread::scope(|scope| {
        for _ in 0..TRAININGS {
            scope.spawn(|| {
                for _ in 0..12 {
                    let step = training_step(genome, task, BATCH).expect("a step");
                    let made = train::load(&step, engine, Target::Portable).and_then(|mut session| {
                        let mut weights = vec![0.0; step.params[0].elements()];
                        (0..6).try_for_each(|_| session.step())?;
                        Ok(session.read_state(0, &mut weights)?)
                    });
                    if let Err(e) = made {
                        eprintln!("{e}");
                        failed.store(true, Ordering::SeqCst);
                    }
                }
                left.fetch_sub(1, Ordering::SeqCst);
            });
        }
        scope.spawn(|| {
            while left.load(Ordering::SeqCst) > 0 {
                let resident = ResidentPart::new(task, &part);
                if resident.features(engine).is_none() {
                    eprintln!("{:?}", resident.refusal());
                    failed.store(true, Ordering::SeqCst);
                }
            }
        });
    });
    assert!(!failed.load(Ordering::SeqCst), "a thread was disturbed");
}

/// What one thread captured no other can replay.
fn another_thread_captures_for_itself(genome: &Genome, task: &Task, engine: &dyn Engine, stubs: &Stubs) {
    let step = training_step(genome, task, BATCH).expect("a step");
    let mut session = train::load(&step, engine, Target::Portable).expect("a session");
    let mut pair = move || {
        (0..2).try_for_each(|_| session.step()).expect("steps");
    };
    let ((), here) = stubs.count(&mut pair);
    let ((), there) = stubs.count(|| std::thread::scope(|scope| scope.spawn(&mut pair).join().expect("steps")));
    assert_eq!((here.captures, there.captures), (2, 2));
}

/// Keeps of each plan whether launching the step takes longer than computing it, and loads nothing.
#[derive(Debug, Default, Clone)]
struct Recorder {
    launch_bound: Arc<Mutex<Vec<bool>>>,
}

impl Engine for Recorder {
    fn name(&self) -> &'static str {
        "recorder"
    }

    fn version(&self) -> String {
        String::new()
    }

    fn device(&self) -> String {
        "cuda:0".into()
    }

    fn has_kernels(&self) -> bool {
        false
    }

    fn shared(&self) -> Arc<dyn Engine> {
        Arc::new(self.clone())
    }

    fn load(&self, _: &[u8], plan: Plan) -> Result<Box<dyn Session>, EngineError> {
        self.launch_bound.lock().expect("a list").push(plan.launch_bound);
        Err(EngineError::Load { engine: self.name(), reason: "it only takes notes".into() })
    }

    fn load_model(&self, _: &[u8]) -> Result<Box<dyn Model>, EngineError> {
        Err(EngineError::Load { engine: self.name(), reason: "it only takes notes".into() })
    }
}

#[test]
fn steps_of_large_nodes_are_not_captured() {
    let task = tasks::image([28, 20, 3], 5);
    let genome = SearchSpace::preset(&domain(&task, tasks::ROWS)).seeds().swap_remove(0);
    let recorder = Recorder::default();
    for batch in [8, 4096] {
        let step = training_step(&genome, &task, batch).expect("a step");
        assert!(train::load(&step, &recorder, Target::Portable).is_err());
    }
    assert!(Evaluator::new(&genome, &task, 8, &recorder, Target::Portable).is_err());
    assert_eq!(*recorder.launch_bound.lock().expect("a list"), [true, false, false]);
}

#[test]
fn steps_are_captured_and_replayed() {
    let stubs = Stubs::load();
    let device = OnnxRuntime::cuda(&stubs.runtime, CudaOptions::device(0), Some(&stubs.nvidia)).expect("the device");
    let engine = device.with_graphs().expect("replays that compute what runs do");
    let all = genomes();
    for (index, (genome, task)) in all.iter().step_by(3).enumerate() {
        check(genome, task, 1, &engine, &stubs);
        if index % 8 == 0 {
            check(genome, task, MEMBERS, &engine, &stubs);
        }
    }
    let (genome, task) = &all[all.len() / 2];
    captures_beside_other_threads(genome, task, &engine);
    another_thread_captures_for_itself(genome, task, &engine, &stubs);
    // What is not asked for is not captured.
    let step = training_step(genome, task, BATCH).expect("a step");
    let [first, later] = pairs(&step, 1, None, &device, &stubs).expect("steps");
    assert_eq!((first.captures, later.captures, later.replays), (0, 0, 0));
    assert!(later.launches > 0);
}
