//! Maximum and mean over windows of `[N, H, W, C]`, and their gradients.

use super::conv::naturals;
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

    /// True where every element is in at most one window.
    fn tile(&self) -> bool {
        self.windows.kernel == self.windows.stride && self.windows.pads == [0; 4]
    }

    /// Calls `visit` for each output, with its position and those of the rows and columns of its window.
    #[inline(always)]
    fn each(&self, mut visit: impl FnMut(usize, usize, Range<usize>, Range<usize>)) {
        for n in 0..self.batch {
            for y in 0..self.output[0] {
                let rows = self.inside(0, y);
                for x in 0..self.output[1] {
                    visit(n, (n * self.output[0] + y) * self.output[1] + x, rows.clone(), self.inside(1, x));
                }
            }
        }
    }

    /// Where the channels of a pixel start.
    #[inline(always)]
    fn at(&self, n: usize, row: usize, column: usize) -> usize {
        ((n * self.size[0] + row) * self.size[1] + column) * self.channels
    }
}

struct Maximum<'a> {
    pool: Pool,
    x: &'a [f32],
    y: &'a mut [f32],
}

impl Work for Maximum<'_> {
    #[inline(always)]
    fn run(self) {
        let Maximum { pool, x, y } = self;
        let c = pool.channels;
        pool.each(|n, output, rows, columns| {
            let y = &mut y[output * c..][..c];
            y.fill(f32::NEG_INFINITY);
            for (row, column) in rows.flat_map(|r| columns.clone().map(move |c| (r, c))) {
                let x = &x[pool.at(n, row, column)..][..c];
                // NaN is greater than everything, so that it is not hidden.
                y.iter_mut().zip(x).for_each(|(y, &x)| *y = if x > *y || x.is_nan() { x } else { *y });
            }
        });
    }
}

struct MaximumGradient<'a> {
    pool: Pool,
    x: &'a [f32],
    y: &'a [f32],
    dy: &'a [f32],
    /// For each channel of one window what each maximum gets.
    share: &'a mut [f32],
    dx: &'a mut [f32],
}

impl Work for MaximumGradient<'_> {
    #[inline(always)]
    fn run(self) {
        let MaximumGradient { pool, x, y, dy, share, dx } = self;
        let (c, tile) = (pool.channels, pool.tile());
        dx.fill(0.0);
        pool.each(|n, output, rows, columns| {
            let (y, dy) = (&y[output * c..][..c], &dy[output * c..][..c]);
            let window = rows.flat_map(|r| columns.clone().map(move |c| (r, c)));
            if tile {
                share.fill(0.0);
                for (row, column) in window.clone() {
                    let x = &x[pool.at(n, row, column)..][..c];
                    share.iter_mut().zip(x).zip(y).for_each(|((count, x), y)| *count += if x == y { 1.0 } else { 0.0 });
                }
                share.iter_mut().zip(dy).for_each(|(share, dy)| *share = dy / *share);
            } else {
                share.copy_from_slice(dy);
            }
            for (row, column) in window {
                let at = pool.at(n, row, column);
                let (x, dx) = (&x[at..][..c], &mut dx[at..][..c]);
                for (((dx, x), y), share) in dx.iter_mut().zip(x).zip(y).zip(share.iter_mut()) {
                    let gets = x == y;
                    *dx += if gets { *share } else { 0.0 };
                    // Where windows overlap the first maximum gets everything.
                    *share = if gets && !tile { 0.0 } else { *share };
                }
            }
        });
    }
}

struct Mean<'a> {
    pool: Pool,
    x: &'a [f32],
    y: &'a mut [f32],
}

impl Work for Mean<'_> {
    #[inline(always)]
    fn run(self) {
        let Mean { pool, x, y } = self;
        let c = pool.channels;
        pool.each(|n, output, rows, columns| {
            let y = &mut y[output * c..][..c];
            let share = 1.0 / (rows.len() * columns.len()) as f32;
            y.fill(0.0);
            for (row, column) in rows.flat_map(|r| columns.clone().map(move |c| (r, c))) {
                let x = &x[pool.at(n, row, column)..][..c];
                y.iter_mut().zip(x).for_each(|(y, x)| *y += x);
            }
            y.iter_mut().for_each(|y| *y *= share);
        });
    }
}

struct MeanGradient<'a> {
    pool: Pool,
    dy: &'a [f32],
    dx: &'a mut [f32],
}

impl Work for MeanGradient<'_> {
    #[inline(always)]
    fn run(self) {
        let MeanGradient { pool, dy, dx } = self;
        let c = pool.channels;
        dx.fill(0.0);
        pool.each(|n, output, rows, columns| {
            let dy = &dy[output * c..][..c];
            let share = 1.0 / (rows.len() * columns.len()) as f32;
            for (row, column) in rows.flat_map(|r| columns.clone().map(move |c| (r, c))) {
                let dx = &mut dx[pool.at(n, row, column)..][..c];
                dx.iter_mut().zip(dy).for_each(|(dx, dy)| *dx += dy * share);
            }
        });
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
        let mut share = vec![];
        Ok(Body::Apart(Box::new(move |inputs, outputs| {
            if let ([x, y, dy], [dx]) = (inputs, outputs)
                && let Ok(pool) = windows.on(x.extents)
            {
                share.resize(pool.channels, 0.0);
                widest(MaximumGradient { pool, x: x.data, y: y.data, dy: dy.data, share: &mut share, dx });
            }
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
        })))
    },
};
