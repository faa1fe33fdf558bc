//! Gradient of a convolution with respect to its weights.

use super::{Conv, macs, samples};
use crate::graph::ops::{Case, Entry, Feed};
use crate::graph::{Attribute, GraphError, Op, Shape, ShapeError, Speller, TensorType, Term};

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
        let x = s.shaped(s.input_type(0).shape.extents())?;
        let dy = s.shaped(s.input_type(1).shape.extents())?;
        let dw = self.columns(s, &x, &dy);
        s.output(0, dw);
        Ok(())
    }

    fn macs(&self, inputs: &[&TensorType], outputs: &[&TensorType]) -> u64 {
        macs(inputs[1], outputs[0])
    }
}

impl ConvWeightGrad {
    /// One product over all images and pixels: `dy [g, O/g, N·P]` with the shifted images `[g, C/g·kh·kw, N·P]`.
    fn columns(&self, s: &mut Speller<'_>, x: &[usize], dy: &[usize]) -> Term {
        let (n, c, o, g) = (x[0], x[1], dy[1], self.conv.groups);
        let (pixels, [kh, kw]) = (n * dy[2] * dy[3], self.kernel);
        let channels_first = || vec![("perm", Attribute::Ints(vec![1, 0, 2, 3]))];
        let images = s.node("Transpose", &[s.input(0)], channels_first());
        let padded = self.pad(s, images);
        let shifted: Vec<Term> = (0..kh * kw)
            .map(|k| {
                let part = self.shift(s, padded, [k / kw, k % kw], [dy[2], dy[3]]);
                reshape(s, part, &[c, 1, pixels])
            })
            .collect();
        let stacked =
            if let [only] = shifted[..] { only } else { s.node("Concat", &shifted, vec![("axis", Attribute::Int(1))]) };
        let columns = reshape(s, stacked, &[g, c / g * kh * kw, pixels]);
        let columns = s.node("Transpose", &[columns], vec![("perm", Attribute::Ints(vec![0, 2, 1]))]);
        let gradient = s.node("Transpose", &[s.input(1)], channels_first());
        let gradient = reshape(s, gradient, &[g, o / g, pixels]);
        let product = s.node("MatMul", &[gradient, columns], vec![]);
        reshape(s, product, &[o, c / g, kh, kw])
    }

    /// The image with the zeros of the convolution around it.
    fn pad(&self, s: &mut Speller<'_>, x: Term) -> Term {
        let [top, left, bottom, right] = self.conv.pads.map(|p| p as i64);
        if self.conv.pads == [0; 4] {
            return x;
        }
        let pads = s.ints(&[0, 0, top, left, 0, 0, bottom, right]);
        s.node("Pad", &[x, pads], vec![])
    }

    /// What kernel element `at` reads of the padded image.
    fn shift(&self, s: &mut Speller<'_>, padded: Term, at: [usize; 2], out: [usize; 2]) -> Term {
        let start = [0, 1].map(|a| at[a] * self.conv.dilation[a]);
        let end = [0, 1].map(|a| start[a] + (out[a] - 1) * self.conv.stride[a] + 1);
        let mut list = |values: [usize; 2]| s.ints(&values.map(|v| v as i64));
        let (starts, ends, axes, steps) = (list(start), list(end), list([2, 3]), list(self.conv.stride));
        s.node("Slice", &[padded, starts, ends, axes, steps], vec![])
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
