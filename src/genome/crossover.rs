//! Crossovers: a child of two genomes. Each is an entry of [`ALL`].

use super::{
    align::{conv_cost, items, matched, pairs, width_cost},
    ancestor::AncestorNet,
    genes::{Genome, ImageNet, Net, Stage, TableNet, Training},
    mutation::Edit,
    space::SearchSpace,
};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// Every crossover.
pub static ALL: &[&Crossover] = &[&UNIFORM, &SPLICE, &MATE_TRAINING];

/// A way of making a child of two genomes.
pub struct Crossover {
    /// Name, such as `uniform`.
    pub name: &'static str,
    /// What it does, in a line.
    pub doc: &'static str,
    /// Makes a child of the two: valid, and of another canonical hash than either. `None` where what was drawn gives no
    /// such child; another draw may do.
    pub apply: fn(&SearchSpace, &Genome, &Genome, &mut ChaCha8Rng) -> Option<Edit>,
}

static UNIFORM: Crossover = Crossover {
    name: "uniform",
    doc: "each aligned block, and each gene of the rest, from either parent; blocks that only one has, half of the time",
    apply: |space, a, b, rng| {
        let net = match (&a.net, &b.net) {
            (Net::Table(net_a), Net::Table(net_b)) => Net::Table(mixed_tables(net_a, net_b, &aligned(a, b), rng)),
            (Net::Image(net_a), Net::Image(net_b)) => Net::Image(mixed_images(net_a, net_b, rng)),
            (Net::Ancestor(net_a), Net::Ancestor(net_b)) if net_a.name == net_b.name => {
                Net::Ancestor(mixed_ancestors(net_a, net_b, rng))
            }
            _ => return None,
        };
        let training = mixed_training(&a.training, &b.training, rng);
        child(space, a, b, Genome { net, training }, "crossover uniform")
    },
};

static SPLICE: Crossover = Crossover {
    name: "splice",
    doc: "the first blocks or stages of one parent and the last of the other, with the training of one",
    apply: |space, a, b, rng| {
        let net = match (&a.net, &b.net) {
            (Net::Table(net_a), Net::Table(net_b)) => {
                let (kept, taken) = (rng.random_range(1..=net_a.blocks.len()), rng.random_range(0..=net_b.blocks.len()));
                let blocks = net_a.blocks[..kept].iter().chain(&net_b.blocks[taken..]).copied().collect();
                Net::Table(TableNet { blocks, ..net_a.clone() })
            }
            (Net::Image(net_a), Net::Image(net_b)) => {
                // Cut at the same relative depth, so that resolutions go on about where they were.
                let kept = rng.random_range(1..=net_a.stages.len());
                let taken = kept.min(net_b.stages.len());
                let stages = net_a.stages[..kept].iter().chain(&net_b.stages[taken..]).cloned().collect();
                Net::Image(ImageNet { stages, head: net_b.head, ..net_a.clone() })
            }
            _ => return None,
        };
        let training = if rng.random_bool(0.5) { a.training } else { b.training };
        child(space, a, b, Genome { net, training }, "crossover splice")
    },
};

static MATE_TRAINING: Crossover = Crossover {
    name: "mate_training",
    doc: "the net of one parent with the training of the other",
    apply: |space, a, b, _| {
        child(space, a, b, Genome { net: a.net.clone(), training: b.training }, "crossover mate_training")
    },
};

/// The child repaired; `None` where it equals a parent.
fn child(space: &SearchSpace, a: &Genome, b: &Genome, mut genome: Genome, words: &str) -> Option<Edit> {
    space.repair(&mut genome);
    let new = genome != a.canonical() && genome != b.canonical();
    (new && space.contains(&genome).is_ok()).then_some(Edit { genome, words: words.to_owned() })
}

/// Either of two values, evenly.
fn either<T: Clone>(rng: &mut ChaCha8Rng, a: &T, b: &T) -> T {
    if rng.random_bool(0.5) { a.clone() } else { b.clone() }
}

/// For each block of `b` the block of `a` that it is aligned with.
fn aligned(a: &Genome, b: &Genome) -> Vec<Option<usize>> {
    matched(&items(a), &items(b))
}

