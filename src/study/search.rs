//! The search phase: asking the strategy, handing genomes to the evaluator, journaling, telling.

use super::evaluator::{Clock, Done, Evaluator, Job, Start, stopped};
use super::{Candidate, Event, Record, Resources, Study, StudyError, TrainingSettings, Trainings};
use crate::data::Dataset;
use crate::search::{self, Evaluated, Proposal, RungScore, Search, SearchError};
use crate::train::{self, Rung, scoring};
use std::collections::{BTreeMap, BTreeSet};

/// Stream of a candidate's random numbers from which its training is seeded.
const TRAINING_STREAM: u64 = 1 << 32;

/// Where the search phase stands.
struct Progress {
    /// Candidates asked for: 0 … asked−1.
    asked: u64,
    /// Candidates told: 0 … told−1.
    told: u64,
    /// Parents of jobs under way, and paused candidates that go on, whose weights must stay.
    parents: BTreeMap<u64, u64>,
    /// Training examples that jobs under way take at most.
    planned: BTreeMap<u64, u64>,
    /// Score of the best feasible candidate.
    best: Option<f64>,
    /// Set when no more candidates are asked for.
    ending: bool,
}

impl Study {
    /// Returns up to which candidate the search was told: those after it have results, but one before them has none.
    pub(super) fn search_phase(
        &mut self,
        search: &mut Search,
        evaluator: &mut dyn Evaluator,
        resources: &Resources<'_>,
        clock: Clock,
        watch: &mut dyn FnMut(Event<'_>),
    ) -> Result<u64, StudyError> {
        let settings = &self.settings;
        watch(Event::Started {
            done: self.candidates.len() as u64,
            candidates: settings.search.candidates,
            budget: settings.search.budget,
            elapsed: self.elapsed(),
            examples: settings.training.examples,
            paused: self.paused(),
            best: Candidate::best_of(self.candidates.values()),
        });
        let mut progress =
            Progress { asked: 0, told: 0, parents: BTreeMap::new(), planned: BTreeMap::new(), best: None, ending: false };
        loop {
            self.ask(search, evaluator, resources, clock, &mut progress, watch)?;
            let Some(done) = evaluator.next()? else { break };
            self.take(search, done, &mut progress, watch)?;
            if self.is_over(resources, clock) || self.is_hopeless() {
                progress.ending = true;
                evaluator.withdraw();
            }
        }
        self.tell_until(search, u64::MAX, &mut progress)?;
        Ok(progress.told)
    }

    /// Asks for as many candidates as the lag allows.
    fn ask(
        &mut self,
        search: &mut Search,
        evaluator: &mut dyn Evaluator,
        resources: &Resources<'_>,
        clock: Clock,
        progress: &mut Progress,
        watch: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), StudyError> {
        let limit = self.settings.search.candidates.unwrap_or(u64::MAX);
        let lag = self.settings.search.lag;
        while !progress.ending && progress.asked < limit {
            let number = progress.asked;
            if !self.tell_until(search, (number + 1).saturating_sub(lag), progress)? {
                return Ok(());
            }
            if self.settings.search.total_examples.is_some_and(|total| self.examples_before(progress) >= total) {
                // Those under way may take less than is planned, so that only their results tell whether there is another.
                progress.ending = progress.planned.is_empty();
                return Ok(());
            }
            let known = self.candidates.contains_key(&number);
            if !known && number > 0 && self.is_over(resources, clock) {
                progress.ending = true;
                return Ok(());
            }
            let proposal = match search.ask(number) {
                Ok(proposal) => proposal,
                // What is under way may let a paused candidate go on.
                Err(SearchError::Exhausted { .. }) if progress.told < number => {
                    match self.tell_until(search, number, progress)? {
                        true => continue,
                        false => return Ok(()),
                    }
                }
                Err(SearchError::Exhausted { .. }) => {
                    progress.ending = true;
                    return Ok(());
                }
                Err(e) => return Err(e.into()),
            };
            if self.is_foresight_cut_short(watch)? {
                progress.ending = true;
                return Ok(());
            }
            progress.asked += 1;
            match self.candidates.get(&number) {
                Some(c) if c.proposal == proposal => {
                    progress.best = higher(progress.best, c.outcome.feasible_score());
                }
                Some(_) => return Err(StudyError::Diverges { number }),
                None => {
                    let continued = proposal.continues.map(|continues| continues.candidate);
                    if let Some(parent) = proposal.inherit.or(continued) {
                        progress.parents.insert(number, parent);
                    }
                    let job = self.job(number, &proposal, resources)?;
                    progress.planned.insert(number, most_examples(&job, resources.dataset, self.trainings(resources)));
                    self.proposals.insert(number, proposal);
                    evaluator.submit(job);
                }
            }
        }
        Ok(())
    }

    /// Tells the user what is wrong with the foresight; true where what it ranked by is not to be used.
    fn is_foresight_cut_short(&self, watch: &mut dyn FnMut(Event<'_>)) -> Result<bool, StudyError> {
        let Some(foresight) = &self.foresight else { return Ok(false) };
        foresight.warnings()?.iter().for_each(|warning| watch(Event::Warning(warning)));
        Ok(foresight.is_cut_short())
    }

    fn job(&self, number: u64, proposal: &Proposal, resources: &Resources<'_>) -> Result<Job, StudyError> {
        use rand::Rng;
        let data = resources.dataset;
        let (rows, scored) = (data.train.targets.len(), data.validation.targets.len());
        let costs = train::costs(&proposal.genome, &data.task, rows, scored).unwrap_or_default();
        let length = proposal.length * f64::from(proposal.genome.training.length);
        let heir = usize::try_from(number).ok().and_then(|index| self.heirs.get(index));
        let start = match proposal.inherit.map(|parent| (parent, self.candidates.get(&parent))) {
            None => heir.and_then(|heir| heir.start.clone()),
            Some((_, Some(c))) => {
                let rate = TrainingSettings::warm_rate(proposal.length);
                let start =
                    |w: &str| Start { genome: c.proposal.genome.clone(), weights: w.to_owned(), counts: false, rate };
                c.outcome.weights().map(start)
            }
            Some((parent, None)) => return Err(StudyError::Diverges { number: parent }),
        };
        let checkpoint = match proposal.continues.map(|continues| continues.candidate) {
            None => None,
            Some(paused) => {
                let checkpoint = self.candidates.get(&paused).and_then(|candidate| candidate.outcome.checkpoint());
                Some(checkpoint.ok_or(StudyError::Diverges { number: paused })?.to_owned())
            }
        };
        let examples = self.settings.training.candidate_examples(&costs, length);
        let validation = resources.dataset.validation.targets.len();
        let rungs = proposal.rungs.iter().map(|&search::Rung { share, least }| Rung { share, least });
        Ok(Job {
            number,
            genome: proposal.genome.clone(),
            seed: search::rng(self.settings.search.seed, self.begun_as(number, proposal), TRAINING_STREAM).next_u64(),
            examples,
            start,
            whole: false,
            deadline: self.settings.search.search_until,
            rungs: rungs.filter(|rung| scoring::is_affordable(rung.share * examples as f64, validation)).collect(),
            checkpoint,
        })
    }

    /// Training examples that the candidates asked for so far take: those under way as many as is planned.
    fn examples_before(&self, progress: &Progress) -> u64 {
        let ended = self.candidates.range(..progress.asked).map(|(_, candidate)| candidate.outcome.costs().examples);
        ended.chain(progress.planned.values().copied()).sum()
    }

    /// The number under which a candidate's training began.
    fn begun_as(&self, number: u64, proposal: &Proposal) -> u64 {
        let find = |number: u64| self.candidates.get(&number);
        let paused = proposal.continues.and_then(|continues| find(continues.candidate));
        paused.and_then(|paused| paused.course(find).last()).map_or(number, |begun| begun.number)
    }

    /// Journals a candidate that was evaluated.
    fn take(
        &mut self,
        search: &Search,
        done: Done,
        progress: &mut Progress,
        watch: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), StudyError> {
        let number = done.job.number;
        progress.parents.remove(&number);
        progress.planned.remove(&number);
        let warning = done.warning(&format!("candidate {number}"));
        let (Some(outcome), Some(proposal)) = (done.outcome, self.proposals.remove(&number)) else { return Ok(()) };
        let candidate = Candidate { number, hash: proposal.genome.hash(), proposal, outcome, timing: done.timing };
        let score = candidate.outcome.feasible_score();
        let best = score > progress.best;
        progress.best = higher(progress.best, score);
        let record = Record::Candidate(Box::new(candidate.clone()));
        self.append(record)?;
        watch(Event::Candidate { candidate: &candidate, best });
        warning.iter().for_each(|warning| watch(Event::Warning(warning)));
        let mut wanted: BTreeSet<u64> = search.reachable();
        wanted.extend(progress.parents.values());
        wanted.extend(self.candidates.range(progress.told..).map(|(n, _)| *n));
        self.sweep(wanted)
    }

    /// Tells the search all candidates below `until` in order; false where one of them is not evaluated yet.
    fn tell_until(&mut self, search: &mut Search, until: u64, progress: &mut Progress) -> Result<bool, StudyError> {
        let minimize = &self.settings.search.minimize;
        while progress.told < until {
            let Some(c) = self.candidates.get(&progress.told).filter(|c| c.number < progress.asked) else {
                return Ok(false);
            };
            search.tell(Evaluated {
                number: c.number,
                proposal: c.proposal.clone(),
                score: c.outcome.score(),
                rungs: c
                    .outcome
                    .rungs()
                    .iter()
                    .map(|&train::RungScore { share, score }| RungScore { share, score })
                    .collect(),
                paused: c.outcome.checkpoint().is_some(),
                expected: None,
                doubt: c.outcome.log_loss().unwrap_or(0.0),
                parameters: c.outcome.costs().parameters,
                examples: c.outcome.costs().examples,
                costs: minimize.iter().filter_map(|objective| c.outcome.objective(objective.entry().name)).collect(),
                violation: c.outcome.violation(),
            })?;
            progress.told += 1;
        }
        Ok(true)
    }

    /// Whether another candidate would end after the search's share of the budget, or the user asked to stop.
    fn is_over(&self, resources: &Resources<'_>, clock: Clock) -> bool {
        stopped(resources.stop) || !self.has_time(clock.now())
    }

    /// Whether a candidate that begins at this second of the study would end within the search's share of the budget.
    pub fn has_time(&self, now: f64) -> bool {
        let Some(end) = self.settings.search.search_until else { return true };
        let recent: Vec<f64> = self.candidates.values().rev().take(16).map(|c| c.timing.share()).collect();
        let typical = recent.iter().sum::<f64>() / recent.len().max(1) as f64;
        now + typical <= end
    }

    /// Candidates that are paused and did not go on.
    fn paused(&self) -> u64 {
        let paused = self.candidates.values().filter(|candidate| candidate.outcome.checkpoint().is_some()).count();
        let continued = self.candidates.values().filter(|candidate| candidate.proposal.continues.is_some()).count();
        paused.saturating_sub(continued) as u64
    }

    /// Whether so many candidates failed, and none did not, that the fault is not theirs.
    fn is_hopeless(&self) -> bool {
        const FAILURES: usize = 32;
        self.candidates.len() >= FAILURES && self.candidates.values().all(|c| c.outcome.score().is_none())
    }
}

/// Training examples that a job takes at most, all its trainings together: whole batches, which have no more rows than there
/// are to train on.
fn most_examples(job: &Job, dataset: &Dataset, trainings: Trainings) -> u64 {
    let of = |training: usize| {
        let part = dataset.folds.get(trainings.fold(training)).unwrap_or(dataset);
        let batch = job.genome.training.batch.min(part.train.targets.len()).max(1) as u64;
        job.examples.div_ceil(batch).max(1) * batch
    };
    (0..trainings.count()).map(of).sum()
}

/// The higher of two scores; none is lower than any.
fn higher(a: Option<f64>, b: Option<f64>) -> Option<f64> {
    if b > a { b } else { a }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{CrossValidation, Options, Validation, load};
    use crate::express;
    use crate::genome::SearchSpace;

    #[test]
    fn as_many_examples_are_planned_as_the_batches_of_every_fold_have() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/iris.csv");
        let validation = Validation::Folds(CrossValidation { folds: 3, repetitions: 1 });
        let target = Some("species".into());
        let dataset = load(&Options { path, target, task: None, validation, group: None, seed: 0 }).unwrap();
        let mut genome = SearchSpace::preset(&express::domain(&dataset.task, 120)).seeds().swap_remove(0);
        genome.training.batch = 256;
        let (start, deadline, rungs, checkpoint) = (None, None, vec![], None);
        let job = Job { number: 0, genome, seed: 0, examples: 100, start, whole: false, deadline, rungs, checkpoint };
        assert_eq!(most_examples(&job, &dataset, Trainings::new(3, 2)), 6 * 160, "two batches of the 80 rows of a fold");
        let whole = Dataset { folds: vec![], ..dataset };
        assert_eq!(most_examples(&job, &whole, Trainings::new(0, 1)), 120, "one of all");
    }
}
