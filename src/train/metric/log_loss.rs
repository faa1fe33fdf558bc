//! Log loss: the mean negative logarithm of the probability of the true class.

use super::{Classified, Metric, mean};
use crate::data::TaskKind;

/// Log loss. Probabilities are clipped to `ε … 1-ε`, where ε is the spacing of float32 at one, so that one sure but wrong
/// row counts much but not without bound.
pub static LOG_LOSS: Metric = Metric {
    name: "log_loss",
    doc: "mean of -ln(probability of the true class); scikit-learn's log_loss",
    higher_is_better: false,
    tasks: &[TaskKind::Binary, TaskKind::Multiclass],
    weighs_classes: false,
    compute: |predictions, targets| match Classified::of(predictions, targets) {
        Some(rows) => {
            let least = f64::from(f32::EPSILON);
            mean(rows.rows().map(|(truth, row)| -f64::from(row[truth]).clamp(least, 1.0 - least).ln()))
        }
        None => f64::NAN,
    },
};
