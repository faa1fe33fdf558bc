//! Joining nodes for the training kernels, so that memory is passed over fewer times:
//!
//! - a convolution takes the statistics of its result while it writes it;
//! - a normalisation that only one convolution reads is applied while that one reads its input, and never written;
//! - the two gradients of a convolution are made in one pass over the gradient of its result;
//! - the gradient of a normalisation's input is likewise made while the convolution before it reads it;
//! - and where a convolution reads a normalised input, the gradients of that norm's parameters are summed while it writes
//!   its own input's;
//! - a normalisation whose result is only added to something is applied while that is read ([`sums`]);
//! - where several nodes read one value, the gradients from the others are added to a convolution's while that is written
//!   ([`accumulate`]);
//! - the gradient of a linear layer's weights is made where the optimizer takes its step ([`steps`]).

mod accumulate;
mod ops;
mod steps;
mod sums;

#[cfg(test)]
mod tests;

use self::ops::{BatchNormParameterGrad, FusedConv, FusedConvGrad};
use super::rebuilt::{Rebuilt, operator};
use crate::graph::ops::conv::{Conv, ConvInputGrad, ConvWeightGrad};
use crate::graph::ops::norm::{BatchNorm, BatchNormGrad, BatchNormInference};
use crate::graph::{DType, Graph, GraphError, Node, Origin, Value};
use std::collections::BTreeMap;

/// The same graph with its convolutions and normalisations of images joined, without what no output depends on. What it
/// computes differs in rounding only.
///
/// # Errors
/// Where an operator refuses inputs: never for a graph that was built.
pub fn fuse(graph: &Graph) -> Result<Graph, GraphError> {
    let plan = Plan::of(graph);
    let live = graph.live_nodes();
    let mut rebuilt = Rebuilt::new(graph);
    for (index, node) in graph.nodes().iter().enumerate().filter(|(index, _)| live[*index]) {
        let joined = Joined { graph, plan: &plan, index, node };
        rebuilt.within(node, |rebuilt| joined.add(rebuilt))?;
    }
    steps::join(&accumulate::join(&sums::join(&rebuilt.finish())?)?)
}

/// Who reads each value, as (node, position); reads by the graph's outputs count as a node beyond the last.
struct Readers(Vec<Vec<(usize, usize)>>);

impl Readers {
    fn of(graph: &Graph) -> Self {
        let mut readers = vec![vec![]; graph.value_count()];
        let live = graph.live_nodes();
        for (index, node) in graph.nodes().iter().enumerate().filter(|(index, _)| live[*index]) {
            node.inputs.iter().enumerate().for_each(|(at, v)| readers[v.index()].push((index, at)));
        }
        graph.outputs().iter().for_each(|(_, v)| readers[v.index()].push((graph.nodes().len(), 0)));
        Readers(readers)
    }

    fn of_value(&self, value: Value) -> &[(usize, usize)] {
        &self.0[value.index()]
    }
}

/// A normalisation of a convolution's result.
#[derive(Debug, Clone, Copy)]
struct Norm {
    op: BatchNorm,
    /// The node that normalises, and the one that makes the gradients.
    node: usize,
    gradient: Option<usize>,
    /// Whether the convolution that alone reads the result applies it.
    applied_by_reader: bool,
    /// Whether the gradient of its input is made by the convolution's gradients, which alone read it.
    gradient_by_reader: bool,
    /// Whether the gradients of its parameters are summed by the gradients of the convolution that applies it.
    sums_by_reader: bool,
}

/// The nodes that make the gradients of one convolution, and are made one.
#[derive(Debug, Clone, Copy)]
struct Gradients {
    op: Conv,
    conv: usize,
    weights: usize,
    input: Option<usize>,
}

impl Gradients {
    /// The first of the nodes: what all of them read is there.
    fn first(&self) -> usize {
        self.input.map_or(self.weights, |input| input.min(self.weights))
    }

    /// Whether a node is one of them.
    fn has(&self, node: usize) -> bool {
        self.weights == node || self.input == Some(node)
    }
}

/// What is joined, by the node of the convolution.
struct Plan {
    norms: BTreeMap<usize, Norm>,
    gradients: BTreeMap<usize, Gradients>,
}

