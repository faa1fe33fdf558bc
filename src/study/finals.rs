//! The final phase: training the finalists at full length and deciding what is exported.

use super::evaluator::{Clock, Evaluator, Job, Start, stopped};
use super::{
    Candidate, Choice, Event, FinalEntry, Finalist, Finals, Outcome, Record, Resources, Study, StudyError, TrainingSettings,
    lengths, refit,
};
use crate::data::InputSpec;
use crate::genome::{Loss, Optimizer, Training};
use crate::search::Search;
use crate::train::scoring;
use std::collections::BTreeSet;

/// Stream from which the training of finalists is seeded.
const FINAL_STREAM: u64 = 1 << 33;
/// Passes over the training part beyond which a finalist starts afresh: so long a training gains nothing from the
/// searched weights, which a small dataset has already been fitted to.
const WARM_EPOCHS: f64 = 12.0;
/// Passes over images from which on finalists see them altered: by then a net knows them by heart, while in the short
/// trainings of a search it learns less of altered ones.
const ALTERED_EPOCHS: f64 = 12.0;
/// Passes over images from which on finalists are held back harder: over so many a net that was searched at a fraction of
/// them learns what is peculiar to its few images.
const REGULARISED_EPOCHS: f64 = 100.0;
/// Factor of the weight decay of those, the least decay that it is applied to (of SGD and of AdamW), and their least
/// label smoothing.
const DECAY: f32 = 4.0;
const LEAST_DECAY: (f32, f32) = (5e-4, 0.05);
const SMOOTHING: f32 = 0.1;
/// Most weight decay of those.
const MOST_DECAY: f32 = 0.3;

