//! Operators that only exported models need: from raw columns and pixels to what a net reads, and from what it says to
//! labels and values.
//!
//! All work with a symbolic batch, and with kernels that ONNX Runtime 1.17, tract and the reference evaluator have.

use crate::graph::{Attribute, DType, Data, Dim, GraphError, Op, Shape, ShapeError, Speller, Tensor, TensorType, Term};

/// One input of the given element type and rank.
fn single<'a>(inputs: &[&'a TensorType], dtype: DType, rank: usize) -> Result<&'a TensorType, ShapeError> {
    match inputs {
        [x] if x.dtype == dtype && x.shape.rank() == rank => Ok(x),
        [x] => Err(ShapeError::new(format!("{dtype} of rank {rank} wanted, {x} given"))),
        _ => Err(ShapeError::new(format!("1 input wanted, {} given", inputs.len()))),
    }
}

/// The type of `rows` with other extents behind the first axis.
fn rows_of(x: &TensorType, dtype: DType, rest: &[usize]) -> TensorType {
    TensorType::new(dtype, Shape::batched(x.shape.0[0], rest))
}

fn row(s: &mut Speller<'_>, values: &[f32]) -> Term {
    s.constant(Tensor::f32(&[values.len()], values.to_vec()))
}

/// Puts matrices `[N, k]` beside each other (ONNX `Concat`).
#[derive(Debug, Clone, Copy)]
pub struct JoinColumns;

impl Op for JoinColumns {
    fn name(&self) -> &'static str {
        "JoinColumns"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let first = inputs.first().ok_or_else(|| ShapeError::new("at least one input wanted"))?;
        let mut width = 0;
        for x in inputs {
            if x.shape.rank() != 2 || x.dtype != first.dtype || x.shape.0[0] != first.shape.0[0] {
                return Err(ShapeError::new(format!("{x} does not stand beside {first}")));
            }
            width += x.shape.extent(1)?;
        }
        Ok(vec![rows_of(first, first.dtype, &[width])])
    }

    fn standard(&self, s: &mut Speller<'_>) -> Result<(), GraphError> {
        let inputs: Vec<Term> = (0..s.input_count()).map(|i| s.input(i)).collect();
        let y = s.node("Concat", &inputs, vec![("axis", Attribute::Int(1))]);
        s.output(0, y);
        Ok(())
    }
}

/// Columns of a matrix `[N, k]`, in the order given (ONNX `Gather`).
#[derive(Debug, Clone)]
pub struct TakeColumns {
    /// Positions of the columns.
    pub columns: Vec<usize>,
}

impl Op for TakeColumns {
    fn name(&self) -> &'static str {
        "TakeColumns"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let x = single(inputs, DType::F32, 2)?;
        let width = x.shape.extent(1)?;
        if let Some(column) = self.columns.iter().find(|&&c| c >= width) {
            return Err(ShapeError::new(format!("{x} has no column {column}")));
        }
        Ok(vec![rows_of(x, x.dtype, &[self.columns.len()])])
    }

    fn standard(&self, s: &mut Speller<'_>) -> Result<(), GraphError> {
        let y = take(s, s.input(0), &self.columns);
        s.output(0, y);
        Ok(())
    }
}

fn take(s: &mut Speller<'_>, x: Term, columns: &[usize]) -> Term {
    let columns = s.ints(&columns.iter().map(|&c| c as i64).collect::<Vec<_>>());
    s.node("Gather", &[x, columns], vec![("axis", Attribute::Int(1))])
}

/// Clips, takes a logarithm if wanted, and standardises each column of `[N, n]`; NaN becomes 0.
#[derive(Debug, Clone)]
pub struct CleanNumbers {
    /// Values below are cut off.
    pub low: Vec<f32>,
    /// Values above are cut off.
    pub high: Vec<f32>,
    /// Pivots p and widths w of sign(x − p) · ln(1 + |x − p| / w).
    pub log: Option<(Vec<f32>, Vec<f32>)>,
    /// Taken off after that.
    pub offset: Vec<f32>,
    /// Multiplied with after that.
    pub scale: Vec<f32>,
}

