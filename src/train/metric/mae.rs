//! Mean absolute error.

use super::{Metric, mean, paired};
use crate::data::TaskKind;

/// Mean absolute error.
pub static MAE: Metric = Metric {
    name: "mae",
    doc: "mean absolute error, in the units of the target",
    higher_is_better: false,
    tasks: &[TaskKind::Regression],
    weighs_classes: false,
    compute: |predictions, targets| match paired(predictions, targets) {
        Some(rows) => mean(rows.map(|(said, truth)| (said - truth).abs())),
        None => f64::NAN,
    },
};
