//! Baselines that a search has to beat: the majority or the mean, and a linear model on the preprocessed features.
//!
//! They are cheap by construction: rows, pixels and iterations are capped so that each takes a few seconds at most.

use super::metric::{Metric, Predictions};
use crate::data::{Features, InputSpec, OutputSpec, Part, Targets, Task};

mod design;
mod least_squares;
mod softmax;

use design::Design;

/// Rows that a linear model is fitted to, at most; taken at equal distances.
const ROWS: usize = 20_000;
/// Multiplications that the fit of a linear model may cost.
const WORK: usize = 3_000_000_000;
/// Iterations that a fit is given at least: where all rows would cost more, fewer rows are taken.
const LEAST_ITERATIONS: usize = 30;

/// A metric says nothing about a validation part.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the metric {metric} is not defined on the validation part: {why}; choose another --metric, or give validation rows that differ"
)]
pub struct UndefinedMetric {
    /// Name of the metric.
    pub metric: &'static str,
    /// What its rows have in common.
    pub why: String,
}

/// Whether a metric tells predictions apart on the rows of `validation`: whether it is defined for the majority or the
/// mean of the training part, which say as much of one part as of any other.
///
/// # Errors
/// Where it is not, as with `roc_auc` where all rows have one class or `r2` where all have one value.
pub fn defined(metric: &Metric, task: &Task, train: &Part, validation: &Part) -> Result<(), UndefinedMetric> {
    let Some((_, said)) = constant(task, train, validation.targets.len()) else { return Ok(()) };
    if (metric.compute)(&said, &validation.targets).is_finite() {
        return Ok(());
    }
    let rows = validation.targets.len();
    let why = match (&task.output, &validation.targets) {
        (OutputSpec::Classes { names, .. }, Targets::Classes(truth)) => match truth.first() {
            Some(&first) if truth.iter().all(|&class| class == first) => {
                format!("all of its {rows} rows have the class {:?}", names[first as usize])
            }
            _ => format!("the shares of the classes in the training part have no finite value on its {rows} rows"),
        },
        _ => format!("the mean of the training part has no finite value on its {rows} rows, which may all have one value"),
    };
    Err(UndefinedMetric { metric: metric.name, why })
}

/// Every baseline's name and what it says about the rows of `validation`.
pub fn all(task: &Task, train: &Part, validation: &Part) -> Vec<(&'static str, Predictions)> {
    let linear = match (&task.output, &train.targets) {
        (OutputSpec::Classes { names, .. }, Targets::Classes(truth)) => {
            linear_classes(task, train, validation, truth, names.len())
        }
        (OutputSpec::Value { mean, std }, Targets::Values(truth)) => {
            let standardised: Vec<f64> = truth.iter().map(|value| (f64::from(*value) - mean) / std).collect();
            let said = linear_values(task, train, validation, &standardised);
            Predictions::Values(said.iter().map(|v| (mean + std * v) as f32).collect())
        }
        _ => return Vec::new(),
    };
    constant(task, train, validation.targets.len()).into_iter().chain([("linear model", linear)]).collect()
}

/// The baseline that says the same of every row.
fn constant(task: &Task, train: &Part, rows: usize) -> Option<(&'static str, Predictions)> {
    match (&task.output, &train.targets) {
        (OutputSpec::Classes { names, .. }, Targets::Classes(truth)) => {
            Some(("majority class", shares(truth, names.len(), rows)))
        }
        (OutputSpec::Value { mean, .. }, _) => Some(("mean", Predictions::Values(vec![*mean as f32; rows]))),
        _ => None,
    }
}

/// The classes' shares in the training part for every row; the most probable is the majority.
fn shares(truth: &[u32], classes: usize, rows: usize) -> Predictions {
    let mut counts = vec![0.0f32; classes];
    for &class in truth {
        counts[class as usize] += 1.0;
    }
    let share: Vec<f32> = counts.iter().map(|count| count / truth.len().max(1) as f32).collect();
    Predictions::Probabilities { classes, values: share.repeat(rows) }
}

fn linear_classes(task: &Task, train: &Part, validation: &Part, truth: &[u32], classes: usize) -> Predictions {
    let rows = sample(truth.len(), softmax::row_cost(Design::work_of(task), classes));
    let design = Design::new(task, &train.features, &rows);
    let truth: Vec<u32> = rows.iter().map(|&row| truth[row]).collect();
    let weights = softmax::fit(&design, &truth, classes);
    let all: Vec<usize> = (0..validation.targets.len()).collect();
    softmax::predict(&Design::new(task, &validation.features, &all), &weights, classes)
}

fn linear_values(task: &Task, train: &Part, validation: &Part, truth: &[f64]) -> Vec<f64> {
    let rows = sample(truth.len(), least_squares::row_cost(Design::work_of(task)));
    let design = Design::new(task, &train.features, &rows);
    let truth: Vec<f64> = rows.iter().map(|&row| truth[row]).collect();
    let weights = least_squares::fit(&design, &truth);
    let all: Vec<usize> = (0..validation.targets.len()).collect();
    Design::new(task, &validation.features, &all).times(&weights)
}

/// Rows at equal distances: at most [`ROWS`], and so many that [`LEAST_ITERATIONS`] over them, at `cost` multiplications
/// for a row, are within [`WORK`].
fn sample(rows: usize, cost: usize) -> Vec<usize> {
    let affordable = WORK / (LEAST_ITERATIONS * cost.max(1));
    let taken = rows.min(ROWS).min(affordable.max(1));
    (0..taken).map(|index| index * rows / taken).collect()
}

/// Iterations of so many multiplications each that a fit may take, at most `most`.
fn iterations(cost: usize, most: usize) -> usize {
    (WORK / cost.max(1)).clamp(1, most)
}

#[cfg(test)]
mod tests;
