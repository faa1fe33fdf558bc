//! Softmax cross-entropy and its gradient: one pass over the logits each.

use super::memory::Tensor;
use super::vector::{Work, exp, widest};
use super::{Arity, Body, Entry, Shapes};

/// Checks logits, targets and row weights.
fn check(logits: &[usize], targets: &[usize], weights: &[usize]) -> Result<(), String> {
    if logits.len() != 2 || logits.contains(&0) || logits != targets || weights != &logits[..1] {
        return Err(format!("logits {logits:?}, targets {targets:?}, weights {weights:?} do not fit"));
    }
    Ok(())
}

/// Writes exp(z − max z) into `exponentials` and returns max z and the sum of what was written.
#[inline(always)]
fn exponentials(z: &[f32], exponentials: &mut [f32]) -> (f32, f32) {
    let largest = z.iter().fold(f32::NEG_INFINITY, |m, &v| if v > m { v } else { m });
    for (e, z) in exponentials.iter_mut().zip(z) {
        *e = exp(z - largest);
    }
    (largest, exponentials.iter().sum())
}

/// Σ w·Σ t·(log Σ exp z − z) / rows.
struct Loss<'a> {
    z: Tensor<'a>,
    t: Tensor<'a>,
    w: Tensor<'a>,
    /// Room for one row.
    scratch: &'a mut [f32],
    loss: &'a mut f32,
}

impl Work for Loss<'_> {
    #[inline(always)]
    fn run(self) {
        let Loss { z, t, w, scratch, loss } = self;
        let classes = scratch.len();
        let mut total = 0.0_f64;
        for ((z, t), w) in z.data.chunks_exact(classes).zip(t.data.chunks_exact(classes)).zip(w.data) {
            let (largest, sum) = exponentials(z, scratch);
            let log_sum = sum.ln();
            let row: f32 = z.iter().zip(t).map(|(z, t)| t * (log_sum - (z - largest))).sum();
            total += f64::from(w * row);
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
        let mean = d / w.data.len() as f32;
        let rows = z.data.chunks_exact(classes).zip(t.data.chunks_exact(classes)).zip(w.data);
        for (((z, t), w), dz) in rows.zip(dz.chunks_exact_mut(classes)) {
            let (_, sum) = exponentials(z, dz);
            let (share, scale) = (1.0 / sum, w * mean);
            for (dz, t) in dz.iter_mut().zip(t) {
                *dz = (*dz * share - t) * scale;
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
                scratch.resize(z.extents[1], 0.0);
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
