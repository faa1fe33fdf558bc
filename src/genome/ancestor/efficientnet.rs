//! EfficientNet (Tan and Le, 2019, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks"), without
//! the stochastic depth of its training.

use super::{
    Entry, Misfit,
    builder::{Builder, Tensor},
    layer::{BatchNorm, Conv, Function},
};

pub(super) static EFFICIENTNET_B0: Entry = Entry {
    name: "efficientnet_b0",
    doc: "16 inverted residual blocks with squeeze and excitation (Tan and Le, 2019)",
    side: 224,
    repeats: &[1, 2, 2, 3, 3, 4, 1],
    dropout: 0.2,
    learning_rate: 2e-3,
    build,
};

/// The blocks of a stage.
struct Stage {
    channels: usize,
    kernel: usize,
    /// Factor by which blocks expand what they read.
    expansion: usize,
    /// Stride of the first block.
    stride: usize,
}

const fn stage(channels: usize, kernel: usize, expansion: usize, stride: usize) -> Stage {
    Stage { channels, kernel, expansion, stride }
}

static STAGES: [Stage; 7] = [
    stage(16, 3, 1, 1),
    stage(24, 3, 6, 2),
    stage(40, 5, 6, 2),
    stage(80, 3, 6, 2),
    stage(112, 5, 6, 1),
    stage(192, 5, 6, 2),
    stage(320, 3, 6, 1),
];
const STEM: usize = 32;
const LAST: usize = 1280;
/// The squeeze leaves one in so many of the channels that a block reads.
const SQUEEZE: usize = 4;
const NORM: BatchNorm = BatchNorm { scale: true, epsilon: 1e-3, function: None };
const NORM_SWISH: BatchNorm = BatchNorm { function: Some(Function::Swish), ..NORM };

fn build(b: &mut Builder<'_>, image: Tensor) -> Result<Tensor, Misfit> {
    let (stem, last) = (b.channels(STEM), b.channels(LAST));
    let x = b.normalization("normalization", image);
    let mut x = b.conv_norm("stem", x, Conv::square(stem, 3).strided(2), NORM_SWISH)?;
    for (number, stage) in STAGES.iter().enumerate() {
        for block in 0..b.repeats(number) {
            let stride = if block == 0 { stage.stride } else { 1 };
            x = b.within(format!("stages.{number}.blocks.{block}"), |b| self::block(b, x, stage, stride))?;
        }
    }
    let x = b.conv_norm("last", x, Conv::square(last, 1), NORM_SWISH)?;
    Ok(b.global_average_pool("average", x))
}

fn block(b: &mut Builder<'_>, x: Tensor, stage: &Stage, stride: usize) -> Result<Tensor, Misfit> {
    let (channels, hidden) = (b.channels(stage.channels), stage.expansion * x.channels());
    let y = if stage.expansion > 1 { b.conv_norm("expand", x, Conv::square(hidden, 1), NORM_SWISH)? } else { x };
    let y = b.conv_norm("depthwise", y, Conv::depthwise(hidden, stage.kernel).strided(stride), NORM_SWISH)?;
    let y = b.squeeze_excite("squeeze_excite", y, (x.channels() / SQUEEZE).max(1));
    let y = b.conv_norm("project", y, Conv::square(channels, 1), NORM)?;
    Ok(if stride == 1 && x.channels() == channels { b.add("sum", y, x) } else { y })
}
