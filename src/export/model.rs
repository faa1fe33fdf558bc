//! Assembling the exported model.

use super::{Net, Trained};
use crate::data::{Dataset, InputSpec, Lookup, NetInputs, NetOutput, Schema};
use crate::express::{self, FeatureInputs};
use crate::genome::Genome;
use crate::graph::{DType, Dim, Graph, GraphError, Shape, Target, TensorType, passes::fold_batch_norm, spell};
use crate::onnx::{self, Metadata};
use crate::study::TrainingLength;
use crate::train::TrainError;
use serde::Serialize;
use std::collections::BTreeSet;

/// Key of the metadata entry that says which columns the model reads.
pub const SCHEMA: &str = "evolve.schema";
/// Key of the metadata entry that says of which cross-validation the metrics are, in words; missing where they are those on
/// a validation part.
pub const CROSS_VALIDATION: &str = "evolve.metrics.cross_validation";
/// Key of the metadata entry that says how long the net was trained last, as JSON: `{"examples":N}`, with `"inherited":true`
/// where that training went on from inherited weights, and `"all_rows":true` where it was on all rows, the metrics being those
/// of the same genome before. How it was trained otherwise the genome says.
pub const TRAINING: &str = "evolve.training";
/// Key of the metadata entry that lists the nets of an ensemble, as JSON: `[{"genome":…,"share":…,"training":…},…]`, the chosen
/// one first, whose genome and training stand under the other keys as well; missing where there is one net.
pub const ENSEMBLE: &str = "evolve.ensemble";
/// Key of the metadata entry with the estimated peak, in bytes, of the values that the model calculates for a row.
pub const ROW_BYTES: &str = "evolve.row_bytes";

/// The bytes of the model: raw columns or pixels in, label and probabilities or value out. The same net and data give the
/// same bytes.
///
/// # Errors
/// Where the genome does not fit the data or the weights, or the model is too large to be written.
pub fn assemble(net: &Net<'_>, dataset: &Dataset, lookup: Lookup) -> Result<Vec<u8>, TrainError> {
    let mut graph = Graph::new();
    let inputs = graph.scoped("preprocessing", |g| dataset.preprocessing.emit_inputs(g, lookup))?;
    let NetInputs { numeric, codes, image } = inputs;
    let inputs = FeatureInputs { numeric, codes, image };
    let output = output(&mut graph, net, dataset, inputs)?;
    graph.scoped("output", |g| dataset.preprocessing.emit_outputs(g, output))?;
    let folded = fold_batch_norm(&graph)?;
    let mut metadata = metadata(net, dataset, lookup);
    metadata.push((ROW_BYTES.into(), row_bytes(&folded, &dataset.task.input).to_string()));
    Ok(onnx::write(&spell(&folded, Target::Portable)?, &metadata)?)
}

/// Adds the net, or the nets of an ensemble and the mean of what they say.
fn output(graph: &mut Graph, net: &Net<'_>, dataset: &Dataset, inputs: FeatureInputs) -> Result<NetOutput, GraphError> {
    let mut embed = |scope: &str, Trained { member, .. }: &Trained<'_>| {
        graph.scoped(scope, |g| express::embed(g, member.genome, &dataset.task, inputs, member.weights))
    };
    if net.others.is_empty() {
        return Ok(NetOutput::Raw(embed("net", &net.chosen)?));
    }
    let chosen = embed("net_1", &net.chosen)?;
    let others =
        net.others.iter().zip(2..).map(|(net, number)| Ok((embed(&format!("net_{number}"), net)?, net.member.share)));
    let others: Vec<_> = others.collect::<Result<_, GraphError>>()?;
    let first = (chosen, net.chosen.member.share);
    let mean = graph.scoped("ensemble", |g| express::mean_output(g, first, &others, &dataset.task))?;
    Ok(NetOutput::Mean(mean))
}

/// Operators of ONNX that every model of the data has around its net: in the preprocessing, however values of text are
/// looked up, and behind the net.
///
/// # Errors
/// Where the graph refuses a node: a mistake of this module.
pub fn surroundings(dataset: &Dataset) -> Result<BTreeSet<&'static str>, GraphError> {
    let mut operators = BTreeSet::new();
    for lookup in [Lookup::Comparisons, Lookup::LabelEncoder] {
        let mut graph = Graph::new();
        let NetInputs { numeric, codes, image } = dataset.preprocessing.emit_inputs(&mut graph, lookup)?;
        let read = [("numeric", numeric), ("codes", codes), ("image", image)];
        read.into_iter().for_each(|(name, value)| value.into_iter().for_each(|value| graph.output(name, value)));
        let ty = TensorType::new(DType::F32, Shape::batched(Dim::Batch, &[dataset.task.outputs()]));
        let output = graph.input("net", ty);
        dataset.preprocessing.emit_outputs(&mut graph, NetOutput::Raw(output))?;
        operators.extend(spell(&graph, Target::Portable)?.nodes.iter().map(|node| node.op_type));
    }
    Ok(operators)
}

/// Estimated peak, in bytes, of what a graph calculates for a row: without its constants, which all rows share, and with
/// the comparisons of categories with their vocabularies, which its spelling adds.
fn row_bytes(graph: &Graph, input: &InputSpec) -> usize {
    /// A truth value and the float32 that it becomes.
    const COMPARISON: usize = 5;
    let slots: usize = match input {
        InputSpec::Table { categorical, .. } => categorical.iter().map(|column| column.slots).sum(),
        InputSpec::Image { .. } => 0,
    };
    graph.peak_bytes().saturating_sub(graph.constant_bytes()) + COMPARISON * slots
}

/// What the file says of itself: nothing of the machine, the day or the rows.
fn metadata(net: &Net<'_>, dataset: &Dataset, lookup: Lookup) -> Metadata {
    let json = |value: Result<String, serde_json::Error>| value.unwrap_or_default();
    let schema = Schema { notes: dataset.preprocessing.notes(lookup), ..dataset.preprocessing.schema() };
    let mut entries: Metadata = vec![
        ("evolve.version".into(), env!("CARGO_PKG_VERSION").into()),
        ("evolve.genome".into(), json(serde_json::to_string(&net.chosen.member.genome.canonical()))),
        (TRAINING.into(), json(serde_json::to_string(&net.chosen.length))),
        ("evolve.task".into(), json(serde_json::to_string(&dataset.task.kind))),
        (SCHEMA.into(), json(serde_json::to_string(&schema))),
        ("evolve.metrics".into(), json(serde_json::to_string(net.metrics.scores))),
    ];
    if !net.others.is_empty() {
        let members: Vec<MemberEntry> = net.all().map(MemberEntry::from).collect();
        entries.push((ENSEMBLE.into(), json(serde_json::to_string(&members))));
    }
    entries.extend(net.metrics.cross_validation.map(|cut| (CROSS_VALIDATION.into(), cut.to_string())));
    entries
}

/// A net of an ensemble, as [`ENSEMBLE`] lists it.
#[derive(Serialize)]
struct MemberEntry {
    genome: Genome,
    share: f64,
    training: TrainingLength,
}

impl From<&Trained<'_>> for MemberEntry {
    fn from(&Trained { member, length }: &Trained<'_>) -> Self {
        MemberEntry { genome: member.genome.canonical(), share: member.share, training: length }
    }
}
