//! Size of the exported file.

use super::{Entry, Unit};

/// Bytes of the model as it is exported, preprocessing included.
pub(super) static SIZE: Entry = Entry {
    name: "size",
    doc: "size of the exported file, in bytes",
    unit: Unit::Bytes,
    is_timed: false,
    measure: |specimen| Ok(specimen.model()?.len() as f64),
};
