//! Operators that rearrange elements.

use super::conv::float32;
use super::{Case, Entry, Feed};
use crate::graph::{
    Attribute, Dim, GraphError, Kernel, Op, Population, Rule, Shape, ShapeError, Speller, TensorType, Value,
};
use std::sync::Arc;

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

    fn population(&self, members: usize, inputs: &[&TensorType]) -> Option<Population> {
        let aligned = inputs[0].shape.rank() == self.shape.rank();
        if aligned { Population::exact(Expand { shape: self.shape.behind(Dim::Fixed(members)) }) } else { None }
    }
}

/// The same elements in another shape (ONNX `Reshape`).
#[derive(Debug, Clone)]
pub struct Reshape {
    /// Shape of the output; its first axis is the symbolic batch where the input's is.
    pub shape: Shape,
}

impl Op for Reshape {
    fn name(&self) -> &'static str {
        "Reshape"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let [x] = inputs else { return Err(ShapeError::new("one input wanted")) };
        // The symbolic batch counts as one element: it must stand in both shapes or in neither.
        let count = |s: &Shape| -> Result<(bool, usize), ShapeError> {
            let symbolic = s.0.first() == Some(&Dim::Batch);
            Ok((symbolic, s.extents_from(symbolic.into())?.iter().product()))
        };
        if count(&x.shape)? != count(&self.shape)? {
            return Err(ShapeError::new(format!("{} does not reshape to {}", x.shape, self.shape)));
        }
        Ok(vec![x.with_shape(self.shape.clone())])
    }

    fn gradient(&self, rule: &mut Rule<'_>) -> Result<Vec<Option<Value>>, GraphError> {
        let d = rule.grad()?;
        let shape = rule.graph.ty(rule.inputs[0]).shape.clone();
        Ok(vec![Some(rule.graph.apply(Reshape { shape }, &[d])?)])
    }

    fn standard(&self, s: &mut Speller<'_>) -> Result<(), GraphError> {
        let dims = s.ints(&self.shape.reshape_dims());
        let y = s.node("Reshape", &[s.input(0), dims], vec![]);
        s.output(0, y);
        Ok(())
    }

    fn population(&self, members: usize, _inputs: &[&TensorType]) -> Option<Population> {
        Population::exact(Reshape { shape: self.shape.behind(Dim::Fixed(members)) })
    }
}

/// The inputs one after the other along an axis (ONNX `Concat`).
#[derive(Debug, Clone, Copy)]
pub struct Concat {
    /// The axis along which extents add up; all others agree.
    pub axis: usize,
}

impl Op for Concat {
    fn name(&self) -> &'static str {
        "Concat"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let [first, ..] = inputs else { return Err(ShapeError::new("at least one input wanted")) };
        let mut total = 0;
        for x in inputs {
            total += x.shape.extent(self.axis)?;
            if first.with_shape(with_extent(&first.shape, self.axis, 0)) != x.with_shape(with_extent(&x.shape, self.axis, 0))
            {
                return Err(ShapeError::new(format!("{first} and {x} differ in more than axis {}", self.axis)));
            }
        }
        Ok(vec![first.with_shape(with_extent(&first.shape, self.axis, total))])
    }

    fn gradient(&self, rule: &mut Rule<'_>) -> Result<Vec<Option<Value>>, GraphError> {
        let d = rule.grad()?;
        let mut start = 0;
        let mut parts = Vec::with_capacity(rule.inputs.len());
        for (i, &input) in rule.inputs.iter().enumerate() {
            let end = start + rule.shaped(rule.graph.ty(input).shape.extent(self.axis))?;
            let slice = Slice { axis: self.axis, start, end };
            parts.push(if rule.wanted[i] { Some(rule.graph.apply(slice, &[d])?) } else { None });
            start = end;
        }
        Ok(parts)
    }

    fn standard(&self, s: &mut Speller<'_>) -> Result<(), GraphError> {
        let inputs: Vec<_> = (0..s.input_count()).map(|i| s.input(i)).collect();
        let y = s.node("Concat", &inputs, vec![("axis", Attribute::Int(self.axis as i64))]);
        s.output(0, y);
        Ok(())
    }

    fn kernel(&self, inputs: &[&TensorType]) -> Option<Kernel> {
        let images = POSITIONS.get(..inputs.len())?;
        of_channels(self.axis, inputs).then(|| Kernel::new("ConcatChannels", vec![]).with_images(images, &[0]))
    }

    fn population(&self, _members: usize, _inputs: &[&TensorType]) -> Option<Population> {
        Population::exact(Concat { axis: self.axis + 1 })
    }

    fn channels_last(&self, inputs: &[&TensorType]) -> Option<Arc<dyn Op>> {
        let axis = axis_channels_last(self.axis, inputs)?;
        Some(Arc::new(Concat { axis }))
    }
}

