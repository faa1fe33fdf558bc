//! A training paused on its way, with all that it takes to go on as if it had never stopped.

use super::{CurvePoint, RungScore, Scores, TrainError, Weights};
use crate::express::TrainingStep;
use crate::graph::Tensor;
use serde::{Deserialize, Serialize};

/// What precedes the names of present parameters and statistics, of the optimizer's moments, and of the best state.
const PARAMETER: &str = "parameter.";
const MOMENT: &str = "moment.";
const BEST: &str = "best.";

/// A paused training. What follows from the seed and the steps made (order of the examples, corrections of the moments) is
/// found again when it goes on.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoint {
    /// Parameters and running statistics, moments, and the best state where that is another; all float32.
    pub tensors: Weights,
    /// Where it stands.
    pub place: Place,
}

/// Where a paused training stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Place {
    /// Steps made.
    pub steps: u64,
    /// Regular evaluations that are left.
    pub evaluations: u64,
    /// Words drawn for dropout, and for augmentation.
    pub drawn: (u128, u128),
    /// Its course.
    pub curve: Vec<CurvePoint>,
    /// How it did at the rungs so far.
    pub rungs: Vec<RungScore>,
    /// Metrics of its best state.
    pub scores: Scores,
    /// The study's metric of that state, turned so that higher is better.
    pub score: f64,
    /// Evaluations since then.
    pub since_best: usize,
    /// Examples of a step, where they are not as many as the genome says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<usize>,
    /// Steps of the optimizer, where they are not `steps`: a training that went on with smaller batches counts its steps
    /// in these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updates: Option<u64>,
}

impl Checkpoint {
    /// Of present values in the order of the step's parameters and moments, and of the best state, where that differs.
    pub(super) fn new(step: &TrainingStep, values: Vec<Vec<f32>>, best: Option<Weights>, place: Place) -> Self {
        let params = step.params.iter().map(|param| (format!("{PARAMETER}{}", param.name), &param.shape));
        let moments = step.moments.iter().map(|(name, _, shape)| (format!("{MOMENT}{name}"), shape));
        let named = params.chain(moments).zip(values).map(|((name, shape), values)| (name, Tensor::f32(shape, values)));
        let best = best.into_iter().flatten().map(|(name, tensor)| (format!("{BEST}{name}"), tensor));
        Checkpoint { tensors: named.chain(best).collect(), place }
    }

    /// Values of the step's parameters and moments, in their order.
    pub(super) fn values(&self, step: &TrainingStep) -> Result<Vec<Vec<f32>>, TrainError> {
        let params = step.params.iter().map(|param| (format!("{PARAMETER}{}", param.name), &param.shape));
        let moments = step.moments.iter().map(|(name, _, shape)| (format!("{MOMENT}{name}"), shape));
        let value = |(name, shape): (String, &Vec<usize>)| {
            let tensor = self.tensors.get(&name).filter(|tensor| tensor.shape == *shape);
            let values = tensor.and_then(|tensor| tensor.as_f32());
            values.map(<[f32]>::to_vec).ok_or(TrainError::Checkpoint { what: name })
        };
        params.chain(moments).map(value).collect()
    }

    /// The best state so far.
    pub(super) fn best(&self) -> Weights {
        let of = |prefix: &str| -> Weights {
            let named = self.tensors.iter().filter_map(|(name, t)| Some((name.strip_prefix(prefix)?.to_owned(), t.clone())));
            named.collect()
        };
        let best = of(BEST);
        if best.is_empty() { of(PARAMETER) } else { best }
    }
}
