//! Between [`crate::graph`] and ONNX `ModelProto`.

mod check;
mod read;
#[cfg(test)]
mod tests;
mod write;

pub use read::{Extents, InitializerInfo, NodeInfo, Summary, ValueInfo, read};
pub use write::{Metadata, write};

/// Opset of `ai.onnx` in models without strings: the newest for which no engine loses a kernel.
pub const OPSET: i64 = 18;
/// IR version that goes with [`OPSET`].
pub const IR_VERSION: i64 = 8;
/// Opset in models with string inputs: the first whose `Equal` takes strings.
pub const STRING_OPSET: i64 = 19;
/// Opset of `ai.onnx.ml` in models with a column of many categories.
pub const ML_OPSET: i64 = 2;
/// IR version that goes with [`STRING_OPSET`].
pub const STRING_IR_VERSION: i64 = 9;

/// Why bytes are not a model that can be used, or a model does not become bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OnnxError {
    /// The bytes are no `ModelProto`.
    #[error("this is not an ONNX model: {reason}")]
    Broken {
        /// What the parser objects to.
        reason: String,
    },
    /// It is too large to be written.
    #[error("the ONNX model cannot be written, as a file holds 2 GiB at most: {reason}")]
    Unwritable {
        /// What the writer objects to.
        reason: String,
    },
    /// It is a `ModelProto`, but not one that can be used.
    #[error("the ONNX model cannot be used: {}", problems.join("; "))]
    Invalid {
        /// Everything that is wrong with it.
        problems: Vec<String>,
    },
}
