//! Training the best genome on all rows: after a cross-validation, or where the user asks for it the rows of the validation
//! part included.
//!
//! What is exported was scored by nets of the same genome that each lacked a fold, or by one that lacked the validation part.
//! It is trained as they were, with as many passes over its rows as they had over theirs (the median), to the end; what came
//! of inherited weights goes on from where it was scored. No rows are left to tell whether this one training went well, so it
//! has to look as if it had: on rows that it was trained on it must be no worse than what was scored was on rows that it had
//! not seen.

use super::evaluator::{Clock, Evaluator, Job, Start};
use super::finished::AsTrained;
use super::trainings::median;
use super::{
    Choice, Event, Finals, NotRefit, Record, Refit, Resources, SingleTraining, Study, StudyError, TrainingSettings, lengths,
};
use crate::data::{Dataset, Part};
use crate::train::metric;
use std::borrow::Cow;

/// Stream from which this training is seeded.
const REFIT_STREAM: u64 = 1 << 34;
/// Trainings on a fold that this one takes as long as, at most: with two folds it has twice the rows.
const TRAININGS: f64 = 2.0;
/// Share of the examples wanted that a training cut short by the budget must have had.
const LEAST_SHARE: f64 = 0.5;
/// Standard errors by which it may be worse on its own rows than the folds on others.
const MARGIN: f64 = 3.0;

/// Share of the time of the finals, with so many trainings one after the other, that is left where the one on all rows takes
/// as long as `refit` of them.
pub(super) fn share_of_finals(trainings: usize, refit: f64) -> f64 {
    trainings as f64 / (trainings as f64 + refit)
}

/// Passes over their rows that the trainings had which scored a candidate, with so many `examples` if it was a single one;
/// `None` where none was scored.
fn passes(trainings: &[SingleTraining], examples: u64, dataset: &Dataset) -> Option<f64> {
    let parts = if dataset.folds.is_empty() { std::slice::from_ref(dataset) } else { &dataset.folds[..] };
    let over = |examples: u64, part: &Dataset| examples as f64 / part.train.targets.len() as f64;
    if trainings.is_empty() {
        return Some(over(examples, dataset));
    }
    let scored = trainings.iter().zip(parts.iter().cycle()).filter(|(training, _)| training.score.is_some());
    median(scored.map(|(training, part)| over(training.examples, part)))
}

