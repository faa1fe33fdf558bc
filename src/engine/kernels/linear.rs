//! Products of small matrices. Alone they are hardly slower than ONNX Runtime's `Gemm`; in a population one call makes those
//! of all members, each with the bits that it has alone.

use super::lanes::{Buffer, TiledWork, Vector, WIDTH, tiled, vector};
use super::memory::Tensor;
use super::tile::{Vectors, tile};
use super::{Arity, Body, Entry, Shapes, attribute};
use ort::operator::KernelContext;

/// A matrix, perhaps to be read as its transpose.
#[derive(Debug, Clone, Copy)]
struct Matrix<'a> {
    data: &'a [f32],
    rows: usize,
    columns: usize,
    /// Distances in memory between rows and between columns.
    strides: [usize; 2],
}

impl<'a> Matrix<'a> {
    /// The matrix `x`, transposed or not.
    fn new(x: Tensor<'a>, transposed: bool) -> Self {
        let (rows, columns) = (x.extents[0], x.extents[1]);
        match transposed {
            false => Matrix { data: x.data, rows, columns, strides: [columns, 1] },
            true => Matrix { data: x.data, rows: columns, columns: rows, strides: [1, columns] },
        }
    }
}

/// What products of one node's matrices need from call to call.
#[derive(Debug)]
struct Product {
    /// Columns of the second factor in vectors, where they do not stand so in it: all rows of the first vector, then of the
    /// next; what fills up the last is never stored.
    packed: Buffer,
    /// Bias, filled up alike.
    bias: Buffer,
    /// Where the columns of the first factor stand, and a vector of each row of the second.
    steps: Vec<[usize; 2]>,
}

impl Product {
    fn new() -> Self {
        Product { packed: Buffer::zeros(0), bias: Buffer::zeros(0), steps: vec![] }
    }

    /// `a·b + bias`; every sum is made in order of the inner index.
    fn run(&mut self, a: Matrix<'_>, b: Matrix<'_>, bias: Option<&[f32]>, y: &mut [f32]) {
        let whole = b.strides[1] == 1 && b.columns.is_multiple_of(WIDTH);
        if !whole {
            self.pack(b);
        }
        let (factor, row, apart) = if whole { (b.data, b.columns, WIDTH) } else { (&*self.packed, WIDTH, b.rows * WIDTH) };
        self.steps.clear();
        self.steps.extend((0..a.columns).map(|k| [k * a.strides[1], k * row]));
        if let Some(bias) = bias {
            if self.bias.len() != b.columns.next_multiple_of(WIDTH) {
                self.bias = Buffer::zeros(b.columns.next_multiple_of(WIDTH));
            }
            self.bias[..bias.len()].copy_from_slice(bias);
        }
        let bias = bias.map(|_| &*self.bias);
        tiled(Tiles { a, steps: &self.steps, factor, apart, bias, columns: b.columns, y });
    }

    fn pack(&mut self, b: Matrix<'_>) {
        let size = b.columns.div_ceil(WIDTH) * b.rows * WIDTH;
        if self.packed.len() != size {
            self.packed = Buffer::zeros(size);
        }
        for (block, vectors) in self.packed.chunks_exact_mut(b.rows * WIDTH).enumerate() {
            let first = block * WIDTH;
            let (vectors, count) = (vectors.as_chunks_mut::<WIDTH>().0, WIDTH.min(b.columns - first));
            if b.strides[1] == 1 && count == WIDTH {
                for (vector, row) in vectors.iter_mut().zip(b.data.chunks_exact(b.columns)) {
                    vector.copy_from_slice(&row[first..first + WIDTH]);
                }
                continue;
            }
            for lane in 0..count {
                let column = b.data[(first + lane) * b.strides[1]..].iter().step_by(b.strides[0]);
                vectors.iter_mut().zip(column).for_each(|(vector, &element)| vector[lane] = element);
            }
        }
    }
}

struct Tiles<'a> {
    a: Matrix<'a>,
    steps: &'a [[usize; 2]],
    /// The second factor, whose vectors of one row stand so far apart.
    factor: &'a [f32],
    apart: usize,
    bias: Option<&'a [f32]>,
    columns: usize,
    y: &'a mut [f32],
}

impl TiledWork for Tiles<'_> {
    /// Batches are multiples of eight more often than not.
    #[inline(always)]
    fn run<V: Vector>(mut self) {
        let (mut first, vectors) = (0, self.columns.div_ceil(WIDTH));
        while first < vectors {
            if V::REGISTERS == 32 && vectors - first >= 2 {
                self.vectors::<V, 8, 2>(first);
                first += 2;
                continue;
            }
            match V::REGISTERS {
                32 => self.vectors::<V, 8, 1>(first),
                8 => self.vectors::<V, 4, 1>(first),
                _ => self.vectors::<V, 2, 1>(first),
            }
            first += 1;
        }
    }
}

