//! Spelling a graph in ONNX nodes: every operator in `ai.onnx`, or, for the CPU's training kernels, in `evolve.train`
//! where the operator has a kernel.

use super::{DType, Data, Graph, GraphError, Node, Origin, Tensor, TensorType, Value};
use std::collections::{HashMap, HashSet};

/// Domain of the training kernels.
pub const KERNEL_DOMAIN: &str = "evolve.train";

/// For whom a graph is spelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Target {
    /// Standard operators only: any ONNX runtime.
    Portable,
    /// Kernels of `evolve.train` where there are any, standard operators for the rest.
    CpuKernels,
}

/// Attribute of an ONNX node.
#[derive(Debug, Clone, PartialEq)]
pub enum Attribute {
    /// `AttributeProto.INT`.
    Int(i64),
    /// `AttributeProto.FLOAT`.
    Float(f32),
    /// `AttributeProto.STRING`.
    Text(String),
    /// `AttributeProto.INTS`.
    Ints(Vec<i64>),
    /// `AttributeProto.STRINGS`.
    Texts(Vec<String>),
    /// `AttributeProto.TENSOR`.
    Tensor(Tensor),
}

/// Attributes of a node in the order they are written.
pub type Attributes = Vec<(&'static str, Attribute)>;

/// A value of a spelled graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Term(u32);

impl Term {
    /// Position of the term in [`Spelled::names`].
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A node of a spelled graph, as ONNX has it.
#[derive(Debug, Clone)]
pub struct OnnxNode {
    /// Unique name.
    pub name: String,
    /// Operator type, such as `Conv`.
    pub op_type: &'static str,
    /// Domain; empty for `ai.onnx`.
    pub domain: &'static str,
    /// Inputs; `None` for an optional input left out.
    pub inputs: Vec<Option<Term>>,
    /// Outputs.
    pub outputs: Vec<Term>,
    /// Attributes.
    pub attributes: Attributes,
}

/// A graph in ONNX nodes, ready to be written.
#[derive(Debug, Clone, Default)]
pub struct Spelled {
    /// Name of each term.
    pub names: Vec<String>,
    /// Nodes in an order in which they can run.
    pub nodes: Vec<OnnxNode>,
    /// Constants.
    pub constants: Vec<(Term, Tensor)>,
    /// Inputs with their types.
    pub inputs: Vec<(Term, TensorType)>,
    /// Outputs with their types.
    pub outputs: Vec<(Term, TensorType)>,
}

/// Spells a whole graph. Nodes whose results nothing reads are left out.
///
/// # Errors
/// Where an operator cannot be spelled with a symbolic batch, or leaves an output unset.
pub fn spell(graph: &Graph, target: Target) -> Result<Spelled, GraphError> {
    let writer = Writer { taken: given_names(graph), ..Writer::default() };
    let mut state = State { graph, terms: vec![None; graph.value_count()], writer };
    for &v in graph.inputs() {
        if let Origin::Input(name) = graph.origin(v) {
            let term = state.writer.term(name.clone());
            state.terms[v.index()] = Some(term);
            state.writer.spelled.inputs.push((term, graph.ty(v).clone()));
        }
    }
    let live = live_nodes(graph);
    for (index, node) in graph.nodes().iter().enumerate().filter(|(i, _)| live[*i]) {
        state.node(index, node, target)?;
    }
    let mut made: HashSet<Term> = state.writer.spelled.nodes.iter().flat_map(|n| n.outputs.iter().copied()).collect();
    for (name, v) in graph.outputs() {
        let source = state.value(*v);
        state.writer.declare(name, source, graph.ty(*v).clone(), made.remove(&source));
    }
    Ok(state.writer.spelled)
}

/// Names of inputs and outputs, which no other value may have: an engine would take a constant named as an input for
/// that input's default.
fn given_names(graph: &Graph) -> HashSet<String> {
    let inputs = graph.inputs().iter().filter_map(|&v| match graph.origin(v) {
        Origin::Input(name) => Some(name.clone()),
        _ => None,
    });
    inputs.chain(graph.outputs().iter().map(|(name, _)| name.clone())).collect()
}

/// Which nodes an output depends on.
fn live_nodes(graph: &Graph) -> Vec<bool> {
    let mut live = vec![false; graph.nodes().len()];
    let mut pending: Vec<Value> = graph.outputs().iter().map(|(_, v)| *v).collect();
    while let Some(v) = pending.pop() {
        if let Origin::Node { node, .. } = graph.origin(v)
            && !live[*node]
        {
            live[*node] = true;
            pending.extend(&graph.nodes()[*node].inputs);
        }
    }
    live
}

struct State<'g> {
    graph: &'g Graph,
    terms: Vec<Option<Term>>,
    writer: Writer,
}

impl State<'_> {
    fn value(&mut self, v: Value) -> Term {
        if let Some(term) = self.terms[v.index()] {
            return term;
        }
        let tensor = match self.graph.origin(v) {
            Origin::Constant(tensor) => tensor.as_ref().clone(),
            _ => unreachable!("nodes are spelled in the order of the graph, so {} has a term", self.graph.describe(v)),
        };
        let term = self.writer.constant(tensor);
        self.terms[v.index()] = Some(term);
        term
    }

    fn node(&mut self, index: usize, node: &Node, target: Target) -> Result<(), GraphError> {
        let inputs: Vec<Term> = node.inputs.iter().map(|&v| self.value(v)).collect();
        let input_types: Vec<&TensorType> = node.inputs.iter().map(|&v| self.graph.ty(v)).collect();
        let kernel = match target {
            Target::Portable => None,
            Target::CpuKernels => node.op.kernel(&input_types),
        };
        self.writer.label = match node.scope.as_str() {
            "" => format!("{}.{index}", node.op.name()),
            scope => format!("{scope}.{}.{index}", node.op.name()),
        };
        let outputs = if let Some(kernel) = kernel {
            let inputs = inputs.into_iter().map(Some).collect();
            self.writer.emit(kernel.op_type, KERNEL_DOMAIN, inputs, node.outputs.len(), kernel.attributes)
        } else {
            let mut speller = Speller {
                graph: self.graph,
                writer: &mut self.writer,
                node,
                inputs,
                outputs: vec![None; node.outputs.len()],
            };
            node.op.standard(&mut speller)?;
            let unset = speller.refuse("an output was not spelled");
            speller.outputs.into_iter().collect::<Option<Vec<Term>>>().ok_or(unset)?
        };
        for (v, term) in node.outputs.iter().zip(outputs) {
            self.terms[v.index()] = Some(term);
        }
        Ok(())
    }
}

