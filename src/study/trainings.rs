//! Several trainings of one candidate, whose score is their mean: on the folds of a cross-validation, from several seeds.
//!
//! Metrics are averaged over folds, not computed over all rows pooled: each fold is scored by a net of its own, and
//! probabilities of different nets cannot be ranked against one another (Forman and Scholz, 2010). Their spread also tells
//! the standard error. On a fold the last state of a training counts, not the best: rows that choose a state flatter it, few
//! rows more than many. How long to train the finals tell, which compare several lengths.
//!
//! A training starts from what the same fold was trained to before, never from another fold: weights of another fold know
//! the rows that this one is scored on.

use super::record::SingleTraining;
use crate::train::{Costs, CurvePoint, Scores, TrainError, Trained, Weights, random};
use rand::Rng;

/// First random stream of a training from which the seeds of the further ones are drawn.
const STREAM: u64 = 16;

/// How often each candidate of a study is trained. Trainings are numbered execution by execution, fold by fold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trainings {
    /// Folds of all repetitions; 1 where there is a validation part.
    pub folds: usize,
    /// Seeds from which each fold is trained.
    pub executions: usize,
}

impl Trainings {
    /// Of a study with so many folds, none where there is a validation part.
    pub fn new(folds: usize, executions: usize) -> Self {
        Trainings { folds: folds.max(1), executions: executions.max(1) }
    }

    /// Number of trainings.
    pub fn count(self) -> usize {
        self.folds * self.executions
    }

    /// Fold of a training.
    pub fn fold(self, training: usize) -> usize {
        training % self.folds
    }

    /// Seed of a training; the first has the candidate's own.
    pub fn seed(self, seed: u64, training: usize) -> u64 {
        if training == 0 { seed } else { random(seed, STREAM + training as u64).next_u64() }
    }

    /// Of the weights stored for a candidate, those that a training starts from or is exported with: its own, or where it
    /// failed those of another execution on the same fold.
    pub fn weights(self, stored: &Weights, training: usize) -> Option<Weights> {
        let prefix = prefix(self.source(stored, training)?);
        if self.count() == 1 {
            return Some(stored.clone());
        }
        let named = stored.iter().filter_map(|(name, t)| Some((name.strip_prefix(&prefix)?.to_owned(), t.clone())));
        Some(named.collect())
    }

    /// The training that these weights are of.
    pub fn source(self, stored: &Weights, training: usize) -> Option<usize> {
        let is_there = |training: &usize| {
            let prefix = prefix(*training);
            self.count() == 1 || stored.keys().any(|name| name.starts_with(&prefix))
        };
        let same_fold = (0..self.executions).map(|execution| execution * self.folds + self.fold(training));
        std::iter::once(training).chain(same_fold).find(is_there)
    }

    /// The result of a candidate from those of its trainings, of which a single one is the result itself. Where some
    /// executions on a fold fail the others count.
    ///
    /// # Errors
    /// Where all executions on a fold failed: the first failure.
    pub fn combined(
        self,
        mut results: Vec<Result<Trained, TrainError>>,
    ) -> Result<(Trained, Vec<SingleTraining>), TrainError> {
        if self.count() == 1 {
            return results.remove(0).map(|trained| (trained, vec![]));
        }
        let singles = results.iter().map(single).collect();
        let mut folds: Vec<Vec<Trained>> = vec![vec![]; self.folds];
        let mut failures: Vec<Option<TrainError>> = (0..self.folds).map(|_| None).collect();
        let mut bundle = Weights::new();
        for (training, result) in results.into_iter().enumerate() {
            match result {
                Ok(mut trained) => {
                    let weights = std::mem::take(&mut trained.weights);
                    bundle.extend(weights.into_iter().map(|(name, t)| (format!("{}{name}", prefix(training)), t)));
                    folds[self.fold(training)].push(trained);
                }
                Err(error) => drop(failures[self.fold(training)].get_or_insert(error)),
            }
        }
        let lost = folds.iter().zip(&mut failures).find(|(trained, _)| trained.is_empty());
        if let Some(error) = lost.and_then(|(_, failure)| failure.take()) {
            return Err(error);
        }
        let trained = Trained {
            weights: bundle,
            scores: mean_scores(&folds),
            score: mean(folds.iter().map(|fold| mean(fold.iter().map(|trained| trained.score)))),
            curve: mean_curve(folds.iter().flatten()),
            // Only single trainings are compared on their way.
            rungs: vec![],
            paused: None,
            costs: all_costs(folds.iter().flatten()),
        };
        Ok((trained, singles))
    }
}

/// What precedes the names of a training's weights where several are stored together.
fn prefix(training: usize) -> String {
    format!("{training}/")
}

/// What the journal says of one training.
fn single(result: &Result<Trained, TrainError>) -> SingleTraining {
    match result {
        Err(error) => SingleTraining { failure: Some(error.to_string()), ..SingleTraining::default() },
        Ok(trained) => {
            let examples = trained.curve.last().map_or(0, |point| point.examples);
            SingleTraining { score: Some(trained.score), scores: trained.scores.clone(), examples, failure: None }
        }
    }
}

/// Metrics that every training has, averaged within folds and then over them.
fn mean_scores(folds: &[Vec<Trained>]) -> Scores {
    let mut scores = Scores::new();
    let all = || folds.iter().flatten();
    for name in all().next().map(|trained| trained.scores.keys()).into_iter().flatten() {
        if all().all(|trained| trained.scores.contains_key(name)) {
            let of_fold = |fold: &Vec<Trained>| mean(fold.iter().map(|trained| trained.scores[name]));
            scores.insert(name.clone(), mean(folds.iter().map(of_fold)));
        }
    }
    scores
}

