//! Metrics over a whole part of a dataset, one a file.
//!
//! A metric sees every row at once: a rank metric such as ROC AUC is not a mean over batches. A NaN among the
//! predictions makes every metric NaN, so a net that diverged can never look good.

mod accuracy;
mod balanced_accuracy;
mod f1;
mod log_loss;
mod mae;
mod r2;
mod rmse;
mod roc_auc;
#[cfg(test)]
mod tests;

pub use log_loss::LOG_LOSS;

use super::Scores;
use crate::data::{Targets, TaskKind};
use crate::genome::near;

/// Every metric, in the order in which they are listed to users.
pub static ALL: &[&Metric] = &[
    &accuracy::ACCURACY,
    &balanced_accuracy::BALANCED_ACCURACY,
    &log_loss::LOG_LOSS,
    &roc_auc::ROC_AUC,
    &f1::F1,
    &rmse::RMSE,
    &mae::MAE,
    &r2::R2,
];

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

impl Predictions {
    /// Number of rows.
    pub fn len(&self) -> usize {
        match self {
            Predictions::Probabilities { classes, values } => values.len() / (*classes).max(1),
            Predictions::Values(values) => values.len(),
        }
    }

    /// True where there is no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All probabilities, row by row, or all values.
    pub fn values(&self) -> &[f32] {
        match self {
            Predictions::Probabilities { values, .. } | Predictions::Values(values) => values,
        }
    }

    /// Adds what was said about further rows, of the same kind.
    pub fn append(&mut self, more: Predictions) {
        match (self, more) {
            (Predictions::Probabilities { values, .. }, Predictions::Probabilities { values: more, .. })
            | (Predictions::Values(values), Predictions::Values(more)) => values.extend(more),
            _ => unreachable!("predictions of one task are of one kind"),
        }
    }

    /// The most probable class of each row, the first among equals as the operator ArgMax of ONNX has it; `None` for
    /// values.
    pub fn labels(&self) -> Option<Vec<u32>> {
        match self {
            Predictions::Probabilities { classes, values } => {
                Some(values.chunks_exact((*classes).max(1)).map(first_maximum).collect())
            }
            Predictions::Values(_) => None,
        }
    }
}

/// A metric.
#[derive(Debug)]
pub struct Metric {
    /// Name on the command line and in reports, such as `log_loss`.
    pub name: &'static str,
    /// One line of documentation, with the formula or the reference implementation that it equals.
    pub doc: &'static str,
    /// Whether higher is better.
    pub higher_is_better: bool,
    /// Tasks it is defined for.
    pub tasks: &'static [TaskKind],
    /// Whether it counts all classes alike, however rare, so that a training for it weighs them by their frequency.
    pub weighs_classes: bool,
    /// Its value. `predictions` and `targets` have the same number of rows, at least one, and fit `tasks`; NaN where it
    /// is not defined (ROC AUC with one class present), where a prediction is NaN, and where the two do not fit.
    pub compute: fn(predictions: &Predictions, targets: &Targets) -> f64,
}

impl Metric {
    /// About by how much its value would differ on other rows, as many of them: one standard error. That of a share for
    /// metrics from 0 to 1; for errors that of the root mean square of normal residuals; R² between.
    #[must_use]
    pub fn standard_error(&self, value: f64, rows: usize) -> f64 {
        let rows = rows.max(1) as f64;
        let is_share = self.higher_is_better && !self.tasks.contains(&TaskKind::Regression);
        if is_share {
            (value * (1.0 - value)).max(0.0).sqrt() / rows.sqrt()
        } else if self.higher_is_better {
            (1.0 - value).abs() * (2.0 / rows).sqrt()
        } else {
            value.abs() / (2.0 * rows).sqrt()
        }
    }
}

/// Why a metric cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MetricError {
    /// There is no metric of that name.
    #[error("unknown metric `{name}`{}; for {} there are {}", did_you_mean(.near), task_words(*.task), .valid.join(", "))]
    Unknown {
        /// The name given.
        name: String,
        /// Task that it was asked for.
        task: TaskKind,
        /// Metrics of the task with names near to it, nearest first.
        near: Vec<&'static str>,
        /// All metrics of the task.
        valid: Vec<&'static str>,
    },
    /// The metric is not defined for the task.
    #[error("metric `{name}` is not defined for {}; there are {}", task_words(*.task), .valid.join(", "))]
    WrongTask {
        /// The metric.
        name: &'static str,
        /// Task that it was asked for.
        task: TaskKind,
        /// All metrics of the task.
        valid: Vec<&'static str>,
    },
}

