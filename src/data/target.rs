//! The target: which task it poses, and its values as a net learns them.

use super::error::quoted;
use super::infer::number;
use super::raw::TextColumn;
use super::{DataError, OutputSpec, Targets, TaskKind};

/// Whole numbers with more distinct values than this are a quantity, not classes.
const MOST_INTEGER_CLASSES: usize = 20;
/// More classes than this are refused.
const MOST_CLASSES: usize = 1000;

/// A target whose task is known.
#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    /// Kind of the task.
    pub kind: TaskKind,
    /// What the net says. Counts, mean and deviation are those of the rows given to [`Target::describe`].
    pub output: OutputSpec,
    /// For each distinct value of the column, what it means; `None` for missing.
    meaning: Vec<Option<Meaning>>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Meaning {
    Class(u32),
    Value(f32),
}

impl Target {
    /// Infers the task of a column, or takes the one given.
    ///
    /// Text poses classes. Numbers pose a regression where one of them has a fraction and there are more than two
    /// distinct ones, or where there are more than 20 distinct ones; otherwise classes.
    ///
    /// # Errors
    /// Where the column has fewer than two distinct values, or does not suit the task given.
    pub fn new(name: &str, column: &TextColumn, wanted: Option<TaskKind>) -> Result<Self, DataError> {
        let fail = |problem: String| DataError::Target { target: name.into(), problem };
        let counts = column.counts();
        let present: Vec<usize> = (1..counts.len()).filter(|&code| counts[code] > 0).collect();
        if present.is_empty() {
            return Err(fail("every value is missing; there is nothing to learn".into()));
        }
        let numbers: Vec<Option<f32>> = column.values.iter().map(|v| number(v)).collect();
        let text = present.iter().find(|&&code| numbers[code].is_none()).copied();
        // Among numbers, infinity is as good as missing.
        let finite = |code: usize| numbers[code].is_some_and(f32::is_finite);
        let present: Vec<usize> = present.into_iter().filter(|&code| text.is_some() || finite(code)).collect();
        if present.is_empty() {
            return Err(fail("no value is finite; there is nothing to learn".into()));
        }
        let regression = match wanted {
            Some(kind) => kind == TaskKind::Regression,
            None => text.is_none() && is_quantity(present.iter().filter_map(|&code| numbers[code])),
        };
        let target = if regression {
            if let Some(code) = text {
                let value = &column.values[code];
                return Err(fail(format!(
                    "a regression needs numbers, but there is {value:?}; leave --task out to predict classes"
                )));
            }
            Target::values(&numbers, &present)
        } else {
            Target::classes(column, &present, if text.is_none() { &numbers } else { &[] })
        };
        target.checked(wanted).map_err(fail)
    }

    fn values(numbers: &[Option<f32>], present: &[usize]) -> Target {
        let mut meaning = vec![None; numbers.len()];
        present.iter().for_each(|&code| meaning[code] = numbers[code].map(Meaning::Value));
        Target { kind: TaskKind::Regression, output: OutputSpec::Value { mean: 0.0, std: 1.0 }, meaning }
    }

    /// Classes by text, or by number where `numbers` are given: then spellings of one number are one class, which has
    /// the first spelling as its name.
    fn classes(column: &TextColumn, present: &[usize], numbers: &[Option<f32>]) -> Target {
        let mut order: Vec<usize> = present.to_vec();
        if numbers.is_empty() {
            order.sort_by(|&a, &b| column.values[a].cmp(&column.values[b]));
        } else {
            let value = |code: usize| numbers[code].unwrap_or(f32::NAN);
            order.sort_by(|&a, &b| value(a).total_cmp(&value(b)).then(a.cmp(&b)));
        }
        let mut names: Vec<String> = Vec::new();
        let mut meaning = vec![None; column.values.len()];
        let mut last = None;
        for code in order {
            let number = numbers.get(code).copied().flatten();
            if number.is_none() || number != last {
                names.push(column.values[code].clone());
            }
            last = number;
            meaning[code] = Some(Meaning::Class(names.len() as u32 - 1));
        }
        let integers = names.iter().all(|n| n.parse::<i64>().is_ok_and(|i| i.to_string() == *n));
        let kind = if names.len() == 2 { TaskKind::Binary } else { TaskKind::Multiclass };
        Target { kind, output: OutputSpec::Classes { counts: vec![0; names.len()], names, integers }, meaning }
    }

    fn checked(mut self, wanted: Option<TaskKind>) -> Result<Self, String> {
        match &self.output {
            OutputSpec::Classes { names, .. } => {
                if let [only] = names.as_slice() {
                    return Err(format!("every row has the value {only:?}; there is nothing to learn"));
                }
                if names.len() > MOST_CLASSES {
                    let count = names.len();
                    return Err(format!("{count} classes are more than {MOST_CLASSES}; is this column a name or a number?"));
                }
                if wanted == Some(TaskKind::Binary) && names.len() != 2 {
                    return Err(format!("a binary task has two classes, but there are {}: {}", names.len(), quoted(names)));
                }
                self.kind = wanted.unwrap_or(self.kind);
            }
            OutputSpec::Value { .. } => {
                let mut values = self.meaning.iter().flatten();
                let first = values.next();
                if values.all(|v| Some(v) == first) {
                    return Err("every row has the same value; there is nothing to learn".into());
                }
            }
        }
        Ok(self)
    }

    /// Rows whose target is not missing, with their targets.
    pub fn rows(&self, column: &TextColumn) -> (Vec<usize>, Targets) {
        let known: Vec<(usize, Meaning)> = column
            .codes
            .iter()
            .enumerate()
            .filter_map(|(row, &code)| self.meaning.get(code as usize).copied().flatten().map(|m| (row, m)))
            .collect();
        let rows = known.iter().map(|(row, _)| *row).collect();
        let targets = match self.output {
            OutputSpec::Classes { .. } => Targets::Classes(
                known.iter().filter_map(|(_, m)| if let Meaning::Class(c) = m { Some(*c) } else { None }).collect(),
            ),
            OutputSpec::Value { .. } => Targets::Values(
                known.iter().filter_map(|(_, m)| if let Meaning::Value(v) = m { Some(*v) } else { None }).collect(),
            ),
        };
        (rows, targets)
    }

    /// What the net says, with the statistics of the training part.
    pub fn describe(&self, train: &Targets) -> OutputSpec {
        let mut output = self.output.clone();
        match (&mut output, train) {
            (OutputSpec::Classes { counts, .. }, Targets::Classes(classes)) => {
                classes.iter().for_each(|&c| counts[c as usize] += 1);
            }
            (OutputSpec::Value { mean, std }, Targets::Values(values)) => {
                let n = values.len() as f64;
                *mean = values.iter().map(|&v| f64::from(v)).sum::<f64>() / n;
                let variance = values.iter().map(|&v| (f64::from(v) - *mean).powi(2)).sum::<f64>() / n;
                *std = if variance > 0.0 { variance.sqrt() } else { 1.0 };
            }
            _ => {}
        }
        output
    }
}

/// Whether numbers are a quantity rather than names of classes.
fn is_quantity(numbers: impl Iterator<Item = f32>) -> bool {
    let mut distinct: Vec<f32> = numbers.collect();
    distinct.sort_by(f32::total_cmp);
    distinct.dedup();
    let fractions = distinct.iter().any(|n| n.fract() != 0.0);
    distinct.len() > MOST_INTEGER_CLASSES || (fractions && distinct.len() > 2)
}
