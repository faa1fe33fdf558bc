//! Reading a `ModelProto`: what it holds, without running it.

use super::{Metadata, OnnxError, check};
use crate::graph::DType;
use onnx_protobuf::{
    AttributeProto, GraphProto, Message, ModelProto, NodeProto, TensorProto, TypeProto, ValueInfoProto, attribute_proto,
    tensor_proto,
};
use protobuf::Enum;
use std::collections::HashMap;

/// What a model holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// `producer_name`.
    pub producer: String,
    /// `producer_version`.
    pub producer_version: String,
    /// `ir_version`.
    pub ir_version: i64,
    /// Imported operator sets: domain (empty for `ai.onnx`) and version.
    pub opsets: Vec<(String, i64)>,
    /// `metadata_props`.
    pub metadata: Metadata,
    /// Inputs that must be fed: initializers that are also listed as inputs are left out.
    pub inputs: Vec<ValueInfo>,
    /// Outputs.
    pub outputs: Vec<ValueInfo>,
    /// Nodes of the main graph in their order.
    pub nodes: Vec<NodeInfo>,
    /// Initializers of the main graph.
    pub initializers: Vec<InitializerInfo>,
}

impl Summary {
    /// The metadata entry of this key.
    pub fn metadata(&self, key: &str) -> Option<&str> {
        self.metadata.iter().find(|(k, _)| k == key).map(|(_, v)| v.as_str())
    }

    /// Version of the imported operator set of `ai.onnx`.
    pub fn opset(&self) -> i64 {
        self.opsets.iter().find(|(domain, _)| check::is_default(domain)).map_or(0, |(_, version)| *version)
    }
}

/// Extents of a tensor; `None` for a symbolic or unknown one.
pub type Extents = Vec<Option<usize>>;

/// An input or output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValueInfo {
    /// Name.
    pub name: String,
    /// Element type.
    pub dtype: DType,
    /// Extents.
    pub shape: Extents,
}

/// A node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeInfo {
    /// Name; may be empty.
    pub name: String,
    /// Operator, such as `Conv`.
    pub op_type: String,
    /// Domain; empty for `ai.onnx`.
    pub domain: String,
    /// Names of the inputs; empty for one left out.
    pub inputs: Vec<String>,
    /// Names of the outputs.
    pub outputs: Vec<String>,
    /// Attributes by name, in short form.
    pub attributes: Vec<(String, String)>,
    /// Extents of each output, where the model states them.
    pub output_shapes: Vec<Option<Extents>>,
}

/// An initializer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InitializerInfo {
    /// Name.
    pub name: String,
    /// Element type.
    pub dtype: DType,
    /// Extents.
    pub shape: Vec<usize>,
    /// Number of elements.
    pub elements: usize,
}

/// Reads and checks a model.
///
/// # Errors
/// [`OnnxError::Broken`] where the bytes are no model, [`OnnxError::Invalid`] with everything that is wrong otherwise.
pub fn read(bytes: &[u8]) -> Result<Summary, OnnxError> {
    let model = ModelProto::parse_from_bytes(bytes).map_err(|e| OnnxError::Broken { reason: e.to_string() })?;
    let Some(graph) = model.graph.as_ref() else {
        return Err(OnnxError::Broken { reason: "there is no graph in it".into() });
    };
    let mut problems = check::problems(&model);
    let known: Vec<&str> = graph.initializer.iter().map(|t| t.name.as_str()).collect();
    let fed = graph.input.iter().filter(|v| !known.contains(&v.name.as_str()));
    let summary = Summary {
        producer: model.producer_name.clone(),
        producer_version: model.producer_version.clone(),
        ir_version: model.ir_version,
        opsets: model.opset_import.iter().map(|o| (o.domain.clone(), o.version)).collect(),
        metadata: model.metadata_props.iter().map(|p| (p.key.clone(), p.value.clone())).collect(),
        inputs: fed.filter_map(|v| value(v, "input", &mut problems)).collect(),
        outputs: graph.output.iter().filter_map(|v| value(v, "output", &mut problems)).collect(),
        nodes: nodes(graph),
        initializers: graph.initializer.iter().filter_map(|t| initializer(t, &mut problems)).collect(),
    };
    if problems.is_empty() { Ok(summary) } else { Err(OnnxError::Invalid { problems }) }
}

/// Element type of an ONNX number.
fn dtype(number: i32) -> Option<DType> {
    [DType::F32, DType::F64, DType::I64, DType::I32, DType::U8, DType::Bool, DType::Str]
        .into_iter()
        .find(|&dtype| super::write::element_type(dtype) == number)
}

/// The reason why an element type is not read.
fn foreign(number: i32) -> String {
    tensor_proto::DataType::from_i32(number)
        .map_or_else(|| format!("type number {number}"), |kind| format!("type {kind:?}").to_lowercase())
}

