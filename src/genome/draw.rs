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

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn rounding_keeps_three_digits() {
        assert_eq!(round(0.0012345), 0.00123);
        assert_eq!(round(98.76), 98.8);
        assert_eq!(round(0.0), 0.0);
        assert_eq!(round(-1.0005), -1.0);
    }

    #[test]
    fn log_uniform_spreads_evenly_over_the_decades() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let draws: Vec<f32> = (0..2_000).map(|_| log_uniform(&mut rng, 1e-4, 1e-2)).collect();
        assert!(draws.iter().all(|draw| (1e-4..=1e-2).contains(draw) && round(*draw) == *draw));
        let low = draws.iter().filter(|&&draw| draw < 1e-3).count();
        assert!((900..1_100).contains(&low), "{low} of 2000 below the middle");
    }

    #[test]
    fn picks_follow_their_weights() {
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let picks: Vec<u8> = (0..4_000).map(|_| pick(&mut rng, &[(3.0, 1), (0.0, 2), (1.0, 3)])).collect();
        let count = |value| picks.iter().filter(|&&pick| pick == value).count();
        assert_eq!(count(2), 0);
        assert!((2_880..3_120).contains(&count(1)), "{}", count(1));
        assert_eq!(pick(&mut rng, &[(0.0, 7), (0.0, 8)]), 7);
    }

    #[test]
    fn steps_along_choices() {
        let choices = [8, 16, 32];
        assert_eq!((nearest(&choices, 0), nearest(&choices, 17), nearest(&choices, 9_000)), (8, 16, 32));
        assert_eq!(nearest(&[], 5), 5);
        assert_eq!(
            (below(&choices, 16), below(&choices, 8), above(&choices, 16), above(&choices, 33)),
            (Some(8), None, Some(32), None)
        );
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        assert_eq!(another(&mut rng, &[4, 4], 4), None);
        assert_eq!(another(&mut rng, &[4, 5], 4), Some(5));
        assert_eq!(one_of::<u8>(&mut rng, &[]), None);
    }
}
