//! Trainable parameters and multiply-accumulates of a genome, predicted without a graph.
//!
//! The counts follow `express` exactly for parameters. Multiply-accumulates are those of linear layers and
//! convolutions; normalisation, activation and pooling are not counted.

use super::{
    domain::{Domain, InputDomain},
    genes::{CategoricalEncoding, ConvBlock, ConvMotif, Genome, ImageNet, Net, Norm, NumericEncoding, TableMotif, TableNet},
    shape::{BlockShape, ImageShape, Size, bottleneck_width, dense_growth, inception_width},
};

/// Trainable parameters; `u64::MAX` where the genome is not for this kind of input, so that it fits no cap.
pub fn parameters(genome: &Genome, domain: &Domain) -> u64 {
    count(genome, domain).map_or(u64::MAX, |tally| tally.parameters)
}

/// Multiply-accumulates for one row at inference; `u64::MAX` where the genome is not for this kind of input.
pub fn macs(genome: &Genome, domain: &Domain) -> u64 {
    count(genome, domain).map_or(u64::MAX, |tally| tally.macs)
}

/// What a net or a part of it costs.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Tally {
    pub(super) parameters: u64,
    pub(super) macs: u64,
}

/// Both counts at once; `None` where the genome is not for this kind of input.
pub(super) fn count(genome: &Genome, domain: &Domain) -> Option<Tally> {
    let mut tally = Tally::default();
    match (&genome.net, &domain.input) {
        (Net::Table(net), InputDomain::Table { knots, slots }) => table(&mut tally, net, knots.len(), slots, domain.outputs),
        (Net::Image(net), &InputDomain::Image { height, width, channels }) => {
            image(&mut tally, net, Size { height, width }, channels, domain.outputs);
        }
        _ => return None,
    }
    Some(tally)
}

impl Tally {
    /// A product with a weight of `weights` numbers, used at `positions` positions.
    fn weight(&mut self, weights: usize, positions: usize) {
        self.parameters += weights as u64;
        self.macs += weights as u64 * positions as u64;
    }

    fn linear(&mut self, inputs: usize, outputs: usize, bias: bool) {
        self.weight(inputs * outputs, 1);
        self.parameters += if bias { outputs as u64 } else { 0 };
    }

    fn norm(&mut self, norm: Norm, channels: usize) {
        self.parameters += if norm == Norm::None { 0 } else { 2 * channels as u64 };
    }

    /// A convolution followed by `norm`; it has a bias where there is none.
    fn conv(&mut self, inputs: usize, outputs: usize, kernel: usize, groups: usize, to: Size, norm: Norm) {
        self.weight(kernel * kernel * (inputs / groups.max(1)) * outputs, to.area());
        self.parameters += if norm == Norm::None { outputs as u64 } else { 2 * outputs as u64 };
    }
}

/// Width of the input of the first block of a net for tables: encoded numbers, then encoded categories.
/// `features` is the number of numeric features.
pub fn encoded_width(net: &TableNet, features: usize, slots: &[usize]) -> usize {
    let numeric = match net.numeric {
        NumericEncoding::Plain => features,
        NumericEncoding::Piecewise { dim, .. } | NumericEncoding::Periodic { dim, .. } => features * dim,
    };
    let categorical = match net.categorical {
        CategoricalEncoding::OneHot => slots.iter().sum(),
        CategoricalEncoding::Embedding { dim } => slots.len() * dim,
    };
    numeric + categorical
}

