//! Making any genome valid.

use super::{
    ImageLimits, Limits, SearchSpace, TableLimits, TrainingLimits,
    valid::{groups_fit, quarters_fit},
};
use crate::genome::{
    choice::{CategoricalKind, NumericKind, OptimizerKind},
    domain::InputDomain,
    draw::{below, nearest},
    genes::{
        CategoricalEncoding, ConvBlock, ConvMotif, Downsample, Genome, ImageNet, Net, NumericEncoding, Optimizer, TableNet,
        Training,
    },
    shape::{BlockShape, ImageShape, Size, always_skips, downsampling, has_branches, has_groups, has_no_stride, padding},
};

impl SearchSpace {
    /// Makes any genome valid and canonical, changing as little as it can: genes move to the nearest choice, a net for
    /// another kind of input is replaced by a plain one, and what exceeds the caps is narrowed, then shortened; where that
    /// leads nowhere the smallest net takes its place.
    ///
    /// Caps below the cost of the smallest net ([`SearchSpace::preset`] has none such) are met as nearly as possible.
    pub fn repair(&self, genome: &mut Genome) {
        *genome = self.descended(genome.clone());
        if !self.exceeds(genome) {
            return;
        }
        let home = match &genome.net {
            Net::Ancestor(net) => self.home(net.name).map(Net::Ancestor),
            Net::Table(_) | Net::Image(_) => None,
        };
        for net in home.into_iter().chain([self.smallest().net]) {
            genome.net = net;
            self.settle(genome);
            if !self.exceeds(genome) {
                return;
            }
        }
    }

    /// The training within the space, each gene at the nearest choice.
    #[must_use]
    pub fn settled_training(&self, training: Training) -> Training {
        let mut genome = Genome { training, ..self.plain() };
        self.settle(&mut genome);
        genome.training
    }

    /// Makes everything valid but the caps.
    pub(super) fn settle(&self, genome: &mut Genome) {
        match (&self.limits, &genome.net) {
            (Limits::Table(_), Net::Table(_)) | (Limits::Image(_), Net::Image(_)) => {}
            (_, &Net::Ancestor(net)) => {
                genome.net = self.settled_ancestor(net).map_or_else(|| self.plain().net, Net::Ancestor);
            }
            _ => genome.net = self.plain().net,
        }
        match (&self.domain.input, &self.limits, &mut genome.net) {
            (InputDomain::Table { knots, slots }, Limits::Table(limits), Net::Table(net)) => {
                net.numeric = numbers(limits, net.numeric, knots.len());
                net.categorical = categories(limits, net.categorical, slots.len());
                table(limits, net);
            }
            (&InputDomain::Image { height, width, .. }, Limits::Image(limits), Net::Image(net)) => {
                image(limits, net, Size { height, width });
            }
            // Ancestors are settled; with limits of another kind than the domain's no genome is valid, and `contains` says
            // so.
            _ => {}
        }
        self.training.settle(&mut genome.training);
        *genome = genome.canonical();
    }
}

impl TrainingLimits {
    fn settle(&self, training: &mut Training) {
        let kind = listed(&self.optimizers, self.kind_of(training));
        let (momentum, beta2) = match training.optimizer {
            Optimizer::Sgd { momentum } => (momentum, f32::NAN),
            Optimizer::Adam { beta2 } | Optimizer::AdamW { beta2 } => (f32::NAN, beta2),
        };
        let beta2 = self.beta2.nearest(beta2, 0.999);
        training.optimizer = match kind {
            OptimizerKind::Sgd => Optimizer::Sgd { momentum: self.momentum.nearest(momentum, 0.9) },
            OptimizerKind::Adam => Optimizer::Adam { beta2 },
            OptimizerKind::AdamW => Optimizer::AdamW { beta2 },
        };
        training.learning_rate = self.learning_rate.of(kind).nearest(training.learning_rate, 1e-3);
        training.weight_decay = self.weight_decay.of(kind).nearest(training.weight_decay, 0.0);
        training.label_smoothing = self.label_smoothing.nearest(training.label_smoothing, 0.0);
        training.schedule = listed(&self.schedules, training.schedule);
        training.batch = nearest(&self.batches, training.batch);
        training.initialisation = listed(&self.initialisations, training.initialisation);
        training.loss = listed(&self.losses, training.loss);
        if !self.lengths.contains(training.length) {
            training.length = self.lengths.nearest(1.0, 1.0);
        }
        let augmentation = &mut training.augmentation;
        augmentation.flip = listed(&self.flips, augmentation.flip);
        augmentation.shift = self.shift.nearest(augmentation.shift);
        augmentation.cutout = self.cutout.nearest(augmentation.cutout);
    }
}

