//! A space of named parameters: for objectives that have nothing to do with nets.

use super::{Child, EditKind, Feature, Space};
use rand::{RngExt, seq::IndexedRandom};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;
use serde::{Deserialize, Serialize};
use std::fmt::{self, Display};
use thiserror::Error;

/// Standard deviation of a step of a number, as a share of its range.
const STEP: f64 = 0.15;

/// A space of named parameters, each a choice, a whole number or a real number; some only there where another has a
/// certain value. Made by [`Parameters::builder`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Parameters {
    parameters: Vec<Parameter>,
}

/// One parameter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Parameter {
    name: String,
    range: Range,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    only_if: Option<Condition>,
}

/// What values a parameter may have.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Range {
    Choice(Vec<String>),
    Int { low: i64, high: i64, log: bool },
    Float { low: f64, high: f64, log: bool },
}

/// When a parameter is there: while the choice `parameter` has one of the `values`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Condition {
    parameter: usize,
    values: Vec<usize>,
}

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

/// A point of the space: the value of each parameter in their order; `None` for those that are not there.
pub type Point = Vec<Option<Value>>;

/// Makes a space, parameter by parameter.
#[derive(Debug, Clone, Default)]
pub struct Builder {
    parameters: Vec<Parameter>,
    error: Option<SpaceError>,
}

/// A space that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SpaceError {
    /// No parameters.
    #[error("the space has no parameters")]
    Empty,
    /// Two of one name.
    #[error("there are two parameters named `{name}`")]
    Twice {
        /// The name.
        name: String,
    },
    /// Nothing to choose from.
    #[error("parameter `{name}` has {reason}")]
    Range {
        /// Name of the parameter.
        name: String,
        /// What is wrong with its range.
        reason: String,
    },
    /// A condition on what is not there, or not before it.
    #[error("parameter `{name}` depends on `{on}`, which {reason}")]
    Condition {
        /// Name of the parameter.
        name: String,
        /// What it depends on.
        on: String,
        /// What is wrong with that.
        reason: &'static str,
    },
}

impl Builder {
    /// Adds a choice between values without an order.
    #[must_use]
    pub fn choice<T: Display>(self, name: &str, values: impl IntoIterator<Item = T>) -> Self {
        let values: Vec<String> = values.into_iter().map(|value| value.to_string()).collect();
        let reason = values.is_empty().then_some("nothing to choose from");
        self.add(name, Range::Choice(values), reason)
    }

    /// Adds a whole number from `low` to `high`, both included.
    #[must_use]
    pub fn int(self, name: &str, low: i64, high: i64) -> Self {
        self.add(name, Range::Int { low, high, log: false }, (low > high).then_some("no number in its range"))
    }

    /// As [`Builder::int`], on a logarithmic scale; `low` is at least 1.
    #[must_use]
    pub fn log_int(self, name: &str, low: i64, high: i64) -> Self {
        let reason = (low > high).then_some("no number in its range").or((low < 1).then_some("no logarithm at its low end"));
        self.add(name, Range::Int { low, high, log: true }, reason)
    }

    /// Adds a real number from `low` to `high`, both included and finite.
    #[must_use]
    pub fn float(self, name: &str, low: f64, high: f64) -> Self {
        let reason = (!is_range(low, high)).then_some("no finite range");
        self.add(name, Range::Float { low, high, log: false }, reason)
    }

    /// As [`Builder::float`], on a logarithmic scale; `low` is above 0.
    #[must_use]
    pub fn log_float(self, name: &str, low: f64, high: f64) -> Self {
        let reason = (!is_range(low, high)).then_some("no finite range");
        let reason = reason.or((low <= 0.0).then_some("no logarithm at its low end"));
        self.add(name, Range::Float { low, high, log: true }, reason)
    }

    /// Lets the parameter added last be there only while the choice `on`, added before it, has one of `values`.
    #[must_use]
    pub fn only_if<T: Display>(mut self, on: &str, values: impl IntoIterator<Item = T>) -> Self {
        let found = self.parameters.iter().position(|parameter| parameter.name == on);
        let wanted: Vec<String> = values.into_iter().map(|value| value.to_string()).collect();
        let Some((last, before)) = self.parameters.split_last_mut() else { return self };
        let condition = match found.and_then(|index| before.get(index).map(|parameter| (index, &parameter.range))) {
            None => Err("was not added before it"),
            Some((parameter, Range::Choice(all))) => {
                let number = |value: &String| all.iter().position(|other| other == value);
                let values: Option<Vec<usize>> = wanted.iter().map(number).collect();
                values.map(|values| Condition { parameter, values }).ok_or("has no such value")
            }
            Some(_) => Err("is no choice"),
        };
        match condition {
            Ok(condition) => last.only_if = Some(condition),
            Err(reason) => {
                let error = SpaceError::Condition { name: last.name.clone(), on: on.to_owned(), reason };
                self.error.get_or_insert(error);
            }
        }
        self
    }

