//! Inputs that hold the examples of a batch become rows of tensors that hold all examples: who runs the graph then feeds which
//! rows a batch has, and the tensors stay where they are.

use super::rebuilt::Rebuilt;
use crate::graph::ops::encode::ScalePixels;
use crate::graph::ops::rows::TakeRows;
use crate::graph::ops::shape::Reshape;
use crate::graph::{DType, Graph, GraphError, Origin, Shape, ShapeError, TensorType, Value};

/// Name of the input that holds the rows of a batch: int64 `[B]`, or `[K, B]` in a graph of K members.
pub const ROWS: &str = "rows";

/// A tensor with the rows of all examples, from which an input is taken. It is shared by all members of a population.
#[derive(Debug, Clone)]
pub struct ResidentInput {
    /// Name of the input, `[B, …]` or `[K, B, …]`, and of the input for the tensor, which takes its place.
    pub name: String,
    /// Type of the tensor, `[R, …]` with R examples.
    pub ty: TensorType,
    /// What makes images of the rows, where these are bytes `[H, W, C]`.
    pub pixels: Option<ScalePixels>,
}

/// The same graph with [`ROWS`] and the tensors in place of these inputs, at least one of which it has.
///
/// # Errors
/// Where the rows of a tensor are not what its input holds.
pub fn resident(graph: &Graph, inputs: &[ResidentInput]) -> Result<Graph, GraphError> {
    let mut rebuilt = Rebuilt::without_inputs(graph);
    let mut rows = None;
    for &input in graph.inputs() {
        let Origin::Input(name) = graph.origin(input) else { continue };
        let Some(resident) = inputs.iter().find(|resident| resident.name == *name) else {
            rebuilt.input(input);
            continue;
        };
        let wanted = graph.ty(input);
        let leading = (wanted.shape.rank() + 1).saturating_sub(resident.ty.shape.rank());
        let of_batch = Shape(wanted.shape.0.iter().take(leading).copied().collect());
        let new = &mut rebuilt.graph;
        let rows = *rows.get_or_insert_with(|| new.input(ROWS, TensorType::new(DType::I64, of_batch)));
        let table = new.input(name.clone(), resident.ty.clone());
        let taken = taken(new, resident, table, rows, wanted)?;
        if new.ty(taken) != wanted {
            return Err(GraphError::Shape {
                operator: "TakeRows",
                place: name.clone(),
                inputs: resident.ty.to_string(),
                source: ShapeError::new(format!("{wanted} wanted, {} taken", new.ty(taken))),
            });
        }
        rebuilt.set(input, taken);
    }
    graph.nodes().iter().try_for_each(|node| rebuilt.copied(node))?;
    Ok(rebuilt.finish())
}

/// What `rows` of a tensor hold, as the input had it.
fn taken(
    graph: &mut Graph,
    resident: &ResidentInput,
    table: Value,
    rows: Value,
    wanted: &TensorType,
) -> Result<Value, GraphError> {
    let Some(pixels) = &resident.pixels else { return graph.apply(TakeRows, &[table, rows]) };
    // Images of all members are one batch to the operator that scales them.
    let each = graph.ty(rows).shape.clone();
    let all = each.elements().map_or(each, |all| Shape::fixed(&[all]));
    let rows = reshaped(graph, rows, &all)?;
    let bytes = graph.apply(TakeRows, &[table, rows])?;
    let images = graph.apply(pixels.clone(), &[bytes])?;
    reshaped(graph, images, &wanted.shape)
}

fn reshaped(graph: &mut Graph, value: Value, shape: &Shape) -> Result<Value, GraphError> {
    match graph.ty(value).shape == *shape {
        true => Ok(value),
        false => graph.apply(Reshape { shape: shape.clone() }, &[value]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::ops::activation::{Activation, ActivationKind};

    fn types(graph: &Graph) -> Vec<String> {
        graph.inputs().iter().map(|&v| format!("{} {}", graph.describe(v), graph.ty(v))).collect()
    }

    fn nodes(graph: &Graph) -> Vec<&'static str> {
        graph.nodes().iter().map(|node| node.op.name()).collect()
    }

    fn of(inputs: &[(&str, &[usize])]) -> Graph {
        let mut graph = Graph::new();
        for (name, shape) in inputs {
            let x = graph.input(*name, TensorType::new(DType::F32, Shape::fixed(shape)));
            let y = graph.apply(Activation(ActivationKind::Tanh), &[x]).unwrap();
            graph.output(format!("next.{name}"), y);
        }
        graph
    }

    fn table(name: &str, dtype: DType, shape: &[usize]) -> ResidentInput {
        let pixels = ScalePixels { mean: vec![0.5; 3], std: vec![2.0; 3] };
        let pixels = (dtype == DType::U8).then_some(pixels);
        ResidentInput { name: name.into(), ty: TensorType::new(dtype, Shape::fixed(shape)), pixels }
    }

    #[test]
    fn a_table_is_read_by_the_rows_of_a_batch_or_of_each_member() {
        for (batch, rows) in [(vec![4], "int64[4]"), (vec![2, 4], "int64[2, 4]")] {
            let graph = of(&[("w", &[7]), ("numeric", &[&batch[..], &[3]].concat())]);
            let made = resident(&graph, &[table("numeric", DType::F32, &[9, 3])]).unwrap();
            assert_eq!(nodes(&made), ["TakeRows", "Activation", "Activation"]);
            let inputs = types(&made);
            assert!(inputs[1].ends_with(rows) && inputs[2].ends_with("float32[9, 3]"), "{inputs:?}");
            assert_eq!(made.ty(made.outputs()[1].1), graph.ty(graph.outputs()[1].1));
        }
    }

    #[test]
    fn images_become_what_the_net_reads() {
        for (batch, more) in [(vec![4], 0), (vec![2, 4], 2)] {
            let graph = of(&[("image", &[&batch[..], &[3, 5, 6]].concat())]);
            let made = resident(&graph, &[table("image", DType::U8, &[9, 5, 6, 3])]).unwrap();
            assert_eq!(made.nodes().len(), 3 + more, "{:?}", nodes(&made));
            assert_eq!(made.ty(made.outputs()[0].1), graph.ty(graph.outputs()[0].1));
        }
    }

    #[test]
    fn rows_that_are_not_those_of_the_input_are_refused() {
        let graph = of(&[("numeric", &[4, 3])]);
        for wrong in [table("numeric", DType::F32, &[9, 2]), table("numeric", DType::I64, &[9, 3])] {
            assert!(resident(&graph, &[wrong]).unwrap_err().to_string().contains("float32[4, 3] wanted"));
        }
        let both = of(&[("numeric", &[4, 3]), ("codes", &[5, 3])]);
        let tables = ["numeric", "codes"].map(|name| table(name, DType::F32, &[9, 3]));
        assert!(resident(&both, &tables).is_err(), "batches of 4 and 5 rows");
    }
}
