//! A model with bound state.
//!
//! A state tensor that a step may write over is bound once, as input and as output: that takes half the memory, and writing
//! what was just read is faster. Any other that a step writes exists twice, and two bindings are used in turn: the first
//! reads set 0 and writes set 1, the second the reverse; with one buffer an update could overwrite a weight that the
//! backward pass still reads. A step binds nothing and copies no state.

use super::failed;
use crate::engine::{EngineError, FeedMut, Plan, Session, Slot, StateSlot};
use crate::graph::DType;
use ort::memory::Allocator;
use ort::session::IoBinding;
use ort::value::{PrimitiveTensorElementType, Tensor};
use ort::{AsPointer, ortsys};
use std::fmt::Debug;

/// A loaded model with its buffers. Tensors on a device stand before the session that owns the device's memory, so
/// that they are dropped first.
pub(super) struct BoundSession {
    bindings: Vec<IoBinding>,
    /// Binding of the next step; also the set of state that is current.
    turn: usize,
    feeds: Vec<Feed>,
    state: Vec<State>,
    fetches: Vec<Tensor<f32>>,
    session: ort::session::Session,
    on_host: bool,
}

/// What the host writes before a step.
enum Feed {
    F32(Buffer<f32>),
    I64(Buffer<i64>),
    U8(Buffer<u8>),
}

/// A host tensor and, where the session computes elsewhere, its copy there.
struct Buffer<T: PrimitiveTensorElementType + Debug> {
    host: Tensor<T>,
    device: Option<Tensor<T>>,
}

impl<T: PrimitiveTensorElementType + Debug + Copy> Buffer<T> {
    fn new(shape: &[usize], allocator: &Allocator, on_host: bool) -> ort::Result<Self> {
        let host = Tensor::new(&Allocator::default(), shape)?;
        let device = if on_host { None } else { Some(Tensor::new(allocator, shape)?) };
        Ok(Buffer { host, device })
    }

    fn bind(&self, name: &str, bindings: &mut [IoBinding]) -> ort::Result<()> {
        bindings.iter_mut().try_for_each(|binding| binding.bind_input(name, self.device.as_ref().unwrap_or(&self.host)))
    }

    fn upload(&mut self) -> ort::Result<()> {
        match self.device.as_mut() {
            Some(device) => self.host.copy_into(device),
            None => Ok(()),
        }
    }

    fn values(&mut self) -> &mut [T] {
        self.host.extract_tensor_mut().1
    }
}

impl Feed {
    fn new(slot: &Slot, allocator: &Allocator, on_host: bool) -> ort::Result<Self> {
        Ok(match slot.dtype {
            DType::I64 => Feed::I64(Buffer::new(&slot.shape, allocator, on_host)?),
            DType::U8 => Feed::U8(Buffer::new(&slot.shape, allocator, on_host)?),
            _ => Feed::F32(Buffer::new(&slot.shape, allocator, on_host)?),
        })
    }

    fn bind(&self, name: &str, bindings: &mut [IoBinding]) -> ort::Result<()> {
        match self {
            Feed::F32(buffer) => buffer.bind(name, bindings),
            Feed::I64(buffer) => buffer.bind(name, bindings),
            Feed::U8(buffer) => buffer.bind(name, bindings),
        }
    }

    fn upload(&mut self) -> ort::Result<()> {
        match self {
            Feed::F32(buffer) => buffer.upload(),
            Feed::I64(buffer) => buffer.upload(),
            Feed::U8(buffer) => buffer.upload(),
        }
    }
}

/// A state tensor: one set, or two that are used in turn.
struct State {
    sets: Vec<Tensor<f32>>,
}

impl State {
    fn new(slot: &StateSlot, allocator: &Allocator, bindings: &mut [IoBinding]) -> ort::Result<Self> {
        let count = if slot.alternates() { 2 } else { 1 };
        let mut sets = Vec::with_capacity(count);
        for _ in 0..count {
            sets.push(Tensor::<f32>::new(allocator, slot.shape.as_slice())?);
        }
        for (turn, binding) in bindings.iter_mut().enumerate() {
            binding.bind_input(&slot.input, &sets[turn % count])?;
            if let Some(output) = &slot.output {
                binding.bind_output(output, &mut sets[(turn + 1) % count])?;
            }
        }
        Ok(State { sets })
    }

    fn current(&mut self, turn: usize) -> &mut Tensor<f32> {
        let count = self.sets.len();
        &mut self.sets[turn % count]
    }
}

