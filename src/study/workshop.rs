//! What becomes of a job: its trainings, their result, and what is measured on it.

use super::evaluator::{Clock, Job, Start};
use super::{Failure, Gauge, Measured, Memory, Outcome, SingleTraining, Store, StudyError, Trainings};
use crate::express;
use crate::graph::{GraphError, Target};
use crate::train::{self, Costs, Request, Setting, TrainError, Trained, Weights};
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Work of a training step, in multiply-accumulate operations, up to which several are better made as one: on the CPU, and on
/// a device, which is given ten nodes in that time.
const SHORT_STEP: u64 = 8_000_000;
const SHORT_STEP_OF_DEVICE: u64 = 250_000_000;

/// What the threads of a [`super::LocalPool`] work with.
pub struct Workshop<'a> {
    /// What all trainings share, with the parts to train on and to validate on; of a cross-validation with all rows.
    pub setting: Setting<'a>,
    /// The same with the parts of each fold; empty where there is a validation part.
    pub folds: Vec<Setting<'a>>,
    /// The same with all rows to train on.
    pub whole: Setting<'a>,
    /// Whether the last state of a training is its result, instead of the best on the rows that it is scored on.
    pub last: bool,
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
            true => vec![&self.whole],
            false => (0..trainings.count()).map(|i| self.folds.get(trainings.fold(i)).unwrap_or(&self.setting)).collect(),
        }
    }

    /// Whether a job had better train as one graph with others: where a step is so short that calling the engine takes a
    /// good part of it. On the CPU only with the kernels, since these do not change a bit of what becomes of a candidate; a
    /// device promises no such thing anyway.
    pub(super) fn joins(&self, job: &Job) -> bool {
        let longest = match (self.setting.target, self.setting.engine.device().as_str()) {
            (Target::CpuKernels, _) => SHORT_STEP,
            (Target::Portable, "cpu") => return false,
            (Target::Portable, _) => SHORT_STEP_OF_DEVICE,
        };
        let rows = self.setting.train.targets.len();
        let batch = job.genome.training.batch.min(rows) as u64;
        let costs = || train::costs(&job.genome, self.setting.task, rows, self.setting.validation.targets.len());
        costs().is_ok_and(|costs| costs.work * batch <= longest)
    }
}

/// What became of a job.
#[derive(Debug, Clone, Default)]
pub(super) struct Ended {
    /// `None` where it was told to stop.
    pub(super) outcome: Option<Outcome>,
    /// Examples of a step, where they were not as many as the genome says.
    pub(super) batch: Option<usize>,
}

/// Examples of a step of a job's trainings.
#[derive(Debug, Default)]
struct Batches {
    /// Where they are not as many as the genome says.
    other: Option<usize>,
    /// Those for which the device had no memory in the present training.
    refused: Vec<usize>,
}

/// Trains jobs, all of them as one graph where they are several; a failure or a panic of a candidate is an outcome, a
/// failure of the store an error.
pub(super) fn evaluate(workshop: &Workshop<'_>, jobs: &[Job]) -> Result<Vec<Ended>, StudyError> {
    let result = catch_unwind(AssertUnwindSafe(|| train_jobs(workshop, jobs)));
    result.unwrap_or_else(|panic| each_alone(workshop, jobs, None, || panicked(panic.as_ref())))
}

