//! Gradient of a convolution with respect to its weights.

use super::{Conv, float32, ints, macs, samples};
use crate::graph::ops::{Case, Entry, Feed};
use crate::graph::{Attribute, GraphError, Kernel, Op, Shape, ShapeError, Speller, TensorType, Term};

/// Gradient of [`Conv`] with respect to `w`, from `x [N, C, H, W]` and `dy [N, O, oh, ow]`.
#[derive(Debug, Clone, Copy)]
pub struct ConvWeightGrad {
    /// The convolution.
    pub conv: Conv,
    /// Height and width of the kernel.
    pub kernel: [usize; 2],
}

impl Op for ConvWeightGrad {
    fn name(&self) -> &'static str {
        "ConvWeightGrad"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let [x, dy] = inputs else { return Err(ShapeError::new(format!("2 inputs wanted, {} given", inputs.len()))) };
        let (c, o) = (x.shape.extent(1)?, dy.shape.extent(1)?);
        let w = x.with_shape(Shape::fixed(&[o, c / self.conv.groups.max(1), self.kernel[0], self.kernel[1]]));
        if self.conv.infer(&[x, &w])?[0] != **dy {
            return Err(ShapeError::new(format!("{} is no output of weights {} on {}", dy.shape, w.shape, x.shape)));
        }
        Ok(vec![w])
    }

    fn standard(&self, s: &mut Speller<'_>) -> Result<(), GraphError> {
        let extents = |i: usize| {
            let shape = &s.input_type(i).shape;
            Ok([shape.extent(0)?, shape.extent(1)?, shape.extent(2)?, shape.extent(3)?])
        };
        let (x, dy) = (s.shaped(extents(0))?, s.shaped(extents(1))?);
        let narrow = x[1] <= FEW_CHANNELS || self.kernel == [1, 1];
        let dw = if self.conv.groups == 1 && narrow { self.by_image(s, x, dy) } else { self.by_shift(s, x, dy) };
        s.output(0, dw);
        Ok(())
    }

    fn kernel(&self, inputs: &[&TensorType]) -> Option<Kernel> {
        let mut attributes = self.conv.attributes();
        attributes.push(("kernel_shape", ints(&self.kernel)));
        float32(inputs).then(|| Kernel::new("ConvWeightGrad", attributes).with_images(&[0, 1], &[]))
    }

    fn macs(&self, inputs: &[&TensorType], outputs: &[&TensorType]) -> u64 {
        macs(inputs[1], outputs[0])
    }
}

/// Up to so many input channels one product an image beats one product a kernel element.
const FEW_CHANNELS: usize = 4;

// Measured on ONNX Runtime 1.32, one thread, batch 128, medians of CPU milliseconds. "Conv" is the convolution of the
// transposed operands, whose kernel is as large as the image; "columns" stacks all shifted images for a single product.
//
// | x, outputs, kernel  | Conv | columns | by image | by shift |
// | ------------------- | ---- | ------- | -------- | -------- |
// | 1×28×28, 32, 3×3    | 6.2  | 5.9     | 4.0      | 19.4     |
// | 3×32×32, 32, 3×3    |      |         | 13       | 35       |
// | 32×14×14, 64, 3×3   | 38   | 30      | 33       | 22       |
// | 64×7×7, 128, 3×3    | 28   | 24      | 29       | 16       |
// | 16×32×32, 16, 3×3   | 72   | 52      | 49       | 36       |
// | 64×14×14, 64, 1×1   |      |         | 6.1      | 8.7      |
// | 64×14×14, depthwise |      | 37      |          | 32       |
impl ConvWeightGrad {
    /// One product for each image, of `dy [O, P]` with the shifted images `[C·kh·kw, P]`, summed over the images.
    fn by_image(&self, s: &mut Speller<'_>, [n, c, ..]: [usize; 4], [_, o, oh, ow]: [usize; 4]) -> Term {
        let [kh, kw] = self.kernel;
        let padded = self.pad(s, s.input(0), 2);
        let shifted: Vec<Term> = (0..kh * kw)
            .map(|k| {
                let part = self.shift(s, padded, 2, k, [oh, ow]);
                reshape(s, part, &[n, c, 1, oh * ow])
            })
            .collect();
        let stacked = concat(s, &shifted, 2);
        let columns = reshape(s, stacked, &[n, c * kh * kw, oh * ow]);
        let dy = reshape(s, s.input(1), &[n, o, oh * ow]);
        let products = product(s, dy, columns);
        let axes = s.ints(&[0]);
        let sum = s.node("ReduceSum", &[products, axes], vec![("keepdims", Attribute::Int(0))]);
        reshape(s, sum, &[o, c, kh, kw])
    }

