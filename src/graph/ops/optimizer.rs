//! Updates of parameters and statistics: one operator over all tensors, so that one kernel can make a whole step.

use super::conv::float32;
use super::{Case, Entry, Feed};
use crate::graph::{Attribute, GraphError, Kernel, Op, Population, ShapeError, Speller, TensorType, Term};

/// Checks `scalars` rank-0 inputs followed by groups of `size` inputs of one type each, and returns the groups.
fn groups<'a>(inputs: &[&'a TensorType], scalars: usize, size: usize) -> Result<Vec<&'a TensorType>, ShapeError> {
    let rest = inputs.get(scalars..).unwrap_or_default();
    if rest.is_empty() || rest.len() % size != 0 {
        let problem = format!("{scalars} scalars and groups of {size} inputs wanted, {} inputs given", inputs.len());
        return Err(ShapeError::new(problem));
    }
    let dtype = rest[0].dtype;
    if !dtype.is_float() || inputs.iter().any(|t| t.dtype != dtype) {
        return Err(ShapeError::new("inputs of one float type wanted"));
    }
    if let Some(scalar) = inputs[..scalars].iter().find(|t| t.shape.rank() != 0) {
        return Err(ShapeError::new(format!("a scalar wanted, not {scalar}")));
    }
    for (i, group) in rest.chunks(size).enumerate() {
        if group.iter().any(|t| t.shape != group[0].shape) {
            return Err(ShapeError::new(format!("shapes of tensor {i} differ")));
        }
    }
    Ok(rest.chunks(size).map(|group| group[0]).collect())
}

/// Checks that there is a decay flag for each of `parameters`.
fn check_decay(decay: &[bool], parameters: usize) -> Result<(), ShapeError> {
    if decay.len() != parameters {
        return Err(ShapeError::new(format!("{} decay flags for {parameters} parameters", decay.len())));
    }
    Ok(())
}

/// Each type `times` times in a row.
fn repeated(types: &[&TensorType], times: usize) -> Vec<TensorType> {
    types.iter().flat_map(|&t| std::iter::repeat_n(t.clone(), times)).collect()
}

/// `base + factor·other`, two nodes.
fn add_scaled(s: &mut Speller<'_>, base: Term, factor: Term, other: Term) -> Term {
    let scaled = s.node("Mul", &[other, factor], vec![]);
    s.node("Add", &[base, scaled], vec![])
}

/// Flags as an attribute.
fn flags(flags: &[bool]) -> Attribute {
    Attribute::Ints(flags.iter().map(|&flag| flag.into()).collect())
}

/// A step of gradient descent with Nesterov momentum μ, as Sutskever et al. (2013) in the form that PyTorch has:
/// `g ← g + wd·w` where the parameter decays, `v' = μ·v + g`, `w' = w − lr·(g + μ·v')`.
///
/// Inputs: `lr []`, `wd []`, then `w, g, v` for each parameter. Outputs: `w', v'` for each parameter.
#[derive(Debug, Clone)]
pub struct SgdStep {
    /// Momentum μ, in [0, 1).
    pub momentum: f32,
    /// Which parameters decay.
    pub decay: Vec<bool>,
}

impl Op for SgdStep {
    fn name(&self) -> &'static str {
        "SgdStep"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let parameters = groups(inputs, 2, 3)?;
        check_decay(&self.decay, parameters.len())?;
        Ok(repeated(&parameters, 2))
    }

    fn standard(&self, s: &mut Speller<'_>) -> Result<(), GraphError> {
        let (lr, wd) = (s.input(0), s.input(1));
        let momentum = s.scalar(f64::from(self.momentum));
        for (i, &decays) in self.decay.iter().enumerate() {
            let [w, raw, v] = [0, 1, 2].map(|part| s.input(2 + 3 * i + part));
            let g = if decays { add_scaled(s, raw, wd, w) } else { raw };
            let velocity = add_scaled(s, g, momentum, v);
            let ahead = add_scaled(s, g, momentum, velocity);
            let step = s.node("Mul", &[ahead, lr], vec![]);
            let next = s.node("Sub", &[w, step], vec![]);
            s.output(2 * i, next);
            s.output(2 * i + 1, velocity);
        }
        Ok(())
    }

    fn kernel(&self, inputs: &[&TensorType]) -> Option<Kernel> {
        let attributes = vec![("momentum", Attribute::Float(self.momentum)), ("decay", flags(&self.decay))];
        float32(inputs).then_some(Kernel::new("SgdStep", attributes).overwriting())
    }
}

