//! Lines of the journal.

use crate::{
    search::Proposal,
    train::{CurvePoint, Scores},
};
use serde::{Deserialize, Serialize};

/// One line of `journal.jsonl`. What depends on clock or machine stands under `timing` only.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Record {
    /// A candidate of the search was evaluated.
    Candidate(Candidate),
    /// A finalist was trained at full length.
    Finalist(Finalist),
    /// The model to be exported was chosen.
    Choice(Choice),
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

/// A finalist and what became of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finalist {
    /// Rank among the finalists, from 0.
    pub rank: u64,
    /// Candidate that it is.
    pub candidate: u64,
    /// What became of it at full length.
    pub outcome: Outcome,
    /// Clock and machine.
    pub timing: Timing,
}

/// Which trained net is exported.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Choice {
    /// Candidate it is.
    pub candidate: u64,
    /// Rank of the finalist whose weights are taken; `None` where those of the search are.
    pub finalist: Option<u64>,
    /// Its metrics on the validation part.
    pub scores: Scores,
}

/// What became of a training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum Outcome {
    /// It was trained and scored.
    Scored {
        /// Metrics on the validation part.
        scores: Scores,
        /// The study's metric, turned so that higher is better.
        score: f64,
        /// What it costs.
        costs: Costs,
        /// Course of the training.
        curve: Vec<CurvePoint>,
        /// SHA-256 of its weights in the store.
        weights: String,
    },
    /// It failed and is ranked last.
    Failed {
        /// Kind of failure, such as `diverged`, `memory`, `panic`, `engine`.
        kind: String,
        /// What happened.
        message: String,
        /// What it costs, as far as known.
        costs: Costs,
    },
}

/// What a candidate costs, from its graph and its training length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Costs {
    /// Trainable parameters.
    pub parameters: u64,
    /// Multiply-accumulate operations for one row at inference.
    pub macs: u64,
    /// Training examples consumed.
    pub examples: u64,
    /// Estimated peak memory of a training step in bytes.
    pub memory: u64,
}

/// Clock and machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
pub struct Timing {
    /// Seconds from the start of the study to the start of this training, over all its sessions.
    pub started: f64,
    /// Seconds that the training and scoring took.
    pub seconds: f64,
}
