//! The gradient of the weights: the transpose of the convolution as a map from weights to output.

use super::tiles::{Grid, Transformed, chunk, load, store};
use super::transform::{Transpose, both_ways};
use crate::engine::kernels::conv::geometry::{Frame, Geometry};
use crate::engine::kernels::conv::layer::Correlate;
use crate::engine::kernels::lanes::{Buffer, TiledWork, Vector, WIDTH, tiled};
use crate::engine::kernels::tile::{InTiles, Vectors, in_tiles, rows, tile};
use std::marker::PhantomData;
use std::ops::Range;

/// The weight gradient of a convolution of one geometry, block of images by block of images.
#[derive(Debug)]
pub(super) struct WeightGradient<S, const M: usize, const P: usize> {
    /// Of the images, and of the output's gradient.
    frames: [Frame; 2],
    images: usize,
    /// Over the output.
    grid: Grid,
    channels: [usize; 2],
    /// Tiles that are worked on at a time.
    chunk: usize,
    data: Transformed,
    gradient: Transformed,
    /// For each tile where its row stands in `data` and in `gradient`.
    steps: Vec<[usize; 2]>,
    /// Numbers of the input's channels.
    sources: Vec<usize>,
    /// For each element of a tile, and each channel that is read, the sums of the channels that are written.
    sums: Buffer,
    scheme: PhantomData<S>,
}

impl<S: Transpose<M, P>, const M: usize, const P: usize> WeightGradient<S, M, P> {
    /// Of a geometry that [`super::pays`] accepted, from gradients of the output in the frame of the input's gradient where
    /// that is made too.
    pub(super) fn new(g: &Geometry, output: [usize; 2], gradient: Option<(Frame, usize)>) -> Self {
        let grid = Grid::new(output, M);
        let channels = [g.inputs, g.outputs];
        let before = [g.pads[0], g.pads[1]];
        let frame = Frame { size: grid.covered.map(|n| n + 2), before, inner: g.size, channels: g.inputs };
        let own = Frame { size: grid.covered, before: [0, 0], inner: output, channels: g.outputs };
        let (gradient, images) = gradient.unwrap_or((own, g.batch));
        let images = frame.block().min(images);
        let padded = channels.map(|n| n.next_multiple_of(WIDTH));
        let chunk = chunk(P * P * (padded[0] + padded[1])).min(grid.count(images));
        WeightGradient {
            frames: [frame, gradient],
            images,
            grid,
            channels,
            chunk,
            data: Transformed::new(P * P, chunk, channels[0]),
            gradient: Transformed::new(P * P, chunk, channels[1]),
            steps: (0..chunk).map(|t| [t * padded[0], t * padded[1]]).collect(),
            sources: (0..channels[0]).collect(),
            sums: Buffer::zeros(P * P * channels[0] * padded[1]),
            scheme: PhantomData,
        }
    }
}

impl<S: Transpose<M, P>, const M: usize, const P: usize> Correlate for WeightGradient<S, M, P> {
    fn frames(&self) -> [Frame; 2] {
        self.frames
    }

    fn images(&self) -> usize {
        self.images
    }

    fn reads_beyond(&self) -> [bool; 2] {
        self.channels.map(|n| !n.is_multiple_of(WIDTH))
    }

    fn clear(&mut self) {
        self.sums.fill(0.0);
    }

    fn block(&mut self, x: &[f32], dy: &[f32], images: usize) {
        assert!(images <= self.images);
        let tiles = self.grid.count(images);
        for first in (0..tiles).step_by(self.chunk) {
            let numbers = first..(first + self.chunk).min(tiles);
            tiled(Chunk { gradient: self, x, dy, numbers });
        }
    }

    fn finish(&self, dw: &mut [f32]) {
        tiled(Finish { gradient: self, dw });
    }
}

/// The tiles of these numbers of a block of images.
struct Chunk<'a, S, const M: usize, const P: usize> {
    gradient: &'a mut WeightGradient<S, M, P>,
    x: &'a [f32],
    dy: &'a [f32],
    numbers: Range<usize>,
}

