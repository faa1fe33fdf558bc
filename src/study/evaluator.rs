//! Evaluating candidates: jobs in, outcomes out.

use super::memory::release_unused;
use super::{Failure, Gauge, Measured, Memory, Outcome, SingleTraining, Store, StudyError, Timing, Trainings};
use crate::express;
use crate::genome::Genome;
use crate::graph::{GraphError, Target};
use crate::train::{self, Costs, Request, Rung, Setting, TrainError, Trained, Weights};
use serde::{Deserialize, Serialize};
use std::any::Any;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Members of one graph at most: more gain little.
const MOST_MEMBERS: usize = 16;

/// Work of a training step, in multiply-accumulate operations, up to which several are better made as one.
const SHORT_STEP: u64 = 8_000_000;

/// What is to be trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// Number of the candidate, or of the training in the finals.
    pub number: u64,
    /// The genome.
    pub genome: Genome,
    /// Seed of its training.
    pub seed: u64,
    /// Training examples; of several trainings those of each.
    pub examples: u64,
    /// What it starts from.
    pub start: Option<Start>,
    /// Whether it is a single training on all rows of a cross-validation, instead of one on each fold.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub whole: bool,
    /// Second of the study at which its training ends at the latest.
    pub deadline: Option<f64>,
    /// Where it is compared with others on its way; none of several trainings.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rungs: Vec<Rung>,
    /// SHA-256 in the store of the checkpoint that it goes on from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<String>,
}

impl Job {
    /// Whether both can be members of one graph from the first step to the last.
    fn trains_with(&self, other: &Job) -> bool {
        let alike = |a: &Job, b: &Job| (a.examples, a.deadline, a.whole) == (b.examples, b.deadline, b.whole);
        let shares = |job: &Job| job.rungs.iter().map(|rung| rung.share).collect::<Vec<_>>();
        let begin = self.checkpoint.is_none() && other.checkpoint.is_none();
        begin && alike(self, other) && shares(self) == shares(other) && self.genome.is_alike(&other.genome)
    }
}

/// Trained weights to start from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Start {
    /// Genome that they belong to.
    pub genome: Genome,
    /// SHA-256 of them in the store.
    pub weights: String,
    /// Whether they are a result, too, where training makes nothing better of them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub counts: bool,
    /// Factor of the learning rate that the training goes on with.
    pub rate: f32,
}

/// A job with its outcome.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Done {
    /// The job.
    pub job: Job,
    /// What became of it; `None` where it was told to stop.
    pub outcome: Option<Outcome>,
    /// Clock.
    pub timing: Timing,
}

/// Where jobs are evaluated.
pub trait Evaluator {
    /// Takes a job; jobs begin in the order they come, unless one joins another before it.
    fn submit(&mut self, job: Job);
    /// Waits for the next job that ends; `None` where none is under way.
    ///
    /// # Errors
    /// Where an outcome cannot be kept.
    fn next(&mut self) -> Result<Option<Done>, StudyError>;
    /// Takes back all jobs that have not begun, and returns how many.
    fn withdraw(&mut self) -> usize;
}

/// What the threads of a [`LocalPool`] work with.
pub struct Workshop<'a> {
    /// What all trainings share, with all rows and the validation part.
    pub setting: Setting<'a>,
    /// The same with the parts of each fold; empty where there is a validation part.
    pub folds: Vec<Setting<'a>>,
    /// Seeds from which each candidate is trained.
    pub executions: usize,
    /// Where weights are kept.
    pub store: &'a Store,
    /// What is measured on each trained net, where anything is.
    pub gauge: Option<Gauge<'a>>,
    /// Memory of the trainings.
    pub memory: Memory,
    /// Start of the study's clock, and the seconds that earlier sessions used.
    pub clock: Clock,
}

impl<'a> Workshop<'a> {
    /// How often each candidate is trained.
    fn trainings(&self) -> Trainings {
        Trainings::new(self.folds.len(), self.executions)
    }

