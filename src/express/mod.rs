//! Expressing a genome: its net as a graph, the training step around it, and the inference graph.

mod ancestor;
mod ensemble;
mod image;
mod inherit;
mod initialise;
mod motifs;
mod net;
mod operators;
mod schedule;
mod step;
mod table;
mod untrained;

pub use ensemble::mean_output;
pub use inherit::inherit;
pub use initialise::initialise;
pub use net::{Axes, FeatureInputs, Init, Mask, Param, Source};
pub use operators::{ForbiddenOperator, Permitted, operators, permitted, permitted_ancestors};
pub use schedule::{Moments, learning_rate};
pub use step::{Feed, TrainingStep, training_step};
pub use untrained::Untrained;

use crate::data::{InputSpec, Task};
use crate::genome::{Domain, Genome, InputDomain, Net};
use crate::graph::{DType, Dim, Graph, GraphError, Shape, TensorType, Value};
use net::NetBuilder;

/// Name of the inference graph's output: `[N, classes]` logits or `[N, 1]` standardised values.
pub const OUTPUT: &str = "output";

/// The net of a genome at inference, with its parameters as inputs of the graph.
pub struct Inference {
    /// The graph; its output is [`OUTPUT`].
    pub graph: Graph,
    /// Parameters and running statistics, as inputs named [`Param::input`].
    pub params: Vec<Param>,
}

/// Extents of a task, as the genome's modules want them.
pub fn domain(task: &Task, rows: usize) -> Domain {
    let input = match &task.input {
        InputSpec::Table { numeric, categorical } => InputDomain::Table {
            knots: numeric.iter().map(|f| f.knots.len()).collect(),
            slots: categorical.iter().map(|f| f.slots).collect(),
        },
        InputSpec::Image { height, width, channels, .. } => {
            InputDomain::Image { height: *height, width: *width, channels: *channels }
        }
    };
    let classification = matches!(task.output, crate::data::OutputSpec::Classes { .. });
    Domain { input, outputs: task.outputs(), classification, rows }
}

/// The inputs that a net reads, added to a graph as `numeric`, `codes` and `image`.
pub fn feature_inputs(graph: &mut Graph, task: &Task, batch: Dim) -> FeatureInputs {
    let mut inputs = FeatureInputs::default();
    match &task.input {
        InputSpec::Table { numeric, categorical } => {
            if !numeric.is_empty() {
                let ty = TensorType::new(DType::F32, Shape::batched(batch, &[numeric.len()]));
                inputs.numeric = Some(graph.input("numeric", ty));
            }
            if !categorical.is_empty() {
                let ty = TensorType::new(DType::I64, Shape::batched(batch, &[categorical.len()]));
                inputs.codes = Some(graph.input("codes", ty));
            }
        }
        InputSpec::Image { height, width, channels, .. } => {
            let ty = TensorType::new(DType::F32, Shape::batched(batch, &[*channels, *height, *width]));
            inputs.image = Some(graph.input("image", ty));
        }
    }
    inputs
}

/// The inference graph of a genome with its parameters as inputs.
///
/// # Errors
/// Where the genome does not fit the task.
pub fn inference(genome: &Genome, task: &Task, batch: Dim) -> Result<Inference, GraphError> {
    let mut graph = Graph::new();
    let inputs = feature_inputs(&mut graph, task, batch);
    let mut builder = NetBuilder::inference(&mut graph, genome, Source::Inputs);
    let output = net(&mut builder, genome, task, inputs)?;
    let params = builder.into_params();
    graph.output(OUTPUT, output);
    Ok(Inference { graph, params })
}

/// Adds a genome's net with trained weights as constants to a graph and returns its output.
///
/// # Errors
/// Where the genome does not fit the task, or a weight is missing or has another shape.
pub fn embed(
    graph: &mut Graph,
    genome: &Genome,
    task: &Task,
    inputs: FeatureInputs,
    weights: &std::collections::BTreeMap<String, crate::graph::Tensor>,
) -> Result<Value, GraphError> {
    let mut builder = NetBuilder::inference(graph, genome, Source::Constants(weights));
    net(&mut builder, genome, task, inputs)
}

/// The net from its inputs to logits or standardised values.
fn net(builder: &mut NetBuilder<'_>, genome: &Genome, task: &Task, inputs: FeatureInputs) -> Result<Value, GraphError> {
    match &genome.net {
        Net::Table(net) => table::build(builder, net, task, inputs),
        Net::Image(net) => image::build(builder, net, task, inputs),
        Net::Ancestor(net) => ancestor::build(builder, net, task, inputs),
    }
}