impl Tiles<'_> {
    /// Makes `N` vectors of columns from the `first` on, `ROWS` rows at a time.
    #[inline(always)]
    fn vectors<V: Vector, const ROWS: usize, const N: usize>(&mut self, first: usize) {
        let mut start = [V::all(0.0); N];
        if let Some(bias) = self.bias {
            let (vectors, _) = bias[first * WIDTH..].as_chunks::<WIDTH>();
            start.iter_mut().zip(vectors).for_each(|(start, values)| *start = vector(values));
        }
        let vectors = Vectors { first: self.factor[first * self.apart..].as_ptr(), apart: self.apart };
        let (last, stride) = (self.a.rows - 1, self.a.strides[0]);
        for row in (0..self.a.rows).step_by(ROWS) {
            let mut rows = [0; ROWS];
            for (r, at) in rows.iter_mut().enumerate() {
                *at = (row + r).min(last) * stride;
            }
            // SAFETY: rows and steps stay within `a`; each of `N` blocks has a vector for each step, where the step says.
            let sums = unsafe { tile::<V, false, ROWS, N>(self.a.data.as_ptr(), rows, self.steps, vectors, start) };
            for (r, sums) in sums.into_iter().enumerate() {
                if row + r <= last {
                    for (n, sum) in sums.into_iter().enumerate() {
                        let column = (first + n) * WIDTH;
                        let y = &mut self.y[(row + r) * self.columns + column..];
                        // SAFETY: the row has as many elements from there on, or `columns − column`.
                        unsafe { sum.store_first(y.as_mut_ptr(), self.columns - column) };
                    }
                }
            }
        }
    }
}

/// Rows and columns of a product of matrices with these extents.
fn shape(a: &[usize], b: &[usize], [transpose_a, transpose_b]: [bool; 2]) -> Result<[usize; 2], String> {
    let ordered = |extents: &[usize], transposed: bool| match *extents {
        [rows, columns] if rows > 0 && columns > 0 => Some(if transposed { [columns, rows] } else { [rows, columns] }),
        _ => None,
    };
    match (ordered(a, transpose_a), ordered(b, transpose_b)) {
        (Some([rows, inner]), Some([same, columns])) if inner == same => Ok([rows, columns]),
        _ => Err(format!("{a:?} and {b:?} are no factors")),
    }
}

/// Which factors are transposed.
fn transposed(context: &KernelContext<'_>) -> Result<[bool; 2], String> {
    Ok([attribute::<i64>(context, "transA")? != 0, attribute::<i64>(context, "transB")? != 0])
}

/// `x·w + b`.
pub(super) static LINEAR: Entry = Entry {
    name: "Linear",
    inputs: Arity::Exactly(3),
    outputs: Arity::Exactly(1),
    shapes: Shapes::OfInputs(|inputs| match inputs {
        [x, w, b] => match shape(x, w, [false; 2])? {
            [rows, columns] if **b == [columns] => Ok(vec![vec![rows, columns]]),
            _ => Err(format!("a bias {b:?} does not fit {w:?}")),
        },
        _ => Err(format!("3 inputs wanted, {} given", inputs.len())),
    }),
    create: |_| {
        let mut product = Product::new();
        Ok(Body::Apart(Box::new(move |inputs, outputs| {
            if let ([x, w, b], [y]) = (inputs, outputs) {
                product.run(Matrix::new(*x, false), Matrix::new(*w, false), Some(b.data), y);
            }
            Ok(())
        })))
    },
};
/// The product of two matrices, each perhaps transposed.
pub(super) static MAT_MUL: Entry = Entry {
    name: "MatMul",
    inputs: Arity::Exactly(2),
    outputs: Arity::Exactly(1),
    shapes: Shapes::WithAttributes(|context| {
        let transposed = transposed(context)?;
        Ok(Box::new(move |inputs| match inputs {
            [a, b] => Ok(vec![shape(a, b, transposed)?.to_vec()]),
            _ => Err(format!("2 inputs wanted, {} given", inputs.len())),
        }))
    }),
    create: |context| {
        let ([transpose_a, transpose_b], mut product) = (transposed(context)?, Product::new());
        Ok(Body::Apart(Box::new(move |inputs, outputs| {
            if let ([a, b], [y]) = (inputs, outputs) {
                product.run(Matrix::new(*a, transpose_a), Matrix::new(*b, transpose_b), None, y);
            }
            Ok(())
        })))
    },
};
