//! Training a candidate and scoring it.

pub mod baseline;
mod batches;
mod checkpoint;
mod class_weights;
pub mod ensemble;
mod evaluate;
mod member;
pub mod metric;
mod resident;
mod run;
pub mod scoring;
mod trainer;
pub mod zero_cost;

pub use checkpoint::{Checkpoint, Place};
pub use class_weights::{ClassWeights, UnfitClassWeights};
pub use evaluate::{Evaluator, predictions_from_output};
pub use resident::{ResidentFeatures, ResidentPart};
pub use trainer::{
    Request, Setting, Trained, costs, load, load_population, load_resident, random, shape, train, train_population,
};

use crate::engine::EngineError;
use crate::graph::{GraphError, Tensor};
use crate::onnx::OnnxError;
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

/// A point of a training at which it may be paused.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Rung {
    /// Share of the training that has been made there, above 0 and below 1.
    pub share: f64,
    /// Best score until then below which it is paused; `None` where it goes on in any case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub least: Option<f64>,
}

/// How a training did at a rung.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RungScore {
    /// Share of the training.
    pub share: f64,
    /// The study's metric of the best state until then, turned so that higher is better.
    pub score: f64,
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
    /// Training examples consumed; of a training that goes on from a checkpoint, those since.
    pub examples: u64,
    /// Estimated peak memory of a training step and of the evaluation beside it, in bytes.
    pub memory: u64,
}

/// Why a training has no result.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// The genome cannot be expressed for the task.
    #[error("the genome does not fit the task: {0}")]
    Graph(#[from] GraphError),
    /// Its graph cannot be written as a model.
    #[error(transparent)]
    Onnx(#[from] OnnxError),
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
    /// A checkpoint of another net.
    #[error("the checkpoint is of another net: it lacks {what}")]
    Checkpoint {
        /// What the net has and the checkpoint has not, or of another shape.
        what: String,
    },
    /// Weights of another net.
    #[error("the weights are of another net: they lack {what}")]
    Weights {
        /// What the net has and they have not.
        what: String,
    },
    /// Trainings that are at different points were to go on as one graph.
    #[error("the trainings to be made together are at different points")]
    Places,
    /// The training was told to stop.
    #[error("stopped before its end")]
    Stopped,
}

impl TrainError {
    /// Whether the same training might succeed with less memory, such as a smaller batch.
    pub fn is_out_of_memory(&self) -> bool {
        matches!(self, TrainError::Engine(error) if error.is_out_of_memory())
    }
}
