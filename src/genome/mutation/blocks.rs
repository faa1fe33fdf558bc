//! Blocks put in, taken out and exchanged.

use super::{Edit, Kind, Mutation, positions, preserved, repaired, with_image, with_table};
use crate::genome::{
    choice::Choice,
    draw::{another, nearest, one_of, pick},
    genes::{ConvBlock, ConvMotif, Genome, Net, TableBlock, TableMotif},
    shape::{always_skips, has_branches},
    space::{Limits, SearchSpace, conv_block, table_block},
};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

pub(super) static DEEPEN: Mutation = Mutation {
    name: "deepen",
    doc: "inserts a residual block that starts as the identity",
    kind: Kind::Architecture,
    preserving: true,
    shrinking: false,
    growing: true,
    apply: deepen,
};

fn deepen(space: &SearchSpace, parent: &Genome, rng: &mut ChaCha8Rng) -> Option<Edit> {
    match (&space.limits, &parent.net) {
        (Limits::Table(limits), Net::Table(net)) => {
            let at = rng.random_range(1..=net.blocks.len());
            let width = table_block(limits, net.blocks[at - 1].width, rng).width;
            let dropout = net.blocks[at - 1].dropout;
            let mut child = net.clone();
            child.blocks.insert(at, TableBlock { motif: TableMotif::Residual, width, dropout });
            preserved(space, parent, with_table(parent, child), format!("deepen blocks.{at} residual {width}"))
        }
        (Limits::Image(limits), Net::Image(net)) => {
            let (stage, block) = one_of(rng, &positions(net))?;
            let at = block + 1;
            let motif = pick(rng, &[(0.75, ConvMotif::Residual), (0.25, ConvMotif::Bottleneck)]);
            let added = ConvBlock {
                motif,
                kernel: nearest(limits.kernels.of(motif), 3),
                dilation: nearest(limits.dilations.of(motif), 1),
                groups: nearest(limits.groups.of(motif), 1),
                quarters: nearest(limits.quarters.of(motif), 2),
                branches: 1,
                skip: true,
            };
            let mut child = net.clone();
            child.stages[stage].blocks.insert(at, added);
            let words = format!("deepen stages.{stage}.blocks.{at} {}", motif.name());
            preserved(space, parent, with_image(parent, child), words)
        }
        _ => None,
    }
}

pub(super) static INSERT_BLOCK: Mutation = Mutation {
    name: "insert_block",
    doc: "inserts a random block",
    kind: Kind::Architecture,
    preserving: false,
    shrinking: false,
    growing: true,
    apply: insert_block,
};

fn insert_block(space: &SearchSpace, parent: &Genome, rng: &mut ChaCha8Rng) -> Option<Edit> {
    match (&space.limits, &parent.net) {
        (Limits::Table(limits), Net::Table(net)) if net.blocks.len() < limits.blocks.high => {
            let at = rng.random_range(0..=net.blocks.len());
            let block = table_block(limits, net.blocks[at.saturating_sub(1)].width, rng);
            let mut child = net.clone();
            child.blocks.insert(at, block);
            let words = format!("insert blocks.{at} {} {}", block.motif.name(), block.width);
            repaired(space, parent, with_table(parent, child), words)
        }
        (Limits::Image(limits), Net::Image(net)) => {
            let stage = rng.random_range(0..net.stages.len());
            let blocks = &net.stages[stage].blocks;
            if blocks.len() >= limits.blocks.high {
                return None;
            }
            let at = rng.random_range(0..=blocks.len());
            let block = conv_block(limits, rng);
            let mut child = net.clone();
            child.stages[stage].blocks.insert(at, block);
            let words = format!("insert stages.{stage}.blocks.{at} {}", block.motif.name());
            repaired(space, parent, with_image(parent, child), words)
        }
        _ => None,
    }
}

pub(super) static DUPLICATE_BLOCK: Mutation = Mutation {
    name: "duplicate_block",
    doc: "repeats a block",
    kind: Kind::Architecture,
    preserving: false,
    shrinking: false,
    growing: true,
    apply: duplicate_block,
};

