//! Convolution over two spatial axes, channels first. One spatial axis is the case of height 1.

mod weight_grad;

pub use weight_grad::{CONV_WEIGHT_GRAD, ConvWeightGrad};

use super::{Case, Entry, Feed};
use crate::graph::{
    Attribute, Attributes, DType, Dim, GraphError, Kernel, Op, Rule, Shape, ShapeError, Speller, TensorType, Term, Value,
};

/// Cross-correlation of `x [N, C, H, W]` with `w [O, C/groups, kh, kw]` and an optional third input `b [O]` (ONNX `Conv`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conv {
    /// Steps along height and width.
    pub stride: [usize; 2],
    /// Zeros added at top, left, bottom and right.
    pub pads: [usize; 4],
    /// Distance between kernel elements along height and width.
    pub dilation: [usize; 2],
    /// Number of groups; input and output channels are multiples of it.
    pub groups: usize,
}

impl Conv {
    /// Extent from the first to the last kernel element along `axis` (0 is height).
    pub(super) fn reach(&self, axis: usize, kernel: usize) -> usize {
        self.dilation[axis] * (kernel - 1) + 1
    }

    /// Input rows or columns that no window reads, at the far end of `axis`.
    fn rest(&self, axis: usize, size: usize, kernel: usize) -> usize {
        (size + self.pads[axis] + self.pads[axis + 2] - self.reach(axis, kernel)) % self.stride[axis]
    }

    /// Height and width of the output.
    fn output_size(&self, size: [usize; 2], kernel: [usize; 2]) -> Result<[usize; 2], ShapeError> {
        if self.groups == 0 || self.stride.contains(&0) || self.dilation.contains(&0) || kernel.contains(&0) {
            return Err(ShapeError::new("stride, dilation, groups and kernel extents of at least 1 wanted"));
        }
        let along = |axis: usize| {
            (size[axis] + self.pads[axis] + self.pads[axis + 2])
                .checked_sub(self.reach(axis, kernel[axis]))
                .map(|room| room / self.stride[axis] + 1)
                .ok_or_else(|| ShapeError::new(format!("kernel {kernel:?} does not fit into {size:?}")))
        };
        Ok([along(0)?, along(1)?])
    }

    /// The attributes as ONNX has them.
    pub(in crate::graph) fn attributes(&self) -> Attributes {
        vec![
            ("strides", ints(&self.stride)),
            ("pads", ints(&self.pads)),
            ("dilations", ints(&self.dilation)),
            ("group", Attribute::Int(self.groups as i64)),
        ]
    }
}

pub(in crate::graph::ops) fn ints(values: &[usize]) -> Attribute {
    Attribute::Ints(values.iter().map(|&v| v as i64).collect())
}

/// Extents of axes 2 and 3.
pub(in crate::graph) fn plane(ty: &TensorType) -> Result<[usize; 2], ShapeError> {
    if ty.shape.rank() != 4 {
        return Err(ShapeError::new(format!("[N, C, H, W] wanted, not {}", ty.shape)));
    }
    Ok([ty.shape.extent(2)?, ty.shape.extent(3)?])
}

/// `[N, channels, height, width]` of the element type of `like`, with its first axis.
pub(in crate::graph::ops) fn image(like: &TensorType, channels: usize, size: [usize; 2]) -> TensorType {
    let rest = [channels, size[0], size[1]].map(Dim::Fixed);
    like.with_shape(Shape([like.shape.0[0]].into_iter().chain(rest).collect()))
}

fn one_float_type(inputs: &[&TensorType]) -> Result<(), ShapeError> {
    if inputs.iter().any(|t| t.dtype != inputs[0].dtype || !t.dtype.is_float()) {
        return Err(ShapeError::new("inputs of one float type wanted"));
    }
    Ok(())
}

/// Whether all inputs are of the one type that kernels take.
pub(in crate::graph::ops) fn float32(inputs: &[&TensorType]) -> bool {
    inputs.iter().all(|t| t.dtype == DType::F32)
}

