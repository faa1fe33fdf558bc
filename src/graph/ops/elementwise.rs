//! Arithmetic element by element, with broadcasting as ONNX has it.

use super::{Case, Entry, Feed};
use crate::graph::{Dim, GraphError, Op, Population, Rule, Shape, ShapeError, Speller, TensorType, Value};
use std::sync::Arc;

/// Which arithmetic [`Binary`] does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BinaryKind {
    /// Sum.
    Add,
    /// Difference.
    Sub,
    /// Product.
    Mul,
    /// Quotient.
    Div,
}

/// `a ∘ b` with broadcasting (ONNX `Add`, `Sub`, `Mul`, `Div`).
#[derive(Debug, Clone, Copy)]
pub struct Binary(pub BinaryKind);

impl Op for Binary {
    fn name(&self) -> &'static str {
        match self.0 {
            BinaryKind::Add => "Add",
            BinaryKind::Sub => "Sub",
            BinaryKind::Mul => "Mul",
            BinaryKind::Div => "Div",
        }
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let [a, b] = inputs else { return Err(ShapeError::new(format!("2 inputs wanted, {} given", inputs.len()))) };
        if a.dtype != b.dtype {
            return Err(ShapeError::new(format!("{} and {} differ", a.dtype, b.dtype)));
        }
        Ok(vec![a.with_shape(broadcast(&a.shape, &b.shape)?)])
    }

    fn gradient(&self, rule: &mut Rule<'_>) -> Result<Vec<Option<Value>>, GraphError> {
        let (d, a, b) = (rule.grad()?, rule.inputs[0], rule.inputs[1]);
        let (wants_a, wants_b) = (rule.wanted[0], rule.wanted[1]);
        let g = &mut *rule.graph;
        let mul = Binary(BinaryKind::Mul);
        Ok(match self.0 {
            BinaryKind::Add => vec![Some(d), Some(d)],
            BinaryKind::Sub => vec![Some(d), if wants_b { Some(g.apply(Unary(UnaryKind::Neg), &[d])?) } else { None }],
            BinaryKind::Mul => vec![
                if wants_a { Some(g.apply(mul, &[d, b])?) } else { None },
                if wants_b { Some(g.apply(mul, &[d, a])?) } else { None },
            ],
            BinaryKind::Div => {
                let da = g.apply(Binary(BinaryKind::Div), &[d, b])?;
                let db = if wants_b {
                    let scaled = g.apply(mul, &[da, rule.outputs[0]])?;
                    Some(g.apply(Unary(UnaryKind::Neg), &[scaled])?)
                } else {
                    None
                };
                vec![Some(da), db]
            }
        })
    }

    fn standard(&self, s: &mut Speller<'_>) -> Result<(), GraphError> {
        let y = s.node(self.name(), &[s.input(0), s.input(1)], vec![]);
        s.output(0, y);
        Ok(())
    }

    fn population(&self, _members: usize, _inputs: &[&TensorType]) -> Option<Population> {
        Population::exact(*self)
    }

    fn channels_last(&self, inputs: &[&TensorType]) -> Option<Arc<dyn Op>> {
        let whole = inputs.iter().map(|t| &t.shape).max_by_key(|s| s.rank())?;
        let alike = |t: &&TensorType| t.shape == *whole || t.shape.rank() == 0;
        inputs.iter().all(alike).then(|| Arc::new(*self) as Arc<dyn Op>)
    }
}

/// The shape of an operation on two shapes, aligned at their last axes.
///
/// # Errors
/// Where two extents differ and neither is 1.
pub fn broadcast(a: &Shape, b: &Shape) -> Result<Shape, ShapeError> {
    let rank = a.rank().max(b.rank());
    let at = |s: &Shape, i: usize| (i + s.rank()).checked_sub(rank).map_or(Dim::Fixed(1), |axis| s.0[axis]);
    (0..rank)
        .map(|i| match (at(a, i), at(b, i)) {
            (x, y) if x == y => Ok(x),
            (x, Dim::Fixed(1)) => Ok(x),
            (Dim::Fixed(1), y) => Ok(y),
            _ => Err(ShapeError::new(format!("{a} and {b} do not broadcast"))),
        })
        .collect::<Result<Vec<Dim>, _>>()
        .map(Shape)
}

/// Which function [`Unary`] computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnaryKind {
    /// −x.
    Neg,
    /// eˣ.
    Exp,
    /// Natural logarithm.
    Log,
    /// √x.
    Sqrt,
    /// 1/x.
    Reciprocal,
    /// Sine.
    Sin,
    /// Cosine.
    Cos,
}

/// A smooth function of each element (ONNX operators of the same names).
#[derive(Debug, Clone, Copy)]
pub struct Unary(pub UnaryKind);

