//! Inception v3 (Szegedy et al., 2016, "Rethinking the Inception Architecture for Computer Vision"). Normalisations have
//! no scale, for a ReLU and a convolution follow each; convolutions of the stem and those with a stride are not padded.

use super::{
    Entry, Misfit,
    builder::{Builder, Tensor},
    layer::{BatchNorm, Conv, Function, Pool},
};

pub(super) static INCEPTION_V3: Entry = Entry {
    name: "inception_v3",
    doc: "blocks of branches with factorised kernels, 1×7 and 7×1 (Szegedy et al., 2016)",
    side: 299,
    repeats: &[3, 4, 2],
    dropout: 0.0,
    learning_rate: 1e-3,
    build,
};

const NORM: BatchNorm = BatchNorm { scale: false, epsilon: 1e-3, function: Some(Function::Relu) };
/// The pool between stages; not padded.
const HALVING: Pool = Pool { kernel: 3, stride: 2, pad: 0 };
/// The pool of a branch, which keeps the resolution.
const KEEPING: Pool = Pool { kernel: 3, stride: 1, pad: 1 };
/// Channels of the branches with 1×7 and 7×1 kernels in the blocks of the middle stage.
const SEVEN: [usize; 4] = [128, 160, 160, 192];

fn build(b: &mut Builder<'_>, image: Tensor) -> Result<Tensor, Misfit> {
    let mut x = b.within("stem", |b| stem(b, image))?;
    for number in 0..b.repeats(0) {
        let pooled = if number == 0 { 32 } else { 64 };
        x = b.within(format!("stages.0.blocks.{number}"), |b| wide(b, x, pooled))?;
    }
    x = b.within("stages.0.reduction", |b| first_reduction(b, x))?;
    let blocks = b.repeats(1);
    for number in 0..blocks {
        let hidden = SEVEN[number * SEVEN.len() / blocks];
        x = b.within(format!("stages.1.blocks.{number}"), |b| factorised(b, x, hidden))?;
    }
    x = b.within("stages.1.reduction", |b| second_reduction(b, x))?;
    for number in 0..b.repeats(2) {
        x = b.within(format!("stages.2.blocks.{number}"), |b| expanded(b, x))?;
    }
    Ok(b.global_average_pool("average", x))
}

fn stem(b: &mut Builder<'_>, image: Tensor) -> Result<Tensor, Misfit> {
    let of = |b: &Builder<'_>, channels, kernel| Conv::square(b.channels(channels), kernel);
    let x = b.conv_norm("0", image, of(b, 32, 3).strided(2).valid(), NORM)?;
    let x = b.conv_norm("1", x, of(b, 32, 3).valid(), NORM)?;
    let x = b.conv_norm("2", x, of(b, 64, 3), NORM)?;
    let x = b.max_pool("pool.0", x, HALVING)?;
    let x = b.conv_norm("3", x, of(b, 80, 1), NORM)?;
    let x = b.conv_norm("4", x, of(b, 192, 3).valid(), NORM)?;
    b.max_pool("pool.1", x, HALVING)
}

/// Convolutions one after the other, each of so many published channels with such a kernel.
fn chain(b: &mut Builder<'_>, name: &str, x: Tensor, convs: &[(usize, [usize; 2])]) -> Result<Tensor, Misfit> {
    b.within(name, |b| {
        let mut x = x;
        for (number, &(channels, kernel)) in convs.iter().enumerate() {
            x = b.conv_norm(&number.to_string(), x, Conv::with_kernel(b.channels(channels), kernel), NORM)?;
        }
        Ok(x)
    })
}

/// As [`chain`], with stride 2 and no padding in the last convolution.
fn reducing(b: &mut Builder<'_>, name: &str, x: Tensor, convs: &[(usize, [usize; 2])]) -> Result<Tensor, Misfit> {
    let (&(channels, kernel), before) = convs.split_last().unwrap_or((&(0, [1, 1]), &[]));
    let x = chain(b, name, x, before)?;
    let last = Conv::with_kernel(b.channels(channels), kernel).strided(2).valid();
    b.within(name, |b| b.conv_norm(&before.len().to_string(), x, last, NORM))
}

/// A mean of each 3×3 window, then a 1×1 convolution.
fn pooled(b: &mut Builder<'_>, x: Tensor, channels: usize) -> Result<Tensor, Misfit> {
    let y = b.average_pool("pool", x, KEEPING)?;
    chain(b, "pooled", y, &[(channels, [1, 1])])
}

fn wide(b: &mut Builder<'_>, x: Tensor, pool_channels: usize) -> Result<Tensor, Misfit> {
    let parts = [
        chain(b, "1x1", x, &[(64, [1, 1])])?,
        chain(b, "5x5", x, &[(48, [1, 1]), (64, [5, 5])])?,
        chain(b, "3x3", x, &[(64, [1, 1]), (96, [3, 3]), (96, [3, 3])])?,
        pooled(b, x, pool_channels)?,
    ];
    Ok(b.concat("concat", &parts))
}

fn first_reduction(b: &mut Builder<'_>, x: Tensor) -> Result<Tensor, Misfit> {
    let parts = [
        reducing(b, "3x3", x, &[(384, [3, 3])])?,
        reducing(b, "double", x, &[(64, [1, 1]), (96, [3, 3]), (96, [3, 3])])?,
        b.max_pool("pool", x, HALVING)?,
    ];
    Ok(b.concat("concat", &parts))
}

fn factorised(b: &mut Builder<'_>, x: Tensor, c: usize) -> Result<Tensor, Misfit> {
    let (row, column) = ([1, 7], [7, 1]);
    let parts = [
        chain(b, "1x1", x, &[(192, [1, 1])])?,
        chain(b, "7x7", x, &[(c, [1, 1]), (c, row), (192, column)])?,
        chain(b, "double", x, &[(c, [1, 1]), (c, column), (c, row), (c, column), (192, row)])?,
        pooled(b, x, 192)?,
    ];
    Ok(b.concat("concat", &parts))
}

fn second_reduction(b: &mut Builder<'_>, x: Tensor) -> Result<Tensor, Misfit> {
    let parts = [
        reducing(b, "3x3", x, &[(192, [1, 1]), (320, [3, 3])])?,
        reducing(b, "7x7", x, &[(192, [1, 1]), (192, [1, 7]), (192, [7, 1]), (192, [3, 3])])?,
        b.max_pool("pool", x, HALVING)?,
    ];
    Ok(b.concat("concat", &parts))
}

fn expanded(b: &mut Builder<'_>, x: Tensor) -> Result<Tensor, Misfit> {
    let single = chain(b, "1x1", x, &[(320, [1, 1])])?;
    let three = chain(b, "3x3", x, &[(384, [1, 1])])?;
    let double = chain(b, "double", x, &[(448, [1, 1]), (384, [3, 3])])?;
    let mut parts = vec![single];
    for (name, branch) in [("3x3", three), ("double", double)] {
        parts.push(chain(b, &format!("{name}.row"), branch, &[(384, [1, 3])])?);
        parts.push(chain(b, &format!("{name}.column"), branch, &[(384, [3, 1])])?);
    }
    parts.push(pooled(b, x, 192)?);
    Ok(b.concat("concat", &parts))
}
