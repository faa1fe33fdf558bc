//! What an operator of a net is: attributes, shape rule, gradient rule, spellings.

use super::{Attributes, Graph, GraphError, ShapeError, Speller, TensorType, Value};
use std::any::Any;
use std::fmt::Debug;
use std::sync::Arc;

/// An operator of nets, with its attributes as fields.
///
/// Its file states, in this order: attributes, shape rule, gradient rule, standard spelling, kernel spelling.
pub trait Op: Any + Debug + Send + Sync {
    /// Name in messages and node names.
    fn name(&self) -> &'static str;

    /// Types of the outputs.
    ///
    /// # Errors
    /// Where the inputs do not fit, in words that carry the shapes.
    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, ShapeError>;

    /// Contributions to the gradients of the inputs, one for each input: `None` where no gradient flows.
    ///
    /// Contributions of a broadcast input have the shape of the output; the driver reduces them. A rule never adds
    /// contributions up.
    ///
    /// # Errors
    /// [`GraphError::NoGradient`] unless the operator has a rule.
    fn gradient(&self, rule: &mut Rule<'_>) -> Result<Vec<Option<Value>>, GraphError> {
        Err(rule.refuse(self.name()))
    }

    /// Spells the operator in nodes of `ai.onnx`, opset 18.
    ///
    /// # Errors
    /// Where a shape that must be known is symbolic, and for what [`crate::graph::passes::fuse`] makes.
    fn standard(&self, s: &mut Speller<'_>) -> Result<(), GraphError>;

    /// The node of `evolve.train` that computes the operator on the CPU, where there is one. It has the operator's
    /// inputs and outputs.
    fn kernel(&self, _inputs: &[&TensorType]) -> Option<Kernel> {
        None
    }

    /// The operator whose standard spelling does the same where all images among inputs and outputs, `[N, C, H, W]` in
    /// the graph, lie in memory as `[N, H, W, C]`; `None` where there is none. Types seen while it is spelled are those
    /// of the graph.
    fn channels_last(&self, _inputs: &[&TensorType]) -> Option<Arc<dyn Op>> {
        None
    }

    /// How all members of a population are computed at once, where there is a way; the types are those of one member.
    fn population(&self, _members: usize, _inputs: &[&TensorType]) -> Option<Population> {
        None
    }

    /// Multiply-accumulate operations for outputs of these types; zero for what is not linear algebra. The symbolic
    /// batch counts as one.
    fn macs(&self, _inputs: &[&TensorType], _outputs: &[&TensorType]) -> u64 {
        0
    }
}

/// What an operator becomes in a population.
#[derive(Debug, Clone)]
pub struct Population {
    /// The operator for inputs with a leading axis of members, those of fewer axes than others filled up with axes of
    /// extent 1 after it; scalars that all members share stay scalars.
    pub op: Arc<dyn Op>,
    /// Whether each member's results are those of the operator alone, bit for bit.
    pub exact: bool,
}

impl Population {
    /// An operator that does the same to each element, or moves elements.
    pub fn exact(op: impl Op) -> Option<Self> {
        Some(Population { op: Arc::new(op), exact: true })
    }

    /// An operator that adds up in another order than a member's own.
    pub fn rounded(op: impl Op) -> Option<Self> {
        Some(Population { op: Arc::new(op), exact: false })
    }
}

/// A node of the domain `evolve.train`, or of its sister for populations.
#[derive(Debug, Clone, PartialEq)]
pub struct Kernel {
    /// Operator type in the domain.
    pub op_type: &'static str,
    /// Attributes of the node.
    pub attributes: Attributes,
    /// Inputs that, where they have four axes (five with that of members), are images `[N, H, W, C]` in memory.
    pub image_inputs: &'static [usize],
    /// Likewise outputs.
    pub image_outputs: &'static [usize],
    /// Whether outputs may lie in the memory of the inputs that they are the next values of.
    pub in_place: bool,
    /// Whether inputs and outputs have a leading axis of members, each of which the kernel is run for: then its node is
    /// one of [`super::POPULATION_DOMAIN`].
    pub population: bool,
}

impl Kernel {
    /// A kernel whose inputs and outputs lie in memory as in the graph.
    pub fn new(op_type: &'static str, attributes: Attributes) -> Self {
        Kernel { op_type, attributes, image_inputs: &[], image_outputs: &[], in_place: false, population: false }
    }

    /// The same kernel with images at these inputs and outputs.
    #[must_use]
    pub fn with_images(self, image_inputs: &'static [usize], image_outputs: &'static [usize]) -> Self {
        Kernel { image_inputs, image_outputs, ..self }
    }

    /// The same kernel, whose outputs may lie in the memory of inputs.
    #[must_use]
    pub fn overwriting(self) -> Self {
        Kernel { in_place: true, ..self }
    }
}

/// What a gradient rule sees and builds into.
pub struct Rule<'a> {
    /// The graph, to which the rule adds nodes.
    pub graph: &'a mut Graph,
    /// Inputs of the differentiated node.
    pub inputs: &'a [Value],
    /// Its outputs.
    pub outputs: &'a [Value],
    /// Gradient of the loss with respect to each output; `None` where the output does not influence the loss.
    pub grads: &'a [Option<Value>],
    /// Which inputs' gradients are wanted; a rule may return `None` for the others.
    pub wanted: &'a [bool],
    pub(super) place: &'a str,
}

impl Rule<'_> {
    /// Gradient of the first output.
    ///
    /// # Errors
    /// Where the first output does not influence the loss though another one does.
    pub fn grad(&self) -> Result<Value, GraphError> {
        self.grads.first().copied().flatten().ok_or_else(|| GraphError::GradientRule {
            operator: "gradient",
            place: self.place.into(),
            problem: "the first output does not influence the loss".into(),
        })
    }

    /// Adds the place to a shape rule's objection.
    ///
    /// # Errors
    /// The objection itself.
    pub fn shaped<T>(&self, result: Result<T, ShapeError>) -> Result<T, GraphError> {
        result.map_err(|e| GraphError::GradientRule {
            operator: "gradient",
            place: self.place.into(),
            problem: e.to_string(),
        })
    }

    /// The error of an operator without a rule.
    pub fn refuse(&self, operator: &'static str) -> GraphError {
        GraphError::NoGradient { operator, place: self.place.into() }
    }
}