/// The metric called `name`, if it is defined for `task`.
///
/// # Errors
/// Where there is none of that name (the near ones are named) and where it is for other tasks.
pub fn find(name: &str, task: TaskKind) -> Result<&'static Metric, MetricError> {
    match ALL.iter().find(|metric| metric.name == name) {
        Some(metric) if metric.tasks.contains(&task) => Ok(metric),
        Some(metric) => Err(MetricError::WrongTask { name: metric.name, task, valid: names(task) }),
        None => {
            let valid = names(task);
            Err(MetricError::Unknown { name: name.to_owned(), task, near: near(name, &valid), valid })
        }
    }
}

/// All metrics that are defined for `task`.
pub fn all_for(task: TaskKind) -> impl Iterator<Item = &'static Metric> {
    ALL.iter().copied().filter(move |metric| metric.tasks.contains(&task))
}

/// The metric that steers a search if none is asked for: accuracy for classes, RMSE for numbers.
pub fn default_for(task: TaskKind) -> &'static Metric {
    match task {
        TaskKind::Binary | TaskKind::Multiclass => &accuracy::ACCURACY,
        TaskKind::Regression => &rmse::RMSE,
    }
}

/// A metric's value turned so that higher is better. NaN stays NaN; whoever ranks must put it last.
pub fn score(metric: &Metric, value: f64) -> f64 {
    if metric.higher_is_better { value } else { -value }
}

/// All metrics of a task that are defined for these rows, by name.
pub fn scores(task: TaskKind, predictions: &Predictions, targets: &Targets) -> Scores {
    let each = all_for(task).map(|metric| (metric.name.to_owned(), (metric.compute)(predictions, targets)));
    each.filter(|(_, value)| value.is_finite()).collect()
}

fn names(task: TaskKind) -> Vec<&'static str> {
    all_for(task).map(|metric| metric.name).collect()
}

fn did_you_mean(near: &[&str]) -> String {
    match near {
        [] => String::new(),
        names => format!(" (did you mean {}?)", names.join(" or ")),
    }
}

fn task_words(task: TaskKind) -> &'static str {
    match task {
        TaskKind::Binary => "binary classification",
        TaskKind::Multiclass => "multiclass classification",
        TaskKind::Regression => "regression",
    }
}

/// Rows of probabilities beside the true classes.
struct Classified<'a> {
    classes: usize,
    probabilities: &'a [f32],
    truth: &'a [u32],
}

impl<'a> Classified<'a> {
    /// `None` where a probability is NaN or where predictions and targets do not fit.
    fn of(predictions: &'a Predictions, targets: &'a Targets) -> Option<Self> {
        let (Predictions::Probabilities { classes, values }, Targets::Classes(truth)) = (predictions, targets) else {
            return None;
        };
        let fits = *classes > 0
            && !truth.is_empty()
            && values.len() == classes * truth.len()
            && truth.iter().all(|&class| (class as usize) < *classes);
        let whole = fits && values.iter().all(|p| !p.is_nan());
        whole.then_some(Classified { classes: *classes, probabilities: values, truth })
    }

    /// True class and probabilities of each row.
    fn rows(&self) -> impl Iterator<Item = (usize, &'a [f32])> {
        self.truth.iter().map(|&class| class as usize).zip(self.probabilities.chunks_exact(self.classes))
    }

    /// `classes × classes` counts of rows, true class by predicted class.
    fn confusion(&self) -> Vec<Vec<u64>> {
        let mut counts = vec![vec![0; self.classes]; self.classes];
        for (truth, row) in self.rows() {
            counts[truth][first_maximum(row) as usize] += 1;
        }
        counts
    }
}

/// Predicted and true value of each row; `None` where a prediction is NaN or where predictions and targets do not fit.
fn paired<'a>(predictions: &'a Predictions, targets: &'a Targets) -> Option<impl Iterator<Item = (f64, f64)> + 'a> {
    let (Predictions::Values(said), Targets::Values(truth)) = (predictions, targets) else { return None };
    let whole = !truth.is_empty() && said.len() == truth.len() && said.iter().all(|value| !value.is_nan());
    whole.then(|| said.iter().zip(truth).map(|(&p, &t)| (f64::from(p), f64::from(t))))
}

/// Mean of `values`; NaN where there are none.
fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0u64), |(sum, count), value| (sum + value, count + 1));
    sum / count as f64
}

fn first_maximum(row: &[f32]) -> u32 {
    let mut best = 0;
    for (class, probability) in row.iter().enumerate() {
        if *probability > row[best] {
            best = class;
        }
    }
    best as u32
}
