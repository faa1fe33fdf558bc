//! Pooling over two spatial axes, channels first.

mod global;

pub use global::{GLOBAL_AVERAGE_POOL, GLOBAL_MAX_POOL, GlobalAveragePool, GlobalMaxPool};

use super::conv::{Conv, float32, image, ints, plane, transposed};
use super::{Case, Entry, Feed};
use crate::graph::{
    Attribute, Attributes, DType, GraphError, Kernel, Op, Rule, ShapeError, Speller, Tensor, TensorType, Term, Value,
};

/// Where the windows of a pool lie. Rows and columns that fill no whole window are left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Windows {
    kernel: [usize; 2],
    stride: [usize; 2],
    pads: [usize; 4],
}

impl Windows {
    /// Height and width of the output.
    fn output_size(&self, size: [usize; 2]) -> Result<[usize; 2], ShapeError> {
        let Windows { kernel, stride, pads } = self;
        if stride.contains(&0) || (0..4).any(|i| pads[i] >= kernel[i % 2]) {
            return Err(ShapeError::new(format!(
                "pads {pads:?} below the window {kernel:?} and stride {stride:?} of at least 1 wanted"
            )));
        }
        let along = |a: usize| {
            (size[a] + pads[a] + pads[a + 2])
                .checked_sub(kernel[a])
                .map(|room| room / stride[a] + 1)
                .ok_or_else(|| ShapeError::new(format!("window {kernel:?} does not fit into {size:?}")))
        };
        Ok([along(0)?, along(1)?])
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        match inputs {
            [x] if x.dtype.is_float() => Ok(vec![image(x, x.shape.extent(1)?, self.output_size(plane(x)?)?)]),
            _ => Err(ShapeError::new("one float input wanted")),
        }
    }

    /// True where every element is in at most one window and none is padding.
    fn tile(&self) -> bool {
        self.kernel == self.stride && self.pads == [0; 4]
    }

    fn area(&self) -> usize {
        self.kernel[0] * self.kernel[1]
    }

    fn attributes(&self) -> Attributes {
        vec![("kernel_shape", ints(&self.kernel)), ("strides", ints(&self.stride)), ("pads", ints(&self.pads))]
    }

    /// Each element of `t`, of type `ty [N, C, oh, ow]`, repeated over its window, where windows [`tile`](Self::tile).
    fn repeat(&self, s: &mut Speller<'_>, t: Term, ty: &TensorType) -> Result<Term, GraphError> {
        if ty.dtype == DType::F64 {
            return self.repeat_exactly(s, t, ty);
        }
        let scales = s.constant(Tensor::f32(&[4], vec![1.0, 1.0, self.kernel[0] as f32, self.kernel[1] as f32]));
        let text = |t: &str| Attribute::Text(t.into());
        let attributes = vec![
            ("mode", text("nearest")),
            ("coordinate_transformation_mode", text("asymmetric")),
            ("nearest_mode", text("floor")),
        ];
        Ok(s.nodes("Resize", &[Some(t), None, Some(scales)], 1, attributes)[0])
    }

    /// As [`repeat`](Self::repeat), for float64, which `Resize` rounds to float32 in the engine that checks gradients
    /// and which it does not take in ONNX Runtime.
    fn repeat_exactly(&self, s: &mut Speller<'_>, t: Term, ty: &TensorType) -> Result<Term, GraphError> {
        let extents: Vec<i64> = s.shaped(ty.shape.extents())?.iter().map(|&d| d as i64).collect();
        let [n, c, oh, ow] = extents[..] else { return Err(s.refuse("[N, C, oh, ow] wanted")) };
        let [kh, kw] = self.kernel.map(|k| k as i64);
        let (split, wide, merged) =
            (s.ints(&[n, c, oh, 1, ow, 1]), s.ints(&[n, c, oh, kh, ow, kw]), s.ints(&[n, c, oh * kh, ow * kw]));
        let split = s.node("Reshape", &[t, split], vec![]);
        let wide = s.node("Expand", &[split, wide], vec![]);
        Ok(s.node("Reshape", &[wide, merged], vec![]))
    }

