//! Sums at the joins of residual nets: a normalisation whose result is only added to something is applied while that is
//! read, with the activation that follows, if it has none itself.

use super::Readers;
use super::ops::BatchNormAdd;
use crate::graph::ops::activation::{Activation, ActivationGrad, ActivationKind};
use crate::graph::ops::elementwise::{Binary, BinaryKind};
use crate::graph::ops::norm::BatchNormInference;
use crate::graph::passes::rebuilt::{Rebuilt, operator};
use crate::graph::{DType, Graph, GraphError, Node, Origin, Value};
use std::collections::BTreeMap;

/// The same graph with normalisations joined to the sums that alone read them.
pub(super) fn join(graph: &Graph) -> Result<Graph, GraphError> {
    let readers = Readers::of(graph);
    let sums: BTreeMap<usize, Sum> =
        (0..graph.nodes().len()).filter_map(|index| Some((index, Sum::find(graph, &readers, index)?))).collect();
    let norms: Vec<usize> = sums.values().map(|sum| sum.norm).collect();
    let mut rebuilt = Rebuilt::new(graph);
    for (index, node) in graph.nodes().iter().enumerate() {
        let followed = sums.values().find(|sum| sum.activation.is_some_and(|(at, _)| at == index));
        match (sums.get(&index), followed) {
            _ if norms.contains(&index) => {}
            (Some(sum), _) => rebuilt.within(node, |rebuilt| sum.add(rebuilt, node))?,
            // What the activation gives has become of the sum.
            (None, Some(_)) => rebuilt.same(node.inputs[0], node.outputs[0]),
            (None, None) => rebuilt.copied(node)?,
        }
    }
    Ok(rebuilt.finish())
}

/// A sum that a normalisation is joined to.
#[derive(Debug, Clone, Copy)]
struct Sum {
    norm: usize,
    op: BatchNormInference,
    /// The other summand.
    other: Value,
    /// The node of the activation that alone reads the sum, but for its own gradient.
    activation: Option<(usize, ActivationKind)>,
}

impl Sum {
    /// The sum that node `index` is, with a normalisation that nothing else reads.
    fn find(graph: &Graph, readers: &Readers, index: usize) -> Option<Sum> {
        let node = &graph.nodes()[index];
        let &Binary(BinaryKind::Add) = operator::<Binary>(node)? else { return None };
        let &[a, b] = &node.inputs[..] else { return None };
        if graph.ty(a) != graph.ty(b) || graph.ty(a).dtype != DType::F32 || graph.ty(a).shape.rank() != 4 {
            return None;
        }
        let norm = |value: Value| {
            let &Origin::Node { node, .. } = graph.origin(value) else { return None };
            let op = operator::<BatchNormInference>(&graph.nodes()[node])?;
            (readers.of_value(value).len() == 1).then_some((node, *op))
        };
        let ((norm, op), other) = norm(a).map(|n| (n, b)).or_else(|| norm(b).map(|n| (n, a)))?;
        let following = following(graph, readers.of_value(node.outputs[0]));
        Some(Sum { norm, op, other, activation: following.filter(|_| op.activation.is_none()) })
    }

    fn add(&self, rebuilt: &mut Rebuilt<'_>, node: &Node) -> Result<(), GraphError> {
        let mut inputs = rebuilt.values(&rebuilt.from.nodes()[self.norm].inputs);
        inputs.push(rebuilt.value(self.other));
        let op = BatchNormAdd { norm: self.op, activation: self.activation.map(|(_, kind)| kind) };
        let y = rebuilt.add(op, &inputs)?[0];
        rebuilt.set(node.outputs[0], y);
        Ok(())
    }
}

/// The activation that reads a value together with its own gradient and nothing else, where the slope may be taken at the
/// result in place of the value.
fn following(graph: &Graph, readers: &[(usize, usize)]) -> Option<(usize, ActivationKind)> {
    let activation = |node: usize| operator::<Activation>(graph.nodes().get(node)?).map(|op| (node, op.0));
    let (index, kind) = readers.iter().find_map(|&(node, _)| activation(node))?;
    let y = graph.nodes()[index].outputs[0];
    let own = |&(node, at): &(usize, usize)| {
        let gradient = graph.nodes().get(node).filter(|n| operator::<ActivationGrad>(n).is_some());
        node == index || at == 1 && gradient.is_some_and(|n| n.inputs[2] == y)
    };
    let by_sign = matches!(kind, ActivationKind::Relu | ActivationKind::LeakyRelu);
    (by_sign && readers.iter().all(own)).then_some((index, kind))
}