impl Op for Conv {
    fn name(&self) -> &'static str {
        "Conv"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let (x, w) = match inputs {
            [x, w] | [x, w, _] => (x, w),
            _ => return Err(ShapeError::new(format!("2 or 3 inputs wanted, {} given", inputs.len()))),
        };
        one_float_type(inputs)?;
        let size = self.output_size(plane(x)?, plane(w)?)?;
        let (c, o) = (x.shape.extent(1)?, w.shape.extent(0)?);
        if w.shape.extent(1)? * self.groups != c || o % self.groups != 0 {
            return Err(ShapeError::new(format!("weights {} do not fit {} in {} groups", w.shape, x.shape, self.groups)));
        }
        if inputs.get(2).is_some_and(|b| b.shape != Shape::fixed(&[o])) {
            return Err(ShapeError::new(format!("a bias of {o} elements wanted")));
        }
        Ok(vec![image(x, o, size)])
    }

    fn gradient(&self, rule: &mut Rule<'_>) -> Result<Vec<Option<Value>>, GraphError> {
        let (d, x, w) = (rule.grad()?, rule.inputs[0], rule.inputs[1]);
        let size = rule.shaped(plane(rule.graph.ty(x)))?;
        let kernel = rule.shaped(plane(rule.graph.ty(w)))?;
        let input = ConvInputGrad { conv: *self, size };
        let weights = ConvWeightGrad { conv: *self, kernel };
        let (wanted, g) = (rule.wanted, &mut *rule.graph);
        let mut gradients = vec![
            if wanted[0] { Some(g.apply(input, &[d, w])?) } else { None },
            if wanted[1] { Some(g.apply(weights, &[x, d])?) } else { None },
        ];
        if let Some(&wanted) = wanted.get(2) {
            gradients.push(if wanted { Some(g.apply(ConvBiasGrad, &[d])?) } else { None });
        }
        Ok(gradients)
    }

    fn standard(&self, s: &mut Speller<'_>) -> Result<(), GraphError> {
        let inputs: Vec<Term> = (0..s.input_count()).map(|i| s.input(i)).collect();
        let y = s.node("Conv", &inputs, self.attributes());
        s.output(0, y);
        Ok(())
    }

    fn kernel(&self, inputs: &[&TensorType]) -> Option<Kernel> {
        float32(inputs).then(|| Kernel::new("Conv", self.attributes()).with_images(&[0], &[0]))
    }

    fn macs(&self, inputs: &[&TensorType], outputs: &[&TensorType]) -> u64 {
        macs(outputs[0], inputs[1])
    }
}

/// Products of a convolution with output `y` and weights `w`; the same for both of its gradients.
pub(super) fn macs(y: &TensorType, w: &TensorType) -> u64 {
    let batch = y.shape.extent(0).unwrap_or(1);
    let pixels: usize = y.shape.extents_from(2).map_or(0, |v| v.iter().product());
    (batch * pixels) as u64 * w.shape.elements().unwrap_or(0) as u64
}

/// Gradient of [`Conv`] with respect to `x`, from `dy [N, O, oh, ow]` and `w [O, C/groups, kh, kw]` (ONNX `ConvTranspose`).
#[derive(Debug, Clone, Copy)]
pub struct ConvInputGrad {
    /// The convolution.
    pub conv: Conv,
    /// Height and width of `x`.
    pub size: [usize; 2],
}

impl Op for ConvInputGrad {
    fn name(&self) -> &'static str {
        "ConvInputGrad"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let [dy, w] = inputs else { return Err(ShapeError::new(format!("2 inputs wanted, {} given", inputs.len()))) };
        one_float_type(inputs)?;
        let o = w.shape.extent(0)?;
        if plane(dy)? != self.conv.output_size(self.size, plane(w)?)? || dy.shape.extent(1)? != o {
            return Err(ShapeError::new(format!("{} is no output of weights {} on {:?}", dy.shape, w.shape, self.size)));
        }
        Ok(vec![image(dy, w.shape.extent(1)? * self.conv.groups, self.size)])
    }

    fn standard(&self, s: &mut Speller<'_>) -> Result<(), GraphError> {
        let kernel = s.shaped(plane(s.input_type(1)))?;
        let dx = transposed(s, &self.conv, self.size, kernel, [s.input(0), s.input(1)]);
        s.output(0, dx);
        Ok(())
    }

    fn kernel(&self, inputs: &[&TensorType]) -> Option<Kernel> {
        let mut attributes = self.conv.attributes();
        attributes.push(("size", ints(&self.size)));
        float32(inputs).then(|| Kernel::new("ConvInputGrad", attributes).with_images(&[0], &[0]))
    }

    fn macs(&self, inputs: &[&TensorType], _outputs: &[&TensorType]) -> u64 {
        macs(inputs[0], inputs[1])
    }
}

