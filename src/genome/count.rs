//! Trainable parameters and multiply-accumulates of a genome, predicted without a graph.
//!
//! The counts follow `express` exactly for parameters. Multiply-accumulates are those of linear layers and
//! convolutions; normalisation, activation and pooling are not counted.

use super::{
    domain::{Domain, InputDomain},
    genes::{CategoricalEncoding, ConvBlock, ConvMotif, Genome, ImageNet, Net, Norm, NumericEncoding, TableMotif, TableNet},
    shape::{BlockShape, ImageShape, Size, bottleneck_width, dense_growth, inception_width},
};

/// Trainable parameters; `u64::MAX` where the genome is not for this kind of input, or an ancestor does not fit it, so that
/// it fits no cap.
pub fn parameters(genome: &Genome, domain: &Domain) -> u64 {
    count(genome, domain).map_or(u64::MAX, |tally| tally.parameters)
}

/// Multiply-accumulates for one row at inference; `u64::MAX` as for [`parameters`].
pub fn macs(genome: &Genome, domain: &Domain) -> u64 {
    count(genome, domain).map_or(u64::MAX, |tally| tally.macs)
}

/// What a net or a part of it costs.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Tally {
    pub(super) parameters: u64,
    pub(super) macs: u64,
}

/// Both counts at once; `None` where the genome is not for this kind of input, or an ancestor does not fit it.
pub(super) fn count(genome: &Genome, domain: &Domain) -> Option<Tally> {
    let mut tally = Tally::default();
    match (&genome.net, &domain.input) {
        (Net::Table(net), InputDomain::Table { knots, slots }) => table(&mut tally, net, knots.len(), slots, domain.outputs),
        (Net::Image(net), &InputDomain::Image { height, width, channels }) => {
            image(&mut tally, net, Size { height, width }, channels, domain.outputs);
        }
        (Net::Ancestor(net), &InputDomain::Image { height, width, channels }) => {
            let architecture = net.architecture(Size { height, width }, channels, domain.outputs).ok()?;
            tally = Tally { parameters: architecture.trainable(), macs: architecture.macs() };
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::genome::{
        Act, Downsample, GlobalPool, Head, Stage, Stem, TableBlock,
        tests::{domains, spaces},
    };

    fn table_cost(net: TableNet, outputs: usize) -> (u64, u64) {
        let domain = Domain {
            input: InputDomain::Table { knots: vec![9, 5], slots: vec![3, 4] },
            outputs,
            classification: true,
            rows: 100,
        };
        let genome = Genome { net: Net::Table(net), training: spaces()[0].seeds()[0].training };
        (parameters(&genome, &domain), macs(&genome, &domain))
    }

    fn net(norm: Norm, blocks: &[(TableMotif, usize)]) -> TableNet {
        let block = |&(motif, width)| TableBlock { motif, width, dropout: 0.0 };
        TableNet {
            numeric: NumericEncoding::Plain,
            categorical: CategoricalEncoding::OneHot,
            norm,
            activation: Act::Relu,
            blocks: blocks.iter().map(block).collect(),
        }
    }

    #[test]
    fn tables_by_hand() {
        // 2 numbers and 7 slots enter 16 units, then 2 outputs.
        let linear = [(TableMotif::Linear, 16)];
        assert_eq!(table_cost(net(Norm::Batch, &linear), 2), (9 * 16 + 2 * 16 + 16 * 2 + 2, 9 * 16 + 16 * 2));
        assert_eq!(table_cost(net(Norm::None, &linear), 2), (9 * 16 + 16 + 16 * 2 + 2, 9 * 16 + 16 * 2));

        let encoded = TableNet {
            numeric: NumericEncoding::Piecewise { bins: 4, dim: 8 },
            categorical: CategoricalEncoding::Embedding { dim: 2 },
            ..net(Norm::Layer, &[(TableMotif::Residual, 24), (TableMotif::Gated, 16)])
        };
        // Encoding 64 + 16, vectors 14; residual on 20: norm 40, 504, 500; gated: norm 40, twice 336; head 51.
        assert_eq!(table_cost(encoded, 3), (1901, 64 + 480 + 480 + 640 + 48));

        let periodic = TableNet {
            numeric: NumericEncoding::Periodic { frequencies: 4, sigma: 0.1, dim: 8 },
            ..net(Norm::None, &linear)
        };
        // Frequencies 8, layers 2·9·8 + 16; 16 + 7 inputs into 16 units, then 2 outputs.
        assert_eq!(table_cost(periodic, 2), (8 + 144 + 16 + 23 * 16 + 16 + 34, 8 + 144 + 23 * 16 + 32));
    }

    fn image_cost(down: Downsample, block: ConvBlock, norm: Norm) -> (u64, u64) {
        let net = ImageNet {
            stem: Stem { width: 16, kernel: 3, stride: 1 },
            stages: vec![Stage { down, width: 32, blocks: vec![block] }],
            norm,
            activation: Act::Relu,
            head: Head { pool: GlobalPool::Average, hidden: 0, dropout: 0.0 },
        };
        let genome = Genome { net: Net::Image(net), training: spaces()[5].seeds()[0].training };
        let domain = &domains()[5];
        // Less the stem (9·16 weights, 16 scales and shifts, 64 positions) and the head (32·10, and 10).
        let stem_rest = if norm == Norm::None { 16 } else { 32 };
        (parameters(&genome, domain) - (144 + stem_rest + 330), macs(&genome, domain) - (144 * 64 + 320))
    }

    const BLOCK: ConvBlock = ConvBlock {
        motif: ConvMotif::ConvNormAct,
        kernel: 3,
        dilation: 1,
        groups: 1,
        quarters: 4,
        branches: 1,
        skip: false,
    };

    /// Each motif from 16 channels at 8×8 to 32 at 4×4.
    #[test]
    fn motifs_by_hand() {
        use ConvMotif::{Bottleneck, ConvAct, ConvDepthwise, ConvNormAct, Dense, Inception, Residual};
        let cases = [
            (BLOCK, (4608 + 64, 4608 * 16)),
            (ConvBlock { skip: true, ..BLOCK }, (4608 + 64 + 512 + 64, (4608 + 512) * 16)),
            (ConvBlock { groups: 4, motif: ConvNormAct, ..BLOCK }, (1152 + 64, 1152 * 16)),
            (ConvBlock { motif: ConvAct, kernel: 5, ..BLOCK }, (12_800 + 32, 12_800 * 16)),
            (ConvBlock { motif: ConvDepthwise, ..BLOCK }, (512 + 64 + 288 + 64, 512 * 64 + 288 * 16)),
            (ConvBlock { motif: Residual, skip: true, ..BLOCK }, (14_528, (4608 + 9216 + 512) * 16)),
            (
                ConvBlock { motif: Bottleneck, quarters: 2, groups: 4, skip: true, ..BLOCK },
                (288 + 608 + 576 + 576, 256 * 64 + (576 + 512 + 512) * 16),
            ),
            (ConvBlock { motif: Inception, branches: 4, ..BLOCK }, (3440, 52_224)),
            (ConvBlock { motif: Inception, branches: 2, ..BLOCK }, (144 + 736 + 512 + 64, (128 + 128 + 576 + 512) * 16)),
            (ConvBlock { motif: Dense, branches: 2, ..BLOCK }, (1168 + 1744 + 1088, (1152 + 1728 + 1024) * 16)),
        ];
        for (block, cost) in cases {
            assert_eq!(image_cost(Downsample::Stride, block, Norm::Batch), cost, "{block:?}");
        }
    }

    #[test]
    fn without_norm_every_convolution_has_a_bias() {
        let residual = ConvBlock { motif: ConvMotif::Residual, skip: true, ..BLOCK };
        assert_eq!(image_cost(Downsample::MaxPool, residual, Norm::None).0, 4608 + 9216 + 512 + 3 * 32);
    }
}
