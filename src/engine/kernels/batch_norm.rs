//! Batch normalisation with activation, and its gradient, on `[N, C]` and `[N, C, H, W]`: two passes over memory each,
//! one for sums and one for results.

use super::activation::{Pointwise, WithActivation, with};
use super::vector::{sum_pairs, widest};
use super::{Arity, Body, Entry, attribute};
use crate::graph::ops::activation::ActivationKind;
use ort::operator::KernelContext;

/// Rows of `[N, C]` whose sums are taken in f32 before they are added up in f64.
const ROWS: usize = 32;

/// How the elements of a tensor belong to channels.
#[derive(Debug, Clone, Copy)]
struct Layout {
    channels: usize,
    /// Elements of a channel that lie side by side: height times width, or 1.
    plane: usize,
    /// Elements of each channel.
    count: usize,
}

impl Layout {
    fn of(extents: &[usize]) -> Result<Layout, String> {
        let plane: usize = match extents {
            [_, _] => 1,
            [_, _, h, w] => h * w,
            _ => return Err(format!("[N, C] or [N, C, H, W] wanted, not {extents:?}")),
        };
        if extents.contains(&0) {
            return Err(format!("no elements in {extents:?}"));
        }
        Ok(Layout { channels: extents[1], plane, count: extents[0] * plane })
    }
}

/// What one channel's elements share: (x − mean)·scale + shift is what the activation gets.
#[derive(Debug, Clone, Copy, Default)]
struct Affine {
    mean: f32,
    scale: f32,
    shift: f32,
}

impl Affine {
    /// One for each channel.
    fn all(gamma: &[f32], beta: &[f32], mean: &[f32], inverse: &[f32]) -> Vec<Affine> {
        let channels = gamma.iter().zip(beta).zip(mean).zip(inverse);
        channels.map(|(((g, &shift), &mean), i)| Affine { mean, scale: g * i, shift }).collect()
    }

    #[inline(always)]
    fn apply(self, x: f32) -> f32 {
        (x - self.mean) * self.scale + self.shift
    }
}

/// 1/√(variance + epsilon) for each channel.
fn inverse_deviations(variance: &[f32], epsilon: f32) -> Vec<f32> {
    variance.iter().map(|v| 1.0 / (v + epsilon).sqrt()).collect()
}

/// Adds to each channel's two sums what `terms` makes of the channel's number and the elements of `a` and `b`.
#[inline(always)]
fn channel_sums(
    layout: Layout,
    a: &[f32],
    b: &[f32],
    terms: impl Fn(usize, f32, f32) -> (f32, f32),
) -> (Vec<f64>, Vec<f64>) {
    let Layout { channels, plane, .. } = layout;
    let (mut first, mut second) = (vec![0.0_f64; channels], vec![0.0_f64; channels]);
    if plane > 1 {
        for (i, (a, b)) in a.chunks_exact(plane).zip(b.chunks_exact(plane)).enumerate() {
            let channel = i % channels;
            let (p, q) = sum_pairs(a, b, |x, y| terms(channel, x, y));
            first[channel] += p;
            second[channel] += q;
        }
        return (first, second);
    }
    let (mut p, mut q) = (vec![0.0_f32; channels], vec![0.0_f32; channels]);
    for (a, b) in a.chunks(ROWS * channels).zip(b.chunks(ROWS * channels)) {
        p.fill(0.0);
        q.fill(0.0);
        for (a, b) in a.chunks_exact(channels).zip(b.chunks_exact(channels)) {
            let (p, q) = (&mut p[..channels], &mut q[..channels]);
            for c in 0..channels {
                let (s, t) = terms(c, a[c], b[c]);
                p[c] += s;
                q[c] += t;
            }
        }
        first.iter_mut().zip(&p).for_each(|(sum, &part)| *sum += f64::from(part));
        second.iter_mut().zip(&q).for_each(|(sum, &part)| *sum += f64::from(part));
    }
    (first, second)
}

