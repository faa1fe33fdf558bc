//! Batch normalisation with activation, and its gradients, on `[N, C]` and `[N, H, W, C]`.

use super::activation::{Activated, Pointwise, WithActivation, named, with};
use super::channels::{Columns, Sums, map};
use super::normalisation::{
    AddGradientMoments, InputGradient, Moments, Norm, Normalised, NormalisedAndOther, NormalisedSum,
};
use super::vector::{Work, widest};
use super::{Arity, Body, Entry, Shapes, attribute};
use crate::graph::ops::activation::ActivationKind;
use ort::operator::KernelContext;
use std::marker::PhantomData;

/// Normalises all elements.
struct Normalise<'a> {
    columns: Columns<3>,
    x: &'a [f32],
    y: &'a mut [f32],
}

impl WithActivation for Normalise<'_> {
    fn run<A: Pointwise>(self) {
        widest(Activated(self, PhantomData::<A>));
    }
}

impl<A: Pointwise> Work for Activated<Normalise<'_>, A> {
    #[inline(always)]
    fn run(self) {
        let Normalise { columns, x, y } = self.0;
        map::<Normalised<A>, 3>(&columns, x, x, y);
    }
}

/// Normalises all elements and adds others: after the activation, or before it.
struct NormaliseAndAdd<'a, const AFTER: bool> {
    columns: Columns<3>,
    x: &'a [f32],
    other: &'a [f32],
    y: &'a mut [f32],
}

impl<const AFTER: bool> WithActivation for NormaliseAndAdd<'_, AFTER> {
    fn run<A: Pointwise>(self) {
        widest(Activated(self, PhantomData::<A>));
    }
}

impl<A: Pointwise, const AFTER: bool> Work for Activated<NormaliseAndAdd<'_, AFTER>, A> {
    #[inline(always)]
    fn run(self) {
        let NormaliseAndAdd { columns, x, other, y } = self.0;
        if AFTER {
            map::<NormalisedAndOther<A>, 3>(&columns, x, other, y);
        } else {
            map::<NormalisedSum<A>, 3>(&columns, x, other, y);
        }
    }
}

/// The gradient of all elements.
struct Gradient<'a> {
    columns: Columns<5>,
    dy: &'a [f32],
    x: &'a [f32],
    dx: &'a mut [f32],
}

impl WithActivation for Gradient<'_> {
    fn run<A: Pointwise>(self) {
        widest(Activated(self, PhantomData::<A>));
    }
}

impl<A: Pointwise> Work for Activated<Gradient<'_>, A> {
    #[inline(always)]
    fn run(self) {
        let Gradient { columns, dy, x, dx } = self.0;
        map::<InputGradient<A>, 5>(&columns, dy, x, dx);
    }
}

/// Gradients of γ and β.
fn parameter_gradients(norm: Norm<'_>, dy: &[f32], x: &[f32], dgamma: &mut [f32], dbeta: &mut [f32]) {
    let mut sums = Sums::new(norm.gamma.len());
    AddGradientMoments { columns: &norm.columns(), dy, x, sums: &mut sums }.run(norm.activation);
    norm.parameter_gradients(&sums, dgamma, dbeta);
}

/// Attributes of a node.
fn attributes(context: &KernelContext<'_>) -> Result<(f32, Option<ActivationKind>), String> {
    Ok((attribute(context, "epsilon")?, named(context, "activation")?))
}

/// The channels of `x`; checks that each of `parameters` has one element for each of them.
fn check(x: &[usize], parameters: &[Vec<usize>]) -> Result<usize, String> {
    let channels = match x {
        [.., channels] if matches!(x.len(), 2 | 4) && !x.contains(&0) => *channels,
        _ => return Err(format!("[N, C] or [N, H, W, C] with elements wanted, not {x:?}")),
    };
    match parameters.iter().find(|p| p.as_slice() != [channels]) {
        Some(p) => Err(format!("{p:?} does not fit the channels of {x:?}")),
        None => Ok(channels),
    }
}

