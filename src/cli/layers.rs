//! Layers of an exported model: its nodes gathered by the part of the net they belong to.

use crate::{
    onnx::{InitializerInfo, NodeInfo, Summary},
    report::Layer,
};
use std::collections::HashMap;

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
/// Operators named for one layer before the rest is left out.
const NAMED: usize = 3;

/// The layers from input to output. Each node counts for the scope in its name, `net/stages.0/conv/Conv_3` for
/// `net/stages.0/conv`; each initializer for the first node that reads it.
pub(super) fn of(summary: &Summary) -> Vec<Layer> {
    let sizes: HashMap<&str, &InitializerInfo> = summary.initializers.iter().map(|i| (i.name.as_str(), i)).collect();
    let mut counted: Vec<&str> = Vec::new();
    let mut layers: Vec<(Layer, Vec<&str>)> = Vec::new();
    for node in &summary.nodes {
        let scope = scope(node);
        if layers.last().is_none_or(|(layer, _)| layer.name != scope) {
            layers
                .push((Layer { name: scope.to_owned(), kind: String::new(), output: String::new(), parameters: 0 }, vec![]));
        }
        let Some((layer, kinds)) = layers.last_mut() else { continue };
        for input in &node.inputs {
            if let Some(info) = sizes.get(input.as_str())
                && !counted.contains(&input.as_str())
            {
                counted.push(input);
                layer.parameters += info.elements as u64;
            }
        }
        if !PLUMBING.contains(&node.op_type.as_str()) && !kinds.contains(&node.op_type.as_str()) {
            kinds.push(&node.op_type);
        }
        if let Some(Some(shape)) = node.output_shapes.first() {
            layer.output = shape_words(shape);
        }
    }
    layers.into_iter().map(|(layer, kinds)| Layer { kind: kind(&kinds), ..layer }).collect()
}

/// The node's name without its last part.
fn scope(node: &NodeInfo) -> &str {
    node.name.rsplit_once('/').map_or(node.name.as_str(), |(scope, _)| scope)
}

fn kind(operators: &[&str]) -> String {
    let mut text = operators.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
    if operators.len() > NAMED {
        text.push_str(", …");
    }
    if text.is_empty() { "layout".to_owned() } else { text }
}

/// Extents in words: `N × 64`.
pub(super) fn shape_words(shape: &[Option<usize>]) -> String {
    let extents: Vec<String> = shape.iter().map(|extent| extent.map_or("N".to_owned(), |e| e.to_string())).collect();
    extents.join(" × ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::DType;

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
                node("net/a/Gemm_0", "Gemm", &["x", "w", "b"]),
                node("net/a/Relu_1", "Relu", &["h"]),
                node("net/b/Reshape_2", "Reshape", &["w"]),
            ],
            initializers: vec![weight("w", 32), weight("b", 8)],
        };
        let layers = of(&summary);
        assert_eq!(layers.len(), 2);
        assert_eq!((layers[0].name.as_str(), layers[0].kind.as_str()), ("net/a", "Gemm, Relu"));
        assert_eq!((layers[0].parameters, layers[1].parameters), (40, 0));
        assert_eq!(layers[0].output, "N × 8");
        assert_eq!(layers[1].kind, "layout");
    }
}
