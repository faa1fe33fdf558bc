//! Convolutions that read normalised images, take the statistics of their results, and make all their gradients in one
//! pass: what [`crate::graph::passes::fuse`] joins.

use super::convolution::Direction;
use super::layer::{Gradients, Layer};
use super::source::Source;
use super::{Attributes, Planned};
use crate::engine::kernels::activation::named;
use crate::engine::kernels::channels::Sums;
use crate::engine::kernels::memory::Tensor;
use crate::engine::kernels::normalisation::{AddGradientMoments, Moments, Norm};
use crate::engine::kernels::vector::{Work, widest};
use crate::engine::kernels::{Arity, Body, Entry, OutputExtents, Shapes, attribute};
use crate::graph::ops::activation::ActivationKind;
use ort::operator::KernelContext;
use std::ops::Range;

/// A flag among the attributes.
fn flag(context: &KernelContext<'_>, name: &str) -> Result<bool, String> {
    attribute::<i64>(context, name).map(|v| v != 0)
}

/// A normalisation that a node's attributes tell of: its ε and activation.
type Told = Option<(f32, Option<ActivationKind>)>;

/// The normalisation whose attributes begin with `prefix`.
fn told(context: &KernelContext<'_>, prefix: &str) -> Result<Told, String> {
    let name = |rest: &str| format!("{prefix}_{rest}");
    if !flag(context, &name("norm"))? {
        return Ok(None);
    }
    Ok(Some((attribute(context, &name("epsilon"))?, named(context, &name("activation"))?)))
}

/// Takes so many of the inputs off the front.
fn split<'i, T, const K: usize>(inputs: &mut &'i [T]) -> Result<&'i [T; K], String> {
    let (first, rest) = inputs.split_first_chunk().ok_or("too few inputs")?;
    *inputs = rest;
    Ok(first)
}

