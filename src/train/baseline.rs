//! Baselines that a search has to beat: the majority or the mean, and a linear model on the preprocessed features.
//!
//! They are cheap by construction: rows, pixels and iterations are capped so that each takes a second or so.

use super::metric::Predictions;
use crate::data::{Features, InputSpec, OutputSpec, Part, Targets, Task};

mod design;
mod least_squares;
mod softmax;

use design::Design;

/// Rows that a linear model is fitted to, at most; taken at equal distances.
const ROWS: usize = 20_000;

/// Every baseline's name and what it says about the rows of `validation`.
pub fn all(task: &Task, train: &Part, validation: &Part) -> Vec<(&'static str, Predictions)> {
    let rows = validation.targets.len();
    match (&task.output, &train.targets) {
        (OutputSpec::Classes { names, .. }, Targets::Classes(truth)) => {
            vec![
                ("majority class", shares(truth, names.len(), rows)),
                ("linear model", linear_classes(task, train, validation, truth, names.len())),
            ]
        }
        (OutputSpec::Value { mean, std }, Targets::Values(truth)) => {
            let standardised: Vec<f64> = truth.iter().map(|value| (f64::from(*value) - mean) / std).collect();
            let said = linear_values(task, train, validation, &standardised);
            vec![
                ("mean", Predictions::Values(vec![*mean as f32; rows])),
                ("linear model", Predictions::Values(said.iter().map(|v| (mean + std * v) as f32).collect())),
            ]
        }
        _ => Vec::new(),
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
    let rows = sample(truth.len());
    let design = Design::new(task, &train.features, &rows);
    let truth: Vec<u32> = rows.iter().map(|&row| truth[row]).collect();
    let weights = softmax::fit(&design, &truth, classes);
    let all: Vec<usize> = (0..validation.targets.len()).collect();
    softmax::predict(&Design::new(task, &validation.features, &all), &weights, classes)
}

fn linear_values(task: &Task, train: &Part, validation: &Part, truth: &[f64]) -> Vec<f64> {
    let rows = sample(truth.len());
    let design = Design::new(task, &train.features, &rows);
    let truth: Vec<f64> = rows.iter().map(|&row| truth[row]).collect();
    let weights = least_squares::fit(&design, &truth);
    let all: Vec<usize> = (0..validation.targets.len()).collect();
    Design::new(task, &validation.features, &all).times(&weights)
}

/// At most [`ROWS`] rows at equal distances.
fn sample(rows: usize) -> Vec<usize> {
    let taken = rows.min(ROWS);
    (0..taken).map(|index| index * rows / taken).collect()
}

#[cfg(test)]
mod tests;
