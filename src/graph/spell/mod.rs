//! Spelling a graph in ONNX nodes: every operator in `ai.onnx`, or, for the CPU's training kernels, in `evolve.train`
//! where the operator has a kernel.

mod in_place;
mod layout;
mod speller;
mod writer;

pub use speller::Speller;

use self::layout::{Layout, Terms, stays_last};
use self::writer::Writer;
use super::passes::{ResidentInput, fuse, population, resident};
use super::{Graph, GraphError, Kernel, Node, Op, Origin, Tensor, TensorType, Value};
use std::collections::HashSet;

/// Domain of the training kernels.
pub const KERNEL_DOMAIN: &str = "evolve.train";
/// Domain of the same kernels for populations: all inputs and outputs have a leading axis of members.
pub const POPULATION_DOMAIN: &str = "evolve.train.population";
/// Domain of ONNX's operators for classical machine learning.
pub const ML_DOMAIN: &str = "ai.onnx.ml";

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
    /// `AttributeProto.FLOATS`.
    Floats(Vec<f32>),
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
    /// Outputs of nodes that may lie in the memory of inputs of the same node.
    overwriting: HashSet<Term>,
}

/// Spells a whole graph, fused first where kernels are wanted. Nodes whose results nothing reads are left out.
///
/// # Errors
/// Where an operator cannot be spelled with a symbolic batch, or leaves an output unset.
pub fn spell(graph: &Graph, target: Target) -> Result<Spelled, GraphError> {
    match target {
        Target::Portable => spell_nodes(graph, target),
        Target::CpuKernels => spell_nodes(&fuse(graph)?, target),
    }
}

/// Spells a graph for so many members at once: inputs and outputs have a leading axis of members, each of which is
/// computed as [`spell`]'s graph computes it alone; with the kernels bit for bit.
///
/// # Errors
/// As [`spell`].
pub fn spell_population(graph: &Graph, target: Target, members: usize) -> Result<Spelled, GraphError> {
    spell_nodes(&for_members(graph, target, members)?, target)
}

/// As [`spell`], for one member, and as [`spell_population`], for several, with inputs that are taken from tensors with the
/// rows of all examples, as [`resident`] has it.
///
/// # Errors
/// As [`spell`] and [`resident`].
pub fn spell_resident(
    graph: &Graph,
    target: Target,
    members: usize,
    inputs: &[ResidentInput],
) -> Result<Spelled, GraphError> {
    let graph = match (target, members) {
        (Target::Portable, 1) => resident(graph, inputs)?,
        (Target::CpuKernels, 1) => resident(&fuse(graph)?, inputs)?,
        _ => resident(&for_members(graph, target, members)?, inputs)?,
    };
    spell_nodes(&graph, target)
}

/// The graph for so many members, fused before where kernels are wanted.
fn for_members(graph: &Graph, target: Target, members: usize) -> Result<Graph, GraphError> {
    match target {
        Target::Portable => population(graph, target, members),
        Target::CpuKernels => population(&fuse(graph)?, target, members),
    }
}

fn spell_nodes(graph: &Graph, target: Target) -> Result<Spelled, GraphError> {
    let mut state = State { graph, terms: vec![Terms::default(); graph.value_count()], writer: Writer::new(graph) };
    for &v in graph.inputs() {
        if let Origin::Input(name) = graph.origin(v) {
            let term = state.writer.term(name.clone());
            state.terms[v.index()].set(Layout::ChannelsFirst, term);
            state.writer.spelled.inputs.push((term, graph.ty(v).clone()));
        }
    }
    let live = graph.live_nodes();
    for (index, node) in graph.nodes().iter().enumerate().filter(|(i, _)| live[*i]) {
        state.node(index, node, target)?;
    }
    let sources: Vec<Term> = graph.outputs().iter().map(|(_, v)| state.value(*v, Layout::ChannelsFirst)).collect();
    let mut made: HashSet<Term> = state.writer.spelled.nodes.iter().flat_map(|n| n.outputs.iter().copied()).collect();
    for ((name, v), source) in graph.outputs().iter().zip(sources) {
        state.writer.declare(name, source, graph.ty(*v).clone(), made.remove(&source));
    }
    Ok(state.writer.spelled)
}

struct State<'g> {
    graph: &'g Graph,
    terms: Vec<Terms>,
    writer: Writer,
}

