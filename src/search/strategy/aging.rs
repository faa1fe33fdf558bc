//! Regularised evolution (Real et al., 2019): the winner of a tournament is edited once, and the oldest member dies.

use super::Entry;
use crate::search::{
    Settings, Space,
    breeding::{Breeding, Composition},
    population::Survival,
};

const COMPOSITION: Composition = Composition {
    arms: &[("edit", 1.0)],
    initial: |settings| settings.population as u64,
    seeded: false,
    capacity: |settings| settings.population,
    survival: |_| Survival::Youngest,
    screening: None,
    foresight: false,
    patience: |_| None,
};

pub(super) const fn entry<S: Space>() -> Entry<S> {
    Entry {
        name: "aging",
        doc: "regularised evolution: tournament, one edit, the oldest dies",
        seeded: COMPOSITION.seeded,
        make: |settings: &Settings, space: &S| Box::new(Breeding::new(COMPOSITION, settings, space)),
    }
}
