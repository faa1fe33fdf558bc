//! One edit, drawn evenly, of a tournament's winner: the variation of regularised evolution.

use super::{Arm, Draft, Entry, State};
use crate::search::{Space, credit::EditCredit, edits::edited};
use rand_chacha::ChaCha8Rng;

pub(super) const fn entry<S: Space>() -> Entry<S> {
    Entry {
        name: "edit",
        doc: "a good genome with one edit drawn evenly",
        make: |space: &S| {
            let kinds = space.edits().len();
            Box::new(Edit { all: (0..kinds).collect(), even: EditCredit::new(kinds) })
        },
    }
}

struct Edit {
    all: Vec<usize>,
    even: EditCredit,
}

impl<S: Space> Arm<S> for Edit {
    fn draft(&mut self, state: &State<S>, rng: &mut ChaCha8Rng) -> Option<Draft<S::Genome>> {
        let parent = state.population.tournament(state.settings.population / 3, rng)?;
        let child = edited(&state.space, &parent.genome, &self.even, &self.all, 1, rng)?;
        Some(Draft::edited(parent.number, child))
    }
}
