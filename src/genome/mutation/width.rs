//! Widths of blocks, stages, the stem and the head's hidden layer.

use super::{Edit, Kind, Mutation, preserved, repaired};
use crate::genome::{
    draw::{above, another, below, one_of},
    genes::{Genome, Net},
    space::{Limits, SearchSpace},
};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

pub(super) static WIDEN: Mutation = Mutation {
    name: "widen",
    doc: "adds units or channels that nothing reads yet",
    kind: Kind::Architecture,
    preserving: true,
    shrinking: false,
    growing: true,
    apply: widen,
};

fn widen(space: &SearchSpace, parent: &Genome, rng: &mut ChaCha8Rng) -> Option<Edit> {
    let (genome, words) = rewidened(space, parent, rng, "widen", |choices, width, _| above(choices, width))?;
    preserved(space, parent, genome, words)
}

pub(super) static NARROW: Mutation = Mutation {
    name: "narrow",
    doc: "takes units or channels away",
    kind: Kind::Architecture,
    preserving: false,
    shrinking: true,
    growing: false,
    apply: narrow,
};

fn narrow(space: &SearchSpace, parent: &Genome, rng: &mut ChaCha8Rng) -> Option<Edit> {
    let (genome, words) = rewidened(space, parent, rng, "narrow", |choices, width, _| below(choices, width))?;
    repaired(space, parent, genome, words)
}

pub(super) static RESIZE: Mutation = Mutation {
    name: "resize",
    doc: "gives another width, from half to double",
    kind: Kind::Architecture,
    preserving: false,
    shrinking: false,
    growing: false,
    apply: resize,
};

fn resize(space: &SearchSpace, parent: &Genome, rng: &mut ChaCha8Rng) -> Option<Edit> {
    let near = |choices: &[usize], width: usize, rng: &mut ChaCha8Rng| {
        let near: Vec<usize> =
            choices.iter().copied().filter(|&choice| 2 * choice >= width && choice <= 2 * width).collect();
        another(rng, &near, width)
    };
    let (genome, words) = rewidened(space, parent, rng, "resize", near)?;
    repaired(space, parent, genome, words)
}

pub(super) static SCALE: Mutation = Mutation {
    name: "scale",
    doc: "makes every block, stage and the stem one choice wider, or narrower",
    kind: Kind::Architecture,
    preserving: false,
    shrinking: false,
    growing: false,
    apply: scale,
};

fn scale(space: &SearchSpace, parent: &Genome, rng: &mut ChaCha8Rng) -> Option<Edit> {
    let up = rng.random_bool(0.5);
    let step = |choices: &[usize], width: &mut usize| {
        let next = if up { above(choices, *width) } else { below(choices, *width) };
        *width = next.unwrap_or(*width);
    };
    let mut genome = parent.clone();
    match (&space.limits, &mut genome.net) {
        (Limits::Table(limits), Net::Table(net)) => {
            net.blocks.iter_mut().for_each(|block| step(limits.widths.of(block.motif), &mut block.width));
        }
        (Limits::Image(limits), Net::Image(net)) => {
            step(&limits.stem.widths, &mut net.stem.width);
            net.stages.iter_mut().for_each(|stage| step(&limits.widths, &mut stage.width));
        }
        _ => return None,
    }
    repaired(space, parent, genome, format!("scale {}", if up { "up" } else { "down" }))
}

/// Draws a new width from the choices for the one that a place has.
type Choose = fn(&[usize], usize, &mut ChaCha8Rng) -> Option<usize>;

/// The genome with the width of a random place chosen anew.
fn rewidened(
    space: &SearchSpace,
    parent: &Genome,
    rng: &mut ChaCha8Rng,
    verb: &str,
    choose: Choose,
) -> Option<(Genome, String)> {
    let mut genome = parent.clone();
    let (place, choices, gene) = match (&space.limits, &mut genome.net) {
        (Limits::Table(limits), Net::Table(net)) => {
            let number = one_of(rng, &(0..net.blocks.len()).collect::<Vec<_>>())?;
            let block = &mut net.blocks[number];
            (format!("blocks.{number}"), limits.widths.of(block.motif), &mut block.width)
        }
        (Limits::Image(limits), Net::Image(net)) => {
            let mut places = vec![("stem".to_owned(), &limits.stem.widths, &mut net.stem.width)];
            for (number, stage) in net.stages.iter_mut().enumerate() {
                places.push((format!("stages.{number}"), &limits.widths, &mut stage.width));
            }
            if net.head.hidden > 0 {
                places.push(("head.hidden".to_owned(), &limits.hidden, &mut net.head.hidden));
            }
            let index = one_of(rng, &(0..places.len()).collect::<Vec<_>>())?;
            places.swap_remove(index)
        }
        _ => return None,
    };
    let (old, new) = (*gene, choose(choices, *gene, rng)?);
    *gene = new;
    Some((genome, format!("{verb} {place} {old} → {new}")))
}
