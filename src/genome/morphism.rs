//! Which edits keep the function of a trained net (network morphisms: Chen et al., 2016, "Net2Net"; Wei et al., 2016).

use super::{
    align::{items, matched},
    ancestor::AncestorNet,
    genes::{Act, ConvBlock, ConvMotif, Downsample, Genome, ImageNet, Net, Norm, Stage, TableMotif, TableNet},
    shape::hidden_width,
};

/// Whether a child that starts from its parent's weights computes what its parent computes at inference.
///
/// The weights are inherited so, by [`align`](super::align()):
/// - a matched block, the stem, the encodings and the head keep their weights; where an axis of a weight has grown, the
///   parent's numbers come first on it, and kernels lie in the centre of larger ones (for a dilated kernel too, as
///   counted in taps);
/// - weights from a unit that the parent does not have to one that it has are zero; other new weights are free;
/// - a new residual or bottleneck block has zeros in what ends its branch: its last norm's scale and shift, or its last
///   convolution's or linear layer's weights and bias where no norm follows.
///
/// Then these edits keep the function, alone or together:
/// - training genes and dropout: always;
/// - a new residual block: in nets for tables always; in nets for images not as a stage's first, and only where the
///   activation is ReLU and its input cannot be negative, because ReLU follows the sum;
/// - a wider hidden layer of a residual block for tables, always; of a bottleneck or of the head, and a wider block or
///   stage, where no layer normalisation, no groups and no concatenation would mix old with new;
/// - a larger kernel at the same dilation.
pub fn preserves(parent: &Genome, child: &Genome) -> bool {
    let (parent, child) = (parent.canonical(), child.canonical());
    let (from, to) = (items(&parent), items(&child));
    let matches = matched(&from, &to);
    if matches.iter().flatten().count() != from.len() {
        return false;
    }
    match (&parent.net, &child.net) {
        (Net::Table(from), Net::Table(to)) => table(from, to, &matches),
        (Net::Image(parent), Net::Image(child)) => {
            let stays = |(item, at): (&super::align::Item, &Option<usize>)| at.is_none_or(|at| from[at].stage == item.stage);
            let mut origins: Vec<Vec<Option<usize>>> = vec![vec![]; child.stages.len()];
            for (item, at) in to.iter().zip(&matches) {
                origins[item.stage.unwrap_or(0)].push(at.map(|at| from[at].number));
            }
            to.iter().zip(&matches).all(stays) && image(parent, child, &origins)
        }
        (Net::Ancestor(from), Net::Ancestor(to)) => AncestorNet { dropout: to.dropout, ..*from } == *to,
        _ => false,
    }
}

fn table(from: &TableNet, to: &TableNet, matches: &[Option<usize>]) -> bool {
    let kept = to.blocks.iter().zip(matches).all(|(block, at)| match at.map(|at| from.blocks[at]) {
        None => block.motif == TableMotif::Residual,
        Some(old) => {
            block.width == old.width
                || block.width > old.width && (block.motif == TableMotif::Residual || to.norm != Norm::Layer)
        }
    });
    kept && from.numeric == to.numeric
        && from.categorical == to.categorical
        && from.norm == to.norm
        && from.activation == to.activation
}

/// `origins`: for each block of each stage of the child its number in the same stage of the parent.
fn image(from: &ImageNet, to: &ImageNet, origins: &[Vec<Option<usize>>]) -> bool {
    let same = from.norm == to.norm
        && from.activation == to.activation
        && from.head.pool == to.head.pool
        && (from.head.hidden == to.head.hidden || 0 < from.head.hidden && from.head.hidden < to.head.hidden)
        && from.stem.stride == to.stem.stride
        && from.stem.kernel <= to.stem.kernel
        && from.stem.width <= to.stem.width
        && from.stages.len() == to.stages.len();
    if !same || (from.norm == Norm::Layer && from.stem.width != to.stem.width) {
        return false;
    }
    // Channels that enter the stage, in the parent and in the child; and whether the child's values can be negative.
    let mut inputs = (from.stem.width, to.stem.width);
    let mut negative = to.activation != Act::Relu;
    for ((old, new), origins) in from.stages.iter().zip(&to.stages).zip(origins) {
        if old.down != new.down || old.width > new.width || (to.norm == Norm::Layer && old.width != new.width) {
            return false;
        }
        for (number, (block, origin)) in new.blocks.iter().zip(origins).enumerate() {
            let kept = match origin {
                None => number > 0 && !negative && matches!(block.motif, ConvMotif::Residual | ConvMotif::Bottleneck),
                Some(origin) => {
                    (number == 0) == (*origin == 0)
                        && conv_block(old, new, &old.blocks[*origin], block, inputs, number, to.norm)
                }
            };
            if !kept {
                return false;
            }
            negative = match (block.motif, block.skip) {
                (ConvMotif::Residual | ConvMotif::Bottleneck, _) | (_, false) => to.activation != Act::Relu,
                (_, true) => negative || projects(new, inputs.1, number),
            };
            inputs = (old.width, new.width);
        }
    }
    true
}

