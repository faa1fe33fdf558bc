//! What keeps a net from learning its rows by heart: weight decay, dropout, label smoothing, augmentation.

use super::{Edit, Kind, Mutation, repaired, trained};
use crate::genome::{
    draw::another,
    genes::{Augmentation, Genome, Net, Optimizer, Training},
    space::{Limits, SearchSpace},
};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

pub(super) static WEIGHT_DECAY: Mutation = Mutation {
    name: "weight_decay",
    doc: "gives another weight decay",
    kind: Kind::Training,
    preserving: true,
    shrinking: false,
    growing: false,
    apply: weight_decay,
};

fn weight_decay(space: &SearchSpace, parent: &Genome, rng: &mut ChaCha8Rng) -> Option<Edit> {
    let choices: &[f32] = match parent.training.optimizer {
        Optimizer::AdamW { .. } => &[0.0, 1e-3, 3e-3, 0.01, 0.03, 0.1, 0.2],
        Optimizer::Sgd { .. } | Optimizer::Adam { .. } => &[0.0, 3e-5, 1e-4, 3e-4, 5e-4, 1e-3, 3e-3],
    };
    let old = parent.training.weight_decay;
    let kind = space.training.kind_of(&parent.training);
    let new = space.training.weight_decay.of(kind).another(rng, choices, old)?;
    trained(space, parent, Training { weight_decay: new, ..parent.training }, format!("weight_decay {old} → {new}"))
}

pub(super) static DROPOUT: Mutation = Mutation {
    name: "dropout",
    doc: "gives a block for tables, all of them, or the head for images another dropout rate",
    kind: Kind::Training,
    preserving: true,
    shrinking: false,
    growing: false,
    apply: dropout,
};

fn dropout(space: &SearchSpace, parent: &Genome, rng: &mut ChaCha8Rng) -> Option<Edit> {
    let mut child = parent.clone();
    let rates = [0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5];
    let words = match &mut child.net {
        Net::Table(net) => {
            let at = rng.random_range(0..net.blocks.len());
            let old = net.blocks[at].dropout;
            let Limits::Table(limits) = &space.limits else { return None };
            let new = limits.dropout.of(net.blocks[at].motif).another(rng, &rates, old)?;
            if rng.random_bool(0.5) {
                net.blocks.iter_mut().for_each(|block| block.dropout = new);
                format!("dropout {new}")
            } else {
                net.blocks[at].dropout = new;
                format!("dropout blocks.{at} {old} → {new}")
            }
        }
        Net::Image(net) => {
            let old = net.head.dropout;
            let Limits::Image(limits) = &space.limits else { return None };
            net.head.dropout = limits.dropout.another(rng, &rates, old)?;
            format!("dropout head {old} → {}", net.head.dropout)
        }
        Net::Ancestor(net) => {
            let old = net.dropout;
            let Limits::Image(limits) = &space.limits else { return None };
            net.dropout = limits.ancestors.dropout.another(rng, &rates, old)?;
            format!("dropout {old} → {}", net.dropout)
        }
    };
    repaired(space, parent, child, words)
}

pub(super) static LABEL_SMOOTHING: Mutation = Mutation {
    name: "label_smoothing",
    doc: "gives another label smoothing to a classification",
    kind: Kind::Training,
    preserving: true,
    shrinking: false,
    growing: false,
    apply: label_smoothing,
};

fn label_smoothing(space: &SearchSpace, parent: &Genome, rng: &mut ChaCha8Rng) -> Option<Edit> {
    if !space.domain.classification {
        return None;
    }
    let old = parent.training.label_smoothing;
    let new = space.training.label_smoothing.another(rng, &[0.0, 0.02, 0.05, 0.1, 0.15], old)?;
    let words = format!("label_smoothing {old} → {new}");
    trained(space, parent, Training { label_smoothing: new, ..parent.training }, words)
}

pub(super) static FLIP: Mutation = Mutation {
    name: "flip",
    doc: "begins or ends to mirror images",
    kind: Kind::Training,
    preserving: true,
    shrinking: false,
    growing: false,
    apply: flip,
};

fn flip(space: &SearchSpace, parent: &Genome, _: &mut ChaCha8Rng) -> Option<Edit> {
    let old = parent.training.augmentation;
    if !space.training.flips.contains(&!old.flip) {
        return None;
    }
    augmented(space, parent, Augmentation { flip: !old.flip, ..old }, format!("flip {} → {}", old.flip, !old.flip))
}

pub(super) static SHIFT: Mutation = Mutation {
    name: "shift",
    doc: "changes how far images are shifted",
    kind: Kind::Training,
    preserving: true,
    shrinking: false,
    growing: false,
    apply: shift,
};

fn shift(space: &SearchSpace, parent: &Genome, rng: &mut ChaCha8Rng) -> Option<Edit> {
    let (old, limits) = (parent.training.augmentation, space.training.shift);
    let shifts: Vec<usize> = (limits.low..=limits.high).collect();
    let shift = another(rng, &shifts, old.shift)?;
    augmented(space, parent, Augmentation { shift, ..old }, format!("shift {} → {shift}", old.shift))
}

pub(super) static CUTOUT: Mutation = Mutation {
    name: "cutout",
    doc: "changes the side of the blanked square",
    kind: Kind::Training,
    preserving: true,
    shrinking: false,
    growing: false,
    apply: cutout,
};

fn cutout(space: &SearchSpace, parent: &Genome, rng: &mut ChaCha8Rng) -> Option<Edit> {
    let (old, limits) = (parent.training.augmentation, space.training.cutout);
    let mut sides: Vec<usize> = [0, limits.high / 4, limits.high / 2, limits.high].to_vec();
    sides.retain(|&side| limits.contains(side));
    let cutout = another(rng, &sides, old.cutout)?;
    augmented(space, parent, Augmentation { cutout, ..old }, format!("cutout {} → {cutout}", old.cutout))
}

fn augmented(space: &SearchSpace, parent: &Genome, augmentation: Augmentation, words: String) -> Option<Edit> {
    matches!(parent.net, Net::Image(_) | Net::Ancestor(_))
        .then(|| trained(space, parent, Training { augmentation, ..parent.training }, words))
        .flatten()
}
