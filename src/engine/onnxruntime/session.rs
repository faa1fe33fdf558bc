//! A model with bound state.
//!
//! A state tensor that a step may write over is bound once, as input and as output: that takes half the memory, and writing
//! what was just read is faster. Any other that a step writes exists twice, and two bindings are used in turn: the first
//! reads set 0 and writes set 1, the second the reverse; with one buffer an update could overwrite a weight that the
//! backward pass still reads. A step binds nothing and copies no state.
//!
//! Where the step is to be captured, all state that a step writes exists twice, since capturing runs it more than once; and
//! what is fetched lies on the device, since a replay brings nothing to the host.

use super::capture::{Captures, Held, Permit, Site, shared};
use super::failed;
use super::resident::Kept;
use crate::engine::pages::prefer_huge;
use crate::engine::{EngineError, FeedMut, Plan, Session, Slot, StateSlot};
use crate::graph::DType;
use ort::memory::Allocator;
use ort::session::{IoBinding, RunOptions};
use ort::value::{PrimitiveTensorElementType, Tensor};
use ort::{AsPointer, ortsys};
use std::fmt::Debug;
use std::sync::Arc;

/// A loaded model with its buffers.
pub(super) struct BoundSession {
    bound: Held<Bound>,
    /// What it reads beside others. It stands behind what is bound to it, since who drops the last of it needs a permit of
    /// their own.
    _kept: Option<Arc<Kept>>,
    /// Binding of the next step; also the set of state that is current.
    turn: usize,
    captures: Option<Captures>,
    site: Site,
}

/// Tensors on a device stand before the session that owns the device's memory, so that they are dropped first.
struct Bound {
    bindings: Vec<IoBinding>,
    feeds: Vec<Feed>,
    state: Vec<State>,
    fetches: Vec<Buffer<f32>>,
    session: ort::session::Session,
}

/// What the host writes before a step.
enum Feed {
    F32(Buffer<f32>),
    I64(Buffer<i64>),
    U8(Buffer<u8>),
}

/// A host tensor and, where the session does not read or write it itself, its copy on the device.
struct Buffer<T: PrimitiveTensorElementType + Debug> {
    host: Tensor<T>,
    device: Option<Tensor<T>>,
}

impl<T: PrimitiveTensorElementType + Debug + Copy> Buffer<T> {
    fn new(shape: &[usize], allocator: &Allocator, on_host: bool) -> ort::Result<Self> {
        let host = Tensor::new(&Allocator::default(), shape)?;
        prefer_huge(host.data_ptr().cast::<T>(), shape.iter().product());
        let device = if on_host { None } else { Some(Tensor::new(allocator, shape)?) };
        Ok(Buffer { host, device })
    }

    fn bind(&self, name: &str, bindings: &mut [IoBinding]) -> ort::Result<()> {
        bindings.iter_mut().try_for_each(|binding| binding.bind_input(name, self.device.as_ref().unwrap_or(&self.host)))
    }

    fn bind_output(&mut self, name: &str, bindings: &mut [IoBinding]) -> ort::Result<()> {
        let tensor = self.device.as_mut().unwrap_or(&mut self.host);
        bindings.iter_mut().try_for_each(|binding| binding.bind_output(name, &mut *tensor))
    }

    fn upload(&mut self) -> ort::Result<()> {
        match self.device.as_mut() {
            Some(device) => self.host.copy_into(device),
            None => Ok(()),
        }
    }

