//! The embedded engine: `tract`, which needs no library.

use super::plan::check_tensors;
use super::{Engine, EngineError, FeedMut, Model, Plan, Port, Session, Slot};
use crate::graph::{DType, Data, Tensor};
use crate::onnx;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use tract_onnx::prelude::tract_ndarray::{ArrayD, IxDyn};
use tract_onnx::prelude::{
    Datum, DatumType, Framework, InferenceFact, InferenceModel, InferenceModelExt, IntoRunnable, IntoTValue, TValue, TVec,
    Tensor as TractTensor, TractResult, TypedRunnableModel,
};

/// Name in messages.
const NAME: &str = "tract";

/// Version of the crate that is built in.
const VERSION: &str = "0.23.9";

/// The embedded engine on the CPU.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tract;

impl Engine for Tract {
    fn name(&self) -> &'static str {
        NAME
    }

    fn version(&self) -> String {
        VERSION.into()
    }

    fn device(&self) -> String {
        "cpu".into()
    }

    fn has_kernels(&self) -> bool {
        false
    }

    fn shared(&self) -> Arc<dyn Engine> {
        Arc::new(*self)
    }

    fn load(&self, model: &[u8], plan: Plan) -> Result<Box<dyn Session>, EngineError> {
        let (inputs, outputs) = ports(model)?;
        plan.check(&inputs, &outputs).map_err(refused)?;
        if plan.resident.is_some() {
            return Err(refused("tensors of another engine cannot be read"));
        }
        let fixed = |port: &Port| {
            let feed = plan.feeds.iter().find(|f| f.name == port.name).map(|f| &f.shape);
            feed.or_else(|| plan.state.iter().find(|s| s.input == port.name).map(|s| &s.shape)).cloned()
        };
        let shapes: Vec<Option<Vec<usize>>> = inputs.iter().map(fixed).collect();
        let runnable = guarded(|| prepare(model, &inputs, &shapes)).map_err(refused)?;
        Ok(Box::new(TractSession::new(runnable, &plan, &inputs, &outputs)))
    }

    fn load_model(&self, model: &[u8]) -> Result<Box<dyn Model>, EngineError> {
        let (inputs, outputs) = ports(model)?;
        let shapes = vec![None; inputs.len()];
        let runnable = guarded(|| prepare(model, &inputs, &shapes)).map_err(refused)?;
        Ok(Box::new(TractModel { runnable, inputs, outputs }))
    }
}

fn refused(reason: impl ToString) -> EngineError {
    EngineError::Load { engine: NAME, reason: reason.to_string() }
}

fn failed(reason: impl ToString) -> EngineError {
    EngineError::Run { engine: NAME, reason: reason.to_string() }
}

/// Runs `work`; an error or a panic of `tract` is what it says. Some unsupported nodes make it panic.
fn guarded<T>(work: impl FnOnce() -> TractResult<T>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(result) => result.map_err(|e| format!("{e:#}")),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
            Err(format!("panic: {}", text.unwrap_or("without a message")))
        }
    }
}

/// Inputs and outputs as the model states them; `tract` turns some int64 outputs into symbols.
fn ports(model: &[u8]) -> Result<(Vec<Port>, Vec<Port>), EngineError> {
    let summary = onnx::read(model).map_err(refused)?;
    let port = |v: onnx::ValueInfo| Port { name: v.name, dtype: v.dtype, shape: v.shape };
    Ok((summary.inputs.into_iter().map(port).collect(), summary.outputs.into_iter().map(port).collect()))
}

/// Parses and optimises a model whose inputs have these shapes, or the model's own where there is none.
fn prepare(model: &[u8], inputs: &[Port], shapes: &[Option<Vec<usize>>]) -> TractResult<Arc<TypedRunnableModel>> {
    let mut parsed: InferenceModel = tract_onnx::onnx().model_for_read(&mut &model[..])?;
    for (index, (port, shape)) in inputs.iter().zip(shapes).enumerate() {
        if let Some(shape) = shape {
            parsed.set_input_fact(index, InferenceFact::dt_shape(datum_type(port.dtype), shape))?;
        }
    }
    parsed.into_optimized()?.into_runnable()
}

