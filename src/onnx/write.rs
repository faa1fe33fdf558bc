//! Writing a spelled graph as `ModelProto`.

use super::{IR_VERSION, ML_OPSET, OPSET, OnnxError, STRING_IR_VERSION, STRING_OPSET};
use crate::graph::{
    Attribute, DType, Data, Dim, KERNEL_DOMAIN, ML_DOMAIN, OnnxNode, POPULATION_DOMAIN, Spelled, Tensor, TensorType,
};
use onnx_protobuf::{
    AttributeProto, GraphProto, Message, ModelProto, NodeProto, OperatorSetIdProto, StringStringEntryProto, TensorProto,
    TensorShapeProto, TypeProto, ValueInfoProto, attribute_proto, tensor_proto, tensor_shape_proto, type_proto,
};
use protobuf::{EnumOrUnknown, MessageField};

/// Entries of `metadata_props`, in the order they are written.
pub type Metadata = Vec<(String, String)>;

/// Name of the symbolic batch axis.
const BATCH_AXIS: &str = "N";
/// Most bytes of a protobuf message.
const MOST_BYTES: u64 = i32::MAX as u64;

/// Serialises a spelled graph. The same graph and metadata give the same bytes.
///
/// Models with string values are written with [`STRING_OPSET`], all others with [`OPSET`].
///
/// # Errors
/// [`OnnxError::Unwritable`] where the model is larger than the 2 GiB that a protobuf message may have.
pub fn write(spelled: &Spelled, metadata: &Metadata) -> Result<Vec<u8>, OnnxError> {
    let strings = spelled.inputs.iter().any(|(_, t)| t.dtype == DType::Str)
        || spelled.constants.iter().any(|(_, t)| t.data.dtype() == DType::Str);
    let (opset, ir_version) = if strings { (STRING_OPSET, STRING_IR_VERSION) } else { (OPSET, IR_VERSION) };
    let mut imports = vec![import("", opset)];
    for (domain, version) in [(ML_DOMAIN, ML_OPSET), (KERNEL_DOMAIN, 1), (POPULATION_DOMAIN, 1)] {
        if spelled.nodes.iter().any(|n| n.domain == domain) {
            imports.push(import(domain, version));
        }
    }
    let mut model = ModelProto::new();
    model.ir_version = ir_version;
    model.producer_name = "evolve".into();
    model.producer_version = env!("CARGO_PKG_VERSION").into();
    model.opset_import = imports;
    model.metadata_props = metadata.iter().map(entry).collect();
    model.graph = MessageField::some(graph(spelled));
    bytes(&model)
}

fn bytes(model: &ModelProto) -> Result<Vec<u8>, OnnxError> {
    let size = model.compute_size();
    if size > MOST_BYTES {
        return Err(OnnxError::Unwritable { reason: format!("it has {size} bytes") });
    }
    model.write_to_bytes().map_err(|e| OnnxError::Unwritable { reason: e.to_string() })
}

fn import(domain: &str, version: i64) -> OperatorSetIdProto {
    let mut import = OperatorSetIdProto::new();
    import.domain = domain.into();
    import.version = version;
    import
}

fn entry((key, value): &(String, String)) -> StringStringEntryProto {
    let mut entry = StringStringEntryProto::new();
    entry.key = key.clone();
    entry.value = value.clone();
    entry
}

fn graph(spelled: &Spelled) -> GraphProto {
    let name = |index: usize| spelled.names[index].clone();
    let mut graph = GraphProto::new();
    graph.name = "evolve".into();
    graph.node = spelled.nodes.iter().map(|n| node(n, spelled)).collect();
    graph.initializer = spelled.constants.iter().map(|(t, tensor)| initializer(&name(t.index()), tensor)).collect();
    graph.input = spelled.inputs.iter().map(|(t, ty)| value_info(&name(t.index()), ty)).collect();
    graph.output = spelled.outputs.iter().map(|(t, ty)| value_info(&name(t.index()), ty)).collect();
    graph
}

fn node(node: &OnnxNode, spelled: &Spelled) -> NodeProto {
    let mut proto = NodeProto::new();
    proto.name = node.name.clone();
    proto.op_type = node.op_type.into();
    proto.domain = node.domain.into();
    proto.input = node.inputs.iter().map(|t| t.map_or_else(String::new, |t| spelled.names[t.index()].clone())).collect();
    proto.output = node.outputs.iter().map(|t| spelled.names[t.index()].clone()).collect();
    proto.attribute = node.attributes.iter().map(|(name, value)| attribute(name, value)).collect();
    proto
}

