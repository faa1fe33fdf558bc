//! NPZ: NumPy's archives, with `x_train` and `y_train` (and `x_test`, `y_test`, which is never learnt from).

use super::{FileDigest, Format, Purpose, Request, Source, bytes};
use crate::data::DataError;
use crate::data::error::quoted;
use crate::data::raw::{RawBatch, TextBuilder, TextColumn};
use half::f16;
use npyz::npz::NpzArchive;
use npyz::{DType, NpyFile, Order, TypeChar};
use std::io::{Cursor, Read};
use std::path::Path;

/// NumPy archives.
pub static NPZ: Format = Format {
    name: "NPZ",
    doc: "an NPZ file with x_train [N, F], [N, H, W] or [N, H, W, C] and y_train [N]",
    sniff: |_, head| head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06"),
    read,
};

fn read(request: &Request<'_>) -> Result<Source, DataError> {
    let path = request.path;
    let content = bytes(path)?;
    let files = vec![FileDigest::of(path, &content)];
    let mut archive = NpzArchive::new(Cursor::new(content))
        .map_err(|e| DataError::file(path, format!("is no whole NPZ archive: {e}; is it cut off?")))?;
    let mut warnings = Vec::new();
    let (x, y) = match request.purpose {
        Purpose::Learn(_) => (array(path, &mut archive, "x_train")?, array(path, &mut archive, "y_train")?),
        Purpose::Apply(_) => match array(path, &mut archive, "x_test")? {
            Some(x) => (Some(x), array(path, &mut archive, "y_test")?),
            None => (array(path, &mut archive, "x_train")?, array(path, &mut archive, "y_train")?),
        },
    };
    let learn = matches!(request.purpose, Purpose::Learn(_));
    let (Some(x), true) = (x, y.is_some() || !learn) else {
        let names: Vec<&str> = archive.array_names().collect();
        let needed = if learn { "the arrays x_train and y_train" } else { "an array x_test or x_train" };
        return Err(DataError::file(path, format!("needs {needed}; it has {}", quoted(&names))));
    };
    let rows = x.shape.first().copied().unwrap_or(0);
    let part = Some(x.name);
    let inputs = inputs(path, x, &mut warnings)?;
    let target = y.map(|y| labels(path, y, rows)).transpose()?;
    Ok(Source { inputs, target, labels: false, target_name: None, group: None, part, files, warnings })
}

/// An array in memory.
struct Array {
    name: &'static str,
    shape: Vec<usize>,
    values: Values,
}

enum Values {
    Bytes(Vec<u8>),
    Integers(Vec<i64>),
    Singles(Vec<f32>),
    Doubles(Vec<f64>),
    Texts(Vec<String>),
}

type Archive = NpzArchive<Cursor<Vec<u8>>>;

/// The array of that name, if there is one.
fn array(path: &Path, archive: &mut Archive, name: &'static str) -> Result<Option<Array>, DataError> {
    let broken = |e: std::io::Error| DataError::file(path, format!("array {name} cannot be read: {e}; is it cut off?"));
    let Some(file) = archive.by_name(name).map_err(broken)? else { return Ok(None) };
    let header = file.header().clone();
    let shape: Vec<usize> = header.shape().iter().map(|&d| d as usize).collect();
    if header.order() == Order::Fortran && shape.iter().filter(|&&d| d > 1).count() > 1 {
        let problem = format!("array {name} is in Fortran order; save it through numpy.ascontiguousarray");
        return Err(DataError::file(path, problem));
    }
    let kind = match header.dtype() {
        DType::Plain(kind) => kind,
        other => return Err(DataError::file(path, format!("array {name} has the type {}", other.descr()))),
    };
    let mut data = Vec::new();
    file.into_inner().read_to_end(&mut data).map_err(broken)?;
    let unreadable = || {
        let problem = format!("array {name} has the type {kind}; integers, float16, float32, float64 and str can be read");
        DataError::file(path, problem)
    };
    let size = kind.num_bytes().ok_or_else(unreadable)?;
    let expected = shape.iter().try_fold(size, |n, &d| n.checked_mul(d));
    if expected != Some(data.len()) {
        let problem = format!("array {name} of shape {shape:?} holds {} bytes; is it cut off?", data.len());
        return Err(DataError::file(path, problem));
    }
    let npy = || NpyFile::with_header(header.clone(), data.as_slice());
    let values = match (kind.type_char(), kind.num_bytes()) {
        (TypeChar::Uint, Some(1)) | (TypeChar::Bool, _) => Values::Bytes(data),
        (TypeChar::Uint, Some(2)) => Values::Integers(widened(npy().into_vec::<u16>(), i64::from).map_err(broken)?),
        (TypeChar::Uint, Some(4)) => Values::Integers(widened(npy().into_vec::<u32>(), i64::from).map_err(broken)?),
        (TypeChar::Uint, Some(8)) => Values::Integers(signed(path, name, npy().into_vec().map_err(broken)?)?),
        (TypeChar::Int, Some(1)) => Values::Integers(widened(npy().into_vec::<i8>(), i64::from).map_err(broken)?),
        (TypeChar::Int, Some(2)) => Values::Integers(widened(npy().into_vec::<i16>(), i64::from).map_err(broken)?),
        (TypeChar::Int, Some(4)) => Values::Integers(widened(npy().into_vec::<i32>(), i64::from).map_err(broken)?),
        (TypeChar::Int, Some(8)) => Values::Integers(npy().into_vec().map_err(broken)?),
        (TypeChar::Float, Some(2)) => {
            let values: Vec<f16> = npy().into_vec().map_err(broken)?;
            Values::Singles(values.into_iter().map(f16::to_f32).collect())
        }
        (TypeChar::Float, Some(4)) => Values::Singles(npy().into_vec().map_err(broken)?),
        (TypeChar::Float, Some(8)) => Values::Doubles(npy().into_vec().map_err(broken)?),
        (TypeChar::UnicodeStr, _) => Values::Texts(npy().into_vec().map_err(broken)?),
        _ => return Err(unreadable()),
    };
    Ok(Some(Array { name, shape, values }))
}

