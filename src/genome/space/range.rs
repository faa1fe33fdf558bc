//! What values a gene may have: whole numbers in a span, real numbers in a range or a list, and exceptions for one choice
//! among several.

use crate::genome::draw::{log_uniform, one_of, pick, round};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// Whole numbers from `low` to `high`, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// Least.
    pub low: usize,
    /// Most.
    pub high: usize,
}

impl Span {
    /// From `low` to `high`, both included.
    pub const fn new(low: usize, high: usize) -> Self {
        Span { low, high }
    }

    /// Whether the number lies in the span.
    pub fn contains(&self, value: usize) -> bool {
        (self.low..=self.high).contains(&value)
    }

    /// The nearest number of the span.
    pub fn nearest(&self, value: usize) -> usize {
        value.min(self.high).max(self.low)
    }

    /// Draws from the weighted numbers that lie in the span; where none does, from the whole span evenly.
    pub(in crate::genome) fn draw(&self, rng: &mut ChaCha8Rng, prior: &[(f64, usize)]) -> usize {
        let inside: Vec<(f64, usize)> = prior.iter().copied().filter(|&(_, value)| self.contains(value)).collect();
        if inside.is_empty() { rng.random_range(self.low..=self.high.max(self.low)) } else { pick(rng, &inside) }
    }
}

/// Real numbers that a gene may have.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reals {
    /// From `low` to `high`, both included.
    Range {
        /// Least.
        low: f32,
        /// Most.
        high: f32,
        /// Whether they are drawn on a logarithmic scale, which needs `low` above 0.
        log: bool,
    },
    /// These, ascending, each drawn as often as the others.
    List(Vec<f32>),
}

impl Reals {
    /// From `low` to `high`, both included.
    pub const fn range(low: f32, high: f32) -> Self {
        Reals::Range { low, high, log: false }
    }

    /// From `low`, above 0, to `high`, both included, drawn on a logarithmic scale.
    pub const fn log(low: f32, high: f32) -> Self {
        Reals::Range { low, high, log: true }
    }

    /// This number alone.
    pub const fn only(value: f32) -> Self {
        Reals::range(value, value)
    }

    /// The least and the greatest; `None` where the list is empty.
    pub fn bounds(&self) -> Option<(f32, f32)> {
        match self {
            Reals::Range { low, high, .. } => Some((*low, *high)),
            Reals::List(list) => Some((*list.first()?, *list.last()?)),
        }
    }

    /// Whether the number is one of them.
    pub fn contains(&self, value: f32) -> bool {
        match self {
            Reals::Range { low, high, .. } => (*low..=*high).contains(&value),
            Reals::List(list) => list.contains(&value),
        }
    }

    /// The nearest of them; nearest to `otherwise` where the value is not a number.
    pub fn nearest(&self, value: f32, otherwise: f32) -> f32 {
        let value = if value.is_nan() { otherwise } else { value };
        match self {
            // Not `clamp`, which panics where a hand has turned the range round.
            Reals::Range { low, high, .. } => value.min(*high).max(*low),
            Reals::List(list) => {
                let near = list.iter().copied().min_by(|a, b| (a - value).abs().total_cmp(&(b - value).abs()));
                near.unwrap_or(value)
            }
        }
    }

    /// Draws from the weighted numbers that lie in the range, where none does from all of it; from a list evenly.
    pub(in crate::genome) fn draw(&self, rng: &mut ChaCha8Rng, prior: &[(f64, f32)]) -> f32 {
        let inside: Vec<(f64, f32)> = match self {
            Reals::Range { .. } => prior.iter().copied().filter(|&(_, value)| self.contains(value)).collect(),
            Reals::List(_) => vec![],
        };
        if inside.is_empty() { self.anywhere(rng) } else { pick(rng, &inside) }
    }

    /// Draws from what lies within `low..=high`, where nothing does from all; on the range's own scale.
    pub(in crate::genome) fn draw_within(&self, rng: &mut ChaCha8Rng, low: f32, high: f32) -> f32 {
        match self {
            Reals::Range { low: least, high: most, log } => {
                let inside = Reals::Range { low: least.max(low), high: most.min(high), log: *log };
                let part = matches!(inside, Reals::Range { low, high, .. } if low <= high);
                if part { inside.anywhere(rng) } else { self.anywhere(rng) }
            }
            Reals::List(list) => {
                let inside: Vec<f32> = list.iter().copied().filter(|value| (low..=high).contains(value)).collect();
                one_of(rng, &inside).unwrap_or_else(|| self.anywhere(rng))
            }
        }
    }

    /// Draws one that differs from `old`: one of the `steps` that lie in the range, where there is none any of it; any of a
    /// list. `None` where there is no other.
    pub(in crate::genome) fn another(&self, rng: &mut ChaCha8Rng, steps: &[f32], old: f32) -> Option<f32> {
        let pool: Vec<f32> = match self {
            Reals::Range { .. } => steps.iter().copied().filter(|&step| self.contains(step) && step != old).collect(),
            Reals::List(list) => list.iter().copied().filter(|&value| value != old).collect(),
        };
        match self {
            Reals::Range { low, high, .. } if pool.is_empty() && low < high => {
                Some(self.anywhere(rng)).filter(|&new| new != old)
            }
            _ => one_of(rng, &pool),
        }
    }

    /// `wanted` to three significant digits, as far as the range goes; of a list the next number from `old` in that
    /// direction. `None` where that is `old`.
    pub(in crate::genome) fn towards(&self, old: f32, wanted: f32) -> Option<f32> {
        let new = match self {
            Reals::Range { .. } => self.nearest(round(wanted), old),
            Reals::List(list) if wanted > old => list.iter().copied().find(|&value| value > old)?,
            Reals::List(list) => list.iter().copied().rfind(|&value| value < old)?,
        };
        (new != old).then_some(new)
    }

