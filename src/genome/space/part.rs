//! The parts that nets of a space are made of, each from one choice, and leaving some of them out.

use super::{By, ImageLimits, Limits, SearchSpace, TableLimits};
use crate::genome::{
    ancestor::PUBLISHED,
    choice::{CategoricalKind, Choice, NumericKind},
    domain::InputDomain,
    genes::{Act, ConvMotif, Downsample, GlobalPool, Norm, TableMotif},
    shape::{always_skips, has_branches},
};

/// A part of a net that one choice brings in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// An activation.
    Activation(Act),
    /// A normalisation: of a net for tables before or after linear layers, of one for images after convolutions.
    Norm(Norm),
    /// A block for tables, without its activation and normalisation.
    TableMotif(TableMotif),
    /// An encoding of numbers.
    Numeric(NumericKind),
    /// An encoding of categories.
    Categorical(CategoricalKind),
    /// A block for images, without its activations and normalisations; with as few branches as there may be.
    ConvMotif(ConvMotif),
    /// A block for images with so many branches or layers.
    Branches(ConvMotif, usize),
    /// A skip connection of a block that may have one.
    Skip,
    /// A way of halving the resolution.
    Down(Downsample),
    /// Pooling over the whole image.
    Pool(GlobalPool),
    /// A hidden layer in the head, without its activation.
    Hidden,
    /// An ancestor that interpolates its images.
    Resized,
}

impl SearchSpace {
    /// Every part that a net of the space may have.
    pub fn parts(&self) -> Vec<Part> {
        match (&self.limits, &self.domain.input) {
            (Limits::Table(limits), InputDomain::Table { knots, slots }) => {
                let numeric = if knots.is_empty() { &[] } else { &limits.numeric[..] };
                let categorical = if slots.is_empty() { &[] } else { &limits.categorical[..] };
                let parts = limits.norms.iter().map(|&norm| Part::Norm(norm));
                let parts = parts.chain(limits.activations.iter().map(|&act| Part::Activation(act)));
                let parts = parts.chain(limits.motifs.iter().map(|&motif| Part::TableMotif(motif)));
                let parts = parts.chain(numeric.iter().map(|&kind| Part::Numeric(kind)));
                parts.chain(categorical.iter().map(|&kind| Part::Categorical(kind))).collect()
            }
            (Limits::Image(limits), _) => limits.parts(),
            _ => vec![],
        }
    }

    /// The space without these parts.
    ///
    /// # Errors
    /// The key of a file under which nothing is left to choose.
    pub fn without(mut self, parts: &[Part]) -> Result<Self, &'static str> {
        match &mut self.limits {
            Limits::Table(limits) => limits.without(parts)?,
            Limits::Image(limits) => limits.without(parts)?,
        }
        Ok(self)
    }
}

/// Keeps those that are not among the parts.
fn keep<T: Copy>(list: &mut Vec<T>, parts: &[Part], part: fn(T) -> Part, key: &'static str) -> Result<(), &'static str> {
    let some = !list.is_empty();
    list.retain(|&item| !parts.contains(&part(item)));
    if some && list.is_empty() { Err(key) } else { Ok(()) }
}

/// Drops exceptions for choices that are gone.
fn prune<K: Choice, V>(by: &mut By<K, V>, left: &[K]) {
    by.except.retain(|(choice, _)| left.contains(choice));
}

impl TableLimits {
    fn without(&mut self, parts: &[Part]) -> Result<(), &'static str> {
        keep(&mut self.norms, parts, Part::Norm, "table.norms")?;
        keep(&mut self.activations, parts, Part::Activation, "table.activations")?;
        keep(&mut self.motifs, parts, Part::TableMotif, "table.block.motifs")?;
        prune(&mut self.widths, &self.motifs);
        prune(&mut self.dropout, &self.motifs);
        keep(&mut self.numeric, parts, Part::Numeric, "table.numbers.encodings")?;
        keep(&mut self.categorical, parts, Part::Categorical, "table.categories.encodings")
    }
}

impl ImageLimits {
    fn parts(&self) -> Vec<Part> {
        let mut parts: Vec<Part> = self.norms.iter().map(|&norm| Part::Norm(norm)).collect();
        parts.extend(self.activations.iter().map(|&act| Part::Activation(act)));
        for &motif in &self.motifs {
            parts.push(Part::ConvMotif(motif));
            if has_branches(motif) {
                parts.extend(self.branches.of(motif).iter().map(|&branches| Part::Branches(motif, branches)));
            }
        }
        let may_skip = |&motif: &ConvMotif| !always_skips(motif) && self.skips.of(motif).contains(&true);
        parts.extend(self.motifs.iter().any(may_skip).then_some(Part::Skip));
        parts.extend(self.downs.iter().map(|&down| Part::Down(down)));
        parts.extend(self.pools.iter().map(|&pool| Part::Pool(pool)));
        parts.extend(self.hidden.iter().any(|&hidden| hidden > 0).then_some(Part::Hidden));
        parts.extend(self.ancestors.resolutions.iter().any(|&scale| scale != PUBLISHED).then_some(Part::Resized));
        parts
    }

    fn without(&mut self, parts: &[Part]) -> Result<(), &'static str> {
        keep(&mut self.norms, parts, Part::Norm, "image.norms")?;
        keep(&mut self.activations, parts, Part::Activation, "image.activations")?;
        self.without_branches(parts);
        let branches = &self.branches;
        self.motifs.retain(|&motif| {
            !parts.contains(&Part::ConvMotif(motif)) && (!has_branches(motif) || !branches.of(motif).is_empty())
        });
        if parts.contains(&Part::Skip) {
            self.without_skips();
        }
        if self.motifs.is_empty() {
            return Err("image.block.motifs");
        }
        let left = &self.motifs;
        for by in [&mut self.kernels, &mut self.dilations, &mut self.groups, &mut self.quarters, &mut self.branches] {
            prune(by, left);
        }
        prune(&mut self.skips, left);
        keep(&mut self.downs, parts, Part::Down, "image.stage.downs")?;
        keep(&mut self.pools, parts, Part::Pool, "image.head.pools")?;
        if parts.contains(&Part::Hidden) {
            self.hidden.retain(|&hidden| hidden == 0);
        }
        if self.hidden.is_empty() {
            return Err("image.head.hidden");
        }
        if parts.contains(&Part::Resized) {
            self.ancestors.resolutions.retain(|&scale| scale == PUBLISHED);
        }
        if self.ancestors.resolutions.is_empty() { Err("image.ancestors.resolutions") } else { Ok(()) }
    }

    fn without_branches(&mut self, parts: &[Part]) {
        for &motif in self.motifs.iter().filter(|&&motif| has_branches(motif)) {
            let gone = |branches: usize| parts.contains(&Part::Branches(motif, branches));
            if self.branches.of(motif).iter().any(|&branches| gone(branches)) {
                self.branches.of_mut(motif).retain(|&branches| !gone(branches));
            }
        }
    }

    /// A motif that has to skip goes.
    fn without_skips(&mut self) {
        let skips = &self.skips;
        self.motifs.retain(|&motif| always_skips(motif) || skips.of(motif).contains(&false));
        let lists = self.skips.except.iter_mut().map(|(_, list)| list);
        lists.chain([&mut self.skips.all]).for_each(|list| list.retain(|&skip| !skip));
    }
}
