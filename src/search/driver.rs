//! The driver of a search: numbers, lag, repetitions, finalists.

use super::{
    Evaluated, Fidelity, Foresight, Front, Member, Population, Proposal, SearchError, Settings, Space, Strategy, Survival,
    halving::Halving, population::Niche, strategy::Entry,
};
use crate::genome::SearchSpace;
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::sync::Arc;

/// Lag of a study that states none: enough to keep a handful of workers busy.
pub const DEFAULT_LAG: u64 = 8;

/// Times that the strategy is asked for one candidate before random births take its place.
const ATTEMPTS: u64 = 32;

/// Candidates of the front that are remembered at most.
const FRONT: usize = 64;

/// Random births tried for one candidate before the space counts as exhausted.
const LAST_RESORT: u64 = 1000;

/// The random stream number `stream` of candidate `number` in a study with seed `seed`.
///
/// The three numbers fill the key of the generator, so that streams of different candidates never overlap.
#[must_use]
pub fn rng(seed: u64, number: u64, stream: u64) -> ChaCha8Rng {
    let mut key = *b"................evolve..........";
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..16].copy_from_slice(&number.to_le_bytes());
    key[24..].copy_from_slice(&stream.to_le_bytes());
    ChaCha8Rng::from_seed(key)
}

/// A search that is asked for candidates and told what became of them.
///
/// Candidate `k` is bred from exactly the results of the candidates `0 … k−lag`. Results may be told earlier; the
/// driver holds them back until they are due, so that neither the number of workers nor their timing reaches a
/// proposal. Asking and telling the same on a new search gives the same proposals: that is how a study is resumed.
pub struct Search<S: Space = SearchSpace> {
    strategy: Box<dyn Strategy<S>>,
    /// Who is paused on the way, where not all are trained to their ends.
    halving: Option<Halving<S::Genome>>,
    space: S,
    seed: u64,
    lag: u64,
    next: u64,
    told: u64,
    /// Told, but not yet due at the strategy.
    early: VecDeque<Evaluated<S::Genome>>,
    /// Asked for, but not yet told.
    open: BTreeMap<u64, Open>,
    proposed: HashSet<String>,
    /// Proposals that come before those of the strategy.
    first: Vec<Proposal<S::Genome>>,
    /// The best of all by score, one a niche, for the final training.
    best: Population<S>,
    /// What no other candidate dominates, where there are costs beside the score.
    front: Front,
    /// Costs beside the score that each scored candidate has, once one was told.
    costs: Option<usize>,
    /// The candidate for which no new genome was found.
    exhausted: Option<u64>,
}

/// What has to be remembered of a proposal until its result comes.
#[derive(PartialEq)]
struct Open {
    hash: String,
    inherit: Option<u64>,
    continues: Option<u64>,
}

impl Open {
    fn of<G>(proposal: &Proposal<G>, hash: String) -> Open {
        Open { hash, inherit: proposal.inherit, continues: proposal.continues.map(|continues| continues.candidate) }
    }
}

impl<S: Space> Search<S> {
    /// Starts a search. `lag` is how many candidates are under way at most, at least 1.
    ///
    /// # Errors
    /// A setting that is out of its range.
    pub fn new(strategy: &Entry<S>, settings: &Settings, space: S, seed: u64, lag: u64) -> Result<Self, SearchError> {
        settings.check()?;
        if lag == 0 {
            return Err(SearchError::Setting { name: "lag", given: lag.to_string(), range: "at least 1" });
        }
        let niche = Niche { radius: Niche::of(&space, settings).radius, capacity: 1 };
        Ok(Search {
            strategy: (strategy.make)(settings, &space),
            halving: (settings.fidelity == Fidelity::Halving).then(Halving::new),
            best: Population::new(space.clone(), settings.finalists, Survival::Elitist { elites: 1 }, niche),
            space,
            seed,
            lag,
            next: 0,
            told: 0,
            early: VecDeque::new(),
            open: BTreeMap::new(),
            proposed: HashSet::new(),
            front: Front::new(FRONT),
            costs: None,
            exhausted: None,
            first: Vec::new(),
        })
    }