impl Plan {
    fn of(graph: &Graph) -> Plan {
        let readers = Readers::of(graph);
        let mut plan = Plan { norms: BTreeMap::new(), gradients: BTreeMap::new() };
        for (index, node) in graph.nodes().iter().enumerate() {
            if let Some((conv, norm)) = norm_of_convolution(graph, &readers, index, node) {
                plan.norms.entry(conv).or_insert(norm);
            }
        }
        for (conv, node) in graph.nodes().iter().enumerate() {
            let found = gradients_of_convolution(graph, &readers, &plan, conv, node);
            plan.gradients.extend(found.map(|gradients| (conv, gradients)));
        }
        let convolutions: Vec<usize> = plan.norms.keys().copied().collect();
        for conv in convolutions {
            plan.decide(graph, &readers, conv);
        }
        plan
    }

    /// Decides who applies the norm of a convolution's result, and who makes its gradients.
    fn decide(&mut self, graph: &Graph, readers: &Readers, conv: usize) {
        let norm = self.norms[&conv];
        let node = &graph.nodes()[norm.node];
        let reader = self.only_reader(graph, readers.of_value(node.outputs[0]), norm.gradient);
        let gradient = norm.gradient.map(|g| &graph.nodes()[g]);
        let own = self.gradients.get(&conv);
        let gradient_by_reader = gradient.zip(own).is_some_and(|(gradient, own)| {
            let reads = |&(node, at): &(usize, usize)| match at {
                0 => own.input == Some(node),
                _ => own.weights == node && at == 1,
            };
            readers.of_value(gradient.outputs[0]).iter().all(reads)
        });
        let makes = reader.and_then(|reader| self.gradients.get(&reader)?.input);
        let sums_by_reader = gradient_by_reader
            && makes.zip(gradient).is_some_and(|(makes, gradient)| {
                let dy = gradient.inputs[0];
                graph.nodes()[makes].outputs[0] == dy && readers.of_value(dy).len() == 1
            });
        let applied_by_reader = reader.is_some();
        self.norms.insert(conv, Norm { applied_by_reader, gradient_by_reader, sums_by_reader, ..norm });
    }

    /// The convolution that alone reads a normalisation's result, but for its own gradients and the norm's.
    fn only_reader(&self, graph: &Graph, readers: &[(usize, usize)], gradient: Option<usize>) -> Option<usize> {
        let is_conv = |node: usize| graph.nodes().get(node).is_some_and(|n| operator::<Conv>(n).is_some());
        let &(conv, _) = readers.iter().find(|&&(node, at)| at == 0 && is_conv(node))?;
        let gradients = self.gradients.get(&conv);
        let known = |&(node, at): &(usize, usize)| match at {
            0 => node == conv || gradients.is_some_and(|g| g.weights == node),
            _ => Some(node) == gradient && at == 2,
        };
        readers.iter().all(known).then_some(conv)
    }
}

/// The convolution whose result node `index` normalises, and that normalisation.
fn norm_of_convolution(graph: &Graph, readers: &Readers, index: usize, node: &Node) -> Option<(usize, Norm)> {
    let &op = operator::<BatchNorm>(node)?;
    let (x, y) = (node.inputs[0], node.outputs[0]);
    let &Origin::Node { node: conv, .. } = graph.origin(x) else { return None };
    operator::<Conv>(&graph.nodes()[conv])?;
    if graph.ty(x).dtype != DType::F32 || readers.of_value(y).is_empty() {
        return None;
    }
    let own = |n: &Node| operator::<BatchNormGrad>(n).is_some() && n.inputs[1] == x && n.inputs[2] == y;
    let mut nodes = readers.of_value(y).iter().map(|r| r.0);
    let gradient = nodes.find(|&i| graph.nodes().get(i).is_some_and(own));
    let [applied_by_reader, gradient_by_reader, sums_by_reader] = [false; 3];
    Some((conv, Norm { op, node: index, gradient, applied_by_reader, gradient_by_reader, sums_by_reader }))
}