fn datum_type(dtype: DType) -> DatumType {
    match dtype {
        DType::F32 => f32::datum_type(),
        DType::F64 => f64::datum_type(),
        DType::I64 => i64::datum_type(),
        DType::I32 => i32::datum_type(),
        DType::U8 => u8::datum_type(),
        DType::Bool => bool::datum_type(),
        DType::Str => String::datum_type(),
    }
}

/// What an input of the model reads.
#[derive(Debug, Clone, Copy)]
enum Reads {
    Feed(usize),
    State(usize),
}

/// A step with its state. Values are shared by count: passing an output back as an input copies nothing.
struct TractSession {
    runnable: Arc<TypedRunnableModel>,
    reads: Vec<Reads>,
    /// For each state slot, the output that writes it.
    writers: Vec<Option<usize>>,
    /// For each fetch, its output.
    fetched: Vec<usize>,
    feeds: Vec<Tensor>,
    state: Vec<TValue>,
    fetches: Vec<TValue>,
}

impl TractSession {
    fn new(runnable: Arc<TypedRunnableModel>, plan: &Plan, inputs: &[Port], outputs: &[Port]) -> Self {
        let at = |name: &str, ports: &[Port]| ports.iter().position(|p| p.name == name).unwrap_or_default();
        let mut reads = vec![Reads::Feed(0); inputs.len()];
        for (slot, feed) in plan.feeds.iter().enumerate() {
            reads[at(&feed.name, inputs)] = Reads::Feed(slot);
        }
        for (slot, state) in plan.state.iter().enumerate() {
            reads[at(&state.input, inputs)] = Reads::State(slot);
        }
        let zeros = |shape: &[usize]| TractTensor::from(ArrayD::<f32>::zeros(IxDyn(shape))).into_tvalue();
        let blank = |feed: &Slot| {
            let elements = feed.shape.iter().product();
            Tensor::from_f64(feed.dtype, &feed.shape, &vec![0.0; elements])
        };
        TractSession {
            runnable,
            reads,
            writers: plan.state.iter().map(|s| s.output.as_ref().map(|name| at(name, outputs))).collect(),
            fetched: plan.fetches.iter().map(|f| at(&f.name, outputs)).collect(),
            feeds: plan.feeds.iter().map(blank).collect(),
            state: plan.state.iter().map(|s| zeros(&s.shape)).collect(),
            fetches: plan.fetches.iter().map(|f| zeros(&f.shape)).collect(),
        }
    }

    fn slot<T>(found: Option<T>, kind: &str, slot: usize) -> Result<T, EngineError> {
        found.ok_or_else(|| failed(format!("there is no {kind} {slot}")))
    }
}

impl Session for TractSession {
    fn feed(&mut self, slot: usize) -> FeedMut<'_> {
        match &mut self.feeds[slot].data {
            Data::F32(v) => FeedMut::F32(v),
            Data::I64(v) => FeedMut::I64(v),
            Data::U8(v) => FeedMut::U8(v),
            other => unreachable!("the plan's check refuses feeds of {}", other.dtype()),
        }
    }

    fn step(&mut self) -> Result<(), EngineError> {
        let value = |read: &Reads| match *read {
            Reads::Feed(slot) => into_tract(&self.feeds[slot]),
            Reads::State(slot) => Ok(self.state[slot].clone()),
        };
        let inputs = self.reads.iter().map(value).collect::<Result<TVec<TValue>, _>>()?;
        let outputs = guarded(|| self.runnable.run(inputs)).map_err(failed)?;
        for (state, writer) in self.state.iter_mut().zip(&self.writers) {
            if let Some(output) = writer {
                *state = outputs[*output].clone();
            }
        }
        self.fetches = self.fetched.iter().map(|&output| outputs[output].clone()).collect();
        Ok(())
    }

    fn fetch(&mut self, slot: usize) -> Result<&[f32], EngineError> {
        let value = Self::slot(self.fetches.get(slot), "fetch", slot)?;
        floats(value)
    }

    fn read_state(&mut self, slot: usize, into: &mut [f32]) -> Result<(), EngineError> {
        let values = floats(Self::slot(self.state.get(slot), "state", slot)?)?;
        if values.len() != into.len() {
            return Err(failed(format!("state {slot} has {} elements, not {}", values.len(), into.len())));
        }
        into.copy_from_slice(values);
        Ok(())
    }

    fn write_state(&mut self, slot: usize, from: &[f32]) -> Result<(), EngineError> {
        let value = Self::slot(self.state.get_mut(slot), "state", slot)?;
        if value.len() != from.len() {
            return Err(failed(format!("state {slot} has {} elements, not {}", value.len(), from.len())));
        }
        let array = ArrayD::from_shape_vec(IxDyn(value.shape()), from.to_vec()).map_err(failed)?;
        *value = TractTensor::from(array).into_tvalue();
        Ok(())
    }
}

