//! Screening: of several drafts the one of which a model of the objective expects most.

use super::model::{GaussianProcess, expected_improvement, normal_scores};
use super::space::Feature;
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;

/// Observations that the model learns from: half of them the best, half the latest.
const WINDOW: usize = 160;

/// Fewest observations before anything is expected.
const ENOUGH: usize = 6;

/// Observations up to which the kernel is fitted at every one; beyond, at a share of them that falls with their number.
const DENSE: usize = 25;

/// Steps in which the kernel is fitted.
const TRIES: usize = 12;

/// What was observed of genomes, and what to expect of others.
pub struct Screen {
    observations: Vec<Observation>,
    /// Features of candidates that are under way.
    open: BTreeMap<u64, Vec<Feature>>,
    model: GaussianProcess,
    /// Observations when the kernel was fitted last.
    fitted: usize,
    /// Target of the best observation that the model knows.
    best: f64,
    /// Whether the model knows all observations and all that is under way.
    is_current: bool,
}

struct Observation {
    features: Vec<Feature>,
    value: Option<f64>,
}

impl Screen {
    /// Nothing observed yet.
    pub fn new() -> Self {
        Screen {
            observations: Vec::new(),
            open: BTreeMap::new(),
            model: GaussianProcess::new(),
            fitted: 0,
            best: 0.0,
            is_current: false,
        }
    }

    /// Takes note of a candidate that is under way.
    pub fn opened(&mut self, number: u64, features: Vec<Feature>) {
        self.open.insert(number, features);
        self.is_current = false;
    }

    /// Takes note of the value of a candidate, `None` where it failed.
    pub fn told(&mut self, number: u64, features: Vec<Feature>, value: Option<f64>) {
        self.open.remove(&number);
        self.observations.push(Observation { features, value });
        self.is_current = false;
    }

    /// Brings the model up to date; false where too little was observed for a model.
    pub fn is_ready(&mut self, rng: &mut ChaCha8Rng) -> bool {
        let count = self.observations.len();
        if count < ENOUGH {
            return false;
        }
        if !self.is_current {
            let known = self.window();
            let values: Vec<Option<f64>> = known.iter().map(|&index| self.observations[index].value).collect();
            let targets = normal_scores(&values);
            self.best = targets.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let genomes: Vec<&[Feature]> = known.iter().map(|&index| &self.observations[index].features[..]).collect();
            let open: Vec<&[Feature]> = self.open.values().map(|features| &features[..]).collect();
            let is_due = self.fitted == 0 || count - self.fitted > count / DENSE;
            let tries = if is_due { TRIES } else { 0 };
            if is_due {
                self.fitted = count;
            }
            self.model.fit(&genomes, &targets, &open, tries, rng);
            self.is_current = true;
        }
        true
    }

    /// Indices of the observations that the model learns from.
    fn window(&self) -> Vec<usize> {
        let count = self.observations.len();
        if count <= WINDOW {
            return (0..count).collect();
        }
        let latest = count - WINDOW / 2;
        let mut older: Vec<usize> = (0..latest).collect();
        older.sort_by(|&a, &b| self.observations[b].value.partial_cmp(&self.observations[a].value).unwrap_or(a.cmp(&b)));
        older.truncate(WINDOW / 2);
        older.sort_unstable();
        older.extend(latest..count);
        older
    }

    /// How much better than the best observation a genome is expected to be, in units of the spread of all.
    pub fn promise(&self, features: &[Feature]) -> f64 {
        let (mean, variance) = self.model.predict(features);
        expected_improvement(mean, variance, self.best)
    }
}
