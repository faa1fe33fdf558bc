//! Products with matrices.

use super::conv::float32;
use super::{Case, Entry, Feed};
use crate::graph::{
    Attribute, Attributes, DType, Dim, GraphError, Kernel, Op, Population, Rule, Shape, ShapeError, Speller, TensorType,
    Value,
};

/// `x·w + b` for `x [N, K]`, `w [K, O]`, `b [O]` (ONNX `Gemm`).
#[derive(Debug, Clone, Copy)]
pub struct Linear;

/// Most multiply-accumulate operations of a product that a kernel makes. Up to there it is nearly as fast as ONNX Runtime's
/// `Gemm` (`benches/RESULTS.md`), and all members of a population have their bits alone in one call.
const SMALL: u64 = 1 << 18;

/// Whether a product of so many multiply-accumulate operations has a kernel.
fn is_small(inputs: &[&TensorType], macs: u64) -> bool {
    float32(inputs) && inputs.iter().all(|ty| ty.shape.elements().is_ok_and(|n| n > 0)) && macs <= SMALL
}

impl Op for Linear {
    fn name(&self) -> &'static str {
        "Linear"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let [x, w, b] = inputs else { return Err(ShapeError::new(format!("3 inputs wanted, {} given", inputs.len()))) };
        if x.dtype != w.dtype || x.dtype != b.dtype || !x.dtype.is_float() {
            return Err(ShapeError::new("inputs of one float type wanted"));
        }
        let (k, o) = (w.shape.extent(0)?, w.shape.extent(1)?);
        if x.shape.rank() != 2 || w.shape.rank() != 2 || x.shape.extent(1)? != k || b.shape != Shape::fixed(&[o]) {
            return Err(ShapeError::new(format!("{} · {} + {} does not fit", x.shape, w.shape, b.shape)));
        }
        Ok(vec![x.with_shape(Shape(vec![x.shape.0[0], Dim::Fixed(o)]))])
    }

    fn gradient(&self, rule: &mut Rule<'_>) -> Result<Vec<Option<Value>>, GraphError> {
        let (d, x, w) = (rule.grad()?, rule.inputs[0], rule.inputs[1]);
        let wants_x = rule.wanted[0];
        let g = &mut *rule.graph;
        let dx = if wants_x { Some(g.apply(MatMul { transpose_a: false, transpose_b: true }, &[d, w])?) } else { None };
        let dw = g.apply(MatMul { transpose_a: true, transpose_b: false }, &[x, d])?;
        Ok(vec![dx, Some(dw), Some(d)])
    }

    fn standard(&self, s: &mut Speller<'_>) -> Result<(), GraphError> {
        let [x, w, b] = [0, 1, 2].map(|i| s.input(i));
        let y = if s.input_type(0).dtype == DType::F64 {
            // The engine that checks gradients has no float64 form of Gemm's summand.
            let product = s.node("Gemm", &[x, w], vec![]);
            s.node("Add", &[product, b], vec![])
        } else {
            s.node("Gemm", &[x, w, b], vec![])
        };
        s.output(0, y);
        Ok(())
    }

    fn kernel(&self, inputs: &[&TensorType]) -> Option<Kernel> {
        let macs = rows(inputs[0]) * inputs[1].shape.elements().ok()? as u64;
        is_small(inputs, macs).then(|| Kernel::new("Linear", vec![]))
    }

    fn population(&self, _members: usize, _inputs: &[&TensorType]) -> Option<Population> {
        Population::rounded(MemberLinear)
    }

    fn macs(&self, inputs: &[&TensorType], _outputs: &[&TensorType]) -> u64 {
        rows(inputs[0]) * inputs[1].shape.elements().unwrap_or(0) as u64
    }
}

fn rows(x: &TensorType) -> u64 {
    x.shape.extent(0).unwrap_or(1) as u64
}

/// `op(a)·op(b)` of two matrices, where `op` may transpose (ONNX `Gemm` without a summand).
#[derive(Debug, Clone, Copy)]
pub struct MatMul {
    /// Whether `a` is transposed first.
    pub transpose_a: bool,
    /// Whether `b` is transposed first.
    pub transpose_b: bool,
}

impl MatMul {
    fn attributes(&self) -> Attributes {
        vec![("transA", Attribute::Int(self.transpose_a.into())), ("transB", Attribute::Int(self.transpose_b.into()))]
    }

    fn sides(&self, inputs: &[&TensorType]) -> Result<[Dim; 4], ShapeError> {
        let [a, b] = inputs else { return Err(ShapeError::new(format!("2 inputs wanted, {} given", inputs.len()))) };
        if a.dtype != b.dtype || a.shape.rank() != 2 || b.shape.rank() != 2 {
            return Err(ShapeError::new("two matrices of one type wanted"));
        }
        let order = |s: &Shape, t: bool| if t { (s.0[1], s.0[0]) } else { (s.0[0], s.0[1]) };
        let ((m, k), (l, n)) = (order(&a.shape, self.transpose_a), order(&b.shape, self.transpose_b));
        Ok([m, k, l, n])
    }
}

