//! How far apart two genomes are.

use super::ancestor::AncestorNet;
use super::genes::{
    Augmentation, CategoricalEncoding, ConvBlock, Genome, ImageNet, Net, NumericEncoding, Optimizer, Stage, TableBlock,
    TableNet, Training,
};

/// Between nets of different kinds.
const UNRELATED: f64 = 1_000.0;
/// Between ancestors of different names.
const OTHER_ANCESTOR: f64 = 10.0;
/// Weight of training genes beside structure.
const TRAINING: f64 = 0.25;

/// Distance of two genomes: 0 where and only where they are canonically equal; symmetric; keeps the triangle
/// inequality. 1 is about one block inserted, removed or exchanged; all training genes together weigh at most about 2.
pub fn distance(a: &Genome, b: &Genome) -> f64 {
    let (a, b) = (a.canonical(), b.canonical());
    let net = match (&a.net, &b.net) {
        (Net::Table(a), Net::Table(b)) => table(a, b),
        (Net::Image(a), Net::Image(b)) => image(a, b),
        (Net::Ancestor(a), Net::Ancestor(b)) => ancestor(a, b),
        _ => UNRELATED,
    };
    net + TRAINING * training(&a.training, &b.training)
}

fn table(a: &TableNet, b: &TableNet) -> f64 {
    numeric(&a.numeric, &b.numeric)
        + categorical(&a.categorical, &b.categorical)
        + differ(&a.norm, &b.norm, 0.5)
        + differ(&a.activation, &b.activation, 0.3)
        + edit(&a.blocks, &b.blocks, &|_| 1.0, &table_block)
}

fn numeric(a: &NumericEncoding, b: &NumericEncoding) -> f64 {
    use NumericEncoding::{Periodic, Piecewise, Plain};
    match (*a, *b) {
        (Plain, Plain) => 0.0,
        (Piecewise { bins, dim }, Piecewise { bins: bins_b, dim: dim_b }) => {
            sizes(bins, bins_b, 0.2) + sizes(dim, dim_b, 0.2)
        }
        (Periodic { frequencies, sigma, dim }, Periodic { frequencies: frequencies_b, sigma: sigma_b, dim: dim_b }) => {
            sizes(frequencies, frequencies_b, 0.2) + sizes(dim, dim_b, 0.2) + 0.2 * ratio(sigma, sigma_b, 1e-3)
        }
        _ => 0.8,
    }
}

fn categorical(a: &CategoricalEncoding, b: &CategoricalEncoding) -> f64 {
    match (*a, *b) {
        (CategoricalEncoding::Embedding { dim: a }, CategoricalEncoding::Embedding { dim: b }) => sizes(a, b, 0.2),
        (a, b) => differ(&a, &b, 0.4),
    }
}

fn table_block(a: &TableBlock, b: &TableBlock) -> f64 {
    differ(&a.motif, &b.motif, 1.0) + sizes(a.width, b.width, 0.4) + 0.3 * f64::from((a.dropout - b.dropout).abs())
}

fn image(a: &ImageNet, b: &ImageNet) -> f64 {
    sizes(a.stem.width, b.stem.width, 0.3)
        + sizes(a.stem.kernel, b.stem.kernel, 0.3)
        + differ(&a.stem.stride, &b.stem.stride, 0.5)
        + edit(&a.stages, &b.stages, &|stage| 0.5 + stage.blocks.len() as f64, &stage)
        + differ(&a.norm, &b.norm, 0.5)
        + differ(&a.activation, &b.activation, 0.3)
        + differ(&a.head.pool, &b.head.pool, 0.3)
        + sizes(a.head.hidden, b.head.hidden, 0.3)
        + 0.3 * f64::from((a.head.dropout - b.head.dropout).abs())
}

fn ancestor(a: &AncestorNet, b: &AncestorNet) -> f64 {
    differ(&a.name, &b.name, OTHER_ANCESTOR)
        + sizes(a.width, b.width, 2.0)
        + sizes(a.depth, b.depth, 2.0)
        + sizes(a.resolution, b.resolution, 2.0)
        + 0.3 * f64::from((a.dropout - b.dropout).abs())
}

