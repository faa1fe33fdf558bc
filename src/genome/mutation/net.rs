//! Genes of the whole net: normalisation and activation.

use super::{Edit, Kind, Mutation, repaired};
use crate::genome::{
    draw::another,
    genes::{Act, Genome, Net, Norm},
    space::{ACTIVATIONS, SearchSpace},
};
use rand_chacha::ChaCha8Rng;

pub(super) static NORM: Mutation = Mutation {
    name: "norm",
    doc: "exchanges the normalisation",
    kind: Kind::Architecture,
    preserving: false,
    shrinking: false,
    apply: norm,
};

fn norm(space: &SearchSpace, parent: &Genome, rng: &mut ChaCha8Rng) -> Option<Edit> {
    let mut child = parent.clone();
    let gene = match &mut child.net {
        Net::Table(net) => &mut net.norm,
        Net::Image(net) => &mut net.norm,
        Net::Ancestor(_) => return None,
    };
    let (old, new) = (*gene, another(rng, &[Norm::None, Norm::Batch, Norm::Layer], *gene)?);
    *gene = new;
    repaired(space, parent, child, format!("norm {} → {}", norm_name(old), norm_name(new)))
}

pub(super) static ACTIVATION: Mutation = Mutation {
    name: "activation",
    doc: "exchanges the activation function",
    kind: Kind::Architecture,
    preserving: false,
    shrinking: false,
    apply: activation,
};

fn activation(space: &SearchSpace, parent: &Genome, rng: &mut ChaCha8Rng) -> Option<Edit> {
    let mut child = parent.clone();
    let gene = match &mut child.net {
        Net::Table(net) => &mut net.activation,
        Net::Image(net) => &mut net.activation,
        Net::Ancestor(_) => return None,
    };
    let (old, new) = (*gene, another(rng, &ACTIVATIONS, *gene)?);
    *gene = new;
    repaired(space, parent, child, format!("activation {} → {}", act_name(old), act_name(new)))
}

fn norm_name(norm: Norm) -> &'static str {
    match norm {
        Norm::None => "none",
        Norm::Batch => "batch",
        Norm::Layer => "layer",
    }
}

fn act_name(act: Act) -> &'static str {
    match act {
        Act::Relu => "relu",
        Act::LeakyRelu => "leaky_relu",
        Act::Elu => "elu",
        Act::Gelu => "gelu",
        Act::Silu => "silu",
        Act::Tanh => "tanh",
        Act::Sigmoid => "sigmoid",
    }
}
