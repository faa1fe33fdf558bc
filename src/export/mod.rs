//! `best.onnx`: preprocessing, net and decoding in one file, compared with what was scored before it is called done.

mod model;
mod predictor;
mod verify;

pub use model::{SCHEMA, assemble};
pub use predictor::{PredictError, Predicted, Predictor};
pub use verify::{Agreement, verify};

use crate::data::Dataset;
use crate::engine::{Engine, EngineError};
use crate::graph::GraphError;
use crate::study::{Finished, StudyError, write_whole};
use crate::train::TrainError;
use std::path::Path;

/// Largest difference of a probability (or, in standard deviations of the target, of a value) between the exported file
/// and what was scored.
pub const TOLERANCE: f32 = 1e-4;

/// Why a model is not exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The graph cannot be built.
    #[error("cannot assemble the model: {0}")]
    Graph(#[from] GraphError),
    /// An engine that should load the model does not.
    #[error("the exported model fails in {engine}: {source}")]
    Engine {
        /// Which engine.
        engine: &'static str,
        /// What it said.
        source: EngineError,
    },
    /// The candidate cannot be scored again.
    #[error(transparent)]
    Train(#[from] TrainError),
    /// The exported model says something else than what was scored.
    #[error(
        "the exported model differs from what was scored by {difference:e} in {engine} (row {row} of the validation part); the file was not written"
    )]
    Disagrees {
        /// Which engine.
        engine: &'static str,
        /// Largest difference.
        difference: f32,
        /// Row where it is.
        row: usize,
    },
    /// The file cannot be written.
    #[error(transparent)]
    Write(#[from] StudyError),
}

/// What was exported.
#[derive(Debug, Clone)]
pub struct Exported {
    /// Size of the file in bytes.
    pub bytes: usize,
    /// How it compares with what was scored, in each engine.
    pub agreements: Vec<Agreement>,
}

/// Assembles the model of a finished study, verifies it in the study's engine and in the embedded one, and writes it.
///
/// # Errors
/// Where it cannot be assembled, differs from what was scored, or cannot be written; no file is written then.
pub fn export(
    finished: &Finished,
    dataset: &Dataset,
    engine: &dyn Engine,
    embedded: &dyn Engine,
    path: &Path,
) -> Result<Exported, ExportError> {
    let genome = &finished.candidate.proposal.genome;
    let bytes = assemble(genome, &finished.weights, dataset, &finished.choice.scores)?;
    let mut agreements = vec![verify(&bytes, genome, &finished.weights, dataset, engine, engine)?];
    if engine.name() != embedded.name() && dataset.preprocessing.schema().notes.is_empty() {
        agreements.push(verify(&bytes, genome, &finished.weights, dataset, engine, embedded)?);
    }
    write_whole(path, &bytes)?;
    Ok(Exported { bytes: bytes.len(), agreements })
}
