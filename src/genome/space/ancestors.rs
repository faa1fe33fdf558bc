//! Ancestors in the space of a task for images.

use super::{Cost, ImageLimits, Limits, SearchSpace};
use crate::genome::{
    ancestor::{Ancestor, AncestorNet, Function, Layer, LayerKind, Misfit},
    choice::Choice,
    count::{Tally, count},
    domain::InputDomain,
    draw::nearest,
    genes::{Act, Genome, Net, Norm, Training},
    shape::Size,
};

/// How much an ancestor may grow: a scaled one costs at most so many times what it costs as it starts.
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
    /// It is made of what the space excludes.
    #[error("{name} lies outside of the space: {reason}")]
    Outside {
        /// The ancestor.
        name: Ancestor,
        /// What of it is excluded, and by which key of a file.
        reason: String,
    },
}

impl SearchSpace {
    /// The space with these ancestors in it, each once. Of the choices for nets those of normalisations, activations and
    /// kernels hold for their layers, and those of their scale; numbers of blocks and channels and the caps do not.
    ///
    /// # Errors
    /// Where the task is a table, its images are too small for one of them, or one has what the space excludes.
    pub fn with_ancestors(mut self, ancestors: &[Ancestor]) -> Result<Self, UnfitAncestor> {
        for &name in ancestors {
            let (InputDomain::Image { height, width, channels }, Limits::Image(limits)) = (&self.domain.input, &self.limits)
            else {
                return Err(UnfitAncestor::Table(name));
            };
            let size = Size { height: *height, width: *width };
            let published = AncestorNet::published(name).architecture(size, *channels, self.domain.outputs)?;
            let outside = |reason| UnfitAncestor::Outside { name, reason };
            limits.layers(&published.layers).map_err(outside)?;
            if !self.ancestors.contains(&name) {
                self.ancestors.push(name);
            }
            if self.home(name).is_none() {
                let reason = "the images are too small for image.ancestors.resolutions".to_owned();
                return Err(UnfitAncestor::Outside { name, reason });
            }
        }
        Ok(self)
    }

    /// The ancestors as they start, trained as `adam` says but for the rate of learning.
    pub(super) fn ancestor_seeds(&self, adam: Training) -> Vec<Genome> {
        let seed = |&name: &Ancestor| {
            let training = Training { learning_rate: name.entry().learning_rate, ..adam };
            Genome { net: Net::Ancestor(AncestorNet::published(name)), training }
        };
        self.ancestors.iter().map(seed).collect()
    }

    /// The ancestor as it starts: as published, or as near to that as the space has it.
    pub(super) fn home(&self, name: Ancestor) -> Option<AncestorNet> {
        self.settled_ancestor(AncestorNet::published(name))
    }

    /// `caps`, raised to what the ancestor and its growth cost: who asks for it by name knows what it costs. Constraints hold.
    pub(super) fn ancestor_caps(&self, net: &AncestorNet, caps: Tally) -> Tally {
        let home = self.home(net.name).unwrap_or(AncestorNet::published(net.name));
        let home = Genome { net: Net::Ancestor(home), training: self.plain().training };
        let Some(cost) = count(&home, &self.domain) else { return caps };
        Tally {
            parameters: caps.parameters.max(GROWTH * cost.parameters).min(self.bound(Cost::Parameters)),
            macs: caps.macs.max(GROWTH * cost.macs).min(self.bound(Cost::Macs)),
        }
    }

    /// The ancestor with its genes among the choices, at the nearest higher resolution that it fits; `None` where it was
    /// not asked for or fits none.
    pub(super) fn settled_ancestor(&self, net: AncestorNet) -> Option<AncestorNet> {
        let Limits::Image(ImageLimits { ancestors: scales, .. }) = &self.limits else { return None };
        if !self.ancestors.contains(&net.name) {
            return None;
        }
        let same = |&depth: &usize| AncestorNet { depth, ..net }.repeats() == net.repeats();
        let settled = AncestorNet {
            width: nearest(&scales.widths, net.width),
            depth: if scales.depths.iter().any(same) { net.depth } else { nearest(&scales.depths, net.depth) },
            resolution: nearest(&scales.resolutions, net.resolution),
            dropout: scales.dropout.nearest(net.dropout, 0.0),
            ..net
        };
        let higher = scales.resolutions.iter().filter(|&&resolution| resolution >= settled.resolution);
        higher.map(|&resolution| AncestorNet { resolution, ..settled }).find(|net| self.fits(net).is_ok())
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

impl ImageLimits {
    /// Whether layers of an ancestor are of kinds that nets of the space may have.
    fn layers(&self, layers: &[Layer]) -> Result<(), String> {
        let normalised = layers.iter().any(|layer| matches!(layer.kind, LayerKind::BatchNorm(_)));
        let norm = if normalised { Norm::Batch } else { Norm::None };
        if !self.norms.contains(&norm) {
            return Err(format!("its normalisation is {}, which image.norms does not allow", norm.name()));
        }
        for layer in layers {
            if let Some(act) = activation(layer).filter(|act| !self.activations.contains(act)) {
                return Err(format!("its layer {} has {}, which image.activations does not allow", layer.name, act.name()));
            }
            let LayerKind::Conv(conv) = layer.kind else { continue };
            let kernels = self.motifs.iter().flat_map(|&motif| self.kernels.of(motif)).chain(&self.stem.kernels);
            let allowed: Vec<&usize> = kernels.collect();
            if let Some(extent) = conv.kernel.iter().find(|extent| !allowed.contains(extent)) {
                let name = &layer.name;
                return Err(format!(
                    "its layer {name} has a kernel of {extent}, which neither image.block.kernels nor image.stem.kernels allows"
                ));
            }
        }
        Ok(())
    }
}

/// The activation gene that a layer's function is like; gates have none.
fn activation(layer: &Layer) -> Option<Act> {
    let function = match layer.kind {
        LayerKind::Activation(function) => Some(function),
        LayerKind::BatchNorm(norm) => norm.function,
        _ => None,
    };
    match function? {
        Function::Relu | Function::Relu6 => Some(Act::Relu),
        Function::Swish => Some(Act::Silu),
        Function::Sigmoid => None,
    }
}
