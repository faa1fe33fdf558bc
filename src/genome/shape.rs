//! Shapes that follow from the genes, in one place: resolution and channels of every block, and the hidden widths of
//! motifs. `express` builds what stands here, `count` counts it, and `SearchSpace` keeps it valid.

use super::genes::{ConvBlock, ConvMotif, Downsample, ImageNet, Stage};

/// Extent of an image or of a feature map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

impl Size {
    /// The shorter side.
    pub fn side(self) -> usize {
        self.height.min(self.width)
    }

    /// Number of positions.
    pub fn area(self) -> usize {
        self.height * self.width
    }

    /// After a 2×2 pooling with stride 2 and no padding.
    pub fn pooled(self) -> Self {
        Self { height: self.height / 2, width: self.width / 2 }
    }

    /// After a convolution with "same" padding and this stride.
    pub fn strided(self, stride: usize) -> Self {
        let stride = stride.max(1);
        Self { height: self.height.div_ceil(stride), width: self.width.div_ceil(stride) }
    }
}

/// Shape of a block of a net for images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockShape {
    /// Channels that it reads.
    pub inputs: usize,
    /// Channels that it gives.
    pub outputs: usize,
    /// Resolution that it reads.
    pub from: Size,
    /// Resolution that it gives.
    pub to: Size,
    /// Stride of its first spatial convolution and of its projection: 1 or 2.
    pub stride: usize,
}

impl BlockShape {
    /// Whether a skip needs a projection, because the block changes the shape.
    pub fn projects(&self) -> bool {
        self.inputs != self.outputs || self.stride != 1
    }
}

/// Shape of a stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageShape {
    /// Resolution before the down-sampling.
    pub from: Size,
    /// Pooling before the first block: [`Downsample::None`], [`Downsample::MaxPool`] or [`Downsample::AveragePool`].
    pub pool: Downsample,
    /// Its blocks.
    pub blocks: Vec<BlockShape>,
}

/// Shape of a net for images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageShape {
    /// Resolution after the stem.
    pub stem: Size,
    /// Its stages.
    pub stages: Vec<StageShape>,
}

impl ImageShape {
    /// Shape of `net` on images of extent `input`.
    pub fn of(net: &ImageNet, input: Size) -> Self {
        let stem = input.strided(net.stem.stride);
        let (mut size, mut channels) = (stem, net.stem.width);
        let mut stages = Vec::with_capacity(net.stages.len());
        for stage in &net.stages {
            let (from, down) = (size, downsampling(stage));
            let pool = if down == Downsample::Stride { Downsample::None } else { down };
            if pool != Downsample::None {
                size = size.pooled();
            }
            let mut blocks = Vec::with_capacity(stage.blocks.len());
            for index in 0..stage.blocks.len() {
                let stride = if index == 0 && down == Downsample::Stride { 2 } else { 1 };
                let to = size.strided(stride);
                blocks.push(BlockShape { inputs: channels, outputs: stage.width, from: size, to, stride });
                (size, channels) = (to, stage.width);
            }
            stages.push(StageShape { from, pool, blocks });
        }
        Self { stem, stages }
    }
}

/// How a stage really halves its resolution: [`ConvMotif::Inception`] and [`ConvMotif::Dense`] have no strided form, so
/// before such a first block [`Downsample::Stride`] means [`Downsample::MaxPool`].
pub fn downsampling(stage: &Stage) -> Downsample {
    let strided = !matches!(stage.blocks.first(), Some(block) if has_no_stride(block.motif));
    if stage.down == Downsample::Stride && !strided { Downsample::MaxPool } else { stage.down }
}

/// Whether the motif has no convolution that can halve the resolution.
pub(super) fn has_no_stride(motif: ConvMotif) -> bool {
    matches!(motif, ConvMotif::Inception | ConvMotif::Dense)
}

/// Hidden channels of [`ConvMotif::Bottleneck`]: `width · quarters / 4`, at least 1, rounded up to a multiple of
/// `groups`.
pub fn bottleneck_width(width: usize, quarters: usize, groups: usize) -> usize {
    let groups = groups.max(1);
    (width.saturating_mul(quarters) / 4).max(1).div_ceil(groups).saturating_mul(groups)
}

