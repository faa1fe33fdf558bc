//! Beam search (Lowerre, 1976), from small genomes level by level, as progressive search for nets does (Liu et al., 2018).
//!
//! The first level are small births. The beam are the best of a level and of the beam before it, as many as the setting
//! `beam` says. Each is expanded by [`BRANCHES`] edits, none of them twice: first half of them by edits that grow, where the
//! space has such (nets: blocks and stages put in, layers widened), then by edits of any kind. There is no barrier: a level
//! begins as soon as the one before it has been asked for, with what was told of it, and what is told of that later still
//! joins the beam, in which those come first that were expanded least. Where [`PATIENCE`] levels leave the beam as it was, or
//! no edit of its genomes is new, the search starts anew from small births.

use super::Entry;
use crate::search::{Evaluated, Member, Origin, Proposal, Settings, Space, Strategy, credit::EditCredit, edits::edited};
use rand_chacha::ChaCha8Rng;
use std::{cmp::Ordering, collections::BTreeMap};

/// Edits of each genome of the beam in a level.
const BRANCHES: usize = 6;
/// Levels without a change of the beam after which the search starts anew.
const PATIENCE: usize = 2;
/// Edits of one genome that were proposed before, after which it counts as used up.
const USED_UP: usize = 24;

pub(super) const fn entry<S: Space>() -> Entry<S> {
    Entry {
        name: "beam",
        doc: "beam search: from small genomes level by level, the best of each grown and edited",
        seeded: false,
        make: |settings: &Settings, space: &S| Box::new(Beam::new(settings, space)),
    }
}

struct Beam<S: Space> {
    space: S,
    width: usize,
    births: usize,
    kinds: Kinds,
    /// What is expanded, best first.
    beam: Vec<Node<S::Genome>>,
    /// The best of the level that is being asked for, best first.
    level: Vec<Node<S::Genome>>,
    depth: u64,
    /// Candidates of the level so far.
    asked: usize,
    /// Levels since the beam changed.
    fruitless: usize,
    /// First level since the search started anew.
    since: u64,
    open: BTreeMap<u64, Open>,
}

/// Numbers of the kinds of edits, and an even draw of them.
struct Kinds {
    all: Vec<usize>,
    growing: Vec<usize>,
    even: EditCredit,
}

struct Node<G> {
    member: Member<G>,
    /// Edits of it in all levels, and in this one.
    edits: usize,
    turns: usize,
    /// Edits of it that had been proposed before.
    repeated: usize,
}

struct Open {
    depth: u64,
    origin: Origin,
}

impl<S: Space> Beam<S> {
    fn new(settings: &Settings, space: &S) -> Self {
        let edits = space.edits();
        let growing = edits.iter().enumerate().filter(|(_, kind)| kind.grows).map(|(index, _)| index).collect();
        Beam {
            space: space.clone(),
            width: settings.beam,
            births: usize::try_from(settings.initial()).unwrap_or(settings.population),
            kinds: Kinds { all: (0..edits.len()).collect(), growing, even: EditCredit::new(edits.len()) },
            beam: Vec::new(),
            level: Vec::new(),
            depth: 0,
            asked: 0,
            fruitless: 0,
            since: 0,
            open: BTreeMap::new(),
        }
    }

    /// Candidates of this level.
    fn breadth(&self) -> usize {
        if self.depth == self.since { self.births } else { self.width * BRANCHES }
    }

    /// Goes on to the next level.
    fn descend(&mut self) {
        let numbers = |beam: &[Node<S::Genome>]| beam.iter().map(|node| node.member.number).collect::<Vec<_>>();
        let before = numbers(&self.beam);
        for node in std::mem::take(&mut self.level) {
            keep(&mut self.beam, node, self.width);
        }
        self.fruitless = if numbers(&self.beam) == before { self.fruitless + 1 } else { 0 };
        self.beam.iter_mut().for_each(|node| node.turns = 0);
        self.depth += 1;
        self.asked = 0;
        if self.fruitless >= PATIENCE {
            self.start_anew();
        }
    }

    fn start_anew(&mut self) {
        self.beam.clear();
        self.level.clear();
        self.depth += 1;
        (self.since, self.asked, self.fruitless) = (self.depth, 0, 0);
    }

    /// An edit of the genome of the beam that had the fewest turns; `None` where there is none that is not used up.
    fn expanded(&mut self, rng: &mut ChaCha8Rng) -> Option<Proposal<S::Genome>> {
        loop {
            let fresh = self.beam.iter_mut().filter(|node| node.repeated < USED_UP);
            let node = fresh.min_by_key(|node| node.turns)?;
            let grow = node.edits < BRANCHES / 2;
            let genome = &node.member.genome;
            let mut edit = |kinds: &[usize]| edited(&self.space, genome, &self.kinds.even, kinds, 1, rng);
            let child = if grow { edit(&self.kinds.growing) } else { None };
            let Some(child) = child.or_else(|| edit(&self.kinds.all)) else {
                node.repeated = USED_UP;
                continue;
            };
            (node.edits, node.turns) = (node.edits + 1, node.turns + 1);
            let origin = Origin { arm: "beam".to_owned(), edits: child.words, parents: vec![node.member.number] };
            return Some(Proposal::from_scratch(origin, child.genome));
        }
    }

    /// The edit that was answered last had been proposed before: it does not count as a turn.
    fn take_back(&mut self, parent: Option<u64>) {
        if let Some(node) = self.beam.iter_mut().find(|node| Some(node.member.number) == parent) {
            node.turns = node.turns.saturating_sub(1);
            node.repeated += 1;
        }
    }
}

/// Adds a node to those that are kept, best first.
fn keep<G: Clone>(nodes: &mut Vec<Node<G>>, node: Node<G>, width: usize) {
    let place = nodes.partition_point(|other| other.member.rank(&node.member) == Ordering::Less);
    nodes.insert(place, node);
    nodes.truncate(width);
}

impl<S: Space> Strategy<S> for Beam<S> {
    fn ask(&mut self, number: u64, rng: &mut ChaCha8Rng) -> Proposal<S::Genome> {
        match self.open.remove(&number) {
            Some(open) => self.take_back(open.origin.parents.first().copied()),
            None => {
                if self.asked >= self.breadth() {
                    self.descend();
                }
                self.asked += 1;
            }
        }
        let proposal = self.expanded(rng).unwrap_or_else(|| {
            if !self.beam.is_empty() {
                self.start_anew();
            }
            Proposal::newborn("birth", self.space.small(rng))
        });
        self.open.insert(number, Open { depth: self.depth, origin: proposal.origin.clone() });
        proposal
    }

    fn tell(&mut self, evaluated: &Evaluated<S::Genome>) {
        let open = self.open.remove(&evaluated.number).filter(|open| open.origin == evaluated.proposal.origin);
        let depth = open.map_or(self.depth, |open| open.depth);
        let Some(member) = Member::of(evaluated).filter(|_| depth >= self.since) else { return };
        let kept = if depth == self.depth { &mut self.level } else { &mut self.beam };
        keep(kept, Node { member, edits: 0, turns: 0, repeated: 0 }, self.width);
    }
}
