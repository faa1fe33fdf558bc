//! Several models that vote.

use super::{Forest, GaussianProcess, Model, Nearest, Ridge};
use crate::search::space::Feature;
use rand_chacha::ChaCha8Rng;

/// Models of different kinds as one: the mean of what they expect, and, as variance, the mean of theirs and that between
/// them, so that the ensemble is unsure where its members contradict each other (Lakshminarayanan et al., 2017).
pub struct Ensemble {
    members: Vec<Box<dyn Model>>,
}

impl Ensemble {
    /// A Gaussian process, a forest, ridge regression and nearest neighbours.
    #[must_use]
    pub fn new() -> Self {
        Ensemble {
            members: vec![
                Box::new(GaussianProcess::new()),
                Box::new(Forest::new()),
                Box::new(Ridge::new()),
                Box::new(Nearest::new()),
            ],
        }
    }
}

impl Default for Ensemble {
    fn default() -> Self {
        Ensemble::new()
    }
}

impl Model for Ensemble {
    fn fit(&mut self, genomes: &[&[Feature]], targets: &[f64], foreseen: &[&[Feature]], tune: bool, rng: &mut ChaCha8Rng) {
        self.members.iter_mut().for_each(|member| member.fit(genomes, targets, foreseen, tune, rng));
    }

    fn predict(&self, features: &[Feature]) -> (f64, f64) {
        let expected: Vec<(f64, f64)> = self.members.iter().map(|member| member.predict(features)).collect();
        let count = expected.len() as f64;
        let mean = expected.iter().map(|(mean, _)| mean).sum::<f64>() / count;
        let variance = expected.iter().map(|(of, variance)| variance + (of - mean).powi(2)).sum::<f64>() / count;
        (mean, variance)
    }
}
