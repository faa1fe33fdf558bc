//! NSGA-II (Deb et al., 2002): parents by tournament over rank and crowding, survival by fronts and crowding.
//!
//! Candidates come and go one by one and not by generations (Nebro and Durillo, 2009), so that no worker waits for others.
//! With the score as the only objective it is an elitist genetic algorithm.

use super::Entry;
use crate::search::{
    Settings, Space,
    breeding::{Breeding, Composition},
    population::Survival,
};

/// Its name.
pub(super) const NAME: &str = "nsga2";

const COMPOSITION: Composition = Composition {
    arms: &[("birth", 0.1), ("crossover", 0.3), ("mutation", 0.35), ("eems", 0.25)],
    initial: Settings::initial,
    seeded: true,
    capacity: |settings| settings.population,
    survival: |_| Survival::NonDominated,
    screening: None,
    foresight: false,
    patience: |_| None,
};

pub(super) const fn entry<S: Space>() -> Entry<S> {
    Entry {
        name: NAME,
        doc: "several objectives: parents and survivors by fronts of what nothing dominates, and by crowding",
        seeded: COMPOSITION.seeded,
        make: |settings: &Settings, space: &S| Box::new(Breeding::new(COMPOSITION, settings, space)),
    }
}
