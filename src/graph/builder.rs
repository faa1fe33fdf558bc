//! Building a graph: every operator is checked and typed the moment it is added.

use super::{DType, GraphError, Op, ShapeError, Tensor, TensorType, error};
use std::sync::Arc;

/// Handle of a value in the graph that made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Value(pub(super) u32);

impl Value {
    /// Position of the value in its graph.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// Where a value comes from.
#[derive(Debug, Clone)]
pub enum Origin {
    /// Fed from outside under this name.
    Input(String),
    /// Known when the graph is built.
    Constant(Arc<Tensor>),
    /// Output `output` of node `node`.
    Node {
        /// Index of the node.
        node: usize,
        /// Which of its outputs.
        output: usize,
    },
}

/// One operator applied to values.
#[derive(Debug, Clone)]
pub struct Node {
    /// The operator with its attributes.
    pub op: Arc<dyn Op>,
    /// Values read, in the operator's order.
    pub inputs: Vec<Value>,
    /// Values written.
    pub outputs: Vec<Value>,
    /// Scope in which it was built, such as `stages.0.blocks.1`; empty at the top level.
    pub scope: String,
}

#[derive(Debug, Clone)]
struct ValueInfo {
    ty: TensorType,
    origin: Origin,
}

/// A directed acyclic graph of typed tensors; nodes stand in an order in which they can run.
#[derive(Debug, Clone, Default)]
pub struct Graph {
    values: Vec<ValueInfo>,
    nodes: Vec<Node>,
    inputs: Vec<Value>,
    outputs: Vec<(String, Value)>,
    scope: Vec<String>,
}

impl Graph {
    /// An empty graph.
    pub fn new() -> Self {
        Graph::default()
    }

    fn value(&mut self, ty: TensorType, origin: Origin) -> Value {
        let v = Value(self.values.len() as u32);
        self.values.push(ValueInfo { ty, origin });
        v
    }

    /// Adds an input of the graph. Names are unique; that is checked when the graph is written.
    pub fn input(&mut self, name: impl Into<String>, ty: TensorType) -> Value {
        let v = self.value(ty, Origin::Input(name.into()));
        self.inputs.push(v);
        v
    }

    /// Adds a constant.
    pub fn constant(&mut self, tensor: Tensor) -> Value {
        let ty = tensor.ty();
        self.value(ty, Origin::Constant(Arc::new(tensor)))
    }

    /// Adds a constant scalar of a numeric type.
    pub fn scalar(&mut self, dtype: DType, value: f64) -> Value {
        self.constant(Tensor::from_f64(dtype, &[], &[value]))
    }

    /// Applies an operator and returns its outputs.
    ///
    /// # Errors
    /// [`GraphError::Shape`] where the operator's shape rule refuses the inputs.
    pub fn add(&mut self, op: impl Op, inputs: &[Value]) -> Result<Vec<Value>, GraphError> {
        self.add_shared(Arc::new(op), inputs)
    }

    /// As [`Graph::add`], for an operator that is already shared.
    ///
    /// # Errors
    /// As [`Graph::add`].
    pub fn add_shared(&mut self, op: Arc<dyn Op>, inputs: &[Value]) -> Result<Vec<Value>, GraphError> {
        let types: Vec<&TensorType> = inputs.iter().map(|&v| self.ty(v)).collect();
        let inferred = op.infer(&types).map_err(|source| GraphError::Shape {
            operator: op.name(),
            place: self.place(),
            inputs: error::list(&types),
            source,
        })?;
        let node = self.nodes.len();
        let scope = self.scope.join(".");
        let outputs: Vec<Value> =
            inferred.into_iter().enumerate().map(|(output, ty)| self.value(ty, Origin::Node { node, output })).collect();
        self.nodes.push(Node { op, inputs: inputs.to_vec(), outputs: outputs.clone(), scope });
        Ok(outputs)
    }

    /// Applies an operator with exactly one output.
    ///
    /// # Errors
    /// As [`Graph::add`], and where the operator has several outputs.
    pub fn apply(&mut self, op: impl Op, inputs: &[Value]) -> Result<Value, GraphError> {
        let name = op.name();
        match self.add(op, inputs)?.as_slice() {
            [v] => Ok(*v),
            several => Err(GraphError::Shape {
                operator: name,
                place: self.place(),
                inputs: String::new(),
                source: ShapeError::new(format!("one output wanted, {} made", several.len())),
            }),
        }
    }

    /// Declares a value to be an output of the graph under `name`.
    pub fn output(&mut self, name: impl Into<String>, value: Value) {
        self.outputs.push((name.into(), value));
    }

    /// Runs `build` in a named scope, which messages and node names carry.
    pub fn scoped<T>(&mut self, name: impl Into<String>, build: impl FnOnce(&mut Graph) -> T) -> T {
        self.enter(name);
        let result = build(self);
        self.leave();
        result
    }

    /// Enters a named scope; for builders that own more than the graph, which [`Graph::scoped`] cannot lend.
    pub fn enter(&mut self, name: impl Into<String>) {
        self.scope.push(name.into());
    }

    /// Leaves the scope entered last.
    pub fn leave(&mut self) {
        self.scope.pop();
    }

    /// Runs `build` in exactly the scope `scope`, as recorded in a node.
    pub(super) fn within<T>(&mut self, scope: &str, build: impl FnOnce(&mut Graph) -> T) -> T {
        let own = std::mem::replace(&mut self.scope, vec![scope.to_owned()]);
        self.scope.retain(|s| !s.is_empty());
        let result = build(self);
        self.scope = own;
        result
    }

    fn place(&self) -> String {
        if self.scope.is_empty() { "top level".into() } else { self.scope.join(".") }
    }

    /// Type of a value.
    pub fn ty(&self, value: Value) -> &TensorType {
        &self.values[value.index()].ty
    }

    /// Where a value comes from.
    pub fn origin(&self, value: Value) -> &Origin {
        &self.values[value.index()].origin
    }

    /// The constant behind a value, if it is one.
    pub fn constant_of(&self, value: Value) -> Option<&Arc<Tensor>> {
        match self.origin(value) {
            Origin::Constant(tensor) => Some(tensor),
            _ => None,
        }
    }

    /// The node that makes a value, if one does.
    pub fn producer(&self, value: Value) -> Option<&Node> {
        match self.origin(value) {
            Origin::Node { node, .. } => self.nodes.get(*node),
            _ => None,
        }
    }

    /// Number of values.
    pub fn value_count(&self) -> usize {
        self.values.len()
    }

    /// Nodes in an order in which they can run.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// For each node whether an output depends on it.
    pub(super) fn live_nodes(&self) -> Vec<bool> {
        let mut live = vec![false; self.nodes.len()];
        let mut pending: Vec<Value> = self.outputs.iter().map(|(_, v)| *v).collect();
        while let Some(v) = pending.pop() {
            if let Origin::Node { node, .. } = self.origin(v)
                && !live[*node]
            {
                live[*node] = true;
                pending.extend(&self.nodes[*node].inputs);
            }
        }
        live
    }

    /// Inputs in the order they were added.
    pub fn inputs(&self) -> &[Value] {
        &self.inputs
    }

    /// Outputs in the order they were declared.
    pub fn outputs(&self) -> &[(String, Value)] {
        &self.outputs
    }

    /// A value's input name, or its number.
    pub fn describe(&self, value: Value) -> String {
        match self.origin(value) {
            Origin::Input(name) => name.clone(),
            Origin::Constant(_) => format!("constant {}", value.0),
            Origin::Node { node, output } => format!("output {output} of {} {node}", self.nodes[*node].op.name()),
        }
    }
}