fn widened<T>(values: std::io::Result<Vec<T>>, widen: fn(T) -> i64) -> std::io::Result<Vec<i64>> {
    Ok(values?.into_iter().map(widen).collect())
}

/// Unsigned integers as signed ones, which must hold them: a label that is merged with another would be lost.
fn signed(path: &Path, name: &str, values: Vec<u64>) -> Result<Vec<i64>, DataError> {
    let fits = |value: u64| {
        let problem =
            || format!("array {name} holds {value}, which is too large for int64; save it as float64, or labels as text");
        i64::try_from(value).map_err(|_| DataError::file(path, problem()))
    };
    values.into_iter().map(fits).collect()
}

/// A matrix, or images.
fn inputs(path: &Path, x: Array, warnings: &mut Vec<String>) -> Result<RawBatch, DataError> {
    let shape = x.shape.clone();
    let wrong = |what: &str| {
        let Array { name, shape, .. } = &x;
        DataError::file(path, format!("array {name} has the shape {shape:?}; {what}"))
    };
    match *shape.as_slice() {
        [_, width] if width > 0 => Ok(RawBatch::Matrix { values: floats(path, x)?, width }),
        [_, height, width] => Ok(RawBatch::Images { pixels: pixels(path, x, warnings)?, height, width, channels: 1 }),
        [_, height, width, channels @ (1 | 3)] => {
            Ok(RawBatch::Images { pixels: pixels(path, x, warnings)?, height, width, channels })
        }
        [_, 1 | 3, _, _] => Err(wrong("the channels must be the last axis")),
        [_, _, _, _] => Err(wrong("images have 1 or 3 channels, in the last axis")),
        _ => Err(wrong("[N, F], [N, H, W] or [N, H, W, C] are expected")),
    }
}

/// Numbers of a matrix as float32; what is not finite is missing.
fn floats(path: &Path, x: Array) -> Result<Vec<f32>, DataError> {
    let finite = |v: f32| if v.is_finite() { v } else { f32::NAN };
    Ok(match x.values {
        Values::Bytes(v) => v.into_iter().map(f32::from).collect(),
        Values::Integers(v) => v.into_iter().map(|v| v as f32).collect(),
        Values::Singles(v) => v.into_iter().map(finite).collect(),
        Values::Doubles(v) => v.into_iter().map(|v| finite(v as f32)).collect(),
        Values::Texts(_) => return Err(DataError::file(path, format!("array {} holds text; numbers are expected", x.name))),
    })
}