fn train_jobs(workshop: &Workshop<'_>, jobs: &[Job]) -> Result<Vec<Ended>, StudyError> {
    let setting = if jobs[0].whole { &workshop.whole } else { &workshop.setting };
    let (rows, scored) = (setting.train.targets.len(), setting.validation.targets.len());
    let costs = match train::costs(&jobs[0].genome, setting.task, rows, scored) {
        Ok(costs) => costs,
        Err(e) => return each_alone(workshop, jobs, None, || failed(&e, &[], Costs::default())),
    };
    let memory = costs.memory * jobs.len() as u64;
    if memory > workshop.memory.limit() {
        let (needed, allowed) = (costs.memory, workshop.memory.limit());
        let message = format!("a step and its scoring need about {needed} bytes, {allowed} are allowed");
        let failure = || Outcome::Failed { kind: Failure::Memory, message: message.clone(), costs };
        return each_alone(workshop, jobs, None, failure);
    }
    // Of each job, the results of its trainings.
    let mut results: Vec<Vec<Result<Trained, TrainError>>> = jobs.iter().map(|_| vec![]).collect();
    let count = workshop.settings(&jobs[0]).len();
    let mut batches = Batches::default();
    for training in 0..count {
        match train_once(workshop, jobs, training, memory, &mut batches)? {
            Ok(trained) => results.iter_mut().zip(trained).for_each(|(results, trained)| results.push(trained)),
            Err(TrainError::Stopped) => return Ok(vec![Ended::default(); jobs.len()]),
            Err(e) => return each_alone(workshop, jobs, batches.other, || failed(&e, &batches.refused, costs)),
        }
        // Further folds cannot save a candidate that failed on one.
        if workshop.executions <= 1 && results.iter().all(|results| results.iter().any(Result::is_err)) {
            break;
        }
    }
    let trainings = if count == 1 { Trainings::new(0, 1) } else { workshop.trainings() };
    let each = jobs.iter().zip(results);
    let outcome = |(job, results)| outcome(workshop, job, trainings.combined(results), costs);
    each.map(|each| Ok(Ended { outcome: Some(outcome(each)?), batch: batches.other })).collect()
}

/// One training of each job, for which so much memory is taken. Where a single one runs out of memory, it is made once more
/// without any beside it, so that what becomes of it does not depend on these, and then once with half the batch, which the
/// trainings that follow have from the beginning.
fn train_once(
    workshop: &Workshop<'_>,
    jobs: &[Job],
    training: usize,
    memory: u64,
    batches: &mut Batches,
) -> Result<Result<Vec<Result<Trained, TrainError>>, TrainError>, StudyError> {
    let setting = workshop.settings(&jobs[0])[training];
    batches.refused.clear();
    let mut taken = workshop.memory.take(memory);
    loop {
        let requests = match requests(workshop, jobs, training, batches.other)? {
            Ok(requests) => requests,
            Err(e) => return Ok(Err(e.into())),
        };
        let batch = requests[0].batch(setting.train.targets.len());
        batches.other = requests[0].other_batch();
        let trained = train::train_population(setting, requests);
        let is_out_of_memory = trained.as_ref().is_err_and(TrainError::is_out_of_memory);
        if !is_out_of_memory || jobs.len() > 1 {
            return Ok(trained);
        }
        if !taken.was_alone() {
            drop(taken);
            taken = workshop.memory.take(workshop.memory.limit());
            continue;
        }
        batches.refused.push(batch);
        if batch == 1 || batches.refused.len() > 1 {
            return Ok(trained);
        }
        batches.other = Some(batch / 2);
    }
}

/// What is asked of the trainer, with steps of `batch` examples where they are not to be as many as the genome says; the
/// outer failure is the store's, the inner one the candidate's.
fn requests<'j>(
    workshop: &Workshop<'_>,
    jobs: &'j [Job],
    training: usize,
    batch: Option<usize>,
) -> Result<Result<Vec<Request<'j>>, GraphError>, StudyError> {
    let mut requests = vec![];
    let settings = workshop.settings(&jobs[0]);
    for job in jobs {
        let start = match job.start.as_ref().map(|start| inherited(workshop, job, start, training)).transpose()? {
            Some(Err(e)) => return Ok(Err(e)),
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
            // Rows that it was trained on tell nothing of a state.
            last: workshop.last || job.whole,
            deadline: job.deadline.map(|seconds| workshop.clock.shared(seconds, settings.len() - training)),
            rungs: job.rungs.clone(),
            checkpoint: job.checkpoint.as_ref().map(|hash| workshop.store.get_checkpoint(hash)).transpose()?,
            batch,
        });
    }
    Ok(Ok(requests))
}

