//! The step of an optimizer on the weights of a linear layer, with the product that is their gradient: tiles of it go from
//! registers into the step, so that the gradient is never in memory.
//!
//! State may be bound in place, as in [`super::optimizer`]; what the product is made of must not share its memory.

use super::lanes::{Buffer, TiledWork, Vector, WIDTH, tiled};
use super::memory::Memory;
use super::optimizer::{Adam, BLOCK, BlockStep, Sgd, step_shapes, written};
use super::tile::{Vectors, tile};
use super::{Arity, Body, Entry, OutputExtents, Shapes};

/// Most elements of the second factor that are laid out at a time: what stays in the second cache while all rows are
/// made.
const LAID_OUT: usize = 1 << 18;
/// Tiles' heights that are laid out at a time, so that what is read of a row of the first factor fills lines of the cache.
const HEIGHTS: usize = 4;

/// The factors of a product as tiles read them, kept from call to call.
struct Factors {
    /// Columns of the first factor: those of a tile beside each other, one row after the other.
    rows: Buffer,
    /// Columns of the second factor in vectors: all rows of the first vector, then of the next.
    columns: Buffer,
    /// Where the elements of each row stand in `rows`.
    steps: Vec<usize>,
}

impl Factors {
    fn new() -> Self {
        Factors { rows: Buffer::zeros(0), columns: Buffer::zeros(0), steps: vec![] }
    }
}

/// A buffer of at least this size.
fn fit(buffer: &mut Buffer, size: usize) {
    if buffer.len() < size {
        *buffer = Buffer::zeros(size);
    }
}

/// The step of weights `[K, O]` whose gradient is xᵀ·d of `x [N, K]` and `d [N, O]`.
struct LinearStep<'a, S, const P: usize> {
    x: &'a Memory,
    d: &'a Memory,
    /// What the step takes; in the place of the gradient there is something else.
    parts: [&'a Memory; P],
    outputs: &'a [Memory],
    step: S,
    factors: &'a mut Factors,
}

impl<'a, S: BlockStep<P>, const P: usize> LinearStep<'a, S, P> {
    /// What a node has after its scalars, with its outputs.
    fn run(step: S, inputs: &'a [Memory], outputs: &'a [Memory], factors: &'a mut Factors) {
        if let [x, d, w, kept @ ..] = inputs {
            let parts = std::array::from_fn(|i| if i == 0 { w } else { kept.get(i.wrapping_sub(2)).unwrap_or(d) });
            tiled(LinearStep { x, d, parts, outputs, step, factors });
        }
    }
}

impl<S: BlockStep<P>, const P: usize> TiledWork for LinearStep<'_, S, P> {
    #[inline(always)]
    fn run<V: Vector>(self) {
        match V::REGISTERS {
            32 => self.in_tiles::<V, 12, 2>(),
            8 => self.in_tiles::<V, 6, 1>(),
            _ => self.in_tiles::<V, 2, 1>(),
        }
    }
}

