//! Sum of each channel of `[N, H, W, C]` or `[N, C]`: the gradient of a bias.

use super::vector::{Work, widest};
use super::{Arity, Body, Entry, Shapes};

/// Rows whose sums are taken in f32 before they are added up in f64.
const ROWS: usize = 64;

struct Sum<'a> {
    x: &'a [f32],
    /// Sums of some rows, and of all.
    part: &'a mut [f32],
    total: &'a mut [f64],
    y: &'a mut [f32],
}

impl Work for Sum<'_> {
    #[inline(always)]
    fn run(self) {
        let Sum { x, part, total, y } = self;
        let channels = y.len();
        total.fill(0.0);
        for rows in x.chunks(ROWS * channels) {
            part.fill(0.0);
            for row in rows.chunks_exact(channels) {
                part.iter_mut().zip(row).for_each(|(sum, x)| *sum += x);
            }
            total.iter_mut().zip(&*part).for_each(|(sum, &part)| *sum += f64::from(part));
        }
        y.iter_mut().zip(total).for_each(|(y, total)| *y = *total as f32);
    }
}

/// The sums, `[C]`.
pub(super) static SUM: Entry = Entry {
    name: "ChannelSum",
    inputs: Arity::Exactly(1),
    outputs: Arity::Exactly(1),
    shapes: Shapes::OfInputs(|inputs| match inputs {
        [x] if matches!(x.len(), 2 | 4) && !x.contains(&0) => Ok(vec![x[x.len() - 1..].to_vec()]),
        _ => Err(format!("[N, C] or [N, H, W, C] with elements wanted, not {inputs:?}")),
    }),
    create: |_| {
        let (mut part, mut total) = (vec![], vec![]);
        Ok(Body::Apart(Box::new(move |inputs, outputs| {
            if let ([x], [y]) = (inputs, outputs) {
                part.resize(y.len(), 0.0);
                total.resize(y.len(), 0.0);
                widest(Sum { x: x.data, part: &mut part, total: &mut total, y });
            }
            Ok(())
        })))
    },
};
