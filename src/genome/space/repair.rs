//! Making any genome valid.

use super::{
    BETA2, ImageLimits, LEARNING_RATE, Limits, MAX_DROPOUT, MAX_LABEL_SMOOTHING, MAX_MOMENTUM, MAX_WEIGHT_DECAY, SIGMA,
    SearchSpace, TableLimits,
    valid::{MIN_SIDE_TO_HALVE, groups_fit},
};
use crate::genome::{
    ancestor::{AncestorNet, SCALES},
    count::count,
    domain::InputDomain,
    draw::{below, nearest},
    genes::{
        Augmentation, CategoricalEncoding, ConvBlock, Downsample, Genome, ImageNet, Loss, Net, NumericEncoding, Optimizer,
        TableNet, Training,
    },
    shape::{BlockShape, ImageShape, Size, always_skips, downsampling, padding},
};

impl SearchSpace {
    /// Makes any genome valid and canonical, changing as little as it can: genes move to the nearest choice, a net for
    /// another kind of input is replaced by a plain one, and what exceeds the caps is narrowed, then shortened.
    ///
    /// Caps below the cost of the smallest net ([`SearchSpace::preset`] has none such) are met as nearly as possible.
    pub fn repair(&self, genome: &mut Genome) {
        self.settle(genome);
        while self.exceeds(genome) {
            let Some(smaller) = self.reduced(genome) else { break };
            *genome = smaller;
        }
    }

    /// Makes everything valid but the caps.
    fn settle(&self, genome: &mut Genome) {
        match (&self.limits, &genome.net) {
            (Limits::Table(_), Net::Table(_)) | (Limits::Image(_), Net::Image(_)) => {}
            (_, &Net::Ancestor(net)) => {
                genome.net = self.settled_ancestor(net).map_or_else(|| self.plain().net, Net::Ancestor);
            }
            _ => genome.net = self.plain().net,
        }
        match (&self.domain.input, &self.limits, &mut genome.net) {
            (InputDomain::Table { .. }, Limits::Table(limits), Net::Table(net)) => {
                table(limits, net);
                genome.training.augmentation = Augmentation::default();
            }
            (&InputDomain::Image { height, width, .. }, Limits::Image(limits), Net::Image(net)) => {
                image(limits, net, Size { height, width });
                augmentation(limits, &mut genome.training.augmentation);
            }
            (_, Limits::Image(limits), Net::Ancestor(_)) => augmentation(limits, &mut genome.training.augmentation),
            // Limits of another kind than the domain's: no genome is valid, and `contains` says so.
            _ => {}
        }
        self.settle_training(&mut genome.training);
        *genome = genome.canonical();
    }

    fn settle_training(&self, training: &mut Training) {
        match &mut training.optimizer {
            Optimizer::Sgd { momentum } => *momentum = within(*momentum, (0.0, MAX_MOMENTUM), 0.9),
            Optimizer::Adam { beta2 } | Optimizer::AdamW { beta2 } => *beta2 = within(*beta2, BETA2, 0.999),
        }
        training.learning_rate = within(training.learning_rate, LEARNING_RATE, 1e-3);
        training.weight_decay = within(training.weight_decay, (0.0, MAX_WEIGHT_DECAY), 0.0);
        training.label_smoothing = within(training.label_smoothing, (0.0, MAX_LABEL_SMOOTHING), 0.0);
        training.batch = nearest(&self.batches, training.batch);
        if !self.lengths().contains(&training.length) {
            training.length = 1.0;
        }
        match (self.domain.classification, training.loss) {
            (true, _) => training.loss = Loss::CrossEntropy,
            (false, Loss::CrossEntropy) => training.loss = Loss::Mse,
            (false, Loss::Mse | Loss::Huber) => {}
        }
    }

    /// The genome made smaller by the one step that saves most of what exceeds its cap; `None` where no step is left.
    /// Narrowing comes before shortening.
    fn reduced(&self, genome: &Genome) -> Option<Genome> {
        for steps in [narrower(self, genome), shorter(genome)] {
            let best = steps
                .into_iter()
                .filter_map(|mut step| {
                    self.settle(&mut step);
                    Some((self.excess(&step)?, step))
                })
                .min_by(|a, b| a.0.total_cmp(&b.0));
            if let Some((excess, step)) = best
                && self.excess(genome).is_some_and(|now| excess < now)
            {
                return Some(step);
            }
        }
        None
    }

    /// Whether the genome costs more than the caps allow.
    fn exceeds(&self, genome: &Genome) -> bool {
        let caps = self.caps(genome);
        count(genome, &self.domain).is_some_and(|tally| tally.parameters > caps.parameters || tally.macs > caps.macs)
    }

    /// How far the genome is above the caps, as a sum of ratios.
    fn excess(&self, genome: &Genome) -> Option<f64> {
        let (tally, caps) = (count(genome, &self.domain)?, self.caps(genome));
        let over = |value: u64, cap: u64| (value as f64 / cap.max(1) as f64).max(1.0);
        Some(over(tally.parameters, caps.parameters) + over(tally.macs, caps.macs))
    }
}

