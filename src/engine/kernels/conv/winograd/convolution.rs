//! The convolution itself, and the gradient of its input, which is one with the mirrored kernel.

use super::tiles::{Grid, Transformed, chunk, load, store};
use super::transform::{Scheme, both_ways};
use crate::engine::kernels::conv::convolution::Direction;
use crate::engine::kernels::conv::geometry::{Frame, Geometry};
use crate::engine::kernels::conv::layer::Convolve;
use crate::engine::kernels::lanes::{Buffer, TiledWork, Vector, WIDTH, tiled, vector};
use crate::engine::kernels::tile::{InTiles, Vectors, in_tiles, tile};
use std::marker::PhantomData;
use std::ops::Range;

/// A convolution of one geometry, block of images by block of images.
#[derive(Debug)]
pub(super) struct Convolution<S, const M: usize, const P: usize> {
    direction: Direction,
    frame: Frame,
    images: usize,
    grid: Grid,
    /// Channels that are read, and that are written.
    channels: [usize; 2],
    /// Tiles that are worked on at a time.
    chunk: usize,
    /// For each element of a tile, and each vector of channels that are written, a vector for each channel that is read.
    weights: Buffer,
    data: Transformed,
    products: Transformed,
    /// Numbers of the channels that are read.
    steps: Vec<usize>,
    scheme: PhantomData<S>,
}

impl<S: Scheme<M, P>, const M: usize, const P: usize> Convolution<S, M, P> {
    /// Of a geometry that [`super::pays`] accepted.
    pub(super) fn new(g: &Geometry, output: [usize; 2], direction: Direction) -> Self {
        let (before, inner, result, channels) = match direction {
            Direction::Forward => ([g.pads[0], g.pads[1]], g.size, output, [g.inputs, g.outputs]),
            Direction::Adjoint => ([2 - g.pads[0], 2 - g.pads[1]], output, g.size, [g.outputs, g.inputs]),
        };
        let grid = Grid::new(result, M);
        let frame = Frame { size: grid.covered.map(|n| n + 2), before, inner, channels: channels[0] };
        let images = frame.block().min(g.batch);
        let padded = channels.map(|n| n.next_multiple_of(WIDTH));
        let chunk = chunk(P * P * (padded[0] + padded[1])).min(grid.count(images));
        Convolution {
            direction,
            frame,
            images,
            grid,
            channels,
            chunk,
            weights: Buffer::zeros(P * P * channels[0] * padded[1]),
            data: Transformed::new(P * P, chunk, channels[0]),
            products: Transformed::new(P * P, chunk, channels[1]),
            steps: (0..channels[0]).collect(),
            scheme: PhantomData,
        }
    }
}

impl<S: Scheme<M, P>, const M: usize, const P: usize> Convolution<S, M, P> {
    /// Transforms the products of these tiles back and writes the `first` of the channels and those of the same vector.
    #[inline(always)]
    fn write<V: Vector>(&self, first: usize, bias: Option<&[f32]>, numbers: Range<usize>, y: &mut [f32]) {
        let Convolution { grid, products, channels: [_, written], .. } = self;
        let [height, width] = grid.size;
        let count = (written - first).min(WIDTH);
        let mut start = [0.0; WIDTH];
        if let Some(bias) = bias {
            start[..count].copy_from_slice(&bias[first..first + count]);
        }
        let start = vector::<V>(&start);
        for (tile, (n, [line, column])) in grid.places(numbers).enumerate() {
            let row = &products.memory[tile * products.columns + first..];
            assert!((P * P - 1) * products.plane + WIDTH <= row.len());
            // SAFETY: the row lies in each plane.
            let elements = unsafe { load::<V, P>(row.as_ptr(), [P * products.plane, products.plane]) };
            let made = both_ways::<S::Output, V, P, M>(elements);
            // Every row and column is in view: what a loop of unknown length reads would go through memory.
            for (r, made) in made.iter().enumerate() {
                for (c, made) in made.iter().enumerate() {
                    if line + r < height && column + c < width {
                        let at = (n * height + line + r) * width + column + c;
                        let y = &mut y[at * written + first..][..count];
                        // SAFETY: there is room for so many.
                        unsafe { made.plus(start).store_first(y.as_mut_ptr(), count) };
                    }
                }
            }
        }
    }
}

impl<S: Scheme<M, P>, const M: usize, const P: usize> Convolve for Convolution<S, M, P> {
    fn frame(&self) -> Frame {
        self.frame
    }

    fn images(&self) -> usize {
        self.images
    }

    fn reads_beyond(&self) -> bool {
        !self.channels[0].is_multiple_of(WIDTH)
    }

    fn result(&self) -> usize {
        self.grid.size[0] * self.grid.size[1] * self.channels[1]
    }

    fn pack(&mut self, w: &[f32]) {
        tiled(Pack { convolution: self, w });
    }

    fn block(&mut self, framed: &[f32], bias: Option<&[f32]>, y: &mut [f32]) {
        let images = y.len() / self.result();
        assert!(images <= self.images && bias.is_none_or(|b| b.len() == self.channels[1]));
        let tiles = self.grid.count(images);
        for first in (0..tiles).step_by(self.chunk) {
            let numbers = first..(first + self.chunk).min(tiles);
            tiled(Chunk { convolution: self, framed, bias, y, numbers });
        }
    }
}