/// The value where it is allowed, else the first that is.
fn listed<T: Copy + PartialEq>(allowed: &[T], value: T) -> T {
    if allowed.contains(&value) { value } else { allowed.first().copied().unwrap_or(value) }
}

fn numbers(limits: &TableLimits, numeric: NumericEncoding, features: usize) -> NumericEncoding {
    if features == 0 {
        return NumericEncoding::Plain;
    }
    // Sizes of an encoding that another one is replaced by are about the best of the seeds'.
    let (size, sigma, dim) = match numeric {
        NumericEncoding::Plain => (16, 0.3, 8),
        NumericEncoding::Piecewise { bins, dim } => (bins, 0.3, dim),
        NumericEncoding::Periodic { frequencies, sigma, dim } => (frequencies, sigma, dim),
    };
    let dim = nearest(&limits.encoding_dims, dim);
    match listed(&limits.numeric, numeric.kind()) {
        NumericKind::Plain => NumericEncoding::Plain,
        NumericKind::Piecewise => NumericEncoding::Piecewise { bins: nearest(&limits.bins, size), dim },
        NumericKind::Periodic => {
            let sigma = limits.sigma.nearest(sigma, 0.1);
            NumericEncoding::Periodic { frequencies: nearest(&limits.frequencies, size), sigma, dim }
        }
    }
}

fn categories(limits: &TableLimits, categorical: CategoricalEncoding, features: usize) -> CategoricalEncoding {
    if features == 0 {
        return CategoricalEncoding::OneHot;
    }
    let dim = match categorical {
        CategoricalEncoding::OneHot => 8,
        CategoricalEncoding::Embedding { dim } => dim,
    };
    match listed(&limits.categorical, categorical.kind()) {
        CategoricalKind::OneHot => CategoricalEncoding::OneHot,
        CategoricalKind::Embedding => CategoricalEncoding::Embedding { dim: nearest(&limits.embedding_dims, dim) },
    }
}

fn table(limits: &TableLimits, net: &mut TableNet) {
    net.norm = listed(&limits.norms, net.norm);
    net.activation = listed(&limits.activations, net.activation);
    if net.blocks.is_empty() {
        net.blocks.push(super::seeds::linear(64, 0.0));
    }
    resize(&mut net.blocks, limits.blocks.low, limits.blocks.high);
    for block in &mut net.blocks {
        block.motif = listed(&limits.motifs, block.motif);
        block.width = nearest(limits.widths.of(block.motif), block.width);
        block.dropout = limits.dropout.of(block.motif).nearest(block.dropout, 0.0);
    }
}

/// Cuts the list off at `most` and repeats its last item until there are `least`.
fn resize<T: Clone>(list: &mut Vec<T>, least: usize, most: usize) {
    list.truncate(most);
    while let Some(last) = list.last().filter(|_| list.len() < least).cloned() {
        list.push(last);
    }
}

