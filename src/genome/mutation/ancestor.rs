//! The scale of an ancestor: width, depth and resolution, alone or together (Tan and Le, 2019).

use super::{Edit, Kind, Mutation, repaired};
use crate::genome::{
    ancestor::{AncestorNet, PUBLISHED, SCALES},
    draw::{above, below, one_of},
    genes::{Genome, Net},
    space::SearchSpace,
};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

pub(super) static WIDTH: Mutation = Mutation {
    name: "ancestor_width",
    doc: "makes an ancestor one choice wider or narrower",
    kind: Kind::Architecture,
    preserving: false,
    shrinking: false,
    apply: |space, parent, rng| stepped(space, parent, rng, "width", |net| &mut net.width),
};

pub(super) static DEPTH: Mutation = Mutation {
    name: "ancestor_depth",
    doc: "gives the stages of an ancestor more or fewer blocks",
    kind: Kind::Architecture,
    preserving: false,
    shrinking: false,
    apply: depth,
};

pub(super) static RESOLUTION: Mutation = Mutation {
    name: "ancestor_resolution",
    doc: "interpolates the images that an ancestor reads to the next larger or smaller size",
    kind: Kind::Architecture,
    preserving: false,
    shrinking: false,
    apply: |space, parent, rng| stepped(space, parent, rng, "resolution", |net| &mut net.resolution),
};

pub(super) static COMPOUND: Mutation = Mutation {
    name: "ancestor_compound",
    doc: "moves width, depth and resolution of an ancestor together, up or down",
    kind: Kind::Architecture,
    preserving: false,
    shrinking: false,
    apply: compound,
};

fn ancestor(genome: &Genome) -> Option<AncestorNet> {
    match genome.net {
        Net::Ancestor(net) => Some(net),
        Net::Table(_) | Net::Image(_) => None,
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
    gene: fn(&mut AncestorNet) -> &mut usize,
) -> Option<Edit> {
    let mut net = ancestor(parent)?;
    let factor = gene(&mut net);
    let old = *factor;
    *factor = one_of(rng, &neighbours(&SCALES, old))?;
    let words = format!("ancestor {name} {old}/{PUBLISHED} → {factor}/{PUBLISHED}");
    repaired(space, parent, with_ancestor(parent, net), words)
}

/// As [`stepped`], over the choices that give other numbers of blocks.
fn depth(space: &SearchSpace, parent: &Genome, rng: &mut ChaCha8Rng) -> Option<Edit> {
    let net = ancestor(parent)?;
    let differs = |&depth: &usize| depth == AncestorNet { depth, ..net }.plain_depth();
    let choices: Vec<usize> = SCALES.into_iter().filter(differs).collect();
    let depth = one_of(rng, &neighbours(&choices, net.plain_depth()))?;
    let words = format!("ancestor depth {}/{PUBLISHED} → {depth}/{PUBLISHED}", net.depth);
    repaired(space, parent, with_ancestor(parent, AncestorNet { depth, ..net }), words)
}

fn compound(space: &SearchSpace, parent: &Genome, rng: &mut ChaCha8Rng) -> Option<Edit> {
    let mut net = ancestor(parent)?;
    let up = rng.random_bool(0.5);
    for factor in [&mut net.width, &mut net.depth, &mut net.resolution] {
        let next = if up { above(&SCALES, *factor) } else { below(&SCALES, *factor) };
        *factor = next.unwrap_or(*factor);
    }
    let words = format!("ancestor compound {}", if up { "up" } else { "down" });
    repaired(space, parent, with_ancestor(parent, net), words)
}

/// The next choices down and up.
fn neighbours(choices: &[usize], value: usize) -> Vec<usize> {
    below(choices, value).into_iter().chain(above(choices, value)).collect()
}
