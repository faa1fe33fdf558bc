//! Preprocessing as the first and last nodes of the exported model.

use super::{CategoryEncoder, InputEncoder, NumberEncoder, Preprocessing, TableEncoder, TableInputs};
use crate::data::OutputSpec;
use crate::data::raw::{IMAGE_INPUT, MATRIX_INPUT, MISSING};
use crate::graph::ops::encode::{
    AffineOutput, CategorySlots, CleanNumbers, DecodeLabel, MissingFlags, ScalePixels, TakeColumns,
};
use crate::graph::ops::shape::Concat;
use crate::graph::ops::softmax::Softmax;
use crate::graph::{DType, Dim, Graph, GraphError, Shape, TensorType, Value};

/// Tensors that the net inside an exported model reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NetInputs {
    /// float32 `[N, n]`, the numeric features.
    pub numeric: Option<Value>,
    /// int64 `[N, m]`, the slots of the categorical features.
    pub codes: Option<Value>,
    /// float32 `[N, channels, height, width]`.
    pub image: Option<Value>,
}

/// What the nets inside an exported model say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NetOutput {
    /// Of one net: float32 `[N, classes]` logits, or `[N, 1]` standardised values.
    Raw(Value),
    /// Of several together: `[N, classes]` probabilities, or `[N, 1]` standardised values.
    Mean(Value),
}

/// How an exported model finds the slot of a value of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lookup {
    /// By comparison with every known value: any engine runs it.
    Comparisons,
    /// By `ai.onnx.ml.LabelEncoder` in columns of more than 512 values, where it is faster; tract lacks it.
    LabelEncoder,
}

/// Vocabulary size above which `LabelEncoder` is the faster one.
const LARGE_VOCABULARY: usize = 512;

impl Lookup {
    /// Vocabulary size above which `LabelEncoder` takes the place of comparisons.
    fn large(self) -> usize {
        match self {
            Lookup::Comparisons => usize::MAX,
            Lookup::LabelEncoder => LARGE_VOCABULARY,
        }
    }

    /// Whether the column is looked up by `LabelEncoder`.
    pub(super) fn encodes(self, category: &CategoryEncoder) -> bool {
        category.vocabulary.len() > self.large()
    }
}

impl Preprocessing {
    /// Adds the inputs of the exported model and the nodes that preprocess them. The batch axis is symbolic.
    ///
    /// # Errors
    /// Where the graph refuses a node: a mistake of this module.
    pub fn emit_inputs(&self, graph: &mut Graph, lookup: Lookup) -> Result<NetInputs, GraphError> {
        match &self.input {
            InputEncoder::Table(table) => emit_table(table, graph, lookup),
            InputEncoder::Image(image) => {
                let shape = Shape::batched(Dim::Batch, &[image.height, image.width, image.channels]);
                let input = graph.input(IMAGE_INPUT, TensorType::new(DType::U8, shape));
                let scale = ScalePixels { mean: image.mean.clone(), std: image.std.clone() };
                let image = graph.apply(scale, &[input])?;
                Ok(NetInputs { numeric: None, codes: None, image: Some(image) })
            }
        }
    }

    /// Declares the outputs of the exported model: `label` and `probabilities`, or `prediction`.
    ///
    /// # Errors
    /// Where `output` has another shape.
    pub fn emit_outputs(&self, graph: &mut Graph, output: NetOutput) -> Result<(), GraphError> {
        let (NetOutput::Raw(net_output) | NetOutput::Mean(net_output)) = output;
        let outputs = graph.scoped("outputs", |graph| match &self.output {
            OutputSpec::Classes { names, integers, .. } => {
                let decode = DecodeLabel { names: names.clone(), integers: *integers };
                let label = graph.apply(decode, &[net_output])?;
                let probabilities = match output {
                    NetOutput::Raw(logits) => graph.apply(Softmax, &[logits])?,
                    NetOutput::Mean(probabilities) => probabilities,
                };
                Ok(vec![("label", label), ("probabilities", probabilities)])
            }
            OutputSpec::Value { mean, std } => {
                let prediction = graph.apply(AffineOutput { mean: *mean as f32, std: *std as f32 }, &[net_output])?;
                Ok(vec![("prediction", prediction)])
            }
        })?;
        outputs.into_iter().for_each(|(name, value)| graph.output(name, value));
        Ok(())
    }

