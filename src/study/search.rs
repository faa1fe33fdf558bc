//! The search phase: asking the strategy, handing genomes to the evaluator, journaling, telling.

use super::evaluator::{Clock, Done, Evaluator, Job, Start, stopped};
use super::{Candidate, Event, Record, Resources, Study, StudyError, TrainingSettings};
use crate::search::{Evaluated, Proposal, Search, SearchError};
use crate::train;
use std::collections::{BTreeMap, BTreeSet};

/// Stream of a candidate's random numbers from which its training is seeded.
const TRAINING_STREAM: u64 = 1 << 32;

/// Where the search phase stands.
struct Progress {
    /// Candidates asked for: 0 … asked−1.
    asked: u64,
    /// Candidates told: 0 … told−1.
    told: u64,
    /// Parents of jobs under way, whose weights must stay.
    parents: BTreeMap<u64, u64>,
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
        });
        let mut progress = Progress { asked: 0, told: 0, parents: BTreeMap::new(), best: None, ending: false };
        loop {
            self.ask(search, evaluator, resources, clock, &mut progress)?;
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
    ) -> Result<(), StudyError> {
        let limit = self.settings.search.candidates.unwrap_or(u64::MAX);
        let lag = self.settings.search.lag;
        while !progress.ending && progress.asked < limit {
            let number = progress.asked;
            if !self.tell_until(search, (number + 1).saturating_sub(lag), progress)? {
                return Ok(());
            }
            let known = self.candidates.contains_key(&number);
            if !known && number > 0 && self.is_over(resources, clock) {
                progress.ending = true;
                return Ok(());
            }
            let proposal = match search.ask(number) {
                Ok(proposal) => proposal,
                Err(SearchError::Exhausted { .. }) => {
                    progress.ending = true;
                    return Ok(());
                }
                Err(e) => return Err(e.into()),
            };
            progress.asked += 1;
            match self.candidates.get(&number) {
                Some(c) if c.proposal == proposal => {
                    progress.best = higher(progress.best, c.outcome.feasible_score());
                }
                Some(_) => return Err(StudyError::Diverges { number }),
                None => {
                    if let Some(parent) = proposal.inherit {
                        progress.parents.insert(number, parent);
                    }
                    let job = self.job(number, &proposal, resources)?;
                    self.proposals.insert(number, proposal);
                    evaluator.submit(job);
                }
            }
        }
        Ok(())
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
        Ok(Job {
            number,
            genome: proposal.genome.clone(),
            seed: crate::search::rng(self.settings.search.seed, number, TRAINING_STREAM).next_u64(),
            examples: self.settings.training.candidate_examples(&costs, length),
            start,
            whole: false,
            deadline: self.settings.search.search_until,
        })
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
        let (Some(outcome), Some(proposal)) = (done.outcome, self.proposals.remove(&number)) else { return Ok(()) };
        let candidate = Candidate { number, hash: proposal.genome.hash(), proposal, outcome, timing: done.timing };
        let score = candidate.outcome.feasible_score();
        let best = score > progress.best;
        progress.best = higher(progress.best, score);
        let record = Record::Candidate(Box::new(candidate.clone()));
        self.append(record)?;
        watch(Event::Candidate { candidate: &candidate, best });
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
        if stopped(resources.stop) {
            return true;
        }
        let Some(end) = self.settings.search.search_until else { return false };
        let recent: Vec<f64> = self.candidates.values().rev().take(16).map(|c| c.timing.share()).collect();
        let typical = recent.iter().sum::<f64>() / recent.len().max(1) as f64;
        clock.now() + typical > end
    }

    /// Whether so many candidates failed, and none did not, that the fault is not theirs.
    fn is_hopeless(&self) -> bool {
        const FAILURES: usize = 32;
        self.candidates.len() >= FAILURES && self.candidates.values().all(|c| c.outcome.score().is_none())
    }
}

/// The higher of two scores; none is lower than any.
fn higher(a: Option<f64>, b: Option<f64>) -> Option<f64> {
    if b > a { b } else { a }
}
