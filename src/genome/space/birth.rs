//! Random genomes, with priors centred on what works.

use super::{ACTIVATIONS, ImageLimits, Limits, SearchSpace, TableLimits};
use crate::genome::{
    domain::InputDomain,
    draw::{log_uniform, nearest, one_of, pick},
    genes::{
        Act, Augmentation, CategoricalEncoding, ConvBlock, ConvMotif, Downsample, Genome, GlobalPool, Head, ImageNet,
        Initialisation, Loss, Net, Norm, NumericEncoding, Optimizer, Schedule, Stage, Stem, TableBlock, TableMotif,
        TableNet, Training,
    },
    shape::{Size, always_skips},
};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

impl SearchSpace {
    /// A random genome; always valid.
    pub fn birth(&self, rng: &mut ChaCha8Rng) -> Genome {
        let net = match (&self.domain.input, &self.limits) {
            (InputDomain::Table { knots, .. }, Limits::Table(limits)) => Net::Table(table(limits, knots.len(), rng)),
            (&InputDomain::Image { height, width, .. }, Limits::Image(limits)) => {
                Net::Image(image(limits, Size { height, width }, rng))
            }
            _ => self.plain().net,
        };
        let mut genome = Genome { net, training: self.random_training(rng) };
        self.repair(&mut genome);
        genome
    }

    fn random_training(&self, rng: &mut ChaCha8Rng) -> Training {
        let image = match (&self.domain.input, &self.limits) {
            (&InputDomain::Image { channels, .. }, Limits::Image(limits)) => Some((channels, limits)),
            _ => None,
        };
        let (optimizer, learning_rate, weight_decay) =
            match pick(rng, if image.is_some() { &IMAGE_OPTIMIZERS } else { &TABLE_OPTIMIZERS }) {
                Optimizer::Sgd { .. } => {
                    let momentum = pick(rng, &[(0.7, 0.9), (0.3, 0.95)]);
                    (Optimizer::Sgd { momentum }, log_uniform(rng, 0.02, 0.2), pick(rng, &SGD_DECAYS))
                }
                adam => {
                    let (low, high) = if image.is_some() { (1e-3, 1e-2) } else { (3e-4, 1e-2) };
                    (adam, log_uniform(rng, low, high), pick(rng, &ADAM_DECAYS))
                }
            };
        let smoothing =
            if image.is_some() { [(0.5, 0.0), (0.25, 0.05), (0.25, 0.1)] } else { [(0.8, 0.0), (0.1, 0.03), (0.1, 0.1)] };
        let loss =
            if self.domain.classification { Loss::CrossEntropy } else { pick(rng, &[(0.7, Loss::Mse), (0.3, Loss::Huber)]) };
        Training {
            optimizer,
            learning_rate,
            schedule: pick(
                rng,
                &[
                    (0.5, Schedule::OneCycle),
                    (0.25, Schedule::Cosine),
                    (0.2, Schedule::WarmupCosine),
                    (0.05, Schedule::Constant),
                ],
            ),
            weight_decay,
            label_smoothing: pick(rng, &smoothing),
            batch: if image.is_some() { small(rng, &self.batches) } else { one_of(rng, &self.batches) }.unwrap_or(1),
            initialisation: pick(
                rng,
                &[
                    (0.7, Initialisation::HeNormal),
                    (0.15, Initialisation::GlorotUniform),
                    (0.15, Initialisation::LecunNormal),
                ],
            ),
            loss,
            augmentation: image.map_or_else(Augmentation::default, |(channels, limits)| augmentation(limits, channels, rng)),
            length: one_of(rng, self.lengths()).unwrap_or(1.0),
        }
    }
}

/// One of these batches, each half as likely as the one before: a candidate for images sees so few passes over the data
/// that small steps are worth more than fast ones.
fn small(rng: &mut ChaCha8Rng, batches: &[usize]) -> Option<usize> {
    batches.iter().copied().find(|_| rng.random_bool(0.5)).or_else(|| batches.first().copied())
}

