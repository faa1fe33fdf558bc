//! Crossover of two tournament winners.

use super::{Arm, Draft, Entry, State};
use crate::search::{Space, edits::edited};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// Chance that the child is edited as well.
const EDITED: f64 = 0.3;

/// Draws of a second parent other than the first.
const DRAWS: usize = 8;

pub(super) const fn entry<S: Space>() -> Entry<S> {
    Entry {
        name: "crossover",
        doc: "two good genomes crossed on aligned genes",
        make: |space: &S| Box::new(Crossover { all: (0..space.edits().len()).collect() }),
    }
}

struct Crossover {
    all: Vec<usize>,
}

impl<S: Space> Arm<S> for Crossover {
    fn draft(&mut self, state: &State<S>, rng: &mut ChaCha8Rng) -> Option<Draft<S::Genome>> {
        let size = state.settings.tournament;
        let first = state.population.tournament(size, rng)?;
        let second = (0..DRAWS)
            .filter_map(|_| state.population.tournament(size, rng))
            .find(|second| second.number != first.number)?;
        let child = state.space.cross(&first.genome, &second.genome, rng)?;
        let (mut genome, mut edits, mut kinds) = (child.genome, vec![child.words], Vec::new());
        if rng.random_bool(EDITED)
            && let Some(edited) = edited(&state.space, &genome, &state.fresh, &self.all, 1, rng)
        {
            genome = edited.genome;
            edits.extend(edited.words);
            kinds = edited.kinds;
        }
        let parents = vec![first.number, second.number];
        Some(Draft { genome, parents, edits, kinds, inherits: false, length: 1.0 })
    }
}
