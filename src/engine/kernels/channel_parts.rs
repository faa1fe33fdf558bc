//! Images side by side along the channels of `[N, H, W, C]`, and a part of an image's channels.

use super::lanes::WIDTH;
use super::vector::{Work, widest};
use super::{Arity, Body, Entry, Shapes, attribute};
use ort::operator::KernelContext;

/// Pixels that are put together at a time: what is written of them stays in the cache until it is whole.
const BLOCK: usize = 64;

/// Copies a few floats, a vector at a time: they are too few for a call.
#[inline(always)]
fn copy(from: &[f32], to: &mut [f32]) {
    let (from, from_rest) = from.as_chunks::<WIDTH>();
    let (to, to_rest) = to.as_chunks_mut::<WIDTH>();
    to.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
    to_rest.iter_mut().zip(from_rest).for_each(|(to, from)| *to = *from);
}

/// Some channels of each pixel, to some channels of each pixel.
struct Copy<'a> {
    from: &'a [f32],
    /// Channels of a pixel, and the first that is read.
    read: [usize; 2],
    to: &'a mut [f32],
    /// Channels of a pixel, and the first that is written.
    written: [usize; 2],
    channels: usize,
}

impl Work for Copy<'_> {
    #[inline(always)]
    fn run(self) {
        let Copy { from, read: [depth, first], to, written: [to_depth, to_first], channels } = self;
        for (from, to) in from.chunks_exact(depth).zip(to.chunks_exact_mut(to_depth)) {
            copy(&from[first..first + channels], &mut to[to_first..to_first + channels]);
        }
    }
}

/// Images `[N, H, W, Cᵢ]` to `[N, H, W, ΣCᵢ]`.
pub(super) static CONCAT: Entry = Entry {
    name: "ConcatChannels",
    inputs: Arity::AtLeast(1),
    outputs: Arity::Exactly(1),
    shapes: Shapes::OfInputs(|inputs| {
        let same = |x: &[usize]| x.len() == 4 && !x.contains(&0) && x[..3] == inputs[0][..3];
        match inputs {
            [first, ..] if first.len() == 4 && inputs.iter().all(|x| same(x)) => {
                let channels = inputs.iter().map(|x| x[3]).sum();
                Ok(vec![vec![first[0], first[1], first[2], channels]])
            }
            _ => Err(format!("images of one size wanted, not {inputs:?}")),
        }
    }),
    create: |_| {
        Ok(Body::Apart(Box::new(|inputs, outputs| {
            if let [y] = outputs {
                let depth = inputs.iter().map(|x| x.extents[3]).sum();
                for (block, y) in y.chunks_mut(BLOCK * depth).enumerate() {
                    let mut first = 0;
                    for x in inputs {
                        let channels = x.extents[3];
                        let (from, read) = (&x.data[block * BLOCK * channels..], [channels, 0]);
                        widest(Copy { from, read, to: y, written: [depth, first], channels });
                        first += channels;
                    }
                }
            }
            Ok(())
        })))
    },
};

/// The first channel that a node takes, and the end of those that it takes.
fn part(context: &KernelContext<'_>) -> Result<[usize; 2], String> {
    let [start, end] = [attribute::<i64>(context, "start")?, attribute(context, "end")?];
    match (usize::try_from(start), usize::try_from(end)) {
        (Ok(start), Ok(end)) if start < end => Ok([start, end]),
        _ => Err(format!("channels from {start} to {end} are none")),
    }
}

/// Channels of images from `start` to before `end`.
pub(super) static SLICE: Entry = Entry {
    name: "SliceChannels",
    inputs: Arity::Exactly(1),
    outputs: Arity::Exactly(1),
    shapes: Shapes::WithAttributes(|context| {
        let [start, end] = part(context)?;
        Ok(Box::new(move |inputs| match inputs {
            [x] if x.len() == 4 && !x.contains(&0) && end <= x[3] => Ok(vec![vec![x[0], x[1], x[2], end - start]]),
            _ => Err(format!("images of at least {end} channels wanted, not {inputs:?}")),
        }))
    }),
    create: |context| {
        let [start, end] = part(context)?;
        Ok(Body::Apart(Box::new(move |inputs, outputs| {
            if let ([x], [y]) = (inputs, outputs) {
                let channels = end - start;
                let (from, read, written) = (x.data, [x.extents[3], start], [channels, 0]);
                widest(Copy { from, read, to: y, written, channels });
            }
            Ok(())
        })))
    },
};
