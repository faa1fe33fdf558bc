//! A Gaussian process over the features of genomes.

use super::{Model, cholesky::Cholesky};
use crate::search::space::Feature;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// Kernel value that two genomes at the mean distance of the first observations have before anything is learned.
const TYPICAL: f64 = 0.04;
/// Factor by which a rate may leave where it starts.
const RATES: f64 = 20.0;
/// Least and most variance of the noise.
const NOISE: (f64, f64) = (1e-4, 0.3);
/// Steps in which the kernel is tuned.
const TRIES: usize = 12;

/// A coordinate of a genome: its category, where it has one, and its number.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Coordinate {
    category: u32,
    number: f64,
}

impl From<Feature> for Coordinate {
    fn from(feature: Feature) -> Self {
        match feature {
            Feature::Number(number) => Coordinate { category: 0, number },
            Feature::Category(category) => Coordinate { category: category.saturating_add(2), number: 0.0 },
            Feature::Absent => Coordinate { category: 1, number: 0.0 },
        }
    }
}

/// Gaussian process regression (Rasmussen and Williams, 2006) with a kernel that mixes effects of single coordinates with
/// those of all together, and a rate for each coordinate (automatic relevance determination).
///
/// With δ the difference of two genomes in a coordinate, r its rate and w = 1 − e^−r, the kernel is
/// a · Σ w k / Σ w + (1 − a) · exp(−Σ r δ²). There k is 1 / (1 + r δ²), or 0 for another category, which in the other term
/// counts as δ = 1.
#[derive(Debug, Clone)]
pub struct GaussianProcess {
    rates: Vec<f64>,
    /// Where the rates started.
    start: f64,
    additive: f64,
    noise: f64,
    points: Vec<Vec<Coordinate>>,
    /// How many of the points were observed; the others are foreseen.
    observed: usize,
    /// Factor of the kernel matrix of all points.
    factor: Cholesky,
    /// Inverse of the kernel matrix times the targets, of the observed points.
    weights: Vec<f64>,
}

impl GaussianProcess {
    /// Nothing observed yet.
    #[must_use]
    pub fn new() -> Self {
        GaussianProcess {
            rates: Vec::new(),
            start: 1.0,
            additive: 0.3,
            noise: 1e-3,
            points: Vec::new(),
            observed: 0,
            factor: Cholesky::default(),
            weights: Vec::new(),
        }
    }

    /// Learns from genomes with these targets. Where something is `foreseen` the process is surer of itself. The kernel is
    /// fitted in `tries` random steps that are kept where the marginal likelihood grows.
    pub(super) fn learn_from(
        &mut self,
        genomes: &[&[Feature]],
        targets: &[f64],
        foreseen: &[&[Feature]],
        tries: usize,
        rng: &mut ChaCha8Rng,
    ) {
        self.points = genomes.iter().copied().map(point).collect();
        self.observed = genomes.len();
        if self.rates.is_empty() {
            self.begin();
        }
        if tries > 0 {
            let mut likelihood = self.learn(targets);
            for _ in 0..tries {
                let before = (self.rates.clone(), self.additive, self.noise);
                self.vary(rng);
                let varied = self.learn(targets);
                if varied > likelihood {
                    likelihood = varied;
                } else {
                    (self.rates, self.additive, self.noise) = before;
                }
            }
        }
        self.learn(targets);
        self.points.extend(foreseen.iter().copied().map(point));
        self.extend_factor();
    }

    /// Rates such that the kernel of two points at the mean distance is typical.
    fn begin(&mut self) {
        let Some(width) = self.points.first().map(Vec::len) else { return };
        let (mut sum, mut pairs) = (0.0, 0);
        for (index, a) in self.points.iter().enumerate() {
            for b in &self.points[..index] {
                sum += a.iter().zip(b).map(|(a, b)| squared_difference(a, b)).sum::<f64>();
                pairs += 1;
            }
        }
        let mean = (sum / f64::from(pairs.max(1))).max(1e-6);
        self.start = -TYPICAL.ln() / mean;
        self.rates = vec![self.start; width];
    }

    /// One random change of the kernel.
    fn vary(&mut self, rng: &mut ChaCha8Rng) {
        let step = |rng: &mut ChaCha8Rng, reach: f64| rng.random_range(-reach..=reach).exp();
        let which = rng.random_range(0..self.rates.len() + 3);
        match which.checked_sub(self.rates.len()) {
            None => {
                let rate = self.rates[which] * step(rng, 1.5);
                self.rates[which] = rate.clamp(self.start / RATES, self.start * RATES);
            }
            Some(0) => self.noise = (self.noise * step(rng, 1.0)).clamp(NOISE.0, NOISE.1),
            Some(1) => self.additive = (self.additive + rng.random_range(-0.2..=0.2)).clamp(0.05, 0.95),
            Some(_) => {
                let all = step(rng, 0.7);
                let (low, high) = (self.start / RATES, self.start * RATES);
                self.rates.iter_mut().for_each(|rate| *rate = (*rate * all).clamp(low, high));
            }
        }
    }

    /// Factors the kernel matrix of the observed points and returns the logarithm of the marginal likelihood, but for a
    /// constant.
    fn learn(&mut self, targets: &[f64]) -> f64 {
        self.points.truncate(self.observed);
        self.factor.clear();
        self.extend_factor();
        let mut z = targets.to_vec();
        self.factor.forward(&mut z);
        let mut likelihood = 0.0;
        for (z, diagonal) in z.iter().zip(self.factor.diagonal()) {
            likelihood -= 0.5 * z * z + diagonal.ln();
        }
        self.factor.backward(&mut z);
        self.weights = z;
        likelihood
    }