fn duplicate_block(space: &SearchSpace, parent: &Genome, rng: &mut ChaCha8Rng) -> Option<Edit> {
    match (&space.limits, &parent.net) {
        (Limits::Table(limits), Net::Table(net)) if net.blocks.len() < limits.blocks.high => {
            let at = rng.random_range(0..net.blocks.len());
            let mut child = net.clone();
            child.blocks.insert(at, net.blocks[at]);
            repaired(space, parent, with_table(parent, child), format!("duplicate blocks.{at}"))
        }
        (Limits::Image(limits), Net::Image(net)) => {
            let (stage, at) = one_of(rng, &positions(net))?;
            if net.stages[stage].blocks.len() >= limits.blocks.high {
                return None;
            }
            let mut child = net.clone();
            child.stages[stage].blocks.insert(at, net.stages[stage].blocks[at]);
            repaired(space, parent, with_image(parent, child), format!("duplicate stages.{stage}.blocks.{at}"))
        }
        _ => None,
    }
}

pub(super) static REMOVE_BLOCK: Mutation = Mutation {
    name: "remove_block",
    doc: "takes a block out",
    kind: Kind::Architecture,
    preserving: false,
    shrinking: true,
    growing: false,
    apply: remove_block,
};

fn remove_block(space: &SearchSpace, parent: &Genome, rng: &mut ChaCha8Rng) -> Option<Edit> {
    match (&space.limits, &parent.net) {
        (Limits::Table(limits), Net::Table(net)) if net.blocks.len() > limits.blocks.low => {
            let at = rng.random_range(0..net.blocks.len());
            let mut child = net.clone();
            let block = child.blocks.remove(at);
            let words = format!("remove blocks.{at} {} {}", block.motif.name(), block.width);
            repaired(space, parent, with_table(parent, child), words)
        }
        (Limits::Image(limits), Net::Image(net)) => {
            let mut spare = positions(net);
            spare.retain(|&(stage, _)| net.stages[stage].blocks.len() > limits.blocks.low);
            let (stage, at) = one_of(rng, &spare)?;
            let mut child = net.clone();
            let block = child.stages[stage].blocks.remove(at);
            let words = format!("remove stages.{stage}.blocks.{at} {}", block.motif.name());
            repaired(space, parent, with_image(parent, child), words)
        }
        _ => None,
    }
}

pub(super) static MOTIF: Mutation = Mutation {
    name: "motif",
    doc: "exchanges the structure of a block",
    kind: Kind::Architecture,
    preserving: false,
    shrinking: false,
    growing: false,
    apply: motif,
};

fn motif(space: &SearchSpace, parent: &Genome, rng: &mut ChaCha8Rng) -> Option<Edit> {
    match (&space.limits, &parent.net) {
        (Limits::Table(limits), Net::Table(net)) => {
            let at = rng.random_range(0..net.blocks.len());
            let mut child = net.clone();
            let block = &mut child.blocks[at];
            let old = block.motif;
            block.motif = another(rng, &limits.motifs, old)?;
            let words = format!("motif blocks.{at} {} → {}", old.name(), block.motif.name());
            repaired(space, parent, with_table(parent, child), words)
        }
        (Limits::Image(limits), Net::Image(net)) => {
            let (stage, at) = one_of(rng, &positions(net))?;
            let mut child = net.clone();
            let block = &mut child.stages[stage].blocks[at];
            let old = block.motif;
            block.motif = another(rng, &limits.motifs, old)?;
            // A skip that came with the old motif goes with it.
            block.skip = always_skips(block.motif) || block.skip && !always_skips(old);
            if has_branches(block.motif) {
                block.branches = block.branches.max(2);
            }
            let words = format!("motif stages.{stage}.blocks.{at} {} → {}", old.name(), block.motif.name());
            repaired(space, parent, with_image(parent, child), words)
        }
        _ => None,
    }
}
