//! IDX: the format of MNIST (LeCun, Cortes, Burges), as `train-images-idx3-ubyte` and `train-labels-idx1-ubyte`.

use super::{FileDigest, Format, Purpose, Request, Source, bytes};
use crate::data::DataError;
use crate::data::raw::{RawBatch, TextBuilder};
use flate2::read::GzDecoder;
use std::borrow::Cow;
use std::io::Read;
use std::path::{Path, PathBuf};

/// A folder of IDX files.
pub static IDX: Format = Format {
    name: "IDX",
    doc: "a folder with train-images-idx3-ubyte and train-labels-idx1-ubyte, each also as .gz",
    sniff: |path, head| {
        head.is_empty() && path.is_dir() && ["train", "t10k"].iter().any(|p| find(path, p, IMAGES).is_some())
    },
    read,
};

const IMAGES: &str = "images-idx3-ubyte";
const LABELS: &str = "labels-idx1-ubyte";
/// Unsigned bytes in three axes.
const IMAGES_MAGIC: u32 = 0x0803;
/// Unsigned bytes in one axis.
const LABELS_MAGIC: u32 = 0x0801;

/// The file of a part, plain or compressed.
fn find(folder: &Path, part: &str, what: &str) -> Option<PathBuf> {
    ["", ".gz"].iter().map(|end| folder.join(format!("{part}-{what}{end}"))).find(|p| p.is_file())
}

fn read(request: &Request<'_>) -> Result<Source, DataError> {
    let parts: &[&str] = match request.purpose {
        Purpose::Learn(_) => &["train"],
        Purpose::Apply(_) => &["t10k", "train"],
    };
    let (part, images) = parts
        .iter()
        .find_map(|part| find(request.path, part, IMAGES).map(|images| (*part, images)))
        .ok_or_else(|| DataError::file(request.path, format!("there is no {}-{IMAGES}[.gz]", parts[0])))?;
    let mut files = Vec::new();
    let packed = bytes(&images)?;
    files.push(FileDigest::of(&images, &packed));
    let (dims, pixels) = array(&images, packed, IMAGES_MAGIC, 3)?;
    let (rows, height, width) = (dims[0], dims[1], dims[2]);
    let target = match find(request.path, part, LABELS) {
        None if matches!(request.purpose, Purpose::Apply(_)) => None,
        None => return Err(DataError::file(request.path, format!("there is no {part}-{LABELS}[.gz]"))),
        Some(path) => {
            let packed = bytes(&path)?;
            files.push(FileDigest::of(&path, &packed));
            let (dims, labels) = array(&path, packed, LABELS_MAGIC, 1)?;
            if dims[0] != rows {
                return Err(DataError::file(request.path, format!("{rows} images have {} labels", dims[0])));
            }
            let mut column = TextBuilder::new(rows);
            labels.iter().for_each(|label| column.push(&label.to_string()));
            Some(column.finish())
        }
    };
    let inputs = RawBatch::Images { pixels, height, width, channels: 1 };
    Ok(Source {
        inputs,
        target,
        labels: true,
        target_name: None,
        group: None,
        part: Some(part),
        files,
        warnings: Vec::new(),
    })
}

/// Extents and bytes of an IDX file.
fn array(path: &Path, packed: Vec<u8>, magic: u32, rank: usize) -> Result<(Vec<usize>, Vec<u8>), DataError> {
    let mut content = unpacked(path, packed)?.into_owned();
    let header = 4 + 4 * rank;
    let word = |i: usize| content.get(4 * i..4 * i + 4).map(|b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]));
    if word(0) != Some(magic) {
        return Err(DataError::file(path, format!("does not start as an IDX file of bytes in {rank} axes does")));
    }
    let dims: Option<Vec<usize>> = (1..=rank).map(|i| word(i).map(|d| d as usize)).collect();
    let dims = dims.ok_or_else(|| DataError::file(path, "is cut off within its header"))?;
    let expected = dims.iter().try_fold(1usize, |n, &d| n.checked_mul(d));
    let found = content.len() - header;
    if expected != Some(found) {
        let shape = dims.iter().map(ToString::to_string).collect::<Vec<_>>().join(" × ");
        return Err(DataError::file(
            path,
            format!("should hold {shape} bytes after its header but holds {found}; is it cut off?"),
        ));
    }
    content.drain(..header);
    Ok((dims, content))
}

/// The bytes of a file, decompressed where they are gzip.
fn unpacked(path: &Path, packed: Vec<u8>) -> Result<Cow<'static, [u8]>, DataError> {
    if !packed.starts_with(&[0x1f, 0x8b]) {
        return Ok(packed.into());
    }
    let mut content = Vec::new();
    GzDecoder::new(packed.as_slice())
        .read_to_end(&mut content)
        .map_err(|e| DataError::file(path, format!("does not decompress as gzip: {e}; is it cut off?")))?;
    Ok(content.into())
}
