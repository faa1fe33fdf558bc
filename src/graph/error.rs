//! Errors of building, differentiating and spelling a graph.

use super::TensorType;

/// What an operator's shape rule objects to; the builder adds the operator and its place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ShapeError {
    message: String,
}

impl ShapeError {
    /// An objection in words, with the shapes in question.
    pub fn new(message: impl Into<String>) -> Self {
        ShapeError { message: message.into() }
    }
}

/// Why a graph cannot be built, differentiated or spelled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GraphError {
    /// A shape rule refused its inputs.
    #[error("{operator} at {place}: {source} (inputs {inputs})")]
    Shape {
        /// Name of the operator.
        operator: &'static str,
        /// Scope in which it was built.
        place: String,
        /// Types of its inputs.
        inputs: String,
        /// The objection.
        source: ShapeError,
    },
    /// An operator was differentiated that has no gradient rule.
    #[error("{operator} at {place} has no gradient rule")]
    NoGradient {
        /// Name of the operator.
        operator: &'static str,
        /// Scope in which it was built.
        place: String,
    },
    /// A gradient rule returned something of the wrong number or type.
    #[error("gradient rule of {operator} at {place}: {problem}")]
    GradientRule {
        /// Name of the operator.
        operator: &'static str,
        /// Scope in which it was built.
        place: String,
        /// What is wrong.
        problem: String,
    },
    /// A value that should be differentiated with respect to does not influence the loss.
    #[error("{value} does not influence the loss")]
    Unreached {
        /// Name or number of the value.
        value: String,
    },
    /// A spelling left an output unset or gave it another type.
    #[error("spelling of {operator} at {place}: {problem}")]
    Spelling {
        /// Name of the operator.
        operator: &'static str,
        /// Scope in which it was built.
        place: String,
        /// What is wrong.
        problem: String,
    },
}

/// The types of several values, for messages.
pub(super) fn list(types: &[&TensorType]) -> String {
    types.iter().map(|t| t.to_string()).collect::<Vec<_>>().join(", ")
}

impl From<ShapeError> for String {
    fn from(error: ShapeError) -> Self {
        error.message
    }
}
