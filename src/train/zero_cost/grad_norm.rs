//! Norms of gradients (Abdelfattah et al., 2021, "Zero-Cost Proxies for Lightweight NAS").

use super::{Conditions, Look, Proxy, extents};
use crate::express::Untrained;
use crate::genome::Genome;
use crate::train::TrainError;

pub(super) const PROXY: Proxy =
    Proxy { name: "grad_norm", doc: "norms of the gradients of all layers, of one batch with its labels", score };

/// Σ‖∂L/∂θ‖₂ over the weights of layers (no biases, no scales), where L is the mean cross-entropy, or squared error, of one
/// batch.
fn score(genome: &Genome, conditions: &Conditions) -> Result<f64, TrainError> {
    let batch = conditions.batch(Look::Rows);
    let mut net = Untrained::new(genome, &conditions.task, batch, true)?;
    let loss = net.loss(&conditions.task, batch)?;
    let mut gradients = net.gradients(loss)?;
    gradients.retain(|(index, _)| net.params[*index].decay);
    let weights = conditions.weights(&net.params);
    let fetched = conditions.run(&net, &weights, Look::Rows, extents(&net, &gradients))?;
    let norm = |gradient: &Vec<f32>| gradient.iter().map(|&g| f64::from(g).powi(2)).sum::<f64>().sqrt();
    Ok(fetched.iter().map(norm).sum())
}
