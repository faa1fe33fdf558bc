//! Ridge regression.

use super::{Model, cholesky::Cholesky, vectors::Encoding};
use crate::search::space::Feature;
use rand_chacha::ChaCha8Rng;

/// Penalties to choose from.
const PENALTIES: [f64; 6] = [0.1, 0.5, 2.0, 8.0, 32.0, 128.0];

/// Linear regression with a penalty on the squares of its weights (Hoerl and Kennard, 1970) over numbers and categories as
/// columns. When it is tuned, the penalty is taken whose predictions of each genome from all others are nearest (Allen,
/// 1974).
#[derive(Debug, Clone)]
pub struct Ridge {
    penalty: f64,
    encoding: Encoding,
    intercept: f64,
    weights: Vec<f64>,
    factor: Cholesky,
    /// Mean square of the error on what was left out.
    noise: f64,
}

impl Ridge {
    /// Nothing observed yet.
    #[must_use]
    pub fn new() -> Self {
        Ridge {
            penalty: 2.0,
            encoding: Encoding::default(),
            intercept: 0.0,
            weights: Vec::new(),
            factor: Cholesky::default(),
            noise: 1.0,
        }
    }

    /// Solves for the weights with the penalty, and returns the mean square of the errors on what is left out.
    fn solve(&mut self, vectors: &[Vec<f64>], targets: &[f64]) -> f64 {
        let width = vectors.first().map_or(0, Vec::len);
        let product = |a: usize, b: usize| vectors.iter().map(|vector| vector[a] * vector[b]).sum::<f64>();
        self.factor.clear();
        for row in 0..width {
            let before = (0..row).map(|column| product(row, column)).collect();
            self.factor.push(before, product(row, row) + self.penalty);
        }
        self.intercept = targets.iter().sum::<f64>() / targets.len().max(1) as f64;
        self.weights = (0..width)
            .map(|column| vectors.iter().zip(targets).map(|(x, y)| x[column] * (y - self.intercept)).sum())
            .collect();
        self.factor.forward(&mut self.weights);
        self.factor.backward(&mut self.weights);
        let left_out = |(vector, target): (&Vec<f64>, &f64)| {
            let leverage = self.leverage(vector) + 1.0 / vectors.len() as f64;
            ((target - self.mean(vector)) / (1.0 - leverage).max(1e-3)).powi(2)
        };
        vectors.iter().zip(targets).map(left_out).sum::<f64>() / vectors.len().max(1) as f64
    }

    fn mean(&self, vector: &[f64]) -> f64 {
        self.intercept + vector.iter().zip(&self.weights).map(|(x, w)| x * w).sum::<f64>()
    }

    /// How little a point's prediction is held by others: xᵀ(XᵀX + λ)⁻¹x.
    fn leverage(&self, vector: &[f64]) -> f64 {
        self.factor.forward(&mut vector.to_vec())
    }
}

impl Default for Ridge {
    fn default() -> Self {
        Ridge::new()
    }
}

impl Model for Ridge {
    fn fit(&mut self, genomes: &[&[Feature]], targets: &[f64], _: &[&[Feature]], tune: bool, _: &mut ChaCha8Rng) {
        self.encoding = Encoding::of(genomes);
        let vectors: Vec<Vec<f64>> = genomes.iter().map(|features| self.encoding.vector(features)).collect();
        if tune {
            let mut error = |penalty| {
                self.penalty = penalty;
                self.solve(&vectors, targets)
            };
            let errors: Vec<(f64, f64)> = PENALTIES.iter().map(|&penalty| (error(penalty), penalty)).collect();
            let best = errors.into_iter().min_by(|a, b| a.0.total_cmp(&b.0));
            self.penalty = best.map_or(self.penalty, |(_, penalty)| penalty);
        }
        self.noise = self.solve(&vectors, targets);
    }

    fn predict(&self, features: &[Feature]) -> (f64, f64) {
        let vector = self.encoding.vector(features);
        (self.mean(&vector), (self.noise * self.leverage(&vector)).max(1e-9))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::rng;
    use rand::RngExt;

    #[test]
    fn finds_the_weights_of_a_sum_and_is_unsure_far_from_what_it_saw() {
        let point = |stream| {
            let mut rng = rng(1, 0, stream);
            let (number, category) = (rng.random::<f64>(), rng.random_range(0..3));
            (vec![Feature::Number(number), Feature::Category(category)], 2.0 * number - f64::from(category))
        };
        let known: Vec<(Vec<Feature>, f64)> = (0..60).map(point).collect();
        let genomes: Vec<&[Feature]> = known.iter().map(|(features, _)| &features[..]).collect();
        let targets: Vec<f64> = known.iter().map(|(_, target)| *target).collect();
        let mut ridge = Ridge::new();
        ridge.fit(&genomes, &targets, &[], true, &mut rng(0, 0, 0));
        assert_eq!(ridge.penalty, PENALTIES[0], "nothing is noise");
        for (features, target) in (100..150).map(point) {
            assert!((ridge.predict(&features).0 - target).abs() < 0.05);
        }
        let variance = |number| ridge.predict(&[Feature::Number(number), Feature::Category(1)]).1;
        assert!(variance(9.0) > 10.0 * variance(0.5));
    }

    #[test]
    fn noise_is_met_with_a_larger_penalty() {
        let known: Vec<Vec<Feature>> =
            (0..40).map(|stream| (0..20).map(|part| Feature::Number(rng(1, part, stream).random())).collect()).collect();
        let genomes: Vec<&[Feature]> = known.iter().map(|features| &features[..]).collect();
        let targets: Vec<f64> = (0..40).map(|stream| rng(2, 0, stream).random::<f64>() - 0.5).collect();
        let mut ridge = Ridge::new();
        ridge.fit(&genomes, &targets, &[], true, &mut rng(0, 0, 0));
        assert!(ridge.penalty >= 32.0, "{}", ridge.penalty);
    }

    #[test]
    fn equal_points_and_a_single_one_are_survived() {
        for count in [1, 5] {
            let genomes: Vec<&[Feature]> = vec![&[Feature::Number(1.0), Feature::Absent]; count];
            let mut ridge = Ridge::new();
            ridge.fit(&genomes, &vec![0.5; count], &[], true, &mut rng(0, 0, 0));
            assert_eq!(ridge.predict(genomes[0]).0, 0.5);
        }
    }
}
