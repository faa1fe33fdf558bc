//! Normalisations of a net, and the running statistics that come with them.

use super::{Axes, Flow, Init, NetBuilder, Purpose, Statistic, kind};
use crate::genome::Norm;
use crate::graph::ops::activation::{Activation, ActivationKind};
use crate::graph::ops::norm::{BatchNorm, BatchNormInference, LayerNorm};
use crate::graph::{GraphError, ShapeError, Tensor, Value};

/// Added to variances before the root is taken.
const EPSILON: f32 = 1e-5;

/// Genes of one batch normalisation.
#[derive(Debug, Clone, Copy)]
pub struct BatchNormGenes {
    /// The scale before training; `None` where there is no scale, only a shift.
    pub gamma: Option<f32>,
    /// Added to variances before the root is taken.
    pub epsilon: f32,
    /// What is applied to the result.
    pub activation: Option<ActivationKind>,
}

impl NetBuilder<'_> {
    /// The net's normalisation, then its activation where `activate` says so. `gamma` is the scale before training.
    pub fn norm_act(&mut self, name: &str, x: &Flow, activate: bool, gamma: f32) -> Result<Flow, GraphError> {
        let activation = self.activation.filter(|_| activate).map(kind);
        match (self.norm, activation) {
            (Norm::None, _) => self.activated(x, activation),
            (Norm::Batch, _) => {
                self.batch_norm(name, x, BatchNormGenes { gamma: Some(gamma), epsilon: EPSILON, activation })
            }
            (Norm::Layer, _) if self.is_bare() => self.activated(x, activation),
            (Norm::Layer, _) => self.within(name, |b| {
                let (scale, shift) = b.scale_shift(x, Some(gamma))?;
                let y = x.with(b.graph.apply(LayerNorm { epsilon: EPSILON }, &[x.value, scale, shift])?);
                if activate { b.act(&y) } else { Ok(y) }
            }),
        }
    }

    /// Whether normalisations are left out.
    fn is_bare(&self) -> bool {
        self.purpose == Purpose::Untrained { normalised: false }
    }

    /// The activation, or a rectifier in its place.
    pub(super) fn rectified(&self, kind: ActivationKind) -> ActivationKind {
        if self.is_bare() { ActivationKind::Relu } else { kind }
    }

    fn activated(&mut self, x: &Flow, activation: Option<ActivationKind>) -> Result<Flow, GraphError> {
        match activation {
            Some(kind) => Ok(x.with(self.graph.apply(Activation(self.rectified(kind)), &[x.value])?)),
            None => Ok(x.clone()),
        }
    }

    /// Batch normalisation: by the batch in training, by its running statistics at inference.
    pub fn batch_norm(&mut self, name: &str, x: &Flow, genes: BatchNormGenes) -> Result<Flow, GraphError> {
        let BatchNormGenes { gamma, epsilon, activation } = genes;
        if self.is_bare() {
            return self.activated(x, activation);
        }
        self.within(name, |b| {
            let (scale, shift) = b.scale_shift(x, gamma)?;
            let first = b.params.len();
            let (mean, variance) = b.mean_variance(x)?;
            if b.purpose == Purpose::Inference {
                let op = BatchNormInference { epsilon, activation };
                return Ok(x.with(b.graph.apply(op, &[x.value, scale, shift, mean, variance])?));
            }
            let outputs = b.graph.add(BatchNorm { epsilon, activation }, &[x.value, scale, shift])?;
            let [y, batch_mean, batch_variance] = outputs[..] else {
                return Err(b.misfit(ShapeError::new("batch normalisation has three outputs")));
            };
            b.statistics.push(Statistic { param: first, batch: batch_mean });
            b.statistics.push(Statistic { param: first + 1, batch: batch_variance });
            Ok(x.with(y))
        })
    }

    /// `(x − mean)/√(variance + epsilon)` for each channel with statistics that stand still. `count`, of how many examples
    /// they are, stands beside them and is read by nothing.
    pub fn fixed_norm(&mut self, name: &str, x: &Flow, epsilon: f32) -> Result<Flow, GraphError> {
        self.within(name, |b| {
            let (scale, shift) = (b.constant(x, 1.0), b.constant(x, 0.0));
            let first = b.params.len();
            let (mean, variance) = b.mean_variance(x)?;
            let count = b.add_param("count", &[1], Init::Constant(0.0), false, false, Axes::default())?;
            // A training step carries all state on: each of these is moved towards itself.
            let still = [mean, variance, count].into_iter().enumerate();
            b.statistics.extend(still.map(|(i, value)| Statistic { param: first + i, batch: value }));
            let op = BatchNormInference { epsilon, activation: None };
            Ok(x.with(b.graph.apply(op, &[x.value, scale, shift, mean, variance])?))
        })
    }

    /// The role of the axis of a vector with one element for each channel of `x`.
    fn per_channel(x: &Flow) -> Axes {
        Axes { output: Some((0, x.channels.clone())), ..Axes::default() }
    }

    /// The same number for each channel of `x`, `[C]`.
    fn constant(&mut self, x: &Flow, value: f32) -> Value {
        self.graph.constant(Tensor::f32(&[x.width()], vec![value; x.width()]))
    }

    fn scale_shift(&mut self, x: &Flow, gamma: Option<f32>) -> Result<(Value, Value), GraphError> {
        let (channels, axes) = ([x.width()], Self::per_channel(x));
        let scale = match gamma {
            Some(gamma) => {
                let gamma = if gamma == 0.0 && !self.starts_at_zero(true) { 1.0 } else { gamma };
                self.param("gamma", &channels, Init::Constant(gamma), false, axes.clone())?
            }
            None => self.constant(x, 1.0),
        };
        let shift = self.param("beta", &channels, Init::Constant(0.0), false, axes)?;
        Ok((scale, shift))
    }

    fn mean_variance(&mut self, x: &Flow) -> Result<(Value, Value), GraphError> {
        let (channels, axes) = ([x.width()], Self::per_channel(x));
        let mean = self.add_param("mean", &channels, Init::Constant(0.0), false, false, axes.clone())?;
        let variance = self.add_param("variance", &channels, Init::Constant(1.0), false, false, axes)?;
        Ok((mean, variance))
    }
}
