//! Credit of edits: which kinds of mutation led to gains.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// How fast one result shifts a weight.
const RATE: f64 = 0.4;

/// Bounds of a weight, and of its inverse.
const MOST: f64 = 8.0;

/// Share of the draws that ignores the weights, so that no kind of edit is ever lost.
const EXPLORATION: f64 = 0.2;

/// One weight for each kind of edit, shifted by results: multiplicative weights with a share of uniform
/// draws, as Exp3 (Auer et al., 2002), but with clipped weights, since what helps changes as the incumbent moves.
#[derive(Debug, Clone, PartialEq)]
pub struct EditCredit {
    weights: Vec<f64>,
}

impl EditCredit {
    /// Equal weights for so many kinds.
    #[must_use]
    pub fn new(kinds: usize) -> EditCredit {
        EditCredit { weights: vec![1.0; kinds] }
    }

    /// Draws one of the `allowed` kinds; `None` where there is none.
    #[must_use]
    pub fn draw(&self, allowed: &[usize], rng: &mut ChaCha8Rng) -> Option<usize> {
        let total: f64 = allowed.iter().map(|&index| self.weights[index]).sum();
        if rng.random_bool(EXPLORATION) {
            return (!allowed.is_empty()).then(|| allowed[rng.random_range(0..allowed.len())]);
        }
        let mut left = rng.random::<f64>() * total;
        let drawn = allowed.iter().find(|&&index| {
            left -= self.weights[index];
            left < 0.0
        });
        drawn.or(allowed.last()).copied()
    }

    /// Shifts the weights of the entries that made up one candidate. `reward` is from 0 (spoiled it) over ½ (changed
    /// nothing) to 1 (a clear gain); several edits share it.
    pub fn record(&mut self, edits: &[usize], reward: f64) {
        let factor = (RATE * (2.0 * reward - 1.0) / edits.len().max(1) as f64).exp();
        for &index in edits {
            self.weights[index] = (self.weights[index] * factor).clamp(1.0 / MOST, MOST);
        }
    }
}

/// A difference of values on a scale from 0 to 1: ½ for none, rising with the difference in units of `spread`. With a
/// spread of 0 only the sign counts.
#[must_use]
pub fn reward(difference: f64, spread: f64) -> f64 {
    if spread > 0.0 {
        1.0 / (1.0 + (-difference / spread).exp())
    } else if difference == 0.0 {
        0.5
    } else {
        f64::from(u8::from(difference > 0.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::rng;

    const KINDS: usize = 12;

    fn counts(credit: &EditCredit, allowed: &[usize]) -> Vec<usize> {
        let mut rng = rng(1, 2, 3);
        let mut counts = vec![0; KINDS];
        for _ in 0..4000 {
            counts[credit.draw(allowed, &mut rng).unwrap()] += 1;
        }
        counts
    }

    #[test]
    fn gains_make_an_edit_likelier_and_losses_rarer_but_never_impossible() {
        let mut credit = EditCredit::new(KINDS);
        let allowed = [0, 1, 2];
        for _ in 0..50 {
            credit.record(&[0], 1.0);
            credit.record(&[1], 0.0);
        }
        let counts = counts(&credit, &allowed);
        // Weights 8, 1/8, 1 and a fifth uniform: 4000 · (0.8 · w/9.125 + 0.2/3).
        assert!((2900..3250).contains(&counts[0]), "{counts:?}");
        assert!((230..390).contains(&counts[1]), "{counts:?}");
        assert!((530..710).contains(&counts[2]), "{counts:?}");
    }

    #[test]
    fn an_edit_that_changes_nothing_keeps_its_weight() {
        let mut credit = EditCredit::new(KINDS);
        credit.record(&[0, 1], 0.5);
        assert_eq!(credit, EditCredit::new(KINDS));
    }

    #[test]
    fn nothing_allowed_is_nothing_drawn() {
        for stream in 0..20 {
            assert_eq!(EditCredit::new(KINDS).draw(&[], &mut rng(0, 0, stream)), None);
        }
    }

    #[test]
    fn rewards_by_hand() {
        assert_eq!(reward(0.0, 1.0), 0.5);
        assert!((reward(1.0, 1.0) - 0.731_058_578_630_004_9).abs() < 1e-12);
        assert_eq!([reward(1e-9, 0.0), reward(0.0, 0.0), reward(-1e-9, 0.0)], [1.0, 0.5, 0.0]);
        assert_eq!([reward(1e300, 1e-300), reward(-1e300, 1e-300)], [1.0, 0.0]);
    }
}
