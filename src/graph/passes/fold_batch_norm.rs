//! Folding of normalisation by given statistics into the layer before it.

use super::rebuilt::{Rebuilt, operator};
use crate::graph::ops::activation::Activation;
use crate::graph::ops::conv::Conv;
use crate::graph::ops::linear::Linear;
use crate::graph::ops::norm::BatchNormInference;
use crate::graph::{Data, Graph, GraphError, Node, Origin, Tensor, Value};
use std::collections::{BTreeMap, BTreeSet};

/// The same graph with each [`BatchNormInference`] folded into the [`Conv`] or [`Linear`] whose output it reads, where
/// nothing else reads that output and weights, bias and statistics are constants. An activation of the normalisation
/// becomes a node of its own. Other normalisations stay.
///
/// # Errors
/// Where an operator refuses the inputs it had before: never for a graph that was built.
pub fn fold_batch_norm(graph: &Graph) -> Result<Graph, GraphError> {
    let folds: BTreeMap<usize, Fold> =
        (0..graph.nodes().len()).filter_map(|index| Fold::find(graph, index).map(|fold| (index, fold))).collect();
    let replaced: BTreeSet<usize> = folds.values().map(|fold| fold.layer).collect();
    let mut rebuilt = Rebuilt::new(graph);
    for (index, node) in graph.nodes().iter().enumerate() {
        if replaced.contains(&index) {
            continue;
        }
        match folds.get(&index) {
            Some(fold) => folded(&mut rebuilt, node, fold)?,
            None => rebuilt.copied(node)?,
        }
    }
    Ok(rebuilt.finish())
}

/// A normalisation that can be folded.
struct Fold {
    /// Index of the layer before it.
    layer: usize,
    /// Weights and bias of the layer, with the normalisation in them.
    weights: Tensor,
    bias: Tensor,
}

impl Fold {
    /// Whether node `index` is a normalisation that can be folded.
    fn find(graph: &Graph, index: usize) -> Option<Fold> {
        let node = &graph.nodes()[index];
        let norm: &BatchNormInference = operator(node)?;
        let &Origin::Node { node: layer, .. } = graph.origin(*node.inputs.first()?) else { return None };
        let before = &graph.nodes()[layer];
        if reads(graph, *before.outputs.first()?) != 1 {
            return None;
        }
        let constant = |v: Option<&Value>| graph.constant_of(*v?).cloned();
        let weights = constant(before.inputs.get(1))?;
        // Weights of a convolution lie [O, …], those of a linear layer [K, O].
        let channel: Box<dyn Fn(usize) -> usize> = if operator::<Conv>(before).is_some() {
            let each: usize = weights.shape.iter().skip(1).product();
            Box::new(move |i| i / each)
        } else if operator::<Linear>(before).is_some() {
            let outputs = *weights.shape.get(1)?;
            Box::new(move |i| i % outputs)
        } else {
            return None;
        };
        let parameters: Option<Vec<Vec<f64>>> = (1..5).map(|i| numbers(constant(node.inputs.get(i))?.as_ref())).collect();
        let [gamma, beta, mean, variance] = &parameters?[..] else { return None };
        let old_bias = match before.inputs.get(2) {
            Some(bias) => numbers(constant(Some(bias))?.as_ref())?,
            None => vec![0.0; mean.len()],
        };
        let scale: Vec<f64> = gamma.iter().zip(variance).map(|(g, v)| g / (v + f64::from(norm.epsilon)).sqrt()).collect();
        let scaled: Vec<f64> = numbers(&weights)?.iter().enumerate().map(|(i, w)| w * scale[channel(i)]).collect();
        let bias: Vec<f64> = (0..mean.len()).map(|c| (old_bias[c] - mean[c]) * scale[c] + beta[c]).collect();
        let dtype = weights.data.dtype();
        Some(Fold {
            layer,
            weights: Tensor::from_f64(dtype, &weights.shape, &scaled),
            bias: Tensor::from_f64(dtype, &[bias.len()], &bias),
        })
    }
}

/// How many nodes and outputs read a value.
fn reads(graph: &Graph, value: Value) -> usize {
    let by_nodes = graph.nodes().iter().flat_map(|n| &n.inputs).filter(|v| **v == value).count();
    by_nodes + graph.outputs().iter().filter(|(_, v)| *v == value).count()
}

/// The elements of a float tensor.
fn numbers(tensor: &Tensor) -> Option<Vec<f64>> {
    match &tensor.data {
        Data::F32(v) => Some(v.iter().map(|&x| x.into()).collect()),
        Data::F64(v) => Some(v.clone()),
        _ => None,
    }
}

