//! What several nets say together.

use super::metric::Predictions;
use super::{Evaluator, TrainError, Weights};
use crate::data::{OutputSpec, Part, Task};
use crate::engine::Engine;
use crate::genome::Genome;
use crate::graph::Target;

/// A trained net with its share in what an ensemble says.
#[derive(Debug, Clone, Copy)]
pub struct Member<'a> {
    /// Its genome.
    pub genome: &'a Genome,
    /// Its weights.
    pub weights: &'a Weights,
    /// Its share; those of all members sum to one.
    pub share: f64,
}

/// What nets say together about each row of `part`: the mean of their probabilities or values, weighted by their shares. A
/// single net says what it says alone, bit for bit.
///
/// # Errors
/// Where a genome does not fit the task, or the engine fails.
pub fn predict<'a>(
    members: impl IntoIterator<Item = Member<'a>>,
    task: &Task,
    part: &Part,
    engine: &dyn Engine,
    target: Target,
) -> Result<Predictions, TrainError> {
    let rows = part.targets.len();
    let mut mean = Mean::new(rows * task.outputs());
    for Member { genome, weights, share } in members {
        let mut evaluator = Evaluator::new(genome, task, rows, engine, target)?;
        evaluator.set_weights(weights)?;
        mean.add(evaluator.predict(part)?.values(), share);
    }
    Ok(mean.into_predictions(&task.output))
}

/// A weighted mean in the making, in float64.
struct Mean(Vec<f64>);

impl Mean {
    fn new(values: usize) -> Self {
        Mean(vec![0.0; values])
    }

    fn add(&mut self, said: &[f32], share: f64) {
        self.0.iter_mut().zip(said).for_each(|(sum, &value)| *sum += share * f64::from(value));
    }

    fn into_predictions(self, output: &OutputSpec) -> Predictions {
        let values = self.0.into_iter().map(|value| value as f32).collect();
        match output {
            OutputSpec::Classes { names, .. } => Predictions::Probabilities { classes: names.len(), values },
            OutputSpec::Value { .. } => Predictions::Values(values),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_is_weighted_and_rounded_once() {
        let mean = |members: &[(f32, f64)]| {
            let mut mean = Mean::new(1);
            members.iter().for_each(|&(value, share)| mean.add(&[value], share));
            mean.into_predictions(&OutputSpec::Value { mean: 0.0, std: 1.0 })
        };
        assert_eq!(mean(&[(0.1, 1.0)]), Predictions::Values(vec![0.1]), "as it is alone");
        assert_eq!(mean(&[(0.5, 0.25), (1.0, 0.75)]), Predictions::Values(vec![0.875]));
        assert_eq!(mean(&[(1e8, 0.5), (1e8 + 24.0, 0.25), (1e8 - 8.0, 0.25)]), Predictions::Values(vec![1e8]));
    }
}
