//! Balanced accuracy: the mean recall of the classes that occur.

use super::{Classified, Metric, mean};
use crate::data::TaskKind;

/// Balanced accuracy.
pub static BALANCED_ACCURACY: Metric = Metric {
    name: "balanced_accuracy",
    doc: "mean over the classes that occur of the share of their rows found; scikit-learn's balanced_accuracy_score",
    higher_is_better: true,
    tasks: &[TaskKind::Binary, TaskKind::Multiclass],
    weighs_classes: true,
    compute: |predictions, targets| match Classified::of(predictions, targets) {
        Some(rows) => mean(rows.confusion().iter().enumerate().filter_map(|(class, said)| {
            let occurs: u64 = said.iter().sum();
            (occurs > 0).then(|| said[class] as f64 / occurs as f64)
        })),
        None => f64::NAN,
    },
};
