//! Lines of the journal.

use super::{Choice, Objectives};
use crate::{
    genome::Training,
    search::Proposal,
    train::{Costs, CurvePoint, RungScore, Scores, metric::LOG_LOSS},
};
use serde::{Deserialize, Serialize};

/// One line of `journal.jsonl`. What depends on clock or machine stands under `timing`, with one exception: objectives that
/// are measured by the clock steer the search, so they are part of the outcome.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Record {
    /// A candidate of the search was evaluated.
    Candidate(Box<Candidate>),
    /// The search ended and finalists were picked.
    Finals(Finals),
    /// A finalist was trained at full length.
    Finalist(Finalist),
    /// A net of the choice was trained on all rows.
    Refit(Refit),
    /// The model to be exported was chosen.
    Choice(Choice),
}

impl Record {
    /// Weights or the checkpoint in the store that it names.
    pub fn stored(&self) -> Option<&str> {
        match self {
            Record::Candidate(c) => c.outcome.stored(),
            Record::Finals(_) => None,
            Record::Finalist(f) => f.outcome.stored(),
            Record::Refit(r) => r.outcome.stored(),
            Record::Choice(c) => Some(&c.weights),
        }
    }
}

/// A candidate of the search and what became of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// Number, from 0.
    pub number: u64,
    /// Canonical hash of the genome.
    pub hash: String,
    /// What was proposed, and how it came about.
    pub proposal: Proposal,
    /// What became of it.
    pub outcome: Outcome,
    /// Clock and machine.
    pub timing: Timing,
}

impl Candidate {
    /// This candidate and those whose paused trainings it goes on with, the latest first; `find` tells candidates by number.
    pub fn course<'a>(&'a self, find: impl Fn(u64) -> Option<&'a Candidate>) -> impl Iterator<Item = &'a Candidate> {
        std::iter::successors(Some(self), move |candidate| {
            // Each goes on with one before it; a journal that says otherwise must not lead in circles.
            let paused = candidate.proposal.continues.map(|continues| continues.candidate);
            paused.filter(|paused| *paused < candidate.number).and_then(&find)
        })
    }

    /// The best that is feasible; of equals the first.
    pub fn best_of<'a>(candidates: impl IntoIterator<Item = &'a Candidate>) -> Option<&'a Candidate> {
        candidates.into_iter().fold(None, |best: Option<&Candidate>, candidate| {
            let better = candidate.outcome.feasible_score() > best.and_then(|best| best.outcome.feasible_score());
            if better { Some(candidate) } else { best }
        })
    }
}

/// How long a net was trained last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TrainingLength {
    /// Training examples.
    pub examples: u64,
    /// Whether it went on from inherited weights, so that it has seen more examples than these.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub inherited: bool,
    /// Whether all rows were trained on, those included that the metrics are about, which the same genome was scored on before.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub all_rows: bool,
}

/// The end of a search: who is trained at full length, and how long.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finals {
    /// Number of candidates evaluated before.
    pub after: u64,
    /// Their trainings, the longest first.
    pub entries: Vec<FinalEntry>,
}

impl Finals {
    /// The trainings with their ranks. Where no time is left for one, its candidate only stands for election as it is.
    pub fn trainings(&self) -> impl Iterator<Item = (u64, &FinalEntry)> {
        (0..).zip(&self.entries).filter(|(_, entry)| entry.examples > 0)
    }
}

/// A training in the finals.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct FinalEntry {
    /// Candidate.
    pub candidate: u64,
    /// Training examples at full length.
    pub examples: u64,
    /// Whether it goes on from its searched weights.
    pub warm: bool,
    /// How it is trained, where that is not as in the search.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub training: Option<Training>,
}

/// A finalist and what became of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finalist {
    /// Number of candidates evaluated before.
    pub after: u64,
    /// Which of the trainings of its finals, from 0.
    pub rank: u64,
    /// Candidate that it is.
    pub candidate: u64,
    /// What became of it at full length.
    pub outcome: Outcome,
    /// Clock and machine.
    pub timing: Timing,
}

/// A net trained on all rows as it was on the rows that it was not scored on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Refit {
    /// SHA-256 of the weights that it follows, of a cross-validation those of all folds.
    pub folds: String,
    /// Candidate that it is.
    pub candidate: u64,
    /// Training examples that it was to be trained on.
    pub examples: u64,
    /// What became of it, with metrics on the rows that it was trained on.
    pub outcome: Outcome,
    /// Clock and machine.
    pub timing: Timing,
}

/// What became of a training, or of several that are scored by their mean.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum Outcome {
    /// It was trained and scored.
    Scored {
        /// Metrics on the validation part; of several trainings their means.
        scores: Scores,
        /// The study's metric, turned so that higher is better.
        score: f64,
        /// What it costs; the examples are those of all trainings together.
        costs: Costs,
        /// Objectives that are minimised or capped, as they were measured.
        #[serde(default, skip_serializing_if = "Objectives::is_empty")]
        objectives: Objectives,
        /// How far it violates caps on them, 0 where it is feasible.
        #[serde(default, skip_serializing_if = "is_zero")]
        violation: f64,
        /// Course of the training; of several, its mean.
        curve: Vec<CurvePoint>,
        /// SHA-256 of its weights in the store.
        weights: String,
        /// Each of several trainings, execution by execution and fold by fold; empty where there is one.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        trainings: Vec<SingleTraining>,
        /// How it did at the rungs where it was compared with others.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        rungs: Vec<RungScore>,
    },
    /// It was paused at the last of its rungs, and has no score that could be compared with those of whole trainings.
    Paused {
        /// Metrics of its best state until then on the validation part.
        scores: Scores,
        /// What it costs.
        costs: Costs,
        /// Course of the training.
        curve: Vec<CurvePoint>,
        /// How it did at its rungs.
        rungs: Vec<RungScore>,
        /// SHA-256 in the store of the checkpoint from which it can go on.
        checkpoint: String,
    },
    /// It failed and is ranked last.
    Failed {
        /// Kind of failure.
        kind: Failure,
        /// What happened.
        message: String,
        /// What it costs, as far as known.
        costs: Costs,
    },
}