/// Normalisation.
pub(super) static FORWARD: Entry = Entry {
    name: "BatchNorm",
    inputs: Arity::Exactly(3),
    outputs: Arity::Exactly(3),
    shapes: Shapes::OfInputs(|inputs| match inputs {
        [x, parameters @ ..] if parameters.len() == 2 => {
            let channel = vec![check(x, parameters)?];
            Ok(vec![x.clone(), channel.clone(), channel])
        }
        _ => Err(format!("3 inputs wanted, {} given", inputs.len())),
    }),
    create: |context| {
        let (epsilon, activation) = attributes(context)?;
        Ok(Body::Apart(Box::new(move |inputs, outputs| {
            if let ([x, gamma, beta], [y, mean, variance]) = (inputs, outputs) {
                let mut moments = Moments::about(&x.data[..gamma.data.len()]);
                moments.add(x.data);
                moments.finish(mean, variance);
                let norm = Norm { epsilon, activation, gamma: gamma.data, beta: beta.data, mean, variance };
                with(activation, Normalise { columns: norm.columns(), x: x.data, y });
            }
            Ok(())
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
            let channel = vec![check(x, parameters)?];
            Ok(vec![x.clone(), channel.clone(), channel])
        }
        _ => Err(format!("7 inputs wanted, the first three alike, not {inputs:?}")),
    }),
    create: |context| {
        let (epsilon, activation) = attributes(context)?;
        Ok(Body::Apart(Box::new(move |inputs, outputs| {
            if let ([dy, x, _, gamma, beta, mean, variance], [dx, dgamma, dbeta]) = (inputs, outputs) {
                let [gamma, beta, mean, variance] = [gamma, beta, mean, variance].map(|t| t.data);
                let norm = Norm { epsilon, activation, gamma, beta, mean, variance };
                parameter_gradients(norm, dy.data, x.data, dgamma, dbeta);
                let columns = norm.gradient_columns(x.data.len() / gamma.len(), [dgamma, dbeta]);
                with(activation, Gradient { columns, dy: dy.data, x: x.data, dx });
            }
            Ok(())
        })))
    },
};
/// The gradients of γ and β alone; that of the input follows from them element by element.
pub(super) static PARAMETER_GRADIENT: Entry = Entry {
    name: "BatchNormParameterGrad",
    inputs: Arity::Exactly(6),
    outputs: Arity::Exactly(2),
    shapes: Shapes::OfInputs(|inputs| match inputs {
        [dy, x, parameters @ ..] if parameters.len() == 4 && dy == x => {
            let channel = vec![check(x, parameters)?];
            Ok(vec![channel.clone(), channel])
        }
        _ => Err(format!("6 inputs wanted, the first two alike, not {inputs:?}")),
    }),
    create: |context| {
        let (epsilon, activation) = attributes(context)?;
        Ok(Body::Apart(Box::new(move |inputs, outputs| {
            if let ([dy, x, gamma, beta, mean, variance], [dgamma, dbeta]) = (inputs, outputs) {
                let [gamma, beta, mean, variance] = [gamma, beta, mean, variance].map(|t| t.data);
                let norm = Norm { epsilon, activation, gamma, beta, mean, variance };
                parameter_gradients(norm, dy.data, x.data, dgamma, dbeta);
            }
            Ok(())
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
        let (epsilon, activation) = attributes(context)?;
        Ok(Body::Apart(Box::new(move |inputs, outputs| {
            if let ([x, gamma, beta, mean, variance], [y]) = (inputs, outputs) {
                let [x, gamma, beta, mean, variance] = [x, gamma, beta, mean, variance].map(|t| t.data);
                let norm = Norm { epsilon, activation, gamma, beta, mean, variance };
                with(activation, Normalise { columns: norm.columns(), x, y });
            }
            Ok(())
        })))
    },
};
/// Normalisation by given statistics, to which another tensor is added: with an activation of what was normalised, or of the
/// sum.
pub(super) static ADD: Entry = Entry {
    name: "BatchNormAdd",
    inputs: Arity::Exactly(6),
    outputs: Arity::Exactly(1),
    shapes: Shapes::OfInputs(|inputs| match inputs {
        [x, parameters @ .., other] if parameters.len() == 4 && x == other => check(x, parameters).map(|_| vec![x.clone()]),
        _ => Err(format!("6 inputs wanted, the first and the last alike, not {inputs:?}")),
    }),
    create: |context| {
        let (epsilon, activation) = attributes(context)?;
        let before = named(context, "norm_activation")?;
        if before.is_some() && activation.is_some() {
            return Err("one activation at most wanted".into());
        }
        Ok(Body::Apart(Box::new(move |inputs, outputs| {
            if let ([x, gamma, beta, mean, variance, other], [y]) = (inputs, outputs) {
                let [x, gamma, beta, mean, variance, other] = [x, gamma, beta, mean, variance, other].map(|t| t.data);
                let norm = Norm { epsilon, activation: None, gamma, beta, mean, variance };
                let columns = norm.columns();
                match before {
                    None => with(activation, NormaliseAndAdd::<false> { columns, x, other, y }),
                    kind => with(kind, NormaliseAndAdd::<true> { columns, x, other, y }),
                }
            }
            Ok(())
        })))
    },
};
