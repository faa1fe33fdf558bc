//! EEMS alone: a few births, then small edits that go on from trained weights.
//!
//! In a space whose edits keep no weights only births are left.

use super::Entry;
use crate::search::{
    Settings, Space,
    breeding::{Breeding, Composition},
    population::Survival,
};

const COMPOSITION: Composition = Composition {
    arms: &[("eems", 0.9), ("birth", 0.1)],
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
        name: "eems",
        doc: "small edits of good genomes, each trained on from its parent's weights",
        seeded: COMPOSITION.seeded,
        make: |settings: &Settings, space: &S| Box::new(Breeding::new(COMPOSITION, settings, space)),
    }
}