/// A step of Adam (Kingma and Ba, 2015) or, with `decoupled`, AdamW (Loshchilov and Hutter, 2019):
/// `m' = m + (1 − β₁)·(g − m)`, `v' = v + (1 − β₂)·(g² − v)`, `w' = w − lr·c1·m' / (√(c2·v') + ε)`.
///
/// Where a parameter decays, `wd·w` is added to its gradient, or, with `decoupled`, `lr·wd·w` is taken off `w`.
///
/// Inputs: `lr []`, `wd []`, the bias corrections `c1 []` = 1/(1 − β₁ᵗ) and `c2 []` = 1/(1 − β₂ᵗ) of step t = 1, 2, …,
/// then `w, g, m, v` for each parameter. Outputs: `w', m', v'` for each parameter.
#[derive(Debug, Clone)]
pub struct AdamStep {
    /// Decay β₁ of the first moment, in [0, 1).
    pub beta1: f32,
    /// Decay β₂ of the second moment, in [0, 1).
    pub beta2: f32,
    /// ε, what is added to the root of the second moment.
    pub epsilon: f32,
    /// Whether decay bypasses the moments.
    pub decoupled: bool,
    /// Which parameters decay.
    pub decay: Vec<bool>,
}

impl Op for AdamStep {
    fn name(&self) -> &'static str {
        "AdamStep"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let parameters = groups(inputs, 4, 4)?;
        check_decay(&self.decay, parameters.len())?;
        Ok(repeated(&parameters, 3))
    }

    fn standard(&self, s: &mut Speller<'_>) -> Result<(), GraphError> {
        let scalars = AdamScalars::spell(self, s);
        let wd = s.input(1);
        for (i, &decays) in self.decay.iter().enumerate() {
            let [w, raw, m, v] = [0, 1, 2, 3].map(|part| s.input(4 + 4 * i + part));
            let g = if decays && !self.decoupled { add_scaled(s, raw, wd, w) } else { raw };
            let kept = if decays && self.decoupled { s.node("Mul", &[w, scalars.keep], vec![]) } else { w };
            let first = moved(s, m, g, scalars.rest1);
            let squared = s.node("Mul", &[g, g], vec![]);
            let second = moved(s, v, squared, scalars.rest2);
            let root = s.node("Sqrt", &[second], vec![]);
            let bound = s.node("Add", &[root, scalars.epsilon], vec![]);
            let direction = s.node("Div", &[first, bound], vec![]);
            let step = s.node("Mul", &[direction, scalars.rate], vec![]);
            let next = s.node("Sub", &[kept, step], vec![]);
            s.output(3 * i, next);
            s.output(3 * i + 1, first);
            s.output(3 * i + 2, second);
        }
        Ok(())
    }

    fn kernel(&self, inputs: &[&TensorType]) -> Option<Kernel> {
        let attributes = vec![
            ("beta1", Attribute::Float(self.beta1)),
            ("beta2", Attribute::Float(self.beta2)),
            ("epsilon", Attribute::Float(self.epsilon)),
            ("decoupled", Attribute::Int(self.decoupled.into())),
            ("decay", flags(&self.decay)),
        ];
        float32(inputs).then_some(Kernel::new("AdamStep", attributes).overwriting())
    }
}

/// What all parameters of an Adam step share. Dividing rate and ε by √c2 saves the product `c2·v'` of each parameter.
struct AdamScalars {
    /// lr·c1/√c2.
    rate: Term,
    /// ε/√c2.
    epsilon: Term,
    /// 1 − lr·wd.
    keep: Term,
    /// 1 − β₁.
    rest1: Term,
    /// 1 − β₂.
    rest2: Term,
}

