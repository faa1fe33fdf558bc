//! Genes of the whole net: normalisation and activation.

use super::{Edit, Kind, Mutation, repaired};
use crate::genome::{
    choice::Choice,
    draw::another,
    genes::{Act, Genome, Net, Norm},
    space::{Limits, SearchSpace},
};
use rand_chacha::ChaCha8Rng;

pub(super) static NORM: Mutation = Mutation {
    name: "norm",
    doc: "exchanges the normalisation",
    kind: Kind::Architecture,
    preserving: false,
    shrinking: false,
    growing: false,
    apply: norm,
};

fn norm(space: &SearchSpace, parent: &Genome, rng: &mut ChaCha8Rng) -> Option<Edit> {
    let mut child = parent.clone();
    let (gene, allowed): (&mut Norm, &[Norm]) = match (&mut child.net, &space.limits) {
        (Net::Table(net), Limits::Table(limits)) => (&mut net.norm, &limits.norms),
        (Net::Image(net), Limits::Image(limits)) => (&mut net.norm, &limits.norms),
        _ => return None,
    };
    let (old, new) = (*gene, another(rng, allowed, *gene)?);
    *gene = new;
    repaired(space, parent, child, format!("norm {} → {}", old.name(), new.name()))
}

pub(super) static ACTIVATION: Mutation = Mutation {
    name: "activation",
    doc: "exchanges the activation function",
    kind: Kind::Architecture,
    preserving: false,
    shrinking: false,
    growing: false,
    apply: activation,
};

fn activation(space: &SearchSpace, parent: &Genome, rng: &mut ChaCha8Rng) -> Option<Edit> {
    let mut child = parent.clone();
    let (gene, allowed): (&mut Act, &[Act]) = match (&mut child.net, &space.limits) {
        (Net::Table(net), Limits::Table(limits)) => (&mut net.activation, &limits.activations),
        (Net::Image(net), Limits::Image(limits)) => (&mut net.activation, &limits.activations),
        _ => return None,
    };
    let (old, new) = (*gene, another(rng, allowed, *gene)?);
    *gene = new;
    repaired(space, parent, child, format!("activation {} → {}", old.name(), new.name()))
}
