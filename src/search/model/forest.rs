//! A forest of regression trees.

use super::{Model, vectors::Encoding};
use crate::search::space::Feature;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// Trees.
const TREES: usize = 24;
/// Fewest points that are split.
const SPLIT: usize = 5;
/// One in so many columns is tried at each split.
const TRIED: usize = 2;

/// Extremely randomised trees (Geurts et al., 2006): at each node some columns are drawn, each is cut at a random place
/// between its least and its greatest value, and the cut is taken that leaves the least square error. The variance is that
/// between the trees, as for models of algorithms' run times (Hutter et al., 2011).
#[derive(Debug, Clone, Default)]
pub struct Forest {
    encoding: Encoding,
    trees: Vec<Tree>,
}

/// Nodes, the root first.
#[derive(Debug, Clone, Default)]
struct Tree {
    nodes: Vec<Node>,
}

#[derive(Debug, Clone, Copy)]
enum Node {
    Leaf(f64),
    /// Points whose `column` is below `cut` go on at the next node, the others at `above`.
    Split {
        column: usize,
        cut: f64,
        above: usize,
    },
}

/// What trees are grown on.
struct Data<'a> {
    vectors: &'a [Vec<f64>],
    targets: &'a [f64],
}

impl Forest {
    /// Nothing observed yet.
    #[must_use]
    pub fn new() -> Self {
        Forest::default()
    }
}

impl Tree {
    fn grow(&mut self, data: &Data<'_>, points: &mut [usize], rng: &mut ChaCha8Rng) {
        let Some((column, cut)) = data.best_cut(points, rng) else {
            self.nodes.push(Node::Leaf(data.mean(points)));
            return;
        };
        let node = self.nodes.len();
        self.nodes.push(Node::Split { column, cut, above: 0 });
        points.sort_unstable_by_key(|&point| (data.vectors[point][column] >= cut, point));
        let below = points.partition_point(|&point| data.vectors[point][column] < cut);
        let (low, high) = points.split_at_mut(below);
        self.grow(data, low, rng);
        self.nodes[node] = Node::Split { column, cut, above: self.nodes.len() };
        self.grow(data, high, rng);
    }

    fn predict(&self, vector: &[f64]) -> f64 {
        let mut node = 0;
        loop {
            match self.nodes[node] {
                Node::Leaf(mean) => return mean,
                Node::Split { column, cut, .. } if vector[column] < cut => node += 1,
                Node::Split { above, .. } => node = above,
            }
        }
    }
}

impl Data<'_> {
    fn mean(&self, points: &[usize]) -> f64 {
        points.iter().map(|&point| self.targets[point]).sum::<f64>() / points.len().max(1) as f64
    }

    /// The best of the cuts that are drawn; `None` where there are too few points, or none that can be told apart.
    fn best_cut(&self, points: &[usize], rng: &mut ChaCha8Rng) -> Option<(usize, f64)> {
        let width = self.vectors.first().map_or(0, Vec::len);
        let first = self.targets[*points.first()?];
        if points.len() < SPLIT || points.iter().all(|&point| self.targets[point] == first) {
            return None;
        }
        let mut best: Option<(f64, usize, f64)> = None;
        // Columns in which these points are all the same do not count as tried.
        let (mut left, mut columns) = (width.div_ceil(TRIED), (0..width).collect::<Vec<_>>());
        while left > 0 && !columns.is_empty() {
            let column = columns.swap_remove(rng.random_range(0..columns.len()));
            let (low, high) = points.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &point| {
                (low.min(self.vectors[point][column]), high.max(self.vectors[point][column]))
            });
            if low == high {
                continue;
            }
            left -= 1;
            let drawn = low + (high - low) * rng.random::<f64>();
            // Both sides have points, also where rounding takes the cut to the lower end.
            let cut = if drawn > low { drawn } else { high };
            let gain = self.gain(points, column, cut);
            if best.is_none_or(|(most, _, _)| gain > most) {
                best = Some((gain, column, cut));
            }
        }
        best.map(|(_, column, cut)| (column, cut))
    }

    /// By how much a cut lowers the sum of square errors, but for a constant.
    fn gain(&self, points: &[usize], column: usize, cut: f64) -> f64 {
        let (mut sums, mut counts) = ([0.0; 2], [0.0_f64; 2]);
        for &point in points {
            let side = usize::from(self.vectors[point][column] >= cut);
            sums[side] += self.targets[point];
            counts[side] += 1.0;
        }
        sums[0] * sums[0] / counts[0].max(1.0) + sums[1] * sums[1] / counts[1].max(1.0)
    }
}

