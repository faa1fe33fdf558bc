//! The nearest neighbours of a genome.

use super::Model;
use crate::search::space::Feature;
use rand_chacha::ChaCha8Rng;

/// Neighbours that count.
const NEIGHBOURS: usize = 6;

/// Regression by the nearest neighbours (Cover and Hart, 1967), the nearer with the more weight. The distance is the sum of
/// the differences of all features.
#[derive(Debug, Clone, Default)]
pub struct Nearest {
    points: Vec<(Vec<Feature>, f64)>,
}

impl Nearest {
    /// Nothing observed yet.
    #[must_use]
    pub fn new() -> Self {
        Nearest::default()
    }
}

impl Model for Nearest {
    fn fit(&mut self, genomes: &[&[Feature]], targets: &[f64], _: &[&[Feature]], _: bool, _: &mut ChaCha8Rng) {
        self.points = genomes.iter().zip(targets).map(|(features, &target)| (features.to_vec(), target)).collect();
    }

    fn predict(&self, features: &[Feature]) -> (f64, f64) {
        let distance = |other: &[Feature]| other.iter().zip(features).map(|(&a, &b)| a.difference(b)).sum::<f64>();
        let mut near: Vec<(f64, f64)> = self.points.iter().map(|(other, target)| (distance(other), *target)).collect();
        if near.len() > NEIGHBOURS {
            near.select_nth_unstable_by(NEIGHBOURS, |a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
            near.truncate(NEIGHBOURS);
        }
        let weight = |distance: f64| 1.0 / (distance + 1e-3);
        let total: f64 = near.iter().map(|&(distance, _)| weight(distance)).sum();
        if near.is_empty() {
            return (0.0, 1.0);
        }
        let mean = near.iter().map(|&(distance, target)| weight(distance) * target).sum::<f64>() / total;
        let square = near.iter().map(|&(distance, target)| weight(distance) * (target - mean).powi(2)).sum::<f64>() / total;
        (mean, square.max(1e-9))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::rng;

    #[test]
    fn the_nearer_count_more() {
        let points: Vec<[Feature; 1]> = (0..20).map(|number| [Feature::Number(f64::from(number) / 20.0)]).collect();
        let genomes: Vec<&[Feature]> = points.iter().map(|point| &point[..]).collect();
        let targets: Vec<f64> = (0..20).map(f64::from).collect();
        let mut nearest = Nearest::new();
        assert_eq!(nearest.predict(&[]), (0.0, 1.0));
        nearest.fit(&genomes, &targets, &[], true, &mut rng(0, 0, 0));
        let (mean, variance) = nearest.predict(&[Feature::Number(0.5)]);
        assert!((mean - 10.0).abs() < 0.3 && variance < 1.0, "{mean} {variance}");
        let (mean, variance) = nearest.predict(&[Feature::Number(0.525)]);
        assert!((mean - 10.5).abs() < 0.1 && variance > 0.2, "{mean} {variance}");
    }
}
