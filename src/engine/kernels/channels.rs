//! Passes over tensors whose channels vary fastest: what is computed of an element depends on numbers of its channel.

use super::lanes::{Buffer, WIDTH};
use super::recycled::Recycled;
use super::vector::PerElement;

/// Least length of a pattern: sums in fewer elements at a time would wait for each other.
const SHORTEST: usize = 64;

/// Floats that are passed over for some vectors of a pattern at a time: they stay in the first cache.
const PIECE: usize = 2048;

/// Vectors of channels whose numbers, or sums, are in registers at a time.
const TOGETHER: usize = 4;

/// How often a pattern goes into sums in f32 before they are added up in f64.
const REPEATS: usize = 64;

/// `K` numbers for each channel, repeated until they fill whole vectors: the same loop serves every number of channels.
#[derive(Debug)]
pub(super) struct Columns<const K: usize> {
    values: [Buffer; K],
    channels: usize,
    period: usize,
}

impl<const K: usize> Columns<K> {
    /// Columns for so many channels; each has one number a channel.
    pub(super) fn new(channels: usize, columns: [&[f32]; K]) -> Self {
        let mut repeats = 1;
        while !(channels * repeats).is_multiple_of(WIDTH) || channels * repeats < SHORTEST {
            repeats *= 2;
        }
        let values = columns.map(|column| {
            let mut values = Buffer::zeros(channels * repeats);
            values.chunks_exact_mut(channels).for_each(|values| values.copy_from_slice(column));
            values
        });
        Columns { values, channels, period: channels * repeats }
    }

    /// The numbers of the `v`th vector of elements from a first channel on.
    #[inline(always)]
    fn vector(&self, v: usize) -> [&[f32; WIDTH]; K] {
        std::array::from_fn(|k| &self.values[k].as_chunks().0[v])
    }
}

/// What `T` makes of vectors of elements and of the channels' numbers.
#[inline(always)]
fn made<T: PerElement<K, Output = f32>, const K: usize>(
    numbers: [&[f32; WIDTH]; K],
    a: &[f32; WIDTH],
    b: &[f32; WIDTH],
) -> [f32; WIDTH] {
    let mut made = [0.0; WIDTH];
    for l in 0..WIDTH {
        let mut shared = [0.0; K];
        for k in 0..K {
            shared[k] = numbers[k][l];
        }
        made[l] = T::at(shared, a[l], b[l]);
    }
    made
}

/// A vector that begins with these elements.
#[inline(always)]
fn padded(rest: &[f32]) -> [f32; WIDTH] {
    let mut vector = [0.0; WIDTH];
    vector[..rest.len()].copy_from_slice(rest);
    vector
}

/// Fills `out` with what `T` makes of the channel's numbers and the elements of `a` and `b`: all from a first channel on,
/// and of equal length.
///
/// A vector at a time, which is made before it is written: a loop over slices that might overlap does not vectorise.
#[inline(always)]
pub(super) fn map<T: PerElement<K, Output = f32>, const K: usize>(
    columns: &Columns<K>,
    a: &[f32],
    b: &[f32],
    out: &mut [f32],
) {
    let piece = columns.period * (PIECE / columns.period).max(1);
    let vectors = columns.period / WIDTH;
    for ((a, b), out) in a.chunks(piece).zip(b.chunks(piece)).zip(out.chunks_mut(piece)) {
        let ((a, a_rest), (b, b_rest), (out, out_rest)) = (a.as_chunks(), b.as_chunks(), out.as_chunks_mut());
        let mut v = 0;
        while v + TOGETHER <= vectors {
            map_vectors::<T, K, TOGETHER>(columns, v, a, b, out);
            v += TOGETHER;
        }
        while v < vectors {
            map_vectors::<T, K, 1>(columns, v, a, b, out);
            v += 1;
        }
        if !out_rest.is_empty() {
            let last = made::<T, K>(columns.vector(a.len() % vectors), &padded(a_rest), &padded(b_rest));
            out_rest.copy_from_slice(&last[..out_rest.len()]);
        }
    }
}

