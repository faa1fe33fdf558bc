//! Random births: what keeps the search open to what the population lacks.

use super::{Arm, Draft, Entry, State};
use crate::search::Space;
use rand_chacha::ChaCha8Rng;

pub(super) const fn entry<S: Space>() -> Entry<S> {
    Entry { name: "birth", doc: "a random genome", make: |_: &S| Box::new(Birth) }
}

struct Birth;

impl<S: Space> Arm<S> for Birth {
    fn draft(&mut self, state: &State<S>, rng: &mut ChaCha8Rng) -> Option<Draft<S::Genome>> {
        let genome = state.space.birth(rng);
        Some(Draft { genome, parents: Vec::new(), edits: Vec::new(), kinds: Vec::new(), inherits: false, length: 1.0 })
    }
}
