//! Root mean squared error.

use super::{Metric, mean, paired};
use crate::data::TaskKind;

/// Root mean squared error.
pub static RMSE: Metric = Metric {
    name: "rmse",
    doc: "square root of the mean squared error, in the units of the target",
    higher_is_better: false,
    tasks: &[TaskKind::Regression],
    weighs_classes: false,
    compute: |predictions, targets| match paired(predictions, targets) {
        Some(rows) => mean(rows.map(|(said, truth)| (said - truth).powi(2))).sqrt(),
        None => f64::NAN,
    },
};