    fn download(&mut self) -> ort::Result<()> {
        match &self.device {
            Some(device) => device.copy_into(&mut self.host),
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
    fn new(slot: &StateSlot, twice: bool, allocator: &Allocator, bindings: &mut [IoBinding]) -> ort::Result<Self> {
        let count = if twice { 2 } else { 1 };
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

    /// Sets all to zero; memory of a device comes as it is.
    fn clear(&mut self) -> ort::Result<()> {
        let zeros =
            |tensor: &mut Tensor<f32>| Tensor::<f32>::new(&Allocator::default(), tensor.shape().clone())?.copy_into(tensor);
        self.sets.iter_mut().try_for_each(zeros)
    }

    fn current(&mut self, turn: usize) -> &mut Tensor<f32> {
        let count = self.sets.len();
        &mut self.sets[turn % count]
    }
}

impl BoundSession {
    /// Binds a session that computes there.
    pub(super) fn new(
        session: ort::session::Session,
        plan: &Plan,
        kept: Option<Arc<Kept>>,
        allocator: &Allocator,
        site: Site,
    ) -> ort::Result<Self> {
        let (on_host, captured) = (site == Site::Host, site == Site::Captured);
        let twice = |slot: &StateSlot| slot.alternates() || (captured && slot.output.is_some());
        let turns = if plan.state.iter().any(twice) { 2 } else { 1 };
        let mut bindings = (0..turns).map(|_| session.create_binding()).collect::<ort::Result<Vec<_>>>()?;
        let mut feeds = Vec::with_capacity(plan.feeds.len());
        for slot in &plan.feeds {
            let feed = Feed::new(slot, allocator, on_host)?;
            feed.bind(&slot.name, &mut bindings)?;
            feeds.push(feed);
        }
        if let Some(kept) = &kept {
            kept.bind(&mut bindings)?;
        }
        let mut state = Vec::with_capacity(plan.state.len());
        for slot in &plan.state {
            let mut tensors = State::new(slot, twice(slot), allocator, &mut bindings)?;
            match on_host {
                true => {
                    tensors.sets.iter().for_each(|set| prefer_huge(set.data_ptr().cast::<f32>(), set.shape().num_elements()))
                }
                false => tensors.clear()?,
            }
            state.push(tensors);
        }
        let mut fetches = Vec::with_capacity(plan.fetches.len());
        for slot in &plan.fetches {
            let mut fetch = Buffer::new(&slot.shape, allocator, !captured)?;
            fetch.bind_output(&slot.name, &mut bindings)?;
            fetches.push(fetch);
        }
        let captures = if captured { Some(Captures::new(turns)?) } else { None };
        let bound = Held::new(Bound { bindings, feeds, state, fetches, session }, site);
        Ok(BoundSession { bound, _kept: kept, turn: 0, captures, site })
    }

    fn state(&mut self, slot: usize, elements: usize) -> Result<&mut Tensor<f32>, EngineError> {
        let turn = self.turn;
        let state = self.bound.state.get_mut(slot).ok_or_else(|| failed(format!("there is no state {slot}")))?;
        let tensor = state.current(turn);
        let has = tensor.shape().num_elements();
        if has != elements {
            return Err(failed(format!("state {slot} has {has} elements, not {elements}")));
        }
        Ok(tensor)
    }

    /// The right to make the next step.
    fn permit(&self) -> Permit {
        self.captures.as_ref().map_or_else(|| shared(self.site), |captures| captures.permit(self.turn))
    }
}

impl Bound {
    fn step(&mut self, turn: usize, options: Option<&RunOptions>) -> ort::Result<()> {
        self.feeds.iter_mut().try_for_each(Feed::upload)?;
        run(&mut self.session, &self.bindings[turn], options)?;
        self.fetches.iter_mut().try_for_each(Buffer::download)
    }
}

impl Session for BoundSession {
    fn feed(&mut self, slot: usize) -> FeedMut<'_> {
        match &mut self.bound.feeds[slot] {
            Feed::F32(buffer) => FeedMut::F32(buffer.values()),
            Feed::I64(buffer) => FeedMut::I64(buffer.values()),
            Feed::U8(buffer) => FeedMut::U8(buffer.values()),
        }
    }

    fn step(&mut self) -> Result<(), EngineError> {
        let permit = self.permit();
        let options = self.captures.as_ref().map(|captures| captures.options(self.turn));
        self.bound.step(self.turn, options).map_err(failed)?;
        drop(permit);
        if let Some(captures) = &mut self.captures {
            captures.ran(self.turn);
        }
        self.turn = (self.turn + 1) % self.bound.bindings.len();
        Ok(())
    }

    fn fetch(&mut self, slot: usize) -> Result<&[f32], EngineError> {
        let fetch = self.bound.fetches.get(slot).ok_or_else(|| failed(format!("there is no fetch {slot}")))?;
        fetch.host.try_extract_tensor().map(|(_, values)| values).map_err(failed)
    }

    fn read_state(&mut self, slot: usize, into: &mut [f32]) -> Result<(), EngineError> {
        let (on_host, _permit) = (self.site == Site::Host, shared(self.site));
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
        let (on_host, _permit) = (self.site == Site::Host, shared(self.site));
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
fn run(session: &mut ort::session::Session, binding: &IoBinding, options: Option<&RunOptions>) -> ort::Result<()> {
    let options = options.map_or(std::ptr::null(), AsPointer::ptr);
    // SAFETY: all pointers belong to live objects, the binding was made for this session, and `&mut` keeps other runs
    // away. All bound tensors outlive the call: the caller owns them beside the session.
    ortsys![unsafe RunWithBinding(session.ptr_mut(), options, binding.ptr())?];
    Ok(())
}
