//! Whether the choices of a space make sense together. What passes has a valid net for everything that can be drawn.

use super::{By, ImageLimits, Limits, Reals, SearchSpace, Span, TableLimits, TrainingLimits, limits::most_bins};
use crate::genome::{
    choice::{CategoricalKind, Choice, NumericKind, OptimizerKind},
    domain::{Domain, InputDomain},
    genes::{ConvMotif, Downsample, Loss},
    shape::{Size, always_skips, has_branches, has_groups, has_no_stride, hidden_width},
};
use std::{fmt::Display, ops::RangeInclusive};

/// Most of any width, so that counts stay within 64 bits.
const MOST_WIDTH: usize = 1 << 16;
/// Most branches of an inception.
const MOST_BRANCHES: usize = 4;
/// Most eighths of an ancestor's scale.
const MOST_SCALE: usize = 32;

/// Choices that make no space. Keys are those of a file.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SpaceError {
    /// A list without an item.
    #[error("{key}: there is nothing to choose from")]
    Empty {
        /// The key.
        key: String,
    },
    /// A value that cannot be.
    #[error("{key}: {value} {reason}")]
    Value {
        /// The key.
        key: String,
        /// The value.
        value: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Choices that exclude each other, or something for another kind of data.
    #[error("{key}: {reason}")]
    Contradiction {
        /// The key.
        key: String,
        /// What is in the way.
        reason: String,
    },
    /// A cap that no net keeps.
    #[error("{key}: {most} is kept by no net; the smallest of the space has {least}")]
    Cap {
        /// The key.
        key: &'static str,
        /// The cap.
        most: u64,
        /// The least cost.
        least: u64,
    },
}

type Checked = Result<(), SpaceError>;

impl SearchSpace {
    /// Checks every choice by itself and with the others.
    ///
    /// # Errors
    /// The first that makes no sense, with its key.
    pub fn check(&self) -> Checked {
        self.training.check(&self.domain)?;
        match (&self.domain.input, &self.limits) {
            (InputDomain::Table { knots, slots }, Limits::Table(limits)) => limits.check(knots, slots)?,
            (&InputDomain::Image { height, width, .. }, Limits::Image(limits)) => limits.check(Size { height, width })?,
            (InputDomain::Table { .. }, Limits::Image(_)) => return Err(contradiction("kind", OTHER_KIND.0)),
            (InputDomain::Image { .. }, Limits::Table(_)) => return Err(contradiction("kind", OTHER_KIND.1)),
        }
        let least = self.smallest_cost();
        for (key, most, least) in
            [("max_parameters", self.max_parameters, least.parameters), ("max_macs", self.max_macs, least.macs)]
        {
            if most < least {
                return Err(SpaceError::Cap { key, most, least });
            }
        }
        self.contains(&self.smallest()).map_err(|reason| contradiction("the smallest net", reason))
    }
}

/// Choices for one kind of data and data of the other.
pub(super) const OTHER_KIND: (&str, &str) = (
    "this is a space of nets for images, and the data is a table",
    "this is a space of nets for tables, and the data is images",
);

impl TrainingLimits {
    fn check(&self, domain: &Domain) -> Checked {
        some("training.optimizers", &self.optimizers)?;
        let listed = |kind| self.optimizers.contains(&kind);
        by("training.learning_rate", &self.learning_rate, listed, |key, rates| reals(key, rates, 1e-9, 100.0))?;
        by("training.weight_decay", &self.weight_decay, listed, |key, decays| reals(key, decays, 0.0, 10.0))?;
        if listed(OptimizerKind::Sgd) {
            reals("training.momentum", &self.momentum, 0.0, 0.9999)?;
        }
        if listed(OptimizerKind::Adam) || listed(OptimizerKind::AdamW) {
            reals("training.beta2", &self.beta2, 0.5, 0.99999)?;
        }
        some("training.schedules", &self.schedules)?;
        sizes("training.batches", &self.batches, 1..=domain.rows.max(1))?;
        some("training.initialisations", &self.initialisations)?;
        reals("training.label_smoothing", &self.label_smoothing, 0.0, 0.9)?;
        if !domain.classification && self.label_smoothing.bounds() != Some((0.0, 0.0)) {
            return Err(contradiction("training.label_smoothing", "a regression has none"));
        }
        some("training.losses", &self.losses)?;
        if let Some(loss) = self.losses.iter().find(|&&loss| (loss == Loss::CrossEntropy) != domain.classification) {
            let task = if domain.classification { "a classification" } else { "a regression" };
            return Err(value("training.losses", loss.name(), format!("is not for {task}")));
        }
        reals("training.lengths", &self.lengths, 0.01, 1.0)?;
        self.check_augmentation(&domain.input)
    }

    fn check_augmentation(&self, input: &InputDomain) -> Checked {
        let side = match *input {
            InputDomain::Image { height, width, .. } => height.min(width),
            InputDomain::Table { .. } => 0,
        };
        some("augmentation.flips", &self.flips)?;
        span("augmentation.shift", self.shift, 0..=side)?;
        span("augmentation.cutout", self.cutout, 0..=side)?;
        let table = matches!(input, InputDomain::Table { .. });
        if table && self.flips != [false] {
            return Err(contradiction("augmentation.flips", "tables are not augmented"));
        }
        Ok(())
    }
}

