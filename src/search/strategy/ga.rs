//! The genetic strategy: an elitist population with niches, bred by births, crossover, mutation, and refined around the
//! best by EVSM and EEMS.

use super::Entry;
use crate::search::{
    Settings, Space,
    breeding::{Breeding, Composition},
    population::Survival,
};

pub(super) const COMPOSITION: Composition = Composition {
    arms: &[("birth", 0.08), ("crossover", 0.15), ("mutation", 0.17), ("evsm", 0.33), ("eems", 0.27)],
    initial: Settings::initial,
    seeded: true,
    capacity: |settings| settings.population,
    survival: |settings| Survival::Elitist { elites: settings.elites },
    screening: None,
    foresight: false,
    patience: |_| None,
};

pub(super) const fn entry<S: Space>() -> Entry<S> {
    Entry {
        name: "ga",
        doc: "elitist population with crossover, mutation and refinement around the best by EVSM and EEMS",
        seeded: COMPOSITION.seeded,
        make: |settings: &Settings, space: &S| Box::new(Breeding::new(COMPOSITION, settings, space)),
    }
}
