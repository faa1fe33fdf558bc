//! Maximum and mean over windows of `[N, H, W, C]`, and their gradients.

use super::conv::naturals;
use super::lanes::WIDTH;
use super::recycled::Recycled;
use super::vector::{Work, widest};
use super::{Arity, Body, Entry, Shapes};
use ort::operator::KernelContext;
use std::ops::Range;

/// Where windows lie, as the node's attributes say.
#[derive(Debug, Clone, Copy)]
struct Windows {
    kernel: [usize; 2],
    stride: [usize; 2],
    pads: [usize; 4],
}

impl Windows {
    fn of(context: &KernelContext<'_>) -> Result<Windows, String> {
        let windows = Windows {
            kernel: naturals(context, "kernel_shape")?,
            stride: naturals(context, "strides")?,
            pads: naturals(context, "pads")?,
        };
        let Windows { kernel, stride, pads } = windows;
        if stride.contains(&0) || (0..4).any(|i| pads[i] >= kernel[i % 2]) {
            return Err(format!("{windows:?}: pads below the window and strides of at least 1 wanted"));
        }
        Ok(windows)
    }

    /// The pool of images `[N, H, W, C]`.
    fn on(self, x: &[usize]) -> Result<Pool, String> {
        let &[batch, height, width, channels] = x else { return Err(format!("images wanted, not {x:?}")) };
        let size = [height, width];
        let along =
            |a: usize| Some((size[a] + self.pads[a] + self.pads[a + 2]).checked_sub(self.kernel[a])? / self.stride[a] + 1);
        match (along(0), along(1)) {
            (Some(oh), Some(ow)) if !x.contains(&0) => Ok(Pool { windows: self, batch, size, output: [oh, ow], channels }),
            _ => Err(format!("{self:?} does not fit {x:?}")),
        }
    }
}

/// Windows on images of one extent.
#[derive(Debug, Clone, Copy)]
struct Pool {
    windows: Windows,
    batch: usize,
    size: [usize; 2],
    output: [usize; 2],
    channels: usize,
}

impl Pool {
    fn output_extents(&self) -> Vec<usize> {
        vec![self.batch, self.output[0], self.output[1], self.channels]
    }

    /// The part of the window of output `i` along axis `a` that lies in the image.
    #[inline(always)]
    fn inside(&self, a: usize, i: usize) -> Range<usize> {
        let start = i * self.windows.stride[a];
        let end = (start + self.windows.kernel[a]).saturating_sub(self.windows.pads[a]).min(self.size[a]);
        start.saturating_sub(self.windows.pads[a]).min(end)..end
    }

    /// True where every element is in at most one window and none is padding.
    fn tiles(&self) -> bool {
        self.windows.kernel == self.windows.stride && self.windows.pads == [0; 4]
    }

    /// Whether windows that tile leave elements at the far ends in none.
    fn leaves_out(&self) -> bool {
        (0..2).any(|a| self.output[a] * self.windows.stride[a] < self.size[a])
    }

    /// Where the channels of each pixel start that the window of output (y, x) of image `n` covers.
    #[inline(always)]
    fn window(&self, [n, y, x]: [usize; 3], window: &mut Vec<usize>) {
        window.clear();
        for row in self.inside(0, y) {
            let row = (n * self.size[0] + row) * self.size[1];
            for column in self.inside(1, x) {
                window.push((row + column) * self.channels);
            }
        }
    }
}

/// Work on some channels of one window.
trait OnWindow {
    /// Does it for `L` channels from `c` on; `#[inline(always)]`.
    fn channels<const L: usize>(&mut self, output: usize, window: &[usize], c: usize);
}

/// Does `work` for all windows and channels.
#[inline(always)]
fn on_windows(pool: Pool, work: &mut impl OnWindow) {
    let whole = pool.channels / WIDTH * WIDTH;
    let mut window = Recycled::new();
    for n in 0..pool.batch {
        for y in 0..pool.output[0] {
            for x in 0..pool.output[1] {
                pool.window([n, y, x], &mut window);
                let output = ((n * pool.output[0] + y) * pool.output[1] + x) * pool.channels;
                // Loops over the most frequent windows, of 2×2, are unrolled.
                if let Ok(window) = <&[usize; 4]>::try_from(&window[..]) {
                    for c in (0..whole).step_by(WIDTH) {
                        work.channels::<WIDTH>(output, window, c);
                    }
                } else {
                    for c in (0..whole).step_by(WIDTH) {
                        work.channels::<WIDTH>(output, &window, c);
                    }
                }
                for c in whole..pool.channels {
                    work.channels::<1>(output, &window, c);
                }
            }
        }
    }
}