    /// Adds the rows of the factor that are missing.
    fn extend_factor(&mut self) {
        for index in self.factor.len()..self.points.len() {
            let row = self.kernels(&self.points[index], index);
            self.factor.push(row, 1.0 + self.noise);
        }
    }

    /// Kernel of a point with the first `count` points.
    fn kernels(&self, point: &[Coordinate], count: usize) -> Vec<f64> {
        let worth: Vec<f64> = self.rates.iter().map(|rate| 1.0 - (-rate).exp()).collect();
        let total: f64 = worth.iter().sum();
        let kernel = |other: &Vec<Coordinate>| {
            let (mut apart, mut single) = (0.0, 0.0);
            for (((a, b), rate), worth) in point.iter().zip(other).zip(&self.rates).zip(&worth) {
                let exponent = rate * squared_difference(a, b);
                apart += exponent;
                single += if a.category == b.category { worth / (1.0 + exponent) } else { 0.0 };
            }
            self.additive * single / total + (1.0 - self.additive) * (-apart).exp()
        };
        self.points[..count].iter().map(kernel).collect()
    }

    /// Mean alone of the target of a genome: far less work than with the variance.
    #[must_use]
    pub fn mean(&self, features: &[Feature]) -> f64 {
        self.weighted(&self.kernels(&point(features), self.observed))
    }

    fn weighted(&self, kernels: &[f64]) -> f64 {
        kernels.iter().zip(&self.weights).map(|(k, w)| k * w).sum()
    }
}

impl Model for GaussianProcess {
    fn fit(&mut self, genomes: &[&[Feature]], targets: &[f64], foreseen: &[&[Feature]], tune: bool, rng: &mut ChaCha8Rng) {
        self.learn_from(genomes, targets, foreseen, if tune { TRIES } else { 0 }, rng);
    }

    fn predict(&self, features: &[Feature]) -> (f64, f64) {
        let mut kernels = self.kernels(&point(features), self.points.len());
        let mean = self.weighted(&kernels);
        let known = self.factor.forward(&mut kernels);
        (mean, (1.0 - known).max(1e-9))
    }
}

impl Default for GaussianProcess {
    fn default() -> Self {
        GaussianProcess::new()
    }
}

fn point(features: &[Feature]) -> Vec<Coordinate> {
    features.iter().map(|&feature| Coordinate::from(feature)).collect()
}

fn squared_difference(a: &Coordinate, b: &Coordinate) -> f64 {
    let number = a.number - b.number;
    f64::from(u8::from(a.category != b.category)) + number * number
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::rng;
    use rand::Rng;

    /// Points with a number, a category that matters, one that does not, and what only some have.
    fn points(count: u64) -> Vec<Vec<Feature>> {
        let point = |number| {
            let mut rng = rng(5, number, 0);
            let sometimes = if rng.random_bool(0.5) { Feature::Number(rng.random()) } else { Feature::Absent };
            vec![
                Feature::Number(rng.random()),
                Feature::Category(rng.next_u32() % 3),
                Feature::Category(rng.next_u32() % 4),
                sometimes,
            ]
        };
        (0..count).map(point).collect()
    }

    fn truth(features: &[Feature]) -> f64 {
        let (Feature::Number(x), Feature::Category(kind)) = (features[0], features[1]) else { panic!() };
        3.0 * (x - 0.4).abs() - f64::from(kind)
    }

    fn fitted(count: u64, foreseen: &[&[Feature]]) -> (GaussianProcess, Vec<Vec<Feature>>) {
        let known = points(count);
        let genomes: Vec<&[Feature]> = known.iter().map(|point| &point[..]).collect();
        let targets: Vec<f64> = known.iter().map(|point| truth(point)).collect();
        let mut process = GaussianProcess::new();
        process.learn_from(&genomes, &targets, foreseen, 60, &mut rng(1, 1, 1));
        (process, known)
    }

    #[test]
    fn learns_a_function_of_numbers_and_categories() {
        let (process, known) = fitted(60, &[]);
        for point in &known {
            let (mean, variance) = process.predict(point);
            assert!((mean - truth(point)).abs() < 0.4 && variance < 0.3, "{mean} for {}", truth(point));
        }
        let others = points(160).split_off(60);
        let error: f64 = others.iter().map(|point| (process.predict(point).0 - truth(point)).powi(2)).sum();
        assert!((error / 100.0).sqrt() < 0.3, "{}", (error / 100.0).sqrt());
        assert!(process.rates[2] < process.rates[1], "what does not matter has a lower rate: {:?}", process.rates);
    }

    #[test]
    fn what_is_foreseen_is_surer_and_keeps_its_mean() {
        let point = points(100).pop().unwrap();
        let ((without, _), (with, _)) = (fitted(20, &[]), fitted(20, &[&point]));
        assert!((without.predict(&point).0 - with.predict(&point).0).abs() < 1e-12);
        assert_eq!(with.predict(&point).0, with.mean(&point));
        assert!(with.predict(&point).1 < 0.5 * without.predict(&point).1);
    }

    #[test]
    fn equal_points_and_a_single_one_are_survived() {
        let point = points(1).pop().unwrap();
        let mut process = GaussianProcess::new();
        process.learn_from(&[&point], &[0.0], &[], 10, &mut rng(1, 1, 1));
        assert!(process.predict(&point).0.abs() < 1e-9);
        let equal: Vec<&[Feature]> = vec![&point; 30];
        process.learn_from(&equal, &[1.0; 30], &[&point], 10, &mut rng(1, 1, 2));
        let (mean, variance) = process.predict(&point);
        assert!((mean - 1.0).abs() < 0.1 && variance.is_finite(), "{mean} {variance}");
    }
}
