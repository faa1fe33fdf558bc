//! Accuracy: the share of rows whose most probable class is the true one.

use super::{Classified, Metric, mean};
use crate::data::TaskKind;

/// Accuracy.
pub static ACCURACY: Metric = Metric {
    name: "accuracy",
    doc: "share of rows whose most probable class is the true one",
    higher_is_better: true,
    tasks: &[TaskKind::Binary, TaskKind::Multiclass],
    weighs_classes: false,
    compute: |predictions, targets| match Classified::of(predictions, targets) {
        Some(rows) => {
            mean(rows.rows().map(|(truth, row)| if super::first_maximum(row) as usize == truth { 1.0 } else { 0.0 }))
        }
        None => f64::NAN,
    },
};
