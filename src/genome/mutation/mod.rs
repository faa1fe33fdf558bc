//! Mutations: typed edits of a genome. Each is an entry of [`ALL`], in the file of its family.

mod ancestor;
mod blocks;
mod encoding;
mod ends;
mod inside;
mod net;
mod regularisation;
mod skip;
mod stages;
mod training;
mod width;

use super::{
    genes::{Genome, ImageNet, Net, TableNet, Training},
    morphism::preserves,
    space::SearchSpace,
};
use rand_chacha::ChaCha8Rng;

/// Every mutation.
pub static ALL: &[&Mutation] = &[
    &blocks::DEEPEN,
    &blocks::INSERT_BLOCK,
    &blocks::DUPLICATE_BLOCK,
    &blocks::REMOVE_BLOCK,
    &blocks::MOTIF,
    &width::WIDEN,
    &width::NARROW,
    &width::RESIZE,
    &width::SCALE,
    &inside::GROW_KERNEL,
    &inside::SHRINK_KERNEL,
    &inside::DILATION,
    &inside::GROUPS,
    &inside::QUARTERS,
    &inside::BRANCHES,
    &skip::ADD_SKIP,
    &skip::REMOVE_SKIP,
    &stages::INSERT_STAGE,
    &stages::REMOVE_STAGE,
    &stages::DOWN,
    &ends::STEM_KERNEL,
    &ends::STEM_STRIDE,
    &ends::HEAD_POOL,
    &ends::HEAD_HIDDEN,
    &net::NORM,
    &net::ACTIVATION,
    &encoding::NUMERIC,
    &encoding::NUMERIC_SIZE,
    &encoding::CATEGORICAL,
    &ancestor::WIDTH,
    &ancestor::DEPTH,
    &ancestor::RESOLUTION,
    &ancestor::COMPOUND,
    &training::OPTIMIZER,
    &training::MOMENTUM,
    &training::LEARNING_RATE,
    &training::SCHEDULE,
    &training::BATCH,
    &training::INITIALISATION,
    &training::LOSS,
    &training::LENGTH,
    &regularisation::WEIGHT_DECAY,
    &regularisation::DROPOUT,
    &regularisation::LABEL_SMOOTHING,
    &regularisation::FLIP,
    &regularisation::SHIFT,
    &regularisation::CUTOUT,
];

/// A kind of edit.
pub struct Mutation {
    /// Name, such as `insert_block`.
    pub name: &'static str,
    /// What it does, in a line.
    pub doc: &'static str,
    /// What it touches.
    pub kind: Kind,
    /// Whether a child that starts from its parent's weights, padded as [`preserves`] says, computes the same function.
    pub preserving: bool,
    /// Whether the child is the parent with something taken away, so that it can keep the rest of its weights.
    pub shrinking: bool,
    /// Whether the child is the parent with a block or stage put in, or with wider layers or larger kernels.
    pub growing: bool,
    /// Makes a child: valid, and of another canonical hash than its parent. `None` where the edit does not apply, or
    /// where what was drawn cannot be done within the space; another draw may do.
    pub apply: fn(&SearchSpace, &Genome, &mut ChaCha8Rng) -> Option<Edit>,
}

/// What a mutation touches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The net at inference.
    Architecture,
    /// Only how it is trained, dropout included.
    Training,
    /// Only what weights start with: of no effect where they are inherited.
    Start,
}

/// A child and how it came about.
#[derive(Debug, Clone, PartialEq)]
pub struct Edit {
    /// The child.
    pub genome: Genome,
    /// In words, such as `widen stages.1 64 → 96`.
    pub words: String,
}

/// The child repaired; `None` where that leaves nothing of the edit.
fn repaired(space: &SearchSpace, parent: &Genome, mut genome: Genome, mut words: String) -> Option<Edit> {
    let drawn = genome.canonical();
    space.repair(&mut genome);
    if genome != drawn {
        words.push_str(", repaired");
    }
    (genome != parent.canonical() && space.contains(&genome).is_ok()).then_some(Edit { genome, words })
}

/// The child as it is; `None` where it is not valid, or could not compute what its parent computes.
fn preserved(space: &SearchSpace, parent: &Genome, genome: Genome, words: String) -> Option<Edit> {
    let genome = genome.canonical();
    let sound = genome != parent.canonical() && space.contains(&genome).is_ok() && preserves(parent, &genome);
    sound.then_some(Edit { genome, words })
}

/// The child with these training genes.
fn trained(space: &SearchSpace, parent: &Genome, training: Training, words: String) -> Option<Edit> {
    repaired(space, parent, Genome { net: parent.net.clone(), training }, words)
}

/// The genome with its net for tables changed.
fn with_table(genome: &Genome, net: TableNet) -> Genome {
    Genome { net: Net::Table(net), training: genome.training }
}

/// The genome with its net for images changed.
fn with_image(genome: &Genome, net: ImageNet) -> Genome {
    Genome { net: Net::Image(net), training: genome.training }
}

/// Every block of a net for images, as stage and number in it.
fn positions(net: &ImageNet) -> Vec<(usize, usize)> {
    let blocks = |(stage, blocks): (usize, usize)| (0..blocks).map(move |block| (stage, block));
    net.stages.iter().map(|stage| stage.blocks.len()).enumerate().flat_map(blocks).collect()
}

#[cfg(test)]
mod tests;
