//! Breeding: what the strategies share that keep a population and breed from it.
//!
//! A strategy is a [`Composition`]: which arms make its candidates, who survives, whether a model screens the drafts, and
//! when it starts anew. Seeds and random births come first, then candidates of the arms; an arm's share follows the gain
//! over the best for the training it cost.

use super::{
    Evaluated, Foresight, Member, Origin, Population, Proposal, Settings, Space, Strategy,
    arm::{self, Arm, Draft, State, Told},
    credit::EditCredit,
    foresight::Foreseen,
    head_start::HeadStart,
    model::Model,
    population::{Niche, Survival},
    screen::Screen,
    shares::Shares,
};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::sync::Arc;

/// What a breeding strategy is made of.
#[derive(Debug, Clone, Copy)]
pub struct Composition {
    /// Arms by name, each with its share before anything is known.
    pub arms: &'static [(&'static str, f64)],
    /// Candidates that start the search, seeds and random births together.
    pub initial: fn(&Settings) -> u64,
    /// Whether the space's seeds are among them.
    pub seeded: bool,
    /// Members of the population.
    pub capacity: fn(&Settings) -> usize,
    /// Who stays.
    pub survival: fn(&Settings) -> Survival,
    /// How drafts are screened by a model; `None` for the first draft as it is.
    pub screening: Option<Screening>,
    /// Whether births and drafts are ranked by foresight: the best of a pool of births start the population, and of several
    /// drafts of an arm the best is evaluated.
    pub foresight: bool,
    /// Candidates without a gain after which the population starts anew; `None` for never.
    pub patience: fn(&Settings) -> Option<u64>,
}

/// How the most promising of several drafts is chosen.
#[derive(Debug, Clone, Copy)]
pub struct Screening {
    /// Drafts for each candidate.
    pub drafts: usize,
    /// Whose drafts they are.
    pub of: DraftsOf,
    /// The model of the objective.
    pub model: fn() -> Box<dyn Model>,
}

/// Whose drafts compete with each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DraftsOf {
    /// Those of the one arm whose turn it is.
    OneArm,
    /// Those of all arms, each with as many as its share.
    AllArms,
}

/// A strategy that breeds.
pub struct Breeding<S: Space> {
    composition: Composition,
    state: State<S>,
    seeds: Vec<S::Genome>,
    arms: Vec<(&'static str, Box<dyn Arm<S>>)>,
    shares: Shares,
    head_start: HeadStart,
    screen: Option<Screen>,
    /// What is foreseen, where the composition asks for it.
    foreseen: Foreseen<S>,
    /// Births of the pool that are left, the most promising first.
    pool: VecDeque<S::Genome>,
    /// Genomes that were proposed, where drafts are screened or ranked.
    proposed: HashSet<String>,
    /// The first candidate that was asked for: those before it were given.
    first: Option<u64>,
    /// Candidates asked for.
    asked: u64,
    /// Candidate from which on births start the population; those before belong to earlier populations.
    since: u64,
    /// Best value of the earlier populations.
    summit: f64,
    /// Candidates told since the best of the population became so.
    fruitless: u64,
    /// Asked for, but not yet told.
    open: BTreeMap<u64, Open>,
    /// Told as paused.
    paused: BTreeMap<u64, Open>,
}

/// What has to be remembered of a proposal until its result comes; its parent may have left the population by then.
struct Open {
    /// Index of the arm; `None` for candidates that start a population.
    arm: Option<usize>,
    origin: Origin,
    kinds: Vec<usize>,
    parent: Option<Member<()>>,
    inherits: bool,
}

impl<S: Space> Breeding<S> {
    /// A strategy of this composition.
    ///
    /// # Panics
    /// Where the composition names an arm that is not in the list.
    pub fn new(composition: Composition, settings: &Settings, space: &S) -> Self {
        let (kinds, niche) = (space.edits().len(), Niche::of(space, settings));
        let capacity = (composition.capacity)(settings);
        let made = composition.arms.iter().map(|&(name, share)| (share, (name, (arm::find::<S>(name).make)(space))));
        let (priors, arms): (Vec<f64>, Vec<_>) = made.filter(|(_, (_, arm))| arm.fits()).unzip();
        Breeding {
            composition,
            seeds: if composition.seeded { space.seeds() } else { Vec::new() },
            arms,
            shares: Shares::new(&priors, settings.arm_floor),
            head_start: HeadStart::default(),
            screen: composition.screening.map(|screening| Screen::new((screening.model)())),
            foreseen: Foreseen::default(),
            pool: VecDeque::new(),
            proposed: HashSet::new(),
            first: None,
            asked: 0,
            since: 0,
            summit: f64::NEG_INFINITY,
            fruitless: 0,
            open: BTreeMap::new(),
            paused: BTreeMap::new(),
            state: State {
                space: space.clone(),
                settings: settings.clone(),
                population: Population::new(space.clone(), capacity, (composition.survival)(settings), niche),
                fresh: EditCredit::new(kinds),
                inherited: EditCredit::new(kinds),
            },
        }
    }

