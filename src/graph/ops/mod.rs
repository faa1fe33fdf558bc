//! The operators of nets, one family a file.
//!
//! Adding one: a struct that implements [`super::Op`], an [`Entry`] with sample problems in its file, and a line in
//! [`ALL`]. Shape, gradient and engine tests visit every entry.

pub mod activation;
pub mod conv;
pub mod dropout;
pub mod elementwise;
pub mod embedding;
pub mod encode;
pub mod encoding;
pub mod linear;
pub mod linear_step;
pub mod loss;
pub mod norm;
pub mod optimizer;
pub mod pool;
pub mod reduce;
pub mod resize;
pub mod rows;
pub mod shape;
pub mod softmax;

use super::Op;
use std::sync::Arc;

/// What the list knows of an operator.
pub struct Entry {
    /// Name, as [`Op::name`] gives it.
    pub name: &'static str,
    /// One line of documentation.
    pub doc: &'static str,
    /// Whether the operator has a gradient rule that its cases check.
    pub differentiable: bool,
    /// Sample problems for tests: several shapes, odd sizes included.
    pub cases: fn() -> Vec<Case>,
}

/// A sample problem: an operator with its attributes, and what to feed.
pub struct Case {
    /// The operator.
    pub op: Arc<dyn Op>,
    /// Its inputs.
    pub inputs: Vec<Feed>,
}

impl Case {
    /// A case from its parts.
    pub fn new(op: impl Op, inputs: Vec<Feed>) -> Self {
        Case { op: Arc::new(op), inputs }
    }
}

/// What a test feeds into one input.
#[derive(Debug, Clone)]
pub enum Feed {
    /// Floats from a normal distribution; differentiated.
    Normal(Vec<usize>),
    /// Floats between 0.5 and 2; differentiated.
    Positive(Vec<usize>),
    /// Floats that all differ by more than a finite-difference step and stay away from zero; differentiated.
    Distinct(Vec<usize>),
    /// Floats that are fed but not differentiated, between 0 and 1, each row of the last axis summing to one.
    Distribution(Vec<usize>),
    /// 0 or 1 as bytes.
    Mask(Vec<usize>),
    /// Integers below the bound.
    Index(Vec<usize>, usize),
    /// A float constant, known when the graph is built.
    Known(Vec<usize>, Vec<f64>),
    /// Strings drawn from these.
    Text(Vec<usize>, &'static [&'static str]),
}

/// Every operator.
pub static ALL: &[&Entry] = &[
    &elementwise::ADD,
    &elementwise::SUB,
    &elementwise::MUL,
    &elementwise::DIV,
    &elementwise::UNARY,
    &reduce::SUM_TO,
    &reduce::MEAN,
    &shape::EXPAND,
    &shape::RESHAPE,
    &shape::CONCAT,
    &shape::SLICE,
    &shape::PAD,
    &activation::ACTIVATION,
    &linear::LINEAR,
    &linear::MAT_MUL,
    &linear_step::SGD,
    &linear_step::ADAM,
    &embedding::EMBEDDING,
    &embedding::ONE_HOT,
    &rows::TAKE_ROWS,
    &encoding::PIECEWISE_LINEAR,
    &encoding::FEATURE_LINEAR,
    &encoding::PERIODIC,
    &dropout::DROPOUT,
    &softmax::SOFTMAX,
    &loss::SOFTMAX_CROSS_ENTROPY,
    &loss::SOFTMAX_CROSS_ENTROPY_GRAD,
    &loss::SQUARED_ERROR,
    &loss::HUBER,
    &optimizer::SGD_STEP,
    &optimizer::ADAM_STEP,
    &optimizer::EXPONENTIAL_AVERAGE,
    &conv::CONV,
    &conv::CONV_INPUT_GRAD,
    &conv::CONV_BIAS_GRAD,
    &conv::CONV_WEIGHT_GRAD,
    &pool::MAX_POOL,
    &pool::AVERAGE_POOL,
    &pool::GLOBAL_AVERAGE_POOL,
    &pool::GLOBAL_MAX_POOL,
    &resize::RESIZE,
    &norm::BATCH_NORM,
    &norm::BATCH_NORM_GRAD,
    &norm::BATCH_NORM_INFERENCE,
    &norm::LAYER_NORM,
    &norm::LAYER_NORM_GRAD,
    &encode::TAKE_COLUMNS,
    &encode::CLEAN_NUMBERS,
    &encode::MISSING_FLAGS,
    &encode::CATEGORY_SLOTS,
    &encode::SCALE_PIXELS,
    &encode::DECODE_LABEL,
    &encode::AFFINE_OUTPUT,
];
