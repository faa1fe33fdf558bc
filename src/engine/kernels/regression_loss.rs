//! Squared and Huber's loss, and the gradient of the latter.

use super::memory::Tensor;
use super::{Arity, Body, Entry, OutputExtents, Shapes, attribute};

/// Checks predictions, targets and row weights.
fn rows(p: &[usize], t: &[usize], w: &[usize]) -> Result<(), String> {
    if p.len() != 1 || p[0] == 0 || p != t || p != w {
        return Err(format!("predictions {p:?}, targets {t:?}, weights {w:?} do not fit"));
    }
    Ok(())
}

fn loss_shape(inputs: &[Vec<usize>]) -> OutputExtents {
    match inputs {
        [p, t, w] => rows(p, t, w).map(|()| vec![vec![]]),
        _ => Err(format!("3 inputs wanted, {} given", inputs.len())),
    }
}

/// Σ w·h(p − t) / rows.
fn mean_loss([p, t, w]: [&Tensor<'_>; 3], h: impl Fn(f32) -> f32) -> f32 {
    let rows = p.data.iter().zip(t.data).zip(w.data);
    let total: f64 = rows.map(|((p, t), w)| f64::from(w * h(p - t))).sum();
    (total / p.data.len() as f64) as f32
}

/// Mean of weighted squares.
pub(super) static SQUARED: Entry = Entry {
    name: "SquaredError",
    inputs: Arity::Exactly(3),
    outputs: Arity::Exactly(1),
    shapes: Shapes::OfInputs(loss_shape),
    create: |_| {
        Ok(Body::Apart(Box::new(|inputs, outputs| {
            if let ([p, t, w], [loss]) = (inputs, outputs) {
                loss[0] = mean_loss([p, t, w], |r| r * r);
            }
            Ok(())
        })))
    },
};
/// Mean of weighted parabolas that go on as lines beyond δ.
pub(super) static HUBER: Entry = Entry {
    name: "Huber",
    inputs: Arity::Exactly(3),
    outputs: Arity::Exactly(1),
    shapes: Shapes::OfInputs(loss_shape),
    create: |context| {
        let delta: f32 = attribute(context, "delta")?;
        Ok(Body::Apart(Box::new(move |inputs, outputs| {
            if let ([p, t, w], [loss]) = (inputs, outputs) {
                loss[0] = mean_loss([p, t, w], |r| {
                    let clipped = r.clamp(-delta, delta);
                    clipped * (r - clipped * 0.5)
                });
            }
            Ok(())
        })))
    },
};
/// Gradient of Huber's loss for the predictions.
pub(super) static HUBER_GRADIENT: Entry = Entry {
    name: "HuberGrad",
    inputs: Arity::Exactly(4),
    outputs: Arity::Exactly(1),
    shapes: Shapes::OfInputs(|inputs| match inputs {
        [d, p, t, w] if d.is_empty() => rows(p, t, w).map(|()| vec![p.clone()]),
        _ => Err(format!("a scalar and 3 inputs wanted, not {inputs:?}")),
    }),
    create: |context| {
        let delta: f32 = attribute(context, "delta")?;
        Ok(Body::Apart(Box::new(move |inputs, outputs| {
            if let ([d, p, t, w], [dp]) = (inputs, outputs) {
                let scale = d.data[0] / p.data.len() as f32;
                let rows = p.data.iter().zip(t.data).zip(w.data);
                for (dp, ((p, t), w)) in dp.iter_mut().zip(rows) {
                    *dp = (p - t).clamp(-delta, delta) * (w * scale);
                }
            }
            Ok(())
        })))
    },
};
