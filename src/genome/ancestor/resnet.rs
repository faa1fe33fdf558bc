//! ResNet (He et al., 2016, "Deep Residual Learning for Image Recognition"), with the stride in the first 1×1 convolution
//! of a block and biases before the normalisations, as Keras has it.

use super::{
    Entry, Misfit,
    builder::{Builder, Tensor},
    layer::{BatchNorm, Conv, Function, Pool},
};

pub(super) static RESNET50: Entry = Entry {
    name: "resnet50",
    doc: "16 bottleneck blocks with skips around them (He et al., 2016)",
    side: 224,
    repeats: &[3, 4, 6, 3],
    dropout: 0.0,
    learning_rate: 1e-3,
    build,
};

const STEM: usize = 64;
/// Channels within the blocks of each stage; they give four times as many.
const CHANNELS: [usize; 4] = [64, 128, 256, 512];
const EXPANSION: usize = 4;
const NORM: BatchNorm = BatchNorm { scale: true, epsilon: 1.001e-5, function: None };
const NORM_RELU: BatchNorm = BatchNorm { function: Some(Function::Relu), ..NORM };

fn build(b: &mut Builder<'_>, image: Tensor) -> Result<Tensor, Misfit> {
    let stem = b.channels(STEM);
    let x = b.conv_norm("stem", image, Conv::square(stem, 7).strided(2).biased(), NORM_RELU)?;
    let mut x = b.max_pool("pool", x, Pool { kernel: 3, stride: 2, pad: 1 })?;
    for (stage, channels) in CHANNELS.into_iter().enumerate() {
        let channels = b.channels(channels);
        for number in 0..b.repeats(stage) {
            // The pool has halved the resolution before the first stage.
            let stride = if number == 0 && stage > 0 { 2 } else { 1 };
            x = b.within(format!("stages.{stage}.blocks.{number}"), |b| block(b, x, channels, stride, number == 0))?;
        }
    }
    Ok(b.global_average_pool("average", x))
}

fn block(b: &mut Builder<'_>, x: Tensor, channels: usize, stride: usize, projects: bool) -> Result<Tensor, Misfit> {
    let point = |outputs| Conv::square(outputs, 1).biased();
    let outputs = EXPANSION * channels;
    let y = b.conv_norm("reduce", x, point(channels).strided(stride), NORM_RELU)?;
    let y = b.conv_norm("spatial", y, Conv::square(channels, 3).biased(), NORM_RELU)?;
    let y = b.conv_norm("expand", y, point(outputs), NORM)?;
    let shortcut = if projects { b.conv_norm("shortcut", x, point(outputs).strided(stride), NORM)? } else { x };
    let sum = b.add("sum", y, shortcut);
    Ok(b.activation("relu", sum, Function::Relu))
}
