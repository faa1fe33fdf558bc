//! Screening: of several drafts the one of which a model of the objective expects most.

use super::model::{Model, expected_improvement, normal_scores};
use super::space::Feature;
use rand_chacha::ChaCha8Rng;
use std::collections::{BTreeMap, VecDeque};

/// Observations that the model learns from: half of them the best, half the latest.
const WINDOW: usize = 160;

/// Fewest observations before anything is expected.
const ENOUGH: usize = 6;

/// Observations up to which the model is tuned at every one; beyond, at a share of them that falls with their number.
const DENSE: usize = 25;

/// What was observed of genomes, and what to expect of others.
pub struct Screen {
    window: Window,
    /// Features of candidates that are under way.
    open: BTreeMap<u64, Vec<Feature>>,
    model: Box<dyn Model>,
    /// Observations when the model was tuned last.
    tuned: usize,
    /// Target of the best observation that the model knows.
    best: f64,
    /// Whether the model knows all observations and all that is under way.
    is_current: bool,
}

impl Screen {
    /// Nothing observed yet.
    pub fn new(model: Box<dyn Model>) -> Self {
        Screen { window: Window::default(), open: BTreeMap::new(), model, tuned: 0, best: 0.0, is_current: false }
    }

    /// Takes note of a candidate that is under way.
    pub fn opened(&mut self, number: u64, features: Vec<Feature>) {
        self.open.insert(number, features);
        self.is_current = false;
    }

    /// Takes note of the value of a candidate, `None` where it failed. Where it is one that was told before as `earlier`, that
    /// observation is forgotten.
    pub fn told(&mut self, number: u64, earlier: Option<u64>, features: Vec<Feature>, value: Option<f64>) {
        self.open.remove(&number);
        if let Some(earlier) = earlier {
            self.window.forget(earlier);
        }
        self.window.add(number, features, value);
        self.is_current = false;
    }

    /// Brings the model up to date; false where too little was observed for a model.
    pub fn is_ready(&mut self, rng: &mut ChaCha8Rng) -> bool {
        let count = self.window.count;
        if count < ENOUGH {
            return false;
        }
        if !self.is_current {
            let known = self.window.observations();
            let values: Vec<Option<f64>> = known.iter().map(|observation| observation.value).collect();
            let targets = normal_scores(&values);
            self.best = targets.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let genomes: Vec<&[Feature]> = known.iter().map(|observation| &observation.features[..]).collect();
            let open: Vec<&[Feature]> = self.open.values().map(|features| &features[..]).collect();
            let is_due = self.tuned == 0 || count - self.tuned > count / DENSE;
            if is_due {
                self.tuned = count;
            }
            self.model.fit(&genomes, &targets, &open, is_due, rng);
            self.is_current = true;
        }
        true
    }

    /// How much better than the best observation a genome is expected to be, in units of the spread of all.
    pub fn promise(&self, features: &[Feature]) -> f64 {
        let (mean, variance) = self.model.predict(features);
        expected_improvement(mean, variance, self.best)
    }
}

/// The observations that the model learns from; the others are forgotten, so that a long search stays as fast as a short
/// one.
#[derive(Default)]
struct Window {
    /// The best of those that are not among the latest, best first; of equal ones the older first.
    best: Vec<Observation>,
    latest: VecDeque<Observation>,
    /// Observations so far.
    count: usize,
}

struct Observation {
    candidate: u64,
    /// Observations before this one.
    number: usize,
    features: Vec<Feature>,
    value: Option<f64>,
}

impl Window {
    fn forget(&mut self, candidate: u64) {
        self.best.retain(|observation| observation.candidate != candidate);
        self.latest.retain(|observation| observation.candidate != candidate);
    }

    fn add(&mut self, candidate: u64, features: Vec<Feature>, value: Option<f64>) {
        self.latest.push_back(Observation { candidate, number: self.count, features, value });
        self.count += 1;
        if self.latest.len() > WINDOW / 2
            && let Some(older) = self.latest.pop_front()
        {
            let place = self.best.partition_point(|other| other.value >= older.value);
            self.best.insert(place, older);
            self.best.truncate(WINDOW / 2);
        }
    }

    /// In the order in which they came.
    fn observations(&self) -> Vec<&Observation> {
        let mut all: Vec<&Observation> = self.best.iter().collect();
        all.sort_unstable_by_key(|observation| observation.number);
        all.extend(&self.latest);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::rng;
    use rand::RngExt;

    #[test]
    fn the_window_holds_the_latest_and_the_best_of_those_before() {
        let mut window = Window::default();
        let mut values: Vec<Option<f64>> = Vec::new();
        let mut rng = rng(1, 1, 1);
        for _ in 0..700 {
            // Few different values, so that many are equal, and failures.
            let value = rng.random_bool(0.8).then(|| f64::from(rng.random_range(0..90)));
            window.add(values.len() as u64, vec![], value);
            values.push(value);
            let count = values.len();
            let latest = count.saturating_sub(WINDOW / 2);
            let mut expected: Vec<usize> = (0..latest).collect();
            expected.sort_by(|&a, &b| values[b].partial_cmp(&values[a]).unwrap());
            expected.truncate(WINDOW / 2);
            expected.sort_unstable();
            expected.extend(latest..count);
            let found: Vec<usize> = window.observations().iter().map(|observation| observation.number).collect();
            assert_eq!(found, expected);
        }
    }
}
