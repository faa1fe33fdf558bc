//! Values of a file and the choices that they become.

use super::super::{By, Reals, Span};
use crate::genome::choice::Choice;
use toml::{Table, Value};

/// Where the value of a key goes.
pub(super) enum Slot<'a> {
    /// A cap.
    Cap(&'a mut u64),
    /// Whole numbers to choose from.
    Sizes(&'a mut Vec<usize>),
    /// Whole numbers without a gap.
    Span(&'a mut Span),
    /// Real numbers.
    Reals(&'a mut Reals),
    /// Yes, no or either.
    Flags(&'a mut Vec<bool>),
    /// Names from a list.
    Names(&'a mut dyn Names),
    /// Names that are not looked at here.
    Texts(&'a mut Vec<String>),
}

/// What a key stands for: one choice, or one with exceptions.
pub(super) enum Place<'a> {
    /// One choice.
    One(Slot<'a>),
    /// One for all, and exceptions.
    By(&'a mut dyn Exceptions),
}

/// A list of values that have names.
pub(super) trait Names {
    /// Takes the values of these names.
    fn read(&mut self, names: &[&str]) -> Result<(), String>;
    /// The names.
    fn names(&self) -> Vec<&'static str>;
}

impl<C: Choice> Names for Vec<C> {
    fn read(&mut self, names: &[&str]) -> Result<(), String> {
        let mut read: Vec<C> = Vec::with_capacity(names.len());
        for name in names {
            let choice = C::find(name).map_err(|unknown| unknown.to_string())?;
            if !read.contains(&choice) {
                read.push(choice);
            }
        }
        *self = read;
        Ok(())
    }

    fn names(&self) -> Vec<&'static str> {
        self.iter().map(|choice| choice.name()).collect()
    }
}

/// A value that has a slot.
pub(super) trait Gene: Clone {
    fn slot(&mut self) -> Slot<'_>;
}

impl Gene for Vec<usize> {
    fn slot(&mut self) -> Slot<'_> {
        Slot::Sizes(self)
    }
}

impl Gene for Reals {
    fn slot(&mut self) -> Slot<'_> {
        Slot::Reals(self)
    }
}

impl Gene for Vec<bool> {
    fn slot(&mut self) -> Slot<'_> {
        Slot::Flags(self)
    }
}

/// A choice with exceptions for the values of another gene.
pub(super) trait Exceptions {
    /// What holds without an exception.
    fn all(&mut self) -> Slot<'_>;
    /// Names of the values that there can be an exception for.
    fn choices(&self) -> Vec<&'static str>;
    /// Names of the values that there is one for.
    fn made(&self) -> Vec<&'static str>;
    /// The exception for the value of this name, made where there is none; `None` where no value has the name.
    fn exception(&mut self, name: &str) -> Option<Slot<'_>>;
}

impl<K: Choice, V: Gene> Exceptions for By<K, V> {
    fn all(&mut self) -> Slot<'_> {
        self.all.slot()
    }

    fn choices(&self) -> Vec<&'static str> {
        K::ALL.iter().map(|choice| choice.name()).collect()
    }

    fn made(&self) -> Vec<&'static str> {
        self.except.iter().map(|(choice, _)| choice.name()).collect()
    }

    fn exception(&mut self, name: &str) -> Option<Slot<'_>> {
        K::find(name).ok().map(|choice| self.of_mut(choice).slot())
    }
}

