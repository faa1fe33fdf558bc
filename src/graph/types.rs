//! Element types, shapes and host tensors.

use super::ShapeError;
use std::fmt;

/// Element type of a tensor, a subset of ONNX `TensorProto.DataType`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DType {
    /// 32-bit float, the type of every net.
    F32,
    /// 64-bit float, used to check gradients.
    F64,
    /// 64-bit signed integer.
    I64,
    /// 32-bit signed integer.
    I32,
    /// 8-bit unsigned integer, the type of pixels.
    U8,
    /// Boolean.
    Bool,
    /// UTF-8 string.
    Str,
}

impl DType {
    /// Bytes of an element; of a string, those of its handle.
    pub fn bytes(self) -> usize {
        match self {
            DType::F64 | DType::I64 => 8,
            DType::F32 | DType::I32 => 4,
            DType::U8 | DType::Bool => 1,
            DType::Str => size_of::<String>(),
        }
    }

    /// True for the types that carry gradients.
    pub fn is_float(self) -> bool {
        matches!(self, DType::F32 | DType::F64)
    }

    /// Number of the type in ONNX, as attributes such as `to` of `Cast` want it.
    pub fn code(self) -> i64 {
        match self {
            DType::F32 => 1,
            DType::U8 => 2,
            DType::I32 => 6,
            DType::I64 => 7,
            DType::Str => 8,
            DType::Bool => 9,
            DType::F64 => 11,
        }
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DType::F32 => "float32",
            DType::F64 => "float64",
            DType::I64 => "int64",
            DType::I32 => "int32",
            DType::U8 => "uint8",
            DType::Bool => "bool",
            DType::Str => "string",
        })
    }
}

/// One extent of a shape. Only the first axis of a value may be the batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dim {
    /// Known when the graph is built.
    Fixed(usize),
    /// The named axis `N` of an exported model.
    Batch,
}

impl fmt::Display for Dim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Dim::Fixed(n) => write!(f, "{n}"),
            Dim::Batch => f.write_str("N"),
        }
    }
}

impl From<usize> for Dim {
    fn from(n: usize) -> Self {
        Dim::Fixed(n)
    }
}

/// Extents of a tensor, outermost first; empty for a scalar.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Shape(pub Vec<Dim>);

impl Shape {
    /// A shape without a batch axis.
    pub fn fixed(dims: &[usize]) -> Self {
        Shape(dims.iter().map(|&d| Dim::Fixed(d)).collect())
    }

    /// `batch` followed by fixed extents.
    pub fn batched(batch: Dim, rest: &[usize]) -> Self {
        let mut dims = vec![batch];
        dims.extend(rest.iter().map(|&d| Dim::Fixed(d)));
        Shape(dims)
    }

    /// The same extents behind another one.
    pub fn behind(&self, first: Dim) -> Self {
        Shape(std::iter::once(first).chain(self.0.iter().copied()).collect())
    }

    /// Number of axes.
    pub fn rank(&self) -> usize {
        self.0.len()
    }

    /// The extent of `axis`.
    ///
    /// # Errors
    /// Where the axis does not exist or is the symbolic batch.
    pub fn extent(&self, axis: usize) -> Result<usize, ShapeError> {
        match self.0.get(axis) {
            Some(Dim::Fixed(n)) => Ok(*n),
            Some(Dim::Batch) => Err(ShapeError::new(format!("axis {axis} of {self} is the symbolic batch"))),
            None => Err(ShapeError::new(format!("{self} has no axis {axis}"))),
        }
    }

    /// All extents as numbers.
    ///
    /// # Errors
    /// Where the batch is symbolic.
    pub fn extents(&self) -> Result<Vec<usize>, ShapeError> {
        (0..self.rank()).map(|axis| self.extent(axis)).collect()
    }

    /// Extents from `axis` on.
    ///
    /// # Errors
    /// Where one of them is the symbolic batch.
    pub fn extents_from(&self, axis: usize) -> Result<Vec<usize>, ShapeError> {
        (axis..self.rank()).map(|axis| self.extent(axis)).collect()
    }

    /// Number of elements.
    ///
    /// # Errors
    /// Where the batch is symbolic.
    pub fn elements(&self) -> Result<usize, ShapeError> {
        Ok(self.extents()?.iter().product())
    }

