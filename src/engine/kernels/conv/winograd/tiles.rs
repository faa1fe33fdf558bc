//! Where the tiles of images lie, and how they are transformed.

use super::transform::{Map, both_ways};
use crate::engine::kernels::conv::geometry::Frame;
use crate::engine::kernels::lanes::{Buffer, Vector, WIDTH};
use std::ops::Range;

/// Floats of the transformed tiles that are worked on at a time: they stay in the second cache beside the weights.
const CHUNK: usize = 96 * 1024;

/// Most tiles that are worked on at a time: sums of more lose precision.
const MOST: usize = 120;

/// Tiles over images of one size, row by row and image by image.
#[derive(Debug)]
pub(super) struct Grid {
    /// Height and width of what is tiled.
    pub(super) size: [usize; 2],
    /// Rows and columns that all tiles cover together.
    pub(super) covered: [usize; 2],
    /// The tiles of an image.
    tiles: Vec<[usize; 2]>,
}

impl Grid {
    /// Tiles with so many rows and columns, without what they share with their neighbours.
    pub(super) fn new(size: [usize; 2], step: usize) -> Self {
        let covered = size.map(|n| n.next_multiple_of(step));
        let rows = (0..size[0]).step_by(step);
        let tiles = rows.flat_map(|row| (0..size[1]).step_by(step).map(move |column| [row, column])).collect();
        Grid { size, covered, tiles }
    }

    /// Tiles of so many images.
    pub(super) fn count(&self, images: usize) -> usize {
        images * self.tiles.len()
    }

    /// The tiles of these numbers: the image, and the first row and column.
    #[inline(always)]
    pub(super) fn places(&self, numbers: Range<usize>) -> impl Iterator<Item = (usize, [usize; 2])> {
        let (mut image, mut number) = (numbers.start / self.tiles.len(), numbers.start % self.tiles.len());
        numbers.map(move |_| {
            if number == self.tiles.len() {
                (image, number) = (image + 1, 0);
            }
            number += 1;
            (image, self.tiles[number - 1])
        })
    }
}

/// Vectors that stand so far apart down and across.
///
/// # Safety
/// There is a vector at each of these places.
#[inline(always)]
pub(super) unsafe fn load<V: Vector, const N: usize>(first: *const f32, [down, across]: [usize; 2]) -> [[V; N]; N] {
    let mut tile = [[V::all(0.0); N]; N];
    for (r, row) in tile.iter_mut().enumerate() {
        for (c, vector) in row.iter_mut().enumerate() {
            // SAFETY: the caller's promise.
            *vector = unsafe { V::load(first.add(r * down + c * across)) };
        }
    }
    tile
}

/// Writes vectors so far apart down and across.
///
/// # Safety
/// There is room for a vector at each of these places.
#[inline(always)]
pub(super) unsafe fn store<V: Vector, const N: usize>(tile: [[V; N]; N], first: *mut f32, [down, across]: [usize; 2]) {
    for (r, row) in tile.iter().enumerate() {
        for (c, vector) in row.iter().enumerate() {
            // SAFETY: the caller's promise.
            unsafe { vector.store(first.add(r * down + c * across)) };
        }
    }
}

/// How many tiles are worked on at a time whose transforms take so many floats each.
pub(super) fn chunk(floats: usize) -> usize {
    (CHUNK / floats).next_multiple_of(10).min(MOST)
}

/// Transformed tiles: for each element of a tile a matrix with a row for each tile and a column for each channel.
#[derive(Debug)]
pub(super) struct Transformed {
    pub(super) memory: Buffer,
    /// Columns, whole vectors.
    pub(super) columns: usize,
    /// Floats from one element's matrix to the next. Not a power of two: all elements of a tile would otherwise fall on the
    /// same places of the cache.
    pub(super) plane: usize,
}

impl Transformed {
    /// Room for so many elements of so many tiles.
    pub(super) fn new(elements: usize, tiles: usize, channels: usize) -> Self {
        let columns = channels.next_multiple_of(WIDTH);
        let plane = tiles * columns + WIDTH;
        Transformed { memory: Buffer::zeros(elements * plane), columns, plane }
    }

    /// Maps tiles of `I` by `I` pixels, each of which begins at such an offset, and what lies beyond their last channels.
    #[inline(always)]
    pub(super) fn fill<T: Map<I, O>, V: Vector, const I: usize, const O: usize>(
        &mut self,
        framed: &[f32],
        frame: &Frame,
        offsets: impl Iterator<Item = usize>,
    ) {
        let line = frame.size[1] * frame.channels;
        assert!(O * O * self.plane <= self.memory.len());
        let last = (I - 1) * (line + frame.channels) + self.columns;
        for (tile, offset) in offsets.enumerate() {
            assert!(offset + last <= framed.len() && (tile + 1) * self.columns <= self.plane);
            for channel in (0..self.columns).step_by(WIDTH) {
                let (pixel, row) = (offset + channel, tile * self.columns + channel);
                // SAFETY: the last pixel lies in the images, as was asserted; the row lies in its plane, of which there is one
                // for each element.
                unsafe {
                    let pixels = load::<V, I>(framed.as_ptr().add(pixel), [line, frame.channels]);
                    let made = both_ways::<T, V, I, O>(pixels);
                    store(made, self.memory.as_mut_ptr().add(row), [O * self.plane, self.plane]);
                }
            }
        }
    }
}
