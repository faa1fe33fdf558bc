//! Random search: the baseline that every other strategy has to beat.

use super::Entry;
use crate::{
    genome::SearchSpace,
    search::{Evaluated, Proposal, Settings, Strategy},
};
use rand_chacha::ChaCha8Rng;

pub(super) static ENTRY: Entry = Entry {
    name: "random",
    doc: "random births only; the baseline of the others",
    make: |_: &Settings, space: &SearchSpace| Box::new(Random { space: space.clone() }),
};

struct Random {
    space: SearchSpace,
}

impl Strategy for Random {
    fn ask(&mut self, _number: u64, rng: &mut ChaCha8Rng) -> Proposal {
        Proposal::newborn("birth", self.space.birth(rng))
    }

    fn tell(&mut self, _evaluated: &Evaluated) {}
}
