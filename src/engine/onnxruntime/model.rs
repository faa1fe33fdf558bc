//! Models run on whole tensors, and tensors on their way in and out.

use super::capture::{Held, Site, shared};
use super::{failed, refused};
use crate::engine::plan::check_tensors;
use crate::engine::{EngineError, Model, Port};
use crate::graph::{DType, Data, Tensor};
use ort::session::SessionInputValue;
use ort::value::{
    DynValue, Outlet, PrimitiveTensorElementType, Tensor as OrtTensor, TensorElementType, TensorRef, ValueType,
};
use std::fmt::Debug;

/// A model run on whole tensors.
pub(super) struct WholeModel {
    session: Held<ort::session::Session>,
    inputs: Vec<Port>,
    outputs: Vec<Port>,
    site: Site,
}

impl WholeModel {
    pub(super) fn new(session: ort::session::Session, site: Site) -> Result<Self, EngineError> {
        let (inputs, outputs) = (ports(session.inputs())?, ports(session.outputs())?);
        Ok(WholeModel { session: Held::new(session, site), inputs, outputs, site })
    }
}

impl Model for WholeModel {
    fn inputs(&self) -> &[Port] {
        &self.inputs
    }

    fn outputs(&self) -> &[Port] {
        &self.outputs
    }

    fn run(&mut self, inputs: &[Tensor]) -> Result<Vec<Tensor>, EngineError> {
        check_tensors(&self.inputs, inputs).map_err(failed)?;
        let _permit = shared(self.site);
        let values = inputs.iter().map(into_value).collect::<ort::Result<Vec<_>>>().map_err(failed)?;
        let outputs = self.session.run(values.as_slice()).map_err(failed)?;
        self.outputs.iter().enumerate().map(|(i, port)| from_value(port.dtype, &outputs[i]).map_err(failed)).collect()
    }
}

/// Names and types of a session's inputs or outputs.
///
/// # Errors
/// Where one is not a tensor, or of an element type that is not ours.
pub(super) fn ports(outlets: &[Outlet]) -> Result<Vec<Port>, EngineError> {
    outlets.iter().map(port).collect()
}

fn port(outlet: &Outlet) -> Result<Port, EngineError> {
    let name = outlet.name().to_owned();
    let ValueType::Tensor { ty, shape, .. } = outlet.dtype() else {
        return Err(refused(format!("{name:?} is not a tensor but {}", outlet.dtype())));
    };
    let dtype = match ty {
        TensorElementType::Float32 => DType::F32,
        TensorElementType::Float64 => DType::F64,
        TensorElementType::Int64 => DType::I64,
        TensorElementType::Int32 => DType::I32,
        TensorElementType::Uint8 => DType::U8,
        TensorElementType::Bool => DType::Bool,
        TensorElementType::String => DType::Str,
        other => return Err(refused(format!("{name:?} is of the unsupported type {other}"))),
    };
    Ok(Port { name, dtype, shape: shape.iter().map(|&d| usize::try_from(d).ok()).collect() })
}

/// A view of a host tensor for the runtime; strings are copied.
fn into_value(tensor: &Tensor) -> ort::Result<SessionInputValue<'_>> {
    fn view<'a, T: PrimitiveTensorElementType + Debug + Clone + 'static>(
        shape: &'a [usize],
        data: &'a [T],
    ) -> ort::Result<SessionInputValue<'a>> {
        Ok(TensorRef::from_array_view((shape, data))?.into())
    }
    match &tensor.data {
        Data::F32(v) => view(&tensor.shape, v),
        Data::F64(v) => view(&tensor.shape, v),
        Data::I64(v) => view(&tensor.shape, v),
        Data::I32(v) => view(&tensor.shape, v),
        Data::U8(v) => view(&tensor.shape, v),
        Data::Bool(v) => view(&tensor.shape, v),
        Data::Str(v) => Ok(OrtTensor::from_string_array((tensor.shape.as_slice(), v.as_slice()))?.into()),
    }
}

fn from_value(dtype: DType, value: &DynValue) -> ort::Result<Tensor> {
    fn elements<T: PrimitiveTensorElementType + Clone>(value: &DynValue) -> ort::Result<Vec<T>> {
        Ok(value.try_extract_tensor::<T>()?.1.to_vec())
    }
    let data = match dtype {
        DType::F32 => Data::F32(elements(value)?),
        DType::F64 => Data::F64(elements(value)?),
        DType::I64 => Data::I64(elements(value)?),
        DType::I32 => Data::I32(elements(value)?),
        DType::U8 => Data::U8(elements(value)?),
        DType::Bool => Data::Bool(elements(value)?),
        DType::Str => Data::Str(value.try_extract_strings()?.1),
    };
    let shape: Vec<usize> = value.shape().iter().map(|&d| d as usize).collect();
    Ok(Tensor::new(&shape, data))
}
