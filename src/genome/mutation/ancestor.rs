//! The scale of an ancestor: width, depth and resolution, alone or together (Tan and Le, 2019).

use super::{Edit, Kind, Mutation, repaired};
use crate::genome::{
    ancestor::{AncestorNet, PUBLISHED},
    draw::{above, below, one_of},
    genes::{Genome, Net},
    space::{Limits, ScaleLimits, SearchSpace},
};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

pub(super) static WIDTH: Mutation = Mutation {
    name: "ancestor_width",
    doc: "makes an ancestor one choice wider or narrower",
    kind: Kind::Architecture,
    preserving: false,
    shrinking: false,
    growing: false,
    apply: |space, parent, rng| stepped(space, parent, rng, "width", |scales| &scales.widths, |net| &mut net.width),
};

pub(super) static DEPTH: Mutation = Mutation {
    name: "ancestor_depth",
    doc: "gives the stages of an ancestor more or fewer blocks",
    kind: Kind::Architecture,
    preserving: false,
    shrinking: false,
    growing: false,
    apply: depth,
};

pub(super) static RESOLUTION: Mutation = Mutation {
    name: "ancestor_resolution",
    doc: "interpolates the images that an ancestor reads to the next larger or smaller size",
    kind: Kind::Architecture,
    preserving: false,
    shrinking: false,
    growing: false,
    apply: |space, parent, rng| {
        stepped(space, parent, rng, "resolution", |scales| &scales.resolutions, |net| &mut net.resolution)
    },
};

pub(super) static COMPOUND: Mutation = Mutation {
    name: "ancestor_compound",
    doc: "moves width, depth and resolution of an ancestor together, up or down",
    kind: Kind::Architecture,
    preserving: false,
    shrinking: false,
    growing: false,
    apply: compound,
};

fn ancestor<'a>(space: &'a SearchSpace, genome: &Genome) -> Option<(&'a ScaleLimits, AncestorNet)> {
    match (&space.limits, &genome.net) {
        (Limits::Image(limits), &Net::Ancestor(net)) => Some((&limits.ancestors, net)),
        _ => None,
    }
}

fn with_ancestor(genome: &Genome, net: AncestorNet) -> Genome {
    Genome { net: Net::Ancestor(net), training: genome.training }
}

/// Moves one factor to the next choice up or down.
fn stepped(
    space: &SearchSpace,
    parent: &Genome,
    rng: &mut ChaCha8Rng,
    name: &str,
    choices: fn(&ScaleLimits) -> &[usize],
    gene: fn(&mut AncestorNet) -> &mut usize,
) -> Option<Edit> {
    let (scales, mut net) = ancestor(space, parent)?;
    let factor = gene(&mut net);
    let old = *factor;
    *factor = one_of(rng, &neighbours(choices(scales), old))?;
    let words = format!("ancestor {name} {old}/{PUBLISHED} → {factor}/{PUBLISHED}");
    repaired(space, parent, with_ancestor(parent, net), words)
}

/// As [`stepped`], over the choices that give other numbers of blocks.
fn depth(space: &SearchSpace, parent: &Genome, rng: &mut ChaCha8Rng) -> Option<Edit> {
    let (scales, net) = ancestor(space, parent)?;
    let plain = |&depth: &usize| AncestorNet { depth, ..net }.plain_depth();
    let mut choices: Vec<usize> = scales.depths.iter().map(plain).collect();
    choices.sort_unstable();
    choices.dedup();
    let depth = one_of(rng, &neighbours(&choices, net.plain_depth()))?;
    let words = format!("ancestor depth {}/{PUBLISHED} → {depth}/{PUBLISHED}", net.depth);
    repaired(space, parent, with_ancestor(parent, AncestorNet { depth, ..net }), words)
}

fn compound(space: &SearchSpace, parent: &Genome, rng: &mut ChaCha8Rng) -> Option<Edit> {
    let (scales, mut net) = ancestor(space, parent)?;
    let up = rng.random_bool(0.5);
    let factors =
        [(&scales.widths, &mut net.width), (&scales.depths, &mut net.depth), (&scales.resolutions, &mut net.resolution)];
    for (choices, factor) in factors {
        let next = if up { above(choices, *factor) } else { below(choices, *factor) };
        *factor = next.unwrap_or(*factor);
    }
    let words = format!("ancestor compound {}", if up { "up" } else { "down" });
    repaired(space, parent, with_ancestor(parent, net), words)
}

/// The next choices down and up.
fn neighbours(choices: &[usize], value: usize) -> Vec<usize> {
    below(choices, value).into_iter().chain(above(choices, value)).collect()
}