/// Does so for `N` vectors of channels from the `v`th on, whose numbers stay in registers meanwhile.
#[inline(always)]
fn map_vectors<T: PerElement<K, Output = f32>, const K: usize, const N: usize>(
    columns: &Columns<K>,
    v: usize,
    a: &[[f32; WIDTH]],
    b: &[[f32; WIDTH]],
    out: &mut [[f32; WIDTH]],
) {
    let (vectors, count) = (columns.period / WIDTH, a.len().min(b.len()).min(out.len()));
    let mut at = v;
    while at + N <= count {
        for n in 0..N {
            out[at + n] = made::<T, K>(columns.vector(v + n), &a[at + n], &b[at + n]);
        }
        at += vectors;
    }
    for n in 0..N {
        if at + n < count {
            out[at + n] = made::<T, K>(columns.vector(v + n), &a[at + n], &b[at + n]);
        }
    }
}

/// Two sums for each channel.
#[derive(Debug)]
pub(super) struct Sums {
    totals: [Recycled<f64>; 2],
    parts: [Recycled<f32>; 2],
}

impl Sums {
    /// Zero for so many channels.
    pub(super) fn new(channels: usize) -> Self {
        let zeros = || Recycled::filled(channels, 0.0);
        Sums { totals: [zeros(), zeros()], parts: [Recycled::new(), Recycled::new()] }
    }

    /// The sums of each channel.
    pub(super) fn totals(&self) -> [&[f64]; 2] {
        [&self.totals[0], &self.totals[1]]
    }

    /// Adds what `T` makes of the channel's numbers and the elements of `a` and `b`.
    #[inline(always)]
    pub(super) fn add<T: PerElement<K, Output = (f32, f32)>, const K: usize>(
        &mut self,
        columns: &Columns<K>,
        a: &[f32],
        b: &[f32],
    ) {
        let period = columns.period;
        let [first, second] = &mut self.parts;
        for (a, b) in a.chunks(REPEATS * period).zip(b.chunks(REPEATS * period)) {
            for part in [&mut *first, &mut *second] {
                part.clear();
                part.resize(period, 0.0);
            }
            let ((a, a_rest), (b, b_rest)) = (a.as_chunks(), b.as_chunks());
            let (p, q) = (first.as_chunks_mut().0, second.as_chunks_mut().0);
            let vectors = period / WIDTH;
            let mut v = 0;
            while v + TOGETHER <= vectors {
                add::<T, K, TOGETHER>(columns, v, a, b, [&mut *p, &mut *q]);
                v += TOGETHER;
            }
            while v < vectors {
                add::<T, K, 1>(columns, v, a, b, [&mut *p, &mut *q]);
                v += 1;
            }
            if !a_rest.is_empty() {
                let v = a.len() % vectors;
                let (x, y) = pairs::<T, K>(columns.vector(v), &padded(a_rest), &padded(b_rest));
                p[v].iter_mut().zip(x).take(a_rest.len()).for_each(|(sum, x)| *sum += x);
                q[v].iter_mut().zip(y).take(a_rest.len()).for_each(|(sum, y)| *sum += y);
            }
            for (totals, part) in self.totals.iter_mut().zip([&*first, &*second]) {
                for part in part.chunks_exact(columns.channels) {
                    totals.iter_mut().zip(part).for_each(|(total, &part)| *total += f64::from(part));
                }
            }
        }
    }
}

/// What `T` makes of vectors of elements and of the channels' numbers.
#[inline(always)]
fn pairs<T: PerElement<K, Output = (f32, f32)>, const K: usize>(
    numbers: [&[f32; WIDTH]; K],
    a: &[f32; WIDTH],
    b: &[f32; WIDTH],
) -> ([f32; WIDTH], [f32; WIDTH]) {
    let (mut p, mut q) = ([0.0; WIDTH], [0.0; WIDTH]);
    for l in 0..WIDTH {
        let mut shared = [0.0; K];
        for k in 0..K {
            shared[k] = numbers[k][l];
        }
        (p[l], q[l]) = T::at(shared, a[l], b[l]);
    }
    (p, q)
}

