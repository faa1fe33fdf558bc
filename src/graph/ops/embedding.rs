//! Categories: rows of a table, and one-hot vectors.

use super::{Case, Entry, Feed};
use crate::graph::{Attribute, DType, Dim, GraphError, Op, Rule, Shape, ShapeError, Speller, Tensor, TensorType, Value};

/// Row `codes[n, f]` of `table [V, D]` for each of `codes [N, F]` (int64), as `[N, F, D]` (ONNX `Gather`).
///
/// All columns share one table; each has a range of rows of its own. A code outside the table fails the run.
#[derive(Debug, Clone, Copy)]
pub struct Embedding;

impl Op for Embedding {
    fn name(&self) -> &'static str {
        "Embedding"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let [table, codes] = inputs else { return Err(ShapeError::new(format!("2 inputs wanted, {} given", inputs.len()))) };
        if !table.dtype.is_float() || table.shape.rank() != 2 {
            return Err(ShapeError::new(format!("a float table [V, D] wanted, not {table}")));
        }
        check_codes(codes)?;
        let mut shape = codes.shape.clone();
        shape.0.push(Dim::Fixed(table.shape.extent(1)?));
        Ok(vec![table.with_shape(shape)])
    }

    fn gradient(&self, rule: &mut Rule<'_>) -> Result<Vec<Option<Value>>, GraphError> {
        let (d, codes) = (rule.grad()?, rule.inputs[1]);
        let rows = rule.shaped(rule.graph.ty(rule.inputs[0]).shape.extent(0))?;
        Ok(vec![Some(rule.graph.apply(EmbeddingGrad { rows }, &[d, codes])?), None])
    }

    fn standard(&self, s: &mut Speller<'_>) -> Result<(), GraphError> {
        let y = s.node("Gather", &[s.input(0), s.input(1)], vec![("axis", Attribute::Int(0))]);
        s.output(0, y);
        Ok(())
    }
}

fn check_codes(codes: &TensorType) -> Result<(), ShapeError> {
    if codes.dtype != DType::I64 || codes.shape.rank() != 2 {
        return Err(ShapeError::new(format!("int64 codes [N, F] wanted, not {codes}")));
    }
    Ok(())
}

/// Gradient of [`Embedding`] for its table: `d [N, F, D]` added up by `codes [N, F]` into `[rows, D]`.
#[derive(Debug, Clone, Copy)]
pub struct EmbeddingGrad {
    /// Rows of the table.
    pub rows: usize,
}

impl Op for EmbeddingGrad {
    fn name(&self) -> &'static str {
        "EmbeddingGrad"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let [d, codes] = inputs else { return Err(ShapeError::new(format!("2 inputs wanted, {} given", inputs.len()))) };
        check_codes(codes)?;
        if !d.dtype.is_float() || d.shape.rank() != 3 || d.shape.0[..2] != codes.shape.0 {
            return Err(ShapeError::new(format!("gradient {d} does not fit codes {codes}")));
        }
        Ok(vec![d.with_shape(Shape::fixed(&[self.rows, d.shape.extent(2)?]))])
    }

    fn standard(&self, s: &mut Speller<'_>) -> Result<(), GraphError> {
        // ScatterND adds whole rows: 14 times faster than ScatterElements on ONNX Runtime's CPU provider.
        let ty = s.output_type(0).clone();
        let (dims, axis) = (s.ints(&ty.shape.reshape_dims()), s.ints(&[-1]));
        let zero = Tensor::from_f64(ty.dtype, &[1], &[0.0]);
        let zeros = s.node("ConstantOfShape", &[dims], vec![("value", Attribute::Tensor(zero))]);
        let rows = s.node("Unsqueeze", &[s.input(1), axis], vec![]);
        let add = vec![("reduction", Attribute::Text("add".into()))];
        let table = s.node("ScatterND", &[zeros, rows, s.input(0)], add);
        s.output(0, table);
        Ok(())
    }
}

/// One-hot vectors of `codes [N, F]` (int64), side by side: `[N, slots]` float32 with a one at each code of the row.
///
/// The codes of column f lie in a range of their own, so that every row has F ones. There is no gradient.
#[derive(Debug, Clone, Copy)]
pub struct OneHot {
    /// Width of the output: the ranges of all columns together.
    pub slots: usize,
}

impl Op for OneHot {
    fn name(&self) -> &'static str {
        "OneHot"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let [codes] = inputs else { return Err(ShapeError::new(format!("one input wanted, {} given", inputs.len()))) };
        check_codes(codes)?;
        Ok(vec![TensorType::new(DType::F32, Shape(vec![codes.shape.0[0], Dim::Fixed(self.slots)]))])
    }

    fn gradient(&self, _rule: &mut Rule<'_>) -> Result<Vec<Option<Value>>, GraphError> {
        Ok(vec![None])
    }

    fn standard(&self, s: &mut Speller<'_>) -> Result<(), GraphError> {
        // 5 to 100 times faster on ONNX Runtime's CPU provider than OneHot to [N, F, slots] and a sum over F.
        let codes = s.input(0);
        let fill = |value: f64| vec![("value", Attribute::Tensor(Tensor::from_f64(DType::F32, &[1], &[value])))];
        let (like_codes, like_output) = match s.input_type(0).shape.extents() {
            // ONNX Runtime computes shapes on the CPU, also in a step on another device.
            Ok(extents) => {
                let [rows, columns] = [0, 1].map(|axis| extents[axis] as i64);
                (s.ints(&[rows, columns]), s.ints(&[rows, self.slots as i64]))
            }
            Err(_) => {
                let rows = s.node("Shape", &[codes], vec![("start", Attribute::Int(0)), ("end", Attribute::Int(1))]);
                let slots = s.ints(&[self.slots as i64]);
                let shape = s.node("Concat", &[rows, slots], vec![("axis", Attribute::Int(0))]);
                (s.node("Shape", &[codes], vec![]), shape)
            }
        };
        let ones = s.node("ConstantOfShape", &[like_codes], fill(1.0));
        let zeros = s.node("ConstantOfShape", &[like_output], fill(0.0));
        let y = s.node("ScatterElements", &[zeros, codes, ones], vec![("axis", Attribute::Int(1))]);
        s.output(0, y);
        Ok(())
    }
}

/// Rows of a table.
pub static EMBEDDING: Entry = Entry {
    name: "Embedding",
    doc: "Rows of a trained table",
    differentiable: true,
    cases: || {
        [(7, 5, 3, 2), (3, 1, 1, 1), (2, 17, 5, 3)]
            .into_iter()
            .map(|(v, d, n, f)| Case::new(Embedding, vec![Feed::Normal(vec![v, d]), Feed::Index(vec![n, f], v)]))
            .collect()
    },
};
/// One-hot vectors.
pub static ONE_HOT: Entry = Entry {
    name: "OneHot",
    doc: "One-hot vectors of several columns, side by side",
    differentiable: false,
    cases: || {
        [(5, 3, 2), (1, 1, 1), (17, 7, 1)]
            .into_iter()
            .map(|(slots, n, f)| Case::new(OneHot { slots }, vec![Feed::Index(vec![n, f], slots)]))
            .collect()
    },
};
