//! The models of a front: each a file that stands for itself, as `best.onnx` is.

use super::{ExportError, Metrics, Net, export};
use crate::data::Dataset;
use crate::engine::Engine;
use crate::study::{Finished, Folder, FrontMember, StudyError, write_whole};
use std::fs;
use std::path::{Path, PathBuf};

/// A model of the front.
#[derive(Debug, Clone)]
pub struct FrontFile {
    /// Where it is.
    pub path: PathBuf,
    /// Size of the file in bytes.
    pub bytes: usize,
    /// What it is.
    pub member: FrontMember,
}

impl FrontFile {
    /// Where the model of a candidate is in the folder of a study.
    pub fn path_in(study: &Path, candidate: u64) -> PathBuf {
        study.join(FOLDER).join(format!("candidate_{candidate}.onnx"))
    }
}

/// Folder of the models in that of a study.
const FOLDER: &str = "pareto";

/// Exports the front of a finished study into the folder `pareto`, each model verified as `best.onnx` is, which is there
/// already; models of an earlier front that are no more in it are removed. Empty where only the metric counts.
///
/// # Errors
/// Where a model cannot be assembled, differs from what was scored, or cannot be written.
pub fn export_front(
    finished: &Finished,
    folder: &Folder,
    dataset: &Dataset,
    engine: &dyn Engine,
    embedded: &dyn Engine,
) -> Result<Vec<FrontFile>, ExportError> {
    let root = folder.root().join(FOLDER);
    if finished.choice.front.is_empty() {
        return Ok(vec![]);
    }
    fs::create_dir_all(&root).map_err(|e| StudyError::io("create", &root, e))?;
    let mut files = vec![];
    for (member, trained) in finished.choice.front.iter().zip(&finished.front) {
        let path = FrontFile::path_in(folder.root(), member.candidate);
        let bytes = if member.weights == finished.choice.weights && member.candidate == finished.choice.candidate {
            let best = folder.model();
            let bytes = fs::read(&best).map_err(|e| StudyError::io("read", &best, e))?;
            write_whole(&path, &bytes)?;
            bytes.len()
        } else {
            let metrics = Metrics { scores: &member.scores, cross_validation: None };
            let net = Net::of(trained, &[], metrics);
            export(&net, dataset, engine, embedded, &path)?.bytes
        };
        files.push(FrontFile { path, bytes, member: member.clone() });
    }
    remove_others(&root, &files)?;
    Ok(files)
}

/// Removes models of candidates that are not among `files`; whatever else is in the folder stays.
fn remove_others(root: &Path, files: &[FrontFile]) -> Result<(), StudyError> {
    let io = |e| StudyError::io("read", root, e);
    for entry in fs::read_dir(root).map_err(io)? {
        let path = entry.map_err(io)?.path();
        let file = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let number = file.strip_prefix("candidate_").and_then(|rest| rest.strip_suffix(".onnx"));
        let is_ours = number.is_some_and(|number| number.parse::<u64>().is_ok());
        if is_ours && !files.iter().any(|kept| kept.path == path) {
            fs::remove_file(&path).map_err(|e| StudyError::io("remove", &path, e))?;
        }
    }
    Ok(())
}
