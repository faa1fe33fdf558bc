//! Formats of data, one a file.
//!
//! Adding one: a file with a [`Format`], a `mod` line and a line in [`ALL`].

mod delimited;
mod digest;
mod idx;
mod image_folder;
mod npz;
#[cfg(test)]
mod tests;

pub use digest::{FileDigest, sha256};

use super::DataError;
use super::error::quoted;
use super::raw::{RawBatch, TextColumn};
use super::schema::{Field, FieldKind};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// A format that data can be read from.
pub struct Format {
    /// Name, as messages give it.
    pub name: &'static str,
    /// One line of documentation: what it looks like on disk.
    pub doc: &'static str,
    /// Whether a path holds the format, from the first bytes of the file (none for a folder).
    pub sniff: fn(path: &Path, head: &[u8]) -> bool,
    /// Reads it.
    pub read: fn(request: &Request<'_>) -> Result<Source, DataError>,
}

/// What is to be read.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// File or folder.
    pub path: &'a Path,
    /// Column with the target, where the format has named columns.
    pub target: Option<&'a str>,
    /// Column that says which rows belong together, where the format has named columns; no input.
    pub group: Option<&'a str>,
    /// What for.
    pub purpose: Purpose<'a>,
}

/// What data is read for.
#[derive(Debug, Clone, Copy)]
pub enum Purpose<'a> {
    /// To learn from: kinds of columns are inferred, except of those that are known already; test files are left alone.
    Learn(&'a [Field]),
    /// As more rows for given inputs: kinds are known, test files are preferred where a format has both.
    Apply(&'a [Field]),
}

/// What was read.
#[derive(Debug)]
pub struct Source {
    /// Inputs of all rows.
    pub inputs: RawBatch,
    /// Target of all rows as spelled in the file, where there is one; missing where the cell is.
    pub target: Option<TextColumn>,
    /// Whether the target names classes whatever it looks like, such as folders named by numbers.
    pub labels: bool,
    /// Name of the target, where it has one.
    pub target_name: Option<String>,
    /// Group of all rows as spelled in the file, where a column of groups was asked for and the format has columns.
    pub group: Option<TextColumn>,
    /// Which part of the data it is, where a format has several, such as `x_test`.
    pub part: Option<&'static str>,
    /// Files read.
    pub files: Vec<FileDigest>,
    /// What was repaired or left out.
    pub warnings: Vec<String>,
}

/// Every format, in the order in which they are tried.
pub static ALL: &[&Format] = &[&idx::IDX, &image_folder::IMAGE_FOLDER, &npz::NPZ, &delimited::DELIMITED];

/// Reads a path in whatever format it has.
///
/// # Errors
/// Where the path cannot be read, has no known format, or is broken.
pub fn read(request: &Request<'_>) -> Result<Source, DataError> {
    let head = head(request.path)?;
    let format = ALL.iter().find(|f| (f.sniff)(request.path, &head)).ok_or_else(|| DataError::Format {
        path: request.path.into(),
        known: ALL.iter().map(|f| f.doc).collect::<Vec<_>>().join("; "),
    })?;
    let mut source = (format.read)(request)?;
    if source.inputs.rows() == 0 {
        return Err(DataError::file(request.path, "there is no row of data"));
    }
    if let Purpose::Apply(fields) = request.purpose {
        check_shape(request.path, &source.inputs, fields)?;
        source.inputs = source.inputs.only(fields);
    }
    Ok(source)
}

/// Whether images or rows without column names are those that a model reads.
fn check_shape(path: &Path, inputs: &RawBatch, fields: &[Field]) -> Result<(), DataError> {
    let found = match *inputs {
        RawBatch::Table { .. } => return Ok(()),
        RawBatch::Matrix { width, .. } => FieldKind::Matrix { width },
        RawBatch::Images { height, width, channels, .. } => FieldKind::Image { height, width, channels },
    };
    if fields.iter().any(|field| field.kind == found) {
        return Ok(());
    }
    let wanted = fields.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    Err(DataError::file(path, format!("holds {found}, but the model reads {wanted}")))
}

/// First bytes of a file; none for a folder.
fn head(path: &Path) -> Result<Vec<u8>, DataError> {
    let fail = |source| DataError::Read { path: path.into(), source };
    if std::fs::metadata(path).map_err(fail)?.is_dir() {
        return Ok(Vec::new());
    }
    let mut head = Vec::new();
    File::open(path).map_err(fail)?.take(8).read_to_end(&mut head).map_err(fail)?;
    Ok(head)
}

/// All bytes of a file.
fn bytes(path: &Path) -> Result<Vec<u8>, DataError> {
    std::fs::read(path).map_err(|source| DataError::Read { path: path.into(), source })
}

/// The error of a model's columns that a file does not have.
fn missing_columns(path: &Path, names: &[&str]) -> DataError {
    DataError::MissingColumns { path: path.into(), columns: quoted(names) }
}