/// Bytes of images: whole numbers from 0 to 255 as they are, fractions from 0 to 1 times 255. Integers are never
/// multiplied; among floats only larger pixels of the file tell whole numbers from black and white fractions.
fn pixels(path: &Path, x: Array, warnings: &mut Vec<String>) -> Result<Vec<u8>, DataError> {
    let name = x.name;
    let integers = matches!(x.values, Values::Integers(_));
    let values = match x.values {
        Values::Bytes(bytes) => return Ok(bytes),
        values => floats(path, Array { values, ..x })?,
    };
    let (low, high) = values.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(l, h), &v| (l.min(v), h.max(v)));
    let whole = values.iter().all(|v| v.fract() == 0.0);
    if values.iter().any(|v| v.is_nan()) || low < 0.0 || high > if whole { 255.0 } else { 1.0 } {
        let problem = format!(
            "array {name} has pixels from {low} to {high}; whole numbers from 0 to 255 or fractions from 0 to 1 are expected"
        );
        return Err(DataError::file(path, problem));
    }
    if integers || (whole && high > 1.0) {
        return Ok(values.into_iter().map(|v| v as u8).collect());
    }
    warnings.push(format!("pixels of {name} lie between 0 and 1 and are multiplied by 255; the exported model reads bytes"));
    Ok(values.into_iter().map(|v| (v * 255.0).round() as u8).collect())
}

/// Labels as text; NaN is missing.
fn labels(path: &Path, y: Array, rows: usize) -> Result<TextColumn, DataError> {
    let count: usize = y.shape.iter().product();
    if count != rows || y.shape.first() != Some(&rows) {
        let problem =
            format!("array {} has the shape {:?}, but there are {rows} rows; [{rows}] is expected", y.name, y.shape);
        return Err(DataError::file(path, problem));
    }
    let mut column = TextBuilder::new(rows);
    match y.values {
        Values::Bytes(v) => v.iter().for_each(|v| column.push(&v.to_string())),
        Values::Integers(v) => v.iter().for_each(|v| column.push(&v.to_string())),
        Values::Singles(v) => {
            v.iter().for_each(|v| if v.is_nan() { column.push_missing() } else { column.push(&v.to_string()) });
        }
        Values::Doubles(v) => {
            v.iter().for_each(|v| if v.is_nan() { column.push_missing() } else { column.push(&v.to_string()) });
        }
        Values::Texts(v) => v.iter().for_each(|v| if v.is_empty() { column.push_missing() } else { column.push(v) }),
    }
    Ok(column.finish())
}

#[cfg(test)]
mod tests {
    use super::*;
    use npyz::{AutoSerialize, Serialize, WriterBuilder};

    /// What is read of an array of these values.
    fn read_back<T: Serialize + AutoSerialize>(values: Vec<T>) -> Result<Values, String> {
        let mut bytes = Cursor::new(Vec::new());
        let mut archive = npyz::npz::NpzWriter::new(&mut bytes);
        let array = archive.array::<T>("x_train", Default::default()).unwrap().default_dtype();
        let mut array = array.shape(&[values.len() as u64]).begin_nd().unwrap();
        array.extend(values).unwrap();
        array.finish().unwrap();
        drop(archive);
        let mut archive = NpzArchive::new(Cursor::new(bytes.into_inner())).unwrap();
        let read = array_of(&mut archive).map_err(|e| e.to_string())?;
        Ok(read.unwrap().values)
    }

    fn array_of(archive: &mut Archive) -> Result<Option<Array>, DataError> {
        array(Path::new("t.npz"), archive, "x_train")
    }

    #[test]
    fn half_precision_and_unsigned_integers_are_read() {
        let halves = [0.5, -2.25, 65504.0, 6.103_515_6e-5];
        let Ok(Values::Singles(read)) = read_back(halves.map(f16::from_f32).to_vec()) else { panic!("no float32") };
        assert_eq!(read, halves);
        let Ok(Values::Integers(read)) = read_back(vec![0u64, 7, i64::MAX as u64]) else { panic!("no integers") };
        assert_eq!(read, [0, 7, i64::MAX]);
        assert_eq!(
            read_back(vec![1u64, 1 << 63]).err().unwrap(),
            "t.npz: array x_train holds 9223372036854775808, which is too large for int64; save it as float64, or labels \
             as text"
        );
    }

    #[test]
    fn integers_are_bytes_whatever_else_the_file_holds() {
        let read = |values| pixels(Path::new("t.npz"), Array { name: "x_train", shape: vec![2], values }, &mut Vec::new());
        assert_eq!(read(Values::Integers(vec![0, 1])).unwrap(), [0, 1]);
        assert_eq!(read(Values::Integers(vec![1, 255])).unwrap(), [1, 255]);
        assert_eq!(read(Values::Singles(vec![0.0, 1.0])).unwrap(), [0, 255]);
        assert!(read(Values::Integers(vec![0, 256])).is_err());
    }
}