impl AdamScalars {
    fn spell(op: &AdamStep, s: &mut Speller<'_>) -> Self {
        let (lr, wd, c1, c2) = (s.input(0), s.input(1), s.input(2), s.input(3));
        let (one, epsilon) = (s.scalar(1.0), s.scalar(f64::from(op.epsilon)));
        let root = s.node("Sqrt", &[c2], vec![]);
        let corrected = s.node("Mul", &[lr, c1], vec![]);
        let rate = s.node("Div", &[corrected, root], vec![]);
        let epsilon = s.node("Div", &[epsilon, root], vec![]);
        let shrink = s.node("Mul", &[lr, wd], vec![]);
        let keep = s.node("Sub", &[one, shrink], vec![]);
        let (rest1, rest2) = (s.scalar(1.0 - f64::from(op.beta1)), s.scalar(1.0 - f64::from(op.beta2)));
        AdamScalars { rate, epsilon, keep, rest1, rest2 }
    }
}

/// `old + rate·(new − old)`, three nodes.
fn moved(s: &mut Speller<'_>, old: Term, new: Term, rate: Term) -> Term {
    let gap = s.node("Sub", &[new, old], vec![]);
    add_scaled(s, old, rate, gap)
}

/// `old + rate·(new − old)` for several tensors: running statistics of batch norm, averaged weights.
///
/// Inputs: `rate []`, then `old, new` for each tensor. Outputs: the updated tensors.
#[derive(Debug, Clone, Copy)]
pub struct ExponentialAverage;

impl Op for ExponentialAverage {
    fn name(&self) -> &'static str {
        "ExponentialAverage"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        Ok(repeated(&groups(inputs, 1, 2)?, 1))
    }

    fn standard(&self, s: &mut Speller<'_>) -> Result<(), GraphError> {
        let rate = s.input(0);
        for i in 0..(s.input_count() - 1) / 2 {
            let updated = moved(s, s.input(1 + 2 * i), s.input(2 + 2 * i), rate);
            s.output(i, updated);
        }
        Ok(())
    }

    fn population(&self, _members: usize, inputs: &[&TensorType]) -> Option<Population> {
        let alike = inputs[1..].windows(2).all(|pair| pair[0].shape.rank() == pair[1].shape.rank());
        if alike { Population::exact(*self) } else { None }
    }
}

/// Shapes of the parameters in the cases below.
const SHAPES: [&[usize]; 4] = [&[3, 5], &[17], &[1], &[2, 3, 3, 1]];

/// `scalars` positive scalars, then for each shape what `feeds` gives.
fn step_feeds(scalars: usize, shapes: &[&[usize]], feeds: fn(Vec<usize>) -> Vec<Feed>) -> Vec<Feed> {
    let mut all = vec![Feed::Positive(vec![]); scalars];
    all.extend(shapes.iter().flat_map(|shape| feeds(shape.to_vec())));
    all
}

/// Gradient descent with momentum.
pub static SGD_STEP: Entry = Entry {
    name: "SgdStep",
    doc: "Step of gradient descent with Nesterov momentum, over all parameters",
    differentiable: false,
    cases: || {
        let case = |momentum, decay: &[bool]| {
            let shapes = &SHAPES[..decay.len()];
            let feeds = step_feeds(2, shapes, |shape| vec![Feed::Normal(shape); 3]);
            Case::new(SgdStep { momentum, decay: decay.to_vec() }, feeds)
        };
        vec![case(0.9, &[true, false, false, true]), case(0.0, &[true])]
    },
};
/// Adam and AdamW.
pub static ADAM_STEP: Entry = Entry {
    name: "AdamStep",
    doc: "Step of Adam or AdamW, over all parameters",
    differentiable: false,
    cases: || {
        let case = |decoupled, decay: &[bool]| {
            let shapes = &SHAPES[..decay.len()];
            let feeds = step_feeds(4, shapes, |shape| {
                vec![
                    Feed::Normal(shape.clone()),
                    Feed::Normal(shape.clone()),
                    Feed::Normal(shape.clone()),
                    Feed::Positive(shape),
                ]
            });
            let op = AdamStep { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decoupled, decay: decay.to_vec() };
            Case::new(op, feeds)
        };
        vec![case(true, &[true, false, false, true]), case(false, &[true, false]), case(true, &[false])]
    },
};
/// Running averages.
pub static EXPONENTIAL_AVERAGE: Entry = Entry {
    name: "ExponentialAverage",
    doc: "Running average of several tensors",
    differentiable: false,
    cases: || {
        let case =
            |shapes: &[&[usize]]| Case::new(ExponentialAverage, step_feeds(1, shapes, |shape| vec![Feed::Normal(shape); 2]));
        vec![case(&SHAPES), case(&SHAPES[..1])]
    },
};
