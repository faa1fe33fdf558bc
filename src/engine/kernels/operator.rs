//! From an [`Entry`] to what `ort` registers: declares inputs and outputs, infers shapes, checks all memory before a
//! kernel sees it, and keeps panics from crossing the library.

use super::memory::{Memory, Tensor, Tensors, check_apart};
use super::{Arity, Body, Entry, ShapeRule, Shapes};
use ort::operator::{ComputeContext, Kernel, KernelContext, Operator, OperatorInput, OperatorOutput, ShapeInferenceContext};
use ort::value::{Shape, SymbolicDimensions, TensorElementType, ValueType};
use smallvec::SmallVec;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A kernel as `ort` registers it.
pub(super) struct Registered {
    pub(super) entry: &'static Entry,
    /// Whether inputs and outputs have a leading axis of members, for each of which the kernel is run.
    pub(super) population: bool,
}

impl Operator for Registered {
    type Kernel<'attr> = Node;

    fn name(&self) -> &str {
        self.entry.name
    }

    fn inputs(&self) -> impl IntoIterator<Item = OperatorInput> {
        let float = TensorElementType::Float32;
        match self.entry.inputs {
            Arity::Exactly(n) => (0..n).map(|_| OperatorInput::required(float)).collect::<Vec<_>>(),
            Arity::AtLeast(n) => vec![OperatorInput::variadic(n).homogenous(float)],
        }
    }

    fn outputs(&self) -> impl IntoIterator<Item = OperatorOutput> {
        let float = TensorElementType::Float32;
        match self.entry.outputs {
            Arity::Exactly(n) => (0..n).map(|_| OperatorOutput::required(float)).collect::<Vec<_>>(),
            Arity::AtLeast(n) => vec![OperatorOutput::variadic(n).homogenous(float)],
        }
    }

    fn create_kernel<'attr>(&self, context: &KernelContext<'attr>) -> ort::Result<Node> {
        let (shapes, body) = guarded(self.entry, || {
            let shapes: ShapeRule = match self.entry.shapes {
                Shapes::OfInputs(rule) => Box::new(rule),
                Shapes::WithAttributes(make) => make(context)?,
            };
            Ok((shapes, (self.entry.create)(context)?))
        })?;
        let (last, tensors) = Default::default();
        Ok(Node { entry: self.entry, population: self.population, shapes, body, last, tensors })
    }

    fn infer_shape(&self, context: &mut ShapeInferenceContext) -> ort::Result<()> {
        let (Shapes::OfInputs(rule), false) = (self.entry.shapes, self.population) else { return Ok(()) };
        let Some(inputs) = context.inputs().iter().map(static_extents).collect::<Option<Vec<_>>>() else {
            return Ok(());
        };
        // A tensor of unknown rank looks like a scalar here: what does not fit yet is judged when the kernel runs.
        let Ok(outputs) = guarded(self.entry, || rule(&inputs)) else {
            return Ok(());
        };
        // Nor is a scalar told from what such a tensor gives.
        for (i, extents) in outputs.iter().enumerate().filter(|(_, extents)| !extents.is_empty()) {
            let shape = Shape::new(extents.iter().map(|&d| d as i64));
            let dimension_symbols = SymbolicDimensions::empty(extents.len());
            context.set_output(i, &ValueType::Tensor { ty: TensorElementType::Float32, shape, dimension_symbols })?;
        }
        Ok(())
    }
}

/// The extents of a tensor type, where all are known.
fn static_extents(ty: &ValueType) -> Option<Vec<usize>> {
    ty.tensor_shape()?.iter().map(|&d| usize::try_from(d).ok()).collect()
}

/// Runs `work`, and turns what it objects to, or its panic, into an error of the library.
fn guarded<T>(entry: &Entry, work: impl FnOnce() -> Result<T, String>) -> ort::Result<T> {
    let problem = match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(value)) => return Ok(value),
        Ok(Err(problem)) => problem,
        Err(_) => "panicked".to_owned(),
    };
    Err(ort::Error::new(format!("kernel {}: {problem}", entry.name)))
}

