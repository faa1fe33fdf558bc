//! `best.onnx` and the models of a front: preprocessing, net and decoding in one file, compared with what was scored before
//! it is called done.

mod front;
mod model;
mod predictor;
#[cfg(test)]
mod tests;
mod verify;

pub use front::{FrontFile, export_front};
pub use model::{CROSS_VALIDATION, ENSEMBLE, ROW_BYTES, SCHEMA, TRAINING, assemble, surroundings};
pub use predictor::{PredictError, Predicted, Predictor};
pub use verify::{Agreement, verify};

use crate::data::{CrossValidation, Dataset, Lookup};
use crate::engine::Engine;
use crate::genome::Genome;
use crate::study::{StudyError, TrainedNet, TrainingLength, write_whole};
use crate::train::{Scores, TrainError, Weights, ensemble::Member};
use std::path::Path;

/// Largest difference of a probability (or, in standard deviations of the target, of a value) between the exported file
/// and what was scored. Where float32 does not hold a value that exactly, a few of its steps are accepted.
pub const TOLERANCE: f32 = 1e-4;

/// Why a model is not exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// An engine that should run the model does not, or what it says is not understood.
    #[error("the exported model fails in {engine}: {source}")]
    Engine {
        /// Which engine.
        engine: &'static str,
        /// What it said.
        source: PredictError,
    },
    /// The model cannot be assembled, or the candidate not be scored again.
    #[error(transparent)]
    Train(#[from] TrainError),
    /// The exported model says something else than what was scored.
    #[error(
        "the exported model differs from what was scored by {difference:e} in {engine} (row {row} of the validation part); the file was not written"
    )]
    Disagrees {
        /// Which engine.
        engine: &'static str,
        /// Difference in the row that differs most for what is accepted there.
        difference: f32,
        /// That row.
        row: usize,
    },
    /// The label that the exported model gives is not the most probable class.
    #[error(
        "the exported model gives the label {label:?} in {engine} where {expected:?} is the most probable class (row {row} of the validation part); the file was not written"
    )]
    Label {
        /// Which engine.
        engine: &'static str,
        /// The label.
        label: String,
        /// The most probable class.
        expected: String,
        /// Row where it is.
        row: usize,
    },
    /// The file cannot be written.
    #[error(transparent)]
    Write(#[from] StudyError),
}

/// A trained net, or an ensemble of several, that is to be exported.
#[derive(Debug, Clone)]
pub struct Net<'a> {
    /// The net that is chosen.
    pub chosen: Trained<'a>,
    /// Those that answer together with it, in an ensemble.
    pub others: Vec<Trained<'a>>,
    /// Metrics of what they say together.
    pub metrics: Metrics<'a>,
}

/// A trained net.
#[derive(Debug, Clone, Copy)]
pub struct Trained<'a> {
    /// The net, with its genome as it was trained, and its share in what is said: 1 where it is alone.
    pub member: Member<'a>,
    /// How long it was trained last.
    pub length: TrainingLength,
}

impl<'a> Net<'a> {
    /// What a study trained, with how well it does.
    pub fn of(trained: &'a TrainedNet, others: &'a [TrainedNet], metrics: Metrics<'a>) -> Self {
        let net = |net: &'a TrainedNet| Trained { member: net.member(), length: net.length };
        Net { chosen: net(trained), others: others.iter().map(net).collect(), metrics }
    }

    /// A net that stands alone.
    pub fn alone(genome: &'a Genome, length: TrainingLength, weights: &'a Weights, metrics: Metrics<'a>) -> Self {
        Net { chosen: Trained { member: Member { genome, weights, share: 1.0 }, length }, others: vec![], metrics }
    }

    /// All nets, the chosen one first.
    pub fn all(&self) -> impl Iterator<Item = &Trained<'a>> {
        std::iter::once(&self.chosen).chain(&self.others)
    }
}

/// What was exported.
#[derive(Debug, Clone)]
pub struct Exported {
    /// Size of the file in bytes.
    pub bytes: usize,
    /// How it compares with what was scored, in each engine.
    pub agreements: Vec<Agreement>,
    /// What a user of the model must know, a sentence each, such as an engine that does not load it.
    pub notes: Vec<String>,
}

/// What is known of how well a net does.
#[derive(Debug, Clone, Copy)]
pub struct Metrics<'a> {
    /// Its metrics.
    pub scores: &'a Scores,
    /// The cross-validation over whose folds they are the means; `None` where they are those on a validation part.
    pub cross_validation: Option<CrossValidation>,
}

/// Assembles the model of a trained net or ensemble, verifies it in the study's engine and in the embedded one, and writes
/// it. `dataset` has the preprocessing that the weights were trained with.
///
/// # Errors
/// Where it cannot be assembled, differs from what was scored, or cannot be written; no file is written then.
pub fn export(
    net: &Net<'_>,
    dataset: &Dataset,
    engine: &dyn Engine,
    embedded: &dyn Engine,
    path: &Path,
) -> Result<Exported, ExportError> {
    let lookup = lookup(engine, embedded);
    let bytes = assemble(net, dataset, lookup)?;
    let notes = dataset.preprocessing.notes(lookup);
    let mut agreements = vec![verify(&bytes, net.all().map(|net| net.member), dataset, engine, engine)?];
    if engine.name() != embedded.name() && notes.is_empty() {
        agreements.push(verify(&bytes, net.all().map(|net| net.member), dataset, engine, embedded)?);
    }
    write_whole(path, &bytes)?;
    Ok(Exported { bytes: bytes.len(), agreements, notes })
}

/// A model found on the embedded engine must run there; any other engine has `LabelEncoder`.
pub fn lookup(engine: &dyn Engine, embedded: &dyn Engine) -> Lookup {
    if engine.name() == embedded.name() { Lookup::Comparisons } else { Lookup::LabelEncoder }
}
