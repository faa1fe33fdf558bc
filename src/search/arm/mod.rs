//! Arms: the ways in which a breeding strategy makes a candidate.

mod birth;
mod climb;
mod crossover;
mod edit;
mod eems;
mod evsm;
mod mutation;

use super::{Population, Settings, Space, credit::EditCredit, edits::Edited};
use crate::genome::{Genome, SearchSpace};
use rand_chacha::ChaCha8Rng;

/// An arm of the list.
pub struct Entry<S: Space = SearchSpace> {
    /// Name, as candidates carry it in [`super::Origin::arm`].
    pub name: &'static str,
    /// What it does, in one line.
    pub doc: &'static str,
    /// Builds it.
    pub make: fn(&S) -> Box<dyn Arm<S>>,
}

impl<S: Space> Entry<S> {
    /// All arms.
    pub const ALL: &'static [Entry<S>] = &[
        birth::entry(),
        climb::entry(),
        crossover::entry(),
        edit::entry(),
        mutation::entry(),
        evsm::entry(),
        eems::entry(),
    ];
}

/// The arm with this name.
///
/// # Panics
/// Where there is none.
#[must_use]
pub fn find<S: Space>(name: &str) -> &'static Entry<S> {
    let found = Entry::<S>::ALL.iter().find(|entry| entry.name == name);
    found.unwrap_or_else(|| panic!("there is no arm `{name}`"))
}

/// What arms see of the search.
pub struct State<S: Space = SearchSpace> {
    /// The search space.
    pub space: S,
    /// The settings.
    pub settings: Settings,
    /// Scored candidates that survive; the trained weights of all of them are there.
    pub population: Population<S>,
    /// Credit of edits whose children are trained from scratch.
    pub(super) fresh: EditCredit,
    /// Credit of edits whose children inherit weights.
    pub(super) inherited: EditCredit,
}

/// A candidate as an arm drafts it.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft<G = Genome> {
    /// The genome.
    pub genome: G,
    /// Candidates it is made from.
    pub parents: Vec<u64>,
    /// Edits in words.
    pub edits: Vec<String>,
    /// Those of the edits that are mutations, as numbers in the list of the space.
    pub kinds: Vec<usize>,
    /// Whether it starts from the trained weights of its first parent.
    pub inherits: bool,
    /// Length of its training as a share of a full one.
    pub length: f64,
}

impl<G> Draft<G> {
    /// An edited child of a candidate, trained from scratch at full length.
    fn edited(parent: u64, child: Edited<G>) -> Draft<G> {
        let Edited { genome, words: edits, kinds } = child;
        Draft { genome, parents: vec![parent], edits, kinds, inherits: false, length: 1.0 }
    }
}

/// How a draft did.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Told {
    /// Its first parent, where it has one.
    pub parent: Option<u64>,
    /// Whether its score was above that of the first parent or, where all objectives count, no member dominated it. False
    /// where it failed.
    pub above_parent: bool,
}

/// One way to make candidates. It is a pure function of what it is told and of the random generator.
pub trait Arm<S: Space = SearchSpace>: Send {
    /// Whether it ever has something to offer in its space. One that has not takes no share from the others.
    fn fits(&self) -> bool {
        true
    }

    /// Drafts a candidate; `None` where it has nothing to offer now.
    fn draft(&mut self, state: &State<S>, rng: &mut ChaCha8Rng) -> Option<Draft<S::Genome>>;

    /// Its last draft was a genome that had been proposed before; `parent` was the first parent.
    fn repeated(&mut self, _parent: Option<u64>, _state: &State<S>) {}

    /// How a draft of its did. The population in `state` has taken the candidate in already.
    fn told(&mut self, _told: Told, _state: &State<S>) {}
}

#[cfg(test)]
mod tests;
