//! Training a candidate and scoring it.

pub mod metric;

use crate::graph::Tensor;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Trained parameters and running statistics by name, such as `stages.0.blocks.1.conv.weight`; all float32.
pub type Weights = BTreeMap<String, Tensor>;

/// Metrics on the validation part by name, in the units of the data.
pub type Scores = BTreeMap<String, f64>;

/// State of a training after an evaluation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CurvePoint {
    /// Training examples consumed so far.
    pub examples: u64,
    /// Mean training loss since the point before.
    pub loss: f64,
    /// The study's metric on the validation part.
    pub metric: f64,
}
