//! The arithmetic of batch normalisation with activation, element by element, for the kernels that do it on its own and
//! for those that do it while they read.

use super::activation::{Activated, Pointwise, WithActivation, with};
use super::channels::{Columns, Sums};
use super::recycled::Recycled;
use super::vector::{PerElement, Work, widest};
use crate::graph::ops::activation::ActivationKind;
use std::marker::PhantomData;

/// Parameters and statistics of a normalisation, each `[C]`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Norm<'a> {
    pub(super) epsilon: f32,
    pub(super) activation: Option<ActivationKind>,
    pub(super) gamma: &'a [f32],
    pub(super) beta: &'a [f32],
    pub(super) mean: &'a [f32],
    pub(super) variance: &'a [f32],
}

impl Norm<'_> {
    /// 1/√(variance + epsilon) for each channel.
    fn inverses(&self) -> Recycled<f32> {
        self.variance.iter().map(|v| 1.0 / (v + self.epsilon).sqrt()).collect()
    }

    /// What [`Normalised`] wants: mean, scale γ/√(variance + ε), shift β.
    pub(super) fn columns(&self) -> Columns<3> {
        let scale: Recycled<f32> = self.gamma.iter().zip(self.inverses().iter()).map(|(g, i)| g * i).collect();
        Columns::new(self.mean.len(), [self.mean, &scale, self.beta])
    }

    /// What [`InputGradient`] wants, from the gradients of γ and β and the number of elements of each channel.
    pub(super) fn gradient_columns(&self, count: usize, [dgamma, dbeta]: [&[f32]; 2]) -> Columns<5> {
        let inverses = self.inverses();
        let scale: Recycled<f32> = self.gamma.iter().zip(inverses.iter()).map(|(g, i)| g * i).collect();
        let over_count = |c: usize| -f64::from(scale[c]) / count as f64;
        let channels = 0..scale.len();
        let slopes = channels.clone().map(|c| (over_count(c) * f64::from(dgamma[c]) * f64::from(inverses[c])) as f32);
        let slopes: Recycled<f32> = slopes.collect();
        let offsets: Recycled<f32> = channels.map(|c| (over_count(c) * f64::from(dbeta[c])) as f32).collect();
        Columns::new(scale.len(), [self.mean, &scale, self.beta, &slopes, &offsets])
    }

    /// Gradients of γ and β from the sums of [`GradientMoments`].
    pub(super) fn parameter_gradients(&self, sums: &Sums, dgamma: &mut [f32], dbeta: &mut [f32]) {
        let [gradients, products] = sums.totals();
        for (c, &inverse) in self.inverses().iter().enumerate() {
            dgamma[c] = (products[c] * f64::from(inverse)) as f32;
            dbeta[c] = gradients[c] as f32;
        }
    }
}

/// The normalised element after activation.
pub(super) struct Normalised<A>(PhantomData<A>);

impl<A: Pointwise> PerElement<3> for Normalised<A> {
    type Output = f32;

    #[inline(always)]
    fn at([mean, scale, shift]: [f32; 3], x: f32, _: f32) -> f32 {
        A::value((x - mean) * scale + shift)
    }
}

/// The activation of the normalised element and another.
pub(super) struct NormalisedSum<A>(PhantomData<A>);

impl<A: Pointwise> PerElement<3> for NormalisedSum<A> {
    type Output = f32;

    #[inline(always)]
    fn at([mean, scale, shift]: [f32; 3], x: f32, other: f32) -> f32 {
        A::value(((x - mean) * scale + shift) + other)
    }
}

/// The activation of the normalised element, and another added to it.
pub(super) struct NormalisedAndOther<A>(PhantomData<A>);

impl<A: Pointwise> PerElement<3> for NormalisedAndOther<A> {
    type Output = f32;

    #[inline(always)]
    fn at([mean, scale, shift]: [f32; 3], x: f32, other: f32) -> f32 {
        A::value((x - mean) * scale + shift) + other
    }
}

/// The gradient g before the activation, and g·(x − mean).
pub(super) struct GradientMoments<A>(PhantomData<A>);

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
pub(super) struct InputGradient<A>(PhantomData<A>);

impl<A: Pointwise> PerElement<5> for InputGradient<A> {
    type Output = f32;

    #[inline(always)]
    fn at([mean, scale, shift, slope, offset]: [f32; 5], dy: f32, x: f32) -> f32 {
        let centred = x - mean;
        dy * A::slope(centred * scale + shift) * scale + (centred * slope + offset)
    }
}

/// Adds the sums of [`GradientMoments`] over some pixels.
pub(super) struct AddGradientMoments<'a> {
    pub(super) columns: &'a Columns<3>,
    pub(super) dy: &'a [f32],
    pub(super) x: &'a [f32],
    pub(super) sums: &'a mut Sums,
}

impl AddGradientMoments<'_> {
    /// Does it, for a normalisation with this activation.
    pub(super) fn run(self, activation: Option<ActivationKind>) {
        with(activation, self);
    }
}

impl WithActivation for AddGradientMoments<'_> {
    fn run<A: Pointwise>(self) {
        widest(Activated(self, PhantomData::<A>));
    }
}

impl<A: Pointwise> Work for Activated<AddGradientMoments<'_>, A> {
    #[inline(always)]
    fn run(self) {
        let AddGradientMoments { columns, dy, x, sums } = self.0;
        sums.add::<GradientMoments<A>, 3>(columns, dy, x);
    }
}

/// First and second moment about a given number.
struct AboutCentre;

impl PerElement<1> for AboutCentre {
    type Output = (f32, f32);

    #[inline(always)]
    fn at([centre]: [f32; 1], x: f32, _: f32) -> (f32, f32) {
        let d = x - centre;
        (d, d * d)
    }
}

/// Mean and biased variance of each channel, gathered piece by piece, from sums of differences to the channel's first
/// element: without that shift a mean far from zero would cancel the variance.
#[derive(Debug)]
pub(super) struct Moments {
    centres: Recycled<f32>,
    columns: Columns<1>,
    sums: Sums,
    elements: usize,
}

impl Moments {
    /// Of channels whose first elements these are.
    pub(super) fn about(centres: &[f32]) -> Self {
        let columns = Columns::new(centres.len(), [centres]);
        Moments { centres: centres.iter().copied().collect(), columns, sums: Sums::new(centres.len()), elements: 0 }
    }

    /// Adds some pixels.
    pub(super) fn add(&mut self, x: &[f32]) {
        self.elements += x.len();
        widest(AddMoments { columns: &self.columns, sums: &mut self.sums, x });
    }

    /// Writes mean and variance.
    pub(super) fn finish(&self, mean: &mut [f32], variance: &mut [f32]) {
        let count = (self.elements / self.centres.len()) as f64;
        let [sums, squares] = self.sums.totals();
        for (c, &centre) in self.centres.iter().enumerate() {
            let shift = sums[c] / count;
            mean[c] = (f64::from(centre) + shift) as f32;
            // Rounding may leave a constant channel a little below zero; NaN passes.
            variance[c] = (squares[c] / count - shift * shift).clamp(0.0, f64::MAX) as f32;
        }
    }
}

struct AddMoments<'a> {
    columns: &'a Columns<1>,
    sums: &'a mut Sums,
    x: &'a [f32],
}

impl Work for AddMoments<'_> {
    #[inline(always)]
    fn run(self) {
        self.sums.add::<AboutCentre, 1>(self.columns, self.x, self.x);
    }
}
