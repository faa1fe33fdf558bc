//! One optimizer step over all parameters, in a single pass over memory.
//!
//! State may be bound in place: every block is copied in before any of it is written.

use super::lanes::WIDTH;
use super::memory::Memory;
use super::vector::{Work, widest};
use super::{Arity, Body, Entry, Shapes, attribute};
use ort::operator::KernelContext;

/// Elements handled at a time: a vector of each part, which is copied without a call.
pub(super) const BLOCK: usize = WIDTH;

/// Checks `scalars` rank-0 inputs and then groups of `group` tensors of one shape; gives `kept` outputs for each.
pub(super) fn step_shapes(
    inputs: &[Vec<usize>],
    scalars: usize,
    group: usize,
    kept: usize,
) -> Result<Vec<Vec<usize>>, String> {
    if inputs.len() <= scalars || !(inputs.len() - scalars).is_multiple_of(group) {
        return Err(format!("{scalars} scalars and groups of {group} inputs wanted, {} inputs given", inputs.len()));
    }
    let (single, tensors) = inputs.split_at(scalars);
    if let Some(i) = single.iter().position(|s| !s.is_empty()) {
        return Err(format!("input {i} is not a scalar"));
    }
    let mut outputs = Vec::with_capacity(tensors.len() / group * kept);
    for (i, parts) in tensors.chunks(group).enumerate() {
        if parts.iter().any(|part| *part != parts[0]) {
            return Err(format!("shapes of parameter {i} differ: {parts:?}"));
        }
        outputs.extend(std::iter::repeat_n(parts[0].clone(), kept));
    }
    Ok(outputs)
}

/// Whether parameter `i` decays, as a factor of the decay.
fn decay_of(flags: &[i64], i: usize) -> f32 {
    flags.get(i).map_or(0.0, |&flag| if flag == 0 { 0.0 } else { 1.0 })
}

/// The step of an optimizer on blocks of the `N` parts of a parameter, the second of which is its gradient; all but that
/// are written, in the order of the node's outputs.
pub(super) trait BlockStep<const N: usize>: Copy {
    /// What becomes of a block of each part; `#[inline(always)]`.
    fn step(self, block: [[f32; BLOCK]; N]) -> [[f32; BLOCK]; N];
}

/// The parts that a step writes.
pub(super) fn written<const N: usize>() -> impl Iterator<Item = usize> {
    (0..N).filter(|&part| part != 1)
}

/// The step of one parameter.
struct Parameter<'a, S, const N: usize> {
    inputs: &'a [Memory; N],
    outputs: &'a [Memory],
    factors: S,
}

impl<S: BlockStep<N>, const N: usize> Work for Parameter<'_, S, N> {
    #[inline(always)]
    fn run(self) {
        let Parameter { inputs, outputs, factors } = self;
        let total = inputs.iter().chain(outputs).map(Memory::len).min().unwrap_or(0);
        let whole = total / BLOCK * BLOCK;
        for at in (0..whole).step_by(BLOCK) {
            let next = factors.step(std::array::from_fn(|part| inputs[part].block(at)));
            for (output, part) in outputs.iter().zip(written::<N>()) {
                output.write(at, &next[part]);
            }
        }
        let mut rest = [[0.0_f32; BLOCK]; N];
        for (part, input) in rest.iter_mut().zip(inputs) {
            input.read(whole, &mut part[..total - whole]);
        }
        let next = factors.step(rest);
        for (output, part) in outputs.iter().zip(written::<N>()) {
            output.write(whole, &next[part][..total - whole]);
        }
    }
}

/// Attributes of `SgdStep`.
pub(super) struct Sgd {
    pub(super) momentum: f32,
    /// For each parameter, 1 where it decays and 0 where it does not.
    pub(super) decay: Vec<i64>,
}

impl Sgd {
    /// Scalars before the parameters: `lr`, `wd`.
    pub(super) const SCALARS: usize = 2;

    pub(super) fn of(context: &KernelContext<'_>) -> Result<Sgd, String> {
        Ok(Sgd { momentum: attribute(context, "momentum")?, decay: attribute(context, "decay")? })
    }

    /// Factors of parameter `i`.
    pub(super) fn factors(&self, scalars: &[Memory], i: usize) -> SgdFactors {
        let [rate, wd] = [0, 1].map(|i: usize| scalars[i].first());
        SgdFactors { rate, decay: wd * decay_of(&self.decay, i), momentum: self.momentum }
    }

    pub(super) fn run(&self, inputs: &[Memory], outputs: &[Memory]) {
        let (scalars, tensors) = inputs.split_at(Self::SCALARS);
        for (i, (parts, next)) in tensors.as_chunks::<3>().0.iter().zip(outputs.chunks_exact(2)).enumerate() {
            widest(Parameter { inputs: parts, outputs: next, factors: self.factors(scalars, i) });
        }
    }
}

