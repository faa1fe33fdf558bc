//! Random genomes, with priors centred on what works.

use super::{
    ImageLimits, Limits, SearchSpace, TableLimits, TrainingLimits,
    range::{among, flag},
};
use crate::genome::{
    choice::{CategoricalKind, NumericKind, OptimizerKind},
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
    /// A random genome; always valid. Priors are followed as far as the space goes; where it goes elsewhere, all of it is
    /// as likely.
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

    /// A random genome of one block, from which mutations that grow lead to the others; always valid.
    pub fn small(&self, rng: &mut ChaCha8Rng) -> Genome {
        let mut genome = self.birth(rng);
        match &mut genome.net {
            Net::Table(net) => net.blocks.truncate(1),
            Net::Image(net) => {
                net.stages.truncate(1);
                net.stages.iter_mut().for_each(|stage| stage.blocks.truncate(1));
            }
            Net::Ancestor(_) => {}
        }
        self.repair(&mut genome);
        genome
    }

    fn random_training(&self, rng: &mut ChaCha8Rng) -> Training {
        let image = match self.domain.input {
            InputDomain::Image { channels, .. } => Some(channels),
            InputDomain::Table { .. } => None,
        };
        let limits = &self.training;
        let (optimizer, learning_rate, weight_decay) = optimizing(limits, image.is_some(), rng);
        let smoothing =
            if image.is_some() { [(0.5, 0.0), (0.25, 0.05), (0.25, 0.1)] } else { [(0.8, 0.0), (0.1, 0.03), (0.1, 0.1)] };
        let loss = if self.domain.classification {
            Loss::CrossEntropy
        } else {
            among(rng, &[(0.7, Loss::Mse), (0.3, Loss::Huber)], &limits.losses)
        };
        Training {
            optimizer,
            learning_rate,
            schedule: among(rng, &SCHEDULES, &limits.schedules),
            weight_decay,
            label_smoothing: limits.label_smoothing.draw(rng, &smoothing),
            batch: if image.is_some() { small(rng, &limits.batches) } else { one_of(rng, &limits.batches) }.unwrap_or(1),
            initialisation: among(rng, &INITIALISATIONS, &limits.initialisations),
            loss,
            augmentation: image.map_or_else(Augmentation::default, |channels| augmentation(limits, channels, rng)),
            length: limits.lengths.draw(rng, &[]),
        }
    }
}

/// Optimizer, peak learning rate and weight decay, which belong together.
fn optimizing(limits: &TrainingLimits, image: bool, rng: &mut ChaCha8Rng) -> (Optimizer, f32, f32) {
    let prior = if image { &IMAGE_OPTIMIZERS } else { &TABLE_OPTIMIZERS };
    let allowed: Vec<(f64, Optimizer)> =
        prior.iter().copied().filter(|(_, optimizer)| limits.optimizers.contains(&optimizer.kind())).collect();
    let drawn = if allowed.is_empty() { plainest(one_of(rng, &limits.optimizers)) } else { pick(rng, &allowed) };
    let kind = drawn.kind();
    let (rates, decays) = (limits.learning_rate.of(kind), limits.weight_decay.of(kind));
    match drawn {
        Optimizer::Sgd { .. } => {
            let momentum = limits.momentum.draw(rng, &[(0.7, 0.9), (0.3, 0.95)]);
            (Optimizer::Sgd { momentum }, rates.draw_within(rng, 0.02, 0.2), decays.draw(rng, &COUPLED_DECAYS))
        }
        adam => {
            let (low, high) = if image { (1e-3, 1e-2) } else { (3e-4, 1e-2) };
            // What is added to the gradient is of the size of gradients, what is decoupled from it of rates.
            let coupled = matches!(adam, Optimizer::Adam { .. });
            let usual: &[(f64, f32)] = if coupled { &COUPLED_DECAYS } else { &DECOUPLED_DECAYS };
            (adam, rates.draw_within(rng, low, high), decays.draw(rng, usual))
        }
    }
}

