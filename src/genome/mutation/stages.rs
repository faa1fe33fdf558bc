//! Stages of nets for images, and how they halve the resolution.

use super::{Edit, Kind, Mutation, repaired, with_image};
use crate::genome::{
    choice::Choice,
    draw::{another, one_of},
    genes::{Genome, Net},
    space::{Limits, SearchSpace, stage},
};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

pub(super) static INSERT_STAGE: Mutation = Mutation {
    name: "insert_stage",
    doc: "inserts a stage as wide as a neighbour or half as wide again",
    kind: Kind::Architecture,
    preserving: false,
    shrinking: false,
    growing: true,
    apply: insert_stage,
};

fn insert_stage(space: &SearchSpace, parent: &Genome, rng: &mut ChaCha8Rng) -> Option<Edit> {
    let (Limits::Image(limits), Net::Image(net)) = (&space.limits, &parent.net) else { return None };
    if net.stages.len() >= limits.stages.high {
        return None;
    }
    let at = rng.random_range(0..=net.stages.len());
    let before = if at == 0 { net.stem.width } else { net.stages[at - 1].width };
    let width = one_of(rng, &[before, before * 3 / 2, before * 2])?;
    let mut child = net.clone();
    child.stages.insert(at, stage(limits, width, rng));
    let words = format!("insert stages.{at} {}", child.stages[at].width);
    repaired(space, parent, with_image(parent, child), words)
}

pub(super) static REMOVE_STAGE: Mutation = Mutation {
    name: "remove_stage",
    doc: "takes a stage out",
    kind: Kind::Architecture,
    preserving: false,
    shrinking: true,
    growing: false,
    apply: remove_stage,
};

fn remove_stage(space: &SearchSpace, parent: &Genome, rng: &mut ChaCha8Rng) -> Option<Edit> {
    let (Limits::Image(limits), Net::Image(net)) = (&space.limits, &parent.net) else { return None };
    if net.stages.len() <= limits.stages.low {
        return None;
    }
    let at = rng.random_range(0..net.stages.len());
    let mut child = net.clone();
    let stage = child.stages.remove(at);
    repaired(space, parent, with_image(parent, child), format!("remove stages.{at} {}", stage.width))
}

pub(super) static DOWN: Mutation = Mutation {
    name: "down",
    doc: "changes how a stage halves the resolution, or whether it does",
    kind: Kind::Architecture,
    preserving: false,
    shrinking: false,
    growing: false,
    apply: down,
};

fn down(space: &SearchSpace, parent: &Genome, rng: &mut ChaCha8Rng) -> Option<Edit> {
    let (Limits::Image(limits), Net::Image(net)) = (&space.limits, &parent.net) else { return None };
    let at = rng.random_range(0..net.stages.len());
    let old = net.stages[at].down;
    let new = another(rng, &limits.downs, old)?;
    let mut child = net.clone();
    child.stages[at].down = new;
    repaired(space, parent, with_image(parent, child), format!("down stages.{at} {} → {}", old.name(), new.name()))
}
