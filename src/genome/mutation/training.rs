//! How a net is trained: optimizer, learning rate and its course, batch, initialisation, loss.

use super::{Edit, Kind, Mutation, trained};
use crate::genome::{
    choice::{Choice, OptimizerKind},
    draw::{above, another, below, log_uniform, one_of, round},
    genes::{Genome, Loss, Optimizer, Training},
    space::SearchSpace,
};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

pub(super) static OPTIMIZER: Mutation = Mutation {
    name: "optimizer",
    doc: "exchanges the optimizer, with a learning rate and a weight decay of its own scale",
    kind: Kind::Training,
    preserving: true,
    shrinking: false,
    growing: false,
    apply: optimizer,
};

/// Learning rates of SGD that do about as much as those of Adam are this much larger.
const SGD_TO_ADAM: f32 = 30.0;

fn optimizer(space: &SearchSpace, parent: &Genome, rng: &mut ChaCha8Rng) -> Option<Edit> {
    let old = parent.training.optimizer;
    let all = [Optimizer::Sgd { momentum: 0.9 }, Optimizer::Adam { beta2: 0.999 }, Optimizer::AdamW { beta2: 0.999 }];
    let allowed = &space.training.optimizers;
    let differs = |other: &Optimizer| other.kind() != old.kind() && allowed.contains(&other.kind());
    let others: Vec<Optimizer> = all.into_iter().filter(differs).collect();
    let new = one_of(rng, &others)?;
    let is_sgd = |optimizer: &Optimizer| optimizer.kind() == OptimizerKind::Sgd;
    // Decay that is added to the gradient is about as much smaller.
    let scale = match (is_sgd(&old), is_sgd(&new)) {
        (false, true) => SGD_TO_ADAM,
        (true, false) => 1.0 / SGD_TO_ADAM,
        _ => 1.0,
    };
    let training = Training {
        optimizer: new,
        learning_rate: round(parent.training.learning_rate * scale),
        weight_decay: round(parent.training.weight_decay / scale),
        ..parent.training
    };
    trained(space, parent, training, format!("optimizer {} → {}", old.kind().name(), new.kind().name()))
}

pub(super) static MOMENTUM: Mutation = Mutation {
    name: "momentum",
    doc: "changes the momentum of SGD, or the decay of Adam's second moment",
    kind: Kind::Training,
    preserving: true,
    shrinking: false,
    growing: false,
    apply: momentum,
};

fn momentum(space: &SearchSpace, parent: &Genome, rng: &mut ChaCha8Rng) -> Option<Edit> {
    let mut optimizer = parent.training.optimizer;
    let limits = &space.training;
    let (name, gene, allowed, steps): (_, &mut f32, _, &[f32]) = match &mut optimizer {
        Optimizer::Sgd { momentum } => ("momentum", momentum, &limits.momentum, &[0.0, 0.8, 0.9, 0.95, 0.98]),
        Optimizer::Adam { beta2 } | Optimizer::AdamW { beta2 } => {
            ("beta2", beta2, &limits.beta2, &[0.95, 0.98, 0.99, 0.995, 0.999])
        }
    };
    let (old, new) = (*gene, allowed.another(rng, steps, *gene)?);
    *gene = new;
    trained(space, parent, Training { optimizer, ..parent.training }, format!("{name} {old} → {new}"))
}

pub(super) static LEARNING_RATE: Mutation = Mutation {
    name: "learning_rate",
    doc: "multiplies or divides the peak learning rate by 1.2 to 3",
    kind: Kind::Training,
    preserving: true,
    shrinking: false,
    growing: false,
    apply: learning_rate,
};

fn learning_rate(space: &SearchSpace, parent: &Genome, rng: &mut ChaCha8Rng) -> Option<Edit> {
    let factor = log_uniform(rng, 1.2, 3.0);
    let old = parent.training.learning_rate;
    let wanted = if rng.random_bool(0.5) { old * factor } else { old / factor };
    let kind = space.training.kind_of(&parent.training);
    let new = space.training.learning_rate.of(kind).towards(old, wanted)?;
    let words = format!("learning_rate {old} → {new}");
    trained(space, parent, Training { learning_rate: new, ..parent.training }, words)
}

pub(super) static SCHEDULE: Mutation = Mutation {
    name: "schedule",
    doc: "exchanges the course of the learning rate",
    kind: Kind::Training,
    preserving: true,
    shrinking: false,
    growing: false,
    apply: schedule,
};

fn schedule(space: &SearchSpace, parent: &Genome, rng: &mut ChaCha8Rng) -> Option<Edit> {
    let old = parent.training.schedule;
    let new = another(rng, &space.training.schedules, old)?;
    let words = format!("schedule {} → {}", old.name(), new.name());
    trained(space, parent, Training { schedule: new, ..parent.training }, words)
}

pub(super) static BATCH: Mutation = Mutation {
    name: "batch",
    doc: "moves to the next larger or smaller batch, and the learning rate with its square root",
    kind: Kind::Training,
    preserving: true,
    shrinking: false,
    growing: false,
    apply: batch,
};

fn batch(space: &SearchSpace, parent: &Genome, rng: &mut ChaCha8Rng) -> Option<Edit> {
    let old = parent.training.batch;
    let batches = &space.training.batches;
    let near: Vec<usize> = below(batches, old).into_iter().chain(above(batches, old)).collect();
    let new = one_of(rng, &near)?;
    // The noise of a step stays about the same (Hoffer et al., 2017).
    let learning_rate = round(parent.training.learning_rate * (new as f32 / old as f32).sqrt());
    let training = Training { batch: new, learning_rate, ..parent.training };
    trained(space, parent, training, format!("batch {old} → {new}"))
}

pub(super) static INITIALISATION: Mutation = Mutation {
    name: "initialisation",
    doc: "exchanges the distribution of the weights at the start",
    kind: Kind::Start,
    preserving: true,
    shrinking: false,
    growing: false,
    apply: initialisation,
};

fn initialisation(space: &SearchSpace, parent: &Genome, rng: &mut ChaCha8Rng) -> Option<Edit> {
    let old = parent.training.initialisation;
    let new = another(rng, &space.training.initialisations, old)?;
    let words = format!("initialisation {} → {}", old.name(), new.name());
    trained(space, parent, Training { initialisation: new, ..parent.training }, words)
}

pub(super) static LOSS: Mutation = Mutation {
    name: "loss",
    doc: "exchanges squared error and Huber's loss of a regression",
    kind: Kind::Training,
    preserving: true,
    shrinking: false,
    growing: false,
    apply: loss,
};

fn loss(space: &SearchSpace, parent: &Genome, _: &mut ChaCha8Rng) -> Option<Edit> {
    let (loss, words) = match parent.training.loss {
        Loss::CrossEntropy => return None,
        Loss::Mse => (Loss::Huber, "loss mse → huber"),
        Loss::Huber => (Loss::Mse, "loss huber → mse"),
    };
    if !space.training.losses.contains(&loss) {
        return None;
    }
    trained(space, parent, Training { loss, ..parent.training }, words.to_owned())
}

pub(super) static LENGTH: Mutation = Mutation {
    name: "length",
    doc: "takes another share of the granted training examples",
    kind: Kind::Training,
    preserving: true,
    shrinking: false,
    growing: false,
    apply: length,
};

fn length(space: &SearchSpace, parent: &Genome, rng: &mut ChaCha8Rng) -> Option<Edit> {
    let old = parent.training.length;
    let new = space.training.lengths.another(rng, &[], old)?;
    trained(space, parent, Training { length: new, ..parent.training }, format!("length {old} → {new}"))
}
