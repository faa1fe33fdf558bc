//! Batch normalisation (Ioffe and Szegedy, 2015), with an activation if one follows.
//!
//! Written out in elementary nodes: `BatchNormalization` in training mode has no CUDA kernel, and the embedded engine
//! takes neither that mode nor parameters that are computed.

mod layer;

pub use layer::{LAYER_NORM, LAYER_NORM_GRAD, LayerNorm, LayerNormGrad};

use super::activation::{self, ActivationKind};
use super::conv::float32;
use super::{Case, Entry, Feed};
use crate::graph::{Attribute, GraphError, Kernel, Op, Rule, Shape, ShapeError, Speller, TensorType, Term, Value};

/// Axes of `x [N, C]` or `[N, C, H, W]` over which each channel's statistics are taken.
fn pooled_axes(x: &Shape) -> Result<&'static [i64], ShapeError> {
    match x.rank() {
        2 => Ok(&[0]),
        4 => Ok(&[0, 2, 3]),
        _ => Err(ShapeError::new(format!("[N, C] or [N, C, H, W] wanted, not {x}"))),
    }
}

/// Checks that every one of `parameters` has one element a channel of `x`; returns their type.
pub(in crate::graph) fn per_channel(x: &TensorType, parameters: &[&TensorType]) -> Result<TensorType, ShapeError> {
    pooled_axes(&x.shape)?;
    let channel = x.with_shape(Shape::fixed(&[x.shape.extent(1)?]));
    match parameters.iter().find(|p| ***p != channel) {
        _ if !x.dtype.is_float() => Err(ShapeError::new(format!("floats wanted, not {x}"))),
        Some(p) => Err(ShapeError::new(format!("{channel} wanted for each channel of {x}, not {p}"))),
        None => Ok(channel),
    }
}

/// A parameter `[C]` in the shape that broadcasts to `x`.
pub(super) fn along_channels(s: &mut Speller<'_>, parameter: Term, x: &Shape) -> Term {
    if x.rank() == 2 {
        return parameter;
    }
    let dims = s.ints(&[1, -1, 1, 1]);
    s.node("Reshape", &[parameter, dims], vec![])
}

/// Sum or mean (`ReduceSum`, `ReduceMean`) over all axes but the channels', `[C]`.
pub(super) fn reduce(s: &mut Speller<'_>, op_type: &'static str, t: Term, x: &Shape) -> Result<Term, GraphError> {
    let axes = s.shaped(pooled_axes(x))?;
    let axes = s.ints(axes);
    Ok(s.node(op_type, &[t, axes], vec![("keepdims", Attribute::Int(0))]))
}

/// 1/√(variance + epsilon).
fn inverse_deviation(s: &mut Speller<'_>, variance: Term, epsilon: f32) -> Term {
    let epsilon = s.scalar(epsilon.into());
    let raised = s.node("Add", &[variance, epsilon], vec![]);
    let deviation = s.node("Sqrt", &[raised], vec![]);
    s.node("Reciprocal", &[deviation], vec![])
}

/// `act(γ·(x − mean)/√(variance + ε) + β)` with the statistics of the batch: `x [N, C]` or `[N, C, H, W]`, `γ [C]`,
/// `β [C]` to `y`, `mean [C]`, `variance [C]` (biased). Only `y` is differentiated: the statistics are for the running
/// averages.
#[derive(Debug, Clone, Copy)]
pub struct BatchNorm {
    /// ε, which keeps the divisor from zero.
    pub epsilon: f32,
    /// What is applied to the normalised values.
    pub activation: Option<ActivationKind>,
}

