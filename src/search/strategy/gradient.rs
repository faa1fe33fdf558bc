//! The genetic strategy with births and offspring ranked before they are trained, by gradients of untrained nets and the like
//! (zero-cost proxies: warm-up and move proposal of Abdelfattah et al., 2021, "Zero-Cost Proxies for Lightweight NAS").
//!
//! A pool of random births, as many as the setting `pool` says, is scored by all that is foreseen of them
//! ([`crate::search::Foresight`]); from the best mean rank on they start the population, beside the seeds of the space. Then
//! arms draft as in `ga`, each candidate as often as the setting `drafts` says, and the draft with the best mean
//! rank is trained. More drafts mean more pressure towards what the scores like, which is above all larger nets, and away
//! from edits of how a net is trained, of which they see nothing. Without a foresight there is nothing to rank by: the driver
//! refuses that ([`crate::search::SearchError::Blind`]).

use super::{Entry, ga};
use crate::search::{
    Settings, Space,
    breeding::{Breeding, Composition},
};

const COMPOSITION: Composition = Composition { foresight: true, ..ga::COMPOSITION };

pub(super) const fn entry<S: Space>() -> Entry<S> {
    Entry {
        name: "gradient",
        doc: "as ga, with births and offspring ranked before training by gradients of untrained nets (zero-cost proxies)",
        seeded: COMPOSITION.seeded,
        make: |settings: &Settings, space: &S| Box::new(Breeding::new(COMPOSITION, settings, space)),
    }
}
