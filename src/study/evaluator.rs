//! Evaluating candidates: jobs in, outcomes out.

use super::{Failure, Outcome, StudyError, Timing};
use crate::genome::Genome;
use crate::train::Rung;
use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

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
    /// Whether it is a single training on all rows, those included that others are scored on.
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
    pub(super) fn trains_with(&self, other: &Job) -> bool {
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

impl Done {
    /// What the user should know where the device had no memory for a batch; `whose` is such as `candidate 3`.
    pub(super) fn warning(&self, whose: &str) -> Option<String> {
        let batch = self.timing.batch?;
        Some(match &self.outcome {
            Some(Outcome::Failed { kind: Failure::Memory, message, .. }) => format!("{whose} failed: {message}"),
            Some(Outcome::Failed { .. }) | None => return None,
            Some(Outcome::Scored { .. } | Outcome::Paused { .. }) => {
                let wanted = self.job.genome.training.batch;
                format!("{whose} was trained with batches of {batch} instead of {wanted}: the device ran out of memory")
            }
        })
    }
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
    pub(super) fn shared(&self, seconds: f64, several: usize) -> Instant {
        let now = self.now();
        self.when(now + (seconds - now) / several as f64)
    }
}

/// Whether the user asked to stop.
pub(super) fn stopped(stop: &AtomicBool) -> bool {
    stop.load(Ordering::Relaxed)
}
