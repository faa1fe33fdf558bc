//! Trained weights and checkpoints by content.

use super::{StudyError, folder::write_whole};
use crate::data::sha256;
use crate::graph::Tensor;
use crate::train::{Checkpoint, Place, Weights};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Key of a checkpoint's place among the metadata of its file.
const PLACE: &str = "place";

/// A folder of `safetensors` files, each named by the SHA-256 of its bytes.
#[derive(Debug, Clone)]
pub struct Store {
    folder: PathBuf,
}

impl Store {
    /// Opens the store, making its folder where there is none.
    ///
    /// # Errors
    /// Where the folder cannot be made.
    pub fn open(folder: &Path) -> Result<Self, StudyError> {
        fs::create_dir_all(folder).map_err(|e| StudyError::io("create", folder, e))?;
        Ok(Store { folder: folder.into() })
    }

    /// The store of a study that is only read: nothing is made.
    pub(super) fn at(folder: &Path) -> Self {
        Store { folder: folder.into() }
    }

    fn path(&self, hash: &str) -> PathBuf {
        self.folder.join(format!("{hash}.safetensors"))
    }

    /// Stores weights and returns their hash.
    ///
    /// # Errors
    /// Where they cannot be written.
    pub fn put(&self, weights: &Weights) -> Result<String, StudyError> {
        self.put_encoded(encode(weights, None))
    }

    /// Stores a checkpoint and returns its hash.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn put_checkpoint(&self, checkpoint: &Checkpoint) -> Result<String, StudyError> {
        let place = serde_json::to_string(&checkpoint.place).map_err(|e| e.to_string());
        self.put_encoded(place.and_then(|place| encode(&checkpoint.tensors, Some(place))))
    }

    fn put_encoded(&self, bytes: Result<Vec<u8>, String>) -> Result<String, StudyError> {
        let bytes = bytes.map_err(|reason| StudyError::Weights { hash: "to be stored".into(), reason })?;
        self.put_bytes(&bytes)
    }

    /// Stores the bytes of a file of weights and returns their hash.
    pub(super) fn put_bytes(&self, bytes: &[u8]) -> Result<String, StudyError> {
        let hash = sha256(bytes);
        let path = self.path(&hash);
        if !path.exists() {
            write_whole(&path, bytes)?;
        }
        Ok(hash)
    }

    /// The bytes of a file of weights, which are what their name says.
    pub(super) fn bytes(&self, hash: &str) -> Result<Vec<u8>, StudyError> {
        let bad = |reason: String| StudyError::Weights { hash: hash.into(), reason };
        let bytes = fs::read(self.path(hash)).map_err(|e| bad(e.to_string()))?;
        match sha256(&bytes) == hash {
            true => Ok(bytes),
            false => Err(bad("the content does not match the name".into())),
        }
    }

    /// Loads weights.
    ///
    /// # Errors
    /// Where they are missing or damaged.
    pub fn get(&self, hash: &str) -> Result<Weights, StudyError> {
        let bad = |reason| StudyError::Weights { hash: hash.into(), reason };
        decode(&self.bytes(hash)?).map_err(bad)
    }

    /// Loads a checkpoint.
    ///
    /// # Errors
    /// Where it is missing or damaged.
    pub fn get_checkpoint(&self, hash: &str) -> Result<Checkpoint, StudyError> {
        let bad = |reason| StudyError::Weights { hash: hash.into(), reason };
        let bytes = self.bytes(hash)?;
        Ok(Checkpoint { tensors: decode(&bytes).map_err(bad)?, place: decode_place(&bytes).map_err(bad)? })
    }

    /// Removes weights; those that are not there are none the less gone.
    ///
    /// # Errors
    /// Where a file cannot be removed.
    pub fn remove(&self, hash: &str) -> Result<(), StudyError> {
        let path = self.path(hash);
        match fs::remove_file(&path) {
            Err(e) if e.kind() != ErrorKind::NotFound => Err(StudyError::io("remove", &path, e)),
            _ => Ok(()),
        }
    }

    /// Removes all weights whose hash is not among `kept`. Not while candidates are trained: a worker stores its weights
    /// before anything else knows of them.
    ///
    /// # Errors
    /// Where the folder cannot be read or a file not be removed.
    pub fn retain(&self, kept: &BTreeSet<String>) -> Result<(), StudyError> {
        let entries = fs::read_dir(&self.folder).map_err(|e| StudyError::io("read", &self.folder, e))?;
        for entry in entries {
            let path = entry.map_err(|e| StudyError::io("read", &self.folder, e))?.path();
            let stem = path.file_stem().and_then(|s| s.to_str()).unwrap_or_default();
            let is_ours = stem.len() == 64 && stem.bytes().all(|b| b.is_ascii_hexdigit());
            if is_ours && path.extension().is_some_and(|e| e == "safetensors") && !kept.contains(stem) {
                self.remove(stem)?;
            }
        }
        Ok(())
    }
}

fn encode(weights: &Weights, place: Option<String>) -> Result<Vec<u8>, String> {
    let bytes: BTreeMap<&String, (&[usize], Vec<u8>)> = weights
        .iter()
        .map(|(name, t)| {
            let values = t.as_f32().unwrap_or_default();
            (name, (t.shape.as_slice(), values.iter().flat_map(|v| v.to_le_bytes()).collect()))
        })
        .collect();
    let views: Vec<(&String, TensorView<'_>)> = bytes
        .iter()
        .map(|(name, (shape, data))| {
            Ok((*name, TensorView::new(Dtype::F32, shape.to_vec(), data).map_err(|e| e.to_string())?))
        })
        .collect::<Result<_, String>>()?;
    // One key, so that the bytes do not depend on the order of a map.
    let metadata = place.map(|place| HashMap::from([(PLACE.to_owned(), place)]));
    safetensors::serialize(views, metadata).map_err(|e| e.to_string())
}

fn decode_place(bytes: &[u8]) -> Result<Place, String> {
    let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(|e| e.to_string())?;
    let place = metadata.metadata().as_ref().and_then(|metadata| metadata.get(PLACE));
    let place = place.ok_or_else(|| "it is no checkpoint".to_owned())?;
    serde_json::from_str(place).map_err(|e| e.to_string())
}

fn decode(bytes: &[u8]) -> Result<Weights, String> {
    let tensors = SafeTensors::deserialize(bytes).map_err(|e| e.to_string())?;
    tensors
        .tensors()
        .into_iter()
        .map(|(name, view)| {
            if view.dtype() != Dtype::F32 {
                return Err(format!("{name} is {:?}, not F32", view.dtype()));
            }
            let values = view.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
            Ok((name, Tensor::f32(view.shape(), values)))
        })
        .collect()
}