impl Op for BatchNorm {
    fn name(&self) -> &'static str {
        "BatchNorm"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let [x, gamma, beta] = inputs else {
            return Err(ShapeError::new(format!("3 inputs wanted, {} given", inputs.len())));
        };
        let channel = per_channel(x, &[gamma, beta])?;
        Ok(vec![(*x).clone(), channel.clone(), channel])
    }

    fn gradient(&self, rule: &mut Rule<'_>) -> Result<Vec<Option<Value>>, GraphError> {
        if rule.grads[1..].iter().any(Option::is_some) {
            return Err(rule.refuse("BatchNorm's mean or variance"));
        }
        let ([x, gamma, beta], [y, mean, variance]) = (rule.inputs, rule.outputs) else {
            return Err(rule.refuse(self.name()));
        };
        let inputs = [rule.grad()?, *x, *y, *gamma, *beta, *mean, *variance];
        Ok(rule.graph.add(BatchNormGrad(*self), &inputs)?.into_iter().map(Some).collect())
    }

    fn standard(&self, s: &mut Speller<'_>) -> Result<(), GraphError> {
        let shape = s.input_type(0).shape.clone();
        let (x, gamma, beta) = (s.input(0), s.input(1), s.input(2));
        let mean = reduce(s, "ReduceMean", x, &shape)?;
        let centre = along_channels(s, mean, &shape);
        let centred = s.node("Sub", &[x, centre], vec![]);
        let squared = s.node("Mul", &[centred, centred], vec![]);
        let variance = reduce(s, "ReduceMean", squared, &shape)?;
        let inverse = inverse_deviation(s, variance, self.epsilon);
        let scale = s.node("Mul", &[gamma, inverse], vec![]);
        let (scale, shift) = (along_channels(s, scale, &shape), along_channels(s, beta, &shape));
        let y = finish(s, centred, scale, shift, self.activation);
        for (i, term) in [y, mean, variance].into_iter().enumerate() {
            s.output(i, term);
        }
        Ok(())
    }

    fn kernel(&self, inputs: &[&TensorType]) -> Option<Kernel> {
        Some(self.kernel_of("BatchNorm", inputs)?.with_images(&[0], &[0]))
    }
}

impl BatchNorm {
    /// The kernel of this name.
    fn kernel_of(&self, op_type: &'static str, inputs: &[&TensorType]) -> Option<Kernel> {
        let attributes = vec![("epsilon", Attribute::Float(self.epsilon)), activation::attribute(self.activation)];
        float32(inputs).then(|| Kernel::new(op_type, attributes))
    }
}

/// act(x·scale + shift).
fn finish(s: &mut Speller<'_>, x: Term, scale: Term, shift: Term, act: Option<ActivationKind>) -> Term {
    let scaled = s.node("Mul", &[x, scale], vec![]);
    let shifted = s.node("Add", &[scaled, shift], vec![]);
    act.map_or(shifted, |kind| activation::spell(kind, s, shifted))
}

/// Gradients of [`BatchNorm`] with respect to `x`, `γ`, `β` from `dy`, `x`, `y`, `γ`, `β`, `mean`, `variance`.
///
/// With g the gradient before the activation, x̂ the normalised input and means over the batch:
/// dβ = Σg, dγ = Σg·x̂, dx = γ/√(variance + ε)·(g − mean(g) − x̂·mean(g·x̂)).
#[derive(Debug, Clone, Copy)]
pub struct BatchNormGrad(pub BatchNorm);