/// Calls `each` with the channel's number and the pieces of `a`, `b` and `out` that lie side by side in one channel, or
/// with single elements where the channels alternate.
#[inline(always)]
fn map_channels(layout: Layout, a: &[f32], b: &[f32], out: &mut [f32], map: impl Fn(usize, f32, f32) -> f32) {
    let Layout { channels, plane, .. } = layout;
    if plane > 1 {
        let planes = a.chunks_exact(plane).zip(b.chunks_exact(plane)).zip(out.chunks_exact_mut(plane));
        for (i, ((a, b), out)) in planes.enumerate() {
            let channel = i % channels;
            for ((a, b), out) in a.iter().zip(b).zip(out) {
                *out = map(channel, *a, *b);
            }
        }
        return;
    }
    let rows = a.chunks_exact(channels).zip(b.chunks_exact(channels)).zip(out.chunks_exact_mut(channels));
    for ((a, b), out) in rows {
        for c in 0..channels {
            out[c] = map(c, a[c], b[c]);
        }
    }
}

/// Mean and biased variance of each channel, from sums of differences to the channel's first element: without that shift
/// a mean far from zero would cancel the variance.
#[inline(always)]
fn statistics(layout: Layout, x: &[f32], mean: &mut [f32], variance: &mut [f32]) {
    let shifts: Vec<f32> = (0..layout.channels).map(|c| x[c * layout.plane]).collect();
    let (sums, squares) = channel_sums(layout, x, x, |c, v, _| {
        let d = v - shifts[c];
        (d, d * d)
    });
    let count = layout.count as f64;
    for c in 0..layout.channels {
        let centre = sums[c] / count;
        mean[c] = (f64::from(shifts[c]) + centre) as f32;
        // Rounding may leave a constant channel a little below zero; NaN passes.
        variance[c] = (squares[c] / count - centre * centre).clamp(0.0, f64::MAX) as f32;
    }
}

struct Forward<'a> {
    layout: Layout,
    epsilon: f32,
    x: &'a [f32],
    gamma: &'a [f32],
    beta: &'a [f32],
    y: &'a mut [f32],
    mean: &'a mut [f32],
    variance: &'a mut [f32],
}

impl WithActivation for Forward<'_> {
    fn run<A: Pointwise>(self) {
        widest(|| self.compute::<A>());
    }
}

impl Forward<'_> {
    #[inline(always)]
    fn compute<A: Pointwise>(self) {
        statistics(self.layout, self.x, self.mean, self.variance);
        let inverse = inverse_deviations(self.variance, self.epsilon);
        let affine = Affine::all(self.gamma, self.beta, self.mean, &inverse);
        map_channels(self.layout, self.x, self.x, self.y, |c, x, _| A::value(affine[c].apply(x)));
    }
}

struct Backward<'a> {
    layout: Layout,
    epsilon: f32,
    dy: &'a [f32],
    x: &'a [f32],
    gamma: &'a [f32],
    beta: &'a [f32],
    mean: &'a [f32],
    variance: &'a [f32],
    dx: &'a mut [f32],
    dgamma: &'a mut [f32],
    dbeta: &'a mut [f32],
}

impl WithActivation for Backward<'_> {
    fn run<A: Pointwise>(self) {
        widest(|| self.compute::<A>());
    }
}

