//! Stochastic hill climbing with restarts (first improvement; Aarts and Lenstra, 1997): a single incumbent is edited once,
//! evenly over the kinds of edits, and what is better takes its place. After as many candidates without a gain as the
//! setting `ring` says the climb starts anew from a random birth. With a lag the candidates under way are all edits of the
//! incumbent that was known when they were asked for.

use super::Entry;
use crate::search::{
    Settings, Space,
    breeding::{Breeding, Composition},
    population::Survival,
};

const COMPOSITION: Composition = Composition {
    arms: &[("climb", 1.0)],
    initial: |_| 1,
    seeded: true,
    capacity: |_| 1,
    survival: |_| Survival::Elitist { elites: 1 },
    screening: None,
    foresight: false,
    patience: |settings| Some(settings.ring as u64),
};

pub(super) const fn entry<S: Space>() -> Entry<S> {
    Entry {
        name: "greedy",
        doc: "hill climbing: one edit of the incumbent, kept if better; anew from a random birth where nothing gains",
        seeded: COMPOSITION.seeded,
        make: |settings: &Settings, space: &S| Box::new(Breeding::new(COMPOSITION, settings, space)),
    }
}