/// The points that all courses have, averaged.
fn mean_curve<'a>(trained: impl Iterator<Item = &'a Trained> + Clone) -> Vec<CurvePoint> {
    let points = trained.clone().map(|t| t.curve.len()).min().unwrap_or(0);
    let at = |point: usize| {
        let of = |value: &dyn Fn(&CurvePoint) -> f64| mean(trained.clone().map(|t| value(&t.curve[point])));
        CurvePoint { examples: of(&|p| p.examples as f64) as u64, loss: of(&|p| p.loss), metric: of(&|p| p.metric) }
    };
    (0..points).map(at).collect()
}

/// What a net of these costs, and the examples of all together.
fn all_costs<'a>(mut trained: impl Iterator<Item = &'a Trained> + Clone) -> Costs {
    let examples = trained.clone().map(|t| t.costs.examples).sum();
    trained.next().map_or_else(Costs::default, |first| Costs { examples, ..first.costs })
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
    sum / count
}

/// Standard error of the mean over folds, from their spread: a score's deviation over the root of the folds of one
/// repetition, since repetitions cut the same rows anew (Breiman et al., 1984).
pub fn standard_error(trainings: &[SingleTraining], folds: usize) -> f64 {
    let scores: Vec<f64> = trainings.iter().filter_map(|training| training.score).collect();
    let centre = mean(scores.iter().copied());
    let squares: f64 = scores.iter().map(|score| (score - centre).powi(2)).sum();
    (squares / (scores.len().max(2) - 1) as f64 / folds.max(1) as f64).sqrt()
}

/// The middle value; of an even number the mean of the two in the middle. `None` of none.
pub fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_by(f64::total_cmp);
    let (low, high) = (sorted.get(sorted.len().checked_sub(1)? / 2)?, sorted.get(sorted.len() / 2)?);
    Some((low + high) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Tensor;

    fn trained(value: f32, score: f64) -> Result<Trained, TrainError> {
        let point = |examples, metric| CurvePoint { examples, loss: 1.0, metric };
        Ok(Trained {
            weights: Weights::from([("w".to_owned(), Tensor::f32(&[1], vec![value]))]),
            scores: Scores::from([("accuracy".to_owned(), score)]),
            score,
            curve: vec![point(10, score / 2.0), point(20, score)],
            rungs: vec![],
            paused: None,
            costs: Costs { parameters: 7, examples: 20, ..Costs::default() },
        })
    }

    fn diverged() -> Result<Trained, TrainError> {
        Err(TrainError::Diverged { examples: 3, what: "loss".into() })
    }

    fn value(weights: Option<Weights>) -> Option<f32> {
        Some(weights?["w"].as_f32()?[0])
    }

    #[test]
    fn a_single_training_is_its_own_result() {
        let (only, singles) = Trainings::new(0, 1).combined(vec![trained(3.0, 0.5)]).unwrap();
        assert!(singles.is_empty());
        assert_eq!((value(Some(only.weights.clone())), only.score), (Some(3.0), 0.5));
        assert_eq!(value(Trainings::new(0, 1).weights(&only.weights, 0)), Some(3.0));
    }

    #[test]
    fn folds_are_averaged_and_each_keeps_its_weights() {
        let trainings = Trainings::new(3, 1);
        let results = vec![trained(0.0, 0.5), trained(1.0, 0.7), trained(2.0, 0.9)];
        let (all, singles) = trainings.combined(results).unwrap();
        assert!((all.score - 0.7).abs() < 1e-12 && (all.scores["accuracy"] - 0.7).abs() < 1e-12);
        assert_eq!((all.costs.examples, all.costs.parameters, all.curve.len()), (60, 7, 2));
        assert!((standard_error(&singles, 3) - 0.2 / 3f64.sqrt()).abs() < 1e-12);
        for fold in 0..3 {
            assert_eq!(value(trainings.weights(&all.weights, fold)), Some(fold as f32));
        }
    }

    #[test]
    fn a_fold_that_fails_fails_the_candidate() {
        assert!(Trainings::new(2, 1).combined(vec![trained(0.0, 0.5), diverged()]).is_err());
    }

    #[test]
    fn an_execution_may_fail_where_another_on_the_fold_does_not() {
        let trainings = Trainings::new(2, 2);
        let results = vec![trained(0.0, 0.5), diverged(), trained(2.0, 0.7), trained(3.0, 0.8)];
        let (all, singles) = trainings.combined(results).unwrap();
        assert!((all.score - 0.7).abs() < 1e-12, "0.6 on the first fold, 0.8 on the second");
        assert!(singles[1].failure.is_some() && singles[1].score.is_none());
        let stored = |training| value(trainings.weights(&all.weights, training));
        assert_eq!([stored(0), stored(1), stored(2), stored(3)], [Some(0.0), Some(3.0), Some(2.0), Some(3.0)]);
        let source = trainings.source(&all.weights, 1).unwrap();
        assert_eq!((source, singles[source].examples), (3, 20), "where the weights come from, the examples do");
        let lost = vec![trained(0.0, 0.5), diverged(), trained(2.0, 0.7), diverged()];
        assert!(trainings.combined(lost).is_err());
    }

    #[test]
    fn seeds_differ_and_the_first_is_the_candidates() {
        let trainings = Trainings::new(5, 2);
        let mut seeds: Vec<u64> = (0..10).map(|training| trainings.seed(42, training)).collect();
        assert_eq!(seeds[0], 42);
        seeds.sort_unstable();
        seeds.dedup();
        assert_eq!(seeds.len(), 10);
    }

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median([3.0, 1.0, 2.0].into_iter()), Some(2.0));
        assert_eq!(median([3.0, 1.0].into_iter()), Some(2.0));
        assert_eq!(median(std::iter::empty()), None);
    }
}
