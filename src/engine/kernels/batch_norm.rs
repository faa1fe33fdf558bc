//! Batch normalisation with activation, and its gradient, on `[N, C]` and `[N, H, W, C]`: two passes over memory each, one
//! for sums and one for results.

use super::activation::{Activated, Pointwise, WithActivation, named, with};
use super::vector::{PerElement, WIDTH, Work, widest};
use super::{Arity, Body, Entry, Shapes, attribute};
use crate::graph::ops::activation::ActivationKind;
use ort::operator::KernelContext;
use std::marker::PhantomData;

/// Rows whose sums are taken in f32 before they are added up in f64.
const ROWS: usize = 64;

/// A tensor as rows of channels.
#[derive(Debug, Clone, Copy)]
struct Layout {
    channels: usize,
    /// Elements of each channel.
    rows: usize,
}

impl Layout {
    fn of(extents: &[usize]) -> Result<Layout, String> {
        match extents {
            [rows @ .., channels] if matches!(extents.len(), 2 | 4) && !extents.contains(&0) => {
                Ok(Layout { channels: *channels, rows: rows.iter().product() })
            }
            _ => Err(format!("[N, C] or [N, H, W, C] with elements wanted, not {extents:?}")),
        }
    }
}

/// What each channel's elements share: (x − mean)·scale + shift is what the activation gets.
struct Affine<'a> {
    mean: &'a [f32],
    scale: Vec<f32>,
    shift: &'a [f32],
}

impl<'a> Affine<'a> {
    fn new(gamma: &[f32], shift: &'a [f32], mean: &'a [f32], inverse: &[f32]) -> Self {
        Affine { mean, scale: gamma.iter().zip(inverse).map(|(g, i)| g * i).collect(), shift }
    }

    fn columns(&self) -> [&[f32]; 3] {
        [self.mean, &self.scale, self.shift]
    }
}

/// 1/√(variance + epsilon) for each channel.
fn inverse_deviations(variance: &[f32], epsilon: f32) -> Vec<f32> {
    variance.iter().map(|v| 1.0 / (v + epsilon).sqrt()).collect()
}

/// The entries of `L` channels from `c` on in each of `columns`.
#[inline(always)]
fn entries<const K: usize, const L: usize>(columns: [&[f32]; K], c: usize) -> [[f32; L]; K] {
    columns.map(|column| std::array::from_fn(|l| column[c + l]))
}

/// Two sums for each channel of what `T` makes of the channel's entries in `columns` and the elements of `a` and `b`.
#[inline(always)]
fn channel_sums<T: PerElement<K, Output = (f32, f32)>, const K: usize>(
    channels: usize,
    columns: [&[f32]; K],
    a: &[f32],
    b: &[f32],
) -> (Vec<f64>, Vec<f64>) {
    let (mut first, mut second) = (vec![0.0_f64; channels], vec![0.0_f64; channels]);
    let whole = channels / WIDTH * WIDTH;
    for (a, b) in a.chunks(ROWS * channels).zip(b.chunks(ROWS * channels)) {
        for c in (0..whole).step_by(WIDTH) {
            let sums = block_sums::<T, K, WIDTH>(channels, c, entries(columns, c), a, b);
            add_to(&mut first[c..], &mut second[c..], sums);
        }
        for c in whole..channels {
            let sums = block_sums::<T, K, 1>(channels, c, entries(columns, c), a, b);
            add_to(&mut first[c..], &mut second[c..], sums);
        }
    }
    (first, second)
}

/// The sums of `L` channels from `c` on.
#[inline(always)]
fn block_sums<T: PerElement<K, Output = (f32, f32)>, const K: usize, const L: usize>(
    channels: usize,
    c: usize,
    entries: [[f32; L]; K],
    a: &[f32],
    b: &[f32],
) -> [[f32; L]; 2] {
    let (mut first, mut second) = ([0.0_f32; L], [0.0_f32; L]);
    for (a, b) in a.chunks_exact(channels).zip(b.chunks_exact(channels)) {
        let (a, b) = (&a[c..c + L], &b[c..c + L]);
        for l in 0..L {
            let (p, q) = T::at(std::array::from_fn(|k| entries[k][l]), a[l], b[l]);
            first[l] += p;
            second[l] += q;
        }
    }
    [first, second]
}