    /// A seed, or a random birth where the seeds are used up or this one was proposed before.
    fn starter(&mut self, number: u64, repeated: bool, rng: &mut ChaCha8Rng) -> Proposal<S::Genome> {
        let index = usize::try_from(number - self.first.unwrap_or(number)).ok();
        let seed = index.and_then(|index| self.seeds.get(index)).filter(|_| !repeated);
        let proposal = match seed {
            Some(genome) => Proposal::newborn("seed", genome.clone()),
            None => Proposal::newborn("birth", self.born(rng)),
        };
        let origin = proposal.origin.clone();
        self.open.insert(number, Open { arm: None, origin, kinds: Vec::new(), parent: None, inherits: false });
        proposal
    }

    /// A random birth; where births are ranked, the most promising that is left of the pool.
    fn born(&mut self, rng: &mut ChaCha8Rng) -> S::Genome {
        if self.composition.foresight && self.pool.is_empty() {
            let births: Vec<S::Genome> = (0..self.state.settings.pool).map(|_| self.state.space.birth(rng)).collect();
            let order = self.foreseen.ranked(&self.state.space, &births);
            self.pool = order.into_iter().map(|index| births[index].clone()).collect();
        }
        self.pool.pop_front().unwrap_or_else(|| self.state.space.birth(rng))
    }

    /// A candidate of an arm drawn by the shares; an arm that has nothing to offer passes its turn.
    fn bred(&mut self, number: u64, rng: &mut ChaCha8Rng) -> Proposal<S::Genome> {
        let mut shares = self.shares.now();
        while let Some(arm) = drawn(&shares, rng) {
            if let Some((arm, draft)) = self.draft(arm, &shares, rng) {
                return self.opened(number, arm, draft);
            }
            shares[arm] = 0.0;
        }
        self.starter(number, true, rng)
    }

    /// A draft of an arm, or, where drafts of all arms compete, of another.
    fn draft(&mut self, arm: usize, shares: &[f64], rng: &mut ChaCha8Rng) -> Option<(usize, Draft<S::Genome>)> {
        let is_ready = self.screen.as_mut().is_some_and(|screen| screen.is_ready(rng));
        match self.composition.screening.filter(|_| is_ready) {
            Some(screening) => self.screened(arm, screening, shares, rng),
            None if self.composition.foresight => Some((arm, self.foreseen_best(arm, rng)?)),
            None => Some((arm, self.arms[arm].1.draft(&self.state, rng)?)),
        }
    }

    /// The most promising of several drafts.
    fn screened(
        &mut self,
        arm: usize,
        screening: Screening,
        shares: &[f64],
        rng: &mut ChaCha8Rng,
    ) -> Option<(usize, Draft<S::Genome>)> {
        let screen = self.screen.as_ref()?;
        let mut drafted = HashSet::new();
        let mut repeated = None;
        let mut best: Option<(f64, usize, Draft<S::Genome>)> = None;
        for _ in 0..screening.drafts {
            let arm = match screening.of {
                DraftsOf::OneArm => arm,
                DraftsOf::AllArms => drawn(shares, rng)?,
            };
            let Some(draft) = self.arms[arm].1.draft(&self.state, rng) else { continue };
            let hash = self.state.space.hash(&draft.genome);
            if self.proposed.contains(&hash) || !drafted.insert(hash) {
                repeated = draft.parents.first().map(|&parent| (arm, parent));
                continue;
            }
            let promise = screen.promise(&self.state.space.features(&draft.genome));
            if best.as_ref().is_none_or(|(most, _, _)| promise > *most) {
                best = Some((promise, arm, draft));
            }
        }
        if let (None, Some((arm, parent))) = (&best, repeated) {
            self.arms[arm].1.repeated(Some(parent), &self.state);
        }
        best.map(|(_, arm, draft)| (arm, draft))
    }