fn floats(value: &TValue) -> Result<&[f32], EngineError> {
    value.try_as_plain_ram().and_then(|plain| plain.as_slice::<f32>()).map_err(failed)
}

/// A model run on whole tensors.
struct TractModel {
    runnable: Arc<TypedRunnableModel>,
    inputs: Vec<Port>,
    outputs: Vec<Port>,
}

impl Model for TractModel {
    fn inputs(&self) -> &[Port] {
        &self.inputs
    }

    fn outputs(&self) -> &[Port] {
        &self.outputs
    }

    fn run(&mut self, inputs: &[Tensor]) -> Result<Vec<Tensor>, EngineError> {
        check_tensors(&self.inputs, inputs).map_err(failed)?;
        let values = inputs.iter().map(into_tract).collect::<Result<TVec<TValue>, _>>()?;
        let outputs = guarded(|| self.runnable.run(values)).map_err(failed)?;
        self.outputs.iter().zip(&outputs).map(|(port, value)| from_tract(port, value)).collect()
    }
}

fn into_tract(tensor: &Tensor) -> Result<TValue, EngineError> {
    fn array<T: Datum>(shape: &[usize], data: &[T]) -> Result<TValue, EngineError> {
        let array = ArrayD::from_shape_vec(IxDyn(shape), data.to_vec()).map_err(failed)?;
        Ok(TractTensor::from(array).into_tvalue())
    }
    match &tensor.data {
        Data::F32(v) => array(&tensor.shape, v),
        Data::F64(v) => array(&tensor.shape, v),
        Data::I64(v) => array(&tensor.shape, v),
        Data::I32(v) => array(&tensor.shape, v),
        Data::U8(v) => array(&tensor.shape, v),
        Data::Bool(v) => array(&tensor.shape, v),
        Data::Str(v) => array(&tensor.shape, v),
    }
}

fn from_tract(port: &Port, value: &TValue) -> Result<Tensor, EngineError> {
    fn elements<T: Datum>(value: &TractTensor) -> Result<Vec<T>, EngineError> {
        let view = value.to_plain_array_view::<T>().map_err(failed)?;
        Ok(view.iter().cloned().collect())
    }
    // An int64 output that was cast is a tensor of symbolic extents in tract.
    let value = value.cast_to_dt(datum_type(port.dtype)).map_err(failed)?;
    let data = match port.dtype {
        DType::F32 => Data::F32(elements(&value)?),
        DType::F64 => Data::F64(elements(&value)?),
        DType::I64 => Data::I64(elements(&value)?),
        DType::I32 => Data::I32(elements(&value)?),
        DType::U8 => Data::U8(elements(&value)?),
        DType::Bool => Data::Bool(elements(&value)?),
        DType::Str => Data::Str(elements(&value)?),
    };
    Ok(Tensor::new(value.shape(), data))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_the_one_that_is_built_in() {
        let lock = include_str!("../../Cargo.lock");
        assert!(lock.contains(&format!("name = \"tract-onnx\"\nversion = \"{VERSION}\"")));
    }

    #[test]
    fn a_panic_is_an_error_with_its_text() {
        assert_eq!(guarded::<()>(|| panic!("on {}", "purpose")), Err("panic: on purpose".into()));
    }
}