impl TableLimits {
    fn check(&self, knots: &[usize], slots: &[usize]) -> Checked {
        span("table.blocks", self.blocks, 1..=64)?;
        some("table.norms", &self.norms)?;
        some("table.activations", &self.activations)?;
        some("table.block.motifs", &self.motifs)?;
        let listed = |motif| self.motifs.contains(&motif);
        by("table.block.widths", &self.widths, listed, |key, widths| sizes(key, widths, 1..=MOST_WIDTH))?;
        by("table.block.dropout", &self.dropout, listed, |key, rates| reals(key, rates, 0.0, 0.95))?;
        if !knots.is_empty() {
            self.check_numbers(most_bins(knots))?;
        }
        if !slots.is_empty() {
            some("table.categories.encodings", &self.categorical)?;
            if self.categorical.contains(&CategoricalKind::Embedding) {
                sizes("table.categories.lengths", &self.embedding_dims, 1..=MOST_WIDTH)?;
            }
        }
        Ok(())
    }

    fn check_numbers(&self, most_bins: usize) -> Checked {
        some("table.numbers.encodings", &self.numeric)?;
        if self.numeric.contains(&NumericKind::Piecewise) {
            if most_bins == 0 {
                return Err(value("table.numbers.encodings", "piecewise", "needs bins, and no column has any"));
            }
            sizes("table.numbers.bins", &self.bins, 1..=most_bins)?;
        }
        if self.numeric.contains(&NumericKind::Periodic) {
            sizes("table.numbers.frequencies", &self.frequencies, 1..=MOST_WIDTH)?;
            reals("table.numbers.sigma", &self.sigma, 1e-4, 1e3)?;
        }
        if self.numeric != [NumericKind::Plain] {
            sizes("table.numbers.outputs", &self.encoding_dims, 1..=MOST_WIDTH)?;
        }
        Ok(())
    }
}

impl ImageLimits {
    fn check(&self, input: Size) -> Checked {
        let side = input.side();
        some("image.norms", &self.norms)?;
        some("image.activations", &self.activations)?;
        sizes("image.stem.widths", &self.stem.widths, 1..=MOST_WIDTH)?;
        kernels("image.stem.kernels", &self.stem.kernels, side)?;
        sizes("image.stem.strides", &self.stem.strides, 1..=2)?;
        span("image.stages", self.stages, 1..=16)?;
        sizes("image.stage.widths", &self.widths, 1..=MOST_WIDTH)?;
        some("image.stage.downs", &self.downs)?;
        span("image.stage.blocks", self.blocks, 1..=64)?;
        self.check_blocks(side)?;
        some("image.head.pools", &self.pools)?;
        sizes("image.head.hidden", &self.hidden, 0..=MOST_WIDTH)?;
        reals("image.head.dropout", &self.dropout, 0.0, 0.95)?;
        let scales = &self.ancestors;
        sizes("image.ancestors.widths", &scales.widths, 1..=MOST_SCALE)?;
        sizes("image.ancestors.depths", &scales.depths, 1..=MOST_SCALE)?;
        sizes("image.ancestors.resolutions", &scales.resolutions, 1..=MOST_SCALE)?;
        reals("image.ancestors.dropout", &scales.dropout, 0.0, 0.95)?;
        self.check_resolutions(input)
    }

    fn check_blocks(&self, side: usize) -> Checked {
        some("image.block.motifs", &self.motifs)?;
        let listed = |motif: ConvMotif| self.motifs.contains(&motif);
        by("image.block.kernels", &self.kernels, listed, |key, extents| kernels(key, extents, side))?;
        by("image.block.dilations", &self.dilations, listed, |key, dilations| sizes(key, dilations, 1..=64))?;
        let grouped = |motif| listed(motif) && has_groups(motif);
        by("image.block.groups", &self.groups, grouped, |key, groups| sizes(key, groups, 1..=MOST_WIDTH))?;
        let hidden = |motif| listed(motif) && quartered(motif);
        by("image.block.quarters", &self.quarters, hidden, |key, quarters| sizes(key, quarters, 1..=64))?;
        let branched = |motif| listed(motif) && has_branches(motif);
        by("image.block.branches", &self.branches, branched, |key, branches| sizes(key, branches, 1..=32))?;
        if listed(ConvMotif::Inception) {
            sizes("image.block.inception.branches", self.branches.of(ConvMotif::Inception), 1..=MOST_BRANCHES)?;
        }
        let free = |motif| listed(motif) && !always_skips(motif);
        by("image.block.skips", &self.skips, free, |key, skips| some(key, skips))?;
        for motif in [ConvMotif::ConvNormAct, ConvMotif::ConvAct].into_iter().filter(|&motif| listed(motif)) {
            let least = self.groups.of(motif).first().copied().unwrap_or(1);
            let uneven = |width: &&usize| !width.is_multiple_of(least);
            if let Some(width) = self.widths.iter().chain(&self.stem.widths).find(uneven) {
                let reason = format!("does not divide {width} channels of a {} block; allow 1", motif.name());
                return Err(value("image.block.groups", least, reason));
            }
        }
        Ok(())
    }