/// The kernel of one node of one session.
pub(super) struct Node {
    entry: &'static Entry,
    population: bool,
    shapes: ShapeRule,
    body: Body,
    /// Extents of the last call: those of the inputs, each with all members, and of the outputs.
    last: (Vec<Vec<usize>>, Vec<Vec<usize>>),
    tensors: Tensors,
}

impl Kernel for Node {
    fn compute(&mut self, context: &ComputeContext) -> ort::Result<()> {
        guarded(self.entry, || {
            self.tensors.turn_to_inputs(context)?;
            let is_first = self.infer()?;
            self.tensors.turn_to_outputs(context, &self.last.1)?;
            if is_first {
                self.tensors.outputs.iter().for_each(Memory::prepare);
            }
            let members = match self.tensors.inputs.first().filter(|_| self.population) {
                Some(input) => input.extents[0],
                None => 1,
            };
            if self.population {
                self.tensors.all().for_each(Memory::keep_first_member);
            }
            self.run(members)
        })
    }
}

impl Node {
    /// Infers the extents of the outputs, unless the inputs are as they were; tells whether it did.
    fn infer(&mut self) -> Result<bool, String> {
        let inputs = &self.tensors.inputs;
        if !inputs.is_empty() && inputs.iter().map(|input| &input.extents).eq(&self.last.0) {
            return Ok(false);
        }
        let extents: Vec<Vec<usize>> = inputs.iter().map(|input| input.extents.clone()).collect();
        let outputs = if self.population { self.of_members(&extents)? } else { (self.shapes)(&extents)? };
        self.last = (extents, outputs);
        Ok(true)
    }

    /// Extents of outputs with all members.
    fn of_members(&self, inputs: &[Vec<usize>]) -> Result<Vec<Vec<usize>>, String> {
        let members = inputs.first().and_then(|extents| extents.first()).copied().unwrap_or(0);
        let single = |(i, extents): (usize, &Vec<usize>)| match extents.split_first() {
            Some((&first, single)) if first == members => Ok(single.to_vec()),
            _ => Err(format!("input {i} is {extents:?}, but the first has {members} members")),
        };
        let single = inputs.iter().enumerate().map(single).collect::<Result<Vec<_>, _>>()?;
        Ok((self.shapes)(&single)?.into_iter().map(|extents| [vec![members], extents].concat()).collect())
    }

    /// Runs the kernel on the memory of so many members, of which that of the first is known: the others follow it.
    fn run(&mut self, members: usize) -> Result<(), String> {
        match &mut self.body {
            Body::InPlace(run) => {
                for _ in 0..members {
                    run(&self.tensors.inputs, &self.tensors.outputs);
                    self.tensors.all().for_each(Memory::advance);
                }
                Ok(())
            }
            Body::Apart(run) => {
                let Tensors { inputs, outputs, .. } = &self.tensors;
                check_apart(inputs, outputs, members)?;
                for member in 0..members {
                    // SAFETY, of both: `check_apart` found no memory shared, and the library keeps all of it until the call
                    // of the kernel returns; each part of an output is borrowed once.
                    let read: Few<Tensor<'_>> = inputs.iter().map(|input| unsafe { input.tensor(member) }).collect();
                    let mut written: Few<&mut [f32]> =
                        outputs.iter().map(|output| unsafe { output.slice_mut(member) }).collect();
                    run(&read, &mut written)?;
                }
                Ok(())
            }
        }
    }
}

/// As many as a kernel whose memory lies apart has inputs and outputs, in almost all cases.
type Few<T> = SmallVec<[T; 12]>;

#[cfg(test)]
mod tests {
    use super::guarded;
    use crate::engine::kernels::ALL;

    #[test]
    fn a_panic_is_an_error_that_names_the_kernel() {
        // Errors of `ort` are made by the library, which has to be there.
        let _engine = crate::engine::tests::onnxruntime();
        let message = guarded::<()>(ALL[0], || panic!("on purpose")).unwrap_err().to_string();
        assert!(message.contains("kernel SgdStep: panicked"), "{message}");
    }
}
