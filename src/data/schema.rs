//! What a net is to read and to say.

use serde::{Deserialize, Serialize};
use std::fmt;

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
        /// Mean of the target over the training part, a float32 value.
        mean: f64,
        /// Standard deviation, positive, a float32 value.
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

/// What the file of an exported model says about its raw inputs and outputs: the metadata entry `evolve.schema`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schema {
    /// Kind of the task.
    pub task: TaskKind,
    /// Name of the target column, where the data had named columns.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub target: Option<String>,
    /// Names of the classes in the order of the probabilities; empty for a regression.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub classes: Vec<String>,
    /// Inputs of the model, in its order.
    pub inputs: Vec<Field>,
    /// What a user of the model must know, such as an engine that does not load it.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub notes: Vec<String>,
}

/// An input of an exported model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Field {
    /// Name of the input, which is that of the column.
    pub name: String,
    /// What it takes.
    pub kind: FieldKind,
}

/// What an input of an exported model takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FieldKind {
    /// float32 `[N, 1]`; NaN is missing.
    Number,
    /// string `[N, 1]`; the empty string is missing.
    Text,
    /// float32 `[N, width]`; NaN is missing.
    Matrix {
        /// Numbers in a row.
        width: usize,
    },
    /// uint8 `[N, height, width, channels]`.
    Image {
        /// Rows of pixels.
        height: usize,
        /// Columns of pixels.
        width: usize,
        /// 1 or 3.
        channels: usize,
    },
}

impl Field {
    /// A column of text or of numbers: all that is known of the inputs of a model made by another program.
    pub fn column(name: impl Into<String>, is_text: bool) -> Self {
        Field { name: name.into(), kind: if is_text { FieldKind::Text } else { FieldKind::Number } }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            FieldKind::Number | FieldKind::Text => write!(f, "{} {:?}", self.kind, self.name),
            FieldKind::Matrix { .. } | FieldKind::Image { .. } => self.kind.fmt(f),
        }
    }
}

impl fmt::Display for FieldKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FieldKind::Number => f.write_str("the number"),
            FieldKind::Text => f.write_str("the text"),
            FieldKind::Matrix { width } => write!(f, "rows of {width} numbers"),
            FieldKind::Image { height, width, channels } => write!(f, "images of {height} × {width} × {channels}"),
        }
    }
}
