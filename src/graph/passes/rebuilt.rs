//! A graph that is built anew from another, node by node.

use crate::graph::{Graph, GraphError, Node, Op, Origin, Value};
use std::any::Any;

/// The operator of a node, if it is a `T`.
pub(super) fn operator<T: 'static>(node: &Node) -> Option<&T> {
    (node.op.as_ref() as &dyn Any).downcast_ref()
}

/// The graph being built, and what each value of the old one has become.
pub(super) struct Rebuilt<'g> {
    pub(super) from: &'g Graph,
    pub(super) graph: Graph,
    values: Vec<Option<Value>>,
}

impl<'g> Rebuilt<'g> {
    /// A graph with the inputs of `from`.
    pub(super) fn new(from: &'g Graph) -> Self {
        let mut rebuilt = Rebuilt::without_inputs(from);
        from.inputs().iter().for_each(|&input| rebuilt.input(input));
        rebuilt
    }

    /// A graph without inputs; those of `from` are to be added or replaced before its nodes.
    pub(super) fn without_inputs(from: &'g Graph) -> Self {
        Rebuilt { from, graph: Graph::new(), values: vec![None; from.value_count()] }
    }

    /// Adds an input of `from`.
    pub(super) fn input(&mut self, input: Value) {
        if let Origin::Input(name) = self.from.origin(input) {
            let new = self.graph.input(name.clone(), self.from.ty(input).clone());
            self.set(input, new);
        }
    }

    /// What a value has become; constants are copied when they are first read.
    pub(super) fn value(&mut self, old: Value) -> Value {
        if let Some(new) = self.values[old.index()] {
            return new;
        }
        let new = match self.from.origin(old) {
            Origin::Constant(tensor) => self.graph.constant(tensor.as_ref().clone()),
            _ => unreachable!("{} stands before its readers", self.from.describe(old)),
        };
        self.values[old.index()] = Some(new);
        new
    }

    /// What several values have become.
    pub(super) fn values(&mut self, old: &[Value]) -> Vec<Value> {
        old.iter().map(|&v| self.value(v)).collect()
    }

    /// States what a value has become.
    pub(super) fn set(&mut self, old: Value, new: Value) {
        self.values[old.index()] = Some(new);
    }

    /// States that a value has become the same as another.
    pub(super) fn same(&mut self, known: Value, old: Value) {
        let new = self.value(known);
        self.set(old, new);
    }

    /// Adds a node.
    pub(super) fn add(&mut self, op: impl Op, inputs: &[Value]) -> Result<Vec<Value>, GraphError> {
        self.graph.add(op, inputs)
    }

    /// Runs `build` in the scope of a node.
    pub(super) fn within<T>(&mut self, node: &Node, build: impl FnOnce(&mut Self) -> T) -> T {
        self.graph.enter(node.scope.clone());
        let result = build(self);
        self.graph.leave();
        result
    }

    /// Copies a node that reads what has become of its inputs.
    pub(super) fn copied(&mut self, node: &Node) -> Result<(), GraphError> {
        let inputs = self.values(&node.inputs);
        let outputs = self.graph.within(&node.scope, |graph| graph.add_shared(node.op.clone(), &inputs))?;
        node.outputs.iter().zip(outputs).for_each(|(&old, new)| self.set(old, new));
        Ok(())
    }

    /// The new graph, with the outputs of the old one.
    pub(super) fn finish(mut self) -> Graph {
        for (name, value) in self.from.outputs() {
            let value = self.value(*value);
            self.graph.output(name.clone(), value);
        }
        self.graph
    }
}
