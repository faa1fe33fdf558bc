//! Which operators of ONNX a net has at inference, and leaving out the genes that lead to some of them.
//!
//! Every part of a net is built alone, by the function that builds it in nets, and spelled as it is exported. What a net
//! has is the union of what its parts have: a test holds that against exported nets.

mod parts;
mod vocabulary;

use super::net::{NetBuilder, Source};
use super::{OUTPUT, feature_inputs, inference, net};
use crate::data::Task;
use crate::genome::{Ancestor, Genome, Net, SearchSpace, SpaceError};
use crate::graph::{Dim, Graph, GraphError, Target, Tensor, passes::fold_batch_norm, spell};
use std::collections::{BTreeMap, BTreeSet};

/// Operators that no net of a space can do without, or names that are none.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ForbiddenOperator {
    /// No operator of ONNX.
    #[error("forbidden: ONNX has no operator {name:?}{}", if near.is_empty() { String::new() } else { format!("; near names: {}", near.join(", ")) })]
    Unknown {
        /// The name.
        name: String,
        /// Names like it, the nearest first.
        near: Vec<&'static str>,
    },
    /// Every exported model has it.
    #[error("forbidden: every model for this data has {name}, {place}")]
    Everywhere {
        /// The operator.
        name: String,
        /// Where it is.
        place: &'static str,
    },
    /// Everything that may be chosen leads to one of them.
    #[error("forbidden: without {} nothing is left of {key}", operators.join(", "))]
    NothingLeft {
        /// Key of a file whose choices all lead there.
        key: &'static str,
        /// The operators.
        operators: Vec<String>,
    },
    /// An ancestor that was asked for has it.
    #[error("forbidden: {ancestor} has {name}")]
    Ancestor {
        /// The ancestor.
        ancestor: Ancestor,
        /// The operator.
        name: String,
    },
    /// What is left makes no sense together.
    #[error("without the forbidden operators: {0}")]
    Space(#[from] SpaceError),
    /// A part that cannot be built: a mistake of this module.
    #[error(transparent)]
    Graph(#[from] GraphError),
}

/// A space whose nets have no forbidden operator.
#[derive(Debug, Clone, PartialEq)]
pub struct Permitted {
    /// The space.
    pub space: SearchSpace,
    /// Forbidden operators that no net of the space had anyway.
    pub idle: Vec<String>,
}

/// The space without the choices that lead to an operator that it forbids. `surroundings` are the operators that an
/// exported model of the task has around its net ([`crate::export::surroundings`]).
///
/// # Errors
/// Where a name is no operator, or nothing is left without it.
pub fn permitted(
    space: SearchSpace,
    task: &Task,
    surroundings: &BTreeSet<&'static str>,
) -> Result<Permitted, ForbiddenOperator> {
    let forbidden = space.forbidden.clone();
    if forbidden.is_empty() {
        return Ok(Permitted { space, idle: vec![] });
    }
    for name in &forbidden {
        vocabulary::check(name)?;
    }
    let has = |operators: &BTreeSet<&'static str>| forbidden.iter().find(|name| operators.contains(name.as_str())).cloned();
    for (operators, place) in [
        (surroundings, "before or behind its net"),
        (&parts::everywhere(task)?, "where columns meet, in a convolution or in a linear layer"),
    ] {
        if let Some(name) = has(operators) {
            return Err(ForbiddenOperator::Everywhere { name, place });
        }
    }
    let mut idle = forbidden.clone();
    let mut excluded = vec![];
    for part in space.parts() {
        let operators = parts::of(part, task)?;
        idle.retain(|name| !operators.contains(name.as_str()));
        if has(&operators).is_some() {
            excluded.push(part);
        }
    }
    let nothing = |key| ForbiddenOperator::NothingLeft { key, operators: forbidden.clone() };
    let space = space.without(&excluded).map_err(nothing)?;
    space.check()?;
    Ok(Permitted { space, idle })
}

/// Checks that the ancestors of a space have no operator that it forbids.
///
/// # Errors
/// The first that has one.
pub fn permitted_ancestors(space: &SearchSpace, task: &Task) -> Result<(), ForbiddenOperator> {
    if space.forbidden.is_empty() {
        return Ok(());
    }
    for genome in space.seeds() {
        let Net::Ancestor(net) = &genome.net else { continue };
        let operators = operators(&genome, task)?;
        if let Some(name) = space.forbidden.iter().find(|name| operators.contains(name.as_str())).cloned() {
            return Err(ForbiddenOperator::Ancestor { ancestor: net.name, name });
        }
    }
    Ok(())
}

/// The operators that a net has at inference, its batch normalisations folded as they are on export.
///
/// # Errors
/// Where the genome does not fit the task.
pub fn operators(genome: &Genome, task: &Task) -> Result<BTreeSet<&'static str>, GraphError> {
    let weights = zeros(&inference(genome, task, Dim::Batch)?.params);
    let mut graph = Graph::new();
    let inputs = feature_inputs(&mut graph, task, Dim::Batch);
    let mut builder = NetBuilder::inference(&mut graph, genome, Source::Constants(&weights));
    let output = net(&mut builder, genome, task, inputs)?;
    graph.output(OUTPUT, output);
    exported(&graph)
}

/// The operators of a graph as it is exported.
fn exported(graph: &Graph) -> Result<BTreeSet<&'static str>, GraphError> {
    let spelled = spell(&fold_batch_norm(graph)?, Target::Portable)?;
    Ok(spelled.nodes.iter().map(|node| node.op_type).collect())
}

/// Weights of these shapes: operators do not depend on their values.
fn zeros(params: &[super::Param]) -> BTreeMap<String, Tensor> {
    let zero = |param: &super::Param| (param.name.clone(), Tensor::f32(&param.shape, vec![0.0; param.elements()]));
    params.iter().map(zero).collect()
}