/// Positions of inputs, as many as a kernel takes images.
static POSITIONS: [usize; 64] = {
    let mut positions = [0; 64];
    let mut i = 0;
    while i < positions.len() {
        positions[i] = i;
        i += 1;
    }
    positions
};

/// Whether an axis is that of the channels of images that kernels take.
fn of_channels(axis: usize, inputs: &[&TensorType]) -> bool {
    axis == 1 && float32(inputs) && inputs.iter().all(|x| x.shape.rank() == 4)
}

/// Where an axis of the images `[N, C, H, W]` among the inputs stands in `[N, H, W, C]`.
fn axis_channels_last(axis: usize, inputs: &[&TensorType]) -> Option<usize> {
    let images = inputs.iter().all(|x| x.shape.rank() == 4);
    [0, 3, 1, 2].get(axis).copied().filter(|_| images)
}

/// `shape` with another extent of an axis that it has.
fn with_extent(shape: &Shape, axis: usize, extent: usize) -> Shape {
    let mut shape = shape.clone();
    shape.0[axis] = Dim::Fixed(extent);
    shape
}

/// The part from `start` up to but without `end` of an axis (ONNX `Slice`).
#[derive(Debug, Clone, Copy)]
pub struct Slice {
    /// The axis that is cut.
    pub axis: usize,
    /// First element kept.
    pub start: usize,
    /// First element no longer kept.
    pub end: usize,
}

impl Op for Slice {
    fn name(&self) -> &'static str {
        "Slice"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let [x] = inputs else { return Err(ShapeError::new("one input wanted")) };
        let extent = x.shape.extent(self.axis)?;
        if self.start >= self.end || self.end > extent {
            let Slice { start, end, axis } = self;
            return Err(ShapeError::new(format!("{start}..{end} is no part of axis {axis} of {}", x.shape)));
        }
        Ok(vec![x.with_shape(with_extent(&x.shape, self.axis, self.end - self.start))])
    }

    fn gradient(&self, rule: &mut Rule<'_>) -> Result<Vec<Option<Value>>, GraphError> {
        let d = rule.grad()?;
        let extent = rule.shaped(rule.graph.ty(rule.inputs[0]).shape.extent(self.axis))?;
        let pad = Pad { axis: self.axis, before: self.start, after: extent - self.end };
        Ok(vec![Some(rule.graph.apply(pad, &[d])?)])
    }

    fn standard(&self, s: &mut Speller<'_>) -> Result<(), GraphError> {
        let list = [self.start, self.end, self.axis].map(|v| s.ints(&[v as i64]));
        let y = s.node("Slice", &[s.input(0), list[0], list[1], list[2]], vec![]);
        s.output(0, y);
        Ok(())
    }

    fn kernel(&self, inputs: &[&TensorType]) -> Option<Kernel> {
        let attributes = [("start", self.start), ("end", self.end)].map(|(name, v)| (name, Attribute::Int(v as i64)));
        let kernel = || Kernel::new("SliceChannels", attributes.to_vec()).with_images(&[0], &[0]);
        of_channels(self.axis, inputs).then(kernel)
    }

    fn population(&self, _members: usize, _inputs: &[&TensorType]) -> Option<Population> {
        Population::exact(Slice { axis: self.axis + 1, ..*self })
    }

    fn channels_last(&self, inputs: &[&TensorType]) -> Option<Arc<dyn Op>> {
        let axis = axis_channels_last(self.axis, inputs)?;
        Some(Arc::new(Slice { axis, ..*self }))
    }
}

