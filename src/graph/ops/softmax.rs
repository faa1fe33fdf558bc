//! Softmax over the last axis.

use super::{Case, Entry, Feed};
use crate::graph::{Attribute, GraphError, Op, Rule, ShapeError, Speller, TensorType, Value};

/// `exp(x) / Σ exp(x)` over the last axis (ONNX `Softmax`), for inference; training takes
/// [`super::loss::SoftmaxCrossEntropy`] on the logits.
#[derive(Debug, Clone, Copy)]
pub struct Softmax;

impl Op for Softmax {
    fn name(&self) -> &'static str {
        "Softmax"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        match inputs {
            [x] if x.dtype.is_float() && x.shape.rank() > 0 => Ok(vec![(*x).clone()]),
            _ => Err(ShapeError::new("one float input with a last axis wanted")),
        }
    }

    fn gradient(&self, rule: &mut Rule<'_>) -> Result<Vec<Option<Value>>, GraphError> {
        let (d, y) = (rule.grad()?, rule.outputs[0]);
        Ok(vec![Some(rule.graph.apply(SoftmaxGrad, &[d, y])?)])
    }

    fn standard(&self, s: &mut Speller<'_>) -> Result<(), GraphError> {
        let y = s.node("Softmax", &[s.input(0)], vec![("axis", Attribute::Int(-1))]);
        s.output(0, y);
        Ok(())
    }
}

/// Gradient of [`Softmax`] for its input, from the gradient `d` and the value `y` of its output: `y·(d − Σ d·y)`.
#[derive(Debug, Clone, Copy)]
pub struct SoftmaxGrad;

impl Op for SoftmaxGrad {
    fn name(&self) -> &'static str {
        "SoftmaxGrad"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        match inputs {
            [d, y] if d == y && d.dtype.is_float() && d.shape.rank() > 0 => Ok(vec![(*d).clone()]),
            _ => Err(ShapeError::new("gradient and output of one float type wanted")),
        }
    }

    fn standard(&self, s: &mut Speller<'_>) -> Result<(), GraphError> {
        let (d, y) = (s.input(0), s.input(1));
        let last = s.ints(&[-1]);
        let product = s.node("Mul", &[d, y], vec![]);
        let sum = s.node("ReduceSum", &[product, last], vec![("keepdims", Attribute::Int(1))]);
        let centred = s.node("Sub", &[d, sum], vec![]);
        let dx = s.node("Mul", &[y, centred], vec![]);
        s.output(0, dx);
        Ok(())
    }
}

/// Probabilities from logits.
pub static SOFTMAX: Entry = Entry {
    name: "Softmax",
    doc: "Probabilities from logits, over the last axis",
    differentiable: true,
    cases: || [vec![3, 5], vec![1, 17], vec![2, 3, 7]].map(|shape| Case::new(Softmax, vec![Feed::Normal(shape)])).into(),
};
