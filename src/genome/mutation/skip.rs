//! Skip connections of blocks for images.

use super::{Edit, Kind, Mutation, positions, repaired, with_image};
use crate::genome::{
    draw::one_of,
    genes::{Genome, Net},
    shape::always_skips,
    space::SearchSpace,
};
use rand_chacha::ChaCha8Rng;

pub(super) static ADD_SKIP: Mutation = Mutation {
    name: "add_skip",
    doc: "adds a block's input to its output",
    kind: Kind::Architecture,
    preserving: false,
    shrinking: false,
    growing: false,
    apply: |space, parent, rng| toggled(space, parent, rng, true),
};

pub(super) static REMOVE_SKIP: Mutation = Mutation {
    name: "remove_skip",
    doc: "takes a block's skip connection away",
    kind: Kind::Architecture,
    preserving: false,
    shrinking: true,
    growing: false,
    apply: |space, parent, rng| toggled(space, parent, rng, false),
};

fn toggled(space: &SearchSpace, parent: &Genome, rng: &mut ChaCha8Rng, skip: bool) -> Option<Edit> {
    let Net::Image(net) = &parent.net else { return None };
    let mut places = positions(net);
    places.retain(|&(stage, at)| {
        let block = &net.stages[stage].blocks[at];
        block.skip != skip && !always_skips(block.motif)
    });
    let (stage, at) = one_of(rng, &places)?;
    let mut child = net.clone();
    child.stages[stage].blocks[at].skip = skip;
    let verb = if skip { "add_skip" } else { "remove_skip" };
    repaired(space, parent, with_image(parent, child), format!("{verb} stages.{stage}.blocks.{at}"))
}
