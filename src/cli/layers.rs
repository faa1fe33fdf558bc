//! Layers of an exported model: its nodes gathered by the part of the net they belong to.

use crate::{
    onnx::{InitializerInfo, Summary},
    report::Layer,
};
use std::collections::{HashMap, HashSet};

/// Operators that only move or convert values; they name no layer.
const PLUMBING: &[&str] = &[
    "Cast",
    "Concat",
    "Constant",
    "Expand",
    "Flatten",
    "Gather",
    "Identity",
    "Reshape",
    "Shape",
    "Slice",
    "Split",
    "Squeeze",
    "Tile",
    "Transpose",
    "Unsqueeze",
];

/// The layers from input to output, those that only move values left out. A node is called `net.Linear.13/Gemm`: it
/// belongs to the 13th operator of the graph, a `Linear` in the scope `net`. Each initializer counts for the first node
/// that reads it.
pub(super) fn of(summary: &Summary) -> Vec<Layer> {
    let sizes: HashMap<&str, &InitializerInfo> = summary.initializers.iter().map(|i| (i.name.as_str(), i)).collect();
    let mut counted: HashSet<&str> = HashSet::new();
    let mut layers: Vec<(&str, Layer)> = Vec::new();
    for node in &summary.nodes {
        let operator = node.name.split_once('/').map_or(node.name.as_str(), |(operator, _)| operator);
        if layers.last().is_none_or(|(last, _)| *last != operator) {
            layers.push((operator, layer(operator, &node.op_type)));
        }
        let Some((_, layer)) = layers.last_mut() else { continue };
        for input in &node.inputs {
            if let Some(info) = sizes.get(input.as_str())
                && counted.insert(input)
            {
                layer.parameters += info.elements as u64;
            }
        }
        if let Some(Some(shape)) = node.output_shapes.first() {
            layer.output = shape_words(shape);
        }
    }
    layers.into_iter().map(|(_, layer)| layer).filter(|layer| !PLUMBING.contains(&layer.kind.as_str())).collect()
}

/// An empty layer for `scope.Kind.number`, or for a node of a foreign model, which is called by its ONNX operator.
fn layer(operator: &str, op_type: &str) -> Layer {
    let parts: Vec<&str> = operator.split('.').collect();
    let (name, kind) = match parts.as_slice() {
        [scope @ .., kind, number] if number.parse::<u64>().is_ok() => (scope.join("."), *kind),
        _ => (operator.to_owned(), op_type),
    };
    Layer { name, kind: kind.to_owned(), output: String::new(), parameters: 0 }
}

/// Extents in words: `N × 64`.
pub(super) fn shape_words(shape: &[Option<usize>]) -> String {
    let extents: Vec<String> = shape.iter().map(|extent| extent.map_or("N".to_owned(), |e| e.to_string())).collect();
    extents.join(" × ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{graph::DType, onnx::NodeInfo};

    fn node(name: &str, op_type: &str, inputs: &[&str]) -> NodeInfo {
        NodeInfo {
            name: name.into(),
            op_type: op_type.into(),
            domain: String::new(),
            inputs: inputs.iter().map(|input| (*input).to_owned()).collect(),
            outputs: vec![format!("{name}.out")],
            attributes: vec![],
            output_shapes: vec![Some(vec![None, Some(8)])],
        }
    }

    fn weight(name: &str, elements: usize) -> InitializerInfo {
        InitializerInfo { name: name.into(), dtype: DType::F32, shape: vec![elements], elements }
    }

    #[test]
    fn nodes_of_a_scope_are_one_layer_and_weights_count_once() {
        let summary = Summary {
            producer: String::new(),
            producer_version: String::new(),
            ir_version: 8,
            opsets: vec![],
            metadata: vec![],
            inputs: vec![],
            outputs: vec![],
            nodes: vec![
                node("net.a.Linear.0/Gemm", "Gemm", &["x", "w", "b"]),
                node("net.a.Linear.0/Add", "Add", &["h"]),
                node("net.Reshape.1", "Reshape", &["w"]),
            ],
            initializers: vec![weight("w", 32), weight("b", 8)],
        };
        let layers = of(&summary);
        assert_eq!(layers.len(), 1);
        assert_eq!((layers[0].name.as_str(), layers[0].kind.as_str()), ("net.a", "Linear"));
        assert_eq!(layers[0].parameters, 40);
        assert_eq!(layers[0].output, "N × 8");
    }
}