impl Op for Unary {
    fn name(&self) -> &'static str {
        match self.0 {
            UnaryKind::Neg => "Neg",
            UnaryKind::Exp => "Exp",
            UnaryKind::Log => "Log",
            UnaryKind::Sqrt => "Sqrt",
            UnaryKind::Reciprocal => "Reciprocal",
            UnaryKind::Sin => "Sin",
            UnaryKind::Cos => "Cos",
        }
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        match inputs {
            [x] if x.dtype.is_float() => Ok(vec![(*x).clone()]),
            _ => Err(ShapeError::new("one float input wanted")),
        }
    }

    fn gradient(&self, rule: &mut Rule<'_>) -> Result<Vec<Option<Value>>, GraphError> {
        let (d, x, y) = (rule.grad()?, rule.inputs[0], rule.outputs[0]);
        let g = &mut *rule.graph;
        let (mul, div, neg) = (Binary(BinaryKind::Mul), Binary(BinaryKind::Div), Unary(UnaryKind::Neg));
        let dx = match self.0 {
            UnaryKind::Neg => g.apply(neg, &[d])?,
            UnaryKind::Exp => g.apply(mul, &[d, y])?,
            UnaryKind::Log => g.apply(div, &[d, x])?,
            UnaryKind::Sqrt => {
                let half = g.scalar(g.ty(d).dtype, 0.5);
                let halved = g.apply(mul, &[d, half])?;
                g.apply(div, &[halved, y])?
            }
            UnaryKind::Reciprocal => {
                let squared = g.apply(mul, &[y, y])?;
                let scaled = g.apply(mul, &[d, squared])?;
                g.apply(neg, &[scaled])?
            }
            UnaryKind::Sin => {
                let cos = g.apply(Unary(UnaryKind::Cos), &[x])?;
                g.apply(mul, &[d, cos])?
            }
            UnaryKind::Cos => {
                let sin = g.apply(Unary(UnaryKind::Sin), &[x])?;
                let scaled = g.apply(mul, &[d, sin])?;
                g.apply(neg, &[scaled])?
            }
        };
        Ok(vec![Some(dx)])
    }

    fn standard(&self, s: &mut Speller<'_>) -> Result<(), GraphError> {
        let y = s.node(self.name(), &[s.input(0)], vec![]);
        s.output(0, y);
        Ok(())
    }

    fn population(&self, _members: usize, _inputs: &[&TensorType]) -> Option<Population> {
        // How the others are computed depends on where vectors begin.
        match self.0 {
            UnaryKind::Neg | UnaryKind::Sqrt => Population::exact(*self),
            _ => Population::rounded(*self),
        }
    }

    fn channels_last(&self, _inputs: &[&TensorType]) -> Option<Arc<dyn Op>> {
        Some(Arc::new(*self))
    }
}

fn binary_cases(kind: BinaryKind) -> Vec<Case> {
    let second = |shape: &[usize]| match kind {
        BinaryKind::Div => Feed::Positive(shape.to_vec()),
        _ => Feed::Normal(shape.to_vec()),
    };
    vec![
        Case::new(Binary(kind), vec![Feed::Normal(vec![3, 5]), second(&[3, 5])]),
        Case::new(Binary(kind), vec![Feed::Normal(vec![4, 3, 5]), second(&[3, 1])]),
        Case::new(Binary(kind), vec![Feed::Normal(vec![1, 7]), second(&[2, 1])]),
        Case::new(Binary(kind), vec![Feed::Normal(vec![2, 3]), second(&[])]),
    ]
}

/// Sum.
pub static ADD: Entry =
    Entry { name: "Add", doc: "Sum with broadcasting", differentiable: true, cases: || binary_cases(BinaryKind::Add) };
/// Difference.
pub static SUB: Entry = Entry {
    name: "Sub",
    doc: "Difference with broadcasting",
    differentiable: true,
    cases: || binary_cases(BinaryKind::Sub),
};
/// Product.
pub static MUL: Entry =
    Entry { name: "Mul", doc: "Product with broadcasting", differentiable: true, cases: || binary_cases(BinaryKind::Mul) };
/// Quotient.
pub static DIV: Entry =
    Entry { name: "Div", doc: "Quotient with broadcasting", differentiable: true, cases: || binary_cases(BinaryKind::Div) };
/// Smooth functions of one element.
pub static UNARY: Entry = Entry {
    name: "Unary",
    doc: "Negation, exponential, logarithm, root, reciprocal, sine, cosine",
    differentiable: true,
    cases: || {
        use UnaryKind::{Cos, Exp, Log, Neg, Reciprocal, Sin, Sqrt};
        [Neg, Exp, Log, Sqrt, Reciprocal, Sin, Cos]
            .into_iter()
            .flat_map(|k| {
                [Case::new(Unary(k), vec![Feed::Positive(vec![3, 5])]), Case::new(Unary(k), vec![Feed::Positive(vec![1])])]
            })
            .collect()
    },
};
