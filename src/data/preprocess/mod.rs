//! Preprocessing: fitted on the training part, applied on the host for training, and compiled into the first and last
//! nodes of the exported model.

mod category;
mod emit;
mod image;
mod number;
#[cfg(test)]
mod tests;

pub use category::CategoryEncoder;
pub use emit::{Lookup, NetInputs, NetOutput};
pub use image::ImageEncoder;
pub use number::{LogScale, NumberEncoder};

use super::error::quoted;
use super::raw::{Column, IMAGE_INPUT, MATRIX_INPUT, RawBatch};
use super::schema::{Field, FieldKind, Schema};
use super::{CategoricalFeature, DataError, Features, InputSpec, NumericFeature, OutputSpec, Task, TaskKind};
use serde::{Deserialize, Serialize};

/// Fitted preprocessing of a dataset, and what its net says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Preprocessing {
    /// Kind of the task.
    pub kind: TaskKind,
    /// Name of the target, where it has one.
    pub target: Option<String>,
    /// How raw inputs become what the net reads.
    pub input: InputEncoder,
    /// What the net says.
    pub output: OutputSpec,
}

/// Fitted encoding of raw inputs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InputEncoder {
    /// A table.
    Table(TableEncoder),
    /// Images.
    Image(ImageEncoder),
}

/// Fitted encoding of a table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TableEncoder {
    /// Inputs of the exported model.
    pub inputs: TableInputs,
    /// Columns of numbers: those without logarithm, then those with it, each in the order of the table.
    pub numbers: Vec<NumberEncoder>,
    /// Columns of text in the order of the table.
    pub categories: Vec<CategoryEncoder>,
}

/// How the cells of a table come in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TableInputs {
    /// One input for each of these columns.
    Columns(Vec<String>),
    /// One input with rows of this many numbers.
    Matrix(usize),
}

/// Distinct values of a text column, as a share of its rows, above which it is an identifier.
const IDENTIFIER_SHARE: f64 = 0.8;
/// Fewest distinct values of an identifier.
const IDENTIFIER_VALUES: usize = 20;

impl InputEncoder {
    /// Fits raw inputs on the rows of the training part. What is left out is added to `warnings`.
    ///
    /// # Errors
    /// Where nothing is left for a net to read.
    pub fn fit(raw: &RawBatch, train: &[usize], warnings: &mut Vec<String>) -> Result<Self, DataError> {
        match raw {
            RawBatch::Images { pixels, height, width, channels } => {
                ImageEncoder::fit(pixels, [*height, *width, *channels], train)
                    .map(InputEncoder::Image)
                    .ok_or_else(|| DataError::NoInputs { reasons: "all pixels of all images are the same".into() })
            }
            RawBatch::Matrix { values, width } => {
                let numbers = (0..*width)
                    .filter_map(|i| {
                        let name = format!("{MATRIX_INPUT}[{i}]");
                        NumberEncoder::fit(&name, i, train.iter().map(|&row| values[row * width + i]))
                    })
                    .collect();
                TableEncoder { inputs: TableInputs::Matrix(*width), numbers, categories: Vec::new() }.checked(&[])
            }
            RawBatch::Table { columns, .. } => fit_table(columns, train, warnings),
        }
    }
}

fn fit_table(columns: &[(String, Column)], train: &[usize], warnings: &mut Vec<String>) -> Result<InputEncoder, DataError> {
    let (mut used, mut numbers, mut categories) = (Vec::new(), Vec::new(), Vec::new());
    let mut dropped = Vec::new();
    for (name, column) in columns {
        let input = used.len();
        let kept: Result<(), String> = match column {
            Column::Number(values) => NumberEncoder::fit(name, input, train.iter().map(|&r| values[r]))
                .map(|encoder| numbers.push(encoder))
                .ok_or_else(|| constant(train.iter().map(|&r| values[r]))),
            Column::Text(text) if is_identifier(text, train) => Err("has a value of its own in nearly every row".into()),
            Column::Text(text) => CategoryEncoder::fit(name, input, text, train)
                .map(|encoder| categories.push(encoder))
                .ok_or_else(|| "has one value only, or none twice,".into()),
        };
        match kept {
            Ok(()) => used.push(name.clone()),
            Err(reason) => dropped.push(format!("column {name:?} {reason} in the training part and is left out")),
        }
    }
    warnings.extend(dropped.iter().cloned());
    TableEncoder { inputs: TableInputs::Columns(used), numbers, categories }.checked(&dropped)
}

