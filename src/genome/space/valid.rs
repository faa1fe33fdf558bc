//! Whether a genome lies in the space, and why not. Genes without an effect are not judged: canonical genomes have them at
//! their defaults, whatever the space says.

use super::{By, ImageLimits, Limits, Reals, SearchSpace, Span, TableLimits, TrainingLimits};
use crate::genome::{
    ancestor::AncestorNet,
    choice::{Choice, NumericKind, OptimizerKind},
    count::count,
    domain::InputDomain,
    genes::{
        Augmentation, CategoricalEncoding, ConvBlock, ConvMotif, Downsample, Genome, ImageNet, Loss, Net, NumericEncoding,
        Optimizer, TableMotif, TableNet, Training,
    },
    shape::{
        BlockShape, ImageShape, Size, always_skips, bottleneck_width, downsampling, has_branches, has_groups, hidden_width,
        padding,
    },
};
use std::fmt::Debug;

/// No feature map falls below 2×2.
const LEAST_SIDE: usize = 2;

impl SearchSpace {
    /// Whether the genome lies in the space.
    ///
    /// # Errors
    ///
    /// The first gene that does not, with its value and what is allowed.
    pub fn contains(&self, genome: &Genome) -> Result<(), String> {
        match (&self.domain.input, &self.limits, &genome.net) {
            (InputDomain::Table { knots, slots }, Limits::Table(limits), Net::Table(net)) => {
                numbers(limits, net.numeric, knots.len())?;
                categories(limits, net.categorical, slots.len())?;
                table(limits, net)?;
            }
            (&InputDomain::Image { height, width, .. }, Limits::Image(limits), Net::Image(net)) => {
                image(limits, net, Size { height, width })?;
            }
            (InputDomain::Image { .. }, Limits::Image(limits), Net::Ancestor(net)) => self.contains_ancestor(limits, net)?,
            _ => return Err("net: not for the space's kind of input".into()),
        }
        self.training.contains(&genome.training, self.domain.classification)?;
        let tally = count(genome, &self.domain).ok_or("net: not for the domain's kind of input")?;
        let caps = self.caps(genome);
        at_most("parameters", tally.parameters, caps.parameters)?;
        at_most("multiply-accumulates", tally.macs, caps.macs)
    }

    fn contains_ancestor(&self, limits: &ImageLimits, net: &AncestorNet) -> Result<(), String> {
        if !self.ancestors.contains(&net.name) {
            return Err(format!("name: {} is not one of {:?}", net.name, self.ancestors));
        }
        let scales = &limits.ancestors;
        among("width", net.width, &scales.widths)?;
        if !scales.depths.iter().any(|&depth| AncestorNet { depth, ..*net }.repeats() == net.repeats()) {
            among("depth", net.depth, &scales.depths)?;
        }
        among("resolution", net.resolution, &scales.resolutions)?;
        within("dropout", net.dropout, &scales.dropout)?;
        self.fits(net)
    }
}

impl TrainingLimits {
    fn contains(&self, training: &Training, classification: bool) -> Result<(), String> {
        let kinds = optimizer_kinds(training);
        if !kinds.iter().any(|&kind| self.optimizer(training, kind).is_ok()) {
            self.optimizer(training, self.kind_of(training))?;
        }
        one_of("schedule", training.schedule, &self.schedules)?;
        within("label_smoothing", training.label_smoothing, &self.label_smoothing)?;
        among("batch", training.batch, &self.batches)?;
        one_of("initialisation", training.initialisation, &self.initialisations)?;
        within("length", training.length, &self.lengths)?;
        if (training.loss == Loss::CrossEntropy) != classification {
            return Err(format!("loss: {:?} is not for this task", training.loss));
        }
        one_of("loss", training.loss, &self.losses)?;
        let Augmentation { flip, shift, cutout } = training.augmentation;
        if !self.flips.contains(&flip) {
            return Err(format!("augmentation flip: {flip} is not one of {:?}", self.flips));
        }
        number("augmentation shift", shift, self.shift)?;
        number("augmentation cutout", cutout, self.cutout)
    }

    /// Whether the training is one of an optimizer of this kind.
    fn optimizer(&self, training: &Training, kind: OptimizerKind) -> Result<(), String> {
        one_of("optimizer", kind, &self.optimizers)?;
        match training.optimizer {
            Optimizer::Sgd { momentum } => within("momentum", momentum, &self.momentum)?,
            Optimizer::Adam { beta2 } | Optimizer::AdamW { beta2 } => within("beta2", beta2, &self.beta2)?,
        }
        within("learning_rate", training.learning_rate, self.learning_rate.of(kind))?;
        within("weight_decay", training.weight_decay, self.weight_decay.of(kind))
    }

