//! Random search: the baseline that every other strategy has to beat.

use super::Entry;
use crate::search::{Evaluated, Proposal, Settings, Space, Strategy};
use rand_chacha::ChaCha8Rng;

pub(super) const fn entry<S: Space>() -> Entry<S> {
    Entry {
        name: "random",
        doc: "random births only; the baseline of the others",
        seeded: false,
        make: |_: &Settings, space: &S| Box::new(Random { space: space.clone() }),
    }
}

struct Random<S> {
    space: S,
}

impl<S: Space> Strategy<S> for Random<S> {
    fn ask(&mut self, _number: u64, rng: &mut ChaCha8Rng) -> Proposal<S::Genome> {
        Proposal::newborn("birth", self.space.birth(rng))
    }

    fn tell(&mut self, _evaluated: &Evaluated<S::Genome>) {}
}
