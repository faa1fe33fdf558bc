//! Models of the objective, learned from what was told, and what they expect of a genome.

mod cholesky;
mod ensemble;
mod forest;
mod gaussian_process;
mod importance;
mod nearest;
mod ridge;
mod scores;
mod vectors;

pub use ensemble::Ensemble;
pub use forest::Forest;
pub use gaussian_process::GaussianProcess;
pub use importance::{Described, Importance};
pub use nearest::Nearest;
pub use ridge::Ridge;
pub use scores::{expected_improvement, normal_scores, rank_correlation, ranks};

use super::space::Feature;
use rand_chacha::ChaCha8Rng;

/// A regression on the features of genomes.
pub trait Model: Send {
    /// Learns from genomes with these targets, of about unit variance; what was learned before is forgotten. `foreseen` are
    /// genomes whose results are still to come: a model may be surer of itself there, so that the next question is another
    /// one. Where `tune` is false, what takes long to choose, such as the rates of a kernel, stays as it was.
    fn fit(&mut self, genomes: &[&[Feature]], targets: &[f64], foreseen: &[&[Feature]], tune: bool, rng: &mut ChaCha8Rng);

    /// Mean and variance of the target of a genome.
    fn predict(&self, features: &[Feature]) -> (f64, f64);
}