impl<S: Transpose<M, P>, const M: usize, const P: usize> TiledWork for Chunk<'_, S, M, P> {
    #[inline(always)]
    fn run<V: Vector>(self) {
        let Chunk { gradient, x, dy, numbers } = self;
        let WeightGradient { frames, grid, data, gradient, steps, sources, sums, .. } = gradient;
        let offsets = |frame: Frame, before: [usize; 2]| {
            grid.places(numbers.clone()).map(move |(n, [row, column])| {
                n * frame.image() + ((before[0] + row) * frame.size[1] + before[1] + column) * frame.channels
            })
        };
        data.fill::<S::Data, V, P, P>(x, &frames[0], offsets(frames[0], [0, 0]));
        gradient.fill::<S::OutputGradient, V, M, P>(dy, &frames[1], offsets(frames[1], frames[1].before));
        let size = sources.len() * gradient.columns;
        for element in 0..P * P {
            let mut sweep = Sweep {
                data: &data.memory[element * data.plane..][..data.plane],
                gradient: &gradient.memory[element * gradient.plane..][..gradient.plane],
                steps: &steps[..numbers.len()],
                sources,
                sums: &mut sums[element * size..][..size],
                columns: gradient.columns,
            };
            in_tiles::<V, _>(gradient.columns / WIDTH, &mut sweep);
        }
    }
}

/// The product of one element's matrices, added to its sums.
struct Sweep<'a> {
    data: &'a [f32],
    gradient: &'a [f32],
    steps: &'a [[usize; 2]],
    sources: &'a [usize],
    sums: &'a mut [f32],
    columns: usize,
}

impl<V: Vector> InTiles<V> for Sweep<'_> {
    const FEW_STEPS: bool = true;

    #[inline(always)]
    fn vectors<const ROWS: usize, const N: usize>(&mut self, first: usize) {
        let Some(&[row, gradient]) = self.steps.last() else { return };
        assert!(row + self.sources.len() <= self.data.len() && gradient + self.columns <= self.gradient.len());
        let channels = first * WIDTH..(first + N) * WIDTH;
        assert!(channels.end <= self.columns);
        let vectors = Vectors { first: self.gradient[channels.start..].as_ptr(), apart: WIDTH };
        for (sources, sums) in self.sources.chunks(ROWS).zip(self.sums.chunks_mut(ROWS * self.columns)) {
            let start = [V::all(0.0); N];
            // SAFETY: the last step's rows lie in both matrices.
            let made = unsafe { tile::<V, false, ROWS, N>(self.data.as_ptr(), rows(sources), self.steps, vectors, start) };
            for (sums, made) in sums.chunks_exact_mut(self.columns).zip(made) {
                for (sums, made) in sums[channels.clone()].as_chunks_mut::<WIDTH>().0.iter_mut().zip(made) {
                    // SAFETY: a chunk has the elements of a vector.
                    unsafe { V::load(sums.as_ptr()).plus(made).store(sums.as_mut_ptr()) };
                }
            }
        }
    }
}

/// Transforms the sums back and writes them as weights are stored, `[O, C, 3, 3]`.
struct Finish<'a, S, const M: usize, const P: usize> {
    gradient: &'a WeightGradient<S, M, P>,
    dw: &'a mut [f32],
}

impl<S: Transpose<M, P>, const M: usize, const P: usize> TiledWork for Finish<'_, S, M, P> {
    #[inline(always)]
    fn run<V: Vector>(self) {
        let Finish { gradient: WeightGradient { channels: [inputs, outputs], sums, gradient, .. }, dw } = self;
        let (columns, plane) = (gradient.columns, *inputs * gradient.columns);
        for input in 0..*inputs {
            for first in (0..*outputs).step_by(WIDTH) {
                let sums = &sums[input * columns + first..];
                assert!((P * P - 1) * plane + WIDTH <= sums.len());
                let mut lanes = [[0.0_f32; WIDTH]; 9];
                // SAFETY: each plane has columns for whole vectors, and there is room for nine vectors of lanes.
                unsafe {
                    let elements = load::<V, P>(sums.as_ptr(), [P * plane, plane]);
                    let made = both_ways::<S::KernelGradient, V, P, 3>(elements);
                    store(made, lanes.as_mut_ptr().cast(), [3 * WIDTH, WIDTH]);
                }
                for lane in 0..(*outputs - first).min(WIDTH) {
                    let dw = &mut dw[((first + lane) * *inputs + input) * 9..][..9];
                    dw.iter_mut().zip(&lanes).for_each(|(dw, lanes)| *dw = lanes[lane]);
                }
            }
        }
    }
}
