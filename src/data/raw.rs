//! Raw inputs: what a file holds and an exported model reads, before any preprocessing.

use super::gather;
use super::schema::Field;
use crate::graph::{Data, Tensor};
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

/// Cells that stand for a missing value. In a column of text only the exact spelling counts, so that the exported
/// model, which compares strings, sees the same; around numbers white space is ignored.
pub const MISSING: [&str; 9] = ["", "?", "NA", "N/A", "NaN", "nan", "null", "NULL", "NAN"];

/// True for a cell that stands for a missing value.
pub fn is_missing(cell: &str) -> bool {
    MISSING.contains(&cell)
}

/// A column of text: each row's value as an index into the distinct values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextColumn {
    /// Index into `values` for each row; 0 is missing.
    pub codes: Vec<u32>,
    /// Distinct values in the order of their first row; the first one is the empty string, which is missing.
    pub values: Arc<Vec<String>>,
}

impl TextColumn {
    /// Value of a row; empty where missing.
    pub fn value(&self, row: usize) -> &str {
        &self.values[self.codes[row] as usize]
    }

    /// Rows at the given positions, with the same distinct values.
    pub fn take(&self, rows: &[usize]) -> TextColumn {
        TextColumn { codes: rows.iter().map(|&r| self.codes[r]).collect(), values: Arc::clone(&self.values) }
    }

    /// Rows of each distinct value.
    pub fn counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.values.len()];
        for &code in &self.codes {
            counts[code as usize] += 1;
        }
        counts
    }
}

/// Builds a [`TextColumn`] cell by cell; allocates for distinct values only.
#[derive(Debug)]
pub struct TextBuilder {
    codes: Vec<u32>,
    values: Vec<String>,
    index: HashMap<String, u32>,
}

impl TextBuilder {
    /// An empty column with room for `rows`.
    pub fn new(rows: usize) -> Self {
        TextBuilder { codes: Vec::with_capacity(rows), values: vec![String::new()], index: HashMap::new() }
    }

    /// Appends a missing cell.
    pub fn push_missing(&mut self) {
        self.codes.push(0);
    }

    /// Appends a cell.
    pub fn push(&mut self, cell: &str) {
        let code = match self.index.get(cell) {
            Some(code) => *code,
            None => {
                let code = self.values.len() as u32;
                self.values.push(cell.to_owned());
                self.index.insert(cell.to_owned(), code);
                code
            }
        };
        self.codes.push(code);
    }

    /// The finished column.
    pub fn finish(self) -> TextColumn {
        TextColumn { codes: self.codes, values: Arc::new(self.values) }
    }
}

/// Cells of one column.
#[derive(Debug, Clone, PartialEq)]
pub enum Column {
    /// Numbers; NaN is missing.
    Number(Vec<f32>),
    /// Text.
    Text(TextColumn),
}

impl Column {
    /// Number of rows.
    pub fn rows(&self) -> usize {
        match self {
            Column::Number(v) => v.len(),
            Column::Text(t) => t.codes.len(),
        }
    }

    /// Rows at the given positions.
    pub fn take(&self, rows: &[usize]) -> Column {
        match self {
            Column::Number(v) => Column::Number(rows.iter().map(|&r| v[r]).collect()),
            Column::Text(t) => Column::Text(t.take(rows)),
        }
    }
}

/// Raw inputs of some rows.
#[derive(Debug, Clone, PartialEq)]
pub enum RawBatch {
    /// Named columns of the same length.
    Table {
        /// Names and cells, in the order of the file or the model.
        columns: Vec<(String, Column)>,
        /// Number of rows.
        rows: usize,
    },
    /// A table without names: `rows × width` numbers, row major; NaN is missing.
    Matrix {
        /// The numbers.
        values: Vec<f32>,
        /// Numbers in a row.
        width: usize,
    },
    /// Images as decoded.
    Images {
        /// `rows × height × width × channels` bytes.
        pixels: Vec<u8>,
        /// Rows of pixels.
        height: usize,
        /// Columns of pixels.
        width: usize,
        /// 1 or 3.
        channels: usize,
    },
}

