//! What an operator's standard spelling writes into.

use super::writer::Writer;
use super::{Attributes, ML_DOMAIN, Term};
use crate::graph::{Graph, GraphError, Node, ShapeError, Tensor, TensorType};

/// What an operator's spelling writes into.
pub struct Speller<'a> {
    pub(super) graph: &'a Graph,
    pub(super) writer: &'a mut Writer,
    pub(super) node: &'a Node,
    pub(super) inputs: Vec<Term>,
    pub(super) outputs: Vec<Option<Term>>,
}

impl Speller<'_> {
    /// Term of input `i`.
    pub fn input(&self, i: usize) -> Term {
        self.inputs[i]
    }

    /// Number of inputs.
    pub fn input_count(&self) -> usize {
        self.inputs.len()
    }

    /// Type of input `i`.
    pub fn input_type(&self, i: usize) -> &TensorType {
        self.graph.ty(self.node.inputs[i])
    }

    /// Type of output `i`.
    pub fn output_type(&self, i: usize) -> &TensorType {
        self.graph.ty(self.node.outputs[i])
    }

    /// Adds a node with one output.
    pub fn node(&mut self, op_type: &'static str, inputs: &[Term], attributes: Attributes) -> Term {
        let inputs = inputs.iter().map(|&t| Some(t)).collect();
        self.writer.emit(op_type, "", inputs, 1, attributes)[0]
    }

    /// Adds a node of [`ML_DOMAIN`] with one output.
    pub fn ml_node(&mut self, op_type: &'static str, inputs: &[Term], attributes: Attributes) -> Term {
        let inputs = inputs.iter().map(|&t| Some(t)).collect();
        self.writer.emit(op_type, ML_DOMAIN, inputs, 1, attributes)[0]
    }

    /// Adds a node with several outputs or with optional inputs left out.
    pub fn nodes(
        &mut self,
        op_type: &'static str,
        inputs: &[Option<Term>],
        outputs: usize,
        attributes: Attributes,
    ) -> Vec<Term> {
        self.writer.emit(op_type, "", inputs.to_vec(), outputs, attributes)
    }

    /// Adds a constant.
    pub fn constant(&mut self, tensor: Tensor) -> Term {
        self.writer.constant(tensor)
    }

    /// Adds a rank-1 int64 constant, as axes, shapes and pads want it.
    pub fn ints(&mut self, values: &[i64]) -> Term {
        self.constant(Tensor::ints(values))
    }

    /// Adds a scalar of the element type of the first input.
    pub fn scalar(&mut self, value: f64) -> Term {
        let dtype = self.input_type(0).dtype;
        self.constant(Tensor::from_f64(dtype, &[], &[value]))
    }

    /// States which term is output `i` of the operator.
    pub fn output(&mut self, i: usize, term: Term) {
        self.outputs[i] = Some(term);
    }

    /// The error of an operator that cannot be spelled for these types.
    pub fn refuse(&self, problem: impl Into<String>) -> GraphError {
        GraphError::Spelling { operator: self.node.op.name(), place: self.node.scope.clone(), problem: problem.into() }
    }

    /// Adds the place to a shape rule's objection.
    pub fn shaped<T>(&self, result: Result<T, ShapeError>) -> Result<T, GraphError> {
        result.map_err(|e| self.refuse(e.to_string()))
    }
}
