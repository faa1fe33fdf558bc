//! What [`super::fuse`] joins nodes to. These operators have kernels only: their standard spelling is that of the nodes
//! that they stand for.

use crate::graph::ops::activation::{self, ActivationKind};
use crate::graph::ops::conv::{Conv, ConvInputGrad, ConvWeightGrad, plane};
use crate::graph::ops::norm::{BatchNorm, BatchNormInference, per_channel};
use crate::graph::{Attribute, Attributes, GraphError, Kernel, Op, ShapeError, Speller, TensorType};

/// Takes so many inputs off the front.
fn split<'t, 'i, const K: usize>(inputs: &mut &'i [&'t TensorType]) -> Result<&'i [&'t TensorType; K], ShapeError> {
    let (first, rest) = inputs.split_first_chunk().ok_or_else(|| ShapeError::new("too few inputs"))?;
    *inputs = rest;
    Ok(first)
}

/// Takes γ, β, mean and variance of the channels of `x` off the front, and `more` after them.
fn parameters(norm: bool, x: &TensorType, more: usize, inputs: &mut &[&TensorType]) -> Result<(), ShapeError> {
    if norm {
        let (columns, rest) =
            inputs.split_at_checked(4 + more).ok_or_else(|| ShapeError::new("a norm without parameters"))?;
        per_channel(x, columns)?;
        *inputs = rest;
    }
    Ok(())
}

/// The attributes that tell a kernel of a normalisation.
fn told([norm, epsilon, act]: [&'static str; 3], of: Option<BatchNorm>) -> Attributes {
    let (_, number) = activation::attribute(of.and_then(|n| n.activation));
    vec![
        (norm, Attribute::Int(of.is_some().into())),
        (epsilon, Attribute::Float(of.map_or(0.0, |n| n.epsilon))),
        (act, number),
    ]
}

/// Attributes that tell of the normalisation of the input.
fn input_norm(of: Option<BatchNorm>) -> Attributes {
    told(["input_norm", "input_epsilon", "input_activation"], of)
}

/// [`Conv`] of `x`, (`γ`, `β`, `mean`, `variance`,) `w` and perhaps a bias, to `y` (, its `mean`, its `variance`).
#[derive(Debug, Clone, Copy)]
pub(super) struct FusedConv {
    pub(super) conv: Conv,
    /// How `x` is normalised before; then its parameters follow it.
    pub(super) input: Option<BatchNorm>,
    /// Whether the statistics of the result are wanted.
    pub(super) statistics: bool,
}

impl Op for FusedConv {
    fn name(&self) -> &'static str {
        "FusedConv"
    }

    fn infer(&self, mut inputs: &[&TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let [x] = split(&mut inputs)?;
        parameters(self.input.is_some(), x, 0, &mut inputs)?;
        let y = self.conv.infer(&[&[*x], inputs].concat())?.remove(0);
        let channel = per_channel(&y, &[])?;
        Ok(if self.statistics { vec![y, channel.clone(), channel] } else { vec![y] })
    }

    fn standard(&self, s: &mut Speller<'_>) -> Result<(), GraphError> {
        Err(s.refuse("only kernels are fused"))
    }

    fn kernel(&self, _inputs: &[&TensorType]) -> Option<Kernel> {
        let statistics = ("statistics", Attribute::Int(self.statistics.into()));
        let attributes = [self.conv.attributes(), input_norm(self.input), vec![statistics]].concat();
        Some(Kernel::new("FusedConv", attributes).with_images(&[0], &[0]))
    }

    fn macs(&self, inputs: &[&TensorType], outputs: &[&TensorType]) -> u64 {
        let w = inputs[if self.input.is_some() { 5 } else { 1 }];
        self.conv.macs(&[inputs[0], w], outputs)
    }
}

/// The gradients of [`FusedConv`], from `x` (with its parameters), `dy` and `w`. Where the result is normalised, `dy` is the
/// gradient of that, and the result, its parameters and statistics and the gradients of γ and β follow it. To `dw` (, the
/// gradient of the normalised input (, those of its γ and β)). What is added to the gradient of the input comes last.
#[derive(Debug, Clone, Copy)]
pub(super) struct FusedConvGrad {
    pub(super) conv: Conv,
    pub(super) input: Option<BatchNorm>,
    /// How the result is normalised.
    pub(super) output: Option<BatchNorm>,
    pub(super) with_input: bool,
    pub(super) with_norm: bool,
    /// Whether something is added to the gradient of the input.
    pub(super) plus: bool,
}

impl Op for FusedConvGrad {
    fn name(&self) -> &'static str {
        "FusedConvGrad"
    }

    fn infer(&self, mut inputs: &[&TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let [x] = split(&mut inputs)?;
        parameters(self.input.is_some(), x, 0, &mut inputs)?;
        let [dy] = split(&mut inputs)?;
        if self.output.is_some() {
            let [raw] = split(&mut inputs)?;
            if raw != dy {
                return Err(ShapeError::new(format!("a gradient {dy} of the norm of {raw}")));
            }
        }
        parameters(self.output.is_some(), dy, 2, &mut inputs)?;
        let [w] = split(&mut inputs)?;
        let added = usize::from(self.plus);
        if inputs.len() != added || inputs.iter().any(|plus| plus != x) || self.plus && !self.with_input {
            return Err(ShapeError::new(format!("weights and {added} summands like the input wanted last")));
        }
        let dw = ConvWeightGrad { conv: self.conv, kernel: plane(w)? }.infer(&[x, dy])?;
        let dx = ConvInputGrad { conv: self.conv, size: plane(x)? }.infer(&[dy, w])?;
        let channel = per_channel(x, &[])?;
        let norm = if self.with_norm { vec![channel.clone(), channel] } else { vec![] };
        Ok([dw, if self.with_input { dx } else { vec![] }, norm].concat())
    }

    fn standard(&self, s: &mut Speller<'_>) -> Result<(), GraphError> {
        Err(s.refuse("only kernels are fused"))
    }

    fn kernel(&self, _inputs: &[&TensorType]) -> Option<Kernel> {
        let output = told(["output_norm", "output_epsilon", "output_activation"], self.output);
        let wanted = [("with_input", self.with_input), ("with_norm", self.with_norm), ("plus", self.plus)];
        let wanted = wanted.map(|(name, flag)| (name, Attribute::Int(flag.into()))).to_vec();
        let attributes = [self.conv.attributes(), input_norm(self.input), output, wanted].concat();
        let images: &[usize] = match (self.input.is_some(), self.output.is_some()) {
            (false, false) => &[0, 1, 3],
            (false, true) => &[0, 1, 2, 10],
            (true, false) => &[0, 5, 7],
            (true, true) => &[0, 5, 6, 14],
        };
        let images = if self.plus { images } else { &images[..images.len() - 1] };
        Some(Kernel::new("FusedConvGrad", attributes).with_images(images, &[1]))
    }

    fn macs(&self, inputs: &[&TensorType], outputs: &[&TensorType]) -> u64 {
        let dy = inputs[if self.input.is_some() { 5 } else { 1 }];
        let each = self.conv.macs(&[inputs[0], outputs[0]], &[dy]);
        if self.with_input { 2 * each } else { each }
    }
}

/// The gradients of γ and β alone of a [`BatchNorm`], from `dy`, `x`, `γ`, `β`, `mean`, `variance`.
#[derive(Debug, Clone, Copy)]
pub(super) struct BatchNormParameterGrad(pub(super) BatchNorm);

impl Op for BatchNormParameterGrad {
    fn name(&self) -> &'static str {
        "BatchNormParameterGrad"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        match inputs {
            [dy, x, parameters @ ..] if parameters.len() == 4 && dy == x => {
                per_channel(x, parameters).map(|channel| vec![channel.clone(), channel])
            }
            _ => Err(ShapeError::new("a gradient, what was normalised and four parameters wanted")),
        }
    }

    fn standard(&self, s: &mut Speller<'_>) -> Result<(), GraphError> {
        Err(s.refuse("only kernels are fused"))
    }

    fn kernel(&self, _inputs: &[&TensorType]) -> Option<Kernel> {
        let epsilon = ("epsilon", Attribute::Float(self.0.epsilon));
        let attributes = vec![epsilon, activation::attribute(self.0.activation)];
        Some(Kernel::new("BatchNormParameterGrad", attributes).with_images(&[0, 1], &[]))
    }
}

