//! Activation functions: one table, one operator for all.

use super::conv::float32;
use super::{Case, Entry, Feed};
use crate::graph::{Attribute, GraphError, Kernel, Op, Population, Rule, ShapeError, Speller, TensorType, Term, Value};

/// An activation function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ActivationKind {
    /// max(x, 0).
    Relu,
    /// x where positive, 0.01·x elsewhere.
    LeakyRelu,
    /// x where positive, eˣ − 1 elsewhere (Clevert et al., 2016).
    Elu,
    /// x·Φ(x) in the tanh form (Hendrycks and Gimpel, 2016).
    Gelu,
    /// x·σ(x), also called Swish (Ramachandran et al., 2017).
    Silu,
    /// Hyperbolic tangent.
    Tanh,
    /// 1/(1 + e⁻ˣ).
    Sigmoid,
    /// min(max(x, 0), 6) (Sandler et al., 2018).
    Relu6,
}

impl ActivationKind {
    /// Every activation.
    pub const ALL: [ActivationKind; 8] = [
        ActivationKind::Relu,
        ActivationKind::LeakyRelu,
        ActivationKind::Elu,
        ActivationKind::Gelu,
        ActivationKind::Silu,
        ActivationKind::Tanh,
        ActivationKind::Sigmoid,
        ActivationKind::Relu6,
    ];
}

/// Slope of [`ActivationKind::LeakyRelu`] on the negative side.
const LEAK: f64 = 0.01;
/// Greatest value of [`ActivationKind::Relu6`].
const SIX: f64 = 6.0;
/// √(2/π), of the tanh form of GELU.
const GELU_SCALE: f64 = 0.797_884_560_802_865_4;
/// Coefficient of x³ in the tanh form of GELU.
const GELU_CUBE: f64 = 0.044_715;

/// `act(x)`, element by element.
#[derive(Debug, Clone, Copy)]
pub struct Activation(pub ActivationKind);

impl Op for Activation {
    fn name(&self) -> &'static str {
        "Activation"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        match inputs {
            [x] if x.dtype.is_float() => Ok(vec![(*x).clone()]),
            _ => Err(ShapeError::new("one float input wanted")),
        }
    }

    fn gradient(&self, rule: &mut Rule<'_>) -> Result<Vec<Option<Value>>, GraphError> {
        let (d, x, y) = (rule.grad()?, rule.inputs[0], rule.outputs[0]);
        Ok(vec![Some(rule.graph.apply(ActivationGrad(self.0), &[d, x, y])?)])
    }

    fn standard(&self, s: &mut Speller<'_>) -> Result<(), GraphError> {
        let x = s.input(0);
        let y = spell(self.0, s, x);
        s.output(0, y);
        Ok(())
    }

    fn kernel(&self, inputs: &[&TensorType]) -> Option<Kernel> {
        let attributes = vec![attribute(Some(self.0))];
        float32(inputs).then(|| Kernel::new("Activation", attributes).with_images(&[0], &[0]))
    }

    fn population(&self, _members: usize, _inputs: &[&TensorType]) -> Option<Population> {
        Population::exact(*self)
    }
}

/// Nodes that compute `kind` of `x`.
pub(super) fn spell(kind: ActivationKind, s: &mut Speller<'_>, x: Term) -> Term {
    match kind {
        ActivationKind::Relu => s.node("Relu", &[x], vec![]),
        ActivationKind::LeakyRelu => {
            let leak = s.scalar(LEAK);
            let leaked = s.node("Mul", &[x, leak], vec![]);
            s.node("Max", &[x, leaked], vec![])
        }
        ActivationKind::Elu => s.node("Elu", &[x], vec![("alpha", Attribute::Float(1.0))]),
        ActivationKind::Tanh => s.node("Tanh", &[x], vec![]),
        ActivationKind::Sigmoid => sigmoid(s, x),
        ActivationKind::Relu6 => {
            let (positive, six) = (s.node("Relu", &[x], vec![]), s.scalar(SIX));
            s.node("Min", &[positive, six], vec![])
        }
        ActivationKind::Silu => {
            let gate = sigmoid(s, x);
            s.node("Mul", &[x, gate], vec![])
        }
        ActivationKind::Gelu => {
            let t = gelu_tanh(s, x);
            let (one, half) = (s.scalar(1.0), s.scalar(0.5));
            let gate = s.node("Add", &[t, one], vec![]);
            let halved = s.node("Mul", &[x, half], vec![]);
            s.node("Mul", &[halved, gate], vec![])
        }
    }
}

/// σ(x) = (1 + tanh(x/2))/2: `Sigmoid` has no float64 form in the engine that checks gradients.
fn sigmoid(s: &mut Speller<'_>, x: Term) -> Term {
    if s.input_type(0).dtype == crate::graph::DType::F32 {
        return s.node("Sigmoid", &[x], vec![]);
    }
    let (half, one) = (s.scalar(0.5), s.scalar(1.0));
    let halved = s.node("Mul", &[x, half], vec![]);
    let t = s.node("Tanh", &[halved], vec![]);
    let raised = s.node("Add", &[t, one], vec![]);
    s.node("Mul", &[raised, half], vec![])
}

/// tanh(√(2/π)·(x + 0.044715·x³)).
fn gelu_tanh(s: &mut Speller<'_>, x: Term) -> Term {
    let (cube, one, scale) = (s.scalar(GELU_CUBE), s.scalar(1.0), s.scalar(GELU_SCALE));
    let squared = s.node("Mul", &[x, x], vec![]);
    let cubed = s.node("Mul", &[squared, cube], vec![]);
    let factor = s.node("Add", &[cubed, one], vec![]);
    let inner = s.node("Mul", &[x, factor], vec![]);
    let scaled = s.node("Mul", &[inner, scale], vec![]);
    s.node("Tanh", &[scaled], vec![])
}

