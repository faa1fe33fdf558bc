//! Using an exported model on new files: nothing but the model file is needed.

use super::{ROW_BYTES, SCHEMA};
use crate::data::{Field, FieldKind, RawBatch, Schema};
use crate::engine::{Engine, EngineError, Model};
use crate::graph::{DType, Data, Tensor};
use crate::onnx::{self, OnnxError};

/// Rows that are run at once, at most.
const BATCH: usize = 4096;
/// Most bytes of what a model calculates for the rows that are run at once, as far as they can be estimated.
pub(super) const MOST_BYTES: usize = 1 << 30;
/// Bytes of what a model calculates at each pixel, or for each column, where it does not say it: two maps of 64 channels
/// of float32, as the wide beginning of a large net has them.
const POINT_BYTES: usize = 2 * 64 * size_of::<f32>();

/// Why a model cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PredictError {
    /// The file is no ONNX model.
    #[error(transparent)]
    Onnx(#[from] OnnxError),
    /// The engine fails.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The model is of a kind that cannot be fed or understood.
    #[error("{0}")]
    Unsupported(String),
}

/// A model ready to predict.
pub struct Predictor {
    model: Box<dyn Model>,
    schema: Option<Schema>,
    fields: Vec<Field>,
    /// Rows that are run at once.
    batch: usize,
}

/// What a model said about each row.
#[derive(Debug, Clone, PartialEq)]
pub enum Predicted {
    /// A label and a probability for each class.
    Classes {
        /// Names in the order of the probabilities.
        names: Vec<String>,
        /// Label of each row.
        labels: Vec<String>,
        /// `rows × classes` probabilities.
        probabilities: Vec<f32>,
    },
    /// A value for each row.
    Values(Vec<f32>),
}

impl Predictor {
    /// Loads a model.
    ///
    /// # Errors
    /// Where the bytes are no model, or the engine does not load it.
    pub fn new(bytes: &[u8], engine: &dyn Engine) -> Result<Self, PredictError> {
        let summary = onnx::read(bytes)?;
        let text = summary.metadata(SCHEMA);
        let schema: Option<Schema> =
            match text {
                Some(text) => Some(serde_json::from_str(text).map_err(|e| {
                    PredictError::Unsupported(format!("the model's metadata entry {SCHEMA} is damaged: {e}"))
                })?),
                None => None,
            };
        let model = engine.load_model(bytes)?;
        let fields = match &schema {
            Some(schema) => schema.inputs.clone(),
            None => foreign_fields(model.as_ref())?,
        };
        let stated = summary.metadata(ROW_BYTES).and_then(|bytes| bytes.parse().ok());
        let batch = rows_at_once(stated.unwrap_or_else(|| fields.iter().map(points).sum::<usize>() * POINT_BYTES));
        Ok(Predictor { model, schema, fields, batch })
    }

    /// What the model's metadata says of its inputs and outputs, where evolve made it.
    pub fn schema(&self) -> Option<&Schema> {
        self.schema.as_ref()
    }

    /// Inputs that a data file must have.
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// Predicts raw rows, as many at once as take about a GiB.
    ///
    /// # Errors
    /// Where the engine fails or its outputs are of a kind that evolve does not know.
    pub fn predict(&mut self, raw: &RawBatch) -> Result<Predicted, PredictError> {
        let mut whole: Option<Predicted> = None;
        let mut start = 0;
        while start < raw.rows() {
            let end = (start + self.batch).min(raw.rows());
            let outputs = self.run(&raw.slice(start..end))?;
            let part = self.understand(outputs)?;
            match &mut whole {
                Some(whole) => append(whole, part),
                None => whole = Some(part),
            }
            start = end;
        }
        whole.ok_or_else(|| PredictError::Unsupported("the data has no rows".into()))
    }

    fn run(&mut self, raw: &RawBatch) -> Result<Vec<Tensor>, PredictError> {
        let mut named = raw.tensors();
        let mut inputs = vec![];
        for port in self.model.inputs() {
            let position = named.iter().position(|(name, _)| *name == port.name);
            let position = position.or(if named.len() == 1 { Some(0) } else { None });
            let position =
                position.ok_or_else(|| PredictError::Unsupported(format!("nothing to feed to the input {}", port.name)))?;
            inputs.push(named.swap_remove(position).1);
        }
        Ok(self.model.run(&inputs)?)
    }

    fn understand(&self, outputs: Vec<Tensor>) -> Result<Predicted, PredictError> {
        let mut labels = None;
        let mut numbers = None;
        for output in outputs {
            match output.data {
                Data::Str(v) => labels = Some(v),
                Data::I64(v) => labels = Some(v.iter().map(i64::to_string).collect()),
                Data::F32(v) => numbers = Some((output.shape, v)),
                _ => {}
            }
        }
        match (labels, numbers) {
            (Some(labels), Some((shape, probabilities))) => {
                let classes = shape.get(1).copied().unwrap_or(1);
                let known = self.schema.as_ref().map(|s| s.classes.clone()).filter(|names| names.len() == classes);
                let names = known.unwrap_or_else(|| (0..classes).map(|c| c.to_string()).collect());
                Ok(Predicted::Classes { names, labels, probabilities })
            }
            (None, Some((shape, values))) if shape.iter().skip(1).all(|&d| d == 1) => Ok(Predicted::Values(values)),
            _ => Err(PredictError::Unsupported(
                "the model's outputs are neither a label with probabilities nor one number a row".into(),
            )),
        }
    }
}

/// Rows of so many bytes that are run at once.
fn rows_at_once(bytes: usize) -> usize {
    (MOST_BYTES / bytes.max(1)).clamp(1, BATCH)
}

/// Pixels of an image, or columns.
fn points(field: &Field) -> usize {
    match field.kind {
        FieldKind::Number | FieldKind::Text => 1,
        FieldKind::Matrix { width } => width,
        FieldKind::Image { height, width, .. } => height.saturating_mul(width),
    }
}

/// Fields of a model without metadata of ours: one column for each input.
fn foreign_fields(model: &dyn Model) -> Result<Vec<Field>, PredictError> {
    model
        .inputs()
        .iter()
        .map(|port| {
            let column = port.shape.iter().skip(1).all(|d| *d == Some(1));
            match (port.dtype, &port.shape[..]) {
                (DType::Str, _) if column => Ok(Field::column(&port.name, true)),
                (DType::F32, [_, Some(width)]) if *width > 1 => {
                    Ok(Field { name: port.name.clone(), kind: FieldKind::Matrix { width: *width } })
                }
                (DType::F32, _) if column => Ok(Field::column(&port.name, false)),
                _ => Err(PredictError::Unsupported(format!(
                    "the input {} ({}, {:?}) of this model is of a kind that evolve cannot feed",
                    port.name, port.dtype, port.shape
                ))),
            }
        })
        .collect()
}

fn append(whole: &mut Predicted, part: Predicted) {
    match (whole, part) {
        (Predicted::Classes { labels, probabilities, .. }, Predicted::Classes { labels: l, probabilities: p, .. }) => {
            labels.extend(l);
            probabilities.extend(p);
        }
        (Predicted::Values(values), Predicted::Values(v)) => values.extend(v),
        // Every batch of a model gives the same outputs.
        _ => {}
    }
}