impl Slot<'_> {
    /// Takes a value of a file; the reason where it cannot be one.
    pub(super) fn read(self, value: &Value) -> Result<(), String> {
        match self {
            Slot::Cap(cap) => *cap = whole(value)? as u64,
            Slot::Sizes(sizes) => *sizes = read_sizes(value, sizes)?,
            Slot::Span(span) => *span = read_span(value, *span)?,
            Slot::Reals(reals) => *reals = read_reals(value, reals)?,
            Slot::Flags(flags) => {
                let wanted = || format!("{value} is neither true nor false, nor a list of them");
                *flags = items(value).iter().map(|item| item.as_bool().ok_or_else(wanted)).collect::<Result<_, _>>()?;
                flags.sort_unstable();
                flags.dedup();
            }
            Slot::Names(names) => names.read(&texts(value)?)?,
            Slot::Texts(list) => *list = texts(value)?.into_iter().map(str::to_owned).collect(),
        }
        Ok(())
    }

    /// The value as it stands in a file.
    pub(super) fn text(&self) -> String {
        let list = |items: Vec<String>| format!("[{}]", items.join(", "));
        match self {
            Slot::Cap(cap) => cap.to_string(),
            Slot::Sizes(sizes) => list(sizes.iter().map(usize::to_string).collect()),
            Slot::Span(Span { low, high }) => format!("{{ low = {low}, high = {high} }}"),
            Slot::Reals(Reals::Range { low, high, log: false }) if low == high => format!("{low:?}"),
            Slot::Reals(Reals::Range { low, high, log }) => format!("{{ low = {low:?}, high = {high:?}, log = {log} }}"),
            Slot::Reals(Reals::List(reals)) => list(reals.iter().map(|real| format!("{real:?}")).collect()),
            Slot::Flags(flags) => list(flags.iter().map(bool::to_string).collect()),
            Slot::Names(names) => list(names.names().into_iter().map(|name| format!("\"{name}\"")).collect()),
            Slot::Texts(texts) => list(texts.iter().map(|text| Value::from(text.as_str()).to_string()).collect()),
        }
    }

    /// Puts lists of numbers in order, each number once.
    pub(super) fn sort(self) {
        match self {
            Slot::Sizes(sizes) => {
                sizes.sort_unstable();
                sizes.dedup();
            }
            Slot::Reals(Reals::List(reals)) => {
                reals.sort_by(f32::total_cmp);
                reals.dedup();
            }
            _ => {}
        }
    }
}

/// The items of a list; anything else is a list of itself.
fn items(value: &Value) -> &[Value] {
    match value {
        Value::Array(items) => items,
        other => std::slice::from_ref(other),
    }
}

fn texts(value: &Value) -> Result<Vec<&str>, String> {
    let wanted = || format!("{value} is neither a name nor a list of names");
    items(value).iter().map(|item| item.as_str().ok_or_else(wanted)).collect()
}

fn whole(value: &Value) -> Result<usize, String> {
    let number = value.as_integer().and_then(|number| usize::try_from(number).ok());
    number.ok_or_else(|| format!("{value} is not a whole number of at least 0"))
}

fn real(value: &Value) -> Result<f32, String> {
    let number = value.as_float().or(value.as_integer().map(|number| number as f64));
    let number = number.map(|number| number as f32).filter(|number| number.is_finite());
    number.ok_or_else(|| format!("{value} is not a finite number"))
}

/// Checks that a table has no other keys than these.
fn only(table: &Table, keys: &[&str]) -> Result<(), String> {
    match table.keys().find(|key| !keys.contains(&key.as_str())) {
        Some(key) => Err(format!("{key:?} means nothing here; there are {}", keys.join(", "))),
        None => Ok(()),
    }
}

fn switch(table: &Table, key: &str) -> Result<Option<bool>, String> {
    let wanted = |value: &Value| value.as_bool().ok_or_else(|| format!("{key} = {value} is neither true nor false"));
    table.get(key).map(wanted).transpose()
}

/// A number, a list, or a range: of the numbers that there were, or with a step, or on a logarithmic scale.
fn read_sizes(value: &Value, were: &[usize]) -> Result<Vec<usize>, String> {
    let Value::Table(table) = value else { return items(value).iter().map(whole).collect() };
    only(table, &["low", "high", "step", "log"])?;
    let low = table.get("low").map(whole).transpose()?;
    let high = table.get("high").map(whole).transpose()?;
    let step = table.get("step").map(whole).transpose()?;
    match (low, high, step, switch(table, "log")?.unwrap_or(false)) {
        (low, high, None, false) => {
            let inside = |size: &usize| low.is_none_or(|low| *size >= low) && high.is_none_or(|high| *size <= high);
            Ok(were.iter().copied().filter(inside).collect())
        }
        (Some(low), Some(high), None, true) if low > 0 => Ok(octaves(low, high)),
        (Some(low), Some(high), Some(step), false) if step > 0 => {
            const MOST: usize = 4096;
            let count = high.saturating_sub(low) / step;
            if count > MOST {
                Err(format!("{value} has more than {MOST} numbers"))
            } else {
                Ok((low..=high).step_by(step).collect())
            }
        }
        _ => Err(format!(
            "{value} is not understood: with step or log a range has a low end above 0, a high end and only one of the two"
        )),
    }
}

/// From `low` to `high`, two numbers to an octave: 16, 24, 32, 48, 64.
fn octaves(low: usize, high: usize) -> Vec<usize> {
    let octave = std::iter::successors(Some(low), |size| size.checked_mul(2)).flat_map(|size| [size, size + size / 2]);
    let mut sizes: Vec<usize> = octave.take_while(|&size| size < high).collect();
    sizes.extend((low <= high).then_some(high));
    sizes
}