    fn anywhere(&self, rng: &mut ChaCha8Rng) -> f32 {
        match self {
            Reals::Range { low, high, log: true } => log_uniform(rng, *low, *high),
            Reals::Range { low, high, log: false } => round(rng.random_range(*low..=high.max(*low))).min(*high).max(*low),
            Reals::List(list) => one_of(rng, list).unwrap_or_default(),
        }
    }
}

/// What a gene may be, with exceptions where another gene has a certain value: genes of a block by its motif, the rate of
/// learning by the optimizer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct By<K, V> {
    /// Where there is no exception.
    pub all: V,
    /// The exceptions, each value at most once.
    #[serde(default = "Vec::new")]
    pub except: Vec<(K, V)>,
}

impl<K: Copy + PartialEq, V> By<K, V> {
    /// The same everywhere.
    pub const fn all(all: V) -> Self {
        By { all, except: Vec::new() }
    }

    /// Another where the other gene is `key`.
    #[must_use]
    pub fn except(mut self, key: K, value: V) -> Self {
        self.except.retain(|(other, _)| *other != key);
        self.except.push((key, value));
        self
    }

    /// What holds where the other gene is `key`.
    pub fn of(&self, key: K) -> &V {
        self.except.iter().find(|(other, _)| *other == key).map_or(&self.all, |(_, value)| value)
    }

    /// As [`By::of`], to be changed; an exception is made of what holds for all where there is none.
    pub(super) fn of_mut(&mut self, key: K) -> &mut V
    where
        V: Clone,
    {
        let at = self.except.iter().position(|(other, _)| *other == key).unwrap_or_else(|| {
            self.except.push((key, self.all.clone()));
            self.except.len() - 1
        });
        &mut self.except[at].1
    }
}

/// Draws from the weighted values that are allowed; where none is, from the allowed evenly. `allowed` is not empty.
pub(in crate::genome) fn among<T: Copy + PartialEq>(rng: &mut ChaCha8Rng, prior: &[(f64, T)], allowed: &[T]) -> T {
    let inside: Vec<(f64, T)> = prior.iter().copied().filter(|(_, value)| allowed.contains(value)).collect();
    if inside.is_empty() { one_of(rng, allowed).unwrap_or(prior[0].1) } else { pick(rng, &inside) }
}

/// True with this probability, as far as it is allowed.
pub(in crate::genome) fn flag(rng: &mut ChaCha8Rng, probability: f64, allowed: &[bool]) -> bool {
    let drawn = rng.random_bool(probability);
    if allowed.contains(&drawn) { drawn } else { !drawn }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand::SeedableRng;

    fn reals() -> impl Strategy<Value = Reals> {
        prop_oneof![
            (-1.0f32..1.0, 0.0f32..2.0).prop_map(|(low, width)| Reals::range(low, low + width)),
            (1e-6f32..1.0, 1.0f32..100.0).prop_map(|(low, factor)| Reals::log(low, low * factor)),
            (0.001f32..1.0).prop_map(Reals::only),
            prop::collection::vec(-1.0f32..1.0, 1..5).prop_map(|mut list| {
                list.sort_by(f32::total_cmp);
                list.dedup();
                Reals::List(list)
            }),
        ]
    }

    proptest! {
        #[test]
        fn whatever_is_drawn_or_moved_is_one_of_them(range in reals(), seed: u64, value in -2.0f32..2.0, factor in 0.2f32..5.0) {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let prior = [(0.5, 0.0), (0.5, 0.1)];
            prop_assert!(range.contains(range.draw(&mut rng, &prior)));
            prop_assert!(range.contains(range.draw_within(&mut rng, 1e-3, 1e-2)));
            let old = range.nearest(value, 0.0);
            prop_assert!(range.contains(old) && range.contains(range.nearest(f32::NAN, 0.5)));
            prop_assert_eq!(range.nearest(old, 0.0), old);
            for new in [range.another(&mut rng, &[0.0, 0.1, 0.2], old), range.towards(old, old * factor)].into_iter().flatten() {
                prop_assert!(range.contains(new) && new != old);
            }
        }

        #[test]
        fn spans_draw_from_themselves(low in 0usize..9, more in 0usize..9, seed: u64) {
            let span = Span::new(low, low + more);
            let drawn = span.draw(&mut ChaCha8Rng::seed_from_u64(seed), &[(0.5, 2), (0.5, 3)]);
            prop_assert!(span.contains(drawn) && span.nearest(drawn) == drawn);
            prop_assert!(!(span.contains(2) || span.contains(3)) || [2, 3].contains(&drawn), "the prior comes first");
        }
    }

    #[test]
    fn exceptions_hold_for_their_value_alone() {
        let mut by = By::all(1).except('a', 2).except('a', 3);
        assert_eq!((by.of('a'), by.of('b'), by.except.len()), (&3, &1, 1));
        *by.of_mut('b') += 6;
        assert_eq!((by.of('b'), by.of('c')), (&7, &1));
    }

    #[test]
    fn what_is_not_allowed_is_not_drawn() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        for _ in 0..50 {
            assert_eq!(among(&mut rng, &[(0.9, 'a'), (0.1, 'b')], &['b', 'c']), 'b');
            assert_eq!(among(&mut rng, &[(0.9, 'a')], &['c']), 'c');
            assert!(flag(&mut rng, 0.1, &[true]) && !flag(&mut rng, 0.9, &[false]));
        }
    }
}
