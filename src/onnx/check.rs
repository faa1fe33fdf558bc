//! Checking a `ModelProto` before anything is done with it: names, order, domains, operator sets.

use crate::graph::{KERNEL_DOMAIN, POPULATION_DOMAIN};
use onnx_protobuf::{GraphProto, ModelProto, NodeProto};
use std::collections::HashSet;

/// Domains whose operators an engine has.
const DOMAINS: [&str; 5] = ["", "ai.onnx.ml", "com.microsoft", KERNEL_DOMAIN, POPULATION_DOMAIN];

/// Oldest operator set of `ai.onnx` that the engines read.
const OLDEST_OPSET: i64 = 7;

/// True for both names of the domain of the standard's operators.
pub(super) fn is_default(domain: &str) -> bool {
    domain.is_empty() || domain == "ai.onnx"
}

/// Everything that is wrong with a model.
pub(super) fn problems(model: &ModelProto) -> Vec<String> {
    let mut problems = Vec::new();
    let imported: Vec<&str> = model.opset_import.iter().map(|o| o.domain.as_str()).collect();
    match model.opset_import.iter().find(|o| is_default(&o.domain)) {
        None => problems.push("the operator set of ai.onnx is not imported".into()),
        Some(o) if o.version < OLDEST_OPSET => {
            problems.push(format!("operator set {} is older than {OLDEST_OPSET}, the oldest that engines read", o.version));
        }
        Some(_) => {}
    }
    if let Some(graph) = model.graph.as_ref() {
        check_graph(graph, &HashSet::new(), &imported, &mut problems);
    }
    problems
}

/// Checks that each value has one maker, which stands before its readers. Subgraphs see the values around them.
fn check_graph<'a>(graph: &'a GraphProto, outer: &HashSet<&'a str>, imported: &[&str], problems: &mut Vec<String>) {
    let mut made: HashSet<&str> = outer.clone();
    let mut names: HashSet<&str> = HashSet::new();
    let inputs: HashSet<&str> = graph.input.iter().map(|v| v.name.as_str()).collect();
    if inputs.len() < graph.input.len() {
        problems.push("two inputs have one name".into());
    }
    made.extend(&inputs);
    let mut initialised = HashSet::new();
    for tensor in &graph.initializer {
        if !initialised.insert(tensor.name.as_str()) {
            problems.push(format!("two initializers are named {:?}", tensor.name));
        }
    }
    made.extend(&initialised);
    for node in &graph.node {
        if !node.name.is_empty() && !names.insert(&node.name) {
            problems.push(format!("two nodes are named {:?}", node.name));
        }
        check_node(node, &made, imported, problems);
        for output in node.output.iter().filter(|o| !o.is_empty()) {
            if !made.insert(output) {
                problems.push(format!("{:?}, an output of {}, is made twice", output, describe(node)));
            }
        }
    }
    for output in graph.output.iter().filter(|o| !made.contains(o.name.as_str())) {
        problems.push(format!("output {:?} is made by no node", output.name));
    }
}

fn check_node<'a>(node: &'a NodeProto, made: &HashSet<&'a str>, imported: &[&str], problems: &mut Vec<String>) {
    let domain = if is_default(&node.domain) { "" } else { node.domain.as_str() };
    if !DOMAINS.contains(&domain) {
        problems.push(format!("{} is of the unknown domain {domain:?}", describe(node)));
    } else if !imported.iter().any(|d| *d == domain || domain.is_empty() && is_default(d)) {
        problems.push(format!("{} is of the domain {domain:?}, which is not imported", describe(node)));
    }
    for input in node.input.iter().filter(|i| !i.is_empty() && !made.contains(i.as_str())) {
        problems.push(format!("{:?}, an input of {}, is not made before it", input, describe(node)));
    }
    for attribute in &node.attribute {
        for graph in attribute.g.iter().chain(&attribute.graphs) {
            check_graph(graph, made, imported, problems);
        }
    }
}

fn describe(node: &NodeProto) -> String {
    if node.name.is_empty() { format!("a {} node", node.op_type) } else { format!("{} node {:?}", node.op_type, node.name) }
}