    /// The space that is searched.
    pub fn space(&self) -> &S {
        &self.space
    }

    /// The same search with these as its first candidates. The strategy is told of them as of its own.
    #[must_use]
    pub fn beginning_with(mut self, first: Vec<Proposal<S::Genome>>) -> Self {
        self.first = first;
        self
    }

    /// The same search with what can be said of genomes before they are evaluated, for strategies that rank by it.
    #[must_use]
    pub fn with_foresight(mut self, foresight: Arc<dyn Foresight<S::Genome>>) -> Self {
        self.strategy.foresee(foresight);
        self
    }

    /// Whether it cannot be asked before it is given a foresight.
    #[must_use]
    pub fn is_blind(&self) -> bool {
        self.strategy.is_blind()
    }

    /// Proposes candidate `number`: a genome that was not proposed before, or that of a paused candidate which is to go on.
    /// Numbers are asked for in order from 0. Where the space has no new genome, paused candidates may yet go on: once all
    /// that is under way has been told, the number can be asked for again.
    ///
    /// # Errors
    /// A number out of turn; a result missing that the candidate is bred from; a space with no new genome; a strategy that
    /// lacks a foresight.
    pub fn ask(&mut self, number: u64) -> Result<Proposal<S::Genome>, SearchError> {
        if self.strategy.is_blind() {
            return Err(SearchError::Blind);
        }
        if number != self.next {
            return Err(SearchError::AskedOutOfTurn { number, expected: self.next });
        }
        let needed = (number + 1).saturating_sub(self.lag);
        if self.told < needed {
            return Err(SearchError::AskedTooEarly { number, told: self.told, needed, lag: self.lag });
        }
        self.pass_on(needed);
        let given = usize::try_from(number).ok().and_then(|index| self.first.get(index)).cloned();
        let (proposal, hash) = match given.or_else(|| self.promoted()) {
            Some(proposal) => {
                let hash = self.space.hash(&proposal.genome);
                (proposal, hash)
            }
            None => self.new_proposal(number)?,
        };
        self.proposed.insert(hash.clone());
        self.open.insert(number, Open::of(&proposal, hash));
        self.next += 1;
        Ok(proposal)
    }

    /// Passes the results of the candidates below `until` on to the strategy.
    fn pass_on(&mut self, until: u64) {
        let due = self.early.iter().take_while(|evaluated| evaluated.number < until).count();
        for mut evaluated in self.early.drain(..due) {
            evaluated.expected = self.halving.as_mut().and_then(|halving| halving.told(&evaluated));
            self.strategy.tell(&evaluated);
        }
    }

    /// A paused candidate that is to go on.
    fn promoted(&mut self) -> Option<Proposal<S::Genome>> {
        self.halving.as_mut().and_then(Halving::promoted)
    }

    /// The first answer that was not proposed before, and its canonical hash. Where there is none, a paused candidate that is
    /// to go on by all results: with fewer of them, those that were told early would decide.
    fn new_proposal(&mut self, number: u64) -> Result<(Proposal<S::Genome>, String), SearchError> {
        if self.exhausted != Some(number) {
            match self.new_genome(number) {
                Some(new) => return Ok(new),
                None => self.exhausted = Some(number),
            }
        }
        if self.told == number {
            self.pass_on(number);
            if let Some(proposal) = self.promoted() {
                let hash = self.space.hash(&proposal.genome);
                return Ok((proposal, hash));
            }
        }
        Err(SearchError::Exhausted { proposed: self.next })
    }

    fn new_genome(&mut self, number: u64) -> Option<(Proposal<S::Genome>, String)> {
        for attempt in 0..ATTEMPTS {
            let proposal = self.strategy.ask(number, &mut rng(self.seed, number, attempt));
            let hash = self.space.hash(&proposal.genome);
            if !self.proposed.contains(&hash) {
                return Some((self.compared(proposal), hash));
            }
        }
        for attempt in ATTEMPTS..ATTEMPTS + LAST_RESORT {
            let genome = self.space.birth(&mut rng(self.seed, number, attempt));
            let hash = self.space.hash(&genome);
            if !self.proposed.contains(&hash) {
                return Some((self.compared(Proposal::newborn("birth", genome)), hash));
            }
        }
        None
    }