#[inline(always)]
fn add_to<const L: usize>(first: &mut [f64], second: &mut [f64], [p, q]: [[f32; L]; 2]) {
    for l in 0..L {
        first[l] += f64::from(p[l]);
        second[l] += f64::from(q[l]);
    }
}

/// Fills `out` with what `T` makes of the channel's entries in `columns` and the elements of `a` and `b`.
#[inline(always)]
fn map_channels<T: PerElement<K, Output = f32>, const K: usize>(
    channels: usize,
    columns: [&[f32]; K],
    a: &[f32],
    b: &[f32],
    out: &mut [f32],
) {
    let whole = channels / WIDTH * WIDTH;
    let some = ROWS * channels;
    for ((a, b), out) in a.chunks(some).zip(b.chunks(some)).zip(out.chunks_mut(some)) {
        for c in (0..whole).step_by(WIDTH) {
            map_block::<T, K, WIDTH>(channels, c, entries(columns, c), a, b, out);
        }
        for c in whole..channels {
            map_block::<T, K, 1>(channels, c, entries(columns, c), a, b, out);
        }
    }
}

/// The elements of `L` channels from `c` on.
#[inline(always)]
fn map_block<T: PerElement<K, Output = f32>, const K: usize, const L: usize>(
    channels: usize,
    c: usize,
    entries: [[f32; L]; K],
    a: &[f32],
    b: &[f32],
    out: &mut [f32],
) {
    let rows = a.chunks_exact(channels).zip(b.chunks_exact(channels)).zip(out.chunks_exact_mut(channels));
    for ((a, b), out) in rows {
        let (a, b, out) = (&a[c..c + L], &b[c..c + L], &mut out[c..c + L]);
        for l in 0..L {
            out[l] = T::at(std::array::from_fn(|k| entries[k][l]), a[l], b[l]);
        }
    }
}

/// First and second moment about a given number.
struct Moments;

impl PerElement<1> for Moments {
    type Output = (f32, f32);

    #[inline(always)]
    fn at([centre]: [f32; 1], x: f32, _: f32) -> (f32, f32) {
        let d = x - centre;
        (d, d * d)
    }
}

/// The normalised element after activation.
struct Normalised<A>(PhantomData<A>);

impl<A: Pointwise> PerElement<3> for Normalised<A> {
    type Output = f32;

    #[inline(always)]
    fn at([mean, scale, shift]: [f32; 3], x: f32, _: f32) -> f32 {
        A::value((x - mean) * scale + shift)
    }
}

/// The gradient g before the activation, and g·(x − mean).
struct GradientMoments<A>(PhantomData<A>);

impl<A: Pointwise> PerElement<3> for GradientMoments<A> {
    type Output = (f32, f32);

    #[inline(always)]
    fn at([mean, scale, shift]: [f32; 3], dy: f32, x: f32) -> (f32, f32) {
        let centred = x - mean;
        let g = dy * A::slope(centred * scale + shift);
        (g, g * centred)
    }
}

/// scale·g + slope·(x − mean) + offset: slope and offset take off what the batch's statistics carry.
struct InputGradient<A>(PhantomData<A>);

impl<A: Pointwise> PerElement<5> for InputGradient<A> {
    type Output = f32;

    #[inline(always)]
    fn at([mean, scale, shift, slope, offset]: [f32; 5], dy: f32, x: f32) -> f32 {
        let centred = x - mean;
        dy * A::slope(centred * scale + shift) * scale + (centred * slope + offset)
    }
}

/// Mean and biased variance of each channel, from sums of differences to the channel's first element: without that shift
/// a mean far from zero would cancel the variance.
#[inline(always)]
fn statistics(layout: Layout, x: &[f32], mean: &mut [f32], variance: &mut [f32]) {
    let shifts = &x[..layout.channels];
    let (sums, squares) = channel_sums::<Moments, 1>(layout.channels, [shifts], x, x);
    let count = layout.rows as f64;
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
        widest(Activated(self, PhantomData::<A>));
    }
}

impl<A: Pointwise> Work for Activated<Forward<'_>, A> {
    #[inline(always)]
    fn run(self) {
        self.0.compute::<A>();
    }
}

impl Forward<'_> {
    #[inline(always)]
    fn compute<A: Pointwise>(self) {
        statistics(self.layout, self.x, self.mean, self.variance);
        let inverse = inverse_deviations(self.variance, self.epsilon);
        let affine = Affine::new(self.gamma, self.beta, self.mean, &inverse);
        map_channels::<Normalised<A>, 3>(self.layout.channels, affine.columns(), self.x, self.x, self.y);
    }
}

