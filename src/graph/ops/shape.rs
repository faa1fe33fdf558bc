//! Operators that rearrange elements.

use super::{Case, Entry, Feed};
use crate::graph::{GraphError, Op, Rule, Shape, ShapeError, Speller, TensorType, Value};

/// Repeats a value along broadcast axes (ONNX `Expand`).
#[derive(Debug, Clone)]
pub struct Expand {
    /// Shape of the output, to which the input broadcasts.
    pub shape: Shape,
}

impl Op for Expand {
    fn name(&self) -> &'static str {
        "Expand"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let [x] = inputs else { return Err(ShapeError::new("one input wanted")) };
        if super::elementwise::broadcast(&x.shape, &self.shape)? != self.shape {
            return Err(ShapeError::new(format!("{} does not broadcast to {}", x.shape, self.shape)));
        }
        Ok(vec![x.with_shape(self.shape.clone())])
    }

    fn gradient(&self, rule: &mut Rule<'_>) -> Result<Vec<Option<Value>>, GraphError> {
        Ok(vec![Some(rule.grad()?)])
    }

    fn standard(&self, s: &mut Speller<'_>) -> Result<(), GraphError> {
        let extents = s.shaped(self.shape.extents())?;
        let dims = s.ints(&extents.iter().map(|&d| d as i64).collect::<Vec<_>>());
        let y = s.node("Expand", &[s.input(0), dims], vec![]);
        s.output(0, y);
        Ok(())
    }
}

/// Adjoint of a sum.
pub static EXPAND: Entry = Entry {
    name: "Expand",
    doc: "Repetition along broadcast axes",
    differentiable: true,
    cases: || {
        let case =
            |from: &[usize], to: &[usize]| Case::new(Expand { shape: Shape::fixed(to) }, vec![Feed::Normal(from.to_vec())]);
        vec![case(&[3, 1], &[4, 3, 5]), case(&[], &[3, 5]), case(&[2, 7], &[2, 7])]
    },
};