impl Op for BatchNormGrad {
    fn name(&self) -> &'static str {
        "BatchNormGrad"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let [dy, x, y, parameters @ ..] = inputs else { return Err(ShapeError::new("7 inputs wanted")) };
        let channel = per_channel(x, parameters)?;
        if parameters.len() != 4 || dy != x || y != x {
            return Err(ShapeError::new("dy, x, y of one type and 4 values for each channel wanted"));
        }
        Ok(vec![(*x).clone(), channel.clone(), channel])
    }

    fn standard(&self, s: &mut Speller<'_>) -> Result<(), GraphError> {
        let shape = s.input_type(1).shape.clone();
        let [x, gamma, mean, variance] = [1, 3, 5, 6].map(|i| s.input(i));
        let inverse = inverse_deviation(s, variance, self.0.epsilon);
        let scale = s.node("Mul", &[gamma, inverse], vec![]);
        let centre = along_channels(s, mean, &shape);
        let centred = s.node("Sub", &[x, centre], vec![]);
        let wide_scale = along_channels(s, scale, &shape);
        let g = self.before_activation(s, centred, wide_scale, &shape);
        let product = s.node("Mul", &[g, centred], vec![]);
        let sum = reduce(s, "ReduceSum", product, &shape)?;
        let dgamma = s.node("Mul", &[sum, inverse], vec![]);
        let dbeta = reduce(s, "ReduceSum", g, &shape)?;
        // dx = scale·g + slope·(x − mean) + offset, with two numbers a channel.
        let count = s.shaped(count(&shape))?;
        let share = s.scalar(-1.0 / count as f64);
        let share = s.node("Mul", &[scale, share], vec![]);
        let offset = s.node("Mul", &[share, dbeta], vec![]);
        let slope = s.node("Mul", &[share, dgamma], vec![]);
        let slope = s.node("Mul", &[slope, inverse], vec![]);
        let (slope, offset) = (along_channels(s, slope, &shape), along_channels(s, offset, &shape));
        let direct = s.node("Mul", &[g, wide_scale], vec![]);
        let sloped = s.node("Mul", &[centred, slope], vec![]);
        let indirect = s.node("Add", &[sloped, offset], vec![]);
        let dx = s.node("Add", &[direct, indirect], vec![]);
        for (i, term) in [dx, dgamma, dbeta].into_iter().enumerate() {
            s.output(i, term);
        }
        Ok(())
    }

    fn kernel(&self, inputs: &[&TensorType]) -> Option<Kernel> {
        Some(self.0.kernel_of("BatchNormGrad", inputs)?.with_images(&[0, 1, 2], &[0]))
    }
}

/// Elements that each channel of `x` has.
fn count(x: &Shape) -> Result<usize, ShapeError> {
    Ok(x.elements()? / x.extent(1)?)
}

impl BatchNormGrad {
    /// The gradient before the activation.
    fn before_activation(&self, s: &mut Speller<'_>, centred: Term, scale: Term, shape: &Shape) -> Term {
        let (dy, y) = (s.input(0), s.input(2));
        let Some(kind) = self.0.activation else { return dy };
        let argument = if activation::slope_from_output(kind) {
            y
        } else {
            let shift = along_channels(s, s.input(4), shape);
            finish(s, centred, scale, shift, None)
        };
        let slope = activation::spell_slope(kind, s, argument, y);
        s.node("Mul", &[dy, slope], vec![])
    }
}

/// [`BatchNorm`] with given statistics: `x`, `γ`, `β`, `mean`, `variance` to `y`. The form of an exported net; not
/// differentiated.
#[derive(Debug, Clone, Copy)]
pub struct BatchNormInference {
    /// ε, which keeps the divisor from zero.
    pub epsilon: f32,
    /// What is applied to the normalised values.
    pub activation: Option<ActivationKind>,
}

impl Op for BatchNormInference {
    fn name(&self) -> &'static str {
        "BatchNormInference"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        match inputs {
            [x, parameters @ ..] if parameters.len() == 4 => per_channel(x, parameters).map(|_| vec![(*x).clone()]),
            _ => Err(ShapeError::new(format!("5 inputs wanted, {} given", inputs.len()))),
        }
    }

    // As scale and shift, which the embedded engine takes with constant and with computed parameters.
    fn standard(&self, s: &mut Speller<'_>) -> Result<(), GraphError> {
        let shape = s.input_type(0).shape.clone();
        let [x, gamma, beta, mean, variance] = [0, 1, 2, 3, 4].map(|i| s.input(i));
        let inverse = inverse_deviation(s, variance, self.epsilon);
        let scale = s.node("Mul", &[gamma, inverse], vec![]);
        let scaled_mean = s.node("Mul", &[mean, scale], vec![]);
        let shift = s.node("Sub", &[beta, scaled_mean], vec![]);
        let (scale, shift) = (along_channels(s, scale, &shape), along_channels(s, shift, &shape));
        let y = finish(s, x, scale, shift, self.activation);
        s.output(0, y);
        Ok(())
    }

    fn kernel(&self, inputs: &[&TensorType]) -> Option<Kernel> {
        let form = BatchNorm { epsilon: self.epsilon, activation: self.activation };
        Some(form.kernel_of("BatchNormInference", inputs)?.with_images(&[0], &[0]))
    }
}

