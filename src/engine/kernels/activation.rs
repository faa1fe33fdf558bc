//! Activation functions and their slopes, element by element, in forms that vectorise and let NaN through.

use super::vector::{Work, exp, widest};
use super::{Arity, Body, Entry, Shapes, attribute};
use crate::graph::ops::activation::ActivationKind;
use ort::operator::KernelContext;
use std::marker::PhantomData;

/// A function of one element and its derivative.
pub(super) trait Pointwise {
    /// Value at `a`.
    fn value(a: f32) -> f32;
    /// Derivative at `a`.
    fn slope(a: f32) -> f32;
}

/// Work that is generic over the activation.
pub(super) trait WithActivation {
    /// Runs with activation `A`.
    fn run<A: Pointwise>(self);
}

/// Runs `work` with the function that `kind` names, or with none.
pub(super) fn with(kind: Option<ActivationKind>, work: impl WithActivation) {
    match kind {
        None => work.run::<Identity>(),
        Some(ActivationKind::Relu) => work.run::<Relu>(),
        Some(ActivationKind::LeakyRelu) => work.run::<LeakyRelu>(),
        Some(ActivationKind::Elu) => work.run::<Elu>(),
        Some(ActivationKind::Gelu) => work.run::<Gelu>(),
        Some(ActivationKind::Silu) => work.run::<Silu>(),
        Some(ActivationKind::Tanh) => work.run::<Tanh>(),
        Some(ActivationKind::Sigmoid) => work.run::<Sigmoid>(),
        Some(ActivationKind::Relu6) => work.run::<Relu6>(),
    }
}

/// No activation.
struct Identity;

impl Pointwise for Identity {
    #[inline(always)]
    fn value(a: f32) -> f32 {
        a
    }
    #[inline(always)]
    fn slope(_: f32) -> f32 {
        1.0
    }
}

struct Relu;

impl Pointwise for Relu {
    #[inline(always)]
    fn value(a: f32) -> f32 {
        if a < 0.0 { 0.0 } else { a }
    }
    #[inline(always)]
    fn slope(a: f32) -> f32 {
        if a > 0.0 { 1.0 } else { 0.0 }
    }
}

struct Relu6;

impl Pointwise for Relu6 {
    #[inline(always)]
    fn value(a: f32) -> f32 {
        let positive = if a < 0.0 { 0.0 } else { a };
        if positive > 6.0 { 6.0 } else { positive }
    }
    #[inline(always)]
    fn slope(a: f32) -> f32 {
        let above = if a > 0.0 { 1.0 } else { 0.0 };
        if a < 6.0 { above } else { 0.0 }
    }
}

struct LeakyRelu;

/// Slope of [`LeakyRelu`] below zero.
const LEAK: f32 = 0.01;

impl Pointwise for LeakyRelu {
    #[inline(always)]
    fn value(a: f32) -> f32 {
        if a < 0.0 { LEAK * a } else { a }
    }
    #[inline(always)]
    fn slope(a: f32) -> f32 {
        let above = if a > 0.0 { 0.5 * (1.0 - LEAK) } else { 0.0 };
        let below = if a < 0.0 { 0.5 * (1.0 - LEAK) } else { 0.0 };
        0.5 * (1.0 + LEAK) + above - below
    }
}

struct Elu;

impl Pointwise for Elu {
    #[inline(always)]
    fn value(a: f32) -> f32 {
        let below = exp(a) - 1.0;
        if a < 0.0 { below } else { a }
    }
    #[inline(always)]
    fn slope(a: f32) -> f32 {
        let below = exp(a);
        if a < 0.0 { below } else { 1.0 }
    }
}

struct Sigmoid;

impl Pointwise for Sigmoid {
    #[inline(always)]
    fn value(a: f32) -> f32 {
        let y = 1.0 / (1.0 + exp(-a));
        // As small results of the exponential: products of what is left would be denormal.
        if a < -50.0 { 0.0 } else { y }
    }
    #[inline(always)]
    fn slope(a: f32) -> f32 {
        let y = Self::value(a);
        y * (1.0 - y)
    }
}

struct Tanh;

impl Pointwise for Tanh {
    #[inline(always)]
    fn value(a: f32) -> f32 {
        1.0 - 2.0 / (1.0 + exp(2.0 * a))
    }
    #[inline(always)]
    fn slope(a: f32) -> f32 {
        let y = Self::value(a);
        1.0 - y * y
    }
}