    /// The kind of optimizer whose limits hold for the training.
    pub(in crate::genome) fn kind_of(&self, training: &Training) -> OptimizerKind {
        let kinds = optimizer_kinds(training);
        let fitting = kinds.iter().find(|&&kind| self.optimizer(training, kind).is_ok());
        let allowed = || kinds.iter().find(|kind| self.optimizers.contains(kind));
        fitting.or_else(allowed).copied().unwrap_or(training.optimizer.kind())
    }
}

/// The kinds of optimizer that the training may be of: without decay, Adam's canonical form is AdamW.
fn optimizer_kinds(training: &Training) -> Vec<OptimizerKind> {
    match training.optimizer {
        Optimizer::AdamW { .. } if training.weight_decay == 0.0 => vec![OptimizerKind::AdamW, OptimizerKind::Adam],
        optimizer => vec![optimizer.kind()],
    }
}

fn numbers(limits: &TableLimits, numeric: NumericEncoding, features: usize) -> Result<(), String> {
    if features == 0 && numeric.kind() == NumericKind::Plain {
        return Ok(());
    }
    one_of("numeric", numeric.kind(), &limits.numeric)?;
    match numeric {
        NumericEncoding::Plain => Ok(()),
        NumericEncoding::Piecewise { bins, dim } => {
            among("numeric bins", bins, &limits.bins)?;
            among("numeric dim", dim, &limits.encoding_dims)
        }
        NumericEncoding::Periodic { frequencies, sigma, dim } => {
            among("numeric frequencies", frequencies, &limits.frequencies)?;
            within("numeric sigma", sigma, &limits.sigma)?;
            among("numeric dim", dim, &limits.encoding_dims)
        }
    }
}

fn categories(limits: &TableLimits, categorical: CategoricalEncoding, features: usize) -> Result<(), String> {
    match categorical {
        CategoricalEncoding::OneHot if features == 0 => Ok(()),
        CategoricalEncoding::OneHot => one_of("categorical", categorical.kind(), &limits.categorical),
        CategoricalEncoding::Embedding { dim } => {
            one_of("categorical", categorical.kind(), &limits.categorical)?;
            among("categorical dim", dim, &limits.embedding_dims)
        }
    }
}

fn table(limits: &TableLimits, net: &TableNet) -> Result<(), String> {
    one_of("norm", net.norm, &limits.norms)?;
    // Gated blocks have no activation.
    if net.blocks.iter().any(|block| block.motif != TableMotif::Gated) {
        one_of("activation", net.activation, &limits.activations)?;
    }
    number("blocks", net.blocks.len(), limits.blocks)?;
    for (index, block) in net.blocks.iter().enumerate() {
        one_of(&format!("blocks.{index} motif"), block.motif, &limits.motifs)?;
        among(&format!("blocks.{index} width"), block.width, limits.widths.of(block.motif))?;
        within(&format!("blocks.{index} dropout"), block.dropout, limits.dropout.of(block.motif))?;
    }
    Ok(())
}

fn image(limits: &ImageLimits, net: &ImageNet, input: Size) -> Result<(), String> {
    one_of("norm", net.norm, &limits.norms)?;
    one_of("activation", net.activation, &limits.activations)?;
    among("stem width", net.stem.width, &limits.stem.widths)?;
    among("stem kernel", net.stem.kernel, &limits.stem.kernels)?;
    among("stem stride", net.stem.stride, &limits.stem.strides)?;
    if net.stem.stride > 1 && !limits.halves(input) {
        return Err(format!("stem stride: {} at a side of {}", net.stem.stride, input.side()));
    }
    number("stages", net.stages.len(), limits.stages)?;
    let shape = ImageShape::of(net, input);
    for (index, (stage, shapes)) in net.stages.iter().zip(&shape.stages).enumerate() {
        among(&format!("stages.{index} width"), stage.width, &limits.widths)?;
        number(&format!("stages.{index} blocks"), stage.blocks.len(), limits.blocks)?;
        let down = downsampling(stage);
        one_of(&format!("stages.{index} down"), down, &limits.downs)?;
        if down != Downsample::None && !limits.halves(shapes.from) {
            return Err(format!("stages.{index} down: cannot halve a side of {}", shapes.from.side()));
        }
        for (number, (block, shape)) in stage.blocks.iter().zip(&shapes.blocks).enumerate() {
            conv_block(limits, block, shape).map_err(|reason| format!("stages.{index}.blocks.{number} {reason}"))?;
        }
    }
    one_of("head pool", net.head.pool, &limits.pools)?;
    among("head hidden", net.head.hidden, &limits.hidden)?;
    within("head dropout", net.head.dropout, &limits.dropout)
}