/// The nodes that make the gradients of the convolution `conv`, where its weights have one.
fn gradients_of_convolution(graph: &Graph, readers: &Readers, plan: &Plan, conv: usize, node: &Node) -> Option<Gradients> {
    let op = operator::<Conv>(node)?;
    let (x, w) = (node.inputs[0], node.inputs[1]);
    let reading = |v: Value, test: &dyn Fn(&Node) -> bool| {
        let nodes = readers.of_value(v).iter().map(|r| r.0);
        nodes.filter(|&i| graph.nodes().get(i).is_some_and(test)).collect::<Vec<_>>()
    };
    let of_weights = |n: &Node| operator::<ConvWeightGrad>(n).is_some_and(|g| g.conv == *op) && n.inputs[0] == x;
    // Of several convolutions that read the same images each has the gradient that comes through its own result.
    let normed = plan.norms.get(&conv).and_then(|n| Some(graph.nodes()[n.gradient?].outputs[0]));
    for weights in reading(x, &of_weights) {
        let dw = &graph.nodes()[weights];
        let dy = dw.inputs[1];
        let of_input = |n: &Node| operator::<ConvInputGrad>(n).is_some_and(|g| g.conv == *op) && n.inputs == [dy, w];
        // Convolutions with the same weights may have the same gradient of their results.
        let free = |i: &usize| !plan.gradients.values().any(|g| g.has(*i));
        let fits = |i: &usize| free(i) && graph.ty(graph.nodes()[*i].outputs[0]) == graph.ty(x);
        let input = reading(w, &of_input).into_iter().find(fits);
        let own = normed.map_or(input.is_some(), |normed| normed == dy) && free(&weights);
        let gradients = Gradients { op: *op, conv, weights, input };
        // Its first node takes the place of all, and what it reads has to be there.
        if own && conv < gradients.first() && graph.ty(dw.outputs[0]) == graph.ty(w) && graph.ty(x).dtype == DType::F32 {
            return Some(gradients);
        }
    }
    None
}

/// One node of the old graph on its way into the new one.
struct Joined<'a> {
    graph: &'a Graph,
    plan: &'a Plan,
    index: usize,
    node: &'a Node,
}

