//! Reverse-mode differentiation: graph in, graph out.
//!
//! The driver does what no rule must: it visits only nodes between the loss and the targets, adds contributions up,
//! sums a gradient back to the shape of a broadcast input, and checks what a rule returns.

use super::ops::elementwise::{Binary, BinaryKind};
use super::ops::reduce::SumTo;
use super::{Graph, GraphError, Rule, Value};

/// Adds nodes that compute the gradient of `loss` with respect to each of `targets` and returns those gradients, each
/// of its target's type.
///
/// # Errors
/// Where an operator in between has no rule, a rule misbehaves, or a target does not influence the loss.
pub fn differentiate(graph: &mut Graph, loss: Value, targets: &[Value]) -> Result<Vec<Value>, GraphError> {
    let wanted = influenced(graph, targets);
    let mut grads: Vec<Option<Value>> = vec![None; graph.value_count()];
    let one = seed(graph, loss)?;
    grads.resize(graph.value_count(), None);
    grads[loss.index()] = Some(one);
    for index in (0..graph.nodes().len()).rev() {
        let node = graph.nodes()[index].clone();
        let outgoing: Vec<Option<Value>> = node.outputs.iter().map(|v| grads.get(v.index()).copied().flatten()).collect();
        let needs: Vec<bool> = node.inputs.iter().map(|v| wanted[v.index()]).collect();
        if outgoing.iter().all(Option::is_none) || !needs.contains(&true) {
            continue;
        }
        let returned = graph.within(&node.scope, |graph| {
            node.op.gradient(&mut Rule {
                graph,
                inputs: &node.inputs,
                outputs: &node.outputs,
                grads: &outgoing,
                wanted: &needs,
                place: &node.scope,
            })
        })?;
        let misfit =
            |problem: String| GraphError::GradientRule { operator: node.op.name(), place: node.scope.clone(), problem };
        if returned.len() != node.inputs.len() {
            return Err(misfit(format!("{} gradients for {} inputs", returned.len(), node.inputs.len())));
        }
        for (position, contribution) in returned.into_iter().enumerate() {
            let (Some(contribution), true) = (contribution, needs[position]) else { continue };
            let input = node.inputs[position];
            let target = graph.ty(input).clone();
            let reduced = if *graph.ty(contribution) == target {
                contribution
            } else {
                graph
                    .apply(SumTo { shape: target.shape.clone() }, &[contribution])
                    .map_err(|e| misfit(format!("gradient {} for input {target}: {e}", graph.ty(contribution))))?
            };
            let sum = match grads[input.index()] {
                Some(earlier) => graph.apply(Binary(BinaryKind::Add), &[earlier, reduced])?,
                None => reduced,
            };
            grads[input.index()] = Some(sum);
        }
    }
    targets.iter().map(|&t| grads[t.index()].ok_or_else(|| GraphError::Unreached { value: graph.describe(t) })).collect()
}

/// A gradient of one for the loss, which is a scalar.
fn seed(graph: &mut Graph, loss: Value) -> Result<Value, GraphError> {
    let ty = graph.ty(loss).clone();
    if ty.shape.rank() != 0 || !ty.dtype.is_float() {
        return Err(GraphError::GradientRule {
            operator: "loss",
            place: graph.describe(loss),
            problem: format!("a float scalar is wanted, not {ty}"),
        });
    }
    Ok(graph.scalar(ty.dtype, 1.0))
}

/// For each value, whether one of the targets influences it through float values.
fn influenced(graph: &Graph, targets: &[Value]) -> Vec<bool> {
    let mut wanted = vec![false; graph.value_count()];
    for t in targets {
        wanted[t.index()] = true;
    }
    for node in graph.nodes() {
        if node.inputs.iter().any(|v| wanted[v.index()]) {
            for v in &node.outputs {
                wanted[v.index()] |= graph.ty(*v).dtype.is_float();
            }
        }
    }
    wanted
}