struct Inference<'a> {
    layout: Layout,
    epsilon: f32,
    x: &'a [f32],
    gamma: &'a [f32],
    beta: &'a [f32],
    mean: &'a [f32],
    variance: &'a [f32],
    y: &'a mut [f32],
}

impl WithActivation for Inference<'_> {
    fn run<A: Pointwise>(self) {
        widest(Activated(self, PhantomData::<A>));
    }
}

impl<A: Pointwise> Work for Activated<Inference<'_>, A> {
    #[inline(always)]
    fn run(self) {
        let Inference { layout, epsilon, x, gamma, beta, mean, variance, y } = self.0;
        let affine = Affine::new(gamma, beta, mean, &inverse_deviations(variance, epsilon));
        map_channels::<Normalised<A>, 3>(layout.channels, affine.columns(), x, x, y);
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
        widest(Activated(self, PhantomData::<A>));
    }
}

impl<A: Pointwise> Work for Activated<Backward<'_>, A> {
    #[inline(always)]
    fn run(self) {
        self.0.compute::<A>();
    }
}

impl Backward<'_> {
    #[inline(always)]
    fn compute<A: Pointwise>(self) {
        let inverse = inverse_deviations(self.variance, self.epsilon);
        let affine = Affine::new(self.gamma, self.beta, self.mean, &inverse);
        let [mean, scale, shift] = affine.columns();
        let (sums, products) =
            channel_sums::<GradientMoments<A>, 3>(self.layout.channels, affine.columns(), self.dy, self.x);
        let count = self.layout.rows as f64;
        let (mut slopes, mut offsets) = (vec![0.0_f32; self.layout.channels], vec![0.0_f32; self.layout.channels]);
        for c in 0..self.layout.channels {
            let (scale, inverse) = (f64::from(scale[c]), f64::from(inverse[c]));
            self.dgamma[c] = (products[c] * inverse) as f32;
            self.dbeta[c] = sums[c] as f32;
            slopes[c] = (-scale * products[c] * inverse * inverse / count) as f32;
            offsets[c] = (-scale * sums[c] / count) as f32;
        }
        let columns = [mean, scale, shift, &slopes, &offsets];
        map_channels::<InputGradient<A>, 5>(self.layout.channels, columns, self.dy, self.x, self.dx);
    }
}

/// Attributes of a node.
fn attributes(context: &KernelContext<'_>) -> Result<(f32, Option<ActivationKind>), String> {
    Ok((attribute(context, "epsilon")?, named(context)?))
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
    shapes: Shapes::OfInputs(|inputs| match inputs {
        [x, parameters @ ..] if parameters.len() == 2 => {
            let channel = vec![check(x, parameters)?.channels];
            Ok(vec![x.clone(), channel.clone(), channel])
        }
        _ => Err(format!("3 inputs wanted, {} given", inputs.len())),
    }),
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
    shapes: Shapes::OfInputs(|inputs| match inputs {
        [dy, x, y, parameters @ ..] if parameters.len() == 4 && dy == x && y == x => {
            let channel = vec![check(x, parameters)?.channels];
            Ok(vec![x.clone(), channel.clone(), channel])
        }
        _ => Err(format!("7 inputs wanted, the first three alike, not {inputs:?}")),
    }),
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
/// Normalisation by given statistics.
pub(super) static INFERENCE: Entry = Entry {
    name: "BatchNormInference",
    inputs: Arity::Exactly(5),
    outputs: Arity::Exactly(1),
    shapes: Shapes::OfInputs(|inputs| match inputs {
        [x, parameters @ ..] if parameters.len() == 4 => check(x, parameters).map(|_| vec![x.clone()]),
        _ => Err(format!("5 inputs wanted, {} given", inputs.len())),
    }),
    create: |context| {
        let (epsilon, kind) = attributes(context)?;
        Ok(Body::Apart(Box::new(move |inputs, outputs| {
            if let ([x, gamma, beta, mean, variance], [y]) = (inputs, outputs)
                && let Ok(layout) = Layout::of(x.extents)
            {
                let [x, gamma, beta, mean, variance] = [x, gamma, beta, mean, variance].map(|t| t.data);
                with(kind, Inference { layout, epsilon, x, gamma, beta, mean, variance, y });
            }
        })))
    },
};