/// The value clamped into the range; `otherwise` where it is not a number.
pub(super) fn within(value: f32, (low, high): (f32, f32), otherwise: f32) -> f32 {
    if value.is_nan() { otherwise } else { value.clamp(low, high) }
}

fn augmentation(limits: &ImageLimits, augmentation: &mut Augmentation) {
    augmentation.shift = augmentation.shift.min(limits.max_shift);
    augmentation.cutout = augmentation.cutout.min(limits.max_cutout);
}

fn table(limits: &TableLimits, net: &mut TableNet) {
    match &mut net.numeric {
        NumericEncoding::Plain => {}
        NumericEncoding::Piecewise { .. } if limits.bins.is_empty() => net.numeric = NumericEncoding::Plain,
        NumericEncoding::Periodic { .. } if limits.frequencies.is_empty() => net.numeric = NumericEncoding::Plain,
        NumericEncoding::Piecewise { bins, dim } => {
            *bins = nearest(&limits.bins, *bins);
            *dim = nearest(&limits.encoding_dims, *dim);
        }
        NumericEncoding::Periodic { frequencies, sigma, dim } => {
            *frequencies = nearest(&limits.frequencies, *frequencies);
            *sigma = within(*sigma, SIGMA, 0.1);
            *dim = nearest(&limits.encoding_dims, *dim);
        }
    }
    match &mut net.categorical {
        CategoricalEncoding::Embedding { dim } if !limits.embedding_dims.is_empty() => {
            *dim = nearest(&limits.embedding_dims, *dim);
        }
        encoding => *encoding = CategoricalEncoding::OneHot,
    }
    if net.blocks.is_empty() {
        net.blocks.push(super::seeds::linear(64, 0.0));
    }
    net.blocks.truncate(limits.max_blocks);
    for block in &mut net.blocks {
        block.width = nearest(&limits.widths, block.width);
        block.dropout = within(block.dropout, (0.0, MAX_DROPOUT), 0.0);
    }
}

fn image(limits: &ImageLimits, net: &mut ImageNet, input: Size) {
    net.stem.width = nearest(&limits.widths, net.stem.width);
    net.stem.kernel = nearest(&limits.kernels, net.stem.kernel);
    net.stem.stride = if input.side() < MIN_SIDE_TO_HALVE { 1 } else { nearest(&limits.stem_strides, net.stem.stride) };
    net.head.hidden = nearest(&limits.hidden, net.head.hidden);
    net.head.dropout = within(net.head.dropout, (0.0, MAX_DROPOUT), 0.0);
    if net.stages.is_empty() {
        net.stages.push(super::seeds::stage(Downsample::None, net.stem.width, &[]));
    }
    net.stages.truncate(limits.max_stages);
    for stage in &mut net.stages {
        stage.width = nearest(&limits.widths, stage.width);
        if stage.blocks.is_empty() {
            stage.blocks.push(super::seeds::CONV);
        }
        stage.blocks.truncate(limits.max_blocks);
    }
    for index in 0..net.stages.len() {
        // Each stage is settled before the next, whose resolution depends on it.
        let from = ImageShape::of(net, input).stages[index].from;
        if downsampling(&net.stages[index]) != Downsample::None && from.side() < MIN_SIDE_TO_HALVE {
            net.stages[index].down = Downsample::None;
        }
    }
    let shape = ImageShape::of(net, input);
    for (stage, shapes) in net.stages.iter_mut().zip(&shape.stages) {
        for (block, shape) in stage.blocks.iter_mut().zip(&shapes.blocks) {
            conv_block(limits, block, shape);
        }
    }
}

fn conv_block(limits: &ImageLimits, block: &mut ConvBlock, shape: &BlockShape) {
    block.kernel = nearest(&limits.kernels, block.kernel);
    block.dilation = nearest(&limits.dilations, block.dilation);
    block.quarters = block.quarters.clamp(1, limits.max_quarters);
    block.branches = block.branches.clamp(1, limits.max_branches);
    block.skip |= always_skips(block.motif);
    while padding(block) > 0 && padding(block) >= shape.from.side() {
        match below(&limits.dilations, block.dilation) {
            Some(less) => block.dilation = less,
            None => block.kernel = below(&limits.kernels, block.kernel).unwrap_or(1),
        }
    }
    block.groups = nearest(&limits.groups, block.groups);
    while block.groups > 1 && !groups_fit(block, shape, block.groups) {
        block.groups = below(&limits.groups, block.groups).unwrap_or(1);
    }
}

