//! Operators that only exported models need: from raw columns and pixels to what a net reads, and from what it says to
//! labels and values.
//!
//! All work with a symbolic batch, and with kernels that ONNX Runtime 1.17, tract and the reference evaluator have.

use super::{Case, Entry, Feed};
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
        let missing = not_finite(s, x);
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

/// 1 where a value of the given columns of `[N, n]` is NaN or infinite, 0 elsewhere.
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
        let missing = not_finite(s, values);
        let y = s.node("Cast", &[missing], to(DType::F32));
        s.output(0, y);
        Ok(())
    }
}

/// Where a number is NaN or infinite: its difference from itself is NaN then, and 0 otherwise.
fn not_finite(s: &mut Speller<'_>, x: Term) -> Term {
    let difference = s.node("Sub", &[x, x], vec![]);
    s.node("IsNaN", &[difference], vec![])
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
            let distance = if vocabulary.len() > self.large { Self::look_up } else { Self::compare };
            columns.push(distance(self, s, i, vocabulary));
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
    /// Known values and spellings of a missing one, with the distances of their slots from that of the unknown.
    fn distances(&self, vocabulary: &[String]) -> (Vec<String>, Vec<f32>) {
        let size = vocabulary.len();
        let names: Vec<String> = vocabulary.iter().chain(&self.missing).cloned().collect();
        let mut distances: Vec<f32> = (0..size).map(|slot| slot as f32 - size as f32).collect();
        distances.resize(names.len(), 1.0);
        (names, distances)
    }

    /// Distance of a value's slot from the unknown slot as float32 `[N, 1]`, from `ai.onnx.ml.LabelEncoder`.
    fn look_up(&self, s: &mut Speller<'_>, i: usize, vocabulary: &[String]) -> Term {
        let (names, distances) = self.distances(vocabulary);
        let attributes = vec![
            ("keys_strings", Attribute::Texts(names)),
            ("values_floats", Attribute::Floats(distances)),
            ("default_float", Attribute::Float(0.0)),
        ];
        s.ml_node("LabelEncoder", &[s.input(i)], attributes)
    }

    /// The same by comparison with every name: one-hot, then a product.
    fn compare(&self, s: &mut Speller<'_>, i: usize, vocabulary: &[String]) -> Term {
        let (names, distances) = self.distances(vocabulary);
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

/// Columns of a matrix.
pub static TAKE_COLUMNS: Entry = Entry {
    name: "TakeColumns",
    doc: "Columns of a matrix, in a given order",
    differentiable: false,
    cases: || {
        let case = |width, columns: &[usize]| {
            Case::new(TakeColumns { columns: columns.to_vec() }, vec![Feed::Normal(vec![3, width])])
        };
        vec![case(5, &[4, 0, 2]), case(1, &[0])]
    },
};
/// Raw numbers to features.
pub static CLEAN_NUMBERS: Entry = Entry {
    name: "CleanNumbers",
    doc: "Clip, logarithm and standardisation of columns of numbers",
    differentiable: false,
    cases: || {
        let clean = |log| CleanNumbers {
            low: vec![-1.0, -0.5, 0.0],
            high: vec![1.0, 0.5, 2.0],
            log,
            offset: vec![0.1, 0.0, -0.3],
            scale: vec![2.0, 1.0, 0.7],
        };
        let log = Some((vec![0.2, 0.0, -0.1], vec![0.5, 1.0, 0.1]));
        [None, log].map(|log| Case::new(clean(log), vec![Feed::Normal(vec![5, 3])])).into()
    },
};
/// Which numbers are missing.
pub static MISSING_FLAGS: Entry = Entry {
    name: "MissingFlags",
    doc: "1 where a number is missing, 0 elsewhere",
    differentiable: false,
    cases: || vec![Case::new(MissingFlags { columns: vec![2, 0] }, vec![Feed::Normal(vec![4, 3])])],
};
/// Raw text to slots.
pub static CATEGORY_SLOTS: Entry = Entry {
    name: "CategorySlots",
    doc: "Slots of columns of text in their vocabularies",
    differentiable: false,
    cases: || {
        let texts = |values: &[&str]| values.iter().map(|v| (*v).to_owned()).collect::<Vec<String>>();
        let case = |vocabularies: Vec<Vec<String>>| {
            let inputs = vec![Feed::Text(vec![9, 1], &["a", "b b", "", "NA", "else"]); vocabularies.len()];
            Case::new(CategorySlots { vocabularies, missing: texts(&["", "NA"]), large: 8 }, inputs)
        };
        vec![case(vec![texts(&["a", "b b"])]), case(vec![texts(&["else"]), texts(&["a", "b b", "c"])])]
    },
};
/// Bytes to standardised pixels.
pub static SCALE_PIXELS: Entry = Entry {
    name: "ScalePixels",
    doc: "Bytes [N, H, W, C] to standardised [N, C, H, W]",
    differentiable: false,
    cases: || {
        let case =
            |c: usize| Case::new(ScalePixels { mean: vec![0.3; c], std: vec![0.5; c] }, vec![Feed::Mask(vec![2, 5, 3, c])]);
        vec![case(1), case(3)]
    },
};
/// Logits to the name of a class.
pub static DECODE_LABEL: Entry = Entry {
    name: "DecodeLabel",
    doc: "Name of the class with the largest logit",
    differentiable: false,
    cases: || {
        let names = ["7", "1", "12"].map(String::from).to_vec();
        vec![Case::new(DecodeLabel { names, integers: true }, vec![Feed::Normal(vec![4, 3])])]
    },
};
/// Standardised to raw values.
pub static AFFINE_OUTPUT: Entry = Entry {
    name: "AffineOutput",
    doc: "Standardised values to values in the units of the data",
    differentiable: false,
    cases: || vec![Case::new(AffineOutput { mean: -3.0, std: 2.5 }, vec![Feed::Normal(vec![7, 1])])],
};
