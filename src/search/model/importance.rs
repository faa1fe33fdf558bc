//! Which parts of a genome the objective depends on, by what a model of it loses without them.

use super::{GaussianProcess, normal_scores, rank_correlation};
use crate::search::{driver::rng, space::Feature};
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

/// Parts of the candidates, each of which is predicted by a model of the others.
const FOLDS: usize = 5;
/// Steps in which the kernel of each model is fitted.
const TRIES: usize = 40;
/// Times that each gene is shuffled.
const SHUFFLES: u64 = 5;
/// Least correlation of a model that is worth asking, and in how many standard errors of chance.
const LEAST: f64 = 0.3;
const ERRORS: f64 = 2.0;

/// Permutation importance (Breiman, 2001), judged on candidates that the model has not seen (Fisher et al., 2019): how much
/// worse the Gaussian process ranks held-out candidates when the values of one gene are shuffled among them. What genes
/// do together counts for each of them, and of two that always change together the model may ask only one.
#[derive(Debug, Clone, PartialEq)]
pub struct Importance {
    /// Candidates that there were.
    pub candidates: usize,
    /// Candidates that were looked at: all, or [`Importance::MOST`] spread evenly over them.
    pub sampled: usize,
    /// Rank correlation (Spearman) of what was expected of held-out candidates with how they did.
    pub correlation: f64,
    /// Genes that differ among the candidates, with how much of the correlation is lost without each; the most first.
    pub genes: Vec<(&'static str, f64)>,
}

/// A candidate as a model of the objective sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Described {
    /// Coordinates with the names of their genes, the same for all candidates.
    pub genes: Vec<(&'static str, Feature)>,
    /// What it reached; `None` where it failed.
    pub value: Option<f64>,
}

impl Importance {
    /// Fewest candidates that anything is said of.
    pub const FEWEST: usize = 20;
    /// Most candidates that are looked at: the time grows with the cube of their number.
    pub const MOST: usize = 200;