fn stage(a: &Stage, b: &Stage) -> f64 {
    differ(&a.down, &b.down, 0.3) + sizes(a.width, b.width, 0.4) + edit(&a.blocks, &b.blocks, &|_| 1.0, &conv_block)
}

fn conv_block(a: &ConvBlock, b: &ConvBlock) -> f64 {
    differ(&a.motif, &b.motif, 0.7)
        + sizes(a.kernel, b.kernel, 0.3)
        + sizes(a.dilation, b.dilation, 0.2)
        + sizes(a.groups, b.groups, 0.2)
        + sizes(a.quarters, b.quarters, 0.2)
        + sizes(a.branches, b.branches, 0.2)
        + differ(&a.skip, &b.skip, 0.3)
}

fn training(a: &Training, b: &Training) -> f64 {
    optimizer(&a.optimizer, &b.optimizer)
        + ratio(a.learning_rate, b.learning_rate, 1e-6)
        + differ(&a.schedule, &b.schedule, 0.5)
        + ratio(a.weight_decay, b.weight_decay, 1e-4)
        + 5.0 * f64::from((a.label_smoothing - b.label_smoothing).abs())
        + sizes(a.batch, b.batch, 0.5)
        + differ(&a.initialisation, &b.initialisation, 0.3)
        + differ(&a.loss, &b.loss, 0.5)
        + augmentation(&a.augmentation, &b.augmentation)
        + 0.5 * ratio(a.length, b.length, 1e-6)
}

fn optimizer(a: &Optimizer, b: &Optimizer) -> f64 {
    let (kind_a, decay_a) = decay(a);
    let (kind_b, decay_b) = decay(b);
    if kind_a == kind_b { 0.3 * ratio(1.0 - decay_a, 1.0 - decay_b, 1e-4) } else { 1.0 }
}

fn decay(optimizer: &Optimizer) -> (u8, f32) {
    match *optimizer {
        Optimizer::Sgd { momentum } => (0, momentum),
        Optimizer::Adam { beta2 } => (1, beta2),
        Optimizer::AdamW { beta2 } => (2, beta2),
    }
}

fn augmentation(a: &Augmentation, b: &Augmentation) -> f64 {
    differ(&a.flip, &b.flip, 0.3) + sizes(a.shift, b.shift, 0.2) + sizes(a.cutout, b.cutout, 0.2)
}

fn differ<T: PartialEq>(a: &T, b: &T, weight: f64) -> f64 {
    if a == b { 0.0 } else { weight }
}

/// `weight` where one is four times the other or more.
fn sizes(a: usize, b: usize, weight: f64) -> f64 {
    weight * ((((a + 1) as f64).ln() - ((b + 1) as f64).ln()).abs() / 4f64.ln()).min(1.0)
}

/// 1 where one is thirty times the other or more; what is far below `floor` counts as zero.
fn ratio(a: f32, b: f32, floor: f64) -> f64 {
    (((f64::from(a) + floor).ln() - (f64::from(b) + floor).ln()).abs() / 30f64.ln()).min(1.0)
}

/// Least cost of turning one list into the other by removing, inserting and exchanging items.
fn edit<T>(a: &[T], b: &[T], alone: &dyn Fn(&T) -> f64, exchanged: &dyn Fn(&T, &T) -> f64) -> f64 {
    let mut row: Vec<f64> = vec![0.0];
    for item in b {
        row.push(row[row.len() - 1] + alone(item));
    }
    for item_a in a {
        let mut next = vec![row[0] + alone(item_a)];
        for (column, item_b) in b.iter().enumerate() {
            let removed = row[column + 1] + alone(item_a);
            let inserted = next[column] + alone(item_b);
            let kept = row[column] + exchanged(item_a, item_b);
            next.push(removed.min(inserted).min(kept));
        }
        row = next;
    }
    row[row.len() - 1]
}