/// A number, a list without gaps, or a range of which either end may be left as it was.
fn read_span(value: &Value, was: Span) -> Result<Span, String> {
    if let Value::Table(table) = value {
        only(table, &["low", "high"])?;
        let end = |key: &str, was: usize| table.get(key).map_or(Ok(was), whole);
        return Ok(Span { low: end("low", was.low)?, high: end("high", was.high)? });
    }
    let mut numbers = items(value).iter().map(whole).collect::<Result<Vec<usize>, String>>()?;
    numbers.sort_unstable();
    match (numbers.first(), numbers.last()) {
        (Some(&low), Some(&high)) if numbers.windows(2).all(|pair| pair[1] - pair[0] <= 1) => Ok(Span { low, high }),
        (Some(_), _) => Err(format!("{value} leaves out a number between its least and its greatest")),
        (None, _) => Err("there is nothing to choose from".to_owned()),
    }
}

/// A number, a list, or a range of which either end and the scale may be left as they were.
fn read_reals(value: &Value, was: &Reals) -> Result<Reals, String> {
    let Value::Table(table) = value else {
        let reals = items(value).iter().map(real).collect::<Result<Vec<f32>, String>>()?;
        return Ok(if let ([only], false) = (&reals[..], value.is_array()) {
            Reals::only(*only)
        } else {
            Reals::List(reals)
        });
    };
    only(table, &["low", "high", "log"])?;
    let (old_low, old_high) = was.bounds().unwrap_or_default();
    let end = |key: &str, was: f32| table.get(key).map_or(Ok(was), real);
    let (low, high) = (end("low", old_low)?, end("high", old_high)?);
    let was_log = matches!(was, Reals::Range { log: true, .. });
    Ok(Reals::Range { low, high, log: switch(table, "log")?.unwrap_or(was_log && low > 0.0) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> Value {
        format!("key = {text}").parse::<Table>().unwrap().remove("key").unwrap()
    }

    fn sizes(text: &str) -> Result<Vec<usize>, String> {
        read_sizes(&value(text), &[8, 16, 24, 32])
    }

    #[test]
    fn whole_numbers_are_listed_or_ranges() {
        assert_eq!(sizes("5"), Ok(vec![5]));
        assert_eq!(sizes("[5, 3]"), Ok(vec![5, 3]));
        assert_eq!(sizes("{ low = 10, high = 24 }"), Ok(vec![16, 24]));
        assert_eq!(sizes("{ high = 16 }"), Ok(vec![8, 16]));
        assert_eq!(sizes("{ low = 3, high = 8, step = 2 }"), Ok(vec![3, 5, 7]));
        assert_eq!(sizes("{ low = 16, high = 100, log = true }"), Ok(vec![16, 24, 32, 48, 64, 96, 100]));
        assert_eq!(sizes("{ low = 7, high = 3, log = true }"), Ok(vec![]));
        for wrong in [
            "\"5\"",
            "-1",
            "2.5",
            "{ lo = 3 }",
            "{ low = 1, high = 9, step = 2, log = true }",
            "{ low = 0, high = 9, log = true }",
            "{ high = 9, step = 1 }",
            "{ low = 1, high = 9999999, step = 1 }",
        ] {
            assert!(sizes(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn spans_have_no_gap() {
        let span = |text| read_span(&value(text), Span::new(1, 8));
        assert_eq!(span("3"), Ok(Span::new(3, 3)));
        assert_eq!(span("[4, 2, 3]"), Ok(Span::new(2, 4)));
        assert_eq!(span("{ low = 3 }"), Ok(Span::new(3, 8)));
        assert!(span("[1, 3]").unwrap_err().contains("leaves out"));
        assert!(span("[]").is_err() && span("{ log = true }").is_err());
    }

    #[test]
    fn real_numbers_keep_their_scale_where_it_is_left_out() {
        let reals = |text| read_reals(&value(text), &Reals::log(1e-5, 1.0));
        assert_eq!(reals("0.01"), Ok(Reals::only(0.01)));
        assert_eq!(reals("1"), Ok(Reals::only(1.0)));
        assert_eq!(reals("[0.1]"), Ok(Reals::List(vec![0.1])));
        assert_eq!(reals("{ high = 0.1 }"), Ok(Reals::log(1e-5, 0.1)));
        assert_eq!(reals("{ low = 0.01, high = 0.1, log = false }"), Ok(Reals::range(0.01, 0.1)));
        assert!(reals("nan").is_err() && reals("{ low = inf }").is_err() && reals("{ step = 1 }").is_err());
    }
}