fn conv_block(limits: &ImageLimits, block: &ConvBlock, shape: &BlockShape) -> Result<(), String> {
    let motif = block.motif;
    one_of("motif", motif, &limits.motifs)?;
    // An inception of its 1×1 branch alone has no spatial convolution.
    if motif != ConvMotif::Inception || block.branches > 1 {
        among("kernel", block.kernel, limits.kernels.of(motif))?;
    }
    if block.kernel > 1 {
        among("dilation", block.dilation, limits.dilations.of(motif))?;
    }
    if has_groups(motif) {
        among("groups", block.groups, limits.groups.of(motif))?;
    }
    if !quarters_fit(block, shape.outputs, limits.quarters.of(motif)) {
        among("quarters", block.quarters, limits.quarters.of(motif))?;
    }
    if has_branches(motif) {
        among("branches", block.branches, limits.branches.of(motif))?;
    }
    if padding(block) > 0 && padding(block) >= shape.from.side() {
        return Err(format!("kernel: {} at dilation {} reads only padding", block.kernel, block.dilation));
    }
    if !groups_fit(block, shape, block.groups) {
        return Err(format!("groups: {} do not divide {} and {} channels", block.groups, shape.inputs, shape.outputs));
    }
    let skips = limits.skips.of(motif);
    match always_skips(motif) {
        true if !block.skip => Err(format!("skip: {motif:?} always has one")),
        false if !skips.contains(&block.skip) => Err(format!("skip: {} is not one of {skips:?}", block.skip)),
        _ => Ok(()),
    }
}

impl ImageLimits {
    /// Whether so large a map may be halved: no map falls below 2×2, or below what the least kernel reads.
    pub(in crate::genome) fn halves(&self, from: Size) -> bool {
        from.side() >= 2 * self.least_side()
    }

    /// The least side that a map may be halved to.
    pub(super) fn least_side(&self) -> usize {
        LEAST_SIDE.max(self.least_padding() + 1)
    }

    /// Zeros at each end that the least kernel at the least dilation reads, of the motif that needs the most.
    pub(super) fn least_padding(&self) -> usize {
        let least = |by: &By<ConvMotif, Vec<usize>>, motif| by.of(motif).first().copied().unwrap_or(1);
        let padding = |&motif: &ConvMotif| least(&self.dilations, motif) * (least(&self.kernels, motif).max(1) / 2);
        self.motifs.iter().map(padding).max().unwrap_or(0)
    }
}

/// Whether one of the numbers of quarters gives the block the hidden width that it has.
pub(super) fn quarters_fit(block: &ConvBlock, width: usize, quarters: &[usize]) -> bool {
    let hidden = hidden_width(block, width, block.quarters);
    hidden.is_none() || quarters.iter().any(|&quarters| hidden_width(block, width, quarters) == hidden)
}

/// Whether this number of groups divides the channels of the block's grouped convolution.
pub(in crate::genome) fn groups_fit(block: &ConvBlock, shape: &BlockShape, groups: usize) -> bool {
    match block.motif {
        ConvMotif::Bottleneck => bottleneck_width(shape.outputs, block.quarters, groups).is_multiple_of(groups),
        motif if has_groups(motif) => shape.inputs.is_multiple_of(groups) && shape.outputs.is_multiple_of(groups),
        _ => true,
    }
}

fn one_of<C: Choice>(gene: &str, value: C, choices: &[C]) -> Result<(), String> {
    let names = || choices.iter().map(|choice| choice.name()).collect::<Vec<_>>().join(", ");
    if choices.contains(&value) { Ok(()) } else { Err(format!("{gene}: {} is not one of [{}]", value.name(), names())) }
}

fn among<T: PartialEq + Debug>(gene: &str, value: T, choices: &[T]) -> Result<(), String> {
    if choices.contains(&value) { Ok(()) } else { Err(format!("{gene}: {value:?} is not one of {choices:?}")) }
}

fn within(gene: &str, value: f32, reals: &Reals) -> Result<(), String> {
    match reals {
        _ if reals.contains(value) => Ok(()),
        Reals::Range { low, high, .. } => Err(format!("{gene}: {value} is not within {low} to {high}")),
        Reals::List(list) => Err(format!("{gene}: {value} is not one of {list:?}")),
    }
}

fn at_most(gene: &str, value: u64, most: u64) -> Result<(), String> {
    if value <= most { Ok(()) } else { Err(format!("{gene}: {value} is more than {most}")) }
}

fn number(gene: &str, value: usize, span: Span) -> Result<(), String> {
    if span.contains(value) { Ok(()) } else { Err(format!("{gene}: {value} is not within {} to {}", span.low, span.high)) }
}
