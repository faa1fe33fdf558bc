//! Dropout with a mask from outside.

use super::elementwise::broadcast;
use super::{Case, Entry, Feed};
use crate::graph::{Attribute, DType, GraphError, Op, Rule, ShapeError, Speller, TensorType, Value};

/// `x·mask/(1 − rate)`: inverted dropout (Srivastava et al., 2014), in training graphs only.
///
/// The mask holds a byte 0 or 1 for each element of `x`, or for each channel where its other axes have extent 1. The
/// host draws it: a generator inside the graph cannot be seeded alike on all engines.
#[derive(Debug, Clone, Copy)]
pub struct Dropout {
    /// Share of elements that the mask drops, in [0, 1).
    pub rate: f32,
}

impl Op for Dropout {
    fn name(&self) -> &'static str {
        "Dropout"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let [x, mask] = inputs else { return Err(ShapeError::new(format!("2 inputs wanted, {} given", inputs.len()))) };
        if !(0.0..1.0).contains(&self.rate) {
            return Err(ShapeError::new(format!("a rate of at least 0 and below 1 wanted, not {}", self.rate)));
        }
        if !x.dtype.is_float() || mask.dtype != DType::U8 {
            return Err(ShapeError::new("floats and a mask of bytes wanted"));
        }
        if broadcast(&x.shape, &mask.shape)? != x.shape {
            return Err(ShapeError::new(format!("mask {} does not broadcast to {}", mask.shape, x.shape)));
        }
        Ok(vec![(*x).clone()])
    }

    fn gradient(&self, rule: &mut Rule<'_>) -> Result<Vec<Option<Value>>, GraphError> {
        let (d, mask) = (rule.grad()?, rule.inputs[1]);
        Ok(vec![Some(rule.graph.apply(*self, &[d, mask])?), None])
    }

    fn standard(&self, s: &mut Speller<'_>) -> Result<(), GraphError> {
        // The factor is applied to the mask, so that the backward pass shares both nodes.
        let to = s.input_type(0).dtype.code();
        let factor = s.scalar(1.0 / (1.0 - f64::from(self.rate)));
        let mask = s.node("Cast", &[s.input(1)], vec![("to", Attribute::Int(to))]);
        let scaled = s.node("Mul", &[mask, factor], vec![]);
        let y = s.node("Mul", &[s.input(0), scaled], vec![]);
        s.output(0, y);
        Ok(())
    }
}

/// Dropout.
pub static DROPOUT: Entry = Entry {
    name: "Dropout",
    doc: "Product with a mask from outside, scaled to keep the mean",
    differentiable: true,
    cases: || {
        let case = |rate, x: &[usize], mask: &[usize]| {
            Case::new(Dropout { rate }, vec![Feed::Normal(x.to_vec()), Feed::Mask(mask.to_vec())])
        };
        vec![
            case(0.3, &[3, 5], &[3, 5]),
            case(0.5, &[1, 7], &[1, 7]),
            case(0.1, &[2, 3, 5, 1], &[2, 3, 1, 1]),
            case(0.0, &[1], &[1]),
        ]
    },
};
