//! F1: the harmonic mean of precision and recall.

use super::{Classified, Metric, mean};
use crate::data::TaskKind;

/// F1. A class without a hit scores 0, as in scikit-learn with `zero_division=0`.
pub static F1: Metric = Metric {
    name: "f1",
    doc: "2·hits / (rows of the class + rows said to be): of the second class if binary, else the mean over classes",
    higher_is_better: true,
    tasks: &[TaskKind::Binary, TaskKind::Multiclass],
    weighs_classes: false,
    compute: |predictions, targets| match Classified::of(predictions, targets) {
        Some(rows) => {
            let confusion = rows.confusion();
            if rows.classes == 2 {
                of_class(&confusion, 1).unwrap_or(0.0)
            } else {
                mean((0..rows.classes).filter_map(|class| of_class(&confusion, class)))
            }
        }
        None => f64::NAN,
    },
};

/// F1 of one class against the rest; `None` where it neither occurs nor is predicted.
fn of_class(confusion: &[Vec<u64>], class: usize) -> Option<f64> {
    let occurs: u64 = confusion[class].iter().sum();
    let said: u64 = confusion.iter().map(|row| row[class]).sum();
    (occurs + said > 0).then(|| 2.0 * confusion[class][class] as f64 / (occurs + said) as f64)
}
