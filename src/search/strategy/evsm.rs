//! EVSM alone: rings of neighbours around the incumbent, from a few random births, and anew where rings bring no gain.

use super::Entry;
use crate::search::{
    Settings, Space,
    breeding::{Breeding, Composition},
    population::Survival,
};

const COMPOSITION: Composition = Composition {
    arms: &[("evsm", 1.0)],
    initial: |_| 8,
    seeded: true,
    capacity: |settings| settings.population,
    survival: |_| Survival::Elitist { elites: 1 },
    screening: None,
    foresight: false,
    patience: |settings| Some((settings.ring + settings.ring / 4) as u64),
};

pub(super) const fn entry<S: Space>() -> Entry<S> {
    Entry {
        name: "evsm",
        doc: "rings of neighbours around the incumbent, anew from random births where they bring no gain",
        seeded: COMPOSITION.seeded,
        make: |settings: &Settings, space: &S| Box::new(Breeding::new(COMPOSITION, settings, space)),
    }
}
