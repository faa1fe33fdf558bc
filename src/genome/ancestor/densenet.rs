//! DenseNet (Huang et al., 2017, "Densely Connected Convolutional Networks"), with bottlenecks and compression.

use super::{
    Entry, Misfit,
    builder::{Builder, Tensor},
    layer::{BatchNorm, Conv, Function, Pool},
};

pub(super) static DENSENET121: Entry = Entry {
    name: "densenet121",
    doc: "58 layers that each read all before them in their stage (Huang et al., 2017)",
    side: 224,
    repeats: &[6, 12, 24, 16],
    dropout: 0.0,
    learning_rate: 1e-3,
    build,
};

/// Channels that each layer adds.
const GROWTH: usize = 32;
/// Channels of the 1×1 convolution before each 3×3 one, as a multiple of the growth.
const BOTTLENECK: usize = 4;
const STEM: usize = 64;
const NORM: BatchNorm = BatchNorm { scale: true, epsilon: 1.001e-5, function: Some(Function::Relu) };

fn build(b: &mut Builder<'_>, image: Tensor) -> Result<Tensor, Misfit> {
    let stem = b.channels(STEM);
    let x = b.conv_norm("stem", image, Conv::square(stem, 7).strided(2), NORM)?;
    let mut x = b.max_pool("pool", x, Pool { kernel: 3, stride: 2, pad: 1 })?;
    for stage in 0..DENSENET121.repeats.len() {
        if stage > 0 {
            x = b.within(format!("transitions.{}", stage - 1), |b| transition(b, x))?;
        }
        for number in 0..b.repeats(stage) {
            x = b.within(format!("stages.{stage}.layers.{number}"), |b| layer(b, x))?;
        }
    }
    let x = b.batch_norm("norm", x, NORM);
    Ok(b.global_average_pool("average", x))
}

fn layer(b: &mut Builder<'_>, x: Tensor) -> Result<Tensor, Misfit> {
    let growth = b.channels(GROWTH);
    let y = b.batch_norm("norm", x, NORM);
    let y = b.conv_norm("reduce", y, Conv::square(BOTTLENECK * growth, 1), NORM)?;
    let y = b.conv("conv", y, Conv::square(growth, 3))?;
    Ok(b.concat("concat", &[x, y]))
}

/// Half the channels at half the resolution.
fn transition(b: &mut Builder<'_>, x: Tensor) -> Result<Tensor, Misfit> {
    let y = b.batch_norm("norm", x, NORM);
    let y = b.conv("conv", y, Conv::square(x.channels() / 2, 1))?;
    b.average_pool("pool", y, Pool { kernel: 2, stride: 2, pad: 0 })
}