/// Factors that one parameter's elements share.
#[derive(Clone, Copy)]
pub(super) struct SgdFactors {
    rate: f32,
    decay: f32,
    momentum: f32,
}

/// On `w, g, v`.
impl BlockStep<3> for SgdFactors {
    #[inline(always)]
    fn step(self, [mut w, g, mut v]: [[f32; BLOCK]; 3]) -> [[f32; BLOCK]; 3] {
        for ((w, &g), v) in w.iter_mut().zip(&g).zip(&mut v) {
            let g = g + self.decay * *w;
            *v = self.momentum * *v + g;
            *w -= self.rate * (g + self.momentum * *v);
        }
        [w, g, v]
    }
}

/// Attributes of `AdamStep`.
pub(super) struct Adam {
    beta1: f32,
    beta2: f32,
    epsilon: f32,
    decoupled: bool,
    /// As in [`Sgd`].
    decay: Vec<i64>,
}

/// Factors that one parameter's elements share.
#[derive(Clone, Copy)]
pub(super) struct AdamFactors {
    /// lr·c1/√c2.
    rate: f32,
    /// ε/√c2.
    epsilon: f32,
    /// What is left of a weight: 1 − lr·wd where decay is decoupled.
    keep: f32,
    /// What is added of a weight to its gradient.
    decay: f32,
    /// 1 − β₁.
    rest1: f32,
    /// 1 − β₂.
    rest2: f32,
}

impl Adam {
    /// Scalars before the parameters: `lr`, `wd`, `c1`, `c2`.
    pub(super) const SCALARS: usize = 4;

    pub(super) fn of(context: &KernelContext<'_>) -> Result<Adam, String> {
        Ok(Adam {
            beta1: attribute(context, "beta1")?,
            beta2: attribute(context, "beta2")?,
            epsilon: attribute(context, "epsilon")?,
            decoupled: attribute::<i64>(context, "decoupled")? != 0,
            decay: attribute(context, "decay")?,
        })
    }

    /// Factors of parameter `i`.
    pub(super) fn factors(&self, scalars: &[Memory], i: usize) -> AdamFactors {
        let [lr, wd, c1, c2] = [0, 1, 2, 3].map(|i: usize| scalars[i].first());
        let (root, wd) = (c2.sqrt(), wd * decay_of(&self.decay, i));
        let (keep, decay) = if self.decoupled { (1.0 - lr * wd, 0.0) } else { (1.0, wd) };
        AdamFactors {
            rate: lr * c1 / root,
            epsilon: self.epsilon / root,
            keep,
            decay,
            rest1: (1.0 - f64::from(self.beta1)) as f32,
            rest2: (1.0 - f64::from(self.beta2)) as f32,
        }
    }

    fn run(&self, inputs: &[Memory], outputs: &[Memory]) {
        let (scalars, tensors) = inputs.split_at(Self::SCALARS);
        for (i, (parts, next)) in tensors.as_chunks::<4>().0.iter().zip(outputs.chunks_exact(3)).enumerate() {
            widest(Parameter { inputs: parts, outputs: next, factors: self.factors(scalars, i) });
        }
    }
}

/// On `w, g, m, v`.
impl BlockStep<4> for AdamFactors {
    #[inline(always)]
    fn step(self, [mut w, g, mut m, mut v]: [[f32; BLOCK]; 4]) -> [[f32; BLOCK]; 4] {
        for (((w, &g), m), v) in w.iter_mut().zip(&g).zip(&mut m).zip(&mut v) {
            let g = g + self.decay * *w;
            *m += self.rest1 * (g - *m);
            *v += self.rest2 * (g * g - *v);
            *w = self.keep * *w - self.rate * (*m / (v.sqrt() + self.epsilon));
        }
        [w, g, m, v]
    }
}

/// Gradient descent with Nesterov momentum.
pub(super) static SGD_STEP: Entry = Entry {
    name: "SgdStep",
    inputs: Arity::AtLeast(5),
    outputs: Arity::AtLeast(2),
    shapes: Shapes::OfInputs(|inputs| step_shapes(inputs, Sgd::SCALARS, 3, 2)),
    create: |context| {
        let sgd = Sgd::of(context)?;
        Ok(Body::InPlace(Box::new(move |inputs, outputs| sgd.run(inputs, outputs))))
    },
};
/// Adam and AdamW.
pub(super) static ADAM_STEP: Entry = Entry {
    name: "AdamStep",
    inputs: Arity::AtLeast(8),
    outputs: Arity::AtLeast(3),
    shapes: Shapes::OfInputs(|inputs| step_shapes(inputs, Adam::SCALARS, 4, 3)),
    create: |context| {
        let adam = Adam::of(context)?;
        Ok(Body::InPlace(Box::new(move |inputs, outputs| adam.run(inputs, outputs))))
    },
};
