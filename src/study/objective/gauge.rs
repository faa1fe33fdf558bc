//! Measuring the objectives of a study.

use super::{Cap, Objective, Objectives, Specimen};
use crate::data::Dataset;
use crate::engine::Engine;
use crate::genome::Genome;
use crate::study::TrainingLength;
use crate::train::{Costs, Scores, TrainError, Weights};

/// Makes the bytes of the model that would be exported, from a genome, how long it was trained, its weights and its metrics.
pub type Assemble<'a> = dyn Fn(&Genome, TrainingLength, &Weights, &Scores) -> Result<Vec<u8>, TrainError> + Sync + 'a;

/// What a study measures on each trained net.
pub struct Gauge<'a> {
    pub(super) dataset: &'a Dataset,
    pub(super) engine: &'a dyn Engine,
    pub(super) assemble: &'a Assemble<'a>,
    objectives: Vec<Objective>,
    caps: Vec<Cap>,
}

/// What was measured.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Measured {
    /// Objectives that are minimised or capped.
    pub objectives: Objectives,
    /// By how much they are above their caps, as shares of these, added up; 0 where none is.
    pub violation: f64,
}

impl<'a> Gauge<'a> {
    /// Measures what is minimised and what is capped; `None` where that is nothing.
    pub fn new(
        minimize: &[Objective],
        caps: &[Cap],
        dataset: &'a Dataset,
        engine: &'a dyn Engine,
        assemble: &'a Assemble<'a>,
    ) -> Option<Self> {
        let mut objectives = minimize.to_vec();
        objectives.extend(caps.iter().map(|cap| cap.objective).filter(|capped| !minimize.contains(capped)));
        let gauge = Gauge { dataset, engine, assemble, objectives, caps: caps.to_vec() };
        if gauge.objectives.is_empty() { None } else { Some(gauge) }
    }

    /// Measures a trained net, `inherited` where it went on from inherited weights.
    ///
    /// # Errors
    /// Where its model cannot be assembled, or the engine does not run it.
    pub fn measure(
        &self,
        genome: &Genome,
        costs: &Costs,
        inherited: bool,
        weights: &Weights,
        scores: &Scores,
    ) -> Result<Measured, TrainError> {
        let specimen = Specimen::new(self, genome, costs, inherited, weights, scores);
        let mut measured = Measured::default();
        for objective in &self.objectives {
            let value = (objective.entry().measure)(&specimen)?;
            measured.objectives.insert(objective.to_string(), value);
        }
        let above = |cap: &Cap| measured.objectives.get(cap.objective.entry().name).map_or(0.0, |&v| cap.violation(v));
        measured.violation = self.caps.iter().map(above).sum();
        Ok(measured)
    }
}