/// Makes the sums of `N` vectors of channels from the `v`th on, which stay in registers meanwhile.
#[inline(always)]
fn add<T: PerElement<K, Output = (f32, f32)>, const K: usize, const N: usize>(
    columns: &Columns<K>,
    v: usize,
    a: &[[f32; WIDTH]],
    b: &[[f32; WIDTH]],
    [first, second]: [&mut [[f32; WIDTH]]; 2],
) {
    let (vectors, count) = (columns.period / WIDTH, a.len().min(b.len()));
    let (mut p, mut q) = ([[0.0; WIDTH]; N], [[0.0; WIDTH]; N]);
    let mut at = v;
    while at + N <= count {
        for n in 0..N {
            add_vector::<T, K>(columns.vector(v + n), &a[at + n], &b[at + n], &mut p[n], &mut q[n]);
        }
        at += vectors;
    }
    for n in 0..N {
        if at + n < count {
            add_vector::<T, K>(columns.vector(v + n), &a[at + n], &b[at + n], &mut p[n], &mut q[n]);
        }
        (first[v + n], second[v + n]) = (p[n], q[n]);
    }
}

/// Adds what `T` makes of a vector of elements to two sums.
#[inline(always)]
fn add_vector<T: PerElement<K, Output = (f32, f32)>, const K: usize>(
    numbers: [&[f32; WIDTH]; K],
    a: &[f32; WIDTH],
    b: &[f32; WIDTH],
    p: &mut [f32; WIDTH],
    q: &mut [f32; WIDTH],
) {
    let (x, y) = pairs::<T, K>(numbers, a, b);
    for l in 0..WIDTH {
        p[l] += x[l];
        q[l] += y[l];
    }
}

#[cfg(test)]
mod tests {
    use super::{Columns, Sums, map};
    use crate::engine::kernels::vector::PerElement;

    /// x + y·c, and both alone.
    struct Affine;

    impl PerElement<1> for Affine {
        type Output = f32;
        fn at([c]: [f32; 1], a: f32, b: f32) -> f32 {
            a + b * c
        }
    }

    struct Pair;

    impl PerElement<1> for Pair {
        type Output = (f32, f32);
        fn at([c]: [f32; 1], a: f32, b: f32) -> (f32, f32) {
            (a, b * c)
        }
    }

    #[test]
    fn every_element_meets_its_channel() {
        for (channels, rows) in [(1, 1), (1, 1000), (3, 50), (16, 7), (17, 300), (64, 200), (129, 3)] {
            let a: Vec<f32> = (0..channels * rows).map(|i| (i % 7) as f32).collect();
            let b: Vec<f32> = (0..channels * rows).map(|i| (i % 5) as f32).collect();
            let column: Vec<f32> = (0..channels).map(|c| (c % 3) as f32).collect();
            let columns = Columns::new(channels, [&column]);
            let mut out = vec![f32::NAN; a.len()];
            map::<Affine, 1>(&columns, &a, &b, &mut out);
            let mut sums = Sums::new(channels);
            let half = rows / 2 * channels;
            sums.add::<Pair, 1>(&columns, &a[..half], &b[..half]);
            sums.add::<Pair, 1>(&columns, &a[half..], &b[half..]);
            let (mut first, mut second) = (vec![0.0; channels], vec![0.0; channels]);
            for i in 0..a.len() {
                assert_eq!(out[i], a[i] + b[i] * column[i % channels]);
                first[i % channels] += f64::from(a[i]);
                second[i % channels] += f64::from(b[i] * column[i % channels]);
            }
            assert_eq!(sums.totals(), [&first[..], &second[..]]);
        }
    }
}
