//! Random births: what keeps the search open to what the population lacks.

use super::{Arm, Draft, Entry, State};
use rand_chacha::ChaCha8Rng;

pub(super) static ENTRY: Entry = Entry { name: "birth", doc: "a random genome", share: 0.08, make: || Box::new(Birth) };

struct Birth;

impl Arm for Birth {
    fn draft(&mut self, state: &State, rng: &mut ChaCha8Rng) -> Option<Draft> {
        let genome = state.space.birth(rng);
        Some(Draft { genome, parents: Vec::new(), edits: Vec::new(), kinds: Vec::new(), inherits: false, length: 1.0 })
    }
}
