//! Interpolation of images to another size, channels first.

use super::conv::{image, plane};
use super::{Case, Entry, Feed};
use crate::graph::{GraphError, Op, Rule, ShapeError, Speller, Tensor, TensorType, Value};

/// Bilinear interpolation of `x [N, C, H, W]` to another height and width, with pixels as areas (half-pixel centres). Where
/// an axis shrinks, the triangle widens with it, so that every pixel counts and nothing aliases.
///
/// Each axis is a product with a matrix of weights: the adjoint is exact, and every engine has it in every float type,
/// which none has of ONNX `Resize`.
#[derive(Debug, Clone, Copy)]
pub struct Resize {
    /// Height and width of the output.
    pub size: [usize; 2],
}

/// Weights `[to, from]` of an axis, row by row; each row sums to 1.
fn weights(from: usize, to: usize) -> Vec<f64> {
    let scale = from as f64 / to as f64;
    let reach = scale.max(1.0);
    let row = |i: usize| {
        let centre = (i as f64 + 0.5) * scale;
        let weight = |j: usize| (1.0 - ((j as f64 + 0.5 - centre) / reach).abs()).max(0.0);
        let row: Vec<f64> = (0..from).map(weight).collect();
        let total: f64 = row.iter().sum();
        row.into_iter().map(move |weight| weight / total)
    };
    (0..to).flat_map(row).collect()
}

/// The same weights `[from, to]`.
fn turned(weights: &[f64], from: usize, to: usize) -> Vec<f64> {
    (0..from * to).map(|i| weights[i % to * from + i / to]).collect()
}

/// Nodes of `rows [A, H] · t [N, C, H, W] · columns [W, B]`.
fn products(s: &mut Speller<'_>, rows: (Vec<f64>, [usize; 2]), columns: (Vec<f64>, [usize; 2])) {
    let dtype = s.input_type(0).dtype;
    let constant =
        |s: &mut Speller<'_>, (values, shape): (Vec<f64>, [usize; 2])| s.constant(Tensor::from_f64(dtype, &shape, &values));
    let (rows, columns) = (constant(s, rows), constant(s, columns));
    let tall = s.node("MatMul", &[rows, s.input(0)], vec![]);
    let y = s.node("MatMul", &[tall, columns], vec![]);
    s.output(0, y);
}

impl Op for Resize {
    fn name(&self) -> &'static str {
        "Resize"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        match inputs {
            [x] if x.dtype.is_float() && !self.size.contains(&0) && !plane(x)?.contains(&0) => {
                Ok(vec![image(x, x.shape.extent(1)?, self.size)])
            }
            _ => Err(ShapeError::new("one float input and extents of at least 1 wanted")),
        }
    }

    fn gradient(&self, rule: &mut Rule<'_>) -> Result<Vec<Option<Value>>, GraphError> {
        let d = rule.grad()?;
        let size = rule.shaped(plane(rule.graph.ty(rule.inputs[0])))?;
        Ok(vec![Some(rule.graph.apply(ResizeGrad { resize: *self, size }, &[d])?)])
    }

    fn standard(&self, s: &mut Speller<'_>) -> Result<(), GraphError> {
        let ([h, w], [oh, ow]) = (s.shaped(plane(s.input_type(0)))?, self.size);
        products(s, (weights(h, oh), [oh, h]), (turned(&weights(w, ow), w, ow), [w, ow]));
        Ok(())
    }
}

/// Gradient of [`Resize`] from `dy`.
#[derive(Debug, Clone, Copy)]
pub struct ResizeGrad {
    /// The interpolation.
    pub resize: Resize,
    /// Height and width of its input.
    pub size: [usize; 2],
}

impl Op for ResizeGrad {
    fn name(&self) -> &'static str {
        "ResizeGrad"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        match inputs {
            [dy] if plane(dy)? == self.resize.size => Ok(vec![image(dy, dy.shape.extent(1)?, self.size)]),
            _ => Err(ShapeError::new("one gradient of the output's size wanted")),
        }
    }

    fn standard(&self, s: &mut Speller<'_>) -> Result<(), GraphError> {
        let ([h, w], [oh, ow]) = (self.size, self.resize.size);
        products(s, (turned(&weights(h, oh), h, oh), [h, oh]), (weights(w, ow), [ow, w]));
        Ok(())
    }
}

/// Another size.
pub static RESIZE: Entry = Entry {
    name: "Resize",
    doc: "Bilinear interpolation of images to another size",
    differentiable: true,
    cases: || {
        let case = |x: [usize; 4], size| Case::new(Resize { size }, vec![Feed::Normal(x.to_vec())]);
        vec![case([2, 3, 5, 4], [7, 8]), case([1, 2, 9, 7], [4, 3]), case([2, 1, 1, 6], [3, 5]), case([1, 2, 3, 3], [3, 3])]
    },
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_by_hand() {
        assert_eq!(weights(2, 4), [1.0, 0.0, 0.75, 0.25, 0.25, 0.75, 0.0, 1.0]);
        // Triangles of reach 2 around 1 and 3: weights ¾, ¾ and ¼ at distances ½, ½ and 1½.
        assert_eq!(weights(4, 2), [3.0, 3.0, 1.0, 0.0, 0.0, 1.0, 3.0, 3.0].map(|w| w / 7.0));
        assert_eq!(weights(3, 3), [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]);
        assert_eq!(turned(&weights(1, 3), 1, 3), [1.0; 3]);
        assert_eq!(turned(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 3, 2), [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
    }
}