    fn compared(&self, proposal: Proposal<S::Genome>) -> Proposal<S::Genome> {
        match &self.halving {
            Some(halving) => halving.compared(proposal),
            None => proposal,
        }
    }

    /// Takes note of what became of a candidate, in order of the numbers.
    ///
    /// # Errors
    /// A number out of turn; a genome that this search did not propose under that number; a score or costs that are not
    /// finite; another number of costs than before.
    pub fn tell(&mut self, evaluated: Evaluated<S::Genome>) -> Result<(), SearchError> {
        let number = evaluated.number;
        if number != self.told {
            return Err(SearchError::ToldOutOfTurn { number, expected: self.told });
        }
        let mut scores = evaluated.score.into_iter().chain(evaluated.rungs.iter().map(|rung| rung.score));
        if let Some(score) = scores.find(|score| !score.is_finite()) {
            return Err(SearchError::NotFinite { number, score });
        }
        self.check_costs(&evaluated)?;
        let told = self.space.hash(&evaluated.proposal.genome);
        match self.open.get(&number) {
            Some(open) if *open == Open::of(&evaluated.proposal, told.clone()) => {}
            other => {
                let proposed = other.map_or_else(|| "nothing".to_owned(), |open| open.hash.clone());
                return Err(SearchError::Foreign { number, told, proposed });
            }
        }
        self.open.remove(&number);
        self.told += 1;
        if let Some(member) = Member::of(&evaluated) {
            self.costs = Some(member.costs.len());
            if !member.costs.is_empty() {
                self.front.insert(number, member.point());
            }
            self.best.insert(member);
        }
        self.early.push_back(evaluated);
        Ok(())
    }

    fn check_costs(&self, evaluated: &Evaluated<S::Genome>) -> Result<(), SearchError> {
        let Evaluated { number, ref costs, violation, .. } = *evaluated;
        let are_as_many = evaluated.score.is_none() || self.costs.is_none_or(|count| count == costs.len());
        let are_finite = costs.iter().all(|cost| cost.is_finite()) && violation.is_finite() && violation >= 0.0;
        if are_as_many && are_finite {
            return Ok(());
        }
        Err(SearchError::Costs { number, given: costs.clone(), violation, expected: self.costs.unwrap_or(costs.len()) })
    }

    /// Candidates that no other dominates in score and costs at once, at most `n` that are spread best along the front, the
    /// one of the best score first. Infeasible candidates are among them only where there is no feasible one. Empty where
    /// candidates have no costs beside the score.
    #[must_use]
    pub fn front(&self, n: usize) -> Vec<u64> {
        self.front.spread(n)
    }

    /// The best candidates by score for the final training, best first: of each niche the best, then, where there are
    /// not so many niches, the others. Of equal scores the one with less doubt goes first, then the one with fewer
    /// parameters. At most as many as the setting `finalists`; fewer than `n` where fewer were scored.
    #[must_use]
    pub fn finalists(&self, n: usize) -> Vec<u64> {
        self.best.ranked().into_iter().take(n).map(|member| member.number).collect()
    }

    /// Candidates whose weights may still be inherited or exported, or whose paused trainings may go on: what the strategy may
    /// name, what was told but is not due yet, parents of what is under way, finalists, and the front. The weights and
    /// checkpoints of all others can be deleted, also in a study that is stopped here and asked for more later.
    #[must_use]
    pub fn reachable(&self) -> BTreeSet<u64> {
        let mut numbers = self.strategy.reachable();
        let early = self.early.iter().filter(|evaluated| evaluated.score.is_some() || evaluated.paused);
        numbers.extend(early.map(|evaluated| evaluated.number));
        numbers.extend(self.open.values().flat_map(|open| [open.inherit, open.continues]).flatten());
        numbers.extend(self.halving.iter().flat_map(Halving::reachable));
        numbers.extend(self.best.members().iter().map(|member| member.number));
        numbers.extend(self.front.numbers());
        numbers
    }
}

#[cfg(test)]
mod tests;