    /// The space.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn build(self) -> Result<Parameters, SpaceError> {
        match self.error {
            Some(error) => Err(error),
            None if self.parameters.is_empty() => Err(SpaceError::Empty),
            None => Ok(Parameters { parameters: self.parameters }),
        }
    }

    fn add(mut self, name: &str, range: Range, reason: Option<&str>) -> Self {
        let twice = self.parameters.iter().any(|parameter| parameter.name == name);
        let error = match reason {
            Some(reason) => Some(SpaceError::Range { name: name.to_owned(), reason: reason.to_owned() }),
            None => twice.then(|| SpaceError::Twice { name: name.to_owned() }),
        };
        self.error = self.error.or(error);
        self.parameters.push(Parameter { name: name.to_owned(), range, only_if: None });
        self
    }
}

fn is_range(low: f64, high: f64) -> bool {
    low <= high && (high - low).is_finite()
}

impl Parameters {
    /// Begins a space.
    #[must_use]
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Names of the parameters in their order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.parameters.iter().map(|parameter| &parameter.name[..])
    }

    /// Value of a parameter of a point as text, from which numbers are read back exactly; `None` where there is no such parameter, or where it is not there in
    /// this point.
    #[must_use]
    pub fn value(&self, point: &Point, name: &str) -> Option<String> {
        let index = self.parameters.iter().position(|parameter| parameter.name == name)?;
        point.get(index)?.map(|value| match value {
            Value::Float(number) => number.to_string(),
            _ => self.parameters[index].range.words(value),
        })
    }

    /// Whether a parameter is there in a point, as far as those before it say.
    fn is_there(&self, index: usize, point: &[Option<Value>]) -> bool {
        self.parameters[index].only_if.as_ref().is_none_or(|condition| match point.get(condition.parameter) {
            Some(Some(Value::Choice { choice })) => condition.values.contains(choice),
            _ => false,
        })
    }

    /// Draws what is there and has no value, and drops what is not there.
    fn completed(&self, mut point: Point, rng: &mut ChaCha8Rng) -> Point {
        for index in 0..self.parameters.len() {
            let there = self.is_there(index, &point);
            point[index] = there.then(|| point[index].unwrap_or_else(|| self.parameters[index].range.draw(rng)));
        }
        point
    }
}