impl State<'_> {
    /// The value's term in a layout; what was made in the other one is transposed.
    fn value(&mut self, v: Value, layout: Layout) -> Term {
        let terms = self.terms[v.index()];
        if let Some(term) = terms.get(layout) {
            return term;
        }
        let other = match layout {
            Layout::ChannelsFirst => terms.get(Layout::ChannelsLast),
            Layout::ChannelsLast => Some(self.value(v, Layout::ChannelsFirst)),
        };
        let term = match (other, self.graph.origin(v)) {
            (Some(other), _) => {
                let attributes = layout.transposition(self.graph.ty(v).shape.rank());
                self.writer.emit("Transpose", "", vec![Some(other)], 1, attributes)[0]
            }
            (None, Origin::Constant(tensor)) => self.writer.constant(tensor.as_ref().clone()),
            _ => unreachable!("nodes are spelled in the order of the graph, so {} has a term", self.graph.describe(v)),
        };
        self.terms[v.index()].set(layout, term);
        term
    }

    fn node(&mut self, index: usize, node: &Node, target: Target) -> Result<(), GraphError> {
        let types: Vec<&TensorType> = node.inputs.iter().map(|&v| self.graph.ty(v)).collect();
        let kernel = match target {
            Target::Portable => None,
            Target::CpuKernels => node.op.kernel(&types),
        };
        self.writer.label = match node.scope.as_str() {
            "" => format!("{}.{index}", node.op.name()),
            scope => format!("{scope}.{}.{index}", node.op.name()),
        };
        if let Some(kernel) = kernel {
            self.kernel_node(node, kernel);
            return Ok(());
        }
        match stays_last(node, &types, |v| self.terms[v.index()]) {
            Some(op) => self.standard_nodes(node, &*op, Layout::ChannelsLast),
            None => self.standard_nodes(node, &*node.op, Layout::ChannelsFirst),
        }
    }

    fn kernel_node(&mut self, node: &Node, kernel: Kernel) {
        let graph = self.graph;
        let inputs = node.inputs.iter().enumerate();
        let layout = |positions: &[usize], i, v| Layout::at(positions, i, graph.ty(v), kernel.population);
        let inputs = inputs.map(|(i, &v)| Some(self.value(v, layout(kernel.image_inputs, i, v)))).collect();
        let domain = if kernel.population { POPULATION_DOMAIN } else { KERNEL_DOMAIN };
        let made = self.writer.emit(kernel.op_type, domain, inputs, node.outputs.len(), kernel.attributes);
        self.writer.spelled.overwriting.extend(made.iter().filter(|_| kernel.in_place));
        for (i, (&v, term)) in node.outputs.iter().zip(made).enumerate() {
            self.terms[v.index()].set(layout(kernel.image_outputs, i, v), term);
        }
    }

    /// Spells `op`, which is the node's operator or stands for it, with images in a layout.
    fn standard_nodes(&mut self, node: &Node, op: &dyn Op, layout: Layout) -> Result<(), GraphError> {
        let graph = self.graph;
        let inputs = node.inputs.iter().map(|&v| self.value(v, layout.of_image(graph.ty(v)))).collect();
        let made = Speller::spell(graph, &mut self.writer, node, op, inputs)?;
        for (&v, term) in node.outputs.iter().zip(made) {
            self.terms[v.index()].set(layout.of_image(graph.ty(v)), term);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::ops::activation::{Activation, ActivationKind};
    use crate::graph::ops::elementwise::{Binary, BinaryKind};
    use crate::graph::{DType, Shape};

    #[test]
    fn equal_nodes_are_written_once_and_every_output_has_its_name() {
        let mut graph = Graph::new();
        let x = graph.input("x", TensorType::new(DType::F32, Shape::fixed(&[3])));
        let twins = [(); 2].map(|()| graph.apply(Activation(ActivationKind::Tanh), &[x]).unwrap());
        let other = graph.apply(Activation(ActivationKind::Relu), &[x]).unwrap();
        let sum = graph.apply(Binary(BinaryKind::Add), &[twins[0], twins[1]]).unwrap();
        for (name, value) in [("a", twins[0]), ("b", twins[1]), ("c", twins[0]), ("d", other), ("e", sum)] {
            graph.output(name, value);
        }
        let spelled = spell(&graph, Target::Portable).unwrap();
        let types: Vec<&str> = spelled.nodes.iter().map(|n| n.op_type).collect();
        assert_eq!(types, ["Tanh", "Relu", "Add", "Identity", "Identity"]);
        let names: Vec<&str> = spelled.outputs.iter().map(|(t, _)| spelled.names[t.index()].as_str()).collect();
        assert_eq!(names, ["a", "b", "c", "d", "e"]);
    }
}
