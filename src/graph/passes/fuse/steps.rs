//! Weights of linear layers: the product that is their gradient is made where the optimizer takes its step, and never
//! written. The others, and those whose product is small, keep the one step that they share.

use super::Readers;
use crate::graph::ops::linear::MatMul;
use crate::graph::ops::linear_step::{LinearStep, Step};
use crate::graph::ops::optimizer::{AdamStep, SgdStep};
use crate::graph::passes::rebuilt::{Rebuilt, operator};
use crate::graph::{DType, Graph, GraphError, Op, Origin, TensorType, Value};

/// The same graph with the gradients of linear layers joined to the steps that alone read them.
pub(super) fn join(graph: &Graph) -> Result<Graph, GraphError> {
    let readers = Readers::of(graph);
    let mut rebuilt = Rebuilt::new(graph);
    for (index, node) in graph.nodes().iter().enumerate() {
        if let Some(step) = operator::<AdamStep>(node) {
            rebuilt.within(node, |rebuilt| split(rebuilt, &readers, index, step))?;
        } else if let Some(step) = operator::<SgdStep>(node) {
            rebuilt.within(node, |rebuilt| split(rebuilt, &readers, index, step))?;
        } else {
            rebuilt.copied(node)?;
        }
    }
    Ok(rebuilt.finish())
}

/// Adds a step of their own for the weights of each linear layer, and one for all other parameters.
fn split<S: Step>(rebuilt: &mut Rebuilt<'_>, readers: &Readers, index: usize, step: &S) -> Result<(), GraphError> {
    let node = &rebuilt.from.nodes()[index];
    let (scalars, tensors) = node.inputs.split_at(S::SCALARS);
    let scalars = rebuilt.values(scalars);
    let (mut others, mut made, mut rest) = (step.clone(), vec![], scalars.clone());
    let decay = std::mem::take(others.decay());
    let parameters = tensors.chunks(S::PARTS).zip(node.outputs.chunks(S::PARTS - 1));
    for ((parts, outputs), decays) in parameters.zip(decay) {
        match product(rebuilt.from, readers, parts[1]) {
            Some(factors) => {
                let mut own = step.clone();
                *own.decay() = vec![decays];
                let before = other_readers(rebuilt.from, readers.of_value(parts[0]), index, factors);
                let tensors = [factors, &parts[..1], &parts[2..], &before].concat();
                let inputs = [&scalars[..], &rebuilt.values(&tensors)].concat();
                let new = rebuilt.add(LinearStep(own), &inputs)?;
                outputs.iter().zip(new).for_each(|(&old, new)| rebuilt.set(old, new));
            }
            None => {
                others.decay().push(decays);
                rest.extend(rebuilt.values(parts));
                made.extend(outputs);
            }
        }
    }
    if !made.is_empty() {
        let new = rebuilt.add(others, &rest)?;
        made.into_iter().zip(new).for_each(|(&old, new)| rebuilt.set(old, new));
    }
    Ok(())
}

/// What the readers of weights before node `step` make on which none of these factors depend: there before the weights are
/// stepped, it allows that to be done in place.
fn other_readers(graph: &Graph, readers: &[(usize, usize)], step: usize, factors: &[Value]) -> Vec<Value> {
    let made = |node: usize| graph.nodes()[node].outputs.first().copied();
    let (mut before, mut pending) = (vec![false; graph.nodes().len()], factors.to_vec());
    while let Some(value) = pending.pop() {
        if let Origin::Node { node, .. } = graph.origin(value)
            && !std::mem::replace(&mut before[*node], true)
        {
            pending.extend(&graph.nodes()[*node].inputs);
        }
    }
    readers.iter().map(|&(node, _)| node).filter(|&node| node < step && !before[node]).filter_map(made).collect()
}

/// The factors of the product that a gradient is, if nothing else reads it and it has no kernel of its own.
fn product<'g>(graph: &'g Graph, readers: &Readers, gradient: Value) -> Option<&'g [Value]> {
    let &Origin::Node { node, .. } = graph.origin(gradient) else { return None };
    let node = &graph.nodes()[node];
    let op = operator::<MatMul>(node).filter(|op| op.transpose_a && !op.transpose_b)?;
    let types: Vec<&TensorType> = node.inputs.iter().map(|&v| graph.ty(v)).collect();
    let large = graph.ty(gradient).dtype == DType::F32 && op.kernel(&types).is_none();
    (large && readers.of_value(gradient).len() == 1).then_some(&node.inputs)
}
