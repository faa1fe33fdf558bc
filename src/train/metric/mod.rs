//! Metrics over a whole part of a dataset, one a file.

use crate::data::{Targets, TaskKind};

/// What a net said about each row.
#[derive(Debug, Clone, PartialEq)]
pub enum Predictions {
    /// `rows × classes` probabilities, row major; each row sums to one.
    Probabilities {
        /// Number of classes.
        classes: usize,
        /// The probabilities.
        values: Vec<f32>,
    },
    /// One value for each row, in the units of the data.
    Values(Vec<f32>),
}

/// A metric.
pub struct Metric {
    /// Name on the command line and in reports, such as `log_loss`.
    pub name: &'static str,
    /// One line of documentation, with the formula or the reference implementation that it equals.
    pub doc: &'static str,
    /// Whether higher is better.
    pub higher_is_better: bool,
    /// Tasks it is defined for.
    pub tasks: &'static [TaskKind],
    /// Its value. `predictions` and `targets` have the same number of rows, at least one, and fit `tasks`; NaN where it
    /// is not defined (ROC AUC with one class present).
    pub compute: fn(predictions: &Predictions, targets: &Targets) -> f64,
}