/// Every genome with one extent one choice lower.
fn narrower(space: &SearchSpace, genome: &Genome) -> Vec<Genome> {
    let mut steps = Vec::new();
    match (&space.limits, &genome.net) {
        (Limits::Table(limits), Net::Table(net)) => {
            let mut add = |change: &dyn Fn(&mut TableNet)| steps.push(edited_table(genome, net, change));
            for (index, block) in net.blocks.iter().enumerate() {
                if let Some(width) = below(&limits.widths, block.width) {
                    add(&|net| net.blocks[index].width = width);
                }
            }
            for numeric in narrower_encodings(limits, net.numeric) {
                add(&|net| net.numeric = numeric);
            }
            if let CategoricalEncoding::Embedding { dim } = net.categorical
                && let Some(dim) = below(&limits.embedding_dims, dim)
            {
                add(&|net| net.categorical = CategoricalEncoding::Embedding { dim });
            }
        }
        (Limits::Image(limits), Net::Image(net)) => {
            let mut add = |change: &dyn Fn(&mut ImageNet)| steps.push(edited_image(genome, net, change));
            if let Some(width) = below(&limits.widths, net.stem.width) {
                add(&|net| net.stem.width = width);
            }
            if let Some(hidden) = below(&limits.hidden, net.head.hidden) {
                add(&|net| net.head.hidden = hidden);
            }
            for (index, stage) in net.stages.iter().enumerate() {
                if let Some(width) = below(&limits.widths, stage.width) {
                    add(&|net| net.stages[index].width = width);
                }
            }
            // Narrowing one place alone may cost more, where skips then need projections.
            add(&|net| {
                let stages = net.stages.iter_mut().map(|stage| &mut stage.width);
                for width in stages.chain([&mut net.stem.width]) {
                    *width = below(&limits.widths, *width).unwrap_or(*width);
                }
            });
        }
        (_, &Net::Ancestor(net)) => {
            let width = below(&SCALES, net.width).map(|width| AncestorNet { width, ..net });
            let resolution = below(&SCALES, net.resolution).map(|resolution| AncestorNet { resolution, ..net });
            let smaller = width.into_iter().chain(resolution);
            steps.extend(smaller.map(|net| Genome { net: Net::Ancestor(net), training: genome.training }));
        }
        _ => {}
    }
    steps
}

fn narrower_encodings(limits: &TableLimits, numeric: NumericEncoding) -> Vec<NumericEncoding> {
    match numeric {
        NumericEncoding::Plain => vec![],
        NumericEncoding::Piecewise { bins, dim } => {
            let fewer = below(&limits.bins, bins).map(|bins| NumericEncoding::Piecewise { bins, dim });
            let shorter = below(&limits.encoding_dims, dim).map(|dim| NumericEncoding::Piecewise { bins, dim });
            fewer.into_iter().chain(shorter).collect()
        }
        NumericEncoding::Periodic { frequencies, sigma, dim } => {
            let fewer = below(&limits.frequencies, frequencies).map(|frequencies| NumericEncoding::Periodic {
                frequencies,
                sigma,
                dim,
            });
            let shorter = below(&limits.encoding_dims, dim).map(|dim| NumericEncoding::Periodic { frequencies, sigma, dim });
            fewer.into_iter().chain(shorter).collect()
        }
    }
}

/// Every genome with one part less.
fn shorter(genome: &Genome) -> Vec<Genome> {
    let mut steps = Vec::new();
    match &genome.net {
        Net::Table(net) => {
            let mut add = |change: &dyn Fn(&mut TableNet)| steps.push(edited_table(genome, net, change));
            add(&|net| net.numeric = NumericEncoding::Plain);
            if net.blocks.len() > 1 {
                for index in 0..net.blocks.len() {
                    add(&|net| {
                        net.blocks.remove(index);
                    });
                }
            }
        }
        Net::Image(net) => {
            let mut add = |change: &dyn Fn(&mut ImageNet)| steps.push(edited_image(genome, net, change));
            add(&|net| net.stem.kernel = net.stem.kernel.min(3));
            if net.stages.len() > 1 {
                for index in 0..net.stages.len() {
                    add(&|net| {
                        net.stages.remove(index);
                    });
                }
            }
            for (index, stage) in net.stages.iter().enumerate() {
                for (number, block) in stage.blocks.iter().enumerate() {
                    if stage.blocks.len() > 1 {
                        add(&|net| {
                            net.stages[index].blocks.remove(number);
                        });
                    }
                    if *block != super::seeds::CONV {
                        add(&|net| net.stages[index].blocks[number] = super::seeds::CONV);
                    }
                }
            }
        }
        &Net::Ancestor(net) => {
            // Depths below that give as many blocks would be settled to this one again.
            let shallower = SCALES.into_iter().rev().map(|depth| AncestorNet { depth, ..net });
            let fewer = shallower.filter(|other| other.depth < net.depth).find(|other| other.repeats() != net.repeats());
            steps.extend(fewer.map(|net| Genome { net: Net::Ancestor(net), training: genome.training }));
        }
    }
    steps
}

fn edited_table(genome: &Genome, net: &TableNet, change: &dyn Fn(&mut TableNet)) -> Genome {
    let mut net = net.clone();
    change(&mut net);
    Genome { net: Net::Table(net), training: genome.training }
}

fn edited_image(genome: &Genome, net: &ImageNet, change: &dyn Fn(&mut ImageNet)) -> Genome {
    let mut net = net.clone();
    change(&mut net);
    Genome { net: Net::Image(net), training: genome.training }
}
