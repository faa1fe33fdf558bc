//! A net before any training, as a graph to which is added whatever is to be told of it then.

use super::net::{NetBuilder, Param};
use super::{Feed, feature_inputs, net, step};
use crate::data::Task;
use crate::genome::{Genome, Loss};
use crate::graph::ops::activation::{Activation, ActivationKind};
use crate::graph::ops::norm::BatchNorm;
use crate::graph::{Dim, Graph, GraphError, Op, Value, differentiate};
use std::any::Any;

/// A net before any training: without dropout, its parameters inputs of the graph, no branch the identity as it would be
/// at the start of a training.
pub struct Untrained {
    /// The graph, so far without outputs.
    pub graph: Graph,
    /// `[batch, classes]` logits or `[batch, 1]` standardised values.
    pub output: Value,
    /// Parameters.
    pub params: Vec<Param>,
    /// Their values in the graph.
    pub values: Vec<Value>,
}

impl Untrained {
    /// The net of a genome for batches of `batch` rows: with its normalisations, by statistics of the batch, or without any and with
    /// rectifiers for activations.
    ///
    /// # Errors
    /// Where the genome does not fit the task.
    pub fn new(genome: &Genome, task: &Task, batch: usize, normalised: bool) -> Result<Self, GraphError> {
        let mut graph = Graph::new();
        let inputs = feature_inputs(&mut graph, task, Dim::Fixed(batch));
        let mut builder = NetBuilder::untrained(&mut graph, genome, normalised);
        let output = net(&mut builder, genome, task, inputs)?;
        let built = builder.finish();
        Ok(Untrained { graph, output, params: built.params, values: built.values })
    }

    /// Adds the mean loss of a batch, a scalar: cross-entropy or squared error, with the feeds `targets` and `weights` of
    /// a training step.
    ///
    /// # Errors
    /// Where the output does not fit the task.
    pub fn loss(&mut self, task: &Task, batch: usize) -> Result<Value, GraphError> {
        step::loss(&mut self.graph, Loss::Mse, task, self.output, batch)
    }

    /// Adds the gradients of a scalar with respect to the trainable parameters, as outputs of the graph: index of the
    /// parameter and name of the output.
    ///
    /// # Errors
    /// Where a parameter does not influence the scalar.
    pub fn gradients(&mut self, scalar: Value) -> Result<Vec<(usize, String)>, GraphError> {
        let trainable: Vec<usize> = (0..self.params.len()).filter(|&index| self.params[index].trainable).collect();
        let targets: Vec<Value> = trainable.iter().map(|&index| self.values[index]).collect();
        let gradients = differentiate(&mut self.graph, scalar, &targets)?;
        let outputs = trainable.into_iter().zip(gradients).map(|(index, gradient)| {
            let name = format!("gradient.{}", self.params[index].name);
            self.graph.output(&name, gradient);
            (index, name)
        });
        Ok(outputs.collect())
    }

    /// What activations make of their inputs, each with its kind, in the order of the net.
    pub fn activations(&self) -> Vec<(Value, ActivationKind)> {
        let of = |op: &dyn Op| {
            let op: &dyn Any = op;
            let alone = op.downcast_ref::<Activation>().map(|activation| activation.0);
            alone.or_else(|| op.downcast_ref::<BatchNorm>().and_then(|norm| norm.activation))
        };
        self.graph.nodes().iter().filter_map(|node| Some((node.outputs[0], of(node.op.as_ref())?))).collect()
    }

    /// All inputs that are no parameters.
    ///
    /// # Errors
    /// Where an extent is not known.
    pub fn feeds(&self) -> Result<Vec<Feed>, GraphError> {
        step::feeds(&self.graph, &self.params, &[])
    }
}
