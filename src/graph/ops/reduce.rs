//! Sums and means over axes.

use super::{Case, Entry, Feed};
use crate::graph::{Attribute, DType, Dim, GraphError, Kernel, Op, Rule, Shape, ShapeError, Speller, TensorType, Value};

/// Sum over the axes along which a value of `shape` would be broadcast to the input: the adjoint of broadcasting.
#[derive(Debug, Clone)]
pub struct SumTo {
    /// Shape of the output.
    pub shape: Shape,
}

impl SumTo {
    /// Axes of `from` that are summed to give `self.shape`.
    fn axes(&self, from: &Shape) -> Result<Vec<i64>, ShapeError> {
        let extra = from
            .rank()
            .checked_sub(self.shape.rank())
            .ok_or_else(|| ShapeError::new(format!("{from} has fewer axes than {}", self.shape)))?;
        let mut axes: Vec<i64> = (0..extra as i64).collect();
        for (i, (have, want)) in from.0[extra..].iter().zip(&self.shape.0).enumerate() {
            if have == want {
                continue;
            }
            if *want != Dim::Fixed(1) {
                return Err(ShapeError::new(format!("{from} is no broadcast of {}", self.shape)));
            }
            axes.push((extra + i) as i64);
        }
        Ok(axes)
    }
}

impl Op for SumTo {
    fn name(&self) -> &'static str {
        "SumTo"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let [x] = inputs else { return Err(ShapeError::new("one input wanted")) };
        self.axes(&x.shape)?;
        Ok(vec![x.with_shape(self.shape.clone())])
    }

    fn gradient(&self, rule: &mut Rule<'_>) -> Result<Vec<Option<Value>>, GraphError> {
        let d = rule.grad()?;
        let shape = rule.graph.ty(rule.inputs[0]).shape.clone();
        Ok(vec![Some(rule.graph.apply(super::shape::Expand { shape }, &[d])?)])
    }

    fn standard(&self, s: &mut Speller<'_>) -> Result<(), GraphError> {
        let from = s.input_type(0).shape.clone();
        let axes = s.shaped(self.axes(&from))?;
        let mut y = s.input(0);
        if !axes.is_empty() {
            let list = s.ints(&axes);
            y = s.node("ReduceSum", &[y, list], vec![("keepdims", Attribute::Int(1))]);
        }
        if from.rank() != self.shape.rank() {
            let dims = s.ints(&self.shape.reshape_dims());
            y = s.node("Reshape", &[y, dims], vec![]);
        }
        s.output(0, y);
        Ok(())
    }

    fn kernel(&self, inputs: &[&TensorType]) -> Option<Kernel> {
        let shape = &inputs[0].shape;
        let columns = inputs[0].dtype == DType::F32 && shape.rank() == 2 && shape.extents().is_ok_and(|n| !n.contains(&0));
        (columns && self.shape.0 == shape.0[1..]).then(|| Kernel::new("ChannelSum", vec![]))
    }
}

/// Mean over all elements, a scalar (ONNX `ReduceMean`).
#[derive(Debug, Clone, Copy)]
pub struct Mean;

impl Op for Mean {
    fn name(&self) -> &'static str {
        "Mean"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        match inputs {
            [x] if x.dtype.is_float() => Ok(vec![x.with_shape(Shape::default())]),
            _ => Err(ShapeError::new("one float input wanted")),
        }
    }

    fn gradient(&self, rule: &mut Rule<'_>) -> Result<Vec<Option<Value>>, GraphError> {
        let d = rule.grad()?;
        let ty = rule.graph.ty(rule.inputs[0]).clone();
        let count = rule.shaped(ty.shape.elements())?;
        let share = rule.graph.scalar(ty.dtype, 1.0 / count as f64);
        let scaled = rule.graph.apply(super::elementwise::Binary(super::elementwise::BinaryKind::Mul), &[d, share])?;
        Ok(vec![Some(rule.graph.apply(super::shape::Expand { shape: ty.shape }, &[scaled])?)])
    }

    fn standard(&self, s: &mut Speller<'_>) -> Result<(), GraphError> {
        let y = s.node("ReduceMean", &[s.input(0)], vec![("keepdims", Attribute::Int(0))]);
        s.output(0, y);
        Ok(())
    }
}

/// Adjoint of broadcasting.
pub static SUM_TO: Entry = Entry {
    name: "SumTo",
    doc: "Sum to the shape of a broadcast value",
    differentiable: true,
    cases: || {
        let case =
            |from: &[usize], to: &[usize]| Case::new(SumTo { shape: Shape::fixed(to) }, vec![Feed::Normal(from.to_vec())]);
        vec![case(&[4, 3, 5], &[3, 1]), case(&[2, 7], &[2, 7]), case(&[3, 5], &[]), case(&[1, 3], &[1, 1])]
    },
};
/// Mean of everything.
pub static MEAN: Entry = Entry {
    name: "Mean",
    doc: "Mean over all elements",
    differentiable: true,
    cases: || vec![Case::new(Mean, vec![Feed::Normal(vec![3, 5])]), Case::new(Mean, vec![Feed::Normal(vec![7])])],
};