/// The growing list of nodes and constants.
#[derive(Default)]
struct Writer {
    spelled: Spelled,
    /// Small constants already written, by type, shape and bytes.
    pool: HashMap<(DType, Vec<usize>, Vec<u8>), Term>,
    /// Start of the names of the nodes being written.
    label: String,
    /// Names that the graph gives to its inputs and outputs.
    taken: HashSet<String>,
}

impl Writer {
    fn term(&mut self, name: String) -> Term {
        let term = Term(self.spelled.names.len() as u32);
        self.spelled.names.push(name);
        term
    }

    /// The name, changed where an input or output has it.
    fn free(&self, mut name: String) -> String {
        while self.taken.contains(&name) {
            name.push('_');
        }
        name
    }

    fn constant(&mut self, tensor: Tensor) -> Term {
        let key = pool_key(&tensor);
        if let Some(term) = key.as_ref().and_then(|k| self.pool.get(k)) {
            return *term;
        }
        let term = self.term(self.free(format!("c{}", self.spelled.constants.len())));
        self.spelled.constants.push((term, tensor));
        if let Some(key) = key {
            self.pool.insert(key, term);
        }
        term
    }

    fn emit(
        &mut self,
        op_type: &'static str,
        domain: &'static str,
        inputs: Vec<Option<Term>>,
        outputs: usize,
        attributes: Attributes,
    ) -> Vec<Term> {
        let outputs: Vec<Term> =
            (0..outputs).map(|_| self.term(self.free(format!("t{}", self.spelled.names.len())))).collect();
        let name = format!("{}/{op_type}_{}", self.label, self.spelled.nodes.len());
        self.spelled.nodes.push(OnnxNode { name, op_type, domain, inputs, outputs: outputs.clone(), attributes });
        outputs
    }

    /// Declares an output. A value made by a node takes the output's name, anything else passes an `Identity`.
    fn declare(&mut self, name: &str, source: Term, ty: TensorType, made: bool) {
        let taken = self.spelled.outputs.iter().any(|(t, _)| *t == source);
        let term = if made && !taken {
            self.spelled.names[source.index()] = name.into();
            source
        } else {
            self.label = name.into();
            let term = self.emit("Identity", "", vec![Some(source)], 1, vec![])[0];
            self.spelled.names[term.index()] = name.into();
            term
        };
        self.spelled.outputs.push((term, ty));
    }
}

/// Constants small enough to be shared are looked up by their content.
fn pool_key(tensor: &Tensor) -> Option<(DType, Vec<usize>, Vec<u8>)> {
    if tensor.data.len() > 64 {
        return None;
    }
    let bytes: Vec<u8> = match &tensor.data {
        Data::F32(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
        Data::F64(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
        Data::I64(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
        Data::I32(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
        Data::U8(v) => v.clone(),
        Data::Bool(v) => v.iter().map(|&b| u8::from(b)).collect(),
        Data::Str(_) => return None,
    };
    Some((tensor.data.dtype(), tensor.shape.clone(), bytes))
}

/// What an operator's spelling writes into.
pub struct Speller<'a> {
    graph: &'a Graph,
    writer: &'a mut Writer,
    node: &'a Node,
    inputs: Vec<Term>,
    outputs: Vec<Option<Term>>,
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
    pub fn shaped<T>(&self, result: Result<T, super::ShapeError>) -> Result<T, GraphError> {
        result.map_err(|e| self.refuse(e.to_string()))
    }
}
