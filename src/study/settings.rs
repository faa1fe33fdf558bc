//! `study.toml`: every setting, resolved. The same settings give the same study.

use super::{Cap, Folder, FromSettings, Objective, StudyError, folder::write_whole};
use crate::data::{CrossValidation, Task};
use crate::engine::Engine;
use crate::genome::{Ancestor, Constraint, SpaceFile};
use crate::graph::Target;
use crate::train::{ClassWeights, Costs};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Version of the form of `study.toml` and `journal.jsonl` that this program writes, and the newest that it reads. It rises
/// where older programs would misread what is written; a key that may be left out is no such change.
pub const FORMAT: u32 = 3;

/// All settings of a study.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// Version of evolve that began the study.
    pub version: String,
    /// Version of the form of its files; 1 where a folder does not say it.
    #[serde(default = "first")]
    pub format: u32,
    /// Where the data is and how it is read.
    pub data: DataSettings,
    /// What it was started from, where that is an earlier study.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<FromSettings>,
    /// How the search goes.
    pub search: SearchSettings,
    /// How long candidates and finalists train.
    pub training: TrainingSettings,
    /// What runs them.
    pub engine: EngineSettings,
    /// What the nets read and say.
    pub schema: Task,
    /// The genomes that are searched among; the preset for the data where a folder has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub space: Option<SpaceFile>,
}

/// Where the data is and how it is read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DataSettings {
    /// File or folder.
    pub path: PathBuf,
    /// Target column of a table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// A file with the validation part, where one was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation_file: Option<PathBuf>,
    /// Share of the rows in the validation part, where one was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation_share: Option<f64>,
    /// How the rows are cut for a cross-validation, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cross_validation: Option<CrossValidation>,
    /// Column whose rows of one value stay together in every split.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Seed of the split, where that of an earlier study is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split_seed: Option<u64>,
    /// Files that were read, with the SHA-256 of each.
    pub files: Vec<FileSettings>,
}

/// A data file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileSettings {
    /// Name without its folder.
    pub name: String,
    /// SHA-256 of its content.
    pub sha256: String,
}

/// How the search goes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SearchSettings {
    /// Name of the strategy.
    pub strategy: String,
    /// Seed of everything random.
    pub seed: u64,
    /// Candidate k is bred from candidates 0 … k−lag.
    pub lag: u64,
    /// Most candidates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub candidates: Option<u64>,
    /// Training examples of all candidates together at which the search ends; the last candidate may go beyond.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total_examples: Option<u64>,
    /// Seconds for search, retraining and export.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<f64>,
    /// Second of the study after which no more candidates are asked for, where there is a budget.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search_until: Option<f64>,
    /// Named ancestors among the seeds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ancestors: Vec<Ancestor>,
    /// Bounds on what every net costs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub constraints: Vec<Constraint>,
    /// Objectives that are minimised beside the metric.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub minimize: Vec<Objective>,
    /// Caps on objectives, which are checked once a candidate is measured.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub caps: Vec<Cap>,
    /// Name of the metric.
    pub metric: String,
    /// The strategy's own settings.
    pub strategy_settings: crate::search::Settings,
}

/// How long candidates and finalists train. Lengths are counted in examples; a candidate whose net costs more trains on
/// fewer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainingSettings {
    /// What the training of a candidate may cost, in the unit of [`Costs::work`].
    pub effort: f64,
    /// Most training examples of a candidate.
    pub examples: u64,
    /// Share of a budget after which the search ends.
    pub search_share: f64,
    /// Candidates that are trained at full length at the end; where there are several objectives, members of the front that
    /// are trained so and exported.
    pub finalists: usize,
    /// Full length as a multiple of a candidate's, where no budget decides.
    pub final_factor: f64,
    /// Most training examples of a finalist.
    pub final_examples: u64,
    /// Whether finalists are trained at several lengths.
    pub ladder: bool,
    /// Seeds from which each candidate is trained; its score is the mean.
    #[serde(default = "once", skip_serializing_if = "is_once")]
    pub executions: usize,
    /// Weights of the classes in the loss.
    #[serde(default, skip_serializing_if = "is_auto")]
    pub class_weights: ClassWeights,
    /// Whether what is chosen by a validation part is trained once more on all rows, that part included; after a
    /// cross-validation it is anyway.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub refit: bool,
    /// Most nets of an ensemble to be exported; 1 where a single net is.
    #[serde(default = "once", skip_serializing_if = "is_once")]
    pub ensemble: usize,
}

fn first() -> u32 {
    1
}

fn yes() -> bool {
    true
}

fn once() -> usize {
    1
}

fn is_once(executions: &usize) -> bool {
    *executions == 1
}

fn is_auto(weights: &ClassWeights) -> bool {
    *weights == ClassWeights::Auto
}

