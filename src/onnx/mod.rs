//! Between [`crate::graph`] and ONNX `ModelProto`.

mod write;

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
