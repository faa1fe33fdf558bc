//! SynFlow (Tanaka et al., 2020, "Pruning neural networks without any data by iteratively conserving synaptic flow").

use super::{Conditions, Look, Proxy, extents};
use crate::express::Untrained;
use crate::genome::Genome;
use crate::graph::{Shape, ops::reduce::SumTo};
use crate::train::TrainError;

pub(super) const PROXY: Proxy =
    Proxy { name: "synflow", doc: "flow through all weights, of an input of ones; needs no data", score };

/// ln Σ|θ·∂R/∂θ|, where R is the sum of the outputs of the net for one input of ones, with the absolute values of its
/// weights, without normalisations, and with rectifiers for activations: so large a flow saturates others, or what floating
/// point makes of their gradients. Not finite where R leaves the range of float32, as in very deep nets.
fn score(genome: &Genome, conditions: &Conditions) -> Result<f64, TrainError> {
    let mut net = Untrained::new(genome, &conditions.task, 1, false)?;
    let flow = net.graph.apply(SumTo { shape: Shape::default() }, &[net.output])?;
    let gradients = net.gradients(flow)?;
    let mut weights = conditions.weights(&net.params);
    for weight in &mut weights {
        let absolute = weight.as_f32().unwrap_or_default().iter().map(|value| value.abs()).collect();
        *weight = crate::graph::Tensor::f32(&weight.shape, absolute);
    }
    let fetched = conditions.run(&net, &weights, Look::Ones, extents(&net, &gradients))?;
    let one = |((index, _), gradient): (&(usize, String), &Vec<f32>)| -> f64 {
        let weight = weights[*index].as_f32().unwrap_or_default();
        weight.iter().zip(gradient).map(|(&w, &g)| (f64::from(w) * f64::from(g)).abs()).sum()
    };
    Ok(gradients.iter().zip(&fetched).map(one).sum::<f64>().ln())
}