/// Nodes of the adjoint of `conv` on images of `size`, for a gradient and weights.
pub(super) fn transposed(
    s: &mut Speller<'_>,
    conv: &Conv,
    size: [usize; 2],
    kernel: [usize; 2],
    [dy, w]: [Term; 2],
) -> Term {
    let [top, left, bottom, right] = conv.pads;
    let rest = [conv.rest(0, size[0], kernel[0]), conv.rest(1, size[1], kernel[1])];
    // Asymmetric pads send ONNX Runtime's node from CUDA to the CPU: the whole extent is computed and cut instead.
    let symmetric = top == bottom && left == right;
    let mut attributes = if symmetric { *conv } else { Conv { pads: [0; 4], ..*conv } }.attributes();
    if rest != [0, 0] {
        attributes.push(("output_padding", ints(&rest)));
    }
    let dx = s.node("ConvTranspose", &[dy, w], attributes);
    if symmetric {
        return dx;
    }
    let starts = s.ints(&[top as i64, left as i64]);
    let ends = s.ints(&[(top + size[0]) as i64, (left + size[1]) as i64]);
    let axes = s.ints(&[2, 3]);
    s.node("Slice", &[dx, starts, ends, axes], vec![])
}

/// Gradient of [`Conv`] with respect to its bias: the sum of `dy [N, O, oh, ow]` over all axes but the second.
#[derive(Debug, Clone, Copy)]
pub struct ConvBiasGrad;

impl Op for ConvBiasGrad {
    fn name(&self) -> &'static str {
        "ConvBiasGrad"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let [dy] = inputs else { return Err(ShapeError::new("one input wanted")) };
        plane(dy)?;
        Ok(vec![dy.with_shape(Shape(vec![dy.shape.0[1]]))])
    }

    fn standard(&self, s: &mut Speller<'_>) -> Result<(), GraphError> {
        let axes = s.ints(&[0, 2, 3]);
        let db = s.node("ReduceSum", &[s.input(0), axes], vec![("keepdims", Attribute::Int(0))]);
        s.output(0, db);
        Ok(())
    }

    fn kernel(&self, inputs: &[&TensorType]) -> Option<Kernel> {
        float32(inputs).then(|| Kernel::new("ChannelSum", vec![]).with_images(&[0], &[]))
    }
}

/// A convolution on an image of a stated shape, for tests.
pub(super) struct Sample {
    pub(super) conv: Conv,
    pub(super) x: [usize; 4],
    pub(super) w: [usize; 4],
}

impl Sample {
    /// Shape of the output.
    pub(super) fn y(&self) -> Vec<usize> {
        let size = self.conv.output_size([self.x[2], self.x[3]], [self.w[2], self.w[3]]).expect("samples fit");
        vec![self.x[0], self.w[0], size[0], size[1]]
    }
}

/// Convolutions that tests visit: each attribute away from its default, odd extents, one spatial axis, depthwise.
pub(super) fn samples() -> Vec<Sample> {
    let sample = |x, w, stride, pads, dilation, groups| Sample { conv: Conv { stride, pads, dilation, groups }, x, w };
    vec![
        sample([2, 3, 5, 7], [4, 3, 3, 3], [1, 1], [1; 4], [1, 1], 1),
        sample([1, 1, 6, 6], [1, 1, 2, 2], [1, 1], [0; 4], [1, 1], 1),
        sample([2, 2, 7, 6], [3, 2, 3, 3], [2, 2], [1; 4], [1, 1], 1),
        sample([2, 2, 8, 8], [3, 2, 3, 3], [2, 2], [0, 0, 1, 1], [1, 1], 1),
        sample([1, 17, 5, 5], [2, 17, 3, 3], [1, 1], [1; 4], [1, 1], 1),
        sample([2, 5, 4, 4], [17, 5, 1, 1], [1, 1], [0; 4], [1, 1], 1),
        sample([2, 3, 6, 5], [4, 3, 1, 1], [2, 2], [0; 4], [1, 1], 1),
        sample([2, 2, 9, 8], [2, 2, 3, 3], [1, 1], [2; 4], [2, 2], 1),
        sample([1, 2, 9, 9], [2, 2, 3, 3], [3, 2], [1, 2, 0, 1], [2, 1], 1),
        sample([2, 4, 5, 6], [6, 2, 3, 3], [1, 1], [1; 4], [1, 1], 2),
        sample([2, 6, 7, 7], [6, 2, 3, 3], [2, 2], [1; 4], [1, 1], 3),
        sample([2, 5, 6, 7], [5, 1, 3, 3], [1, 1], [1; 4], [1, 1], 5),
        sample([1, 3, 7, 7], [6, 1, 5, 5], [2, 2], [2; 4], [1, 1], 3),
        sample([2, 3, 8, 7], [2, 3, 5, 5], [1, 1], [2; 4], [1, 1], 1),
        sample([2, 3, 4, 9], [5, 3, 1, 7], [1, 1], [0, 3, 0, 3], [1, 1], 1),
        sample([1, 4, 9, 5], [3, 4, 7, 1], [1, 1], [3, 0, 3, 0], [1, 1], 1),
        sample([2, 3, 1, 11], [4, 3, 1, 3], [1, 2], [0, 1, 0, 1], [1, 1], 1),
        sample([1, 4, 1, 9], [4, 1, 1, 5], [1, 1], [0, 2, 0, 2], [1, 1], 4),
    ]
}