    /// The trainings of a job, each with what it is trained on.
    fn settings(&self, job: &Job) -> Vec<&Setting<'a>> {
        let trainings = self.trainings();
        match job.whole {
            true => vec![&self.setting],
            false => (0..trainings.count()).map(|i| self.folds.get(trainings.fold(i)).unwrap_or(&self.setting)).collect(),
        }
    }

    /// Whether a job had better train as one graph with others: where a step is so short that calling the engine takes a
    /// good part of it, and only with the kernels, since these do not change a bit of what becomes of a candidate.
    fn joins(&self, job: &Job) -> bool {
        let rows = self.setting.train.targets.len();
        let batch = job.genome.training.batch.min(rows) as u64;
        let costs = || train::costs(&job.genome, self.setting.task, rows, self.setting.validation.targets.len());
        self.setting.target == Target::CpuKernels && costs().is_ok_and(|costs| costs.work * batch <= SHORT_STEP)
    }
}

/// The study's clock, which goes on where an earlier session ended.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    began: Instant,
    before: f64,
}

impl Clock {
    /// A clock that shows `before` seconds now.
    pub fn new(before: f64) -> Self {
        Clock { began: Instant::now(), before }
    }

    /// Seconds of the study, over all its sessions.
    pub fn now(&self) -> f64 {
        self.before + self.began.elapsed().as_secs_f64()
    }

    /// When it shows `seconds`; now, where that is past.
    fn when(&self, seconds: f64) -> Instant {
        Instant::now() + Duration::from_secs_f64((seconds - self.now()).max(0.0))
    }

    /// When the next of `several` trainings ends at the latest that share the time until it shows `seconds`.
    fn shared(&self, seconds: f64, several: usize) -> Instant {
        let now = self.now();
        self.when(now + (seconds - now) / several as f64)
    }
}

#[derive(Default)]
struct Queue {
    /// What waits, each with whether it had better train as one graph with others.
    jobs: VecDeque<(Job, bool)>,
    closed: bool,
}

struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a job and takes it, with those behind it that are better trained as one graph with it: at most this
    /// worker's share of what waits. Empty where no more will come.
    fn take(&self, workers: usize) -> Vec<Job> {
        let mut queue = self.lock();
        loop {
            let share = queue.jobs.len().div_ceil(workers).min(MOST_MEMBERS);
            if let Some((first, joins)) = queue.jobs.pop_front() {
                let share = if joins { share } else { 1 };
                let mut taken = vec![first];
                let mut at = 0;
                while taken.len() < share && at < queue.jobs.len() {
                    match taken[0].trains_with(&queue.jobs[at].0) {
                        true => taken.extend(queue.jobs.remove(at).map(|(job, _)| job)),
                        false => at += 1,
                    }
                }
                return taken;
            }
            if queue.closed {
                return vec![];
            }
            queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// Threads of this process, each with one training, or one of several nets of one shape.
pub struct LocalPool<'s> {
    shared: &'s Shared,
    workshop: &'s Workshop<'s>,
    results: Receiver<Result<Done, StudyError>>,
    under_way: usize,
}

impl LocalPool<'_> {
    /// Runs `body` with a pool of `workers` threads, which end with it.
    pub fn scoped<T>(workers: usize, workshop: &Workshop<'_>, body: impl FnOnce(&mut LocalPool<'_>) -> T) -> T {
        let shared = Shared { queue: Mutex::default(), changed: Condvar::new() };
        std::thread::scope(|scope| {
            let (sender, results) = channel();
            for _ in 0..workers.max(1) {
                let (sender, shared) = (sender.clone(), &shared);
                scope.spawn(move || work(shared, workshop, workers.max(1), &sender));
            }
            body(&mut LocalPool { shared: &shared, workshop, results, under_way: 0 })
        })
    }
}

impl Drop for LocalPool<'_> {
    /// Lets the threads end, also where `body` panics: the scope waits for them.
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.changed.notify_all();
    }
}

impl Evaluator for LocalPool<'_> {
    fn submit(&mut self, job: Job) {
        self.under_way += 1;
        let joins = self.workshop.joins(&job);
        self.shared.lock().jobs.push_back((job, joins));
        self.shared.changed.notify_one();
    }

    fn next(&mut self) -> Result<Option<Done>, StudyError> {
        if self.under_way == 0 {
            return Ok(None);
        }
        self.under_way -= 1;
        // A worker answers every job that it takes, whatever becomes of it.
        self.results.recv().ok().transpose()
    }

    fn withdraw(&mut self) -> usize {
        let mut queue = self.shared.lock();
        let count = queue.jobs.len();
        queue.jobs.clear();
        self.under_way -= count;
        count
    }
}