impl Range {
    fn draw(&self, rng: &mut ChaCha8Rng) -> Value {
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
    fn share(&self, value: Value) -> f64 {
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
    fn step(&self, value: Value, rng: &mut ChaCha8Rng) -> Option<Value> {
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

    fn words(&self, value: Value) -> String {
        match (self, value) {
            (Range::Choice(values), Value::Choice { choice }) => values.get(choice).cloned().unwrap_or_default(),
            (_, Value::Int(value)) => value.to_string(),
            (_, Value::Float(value)) => format!("{value:.4e}"),
            (_, Value::Choice { choice }) => choice.to_string(),
        }
    }
}

impl Space for Parameters {
    type Genome = Point;

    fn birth(&self, rng: &mut ChaCha8Rng) -> Point {
        self.completed(vec![None; self.parameters.len()], rng)
    }

    /// One kind for each parameter.
    fn edits(&self) -> Vec<EditKind> {
        let kind = |parameter: &Parameter| EditKind { name: parameter.name.clone(), elastic: false, grows: false };
        self.parameters.iter().map(kind).collect()
    }

    fn edit(&self, kind: usize, point: &Point, rng: &mut ChaCha8Rng) -> Option<Child<Point>> {
        let Parameter { name, range, .. } = self.parameters.get(kind)?;
        let before = (*point.get(kind)?)?;
        let after = range.step(before, rng)?;
        let mut genome = point.clone();
        genome[kind] = Some(after);
        let words = format!("{name} {} → {}", range.words(before), range.words(after));
        Some(Child { genome: self.completed(genome, rng), words })
    }

    /// Each value from either parent.
    fn cross(&self, a: &Point, b: &Point, rng: &mut ChaCha8Rng) -> Option<Child<Point>> {
        let mixed = a.iter().zip(b).map(|(&a, &b)| if rng.random_bool(0.5) { a.or(b) } else { b.or(a) }).collect();
        let genome = self.completed(mixed, rng);
        (genome != *a && genome != *b).then(|| Child { genome, words: "crossover uniform".to_owned() })
    }

    /// Sum of the differences: 1 for another choice and for what only one has, the share of its range for a number.
    fn distance(&self, a: &Point, b: &Point) -> f64 {
        self.features(a).into_iter().zip(self.features(b)).map(|(a, b)| a.difference(b)).sum()
    }

    fn features(&self, point: &Point) -> Vec<Feature> {
        let feature = |(parameter, value): (&Parameter, &Option<Value>)| match *value {
            None => Feature::Absent,
            Some(Value::Choice { choice }) => Feature::Category(u32::try_from(choice).unwrap_or(u32::MAX)),
            Some(value) => Feature::Number(parameter.range.share(value)),
        };
        self.parameters.iter().zip(point).map(feature).collect()
    }

    fn hash(&self, point: &Point) -> String {
        let mut text = String::new();
        for value in point {
            use fmt::Write;
            // Writing to a String cannot fail.
            let _ = match value {
                None => write!(text, "-;"),
                Some(Value::Choice { choice }) => write!(text, "{choice};"),
                Some(Value::Int(value)) => write!(text, "{value};"),
                Some(Value::Float(value)) => write!(text, "{value:.9e};"),
            };
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::rng;

    fn space() -> Parameters {
        let space = Parameters::builder().choice("kind", ["a", "b"]).int("n", -2, 2).log_int("width", 8, 512);
        space.log_float("rate", 1e-4, 1.0).only_if("kind", ["b"]).float("share", 0.0, 1.0).build().unwrap()
    }

    fn in_range(space: &Parameters, point: &Point) -> bool {
        space.parameters.iter().zip(point).enumerate().all(|(index, (parameter, value))| {
            let within = match (&parameter.range, value) {
                (_, None) => true,
                (Range::Choice(values), Some(Value::Choice { choice })) => *choice < values.len(),
                (Range::Int { low, high, .. }, Some(Value::Int(value))) => (low..=high).contains(&value),
                (Range::Float { low, high, .. }, Some(Value::Float(value))) => (low..=high).contains(&value),
                _ => false,
            };
            within && value.is_some() == space.is_there(index, point)
        })
    }

    #[test]
    fn births_edits_and_crossings_stay_in_the_space_and_are_described() {
        let space = space();
        let mut previous = space.birth(&mut rng(0, 0, 0));
        for stream in 1..2_000 {
            let mut rng = rng(0, 0, stream);
            let point = space.birth(&mut rng);
            assert!(in_range(&space, &point), "{point:?}");
            for kind in 0..space.edits().len() {
                let Some(child) = space.edit(kind, &point, &mut rng) else { continue };
                assert!(in_range(&space, &child.genome) && space.hash(&child.genome) != space.hash(&point));
                assert!(space.distance(&point, &child.genome) > 0.0, "{}", child.words);
            }
            if let Some(child) = space.cross(&point, &previous, &mut rng) {
                assert!(in_range(&space, &child.genome), "{point:?} {previous:?} {child:?}");
            }
            let Some(Value::Float(share)) = point[4] else { panic!() };
            assert_eq!(space.value(&point, "share").unwrap().parse(), Ok(share));
            assert_eq!(space.features(&point).len(), 5);
            let read: Point = serde_json::from_str(&serde_json::to_string(&point).unwrap()).unwrap();
            assert_eq!(read, point);
            previous = point;
        }
    }

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

    #[test]
    fn what_cannot_be_a_space_is_named() {
        let message = |builder: Builder| builder.build().unwrap_err().to_string();
        let one = || Parameters::builder().choice("a", ["x", "y"]);
        assert_eq!(message(Parameters::builder()), "the space has no parameters");
        assert_eq!(message(one().int("a", 0, 1)), "there are two parameters named `a`");
        assert_eq!(message(one().int("b", 1, 0)), "parameter `b` has no number in its range");
        assert_eq!(message(one().log_float("b", 0.0, 1.0)), "parameter `b` has no logarithm at its low end");
        assert_eq!(message(one().float("b", f64::NAN, 1.0)), "parameter `b` has no finite range");
        assert_eq!(message(one().choice::<u8>("b", [])), "parameter `b` has nothing to choose from");
        assert_eq!(
            message(one().int("b", 0, 1).only_if("a", ["z"])),
            "parameter `b` depends on `a`, which has no such value"
        );
        assert_eq!(
            message(one().int("b", 0, 1).only_if("c", ["z"])),
            "parameter `b` depends on `c`, which was not added before it"
        );
        assert_eq!(
            message(one().int("b", 0, 1).int("c", 0, 1).only_if("b", [1])),
            "parameter `c` depends on `b`, which is no choice"
        );
    }
}
