//! From an [`Entry`] to what `ort` registers: declares inputs and outputs, infers shapes, checks all memory before a
//! kernel sees it, and keeps panics from crossing the library.

use super::memory::{self, Tensor};
use super::{Arity, Body, Entry, ShapeRule, Shapes};
use ort::operator::{ComputeContext, Kernel, KernelContext, Operator, OperatorInput, OperatorOutput, ShapeInferenceContext};
use ort::value::{Shape, SymbolicDimensions, TensorElementType, ValueType};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A kernel as `ort` registers it.
pub(super) struct Registered(pub(super) &'static Entry);

impl Operator for Registered {
    type Kernel<'attr> = Node;

    fn name(&self) -> &str {
        self.0.name
    }

    fn inputs(&self) -> impl IntoIterator<Item = OperatorInput> {
        let float = TensorElementType::Float32;
        match self.0.inputs {
            Arity::Exactly(n) => (0..n).map(|_| OperatorInput::required(float)).collect::<Vec<_>>(),
            Arity::AtLeast(n) => vec![OperatorInput::variadic(n).homogenous(float)],
        }
    }

    fn outputs(&self) -> impl IntoIterator<Item = OperatorOutput> {
        let float = TensorElementType::Float32;
        match self.0.outputs {
            Arity::Exactly(n) => (0..n).map(|_| OperatorOutput::required(float)).collect::<Vec<_>>(),
            Arity::AtLeast(n) => vec![OperatorOutput::variadic(n).homogenous(float)],
        }
    }

    fn create_kernel<'attr>(&self, context: &KernelContext<'attr>) -> ort::Result<Node> {
        let (shapes, body) = guarded(self.0, || {
            let shapes: ShapeRule = match self.0.shapes {
                Shapes::OfInputs(rule) => Box::new(rule),
                Shapes::WithAttributes(make) => make(context)?,
            };
            Ok((shapes, (self.0.create)(context)?))
        })?;
        Ok(Node { entry: self.0, shapes, body })
    }

    fn infer_shape(&self, context: &mut ShapeInferenceContext) -> ort::Result<()> {
        let Shapes::OfInputs(rule) = self.0.shapes else { return Ok(()) };
        let Some(inputs) = context.inputs().iter().map(static_extents).collect::<Option<Vec<_>>>() else {
            return Ok(());
        };
        // A tensor of unknown rank looks like a scalar here: what does not fit yet is judged when the kernel runs.
        let Ok(outputs) = guarded(self.0, || rule(&inputs)) else {
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
    shapes: ShapeRule,
    body: Body,
}

impl Kernel for Node {
    fn compute(&mut self, context: &ComputeContext) -> ort::Result<()> {
        let (entry, rule, body) = (self.entry, &self.shapes, &mut self.body);
        guarded(entry, || {
            let inputs = memory::inputs(context)?;
            let shapes: Vec<Vec<usize>> = inputs.iter().map(|input| input.extents.clone()).collect();
            let outputs = memory::outputs(context, &rule(&shapes)?)?;
            match body {
                Body::InPlace(run) => run(&inputs, &outputs),
                Body::Apart(run) => {
                    memory::check_apart(&inputs, &outputs)?;
                    // SAFETY: `check_apart` found no memory shared, and the library keeps all of it until this returns.
                    let read: Vec<Tensor<'_>> = inputs.iter().map(|m| unsafe { m.tensor() }).collect();
                    // SAFETY: as above; each output is borrowed once.
                    let mut written: Vec<&mut [f32]> = outputs.iter().map(|m| unsafe { m.slice_mut() }).collect();
                    return run(&read, &mut written);
                }
            }
            Ok(())
        })
    }
}

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