/// Whether a matched block at `number` of its stage keeps its function. `inputs`: channels that it reads, in the parent
/// and in the child.
fn conv_block(
    old_stage: &Stage,
    new_stage: &Stage,
    old: &ConvBlock,
    new: &ConvBlock,
    inputs: (usize, usize),
    number: usize,
    norm: Norm,
) -> bool {
    let kernel = old.kernel == new.kernel || (old.kernel < new.kernel && (old.kernel == 1 || old.dilation == new.dilation));
    let dilation = old.dilation == new.dilation || old.kernel == 1;
    let (before, after) = (projects(old_stage, inputs.0, number), projects(new_stage, inputs.1, number));
    let skip = old.skip == new.skip && (!new.skip || before == after);
    let grown = inputs.0 != inputs.1 || old_stage.width != new_stage.width;
    let concatenated = matches!(new.motif, ConvMotif::Inception | ConvMotif::Dense);
    // An inception reads its input by 1×1 convolutions only, so a wider input is padded at its end.
    let widths = !grown
        || new.groups == 1 && (!concatenated || new.motif == ConvMotif::Inception && old_stage.width == new_stage.width);
    kernel && dilation && skip && widths && old.groups == new.groups && old.branches == new.branches && {
        let (before, after) = (hidden(old, old_stage), hidden(new, new_stage));
        before == after || (before < after && !concatenated && new.groups == 1 && norm != Norm::Layer)
    }
}

fn projects(stage: &Stage, inputs: usize, number: usize) -> bool {
    number == 0 && (inputs != stage.width || stage.down == Downsample::Stride)
}