impl Op for MatMul {
    fn name(&self) -> &'static str {
        "MatMul"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let [m, k, l, n] = self.sides(inputs)?;
        if k != l {
            return Err(ShapeError::new(format!("inner extents {k} and {l} differ")));
        }
        Ok(vec![inputs[0].with_shape(Shape(vec![m, n]))])
    }

    fn gradient(&self, rule: &mut Rule<'_>) -> Result<Vec<Option<Value>>, GraphError> {
        let (d, a, b) = (rule.grad()?, rule.inputs[0], rule.inputs[1]);
        let g = &mut *rule.graph;
        let product = |transpose_a, transpose_b| MatMul { transpose_a, transpose_b };
        let da = if self.transpose_a {
            g.apply(product(self.transpose_b, true), &[b, d])?
        } else {
            g.apply(product(false, !self.transpose_b), &[d, b])?
        };
        let db = if self.transpose_b {
            g.apply(product(true, self.transpose_a), &[d, a])?
        } else {
            g.apply(product(!self.transpose_a, false), &[a, d])?
        };
        Ok(vec![Some(da), Some(db)])
    }

    fn standard(&self, s: &mut Speller<'_>) -> Result<(), GraphError> {
        let y = s.node("Gemm", &[s.input(0), s.input(1)], self.attributes());
        s.output(0, y);
        Ok(())
    }

    fn kernel(&self, inputs: &[&TensorType]) -> Option<Kernel> {
        let attributes = self.attributes();
        is_small(inputs, self.macs(inputs, &[])).then(|| Kernel::new("MatMul", attributes))
    }

    fn population(&self, _members: usize, _inputs: &[&TensorType]) -> Option<Population> {
        Population::rounded(MemberMatMul(*self))
    }

    fn macs(&self, inputs: &[&TensorType], _outputs: &[&TensorType]) -> u64 {
        let number = |d: Dim| match d {
            Dim::Fixed(n) => n as u64,
            Dim::Batch => 1,
        };
        self.sides(inputs).map_or(0, |[m, k, _, n]| number(m) * number(k) * number(n))
    }
}

/// [`Linear`] of each member of a population: `x [K, N, I]`, `w [K, I, O]`, `b [K, 1, O]` (ONNX `MatMul`).
#[derive(Debug, Clone, Copy)]
struct MemberLinear;

impl Op for MemberLinear {
    fn name(&self) -> &'static str {
        "Linear"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let [x, w, b] = inputs else { return Err(ShapeError::new(format!("3 inputs wanted, {} given", inputs.len()))) };
        let outputs = MemberMatMul(MatMul { transpose_a: false, transpose_b: false }).infer(&[x, w])?;
        let (members, o) = (w.shape.extent(0)?, w.shape.extent(2)?);
        if b.shape != Shape::fixed(&[members, 1, o]) {
            return Err(ShapeError::new(format!("a bias {} does not fit {}", b.shape, w.shape)));
        }
        Ok(outputs)
    }

    fn standard(&self, s: &mut Speller<'_>) -> Result<(), GraphError> {
        let product = s.node("MatMul", &[s.input(0), s.input(1)], vec![]);
        let y = s.node("Add", &[product, s.input(2)], vec![]);
        s.output(0, y);
        Ok(())
    }
}

/// [`MatMul`] of each member of a population (ONNX `MatMul`).
#[derive(Debug, Clone, Copy)]
struct MemberMatMul(MatMul);

impl Op for MemberMatMul {
    fn name(&self) -> &'static str {
        "MatMul"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let single = |ty: &&TensorType| match ty.shape.0.split_first() {
            Some((&members, rest)) => Ok((members, ty.with_shape(Shape(rest.to_vec())))),
            None => Err(ShapeError::new("a population wanted, not a scalar")),
        };
        let parts = inputs.iter().map(single).collect::<Result<Vec<_>, _>>()?;
        let outputs = self.0.infer(&parts.iter().map(|(_, ty)| ty).collect::<Vec<_>>())?;
        if parts.iter().any(|(members, _)| *members != parts[0].0) {
            return Err(ShapeError::new("factors have several numbers of members"));
        }
        Ok(outputs.into_iter().map(|ty| ty.with_shape(ty.shape.behind(parts[0].0))).collect())
    }

    fn standard(&self, s: &mut Speller<'_>) -> Result<(), GraphError> {
        let turned = |s: &mut Speller<'_>, i: usize, transposed: bool| match transposed {
            true => s.node("Transpose", &[s.input(i)], vec![("perm", Attribute::Ints(vec![0, 2, 1]))]),
            false => s.input(i),
        };
        let (a, b) = (turned(s, 0, self.0.transpose_a), turned(s, 1, self.0.transpose_b));
        let y = s.node("MatMul", &[a, b], vec![]);
        s.output(0, y);
        Ok(())
    }
}

/// Fully connected layer.
pub static LINEAR: Entry = Entry {
    name: "Linear",
    doc: "Matrix product with bias",
    differentiable: true,
    cases: || {
        [(3, 5, 7), (1, 1, 1), (8, 4, 2)]
            .into_iter()
            .map(|(n, k, o)| {
                Case::new(Linear, vec![Feed::Normal(vec![n, k]), Feed::Normal(vec![k, o]), Feed::Normal(vec![o])])
            })
            .collect()
    },
};
/// Product of two matrices.
pub static MAT_MUL: Entry = Entry {
    name: "MatMul",
    doc: "Product of two matrices, each possibly transposed",
    differentiable: true,
    cases: || {
        [(false, false), (true, false), (false, true), (true, true)]
            .into_iter()
            .map(|(transpose_a, transpose_b)| {
                let a = if transpose_a { vec![5, 3] } else { vec![3, 5] };
                let b = if transpose_b { vec![7, 5] } else { vec![5, 7] };
                Case::new(MatMul { transpose_a, transpose_b }, vec![Feed::Normal(a), Feed::Normal(b)])
            })
            .collect()
    },
};