/// `L` elements from `at` on.
#[inline(always)]
fn read<const L: usize>(from: &[f32], at: usize) -> [f32; L] {
    let from = &from[at..at + L];
    std::array::from_fn(|l| from[l])
}

struct Maximum<'a> {
    pool: Pool,
    x: &'a [f32],
    y: &'a mut [f32],
}

impl OnWindow for Maximum<'_> {
    #[inline(always)]
    fn channels<const L: usize>(&mut self, output: usize, window: &[usize], c: usize) {
        let mut greatest = [f32::NEG_INFINITY; L];
        for &pixel in window {
            let x = read::<L>(self.x, pixel + c);
            for l in 0..L {
                // NaN is greater than everything, so that it is not hidden.
                greatest[l] = if x[l] > greatest[l] || x[l].is_nan() { x[l] } else { greatest[l] };
            }
        }
        self.y[output + c..][..L].copy_from_slice(&greatest);
    }
}

impl Work for Maximum<'_> {
    #[inline(always)]
    fn run(mut self) {
        on_windows(self.pool, &mut self);
    }
}

/// Gradient of the maximum where no element is in two windows: equal maxima share it.
struct SharedGradient<'a> {
    pool: Pool,
    x: &'a [f32],
    y: &'a [f32],
    dy: &'a [f32],
    dx: &'a mut [f32],
}

impl OnWindow for SharedGradient<'_> {
    #[inline(always)]
    fn channels<const L: usize>(&mut self, output: usize, window: &[usize], c: usize) {
        let (y, mut share) = (read::<L>(self.y, output + c), read::<L>(self.dy, output + c));
        let mut count = [0.0; L];
        for &pixel in window {
            let x = read::<L>(self.x, pixel + c);
            for l in 0..L {
                count[l] += if x[l] == y[l] { 1.0 } else { 0.0 };
            }
        }
        for l in 0..L {
            share[l] /= count[l];
        }
        for &pixel in window {
            let x = read::<L>(self.x, pixel + c);
            let dx = &mut self.dx[pixel + c..][..L];
            for l in 0..L {
                dx[l] = if x[l] == y[l] { share[l] } else { 0.0 };
            }
        }
    }
}

impl Work for SharedGradient<'_> {
    #[inline(always)]
    fn run(mut self) {
        if self.pool.leaves_out() {
            self.dx.fill(0.0);
        }
        on_windows(self.pool, &mut self);
    }
}

/// Gradient of the maximum where windows overlap: each window's first maximum gets everything.
struct FirstGradient<'a> {
    pool: Pool,
    x: &'a [f32],
    y: &'a [f32],
    dy: &'a [f32],
    dx: &'a mut [f32],
}

impl OnWindow for FirstGradient<'_> {
    #[inline(always)]
    fn channels<const L: usize>(&mut self, output: usize, window: &[usize], c: usize) {
        let (y, mut rest) = (read::<L>(self.y, output + c), read::<L>(self.dy, output + c));
        for &pixel in window {
            let x = read::<L>(self.x, pixel + c);
            let dx = &mut self.dx[pixel + c..][..L];
            for l in 0..L {
                let gets = x[l] == y[l];
                dx[l] += if gets { rest[l] } else { 0.0 };
                rest[l] = if gets { 0.0 } else { rest[l] };
            }
        }
    }
}

impl Work for FirstGradient<'_> {
    #[inline(always)]
    fn run(mut self) {
        self.dx.fill(0.0);
        on_windows(self.pool, &mut self);
    }
}

struct Mean<'a> {
    pool: Pool,
    x: &'a [f32],
    y: &'a mut [f32],
}

impl OnWindow for Mean<'_> {
    #[inline(always)]
    fn channels<const L: usize>(&mut self, output: usize, window: &[usize], c: usize) {
        let share = 1.0 / window.len() as f32;
        let mut sum = [0.0; L];
        for &pixel in window {
            let x = read::<L>(self.x, pixel + c);
            for l in 0..L {
                sum[l] += x[l];
            }
        }
        self.y[output + c..][..L].copy_from_slice(&sum.map(|v| v * share));
    }
}

impl Work for Mean<'_> {
    #[inline(always)]
    fn run(mut self) {
        on_windows(self.pool, &mut self);
    }
}

struct MeanGradient<'a> {
    pool: Pool,
    dy: &'a [f32],
    dx: &'a mut [f32],
}

