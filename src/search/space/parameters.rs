//! A space of named parameters: for objectives that have nothing to do with nets.

mod builder;
mod range;

pub use builder::{Builder, SpaceError};
pub use range::Value;

use self::range::Range;
use super::{Child, EditKind, Feature, Space};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use std::fmt;

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

/// When a parameter is there: while the choice `parameter` has one of the `values`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Condition {
    parameter: usize,
    values: Vec<usize>,
}

/// A point of the space: the value of each parameter in their order; `None` for those that are not there.
pub type Point = Vec<Option<Value>>;

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
}
