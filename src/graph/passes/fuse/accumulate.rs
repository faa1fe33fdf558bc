//! Gradients that come together where several nodes read one value: what the others give is added to a convolution's
//! gradient of its input while that is written.

use super::Readers;
use super::ops::FusedConvGrad;
use crate::graph::ops::elementwise::{Binary, BinaryKind};
use crate::graph::passes::rebuilt::{Rebuilt, operator};
use crate::graph::{Graph, GraphError, Node, Origin, Value};
use std::collections::BTreeMap;

/// The same graph with sums joined to the gradients of convolutions that they alone read.
pub(super) fn join(graph: &Graph) -> Result<Graph, GraphError> {
    let sums = Sums::of(graph);
    let mut rebuilt = Rebuilt::new(graph);
    for (index, node) in graph.nodes().iter().enumerate() {
        match (operator::<FusedConvGrad>(node), sums.by_gradient.get(&index)) {
            (Some(op), Some(sum)) => rebuilt.within(node, |rebuilt| sum.add(rebuilt, node, *op))?,
            _ if sums.nodes.contains_key(&index) => {}
            _ => rebuilt.copied(node)?,
        }
    }
    Ok(rebuilt.finish())
}

/// What is added to a convolution's gradient of its input, and what the sum is.
#[derive(Debug, Clone, Copy)]
struct Sum {
    other: Value,
    result: Value,
}

impl Sum {
    fn add(&self, rebuilt: &mut Rebuilt<'_>, node: &Node, op: FusedConvGrad) -> Result<(), GraphError> {
        let mut inputs = rebuilt.values(&node.inputs);
        inputs.push(rebuilt.value(self.other));
        let made = rebuilt.add(FusedConvGrad { plus: true, ..op }, &inputs)?;
        rebuilt.set(node.outputs[0], made[0]);
        rebuilt.set(self.result, made[1]);
        Ok(())
    }
}

/// The sums that are joined.
struct Sums {
    /// By the node of the convolution's gradients.
    by_gradient: BTreeMap<usize, Sum>,
    /// The node that makes each sum from now on, by the node that made it.
    nodes: BTreeMap<usize, usize>,
}

impl Sums {
    fn of(graph: &Graph) -> Sums {
        let readers = Readers::of(graph);
        let mut sums = Sums { by_gradient: BTreeMap::new(), nodes: BTreeMap::new() };
        for (index, node) in graph.nodes().iter().enumerate() {
            let Some(Binary(BinaryKind::Add)) = operator::<Binary>(node) else { continue };
            let &[a, b] = &node.inputs[..] else { continue };
            // Of two such gradients the later one can be added to: the other is there by then.
            let found = [(a, b), (b, a)].into_iter().filter_map(|(dx, other)| {
                let gradient = sums.gradient(graph, &readers, dx)?;
                let there = sums.made_by(graph, other).is_none_or(|node| node < gradient);
                (there && graph.ty(dx) == graph.ty(other)).then_some((gradient, other))
            });
            if let Some((gradient, other)) = found.max_by_key(|(gradient, _)| *gradient) {
                sums.by_gradient.insert(gradient, Sum { other, result: node.outputs[0] });
                sums.nodes.insert(index, gradient);
            }
        }
        sums
    }

    /// The node that makes a value, if one does.
    fn made_by(&self, graph: &Graph, value: Value) -> Option<usize> {
        let &Origin::Node { node, .. } = graph.origin(value) else { return None };
        Some(self.nodes.get(&node).copied().unwrap_or(node))
    }

    /// The node of a convolution's gradients of which this is that of the input, if one reader alone wants it as it is.
    fn gradient(&self, graph: &Graph, readers: &Readers, dx: Value) -> Option<usize> {
        let &Origin::Node { node, .. } = graph.origin(dx) else { return None };
        let op = operator::<FusedConvGrad>(&graph.nodes()[node])?;
        let alone = graph.nodes()[node].outputs.get(1) == Some(&dx) && readers.of_value(dx).len() == 1;
        (alone && !op.with_norm && !self.by_gradient.contains_key(&node)).then_some(node)
    }
}