    /// Whether the images are large enough for what has to be done to them.
    fn check_resolutions(&self, input: Size) -> Checked {
        let (side, sides) = (input.side(), format!("{}×{}", input.height, input.width));
        if self.least_padding() >= side {
            return Err(contradiction("image.block.kernels", format!("each reads only padding on images of {sides}")));
        }
        if self.stem.strides[0] > 1 && !self.halves(input) {
            return Err(value("image.stem.strides", self.stem.strides[0], format!("is too much for images of {sides}")));
        }
        if self.downs == [Downsample::Stride] && self.motifs.iter().all(|&motif| has_no_stride(motif)) {
            return Err(value("image.stage.downs", "stride", "is nothing that any of image.block.motifs does"));
        }
        if self.downs.contains(&Downsample::None) {
            return Ok(());
        }
        // Pools round down, which leaves the least.
        let sides = std::iter::successors(Some(side / self.stem.strides[0]), |side| Some(side / 2));
        let halvings = sides.take_while(|&side| side >= 2 * self.least_side()).count();
        if halvings < self.stages.low {
            let reason = format!(
                "{} stages at least halve the resolution, and images of {}×{} can be halved {halvings} times; add none to \
                 image.stage.downs, or allow fewer stages",
                self.stages.low, input.height, input.width
            );
            return Err(contradiction("image.stages", reason));
        }
        Ok(())
    }
}

/// Whether the motif's hidden width is counted in quarters.
fn quartered(motif: ConvMotif) -> bool {
    hidden_width(&super::seeds::block(motif), 64, 4).is_some()
}

/// Checks what holds for all and each exception, which has to be for a choice that `applies`.
fn by<K: Choice, V>(
    key: &str,
    values: &By<K, V>,
    applies: impl Fn(K) -> bool,
    check: impl Fn(&str, &V) -> Checked,
) -> Checked {
    let general = K::ALL.iter().any(|&choice| applies(choice) && values.except.iter().all(|(other, _)| *other != choice));
    if general {
        check(key, &values.all)?;
    }
    for (choice, value) in &values.except {
        let key = exception(key, *choice);
        if !applies(*choice) {
            return Err(contradiction(key, format!("{} is not chosen, or has no such gene", choice.name())));
        }
        check(&key, value)?;
    }
    Ok(())
}

/// The key of an exception, such as `image.block.residual.kernels`.
fn exception<K: Choice>(key: &str, choice: K) -> String {
    let (section, name) = key.rsplit_once('.').unwrap_or(("", key));
    format!("{section}.{}.{name}", choice.name())
}

fn contradiction(key: impl Into<String>, reason: impl Into<String>) -> SpaceError {
    SpaceError::Contradiction { key: key.into(), reason: reason.into() }
}

fn value(key: &str, value: impl Display, reason: impl Into<String>) -> SpaceError {
    SpaceError::Value { key: key.to_owned(), value: value.to_string(), reason: reason.into() }
}

fn some<T>(key: &str, list: &[T]) -> Checked {
    if list.is_empty() { Err(SpaceError::Empty { key: key.to_owned() }) } else { Ok(()) }
}

fn sizes(key: &str, list: &[usize], range: RangeInclusive<usize>) -> Checked {
    some(key, list)?;
    match list.iter().find(|size| !range.contains(size)) {
        Some(size) => Err(value(key, size, format!("is not within {} to {}", range.start(), range.end()))),
        None => Ok(()),
    }
}

fn kernels(key: &str, list: &[usize], side: usize) -> Checked {
    sizes(key, list, 1..=side.max(1))?;
    match list.iter().find(|extent| extent.is_multiple_of(2)) {
        Some(extent) => Err(value(key, extent, "is even; a kernel has a centre")),
        None => Ok(()),
    }
}

fn span(key: &str, span: Span, range: RangeInclusive<usize>) -> Checked {
    if span.low > span.high {
        return Err(value(key, format!("{} to {}", span.low, span.high), "has no number in it"));
    }
    sizes(key, &[span.low, span.high], range)
}

fn reals(key: &str, reals: &Reals, least: f32, most: f32) -> Checked {
    let (low, high) = reals.bounds().ok_or_else(|| SpaceError::Empty { key: key.to_owned() })?;
    let words = || format!("{low} to {high}");
    match reals {
        _ if !(least <= low && high <= most) => Err(value(key, words(), format!("is not within {least} to {most}"))),
        _ if low > high => Err(value(key, words(), "has no number in it")),
        Reals::Range { log: true, .. } if low <= 0.0 => Err(value(key, words(), "has no logarithm at its low end")),
        _ => Ok(()),
    }
}
