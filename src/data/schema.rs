//! What a net is to read and to say.

use serde::{Deserialize, Serialize};

/// Kind of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TaskKind {
    /// Two classes.
    Binary,
    /// More than two classes.
    Multiclass,
    /// A number.
    Regression,
}

/// What a net reads and says: all that the modules after `data` know of a dataset.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Task {
    /// Kind of the task.
    pub kind: TaskKind,
    /// What the net reads.
    pub input: InputSpec,
    /// What it says.
    pub output: OutputSpec,
}

/// What a net reads, after preprocessing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InputSpec {
    /// `numeric [N, numeric.len()]` float32 and `codes [N, categorical.len()]` int64.
    Table {
        /// Standardised numeric features, missing-value flags included.
        numeric: Vec<NumericFeature>,
        /// Categorical features.
        categorical: Vec<CategoricalFeature>,
    },
    /// `image [N, channels, height, width]` float32, standardised for each channel.
    Image {
        /// Rows of pixels.
        height: usize,
        /// Columns of pixels.
        width: usize,
        /// 1 or 3.
        channels: usize,
        /// Mean of each channel over the training part, as bytes (0 to 255).
        mean: Vec<f32>,
        /// Standard deviation of each channel, likewise.
        std: Vec<f32>,
    },
}

/// A standardised numeric feature.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NumericFeature {
    /// Name of the column, or of the flag derived from it.
    pub name: String,
    /// Quantiles of the standardised values over the training part, strictly increasing, at most 64; fewer than 2 for
    /// a flag or a constant. Piecewise-linear encodings take their bins from them.
    pub knots: Vec<f32>,
}

/// A categorical feature.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CategoricalFeature {
    /// Name of the column.
    pub name: String,
    /// Number of slots: known categories, and one each for unknown and missing.
    pub slots: usize,
}

/// What a net says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OutputSpec {
    /// A logit for each class.
    Classes {
        /// Names in the order of the logits.
        names: Vec<String>,
        /// True where the names are integers and the model's label is `int64`.
        integers: bool,
        /// Rows of each class in the training part.
        counts: Vec<usize>,
    },
    /// A standardised number: the value is `mean + std · output`.
    Value {
        /// Mean of the target over the training part.
        mean: f64,
        /// Standard deviation, positive.
        std: f64,
    },
}

impl Task {
    /// Number of outputs of the net.
    pub fn outputs(&self) -> usize {
        match &self.output {
            OutputSpec::Classes { names, .. } => names.len(),
            OutputSpec::Value { .. } => 1,
        }
    }
}
