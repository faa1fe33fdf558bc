//! Whole passes of a convolution: forward with what its consumer wants to know of the result, and backward with all
//! gradients made from one reading of the output's.

use super::convolution::{Convolution, Direction};
use super::geometry::{Frame, Geometry};
use super::source::{Framed, Source};
use super::weights::WeightGradient;
use super::winograd;
use std::fmt::Debug;

/// A way to convolve, or to make the gradient of a convolution's input, block of images by block of images.
pub(super) trait Convolve: Debug + Send {
    /// The frame of what is read.
    fn frame(&self) -> Frame;
    /// Images that are worked on at a time.
    fn images(&self) -> usize;
    /// Whether vectors are read that reach beyond the channels of a pixel.
    fn reads_beyond(&self) -> bool;
    /// Floats of the result of each image.
    fn result(&self) -> usize;
    /// Lays out the weights `[O, C/groups, kh, kw]`.
    fn pack(&mut self, w: &[f32]);
    /// Convolves framed images `[n, H, W, C]` with the packed weights to `y [n, oh, ow, O]`, and adds `bias [O]`; in the
    /// other direction these stand for the gradients of output and input.
    fn block(&mut self, framed: &[f32], bias: Option<&[f32]>, y: &mut [f32]);
}

/// A way to make the gradient of a convolution's weights, likewise.
pub(super) trait Correlate: Debug + Send {
    /// The frames of the images, and of the output's gradient.
    fn frames(&self) -> [Frame; 2];
    /// Images that are worked on at a time.
    fn images(&self) -> usize;
    /// Whether vectors are read that reach beyond the channels of a pixel: of the images, and of the gradients.
    fn reads_beyond(&self) -> [bool; 2];
    /// Begins anew.
    fn clear(&mut self);
    /// Adds the sums over so many images, which stand in their frames as their gradients do.
    fn block(&mut self, x: &[f32], dy: &[f32], images: usize);
    /// The sums as weights are stored, `[O, C/groups, kh, kw]`.
    fn finish(&self, dw: &mut [f32]);
}

/// The way that takes the fewest operations.
fn convolution(g: &Geometry, output: [usize; 2], direction: Direction) -> Box<dyn Convolve> {
    if winograd::pays(g, output) {
        winograd::convolution(g, output, direction)
    } else {
        Box::new(Convolution::new(g, output, direction))
    }
}

/// Likewise, for gradients of the output that stand in this frame, so many at a time.
fn weight_gradient(g: &Geometry, output: [usize; 2], gradient: Option<(Frame, usize)>) -> Box<dyn Correlate> {
    if winograd::pays(g, output) {
        winograd::weight_gradient(g, output, gradient)
    } else {
        let (frame, images) = gradient.unwrap_or((Frame::bare(output, g.outputs), g.batch));
        Box::new(WeightGradient::new(g, output, frame, images))
    }
}

/// A convolution, or the gradient of its input, with the memory that it needs.
#[derive(Debug)]
pub(super) struct Layer {
    convolution: Box<dyn Convolve>,
    framed: Framed,
    batch: usize,
}

impl Layer {
    /// Of a geometry whose extents have been checked.
    pub(super) fn new(g: &Geometry, output: [usize; 2], direction: Direction) -> Self {
        Layer::of(convolution(g, output, direction), g.batch)
    }

    /// Done in this way, for so many images.
    pub(super) fn of(convolution: Box<dyn Convolve>, batch: usize) -> Self {
        let framed = Framed::new(convolution.frame(), convolution.images(), convolution.reads_beyond());
        Layer { convolution, framed, batch }
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
    weights: Box<dyn Correlate>,
    input: Option<Box<dyn Convolve>>,
    /// The images, and the gradient of the output.
    framed: [Framed; 2],
    images: usize,
    batch: usize,
}

impl Gradients {
    /// Of the weights and, `with_input`, of the input, for a geometry whose extents have been checked.
    pub(super) fn new(g: &Geometry, output: [usize; 2], with_input: bool) -> Self {
        let input = with_input.then(|| convolution(g, output, Direction::Adjoint));
        let weights = weight_gradient(g, output, input.as_ref().map(|input| (input.frame(), input.images())));
        Gradients::of(weights, input, g.batch)
    }

    /// Made in these ways, for so many images.
    pub(super) fn of(weights: Box<dyn Correlate>, input: Option<Box<dyn Convolve>>, batch: usize) -> Self {
        let ([x, dy], images, [x_beyond, mut dy_beyond]) = (weights.frames(), weights.images(), weights.reads_beyond());
        dy_beyond |= input.as_ref().is_some_and(|input| input.reads_beyond());
        let framed = [Framed::new(x, images, x_beyond), Framed::new(dy, images, dy_beyond)];
        Gradients { weights, input, framed, images, batch }
    }

    /// The gradients `dw [O, C/groups, kh, kw]` and `dx [N, H, W, C]`, the latter if it was asked for, from the images `x`
    /// and the gradient `dy` of the output. Calls `then` with each block of `dx`, to change it as it likes while it is in the
    /// cache, and which images these are.
    pub(super) fn run(
        &mut self,
        x: &Source<'_>,
        dy: &Source<'_>,
        w: &[f32],
        dw: &mut [f32],
        dx: &mut [f32],
        mut then: impl FnMut(std::ops::Range<usize>, &mut [f32]),
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
