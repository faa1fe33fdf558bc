//! The part of a task that decides which genomes fit it.

use serde::{Deserialize, Serialize};

/// Extents of a task's inputs and outputs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Domain {
    /// What nets read.
    pub input: InputDomain,
    /// Number of outputs: classes, or 1 for regression.
    pub outputs: usize,
    /// True where outputs are logits of classes.
    pub classification: bool,
    /// Rows of the training part.
    pub rows: usize,
}

/// Extents of the inputs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum InputDomain {
    /// Rows of a table.
    Table {
        /// For each numeric feature, its number of quantile knots; fewer than 2 where it has no bins (flags, constants).
        knots: Vec<usize>,
        /// For each categorical feature, its number of slots.
        slots: Vec<usize>,
    },
    /// Images.
    Image {
        /// Rows of pixels.
        height: usize,
        /// Columns of pixels.
        width: usize,
        /// Channels.
        channels: usize,
    },
}