/// Convolution.
pub static CONV: Entry = Entry {
    name: "Conv",
    doc: "Two-dimensional convolution, grouped, strided and dilated, with or without bias",
    differentiable: true,
    cases: || {
        samples()
            .into_iter()
            .enumerate()
            .map(|(i, Sample { conv, x, w })| {
                let mut inputs = vec![Feed::Normal(x.to_vec()), Feed::Normal(w.to_vec())];
                if i % 2 == 0 {
                    inputs.push(Feed::Normal(vec![w[0]]));
                }
                Case::new(conv, inputs)
            })
            .collect()
    },
};
/// Its adjoint.
pub static CONV_INPUT_GRAD: Entry = Entry {
    name: "ConvInputGrad",
    doc: "Gradient of a convolution with respect to its input",
    differentiable: false,
    cases: || {
        samples()
            .into_iter()
            .map(|s| {
                let op = ConvInputGrad { conv: s.conv, size: [s.x[2], s.x[3]] };
                Case::new(op, vec![Feed::Normal(s.y()), Feed::Normal(s.w.to_vec())])
            })
            .collect()
    },
};
/// Sum over batch and pixels.
pub static CONV_BIAS_GRAD: Entry = Entry {
    name: "ConvBiasGrad",
    doc: "Gradient of a convolution with respect to its bias",
    differentiable: false,
    cases: || [[2, 3, 5, 4], [1, 17, 1, 3]].map(|y| Case::new(ConvBiasGrad, vec![Feed::Normal(y.to_vec())])).into(),
};

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn batched(rest: &[usize]) -> TensorType {
        TensorType::new(DType::F32, Shape::batched(Dim::Batch, rest))
    }

    fn fixed(dims: &[usize]) -> TensorType {
        TensorType::new(DType::F32, Shape::fixed(dims))
    }

    #[test]
    fn shapes_and_products_are_those_worked_out_by_hand() {
        let conv = Conv { stride: [2, 1], pads: [1, 0, 1, 0], dilation: [1, 2], groups: 2 };
        let (x, w) = (batched(&[4, 9, 8]), fixed(&[6, 2, 3, 3]));
        // Height (9 + 2 − 3)/2 + 1 = 5, width (8 − 5)/1 + 1 = 4; 6·5·4 outputs of 2·3·3 products each.
        let y = conv.infer(&[&x, &w]).unwrap().remove(0);
        assert_eq!(y, batched(&[6, 5, 4]));
        assert_eq!(conv.macs(&[&x, &w], &[&y]), 120 * 18);
    }

    #[test]
    fn misfits_are_refused_with_their_shapes() {
        let conv = |groups| Conv { stride: [1, 1], pads: [0; 4], dilation: [1, 1], groups };
        let refusal = |conv: Conv, x: &TensorType, w: &TensorType| conv.infer(&[x, w]).unwrap_err().to_string();
        let x = batched(&[4, 5, 5]);
        assert!(refusal(conv(1), &x, &fixed(&[6, 3, 3, 3])).contains("[6, 3, 3, 3]"));
        assert!(refusal(conv(2), &x, &fixed(&[5, 2, 3, 3])).contains("2 groups"));
        assert!(refusal(conv(1), &x, &fixed(&[6, 4, 7, 3])).contains("[7, 3]"));
        assert!(refusal(conv(0), &x, &fixed(&[6, 4, 3, 3])).contains("at least 1"));
    }

    proptest! {
        #[test]
        fn gradients_have_the_types_of_what_they_are_gradients_of(
            (n, groups, inputs, outputs) in (1usize..3, 1usize..4, 1usize..4, 1usize..4),
            size in [1usize..12, 1..12],
            kernel in [1usize..5, 1..5],
            stride in [1usize..4, 1..4],
            pads in [0usize..4, 0..4, 0..4, 0..4],
            dilation in [1usize..3, 1..3],
        ) {
            let conv = Conv { stride, pads, dilation, groups };
            let x = fixed(&[n, groups * inputs, size[0], size[1]]);
            let w = fixed(&[groups * outputs, inputs, kernel[0], kernel[1]]);
            if let Ok(y) = conv.infer(&[&x, &w]) {
                prop_assert_eq!(&ConvInputGrad { conv, size }.infer(&[&y[0], &w]).unwrap()[0], &x);
                prop_assert_eq!(&ConvWeightGrad { conv, kernel }.infer(&[&x, &y[0]]).unwrap()[0], &w);
            }
        }
    }
}
