//! Whole passes of a convolution: forward with what its consumer wants to know of the result, and backward with all
//! gradients made from one reading of the output's.

use super::convolution::{Convolution, Direction};
use super::geometry::{Frame, Geometry};
use super::source::{Framed, Source};
use super::weights::WeightGradient;

/// A convolution, or the gradient of its input, with the memory that it needs.
#[derive(Debug)]
pub(super) struct Layer {
    convolution: Convolution,
    framed: Framed,
    batch: usize,
}

impl Layer {
    /// Of a geometry whose extents have been checked.
    pub(super) fn new(g: &Geometry, output: [usize; 2], direction: Direction) -> Self {
        let convolution = Convolution::new(g, output, direction, g.batch);
        let framed = Framed::new(convolution.frame(), convolution.images(), convolution.reads_beyond());
        Layer { convolution, framed, batch: g.batch }
    }

    /// Convolves images `[N, H, W, C]` with `w [O, C/groups, kh, kw]` to `y [N, oh, ow, O]`, and adds `bias [O]`; in the
    /// other direction these stand for the gradients of output and input. Calls `then` with each block of the result
    /// while it is in the cache.
    pub(super) fn run(
        &mut self,
        x: &Source<'_>,
        w: &[f32],
        bias: Option<&[f32]>,
        y: &mut [f32],
        mut then: impl FnMut(&[f32]),
    ) {
        let Layer { convolution, framed, batch } = self;
        convolution.pack(w);
        let (images, result) = (convolution.images(), convolution.result());
        for first in (0..*batch).step_by(images) {
            let block = first..(first + images).min(*batch);
            let y = &mut y[block.start * result..block.end * result];
            convolution.block(framed.fill(x, block), bias, y);
            then(y);
        }
    }
}

/// The gradients of a convolution, with the memory that they need.
#[derive(Debug)]
pub(super) struct Gradients {
    weights: WeightGradient,
    input: Option<Convolution>,
    /// The images, and the gradient of the output.
    framed: [Framed; 2],
    images: usize,
    batch: usize,
}

impl Gradients {
    /// Of the weights and, `with_input`, of the input, for a geometry whose extents have been checked.
    pub(super) fn new(g: &Geometry, output: [usize; 2], with_input: bool) -> Self {
        let input = with_input.then(|| Convolution::new(g, output, Direction::Adjoint, g.batch));
        let dy = input.as_ref().map_or(Frame::bare(output, g.outputs), Convolution::frame);
        let images = input.as_ref().map_or(g.batch, Convolution::images);
        let weights = WeightGradient::new(g, output, dy, images);
        let images = weights.images();
        let beyond = weights.reads_beyond();
        let framed = [(weights.frame(), beyond[0]), (dy, beyond[1])].map(|(f, beyond)| Framed::new(f, images, beyond));
        Gradients { weights, input, framed, images, batch: g.batch }
    }

    /// The gradients `dw [O, C/groups, kh, kw]` and `dx [N, H, W, C]`, the latter if it was asked for, from the images `x`
    /// and the gradient `dy` of the output. Calls `then` with each block of `dx`, and which images these are.
    pub(super) fn run(
        &mut self,
        x: &Source<'_>,
        dy: &Source<'_>,
        w: &[f32],
        dw: &mut [f32],
        dx: &mut [f32],
        mut then: impl FnMut(std::ops::Range<usize>, &[f32]),
    ) {
        let Gradients { weights, input, framed: [x_framed, dy_framed], images, batch } = self;
        if let Some(input) = input {
            input.pack(w);
        }
        weights.clear();
        for first in (0..*batch).step_by(*images) {
            let block = first..(first + *images).min(*batch);
            let dy = dy_framed.fill(dy, block.clone());
            weights.block(x_framed.fill(x, block.clone()), dy, block.len());
            if let Some(input) = input {
                let result = input.result();
                let dx = &mut dx[block.start * result..block.end * result];
                input.block(dy, None, dx);
                then(block, dx);
            }
        }
        weights.finish(dw);
    }
}