impl OnWindow for MeanGradient<'_> {
    #[inline(always)]
    fn channels<const L: usize>(&mut self, output: usize, window: &[usize], c: usize) {
        let share = 1.0 / window.len() as f32;
        let dy = read::<L>(self.dy, output + c).map(|v| v * share);
        for &pixel in window {
            let dx = &mut self.dx[pixel + c..][..L];
            for l in 0..L {
                dx[l] += dy[l];
            }
        }
    }
}

impl Work for MeanGradient<'_> {
    #[inline(always)]
    fn run(mut self) {
        self.dx.fill(0.0);
        on_windows(self.pool, &mut self);
    }
}

/// Maximum of each window.
pub(super) static MAX: Entry = Entry {
    name: "MaxPool",
    inputs: Arity::Exactly(1),
    outputs: Arity::Exactly(1),
    shapes: Shapes::WithAttributes(|context| {
        let windows = Windows::of(context)?;
        Ok(Box::new(move |inputs| match inputs {
            [x] => Ok(vec![windows.on(x)?.output_extents()]),
            _ => Err("one input wanted".into()),
        }))
    }),
    create: |context| {
        let windows = Windows::of(context)?;
        Ok(Body::Apart(Box::new(move |inputs, outputs| {
            if let ([x], [y]) = (inputs, outputs)
                && let Ok(pool) = windows.on(x.extents)
            {
                widest(Maximum { pool, x: x.data, y });
            }
            Ok(())
        })))
    },
};
/// Its gradient from input, output and the output's gradient. Equal maxima share it where windows do not overlap.
pub(super) static MAX_GRADIENT: Entry = Entry {
    name: "MaxPoolGrad",
    inputs: Arity::Exactly(3),
    outputs: Arity::Exactly(1),
    shapes: Shapes::WithAttributes(|context| {
        let windows = Windows::of(context)?;
        Ok(Box::new(move |inputs| match inputs {
            [x, y, dy] if y == dy && windows.on(x)?.output_extents() == *y => Ok(vec![x.clone()]),
            _ => Err(format!("input, output and its gradient wanted, not {inputs:?}")),
        }))
    }),
    create: |context| {
        let windows = Windows::of(context)?;
        Ok(Body::Apart(Box::new(move |inputs, outputs| {
            if let ([x, y, dy], [dx]) = (inputs, outputs)
                && let Ok(pool) = windows.on(x.extents)
            {
                let (x, y, dy) = (x.data, y.data, dy.data);
                if pool.tiles() {
                    widest(SharedGradient { pool, x, y, dy, dx });
                } else {
                    widest(FirstGradient { pool, x, y, dy, dx });
                }
            }
            Ok(())
        })))
    },
};
/// Mean of each window without its padding.
pub(super) static AVERAGE: Entry = Entry {
    name: "AveragePool",
    inputs: Arity::Exactly(1),
    outputs: Arity::Exactly(1),
    shapes: MAX.shapes,
    create: |context| {
        let windows = Windows::of(context)?;
        Ok(Body::Apart(Box::new(move |inputs, outputs| {
            if let ([x], [y]) = (inputs, outputs)
                && let Ok(pool) = windows.on(x.extents)
            {
                widest(Mean { pool, x: x.data, y });
            }
            Ok(())
        })))
    },
};
/// Its gradient.
pub(super) static AVERAGE_GRADIENT: Entry = Entry {
    name: "AveragePoolGrad",
    inputs: Arity::Exactly(1),
    outputs: Arity::Exactly(1),
    shapes: Shapes::WithAttributes(|context| {
        let (windows, [height, width]) = (Windows::of(context)?, naturals(context, "size")?);
        Ok(Box::new(move |inputs| match inputs {
            [dy] if dy.len() == 4 => {
                let x = vec![dy[0], height, width, dy[3]];
                if windows.on(&x)?.output_extents() != *dy {
                    return Err(format!("{dy:?} is no pool of {x:?}"));
                }
                Ok(vec![x])
            }
            _ => Err(format!("one gradient of images wanted, not {inputs:?}")),
        }))
    }),
    create: |context| {
        let (windows, [height, width]) = (Windows::of(context)?, naturals(context, "size")?);
        Ok(Body::Apart(Box::new(move |inputs, outputs| {
            if let ([dy], [dx]) = (inputs, outputs)
                && let Ok(pool) = windows.on(&[dy.extents[0], height, width, dy.extents[3]])
            {
                widest(MeanGradient { pool, dy: dy.data, dx });
            }
            Ok(())
        })))
    },
};