fn value(info: &ValueInfoProto, role: &str, problems: &mut Vec<String>) -> Option<ValueInfo> {
    let Some(ty) = info.type_.as_ref().filter(|t| t.has_tensor_type()) else {
        problems.push(format!("{role} {:?} is not a tensor", info.name));
        return None;
    };
    let number = ty.tensor_type().elem_type;
    let Some(dtype) = dtype(number) else {
        problems.push(format!("{role} {:?} is of {}, which is not supported", info.name, foreign(number)));
        return None;
    };
    Some(ValueInfo { name: info.name.clone(), dtype, shape: extents(ty).unwrap_or_default() })
}

/// Extents of a tensor type, where it has a rank.
fn extents(ty: &TypeProto) -> Option<Extents> {
    let shape = ty.has_tensor_type().then(|| ty.tensor_type().shape.as_ref())??;
    let extent = |d: &onnx_protobuf::tensor_shape_proto::Dimension| {
        d.has_dim_value().then(|| usize::try_from(d.dim_value()).ok()).flatten()
    };
    Some(shape.dim.iter().map(extent).collect())
}

fn nodes(graph: &GraphProto) -> Vec<NodeInfo> {
    let stated: HashMap<&str, &ValueInfoProto> =
        graph.value_info.iter().chain(&graph.output).map(|v| (v.name.as_str(), v)).collect();
    let shape = |name: &String| stated.get(name.as_str()).and_then(|v| v.type_.as_ref()).and_then(extents);
    let info = |node: &NodeProto| NodeInfo {
        name: node.name.clone(),
        op_type: node.op_type.clone(),
        domain: node.domain.clone(),
        inputs: node.input.clone(),
        outputs: node.output.clone(),
        attributes: node.attribute.iter().map(|a| (a.name.clone(), attribute(a))).collect(),
        output_shapes: node.output.iter().map(shape).collect(),
    };
    graph.node.iter().map(info).collect()
}

/// An attribute's value in short form.
fn attribute(a: &AttributeProto) -> String {
    use attribute_proto::AttributeType as Kind;
    let text = |bytes: &Vec<u8>| format!("{:?}", String::from_utf8_lossy(bytes));
    match a.type_.enum_value_or_default() {
        Kind::INT => a.i.to_string(),
        Kind::FLOAT => a.f.to_string(),
        Kind::STRING => text(&a.s),
        Kind::INTS => list(&a.ints, i64::to_string),
        Kind::FLOATS => list(&a.floats, f32::to_string),
        Kind::STRINGS => list(&a.strings, text),
        Kind::TENSOR => a.t.as_ref().map_or_else(|| "tensor".into(), |t| format!("tensor{:?}", t.dims)),
        other => format!("{other:?}").to_lowercase(),
    }
}

/// The first values of a list, and how many more there are.
fn list<T>(values: &[T], show: impl Fn(&T) -> String) -> String {
    const SHOWN: usize = 8;
    let mut parts: Vec<String> = values.iter().take(SHOWN).map(show).collect();
    if values.len() > SHOWN {
        parts.push(format!("{} more", values.len() - SHOWN));
    }
    format!("[{}]", parts.join(", "))
}

fn initializer(tensor: &TensorProto, problems: &mut Vec<String>) -> Option<InitializerInfo> {
    let mut refuse = |problem: String| {
        problems.push(format!("initializer {:?} {problem}", tensor.name));
        None
    };
    let Some(dtype) = dtype(tensor.data_type) else {
        return refuse(format!("is of {}, which is not supported", foreign(tensor.data_type)));
    };
    let shape: Option<Vec<usize>> = tensor.dims.iter().map(|&d| usize::try_from(d).ok()).collect();
    let elements = shape.as_ref().and_then(|s| s.iter().try_fold(1usize, |n, &d| n.checked_mul(d)));
    let (Some(shape), Some(elements)) = (shape, elements) else {
        return refuse(format!("has the impossible shape {:?}", tensor.dims));
    };
    if tensor.data_location.enum_value_or_default() == tensor_proto::DataLocation::EXTERNAL {
        return refuse("lies in another file; one self-contained file is wanted".into());
    }
    let stored = stored_elements(tensor, dtype);
    if stored != Some(elements) {
        return refuse(format!("of shape {shape:?} does not hold {elements} elements"));
    }
    Some(InitializerInfo { name: tensor.name.clone(), dtype, shape, elements })
}

/// Number of elements that an initializer's data amount to, if that is a whole number.
fn stored_elements(tensor: &TensorProto, dtype: DType) -> Option<usize> {
    let width = match dtype {
        DType::F64 | DType::I64 => 8,
        DType::F32 | DType::I32 => 4,
        DType::U8 | DType::Bool => 1,
        DType::Str => return Some(tensor.string_data.len()),
    };
    if !tensor.raw_data.is_empty() {
        return tensor.raw_data.len().is_multiple_of(width).then_some(tensor.raw_data.len() / width);
    }
    Some(match dtype {
        DType::F32 => tensor.float_data.len(),
        DType::F64 => tensor.double_data.len(),
        DType::I64 => tensor.int64_data.len(),
        _ => tensor.int32_data.len(),
    })
}