fn attribute(name: &str, value: &Attribute) -> AttributeProto {
    use attribute_proto::AttributeType;
    let mut proto = AttributeProto::new();
    proto.name = name.into();
    let kind = match value {
        Attribute::Int(i) => {
            proto.i = *i;
            AttributeType::INT
        }
        Attribute::Float(f) => {
            proto.f = *f;
            AttributeType::FLOAT
        }
        Attribute::Floats(v) => {
            proto.floats = v.clone();
            AttributeType::FLOATS
        }
        Attribute::Text(s) => {
            proto.s = s.clone().into_bytes();
            AttributeType::STRING
        }
        Attribute::Ints(v) => {
            proto.ints = v.clone();
            AttributeType::INTS
        }
        Attribute::Texts(v) => {
            proto.strings = v.iter().map(|s| s.clone().into_bytes()).collect();
            AttributeType::STRINGS
        }
        Attribute::Tensor(tensor) => {
            proto.t = MessageField::some(initializer("", tensor));
            AttributeType::TENSOR
        }
    };
    proto.type_ = EnumOrUnknown::new(kind);
    proto
}

/// ONNX number of an element type.
pub(super) fn element_type(dtype: DType) -> i32 {
    use tensor_proto::DataType;
    let kind = match dtype {
        DType::F32 => DataType::FLOAT,
        DType::F64 => DataType::DOUBLE,
        DType::I64 => DataType::INT64,
        DType::I32 => DataType::INT32,
        DType::U8 => DataType::UINT8,
        DType::Bool => DataType::BOOL,
        DType::Str => DataType::STRING,
    };
    kind as i32
}

fn initializer(name: &str, tensor: &Tensor) -> TensorProto {
    let mut proto = TensorProto::new();
    proto.name = name.into();
    proto.dims = tensor.shape.iter().map(|&d| d as i64).collect();
    proto.data_type = element_type(tensor.data.dtype());
    match &tensor.data {
        Data::F32(v) => proto.raw_data = v.iter().flat_map(|x| x.to_le_bytes()).collect(),
        Data::F64(v) => proto.raw_data = v.iter().flat_map(|x| x.to_le_bytes()).collect(),
        Data::I64(v) => proto.raw_data = v.iter().flat_map(|x| x.to_le_bytes()).collect(),
        Data::I32(v) => proto.raw_data = v.iter().flat_map(|x| x.to_le_bytes()).collect(),
        Data::U8(v) => proto.raw_data = v.clone(),
        Data::Bool(v) => proto.raw_data = v.iter().map(|&b| u8::from(b)).collect(),
        Data::Str(v) => proto.string_data = v.iter().map(|s| s.clone().into_bytes()).collect(),
    }
    proto
}

fn value_info(name: &str, ty: &TensorType) -> ValueInfoProto {
    let mut shape = TensorShapeProto::new();
    shape.dim = ty
        .shape
        .0
        .iter()
        .map(|d| {
            let mut dimension = tensor_shape_proto::Dimension::new();
            match d {
                Dim::Fixed(n) => dimension.set_dim_value(*n as i64),
                Dim::Batch => dimension.set_dim_param(BATCH_AXIS.into()),
            }
            dimension
        })
        .collect();
    let mut tensor = type_proto::Tensor::new();
    tensor.elem_type = element_type(ty.dtype);
    tensor.shape = MessageField::some(shape);
    let mut kind = TypeProto::new();
    kind.set_tensor_type(tensor);
    let mut info = ValueInfoProto::new();
    info.name = name.into();
    info.type_ = MessageField::some(kind);
    info
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_beyond_two_gib_is_an_error() {
        let mut tensor = TensorProto::new();
        // Zeros that nobody touches take no memory.
        tensor.raw_data = vec![0; 1 << 31];
        let mut graph = GraphProto::new();
        graph.initializer = vec![tensor];
        let mut model = ModelProto::new();
        model.graph = MessageField::some(graph);
        let error = bytes(&model).unwrap_err();
        assert!(matches!(error, OnnxError::Unwritable { .. }), "{error}");
    }
}