/// Two lists merged in order, given for each item of the second its partner in the first: partners are `mix`ed, and an
/// item without one is kept half of the time.
fn merged<T: Clone>(
    a: &[T],
    b: &[T],
    partners: &[Option<usize>],
    rng: &mut ChaCha8Rng,
    mut mix: impl FnMut(&T, &T, &mut ChaCha8Rng) -> T,
) -> Vec<T> {
    let mut list = Vec::new();
    let mut next = 0;
    let keep = |item: &T, list: &mut Vec<T>, rng: &mut ChaCha8Rng| {
        if rng.random_bool(0.5) {
            list.push(item.clone());
        }
    };
    for (item, partner) in b.iter().zip(partners) {
        match *partner {
            Some(at) => {
                a[next..at].iter().for_each(|alone| keep(alone, &mut list, rng));
                list.push(mix(&a[at], item, rng));
                next = at + 1;
            }
            None => keep(item, &mut list, rng),
        }
    }
    a[next..].iter().for_each(|alone| keep(alone, &mut list, rng));
    list
}

fn mixed_tables(a: &TableNet, b: &TableNet, partners: &[Option<usize>], rng: &mut ChaCha8Rng) -> TableNet {
    TableNet {
        numeric: either(rng, &a.numeric, &b.numeric),
        categorical: either(rng, &a.categorical, &b.categorical),
        norm: either(rng, &a.norm, &b.norm),
        activation: either(rng, &a.activation, &b.activation),
        blocks: merged(&a.blocks, &b.blocks, partners, rng, |a, b, rng| either(rng, a, b)),
    }
}

/// Stages are aligned on width and depth, blocks within a pair of stages on their genes.
fn mixed_images(a: &ImageNet, b: &ImageNet, rng: &mut ChaCha8Rng) -> ImageNet {
    let unlike = |a: &Stage, b: &Stage| {
        let depths = a.blocks.len().abs_diff(b.blocks.len()) as f64;
        Some(width_cost(a.width, b.width) + 0.1 * depths + if a.down == b.down { 0.0 } else { 0.2 })
    };
    let partners = pairs(&a.stages, &b.stages, unlike);
    ImageNet {
        stem: either(rng, &a.stem, &b.stem),
        stages: merged(&a.stages, &b.stages, &partners, rng, mixed_stages),
        norm: either(rng, &a.norm, &b.norm),
        activation: either(rng, &a.activation, &b.activation),
        head: either(rng, &a.head, &b.head),
    }
}

/// Each factor from either parent.
fn mixed_ancestors(a: &AncestorNet, b: &AncestorNet, rng: &mut ChaCha8Rng) -> AncestorNet {
    AncestorNet {
        name: a.name,
        width: either(rng, &a.width, &b.width),
        depth: either(rng, &a.depth, &b.depth),
        resolution: either(rng, &a.resolution, &b.resolution),
        dropout: either(rng, &a.dropout, &b.dropout),
    }
}

fn mixed_stages(a: &Stage, b: &Stage, rng: &mut ChaCha8Rng) -> Stage {
    let partners = pairs(&a.blocks, &b.blocks, conv_cost);
    Stage {
        down: either(rng, &a.down, &b.down),
        width: either(rng, &a.width, &b.width),
        blocks: merged(&a.blocks, &b.blocks, &partners, rng, |a, b, rng| either(rng, a, b)),
    }
}

/// Optimizer, learning rate and weight decay belong together; every other gene comes from either parent.
fn mixed_training(a: &Training, b: &Training, rng: &mut ChaCha8Rng) -> Training {
    let optimizing = if rng.random_bool(0.5) { a } else { b };
    Training {
        optimizer: optimizing.optimizer,
        learning_rate: optimizing.learning_rate,
        weight_decay: optimizing.weight_decay,
        schedule: either(rng, &a.schedule, &b.schedule),
        label_smoothing: either(rng, &a.label_smoothing, &b.label_smoothing),
        batch: either(rng, &a.batch, &b.batch),
        initialisation: either(rng, &a.initialisation, &b.initialisation),
        loss: either(rng, &a.loss, &b.loss),
        augmentation: either(rng, &a.augmentation, &b.augmentation),
        length: either(rng, &a.length, &b.length),
    }
}
