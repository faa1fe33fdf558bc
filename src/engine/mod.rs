//! Engines: loading ONNX models and running them with state that stays where the engine keeps it.

mod install;
pub mod kernels;
mod locate;
mod onnxruntime;
mod pages;
mod plan;
mod resident;
mod select;
#[cfg(test)]
pub(crate) mod tests;
mod tract;

pub use install::{Build, InstallError, Installed, install, install_for};
pub use locate::{Found, Located, OLDEST_MINOR, Places, Skipped, Source, locate, locate_first};
pub use onnxruntime::{CudaOptions, OnnxRuntime, cuda_devices, cuda_driver, cuda_present};
pub use resident::{HostTensor, Resident, View};
pub use select::{Choice, Device, Request, Selected, select, select_in};
pub use tract::Tract;

use crate::graph::{DType, Tensor};
use std::fmt::Debug;
use std::sync::Arc;

/// One run of a model that is repeated many times: what is fed each time, what stays bound, what is read back.
///
/// All shapes are static. Feeds and fetches live in host memory; state and what is resident live where the engine computes.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// Inputs whose contents the host writes before each step.
    pub feeds: Vec<Slot>,
    /// Inputs that are read where [`Engine::reside`] put them, by this session and others.
    pub resident: Option<Resident>,
    /// Inputs that hold state.
    pub state: Vec<StateSlot>,
    /// Outputs that the host reads after each step.
    pub fetches: Vec<Slot>,
    /// Whether many steps follow, of nodes so small that a device takes longer to begin each than to compute it; an engine
    /// may then capture a step and replay it.
    pub launch_bound: bool,
}

/// An input or output by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// Name in the model.
    pub name: String,
    /// Element type.
    pub dtype: DType,
    /// Static extents.
    pub shape: Vec<usize>,
}

/// A float32 tensor that stays bound between steps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateSlot {
    /// Name of the input that reads it.
    pub input: String,
    /// Name of the output that writes its next value; `None` where a step leaves it as it is.
    pub output: Option<String>,
    /// Static extents.
    pub shape: Vec<usize>,
    /// Whether the engine may have the next value written over it, as [`crate::graph::Spelled::in_place`] tells.
    pub in_place: bool,
}

