//! What values a parameter may have, and steps between them.

use rand::{RngExt, seq::IndexedRandom};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;
use serde::{Deserialize, Serialize};

/// Standard deviation of a step of a number, as a share of its range.
const STEP: f64 = 0.15;

/// Value of a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// Number of the choice in its list.
    Choice {
        /// Index into the list.
        choice: usize,
    },
    /// Whole number.
    Int(i64),
    /// Real number.
    Float(f64),
}

/// What values a parameter may have.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Range {
    Choice(Vec<String>),
    Int { low: i64, high: i64, log: bool },
    Float { low: f64, high: f64, log: bool },
}

impl Range {
    pub(super) fn draw(&self, rng: &mut ChaCha8Rng) -> Value {
        match self {
            Range::Choice(values) => Value::Choice { choice: rng.random_range(0..values.len()) },
            _ => self.at(rng.random()),
        }
    }

    /// The number at a share of the range; the first choice.
    fn at(&self, share: f64) -> Value {
        let between = |low: f64, high: f64, log: bool| {
            let share = share.clamp(0.0, 1.0);
            let value = if log { (low.ln() + share * (high.ln() - low.ln())).exp() } else { low + share * (high - low) };
            value.clamp(low, high)
        };
        match *self {
            Range::Choice(_) => Value::Choice { choice: 0 },
            Range::Float { low, high, log } => Value::Float(between(low, high, log)),
            Range::Int { low, high, log } => {
                // Every number has as much room as the others, those at the ends included.
                let (from, to) = (low as f64 - 0.5, high as f64 + 0.5);
                let value = between(if log { from.max(0.5) } else { from }, to, log).round();
                Value::Int((value as i64).clamp(low, high))
            }
        }
    }

    /// Where a number lies in its range, from 0 to 1.
    pub(super) fn share(&self, value: Value) -> f64 {
        let share = |value: f64, low: f64, high: f64, log: bool| {
            let scale = |v: f64| if log { v.ln() } else { v };
            let width = scale(high) - scale(low);
            if width > 0.0 { (scale(value) - scale(low)) / width } else { 0.0 }
        };
        match (self, value) {
            (&Range::Float { low, high, log }, Value::Float(value)) => share(value, low, high, log),
            (&Range::Int { low, high, log }, Value::Int(value)) => share(value as f64, low as f64, high as f64, log),
            _ => 0.0,
        }
    }

    /// Another value: any other choice, a number a step away. `None` where there is none.
    pub(super) fn step(&self, value: Value, rng: &mut ChaCha8Rng) -> Option<Value> {
        let next = match (self, value) {
            (Range::Choice(values), Value::Choice { choice }) => {
                let others: Vec<usize> = (0..values.len()).filter(|&other| other != choice).collect();
                Value::Choice { choice: *others.choose(rng)? }
            }
            _ => {
                let step: f64 = rng.sample::<f64, _>(StandardNormal) * STEP;
                match (self, self.at(self.share(value) + step)) {
                    // Too small a step for whole numbers leads to the next one that there is.
                    (&Range::Int { low, high, .. }, Value::Int(number)) if Value::Int(number) == value => {
                        let down = number > low && (step < 0.0 || number == high);
                        Value::Int(if down { number - 1 } else { number.saturating_add(1).min(high) })
                    }
                    (_, other) => other,
                }
            }
        };
        (next != value).then_some(next)
    }

    pub(super) fn words(&self, value: Value) -> String {
        match (self, value) {
            (Range::Choice(values), Value::Choice { choice }) => values.get(choice).cloned().unwrap_or_default(),
            (_, Value::Int(value)) => value.to_string(),
            (_, Value::Float(value)) => format!("{value:.4e}"),
            (_, Value::Choice { choice }) => choice.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::rng;

    #[test]
    fn whole_numbers_are_drawn_evenly_and_every_value_can_be_reached() {
        let range = Range::Int { low: -2, high: 2, log: false };
        let mut counts = [0; 5];
        let mut rng = rng(1, 1, 1);
        for _ in 0..5_000 {
            let Value::Int(value) = range.draw(&mut rng) else { panic!() };
            counts[usize::try_from(value + 2).unwrap()] += 1;
        }
        assert!(counts.iter().all(|count| (880..1_120).contains(count)), "{counts:?}");
        assert_eq!(range.step(Value::Int(2), &mut rng).map(|value| value == Value::Int(2)), Some(false));
        assert_eq!(Range::Int { low: 3, high: 3, log: true }.step(Value::Int(3), &mut rng), None);
    }
}
