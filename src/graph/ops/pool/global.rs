//! Pooling over the whole image, channels first.

use crate::graph::ops::conv::{float32, image, ints, plane};
use crate::graph::ops::{Case, Entry, Feed};
use crate::graph::{Attribute, Dim, GraphError, Kernel, Op, Rule, Shape, ShapeError, Speller, TensorType, Value};

fn global(inputs: &[&TensorType]) -> Result<Vec<TensorType>, ShapeError> {
    match inputs {
        [x] if x.dtype.is_float() => {
            plane(x)?;
            Ok(vec![x.with_shape(Shape(x.shape.0[..2].to_vec()))])
        }
        _ => Err(ShapeError::new("one float input wanted")),
    }
}

/// `[N, C]` as `[N, C, 1, 1]`.
fn as_image(shape: &Shape) -> Shape {
    Shape(shape.0.iter().copied().chain([Dim::Fixed(1); 2]).collect())
}

/// Mean over height and width: `[N, C, H, W]` to `[N, C]`.
#[derive(Debug, Clone, Copy)]
pub struct GlobalAveragePool;

impl Op for GlobalAveragePool {
    fn name(&self) -> &'static str {
        "GlobalAveragePool"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        global(inputs)
    }

    fn gradient(&self, rule: &mut Rule<'_>) -> Result<Vec<Option<Value>>, GraphError> {
        let d = rule.grad()?;
        let size = rule.shaped(plane(rule.graph.ty(rule.inputs[0])))?;
        Ok(vec![Some(rule.graph.apply(GlobalAveragePoolGrad { size }, &[d])?)])
    }

    fn standard(&self, s: &mut Speller<'_>) -> Result<(), GraphError> {
        let axes = s.ints(&[2, 3]);
        let y = s.node("ReduceMean", &[s.input(0), axes], vec![("keepdims", Attribute::Int(0))]);
        s.output(0, y);
        Ok(())
    }

    fn kernel(&self, inputs: &[&TensorType]) -> Option<Kernel> {
        float32(inputs).then(|| Kernel::new("GlobalAveragePool", vec![]).with_images(&[0], &[]))
    }
}

/// Gradient of [`GlobalAveragePool`] from `dy [N, C]`: the same at every pixel.
#[derive(Debug, Clone, Copy)]
pub struct GlobalAveragePoolGrad {
    /// Height and width of the pool's input.
    pub size: [usize; 2],
}

impl Op for GlobalAveragePoolGrad {
    fn name(&self) -> &'static str {
        "GlobalAveragePoolGrad"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        match inputs {
            [dy] if dy.shape.rank() == 2 && dy.dtype.is_float() => Ok(vec![image(dy, dy.shape.extent(1)?, self.size)]),
            _ => Err(ShapeError::new("one gradient [N, C] wanted")),
        }
    }

    fn standard(&self, s: &mut Speller<'_>) -> Result<(), GraphError> {
        let share = s.scalar(1.0 / (self.size[0] * self.size[1]) as f64);
        let shared = s.node("Mul", &[s.input(0), share], vec![]);
        let dims = s.ints(&as_image(&s.input_type(0).shape).reshape_dims());
        let pixel = s.node("Reshape", &[shared, dims], vec![]);
        let extents = s.shaped(s.output_type(0).shape.extents())?;
        let dims = s.ints(&extents.iter().map(|&d| d as i64).collect::<Vec<_>>());
        let dx = s.node("Expand", &[pixel, dims], vec![]);
        s.output(0, dx);
        Ok(())
    }

    fn kernel(&self, inputs: &[&TensorType]) -> Option<Kernel> {
        let attributes = vec![("size", ints(&self.size))];
        float32(inputs).then(|| Kernel::new("GlobalAveragePoolGrad", attributes).with_images(&[], &[0]))
    }
}

/// Greatest element over height and width: `[N, C, H, W]` to `[N, C]`.
#[derive(Debug, Clone, Copy)]
pub struct GlobalMaxPool;

impl Op for GlobalMaxPool {
    fn name(&self) -> &'static str {
        "GlobalMaxPool"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        global(inputs)
    }

    fn gradient(&self, rule: &mut Rule<'_>) -> Result<Vec<Option<Value>>, GraphError> {
        let inputs = [rule.inputs[0], rule.outputs[0], rule.grad()?];
        Ok(vec![Some(rule.graph.apply(GlobalMaxPoolGrad, &inputs)?)])
    }

    fn standard(&self, s: &mut Speller<'_>) -> Result<(), GraphError> {
        let axes = s.ints(&[2, 3]);
        let y = s.node("ReduceMax", &[s.input(0), axes], vec![("keepdims", Attribute::Int(0))]);
        s.output(0, y);
        Ok(())
    }

    fn kernel(&self, inputs: &[&TensorType]) -> Option<Kernel> {
        float32(inputs).then(|| Kernel::new("GlobalMaxPool", vec![]).with_images(&[0], &[]))
    }
}

/// Gradient of [`GlobalMaxPool`] from `x`, `y` and `dy`; equal maxima share it.
#[derive(Debug, Clone, Copy)]
pub struct GlobalMaxPoolGrad;

impl Op for GlobalMaxPoolGrad {
    fn name(&self) -> &'static str {
        "GlobalMaxPoolGrad"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        match inputs {
            [x, y, dy] if y == dy && global(&[x])?[0] == **y => Ok(vec![(*x).clone()]),
            _ => Err(ShapeError::new("input, output and its gradient wanted")),
        }
    }

    fn standard(&self, s: &mut Speller<'_>) -> Result<(), GraphError> {
        let dims = s.ints(&as_image(&s.input_type(1).shape).reshape_dims());
        let pixel = |s: &mut Speller<'_>, t| s.node("Reshape", &[t, dims], vec![]);
        let (maximum, dy) = (pixel(s, s.input(1)), pixel(s, s.input(2)));
        let one = s.scalar(1.0);
        let below = s.node("Sub", &[maximum, s.input(0)], vec![]);
        let below = s.node("Sign", &[below], vec![]);
        let mask = s.node("Sub", &[one, below], vec![]);
        let axes = s.ints(&[2, 3]);
        let count = s.node("ReduceSum", &[mask, axes], vec![("keepdims", Attribute::Int(1))]);
        let shared = s.node("Div", &[dy, count], vec![]);
        let dx = s.node("Mul", &[mask, shared], vec![]);
        s.output(0, dx);
        Ok(())
    }

    fn kernel(&self, inputs: &[&TensorType]) -> Option<Kernel> {
        float32(inputs).then(|| Kernel::new("GlobalMaxPoolGrad", vec![]).with_images(&[0], &[0]))
    }
}

/// Mean over the image.
pub static GLOBAL_AVERAGE_POOL: Entry = Entry {
    name: "GlobalAveragePool",
    doc: "Mean over height and width",
    differentiable: true,
    cases: || {
        [[2, 3, 5, 4], [1, 17, 1, 7], [3, 1, 1, 1]]
            .map(|x| Case::new(GlobalAveragePool, vec![Feed::Normal(x.to_vec())]))
            .into()
    },
};
/// Greatest over the image.
pub static GLOBAL_MAX_POOL: Entry = Entry {
    name: "GlobalMaxPool",
    doc: "Greatest element over height and width",
    differentiable: true,
    cases: || {
        [[2, 3, 5, 4], [1, 17, 1, 7], [3, 1, 1, 1]]
            .map(|x| Case::new(GlobalMaxPool, vec![Feed::Distinct(x.to_vec())]))
            .into()
    },
};