impl Study {
    pub(super) fn final_phase(
        &mut self,
        search: &Search,
        told: u64,
        evaluator: &mut dyn Evaluator,
        resources: &Resources<'_>,
        clock: Clock,
        watch: &mut dyn FnMut(Event<'_>),
    ) -> Result<Choice, StudyError> {
        let after = self.candidates.len() as u64;
        if let Some(choice) = self.choice.as_ref().filter(|c| c.after == after && !c.interrupted) {
            return Ok(choice.clone());
        }
        if self.candidates.values().all(|c| c.outcome.score().is_none()) {
            return Err(if stopped(resources.stop) { StudyError::Stopped } else { self.nothing_trained() });
        }
        if stopped(resources.stop) {
            // The finals are not journaled: a resumed search picks anew.
            let untold = self.candidates.range(told..).map(|(&number, _)| number);
            let entry = |candidate| FinalEntry { candidate, examples: 0, warm: false, training: None };
            let picked = self.best_of(search, self.settings.training.finalists);
            let entries = picked.into_iter().chain(untold).map(entry).collect();
            let choice = Choice { interrupted: true, ..self.choose(&Finals { after, entries }, true, resources)? };
            return self.settle(choice, watch);
        }
        let finals = match self.finals.iter().rev().find(|f| f.after == after) {
            Some(finals) => finals.clone(),
            None => {
                let finals = Finals { after, entries: self.entries(search, resources, clock) };
                self.append(Record::Finals(finals.clone()))?;
                finals
            }
        };
        let done = self.finalists.iter().filter(|finalist| finalist.after == after).count();
        watch(Event::Finals { finals: &finals, done });
        self.train_finalists(&finals, evaluator, resources, clock, watch)?;
        let interrupted = stopped(resources.stop);
        let mut choice = Choice { interrupted, ..self.choose(&finals, interrupted, resources)? };
        if self.settings.training.ensemble > 1 && !choice.interrupted {
            choice = self.combined(choice, search, &finals, resources, clock, watch)?;
        }
        if self.refits() && !choice.interrupted {
            choice = self.refit(choice, evaluator, resources, clock, watch)?;
        }
        let choice = self.settle(choice, watch)?;
        if !choice.interrupted {
            let untold = self.candidates.range(told..).map(|(&number, _)| number);
            let wanted: Vec<u64> = search.reachable().into_iter().chain(untold).collect();
            self.sweep(wanted)?;
        }
        Ok(choice)
    }

    /// Journals what is exported.
    fn settle(&mut self, choice: Choice, watch: &mut dyn FnMut(Event<'_>)) -> Result<Choice, StudyError> {
        self.append(Record::Choice(choice.clone()))?;
        watch(Event::Choice(&choice));
        Ok(choice)
    }

    pub(super) fn nothing_trained(&self) -> StudyError {
        let first = self.candidates.values().find_map(|c| match &c.outcome {
            Outcome::Failed { message, .. } => Some(message.clone()),
            Outcome::Scored { .. } | Outcome::Paused { .. } => None,
        });
        match first {
            Some(first) => StudyError::NothingTrained { candidates: self.candidates.len(), first },
            None => StudyError::NoTime,
        }
    }

    /// Who is trained, and how long: as long as the budget allows, or a fixed multiple of a candidate's length.
    fn entries(&self, search: &Search, resources: &Resources<'_>, clock: Clock) -> Vec<FinalEntry> {
        let lengths = &self.settings.training;
        let trainings = self.trainings(resources);
        // Folds are hardly larger or smaller than one another.
        let data = resources.dataset.folds.first().unwrap_or(resources.dataset);
        let (rows, validation) = (data.train.targets.len(), data.validation.targets.len());
        let side = match &resources.dataset.task.input {
            InputSpec::Image { height, width, .. } => Some(*height.min(width)),
            InputSpec::Table { .. } => None,
        };
        let picked = self.picked(search, side.is_some());
        let turns = picked.len().div_ceil(resources.workers.max(1)).max(1);
        let left = self
            .settings
            .search
            .budget
            .map(|budget| (budget * lengths.end_of_finals(lengths::TRAINING_SHARE) - clock.now()).max(0.0) / turns as f64)
            .map(|left| left * self.share_of_finals(picked.len(), resources));
        let entries = |c: &&Candidate| {
            let costs = c.outcome.costs();
            let share = f64::from(c.proposal.genome.training.length);
            let full = lengths.candidate_examples(costs, share) as f64;
            let wanted = match left {
                Some(left) => {
                    let worth = scoring::with_scoring(costs.examples / trainings.count() as u64, validation);
                    scoring::without_scoring(left * worth / c.timing.share().max(1e-3), validation) as f64
                }
                None => full * lengths.final_factor,
            };
            let examples = wanted.min(lengths.final_examples as f64) as u64;
            let ladder = match lengths.ladder {
                true if share < 1.0 => lengths::around(full as u64, examples),
                true => lengths::ladder(examples, rows),
                false => vec![examples],
            };
            // A net that goes on from searched weights could not be trained alike on all rows.
            let warm =
                resources.dataset.folds.is_empty() && ladder.len() == 1 && (examples as f64) < WARM_EPOCHS * rows as f64;
            let (candidate, searched) = (c.number, c.proposal.genome.training);
            ladder.into_iter().map(move |examples| {
                let epochs = examples as f64 / rows as f64;
                let training = side.map(|side| search.space().settled_training(lengthened(searched, side, epochs)));
                let training = training.filter(|&t| t != searched);
                FinalEntry { candidate, examples, warm, training }
            })
        };
        // The longest trainings of all finalists come first, so that workers end together.
        let mut all: Vec<FinalEntry> = picked.iter().flat_map(entries).collect();
        let longest = |entry: &FinalEntry| std::cmp::Reverse(entry.examples);
        all.sort_by_key(longest);
        all
    }

    /// The best of the search, at most `count` of them: those of its front where there are several objectives.
    fn best_of(&self, search: &Search, count: usize) -> Vec<u64> {
        if self.settings.search.minimize.is_empty() { search.finalists(count) } else { search.front(count) }
    }

    /// Those that are trained at full length: the best of the search, and beside it the next best of other niches; where
    /// there are several objectives, what is spread best along the front.
    fn picked(&self, search: &Search, image: bool) -> Vec<&Candidate> {
        let finalists = self.settings.training.finalists;
        let several = !self.settings.search.minimize.is_empty();
        let best = self.best_of(search, if several { finalists } else { usize::MAX });
        let mut picked: Vec<&Candidate> = best.iter().filter_map(|n| self.candidates.get(n)).collect();
        if picked.iter().any(|c| c.outcome.feasible_score().is_some()) {
            picked.retain(|c| c.outcome.feasible_score().is_some());
        }
        if image && !several {
            let scores = self.candidates.values().filter_map(|c| c.outcome.score()).collect();
            large_first(&mut picked, scores, |c| (c.outcome.score(), c.outcome.costs().work));
        }
        picked.truncate(finalists);
        picked
    }

    /// Share of the time that is left which trainings of so many finalists may take.
    fn share_of_finals(&self, finalists: usize, resources: &Resources<'_>) -> f64 {
        let (training, trainings) = (&self.settings.training, self.trainings(resources).count());
        let refit = refit::cost(training, resources.dataset);
        training.share_of_finals(finalists, resources.workers, trainings, refit)
    }

    fn train_finalists(
        &mut self,
        finals: &Finals,
        evaluator: &mut dyn Evaluator,
        resources: &Resources<'_>,
        clock: Clock,
        watch: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), StudyError> {
        use rand::Rng;
        let finalists: BTreeSet<u64> = finals.entries.iter().map(|entry| entry.candidate).collect();
        let share = self.share_of_finals(finalists.len(), resources);
        let end_of_finals = self.settings.training.end_of_finals(lengths::TRAINING_LIMIT);
        let until = |budget: f64| clock.now() + share * (budget * end_of_finals - clock.now()).max(0.0);
        let deadline = self.settings.search.budget.map(until);
        for (rank, entry) in finals.trainings() {
            let done = self.finalists.iter().any(|f| f.after == finals.after && f.rank == rank);
            let Some(c) = self.candidates.get(&entry.candidate).filter(|_| !done) else { continue };
            let mut genome = c.proposal.genome.clone();
            genome.training = entry.training.unwrap_or(genome.training);
            let start = c.outcome.weights().filter(|_| entry.warm).map(|weights| {
                let share = f64::from(genome.training.length);
                let full = self.settings.training.candidate_examples(c.outcome.costs(), share);
                let length = entry.examples as f64 / full as f64;
                let rate = TrainingSettings::warm_rate(length);
                Start { genome: genome.clone(), weights: weights.to_owned(), counts: false, rate }
            });
            let seed = crate::search::rng(self.settings.search.seed, entry.candidate, FINAL_STREAM).next_u64();
            evaluator.submit(Job {
                number: rank,
                genome,
                seed,
                examples: entry.examples,
                start,
                whole: false,
                deadline,
                rungs: vec![],
                checkpoint: None,
            });
        }
        while let Some(done) = evaluator.next()? {
            let entry = finals.entries.get(done.job.number as usize);
            let warning = entry.and_then(|e| done.warning(&format!("candidate {} in the finals", e.candidate)));
            let (Some(outcome), Some(entry)) = (done.outcome, entry) else {
                evaluator.withdraw();
                continue;
            };
            let finalist = Finalist {
                after: finals.after,
                rank: done.job.number,
                candidate: entry.candidate,
                outcome,
                timing: done.timing,
            };
            self.append(Record::Finalist(finalist.clone()))?;
            watch(Event::Finalist(&finalist));
            warning.iter().for_each(|warning| watch(Event::Warning(warning)));
        }
        Ok(())
    }
}

/// Orders all but the first of the best of several niches by work, of which `of` tells beside the score: those first whose
/// score is in the better half of all `scores`. Candidates train equally long in time, so that large nets have seen the
/// fewest examples and gain the most from a longer training, while small ones are already as good as they get.
fn large_first<T>(best: &mut [T], mut scores: Vec<f64>, of: impl Fn(&T) -> (Option<f64>, u64)) {
    scores.sort_by(f64::total_cmp);
    if let (Some(&median), Some(others)) = (scores.get(scores.len() / 2), best.get_mut(1..)) {
        let size = |candidate: &T| match of(candidate) {
            (Some(score), work) if score >= median => work,
            _ => 0,
        };
        others.sort_by_key(|candidate| std::cmp::Reverse(size(candidate)));
    }
}

/// How images are trained on over so many passes, `side` pixels the smaller of their sides: from some passes on at least
/// shifted by a sixteenth of the side or two pixels and with blanked squares of a quarter of it, less on tiny images; from
/// many passes on with more weight decay (which Adam has as AdamW) and smoothed labels, too (that small data wants far more
/// decay than is usual: Brigato and Iocchi, 2021).
fn lengthened(searched: Training, side: usize, epochs: f64) -> Training {
    let mut training = searched;
    if epochs >= ALTERED_EPOCHS {
        let least = if side < 16 { side / 8 } else { (side / 16).max(2) };
        let augmentation = &mut training.augmentation;
        augmentation.shift = augmentation.shift.max(least);
        augmentation.cutout = augmentation.cutout.max(side / 4);
    }
    if epochs >= REGULARISED_EPOCHS {
        let least = match training.optimizer {
            Optimizer::Sgd { .. } => LEAST_DECAY.0,
            Optimizer::Adam { beta2 } | Optimizer::AdamW { beta2 } => {
                training.optimizer = Optimizer::AdamW { beta2 };
                LEAST_DECAY.1
            }
        };
        training.weight_decay = (DECAY * training.weight_decay.max(least)).min(MOST_DECAY);
        if training.loss == Loss::CrossEntropy {
            training.label_smoothing = training.label_smoothing.max(SMOOTHING);
        }
    }
    training
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::genome::{Augmentation, Domain, InputDomain, SearchSpace};

    #[test]
    fn the_best_is_followed_by_large_nets_of_the_better_half_and_then_the_others_in_their_order() {
        let scores = vec![0.1, 0.2, 0.5, 0.9, 0.8, 0.7, 0.6];
        let mut best = vec![(0.9, 1), (0.8, 2), (0.7, 5), (0.6, 3), (0.2, 9), (0.1, 7)];
        large_first(&mut best, scores, |&(score, work)| (Some(score), work));
        assert_eq!(best, [(0.9, 1), (0.7, 5), (0.6, 3), (0.8, 2), (0.2, 9), (0.1, 7)]);
        large_first(&mut best[..0], vec![], |&(score, work)| (Some(score), work));
    }

    fn seed() -> Training {
        let input = InputDomain::Image { height: 28, width: 28, channels: 1 };
        let domain = Domain { input, outputs: 10, classification: true, rows: 1_000 };
        SearchSpace::preset(&domain).seeds()[0].training
    }

    #[test]
    fn images_are_altered_from_some_passes_on_at_least_so_much_and_within_the_space() {
        let none = Training { augmentation: Augmentation::default(), ..seed() };
        for side in 1..100 {
            let Augmentation { flip, shift, cutout } = lengthened(none, side, 20.0).augmentation;
            assert!(!flip && shift <= side / 8 && cutout <= side / 2, "{side}: {shift}, {cutout}");
        }
        assert_eq!(lengthened(none, 28, 11.9), none);
        let searched = Augmentation { flip: true, shift: 3, cutout: 2 };
        let altered = lengthened(Training { augmentation: searched, ..none }, 28, 12.0);
        assert_eq!(altered.augmentation, Augmentation { flip: true, shift: 3, cutout: 7 });
        assert_eq!((altered.weight_decay, altered.label_smoothing), (none.weight_decay, none.label_smoothing));
    }

    #[test]
    fn very_long_trainings_on_images_are_held_back() {
        let sgd = Training { optimizer: Optimizer::Sgd { momentum: 0.9 }, weight_decay: 5e-4, ..seed() };
        let held = lengthened(Training { label_smoothing: 0.05, ..sgd }, 28, 150.0);
        assert_eq!((held.weight_decay, held.label_smoothing), (2e-3, 0.1));
        let adam = Training { optimizer: Optimizer::AdamW { beta2: 0.99 }, weight_decay: 0.2, ..seed() };
        assert_eq!(lengthened(adam, 28, 150.0).weight_decay, MOST_DECAY);
        assert_eq!(lengthened(Training { weight_decay: 0.0, ..adam }, 28, 150.0).weight_decay, 0.2);
        let regression = Training { loss: Loss::Mse, label_smoothing: 0.0, ..sgd };
        assert_eq!(lengthened(regression, 28, 150.0).label_smoothing, 0.0);
    }
}