impl Joined<'_> {
    fn add(&self, rebuilt: &mut Rebuilt<'_>) -> Result<(), GraphError> {
        let node = self.node;
        if let Some(gradients) = self.plan.gradients.values().find(|g| g.has(self.index)) {
            return if gradients.first() == self.index { self.conv_gradients(rebuilt, *gradients) } else { Ok(()) };
        }
        let own = |n: &&Norm| n.node == self.index || n.gradient == Some(self.index);
        match (operator::<Conv>(node), self.plan.norms.values().find(own)) {
            (Some(conv), _) => self.conv(rebuilt, *conv),
            (None, Some(norm)) if norm.node == self.index => self.norm(rebuilt, *norm),
            (None, Some(norm)) => self.norm_gradient(rebuilt, *norm),
            (None, None) => rebuilt.copied(node),
        }
    }

    /// The norm that is applied by the reader of `value`, if it is the result of one.
    fn applied(&self, value: Value) -> Option<(Norm, &Node)> {
        let &Origin::Node { node, .. } = self.graph.origin(value) else { return None };
        let norm = self.plan.norms.values().find(|n| n.node == node && n.applied_by_reader)?;
        Some((*norm, &self.graph.nodes()[node]))
    }

    /// What a convolution reads in place of `x`: what was normalised, with the parameters and statistics of the norm.
    fn input(&self, rebuilt: &mut Rebuilt<'_>, x: Value) -> (Option<BatchNorm>, Vec<Value>) {
        match self.applied(x) {
            None => (None, vec![rebuilt.value(x)]),
            Some((norm, node)) => (Some(norm.op), rebuilt.values(&norm_inputs(node))),
        }
    }

    fn conv(&self, rebuilt: &mut Rebuilt<'_>, conv: Conv) -> Result<(), GraphError> {
        let (input, mut inputs) = self.input(rebuilt, self.node.inputs[0]);
        let norm = self.plan.norms.get(&self.index);
        if input.is_none() && norm.is_none() {
            return rebuilt.copied(self.node);
        }
        inputs.extend(rebuilt.values(&self.node.inputs[1..]));
        let made = rebuilt.add(FusedConv { conv, input, statistics: norm.is_some() }, &inputs)?;
        rebuilt.set(self.node.outputs[0], made[0]);
        if let Some(norm) = norm {
            let statistics = &self.graph.nodes()[norm.node].outputs[1..];
            statistics.iter().zip(&made[1..]).for_each(|(&old, &new)| rebuilt.set(old, new));
        }
        Ok(())
    }

    fn norm(&self, rebuilt: &mut Rebuilt<'_>, norm: Norm) -> Result<(), GraphError> {
        if norm.applied_by_reader {
            return Ok(());
        }
        let BatchNorm { epsilon, activation } = norm.op;
        let inputs = rebuilt.values(&norm_inputs(self.node));
        let y = rebuilt.add(BatchNormInference { epsilon, activation }, &inputs)?[0];
        rebuilt.set(self.node.outputs[0], y);
        Ok(())
    }

    fn norm_gradient(&self, rebuilt: &mut Rebuilt<'_>, norm: Norm) -> Result<(), GraphError> {
        if norm.sums_by_reader {
            return Ok(());
        }
        let [dy, x, _, parameters @ ..] = &self.node.inputs[..] else { return rebuilt.copied(self.node) };
        let (dy, x, parameters) = (rebuilt.value(*dy), rebuilt.value(*x), rebuilt.values(parameters));
        let made = if norm.gradient_by_reader {
            rebuilt.add(BatchNormParameterGrad(norm.op), &[&[dy, x], &parameters[..]].concat())?
        } else {
            // The kernel makes the gradient from the input alone: it stands in for the result, which may not be there.
            rebuilt.add(BatchNormGrad(norm.op), &[&[dy, x, x], &parameters[..]].concat())?
        };
        let old = if norm.gradient_by_reader { &self.node.outputs[1..] } else { &self.node.outputs[..] };
        old.iter().zip(made).for_each(|(&old, new)| rebuilt.set(old, new));
        Ok(())
    }

    fn conv_gradients(
        &self,
        rebuilt: &mut Rebuilt<'_>,
        Gradients { op, conv, weights, input }: Gradients,
    ) -> Result<(), GraphError> {
        let (forward, nodes) = (&self.graph.nodes()[conv], self.graph.nodes());
        let (input_norm, mut inputs) = self.input(rebuilt, forward.inputs[0]);
        let after = self.plan.norms.get(&conv).filter(|n| n.gradient_by_reader);
        let after = after.and_then(|n| Some((n.op, &nodes[n.node], &nodes[n.gradient?])));
        match after {
            None => inputs.push(rebuilt.value(nodes[weights].inputs[1])),
            Some((_, norm, gradient)) => {
                inputs.push(rebuilt.value(gradient.inputs[0]));
                inputs.extend(rebuilt.values(&norm_inputs(norm)));
                inputs.extend(rebuilt.values(&gradient.outputs[1..]));
            }
        }
        inputs.push(rebuilt.value(forward.inputs[1]));
        let before = self.applied(forward.inputs[0]).map(|(norm, _)| norm).filter(|n| n.sums_by_reader && input.is_some());
        let fused = FusedConvGrad {
            conv: op,
            input: input_norm,
            output: after.map(|(op, ..)| op),
            with_input: input.is_some(),
            with_norm: before.is_some(),
            plus: false,
        };
        let made = rebuilt.add(fused, &inputs)?;
        let parameters = before.and_then(|n| n.gradient).map_or(&[][..], |g| &nodes[g].outputs[1..]);
        let input = input.map(|input| nodes[input].outputs[0]);
        let old = [nodes[weights].outputs[0]].into_iter().chain(input).chain(parameters.iter().copied());
        old.zip(made).for_each(|(old, new)| rebuilt.set(old, new));
        Ok(())
    }
}

/// What a normalisation reads, and the statistics that it makes: as a normalisation by given statistics reads them.
fn norm_inputs(norm: &Node) -> [Value; 5] {
    [norm.inputs[0], norm.inputs[1], norm.inputs[2], norm.outputs[1], norm.outputs[2]]
}
