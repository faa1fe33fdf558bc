//! Search by a predictor of the objective (BANANAS, White et al., 2021, with other models).
//!
//! After the seeds and the first births an ensemble of regressions on the features of genomes (a Gaussian process, a forest
//! of extremely randomised trees, ridge regression, nearest neighbours) learns from the best and the latest results at each
//! candidate. Of a pool of births, edits of one or more kinds and crossings that one is evaluated of which the ensemble
//! expects the most improvement over the best (Močkus, 1975). The shares of the three in the pool follow what they gained.

use super::Entry;
use crate::search::{
    Settings, Space,
    breeding::{Breeding, Composition, DraftsOf, Screening},
    model::Ensemble,
    population::Survival,
};

const COMPOSITION: Composition = Composition {
    arms: &[("birth", 0.2), ("crossover", 0.3), ("mutation", 0.5)],
    initial: Settings::initial,
    seeded: true,
    capacity: |settings| settings.population,
    survival: |settings| Survival::Elitist { elites: settings.elites },
    screening: Some(Screening { drafts: 64, of: DraftsOf::AllArms, model: || Box::new(Ensemble::new()) }),
    foresight: false,
    patience: |_| None,
};

pub(super) const fn entry<S: Space>() -> Entry<S> {
    Entry {
        name: "predictor",
        doc: "the best by an ensemble of regressions of a pool of births, edits and crossings",
        seeded: COMPOSITION.seeded,
        make: |settings: &Settings, space: &S| Box::new(Breeding::new(COMPOSITION, settings, space)),
    }
}