    /// Names of the outputs that the exported model has.
    pub fn output_names(&self) -> &'static [&'static str] {
        match self.output {
            OutputSpec::Classes { .. } => &["label", "probabilities"],
            OutputSpec::Value { .. } => &["prediction"],
        }
    }
}

fn emit_table(table: &TableEncoder, graph: &mut Graph, lookup: Lookup) -> Result<NetInputs, GraphError> {
    let names = match &table.inputs {
        TableInputs::Columns(names) => names,
        TableInputs::Matrix(width) => {
            let input = graph.input(MATRIX_INPUT, TensorType::new(DType::F32, Shape::batched(Dim::Batch, &[*width])));
            let columns = table.numbers.iter().map(|n| n.input).collect();
            let raw = graph.apply(TakeColumns { columns }, &[input])?;
            return Ok(NetInputs { numeric: Some(emit_numbers(table, graph, raw)?), codes: None, image: None });
        }
    };
    let mut inputs = Vec::with_capacity(names.len());
    for (i, name) in names.iter().enumerate() {
        let dtype = if table.categories.iter().any(|c| c.input == i) { DType::Str } else { DType::F32 };
        inputs.push(graph.input(name, TensorType::new(dtype, Shape::batched(Dim::Batch, &[1]))));
    }
    let mut net = NetInputs { numeric: None, codes: None, image: None };
    let numbers: Vec<Value> = table.numbers.iter().map(|n| inputs[n.input]).collect();
    if !numbers.is_empty() {
        let raw = graph.apply(Concat { axis: 1 }, &numbers)?;
        net.numeric = Some(emit_numbers(table, graph, raw)?);
    }
    let texts: Vec<Value> = table.categories.iter().map(|c| inputs[c.input]).collect();
    if !texts.is_empty() {
        let vocabularies = table.categories.iter().map(|c| c.vocabulary.clone()).collect();
        let missing = MISSING.iter().map(|m| (*m).to_owned()).collect();
        net.codes = Some(graph.apply(CategorySlots { vocabularies, missing, large: lookup.large() }, &texts)?);
    }
    Ok(net)
}

/// Features of raw numbers `[N, n]`, which stand in the order of the encoders.
fn emit_numbers(table: &TableEncoder, graph: &mut Graph, raw: Value) -> Result<Value, GraphError> {
    let plain = table.numbers.iter().take_while(|n| n.log.is_none()).count();
    let groups = [&table.numbers[..plain], &table.numbers[plain..]];
    let mut parts = Vec::new();
    for (group, start) in groups.into_iter().zip([0, plain]) {
        if group.is_empty() {
            continue;
        }
        let columns: Vec<usize> = (start..start + group.len()).collect();
        let values = if group.len() == table.numbers.len() { raw } else { graph.apply(TakeColumns { columns }, &[raw])? };
        parts.push(graph.apply(cleaning(group), &[values])?);
    }
    let flagged: Vec<usize> = table.flagged().map(|(i, _)| i).collect();
    if !flagged.is_empty() {
        parts.push(graph.apply(MissingFlags { columns: flagged }, &[raw])?);
    }
    match parts.as_slice() {
        [only] => Ok(*only),
        several => graph.apply(Concat { axis: 1 }, several),
    }
}

fn cleaning(group: &[NumberEncoder]) -> CleanNumbers {
    let of = |field: fn(&NumberEncoder) -> f32| group.iter().map(field).collect::<Vec<f32>>();
    let logs: Option<Vec<_>> = group.iter().map(|n| n.log).collect();
    CleanNumbers {
        low: of(|n| n.low),
        high: of(|n| n.high),
        log: logs.map(|logs| logs.iter().map(|l| (l.pivot, l.width)).unzip()),
        offset: of(|n| n.offset),
        scale: of(|n| n.scale),
    }
}