fn table(tally: &mut Tally, net: &TableNet, features: usize, slots: &[usize], outputs: usize) {
    match net.numeric {
        NumericEncoding::Plain => {}
        NumericEncoding::Piecewise { bins, dim } => {
            tally.weight(features * bins * dim, 1);
            tally.parameters += (features * dim) as u64;
        }
        NumericEncoding::Periodic { frequencies, dim, .. } => {
            tally.weight(features * frequencies, 1);
            tally.weight(features * (2 * frequencies + 1) * dim, 1);
            tally.parameters += (features * dim) as u64;
        }
    }
    if let CategoricalEncoding::Embedding { dim } = net.categorical {
        tally.parameters += (slots.iter().sum::<usize>() * dim) as u64;
    }
    let mut width = encoded_width(net, features, slots);
    for block in &net.blocks {
        match block.motif {
            TableMotif::Linear => {
                tally.linear(width, block.width, net.norm == Norm::None);
                tally.norm(net.norm, block.width);
                width = block.width;
            }
            TableMotif::Residual => {
                tally.norm(net.norm, width);
                tally.linear(width, block.width, true);
                tally.linear(block.width, width, true);
            }
            TableMotif::Gated => {
                tally.norm(net.norm, width);
                tally.linear(width, block.width, true);
                tally.linear(width, block.width, true);
                width = block.width;
            }
        }
    }
    tally.linear(width, outputs, true);
}

fn image(tally: &mut Tally, net: &ImageNet, input: Size, channels: usize, outputs: usize) {
    let shape = ImageShape::of(net, input);
    tally.conv(channels, net.stem.width, net.stem.kernel, 1, shape.stem, net.norm);
    let mut width = net.stem.width;
    for (stage, shapes) in net.stages.iter().zip(&shape.stages) {
        for (block, shape) in stage.blocks.iter().zip(&shapes.blocks) {
            conv_block(tally, block, shape, net.norm);
            width = shape.outputs;
        }
    }
    if net.head.hidden > 0 {
        tally.linear(width, net.head.hidden, true);
        width = net.head.hidden;
    }
    tally.linear(width, outputs, true);
}

fn conv_block(tally: &mut Tally, block: &ConvBlock, shape: &BlockShape, norm: Norm) {
    let BlockShape { inputs, outputs, from, to, .. } = *shape;
    let ConvBlock { kernel, groups, .. } = *block;
    match block.motif {
        ConvMotif::ConvNormAct => tally.conv(inputs, outputs, kernel, groups, to, norm),
        ConvMotif::ConvAct => tally.conv(inputs, outputs, kernel, groups, to, Norm::None),
        ConvMotif::ConvDepthwise => {
            tally.conv(inputs, outputs, 1, 1, from, norm);
            tally.conv(outputs, outputs, kernel, outputs, to, norm);
        }
        ConvMotif::Residual => {
            tally.conv(inputs, outputs, kernel, 1, to, norm);
            tally.conv(outputs, outputs, kernel, 1, to, norm);
        }
        ConvMotif::Bottleneck => {
            let hidden = bottleneck_width(outputs, block.quarters, groups);
            tally.conv(inputs, hidden, 1, 1, from, norm);
            tally.conv(hidden, hidden, kernel, groups, to, norm);
            tally.conv(hidden, outputs, 1, 1, to, norm);
        }
        ConvMotif::Inception => {
            let branch = inception_width(outputs, block.quarters);
            for index in 0..block.branches {
                tally.conv(inputs, branch, 1, 1, to, norm);
                // Branches 1 and 2 go on with one and two k×k convolutions; branch 3 pools before its 1×1.
                let further = if index < 3 { index } else { 0 };
                for _ in 0..further {
                    tally.conv(branch, branch, kernel, 1, to, norm);
                }
            }
            tally.conv(block.branches * branch, outputs, 1, 1, to, norm);
        }
        ConvMotif::Dense => {
            let growth = dense_growth(outputs, block.quarters);
            for layer in 0..block.branches {
                tally.conv(inputs + layer * growth, growth, kernel, 1, to, norm);
            }
            tally.conv(inputs + block.branches * growth, outputs, 1, 1, to, norm);
        }
    }
    if block.skip && shape.projects() {
        tally.conv(inputs, outputs, 1, 1, to, norm);
    }
}
