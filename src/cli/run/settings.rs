//! The settings of `evolve run`, and which of them go together.

use super::super::{EngineArgs, Failure, OutputMode, space::Chosen};
use crate::{
    data::{TaskKind, Validation},
    genome::{Ancestor, Constraint, SearchSpace},
    search::{Fidelity, strategy},
    study::{Cap, Objective},
    train::ClassWeights,
};
use std::{path::PathBuf, time::Duration};

/// Everything that a run needs, with all defaults filled in.
#[derive(Debug, Clone, PartialEq)]
pub struct RunSettings {
    /// File or folder with the data.
    pub data: PathBuf,
    /// Column to be predicted.
    pub target: Option<String>,
    /// Kind of the task; `None` to infer it.
    pub task: Option<TaskKind>,
    /// Name of the metric, which exists; `None` for the task's default. Whether it fits an inferred task is known only
    /// once the data is read.
    pub metric: Option<String>,
    /// Where the validation part comes from.
    pub validation: Validation,
    /// Column whose rows of one value stay together.
    pub group: Option<String>,
    /// Weights of the classes. Whether they fit the task is known only once the data is read.
    pub class_weights: ClassWeights,
    /// Seeds from which each candidate is trained; at least 1.
    pub executions: usize,
    /// Whether what is chosen is trained once more on all rows.
    pub refit: bool,
    /// Time for search, retraining and export; `None` where only the number of candidates ends the search.
    pub budget: Option<Duration>,
    /// Most candidates.
    pub candidates: Option<u64>,
    /// Most training examples of a candidate; `None` to derive them from the data and the budget.
    pub examples: Option<u64>,
    /// Training examples of all candidates together at which the search ends.
    pub total_examples: Option<u64>,
    /// How long networks train before they are compared.
    pub fidelity: Fidelity,
    /// Name of the strategy, which exists.
    pub strategy: String,
    /// Folder of the study to start from.
    pub from: Option<PathBuf>,
    /// Objectives beside the metric, each once.
    pub minimize: Vec<Objective>,
    /// Ancestors among the seeds. Whether they fit the data is known only once that is read.
    pub ancestors: Vec<Ancestor>,
    /// Bounds on costs. Whether any net satisfies them is known only once the data is read.
    pub constraints: Vec<Constraint>,
    /// Bounds on what is measured.
    pub caps: Vec<Cap>,
    /// What has been chosen of the space. Whether it fits the data is known only once that is read.
    pub space: Option<Chosen>,
    /// Seed of everything random.
    pub seed: u64,
    /// Candidates trained at the same time; at least 1.
    pub workers: usize,
    /// Lag of breeding; at least 1. `None` where it follows from the budget.
    pub lag: Option<u64>,
    /// Engine and device.
    pub engine: EngineArgs,
    /// Whether training on the processor uses kernels of `evolve.train`.
    pub kernels: bool,
    /// Whether the search may round to TF32 on a CUDA device.
    pub tf32: bool,
    /// Whether short steps are captured as CUDA graphs on a CUDA device.
    pub cuda_graphs: bool,
    /// Bytes that all trainings together may take.
    pub memory_limit: u64,
    /// Folder of the study.
    pub out: PathBuf,
    /// For whom progress is printed.
    pub output: OutputMode,
}

impl RunSettings {
    /// Whether the settings go together, as far as that can be told before the data is read.
    ///
    /// # Errors
    /// Where one excludes another.
    pub fn check(&self) -> Result<(), Failure> {
        let seeded = strategy::find::<SearchSpace>(&self.strategy).is_ok_and(|entry| entry.seeded);
        if !self.ancestors.is_empty() && !seeded {
            let why = format!("the strategy {} starts from random networks, never from an ancestor", self.strategy);
            return Err(Failure::bad_input(why).hint("leave out --ancestor, or choose another --strategy, such as ga"));
        }
        if self.from.is_some() && self.executions > 1 {
            let why =
                "weights of an earlier study can start one training of a candidate, of which --executions makes several";
            return Err(Failure::bad_input(why).hint("leave out --from or --executions"));
        }
        let several = matches!(self.validation, Validation::Folds(_)) || self.executions > 1;
        let measured = !(self.minimize.is_empty() && self.caps.is_empty());
        if several && measured {
            let why = "further objectives are measured on the one net of a candidate, of which --cv and --executions train several";
            let hint = "leave these out, or --minimize and bounds other than params and macs";
            return Err(Failure::bad_input(why).hint(hint));
        }
        if self.refit && measured {
            let why = "the networks of a front, and bounds on what is measured, hold as they were scored: --refit would change them";
            return Err(
                Failure::bad_input(why).hint("leave out --refit, or --minimize and bounds other than params and macs")
            );
        }
        if self.fidelity != Fidelity::Full && (several || measured) {
            let why = "networks are compared on their way by the metric of one training alone";
            let hint = "leave out --fidelity, or --cv, --executions, --minimize and bounds other than params and macs";
            return Err(Failure::bad_input(why).hint(hint));
        }
        Ok(())
    }
}
