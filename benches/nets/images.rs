//! Nets for images, all with batch norm, ReLU and a global mean before the last layer.

use super::{BATCH, classes, training};
use evolve::data::{InputSpec, Task};
use evolve::genome::{
    Act, ConvBlock, ConvMotif, Downsample, Genome, GlobalPool, Head, ImageNet, Loss, Net, Norm, Stage, Stem,
};

const MONOCHROME: (usize, usize) = (28, 1);
const COLOUR: (usize, usize) = (32, 3);

/// `cnn`, `cnn32`, `cnn512`, `dw`, `res`, `inception`, `dense`, `bottleneck`, `odd` or `small_cnn`.
pub fn net(name: &str) -> Option<(Genome, Task)> {
    let (net, (side, channels), batch) = match name {
        "cnn" => (cnn(), MONOCHROME, BATCH),
        "cnn32" => (cnn(), MONOCHROME, 32),
        "cnn512" => (cnn(), MONOCHROME, 512),
        "dw" => (dw(), MONOCHROME, BATCH),
        "res" => (res(), COLOUR, BATCH),
        "inception" => (inception(), COLOUR, BATCH),
        "dense" => (dense(), COLOUR, BATCH),
        "bottleneck" => (bottleneck(), COLOUR, BATCH),
        "odd" => (odd(), COLOUR, BATCH),
        "small_cnn" => (small_cnn(), (8, 1), 32),
        _ => return None,
    };
    let input =
        InputSpec::Image { height: side, width: side, channels, mean: vec![128.0; channels], std: vec![64.0; channels] };
    let (kind, output) = classes();
    Some((Genome { net: Net::Image(net), training: training(batch, Loss::CrossEntropy) }, Task { kind, input, output }))
}

/// Three convolutions 3×3 of 32, 64, 128 channels, 2×2 maximum pools between them.
fn cnn() -> ImageNet {
    let stage = |width| stage(Downsample::MaxPool, width, vec![block(ConvMotif::ConvNormAct)]);
    image_net(stem(32, 1), vec![stage(64), stage(128)])
}

/// Two convolutions 3×3 of 8 and 16 channels on 8×8, a maximum pool between them.
fn small_cnn() -> ImageNet {
    image_net(stem(8, 1), vec![stage(Downsample::MaxPool, 16, vec![block(ConvMotif::ConvNormAct)])])
}

/// A stem of stride 2, then four blocks 1×1, depthwise 3×3, at 14×14 with 64 channels.
fn dw() -> ImageNet {
    image_net(stem(64, 2), vec![stage(Downsample::None, 64, vec![block(ConvMotif::ConvDepthwise); 4])])
}

/// A residual block each of 16, 32, 64 channels at 32×32, 16×16, 8×8, with maximum pools between.
fn res() -> ImageNet {
    let stage = |down, width| stage(down, width, vec![block(ConvMotif::Residual)]);
    let stages = vec![stage(Downsample::None, 16), stage(Downsample::MaxPool, 32), stage(Downsample::MaxPool, 64)];
    image_net(stem(16, 1), stages)
}

/// Four branches of 16 channels twice at 16×16, then four of 32 at 8×8.
fn inception() -> ImageNet {
    let block = ConvBlock { branches: 4, ..block(ConvMotif::Inception) };
    let stages = vec![stage(Downsample::MaxPool, 64, vec![block; 2]), stage(Downsample::MaxPool, 128, vec![block])];
    image_net(stem(32, 1), stages)
}

/// Four layers of 16 channels each at 16×16, then four of 32 at 8×8, each reading all before it.
fn dense() -> ImageNet {
    let block = ConvBlock { branches: 4, ..block(ConvMotif::Dense) };
    let stages = vec![stage(Downsample::MaxPool, 64, vec![block]), stage(Downsample::MaxPool, 128, vec![block])];
    image_net(stem(32, 1), stages)
}

/// Bottlenecks to half the width around a depthwise 5×5, two each of 32, 64, 128 channels; stride 2 between.
fn bottleneck() -> ImageNet {
    let stage = |down, width: usize| {
        let block = ConvBlock { kernel: 5, groups: width / 2, quarters: 2, ..block(ConvMotif::Bottleneck) };
        stage(down, width, vec![block; 2])
    };
    let stages = vec![stage(Downsample::None, 32), stage(Downsample::Stride, 64), stage(Downsample::Stride, 128)];
    image_net(stem(32, 1), stages)
}

/// A convolution and a residual block each of 20 and 40 channels after a stem of 12.
fn odd() -> ImageNet {
    let stage = |width| stage(Downsample::MaxPool, width, vec![block(ConvMotif::ConvNormAct), block(ConvMotif::Residual)]);
    image_net(stem(12, 1), vec![stage(20), stage(40)])
}

fn stem(width: usize, stride: usize) -> Stem {
    Stem { width, kernel: 3, stride }
}

fn stage(down: Downsample, width: usize, blocks: Vec<ConvBlock>) -> Stage {
    Stage { down, width, blocks }
}

fn block(motif: ConvMotif) -> ConvBlock {
    let skip = matches!(motif, ConvMotif::Residual | ConvMotif::Bottleneck);
    ConvBlock { motif, kernel: 3, dilation: 1, groups: 1, quarters: 4, branches: 1, skip }
}

fn image_net(stem: Stem, stages: Vec<Stage>) -> ImageNet {
    let head = Head { pool: GlobalPool::Average, hidden: 0, dropout: 0.0 };
    ImageNet { stem, stages, norm: Norm::Batch, activation: Act::Relu, head }
}