/// γ, β, mean and variance, taken off the front of the inputs.
fn norm<'i>(told: Told, inputs: &mut &'i [Tensor<'_>]) -> Result<Option<Norm<'i>>, String> {
    let Some((epsilon, activation)) = told else { return Ok(None) };
    let [gamma, beta, mean, variance] = split(inputs)?;
    let [gamma, beta, mean, variance] = [gamma, beta, mean, variance].map(|t| t.data);
    Ok(Some(Norm { epsilon, activation, gamma, beta, mean, variance }))
}

/// That so many inputs follow with one number for each of the channels; takes them off the front.
fn columns<const K: usize>(wanted: bool, channels: usize, inputs: &mut &[Vec<usize>]) -> Result<(), String> {
    if !wanted {
        return Ok(());
    }
    let columns: &[_; K] = split(inputs)?;
    match columns.iter().find(|c| c.as_slice() != [channels]) {
        Some(column) => Err(format!("a number for each of {channels} channels wanted, not {column:?}")),
        None => Ok(()),
    }
}

/// The last extent.
fn channels(x: &[usize]) -> usize {
    x.last().copied().unwrap_or(0)
}

/// What a node of [`FORWARD`] does.
#[derive(Debug, Clone, Copy)]
struct Forward {
    conv: Attributes,
    input: Told,
    statistics: bool,
}

impl Forward {
    fn of(context: &KernelContext<'_>) -> Result<Self, String> {
        let (conv, input) = (Attributes::of(context)?, told(context, "input")?);
        Ok(Forward { conv, input, statistics: flag(context, "statistics")? })
    }

    fn extents(self, mut inputs: &[Vec<usize>]) -> OutputExtents {
        let [x] = split(&mut inputs)?;
        columns::<4>(self.input.is_some(), channels(x), &mut inputs)?;
        let [w] = split(&mut inputs)?;
        let (g, output) = self.conv.geometry(x, w)?;
        columns::<1>(!inputs.is_empty(), g.outputs, &mut inputs)?;
        if !inputs.is_empty() {
            return Err(format!("{} inputs too many", inputs.len()));
        }
        let y = vec![g.batch, output[0], output[1], g.outputs];
        let statistics = if self.statistics { 2 } else { 0 };
        Ok([vec![y], vec![vec![g.outputs]; statistics]].concat())
    }

    fn run(self, planned: &mut Planned<Layer>, mut inputs: &[Tensor<'_>], outputs: &mut [&mut [f32]]) -> Result<(), String> {
        let [x] = split(&mut inputs)?;
        let norm = norm(self.input, &mut inputs)?;
        let [w] = split(&mut inputs)?;
        let (g, output) = self.conv.geometry(x.extents, w.extents)?;
        let channels = g.outputs;
        let layer = planned.of(g, output);
        let (source, bias) = (Source::normalised(x.data, norm), inputs.first().map(|b| b.data));
        match outputs {
            [y, mean, variance] => {
                let mut moments = None;
                layer.run(&source, w.data, bias, y, |y| {
                    moments.get_or_insert_with(|| Moments::about(&y[..channels])).add(y);
                });
                moments.ok_or("no images")?.finish(mean, variance);
            }
            [y] => layer.run(&source, w.data, bias, y, |_| {}),
            _ => return Err("one or three outputs wanted".into()),
        }
        Ok(())
    }
}

/// Convolution of `x`, normalised with γ, β, mean and variance where `input_norm` is set, with `w` and perhaps a bias;
/// with mean and variance of the result where `statistics` is set.
pub(in crate::engine::kernels) static FORWARD: Entry = Entry {
    name: "FusedConv",
    inputs: Arity::AtLeast(2),
    outputs: Arity::AtLeast(1),
    shapes: Shapes::WithAttributes(|context| {
        let forward = Forward::of(context)?;
        Ok(Box::new(move |inputs| forward.extents(inputs)))
    }),
    create: |context| {
        let forward = Forward::of(context)?;
        let mut planned = Planned::new(|g, output| Layer::new(g, output, Direction::Forward));
        Ok(Body::Apart(Box::new(move |inputs, outputs| forward.run(&mut planned, inputs, outputs))))
    },
};

/// Adds the elements of one slice to those of another.
fn add(other: &[f32], to: &mut [f32]) {
    struct Add<'a>(&'a [f32], &'a mut [f32]);
    impl Work for Add<'_> {
        #[inline(always)]
        fn run(self) {
            self.1.iter_mut().zip(self.0).for_each(|(sum, other)| *sum += other);
        }
    }
    widest(Add(other, to));
}

/// What a node of [`GRADIENT`] does.
#[derive(Debug, Clone, Copy)]
struct Backward {
    conv: Attributes,
    input: Told,
    output: Told,
    with_input: bool,
    with_norm: bool,
    plus: bool,
}

impl Backward {
    fn of(context: &KernelContext<'_>) -> Result<Self, String> {
        let backward = Backward {
            conv: Attributes::of(context)?,
            input: told(context, "input")?,
            output: told(context, "output")?,
            with_input: flag(context, "with_input")?,
            with_norm: flag(context, "with_norm")?,
            plus: flag(context, "plus")?,
        };
        if backward.plus && !backward.with_input {
            return Err("a summand wants the gradient of the input".into());
        }
        if backward.with_norm && (!backward.with_input || backward.input.is_none()) {
            return Err("gradients of a norm want a norm and the gradient of the input".into());
        }
        Ok(backward)
    }

    fn extents(self, mut inputs: &[Vec<usize>]) -> OutputExtents {
        let [x] = split(&mut inputs)?;
        columns::<4>(self.input.is_some(), channels(x), &mut inputs)?;
        let [dy] = split(&mut inputs)?;
        if self.output.is_some() {
            let [raw] = split(&mut inputs)?;
            if raw != dy {
                return Err(format!("a gradient {dy:?} of a norm of {raw:?}"));
            }
        }
        columns::<6>(self.output.is_some(), channels(dy), &mut inputs)?;
        let [w] = split(&mut inputs)?;
        let (g, output) = self.conv.geometry(x, w)?;
        if *dy != [g.batch, output[0], output[1], g.outputs] {
            return Err(format!("{dy:?} is no output of weights {w:?} on {x:?}"));
        }
        if inputs.len() != usize::from(self.plus) || inputs.iter().any(|plus| plus != x) {
            return Err(format!("{inputs:?} left over, or no summand of {x:?}"));
        }
        let (input, norm) = (if self.with_input { 1 } else { 0 }, if self.with_norm { 2 } else { 0 });
        Ok([vec![w.clone()], vec![x.clone(); input], vec![vec![g.inputs]; norm]].concat())
    }

    fn run(
        self,
        planned: &mut Planned<Gradients>,
        mut inputs: &[Tensor<'_>],
        outputs: &mut [&mut [f32]],
    ) -> Result<(), String> {
        let [x] = split(&mut inputs)?;
        let input = norm(self.input, &mut inputs)?;
        let [dy] = split(&mut inputs)?;
        let dy = match self.output {
            None => Source::Plain(dy.data),
            told => {
                let [raw] = split(&mut inputs)?;
                let norm = norm(told, &mut inputs)?.ok_or("no norm")?;
                let [dgamma, dbeta] = split(&mut inputs)?;
                let count = raw.data.len() / dgamma.data.len();
                let columns = norm.gradient_columns(count, [dgamma.data, dbeta.data]);
                Source::Gradient { dy: dy.data, x: raw.data, columns, activation: norm.activation }
            }
        };
        let [w] = split(&mut inputs)?;
        let (g, output) = self.conv.geometry(x.extents, w.extents)?;
        let pixel = g.size[0] * g.size[1] * g.inputs;
        let gradients = planned.of(g, output);
        let source = Source::normalised(x.data, input);
        let plus = inputs.first().map(|plus| plus.data);
        let added = |images: &Range<usize>, dx: &mut [f32]| {
            if let Some(plus) = plus {
                add(&plus[images.start * pixel..images.end * pixel], dx);
            }
        };
        match (outputs, input) {
            ([dw], _) => gradients.run(&source, &dy, w.data, dw, &mut [], |_, _| {}),
            ([dw, dx], _) => gradients.run(&source, &dy, w.data, dw, dx, |images, dx| added(&images, dx)),
            ([dw, dx, dgamma, dbeta], Some(norm)) => {
                let (columns, mut sums) = (norm.columns(), Sums::new(dgamma.len()));
                gradients.run(&source, &dy, w.data, dw, dx, |images, dx| {
                    added(&images, dx);
                    let x = &x.data[images.start * pixel..images.end * pixel];
                    AddGradientMoments { columns: &columns, dy: dx, x, sums: &mut sums }.run(norm.activation);
                });
                norm.parameter_gradients(&sums, dgamma, dbeta);
            }
            _ => return Err("outputs do not fit the attributes".into()),
        }
        Ok(())
    }
}

/// Gradients of [`FORWARD`], from `x` with its norm, the gradient `dy` of the result and the weights. Where `output_norm` is
/// set, `dy` is that of the result's normalisation, and the result, γ, β, mean, variance and the gradients of γ and β
/// follow it. To the gradient of the weights; with that of the (normalised) input where `with_input` is set, and those of
/// its γ and β where `with_norm` is. The last input is added to the gradient of the (normalised) input where `plus` is set.
pub(in crate::engine::kernels) static GRADIENT: Entry = Entry {
    name: "FusedConvGrad",
    inputs: Arity::AtLeast(3),
    outputs: Arity::AtLeast(1),
    shapes: Shapes::WithAttributes(|context| {
        let backward = Backward::of(context)?;
        Ok(Box::new(move |inputs| backward.extents(inputs)))
    }),
    create: |context| {
        let backward = Backward::of(context)?;
        let with_input = backward.with_input;
        let mut planned = Planned::new(move |g, output| Gradients::new(g, output, with_input));
        Ok(Body::Apart(Box::new(move |inputs, outputs| backward.run(&mut planned, inputs, outputs))))
    },
};