    /// Judges the genes of candidates, of which those that failed rank last. `None` where there are fewer than [`Importance::FEWEST`].
    #[must_use]
    pub fn of(candidates: &[Described]) -> Option<Importance> {
        if candidates.len() < Importance::FEWEST {
            return None;
        }
        let sampled = candidates.len().min(Importance::MOST);
        let sample: Vec<&Described> = (0..sampled).map(|index| &candidates[index * candidates.len() / sampled]).collect();
        let values: Vec<Option<f64>> = sample.iter().map(|candidate| candidate.value).collect();
        let features: Vec<Vec<Feature>> =
            sample.iter().map(|candidate| candidate.genes.iter().map(|&(_, feature)| feature).collect()).collect();
        let judged = Judged::new(features, normal_scores(&values));
        let correlation = judged.correlation(&judged.features);
        let lost = |(number, (name, at)): (u64, &(&'static str, Vec<usize>))| {
            let shuffled = (0..SHUFFLES).map(|shuffle| judged.without(at, &mut rng(number, shuffle, 1)));
            (*name, correlation - shuffled.sum::<f64>() / SHUFFLES as f64)
        };
        let mut genes: Vec<(&'static str, f64)> = (0..).zip(&judged.varied(&sample[0].genes)).map(lost).collect();
        genes.sort_by(|a, b| b.1.total_cmp(&a.1));
        Some(Importance { candidates: candidates.len(), sampled, correlation, genes })
    }

    /// Whether the model predicts well enough for what it says of genes to mean anything.
    #[must_use]
    pub fn is_trustworthy(&self) -> bool {
        self.correlation >= LEAST.max(ERRORS / (self.sampled as f64 - 1.0).sqrt())
    }
}

/// Candidates with, for each, a model of those outside of its fold.
struct Judged {
    features: Vec<Vec<Feature>>,
    targets: Vec<f64>,
    /// Fold of each candidate.
    fold: Vec<usize>,
    models: Vec<GaussianProcess>,
}

impl Judged {
    fn new(features: Vec<Vec<Feature>>, targets: Vec<f64>) -> Self {
        let mut fold: Vec<usize> = (0..features.len()).map(|index| index % FOLDS).collect();
        fold.shuffle(&mut rng(0, 0, 0));
        let fitted = |held: usize| {
            let others = || (0..features.len()).filter(|&index| fold[index] != held);
            let genomes: Vec<&[Feature]> = others().map(|index| &features[index][..]).collect();
            let known: Vec<f64> = others().map(|index| targets[index]).collect();
            let mut model = GaussianProcess::new();
            model.learn_from(&genomes, &known, &[], TRIES, &mut rng(held as u64, 0, 2));
            model
        };
        let models = (0..FOLDS).map(fitted).collect();
        Judged { features, targets, fold, models }
    }

    /// Genes of which not all candidates have the same, with the places of their coordinates.
    fn varied(&self, named: &[(&'static str, Feature)]) -> Vec<(&'static str, Vec<usize>)> {
        let mut genes: Vec<(&'static str, Vec<usize>)> = Vec::new();
        for (at, (name, _)) in named.iter().enumerate() {
            match genes.iter_mut().find(|(other, _)| other == name) {
                Some((_, places)) => places.push(at),
                None => genes.push((name, vec![at])),
            }
        }
        let differs = |at: &usize| self.features.iter().any(|features| features[*at] != self.features[0][*at]);
        genes.retain(|(_, places)| places.iter().any(differs));
        genes
    }

    /// How the ranks of what the models expect of these features agree with how the candidates did.
    fn correlation(&self, features: &[Vec<Feature>]) -> f64 {
        let expected = features.iter().zip(&self.fold).map(|(features, &fold)| self.models[fold].mean(features));
        rank_correlation(&expected.collect::<Vec<f64>>(), &self.targets)
    }

    /// The correlation with the coordinates at these places shuffled among the candidates.
    fn without(&self, places: &[usize], rng: &mut ChaCha8Rng) -> f64 {
        let mut donors: Vec<usize> = (0..self.features.len()).collect();
        donors.shuffle(rng);
        let mut shuffled = self.features.clone();
        for (features, &donor) in shuffled.iter_mut().zip(&donors) {
            places.iter().for_each(|&at| features[at] = self.features[donor][at]);
        }
        self.correlation(&shuffled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::RngExt;

    /// Candidates whose value is `strong` above all, a little `weak`, not `idle`, and never varied in `fixed`.
    fn candidates(count: u64) -> Vec<Described> {
        let made = |number| {
            let mut rng = rng(8, number, 0);
            let [strong, weak, idle] = [(); 3].map(|()| rng.random::<f64>());
            let kind = rng.random_range(0..3);
            let genes = vec![
                ("strong", Feature::Number(strong)),
                ("weak", Feature::Number(weak)),
                ("idle", Feature::Number(idle)),
                ("strong", Feature::Category(kind)),
                ("fixed", Feature::Category(1)),
            ];
            let value = 3.0 * (3.0 * strong).sin() + f64::from(kind) + 0.5 * weak + 0.1 * rng.random::<f64>();
            Described { genes, value: (number % 11 != 3).then_some(value) }
        };
        (0..count).map(made).collect()
    }

    #[test]
    fn what_matters_comes_first_and_what_does_not_is_near_zero() {
        let importance = Importance::of(&candidates(150)).unwrap();
        assert_eq!((importance.candidates, importance.sampled), (150, 150));
        assert!(importance.correlation > 0.5 && importance.is_trustworthy(), "{importance:?}");
        let names: Vec<&str> = importance.genes.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["strong", "weak", "idle"], "{importance:?}");
        let lost: Vec<f64> = importance.genes.iter().map(|(_, lost)| *lost).collect();
        assert!(lost[0] > 0.4 && lost[1] < 0.3 && lost[2].abs() < 0.05, "{importance:?}");
        assert_eq!(importance, Importance::of(&candidates(150)).unwrap());
    }

    #[test]
    fn nothing_is_said_of_few_candidates_of_noise_or_of_equal_values() {
        assert_eq!(Importance::of(&candidates(19)), None);
        let mut noise = candidates(60);
        (0..).zip(&mut noise).for_each(|(number, made)| made.value = Some(rng(9, number, 0).random()));
        let judged = Importance::of(&noise).unwrap();
        assert!(!judged.is_trustworthy(), "{judged:?}");
        noise.iter_mut().for_each(|made| made.value = Some(1.0));
        let judged = Importance::of(&noise).unwrap();
        assert!(judged.correlation == 0.0 && !judged.is_trustworthy(), "{judged:?}");
        noise.iter_mut().for_each(|made| made.value = None);
        assert!(!Importance::of(&noise).unwrap().is_trustworthy());
    }

    #[test]
    fn of_many_candidates_some_are_looked_at() {
        let many = Importance::of(&candidates(1_000)).unwrap();
        assert_eq!((many.candidates, many.sampled), (1_000, Importance::MOST));
        assert_eq!(many.genes[0].0, "strong");
    }
}
