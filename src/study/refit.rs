//! Training what was chosen on all rows: after a cross-validation, or where the user asks for it the rows of the validation
//! part included.
//!
//! What is exported was scored by nets of the same genome that each lacked a fold, or by one that lacked the validation part.
//! It is trained as they were, with as many passes over its rows as they had over theirs (the median), to the end; what came
//! of inherited weights goes on from where it was scored. No rows are left to tell whether this one training went well, so it
//! has to look as if it had: on rows that it was trained on it must be no worse than what was scored was on rows that it had
//! not seen. Of an ensemble each net is trained so, and the shares stay as they were chosen.

use super::evaluator::{Clock, Evaluator, Job, Start, stopped};
use super::finished::AsTrained;
use super::trainings::median;
use super::{
    Choice, Event, NotRefit, Record, Refit, Resources, SingleTraining, Study, StudyError, TrainingSettings, lengths,
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

/// Trainings of a finalist that one on all rows takes as long as, at most; 0 where there is none.
pub(super) fn cost(training: &TrainingSettings, dataset: &Dataset) -> f64 {
    match (dataset.folds.is_empty(), training.refit) {
        (true, false) => 0.0,
        (true, true) => rows(dataset) as f64 / dataset.train.targets.len() as f64,
        (false, _) => TRAININGS,
    }
}

/// All rows.
fn rows(dataset: &Dataset) -> usize {
    let validation = if dataset.folds.is_empty() { dataset.validation.targets.len() } else { 0 };
    dataset.train.targets.len() + validation
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
    /// The rows that what is chosen is trained on in the end.
    pub(super) fn all_rows<'d>(&self, dataset: &'d Dataset) -> Cow<'d, Part> {
        match self.settings.training.refit && dataset.folds.is_empty() {
            true => Cow::Owned(dataset.train.with(&dataset.validation)),
            false => Cow::Borrowed(&dataset.train),
        }
    }

    /// Whether what is chosen is trained once more on all rows.
    pub fn refits(&self) -> bool {
        self.settings.training.refit || self.settings.data.cross_validation.is_some()
    }

    /// The choice with its nets trained on all rows, those of them that became what their scores promise: of a
    /// cross-validation it is else the net of the first fold, of an ensemble a part of the nets.
    pub(super) fn refit(
        &mut self,
        mut choice: Choice,
        evaluator: &mut dyn Evaluator,
        resources: &Resources<'_>,
        clock: Clock,
        watch: &mut dyn FnMut(Event<'_>),
    ) -> Result<Choice, StudyError> {
        let is_late = self.settings.search.budget.is_some_and(|b| clock.now() >= b * lengths::TRAINING_LIMIT);
        if !is_late {
            self.train_on_all_rows(&choice, evaluator, resources, watch)?;
        }
        let nets: Vec<(u64, String)> = choice.nets().into_iter().map(|(number, w)| (number, w.to_owned())).collect();
        for (index, (candidate, weights)) in nets.iter().enumerate() {
            let trained = match self.followed_by(weights) {
                Some(refit) if is_settled(refit) || !stopped(resources.stop) => {
                    self.accepted(&choice, *candidate, refit, resources)?.map(str::to_owned)
                }
                None if is_late => Err(NotRefit::NoTime),
                _ => Err(NotRefit::Stopped),
            };
            choice.interrupted |= trained == Err(NotRefit::Stopped);
            choice.set_refit(index, trained);
        }
        Ok(choice)
    }

    /// Trains the nets of a choice on all rows that were not before.
    fn train_on_all_rows(
        &mut self,
        choice: &Choice,
        evaluator: &mut dyn Evaluator,
        resources: &Resources<'_>,
        watch: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), StudyError> {
        let nets = choice.nets();
        let open = |net: &usize| !self.followed_by(nets[*net].1).is_some_and(is_settled);
        let open: Vec<usize> = (0..nets.len()).filter(open).collect();
        if open.is_empty() {
            return Ok(());
        }
        watch(Event::Refitting { nets: open.len() });
        for net in open {
            evaluator.submit(self.refit_job(choice, net, resources)?);
        }
        while let Some(done) = evaluator.next()? {
            let net = nets.get(done.job.number as usize);
            let warning = net.and_then(|(candidate, _)| done.warning(&format!("candidate {candidate} on all rows")));
            let (Some(outcome), Some(&(candidate, folds))) = (done.outcome, net) else {
                evaluator.withdraw();
                continue;
            };
            let (folds, examples, timing) = (folds.to_owned(), done.job.examples, done.timing);
            let refit = Refit { folds, candidate, examples, outcome, timing };
            self.append(Record::Refit(refit.clone()))?;
            watch(Event::Refit(&refit));
            warning.iter().for_each(|warning| watch(Event::Warning(warning)));
        }
        Ok(())
    }

    /// What followed the weights that were scored, the last time.
    fn followed_by(&self, weights: &str) -> Option<&Refit> {
        self.refits.iter().rev().find(|refit| refit.folds == weights)
    }

    /// The training on all rows of one of the nets of a choice.
    fn refit_job(&mut self, choice: &Choice, net: usize, resources: &Resources<'_>) -> Result<Job, StudyError> {
        use rand::Rng;
        let nets = choice.nets();
        let (candidate, weights) = nets[net];
        let lost = || StudyError::Diverges { number: candidate };
        let AsTrained { genome, outcome, length } = self.as_trained(candidate, weights).ok_or_else(lost)?;
        let passes = passes(outcome.trainings(), length.examples, resources.dataset).ok_or_else(lost)?;
        let rows = rows(resources.dataset) as f64;
        // Weights of a fold are behind the preprocessing of that fold.
        let goes_on = length.inherited && resources.dataset.folds.is_empty();
        // What inherits may have seen a part of the rows alone; here it is to see those that it has never seen.
        let examples = (passes.max(if goes_on { 1.0 } else { 0.0 }) * rows).round().max(1.0) as u64;
        let share = f64::from(genome.training.length);
        let full = self.settings.training.candidate_examples(outcome.costs(), share);
        let start = match goes_on {
            true => Some(Start {
                genome: genome.clone(),
                weights: self.weights_of(candidate, weights, choice.training, resources)?,
                counts: false,
                rate: TrainingSettings::warm_rate(examples as f64 / full as f64),
            }),
            false => None,
        };
        // Nets of one candidate were scored with different seeds, too.
        let alike = nets[..net].iter().filter(|(other, _)| *other == candidate).count() as u64;
        let seed = crate::search::rng(self.settings.search.seed, candidate, REFIT_STREAM + alike).next_u64();
        let deadline = self.settings.search.budget.map(|budget| budget * lengths::TRAINING_LIMIT);
        let (number, rungs, checkpoint) = (net as u64, vec![], None);
        Ok(Job { number, genome, seed, examples, start, whole: true, deadline, rungs, checkpoint })
    }

    /// SHA-256 in the store of the weights that were scored, of several executions those of one `training` alone.
    fn weights_of(
        &mut self,
        candidate: u64,
        weights: &str,
        training: usize,
        resources: &Resources<'_>,
    ) -> Result<String, StudyError> {
        let stored = self.store.get(weights)?;
        let own = self.trainings(resources).weights(&stored, training);
        let hash = self.store.put(&own.ok_or(StudyError::Diverges { number: candidate })?)?;
        self.stored.insert(hash.clone());
        Ok(hash)
    }

    /// The weights of a net of the choice trained on all rows, where it became what its scores promise, or why not.
    fn accepted<'r>(
        &self,
        choice: &Choice,
        candidate: u64,
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
        let followed = self.as_trained(candidate, &refit.folds);
        let followed = followed.ok_or(StudyError::Diverges { number: candidate })?.outcome;
        let promised = match choice.ensemble {
            Some(_) => followed.score(),
            None => choice.scores.get(metric.name).map(|&value| metric::score(metric, value)),
        };
        let least = promised.map(|promised| promised - MARGIN * self.standard_error(metric, promised, followed, resources));
        Ok(if least.is_some_and(|least| score >= least) { Ok(weights) } else { Err(NotRefit::Worse) })
    }
}

/// Whether nothing else would come of a training on all rows with more time.
fn is_settled(refit: &Refit) -> bool {
    refit.outcome.weights().is_none() || is_whole(refit)
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
}
