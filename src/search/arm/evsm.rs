//! EVSM, evolutionary variation search: rings of neighbours around the incumbent.

use super::{Arm, Draft, Entry, State, Told};
use crate::search::{Space, edits::edited};
use rand_chacha::ChaCha8Rng;

/// Most edits between the incumbent and a neighbour; after the ring of that radius the first one is tried again.
const MOST_EDITS: usize = 4;

pub(super) const fn entry<S: Space>() -> Entry<S> {
    Entry {
        name: "evsm",
        doc: "a ring of neighbours around the incumbent, one edit away at first",
        make: |space: &S| Box::new(Evsm { all: (0..space.edits().len()).collect(), centre: None, radius: 1, tried: 0 }),
    }
}

/// The ring. Its neighbours are all distinct, since no genome is proposed twice.
struct Evsm {
    all: Vec<usize>,
    /// The incumbent: the best candidate by value.
    centre: Option<u64>,
    /// Edits between the centre and a neighbour.
    radius: usize,
    /// Neighbours of this ring that brought no gain, repetitions included: a ring of few genomes is exhausted sooner.
    tried: usize,
}

impl Evsm {
    fn without_gain(&mut self, ring: usize) {
        self.tried += 1;
        if self.tried >= ring {
            self.tried = 0;
            self.radius = self.radius % MOST_EDITS + 1;
        }
    }
}

impl<S: Space> Arm<S> for Evsm {
    fn draft(&mut self, state: &State<S>, rng: &mut ChaCha8Rng) -> Option<Draft<S::Genome>> {
        let incumbent = state.population.best()?;
        if self.centre != Some(incumbent.number) {
            *self = Evsm { all: std::mem::take(&mut self.all), centre: Some(incumbent.number), radius: 1, tried: 0 };
        }
        let neighbour = edited(&state.space, &incumbent.genome, &state.fresh, &self.all, self.radius, rng)?;
        Some(Draft::edited(incumbent.number, neighbour))
    }

    fn repeated(&mut self, _parent: Option<u64>, state: &State<S>) {
        self.without_gain(state.settings.ring);
    }

    fn told(&mut self, told: Told, state: &State<S>) {
        // The population has moved the centre already where this neighbour gained.
        let centre = state.population.best().map(|member| member.number);
        if told.parent == self.centre && centre == self.centre {
            self.without_gain(state.settings.ring);
        }
    }
}
