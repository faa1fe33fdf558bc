//! What a convolution reads: images as they stand, or made of others while they are copied into the frame that it reads
//! them from.

use super::geometry::Frame;
use crate::engine::kernels::activation::{Activated, Pointwise, WithActivation, with};
use crate::engine::kernels::channels::{Columns, map};
use crate::engine::kernels::lanes::{Buffer, WIDTH};
use crate::engine::kernels::normalisation::{InputGradient, Norm, Normalised};
use crate::engine::kernels::vector::{PerElement, Work, widest};
use crate::graph::ops::activation::ActivationKind;
use std::marker::PhantomData;
use std::ops::Range;

/// Images `[N, H, W, C]`.
pub(super) enum Source<'a> {
    /// As they stand.
    Plain(&'a [f32]),
    /// The normalisation of others, with activation.
    Normalised { x: &'a [f32], columns: Columns<3>, activation: Option<ActivationKind> },
    /// The gradient of a normalisation's input `x` from that of its output.
    Gradient { dy: &'a [f32], x: &'a [f32], columns: Columns<5>, activation: Option<ActivationKind> },
}

impl<'a> Source<'a> {
    /// `x`, normalised where there is a norm.
    pub(super) fn normalised(x: &'a [f32], norm: Option<Norm<'_>>) -> Self {
        match norm {
            None => Source::Plain(x),
            Some(norm) => Source::Normalised { x, columns: norm.columns(), activation: norm.activation },
        }
    }
}

/// Memory for the images of a frame that are worked on at a time.
#[derive(Debug)]
pub(super) struct Framed {
    frame: Frame,
    memory: Buffer,
    /// Whether vectors are read that reach beyond the last channel of a pixel.
    beyond: bool,
}

impl Framed {
    /// Memory for so many images.
    pub(super) fn new(frame: Frame, images: usize, beyond: bool) -> Self {
        Framed { frame, memory: Buffer::zeros(images * frame.image() + WIDTH), beyond }
    }

    /// Some images of the source in their frames, with zeros between them, and a vector's worth of floats after them where
    /// vectors are read that reach beyond.
    pub(super) fn fill<'s>(&'s mut self, source: &Source<'s>, images: Range<usize>) -> &'s [f32] {
        let at = images.start * self.frame.inner_image()..images.end * self.frame.inner_image();
        match source {
            Source::Plain(x) => {
                if self.frame.is_bare() && !self.beyond {
                    return &x[at];
                }
                let x = &x[at];
                for (range, out) in rows(self.frame, &mut self.memory, x.len()) {
                    out.copy_from_slice(&x[range]);
                }
            }
            Source::Normalised { x, columns, activation } => {
                with(*activation, Fill { framed: self, a: &x[at.clone()], b: &x[at], columns });
            }
            Source::Gradient { dy, x, columns, activation } => {
                with(*activation, Fill { framed: self, a: &dy[at.clone()], b: &x[at], columns });
            }
        }
        &self.memory
    }
}

/// Where each row of images stands among so many floats, with its place in the frame.
#[inline(always)]
fn rows(frame: Frame, memory: &mut [f32], floats: usize) -> impl Iterator<Item = (Range<usize>, &mut [f32])> {
    let Frame { size, before, inner, channels } = frame;
    let (width, line) = (inner[1] * channels, size[1] * channels);
    let images = memory.chunks_exact_mut(frame.image()).take(floats / frame.inner_image());
    let lines = images.flat_map(move |framed| framed.chunks_exact_mut(line).skip(before[0]).take(inner[0]));
    lines.enumerate().map(move |(row, line)| (row * width..(row + 1) * width, &mut line[before[1] * channels..][..width]))
}

/// Images made of two others and of `K` numbers for each channel.
struct Fill<'a, const K: usize> {
    framed: &'a mut Framed,
    a: &'a [f32],
    b: &'a [f32],
    columns: &'a Columns<K>,
}

impl<const K: usize> Fill<'_, K> {
    #[inline(always)]
    fn with<T: PerElement<K, Output = f32>>(self) {
        let Fill { framed, a, b, columns } = self;
        for (range, out) in rows(framed.frame, &mut framed.memory, a.len()) {
            map::<T, K>(columns, &a[range.clone()], &b[range], out);
        }
    }
}

impl WithActivation for Fill<'_, 3> {
    fn run<A: Pointwise>(self) {
        widest(Activated(self, PhantomData::<A>));
    }
}

impl<A: Pointwise> Work for Activated<Fill<'_, 3>, A> {
    #[inline(always)]
    fn run(self) {
        self.0.with::<Normalised<A>>();
    }
}

impl WithActivation for Fill<'_, 5> {
    fn run<A: Pointwise>(self) {
        widest(Activated(self, PhantomData::<A>));
    }
}

impl<A: Pointwise> Work for Activated<Fill<'_, 5>, A> {
    #[inline(always)]
    fn run(self) {
        self.0.with::<InputGradient<A>>();
    }
}
