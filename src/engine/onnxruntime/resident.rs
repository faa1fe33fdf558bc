//! Tensors that are put on a device once and then read by the steps of many sessions.

use super::capture::{Held, Site, shared};
use super::{OnnxRuntime, Purpose, refused};
use crate::engine::{Engine, EngineError, HostTensor, Resident, View};
use crate::graph::{DType, Graph, Shape, Target, TensorType, spell};
use crate::onnx;
use ort::memory::Allocator;
use ort::session::IoBinding;
use ort::value::{DynTensor, PrimitiveTensorElementType, Tensor, TensorRefMut};
use std::fmt::Debug;
use std::sync::Arc;

/// The tensors may take one in so many of the bytes that the device has left: trainings need the others.
const SHARE: usize = 2;

/// Elements that are copied at a time: on its way each is on the host once more.
const PIECE: usize = 1 << 24;

/// Tensors on a device.
pub(super) struct Kept {
    owned: Held<Owned>,
    device: String,
}

/// The tensors stand before the session that owns the device's memory, so that they are dropped first.
struct Owned {
    tensors: Vec<(String, DynTensor)>,
    _session: ort::session::Session,
}

impl Kept {
    /// Copies tensors to the engine's device.
    pub(super) fn upload(engine: &OnnxRuntime, tensors: &[HostTensor<'_>]) -> Result<Resident, EngineError> {
        let model = model()?;
        let _permit = shared(Site::Device);
        make_sure_of_room(engine, &model, tensors.iter().map(HostTensor::bytes).sum())?;
        let session = engine.session(&model, Purpose::Model)?;
        let allocator = engine.allocator(&session).map_err(refused)?;
        let copied = |tensor: &HostTensor<'_>| Ok((tensor.slot.name.clone(), copied(tensor, &allocator).map_err(refused)?));
        let copies = tensors.iter().map(copied).collect::<Result<Vec<_>, EngineError>>()?;
        let owned = Held::new(Owned { tensors: copies, _session: session }, Site::Device);
        let slots = tensors.iter().map(|tensor| tensor.slot.clone()).collect();
        Ok(Resident::new(slots, Arc::new(Kept { owned, device: engine.device() })))
    }

    /// What was put on the device of this engine.
    pub(super) fn of(resident: &Resident, engine: &OnnxRuntime) -> Result<Arc<Kept>, EngineError> {
        let kept = resident.tensors::<Kept>().filter(|kept| kept.device == engine.device());
        kept.ok_or_else(|| refused(format!("tensors that are not on {} cannot be read there", engine.device())))
    }

    /// Has bindings read the tensors.
    pub(super) fn bind(&self, bindings: &mut [IoBinding]) -> ort::Result<()> {
        let bind = |binding: &mut IoBinding| self.owned.tensors.iter().try_for_each(|(name, t)| binding.bind_input(name, t));
        bindings.iter_mut().try_for_each(bind)
    }
}

/// Asks for all that has to be free, in an arena of its own, which gives it back: there is no call that tells how much is left,
/// and so it is bound by the arena's limit as well.
fn make_sure_of_room(engine: &OnnxRuntime, model: &[u8], bytes: usize) -> Result<(), EngineError> {
    let session = engine.session(model, Purpose::Model)?;
    let allocator = engine.allocator(&session).map_err(refused)?;
    Tensor::<u8>::new(&allocator, [SHARE * bytes]).map(drop).map_err(refused)
}

fn copied(tensor: &HostTensor<'_>, allocator: &Allocator) -> ort::Result<DynTensor> {
    match tensor.view {
        View::F32(values) => copied_elements(&tensor.slot.shape, values, allocator),
        View::I64(values) => copied_elements(&tensor.slot.shape, values, allocator),
        View::U8(values) => copied_elements(&tensor.slot.shape, values, allocator),
    }
}

fn copied_elements<T: PrimitiveTensorElementType + Debug + Copy>(
    shape: &[usize],
    values: &[T],
    allocator: &Allocator,
) -> ort::Result<DynTensor> {
    if shape.iter().product::<usize>() != values.len() {
        return Err(ort::Error::new(format!("{} elements were given for {shape:?}", values.len())));
    }
    let mut device = Tensor::<T>::new(allocator, shape)?;
    let start = device.data_ptr_mut().cast::<T>();
    for (index, piece) in values.chunks(PIECE).enumerate() {
        let mut staged = Tensor::<T>::new(&Allocator::default(), [piece.len()])?;
        staged.extract_tensor_mut().1.copy_from_slice(piece);
        let (at, extents) = (start.wrapping_add(index * PIECE), ort::value::Shape::new([piece.len() as i64]));
        // SAFETY: so many elements lie there in `device`, which outlives this view of them, and nothing else looks at them.
        let part = unsafe { TensorRefMut::from_raw(device.memory_info().to_owned(), at.cast(), extents) }?;
        staged.copy_into(part)?;
    }
    Ok(device.upcast())
}

/// A model for sessions that run nothing: their allocators are what is wanted.
fn model() -> Result<Vec<u8>, EngineError> {
    let mut graph = Graph::new();
    let x = graph.input("x", TensorType::new(DType::F32, Shape::fixed(&[1])));
    graph.output("y", x);
    onnx::write(&spell(&graph, Target::Portable).map_err(refused)?, &vec![]).map_err(refused)
}
