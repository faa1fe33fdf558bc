//! Mutation of a tournament's winner by one or a few edits.

use super::{Arm, Draft, Entry, State};
use crate::search::{Space, edits::edited};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// Chance of each further edit.
const ANOTHER: f64 = 0.35;

/// Most edits at once.
const MOST_EDITS: usize = 4;

pub(super) const fn entry<S: Space>() -> Entry<S> {
    Entry {
        name: "mutation",
        doc: "a good genome with one or a few edits",
        make: |space: &S| Box::new(Mutation { all: (0..space.edits().len()).collect() }),
    }
}

struct Mutation {
    all: Vec<usize>,
}

impl<S: Space> Arm<S> for Mutation {
    fn draft(&mut self, state: &State<S>, rng: &mut ChaCha8Rng) -> Option<Draft<S::Genome>> {
        let parent = state.population.tournament(state.settings.tournament, rng)?;
        let mut count = 1;
        while count < MOST_EDITS && rng.random_bool(ANOTHER) {
            count += 1;
        }
        let child = edited(&state.space, &parent.genome, &state.fresh, &self.all, count, rng)?;
        Some(Draft::edited(parent.number, child))
    }
}
