//! The default: the genetic strategy whose drafts are screened by a model of the objective.
//!
//! Each arm drafts many candidates, and that one is trained of which an ensemble of regressions on the features of genomes
//! (as that of `predictor`), learned from the best and the latest, expects the most improvement. So births look where little
//! is known, the ring of EVSM is tried from its most promising neighbour on, and where nothing was gained for long the
//! search starts anew, still knowing the best that it has seen. Since the model chooses well from few results, as few
//! candidates start the search as elsewhere only a short one. Where edits keep weights, half of the candidates at first go
//! on from some: these gain the most for each training example.

use super::Entry;
use crate::search::{
    Settings, Space,
    breeding::{Breeding, Composition, DraftsOf, Screening},
    model::Ensemble,
    population::Survival,
};

/// Its name.
pub(super) const NAME: &str = "auto";

/// Candidates that start the search.
const INITIAL: u64 = 8;

const COMPOSITION: Composition = Composition {
    arms: &[("birth", 0.2), ("crossover", 0.1), ("mutation", 0.2), ("evsm", 0.25), ("eems", 0.75)],
    initial: |_| INITIAL,
    seeded: true,
    capacity: |settings| settings.population,
    survival: |settings| Survival::Elitist { elites: settings.elites },
    screening: Some(Screening { drafts: 128, of: DraftsOf::OneArm, model: || Box::new(Ensemble::new()) }),
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