fn image(limits: &ImageLimits, net: &mut ImageNet, input: Size) {
    let stem = &limits.stem;
    net.norm = listed(&limits.norms, net.norm);
    net.activation = listed(&limits.activations, net.activation);
    net.stem.width = nearest(&stem.widths, net.stem.width);
    net.stem.kernel = nearest(&stem.kernels, net.stem.kernel);
    net.stem.stride = nearest(&stem.strides, if limits.halves(input) { net.stem.stride } else { 1 });
    net.head.pool = listed(&limits.pools, net.head.pool);
    net.head.hidden = nearest(&limits.hidden, net.head.hidden);
    net.head.dropout = limits.dropout.nearest(net.head.dropout, 0.0);
    if net.stages.is_empty() {
        net.stages.push(super::seeds::stage(Downsample::None, net.stem.width, &[]));
    }
    resize(&mut net.stages, limits.stages.low, limits.stages.high);
    for stage in &mut net.stages {
        stage.width = nearest(&limits.widths, stage.width);
        if stage.blocks.is_empty() {
            stage.blocks.push(super::seeds::CONV);
        }
        resize(&mut stage.blocks, limits.blocks.low, limits.blocks.high);
        stage.blocks.iter_mut().for_each(|block| block.motif = listed(&limits.motifs, block.motif));
    }
    let mut fitting = downs(limits, net, input);
    if fitting < limits.stages.low {
        // A stem that halves leaves too little to be halved by as many stages as there have to be.
        net.stem.stride = nearest(&stem.strides, 1);
        fitting = downs(limits, net, input);
    }
    net.stages.truncate(fitting);
    let shape = ImageShape::of(net, input);
    for (stage, shapes) in net.stages.iter_mut().zip(&shape.stages) {
        for (block, shape) in stage.blocks.iter_mut().zip(&shapes.blocks) {
            conv_block(limits, block, shape);
        }
    }
}

/// Settles how each stage halves the resolution. Gives the number of stages that fit: all, unless each has to halve it.
fn downs(limits: &ImageLimits, net: &mut ImageNet, input: Size) -> usize {
    for index in 0..net.stages.len() {
        // Each stage is settled before the next, whose resolution depends on it.
        let from = ImageShape::of(net, input).stages[index].from;
        let stage = &mut net.stages[index];
        if !limits.halves(from) {
            if !limits.downs.contains(&Downsample::None) {
                return index;
            }
            stage.down = Downsample::None;
            continue;
        }
        if limits.downs.contains(&downsampling(stage)) {
            continue;
        }
        let works = limits.downs.iter().find(|&&down| down != Downsample::Stride || !has_no_stride(stage.blocks[0].motif));
        stage.down = works.copied().unwrap_or(Downsample::Stride);
        if works.is_none() {
            let strided = limits.motifs.iter().find(|&&motif| !has_no_stride(motif));
            stage.blocks[0].motif = strided.copied().unwrap_or(ConvMotif::ConvNormAct);
        }
    }
    net.stages.len()
}

fn conv_block(limits: &ImageLimits, block: &mut ConvBlock, shape: &BlockShape) {
    let motif = block.motif;
    let (kernels, dilations, groups) = (limits.kernels.of(motif), limits.dilations.of(motif), limits.groups.of(motif));
    block.kernel = nearest(kernels, block.kernel);
    block.dilation = nearest(dilations, block.dilation);
    while padding(block) > 0 && padding(block) >= shape.from.side() {
        match below(dilations, block.dilation) {
            Some(less) => block.dilation = less,
            None => block.kernel = below(kernels, block.kernel).unwrap_or(1),
        }
    }
    if has_groups(motif) {
        block.groups = nearest(groups, block.groups);
        while block.groups > 1 && !groups_fit(block, shape, block.groups) {
            block.groups = below(groups, block.groups).unwrap_or(1);
        }
    }
    if !quarters_fit(block, shape.outputs, limits.quarters.of(motif)) {
        block.quarters = nearest(limits.quarters.of(motif), block.quarters);
    }
    if has_branches(motif) {
        block.branches = nearest(limits.branches.of(motif), block.branches);
    }
    block.skip = always_skips(motif) || listed(limits.skips.of(motif), block.skip);
}