struct Silu;

impl Pointwise for Silu {
    #[inline(always)]
    fn value(a: f32) -> f32 {
        a * Sigmoid::value(a)
    }
    #[inline(always)]
    fn slope(a: f32) -> f32 {
        let gate = Sigmoid::value(a);
        gate + a * gate * (1.0 - gate)
    }
}

/// The tanh form, as a·σ(2u) with u = √(2/π)·(a + 0.044715·a³).
struct Gelu;

/// 2·√(2/π).
const GELU_SCALE: f32 = 1.595_769_2;
const GELU_CUBE: f32 = 0.044_715;

impl Pointwise for Gelu {
    #[inline(always)]
    fn value(a: f32) -> f32 {
        a * Sigmoid::value(GELU_SCALE * a * (1.0 + GELU_CUBE * a * a))
    }
    #[inline(always)]
    fn slope(a: f32) -> f32 {
        let gate = Sigmoid::value(GELU_SCALE * a * (1.0 + GELU_CUBE * a * a));
        gate + a * gate * (1.0 - gate) * GELU_SCALE * (1.0 + 3.0 * GELU_CUBE * a * a)
    }
}

/// The activation that a node's attribute gives: a position in [`ActivationKind::ALL`], none where it is negative.
pub(super) fn named(context: &KernelContext<'_>, name: &str) -> Result<Option<ActivationKind>, String> {
    let number: i64 = attribute(context, name)?;
    match usize::try_from(number) {
        Err(_) => Ok(None),
        Ok(i) => ActivationKind::ALL.get(i).map(|&kind| Some(kind)).ok_or_else(|| format!("there is no activation {i}")),
    }
}

/// Work with the activation `A`.
pub(super) struct Activated<W, A>(pub(super) W, pub(super) PhantomData<A>);

struct Forward<'a> {
    x: &'a [f32],
    y: &'a mut [f32],
}

impl WithActivation for Forward<'_> {
    fn run<A: Pointwise>(self) {
        widest(Activated(self, PhantomData::<A>));
    }
}

impl<A: Pointwise> Work for Activated<Forward<'_>, A> {
    #[inline(always)]
    fn run(self) {
        self.0.y.iter_mut().zip(self.0.x).for_each(|(y, &x)| *y = A::value(x));
    }
}

struct Backward<'a> {
    dy: &'a [f32],
    x: &'a [f32],
    dx: &'a mut [f32],
}

impl WithActivation for Backward<'_> {
    fn run<A: Pointwise>(self) {
        widest(Activated(self, PhantomData::<A>));
    }
}

impl<A: Pointwise> Work for Activated<Backward<'_>, A> {
    #[inline(always)]
    fn run(self) {
        let Backward { dy, x, dx } = self.0;
        dx.iter_mut().zip(dy).zip(x).for_each(|((dx, &dy), &x)| *dx = dy * A::slope(x));
    }
}

/// Activation.
pub(super) static FORWARD: Entry = Entry {
    name: "Activation",
    inputs: Arity::Exactly(1),
    outputs: Arity::Exactly(1),
    shapes: Shapes::OfInputs(|inputs| Ok(inputs.to_vec())),
    create: |context| {
        let kind = named(context, "activation")?;
        Ok(Body::Apart(Box::new(move |inputs, outputs| {
            if let ([x], [y]) = (inputs, outputs) {
                with(kind, Forward { x: x.data, y });
            }
            Ok(())
        })))
    },
};
/// Its gradient, which needs the input alone.
pub(super) static GRADIENT: Entry = Entry {
    name: "ActivationGrad",
    inputs: Arity::Exactly(3),
    outputs: Arity::Exactly(1),
    shapes: Shapes::OfInputs(|inputs| match inputs {
        [dy, x, y] if dy == x && x == y => Ok(vec![x.clone()]),
        _ => Err(format!("gradient, input and output of one shape wanted, not {inputs:?}")),
    }),
    create: |context| {
        let kind = named(context, "activation")?;
        Ok(Body::Apart(Box::new(move |inputs, outputs| {
            if let ([dy, x, _], [dx]) = (inputs, outputs) {
                with(kind, Backward { dy: dy.data, x: x.data, dx });
            }
            Ok(())
        })))
    },
};
