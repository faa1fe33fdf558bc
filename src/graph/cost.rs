//! What running a graph costs, from its nodes and types alone.

use super::{Dim, Graph, Origin, TensorType, Value};

/// Cost of writing one element, in multiply-accumulate operations of a large product.
const WORK_PER_ELEMENT: u64 = 50;
/// Cost of launching one node, likewise.
const WORK_PER_NODE: u64 = 80_000;

impl Graph {
    /// Estimated time of running all nodes once on one core, in the time of a multiply-accumulate operation of a large
    /// product: what the nodes calculate, what they write, and launching them. The symbolic batch counts as one.
    ///
    /// The weights were fitted to the training steps of random nets (`benches/RESULTS.md`).
    pub fn work(&self) -> u64 {
        let written: usize = self.nodes().iter().flat_map(|n| &n.outputs).map(|&v| self.elements(v)).sum();
        self.macs() + WORK_PER_ELEMENT * written as u64 + WORK_PER_NODE * self.nodes().len() as u64
    }

    /// Estimated peak of the memory that values take while the nodes run in their order, in bytes: inputs and constants
    /// throughout, everything else from its node to its last reader. The symbolic batch counts as one.
    pub fn peak_bytes(&self) -> usize {
        let size = |v: Value| self.elements(v) * self.ty(v).dtype.bytes();
        let mut last_reader = vec![0; self.value_count()];
        for (i, node) in self.nodes().iter().enumerate() {
            for v in &node.inputs {
                last_reader[v.index()] = i;
            }
        }
        for (_, v) in self.outputs() {
            last_reader[v.index()] = self.nodes().len();
        }
        let fixed = |v: &Value| !matches!(self.origin(*v), Origin::Node { .. });
        let mut live: usize = (0..self.value_count() as u32).map(Value).filter(fixed).map(size).sum();
        let mut peak = live;
        for (i, node) in self.nodes().iter().enumerate() {
            live += node.outputs.iter().map(|&v| size(v)).sum::<usize>();
            peak = peak.max(live);
            let mut ended: Vec<Value> = node.inputs.iter().chain(&node.outputs).copied().collect();
            ended.sort_unstable();
            ended.dedup();
            for v in ended.into_iter().filter(|v| !fixed(v) && last_reader[v.index()] <= i) {
                live = live.saturating_sub(size(v));
            }
        }
        peak
    }

    /// Bytes of the constants, which are a part of [`Graph::peak_bytes`].
    pub fn constant_bytes(&self) -> usize {
        let values = (0..self.value_count() as u32).map(Value);
        let constants = values.filter(|&v| matches!(self.origin(v), Origin::Constant(_)));
        constants.map(|v| self.elements(v) * self.ty(v).dtype.bytes()).sum()
    }

    /// Multiply-accumulate operations of all nodes, counted as [`crate::graph::Op::macs`] does.
    pub fn macs(&self) -> u64 {
        self.nodes()
            .iter()
            .map(|n| {
                let inputs: Vec<&TensorType> = n.inputs.iter().map(|&v| self.ty(v)).collect();
                let outputs: Vec<&TensorType> = n.outputs.iter().map(|&v| self.ty(v)).collect();
                n.op.macs(&inputs, &outputs)
            })
            .sum()
    }

    /// Elements of a value, the symbolic batch counting as one.
    fn elements(&self, v: Value) -> usize {
        let extent = |d: &Dim| match d {
            Dim::Fixed(n) => *n,
            Dim::Batch => 1,
        };
        self.ty(v).shape.0.iter().map(extent).product()
    }
}