/// Transforms the weights `[O, C, 3, 3]`.
struct Pack<'a, S, const M: usize, const P: usize> {
    convolution: &'a mut Convolution<S, M, P>,
    w: &'a [f32],
}

impl<S: Scheme<M, P>, const M: usize, const P: usize> TiledWork for Pack<'_, S, M, P> {
    #[inline(always)]
    fn run<V: Vector>(self) {
        let Convolution { direction, channels: [read, written], weights, .. } = self.convolution;
        let (read, written) = (*read, *written);
        // Distances in `w` from one channel read to the next, and from one written to the next.
        let (from, to) = match direction {
            Direction::Forward => (9, 9 * read),
            Direction::Adjoint => (9 * written, 9),
        };
        let vectors = written.div_ceil(WIDTH);
        let plane = vectors * read * WIDTH;
        for number in 0..vectors {
            let first = number * WIDTH;
            for channel in 0..read {
                let mut lanes = [[0.0; WIDTH]; 9];
                let kernels = (first..written.min(first + WIDTH)).map(|o| &self.w[o * to + channel * from..][..9]);
                for (lane, kernel) in kernels.enumerate() {
                    for (element, &weight) in kernel.iter().enumerate() {
                        let mirrored = if *direction == Direction::Adjoint { 8 - element } else { element };
                        lanes[mirrored][lane] = weight;
                    }
                }
                let places = &mut weights[(number * read + channel) * WIDTH..];
                assert!((P * P - 1) * plane + WIDTH <= places.len());
                // SAFETY: there are nine vectors of lanes, and room for a vector in each plane.
                unsafe {
                    let kernel = load::<V, 3>(lanes.as_ptr().cast(), [3 * WIDTH, WIDTH]);
                    let made = both_ways::<S::Kernel, V, 3, P>(kernel);
                    store(made, places.as_mut_ptr(), [P * plane, plane]);
                }
            }
        }
    }
}

/// The tiles of these numbers of a block of images.
struct Chunk<'a, S, const M: usize, const P: usize> {
    convolution: &'a mut Convolution<S, M, P>,
    framed: &'a [f32],
    bias: Option<&'a [f32]>,
    y: &'a mut [f32],
    numbers: Range<usize>,
}

impl<S: Scheme<M, P>, const M: usize, const P: usize> TiledWork for Chunk<'_, S, M, P> {
    #[inline(always)]
    fn run<V: Vector>(self) {
        let Chunk { convolution, framed, bias, y, numbers } = self;
        let Convolution { frame, grid, channels: [read, written], weights, data, products, steps, .. } = convolution;
        let (line, image) = (frame.size[1] * frame.channels, frame.image());
        let offsets = grid.places(numbers.clone());
        let offsets = offsets.map(|(n, at)| n * image + at[0] * line + at[1] * frame.channels);
        data.fill::<S::Data, V, P, P>(framed, frame, offsets);
        let vectors = written.div_ceil(WIDTH);
        for element in 0..P * P {
            let mut sweep = Sweep {
                data: &data.memory[element * data.plane..][..data.plane],
                stride: data.columns,
                steps,
                weights: &weights[element * vectors * *read * WIDTH..][..vectors * *read * WIDTH],
                products: &mut products.memory[element * products.plane..][..products.plane],
                columns: products.columns,
                tiles: numbers.len(),
            };
            in_tiles::<V, _>(vectors, &mut sweep);
        }
        for first in (0..*written).step_by(WIDTH) {
            convolution.write::<V>(first, bias, numbers.clone(), y);
        }
    }
}

/// The product of one element's matrices.
struct Sweep<'a> {
    data: &'a [f32],
    /// Distance between the rows of `data`.
    stride: usize,
    steps: &'a [usize],
    weights: &'a [f32],
    products: &'a mut [f32],
    columns: usize,
    tiles: usize,
}

impl<V: Vector> InTiles<V> for Sweep<'_> {
    const FEW_STEPS: bool = false;

    #[inline(always)]
    fn vectors<const ROWS: usize, const N: usize>(&mut self, first: usize) {
        let terms = self.steps.len();
        let weights = self.weights[first * terms * WIDTH..][..N * terms * WIDTH].as_ptr();
        let weights = Vectors { first: weights, apart: terms * WIDTH };
        assert!(self.tiles * self.stride <= self.data.len() && terms <= self.stride);
        for row in (0..self.tiles).step_by(ROWS) {
            let mut places = [0; ROWS];
            for (r, place) in places.iter_mut().enumerate() {
                *place = (row + r).min(self.tiles - 1) * self.stride;
            }
            // SAFETY: the rows lie in the data, and have as many columns as there are terms.
            let sums =
                unsafe { tile::<V, false, ROWS, N>(self.data.as_ptr(), places, self.steps, weights, [V::all(0.0); N]) };
            for (r, sums) in sums.iter().enumerate() {
                if row + r < self.tiles {
                    let place = &mut self.products[(row + r) * self.columns + first * WIDTH..][..N * WIDTH];
                    for (n, sum) in sums.iter().enumerate() {
                        // SAFETY: there is room for `N` vectors.
                        unsafe { sum.store(place.as_mut_ptr().add(n * WIDTH)) };
                    }
                }
            }
        }
    }
}