impl Model for Forest {
    fn fit(&mut self, genomes: &[&[Feature]], targets: &[f64], _: &[&[Feature]], _: bool, rng: &mut ChaCha8Rng) {
        self.encoding = Encoding::of(genomes);
        let vectors: Vec<Vec<f64>> = genomes.iter().map(|features| self.encoding.vector(features)).collect();
        let data = Data { vectors: &vectors, targets };
        let grown = |_| {
            let mut tree = Tree::default();
            tree.grow(&data, &mut (0..targets.len()).collect::<Vec<_>>(), rng);
            tree
        };
        self.trees = (0..TREES).map(grown).collect();
    }

    fn predict(&self, features: &[Feature]) -> (f64, f64) {
        let vector = self.encoding.vector(features);
        let predictions: Vec<f64> = self.trees.iter().map(|tree| tree.predict(&vector)).collect();
        let mean = predictions.iter().sum::<f64>() / predictions.len().max(1) as f64;
        let square = predictions.iter().map(|prediction| (prediction - mean).powi(2)).sum::<f64>();
        (mean, (square / predictions.len().max(1) as f64).max(1e-9))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::rng;

    fn point(stream: u64) -> (Vec<Feature>, f64) {
        let mut rng = rng(1, 0, stream);
        let numbers: [f64; 3] = rng.random();
        let category = rng.random_range(0..3);
        let features = numbers.map(Feature::Number).into_iter().chain([Feature::Category(category)]).collect();
        // An interaction that no sum of effects can show.
        let target = if category == 1 { 2.0 * f64::from(u8::from(numbers[0] > 0.5)) - 1.0 } else { 0.0 };
        (features, target)
    }

    #[test]
    fn learns_an_interaction_and_is_unsure_where_trees_differ() {
        let known: Vec<(Vec<Feature>, f64)> = (0..150).map(point).collect();
        let genomes: Vec<&[Feature]> = known.iter().map(|(features, _)| &features[..]).collect();
        let targets: Vec<f64> = known.iter().map(|(_, target)| *target).collect();
        let mut forest = Forest::new();
        forest.fit(&genomes, &targets, &[], true, &mut rng(0, 0, 0));
        let squares = (200..400).map(point).map(|(features, target)| (forest.predict(&features).0 - target).powi(2));
        assert!((squares.sum::<f64>() / 200.0).sqrt() < 0.3);
        let at = |number| {
            let number = Feature::Number(number);
            forest.predict(&[number, Feature::Number(0.5), Feature::Number(0.5), Feature::Category(1)])
        };
        assert!(at(0.1).0 < -0.7 && at(0.9).0 > 0.7, "{:?} {:?}", at(0.1), at(0.9));
        assert!(at(0.5).1 > at(0.05).1);
    }

    #[test]
    fn equal_points_and_a_single_one_are_survived() {
        for count in [1, 30] {
            let genomes: Vec<&[Feature]> = vec![&[Feature::Number(1.0), Feature::Absent]; count];
            let targets: Vec<f64> = (0..count).map(|number| number as f64).collect();
            let mut forest = Forest::new();
            forest.fit(&genomes, &targets, &[], true, &mut rng(0, 0, 0));
            assert_eq!(forest.predict(genomes[0]).0, (count - 1) as f64 / 2.0);
        }
    }
}