    /// The part of `x [N, C, height, width]` that is in windows, and what is cut off below and to the right.
    fn crop(&self, s: &mut Speller<'_>, x: Term, size: [usize; 2]) -> (Term, [usize; 2]) {
        let border = [0, 1].map(|a| size[a] % self.kernel[a]);
        if border == [0, 0] {
            return (x, border);
        }
        let starts = s.ints(&[0, 0]);
        let ends = s.ints(&[0, 1].map(|a| (size[a] - border[a]) as i64));
        let axes = s.ints(&[2, 3]);
        (s.node("Slice", &[x, starts, ends, axes], vec![]), border)
    }

    /// Zeros where [`crop`](Self::crop) cut.
    fn restore(&self, s: &mut Speller<'_>, x: Term, border: [usize; 2]) -> Term {
        if border == [0, 0] {
            return x;
        }
        let pads = s.ints(&[0, 0, 0, 0, 0, 0, border[0] as i64, border[1] as i64]);
        s.node("Pad", &[x, pads], vec![])
    }
}

/// Greatest element of each window of `x [N, C, H, W]` (ONNX `MaxPool`).
#[derive(Debug, Clone, Copy)]
pub struct MaxPool {
    /// Height and width of the window.
    pub kernel: [usize; 2],
    /// Steps along height and width.
    pub stride: [usize; 2],
    /// Rows and columns added at top, left, bottom and right, which are never greatest.
    pub pads: [usize; 4],
}

impl MaxPool {
    fn windows(&self) -> Windows {
        Windows { kernel: self.kernel, stride: self.stride, pads: self.pads }
    }
}

impl Op for MaxPool {
    fn name(&self) -> &'static str {
        "MaxPool"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        self.windows().infer(inputs)
    }

    fn gradient(&self, rule: &mut Rule<'_>) -> Result<Vec<Option<Value>>, GraphError> {
        let inputs = [rule.inputs[0], rule.outputs[0], rule.grad()?];
        Ok(vec![Some(rule.graph.apply(MaxPoolGrad(*self), &inputs)?)])
    }

    fn standard(&self, s: &mut Speller<'_>) -> Result<(), GraphError> {
        let y = s.node("MaxPool", &[s.input(0)], self.windows().attributes());
        s.output(0, y);
        Ok(())
    }

    fn kernel(&self, inputs: &[&TensorType]) -> Option<Kernel> {
        float32(inputs).then(|| Kernel::new("MaxPool", self.windows().attributes()).with_images(&[0], &[0]))
    }
}

/// Gradient of [`MaxPool`] from `x`, `y` and `dy`. Where windows do not overlap, equal maxima share it; where they do,
/// the first of them gets it.
#[derive(Debug, Clone, Copy)]
pub struct MaxPoolGrad(pub MaxPool);

impl Op for MaxPoolGrad {
    fn name(&self) -> &'static str {
        "MaxPoolGrad"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        match inputs {
            [x, y, dy] if y == dy && self.0.infer(&[x])?[0] == **y => Ok(vec![(*x).clone()]),
            _ => Err(ShapeError::new("input, output and its gradient wanted")),
        }
    }

    fn standard(&self, s: &mut Speller<'_>) -> Result<(), GraphError> {
        let dx = if self.0.windows().tile() { self.shared(s)? } else { self.scattered(s)? };
        s.output(0, dx);
        Ok(())
    }

    fn kernel(&self, inputs: &[&TensorType]) -> Option<Kernel> {
        let attributes = self.0.windows().attributes();
        float32(inputs).then(|| Kernel::new("MaxPoolGrad", attributes).with_images(&[0, 1, 2], &[0]))
    }
}

impl MaxPoolGrad {
    /// The gradient at every element that equals its window's maximum, divided by their number.
    fn shared(&self, s: &mut Speller<'_>) -> Result<Term, GraphError> {
        let windows = self.0.windows();
        let (y, dy) = (s.input(1), s.input(2));
        let size = s.shaped(plane(s.input_type(0)))?;
        let dtype = cast_to(s.input_type(0).dtype);
        let (x, border) = windows.crop(s, s.input(0), size);
        let pooled = s.input_type(1).clone();
        let maximum = windows.repeat(s, y, &pooled)?;
        let equal = s.node("Equal", &[maximum, x], vec![]);
        let mask = s.node("Cast", &[equal], vec![("to", dtype)]);
        let share = s.node("AveragePool", &[mask], windows.attributes());
        let area = s.scalar(windows.area() as f64);
        let count = s.node("Mul", &[share, area], vec![]);
        let shared = s.node("Div", &[dy, count], vec![]);
        let repeated = windows.repeat(s, shared, &pooled)?;
        let inner = s.node("Mul", &[mask, repeated], vec![]);
        Ok(windows.restore(s, inner, border))
    }

