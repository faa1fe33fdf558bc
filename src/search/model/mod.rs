//! Models of the objective, learned from what was told, and what they expect of a genome.

mod gaussian_process;
mod importance;
mod scores;

pub use gaussian_process::GaussianProcess;
pub use importance::{Described, Importance};
pub use scores::{expected_improvement, normal_scores, rank_correlation};
