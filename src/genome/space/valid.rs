//! Whether a genome lies in the space, and why not.

use super::{
    BETA2, ImageLimits, LEARNING_RATE, Limits, MAX_DROPOUT, MAX_LABEL_SMOOTHING, MAX_MOMENTUM, MAX_WEIGHT_DECAY, SIGMA,
    SearchSpace, TableLimits,
};
use crate::genome::{
    ancestor::{AncestorNet, SCALES},
    count::count,
    domain::InputDomain,
    genes::{
        Augmentation, CategoricalEncoding, ConvBlock, Downsample, Genome, ImageNet, Loss, Net, NumericEncoding, Optimizer,
        TableNet, Training,
    },
    shape::{BlockShape, ImageShape, Size, always_skips, bottleneck_width, downsampling, has_groups, padding},
};

/// Sides shorter than this are not halved, so that no feature map falls below 2×2.
pub(super) const MIN_SIDE_TO_HALVE: usize = 4;

impl SearchSpace {
    /// Whether the genome lies in the space.
    ///
    /// # Errors
    ///
    /// The first gene that does not, with its value and what is allowed.
    pub fn contains(&self, genome: &Genome) -> Result<(), String> {
        match (&self.domain.input, &self.limits, &genome.net) {
            (InputDomain::Table { .. }, Limits::Table(limits), Net::Table(net)) => {
                table(limits, net)?;
                augmentation(&genome.training.augmentation, 0, 0)?;
            }
            (&InputDomain::Image { height, width, .. }, Limits::Image(limits), Net::Image(net)) => {
                image(limits, net, Size { height, width })?;
                augmentation(&genome.training.augmentation, limits.max_shift, limits.max_cutout)?;
            }
            (InputDomain::Image { .. }, Limits::Image(limits), Net::Ancestor(net)) => {
                self.contains_ancestor(net)?;
                augmentation(&genome.training.augmentation, limits.max_shift, limits.max_cutout)?;
            }
            _ => return Err("net: not for the space's kind of input".into()),
        }
        self.contains_training(&genome.training)?;
        let tally = count(genome, &self.domain).ok_or("net: not for the domain's kind of input")?;
        let caps = self.caps(genome);
        at_most("parameters", tally.parameters, caps.parameters)?;
        at_most("multiply-accumulates", tally.macs, caps.macs)
    }

    fn contains_ancestor(&self, net: &AncestorNet) -> Result<(), String> {
        if !self.ancestors.contains(&net.name) {
            return Err(format!("name: {} is not one of {:?}", net.name, self.ancestors));
        }
        among("width", net.width, &SCALES)?;
        among("depth", net.depth, &SCALES)?;
        among("resolution", net.resolution, &SCALES)?;
        between("dropout", net.dropout, (0.0, MAX_DROPOUT))?;
        self.fits(net)
    }

    fn contains_training(&self, training: &Training) -> Result<(), String> {
        match training.optimizer {
            Optimizer::Sgd { momentum } => between("momentum", momentum, (0.0, MAX_MOMENTUM))?,
            Optimizer::Adam { beta2 } | Optimizer::AdamW { beta2 } => between("beta2", beta2, BETA2)?,
        }
        between("learning_rate", training.learning_rate, LEARNING_RATE)?;
        between("weight_decay", training.weight_decay, (0.0, MAX_WEIGHT_DECAY))?;
        let smoothing = if self.domain.classification { MAX_LABEL_SMOOTHING } else { 0.0 };
        between("label_smoothing", training.label_smoothing, (0.0, smoothing))?;
        among("batch", training.batch, &self.batches)?;
        if !self.lengths().contains(&training.length) {
            return Err(format!("length: {} is none of {:?}", training.length, self.lengths()));
        }
        if (training.loss == Loss::CrossEntropy) != self.domain.classification {
            return Err(format!("loss: {:?} is not for this task", training.loss));
        }
        Ok(())
    }
}

fn table(limits: &TableLimits, net: &TableNet) -> Result<(), String> {
    match net.numeric {
        NumericEncoding::Plain => {}
        NumericEncoding::Piecewise { bins, dim } => {
            among("numeric bins", bins, &limits.bins)?;
            among("numeric dim", dim, &limits.encoding_dims)?;
        }
        NumericEncoding::Periodic { frequencies, sigma, dim } => {
            among("numeric frequencies", frequencies, &limits.frequencies)?;
            between("numeric sigma", sigma, SIGMA)?;
            among("numeric dim", dim, &limits.encoding_dims)?;
        }
    }
    if let CategoricalEncoding::Embedding { dim } = net.categorical {
        among("categorical dim", dim, &limits.embedding_dims)?;
    }
    number("blocks", net.blocks.len(), limits.max_blocks)?;
    for (index, block) in net.blocks.iter().enumerate() {
        among(&format!("blocks.{index} width"), block.width, &limits.widths)?;
        between(&format!("blocks.{index} dropout"), block.dropout, (0.0, MAX_DROPOUT))?;
    }
    Ok(())
}

