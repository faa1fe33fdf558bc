//! VGG (Simonyan and Zisserman, 2015, "Very Deep Convolutional Networks for Large-Scale Image Recognition").

use super::{
    Entry, Misfit,
    builder::{Builder, Tensor},
    layer::{Conv, Function, Pool},
};

pub(super) static VGG16: Entry = Entry {
    name: "vgg16",
    doc: "13 convolutions of 3×3 with pools between them, and three dense layers (Simonyan and Zisserman, 2015)",
    side: 224,
    repeats: &[2, 2, 3, 3, 3],
    dropout: 0.5,
    learning_rate: 3e-4,
    build,
};

pub(super) static VGG19: Entry = Entry {
    name: "vgg19",
    doc: "16 convolutions of 3×3 with pools between them, and three dense layers (Simonyan and Zisserman, 2015)",
    repeats: &[2, 2, 4, 4, 4],
    ..VGG16
};

const CHANNELS: [usize; 5] = [64, 128, 256, 512, 512];
const HIDDEN: usize = 4096;

fn build(b: &mut Builder<'_>, image: Tensor) -> Result<Tensor, Misfit> {
    let mut x = image;
    for (stage, channels) in CHANNELS.into_iter().enumerate() {
        let channels = b.channels(channels);
        x = b.within(format!("stages.{stage}"), |b| {
            let mut x = x;
            for number in 0..b.repeats(stage) {
                x = b.within(format!("convs.{number}"), |b| {
                    let y = b.conv("conv", x, Conv::square(channels, 3).biased())?;
                    Ok(b.activation("relu", y, Function::Relu))
                })?;
            }
            b.max_pool("pool", x, Pool { kernel: 2, stride: 2, pad: 0 })
        })?;
    }
    let hidden = b.channels(HIDDEN);
    let x = b.flatten("flatten", x);
    let x = b.dense("hidden.0", x, hidden);
    let x = b.activation("hidden.0.relu", x, Function::Relu);
    let x = b.dropout("hidden.0.dropout", x);
    let x = b.dense("hidden.1", x, hidden);
    Ok(b.activation("hidden.1.relu", x, Function::Relu))
}