/// What is wrong with a column of numbers without two values. Whole numbers of less than 2²⁴ are what the file says;
/// others may differ in digits that float32 does not hold.
fn constant(mut values: impl Iterator<Item = f32>) -> String {
    match values.find(|v| !v.is_nan()) {
        Some(value) if value.fract() != 0.0 || value.abs() >= 16_777_216.0 => {
            "is constant as float32 (7 digits; if its values differ, subtract an offset)".into()
        }
        _ => "is constant".into(),
    }
}

fn is_identifier(text: &super::raw::TextColumn, train: &[usize]) -> bool {
    let mut seen = vec![false; text.values.len()];
    let mut present = 0;
    for &row in train {
        let code = text.codes[row] as usize;
        seen[code] = true;
        present += usize::from(code > 0);
    }
    let distinct = seen.iter().skip(1).filter(|s| **s).count();
    distinct >= IDENTIFIER_VALUES && distinct as f64 > IDENTIFIER_SHARE * present as f64
}

impl TableEncoder {
    fn checked(mut self, dropped: &[String]) -> Result<InputEncoder, DataError> {
        if self.numbers.is_empty() && self.categories.is_empty() {
            let reasons = if dropped.is_empty() {
                "there is none with two different values beside the target".into()
            } else {
                dropped.join("; ")
            };
            return Err(DataError::NoInputs { reasons });
        }
        self.numbers.sort_by_key(|n| n.log.is_some());
        Ok(InputEncoder::Table(self))
    }

    /// Encoders of numbers that have a flag for missing values.
    fn flagged(&self) -> impl Iterator<Item = (usize, &NumberEncoder)> {
        self.numbers.iter().enumerate().filter(|(_, n)| n.flag)
    }

    fn spec(&self) -> InputSpec {
        let values = self.numbers.iter().map(|n| NumericFeature { name: n.name.clone(), knots: n.knots.clone() });
        let flags =
            self.flagged().map(|(_, n)| NumericFeature { name: format!("{} is missing", n.name), knots: Vec::new() });
        let categorical = |c: &CategoryEncoder| CategoricalFeature { name: c.name.clone(), slots: c.slots() };
        InputSpec::Table {
            numeric: values.chain(flags).collect(),
            categorical: self.categories.iter().map(categorical).collect(),
        }
    }

    /// Features of a matrix or of named columns; `cell(encoder, row)` gives a raw number.
    fn numeric(&self, rows: usize, columns: &[NumberColumn<'_>]) -> Vec<f32> {
        let width = self.numbers.len() + self.flagged().count();
        let mut numeric = vec![0.0; rows * width];
        for (at, (encoder, column)) in self.numbers.iter().zip(columns).enumerate() {
            for (row, out) in numeric.iter_mut().skip(at).step_by(width).enumerate() {
                *out = encoder.apply(column.get(row));
            }
        }
        for (k, (source, _)) in self.flagged().enumerate() {
            let at = self.numbers.len() + k;
            for (row, out) in numeric.iter_mut().skip(at).step_by(width).enumerate() {
                *out = f32::from(u8::from(!columns[source].get(row).is_finite()));
            }
        }
        numeric
    }

    fn apply(&self, raw: &RawBatch) -> Result<Features, DataError> {
        let rows = raw.rows();
        let numbers = self.numbers.iter().map(|n| NumberColumn::find(raw, n)).collect::<Result<Vec<_>, _>>()?;
        let mut codes = vec![0; rows * self.categories.len()];
        let mut start = 0;
        for (at, encoder) in self.categories.iter().enumerate() {
            let text = match column(raw, &encoder.name)? {
                Column::Text(text) => text,
                Column::Number(_) => return Err(misfit(format!("column {:?} is not text", encoder.name))),
            };
            let slots = encoder.slots_of(&text.values);
            for (out, &code) in codes.iter_mut().skip(at).step_by(self.categories.len()).zip(&text.codes) {
                *out = start + slots[code as usize];
            }
            start += encoder.slots() as i64;
        }
        Ok(Features::Table { numeric: self.numeric(rows, &numbers), codes })
    }
}

/// A raw column of numbers, wherever it lies.
struct NumberColumn<'a> {
    values: &'a [f32],
    start: usize,
    step: usize,
}

