//! Foresight: what can be said of genomes before any of them is evaluated.

use super::{Space, model::ranks};
use std::collections::HashMap;
use std::sync::Arc;

/// Scores of genomes that need no evaluation, such as zero-cost proxies of nets.
///
/// The search knows nothing of how they come about. They have to be a pure function of a genome: the same whenever they are
/// asked for, and whatever else is scored beside it.
pub trait Foresight<G>: Send + Sync {
    /// Scores of each genome, as many for every one and in one order, each the higher the better; `None` where nothing can
    /// be said. Never NaN.
    fn scores(&self, genomes: &[G]) -> Vec<Vec<Option<f64>>>;
}

/// Genomes in the order of their foreseen scores. What was scored once is remembered.
pub struct Foreseen<S: Space> {
    foresight: Option<Arc<dyn Foresight<S::Genome>>>,
    known: HashMap<String, Vec<Option<f64>>>,
}

impl<S: Space> Default for Foreseen<S> {
    fn default() -> Self {
        Foreseen { foresight: None, known: HashMap::new() }
    }
}

impl<S: Space> Foreseen<S> {
    /// Takes the foresight that scores.
    pub fn set(&mut self, foresight: Arc<dyn Foresight<S::Genome>>) {
        self.foresight = Some(foresight);
    }

    /// Whether nothing can be foreseen.
    pub fn is_blind(&self) -> bool {
        self.foresight.is_none()
    }

    /// Positions of genomes from the most promising on: by the mean over the scores of their ranks. Where a score says
    /// nothing of a genome it ranks below all others in it; of equal genomes the earlier one comes first.
    pub fn ranked(&mut self, space: &S, genomes: &[S::Genome]) -> Vec<usize> {
        if genomes.len() < 2 {
            return (0..genomes.len()).collect();
        }
        let hashes: Vec<String> = genomes.iter().map(|genome| space.hash(genome)).collect();
        self.score(&hashes, genomes);
        let scores: Vec<&[Option<f64>]> =
            hashes.iter().map(|hash| self.known.get(hash).map_or(&[][..], Vec::as_slice)).collect();
        let means = mean_ranks(&scores);
        let mut order: Vec<usize> = (0..genomes.len()).collect();
        order.sort_by(|&a, &b| means[b].total_cmp(&means[a]));
        order
    }

    /// Scores what is not known yet.
    fn score(&mut self, hashes: &[String], genomes: &[S::Genome]) {
        let Some(foresight) = &self.foresight else { return };
        let (mut new, mut asked): (Vec<&String>, Vec<S::Genome>) = (vec![], vec![]);
        for (hash, genome) in hashes.iter().zip(genomes) {
            if !self.known.contains_key(hash) && !new.contains(&hash) {
                new.push(hash);
                asked.push(genome.clone());
            }
        }
        let scores = foresight.scores(&asked);
        self.known.extend(new.into_iter().cloned().zip(scores));
    }
}

/// For each genome the mean over the scores of its rank, the higher the better.
fn mean_ranks(scores: &[&[Option<f64>]]) -> Vec<f64> {
    let count = scores.iter().map(|scores| scores.len()).max().unwrap_or(0);
    let mut sums = vec![0.0; scores.len()];
    for number in 0..count {
        let column: Vec<f64> =
            scores.iter().map(|scores| scores.get(number).copied().flatten().unwrap_or(f64::NEG_INFINITY)).collect();
        sums.iter_mut().zip(ranks(&column)).for_each(|(sum, rank)| *sum += rank / count as f64);
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::Parameters;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn ranks_are_averaged_and_what_is_unknown_comes_last() {
        let scores = [[Some(3.0), Some(1e9)], [Some(2.0), Some(5.0)], [Some(1.0), None], [Some(3.0), Some(1.0)]];
        let rows: Vec<&[Option<f64>]> = scores.iter().map(|row| &row[..]).collect();
        assert_eq!(mean_ranks(&rows), [3.75, 2.5, 1.0, 2.75]);
        assert!(mean_ranks(&[]).is_empty());
    }

    /// Counts what it scores.
    struct Counting(AtomicUsize);

    impl Foresight<Vec<Option<crate::search::space::parameters::Value>>> for Counting {
        fn scores(&self, genomes: &[Vec<Option<crate::search::space::parameters::Value>>]) -> Vec<Vec<Option<f64>>> {
            self.0.fetch_add(genomes.len(), Ordering::SeqCst);
            let value = |point: &Vec<Option<crate::search::space::parameters::Value>>| match point[0] {
                Some(crate::search::space::parameters::Value::Int(value)) => Some(value as f64),
                _ => None,
            };
            genomes.iter().map(|genome| vec![value(genome)]).collect()
        }
    }

    #[test]
    fn the_most_promising_come_first_and_nothing_is_scored_twice() {
        use crate::search::space::parameters::Value::Int;
        let space = Parameters::builder().int("x", 0, 9).build().unwrap();
        let counting = Arc::new(Counting(AtomicUsize::new(0)));
        let mut foreseen = Foreseen::<Parameters>::default();
        assert!(foreseen.is_blind());
        foreseen.set(counting.clone());
        let points: Vec<_> = [4, 7, 4, 9].map(|x| vec![Some(Int(x))]).to_vec();
        assert_eq!(foreseen.ranked(&space, &points), [3, 1, 0, 2]);
        assert_eq!(foreseen.ranked(&space, &points[1..]), [2, 0, 1]);
        assert_eq!(counting.0.load(Ordering::SeqCst), 3);
    }
}