impl Op for CleanNumbers {
    fn name(&self) -> &'static str {
        "CleanNumbers"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let x = single(inputs, DType::F32, 2)?;
        if x.shape.extent(1)? != self.low.len() {
            return Err(ShapeError::new(format!("{} columns wanted, {x} given", self.low.len())));
        }
        Ok(vec![x.clone()])
    }

    fn standard(&self, s: &mut Speller<'_>) -> Result<(), GraphError> {
        let x = s.input(0);
        let (low, high) = (row(s, &self.low), row(s, &self.high));
        let missing = s.node("IsNaN", &[x], vec![]);
        // Engines differ in what Max and Min make of NaN, so it goes first.
        let present = s.node("Where", &[missing, low, x], vec![]);
        let raised = s.node("Max", &[present, low], vec![]);
        let mut y = s.node("Min", &[raised, high], vec![]);
        if let Some((pivots, widths)) = &self.log {
            let (pivot, width, one) = (row(s, pivots), row(s, widths), s.scalar(1.0));
            let distance = s.node("Sub", &[y, pivot], vec![]);
            let size = s.node("Abs", &[distance], vec![]);
            let relative = s.node("Div", &[size, width], vec![]);
            let above = s.node("Add", &[relative, one], vec![]);
            let logarithm = s.node("Log", &[above], vec![]);
            let sign = s.node("Sign", &[distance], vec![]);
            y = s.node("Mul", &[logarithm, sign], vec![]);
        }
        let (offset, scale, zero) = (row(s, &self.offset), row(s, &self.scale), s.scalar(0.0));
        let centred = s.node("Sub", &[y, offset], vec![]);
        let scaled = s.node("Mul", &[centred, scale], vec![]);
        let y = s.node("Where", &[missing, zero, scaled], vec![]);
        s.output(0, y);
        Ok(())
    }
}

/// 1 where a value of the given columns of `[N, n]` is NaN, 0 elsewhere.
#[derive(Debug, Clone)]
pub struct MissingFlags {
    /// Positions of the columns.
    pub columns: Vec<usize>,
}

impl Op for MissingFlags {
    fn name(&self) -> &'static str {
        "MissingFlags"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        TakeColumns { columns: self.columns.clone() }.infer(inputs)
    }

    fn standard(&self, s: &mut Speller<'_>) -> Result<(), GraphError> {
        let values = take(s, s.input(0), &self.columns);
        let missing = s.node("IsNaN", &[values], vec![]);
        let y = s.node("Cast", &[missing], to(DType::F32));
        s.output(0, y);
        Ok(())
    }
}

/// Attribute of `Cast`; the numbers are those of `TensorProto.DataType`.
fn to(dtype: DType) -> Vec<(&'static str, Attribute)> {
    vec![("to", Attribute::Int(if dtype == DType::I64 { 7 } else { 1 }))]
}

/// Slots of columns of text, each `[N, 1]`, as int64 `[N, m]`.
///
/// With V values in its vocabulary a column has slots 0 … V − 1 for them, V for unknown and V + 1 for missing values, and
/// starts where the column before ends.
#[derive(Debug, Clone)]
pub struct CategorySlots {
    /// Values of each column; distinct.
    pub vocabularies: Vec<Vec<String>>,
    /// Spellings of a missing value.
    pub missing: Vec<String>,
    /// Vocabulary size above which `ai.onnx.ml.LabelEncoder` takes the place of comparisons.
    pub large: usize,
}

impl Op for CategorySlots {
    fn name(&self) -> &'static str {
        "CategorySlots"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        if inputs.is_empty() || inputs.len() != self.vocabularies.len() {
            return Err(ShapeError::new(format!("{} inputs wanted, {} given", self.vocabularies.len(), inputs.len())));
        }
        for x in inputs {
            if x.dtype != DType::Str || x.shape.rank() != 2 || x.shape.0[1] != Dim::Fixed(1) {
                return Err(ShapeError::new(format!("string [N, 1] wanted, {x} given")));
            }
        }
        Ok(vec![rows_of(inputs[0], DType::I64, &[inputs.len()])])
    }

    fn standard(&self, s: &mut Speller<'_>) -> Result<(), GraphError> {
        let mut columns = Vec::new();
        let mut unknown = Vec::new();
        let mut start = 0;
        for (i, vocabulary) in self.vocabularies.iter().enumerate() {
            columns.push(self.compare(s, i, vocabulary));
            unknown.push((start + vocabulary.len()) as f32);
            start += vocabulary.len() + 2;
        }
        let distances = if let [only] = columns.as_slice() {
            *only
        } else {
            s.node("Concat", &columns, vec![("axis", Attribute::Int(1))])
        };
        // Slots are far below 2²⁴, so float32 holds them exactly.
        let unknown = row(s, &unknown);
        let slots = s.node("Add", &[distances, unknown], vec![]);
        let y = s.node("Cast", &[slots], to(DType::I64));
        s.output(0, y);
        Ok(())
    }
}

impl CategorySlots {
    /// Distance of a value's slot from the unknown slot as float32 `[N, 1]`: one-hot by comparison, then a product.
    fn compare(&self, s: &mut Speller<'_>, i: usize, vocabulary: &[String]) -> Term {
        let size = vocabulary.len();
        let names: Vec<String> = vocabulary.iter().chain(&self.missing).cloned().collect();
        let mut distances: Vec<f32> = (0..size).map(|slot| slot as f32 - size as f32).collect();
        distances.resize(names.len(), 1.0);
        let names = s.constant(Tensor::new(&[1, names.len()], Data::Str(names)));
        let distances = s.constant(Tensor::f32(&[distances.len(), 1], distances));
        let equal = s.node("Equal", &[s.input(i), names], vec![]);
        let one_hot = s.node("Cast", &[equal], to(DType::F32));
        s.node("MatMul", &[one_hot, distances], vec![])
    }
}