fn work(shared: &Shared, workshop: &Workshop<'_>, workers: usize, results: &Sender<Result<Done, StudyError>>) {
    loop {
        let jobs = shared.take(workers);
        if jobs.is_empty() {
            return;
        }
        let started = workshop.clock.now();
        let outcomes = evaluate(workshop, &jobs);
        let timing = Timing { started, seconds: workshop.clock.now() - started, members: jobs.len() as u64 };
        workshop.setting.engine.release_unused();
        release_unused();
        // Every job has an answer of its own, so that nobody waits for one that does not come.
        let (outcomes, mut failure) = match outcomes {
            Ok(outcomes) => (outcomes, None),
            Err(e) => (vec![None; jobs.len()], Some(e)),
        };
        for (job, outcome) in jobs.into_iter().zip(outcomes) {
            let done = Done { job, outcome, timing: timing.clone() };
            if results.send(failure.take().map_or(Ok(done), Err)).is_err() {
                return;
            }
        }
    }
}

/// Trains jobs, all of them as one graph where they are several; a failure or a panic of a candidate is an outcome, a
/// failure of the store an error.
fn evaluate(workshop: &Workshop<'_>, jobs: &[Job]) -> Result<Vec<Option<Outcome>>, StudyError> {
    let result = catch_unwind(AssertUnwindSafe(|| train_jobs(workshop, jobs)));
    result.unwrap_or_else(|panic| each_alone(workshop, jobs, || panicked(panic.as_ref())))
}

fn train_jobs(workshop: &Workshop<'_>, jobs: &[Job]) -> Result<Vec<Option<Outcome>>, StudyError> {
    let setting = &workshop.setting;
    let (rows, scored) = (setting.train.targets.len(), setting.validation.targets.len());
    let costs = match train::costs(&jobs[0].genome, setting.task, rows, scored) {
        Ok(costs) => costs,
        Err(e) => return each_alone(workshop, jobs, || failed(&e, Costs::default())),
    };
    let memory = costs.memory * jobs.len() as u64;
    if memory > workshop.memory.limit() {
        let (needed, allowed) = (costs.memory, workshop.memory.limit());
        let message = format!("a step and its scoring need about {needed} bytes, {allowed} are allowed");
        return each_alone(workshop, jobs, || Outcome::Failed { kind: Failure::Memory, message: message.clone(), costs });
    }
    // Of each job, the results of its trainings.
    let mut results: Vec<Vec<Result<Trained, TrainError>>> = jobs.iter().map(|_| vec![]).collect();
    let count = workshop.settings(&jobs[0]).len();
    for training in 0..count {
        let trained = {
            let _taken = workshop.memory.take(memory);
            train_once(workshop, jobs, training)?
        };
        match trained {
            Ok(trained) => results.iter_mut().zip(trained).for_each(|(results, trained)| results.push(trained)),
            Err(TrainError::Stopped) => return Ok(vec![None; jobs.len()]),
            Err(e) => return each_alone(workshop, jobs, || failed(&e, costs)),
        }
        // Further folds cannot save a candidate that failed on one.
        if workshop.executions <= 1 && results.iter().all(|results| results.iter().any(Result::is_err)) {
            break;
        }
    }
    let trainings = if count == 1 { Trainings::new(0, 1) } else { workshop.trainings() };
    let each = jobs.iter().zip(results);
    each.map(|(job, results)| outcome(workshop, job, trainings.combined(results), costs)).collect()
}

/// One training of each job.
fn train_once(
    workshop: &Workshop<'_>,
    jobs: &[Job],
    training: usize,
) -> Result<Result<Vec<Result<Trained, TrainError>>, TrainError>, StudyError> {
    let mut requests = vec![];
    let settings = workshop.settings(&jobs[0]);
    for job in jobs {
        let start = match job.start.as_ref().map(|start| inherited(workshop, job, start, training)).transpose()? {
            Some(Err(e)) => return Ok(Err(e.into())),
            Some(Ok(weights)) => weights,
            None => None,
        };
        requests.push(Request {
            genome: &job.genome,
            seed: workshop.trainings().seed(job.seed, training),
            examples: job.examples,
            keeps_start: job.start.as_ref().is_some_and(|from| start.is_some() && from.counts),
            rate: job.start.as_ref().filter(|_| start.is_some()).map_or(1.0, |start| start.rate),
            start,
            // No rows of a fold choose the state that is scored on them.
            last: !workshop.folds.is_empty(),
            deadline: job.deadline.map(|seconds| workshop.clock.shared(seconds, settings.len() - training)),
            rungs: job.rungs.clone(),
            checkpoint: job.checkpoint.as_ref().map(|hash| workshop.store.get_checkpoint(hash)).transpose()?,
        });
    }
    Ok(train::train_population(settings[training], requests))
}