    /// Of several drafts of an arm that were not proposed before, the most promising by foresight; of drafts that all were,
    /// the first.
    fn foreseen_best(&mut self, arm: usize, rng: &mut ChaCha8Rng) -> Option<Draft<S::Genome>> {
        let drafts = (0..self.state.settings.drafts).filter_map(|_| self.arms[arm].1.draft(&self.state, rng));
        let (mut repeated, mut new) = (vec![], vec![]);
        for draft in drafts {
            let is_repeated = self.proposed.contains(&self.state.space.hash(&draft.genome));
            if is_repeated { &mut repeated } else { &mut new }.push(draft);
        }
        let genomes: Vec<S::Genome> = new.iter().map(|draft| draft.genome.clone()).collect();
        let best = self.foreseen.ranked(&self.state.space, &genomes).first().copied();
        best.map(|best| new.swap_remove(best)).or_else(|| repeated.into_iter().next())
    }

    fn opened(&mut self, number: u64, arm: usize, draft: Draft<S::Genome>) -> Proposal<S::Genome> {
        let parent = draft.parents.first().and_then(|&parent| self.state.population.get(parent)).map(Member::bare);
        let origin = Origin { arm: self.arms[arm].0.to_owned(), edits: draft.edits, parents: draft.parents };
        let inherits = draft.inherits;
        let inherit = parent.as_ref().filter(|_| inherits).map(|parent| parent.number);
        self.open.insert(number, Open { arm: Some(arm), origin: origin.clone(), kinds: draft.kinds, parent, inherits });
        let Draft { genome, length, .. } = draft;
        Proposal { genome, origin, inherit, length, rungs: Vec::new(), continues: None }
    }

    /// Credits the edits and the arm of a candidate. `member` is `None` where it failed; of a `paused` one it is what is
    /// expected of it, which counts for its edits, but is no gain. Should it go on, its end is credited as well.
    fn credit(&mut self, open: &Open, member: Option<&Member<S::Genome>>, length: f64, paused: bool) {
        let population = &self.state.population;
        let gain = member.filter(|_| !paused).map_or(0.0, |member| population.gain(member));
        if let Some(parent) = &open.parent {
            let reward = member.map_or(0.0, |member| population.reward(parent, member));
            let credit = if open.inherits { &mut self.state.inherited } else { &mut self.state.fresh };
            credit.record(&open.kinds, reward);
        }
        if let Some(arm) = open.arm {
            self.shares.record(arm, gain, length);
        }
    }

    /// Whether a child that is not a member yet is better than its parent: by the score that was reached, or, where all
    /// objectives count, in that it belongs to the first front.
    fn is_above(&self, open: &Open, child: &Member<S::Genome>) -> bool {
        open.parent.as_ref().is_some_and(|parent| match (self.composition.survival)(&self.state.settings) {
            Survival::NonDominated => self.state.population.gain(child) > 0.0,
            _ => child.score > parent.score && child.violation <= parent.violation,
        })
    }

    /// Takes a member in, and starts anew where the best has not changed for long. What was under way then and is no
    /// better than what was found before would only lead back there; nor does it count as a candidate without gain, as
    /// otherwise a search with more candidates under way than its patience would start anew for ever. `born` is the number
    /// under which its training began.
    fn survive(&mut self, born: u64, member: Option<Member<S::Genome>>) {
        let best = |population: &Population<S>| population.best().map(|member| member.number);
        let before = best(&self.state.population);
        let surpasses = |member: &Member<S::Genome>| member.is_feasible() && member.value() > self.summit;
        if let Some(member) = member.filter(|member| born >= self.since || surpasses(member)) {
            self.state.population.insert(member);
        }
        let changed = best(&self.state.population) != before;
        self.fruitless = if changed { 0 } else { self.fruitless + u64::from(born >= self.since) };
        let patience = (self.composition.patience)(&self.state.settings);
        if patience.is_some_and(|patience| self.fruitless >= patience) {
            let best = self.state.population.best().filter(|best| best.is_feasible());
            let reached = best.map_or(f64::NEG_INFINITY, Member::value);
            self.summit = self.summit.max(reached);
            self.state.population.clear();
            (self.since, self.fruitless) = (self.asked, 0);
        }
    }

