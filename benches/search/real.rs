//! A real data set, ready for trainings.

use evolve::data::{self, Dataset, Options, Validation};
use evolve::engine::{Choice, Device, Engine, Request, select};
use evolve::genome::{Domain, Genome};
use evolve::graph::Target;
use evolve::train::{self, ClassWeights, Costs, Setting, TrainError, metric};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// How nets are spelled.
pub const TARGET: Target = Target::CpuKernels;

/// A data set and what trains on it.
pub struct Real {
    /// The data set.
    pub dataset: Dataset,
    /// What runs the trainings.
    pub engine: Arc<dyn Engine>,
    never: AtomicBool,
}

impl Real {
    /// Reads a data set; the seed splits it.
    pub fn load(path: PathBuf, target: Option<String>, seed: u64) -> Result<Real, String> {
        let options = Options { path, target, task: None, validation: Validation::Auto, group: None, seed };
        let dataset = data::load(&options).map_err(|e| e.to_string())?;
        let request = Request { engine: Choice::OnnxRuntime, device: Device::Cpu, ..Request::default() };
        let engine = select(&request).map_err(|e| e.to_string())?.engine;
        Ok(Real { dataset, engine, never: AtomicBool::new(false) })
    }

    /// Extents of its task.
    pub fn domain(&self) -> Domain {
        evolve::express::domain(&self.dataset.task, self.rows())
    }

    /// Rows that are trained on.
    pub fn rows(&self) -> usize {
        self.dataset.train.targets.len()
    }

    /// What a net costs.
    pub fn costs(&self, genome: &Genome) -> Result<Costs, TrainError> {
        train::costs(genome, &self.dataset.task, self.rows(), self.dataset.validation.targets.len())
    }

    /// What all its trainings share.
    pub fn setting(&self) -> Setting<'_> {
        Setting {
            task: &self.dataset.task,
            train: &self.dataset.train,
            resident: None,
            validation: &self.dataset.validation,
            engine: self.engine.as_ref(),
            target: TARGET,
            metric: metric::default_for(self.dataset.task.kind),
            class_weights: &ClassWeights::Auto,
            stop: &self.never,
        }
    }
}
