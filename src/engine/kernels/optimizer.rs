//! One optimizer step over all parameters, in a single pass over memory.
//!
//! State may be bound in place: every block is copied in before any of it is written.

use super::lanes::WIDTH;
use super::memory::Memory;
use super::vector::{Work, widest};
use super::{Arity, Body, Entry, Shapes, attribute};

/// Elements handled at a time: a vector of each part, which is copied without a call.
const BLOCK: usize = WIDTH;

/// Checks `scalars` rank-0 inputs and then groups of `group` tensors of one shape; gives `kept` outputs for each.
fn step_shapes(inputs: &[Vec<usize>], scalars: usize, group: usize, kept: usize) -> Result<Vec<Vec<usize>>, String> {
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

/// The step of an optimizer on blocks of the `N` parts of a parameter.
trait BlockStep<const N: usize>: Copy {
    /// Parts that a step changes, in the order of the node's outputs.
    const WRITTEN: &[usize];
    /// Steps a block; `#[inline(always)]`.
    fn step(self, block: &mut [[f32; BLOCK]; N]);
}

/// The step of one parameter.
struct Parameter<'a, S, const N: usize> {
    inputs: &'a [Memory],
    outputs: &'a [Memory],
    factors: S,
}

impl<S: BlockStep<N>, const N: usize> Work for Parameter<'_, S, N> {
    #[inline(always)]
    fn run(self) {
        in_blocks(self.inputs, self.outputs, self.factors);
    }
}

#[inline(always)]
fn in_blocks<S: BlockStep<N>, const N: usize>(inputs: &[Memory], outputs: &[Memory], factors: S) {
    let mut parts = [[0.0_f32; BLOCK]; N];
    let total = inputs.iter().chain(outputs).map(Memory::len).min().unwrap_or(0);
    let whole = total / BLOCK * BLOCK;
    for at in (0..whole).step_by(BLOCK) {
        for (part, input) in parts.iter_mut().zip(inputs) {
            input.read(at, part);
        }
        factors.step(&mut parts);
        for (output, &part) in outputs.iter().zip(S::WRITTEN) {
            output.write(at, &parts[part]);
        }
    }
    for (part, input) in parts.iter_mut().zip(inputs) {
        input.read(whole, &mut part[..total - whole]);
    }
    factors.step(&mut parts);
    for (output, &part) in outputs.iter().zip(S::WRITTEN) {
        output.write(whole, &parts[part][..total - whole]);
    }
}

/// Attributes of `SgdStep`.
pub(super) struct Sgd {
    pub(super) momentum: f32,
    /// For each parameter, 1 where it decays and 0 where it does not.
    pub(super) decay: Vec<i64>,
}

impl Sgd {
    pub(super) fn run(&self, inputs: &[Memory], outputs: &[Memory]) {
        let (lr, wd) = (inputs[0].first(), inputs[1].first());
        for (i, (parts, next)) in inputs[2..].chunks_exact(3).zip(outputs.chunks_exact(2)).enumerate() {
            let factors = SgdFactors { rate: lr, decay: wd * decay_of(&self.decay, i), momentum: self.momentum };
            widest(Parameter { inputs: parts, outputs: next, factors });
        }
    }
}

/// Factors that one parameter's elements share.
#[derive(Clone, Copy)]
struct SgdFactors {
    rate: f32,
    decay: f32,
    momentum: f32,
}

/// On `w, g, v`.
impl BlockStep<3> for SgdFactors {
    const WRITTEN: &[usize] = &[0, 2];

    #[inline(always)]
    fn step(self, [w, g, v]: &mut [[f32; BLOCK]; 3]) {
        for ((w, g), v) in w.iter_mut().zip(g).zip(v) {
            let g = *g + self.decay * *w;
            *v = self.momentum * *v + g;
            *w -= self.rate * (g + self.momentum * *v);
        }
    }
}

/// Attributes of `AdamStep`.
struct Adam {
    beta1: f32,
    beta2: f32,
    epsilon: f32,
    decoupled: bool,
    /// As in [`Sgd`].
    decay: Vec<i64>,
}

/// Factors that one parameter's elements share.
#[derive(Clone, Copy)]
struct AdamFactors {
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
    fn run(&self, inputs: &[Memory], outputs: &[Memory]) {
        let [lr, wd, c1, c2] = [0, 1, 2, 3].map(|i: usize| inputs[i].first());
        let root = c2.sqrt();
        for (i, (parts, next)) in inputs[4..].chunks_exact(4).zip(outputs.chunks_exact(3)).enumerate() {
            let wd = wd * decay_of(&self.decay, i);
            let (keep, decay) = if self.decoupled { (1.0 - lr * wd, 0.0) } else { (1.0, wd) };
            let factors = AdamFactors {
                rate: lr * c1 / root,
                epsilon: self.epsilon / root,
                keep,
                decay,
                rest1: (1.0 - f64::from(self.beta1)) as f32,
                rest2: (1.0 - f64::from(self.beta2)) as f32,
            };
            widest(Parameter { inputs: parts, outputs: next, factors });
        }
    }
}

/// On `w, g, m, v`.
impl BlockStep<4> for AdamFactors {
    const WRITTEN: &[usize] = &[0, 2, 3];

    #[inline(always)]
    fn step(self, [w, g, m, v]: &mut [[f32; BLOCK]; 4]) {
        for (((w, g), m), v) in w.iter_mut().zip(g).zip(m).zip(v) {
            let g = *g + self.decay * *w;
            *m += self.rest1 * (g - *m);
            *v += self.rest2 * (g * g - *v);
            *w = self.keep * *w - self.rate * (*m / (v.sqrt() + self.epsilon));
        }
    }
}

/// Gradient descent with Nesterov momentum.
pub(super) static SGD_STEP: Entry = Entry {
    name: "SgdStep",
    inputs: Arity::AtLeast(5),
    outputs: Arity::AtLeast(2),
    shapes: Shapes::OfInputs(|inputs| step_shapes(inputs, 2, 3, 2)),
    create: |context| {
        let sgd = Sgd { momentum: attribute(context, "momentum")?, decay: attribute(context, "decay")? };
        Ok(Body::InPlace(Box::new(move |inputs, outputs| sgd.run(inputs, outputs))))
    },
};
/// Adam and AdamW.
pub(super) static ADAM_STEP: Entry = Entry {
    name: "AdamStep",
    inputs: Arity::AtLeast(8),
    outputs: Arity::AtLeast(3),
    shapes: Shapes::OfInputs(|inputs| step_shapes(inputs, 4, 4, 3)),
    create: |context| {
        let adam = Adam {
            beta1: attribute(context, "beta1")?,
            beta2: attribute(context, "beta2")?,
            epsilon: attribute(context, "epsilon")?,
            decoupled: attribute::<i64>(context, "decoupled")? != 0,
            decay: attribute(context, "decay")?,
        };
        Ok(Body::InPlace(Box::new(move |inputs, outputs| adam.run(inputs, outputs))))
    },
};