impl<S: BlockStep<P>, const P: usize> LinearStep<'_, S, P> {
    /// Makes the step in tiles of `ROWS` rows and `N` vectors, or one where no more is left.
    #[inline(always)]
    fn in_tiles<V: Vector, const ROWS: usize, const N: usize>(mut self) {
        let (count, rows, columns) = (self.x.extents[0], self.x.extents[1], self.d.extents[1]);
        self.factors.steps.clear();
        self.factors.steps.extend((0..count).map(|k| k * ROWS));
        fit(&mut self.factors.rows, count * ROWS * HEIGHTS);
        let wide = N * WIDTH;
        let chunk = (LAID_OUT / count.max(1) / wide).max(1) * wide;
        for first in (0..columns).step_by(chunk) {
            let vectors = chunk.min(columns - first).div_ceil(WIDTH);
            self.lay_out_columns(first, vectors);
            for row in (0..rows).step_by(ROWS * HEIGHTS) {
                self.lay_out_rows::<ROWS>(row);
                for (height, row) in (row..rows.min(row + ROWS * HEIGHTS)).step_by(ROWS).enumerate() {
                    let mut vector = 0;
                    while vector + N <= vectors {
                        self.tile::<V, ROWS, N>(height, row, vector, first);
                        vector += N;
                    }
                    while vector < vectors {
                        self.tile::<V, ROWS, 1>(height, row, vector, first);
                        vector += 1;
                    }
                }
            }
        }
    }

    /// Lays out so many vectors of columns of `d` from the `first` column on; what fills up the last is never used.
    #[inline(always)]
    fn lay_out_columns(&mut self, first: usize, vectors: usize) {
        let (count, columns) = (self.d.extents[0], self.d.extents[1]);
        fit(&mut self.factors.columns, count * vectors * WIDTH);
        let laid_out = &mut self.factors.columns;
        for k in 0..count {
            for vector in 0..vectors {
                let column = first + vector * WIDTH;
                let (from, to) = (k * columns + column, (vector * count + k) * WIDTH);
                match laid_out[to..].first_chunk_mut::<WIDTH>() {
                    Some(whole) if column + WIDTH <= columns => self.d.read(from, whole),
                    _ => self.d.read(from, &mut laid_out[to..][..columns - column]),
                }
            }
        }
    }

    /// Lays out the columns of `x` that are the rows of [`HEIGHTS`] tiles from `row` on; what fills up the last is never
    /// used.
    #[inline(always)]
    fn lay_out_rows<const ROWS: usize>(&mut self, row: usize) {
        let (count, rows) = (self.x.extents[0], self.x.extents[1]);
        let laid_out = &mut self.factors.rows;
        for k in 0..count {
            for (height, row) in (row..rows.min(row + ROWS * HEIGHTS)).step_by(ROWS).enumerate() {
                let (from, to) = (k * rows + row, (height * count + k) * ROWS);
                match laid_out[to..].first_chunk_mut::<ROWS>() {
                    Some(whole) if row + ROWS <= rows => self.x.read(from, whole),
                    _ => self.x.read(from, &mut laid_out[to..][..rows - row]),
                }
            }
        }
    }

    /// Makes the gradients of a tile, from `row` and the `vector`th vector behind column `first` on, and steps its weights.
    #[inline(always)]
    fn tile<V: Vector, const ROWS: usize, const N: usize>(
        &mut self,
        height: usize,
        row: usize,
        vector: usize,
        first: usize,
    ) {
        let (count, rows, columns) = (self.x.extents[0], self.x.extents[1], self.d.extents[1]);
        let Factors { rows: x, columns: d, steps } = &*self.factors;
        let x = x[height * count * ROWS..].as_ptr();
        let vectors = Vectors { first: d[vector * count * WIDTH..].as_ptr(), apart: count * WIDTH };
        // SAFETY: there are `ROWS` elements in `x` for each step, and `N` vectors laid out, one for each step.
        let sums = unsafe { tile::<V, false, ROWS, N>(x, std::array::from_fn(|r| r), steps, vectors, [V::all(0.0); N]) };
        for (r, sums) in sums.into_iter().enumerate().take(rows - row) {
            for (n, sum) in sums.into_iter().enumerate() {
                let column = first + (vector + n) * WIDTH;
                self.step((row + r) * columns + column, sum, columns - column, N * WIDTH);
            }
        }
    }

    /// Steps the weights from `at` on, `left` of which are there, and has those brought near that are so many further on.
    #[inline(always)]
    fn step<V: Vector>(&self, at: usize, gradient: V, left: usize, next: usize) {
        let mut own = [0.0; BLOCK];
        // SAFETY: the block has as many elements.
        unsafe { gradient.store(own.as_mut_ptr()) };
        if left < BLOCK {
            return self.step_rest(at, own, left);
        }
        let parts = std::array::from_fn(|part| if part == 1 { own } else { self.parts[part].block(at) });
        let stepped = self.step.step(parts);
        for (output, part) in self.outputs.iter().zip(written::<P>()) {
            self.parts[part].prefetch(at + next);
            output.write(at, &stepped[part]);
        }
    }

    /// Steps the weights from `at` on that end a row.
    fn step_rest(&self, at: usize, gradient: [f32; BLOCK], left: usize) {
        let mut parts = [gradient; P];
        for part in written::<P>() {
            self.parts[part].read(at, &mut parts[part][..left]);
        }
        let stepped = self.step.step(parts);
        for (output, part) in self.outputs.iter().zip(written::<P>()) {
            output.write(at, &stepped[part][..left]);
        }
    }
}

/// Checks so many scalars, `x`, `d` and then the parts of weights but for their gradient; what follows is not looked at.
fn linear_step_shapes(inputs: &[Vec<usize>], scalars: usize, parts: usize) -> OutputExtents {
    let Some([x, d, w, kept @ ..]) = inputs.get(scalars..scalars + parts + 1) else {
        return Err(format!("{} inputs wanted, {} given", scalars + parts + 1, inputs.len()));
    };
    let gradient = match (&x[..], &d[..]) {
        (&[n, k], &[m, o]) if n == m => vec![k, o],
        _ => return Err(format!("{x:?} and {d:?} are no input and no gradient of a linear layer")),
    };
    let parameter = [&inputs[..scalars], &[w.clone(), gradient], kept].concat();
    step_shapes(&parameter, scalars, parts, parts - 1)
}

/// [`super::optimizer::SGD_STEP`] of the weights of a linear layer.
pub(super) static SGD: Entry = Entry {
    name: "LinearSgdStep",
    inputs: Arity::AtLeast(6),
    outputs: Arity::AtLeast(2),
    shapes: Shapes::OfInputs(|inputs| linear_step_shapes(inputs, Sgd::SCALARS, 3)),
    create: |context| {
        let (sgd, mut factors) = (Sgd::of(context)?, Factors::new());
        Ok(Body::InPlace(Box::new(move |inputs, outputs| {
            let (scalars, tensors) = inputs.split_at(Sgd::SCALARS);
            LinearStep::run(sgd.factors(scalars, 0), tensors, outputs, &mut factors);
        })))
    },
};
/// [`super::optimizer::ADAM_STEP`] of the weights of a linear layer.
pub(super) static ADAM: Entry = Entry {
    name: "LinearAdamStep",
    inputs: Arity::AtLeast(9),
    outputs: Arity::AtLeast(3),
    shapes: Shapes::OfInputs(|inputs| linear_step_shapes(inputs, Adam::SCALARS, 4)),
    create: |context| {
        let (adam, mut factors) = (Adam::of(context)?, Factors::new());
        Ok(Body::InPlace(Box::new(move |inputs, outputs| {
            let (scalars, tensors) = inputs.split_at(Adam::SCALARS);
            LinearStep::run(adam.factors(scalars, 0), tensors, outputs, &mut factors);
        })))
    },
};
