//! The training step as a graph: net, loss, gradients, optimizer, running statistics.

use super::net::{Built, Mask, NetBuilder, Param};
use super::{feature_inputs, net, schedule::BETA1};
use crate::data::{OutputSpec, Task};
use crate::genome::{Genome, Loss, Optimizer};
use crate::graph::ops::loss::{Huber, SoftmaxCrossEntropy, SquaredError};
use crate::graph::ops::optimizer::{AdamStep, ExponentialAverage, SgdStep};
use crate::graph::ops::shape::Reshape;
use crate::graph::{DType, Dim, Graph, GraphError, Origin, Shape, ShapeError, TensorType, Value, differentiate};

/// Share of a batch statistic in the running statistic, as is common.
const STATISTIC_RATE: f64 = 0.1;
/// Added to the root of Adam's second moment.
const ADAM_EPSILON: f32 = 1e-8;

/// A training step: names and extents of all that is fed, kept and read.
pub struct TrainingStep {
    /// The graph.
    pub graph: Graph,
    /// Parameters and running statistics, each both input and output of the step.
    pub params: Vec<Param>,
    /// Optimizer state: names of input and output, extents; zero before training.
    pub moments: Vec<(String, String, Vec<usize>)>,
    /// What the host feeds.
    pub feeds: Vec<Feed>,
    /// Dropout masks among the feeds.
    pub masks: Vec<Mask>,
}

/// One input that the host feeds at each step.
#[derive(Debug, Clone, PartialEq)]
pub struct Feed {
    /// Name of the graph input.
    pub name: String,
    /// Type.
    pub dtype: DType,
    /// Extents.
    pub shape: Vec<usize>,
}

impl TrainingStep {
    /// Name of the output that holds the mean loss of the batch.
    pub const LOSS: &'static str = "loss";

    /// Name of the output that holds a parameter's next value.
    pub fn next(param: &Param) -> String {
        format!("next.{}", param.input())
    }
}

/// Expresses the training step of a genome for batches of `batch` rows.
///
/// Feeds besides the net's features and masks: `targets` (`[B, classes]` distributions, or `[B]` standardised values),
/// `weights` (`[B]`), and the scalars `lr`, `wd` and, for Adam, `c1` and `c2`.
///
/// # Errors
/// Where the genome does not fit the task.
pub fn training_step(genome: &Genome, task: &Task, batch: usize) -> Result<TrainingStep, GraphError> {
    let mut graph = Graph::new();
    let inputs = feature_inputs(&mut graph, task, Dim::Fixed(batch));
    let mut builder = NetBuilder::training(&mut graph, genome);
    let output = net(&mut builder, genome, task, inputs)?;
    let built = builder.finish();
    let loss = loss(&mut graph, genome.training.loss, task, output, batch)?;
    let trainable: Vec<usize> = (0..built.params.len()).filter(|&i| built.params[i].trainable).collect();
    let targets: Vec<Value> = trainable.iter().map(|&i| built.values[i]).collect();
    let gradients = differentiate(&mut graph, loss, &targets)?;
    let moments = update(&mut graph, genome, &built, &trainable, &gradients)?;
    move_statistics(&mut graph, &built)?;
    graph.output(TrainingStep::LOSS, loss);
    let feeds = feeds(&graph, &built.params, &moments)?;
    Ok(TrainingStep { graph, params: built.params, moments, feeds, masks: built.masks })
}

fn vector(graph: &mut Graph, name: &str, dims: &[usize]) -> Value {
    graph.input(name, TensorType::new(DType::F32, Shape::fixed(dims)))
}

/// Adds the mean loss of a batch, with its feeds `targets` and `weights`. `kind` counts where a number is to be predicted.
pub(super) fn loss(graph: &mut Graph, kind: Loss, task: &Task, output: Value, batch: usize) -> Result<Value, GraphError> {
    match &task.output {
        OutputSpec::Classes { names, .. } => {
            let targets = vector(graph, "targets", &[batch, names.len()]);
            let weights = vector(graph, "weights", &[batch]);
            graph.apply(SoftmaxCrossEntropy, &[output, targets, weights])
        }
        OutputSpec::Value { .. } => {
            let targets = vector(graph, "targets", &[batch]);
            let weights = vector(graph, "weights", &[batch]);
            let flat = graph.apply(Reshape { shape: Shape::fixed(&[batch]) }, &[output])?;
            match kind {
                Loss::Huber => graph.apply(Huber { delta: 1.0 }, &[flat, targets, weights]),
                Loss::Mse | Loss::CrossEntropy => graph.apply(SquaredError, &[flat, targets, weights]),
            }
        }
    }
}

