//! What the earlier training of inherited weights is worth.

use std::collections::VecDeque;

/// Results that count.
const WINDOW: usize = 24;

/// Results needed before anything is said.
const ENOUGH: usize = 3;

/// The gain that a child with inherited weights typically has over its parent, whatever was edited.
///
/// A lineage of inherited weights was trained longer than a candidate from scratch. So that its genomes do not win by
/// that alone, each inheritance subtracts this typical gain from the value by which selection compares: a child rises
/// above its parent only where it gained more than such children usually do. Scores stay as they were measured, and
/// finalists are chosen by score; their training at full length decides among them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct HeadStart {
    gains: VecDeque<f64>,
}

impl HeadStart {
    /// Takes note of the score of a child less that of its parent.
    pub fn record(&mut self, gain: f64) {
        if self.gains.len() == WINDOW {
            self.gains.pop_front();
        }
        self.gains.push_back(gain);
    }

    /// The median gain of the latest children, at least 0.
    #[must_use]
    pub fn typical(&self) -> f64 {
        if self.gains.len() < ENOUGH {
            return 0.0;
        }
        let mut sorted: Vec<f64> = self.gains.iter().copied().collect();
        sorted.sort_by(f64::total_cmp);
        sorted[(sorted.len() - 1) / 2].max(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(gains: &[f64]) -> f64 {
        let mut head_start = HeadStart::default();
        gains.iter().for_each(|&gain| head_start.record(gain));
        head_start.typical()
    }

    #[test]
    fn is_the_lower_median_of_the_latest_gains_and_never_negative() {
        assert_eq!(after(&[0.5, 0.5]), 0.0);
        assert_eq!(after(&[0.3, 0.1, 0.2]), 0.2);
        assert_eq!(after(&[0.4, 0.1, 0.2, 0.3]), 0.2);
        assert_eq!(after(&[-0.3, -0.1, -0.2]), 0.0);
        let mut old_then_new = vec![1.0; WINDOW];
        old_then_new.extend([0.25; WINDOW]);
        assert_eq!(after(&old_then_new), 0.25);
    }
}
