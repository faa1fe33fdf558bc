//! EEMS, the elastic search: neighbours that keep their parent's trained weights and are trained a short while.

use super::{Arm, Draft, Entry, State, Told};
use crate::search::{Member, Space, edits::edited};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use std::collections::{BTreeMap, BTreeSet};

/// Children without a gain after which a parent is left alone.
const FRUITLESS: u32 = 4;

/// Chance of a second edit.
const SECOND: f64 = 0.25;

pub(super) const fn entry<S: Space>() -> Entry<S> {
    Entry {
        name: "eems",
        doc: "a good genome with a small edit, trained on from its parent's weights",
        make: |space: &S| Box::new(Eems { elastic: elastic(space), fruitless: BTreeMap::new() }),
    }
}

/// Kinds of edits whose children can go on from the weights.
fn elastic<S: Space>(space: &S) -> Vec<usize> {
    let kinds = space.edits();
    kinds.iter().enumerate().filter(|(_, kind)| kind.elastic).map(|(index, _)| index).collect()
}

struct Eems {
    elastic: Vec<usize>,
    /// For members of the population, and some that have left it, children since the last gain.
    fruitless: BTreeMap<u64, u32>,
}

impl Eems {
    fn parent<'a, S: Space>(&self, state: &'a State<S>, rng: &mut ChaCha8Rng) -> Option<&'a Member<S::Genome>> {
        let fruitful =
            |member: &&Member<S::Genome>| self.fruitless.get(&member.number).is_none_or(|&count| count < FRUITLESS);
        let members: Vec<&Member<S::Genome>> = state.population.members().iter().filter(fruitful).collect();
        if members.is_empty() {
            return None;
        }
        // Members come best first, so the best of a tournament is the one of least index.
        let drawn = (0..state.settings.tournament).map(|_| rng.random_range(0..members.len())).min();
        drawn.map(|index| members[index])
    }

    fn without_gain(&mut self, parent: Option<u64>) {
        if let Some(parent) = parent {
            *self.fruitless.entry(parent).or_default() += 1;
        }
    }
}

impl<S: Space> Arm<S> for Eems {
    fn fits(&self) -> bool {
        !self.elastic.is_empty()
    }

    fn draft(&mut self, state: &State<S>, rng: &mut ChaCha8Rng) -> Option<Draft<S::Genome>> {
        if self.fruitless.len() > 2 * state.settings.population {
            let members: BTreeSet<u64> = state.population.members().iter().map(|member| member.number).collect();
            self.fruitless.retain(|number, _| members.contains(number));
        }
        let parent = self.parent(state, rng)?;
        let count = if rng.random_bool(SECOND) { 2 } else { 1 };
        let child = edited(&state.space, &parent.genome, &state.inherited, &self.elastic, count, rng)?;
        let length = state.settings.elastic_length;
        Some(Draft { inherits: true, length, ..Draft::edited(parent.number, child) })
    }

    fn repeated(&mut self, parent: Option<u64>, _state: &State<S>) {
        self.without_gain(parent);
    }

    fn told(&mut self, told: Told, _state: &State<S>) {
        if told.above_parent {
            self.fruitless.extend(told.parent.map(|parent| (parent, 0)));
        } else {
            self.without_gain(told.parent);
        }
    }
}
