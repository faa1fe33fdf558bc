//! Training a candidate and scoring it.

pub mod baseline;
mod batches;
mod class_weights;
mod evaluate;
mod member;
pub mod metric;
mod run;
pub mod scoring;
mod trainer;
pub mod zero_cost;

pub use class_weights::{ClassWeights, UnfitClassWeights};
pub use evaluate::{Evaluator, predictions_from_output};
pub use trainer::{Request, Setting, Trained, costs, load, load_population, random, shape, train, train_population};

use crate::engine::EngineError;
use crate::graph::{GraphError, Tensor};
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

/// What a candidate costs, from its graph and its training length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Costs {
    /// Trainable parameters.
    pub parameters: u64,
    /// Multiply-accumulate operations for one row at inference.
    pub macs: u64,
    /// Estimated time of training on one example, in multiply-accumulate operations of a large product.
    pub work: u64,
    /// Training examples consumed.
    pub examples: u64,
    /// Estimated peak memory of a training step in bytes.
    pub memory: u64,
}

/// Why a training has no result.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// The genome cannot be expressed for the task.
    #[error("the genome does not fit the task: {0}")]
    Graph(#[from] GraphError),
    /// The engine cannot load or run the training step.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The loss or the metric stopped being a number.
    #[error("diverged after {examples} examples: {what} is not finite")]
    Diverged {
        /// Training examples consumed until then.
        examples: u64,
        /// `loss` or the name of the metric.
        what: String,
    },
    /// Nets of several shapes were to train as one graph.
    #[error("the nets to be trained together are of several shapes")]
    Shapes,
    /// The training was told to stop.
    #[error("stopped before its end")]
    Stopped,
}