const TABLE_OPTIMIZERS: [(f64, Optimizer); 3] = [
    (0.75, Optimizer::AdamW { beta2: 0.999 }),
    (0.1, Optimizer::AdamW { beta2: 0.95 }),
    (0.15, Optimizer::Adam { beta2: 0.999 }),
];
const IMAGE_OPTIMIZERS: [(f64, Optimizer); 3] = [
    (0.25, Optimizer::Sgd { momentum: 0.9 }),
    (0.5, Optimizer::AdamW { beta2: 0.999 }),
    (0.25, Optimizer::AdamW { beta2: 0.95 }),
];
const SGD_DECAYS: [(f64, f32); 4] = [(0.2, 0.0), (0.3, 1e-4), (0.4, 5e-4), (0.1, 1e-3)];
const ADAM_DECAYS: [(f64, f32); 5] = [(0.2, 0.0), (0.2, 1e-3), (0.3, 0.01), (0.2, 0.03), (0.1, 0.1)];

fn augmentation(limits: &ImageLimits, channels: usize, rng: &mut ChaCha8Rng) -> Augmentation {
    let mirrored = if channels > 1 { 0.6 } else { 0.3 };
    Augmentation {
        flip: rng.random_bool(mirrored),
        shift: if rng.random_bool(0.3) { rng.random_range(0..=limits.max_shift.min(4)) } else { 0 },
        cutout: if rng.random_bool(0.1) { limits.max_cutout / 2 } else { 0 },
    }
}

fn table(limits: &TableLimits, features: usize, rng: &mut ChaCha8Rng) -> TableNet {
    // Encodings multiply the input, so they are rarer where there are many features.
    let encoded = if features > 100 { 0.1 } else { 1.0 };
    let kind = pick(rng, &[(0.35, 0), (0.35 * encoded, 1), (0.3 * encoded, 2)]);
    let dim = nearest(&limits.encoding_dims, pick(rng, &[(0.3, 4), (0.5, 8), (0.2, 16)]));
    let numeric = match kind {
        1 => NumericEncoding::Piecewise { bins: one_of(rng, &limits.bins).unwrap_or(1), dim },
        2 => NumericEncoding::Periodic {
            frequencies: one_of(rng, &limits.frequencies).unwrap_or(1),
            sigma: log_uniform(rng, 0.05, 1.0),
            dim,
        },
        _ => NumericEncoding::Plain,
    };
    let categorical = if rng.random_bool(0.6) {
        CategoricalEncoding::OneHot
    } else {
        CategoricalEncoding::Embedding { dim: one_of(rng, &limits.embedding_dims).unwrap_or(1) }
    };
    let width = log_uniform(rng, 64.0, 512.0) as usize;
    let dropout = pick(rng, &[(0.3, 0.0), (0.25, 0.1), (0.2, 0.15), (0.15, 0.2), (0.1, 0.3)]);
    // Nets of linear blocks alone, and nets that go on with residual or mixed blocks after a linear one.
    let later: &[(f64, TableMotif)] = match pick(rng, &[(0.5, 0), (0.35, 1), (0.15, 2)]) {
        0 => &[(1.0, TableMotif::Linear)],
        1 => &[(1.0, TableMotif::Residual)],
        _ => &[(0.4, TableMotif::Linear), (0.3, TableMotif::Residual), (0.3, TableMotif::Gated)],
    };
    let depth = pick(rng, &[(0.05, 1), (0.35, 2), (0.35, 3), (0.25, 4)]);
    let blocks = (0..depth)
        .map(|index| {
            let motif = if index == 0 { TableMotif::Linear } else { pick(rng, later) };
            TableBlock { motif, width, dropout }
        })
        .collect();
    TableNet {
        numeric,
        categorical,
        norm: pick(rng, &[(0.5, Norm::Batch), (0.4, Norm::None), (0.1, Norm::Layer)]),
        activation: activation(rng),
        blocks,
    }
}

fn activation(rng: &mut ChaCha8Rng) -> Act {
    if rng.random_bool(0.03) {
        return one_of(rng, &ACTIVATIONS).unwrap_or(Act::Relu);
    }
    pick(rng, &[(0.6, Act::Relu), (0.15, Act::Silu), (0.15, Act::Gelu), (0.1, Act::LeakyRelu)])
}

