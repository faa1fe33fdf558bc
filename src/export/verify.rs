//! Comparing an exported model with what was scored.

use super::{ExportError, Predicted, Predictor, TOLERANCE};
use crate::data::{Dataset, OutputSpec, Part};
use crate::engine::Engine;
use crate::graph::Target;
use crate::train::ensemble::{self, Member};
use crate::train::metric::Predictions;

/// Rows of the validation part that are compared, at most.
const ROWS: usize = 512;
/// Relative error of a value that rounding explains: the host decodes in float64 and rounds once, the model multiplies,
/// adds and rounds after each; and the last digits of what the net says may turn either rounding.
const ROUNDING: f64 = 2.0 * f32::EPSILON as f64;

/// How an exported model compares with what was scored.
#[derive(Debug, Clone, PartialEq)]
pub struct Agreement {
    /// Engine that ran the exported model.
    pub engine: &'static str,
    /// Rows compared.
    pub rows: usize,
    /// Largest difference of a probability, or of a value in standard deviations of the target.
    pub difference: f32,
}

/// Runs the exported model in `under_test` on raw rows of the validation part and compares it with the inference graphs
/// of its nets in `reference`, which scored the candidates. Labels are compared with the model's own probabilities.
///
/// # Errors
/// Where an engine fails, a label is not the most probable class, or the difference exceeds [`TOLERANCE`] and what
/// rounding to float32 explains.
pub fn verify<'a>(
    model: &[u8],
    nets: impl IntoIterator<Item = Member<'a>>,
    dataset: &Dataset,
    reference: &dyn Engine,
    under_test: &dyn Engine,
) -> Result<Agreement, ExportError> {
    let engine = under_test.name();
    let rows: Vec<usize> = (0..dataset.validation.targets.len().min(ROWS)).collect();
    let part: Part = dataset.validation.take(&rows);
    let scored = ensemble::predict(nets, &dataset.task, &part, reference, Target::Portable)?;
    let raw = dataset.raw_validation.slice(0..rows.len());
    let exported = Predictor::new(model, under_test)
        .and_then(|mut predictor| predictor.predict(&raw))
        .map_err(|source| ExportError::Engine { engine, source })?;
    if let Predicted::Classes { names, labels, probabilities } = &exported {
        check_labels(engine, names, labels, probabilities)?;
    }
    let (difference, row) = worst(&exported, &scored, &dataset.task.output);
    match row {
        None => Ok(Agreement { engine, rows: rows.len(), difference }),
        Some(row) => Err(ExportError::Disagrees { engine, difference, row }),
    }
}

/// Every label is a class that no other is more probable than. Different logits may round to one probability, so among
/// equals any is right.
fn check_labels(
    engine: &'static str,
    names: &[String],
    labels: &[String],
    probabilities: &[f32],
) -> Result<(), ExportError> {
    for (row, said) in probabilities.chunks_exact(names.len()).enumerate() {
        let label = labels.get(row).map_or("", String::as_str);
        let of_label = names.iter().position(|name| name == label).map(|class| said[class]);
        let best = names.iter().zip(said).max_by(|a, b| a.1.total_cmp(b.1));
        // Probabilities that are no numbers have no largest; they are found where they are compared with the scored ones.
        if let Some((expected, most)) = best
            && of_label != Some(*most)
            && !most.is_nan()
        {
            return Err(ExportError::Label { engine, label: label.into(), expected: expected.clone(), row });
        }
    }
    Ok(())
}

/// Largest difference, with no row; or the difference and the row that exceed most what is accepted. Outputs of another
/// size differ infinitely.
pub(super) fn worst(exported: &Predicted, scored: &Predictions, output: &OutputSpec) -> (f32, Option<usize>) {
    let (said, expected, width) = match (exported, scored) {
        (Predicted::Classes { probabilities, .. }, Predictions::Probabilities { classes, values }) => {
            (probabilities, values, *classes)
        }
        (Predicted::Values(said), Predictions::Values(values)) => (said, values, 1),
        _ => return (f32::INFINITY, Some(0)),
    };
    if said.len() != expected.len() {
        return (f32::INFINITY, Some(0));
    }
    let tolerance = f64::from(TOLERANCE);
    let (scale, mean, rounding) = match output {
        OutputSpec::Classes { .. } => (1.0, 0.0, 0.0),
        OutputSpec::Value { mean, std } => (*std, mean.abs(), ROUNDING),
    };
    let (mut largest, mut exceeding): (f64, Option<(f64, f64, usize)>) = (0.0, None);
    for (i, (&a, &b)) in said.iter().zip(expected).enumerate() {
        let (a, b) = (f64::from(a), f64::from(b));
        let difference = (a - b).abs() / scale;
        let excess = difference / tolerance.max(rounding * (b.abs() + mean) / scale);
        largest = largest.max(difference);
        // In this order a NaN is the largest.
        if excess.total_cmp(&exceeding.map_or(1.0, |(most, ..)| most)).is_gt() {
            exceeding = Some((excess, difference, i / width));
        }
    }
    match exceeding {
        None => (largest as f32, None),
        Some((_, difference, row)) => (difference as f32, Some(row)),
    }
}