/// norm(x) + other, from `x`, `γ`, `β`, `mean`, `variance` and `other`: with an activation of the normalised element, of the
/// sum or of neither.
#[derive(Debug, Clone, Copy)]
pub(super) struct BatchNormAdd {
    /// With the activation that comes before the sum.
    pub(super) norm: BatchNormInference,
    /// The activation of the sum.
    pub(super) activation: Option<ActivationKind>,
}

impl Op for BatchNormAdd {
    fn name(&self) -> &'static str {
        "BatchNormAdd"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        match inputs {
            [x, parameters @ .., other] if parameters.len() == 4 && x == other => {
                per_channel(x, parameters).map(|_| vec![(*x).clone()])
            }
            _ => Err(ShapeError::new("what is normalised, four parameters and as much again wanted")),
        }
    }

    fn standard(&self, s: &mut Speller<'_>) -> Result<(), GraphError> {
        Err(s.refuse("only kernels are fused"))
    }

    fn kernel(&self, _inputs: &[&TensorType]) -> Option<Kernel> {
        let epsilon = ("epsilon", Attribute::Float(self.norm.epsilon));
        let (_, before) = activation::attribute(self.norm.activation);
        let attributes = vec![epsilon, ("norm_activation", before), activation::attribute(self.activation)];
        Some(Kernel::new("BatchNormAdd", attributes).with_images(&[0, 5], &[0]))
    }
}