impl BoundSession {
    pub(super) fn new(
        session: ort::session::Session,
        plan: &Plan,
        allocator: &Allocator,
        on_host: bool,
    ) -> ort::Result<Self> {
        let turns = if plan.alternates() { 2 } else { 1 };
        let mut bindings = (0..turns).map(|_| session.create_binding()).collect::<ort::Result<Vec<_>>>()?;
        let mut feeds = Vec::with_capacity(plan.feeds.len());
        for slot in &plan.feeds {
            let feed = Feed::new(slot, allocator, on_host)?;
            feed.bind(&slot.name, &mut bindings)?;
            feeds.push(feed);
        }
        let mut state = Vec::with_capacity(plan.state.len());
        for slot in &plan.state {
            state.push(State::new(slot, allocator, &mut bindings)?);
        }
        let mut fetches = Vec::with_capacity(plan.fetches.len());
        for slot in &plan.fetches {
            let mut tensor = Tensor::<f32>::new(&Allocator::default(), slot.shape.as_slice())?;
            bindings.iter_mut().try_for_each(|binding| binding.bind_output(&slot.name, &mut tensor))?;
            fetches.push(tensor);
        }
        let mut bound = BoundSession { bindings, turn: 0, feeds, state, fetches, session, on_host };
        bound.clear()?;
        Ok(bound)
    }

    /// Sets all state to zero; memory of a device comes as it is.
    fn clear(&mut self) -> ort::Result<()> {
        let sets = self.state.iter_mut().flat_map(|s| &mut s.sets);
        for tensor in sets.filter(|_| !self.on_host) {
            Tensor::<f32>::new(&Allocator::default(), tensor.shape().clone())?.copy_into(tensor)?;
        }
        Ok(())
    }

    fn state(&mut self, slot: usize, elements: usize) -> Result<&mut Tensor<f32>, EngineError> {
        let turn = self.turn;
        let state = self.state.get_mut(slot).ok_or_else(|| failed(format!("there is no state {slot}")))?;
        let tensor = state.current(turn);
        let has = tensor.shape().num_elements();
        if has != elements {
            return Err(failed(format!("state {slot} has {has} elements, not {elements}")));
        }
        Ok(tensor)
    }
}

impl Session for BoundSession {
    fn feed(&mut self, slot: usize) -> FeedMut<'_> {
        match &mut self.feeds[slot] {
            Feed::F32(buffer) => FeedMut::F32(buffer.values()),
            Feed::I64(buffer) => FeedMut::I64(buffer.values()),
            Feed::U8(buffer) => FeedMut::U8(buffer.values()),
        }
    }

    fn step(&mut self) -> Result<(), EngineError> {
        self.feeds.iter_mut().try_for_each(Feed::upload).map_err(failed)?;
        run(&mut self.session, &self.bindings[self.turn]).map_err(failed)?;
        self.turn = (self.turn + 1) % self.bindings.len();
        Ok(())
    }

    fn fetch(&mut self, slot: usize) -> Result<&[f32], EngineError> {
        let tensor = self.fetches.get(slot).ok_or_else(|| failed(format!("there is no fetch {slot}")))?;
        tensor.try_extract_tensor().map(|(_, values)| values).map_err(failed)
    }

    fn read_state(&mut self, slot: usize, into: &mut [f32]) -> Result<(), EngineError> {
        let on_host = self.on_host;
        let tensor = self.state(slot, into.len())?;
        let mut copy = |tensor: &Tensor<f32>| -> ort::Result<()> {
            into.copy_from_slice(tensor.try_extract_tensor()?.1);
            Ok(())
        };
        let copied = if on_host {
            copy(tensor)
        } else {
            tensor.to(ort::memory::AllocationDevice::CPU, 0).and_then(|staged| copy(&staged))
        };
        copied.map_err(failed)
    }

    fn write_state(&mut self, slot: usize, from: &[f32]) -> Result<(), EngineError> {
        let on_host = self.on_host;
        let tensor = self.state(slot, from.len())?;
        let copy = |tensor: &mut Tensor<f32>| -> ort::Result<()> {
            tensor.try_extract_tensor_mut()?.1.copy_from_slice(from);
            Ok(())
        };
        let copied = if on_host {
            copy(tensor)
        } else {
            Tensor::<f32>::new(&Allocator::default(), tensor.shape().clone()).and_then(|mut staged| {
                copy(&mut staged)?;
                staged.copy_into(tensor)
            })
        };
        copied.map_err(failed)
    }
}

/// Runs a binding. `ort`'s own call also wraps every output anew, a tenth of the time of a small step; the tensors bound
/// here are read directly.
fn run(session: &mut ort::session::Session, binding: &IoBinding) -> ort::Result<()> {
    // SAFETY: both pointers belong to live objects, the binding was made for this session, and `&mut` keeps other runs
    // away. All bound tensors outlive the call: the caller owns them beside the session.
    ortsys![unsafe RunWithBinding(session.ptr_mut(), std::ptr::null(), binding.ptr())?];
    Ok(())
}
