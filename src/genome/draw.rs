//! Drawing genes: weighted choice, log-uniform floats, steps along a list of choices.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// Rounds to three significant digits, so that genomes read well.
pub(super) fn round(value: f32) -> f32 {
    format!("{value:.2e}").parse().unwrap_or(value)
}

/// Draws log-uniformly from `low..=high`, both above 0, to three significant digits.
pub(super) fn log_uniform(rng: &mut ChaCha8Rng, low: f32, high: f32) -> f32 {
    round((rng.random_range(f64::from(low).ln()..=f64::from(high).ln())).exp() as f32).clamp(low, high)
}

/// Draws one of the values with probability proportional to its weight; the first where no weight is above 0.
pub(super) fn pick<T: Copy>(rng: &mut ChaCha8Rng, choices: &[(f64, T)]) -> T {
    let total: f64 = choices.iter().map(|(weight, _)| weight).sum();
    let mut left = rng.random::<f64>() * total;
    for &(weight, value) in choices {
        if left < weight {
            return value;
        }
        left -= weight;
    }
    choices[0].1
}

/// Draws one of the items evenly; `None` where there are none.
pub(super) fn one_of<T: Copy>(rng: &mut ChaCha8Rng, items: &[T]) -> Option<T> {
    if items.is_empty() { None } else { Some(items[rng.random_range(0..items.len())]) }
}

/// Draws one of the items that differ from `current`; `None` where there are none.
pub(super) fn another<T: Copy + PartialEq>(rng: &mut ChaCha8Rng, items: &[T], current: T) -> Option<T> {
    let others: Vec<T> = items.iter().copied().filter(|&item| item != current).collect();
    one_of(rng, &others)
}

/// The choice nearest to `value` (the lower of two at the same ratio); `value` itself where there are no choices.
/// `choices` ascend.
pub(super) fn nearest(choices: &[usize], value: usize) -> usize {
    let apart = |choice: usize| ((choice as f64 + 0.5).ln() - (value as f64 + 0.5).ln()).abs();
    choices.iter().copied().min_by(|&a, &b| apart(a).total_cmp(&apart(b))).unwrap_or(value)
}

/// The largest choice below `value`. `choices` ascend.
pub(super) fn below(choices: &[usize], value: usize) -> Option<usize> {
    choices.iter().copied().rfind(|&choice| choice < value)
}

/// The smallest choice above `value`. `choices` ascend.
pub(super) fn above(choices: &[usize], value: usize) -> Option<usize> {
    choices.iter().copied().find(|&choice| choice > value)
}
