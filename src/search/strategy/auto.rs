//! The default: the genetic strategy whose drafts are screened by a model of the objective.
//!
//! Each arm drafts several candidates, and that one is trained of which a Gaussian process over the features of
//! genomes, the best and the latest, expects the most improvement. So births look where little is known, the ring of EVSM is tried from its
//! most promising neighbour on, and where nothing was gained for long the search starts anew, still knowing the
//! best that it has seen.

use super::Entry;
use crate::search::{
    Settings, Space,
    breeding::{Breeding, Composition, DraftsOf, Screening},
    model::GaussianProcess,
    population::Survival,
};

/// Its name.
pub(super) const NAME: &str = "auto";

const COMPOSITION: Composition = Composition {
    arms: &[("birth", 0.2), ("crossover", 0.1), ("mutation", 0.2), ("evsm", 0.25), ("eems", 0.25)],
    initial: Settings::initial,
    seeded: true,
    capacity: |settings| settings.population,
    survival: |settings| Survival::Elitist { elites: settings.elites },
    screening: Some(Screening { drafts: 48, of: DraftsOf::OneArm, model: || Box::new(GaussianProcess::new()) }),
    foresight: false,
    patience: |settings| Some((settings.population + settings.ring) as u64),
};

pub(super) const fn entry<S: Space>() -> Entry<S> {
    Entry {
        name: NAME,
        doc: "as ga, with the most promising of many drafts by a model of what was seen; starts anew where nothing gains",
        seeded: COMPOSITION.seeded,
        make: |settings: &Settings, space: &S| Box::new(Breeding::new(COMPOSITION, settings, space)),
    }
}