/// Inputs and activations that tests visit.
fn samples() -> Vec<(Vec<usize>, Option<ActivationKind>)> {
    let shapes = [vec![5, 3], vec![4, 1], vec![2, 3, 5, 4], vec![1, 17, 3, 1], vec![3, 1, 2, 7]];
    let plain = shapes.into_iter().map(|x| (x, None));
    plain.chain(ActivationKind::ALL.into_iter().map(|kind| (vec![2, 3, 3, 5], Some(kind)))).collect()
}

/// Normalisation by the batch.
pub static BATCH_NORM: Entry = Entry {
    name: "BatchNorm",
    doc: "Normalisation of each channel by the batch's statistics, with activation",
    differentiable: true,
    cases: || {
        samples()
            .into_iter()
            .map(|(x, activation)| {
                let c = vec![x[1]];
                let inputs = vec![Feed::Distinct(x), Feed::Positive(c.clone()), Feed::Normal(c)];
                Case::new(BatchNorm { epsilon: 1e-3, activation }, inputs)
            })
            .collect()
    },
};
/// Its gradient.
pub static BATCH_NORM_GRAD: Entry = Entry {
    name: "BatchNormGrad",
    doc: "Gradients of the normalisation by the batch",
    differentiable: false,
    cases: || {
        samples()
            .into_iter()
            .map(|(x, activation)| {
                let c = || vec![x[1]];
                let mut inputs = [(); 3].map(|()| Feed::Distinct(x.clone())).to_vec();
                inputs.extend([Feed::Positive(c()), Feed::Normal(c()), Feed::Normal(c()), Feed::Positive(c())]);
                Case::new(BatchNormGrad(BatchNorm { epsilon: 1e-3, activation }), inputs)
            })
            .collect()
    },
};
/// Normalisation by given statistics.
pub static BATCH_NORM_INFERENCE: Entry = Entry {
    name: "BatchNormInference",
    doc: "Normalisation of each channel by given statistics, with activation",
    differentiable: false,
    cases: || {
        samples()
            .into_iter()
            .map(|(x, activation)| {
                let c = || vec![x[1]];
                let inputs = vec![
                    Feed::Normal(x.clone()),
                    Feed::Positive(c()),
                    Feed::Normal(c()),
                    Feed::Normal(c()),
                    Feed::Positive(c()),
                ];
                Case::new(BatchNormInference { epsilon: 1e-3, activation }, inputs)
            })
            .collect()
    },
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::ops::reduce::Mean;
    use crate::graph::{DType, Graph, differentiate};

    #[test]
    fn a_loss_of_the_statistics_is_refused() {
        let mut graph = Graph::new();
        let input = |graph: &mut Graph, name: &str, dims: &[usize]| {
            graph.input(name, TensorType::new(DType::F32, Shape::fixed(dims)))
        };
        let x = input(&mut graph, "x", &[4, 3]);
        let (gamma, beta) = (input(&mut graph, "gamma", &[3]), input(&mut graph, "beta", &[3]));
        let outputs = graph.add(BatchNorm { epsilon: 1e-5, activation: None }, &[x, gamma, beta]).unwrap();
        let loss = graph.apply(Mean, &[outputs[2]]).unwrap();
        let error = differentiate(&mut graph, loss, &[x]).unwrap_err();
        assert!(error.to_string().contains("mean or variance"), "{error}");
    }
}