/// The layer with new weights and bias, and the activation, in place of the normalisation `node`.
fn folded(rebuilt: &mut Rebuilt<'_>, node: &Node, fold: &Fold) -> Result<(), GraphError> {
    let layer = rebuilt.from.nodes()[fold.layer].clone();
    let x = rebuilt.value(layer.inputs[0]);
    let weights = rebuilt.graph.constant(fold.weights.clone());
    let bias = rebuilt.graph.constant(fold.bias.clone());
    let activation = operator::<BatchNormInference>(node).and_then(|norm| norm.activation);
    let y = rebuilt.graph.within(&layer.scope, |graph| -> Result<Value, GraphError> {
        let y = graph.add_shared(layer.op.clone(), &[x, weights, bias])?[0];
        match activation {
            Some(kind) => graph.apply(Activation(kind), &[y]),
            None => Ok(y),
        }
    })?;
    rebuilt.set(node.outputs[0], y);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::ops::activation::ActivationKind;
    use crate::graph::{DType, Dim, Shape, Target, TensorType, spell};

    const EPSILON: f32 = 0.25;

    fn floats(graph: &mut Graph, shape: &[usize], values: &[f32]) -> Value {
        graph.constant(Tensor::f32(shape, values.to_vec()))
    }

    /// γ = [2, 3], β = [1, −1], mean = [0.5, 1], variance = [0.75, 2]; with ε = 0.25 the scale is [2, 2].
    fn norm(graph: &mut Graph, x: Value, activation: Option<ActivationKind>) -> Value {
        let parameters = [[2.0, 3.0], [1.0, -1.0], [0.5, 1.0], [0.75, 2.0]].map(|p| floats(graph, &[2], &p));
        let [gamma, beta, mean, variance] = parameters;
        graph.apply(BatchNormInference { epsilon: EPSILON, activation }, &[x, gamma, beta, mean, variance]).unwrap()
    }

    fn image(graph: &mut Graph) -> Value {
        graph.input("x", TensorType::new(DType::F32, Shape::batched(Dim::Batch, &[1, 3, 3])))
    }

    fn conv(graph: &mut Graph, x: Value) -> Value {
        let w = floats(graph, &[2, 1, 1, 2], &[1.0, 2.0, 3.0, 4.0]);
        graph.apply(Conv { stride: [1, 1], pads: [0; 4], dilation: [1, 1], groups: 1 }, &[x, w]).unwrap()
    }

    fn names(graph: &Graph) -> Vec<&'static str> {
        graph.nodes().iter().map(|n| n.op.name()).collect()
    }

    fn constant(graph: &Graph, node: usize, input: usize) -> Vec<f32> {
        graph.constant_of(graph.nodes()[node].inputs[input]).unwrap().as_f32().unwrap().to_vec()
    }

    #[test]
    fn a_convolution_takes_scale_and_shift() {
        let mut graph = Graph::new();
        let x = image(&mut graph);
        let y = conv(&mut graph, x);
        let y = norm(&mut graph, y, Some(ActivationKind::Relu));
        graph.output("y", y);
        let folded = fold_batch_norm(&graph).unwrap();
        assert_eq!(names(&folded), ["Conv", "Activation"]);
        assert_eq!(constant(&folded, 0, 1), [2.0, 4.0, 6.0, 8.0]);
        assert_eq!(constant(&folded, 0, 2), [0.0, -3.0]);
        assert_eq!(folded.ty(folded.outputs()[0].1), graph.ty(y));
    }

    #[test]
    fn a_linear_layer_takes_scale_and_shift() {
        let mut graph = Graph::new();
        let x = graph.input("x", TensorType::new(DType::F32, Shape::batched(Dim::Batch, &[2])));
        let w = floats(&mut graph, &[2, 2], &[1.0, 2.0, 3.0, 4.0]);
        let b = floats(&mut graph, &[2], &[5.0, 6.0]);
        let y = graph.apply(Linear, &[x, w, b]).unwrap();
        let y = norm(&mut graph, y, None);
        graph.output("y", y);
        let folded = fold_batch_norm(&graph).unwrap();
        assert_eq!(names(&folded), ["Linear"]);
        // γ/√(variance + ε) is 2 for both outputs; (b − mean)·scale + β.
        assert_eq!(constant(&folded, 0, 1), [2.0, 4.0, 6.0, 8.0]);
        assert_eq!(constant(&folded, 0, 2), [10.0, 9.0]);
    }

    #[test]
    fn a_layer_that_is_read_twice_stays() {
        let mut graph = Graph::new();
        let x = image(&mut graph);
        let raw = conv(&mut graph, x);
        let y = norm(&mut graph, raw, None);
        graph.output("y", y);
        graph.output("raw", raw);
        let folded = fold_batch_norm(&graph).unwrap();
        assert_eq!(names(&folded), ["Conv", "BatchNormInference"]);
        assert!(spell(&folded, Target::Portable).is_ok());
    }

    #[test]
    fn computed_weights_stay() {
        let mut graph = Graph::new();
        let x = image(&mut graph);
        let w = graph.input("w", TensorType::new(DType::F32, Shape::fixed(&[2, 1, 1, 2])));
        let y = graph.apply(Conv { stride: [1, 1], pads: [0; 4], dilation: [1, 1], groups: 1 }, &[x, w]).unwrap();
        let y = norm(&mut graph, y, None);
        graph.output("y", y);
        assert_eq!(names(&fold_batch_norm(&graph).unwrap()), ["Conv", "BatchNormInference"]);
    }
}