    /// The gradient added up at the indices of the maxima. `MaxUnpool` would overwrite where windows overlap.
    fn scattered(&self, s: &mut Speller<'_>) -> Result<Term, GraphError> {
        let ty = s.input_type(0).clone();
        let extents = s.shaped(ty.shape.extents())?;
        let elements: usize = extents.iter().product();
        let pooled = s.nodes("MaxPool", &[Some(s.input(0))], 2, self.0.windows().attributes());
        let flat = s.ints(&[-1]);
        let indices = s.node("Reshape", &[pooled[1], flat], vec![]);
        let updates = s.node("Reshape", &[s.input(2), flat], vec![]);
        let length = s.ints(&[elements as i64]);
        let zero = Attribute::Tensor(Tensor::from_f64(ty.dtype, &[1], &[0.0]));
        let zeros = s.node("ConstantOfShape", &[length], vec![("value", zero)]);
        let add = ("reduction", Attribute::Text("add".into()));
        let sums = s.node("ScatterElements", &[zeros, indices, updates], vec![("axis", Attribute::Int(0)), add]);
        let dims = s.ints(&extents.iter().map(|&d| d as i64).collect::<Vec<_>>());
        Ok(s.node("Reshape", &[sums, dims], vec![]))
    }
}

/// The number of a float type, for `Cast`.
fn cast_to(dtype: DType) -> Attribute {
    Attribute::Int(if dtype == DType::F64 { 11 } else { 1 })
}

/// Mean of each window of `x [N, C, H, W]` without its padding (ONNX `AveragePool`, `count_include_pad` 0).
#[derive(Debug, Clone, Copy)]
pub struct AveragePool {
    /// Height and width of the window.
    pub kernel: [usize; 2],
    /// Steps along height and width.
    pub stride: [usize; 2],
    /// Rows and columns added at top, left, bottom and right, which are not counted.
    pub pads: [usize; 4],
}

impl AveragePool {
    fn windows(&self) -> Windows {
        Windows { kernel: self.kernel, stride: self.stride, pads: self.pads }
    }
}

impl Op for AveragePool {
    fn name(&self) -> &'static str {
        "AveragePool"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        self.windows().infer(inputs)
    }

    fn gradient(&self, rule: &mut Rule<'_>) -> Result<Vec<Option<Value>>, GraphError> {
        let d = rule.grad()?;
        let size = rule.shaped(plane(rule.graph.ty(rule.inputs[0])))?;
        Ok(vec![Some(rule.graph.apply(AveragePoolGrad { pool: *self, size }, &[d])?)])
    }

    fn standard(&self, s: &mut Speller<'_>) -> Result<(), GraphError> {
        let y = s.node("AveragePool", &[s.input(0)], self.windows().attributes());
        s.output(0, y);
        Ok(())
    }

    fn kernel(&self, inputs: &[&TensorType]) -> Option<Kernel> {
        float32(inputs).then(|| Kernel::new("AveragePool", self.windows().attributes()).with_images(&[0], &[0]))
    }
}

/// Gradient of [`AveragePool`] from `dy`.
#[derive(Debug, Clone, Copy)]
pub struct AveragePoolGrad {
    /// The pool.
    pub pool: AveragePool,
    /// Height and width of its input.
    pub size: [usize; 2],
}

impl AveragePoolGrad {
    /// For each window one over the number of its elements that are no padding, `[1, 1, oh, ow]`.
    fn shares(&self, dtype: DType) -> Result<Tensor, ShapeError> {
        let AveragePool { kernel, stride, pads } = self.pool;
        let out = self.pool.windows().output_size(self.size)?;
        let inside = |a: usize, i: usize| {
            let start = i * stride[a];
            (start + kernel[a]).min(pads[a] + self.size[a]) - start.max(pads[a])
        };
        let shares: Vec<f64> =
            (0..out[0] * out[1]).map(|i| 1.0 / (inside(0, i / out[1]) * inside(1, i % out[1])) as f64).collect();
        Ok(Tensor::from_f64(dtype, &[1, 1, out[0], out[1]], &shares))
    }
}

