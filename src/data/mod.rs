//! Data: sources, schema and task inference, split, fitted preprocessing.
//!
//! [`load`] goes the whole way: a [`source`] reads raw inputs and the target, the target poses the task, rows are split,
//! and [`Preprocessing`] is fitted on the training part; for a cross-validation, on that of each fold. [`load_fitted`] takes
//! a preprocessing that was fitted on earlier data, so that nets that were trained behind it can go on. [`read_inputs`] and
//! [`read_labelled`] read further files for a model that exists.

mod doubts;
mod error;
mod folds;
mod follow;
mod infer;
mod inputs;
mod load;
mod preprocess;
mod raw;
mod schema;
pub mod source;
mod split;
mod target;
#[cfg(test)]
mod tests;

pub use error::DataError;
pub(crate) use error::quoted;
pub use folds::CrossValidation;
pub use inputs::{FurtherRows, read_inputs, read_labelled, resolve};
pub use load::{Dataset, Options, load, load_fitted};
pub use preprocess::{
    CategoryEncoder, ImageEncoder, InputEncoder, LogScale, Lookup, NetInputs, NetOutput, NumberEncoder, Preprocessing,
    TableEncoder, TableInputs,
};
pub use raw::{Column, RawBatch, TextColumn};
pub use schema::{CategoricalFeature, Field, FieldKind, InputSpec, NumericFeature, OutputSpec, Schema, Task, TaskKind};
pub use source::{FileDigest, sha256};
pub use split::Validation;

/// Rows of one part of a dataset, preprocessed.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// What the net sees, before augmentation.
    pub features: Features,
    /// What it should say.
    pub targets: Targets,
}

/// Preprocessed inputs.
#[derive(Debug, Clone, PartialEq)]
pub enum Features {
    /// A table: `rows × numeric` standardised floats and `rows × categorical` slot numbers, row major.
    Table {
        /// `rows × numeric.len()` values, in the order of [`InputSpec::Table`].
        numeric: Vec<f32>,
        /// `rows × categorical.len()` slots; each column's slots start where those of the column before end.
        codes: Vec<i64>,
    },
    /// Images as decoded, `rows × height × width × channels` bytes.
    Images {
        /// The bytes.
        pixels: Vec<u8>,
    },
}

/// Targets, one for each row.
#[derive(Debug, Clone, PartialEq)]
pub enum Targets {
    /// Index of the class.
    Classes(Vec<u32>),
    /// Value in the units of the data.
    Values(Vec<f32>),
}

impl Part {
    /// The rows at the given positions, each below the number of targets.
    pub fn take(&self, rows: &[usize]) -> Part {
        let all = self.targets.len();
        let features = match &self.features {
            Features::Table { numeric, codes } => {
                Features::Table { numeric: gather(numeric, all, rows), codes: gather(codes, all, rows) }
            }
            Features::Images { pixels } => Features::Images { pixels: gather(pixels, all, rows) },
        };
        Part { features, targets: self.targets.take(rows) }
    }

    /// All rows of both, which are of one task.
    pub fn with(&self, more: &Part) -> Part {
        let mut whole = self.clone();
        match (&mut whole.features, &more.features) {
            (Features::Table { numeric, codes }, Features::Table { numeric: more, codes: more_codes }) => {
                numeric.extend(more);
                codes.extend(more_codes);
            }
            (Features::Images { pixels }, Features::Images { pixels: more }) => pixels.extend(more),
            _ => unreachable!("features of one task are of one kind"),
        }
        whole.targets.append(&more.targets);
        whole
    }
}

/// Chosen rows of a row-major array with `all` rows.
fn gather<T: Copy>(values: &[T], all: usize, rows: &[usize]) -> Vec<T> {
    let width = values.len().checked_div(all).unwrap_or(0);
    let mut taken = Vec::with_capacity(rows.len() * width);
    rows.iter().for_each(|&row| taken.extend_from_slice(&values[row * width..(row + 1) * width]));
    taken
}

impl Targets {
    /// Targets at the given rows.
    pub fn take(&self, rows: &[usize]) -> Targets {
        match self {
            Targets::Classes(v) => Targets::Classes(rows.iter().map(|&r| v[r]).collect()),
            Targets::Values(v) => Targets::Values(rows.iter().map(|&r| v[r]).collect()),
        }
    }

    /// Adds those of further rows, of the same kind.
    pub fn append(&mut self, more: &Targets) {
        match (self, more) {
            (Targets::Classes(v), Targets::Classes(more)) => v.extend(more),
            (Targets::Values(v), Targets::Values(more)) => v.extend(more),
            _ => unreachable!("targets of one task are of one kind"),
        }
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        match self {
            Targets::Classes(v) => v.len(),
            Targets::Values(v) => v.len(),
        }
    }

    /// True where there is no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
