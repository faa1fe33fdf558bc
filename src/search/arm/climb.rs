//! One edit, drawn evenly, of the incumbent: the step of a hill climb.

use super::{Arm, Draft, Entry, State};
use crate::search::{Space, credit::EditCredit, edits::edited};
use rand_chacha::ChaCha8Rng;

pub(super) const fn entry<S: Space>() -> Entry<S> {
    Entry {
        name: "climb",
        doc: "the incumbent with one edit drawn evenly",
        make: |space: &S| {
            let kinds = space.edits().len();
            Box::new(Climb { all: (0..kinds).collect(), even: EditCredit::new(kinds) })
        },
    }
}

struct Climb {
    all: Vec<usize>,
    even: EditCredit,
}

impl<S: Space> Arm<S> for Climb {
    fn draft(&mut self, state: &State<S>, rng: &mut ChaCha8Rng) -> Option<Draft<S::Genome>> {
        let incumbent = state.population.best()?;
        let child = edited(&state.space, &incumbent.genome, &self.even, &self.all, 1, rng)?;
        Some(Draft::edited(incumbent.number, child))
    }
}
