//! How a net is trained.

use super::{Edit, Kind, Mutation, repaired};
use crate::genome::{
    draw::{another, log_uniform, round},
    genes::{Genome, Schedule, Training},
    space::{self, SearchSpace},
};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// The child with these training genes.
fn trained(space: &SearchSpace, parent: &Genome, training: Training, words: String) -> Option<Edit> {
    repaired(space, parent, Genome { net: parent.net.clone(), training }, words)
}

pub(super) static LEARNING_RATE: Mutation = Mutation {
    name: "learning_rate",
    doc: "multiplies or divides the peak learning rate by 1.2 to 3",
    kind: Kind::Training,
    preserving: true,
    shrinking: false,
    apply: learning_rate,
};

fn learning_rate(space: &SearchSpace, parent: &Genome, rng: &mut ChaCha8Rng) -> Option<Edit> {
    let factor = log_uniform(rng, 1.2, 3.0);
    let old = parent.training.learning_rate;
    let new = if rng.random_bool(0.5) { old * factor } else { old / factor };
    let (low, high) = space::LEARNING_RATE;
    let new = round(new).clamp(low, high);
    let words = format!("learning_rate {old} → {new}");
    trained(space, parent, Training { learning_rate: new, ..parent.training }, words)
}

pub(super) static SCHEDULE: Mutation = Mutation {
    name: "schedule",
    doc: "exchanges the course of the learning rate",
    kind: Kind::Training,
    preserving: true,
    shrinking: false,
    apply: schedule,
};

fn schedule(space: &SearchSpace, parent: &Genome, rng: &mut ChaCha8Rng) -> Option<Edit> {
    let old = parent.training.schedule;
    let new = another(rng, &[Schedule::Constant, Schedule::Cosine, Schedule::WarmupCosine, Schedule::OneCycle], old)?;
    trained(space, parent, Training { schedule: new, ..parent.training }, format!("schedule {old:?} → {new:?}"))
}