/// Channels of each branch of [`ConvMotif::Inception`]: `width · quarters / 16`, rounded down to even, at least 8.
pub fn inception_width(width: usize, quarters: usize) -> usize {
    (width.saturating_mul(quarters) / 16 / 2 * 2).max(8)
}

/// Channels that each layer of [`ConvMotif::Dense`] adds: `width · quarters / 16`, rounded down to even, at least 8.
pub fn dense_growth(width: usize, quarters: usize) -> usize {
    (width.saturating_mul(quarters) / 16 / 2 * 2).max(8)
}

/// Hidden channels of a block of a stage with `width` channels, for motifs whose `quarters` matter.
pub(super) fn hidden_width(block: &ConvBlock, width: usize, quarters: usize) -> Option<usize> {
    match block.motif {
        ConvMotif::Bottleneck => Some(bottleneck_width(width, quarters, block.groups)),
        ConvMotif::Inception => Some(inception_width(width, quarters)),
        ConvMotif::Dense => Some(dense_growth(width, quarters)),
        ConvMotif::ConvNormAct | ConvMotif::ConvAct | ConvMotif::ConvDepthwise | ConvMotif::Residual => None,
    }
}

/// Whether the motif has a k×k convolution that can be grouped.
pub(super) fn has_groups(motif: ConvMotif) -> bool {
    matches!(motif, ConvMotif::ConvNormAct | ConvMotif::ConvAct | ConvMotif::Bottleneck)
}

/// Whether the motif counts its layers or branches.
pub(super) fn has_branches(motif: ConvMotif) -> bool {
    matches!(motif, ConvMotif::Inception | ConvMotif::Dense)
}

/// Whether the motif has a skip of its own.
pub(super) fn always_skips(motif: ConvMotif) -> bool {
    matches!(motif, ConvMotif::Residual | ConvMotif::Bottleneck)
}

/// Padding on each side that keeps the resolution.
pub(super) fn padding(block: &ConvBlock) -> usize {
    block.dilation * (block.kernel.saturating_sub(1) / 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::genome::{Net, tests::spaces};

    #[test]
    fn hidden_widths_by_hand() {
        assert_eq!(bottleneck_width(64, 1, 1), 16);
        assert_eq!(bottleneck_width(24, 3, 4), 20); // 18, up to a multiple of 4
        assert_eq!(bottleneck_width(2, 1, 1), 1);
        assert_eq!(inception_width(128, 4), 32);
        assert_eq!(inception_width(40, 5), 12); // 12.5
        assert_eq!(inception_width(8, 4), 8);
        assert_eq!(dense_growth(96, 3), 18);
        assert_eq!(dense_growth(16, 1), 8);
    }

    #[test]
    fn pools_round_down_and_strides_round_up() {
        let size = Size { height: 7, width: 10 };
        assert_eq!(size.pooled(), Size { height: 3, width: 5 });
        assert_eq!(size.strided(2), Size { height: 4, width: 5 });
        assert_eq!((size.side(), size.area()), (7, 70));
    }

    #[test]
    fn a_net_by_hand() {
        // 16/32/64 residual at 28×28, each stage but the first with stride 2.
        let Net::Image(mut net) = spaces()[6].seeds()[4].net.clone() else { panic!("a net for images") };
        net.stem.stride = 2;
        let shape = ImageShape::of(&net, Size { height: 28, width: 27 });
        assert_eq!(shape.stem, Size { height: 14, width: 14 });
        let first = shape.stages[1].blocks[0];
        assert_eq!((first.inputs, first.outputs, first.stride, first.to.height), (16, 32, 2, 7));
        assert!(first.projects() && !shape.stages[0].blocks[0].projects());
        assert_eq!(shape.stages[2].blocks[0].to, Size { height: 4, width: 4 });
        net.stages[2].down = Downsample::AveragePool;
        let pooled = ImageShape::of(&net, Size { height: 28, width: 27 });
        assert_eq!(pooled.stages[2].pool, Downsample::AveragePool);
        assert_eq!(pooled.stages[2].blocks[0].from, Size { height: 3, width: 3 });
    }
}
