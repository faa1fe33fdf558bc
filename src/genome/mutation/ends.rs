//! The two ends of a net for images: stem and head.

use super::{Edit, Kind, Mutation, repaired, with_image};
use crate::genome::{
    choice::Choice,
    draw::another,
    genes::{Genome, Net},
    space::{Limits, SearchSpace},
};
use rand_chacha::ChaCha8Rng;

pub(super) static STEM_KERNEL: Mutation = Mutation {
    name: "stem_kernel",
    doc: "changes the kernel of the first convolution",
    kind: Kind::Architecture,
    preserving: false,
    shrinking: false,
    growing: false,
    apply: stem_kernel,
};

fn stem_kernel(space: &SearchSpace, parent: &Genome, rng: &mut ChaCha8Rng) -> Option<Edit> {
    let (Limits::Image(limits), Net::Image(net)) = (&space.limits, &parent.net) else { return None };
    let mut child = net.clone();
    let old = net.stem.kernel;
    child.stem.kernel = another(rng, &limits.stem.kernels, old)?;
    let words = format!("stem_kernel {old} → {}", child.stem.kernel);
    repaired(space, parent, with_image(parent, child), words)
}

pub(super) static STEM_STRIDE: Mutation = Mutation {
    name: "stem_stride",
    doc: "changes the stride of the first convolution",
    kind: Kind::Architecture,
    preserving: false,
    shrinking: false,
    growing: false,
    apply: stem_stride,
};

fn stem_stride(space: &SearchSpace, parent: &Genome, rng: &mut ChaCha8Rng) -> Option<Edit> {
    let (Limits::Image(limits), Net::Image(net)) = (&space.limits, &parent.net) else { return None };
    let mut child = net.clone();
    let old = net.stem.stride;
    child.stem.stride = another(rng, &limits.stem.strides, old)?;
    let words = format!("stem_stride {old} → {}", child.stem.stride);
    repaired(space, parent, with_image(parent, child), words)
}

pub(super) static HEAD_POOL: Mutation = Mutation {
    name: "head_pool",
    doc: "exchanges mean and maximum over the image",
    kind: Kind::Architecture,
    preserving: false,
    shrinking: false,
    growing: false,
    apply: head_pool,
};

fn head_pool(space: &SearchSpace, parent: &Genome, _: &mut ChaCha8Rng) -> Option<Edit> {
    let (Limits::Image(limits), Net::Image(net)) = (&space.limits, &parent.net) else { return None };
    let mut child = net.clone();
    child.head.pool = limits.pools.iter().copied().find(|&pool| pool != net.head.pool)?;
    let words = format!("head_pool {} → {}", net.head.pool.name(), child.head.pool.name());
    repaired(space, parent, with_image(parent, child), words)
}

pub(super) static HEAD_HIDDEN: Mutation = Mutation {
    name: "head_hidden",
    doc: "gives the head a hidden layer, or takes it away",
    kind: Kind::Architecture,
    preserving: false,
    shrinking: false,
    growing: false,
    apply: head_hidden,
};

fn head_hidden(space: &SearchSpace, parent: &Genome, rng: &mut ChaCha8Rng) -> Option<Edit> {
    let (Limits::Image(limits), Net::Image(net)) = (&space.limits, &parent.net) else { return None };
    let mut child = net.clone();
    let old = net.head.hidden;
    child.head.hidden = if old == 0 { another(rng, &limits.hidden, 0)? } else { 0 };
    let words = format!("head_hidden {old} → {}", child.head.hidden);
    repaired(space, parent, with_image(parent, child), words)
}