impl Backward<'_> {
    /// With g the gradient before the activation: dx = scale·g + slope·(x − mean) + offset, where slope and offset of a
    /// channel take off what the batch's statistics carry.
    #[inline(always)]
    fn compute<A: Pointwise>(self) {
        let inverse = inverse_deviations(self.variance, self.epsilon);
        let affine = Affine::all(self.gamma, self.beta, self.mean, &inverse);
        let (sums, products) = channel_sums(self.layout, self.dy, self.x, |c, dy, x| {
            let g = dy * A::slope(affine[c].apply(x));
            (g, g * (x - affine[c].mean))
        });
        let count = self.layout.count as f64;
        let mut rest = vec![(0.0_f32, 0.0_f32); self.layout.channels];
        for (c, rest) in rest.iter_mut().enumerate() {
            let (scale, inverse) = (f64::from(affine[c].scale), f64::from(inverse[c]));
            self.dgamma[c] = (products[c] * inverse) as f32;
            self.dbeta[c] = sums[c] as f32;
            *rest = ((-scale * products[c] * inverse * inverse / count) as f32, (-scale * sums[c] / count) as f32);
        }
        map_channels(self.layout, self.dy, self.x, self.dx, |c, dy, x| {
            let (Affine { mean, scale, .. }, (slope, offset)) = (affine[c], rest[c]);
            dy * A::slope(affine[c].apply(x)) * scale + ((x - mean) * slope + offset)
        });
    }
}

/// Attributes of a node.
fn attributes(context: &KernelContext<'_>) -> Result<(f32, Option<ActivationKind>), String> {
    let number: i64 = attribute(context, "activation")?;
    let kind = match usize::try_from(number) {
        Err(_) => None,
        Ok(i) => Some(*ActivationKind::ALL.get(i).ok_or_else(|| format!("there is no activation {i}"))?),
    };
    Ok((attribute(context, "epsilon")?, kind))
}

/// Checks that each of `parameters` has one element a channel, and gives the layout.
fn check(x: &[usize], parameters: &[Vec<usize>]) -> Result<Layout, String> {
    let layout = Layout::of(x)?;
    match parameters.iter().find(|p| p.as_slice() != [layout.channels]) {
        Some(p) => Err(format!("{p:?} does not fit the channels of {x:?}")),
        None => Ok(layout),
    }
}

/// Normalisation.
pub(super) static FORWARD: Entry = Entry {
    name: "BatchNorm",
    inputs: Arity::Exactly(3),
    outputs: Arity::Exactly(3),
    shapes: |inputs| match inputs {
        [x, parameters @ ..] if parameters.len() == 2 => {
            let channel = vec![check(x, parameters)?.channels];
            Ok(vec![x.clone(), channel.clone(), channel])
        }
        _ => Err(format!("3 inputs wanted, {} given", inputs.len())),
    },
    create: |context| {
        let (epsilon, kind) = attributes(context)?;
        Ok(Body::Apart(Box::new(move |inputs, outputs| {
            if let ([x, gamma, beta], [y, mean, variance]) = (inputs, outputs)
                && let Ok(layout) = Layout::of(x.extents)
            {
                let (x, gamma, beta) = (x.data, gamma.data, beta.data);
                with(kind, Forward { layout, epsilon, x, gamma, beta, y, mean, variance });
            }
        })))
    },
};
/// Its gradients.
pub(super) static GRADIENT: Entry = Entry {
    name: "BatchNormGrad",
    inputs: Arity::Exactly(7),
    outputs: Arity::Exactly(3),
    shapes: |inputs| match inputs {
        [dy, x, y, parameters @ ..] if parameters.len() == 4 && dy == x && y == x => {
            let channel = vec![check(x, parameters)?.channels];
            Ok(vec![x.clone(), channel.clone(), channel])
        }
        _ => Err(format!("7 inputs wanted, the first three alike, not {inputs:?}")),
    },
    create: |context| {
        let (epsilon, kind) = attributes(context)?;
        Ok(Body::Apart(Box::new(move |inputs, outputs| {
            if let ([dy, x, _, gamma, beta, mean, variance], [dx, dgamma, dbeta]) = (inputs, outputs)
                && let Ok(layout) = Layout::of(x.extents)
            {
                let (dy, x, gamma, beta) = (dy.data, x.data, gamma.data, beta.data);
                let (mean, variance) = (mean.data, variance.data);
                with(kind, Backward { layout, epsilon, dy, x, gamma, beta, mean, variance, dx, dgamma, dbeta });
            }
        })))
    },
};