/// Adds the optimizer and returns its state.
fn update(
    graph: &mut Graph,
    genome: &Genome,
    built: &Built,
    trainable: &[usize],
    gradients: &[Value],
) -> Result<Vec<(String, String, Vec<usize>)>, GraphError> {
    let decay: Vec<bool> = trainable.iter().map(|&i| built.params[i].decay).collect();
    let mut inputs = vec![vector(graph, "lr", &[]), vector(graph, "wd", &[])];
    let kinds: &[&str] = match genome.training.optimizer {
        Optimizer::Sgd { .. } => &["v"],
        Optimizer::Adam { .. } | Optimizer::AdamW { .. } => {
            inputs.push(vector(graph, "c1", &[]));
            inputs.push(vector(graph, "c2", &[]));
            &["m", "v"]
        }
    };
    let mut moments = vec![];
    for (&i, &gradient) in trainable.iter().zip(gradients) {
        let param = &built.params[i];
        inputs.extend([built.values[i], gradient]);
        for kind in kinds {
            let name = format!("{kind}.{}", param.name);
            inputs.push(vector(graph, &name, &param.shape));
            moments.push((name.clone(), format!("next.{name}"), param.shape.clone()));
        }
    }
    let outputs = match genome.training.optimizer {
        Optimizer::Sgd { momentum } => graph.add(SgdStep { momentum, decay }, &inputs)?,
        Optimizer::Adam { beta2 } | Optimizer::AdamW { beta2 } => {
            let decoupled = matches!(genome.training.optimizer, Optimizer::AdamW { .. });
            graph.add(AdamStep { beta1: BETA1, beta2, epsilon: ADAM_EPSILON, decoupled, decay }, &inputs)?
        }
    };
    let mut next_moments = moments.iter().map(|(_, output, _)| output.clone());
    for (group, &i) in outputs.chunks(kinds.len() + 1).zip(trainable) {
        graph.output(TrainingStep::next(&built.params[i]), group[0]);
        for (&value, name) in group[1..].iter().zip(&mut next_moments) {
            graph.output(name, value);
        }
    }
    Ok(moments)
}

/// Moves the running statistics towards those of the batch.
fn move_statistics(graph: &mut Graph, built: &Built) -> Result<(), GraphError> {
    if built.statistics.is_empty() {
        return Ok(());
    }
    let mut inputs = vec![graph.scalar(DType::F32, STATISTIC_RATE)];
    for s in &built.statistics {
        inputs.extend([built.values[s.param], s.batch]);
    }
    let outputs = graph.add(ExponentialAverage, &inputs)?;
    for (s, value) in built.statistics.iter().zip(outputs) {
        graph.output(TrainingStep::next(&built.params[s.param]), value);
    }
    Ok(())
}

/// All inputs that are no state.
pub(super) fn feeds(
    graph: &Graph,
    params: &[Param],
    moments: &[(String, String, Vec<usize>)],
) -> Result<Vec<Feed>, GraphError> {
    let state: std::collections::HashSet<String> =
        params.iter().map(Param::input).chain(moments.iter().map(|(input, ..)| input.clone())).collect();
    let mut feeds = vec![];
    for &v in graph.inputs() {
        let (Origin::Input(name), ty) = (graph.origin(v), graph.ty(v)) else { continue };
        if !state.contains(name) {
            let shape = ty.shape.extents().map_err(|source: ShapeError| GraphError::Shape {
                operator: "training step",
                place: name.clone(),
                inputs: ty.to_string(),
                source,
            })?;
            feeds.push(Feed { name: name.clone(), dtype: ty.dtype, shape });
        }
    }
    Ok(feeds)
}
