//! Tensors that lie where an engine computes.

use super::Slot;
use crate::graph::DType;
use std::any::Any;
use std::sync::Arc;

/// Tensors that [`super::Engine::reside`] put where it computes. Each is read by the input of its name, in every session that is
/// loaded with them; they stay until the last session and the last clone are gone.
#[derive(Debug, Clone)]
pub struct Resident {
    slots: Vec<Slot>,
    tensors: Arc<dyn Any + Send + Sync>,
}

impl Resident {
    /// What an engine hands out for tensors of these names and types: something that it knows again.
    pub fn new(slots: Vec<Slot>, tensors: Arc<dyn Any + Send + Sync>) -> Self {
        Resident { slots, tensors }
    }

    /// Names and types of the tensors.
    pub fn slots(&self) -> &[Slot] {
        &self.slots
    }

    /// What the engine keeps for them, if it is a `T`.
    pub fn tensors<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        Arc::clone(&self.tensors).downcast().ok()
    }
}

/// A tensor in host memory.
#[derive(Debug, Clone)]
pub struct HostTensor<'a> {
    /// Name of the inputs that read it, and its type.
    pub slot: Slot,
    /// Its elements, row major.
    pub view: View<'a>,
}

/// View of a tensor's elements in host memory.
#[derive(Debug, Clone, Copy)]
pub enum View<'a> {
    /// float32.
    F32(&'a [f32]),
    /// int64.
    I64(&'a [i64]),
    /// bytes.
    U8(&'a [u8]),
}

impl<'a> HostTensor<'a> {
    /// A tensor of as many elements as these extents have.
    pub fn new(name: &str, shape: &[usize], view: View<'a>) -> Self {
        let dtype = match view {
            View::F32(_) => DType::F32,
            View::I64(_) => DType::I64,
            View::U8(_) => DType::U8,
        };
        HostTensor { slot: Slot { name: name.into(), dtype, shape: shape.to_vec() }, view }
    }

    /// Bytes that it takes.
    pub fn bytes(&self) -> usize {
        match self.view {
            View::F32(values) => size_of_val(values),
            View::I64(values) => size_of_val(values),
            View::U8(values) => size_of_val(values),
        }
    }
}