impl Op for AveragePoolGrad {
    fn name(&self) -> &'static str {
        "AveragePoolGrad"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        match inputs {
            [dy] if plane(dy)? == self.pool.windows().output_size(self.size)? => {
                Ok(vec![image(dy, dy.shape.extent(1)?, self.size)])
            }
            _ => Err(ShapeError::new(format!("one gradient of a pool of {:?} wanted", self.size))),
        }
    }

    fn standard(&self, s: &mut Speller<'_>) -> Result<(), GraphError> {
        let windows = self.pool.windows();
        let ty = s.input_type(0).clone();
        let channels = s.shaped(ty.shape.extent(1))?;
        let dx = if windows.tile() {
            let share = s.scalar(1.0 / windows.area() as f64);
            let shared = s.node("Mul", &[s.input(0), share], vec![]);
            let repeated = windows.repeat(s, shared, &ty)?;
            windows.restore(s, repeated, [0, 1].map(|a| self.size[a] % windows.kernel[a]))
        } else {
            let shares = s.shaped(self.shares(ty.dtype))?;
            let shares = s.constant(shares);
            let shared = s.node("Mul", &[s.input(0), shares], vec![]);
            let ones = vec![1.0; channels * windows.area()];
            let ones = s.constant(Tensor::from_f64(ty.dtype, &[channels, 1, windows.kernel[0], windows.kernel[1]], &ones));
            let sum = Conv { stride: windows.stride, pads: windows.pads, dilation: [1, 1], groups: channels };
            transposed(s, &sum, self.size, windows.kernel, [shared, ones])
        };
        s.output(0, dx);
        Ok(())
    }

    fn kernel(&self, inputs: &[&TensorType]) -> Option<Kernel> {
        let mut attributes = self.pool.windows().attributes();
        attributes.push(("size", ints(&self.size)));
        float32(inputs).then(|| Kernel::new("AveragePoolGrad", attributes).with_images(&[0], &[0]))
    }
}

/// Images and windows that tests visit: tiles with and without a rest, overlaps, pads, one axis.
fn samples() -> Vec<([usize; 4], Windows)> {
    let windows = |kernel, stride, pads| Windows { kernel, stride, pads };
    vec![
        ([2, 3, 4, 6], windows([2, 2], [2, 2], [0; 4])),
        ([1, 2, 7, 5], windows([2, 2], [2, 2], [0; 4])),
        ([2, 17, 3, 3], windows([3, 3], [3, 3], [0; 4])),
        ([2, 2, 8, 7], windows([3, 3], [2, 2], [1; 4])),
        ([1, 1, 5, 5], windows([3, 3], [1, 1], [1; 4])),
        ([1, 3, 6, 6], windows([2, 2], [2, 2], [1, 0, 1, 0])),
        ([2, 2, 6, 7], windows([2, 3], [3, 2], [0, 1, 1, 2])),
        ([2, 3, 1, 9], windows([1, 2], [1, 2], [0; 4])),
        ([2, 3, 1, 9], windows([1, 3], [1, 2], [0, 1, 0, 1])),
    ]
}

/// Greatest of each window.
pub static MAX_POOL: Entry = Entry {
    name: "MaxPool",
    doc: "Greatest element of each window",
    differentiable: true,
    cases: || {
        samples()
            .into_iter()
            .map(|(x, Windows { kernel, stride, pads })| {
                Case::new(MaxPool { kernel, stride, pads }, vec![Feed::Distinct(x.to_vec())])
            })
            .collect()
    },
};
/// Mean of each window.
pub static AVERAGE_POOL: Entry = Entry {
    name: "AveragePool",
    doc: "Mean of each window",
    differentiable: true,
    cases: || {
        samples()
            .into_iter()
            .map(|(x, Windows { kernel, stride, pads })| {
                Case::new(AveragePool { kernel, stride, pads }, vec![Feed::Normal(x.to_vec())])
            })
            .collect()
    },
};
