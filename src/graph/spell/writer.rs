//! The growing list of ONNX nodes and constants.

use super::{Attributes, OnnxNode, Spelled, Term};
use crate::graph::{DType, Data, Graph, Tensor, TensorType};
use std::collections::{HashMap, HashSet};

/// What two nodes that compute the same share.
type Twin = (&'static str, &'static str, Vec<Option<Term>>, usize, String);

/// The growing list of nodes and constants.
#[derive(Default)]
pub(super) struct Writer {
    pub(super) spelled: Spelled,
    /// Small constants already written, by type, shape and bytes.
    pool: HashMap<(DType, Vec<usize>, Vec<u8>), Term>,
    /// Nodes already written, by operator, domain, inputs, number of outputs and attributes.
    twins: HashMap<Twin, Vec<Term>>,
    /// Start of the names of the nodes being written.
    pub(super) label: String,
    /// Names of inputs and outputs, which nothing else may take: a column may be called `t0`.
    reserved: HashSet<String>,
}

impl Writer {
    pub(super) fn new(graph: &Graph) -> Self {
        let inputs = graph.inputs().iter().map(|&v| graph.describe(v));
        let reserved = inputs.chain(graph.outputs().iter().map(|(name, _)| name.clone())).collect();
        Writer { reserved, ..Writer::default() }
    }

    /// A term with a name of our own.
    fn fresh(&mut self, mut name: String) -> Term {
        while self.reserved.contains(&name) {
            name.push('_');
        }
        self.term(name)
    }

    pub(super) fn term(&mut self, name: String) -> Term {
        let term = Term(self.spelled.names.len() as u32);
        self.spelled.names.push(name);
        term
    }

    pub(super) fn constant(&mut self, tensor: Tensor) -> Term {
        let key = pool_key(&tensor);
        if let Some(term) = key.as_ref().and_then(|k| self.pool.get(k)) {
            return *term;
        }
        let term = self.fresh(format!("c{}", self.spelled.constants.len()));
        self.spelled.constants.push((term, tensor));
        if let Some(key) = key {
            self.pool.insert(key, term);
        }
        term
    }

    /// Outputs of a node, which is written unless it was before. Operators are functions of their inputs, so twins
    /// are equal; a gradient may thus repeat nodes of its forward operator. tract 0.23.9 fails to run some graphs
    /// with twins, whose merging leaves a placeholder behind.
    pub(super) fn emit(
        &mut self,
        op_type: &'static str,
        domain: &'static str,
        inputs: Vec<Option<Term>>,
        outputs: usize,
        attributes: Attributes,
    ) -> Vec<Term> {
        let twin = (op_type, domain, inputs, outputs, format!("{attributes:?}"));
        if let Some(outputs) = self.twins.get(&twin) {
            return outputs.clone();
        }
        let made = self.write(op_type, domain, twin.2.clone(), outputs, attributes);
        self.twins.insert(twin, made.clone());
        made
    }

    fn write(
        &mut self,
        op_type: &'static str,
        domain: &'static str,
        inputs: Vec<Option<Term>>,
        outputs: usize,
        attributes: Attributes,
    ) -> Vec<Term> {
        let outputs: Vec<Term> = (0..outputs).map(|_| self.fresh(format!("t{}", self.spelled.names.len()))).collect();
        let name = format!("{}/{op_type}_{}", self.label, self.spelled.nodes.len());
        self.spelled.nodes.push(OnnxNode { name, op_type, domain, inputs, outputs: outputs.clone(), attributes });
        outputs
    }

    /// Declares an output. A value made by a node takes the output's name, anything else passes an `Identity`.
    pub(super) fn declare(&mut self, name: &str, source: Term, ty: TensorType, made: bool) {
        let taken = self.spelled.outputs.iter().any(|(t, _)| *t == source);
        let term = if made && !taken {
            self.spelled.names[source.index()] = name.into();
            source
        } else {
            self.label = name.into();
            let term = self.write("Identity", "", vec![Some(source)], 1, vec![])[0];
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