    /// The extents as ONNX `Reshape` wants them: −1 for a symbolic batch.
    pub fn reshape_dims(&self) -> Vec<i64> {
        self.0
            .iter()
            .map(|d| match d {
                Dim::Fixed(n) => *n as i64,
                Dim::Batch => -1,
            })
            .collect()
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[")?;
        for (i, d) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str(", ")?;
            }
            write!(f, "{d}")?;
        }
        f.write_str("]")
    }
}

/// Element type and shape of a value.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TensorType {
    /// Element type.
    pub dtype: DType,
    /// Extents.
    pub shape: Shape,
}

impl TensorType {
    /// A type from its parts.
    pub fn new(dtype: DType, shape: Shape) -> Self {
        TensorType { dtype, shape }
    }

    /// The same element type with another shape.
    pub fn with_shape(&self, shape: Shape) -> Self {
        TensorType { dtype: self.dtype, shape }
    }
}

impl fmt::Display for TensorType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.dtype, self.shape)
    }
}

/// Elements of a host tensor, row major.
#[derive(Debug, Clone, PartialEq)]
pub enum Data {
    /// 32-bit floats.
    F32(Vec<f32>),
    /// 64-bit floats.
    F64(Vec<f64>),
    /// 64-bit integers.
    I64(Vec<i64>),
    /// 32-bit integers.
    I32(Vec<i32>),
    /// Bytes.
    U8(Vec<u8>),
    /// Booleans.
    Bool(Vec<bool>),
    /// Strings.
    Str(Vec<String>),
}

impl Data {
    /// Number of elements.
    pub fn len(&self) -> usize {
        match self {
            Data::F32(v) => v.len(),
            Data::F64(v) => v.len(),
            Data::I64(v) => v.len(),
            Data::I32(v) => v.len(),
            Data::U8(v) => v.len(),
            Data::Bool(v) => v.len(),
            Data::Str(v) => v.len(),
        }
    }

    /// True where there is no element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Element type.
    pub fn dtype(&self) -> DType {
        match self {
            Data::F32(_) => DType::F32,
            Data::F64(_) => DType::F64,
            Data::I64(_) => DType::I64,
            Data::I32(_) => DType::I32,
            Data::U8(_) => DType::U8,
            Data::Bool(_) => DType::Bool,
            Data::Str(_) => DType::Str,
        }
    }
}

/// A tensor in host memory, row major.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    /// Extents, outermost first; empty for a scalar.
    pub shape: Vec<usize>,
    /// Elements; their number is the product of the extents.
    pub data: Data,
}

impl Tensor {
    /// A tensor from its parts.
    ///
    /// # Panics
    /// Where the number of elements is not the product of the extents: a mistake of the caller, never of input.
    pub fn new(shape: &[usize], data: Data) -> Self {
        assert_eq!(shape.iter().product::<usize>(), data.len(), "tensor of shape {shape:?} from {} elements", data.len());
        Tensor { shape: shape.to_vec(), data }
    }

    /// A float32 tensor.
    pub fn f32(shape: &[usize], data: Vec<f32>) -> Self {
        Tensor::new(shape, Data::F32(data))
    }

    /// A rank-1 int64 tensor.
    pub fn ints(data: &[i64]) -> Self {
        Tensor::new(&[data.len()], Data::I64(data.to_vec()))
    }

    /// A tensor of `dtype` filled from float64 values, rounded as the type demands.
    ///
    /// # Panics
    /// For strings, and where the number of values is not the product of the extents.
    pub fn from_f64(dtype: DType, shape: &[usize], values: &[f64]) -> Self {
        let data = match dtype {
            DType::F32 => Data::F32(values.iter().map(|&v| v as f32).collect()),
            DType::F64 => Data::F64(values.to_vec()),
            DType::I64 => Data::I64(values.iter().map(|&v| v as i64).collect()),
            DType::I32 => Data::I32(values.iter().map(|&v| v as i32).collect()),
            DType::U8 => Data::U8(values.iter().map(|&v| v as u8).collect()),
            DType::Bool => Data::Bool(values.iter().map(|&v| v != 0.0).collect()),
            DType::Str => panic!("no string tensor from numbers"),
        };
        Tensor::new(shape, data)
    }

    /// Element type and shape.
    pub fn ty(&self) -> TensorType {
        TensorType::new(self.data.dtype(), Shape::fixed(&self.shape))
    }

    /// The elements as float32, where they are.
    pub fn as_f32(&self) -> Option<&[f32]> {
        match &self.data {
            Data::F32(v) => Some(v),
            _ => None,
        }
    }
}
