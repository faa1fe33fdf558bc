//! What the graph of a net tells: parameters, multiply-accumulates, memory.

use super::{Entry, Unit};
use crate::{express, graph::Dim};

/// Trainable parameters.
pub(super) static PARAMETERS: Entry = Entry {
    name: "params",
    doc: "trainable parameters",
    unit: Unit::Count,
    is_timed: false,
    measure: |specimen| Ok(specimen.costs.parameters as f64),
};

/// Multiply-accumulate operations for one row at inference.
pub(super) static MACS: Entry = Entry {
    name: "macs",
    doc: "multiply-accumulate operations for one row",
    unit: Unit::Count,
    is_timed: false,
    measure: |specimen| Ok(specimen.costs.macs as f64),
};

/// Estimated peak of the memory that the net takes for one row: its parameters throughout, each other value from the node
/// that makes it to the last that reads it. What an engine takes for itself is not counted.
pub(super) static MEMORY: Entry = Entry {
    name: "memory",
    doc: "estimated peak memory of parameters and values for one row, in bytes",
    unit: Unit::Bytes,
    is_timed: false,
    measure: |specimen| {
        let inference = express::inference(specimen.genome, &specimen.dataset.task, Dim::Batch)?;
        Ok(inference.graph.peak_bytes() as f64)
    },
};
