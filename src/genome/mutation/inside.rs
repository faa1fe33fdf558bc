//! Genes inside a block for images: kernel, dilation, groups, hidden width, branches.

use super::{Edit, Kind, Mutation, positions, preserved, repaired, with_image};
use crate::genome::{
    draw::{above, another, below, one_of},
    genes::{ConvBlock, Genome, Net},
    shape::{has_branches, has_groups, hidden_width},
    space::{ImageLimits, Limits, SearchSpace},
};
use rand_chacha::ChaCha8Rng;

pub(super) static GROW_KERNEL: Mutation = Mutation {
    name: "grow_kernel",
    doc: "enlarges the kernel of a block for images, its new rim at zero",
    kind: Kind::Architecture,
    preserving: true,
    shrinking: false,
    growing: true,
    apply: grow_kernel,
};

fn grow_kernel(space: &SearchSpace, parent: &Genome, rng: &mut ChaCha8Rng) -> Option<Edit> {
    let change: Change = |limits, block, _| swap(&mut block.kernel, |kernel| above(limits.kernels.of(block.motif), kernel));
    let (genome, words) = changed(space, parent, rng, "grow_kernel", |_| true, change)?;
    preserved(space, parent, genome, words)
}

pub(super) static SHRINK_KERNEL: Mutation = Mutation {
    name: "shrink_kernel",
    doc: "takes the rim off the kernel of a block for images",
    kind: Kind::Architecture,
    preserving: false,
    shrinking: true,
    growing: false,
    apply: shrink_kernel,
};

fn shrink_kernel(space: &SearchSpace, parent: &Genome, rng: &mut ChaCha8Rng) -> Option<Edit> {
    let change: Change = |limits, block, _| swap(&mut block.kernel, |kernel| below(limits.kernels.of(block.motif), kernel));
    let (genome, words) = changed(space, parent, rng, "shrink_kernel", |_| true, change)?;
    repaired(space, parent, genome, words)
}

pub(super) static DILATION: Mutation = Mutation {
    name: "dilation",
    doc: "spreads the kernel of a block for images, or draws it together",
    kind: Kind::Architecture,
    preserving: false,
    shrinking: false,
    growing: false,
    apply: dilation,
};

fn dilation(space: &SearchSpace, parent: &Genome, rng: &mut ChaCha8Rng) -> Option<Edit> {
    let change: Change =
        |limits, block, rng| swap(&mut block.dilation, |old| another(rng, limits.dilations.of(block.motif), old));
    let (genome, words) = changed(space, parent, rng, "dilation", |block| block.kernel > 1, change)?;
    repaired(space, parent, genome, words)
}

pub(super) static GROUPS: Mutation = Mutation {
    name: "groups",
    doc: "splits the k×k convolution of a block for images into another number of groups",
    kind: Kind::Architecture,
    preserving: false,
    shrinking: false,
    growing: false,
    apply: groups,
};

fn groups(space: &SearchSpace, parent: &Genome, rng: &mut ChaCha8Rng) -> Option<Edit> {
    let change: Change =
        |limits, block, rng| swap(&mut block.groups, |old| another(rng, limits.groups.of(block.motif), old));
    let (genome, words) = changed(space, parent, rng, "groups", |block| has_groups(block.motif), change)?;
    repaired(space, parent, genome, words)
}

pub(super) static QUARTERS: Mutation = Mutation {
    name: "quarters",
    doc: "changes the hidden width of a bottleneck, an inception's branches or a dense block's layers",
    kind: Kind::Architecture,
    preserving: false,
    shrinking: false,
    growing: false,
    apply: quarters,
};

fn quarters(space: &SearchSpace, parent: &Genome, rng: &mut ChaCha8Rng) -> Option<Edit> {
    let change: Change =
        |limits, block, rng| swap(&mut block.quarters, |old| another(rng, limits.quarters.of(block.motif), old));
    let hidden = |block: &ConvBlock| hidden_width(block, 1, 1).is_some();
    let (genome, words) = changed(space, parent, rng, "quarters", hidden, change)?;
    repaired(space, parent, genome, words)
}

pub(super) static BRANCHES: Mutation = Mutation {
    name: "branches",
    doc: "adds or takes away a branch of an inception or a layer of a dense block",
    kind: Kind::Architecture,
    preserving: false,
    shrinking: false,
    growing: false,
    apply: branches,
};

fn branches(space: &SearchSpace, parent: &Genome, rng: &mut ChaCha8Rng) -> Option<Edit> {
    let change: Change = |limits, block, rng| {
        let choices = limits.branches.of(block.motif);
        let near: Vec<usize> = below(choices, block.branches).into_iter().chain(above(choices, block.branches)).collect();
        swap(&mut block.branches, |_| one_of(rng, &near))
    };
    let (genome, words) = changed(space, parent, rng, "branches", |block| has_branches(block.motif), change)?;
    repaired(space, parent, genome, words)
}

/// Changes a block; gives the old and the new number.
type Change = fn(&ImageLimits, &mut ConvBlock, &mut ChaCha8Rng) -> Option<(usize, usize)>;

/// Gives the gene the value that `choose` makes of its own.
fn swap(gene: &mut usize, choose: impl FnOnce(usize) -> Option<usize>) -> Option<(usize, usize)> {
    let (old, new) = (*gene, choose(*gene)?);
    *gene = new;
    Some((old, new))
}

/// The genome with one random block changed, of those that `fits` takes.
fn changed(
    space: &SearchSpace,
    parent: &Genome,
    rng: &mut ChaCha8Rng,
    verb: &str,
    fits: fn(&ConvBlock) -> bool,
    change: Change,
) -> Option<(Genome, String)> {
    let (Limits::Image(limits), Net::Image(net)) = (&space.limits, &parent.net) else { return None };
    let mut places = positions(net);
    places.retain(|&(stage, at)| fits(&net.stages[stage].blocks[at]));
    let (stage, at) = one_of(rng, &places)?;
    let mut child = net.clone();
    let (old, new) = change(limits, &mut child.stages[stage].blocks[at], rng)?;
    Some((with_image(parent, child), format!("{verb} stages.{stage}.blocks.{at} {old} → {new}")))
}