/// Bytes `[N, H, W, C]` to standardised float32 `[N, C, H, W]`: (x − mean) / std for each channel.
#[derive(Debug, Clone)]
pub struct ScalePixels {
    /// Mean of each channel.
    pub mean: Vec<f32>,
    /// Standard deviation of each channel.
    pub std: Vec<f32>,
}

impl Op for ScalePixels {
    fn name(&self) -> &'static str {
        "ScalePixels"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let x = single(inputs, DType::U8, 4)?;
        let [h, w, c] = [x.shape.extent(1)?, x.shape.extent(2)?, x.shape.extent(3)?];
        if c != self.mean.len() || c != self.std.len() {
            return Err(ShapeError::new(format!("{} channels wanted, {x} given", self.mean.len())));
        }
        Ok(vec![rows_of(x, DType::F32, &[c, h, w])])
    }

    fn standard(&self, s: &mut Speller<'_>) -> Result<(), GraphError> {
        let shape = [self.mean.len(), 1, 1];
        let mean = s.constant(Tensor::f32(&shape, self.mean.clone()));
        let std = s.constant(Tensor::f32(&shape, self.std.clone()));
        let floats = s.node("Cast", &[s.input(0)], to(DType::F32));
        let planes = s.node("Transpose", &[floats], vec![("perm", Attribute::Ints(vec![0, 3, 1, 2]))]);
        let centred = s.node("Sub", &[planes, mean], vec![]);
        let y = s.node("Div", &[centred, std], vec![]);
        s.output(0, y);
        Ok(())
    }
}

/// Name of the class with the largest logit, `[N, C]` to `[N]`: `string`, or `int64` where the names are whole numbers.
#[derive(Debug, Clone)]
pub struct DecodeLabel {
    /// Names of the classes.
    pub names: Vec<String>,
    /// Whether the names are written as integers.
    pub integers: bool,
}

impl DecodeLabel {
    fn dtype(&self) -> DType {
        if self.integers { DType::I64 } else { DType::Str }
    }
}

impl Op for DecodeLabel {
    fn name(&self) -> &'static str {
        "DecodeLabel"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let x = single(inputs, DType::F32, 2)?;
        if x.shape.extent(1)? != self.names.len() {
            return Err(ShapeError::new(format!("{} logits wanted, {x} given", self.names.len())));
        }
        Ok(vec![rows_of(x, self.dtype(), &[])])
    }

    fn standard(&self, s: &mut Speller<'_>) -> Result<(), GraphError> {
        let names = if self.integers {
            let parsed: Result<Vec<i64>, _> = self.names.iter().map(|n| n.parse()).collect();
            Data::I64(parsed.map_err(|e| s.refuse(format!("a class is no integer: {e}")))?)
        } else {
            Data::Str(self.names.clone())
        };
        let names = s.constant(Tensor::new(&[self.names.len()], names));
        let attributes = vec![("axis", Attribute::Int(1)), ("keepdims", Attribute::Int(0))];
        let index = s.node("ArgMax", &[s.input(0)], attributes);
        let y = s.node("Gather", &[names, index], vec![("axis", Attribute::Int(0))]);
        s.output(0, y);
        Ok(())
    }
}

/// Probabilities of logits `[N, C]` (ONNX `Softmax` over the last axis).
#[derive(Debug, Clone, Copy)]
pub struct Probabilities;

impl Op for Probabilities {
    fn name(&self) -> &'static str {
        "Probabilities"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        Ok(vec![single(inputs, DType::F32, 2)?.clone()])
    }

    fn standard(&self, s: &mut Speller<'_>) -> Result<(), GraphError> {
        let y = s.node("Softmax", &[s.input(0)], vec![("axis", Attribute::Int(-1))]);
        s.output(0, y);
        Ok(())
    }
}

/// `mean + std · x` of standardised values `[N, 1]`, as `[N]`.
#[derive(Debug, Clone, Copy)]
pub struct AffineOutput {
    /// Mean of the target.
    pub mean: f32,
    /// Standard deviation of the target.
    pub std: f32,
}

impl Op for AffineOutput {
    fn name(&self) -> &'static str {
        "AffineOutput"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let x = single(inputs, DType::F32, 2)?;
        if x.shape.extent(1)? != 1 {
            return Err(ShapeError::new(format!("[N, 1] wanted, {x} given")));
        }
        Ok(vec![rows_of(x, DType::F32, &[])])
    }

    fn standard(&self, s: &mut Speller<'_>) -> Result<(), GraphError> {
        let (mean, std) = (s.scalar(f64::from(self.mean)), s.scalar(f64::from(self.std)));
        let axis = s.ints(&[1]);
        let flat = s.node("Squeeze", &[s.input(0), axis], vec![]);
        let scaled = s.node("Mul", &[flat, std], vec![]);
        let y = s.node("Add", &[scaled, mean], vec![]);
        s.output(0, y);
        Ok(())
    }
}
