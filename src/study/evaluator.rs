//! Evaluating candidates: jobs in, outcomes out.

use super::memory::release_unused;
use super::{Failure, Gauge, Measured, Memory, Outcome, Store, StudyError, Timing};
use crate::express;
use crate::genome::Genome;
use crate::graph::{GraphError, Target};
use crate::train::{self, Costs, Request, Setting, TrainError, Trained, Weights};
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
    /// Training examples.
    pub examples: u64,
    /// What it starts from.
    pub start: Option<Start>,
    /// Second of the study at which its training ends at the latest.
    pub deadline: Option<f64>,
}

impl Job {
    /// Whether both can be members of one graph from the first step to the last.
    fn trains_with(&self, other: &Job) -> bool {
        self.examples == other.examples && self.deadline == other.deadline && self.genome.is_alike(&other.genome)
    }
}

/// Trained weights to start from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Start {
    /// Genome that they belong to.
    pub genome: Genome,
    /// SHA-256 of them in the store.
    pub weights: String,
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
    /// What all trainings share.
    pub setting: Setting<'a>,
    /// Where weights are kept.
    pub store: &'a Store,
    /// What is measured on each trained net, where anything is.
    pub gauge: Option<Gauge<'a>>,
    /// Memory of the trainings.
    pub memory: Memory,
    /// Start of the study's clock, and the seconds that earlier sessions used.
    pub clock: Clock,
}

impl Workshop<'_> {
    /// Whether a job had better train as one graph with others: where a step is so short that calling the engine takes a
    /// good part of it, and only with the kernels, since these do not change a bit of what becomes of a candidate.
    fn joins(&self, job: &Job) -> bool {
        let rows = self.setting.train.targets.len();
        let batch = job.genome.training.batch.min(rows) as u64;
        let costs = || train::costs(&job.genome, self.setting.task, rows);
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
    let costs = match train::costs(&jobs[0].genome, setting.task, setting.train.targets.len()) {
        Ok(costs) => costs,
        Err(e) => return each_alone(workshop, jobs, || failed(&e, Costs::default())),
    };
    let memory = costs.memory * jobs.len() as u64;
    if memory > workshop.memory.limit() {
        let (needed, allowed) = (costs.memory, workshop.memory.limit());
        let message = format!("a step needs about {needed} bytes, {allowed} are allowed");
        return each_alone(workshop, jobs, || Outcome::Failed { kind: Failure::Memory, message: message.clone(), costs });
    }
    let mut requests = vec![];
    for job in jobs {
        let start = match job.start.as_ref().map(|start| inherited(workshop, job, start)).transpose()? {
            Some(Err(e)) => return each_alone(workshop, jobs, || failed(&TrainError::from(e.clone()), costs)),
            Some(Ok(weights)) => Some(weights),
            None => None,
        };
        let deadline = job.deadline.map(|seconds| workshop.clock.when(seconds));
        let rate = job.start.as_ref().map_or(1.0, |start| start.rate);
        requests.push(Request { genome: &job.genome, seed: job.seed, examples: job.examples, start, rate, deadline });
    }
    let trained = {
        let _taken = workshop.memory.take(memory);
        train::train_population(setting, requests)
    };
    let trained = match trained {
        Ok(trained) => trained,
        Err(TrainError::Stopped) => return Ok(vec![None; jobs.len()]),
        Err(e) => return each_alone(workshop, jobs, || failed(&e, costs)),
    };
    let outcome = |(job, trained): (&Job, Result<Trained, TrainError>)| {
        let measured = trained.and_then(|trained| measured(workshop, job, trained));
        match measured {
            Ok((Trained { weights, scores, score, costs, curve }, Measured { objectives, violation })) => {
                let weights = workshop.store.put(&weights)?;
                Ok(Some(Outcome::Scored { scores, score, costs, objectives, violation, curve, weights }))
            }
            Err(e) => Ok(Some(failed(&e, costs))),
        }
    };
    jobs.iter().zip(trained).map(outcome).collect()
}

/// A trained net with its objectives.
fn measured(workshop: &Workshop<'_>, job: &Job, trained: Trained) -> Result<(Trained, Measured), TrainError> {
    let measure = |gauge: &Gauge<'_>| gauge.measure(&job.genome, &trained.costs, &trained.weights, &trained.scores);
    let measured = workshop.gauge.as_ref().map(measure).transpose()?.unwrap_or_default();
    Ok((trained, measured))
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

/// Weights to start from, fitted to the job's genome; the outer failure is the store's, the inner one the candidate's.
fn inherited(workshop: &Workshop<'_>, job: &Job, start: &Start) -> Result<Result<Weights, GraphError>, StudyError> {
    let weights = workshop.store.get(&start.weights)?;
    if start.genome.net == job.genome.net {
        return Ok(Ok(weights));
    }
    let mut rng = train::random(job.seed, 4);
    Ok(express::inherit(&start.genome, &weights, &job.genome, workshop.setting.task, &mut rng))
}

/// A panic is the candidate's failure.
fn panicked(panic: &(dyn Any + Send)) -> Outcome {
    let message = panic.downcast_ref::<String>().cloned();
    let message = message.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned())).unwrap_or_default();
    Outcome::Failed { kind: Failure::Panic, message, costs: Costs::default() }
}

fn failed(error: &TrainError, costs: Costs) -> Outcome {
    let kind = match error {
        TrainError::Graph(_) => Failure::Genome,
        TrainError::Diverged { .. } => Failure::Diverged,
        TrainError::Engine(_) | TrainError::Shapes | TrainError::Stopped => Failure::Engine,
    };
    Outcome::Failed { kind, message: error.to_string(), costs }
}

/// Whether the user asked to stop.
pub(super) fn stopped(stop: &AtomicBool) -> bool {
    stop.load(Ordering::Relaxed)
}