impl<'a> NumberColumn<'a> {
    fn find(raw: &'a RawBatch, encoder: &NumberEncoder) -> Result<Self, DataError> {
        if let RawBatch::Matrix { values, width } = raw {
            if encoder.input >= *width {
                return Err(misfit(format!("rows have {width} numbers, but {} is read", encoder.name)));
            }
            return Ok(NumberColumn { values, start: encoder.input, step: *width });
        }
        match column(raw, &encoder.name)? {
            Column::Number(values) => Ok(NumberColumn { values, start: 0, step: 1 }),
            Column::Text(_) => Err(misfit(format!("column {:?} is not numeric", encoder.name))),
        }
    }

    fn get(&self, row: usize) -> f32 {
        self.values[self.start + row * self.step]
    }
}

fn misfit(problem: String) -> DataError {
    DataError::Batch { problem }
}

fn column<'a>(raw: &'a RawBatch, name: &str) -> Result<&'a Column, DataError> {
    let RawBatch::Table { columns, .. } = raw else { return Err(misfit("named columns are wanted".into())) };
    let found = columns.iter().find(|(n, _)| n == name).map(|(_, c)| c);
    found.ok_or_else(|| misfit(format!("there is no column {}", quoted(&[name]))))
}

impl Preprocessing {
    /// The task as the modules after `data` see it.
    pub fn task(&self) -> Task {
        let input = match &self.input {
            InputEncoder::Table(table) => table.spec(),
            InputEncoder::Image(ImageEncoder { height, width, channels, mean, std }) => InputSpec::Image {
                height: *height,
                width: *width,
                channels: *channels,
                mean: mean.clone(),
                std: std.clone(),
            },
        };
        Task { kind: self.kind, input, output: self.output.clone() }
    }

    /// What an exported model says about its raw inputs and outputs; its notes, which depend on how it is exported, are
    /// those of [`Preprocessing::notes`].
    pub fn schema(&self) -> Schema {
        let inputs = match &self.input {
            InputEncoder::Image(ImageEncoder { height, width, channels, .. }) => vec![Field {
                name: IMAGE_INPUT.into(),
                kind: FieldKind::Image { height: *height, width: *width, channels: *channels },
            }],
            InputEncoder::Table(table) => match &table.inputs {
                TableInputs::Matrix(width) => {
                    vec![Field { name: MATRIX_INPUT.into(), kind: FieldKind::Matrix { width: *width } }]
                }
                TableInputs::Columns(names) => {
                    let is_text = |input: usize| table.categories.iter().any(|c| c.input == input);
                    names.iter().enumerate().map(|(i, name)| Field::column(name, is_text(i))).collect()
                }
            },
        };
        let classes = match &self.output {
            OutputSpec::Classes { names, .. } => names.clone(),
            OutputSpec::Value { .. } => Vec::new(),
        };
        Schema { task: self.kind, target: self.target.clone(), classes, inputs, notes: Vec::new() }
    }

    /// What a user of the exported model must know, a sentence each.
    pub fn notes(&self, lookup: Lookup) -> Vec<String> {
        let InputEncoder::Table(table) = &self.input else { return Vec::new() };
        let large: Vec<&str> = table.categories.iter().filter(|c| lookup.encodes(c)).map(|c| c.name.as_str()).collect();
        if large.is_empty() {
            return Vec::new();
        }
        let columns = quoted(&large);
        vec![format!("columns with many categories ({columns}) use ai.onnx.ml.LabelEncoder, which tract does not load")]
    }

    /// Names of the inputs that the exported model reads, in its order.
    pub fn input_names(&self) -> Vec<String> {
        self.schema().inputs.into_iter().map(|f| f.name).collect()
    }

    /// Encodes raw inputs on the host, with the arithmetic of the exported graph. Columns may come in any order.
    ///
    /// # Errors
    /// Where the batch lacks a column or has another kind of data.
    pub fn apply(&self, raw: &RawBatch) -> Result<Features, DataError> {
        match (&self.input, raw) {
            (InputEncoder::Table(table), _) => table.apply(raw),
            (InputEncoder::Image(image), RawBatch::Images { pixels, height, width, channels })
                if (image.height, image.width, image.channels) == (*height, *width, *channels) =>
            {
                Ok(Features::Images { pixels: pixels.clone() })
            }
            (InputEncoder::Image(image), _) => {
                let ImageEncoder { height, width, channels, .. } = image;
                Err(misfit(format!("images of {height} × {width} × {channels} are wanted")))
            }
        }
    }
}