    /// One product for each kernel element and group, of `dy [O/g, P·N]` with the shifted images `[C/g, P·N]`.
    fn by_shift(&self, s: &mut Speller<'_>, [n, c, ..]: [usize; 4], [_, o, oh, ow]: [usize; 4]) -> Term {
        let ([kh, kw], g, pixels) = (self.kernel, self.conv.groups, oh * ow * n);
        // With the images innermost a shift copies whole rows of pixels, and a stride costs nothing.
        let images_last = || vec![("perm", Attribute::Ints(vec![1, 2, 3, 0]))];
        let x = s.node("Transpose", &[s.input(0)], images_last());
        let x = self.pad(s, x, 1);
        let dy = s.node("Transpose", &[s.input(1)], images_last());
        let dy = reshape(s, dy, &[g, o / g, pixels]);
        let elements: Vec<Term> = (0..kh * kw)
            .map(|k| {
                let part = self.shift(s, x, 1, k, [oh, ow]);
                let part = reshape(s, part, &[g, c / g, pixels]);
                let element = if c == g && o == g {
                    // Products of single rows are slower than their elements' sum.
                    let products = s.node("Mul", &[dy, part], vec![]);
                    let axes = s.ints(&[2]);
                    s.node("ReduceSum", &[products, axes], vec![("keepdims", Attribute::Int(0))])
                } else {
                    product(s, dy, part)
                };
                reshape(s, element, &[o, c / g, 1])
            })
            .collect();
        let stacked = concat(s, &elements, 2);
        reshape(s, stacked, &[o, c / g, kh, kw])
    }

    /// An image with the zeros of the convolution around it; height is axis `height`, width the next.
    fn pad(&self, s: &mut Speller<'_>, x: Term, height: usize) -> Term {
        if self.conv.pads == [0; 4] {
            return x;
        }
        let mut pads = [0; 8];
        for side in 0..2 {
            for axis in 0..2 {
                pads[4 * side + height + axis] = self.conv.pads[2 * side + axis] as i64;
            }
        }
        let pads = s.ints(&pads);
        s.node("Pad", &[x, pads], vec![])
    }

    /// What kernel element `k` reads of the padded image for an output of `out` rows and columns.
    fn shift(&self, s: &mut Speller<'_>, padded: Term, height: usize, k: usize, out: [usize; 2]) -> Term {
        if self.kernel == [1, 1] && self.conv.stride == [1, 1] {
            return padded;
        }
        let at = [k / self.kernel[1], k % self.kernel[1]];
        let start = [0, 1].map(|a| at[a] * self.conv.dilation[a]);
        let end = [0, 1].map(|a| start[a] + (out[a] - 1) * self.conv.stride[a] + 1);
        let mut list = |values: [usize; 2]| s.ints(&values.map(|v| v as i64));
        let (starts, ends, axes, steps) = (list(start), list(end), list([height, height + 1]), list(self.conv.stride));
        s.node("Slice", &[padded, starts, ends, axes, steps], vec![])
    }
}

/// `a·bᵀ` of stacks of matrices.
fn product(s: &mut Speller<'_>, a: Term, b: Term) -> Term {
    let transposed = s.node("Transpose", &[b], vec![("perm", Attribute::Ints(vec![0, 2, 1]))]);
    s.node("MatMul", &[a, transposed], vec![])
}

/// Most parts of which ONNX Runtime's kernel for CUDA uploads no table when it puts them together.
const PARTS: usize = 32;

fn concat(s: &mut Speller<'_>, parts: &[Term], axis: i64) -> Term {
    let groups = (2..=PARTS).rev().find(|&group| parts.len() > PARTS && parts.len().is_multiple_of(group));
    match (parts, groups) {
        ([only], _) => *only,
        (several, None) => s.node("Concat", several, vec![("axis", Attribute::Int(axis))]),
        (many, Some(group)) => {
            let groups: Vec<_> = many.chunks(group).map(|parts| concat(s, parts, axis)).collect();
            concat(s, &groups, axis)
        }
    }
}

fn reshape(s: &mut Speller<'_>, x: Term, dims: &[usize]) -> Term {
    let dims = s.ints(&dims.iter().map(|&d| d as i64).collect::<Vec<_>>());
    s.node("Reshape", &[x, dims], vec![])
}

/// Gradient of the weights.
pub static CONV_WEIGHT_GRAD: Entry = Entry {
    name: "ConvWeightGrad",
    doc: "Gradient of a convolution with respect to its weights",
    differentiable: false,
    cases: || {
        samples()
            .into_iter()
            .map(|s| {
                let op = ConvWeightGrad { conv: s.conv, kernel: [s.w[2], s.w[3]] };
                Case::new(op, vec![Feed::Normal(s.x.to_vec()), Feed::Normal(s.y())])
            })
            .collect()
    },
};
