//! Comparing an exported model with what was scored.

use super::{ExportError, TOLERANCE};
use crate::data::{Dataset, OutputSpec, Part};
use crate::engine::Engine;
use crate::genome::Genome;
use crate::graph::{Data, Target, Tensor};
use crate::train::metric::Predictions;
use crate::train::{Evaluator, Weights};
use std::collections::HashMap;

/// Rows of the validation part that are compared, at most.
const ROWS: usize = 512;

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

/// Runs the exported model in `under_test` on raw rows of the validation part and compares it with the inference graph
/// in `reference`, which scored the candidate.
///
/// # Errors
/// Where an engine fails, or the difference exceeds [`TOLERANCE`].
pub fn verify(
    model: &[u8],
    genome: &Genome,
    weights: &Weights,
    dataset: &Dataset,
    reference: &dyn Engine,
    under_test: &dyn Engine,
) -> Result<Agreement, ExportError> {
    let rows: Vec<usize> = (0..dataset.validation.targets.len().min(ROWS)).collect();
    let part: Part = dataset.validation.take(&rows);
    let mut evaluator = Evaluator::new(genome, &dataset.task, rows.len(), reference, Target::Portable)?;
    evaluator.set_weights(weights)?;
    let scored = evaluator.predict(&part)?;
    let failed = |source| ExportError::Engine { engine: under_test.name(), source };
    let mut loaded = under_test.load_model(model).map_err(failed)?;
    let raw = dataset.raw_validation.slice(0..rows.len());
    let named: HashMap<String, Tensor> = raw.tensors().into_iter().collect();
    let inputs: Vec<Tensor> = loaded.inputs().iter().filter_map(|port| named.get(&port.name).cloned()).collect();
    let outputs = loaded.run(&inputs).map_err(failed)?;
    let scale = match &dataset.task.output {
        OutputSpec::Classes { .. } => 1.0,
        OutputSpec::Value { std, .. } => *std as f32,
    };
    let (expected, width) = match &scored {
        Predictions::Probabilities { classes, values } => (values, *classes),
        Predictions::Values(values) => (values, 1),
    };
    let exported = outputs.iter().find_map(|t| match &t.data {
        Data::F32(values) if values.len() == expected.len() => Some(values),
        _ => None,
    });
    let mut worst = (f32::INFINITY, 0);
    if let Some(exported) = exported {
        worst = (0.0, 0);
        for (i, (a, b)) in exported.iter().zip(expected).enumerate() {
            let difference = (a - b).abs() / scale;
            if difference > worst.0 || difference.is_nan() {
                worst = (difference, i / width);
            }
        }
    }
    let (difference, row) = worst;
    // Written so that a NaN fails too.
    if difference <= TOLERANCE {
        Ok(Agreement { engine: under_test.name(), rows: rows.len(), difference })
    } else {
        Err(ExportError::Disagrees { engine: under_test.name(), difference, row })
    }
}
