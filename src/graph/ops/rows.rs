//! Rows of a tensor that holds those of all examples.

use super::{Case, Entry, Feed};
use crate::graph::{Attribute, DType, GraphError, Op, Shape, ShapeError, Speller, TensorType};

/// Row `rows[…]` of `table [R, …]`, of any type, for each of `rows` (int64, with axes of any number): the axes of `rows`, then
/// those of one row (ONNX `Gather`).
///
/// There is no gradient. On the CPU a row outside the table fails the run; a device does not look.
#[derive(Debug, Clone, Copy)]
pub struct TakeRows;

impl Op for TakeRows {
    fn name(&self) -> &'static str {
        "TakeRows"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let [table, rows] = inputs else { return Err(ShapeError::new(format!("2 inputs wanted, {} given", inputs.len()))) };
        let Some((_, row)) = table.shape.0.split_first() else {
            return Err(ShapeError::new(format!("a table of rows wanted, not {table}")));
        };
        if rows.dtype != DType::I64 {
            return Err(ShapeError::new(format!("int64 rows wanted, not {rows}")));
        }
        Ok(vec![table.with_shape(Shape([&rows.shape.0, row].concat()))])
    }

    fn standard(&self, s: &mut Speller<'_>) -> Result<(), GraphError> {
        let y = s.node("Gather", &[s.input(0), s.input(1)], vec![("axis", Attribute::Int(0))]);
        s.output(0, y);
        Ok(())
    }
}

/// Rows of a table.
pub static TAKE_ROWS: Entry = Entry {
    name: "TakeRows",
    doc: "Rows of a tensor that holds those of all examples",
    differentiable: false,
    cases: || {
        let case =
            |table: Feed, rows: usize, taken: &[usize]| Case::new(TakeRows, vec![table, Feed::Index(taken.into(), rows)]);
        vec![
            case(Feed::Normal(vec![7, 3]), 7, &[5]),
            case(Feed::Index(vec![5, 2], 9), 5, &[3, 4]),
            case(Feed::Mask(vec![4, 3, 5, 2]), 4, &[6]),
        ]
    },
};