/// Zeros before and after an axis (ONNX `Pad`).
#[derive(Debug, Clone, Copy)]
pub struct Pad {
    /// The axis that grows.
    pub axis: usize,
    /// Zeros before the first element.
    pub before: usize,
    /// Zeros after the last element.
    pub after: usize,
}

impl Op for Pad {
    fn name(&self) -> &'static str {
        "Pad"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let [x] = inputs else { return Err(ShapeError::new("one input wanted")) };
        let extent = x.shape.extent(self.axis)?;
        Ok(vec![x.with_shape(with_extent(&x.shape, self.axis, self.before + extent + self.after))])
    }

    fn gradient(&self, rule: &mut Rule<'_>) -> Result<Vec<Option<Value>>, GraphError> {
        let d = rule.grad()?;
        let extent = rule.shaped(rule.graph.ty(rule.inputs[0]).shape.extent(self.axis))?;
        let slice = Slice { axis: self.axis, start: self.before, end: self.before + extent };
        Ok(vec![Some(rule.graph.apply(slice, &[d])?)])
    }

    fn standard(&self, s: &mut Speller<'_>) -> Result<(), GraphError> {
        let rank = s.input_type(0).shape.rank();
        let mut pads = vec![0; 2 * rank];
        pads[self.axis] = self.before as i64;
        pads[rank + self.axis] = self.after as i64;
        let pads = s.ints(&pads);
        let y = s.node("Pad", &[s.input(0), pads], vec![]);
        s.output(0, y);
        Ok(())
    }

    fn population(&self, _members: usize, _inputs: &[&TensorType]) -> Option<Population> {
        Population::exact(Pad { axis: self.axis + 1, ..*self })
    }

    fn channels_last(&self, inputs: &[&TensorType]) -> Option<Arc<dyn Op>> {
        let axis = axis_channels_last(self.axis, inputs)?;
        Some(Arc::new(Pad { axis, ..*self }))
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
/// Another shape.
pub static RESHAPE: Entry = Entry {
    name: "Reshape",
    doc: "The same elements in another shape",
    differentiable: true,
    cases: || {
        let case =
            |from: &[usize], to: &[usize]| Case::new(Reshape { shape: Shape::fixed(to) }, vec![Feed::Normal(from.to_vec())]);
        vec![case(&[2, 3, 5], &[2, 15]), case(&[6], &[2, 1, 3]), case(&[1], &[])]
    },
};
/// Juxtaposition.
pub static CONCAT: Entry = Entry {
    name: "Concat",
    doc: "Juxtaposition along an axis",
    differentiable: true,
    cases: || {
        let case = |axis, shapes: &[&[usize]]| {
            Case::new(Concat { axis }, shapes.iter().map(|s| Feed::Normal(s.to_vec())).collect())
        };
        vec![
            case(1, &[&[2, 3, 4, 5], &[2, 1, 4, 5], &[2, 17, 4, 5]]),
            case(0, &[&[3], &[2]]),
            case(1, &[&[3, 2], &[3, 2]]),
            case(1, &[&[1, 3]]),
        ]
    },
};
/// A part.
pub static SLICE: Entry = Entry {
    name: "Slice",
    doc: "Part of an axis",
    differentiable: true,
    cases: || {
        let case = |axis, start, end, x: &[usize]| Case::new(Slice { axis, start, end }, vec![Feed::Normal(x.to_vec())]);
        vec![
            case(1, 1, 3, &[2, 5, 3]),
            case(0, 0, 1, &[4]),
            case(2, 2, 7, &[1, 3, 7]),
            case(1, 0, 3, &[2, 3]),
            case(1, 3, 22, &[2, 24, 3, 2]),
        ]
    },
};
/// Adjoint of a part.
pub static PAD: Entry = Entry {
    name: "Pad",
    doc: "Zeros before and after an axis",
    differentiable: true,
    cases: || {
        let case = |axis, before, after, x: &[usize]| Case::new(Pad { axis, before, after }, vec![Feed::Normal(x.to_vec())]);
        vec![case(1, 1, 3, &[2, 5, 3]), case(0, 0, 1, &[4]), case(2, 2, 0, &[1, 3, 7])]
    },
};