impl RawBatch {
    /// Number of rows.
    pub fn rows(&self) -> usize {
        match self {
            RawBatch::Table { rows, .. } => *rows,
            RawBatch::Matrix { values, width } => values.len().checked_div(*width).unwrap_or(0),
            RawBatch::Images { pixels, height, width, channels } => {
                pixels.len().checked_div(height * width * channels).unwrap_or(0)
            }
        }
    }

    /// Rows at the given positions, each below [`RawBatch::rows`].
    pub fn take(&self, rows: &[usize]) -> RawBatch {
        match self {
            RawBatch::Table { columns, .. } => RawBatch::Table {
                columns: columns.iter().map(|(name, c)| (name.clone(), c.take(rows))).collect(),
                rows: rows.len(),
            },
            RawBatch::Matrix { values, width } => {
                RawBatch::Matrix { values: gather(values, self.rows(), rows), width: *width }
            }
            RawBatch::Images { pixels, height, width, channels } => RawBatch::Images {
                pixels: gather(pixels, self.rows(), rows),
                height: *height,
                width: *width,
                channels: *channels,
            },
        }
    }

    /// The columns that a model reads, in its order, where they are there; anything but named columns as it is.
    pub fn only(self, fields: &[Field]) -> RawBatch {
        let RawBatch::Table { mut columns, rows } = self else { return self };
        let take = |field: &Field| {
            let position = columns.iter().position(|(name, _)| *name == field.name)?;
            Some(columns.swap_remove(position))
        };
        RawBatch::Table { columns: fields.iter().filter_map(take).collect(), rows }
    }

    /// Whether both hold the same rows in the same order, in what `fields` name of columns that have names.
    pub fn equals(&self, other: &RawBatch, fields: &[Field]) -> bool {
        let alike =
            |a: &[f32], b: &[f32]| a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a == b || (a.is_nan() && b.is_nan()));
        match (self, other) {
            (RawBatch::Table { .. }, RawBatch::Table { .. }) => {
                fields.iter().all(|field| match (self.column(&field.name), other.column(&field.name)) {
                    (Some(Column::Number(a)), Some(Column::Number(b))) => alike(a, b),
                    (a, b) => a == b,
                })
            }
            (RawBatch::Matrix { values, width }, RawBatch::Matrix { values: others, width: other }) => {
                width == other && alike(values, others)
            }
            (mine, theirs) => mine == theirs,
        }
    }

    /// The column of that name, where columns have names.
    pub fn column(&self, name: &str) -> Option<&Column> {
        let RawBatch::Table { columns, .. } = self else { return None };
        columns.iter().find(|(other, _)| other == name).map(|(_, column)| column)
    }

    /// Rows in a range, cut off at the last row.
    pub fn slice(&self, range: Range<usize>) -> RawBatch {
        self.take(&(range.start..range.end.min(self.rows())).collect::<Vec<_>>())
    }

    /// One tensor for each input of an exported model, with its name: columns `[N, 1]`, `features [N, F]`,
    /// `image [N, H, W, C]`.
    pub fn tensors(&self) -> Vec<(String, Tensor)> {
        let rows = self.rows();
        match self {
            RawBatch::Table { columns, .. } => columns
                .iter()
                .map(|(name, column)| {
                    let data = match column {
                        Column::Number(v) => Data::F32(v.clone()),
                        Column::Text(t) => Data::Str((0..rows).map(|r| t.value(r).to_owned()).collect()),
                    };
                    (name.clone(), Tensor::new(&[rows, 1], data))
                })
                .collect(),
            RawBatch::Matrix { values, width } => {
                vec![(MATRIX_INPUT.into(), Tensor::f32(&[rows, *width], values.clone()))]
            }
            RawBatch::Images { pixels, height, width, channels } => {
                let shape = [rows, *height, *width, *channels];
                vec![(IMAGE_INPUT.into(), Tensor::new(&shape, Data::U8(pixels.clone())))]
            }
        }
    }
}

/// Name of the input of a model for a table without column names.
pub const MATRIX_INPUT: &str = "features";
/// Name of the input of a model for images.
pub const IMAGE_INPUT: &str = "image";
