//! Preprocessing as the first and last nodes of the exported model.

use super::{CategoryEncoder, InputEncoder, NumberEncoder, Preprocessing, TableEncoder, TableInputs};
use crate::data::OutputSpec;
use crate::data::raw::{IMAGE_INPUT, MATRIX_INPUT, MISSING};
use crate::graph::ops::encode::{
    AffineOutput, CategorySlots, CleanNumbers, DecodeLabel, JoinColumns, MissingFlags, Probabilities, ScalePixels,
    TakeColumns,
};
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

/// Vocabulary size above which `LabelEncoder` takes the place of comparisons.
pub(super) const LARGE_VOCABULARY: usize = 512;

pub(super) fn is_large(category: &CategoryEncoder) -> bool {
    category.vocabulary.len() > LARGE_VOCABULARY
}

impl Preprocessing {
    /// Adds the inputs of the exported model and the nodes that preprocess them. The batch axis is symbolic.
    ///
    /// # Errors
    /// Where the graph refuses a node: a mistake of this module.
    pub fn emit_inputs(&self, graph: &mut Graph) -> Result<NetInputs, GraphError> {
        graph.scoped("preprocessing", |graph| match &self.input {
            InputEncoder::Table(table) => emit_table(table, graph),
            InputEncoder::Image(image) => {
                let shape = Shape::batched(Dim::Batch, &[image.height, image.width, image.channels]);
                let input = graph.input(IMAGE_INPUT, TensorType::new(DType::U8, shape));
                let scale = ScalePixels { mean: image.mean.clone(), std: image.std.clone() };
                let image = graph.apply(scale, &[input])?;
                Ok(NetInputs { numeric: None, codes: None, image: Some(image) })
            }
        })
    }

    /// Declares the outputs of the exported model: `label` and `probabilities`, or `prediction`. `net_output` is
    /// `[N, classes]` logits or `[N, 1]` standardised values.
    ///
    /// # Errors
    /// Where `net_output` has another shape.
    pub fn emit_outputs(&self, graph: &mut Graph, net_output: Value) -> Result<(), GraphError> {
        let outputs = graph.scoped("outputs", |graph| match &self.output {
            OutputSpec::Classes { names, integers, .. } => {
                let decode = DecodeLabel { names: names.clone(), integers: *integers };
                let label = graph.apply(decode, &[net_output])?;
                let probabilities = graph.apply(Probabilities, &[net_output])?;
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

fn emit_table(table: &TableEncoder, graph: &mut Graph) -> Result<NetInputs, GraphError> {
    let numeric = match &table.inputs {
        TableInputs::Matrix(width) => {
            let shape = Shape::batched(Dim::Batch, &[*width]);
            let input = graph.input(MATRIX_INPUT, TensorType::new(DType::F32, shape));
            let columns = table.numbers.iter().map(|n| n.input).collect();
            let raw = graph.apply(TakeColumns { columns }, &[input])?;
            return Ok(NetInputs { numeric: Some(emit_numbers(table, graph, raw)?), codes: None, image: None });
        }
        TableInputs::Columns(names) => {
            let inputs: Vec<Value> = names
                .iter()
                .enumerate()
                .map(|(i, name)| {
                    let is_text = table.categories.iter().any(|c| c.input == i);
                    let dtype = if is_text { DType::Str } else { DType::F32 };
                    graph.input(name, TensorType::new(dtype, Shape::batched(Dim::Batch, &[1])))
                })
                .collect();
            let of = |positions: Vec<usize>| positions.into_iter().map(|i| inputs[i]).collect::<Vec<Value>>();
            let numbers = of(table.numbers.iter().map(|n| n.input).collect());
            let texts = of(table.categories.iter().map(|c| c.input).collect());
            (numbers, texts)
        }
    };
    let (numbers, texts) = numeric;
    let numeric = if numbers.is_empty() {
        None
    } else {
        let raw = graph.apply(JoinColumns, &numbers)?;
        Some(emit_numbers(table, graph, raw)?)
    };
    let codes = if texts.is_empty() {
        None
    } else {
        let vocabularies = table.categories.iter().map(|c| c.vocabulary.clone()).collect();
        let missing = MISSING.iter().map(|m| (*m).to_owned()).collect();
        Some(graph.apply(CategorySlots { vocabularies, missing, large: LARGE_VOCABULARY }, &texts)?)
    };
    Ok(NetInputs { numeric, codes, image: None })
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
        several => graph.apply(JoinColumns, several),
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
