//! Data: sources, schema and task inference, split, fitted preprocessing.
//!
//! [`load`] goes the whole way: a [`source`] reads raw inputs and the target, the target poses the task, rows are split,
//! and [`Preprocessing`] is fitted on the training part. [`read_inputs`] and [`read_labelled`] read further files for a
//! model that exists.

mod error;
mod infer;
mod inputs;
mod load;
mod preprocess;
mod raw;
mod schema;
pub mod source;
mod split;
mod target;

pub use error::DataError;
pub use inputs::{read_inputs, read_labelled};
pub use load::{Dataset, Options, load};
pub use preprocess::{
    CategoryEncoder, ImageEncoder, InputEncoder, LogScale, NetInputs, NumberEncoder, Preprocessing, TableEncoder,
    TableInputs,
};
pub use raw::{Column, RawBatch, TextColumn};
pub use schema::{CategoricalFeature, Field, FieldKind, InputSpec, NumericFeature, OutputSpec, Schema, Task, TaskKind};
pub use source::FileDigest;
pub use split::Validation;

/// Rows of one part of a dataset, preprocessed.
#[derive(Debug, Clone)]
pub struct Part {
    /// What the net sees, before augmentation.
    pub features: Features,
    /// What it should say.
    pub targets: Targets,
}

/// Preprocessed inputs.
#[derive(Debug, Clone)]
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
#[derive(Debug, Clone)]
pub enum Targets {
    /// Index of the class.
    Classes(Vec<u32>),
    /// Value in the units of the data.
    Values(Vec<f32>),
}

impl Targets {
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