impl Study {
    /// The rows that the choice is trained on in the end.
    pub(super) fn all_rows<'d>(&self, dataset: &'d Dataset) -> Cow<'d, Part> {
        match self.settings.training.refit && dataset.folds.is_empty() {
            true => Cow::Owned(dataset.train.with(&dataset.validation)),
            false => Cow::Borrowed(&dataset.train),
        }
    }

    /// Whether the choice is trained once more on all rows.
    pub fn refits(&self) -> bool {
        self.settings.training.refit || self.settings.data.cross_validation.is_some()
    }

    /// Trainings that one on all rows takes as long as, at most; 0 where there is none.
    pub(super) fn refit_cost(&self, dataset: &Dataset) -> f64 {
        match (dataset.folds.is_empty(), self.settings.training.refit) {
            (true, false) => 0.0,
            (true, true) => self.rows(dataset) as f64 / dataset.train.targets.len() as f64,
            (false, _) => TRAININGS,
        }
    }

    /// All rows.
    fn rows(&self, dataset: &Dataset) -> usize {
        let validation = if dataset.folds.is_empty() { dataset.validation.targets.len() } else { 0 };
        dataset.train.targets.len() + validation
    }

    /// Chooses by what was scored, trains the choice on all rows, and journals what is exported: that net, or where it did not
    /// become what the scores promise, the scored one, which of a cross-validation is the net of the first fold.
    pub(super) fn decide_and_refit(
        &mut self,
        finals: &Finals,
        evaluator: &mut dyn Evaluator,
        resources: &Resources<'_>,
        clock: Clock,
        watch: &mut dyn FnMut(Event<'_>),
    ) -> Result<Choice, StudyError> {
        let mut choice = self.choose(finals, false, resources)?;
        let known = self.refits.iter().find(|refit| refit.folds == choice.weights && is_whole(refit)).cloned();
        let refit = match known {
            Some(known) => Some(known),
            None if self.settings.search.budget.is_some_and(|budget| clock.now() >= budget * lengths::TRAINING_LIMIT) => {
                choice.not_refit = Some(NotRefit::NoTime);
                return self.settle(choice, watch);
            }
            None => self.refit(&choice, evaluator, resources, watch)?,
        };
        match refit {
            None => (choice.interrupted, choice.not_refit) = (true, Some(NotRefit::Stopped)),
            Some(refit) => {
                if !self.refits.contains(&refit) {
                    self.append(Record::Refit(refit.clone()))?;
                }
                watch(Event::Refit(&refit));
                match self.accepted(&choice, &refit, resources)? {
                    Ok(weights) => choice.refit = Some(weights.to_owned()),
                    Err(reason) => choice.not_refit = Some(reason),
                }
            }
        }
        self.settle(choice, watch)
    }

    /// Trains the choice on all rows; `None` where the user stops it.
    fn refit(
        &mut self,
        choice: &Choice,
        evaluator: &mut dyn Evaluator,
        resources: &Resources<'_>,
        watch: &mut dyn FnMut(Event<'_>),
    ) -> Result<Option<Refit>, StudyError> {
        use rand::Rng;
        let lost = || StudyError::Diverges { number: choice.candidate };
        let AsTrained { genome, outcome, length } = self.as_trained(choice.candidate, &choice.weights).ok_or_else(lost)?;
        let passes = passes(outcome.trainings(), length.examples, resources.dataset).ok_or_else(lost)?;
        let rows = self.rows(resources.dataset) as f64;
        // Weights of a fold are behind the preprocessing of that fold.
        let goes_on = length.inherited && resources.dataset.folds.is_empty();
        // What inherits may have seen a part of the rows alone; here it is to see those that it has never seen.
        let examples = (passes.max(if goes_on { 1.0 } else { 0.0 }) * rows).round().max(1.0) as u64;
        let share = f64::from(genome.training.length);
        let full = self.settings.training.candidate_examples(outcome.costs(), share);
        let start = match goes_on {
            true => Some(Start {
                genome: genome.clone(),
                weights: self.weights_of(choice, resources)?,
                counts: false,
                rate: TrainingSettings::warm_rate(examples as f64 / full as f64),
            }),
            false => None,
        };
        let seed = crate::search::rng(self.settings.search.seed, choice.candidate, REFIT_STREAM).next_u64();
        let deadline = self.settings.search.budget.map(|budget| budget * lengths::TRAINING_LIMIT);
        evaluator.submit(Job {
            number: 0,
            genome,
            seed,
            examples,
            start,
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

    /// SHA-256 in the store of the weights that were scored, of several executions those of the chosen one alone.
    fn weights_of(&mut self, choice: &Choice, resources: &Resources<'_>) -> Result<String, StudyError> {
        let stored = self.store.get(&choice.weights)?;
        let own = self.trainings(resources).weights(&stored, choice.training);
        let hash = self.store.put(&own.ok_or(StudyError::Diverges { number: choice.candidate })?)?;
        self.stored.insert(hash.clone());
        Ok(hash)
    }

    /// The weights of a net trained on all rows, where it became what the choice promises, or why not.
    fn accepted<'r>(
        &self,
        choice: &Choice,
        refit: &'r Refit,
        resources: &Resources<'_>,
    ) -> Result<Result<&'r str, NotRefit>, StudyError> {
        let metric = self.metric(resources)?;
        let (Some(weights), Some(score)) = (refit.outcome.weights(), refit.outcome.score()) else {
            return Ok(Err(NotRefit::Failed));
        };
        if !is_whole(refit) {
            return Ok(Err(NotRefit::NoTime));
        }
        let followed = self.as_trained(choice.candidate, &choice.weights);
        let followed = followed.ok_or(StudyError::Diverges { number: choice.candidate })?.outcome;
        let promised = choice.scores.get(metric.name).map(|&value| metric::score(metric, value));
        let least = promised.map(|promised| promised - MARGIN * self.standard_error(metric, promised, followed, resources));
        Ok(if least.is_some_and(|least| score >= least) { Ok(weights) } else { Err(NotRefit::Worse) })
    }
}

/// Whether a training was not cut off before it had a good part of what it was to have.
fn is_whole(refit: &Refit) -> bool {
    refit.outcome.costs().examples as f64 >= LEAST_SHARE * refit.examples as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{CrossValidation, Options, Validation, load};

    #[test]
    fn all_rows_are_trained_on_with_as_many_passes_as_those_had_that_were_scored() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/iris.csv");
        let validation = Validation::Folds(CrossValidation { folds: 3, repetitions: 1 });
        let target = Some("species".into());
        let dataset = load(&Options { path, target, task: None, validation, group: None, seed: 0 }).unwrap();
        let training = |examples| SingleTraining { score: Some(0.9), examples, ..SingleTraining::default() };
        let failed = SingleTraining { failure: Some("diverged".into()), ..SingleTraining::default() };
        let trainings = [training(800), training(400), training(1_200), failed];
        assert_eq!(passes(&trainings, 0, &dataset), Some(10.0), "800 examples of the 80 rows of a fold");
        assert_eq!(passes(&trainings[3..], 0, &dataset), None);
        let split = Dataset { folds: vec![], ..dataset };
        assert_eq!(passes(&[], 600, &split), Some(5.0), "of 120 rows");
        assert_eq!(passes(&trainings, 0, &split), Some(800.0 / 120.0), "each execution is on the same rows");
    }

    #[test]
    fn time_is_left_for_it() {
        assert_eq!(share_of_finals(10, 0.0), 1.0);
        assert!((share_of_finals(10, 2.0) - 10.0 / 12.0).abs() < 1e-12);
    }
}
