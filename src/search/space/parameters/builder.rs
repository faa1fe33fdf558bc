//! Making a space of parameters.

use super::{Condition, Parameter, Parameters, range::Range};
use std::fmt::Display;
use thiserror::Error;

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

#[cfg(test)]
mod tests {
    use super::*;

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