    /// Takes note of a genome that was proposed, where drafts are screened or ranked.
    fn remember(&mut self, genome: &S::Genome) {
        if self.screen.is_some() || self.composition.foresight {
            self.proposed.insert(self.state.space.hash(genome));
        }
    }

    /// Whether candidate `number` starts a population. Candidates that were given start the first as well, but leave half of
    /// the places, and those of the seeds that are wanted.
    fn starts(&self, number: u64) -> bool {
        let initial = (self.composition.initial)(&self.state.settings);
        let wanted = self.state.space.wanted_seeds().min(self.seeds.len()) as u64;
        number < (self.since + initial).max(self.first.unwrap_or(0) + wanted.max(initial / 2))
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

impl<S: Space> Strategy<S> for Breeding<S> {
    fn ask(&mut self, number: u64, rng: &mut ChaCha8Rng) -> Proposal<S::Genome> {
        self.first.get_or_insert(number);
        self.asked = number + 1;
        let repeated = self.open.remove(&number);
        if let Some(open) = &repeated
            && let Some(arm) = open.arm
        {
            self.arms[arm].1.repeated(open.parent.as_ref().map(|parent| parent.number), &self.state);
        }
        let proposal =
            if self.starts(number) { self.starter(number, repeated.is_some(), rng) } else { self.bred(number, rng) };
        self.remember(&proposal.genome);
        if let Some(screen) = &mut self.screen {
            screen.opened(number, self.state.space.features(&proposal.genome));
        }
        proposal
    }

    fn tell(&mut self, evaluated: &Evaluated<S::Genome>) {
        let mut member = Member::of(evaluated);
        let earlier = evaluated.proposal.continues.map(|continues| continues.candidate);
        let open = match earlier {
            Some(paused) => self.paused.remove(&paused),
            // Where the driver found nothing new, the candidate is a birth of its own that no arm has made.
            None => self.open.remove(&evaluated.number).filter(|open| open.origin == evaluated.proposal.origin),
        };
        if let (Some(member), Some(parent)) =
            (&mut member, open.as_ref().filter(|open| open.inherits).and_then(|open| open.parent.as_ref()))
        {
            self.head_start.record(member.score - parent.score);
            member.head_start = parent.head_start + self.head_start.typical();
        }
        let above_parent = open.as_ref().zip(member.as_ref()).is_some_and(|(open, member)| self.is_above(open, member));
        if let Some(open) = &open {
            let expected = Member::expected(evaluated);
            self.credit(open, member.as_ref().or(expected.as_ref()), evaluated.length(), evaluated.paused);
        }
        // What was given, or found by the driver, is new.
        self.remember(&evaluated.proposal.genome);
        if let Some(screen) = &mut self.screen {
            let genome = &evaluated.proposal.genome;
            let value = member.as_ref().filter(|member| member.is_feasible()).map(Member::value).or(evaluated.expected);
            screen.told(evaluated.number, earlier, self.state.space.features(genome), value);
        }
        self.survive(earlier.unwrap_or(evaluated.number), member);
        let Some(open) = open else { return };
        if let Some(arm) = open.arm.filter(|_| earlier.is_none() || above_parent) {
            let told = Told { parent: open.parent.as_ref().map(|parent| parent.number), above_parent };
            self.arms[arm].1.told(told, &self.state);
        }
        if evaluated.paused {
            self.paused.insert(evaluated.number, open);
        }
    }

    fn foresee(&mut self, foresight: Arc<dyn Foresight<S::Genome>>) {
        self.foreseen.set(foresight);
    }

    fn is_blind(&self) -> bool {
        self.composition.foresight && self.foreseen.is_blind()
    }

    fn reachable(&self) -> BTreeSet<u64> {
        self.state.population.members().iter().map(|member| member.number).collect()
    }
}