impl TrainingSettings {
    /// Lets no candidate train on more than `examples`, and the finalists on no more than the multiple of it.
    pub fn limit_examples(&mut self, examples: u64) {
        self.examples = self.examples.min(examples);
        self.final_examples = self.final_examples.min((examples as f64 * self.final_factor) as u64);
    }

    /// Training examples of a candidate at the share `length`.
    pub fn candidate_examples(&self, costs: &Costs, length: f64) -> u64 {
        let affordable = self.effort / costs.work.max(1) as f64;
        ((affordable.min(self.examples as f64) * length) as u64).max(1)
    }

    /// Factor of the learning rate for a training that goes on from searched weights at the share `length` of a
    /// candidate's. A short one at the full rate unlearns more than it has time to learn again; of the factors tried at
    /// three lengths, these were about the best (`benches/RESULTS.md`).
    pub fn warm_rate(length: f64) -> f32 {
        (0.4 * length.sqrt()).min(1.0) as f32
    }
}

/// What runs the candidates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EngineSettings {
    /// `onnxruntime` or `tract`.
    pub name: String,
    /// Version of the library.
    pub version: String,
    /// `cpu` or `cuda:N`.
    pub device: String,
    /// Whether the training kernels are used.
    pub kernels: bool,
    /// Whether the search may round to TF32 on a CUDA device.
    #[serde(default = "yes")]
    pub tf32: bool,
    /// Whether short steps are captured as CUDA graphs on a CUDA device.
    #[serde(default = "yes")]
    pub cuda_graphs: bool,
    /// Most bytes that trainings may take together.
    pub memory: u64,
}

/// What settings of any form have.
#[derive(Deserialize)]
struct Form {
    version: String,
    #[serde(default = "first")]
    format: u32,
}

impl EngineSettings {
    /// How trainings are spelled for this engine.
    pub(super) fn target(&self, engine: &dyn Engine) -> Target {
        if self.kernels && engine.has_kernels() { Target::CpuKernels } else { Target::Portable }
    }
}

impl Settings {
    /// Seed by which rows are split into parts.
    pub fn split_seed(&self) -> u64 {
        self.data.split_seed.unwrap_or(self.search.seed)
    }

    /// Reads the settings of a study.
    ///
    /// # Errors
    /// Where the file cannot be read, does not parse, or has a newer form than [`FORMAT`].
    pub fn read(folder: &Folder) -> Result<Self, StudyError> {
        Settings::read_file(&folder.settings())
    }

    /// Reads a settings file, also of a study that another process works on.
    ///
    /// # Errors
    /// As [`Settings::read`].
    pub fn read_file(path: &Path) -> Result<Self, StudyError> {
        let text = std::fs::read_to_string(path).map_err(|e| StudyError::io("read", path, e))?;
        let damaged = |e: toml::de::Error| StudyError::Settings { path: path.to_owned(), reason: e.to_string() };
        // Of a newer form only this much is sure to parse.
        let Form { version, format } = toml::from_str(&text).map_err(damaged)?;
        if format > FORMAT {
            return Err(StudyError::Newer { path: path.to_owned(), version, format });
        }
        let settings: Settings = toml::from_str(&text).map_err(damaged)?;
        settings.check().map_err(|reason| StudyError::Settings { path: path.to_owned(), reason })?;
        Ok(settings)
    }

    /// Whether all numbers that nothing else checks are in their ranges.
    fn check(&self) -> Result<(), String> {
        /// Most seconds of a budget: what a clock can be set forward.
        const MOST: f64 = 1e12;
        let (search, training) = (&self.search, &self.training);
        let seconds = |value: Option<f64>| value.is_none_or(|value| (0.0..=MOST).contains(&value));
        let positive = |value: f64| value > 0.0 && value.is_finite();
        let weights = match &training.class_weights {
            ClassWeights::Given(given) => given.values().all(|&weight| positive(weight.into())),
            ClassWeights::Auto | ClassWeights::None | ClassWeights::Balanced => true,
        };
        let wrong = [
            ("search.budget", seconds(search.budget)),
            ("search.search_until", seconds(search.search_until)),
            ("training.effort", positive(training.effort)),
            ("training.search_share", (0.0..=1.0).contains(&training.search_share)),
            ("training.finalists", training.finalists > 0),
            ("training.final_factor", positive(training.final_factor)),
            ("training.executions", training.executions > 0),
            ("training.ensemble", training.ensemble > 0),
            ("training.class_weights", weights),
        ];
        match wrong.into_iter().find(|(_, fits)| !fits) {
            Some((key, _)) => Err(format!("{key} is out of its range")),
            None => Ok(()),
        }
    }

    /// Writes the settings.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn write(&self, folder: &Folder) -> Result<(), StudyError> {
        let path = folder.settings();
        let text =
            toml::to_string_pretty(self).map_err(|e| StudyError::Settings { path: path.clone(), reason: e.to_string() })?;
        write_whole(&path, text.as_bytes())
    }
}