/// What became of a job, with its weights stored; `costs` are those of the net with all rows.
fn outcome(
    workshop: &Workshop<'_>,
    job: &Job,
    combined: Result<(Trained, Vec<SingleTraining>), TrainError>,
    costs: Costs,
) -> Result<Outcome, StudyError> {
    let (trained, trainings, measured) = match combined.and_then(|(trained, trainings)| {
        // What is paused is no net to be measured yet.
        let measured = if trained.paused.is_some() { Measured::default() } else { measured(workshop, job, &trained)? };
        Ok((trained, trainings, measured))
    }) {
        Ok(all) => all,
        Err(e) => return Ok(failed(&e, &[], costs)),
    };
    if let Some(checkpoint) = &trained.paused {
        let checkpoint = workshop.store.put_checkpoint(checkpoint)?;
        let Trained { scores, curve, rungs, costs, .. } = trained;
        return Ok(Outcome::Paused { scores, costs, curve, rungs, checkpoint });
    }
    let weights = workshop.store.put(&trained.weights)?;
    let costs = Costs { examples: trained.costs.examples, ..if trainings.is_empty() { trained.costs } else { costs } };
    let Trained { scores, score, curve, rungs, .. } = trained;
    let Measured { objectives, violation } = measured;
    Ok(Outcome::Scored { scores, score, costs, objectives, violation, curve, weights, trainings, rungs })
}

/// The objectives of a trained net.
fn measured(workshop: &Workshop<'_>, job: &Job, trained: &Trained) -> Result<Measured, TrainError> {
    let measure = |gauge: &Gauge<'_>| {
        gauge.measure(&job.genome, &trained.costs, job.start.is_some(), &trained.weights, &trained.scores)
    };
    Ok(workshop.gauge.as_ref().map(measure).transpose()?.unwrap_or_default())
}

/// What goes wrong with several at once is tried with each alone, so that only those fail that would fail anyway. `batch` is
/// that of the last training of a single one.
fn each_alone(
    workshop: &Workshop<'_>,
    jobs: &[Job],
    batch: Option<usize>,
    failure: impl Fn() -> Outcome,
) -> Result<Vec<Ended>, StudyError> {
    match jobs {
        [_] => Ok(vec![Ended { outcome: Some(failure()), batch }]),
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
    let trainings = if job.whole { Trainings::new(0, 1) } else { workshop.trainings() };
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
    Outcome::Failed { kind: Failure::Panic, message: message(panic), costs: Costs::default() }
}

/// What a panic says.
pub(super) fn message(panic: &(dyn Any + Send)) -> String {
    let message = panic.downcast_ref::<String>().cloned();
    message.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned())).unwrap_or_default()
}

/// The failure of a training that found no memory for steps of `refused` examples, where that is why it failed.
fn failed(error: &TrainError, refused: &[usize], costs: Costs) -> Outcome {
    let kind = match error {
        error if error.is_out_of_memory() => Failure::Memory,
        TrainError::Graph(_) | TrainError::Onnx(_) => Failure::Genome,
        TrainError::Diverged { .. } => Failure::Diverged,
        TrainError::Engine(_)
        | TrainError::Shapes
        | TrainError::Places
        | TrainError::Checkpoint { .. }
        | TrainError::Weights { .. }
        | TrainError::Stopped => Failure::Engine,
    };
    let tried: Vec<String> = refused.iter().map(|batch| format!("of {batch}")).collect();
    let message = match kind {
        Failure::Memory if !tried.is_empty() => format!("with batches {}: {error}", tried.join(", then ")),
        _ => error.to_string(),
    };
    Outcome::Failed { kind, message, costs }
}

#[cfg(test)]
mod tests;