fn image(limits: &ImageLimits, size: Size, rng: &mut ChaCha8Rng) -> ImageNet {
    let start = pick(rng, &[(0.35, 16), (0.1, 24), (0.4, 32), (0.15, 48)]);
    let large = size.side() >= 48;
    let stem = Stem {
        width: start,
        kernel: pick(rng, &[(0.85, 3), (0.15, 5)]),
        stride: if large && rng.random_bool(0.75) { 2 } else { 1 },
    };
    let count = pick(rng, &[(0.3, 2), (0.5, 3), (0.2, 4)]) + usize::from(size.side() >= 96);
    let motif = pick(rng, &MOTIFS);
    let mut width = start;
    let stages = (0..count)
        .map(|index| {
            if index > 0 {
                width = nearest(&limits.widths, (width * pick(rng, &[(0.3, 3), (0.7, 4)]) / 2).min(128));
            }
            let first = index == 0 && !(large && rng.random_bool(0.6));
            let down = if first {
                Downsample::None
            } else {
                pick(rng, &[(0.5, Downsample::MaxPool), (0.15, Downsample::AveragePool), (0.35, Downsample::Stride)])
            };
            let depth = pick(rng, &[(0.65, 1), (0.3, 2), (0.05, 3)]);
            let blocks = (0..depth)
                .map(|_| {
                    let other = rng.random_bool(0.2);
                    let motif = if other { pick(rng, &MOTIFS) } else { motif };
                    conv_block_of(limits, motif, rng)
                })
                .collect();
            Stage { down, width, blocks }
        })
        .collect();
    ImageNet {
        stem,
        stages,
        norm: pick(rng, &[(0.9, Norm::Batch), (0.05, Norm::None), (0.05, Norm::Layer)]),
        activation: activation(rng),
        head: Head {
            pool: pick(rng, &[(0.5, GlobalPool::Average), (0.5, GlobalPool::Max)]),
            hidden: if rng.random_bool(0.15) { one_of(rng, &limits.hidden).unwrap_or(0) } else { 0 },
            dropout: pick(rng, &[(0.7, 0.0), (0.15, 0.1), (0.15, 0.2)]),
        },
    }
}

const MOTIFS: [(f64, ConvMotif); 7] = [
    (0.32, ConvMotif::ConvNormAct),
    (0.3, ConvMotif::Residual),
    (0.18, ConvMotif::ConvDepthwise),
    (0.08, ConvMotif::Bottleneck),
    (0.05, ConvMotif::Inception),
    (0.05, ConvMotif::Dense),
    (0.02, ConvMotif::ConvAct),
];

/// A random block for images.
pub(in crate::genome) fn conv_block(limits: &ImageLimits, rng: &mut ChaCha8Rng) -> ConvBlock {
    let motif = pick(rng, &MOTIFS);
    conv_block_of(limits, motif, rng)
}

/// A random block with this motif.
fn conv_block_of(limits: &ImageLimits, motif: ConvMotif, rng: &mut ChaCha8Rng) -> ConvBlock {
    ConvBlock {
        motif,
        kernel: pick(rng, &[(0.85, 3), (0.12, 5), (0.03, 1)]),
        dilation: if rng.random_bool(0.03) { one_of(rng, &limits.dilations).unwrap_or(1) } else { 1 },
        groups: if rng.random_bool(0.1) { one_of(rng, &limits.groups).unwrap_or(1) } else { 1 },
        quarters: pick(rng, &[(0.25, 2), (0.6, 4), (0.15, 8)]),
        branches: pick(rng, &[(0.4, 2), (0.4, 3), (0.2, 4)]),
        skip: always_skips(motif) || rng.random_bool(0.15),
    }
}

/// A random stage of one or two blocks.
pub(in crate::genome) fn stage(limits: &ImageLimits, width: usize, rng: &mut ChaCha8Rng) -> Stage {
    let block = conv_block(limits, rng);
    let down = pick(rng, &[(0.3, Downsample::None), (0.4, Downsample::MaxPool), (0.3, Downsample::Stride)]);
    Stage { down, width, blocks: vec![block; pick(rng, &[(0.7, 1), (0.3, 2)])] }
}

/// A random block for tables, about as wide as `width`.
pub(in crate::genome) fn table_block(limits: &TableLimits, width: usize, rng: &mut ChaCha8Rng) -> TableBlock {
    let motif = pick(rng, &[(0.4, TableMotif::Linear), (0.45, TableMotif::Residual), (0.15, TableMotif::Gated)]);
    let width = nearest(&limits.widths, width * pick(rng, &[(0.25, 1), (0.5, 2), (0.25, 4)]) / 2);
    TableBlock { motif, width, dropout: pick(rng, &[(0.5, 0.0), (0.3, 0.1), (0.2, 0.2)]) }
}
