//! After a cross-validation: training the best genome on all rows.
//!
//! What is exported was scored by nets of the same genome that each lacked a fold. It is trained as they were, with as many
//! passes over its rows as they had over theirs (the median), to the end. No rows are left to tell whether this one training went well, so it has to look as if it had: on the rows that
//! it was trained on it must be no worse than the folds were on rows that they had not seen.

use super::evaluator::{Evaluator, Job};
use super::finished::AsTrained;
use super::trainings::median;
use super::{Choice, Event, Finals, Record, Refit, Resources, SingleTraining, Study, StudyError, lengths};
use crate::data::Dataset;

/// Stream from which this training is seeded.
const REFIT_STREAM: u64 = 1 << 34;
/// Trainings on a fold that this one takes as long as, at most: with two folds it has twice the rows.
const TRAININGS: f64 = 2.0;
/// Share of the examples wanted that a training cut short by the budget must have had.
const LEAST_SHARE: f64 = 0.5;
/// Standard errors by which it may be worse on its own rows than the folds on others.
const MARGIN: f64 = 3.0;

/// Share of the time of the finals, with so many trainings one after the other, that is left where all rows are trained on
/// after them.
pub(super) fn share_of_finals(trainings: usize, refit: bool) -> f64 {
    if refit { trainings as f64 / (trainings as f64 + TRAININGS) } else { 1.0 }
}

/// Training examples of all rows for as many passes as the folds had; `None` where none was trained.
fn length(trainings: &[SingleTraining], dataset: &Dataset) -> Option<u64> {
    let rows = dataset.folds.iter().cycle().map(|fold| fold.train.targets.len());
    let scored = trainings.iter().zip(rows).filter(|(training, _)| training.score.is_some());
    let passes = median(scored.map(|(training, rows)| training.examples as f64 / rows as f64))?;
    Some((passes * dataset.train.targets.len() as f64).round().max(1.0) as u64)
}

impl Study {
    /// Chooses by the folds, trains the choice on all rows, and journals what is exported: that net, or where it did not
    /// become what the folds promise, the net of the first fold.
    pub(super) fn decide_and_refit(
        &mut self,
        finals: &Finals,
        evaluator: &mut dyn Evaluator,
        resources: &Resources<'_>,
        watch: &mut dyn FnMut(Event<'_>),
    ) -> Result<Choice, StudyError> {
        let mut choice = self.choose(finals, false, resources)?;
        let known = self.refits.iter().position(|refit| refit.folds == choice.weights);
        let refit = match known {
            Some(known) => Some(self.refits[known].clone()),
            None => self.refit(&choice, evaluator, resources, watch)?,
        };
        match refit {
            None => choice.interrupted = true,
            Some(refit) => {
                if known.is_none() {
                    self.append(Record::Refit(refit.clone()))?;
                }
                watch(Event::Refit(&refit));
                choice.refit = self.accepted(&refit, resources)?.map(str::to_owned);
            }
        }
        self.settle(choice, watch)
    }

    /// Trains the choice on all rows; `None` where the user stops it.
    fn refit(
        &self,
        choice: &Choice,
        evaluator: &mut dyn Evaluator,
        resources: &Resources<'_>,
        watch: &mut dyn FnMut(Event<'_>),
    ) -> Result<Option<Refit>, StudyError> {
        use rand::Rng;
        let trained = self.as_trained(choice.candidate, &choice.weights);
        let AsTrained { genome, outcome, .. } = trained.ok_or(StudyError::Diverges { number: choice.candidate })?;
        let examples = length(outcome.trainings(), resources.dataset);
        let examples = examples.ok_or(StudyError::Diverges { number: choice.candidate })?;
        let seed = crate::search::rng(self.settings.search.seed, choice.candidate, REFIT_STREAM).next_u64();
        let deadline = self.settings.search.budget.map(|budget| budget * lengths::TRAINING_LIMIT);
        evaluator.submit(Job {
            number: 0,
            genome,
            seed,
            examples,
            start: None,
            whole: true,
            deadline,
            rungs: vec![],
            checkpoint: None,
        });
        let Some(done) = evaluator.next()? else { return Ok(None) };
        let warning = done.warning(&format!("candidate {} on all rows", choice.candidate));
        warning.iter().for_each(|warning| watch(Event::Warning(warning)));
        Ok(done.outcome.map(|outcome| Refit {
            folds: choice.weights.clone(),
            candidate: choice.candidate,
            examples,
            outcome,
            timing: done.timing,
        }))
    }

    /// The weights of a net trained on all rows, where it became what the folds promise.
    fn accepted<'r>(&self, refit: &'r Refit, resources: &Resources<'_>) -> Result<Option<&'r str>, StudyError> {
        let metric = self.metric(resources)?;
        let outcomes = self.finalists.iter().map(|f| &f.outcome).chain(self.candidates.values().map(|c| &c.outcome));
        let Some(folds) = outcomes.into_iter().find(|outcome| outcome.weights() == Some(&refit.folds)) else {
            return Ok(None);
        };
        let (Some(promised), Some(score)) = (folds.score(), refit.outcome.score()) else { return Ok(None) };
        let least = promised - MARGIN * self.standard_error(metric, promised, folds, resources);
        let wanted = LEAST_SHARE * refit.examples as f64;
        let is_whole = refit.outcome.costs().examples as f64 >= wanted;
        Ok(refit.outcome.weights().filter(|_| score >= least && is_whole))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{CrossValidation, Options, Validation, load};

    #[test]
    fn all_rows_are_trained_on_with_as_many_passes_as_the_folds() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/iris.csv");
        let validation = Validation::Folds(CrossValidation { folds: 3, repetitions: 1 });
        let target = Some("species".into());
        let dataset = load(&Options { path, target, task: None, validation, group: None, seed: 0 }).unwrap();
        let training = |examples| SingleTraining { score: Some(0.9), examples, ..SingleTraining::default() };
        let failed = SingleTraining { failure: Some("diverged".into()), ..SingleTraining::default() };
        let trainings = [training(800), training(400), training(1_200), failed];
        assert_eq!(length(&trainings, &dataset), Some(1_200), "ten passes over 80 rows, as many over 120");
        assert_eq!(length(&trainings[3..], &dataset), None);
    }

    #[test]
    fn time_is_left_for_it() {
        assert_eq!(share_of_finals(10, false), 1.0);
        assert!((share_of_finals(10, true) - 10.0 / 12.0).abs() < 1e-12);
    }
}
