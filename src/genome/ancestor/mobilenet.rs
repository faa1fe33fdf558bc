//! MobileNetV2 (Sandler et al., 2018, "MobileNetV2: Inverted Residuals and Linear Bottlenecks").

use super::{
    Entry, Misfit,
    builder::{Builder, Tensor},
    layer::{BatchNorm, Conv, Function},
};

pub(super) static MOBILENET_V2: Entry = Entry {
    name: "mobilenet_v2",
    doc: "17 inverted residual blocks with depthwise convolutions (Sandler et al., 2018)",
    side: 224,
    repeats: &[1, 2, 3, 4, 3, 3, 1],
    dropout: 0.0,
    learning_rate: 2e-3,
    build,
};

/// For each stage its channels, the factor by which blocks expand what they read, and the stride of the first block.
const STAGES: [(usize, usize, usize); 7] =
    [(16, 1, 1), (24, 6, 2), (32, 6, 2), (64, 6, 2), (96, 6, 1), (160, 6, 2), (320, 6, 1)];
const STEM: usize = 32;
/// Channels before the mean over the image; narrower nets keep them all, as published.
const LAST: usize = 1280;
const NORM: BatchNorm = BatchNorm { scale: true, epsilon: 1e-3, function: None };
const NORM_RELU6: BatchNorm = BatchNorm { function: Some(Function::Relu6), ..NORM };

fn build(b: &mut Builder<'_>, image: Tensor) -> Result<Tensor, Misfit> {
    let stem = b.channels(STEM);
    let mut x = b.conv_norm("stem", image, Conv::square(stem, 3).strided(2), NORM_RELU6)?;
    for (stage, (channels, expansion, stride)) in STAGES.into_iter().enumerate() {
        let channels = b.channels(channels);
        for number in 0..b.repeats(stage) {
            let stride = if number == 0 { stride } else { 1 };
            x = b.within(format!("stages.{stage}.blocks.{number}"), |b| block(b, x, channels, expansion, stride))?;
        }
    }
    let last = b.channels(LAST).max(LAST);
    let x = b.conv_norm("last", x, Conv::square(last, 1), NORM_RELU6)?;
    Ok(b.global_average_pool("average", x))
}

fn block(b: &mut Builder<'_>, x: Tensor, channels: usize, expansion: usize, stride: usize) -> Result<Tensor, Misfit> {
    let hidden = expansion * x.channels();
    let y = if expansion > 1 { b.conv_norm("expand", x, Conv::square(hidden, 1), NORM_RELU6)? } else { x };
    let y = b.conv_norm("depthwise", y, Conv::depthwise(hidden, 3).strided(stride), NORM_RELU6)?;
    let y = b.conv_norm("project", y, Conv::square(channels, 1), NORM)?;
    Ok(if stride == 1 && x.channels() == channels { b.add("sum", y, x) } else { y })
}
