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

/// Most networks that answer together, where nothing else is said and nothing stands against it.
const DEFAULT_ENSEMBLE: usize = 3;

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
    /// Most networks that answer together, 1 for a single one; `None` for as many as go well with the other settings.
    pub ensemble: Option<usize>,
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
        self.check_ensemble()?;
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

    /// Most networks that may answer together, of this space.
    ///
    /// # Errors
    /// Where several are asked for and the space does not go with that.
    pub(super) fn ensemble(&self, space: &SearchSpace) -> Result<usize, Failure> {
        match (self.ensemble, self.stands_against_ensemble().or_else(|| restriction(space))) {
            (Some(most @ 2..), Some((why, hint))) => Err(against(most, why, hint)),
            (Some(most), _) => Ok(most),
            (None, Some(_)) => Ok(1),
            (None, None) => Ok(DEFAULT_ENSEMBLE),
        }
    }

    fn check_ensemble(&self) -> Result<(), Failure> {
        match (self.ensemble, self.stands_against_ensemble()) {
            (Some(most @ 2..), Some((why, hint))) => Err(against(most, why, hint)),
            _ => Ok(()),
        }
    }

    /// Why networks cannot answer together, and what to leave out so that they can.
    fn stands_against_ensemble(&self) -> Option<(&'static str, &'static str)> {
        if !(self.minimize.is_empty() && self.caps.is_empty() && self.constraints.is_empty()) {
            let why =
                "objectives beside the metric and bounds are those of one network, not of several that answer together";
            return Some((why, "leave out --ensemble, or --minimize and --constraint"));
        }
        if matches!(self.validation, Validation::Folds(_)) {
            let why = "which networks go together is chosen on a validation part, which --cv has none of";
            return Some((why, "leave out --ensemble or --cv"));
        }
        if self.executions > 1 {
            let why = "of each candidate one network can answer, of which --executions trains several";
            return Some((why, "leave out --ensemble or --executions"));
        }
        None
    }
}

fn against(most: usize, why: &str, hint: &str) -> Failure {
    Failure::bad_input(format!("--ensemble {most}: {why}")).hint(hint)
}

/// What a file of a space says of a network that several together would not keep to.
fn restriction(space: &SearchSpace) -> Option<(&'static str, &'static str)> {
    let preset = SearchSpace::preset(&space.domain);
    let is_capped = space.max_parameters < preset.max_parameters || space.max_macs < preset.max_macs;
    let hint = "leave out --ensemble, or these keys of the space's file";
    if is_capped {
        return Some(("max_parameters and max_macs are those of one network", hint));
    }
    let why = "the mean of several networks has operators of its own, which forbidden operators may be among";
    (!space.forbidden.is_empty()).then_some((why, hint))
}