/// Gradient of [`Activation`] from `dy`, `x` and `y`.
#[derive(Debug, Clone, Copy)]
pub struct ActivationGrad(pub ActivationKind);

impl Op for ActivationGrad {
    fn name(&self) -> &'static str {
        "ActivationGrad"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        match inputs {
            [dy, x, y] if dy == x && x == y && x.dtype.is_float() => Ok(vec![(*x).clone()]),
            _ => Err(ShapeError::new("gradient, input and output of one type wanted")),
        }
    }

    fn standard(&self, s: &mut Speller<'_>) -> Result<(), GraphError> {
        let (dy, x, y) = (s.input(0), s.input(1), s.input(2));
        let slope = spell_slope(self.0, s, x, y);
        let dx = s.node("Mul", &[dy, slope], vec![]);
        s.output(0, dx);
        Ok(())
    }

    fn kernel(&self, inputs: &[&TensorType]) -> Option<Kernel> {
        let attributes = vec![attribute(Some(self.0))];
        float32(inputs).then(|| Kernel::new("ActivationGrad", attributes).with_images(&[0, 1, 2], &[0]))
    }

    fn population(&self, _members: usize, _inputs: &[&TensorType]) -> Option<Population> {
        Population::exact(*self)
    }
}

/// The attribute of a kernel that names an activation: its position in [`ActivationKind::ALL`], −1 for none.
pub(in crate::graph) fn attribute(kind: Option<ActivationKind>) -> (&'static str, Attribute) {
    let position = kind.and_then(|kind| ActivationKind::ALL.iter().position(|&k| k == kind));
    ("activation", Attribute::Int(position.map_or(-1, |i| i as i64)))
}

/// Whether [`spell_slope`] gives the derivative from `y` alone, standing in for `x` as well.
pub(super) fn slope_from_output(kind: ActivationKind) -> bool {
    !matches!(kind, ActivationKind::Gelu | ActivationKind::Silu)
}

/// Nodes that compute the derivative of `kind` at `x`, where it has the value `y`.
pub(super) fn spell_slope(kind: ActivationKind, s: &mut Speller<'_>, x: Term, y: Term) -> Term {
    let one = s.scalar(1.0);
    match kind {
        // Sign is 5 to 10 times faster on ONNX Runtime's CPU provider than Where or a comparison.
        ActivationKind::Relu => s.node("Sign", &[y], vec![]),
        ActivationKind::Relu6 => {
            // sign(y)·sign(6 − y), for y lies from 0 to 6
            let six = s.scalar(SIX);
            let above = s.node("Sign", &[y], vec![]);
            let room = s.node("Sub", &[six, y], vec![]);
            let below = s.node("Sign", &[room], vec![]);
            s.node("Mul", &[above, below], vec![])
        }
        ActivationKind::LeakyRelu => {
            // ((1 + leak) + (1 − leak)·sign x)/2
            let (mean, reach) = (s.scalar((1.0 + LEAK) / 2.0), s.scalar((1.0 - LEAK) / 2.0));
            let sign = s.node("Sign", &[x], vec![]);
            let scaled = s.node("Mul", &[sign, reach], vec![]);
            s.node("Add", &[scaled, mean], vec![])
        }
        ActivationKind::Elu => {
            // min(y, 0) + 1 is eˣ on the negative side and 1 on the positive
            let zero = s.scalar(0.0);
            let negative = s.node("Min", &[y, zero], vec![]);
            s.node("Add", &[negative, one], vec![])
        }
        ActivationKind::Tanh => {
            let squared = s.node("Mul", &[y, y], vec![]);
            s.node("Sub", &[one, squared], vec![])
        }
        ActivationKind::Sigmoid => {
            let rest = s.node("Sub", &[one, y], vec![]);
            s.node("Mul", &[y, rest], vec![])
        }
        ActivationKind::Silu => {
            // σ(x)·(1 − y) + y
            let gate = sigmoid(s, x);
            let rest = s.node("Sub", &[one, y], vec![]);
            let product = s.node("Mul", &[gate, rest], vec![]);
            s.node("Add", &[product, y], vec![])
        }
        ActivationKind::Gelu => {
            // ½(1 + t) + ½·x·(1 − t²)·√(2/π)·(1 + 3·0.044715·x²)
            let t = gelu_tanh(s, x);
            let (half, scale, cube) = (s.scalar(0.5), s.scalar(0.5 * GELU_SCALE), s.scalar(3.0 * GELU_CUBE));
            let raised = s.node("Add", &[t, one], vec![]);
            let first = s.node("Mul", &[raised, half], vec![]);
            let squared = s.node("Mul", &[t, t], vec![]);
            let rest = s.node("Sub", &[one, squared], vec![]);
            let x2 = s.node("Mul", &[x, x], vec![]);
            let cubic = s.node("Mul", &[x2, cube], vec![]);
            let inner = s.node("Add", &[cubic, one], vec![]);
            let scaled = s.node("Mul", &[x, scale], vec![]);
            let left = s.node("Mul", &[scaled, rest], vec![]);
            let second = s.node("Mul", &[left, inner], vec![]);
            s.node("Add", &[first, second], vec![])
        }
    }
}

/// All activations.
pub static ACTIVATION: Entry = Entry {
    name: "Activation",
    doc: "ReLU, LeakyReLU, ELU, GELU, SiLU, tanh, sigmoid, ReLU6",
    differentiable: true,
    cases: || {
        ActivationKind::ALL
            .into_iter()
            .flat_map(|k| [vec![3, 5], vec![2, 3, 5, 7]].map(|shape| Case::new(Activation(k), vec![Feed::Distinct(shape)])))
            .collect()
    },
};