/// What became of a job, with its weights stored; `costs` are those of the net with all rows.
fn outcome(
    workshop: &Workshop<'_>,
    job: &Job,
    combined: Result<(Trained, Vec<SingleTraining>), TrainError>,
    costs: Costs,
) -> Result<Option<Outcome>, StudyError> {
    let (trained, trainings, measured) = match combined.and_then(|(trained, trainings)| {
        let measured = measured(workshop, job, &trained)?;
        Ok((trained, trainings, measured))
    }) {
        Ok(all) => all,
        Err(e) => return Ok(Some(failed(&e, costs))),
    };
    if let Some(checkpoint) = &trained.paused {
        let checkpoint = workshop.store.put_checkpoint(checkpoint)?;
        let Trained { scores, curve, rungs, costs, .. } = trained;
        return Ok(Some(Outcome::Paused { scores, costs, curve, rungs, checkpoint }));
    }
    let weights = workshop.store.put(&trained.weights)?;
    let costs = Costs { examples: trained.costs.examples, ..if trainings.is_empty() { trained.costs } else { costs } };
    let Trained { scores, score, curve, rungs, .. } = trained;
    let Measured { objectives, violation } = measured;
    Ok(Some(Outcome::Scored { scores, score, costs, objectives, violation, curve, weights, trainings, rungs }))
}

/// The objectives of a trained net.
fn measured(workshop: &Workshop<'_>, job: &Job, trained: &Trained) -> Result<Measured, TrainError> {
    let measure = |gauge: &Gauge<'_>| gauge.measure(&job.genome, &trained.costs, &trained.weights, &trained.scores);
    Ok(workshop.gauge.as_ref().map(measure).transpose()?.unwrap_or_default())
}

/// What goes wrong with several at once is tried with each alone, so that only those fail that would fail anyway.
fn each_alone(
    workshop: &Workshop<'_>,
    jobs: &[Job],
    failure: impl Fn() -> Outcome,
) -> Result<Vec<Option<Outcome>>, StudyError> {
    match jobs {
        [_] => Ok(vec![Some(failure())]),
        several => {
            let each = several.iter().map(|job| evaluate(workshop, std::slice::from_ref(job)));
            Ok(each.collect::<Result<Vec<_>, _>>()?.concat())
        }
    }
}

/// Weights that a training starts from, fitted to the job's genome; the outer failure is the store's, the inner one the
/// candidate's.
fn inherited(
    workshop: &Workshop<'_>,
    job: &Job,
    start: &Start,
    training: usize,
) -> Result<Result<Option<Weights>, GraphError>, StudyError> {
    let trainings = workshop.trainings();
    let Some(weights) = trainings.weights(&workshop.store.get(&start.weights)?, training) else { return Ok(Ok(None)) };
    if start.genome.net == job.genome.net {
        return Ok(Ok(Some(weights)));
    }
    let mut rng = train::random(trainings.seed(job.seed, training), 4);
    let task = workshop.settings(job)[training].task;
    Ok(express::inherit(&start.genome, &weights, &job.genome, task, &mut rng).map(Some))
}

/// A panic is the candidate's failure.
fn panicked(panic: &(dyn Any + Send)) -> Outcome {
    let message = panic.downcast_ref::<String>().cloned();
    let message = message.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned())).unwrap_or_default();
    Outcome::Failed { kind: Failure::Panic, message, costs: Costs::default() }
}

fn failed(error: &TrainError, costs: Costs) -> Outcome {
    let kind = match error {
        TrainError::Graph(_) | TrainError::Onnx(_) => Failure::Genome,
        TrainError::Diverged { .. } => Failure::Diverged,
        TrainError::Engine(_)
        | TrainError::Shapes
        | TrainError::Places
        | TrainError::Checkpoint { .. }
        | TrainError::Stopped => Failure::Engine,
    };
    Outcome::Failed { kind, message: error.to_string(), costs }
}

/// Whether the user asked to stop.
pub(super) fn stopped(stop: &AtomicBool) -> bool {
    stop.load(Ordering::Relaxed)
}
