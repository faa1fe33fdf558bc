//! The genetic strategy: an elitist population with niches, bred by arms whose shares follow what they find.
//!
//! The space's seeds come first, then random births, then candidates of the arms in [`arm::Entry::ALL`]: births, crossover,
//! mutation, and refinement by EVSM and EEMS. An arm's share follows the gain over the best for the training it cost.

use super::Entry;
use crate::search::{
    Evaluated, Member, Origin, Population, Proposal, Settings, Space, Strategy,
    arm::{self, Arm, Draft, State, Told},
    credit::{EditCredit, reward},
    head_start::HeadStart,
    population::Niche,
    shares::Shares,
};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use std::collections::{BTreeMap, BTreeSet};

pub(super) const fn entry<S: Space>() -> Entry<S> {
    Entry {
        name: "ga",
        doc: "elitist population with crossover, mutation and refinement around the best by EVSM and EEMS",
        make: |settings: &Settings, space: &S| Box::new(Ga::new(settings, space)),
    }
}

struct Ga<S: Space> {
    state: State<S>,
    seeds: Vec<S::Genome>,
    /// Candidates that start the search.
    initial: u64,
    arms: Vec<Box<dyn Arm<S>>>,
    shares: Shares,
    head_start: HeadStart,
    /// Asked for, but not yet told.
    open: BTreeMap<u64, Open>,
}

/// What has to be remembered of a proposal until its result comes; its parent may have left the population by then.
struct Open {
    /// Index of the arm; `None` for candidates that start the search.
    arm: Option<usize>,
    origin: Origin,
    kinds: Vec<usize>,
    parent: Option<Parent>,
    inherits: bool,
}

#[derive(Clone, Copy)]
struct Parent {
    number: u64,
    score: f64,
    head_start: f64,
}

impl<S: Space> Ga<S> {
    fn new(settings: &Settings, space: &S) -> Self {
        let kinds = space.edits().len();
        let arms = arm::Entry::<S>::ALL;
        let population = Population::new(space.clone(), settings.population, settings.elites, Niche::of(space, settings));
        let priors: Vec<f64> = arms.iter().map(|entry| entry.share).collect();
        Ga {
            seeds: space.seeds(),
            initial: settings.initial(),
            arms: arms.iter().map(|entry| (entry.make)(space)).collect(),
            shares: Shares::new(&priors, settings.arm_floor),
            head_start: HeadStart::default(),
            open: BTreeMap::new(),
            state: State {
                space: space.clone(),
                settings: settings.clone(),
                population,
                fresh: EditCredit::new(kinds),
                inherited: EditCredit::new(kinds),
            },
        }
    }

    /// A seed, or a random birth where the seeds are used up or this one was proposed before.
    fn starter(&mut self, number: u64, repeated: bool, rng: &mut ChaCha8Rng) -> Proposal<S::Genome> {
        let seed = usize::try_from(number).ok().and_then(|index| self.seeds.get(index)).filter(|_| !repeated);
        let proposal = match seed {
            Some(genome) => Proposal::newborn("seed", genome.clone()),
            None => Proposal::newborn("birth", self.state.space.birth(rng)),
        };
        let origin = proposal.origin.clone();
        self.open.insert(number, Open { arm: None, origin, kinds: Vec::new(), parent: None, inherits: false });
        proposal
    }

    /// A candidate of an arm drawn by the shares; an arm that has nothing to offer passes its turn.
    fn bred(&mut self, number: u64, rng: &mut ChaCha8Rng) -> Proposal<S::Genome> {
        let mut shares = self.shares.now();
        while let Some(arm) = drawn(&shares, rng) {
            if let Some(draft) = self.arms[arm].draft(&self.state, rng) {
                return self.proposed(number, arm, draft);
            }
            shares[arm] = 0.0;
        }
        self.starter(number, true, rng)
    }