/// The optimizer as it is used most often.
fn plainest(kind: Option<OptimizerKind>) -> Optimizer {
    match kind {
        Some(OptimizerKind::Sgd) => Optimizer::Sgd { momentum: 0.9 },
        Some(OptimizerKind::Adam) => Optimizer::Adam { beta2: 0.999 },
        Some(OptimizerKind::AdamW) | None => Optimizer::AdamW { beta2: 0.999 },
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
const COUPLED_DECAYS: [(f64, f32); 4] = [(0.2, 0.0), (0.3, 1e-4), (0.4, 5e-4), (0.1, 1e-3)];
const DECOUPLED_DECAYS: [(f64, f32); 5] = [(0.2, 0.0), (0.2, 1e-3), (0.3, 0.01), (0.2, 0.03), (0.1, 0.1)];

const SCHEDULES: [(f64, Schedule); 4] =
    [(0.5, Schedule::OneCycle), (0.25, Schedule::Cosine), (0.2, Schedule::WarmupCosine), (0.05, Schedule::Constant)];
const INITIALISATIONS: [(f64, Initialisation); 3] =
    [(0.7, Initialisation::HeNormal), (0.15, Initialisation::GlorotUniform), (0.15, Initialisation::LecunNormal)];
const ACTIVATIONS: [(f64, Act); 4] = [(0.6, Act::Relu), (0.15, Act::Silu), (0.15, Act::Gelu), (0.1, Act::LeakyRelu)];

fn augmentation(limits: &TrainingLimits, channels: usize, rng: &mut ChaCha8Rng) -> Augmentation {
    let mirrored = if channels > 1 { 0.6 } else { 0.3 };
    Augmentation {
        flip: flag(rng, mirrored, &limits.flips),
        shift: if rng.random_bool(0.3) { rng.random_range(0..=limits.shift.high.min(4)) } else { 0 },
        cutout: if rng.random_bool(0.1) { limits.cutout.high / 2 } else { 0 },
    }
}

fn table(limits: &TableLimits, features: usize, rng: &mut ChaCha8Rng) -> TableNet {
    let numeric = numbers(limits, features, rng);
    let categorical = if among(rng, &CATEGORICAL, &limits.categorical) == CategoricalKind::OneHot {
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
    let depth = limits.blocks.draw(rng, &[(0.05, 1), (0.35, 2), (0.35, 3), (0.25, 4)]);
    let blocks = (0..depth)
        .map(|index| {
            let first = index == 0 && limits.motifs.contains(&TableMotif::Linear);
            let motif = if first { TableMotif::Linear } else { among(rng, later, &limits.motifs) };
            TableBlock { motif, width, dropout }
        })
        .collect();
    TableNet {
        numeric,
        categorical,
        norm: among(rng, &[(0.5, Norm::Batch), (0.4, Norm::None), (0.1, Norm::Layer)], &limits.norms),
        activation: activation(&limits.activations, rng),
        blocks,
    }
}

const CATEGORICAL: [(f64, CategoricalKind); 2] = [(0.6, CategoricalKind::OneHot), (0.4, CategoricalKind::Embedding)];

fn numbers(limits: &TableLimits, features: usize, rng: &mut ChaCha8Rng) -> NumericEncoding {
    // Encodings multiply the input, so they are rarer where there are many features.
    let encoded = if features > 100 { 0.1 } else { 1.0 };
    let prior =
        [(0.35, NumericKind::Plain), (0.35 * encoded, NumericKind::Piecewise), (0.3 * encoded, NumericKind::Periodic)];
    let kind = among(rng, &prior, &limits.numeric);
    let dim = nearest(&limits.encoding_dims, pick(rng, &[(0.3, 4), (0.5, 8), (0.2, 16)]));
    match kind {
        NumericKind::Plain => NumericEncoding::Plain,
        NumericKind::Piecewise => NumericEncoding::Piecewise { bins: one_of(rng, &limits.bins).unwrap_or(1), dim },
        NumericKind::Periodic => NumericEncoding::Periodic {
            frequencies: one_of(rng, &limits.frequencies).unwrap_or(1),
            sigma: limits.sigma.draw_within(rng, 0.05, 1.0),
            dim,
        },
    }
}

fn activation(allowed: &[Act], rng: &mut ChaCha8Rng) -> Act {
    if rng.random_bool(0.03) {
        return one_of(rng, allowed).unwrap_or(Act::Relu);
    }
    among(rng, &ACTIVATIONS, allowed)
}

fn image(limits: &ImageLimits, size: Size, rng: &mut ChaCha8Rng) -> ImageNet {
    let start = among(rng, &[(0.35, 16), (0.1, 24), (0.4, 32), (0.15, 48)], &limits.stem.widths);
    let large = size.side() >= 48;
    let stem = Stem {
        width: start,
        kernel: among(rng, &[(0.85, 3), (0.15, 5)], &limits.stem.kernels),
        stride: if large && rng.random_bool(0.75) { 2 } else { 1 },
    };
    let more = usize::from(size.side() >= 96);
    let count = limits.stages.draw(rng, &[(0.3, 2 + more), (0.5, 3 + more), (0.2, 4 + more)]);
    let motif = among(rng, &MOTIFS, &limits.motifs);
    let mut width = start;
    let stages = (0..count)
        .map(|index| {
            if index > 0 {
                let wider = width * pick(rng, &[(0.3, 3), (0.7, 4)]) / 2;
                width = nearest(&limits.widths, wider.min(start.max(128)));
            }
            let first = index == 0 && !(large && rng.random_bool(0.6));
            let down = if first { Downsample::None } else { among(rng, &DOWNS, &limits.downs) };
            let depth = limits.blocks.draw(rng, &[(0.65, 1), (0.3, 2), (0.05, 3)]);
            let blocks = (0..depth)
                .map(|_| {
                    let other = rng.random_bool(0.2);
                    let motif = if other { among(rng, &MOTIFS, &limits.motifs) } else { motif };
                    conv_block_of(limits, motif, rng)
                })
                .collect();
            Stage { down, width, blocks }
        })
        .collect();
    ImageNet {
        stem,
        stages,
        norm: among(rng, &[(0.9, Norm::Batch), (0.05, Norm::None), (0.05, Norm::Layer)], &limits.norms),
        activation: activation(&limits.activations, rng),
        head: Head {
            pool: among(rng, &[(0.5, GlobalPool::Average), (0.5, GlobalPool::Max)], &limits.pools),
            hidden: if rng.random_bool(0.15) { one_of(rng, &limits.hidden).unwrap_or(0) } else { 0 },
            dropout: limits.dropout.draw(rng, &[(0.7, 0.0), (0.15, 0.1), (0.15, 0.2)]),
        },
    }
}

const DOWNS: [(f64, Downsample); 3] =
    [(0.5, Downsample::MaxPool), (0.15, Downsample::AveragePool), (0.35, Downsample::Stride)];
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
    let motif = among(rng, &MOTIFS, &limits.motifs);
    conv_block_of(limits, motif, rng)
}

/// A random block with this motif.
fn conv_block_of(limits: &ImageLimits, motif: ConvMotif, rng: &mut ChaCha8Rng) -> ConvBlock {
    ConvBlock {
        motif,
        kernel: among(rng, &[(0.85, 3), (0.12, 5), (0.03, 1)], limits.kernels.of(motif)),
        dilation: if rng.random_bool(0.03) { one_of(rng, limits.dilations.of(motif)).unwrap_or(1) } else { 1 },
        groups: if rng.random_bool(0.1) { one_of(rng, limits.groups.of(motif)).unwrap_or(1) } else { 1 },
        quarters: among(rng, &[(0.25, 2), (0.6, 4), (0.15, 8)], limits.quarters.of(motif)),
        branches: among(rng, &[(0.4, 2), (0.4, 3), (0.2, 4)], limits.branches.of(motif)),
        skip: always_skips(motif) || flag(rng, 0.15, limits.skips.of(motif)),
    }
}

/// A random stage of one or two blocks.
pub(in crate::genome) fn stage(limits: &ImageLimits, width: usize, rng: &mut ChaCha8Rng) -> Stage {
    let block = conv_block(limits, rng);
    let prior = [(0.3, Downsample::None), (0.4, Downsample::MaxPool), (0.3, Downsample::Stride)];
    let down = among(rng, &prior, &limits.downs);
    Stage { down, width, blocks: vec![block; limits.blocks.draw(rng, &[(0.7, 1), (0.3, 2)])] }
}

/// A random block for tables, about as wide as `width`.
pub(in crate::genome) fn table_block(limits: &TableLimits, width: usize, rng: &mut ChaCha8Rng) -> TableBlock {
    let prior = [(0.4, TableMotif::Linear), (0.45, TableMotif::Residual), (0.15, TableMotif::Gated)];
    let motif = among(rng, &prior, &limits.motifs);
    let width = nearest(limits.widths.of(motif), width * pick(rng, &[(0.25, 1), (0.5, 2), (0.25, 4)]) / 2);
    let dropout = limits.dropout.of(motif).draw(rng, &[(0.5, 0.0), (0.3, 0.1), (0.2, 0.2)]);
    TableBlock { motif, width, dropout }
}
