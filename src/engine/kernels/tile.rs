//! Products of gathered elements with vectors, in tiles that stay in registers.

use super::lanes::{Vector, WIDTH};

/// Where the vectors of a tile stand: from the first step's on, and those of one step beside each other.
#[derive(Debug, Clone, Copy)]
pub(super) struct Vectors {
    pub(super) first: *const f32,
    /// Distance between vectors of one step.
    pub(super) apart: usize,
}

/// A step of a tile's sums.
pub(super) trait Step: Copy {
    /// Where the element of this step stands, from the row's place on.
    fn element(self) -> usize;
    /// Where its vectors stand, from those of the first step on, if this is the `number`th.
    fn vectors(self, number: usize) -> usize;
}

/// Vectors stand one after the other.
impl Step for usize {
    #[inline(always)]
    fn element(self) -> usize {
        self
    }

    #[inline(always)]
    fn vectors(self, number: usize) -> usize {
        number * WIDTH
    }
}

/// Vectors stand where the second number says.
impl Step for [usize; 2] {
    #[inline(always)]
    fn element(self) -> usize {
        self[0]
    }

    #[inline(always)]
    fn vectors(self, _number: usize) -> usize {
        self[1]
    }
}

/// For each row of the tile `N` vectors: `start` plus x[row + step]·vector over all steps. A convolution has pixels in the
/// rows, the terms of its sums as steps and weights in the vectors; a gradient of weights has the weights' inputs in the
/// rows, pixels as steps and the output's gradient in the vectors. Where channels have elements of their OWN, x is a vector
/// for each of the `N`, one after the other, otherwise one element for all.
///
/// # Safety
/// `x` points to elements at each row's offset plus each step's, `vectors` to vectors for each step.
#[inline(always)]
pub(super) unsafe fn tile<V: Vector, const OWN: bool, const ROWS: usize, const N: usize>(
    x: *const f32,
    rows: [usize; ROWS],
    steps: &[impl Step],
    vectors: Vectors,
    start: [V; N],
) -> [[V; N]; ROWS] {
    let mut sums = [start; ROWS];
    let rows = rows.map(|row| x.wrapping_add(row));
    for (number, step) in steps.iter().enumerate() {
        let at = vectors.first.wrapping_add(step.vectors(number));
        // SAFETY: the caller's promise.
        unsafe {
            let mut loaded = start;
            for (n, loaded) in loaded.iter_mut().enumerate() {
                *loaded = V::load(at.wrapping_add(n * vectors.apart));
            }
            for r in 0..ROWS {
                let x = rows[r].wrapping_add(step.element());
                let shared = V::all(*x);
                for n in 0..N {
                    let x = if OWN { V::load(x.wrapping_add(n * WIDTH)) } else { shared };
                    sums[r][n] = sums[r][n].plus_product(x, loaded[n]);
                }
            }
        }
    }
    sums
}

/// Rows of a tile, the last repeated where fewer are left.
#[inline(always)]
pub(super) fn rows<const ROWS: usize>(left: &[usize]) -> [usize; ROWS] {
    let mut rows = [0; ROWS];
    for (r, row) in rows.iter_mut().enumerate() {
        *row = left[r.min(left.len() - 1)];
    }
    rows
}

/// Something that is done in tiles, several vectors of channels at a time.
pub(super) trait InTiles<V: Vector> {
    /// Whether a tile takes some hundred steps or fewer, so that fewer and wider tiles pay.
    const FEW_STEPS: bool;
    /// Does it for `N` vectors from the `first` on, `ROWS` rows at a time; `#[inline(always)]`.
    fn vectors<const ROWS: usize, const N: usize>(&mut self, first: usize);
}

/// Sums of channels, of which each reads all channels of a group or one of its own.
pub(super) trait Channels {
    /// As [`InTiles::FEW_STEPS`] where channels read all of a group.
    const FEW_STEPS: bool;
    /// Makes those of `N` vectors from the `first` on, `ROWS` rows at a time; `#[inline(always)]`.
    fn vectors<V: Vector, const OWN: bool, const ROWS: usize, const N: usize>(&mut self, first: usize);
}

/// Each channel of a group is a sum over all channels of the group that it reads.
pub(super) struct Dense<S>(pub(super) S);

impl<V: Vector, S: Channels> InTiles<V> for Dense<S> {
    const FEW_STEPS: bool = S::FEW_STEPS;

    #[inline(always)]
    fn vectors<const ROWS: usize, const N: usize>(&mut self, first: usize) {
        self.0.vectors::<V, false, ROWS, N>(first);
    }
}

/// Each channel is a sum over one channel.
pub(super) struct Depthwise<S>(pub(super) S);

impl<V: Vector, S: Channels> InTiles<V> for Depthwise<S> {
    const FEW_STEPS: bool = true;

    #[inline(always)]
    fn vectors<const ROWS: usize, const N: usize>(&mut self, first: usize) {
        self.0.vectors::<V, true, ROWS, N>(first);
    }
}

/// Does `work` for so many vectors, in the tiles that suit the CPU: sums in most of its registers, and rows few enough
/// that each one's address has a register of its own.
#[inline(always)]
pub(super) fn in_tiles<V: Vector, W: InTiles<V>>(vectors: usize, work: &mut W) {
    let mut first = 0;
    while first < vectors {
        let left = vectors - first;
        if V::REGISTERS == 32 && W::FEW_STEPS && left >= 4 {
            work.vectors::<6, 4>(first);
            first += 4;
        } else if V::REGISTERS == 32 && left >= 2 {
            work.vectors::<10, 2>(first);
            first += 2;
        } else if V::REGISTERS == 32 {
            work.vectors::<10, 1>(first);
            first += 1;
        } else if V::REGISTERS == 8 {
            work.vectors::<6, 1>(first);
            first += 1;
        } else {
            work.vectors::<2, 1>(first);
            first += 1;
        }
    }
}
