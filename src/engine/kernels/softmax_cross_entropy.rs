//! Softmax cross-entropy and its gradient: one pass over the logits each.

use super::memory::Tensor;
use super::vector::{Work, exp, ln, widest};
use super::{Arity, Body, Entry, Shapes};

/// Checks logits, targets and row weights.
fn check(logits: &[usize], targets: &[usize], weights: &[usize]) -> Result<(), String> {
    if logits.len() != 2 || logits.contains(&0) || logits != targets || weights != &logits[..1] {
        return Err(format!("logits {logits:?}, targets {targets:?}, weights {weights:?} do not fit"));
    }
    Ok(())
}

/// Most rows that are worked on at a time, and elements unless one row has more.
const ROWS: usize = 32;
const ELEMENTS: usize = 2048;

/// Rows that are worked on at a time: a row of few classes fills no vector.
fn rows_of(classes: usize) -> usize {
    (ELEMENTS / classes).clamp(1, ROWS)
}

/// What the classes of a row share, row by row.
struct Shared {
    largest: [f32; ROWS],
    /// Σ exp(z − max z).
    sums: [f32; ROWS],
}

/// Writes exp(z − max z) of at most [`ROWS`] rows into `exponentials`.
#[inline(always)]
fn exponentials(z: &[f32], classes: usize, exponentials: &mut [f32]) -> Shared {
    let mut shared = Shared { largest: [0.0; ROWS], sums: [1.0; ROWS] };
    let rows = z.chunks_exact(classes).zip(exponentials.chunks_exact_mut(classes));
    for ((z, e), largest) in rows.zip(&mut shared.largest) {
        *largest = z.iter().fold(f32::NEG_INFINITY, |m, &v| if v > m { v } else { m });
        e.iter_mut().zip(z).for_each(|(e, z)| *e = z - *largest);
    }
    exponentials.iter_mut().for_each(|e| *e = exp(*e));
    for (e, sum) in exponentials.chunks_exact(classes).zip(&mut shared.sums) {
        *sum = e.iter().sum();
    }
    shared
}

/// Σ w·Σ t·(log Σ exp z − z) / rows.
struct Loss<'a> {
    z: Tensor<'a>,
    t: Tensor<'a>,
    w: Tensor<'a>,
    /// Room for the rows that are worked on.
    scratch: &'a mut [f32],
    loss: &'a mut f32,
}

impl Work for Loss<'_> {
    #[inline(always)]
    fn run(self) {
        let Loss { z, t, w, scratch, loss } = self;
        let classes = z.extents[1];
        let mut total = 0.0_f64;
        let parts = z.data.chunks(scratch.len()).zip(t.data.chunks(scratch.len()));
        for ((z, t), w) in parts.zip(w.data.chunks(scratch.len() / classes)) {
            let Shared { largest, mut sums } = exponentials(z, classes, &mut scratch[..z.len()]);
            sums.iter_mut().for_each(|sum| *sum = ln(*sum));
            let rows = z.chunks_exact(classes).zip(t.chunks_exact(classes)).zip(w);
            for (((z, t), w), (log_sum, largest)) in rows.zip(sums.into_iter().zip(largest)) {
                let row: f32 = z.iter().zip(t).map(|(z, t)| t * (log_sum - (z - largest))).sum();
                total += f64::from(w * row);
            }
        }
        *loss = (total / w.data.len() as f64) as f32;
    }
}

/// (softmax(z) − t)·w·d/rows.
struct Gradient<'a> {
    d: f32,
    z: Tensor<'a>,
    t: Tensor<'a>,
    w: Tensor<'a>,
    dz: &'a mut [f32],
}

impl Work for Gradient<'_> {
    #[inline(always)]
    fn run(self) {
        let Gradient { d, z, t, w, dz } = self;
        let classes = z.extents[1];
        let (mean, rows) = (d / w.data.len() as f32, rows_of(classes));
        let parts = z.data.chunks(rows * classes).zip(t.data.chunks(rows * classes)).zip(w.data.chunks(rows));
        for (((z, t), w), dz) in parts.zip(dz.chunks_mut(rows * classes)) {
            let Shared { sums, .. } = exponentials(z, classes, dz);
            let rows = dz.chunks_exact_mut(classes).zip(t.chunks_exact(classes)).zip(w);
            for (((dz, t), w), sum) in rows.zip(sums) {
                let (share, scale) = (1.0 / sum, w * mean);
                dz.iter_mut().zip(t).for_each(|(dz, t)| *dz = (*dz * share - t) * scale);
            }
        }
    }
}

/// The loss.
pub(super) static LOSS: Entry = Entry {
    name: "SoftmaxCrossEntropy",
    inputs: Arity::Exactly(3),
    outputs: Arity::Exactly(1),
    shapes: Shapes::OfInputs(|inputs| match inputs {
        [z, t, w] => check(z, t, w).map(|()| vec![vec![]]),
        _ => Err(format!("3 inputs wanted, {} given", inputs.len())),
    }),
    create: |_| {
        let mut scratch = Vec::new();
        Ok(Body::Apart(Box::new(move |inputs, outputs| {
            if let ([z, t, w], [total]) = (inputs, outputs) {
                scratch.resize(rows_of(z.extents[1]) * z.extents[1], 0.0);
                widest(Loss { z: *z, t: *t, w: *w, scratch: &mut scratch, loss: &mut total[0] });
            }
            Ok(())
        })))
    },
};
/// Its gradient for the logits.
pub(super) static GRADIENT: Entry = Entry {
    name: "SoftmaxCrossEntropyGrad",
    inputs: Arity::Exactly(4),
    outputs: Arity::Exactly(1),
    shapes: Shapes::OfInputs(|inputs| match inputs {
        [d, z, t, w] if d.is_empty() => check(z, t, w).map(|()| vec![z.clone()]),
        _ => Err(format!("a scalar and 3 inputs wanted, not {inputs:?}")),
    }),
    create: |_| {
        Ok(Body::Apart(Box::new(|inputs, outputs| {
            if let ([d, z, t, w], [dz]) = (inputs, outputs) {
                widest(Gradient { d: d.data[0], z: *z, t: *t, w: *w, dz });
            }
            Ok(())
        })))
    },
};
