//! `report.json` and `report.html`: what a study found, as a fold over its journal.
//!
//! The page is one file: no scripts, no fonts, nothing that is fetched. Each section is one entry of [`plot::ALL`].

mod arms;
mod digest;
mod format;
mod front;
mod importance;
mod lineage;
mod numbers;
mod page;
pub mod plot;
mod svg;
#[cfg(test)]
pub(crate) mod synthetic;
#[cfg(test)]
mod tests;

pub use arms::{Contribution, contributions};
pub use digest::{Digest, Point};
pub use format::{bytes, escape, grouped, number, quantity};
pub use front::{Front, Hypervolume, Member};
pub use importance::importance;
pub use lineage::{Step, lineage};
pub use numbers::{GeneImportance, Numbers, numbers};
pub use page::html;

use crate::{
    data::{Targets, Task},
    study::{Choice, Record},
    train::metric::{Metric, Predictions},
};
use serde::{Deserialize, Serialize};

/// Everything that a report says.
#[derive(Debug, Clone)]
pub struct Input {
    /// Name of the data, without its folder.
    pub name: String,
    /// The task.
    pub task: Task,
    /// Metric that the study goes by.
    pub metric: &'static Metric,
    /// The journal.
    pub records: Vec<Record>,
    /// Settings as they are shown, name and value.
    pub settings: Vec<(String, String)>,
    /// What the exported model says about the validation part; of a cross-validation, what the net of each fold says about
    /// its rows.
    pub predictions: Predictions,
    /// What is true there.
    pub targets: Targets,
    /// What any search has to beat.
    pub baselines: Vec<Baseline>,
    /// Layers of the exported model, from input to output.
    pub layers: Vec<Layer>,
    /// Size of the exported file.
    pub bytes: u64,
    /// The front, where there are several objectives.
    pub front: Option<Front>,
    /// Whether the user stopped the study before its end.
    pub stopped: bool,
    /// How it was scored.
    pub scored: Scored,
}

/// How a study scored its nets.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Scored {
    /// On what, such as `5-fold cross-validation`; `None` where it was on a validation part.
    pub cross_validation: Option<String>,
    /// The study's metric on each fold, or from each of several seeds.
    pub values: Vec<f64>,
    /// Standard error of the mean over folds.
    pub standard_error: Option<f64>,
    /// What the exported net was trained on, where that is not what the scored ones were.
    pub exported: Option<String>,
}

impl Scored {
    /// Where a value was measured, to be put behind it: `on the validation part`, `in 5-fold cross-validation`.
    pub fn place(&self) -> String {
        self.cross_validation.as_ref().map_or_else(|| "on the validation part".to_owned(), |name| format!("in {name}"))
    }
}

/// A network of an exported ensemble.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Share {
    /// Candidate that it is.
    pub candidate: u64,
    /// Its share in what the ensemble says.
    pub share: f64,
}

impl Share {
    /// Those of a choice, the largest first; none where a single network is exported.
    pub fn all_of(choice: &Choice) -> Vec<Share> {
        let members = choice.ensemble.iter().flat_map(|ensemble| &ensemble.members);
        members.map(|member| Share { candidate: member.candidate, share: member.share }).collect()
    }
}

/// A simple model and the study's metric that it reaches on the validation part.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Baseline {
    /// Its name, such as `linear model`.
    pub name: String,
    /// The study's metric.
    pub value: f64,
}

/// A layer of a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layer {
    /// Where it stands, such as `stages.0.blocks.1`.
    pub name: String,
    /// What it is, such as `Conv`.
    pub kind: String,
    /// Shape of its output, such as `N × 64`; empty where unknown.
    pub output: String,
    /// Its parameters.
    pub parameters: u64,
}
