//! Coefficient of determination.

use super::{Metric, mean, paired};
use crate::data::TaskKind;

/// Coefficient of determination; NaN where the targets do not vary.
pub static R2: Metric = Metric {
    name: "r2",
    doc: "1 - squared error / squared deviation from the mean: 1 is perfect, 0 is no better than the mean",
    higher_is_better: true,
    tasks: &[TaskKind::Regression],
    weighs_classes: false,
    compute: |predictions, targets| match paired(predictions, targets) {
        Some(rows) => {
            let rows: Vec<(f64, f64)> = rows.collect();
            let centre = mean(rows.iter().map(|(_, truth)| *truth));
            let spread: f64 = rows.iter().map(|(_, truth)| (truth - centre).powi(2)).sum();
            let error: f64 = rows.iter().map(|(said, truth)| (said - truth).powi(2)).sum();
            if spread == 0.0 { f64::NAN } else { 1.0 - error / spread }
        }
        None => f64::NAN,
    },
};