fn hidden(block: &ConvBlock, stage: &Stage) -> usize {
    hidden_width(block, stage.width, block.quarters).unwrap_or(stage.width)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::genome::{GlobalPool, Head, NumericEncoding, Stem, TableBlock, tests::spaces};

    fn tables(norm: Norm, blocks: &[(TableMotif, usize)]) -> Genome {
        let mut genome = spaces()[0].seeds()[0].clone();
        if let Net::Table(net) = &mut genome.net {
            let block = |&(motif, width)| TableBlock { motif, width, dropout: 0.1 };
            *net = TableNet {
                norm,
                numeric: NumericEncoding::Plain,
                blocks: blocks.iter().map(block).collect(),
                ..net.clone()
            };
        }
        genome
    }

    const CONV: ConvBlock = ConvBlock {
        motif: ConvMotif::ConvNormAct,
        kernel: 3,
        dilation: 1,
        groups: 1,
        quarters: 4,
        branches: 1,
        skip: false,
    };
    const RESIDUAL: ConvBlock = ConvBlock { motif: ConvMotif::Residual, skip: true, ..CONV };

    /// A stem of 16 channels, then stages as given; each after the first has stride 2.
    fn images(activation: Act, norm: Norm, stages: &[(usize, &[ConvBlock])]) -> Genome {
        let stage = |(index, &(width, blocks)): (usize, &(usize, &[ConvBlock]))| Stage {
            down: if index == 0 { Downsample::None } else { Downsample::Stride },
            width,
            blocks: blocks.to_vec(),
        };
        let net = ImageNet {
            stem: Stem { width: 16, kernel: 3, stride: 1 },
            stages: stages.iter().enumerate().map(stage).collect(),
            norm,
            activation,
            head: Head { pool: GlobalPool::Average, hidden: 0, dropout: 0.0 },
        };
        Genome { net: Net::Image(net), training: spaces()[6].seeds()[0].training }
    }

    #[test]
    fn edits_of_tables() {
        use TableMotif::{Gated, Linear, Residual};
        let cases = [
            (Norm::Batch, vec![(Linear, 64)], vec![(Linear, 64), (Residual, 96)], true),
            (Norm::Layer, vec![(Linear, 64)], vec![(Linear, 64), (Residual, 96)], true),
            (Norm::Batch, vec![(Linear, 64)], vec![(Linear, 96)], true),
            (Norm::Batch, vec![(Linear, 96)], vec![(Linear, 64)], false),
            (Norm::Layer, vec![(Linear, 64)], vec![(Linear, 96)], false),
            (Norm::Layer, vec![(Linear, 64), (Residual, 64)], vec![(Linear, 64), (Residual, 96)], true),
            (Norm::None, vec![(Gated, 64)], vec![(Gated, 96), (Residual, 16)], true),
            (Norm::Batch, vec![(Linear, 64)], vec![(Linear, 64), (Linear, 64)], false),
            (Norm::Batch, vec![(Linear, 64), (Residual, 64)], vec![(Linear, 64)], false),
            (Norm::Batch, vec![(Linear, 64)], vec![(Gated, 64)], false),
        ];
        for (norm, parent, child, kept) in cases {
            assert_eq!(preserves(&tables(norm, &parent), &tables(norm, &child)), kept, "{norm:?} {parent:?} {child:?}");
        }
        let parent = tables(Norm::Batch, &[(Linear, 64)]);
        assert!(!preserves(&parent, &tables(Norm::Layer, &[(Linear, 64)])));
        let mut trained = parent.clone();
        trained.training.learning_rate = 0.5;
        assert!(preserves(&parent, &trained));
    }

    #[test]
    fn deeper_images_need_relu_and_no_negative_input() {
        let pair = |activation, norm, before: &[ConvBlock], after: &[ConvBlock]| {
            preserves(
                &images(activation, norm, &[(16, before), (32, before)]),
                &images(activation, norm, &[(16, before), (32, after)]),
            )
        };
        assert!(pair(Act::Relu, Norm::Batch, &[CONV], &[CONV, RESIDUAL]));
        assert!(pair(Act::Relu, Norm::None, &[RESIDUAL], &[RESIDUAL, RESIDUAL]));
        assert!(!pair(Act::Silu, Norm::Batch, &[CONV], &[CONV, RESIDUAL]));
        assert!(!pair(Act::Relu, Norm::Batch, &[CONV], &[RESIDUAL, CONV]));
        assert!(!pair(Act::Relu, Norm::Batch, &[CONV], &[CONV, CONV]));
        // The second stage's skip is a projection, whose output may be negative.
        let skipping = ConvBlock { skip: true, ..CONV };
        assert!(!pair(Act::Relu, Norm::Batch, &[skipping], &[skipping, RESIDUAL]));
    }

    #[test]
    fn wider_stages_must_not_mix_channels() {
        let pair = |norm, block: ConvBlock, reader: ConvBlock| {
            preserves(
                &images(Act::Relu, norm, &[(32, &[block]), (64, &[reader])]),
                &images(Act::Relu, norm, &[(48, &[block]), (64, &[reader])]),
            )
        };
        assert!(pair(Norm::Batch, CONV, CONV));
        assert!(pair(Norm::None, RESIDUAL, RESIDUAL));
        assert!(pair(Norm::Batch, CONV, ConvBlock { motif: ConvMotif::Inception, branches: 3, ..CONV }));
        assert!(!pair(Norm::Layer, CONV, CONV));
        assert!(!pair(Norm::Batch, ConvBlock { groups: 4, ..CONV }, CONV));
        assert!(!pair(Norm::Batch, CONV, ConvBlock { groups: 4, ..CONV }));
        assert!(!pair(Norm::Batch, CONV, ConvBlock { motif: ConvMotif::Dense, branches: 2, ..CONV }));
        assert!(!pair(Norm::Batch, ConvBlock { motif: ConvMotif::Dense, branches: 2, ..CONV }, CONV));
        // From 16 channels to 16 the residual block's skip is the identity; to 24 it is a projection.
        let (narrow, wide) =
            (images(Act::Relu, Norm::Batch, &[(16, &[RESIDUAL])]), images(Act::Relu, Norm::Batch, &[(24, &[RESIDUAL])]));
        assert!(!preserves(&narrow, &wide));
    }

    #[test]
    fn genes_of_a_block() {
        let changed = |parent: ConvBlock, child: ConvBlock| {
            preserves(
                &images(Act::Relu, Norm::Batch, &[(16, &[parent]), (32, &[parent])]),
                &images(Act::Relu, Norm::Batch, &[(16, &[parent]), (32, &[child])]),
            )
        };
        assert!(changed(CONV, ConvBlock { kernel: 5, ..CONV }));
        assert!(!changed(ConvBlock { kernel: 5, ..CONV }, CONV));
        assert!(!changed(CONV, ConvBlock { dilation: 2, ..CONV }));
        let pointwise = ConvBlock { kernel: 1, ..CONV };
        assert!(changed(pointwise, ConvBlock { kernel: 3, dilation: 2, ..CONV }));
        assert!(!changed(CONV, ConvBlock { skip: true, ..CONV }));
        assert!(!changed(ConvBlock { skip: true, ..CONV }, CONV));
        let bottleneck = ConvBlock { motif: ConvMotif::Bottleneck, quarters: 2, ..RESIDUAL };
        assert!(changed(bottleneck, ConvBlock { quarters: 4, ..bottleneck }));
        assert!(!changed(ConvBlock { quarters: 4, ..bottleneck }, bottleneck));
    }

    #[test]
    fn kinds_of_input_do_not_mix() {
        assert!(!preserves(
            &tables(Norm::Batch, &[(TableMotif::Linear, 16)]),
            &images(Act::Relu, Norm::Batch, &[(16, &[CONV])])
        ));
    }
}