    fn proposed(&mut self, number: u64, arm: usize, draft: Draft<S::Genome>) -> Proposal<S::Genome> {
        let parent = draft.parents.first().and_then(|&parent| self.state.population.get(parent));
        let parent =
            parent.map(|member| Parent { number: member.number, score: member.score, head_start: member.head_start });
        let origin = Origin { arm: arm::Entry::<S>::ALL[arm].name.to_owned(), edits: draft.edits, parents: draft.parents };
        let inherits = draft.inherits;
        self.open.insert(number, Open { arm: Some(arm), origin: origin.clone(), kinds: draft.kinds, parent, inherits });
        let inherit = parent.filter(|_| inherits).map(|parent| parent.number);
        Proposal { genome: draft.genome, origin, inherit, length: draft.length }
    }

    /// Credits the edits and the arm of a candidate. `value` is `None` where it failed.
    fn credit(&mut self, open: &Open, value: Option<f64>, length: f64) {
        let spread = self.state.population.spread();
        if let Some(parent) = open.parent {
            let before = parent.score - parent.head_start;
            let reward = value.map_or(0.0, |value| reward(value - before, spread));
            let credit = if open.inherits { &mut self.state.inherited } else { &mut self.state.fresh };
            credit.record(&open.kinds, reward);
        }
        if let Some(arm) = open.arm {
            let best = self.state.population.best().map(Member::value);
            let ahead = value.zip(best).map_or(0.0, |(value, best)| reward(value - best, spread));
            // From ½ for a draw to 1; below that nothing was gained.
            self.shares.record(arm, (2.0 * ahead - 1.0).max(0.0), length);
        }
    }
}

/// An index drawn by weight; `None` where all weights are 0.
fn drawn(weights: &[f64], rng: &mut ChaCha8Rng) -> Option<usize> {
    let mut left = rng.random::<f64>() * weights.iter().sum::<f64>();
    let positive = || weights.iter().enumerate().filter(|(_, weight)| **weight > 0.0);
    let hit = positive().find(|(_, weight)| {
        left -= **weight;
        left < 0.0
    });
    hit.or_else(|| positive().next_back()).map(|(index, _)| index)
}

impl<S: Space> Strategy<S> for Ga<S> {
    fn ask(&mut self, number: u64, rng: &mut ChaCha8Rng) -> Proposal<S::Genome> {
        let repeated = self.open.remove(&number);
        if let Some(open) = &repeated
            && let Some(arm) = open.arm
        {
            self.arms[arm].repeated(open.parent.map(|parent| parent.number), &self.state);
        }
        if number < self.initial { self.starter(number, repeated.is_some(), rng) } else { self.bred(number, rng) }
    }

    fn tell(&mut self, evaluated: &Evaluated<S::Genome>) {
        let mut member = Member::of(evaluated);
        // Where the driver found nothing new, the candidate is a birth of its own that no arm has made.
        let open = self.open.remove(&evaluated.number).filter(|open| open.origin == evaluated.proposal.origin);
        if let (Some(member), Some(parent)) =
            (&mut member, open.as_ref().filter(|open| open.inherits).and_then(|open| open.parent))
        {
            self.head_start.record(member.score - parent.score);
            member.head_start = parent.head_start + self.head_start.typical();
        }
        if let Some(open) = &open {
            self.credit(open, member.as_ref().map(Member::value), evaluated.proposal.length);
        }
        if let Some(member) = member {
            self.state.population.insert(member);
        }
        if let Some(open) = open
            && let Some(arm) = open.arm
        {
            let above = |score: f64| open.parent.is_some_and(|parent| score > parent.score);
            let told =
                Told { parent: open.parent.map(|parent| parent.number), above_parent: evaluated.score.is_some_and(above) };
            self.arms[arm].told(told, &self.state);
        }
    }

    fn reachable(&self) -> BTreeSet<u64> {
        self.state.population.members().iter().map(|member| member.number).collect()
    }
}
