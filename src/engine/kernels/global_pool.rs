//! Mean and maximum over height and width of `[N, H, W, C]`, and their gradients.

use super::conv::naturals;
use super::vector::{Work, widest};
use super::{Arity, Body, Entry, Shapes};

/// Pixels and channels of images with elements.
fn extents(x: &[usize]) -> Result<[usize; 3], String> {
    match *x {
        [n, h, w, c] if !x.contains(&0) => Ok([n, h * w, c]),
        _ => Err(format!("images with elements wanted, not {x:?}")),
    }
}

/// `[N, H, W, C]` to `[N, C]`.
fn pooled(inputs: &[Vec<usize>]) -> Result<Vec<Vec<usize>>, String> {
    let [x] = inputs else { return Err("one input wanted".into()) };
    let [n, _, c] = extents(x)?;
    Ok(vec![vec![n, c]])
}

struct Mean<'a> {
    pixels: usize,
    channels: usize,
    x: &'a [f32],
    y: &'a mut [f32],
}

impl Work for Mean<'_> {
    #[inline(always)]
    fn run(self) {
        let Mean { pixels, channels, x, y } = self;
        let share = 1.0 / pixels as f32;
        for (x, y) in x.chunks_exact(pixels * channels).zip(y.chunks_exact_mut(channels)) {
            y.fill(0.0);
            for x in x.chunks_exact(channels) {
                y.iter_mut().zip(x).for_each(|(y, x)| *y += x);
            }
            y.iter_mut().for_each(|y| *y *= share);
        }
    }
}

struct Spread<'a> {
    pixels: usize,
    channels: usize,
    dy: &'a [f32],
    dx: &'a mut [f32],
}

impl Work for Spread<'_> {
    #[inline(always)]
    fn run(self) {
        let Spread { pixels, channels, dy, dx } = self;
        let share = 1.0 / pixels as f32;
        for (dy, dx) in dy.chunks_exact(channels).zip(dx.chunks_exact_mut(pixels * channels)) {
            for dx in dx.chunks_exact_mut(channels) {
                dx.iter_mut().zip(dy).for_each(|(dx, dy)| *dx = dy * share);
            }
        }
    }
}

struct Maximum<'a> {
    pixels: usize,
    channels: usize,
    x: &'a [f32],
    y: &'a mut [f32],
}

impl Work for Maximum<'_> {
    #[inline(always)]
    fn run(self) {
        let Maximum { pixels, channels, x, y } = self;
        for (x, y) in x.chunks_exact(pixels * channels).zip(y.chunks_exact_mut(channels)) {
            y.copy_from_slice(&x[..channels]);
            for x in x.chunks_exact(channels) {
                // NaN is greater than everything, so that it is not hidden.
                y.iter_mut().zip(x).for_each(|(y, &x)| *y = if x > *y || x.is_nan() { x } else { *y });
            }
        }
    }
}

struct Share<'a> {
    pixels: usize,
    channels: usize,
    x: &'a [f32],
    y: &'a [f32],
    dy: &'a [f32],
    /// Equal maxima of each channel of one image.
    count: &'a mut [f32],
    dx: &'a mut [f32],
}

impl Work for Share<'_> {
    #[inline(always)]
    fn run(self) {
        let Share { pixels, channels, x, y, dy, count, dx } = self;
        let images = x.chunks_exact(pixels * channels).zip(dx.chunks_exact_mut(pixels * channels));
        for ((x, dx), (y, dy)) in images.zip(y.chunks_exact(channels).zip(dy.chunks_exact(channels))) {
            count.fill(0.0);
            for x in x.chunks_exact(channels) {
                count.iter_mut().zip(x).zip(y).for_each(|((count, x), y)| *count += if x == y { 1.0 } else { 0.0 });
            }
            count.iter_mut().zip(dy).for_each(|(count, dy)| *count = dy / *count);
            for (x, dx) in x.chunks_exact(channels).zip(dx.chunks_exact_mut(channels)) {
                for (((dx, x), y), share) in dx.iter_mut().zip(x).zip(y).zip(&*count) {
                    *dx = if x == y { *share } else { 0.0 };
                }
            }
        }
    }
}

/// Mean.
pub(super) static AVERAGE: Entry = Entry {
    name: "GlobalAveragePool",
    inputs: Arity::Exactly(1),
    outputs: Arity::Exactly(1),
    shapes: Shapes::OfInputs(pooled),
    create: |_| {
        Ok(Body::Apart(Box::new(|inputs, outputs| {
            if let ([x], [y]) = (inputs, outputs)
                && let Ok([_, pixels, channels]) = extents(x.extents)
            {
                widest(Mean { pixels, channels, x: x.data, y });
            }
            Ok(())
        })))
    },
};
/// Its gradient.
pub(super) static AVERAGE_GRADIENT: Entry = Entry {
    name: "GlobalAveragePoolGrad",
    inputs: Arity::Exactly(1),
    outputs: Arity::Exactly(1),
    shapes: Shapes::WithAttributes(|context| {
        let [height, width] = naturals(context, "size")?;
        Ok(Box::new(move |inputs| match inputs {
            [dy] if dy.len() == 2 && !dy.contains(&0) && height * width > 0 => Ok(vec![vec![dy[0], height, width, dy[1]]]),
            _ => Err(format!("one gradient [N, C] wanted, not {inputs:?}")),
        }))
    }),
    create: |context| {
        let [height, width] = naturals(context, "size")?;
        Ok(Body::Apart(Box::new(move |inputs, outputs| {
            if let ([dy], [dx]) = (inputs, outputs) {
                widest(Spread { pixels: height * width, channels: dy.extents[1], dy: dy.data, dx });
            }
            Ok(())
        })))
    },
};
/// Maximum.
pub(super) static MAX: Entry = Entry {
    name: "GlobalMaxPool",
    inputs: Arity::Exactly(1),
    outputs: Arity::Exactly(1),
    shapes: Shapes::OfInputs(pooled),
    create: |_| {
        Ok(Body::Apart(Box::new(|inputs, outputs| {
            if let ([x], [y]) = (inputs, outputs)
                && let Ok([_, pixels, channels]) = extents(x.extents)
            {
                widest(Maximum { pixels, channels, x: x.data, y });
            }
            Ok(())
        })))
    },
};
/// Its gradient from input, output and the output's gradient; equal maxima share it.
pub(super) static MAX_GRADIENT: Entry = Entry {
    name: "GlobalMaxPoolGrad",
    inputs: Arity::Exactly(3),
    outputs: Arity::Exactly(1),
    shapes: Shapes::OfInputs(|inputs| match inputs {
        [x, y, dy] if y == dy && pooled(std::slice::from_ref(x))?[0] == *y => Ok(vec![x.clone()]),
        _ => Err(format!("input, output and its gradient wanted, not {inputs:?}")),
    }),
    create: |_| {
        let mut count = vec![];
        Ok(Body::Apart(Box::new(move |inputs, outputs| {
            if let ([x, y, dy], [dx]) = (inputs, outputs)
                && let Ok([_, pixels, channels]) = extents(x.extents)
            {
                count.resize(channels, 0.0);
                let (x, y, dy) = (x.data, y.data, dy.data);
                widest(Share { pixels, channels, x, y, dy, count: &mut count, dx });
            }
            Ok(())
        })))
    },
};
