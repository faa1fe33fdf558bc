//! Ancestors in the space of a task for images.

use super::{Cost, Limits, MAX_DROPOUT, SearchSpace, repair::within};
use crate::genome::{
    ancestor::{Ancestor, AncestorNet, Misfit, SCALES},
    count::{Tally, count},
    domain::InputDomain,
    draw::nearest,
    genes::{Genome, Net, Training},
    shape::Size,
};

/// How much an ancestor may grow: a scaled one costs at most so many times what it costs as published.
const GROWTH: u64 = 2;

/// Why ancestors cannot be in a space.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum UnfitAncestor {
    /// The task is a table.
    #[error("ancestors such as {0} are nets for images, and this data is a table")]
    Table(Ancestor),
    /// The images are too small.
    #[error(transparent)]
    Misfit(#[from] Misfit),
}

impl SearchSpace {
    /// The space with these ancestors in it, each once.
    ///
    /// # Errors
    /// Where the task is a table, or its images are too small for one of them.
    pub fn with_ancestors(mut self, ancestors: &[Ancestor]) -> Result<Self, UnfitAncestor> {
        for &ancestor in ancestors {
            let InputDomain::Image { height, width, channels } = self.domain.input else {
                return Err(UnfitAncestor::Table(ancestor));
            };
            AncestorNet::published(ancestor).architecture(Size { height, width }, channels, self.domain.outputs)?;
            if !self.ancestors.contains(&ancestor) {
                self.ancestors.push(ancestor);
            }
        }
        Ok(self)
    }

    /// The ancestors as published, trained as `adam` says but for the rate of learning.
    pub(super) fn ancestor_seeds(&self, adam: Training) -> Vec<Genome> {
        let seed = |&name: &Ancestor| {
            let training = Training { learning_rate: name.entry().learning_rate, ..adam };
            Genome { net: Net::Ancestor(AncestorNet::published(name)), training }
        };
        self.ancestors.iter().map(seed).collect()
    }

    /// `caps`, raised to what the ancestor and its growth cost: who asks for it by name knows what it costs. Constraints hold.
    pub(super) fn ancestor_caps(&self, net: &AncestorNet, caps: Tally) -> Tally {
        let published = Genome { net: Net::Ancestor(AncestorNet::published(net.name)), training: self.plain().training };
        let Some(cost) = count(&published, &self.domain) else { return caps };
        Tally {
            parameters: caps.parameters.max(GROWTH * cost.parameters).min(self.bound(Cost::Parameters)),
            macs: caps.macs.max(GROWTH * cost.macs).min(self.bound(Cost::Macs)),
        }
    }

    /// The ancestor with its genes among the choices, at the nearest higher resolution that it fits; `None` where it was
    /// not asked for or fits none.
    pub(super) fn settled_ancestor(&self, net: AncestorNet) -> Option<AncestorNet> {
        if !self.ancestors.contains(&net.name) || !matches!(self.limits, Limits::Image(_)) {
            return None;
        }
        let net = AncestorNet {
            width: nearest(&SCALES, net.width),
            depth: nearest(&SCALES, net.depth),
            resolution: nearest(&SCALES, net.resolution),
            dropout: within(net.dropout, (0.0, MAX_DROPOUT), 0.0),
            ..net
        };
        let higher = SCALES.into_iter().filter(|&resolution| resolution >= net.resolution);
        higher.map(|resolution| AncestorNet { resolution, ..net }).find(|net| self.fits(net).is_ok())
    }

    /// Whether the task's images are large enough.
    pub(super) fn fits(&self, net: &AncestorNet) -> Result<(), String> {
        let InputDomain::Image { height, width, channels } = self.domain.input else {
            return Err("net: not for the space's kind of input".into());
        };
        let architecture = net.architecture(Size { height, width }, channels, self.domain.outputs);
        architecture.map(drop).map_err(|misfit| format!("resolution: {misfit}"))
    }
}
