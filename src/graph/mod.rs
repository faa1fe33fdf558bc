//! The typed tensor graph of nets.
//!
//! Operators are those of nets, not of ONNX ([`ops`]): each has a shape rule, which runs when it is added to a
//! [`Graph`], a gradient rule, which [`differentiate`] calls, and spellings in ONNX nodes, which [`spell`] writes out.

mod autodiff;
mod builder;
mod cost;
mod error;
mod op;
pub mod ops;
pub mod passes;
mod spell;
mod types;

pub use autodiff::differentiate;
pub use builder::{Graph, Node, Origin, Value};
pub use error::{GraphError, ShapeError};
pub use op::{Kernel, Op, Population, Rule};
pub use spell::{
    Attribute, Attributes, KERNEL_DOMAIN, ML_DOMAIN, OnnxNode, POPULATION_DOMAIN, Spelled, Speller, Target, Term, spell,
    spell_population, spell_resident,
};
pub use types::{DType, Data, Dim, Shape, Tensor, TensorType};
