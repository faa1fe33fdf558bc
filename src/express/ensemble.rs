//! The mean of what several nets say, as nodes of a graph.

use crate::data::{OutputSpec, Task};
use crate::graph::ops::elementwise::{Binary, BinaryKind};
use crate::graph::ops::softmax::Softmax;
use crate::graph::{DType, Graph, GraphError, Value};

/// Adds the mean of the outputs of nets, weighted by their shares: of classes `[N, classes]` probabilities, from the logits of
/// each; of a value `[N, 1]` standardised values.
///
/// # Errors
/// Where the outputs are of several shapes.
pub fn mean_output(
    graph: &mut Graph,
    first: (Value, f64),
    others: &[(Value, f64)],
    task: &Task,
) -> Result<Value, GraphError> {
    let mut sum = weighted(graph, first, task)?;
    for &other in others {
        let more = weighted(graph, other, task)?;
        sum = graph.apply(Binary(BinaryKind::Add), &[sum, more])?;
    }
    Ok(sum)
}

/// What a net says, times its share.
fn weighted(graph: &mut Graph, (output, share): (Value, f64), task: &Task) -> Result<Value, GraphError> {
    let said = match task.output {
        OutputSpec::Classes { .. } => graph.apply(Softmax, &[output])?,
        OutputSpec::Value { .. } => output,
    };
    let share = graph.scalar(DType::F32, share);
    graph.apply(Binary(BinaryKind::Mul), &[said, share])
}
