//! Dropout with a mask from outside.

use super::elementwise::broadcast;
use super::{Case, Entry, Feed};
use crate::graph::{Attribute, DType, GraphError, Op, Population, Rule, ShapeError, Speller, TensorType, Value};

/// `x·mask·scale` of `x`, a mask and a scalar, in a population one for each member: inverted dropout (Srivastava et al., 2014), in training graphs only.
///
/// The mask holds a byte 0 or 1 for each element of `x`, or for each channel where its other axes have extent 1. The
/// host draws it: a generator inside the graph cannot be seeded alike on all engines. The scale, 1/(1 − rate) for the rate
/// at which the mask drops elements, comes from the host as well, so that nets of one shape have one graph at any rate.
#[derive(Debug, Clone, Copy)]
pub struct Dropout;

impl Op for Dropout {
    fn name(&self) -> &'static str {
        "Dropout"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let [x, mask, scale] = inputs else {
            return Err(ShapeError::new(format!("3 inputs wanted, {} given", inputs.len())));
        };
        if scale.dtype != x.dtype || broadcast(&x.shape, &scale.shape)? != x.shape {
            return Err(ShapeError::new(format!("a scale {scale} does not fit {x}")));
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
        if rule.wanted[2] {
            return Err(rule.refuse("Dropout with a trained scale"));
        }
        let (d, mask, scale) = (rule.grad()?, rule.inputs[1], rule.inputs[2]);
        Ok(vec![Some(rule.graph.apply(*self, &[d, mask, scale])?), None, None])
    }

    fn standard(&self, s: &mut Speller<'_>) -> Result<(), GraphError> {
        // The scale is applied to the mask, so that the backward pass shares both nodes.
        let to = s.input_type(0).dtype.code();
        let mask = s.node("Cast", &[s.input(1)], vec![("to", Attribute::Int(to))]);
        let scaled = s.node("Mul", &[mask, s.input(2)], vec![]);
        let y = s.node("Mul", &[s.input(0), scaled], vec![]);
        s.output(0, y);
        Ok(())
    }

    fn population(&self, _members: usize, _inputs: &[&TensorType]) -> Option<Population> {
        Population::exact(*self)
    }
}

/// Dropout.
pub static DROPOUT: Entry = Entry {
    name: "Dropout",
    doc: "Product with a mask from outside, scaled to keep the mean",
    differentiable: true,
    cases: || {
        let case = |rate: f64, x: &[usize], mask: &[usize]| {
            let scale = Feed::Known(vec![], vec![1.0 / (1.0 - rate)]);
            Case::new(Dropout, vec![Feed::Normal(x.to_vec()), Feed::Mask(mask.to_vec()), scale])
        };
        vec![
            case(0.3, &[3, 5], &[3, 5]),
            case(0.5, &[1, 7], &[1, 7]),
            case(0.1, &[2, 3, 5, 1], &[2, 3, 1, 1]),
            case(0.0, &[1], &[1]),
        ]
    },
};