fn image(limits: &ImageLimits, net: &ImageNet, input: Size) -> Result<(), String> {
    among("stem width", net.stem.width, &limits.widths)?;
    among("stem kernel", net.stem.kernel, &limits.kernels)?;
    among("stem stride", net.stem.stride, &limits.stem_strides)?;
    if net.stem.stride > 1 && input.side() < MIN_SIDE_TO_HALVE {
        return Err(format!("stem stride: {} at a side of {}", net.stem.stride, input.side()));
    }
    number("stages", net.stages.len(), limits.max_stages)?;
    let shape = ImageShape::of(net, input);
    for (index, (stage, shapes)) in net.stages.iter().zip(&shape.stages).enumerate() {
        among(&format!("stages.{index} width"), stage.width, &limits.widths)?;
        number(&format!("stages.{index} blocks"), stage.blocks.len(), limits.max_blocks)?;
        if downsampling(stage) != Downsample::None && shapes.from.side() < MIN_SIDE_TO_HALVE {
            return Err(format!("stages.{index} down: cannot halve a side of {}", shapes.from.side()));
        }
        for (number, (block, shape)) in stage.blocks.iter().zip(&shapes.blocks).enumerate() {
            conv_block(limits, block, shape).map_err(|reason| format!("stages.{index}.blocks.{number} {reason}"))?;
        }
    }
    among("head hidden", net.head.hidden, &limits.hidden)?;
    between("head dropout", net.head.dropout, (0.0, MAX_DROPOUT))
}

fn conv_block(limits: &ImageLimits, block: &ConvBlock, shape: &BlockShape) -> Result<(), String> {
    among("kernel", block.kernel, &limits.kernels)?;
    among("dilation", block.dilation, &limits.dilations)?;
    among("groups", block.groups, &limits.groups)?;
    number("quarters", block.quarters, limits.max_quarters.max(4))?;
    number("branches", block.branches, limits.max_branches)?;
    if padding(block) > 0 && padding(block) >= shape.from.side() {
        return Err(format!("kernel: {} at dilation {} reads only padding", block.kernel, block.dilation));
    }
    if !groups_fit(block, shape, block.groups) {
        return Err(format!("groups: {} do not divide {} and {} channels", block.groups, shape.inputs, shape.outputs));
    }
    if always_skips(block.motif) && !block.skip {
        return Err(format!("skip: {:?} always has one", block.motif));
    }
    Ok(())
}

/// Whether this number of groups divides the channels of the block's grouped convolution.
pub(in crate::genome) fn groups_fit(block: &ConvBlock, shape: &BlockShape, groups: usize) -> bool {
    use crate::genome::genes::ConvMotif;
    match block.motif {
        ConvMotif::Bottleneck => bottleneck_width(shape.outputs, block.quarters, groups).is_multiple_of(groups),
        motif if has_groups(motif) => shape.inputs.is_multiple_of(groups) && shape.outputs.is_multiple_of(groups),
        _ => true,
    }
}

fn augmentation(augmentation: &Augmentation, max_shift: usize, max_cutout: usize) -> Result<(), String> {
    at_most("augmentation shift", augmentation.shift as u64, max_shift as u64)?;
    at_most("augmentation cutout", augmentation.cutout as u64, max_cutout as u64)
}

fn among(gene: &str, value: usize, choices: &[usize]) -> Result<(), String> {
    if choices.contains(&value) { Ok(()) } else { Err(format!("{gene}: {value} is not one of {choices:?}")) }
}

fn between(gene: &str, value: f32, (low, high): (f32, f32)) -> Result<(), String> {
    if (low..=high).contains(&value) { Ok(()) } else { Err(format!("{gene}: {value} is not within {low} to {high}")) }
}

fn at_most(gene: &str, value: u64, most: u64) -> Result<(), String> {
    if value <= most { Ok(()) } else { Err(format!("{gene}: {value} is more than {most}")) }
}

fn number(gene: &str, value: usize, most: usize) -> Result<(), String> {
    if (1..=most).contains(&value) { Ok(()) } else { Err(format!("{gene}: {value} is not within 1 to {most}")) }
}