/// Mutable view of a feed's host buffer.
pub enum FeedMut<'a> {
    /// float32.
    F32(&'a mut [f32]),
    /// int64.
    I64(&'a mut [i64]),
    /// bytes.
    U8(&'a mut [u8]),
}

impl<'a> FeedMut<'a> {
    /// One of `count` equal parts, along the leading axis.
    #[must_use]
    pub fn part(self, index: usize, count: usize) -> FeedMut<'a> {
        fn of<T>(values: &mut [T], index: usize, count: usize) -> &mut [T] {
            let size = values.len() / count;
            &mut values[index * size..][..size]
        }
        match self {
            FeedMut::F32(values) => FeedMut::F32(of(values, index, count)),
            FeedMut::I64(values) => FeedMut::I64(of(values, index, count)),
            FeedMut::U8(values) => FeedMut::U8(of(values, index, count)),
        }
    }
}

/// Where models are loaded.
pub trait Engine: Debug + Send + Sync {
    /// `onnxruntime` or `tract`.
    fn name(&self) -> &'static str;
    /// Version of the library.
    fn version(&self) -> String;
    /// `cpu` or `cuda:N`.
    fn device(&self) -> String;
    /// True where nodes of `evolve.train` run.
    fn has_kernels(&self) -> bool;
    /// The same engine, for what has to own it.
    fn shared(&self) -> Arc<dyn Engine>;
    /// The same engine without shortcuts in precision, for the final trainings and for what judges a model. This is the
    /// engine itself where it takes none.
    fn exact(&self) -> Arc<dyn Engine> {
        self.shared()
    }
    /// Puts tensors where sessions compute, for all sessions of this device to read ([`Plan::resident`]); `None` where that
    /// is the memory of the host, in which feeding them costs nothing worth sparing.
    ///
    /// # Errors
    /// [`EngineError::OutOfMemory`] where they would take more than half of the memory that the device has left, and others
    /// where it fails.
    fn reside(&self, _tensors: &[HostTensor<'_>]) -> Result<Option<Resident>, EngineError> {
        Ok(None)
    }
    /// Loads a model for repeated steps.
    ///
    /// # Errors
    /// Where the model is broken, uses an operator that the engine lacks, or does not match the plan.
    fn load(&self, model: &[u8], plan: Plan) -> Result<Box<dyn Session>, EngineError>;
    /// Loads a model to be run on whole tensors, with any batch; the way exported models are used.
    ///
    /// # Errors
    /// As [`Engine::load`].
    fn load_model(&self, model: &[u8]) -> Result<Box<dyn Model>, EngineError>;
}

/// A loaded model with bound state. One thread uses it at a time.
pub trait Session: Send {
    /// Host buffer of feed `slot`, to be filled before a step. Contents stay from step to step.
    fn feed(&mut self, slot: usize) -> FeedMut<'_>;
    /// Runs the model once; afterwards the state is the new state.
    ///
    /// # Errors
    /// Where the engine fails.
    fn step(&mut self) -> Result<(), EngineError>;
    /// Contents of float32 fetch `slot` after the last step.
    ///
    /// # Errors
    /// Where the engine fails to bring it to the host.
    fn fetch(&mut self, slot: usize) -> Result<&[f32], EngineError>;
    /// Copies state `slot` into host memory.
    ///
    /// # Errors
    /// Where the engine fails to bring it to the host.
    fn read_state(&mut self, slot: usize, into: &mut [f32]) -> Result<(), EngineError>;
    /// Sets state `slot` from host memory.
    ///
    /// # Errors
    /// Where the engine fails to take it.
    fn write_state(&mut self, slot: usize, from: &[f32]) -> Result<(), EngineError>;
}

/// A loaded model to be run on whole tensors.
pub trait Model: Send {
    /// Names, element types and extents (`None` for a symbolic one) of the inputs.
    fn inputs(&self) -> &[Port];
    /// The same of the outputs.
    fn outputs(&self) -> &[Port];
    /// Runs the model on one tensor for each input, in the order of [`Model::inputs`].
    ///
    /// # Errors
    /// Where the tensors do not fit or the engine fails.
    fn run(&mut self, inputs: &[Tensor]) -> Result<Vec<Tensor>, EngineError>;
}

/// Input or output of a [`Model`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    /// Name in the model.
    pub name: String,
    /// Element type.
    pub dtype: DType,
    /// Extents; `None` where symbolic.
    pub shape: Vec<Option<usize>>,
}

/// Why an engine cannot be had, or cannot load or run a model.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The engine refuses the model.
    #[error("{engine} cannot load the model: {reason}")]
    Load {
        /// Which engine.
        engine: &'static str,
        /// What it said.
        reason: String,
    },
    /// A run failed.
    #[error("{engine} failed to run the model: {reason}")]
    Run {
        /// Which engine.
        engine: &'static str,
        /// What it said.
        reason: String,
    },
    /// The device has no memory for the model, or for a run of it.
    #[error("{engine} ran out of memory: {reason}")]
    OutOfMemory {
        /// Which engine.
        engine: &'static str,
        /// What it said.
        reason: String,
    },
    /// The requested engine or device is not on this machine.
    #[error("{what} is not available: {reason}")]
    Unavailable {
        /// Engine or device.
        what: String,
        /// Why, and what to do.
        reason: String,
    },
}

impl EngineError {
    /// Whether the same might succeed with less memory, such as a smaller batch.
    pub fn is_out_of_memory(&self) -> bool {
        matches!(self, EngineError::OutOfMemory { .. })
    }
}