/// One of several trainings of a candidate.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct SingleTraining {
    /// The study's metric, turned so that higher is better; `None` where the training failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<f64>,
    /// Its metrics on the rows that it was not trained on.
    #[serde(default, skip_serializing_if = "Scores::is_empty")]
    pub scores: Scores,
    /// Training examples consumed.
    pub examples: u64,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

/// Kind of a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Failure {
    /// The loss or the metric stopped being a number.
    Diverged,
    /// It would not have fitted into memory, or the device ran out of it, with half the batch as well.
    Memory,
    /// It panicked.
    Panic,
    /// The engine refused or failed.
    Engine,
    /// The genome could not be expressed.
    Genome,
}

impl Outcome {
    /// The study's metric turned so that higher is better, where there is one.
    pub fn score(&self) -> Option<f64> {
        match self {
            Outcome::Scored { score, .. } => Some(*score),
            Outcome::Paused { .. } | Outcome::Failed { .. } => None,
        }
    }

    /// The same where no cap on an objective is violated.
    pub fn feasible_score(&self) -> Option<f64> {
        self.score().filter(|_| self.violation() == 0.0)
    }

    /// How far it violates caps on objectives; 0 where it has no score, which is worse than any violation.
    pub fn violation(&self) -> f64 {
        match self {
            Outcome::Scored { violation, .. } => *violation,
            Outcome::Paused { .. } | Outcome::Failed { .. } => 0.0,
        }
    }

    /// The log loss, where it was scored and is a classifier.
    pub fn log_loss(&self) -> Option<f64> {
        match self {
            Outcome::Scored { scores, .. } => scores.get(LOG_LOSS.name).copied(),
            Outcome::Paused { .. } | Outcome::Failed { .. } => None,
        }
    }

    /// Objectives that were measured.
    pub fn objectives(&self) -> Option<&Objectives> {
        match self {
            Outcome::Scored { objectives, .. } => Some(objectives),
            Outcome::Paused { .. } | Outcome::Failed { .. } => None,
        }
    }

    /// One of them by name.
    pub fn objective(&self, name: &str) -> Option<f64> {
        self.objectives()?.get(name).copied()
    }

    /// What it costs.
    pub fn costs(&self) -> &Costs {
        match self {
            Outcome::Scored { costs, .. } | Outcome::Paused { costs, .. } | Outcome::Failed { costs, .. } => costs,
        }
    }

    /// Each of its trainings, where they are several.
    pub fn trainings(&self) -> &[SingleTraining] {
        match self {
            Outcome::Scored { trainings, .. } => trainings,
            Outcome::Paused { .. } | Outcome::Failed { .. } => &[],
        }
    }

    /// Its weights in the store, which can be inherited and exported.
    pub fn weights(&self) -> Option<&str> {
        match self {
            Outcome::Scored { weights, .. } => Some(weights),
            Outcome::Paused { .. } | Outcome::Failed { .. } => None,
        }
    }

    /// The checkpoint in the store from which it can go on, where it was paused.
    pub fn checkpoint(&self) -> Option<&str> {
        match self {
            Outcome::Paused { checkpoint, .. } => Some(checkpoint),
            Outcome::Scored { .. } | Outcome::Failed { .. } => None,
        }
    }

    /// What it has in the store.
    pub fn stored(&self) -> Option<&str> {
        self.weights().or(self.checkpoint())
    }

    /// How it did at its rungs.
    pub fn rungs(&self) -> &[RungScore] {
        match self {
            Outcome::Scored { rungs, .. } | Outcome::Paused { rungs, .. } => rungs,
            Outcome::Failed { .. } => &[],
        }
    }

    /// Course of the training.
    pub(super) fn curve_mut(&mut self) -> Option<&mut Vec<CurvePoint>> {
        match self {
            Outcome::Scored { curve, .. } | Outcome::Paused { curve, .. } => Some(curve),
            Outcome::Failed { .. } => None,
        }
    }
}

/// Clock and machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
pub struct Timing {
    /// Seconds of the study, over all its sessions, until the training began.
    pub started: f64,
    /// Seconds that the training and scoring took.
    pub seconds: f64,
    /// Candidates that trained as one graph with it, itself included; not written where it trained alone.
    #[serde(default, skip_serializing_if = "is_alone")]
    pub members: u64,
    /// Examples of a step, where the device had no memory for as many as the genome says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<usize>,
}

pub(super) fn is_zero(value: &f64) -> bool {
    *value == 0.0
}

fn is_alone(members: &u64) -> bool {
    *members <= 1
}

impl Timing {
    /// Seconds of the study until the training ended.
    pub fn ended(&self) -> f64 {
        self.started + self.seconds
    }

    /// Its share of the seconds that it took together with others.
    pub fn share(&self) -> f64 {
        self.seconds / self.members.max(1) as f64
    }
}
