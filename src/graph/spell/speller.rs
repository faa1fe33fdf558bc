//! What an operator's standard spelling writes into.

use super::writer::Writer;
use super::{Attributes, ML_DOMAIN, Term};
use crate::graph::{Graph, GraphError, Node, Op, ShapeError, Tensor, TensorType};
use std::sync::Arc;

/// What an operator's spelling writes into.
pub struct Speller<'a> {
    pub(super) graph: &'a Graph,
    pub(super) writer: &'a mut Writer,
    pub(super) node: &'a Node,
    pub(super) inputs: Vec<Term>,
    pub(super) outputs: Vec<Option<Term>>,
}

impl<'a> Speller<'a> {
    /// Spells `op`, which is the node's operator or stands for it, and gives the terms of its outputs.
    pub(super) fn spell(
        graph: &'a Graph,
        writer: &'a mut Writer,
        node: &'a Node,
        op: &dyn Op,
        inputs: Vec<Term>,
    ) -> Result<Vec<Term>, GraphError> {
        let mut speller = Speller { graph, writer, node, inputs, outputs: vec![None; node.outputs.len()] };
        op.standard(&mut speller)?;
        let unset = speller.refuse("an output was not spelled");
        speller.outputs.into_iter().collect::<Option<Vec<Term>>>().ok_or(unset)
    }

    /// Spells another operator on inputs of these types, as a part of this one.
    ///
    /// # Errors
    /// Where it refuses the inputs, or cannot be spelled.
    pub(in crate::graph) fn part(
        &mut self,
        op: &Arc<dyn Op>,
        types: &[TensorType],
        inputs: Vec<Term>,
    ) -> Result<Vec<Term>, GraphError> {
        let mut graph = Graph::new();
        let values: Vec<_> = types.iter().map(|ty| graph.input("", ty.clone())).collect();
        graph.within(&self.node.scope, |graph| graph.add_shared(op.clone(), &values))?;
        let node = &graph.nodes()[0];
        Speller::spell(&graph, self.writer, node, op.as_ref(), inputs)
    }

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
