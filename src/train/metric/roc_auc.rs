//! Area under the receiver operating characteristic.

use super::{Classified, Metric, mean};
use crate::data::TaskKind;

/// ROC AUC.
pub static ROC_AUC: Metric = Metric {
    name: "roc_auc",
    doc: "chance that a row of the class is ranked above another row; one class against the rest, mean over the classes \
          that occur; scikit-learn's roc_auc_score with multi_class='ovr'",
    higher_is_better: true,
    tasks: &[TaskKind::Binary, TaskKind::Multiclass],
    weighs_classes: false,
    compute: |predictions, targets| match Classified::of(predictions, targets) {
        Some(rows) if rows.classes == 2 => of_class(&rows, 1).unwrap_or(f64::NAN),
        Some(rows) => mean((0..rows.classes).filter_map(|class| of_class(&rows, class))),
        None => f64::NAN,
    },
};

/// Mann-Whitney statistic of one class against the rest, ties counting one half; `None` unless both occur.
fn of_class(rows: &Classified<'_>, class: usize) -> Option<f64> {
    let mut ranked: Vec<(f32, bool)> = rows.rows().map(|(truth, row)| (row[class], truth == class)).collect();
    ranked.sort_by(|a, b| a.0.total_cmp(&b.0));
    let inside = ranked.iter().filter(|(_, is_class)| *is_class).count() as f64;
    let outside = ranked.len() as f64 - inside;
    if inside == 0.0 || outside == 0.0 {
        return None;
    }
    let mut rank_sum = 0.0;
    let mut start = 0;
    for tie in ranked.chunk_by(|a, b| a.0 == b.0) {
        let mean_rank = start as f64 + (tie.len() as f64 + 1.0) / 2.0;
        rank_sum += mean_rank * tie.iter().filter(|(_, is_class)| *is_class).count() as f64;
        start += tie.len();
    }
    Some((rank_sum - inside * (inside + 1.0) / 2.0) / (inside * outside))
}
