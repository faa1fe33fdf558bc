//! The target: which task it poses, and its values as a net learns them.

use super::error::quoted;
use super::infer::{Exact, has_decimal_comma, is_absent};
use super::raw::TextColumn;
use super::{DataError, OutputSpec, Targets, TaskKind};
use std::cmp::Ordering;

/// Whole numbers with more distinct values than this are a quantity, not classes.
const MOST_INTEGER_CLASSES: usize = 20;
/// More classes than this are refused.
const MOST_CLASSES: usize = 1000;
/// Steps of float32 at the largest value that a regression's standard deviation must span: with 16, rounding to float32
/// is an error of 2% of the deviation.
const LEAST_STEPS: f64 = 16.0;

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
        let mut numbers: Vec<Option<Exact>> = column.values.iter().map(|v| Exact::read(v)).collect();
        if present.iter().all(|&code| is_absent(&column.values[code])) {
            // Where there is no number, words such as `none` are classes.
            present.iter().for_each(|&code| numbers[code] = None);
        }
        let text = present.iter().find(|&&code| numbers[code].is_none()).copied();
        // Among numbers, infinity is as good as missing.
        let finite = |code: usize| numbers[code].is_some_and(|n| n.value.is_finite());
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
                let way_out = match has_decimal_comma(value) {
                    true => "write decimals behind a point",
                    false => "leave --task out to predict classes",
                };
                return Err(fail(format!("a regression needs numbers, but there is {value:?}; {way_out}")));
            }
            let counted = |&code: &usize| numbers[code].map(|n| (n.value, counts[code]));
            learnable(&present.iter().filter_map(counted).collect::<Vec<_>>()).map_err(fail)?;
            Target::values(&numbers, &present)
        } else {
            Target::classes(column, &present, if text.is_none() { &numbers } else { &[] })
        };
        target.checked(wanted).map_err(fail)
    }

    fn values(numbers: &[Option<Exact>], present: &[usize]) -> Target {
        let mut meaning = vec![None; numbers.len()];
        present.iter().for_each(|&code| meaning[code] = numbers[code].map(|n| Meaning::Value(n.value as f32)));
        Target { kind: TaskKind::Regression, output: OutputSpec::Value { mean: 0.0, std: 1.0 }, meaning }
    }

    /// Classes by text, or by number where `numbers` are given: then spellings of one number are one class, which has
    /// the first spelling as its name.
    fn classes(column: &TextColumn, present: &[usize], numbers: &[Option<Exact>]) -> Target {
        let mut order: Vec<usize> = present.to_vec();
        if numbers.is_empty() {
            order.sort_by(|&a, &b| column.values[a].cmp(&column.values[b]));
        } else {
            // Equal numbers by their codes, so that the first spelling stands first; zero is equal to its negative.
            let order_of = |a: Option<Exact>, b: Option<Exact>| match (a, b) {
                (Some(a), Some(b)) if a != b => a.order(&b),
                _ => Ordering::Equal,
            };
            order.sort_by(|&a, &b| order_of(numbers[a], numbers[b]).then(a.cmp(&b)));
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
            OutputSpec::Value { .. } => {}
        }
        Ok(self)
    }

    /// Rows of the column given to [`Target::new`] whose target is not missing, with their targets.
    pub fn rows(&self, column: &TextColumn) -> (Vec<usize>, Targets) {
        let mut rows = Vec::new();
        let (mut classes, mut values) = (Vec::new(), Vec::new());
        for (row, &code) in column.codes.iter().enumerate() {
            match self.meaning[code as usize] {
                None => continue,
                Some(Meaning::Class(class)) => classes.push(class),
                Some(Meaning::Value(value)) => values.push(value),
            }
            rows.push(row);
        }
        match self.output {
            OutputSpec::Classes { .. } => (rows, Targets::Classes(classes)),
            OutputSpec::Value { .. } => (rows, Targets::Values(values)),
        }
    }

    /// What the net says, with the statistics of the training part.
    pub fn describe(&self, train: &Targets) -> OutputSpec {
        let mut output = self.output.clone();
        match (&mut output, train) {
            (OutputSpec::Classes { counts, .. }, Targets::Classes(classes)) => {
                classes.iter().for_each(|&c| counts[c as usize] += 1);
            }
            (OutputSpec::Value { mean, std }, Targets::Values(values)) => {
                let (exact, deviation) = moments(values.iter().map(|&v| (f64::from(v), 1)));
                // Training standardises and the exported model decodes in float32: with constants that float32 holds,
                // one is the inverse of the other.
                *mean = f64::from(exact as f32);
                *std = if deviation > 0.0 { f64::from(deviation as f32) } else { 1.0 };
            }
            _ => {}
        }
        output
    }
}

/// Mean and standard deviation of values, each given with its number of rows.
fn moments(values: impl Iterator<Item = (f64, usize)> + Clone) -> (f64, f64) {
    let total = |of: &dyn Fn(f64) -> f64| values.clone().map(|(v, rows)| of(v) * rows as f64).sum::<f64>();
    let rows = total(&|_| 1.0);
    let mean = total(&|v| v) / rows;
    (mean, (total(&|v| (v - mean).powi(2)) / rows).sqrt())
}

/// Whether the distinct values of a regression, given with their numbers of rows, differ, and differ by enough that
/// float32 tells them apart.
fn learnable(values: &[(f64, usize)]) -> Result<(), String> {
    let smallest = values.iter().map(|(v, _)| *v).fold(f64::INFINITY, f64::min);
    let largest = values.iter().map(|(v, _)| *v).fold(f64::NEG_INFINITY, f64::max);
    if smallest == largest {
        return Err("every row has the same value; there is nothing to learn".into());
    }
    let magnitude = largest.abs().max(smallest.abs()) as f32;
    let step = f64::from(magnitude - magnitude.next_down());
    let (_, std) = moments(values.iter().copied());
    if std < LEAST_STEPS * step {
        return Err(format!(
            "its values, {smallest} to {largest}, are too close together for their size: float32, in which a net \
             calculates, has steps of {step} there, and their standard deviation is {std:.3e}; subtract an offset such \
             as {smallest} from the column"
        ));
    }
    Ok(())
}

/// Whether numbers are a quantity rather than names of classes.
fn is_quantity(numbers: impl Iterator<Item = Exact>) -> bool {
    let mut distinct: Vec<Exact> = numbers.collect();
    distinct.sort_by(Exact::order);
    distinct.dedup();
    let fractions = distinct.iter().any(|n| n.value.fract() != 0.0);
    distinct.len() > MOST_INTEGER_CLASSES || (fractions && distinct.len() > 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::raw::TextBuilder;

    fn column(cells: &[&str]) -> TextColumn {
        let mut column = TextBuilder::new(cells.len());
        cells.iter().for_each(|cell| if cell.is_empty() { column.push_missing() } else { column.push(cell) });
        column.finish()
    }

    fn classes(target: &Target) -> (Vec<&str>, bool) {
        match &target.output {
            OutputSpec::Classes { names, integers, .. } => (names.iter().map(String::as_str).collect(), *integers),
            OutputSpec::Value { .. } => panic!("no classes"),
        }
    }

    #[test]
    fn the_task_follows_from_the_values() {
        let many: Vec<String> = (0..21).map(|i| i.to_string()).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        for (cells, kind) in [
            (vec!["a", "b"], TaskKind::Binary),
            (vec!["1", "0"], TaskKind::Binary),
            (vec!["0.5", "1.5"], TaskKind::Binary),
            (vec!["0.5", "1.5", "2"], TaskKind::Regression),
            (vec!["3", "1", "2"], TaskKind::Multiclass),
            (many[..20].to_vec(), TaskKind::Multiclass),
            (many.clone(), TaskKind::Regression),
            ([many.as_slice(), &["x"]].concat(), TaskKind::Multiclass),
        ] {
            assert_eq!(Target::new("y", &column(&cells), None).unwrap().kind, kind, "{cells:?}");
        }
        let few = column(&["3", "1", "2"]);
        assert_eq!(Target::new("y", &few, Some(TaskKind::Regression)).unwrap().kind, TaskKind::Regression);
        assert_eq!(Target::new("y", &column(&many), Some(TaskKind::Multiclass)).unwrap().kind, TaskKind::Multiclass);
    }

    #[test]
    fn words_for_missing_values_are_classes_only_where_there_is_no_number() {
        let cells = column(&["1", "None", "2", "-"]);
        let target = Target::new("y", &cells, None).unwrap();
        assert_eq!((classes(&target).0, target.rows(&cells).0), (vec!["1", "2"], vec![0, 2]));
        for (cells, names) in
            [(["None", "-"], ["-", "None"]), (["+", "-"], ["+", "-"]), (["none", "some"], ["none", "some"])]
        {
            assert_eq!(classes(&Target::new("y", &column(&cells), None).unwrap()).0, names);
        }
    }

    #[test]
    fn decimal_commas_are_no_numbers_and_the_error_says_what_to_write() {
        let error = Target::new("y", &column(&["3,14", "2"]), Some(TaskKind::Regression)).unwrap_err().to_string();
        assert!(error.ends_with(r#"but there is "3,14"; write decimals behind a point"#), "{error}");
    }

    #[test]
    fn classes_have_their_first_spelling_and_stand_in_order() {
        let cells = column(&["10", "9", "", "9.0", "-1"]);
        let target = Target::new("y", &cells, None).unwrap();
        assert_eq!(classes(&target), (vec!["-1", "9", "10"], true));
        assert_eq!(target.rows(&cells), (vec![0, 1, 3, 4], Targets::Classes(vec![2, 1, 1, 0])));
        let padded = Target::new("y", &column(&["01", "02"]), None).unwrap();
        assert_eq!(classes(&padded), (vec!["01", "02"], false));
        let text = Target::new("y", &column(&["b", "a", "10", "9"]), None).unwrap();
        assert_eq!(classes(&text), (vec!["10", "9", "a", "b"], false));
    }

    #[test]
    fn large_whole_numbers_are_classes_of_their_own() {
        let cells = column(&["100000003", "100000000", "100000009", "100000006", "1e8", "100000009.0"]);
        let target = Target::new("y", &cells, None).unwrap();
        assert_eq!(classes(&target), (vec!["100000000", "100000003", "100000006", "100000009"], true));
        assert_eq!(target.rows(&cells).1, Targets::Classes(vec![1, 0, 3, 2, 0, 3]));
        let near = Target::new("y", &column(&["100000000", "100000001", "100000002"]), None).unwrap();
        assert_eq!(classes(&near).0, ["100000000", "100000001", "100000002"]);
        let ids = Target::new("y", &column(&["9007199254740993", "9007199254740992"]), None).unwrap();
        assert_eq!(classes(&ids).0, ["9007199254740992", "9007199254740993"]);
        let zeros = Target::new("y", &column(&["0", "-0", "1"]), None).unwrap();
        assert_eq!(classes(&zeros).0, ["0", "1"]);
    }

    #[test]
    fn a_regression_that_float32_cannot_resolve_is_refused_with_an_offset() {
        let numbers = |of: &dyn Fn(f64) -> f64| {
            let cells: Vec<String> = (0..200).map(|i| of(f64::from(i)).to_string()).collect();
            column(&cells.iter().map(String::as_str).collect::<Vec<_>>())
        };
        let seconds = numbers(&|i| 1_700_000_000.0 + 3.0 * i);
        assert_eq!(
            Target::new("y", &seconds, None).unwrap_err().to_string(),
            "target y: its values, 1700000000 to 1700000597, are too close together for their size: float32, in which a \
             net calculates, has steps of 128 there, and their standard deviation is 1.732e2; subtract an offset such as \
             1700000000 from the column"
        );
        for refused in [numbers(&|i| 1e6 + 1e-3 * i), numbers(&|i| -1e9 - 10.0 * i)] {
            let error = Target::new("y", &refused, Some(TaskKind::Regression)).unwrap_err();
            assert!(error.to_string().contains("subtract an offset"), "{error}");
        }
        let taken = [numbers(&|i| 3.0 * i), numbers(&|i| 48.84 + 1e-4 * i), numbers(&|i| 1e6 + 0.1 * i)];
        for target in taken.map(|cells| Target::new("y", &cells, None)) {
            assert_eq!(target.unwrap().kind, TaskKind::Regression);
        }
    }

    #[test]
    fn the_mean_and_the_deviation_are_float32_values() {
        let target = Target::new("y", &column(&["48.81", "48.85", "48.92"]), None).unwrap();
        let OutputSpec::Value { mean, std } = target.describe(&Targets::Values(vec![48.81, 48.85, 48.92])) else { panic!() };
        assert_eq!((mean, std), (f64::from(mean as f32), f64::from(std as f32)));
    }

    #[test]
    fn statistics_are_those_of_the_training_part() {
        let target = Target::new("y", &column(&["1.5", "2", "4"]), None).unwrap();
        assert_eq!(target.describe(&Targets::Values(vec![1.0, 3.0])), OutputSpec::Value { mean: 2.0, std: 1.0 });
        let target = Target::new("y", &column(&["a", "b"]), None).unwrap();
        let OutputSpec::Classes { counts, .. } = target.describe(&Targets::Classes(vec![0, 1, 1])) else { panic!() };
        assert_eq!(counts, [1, 2]);
    }
}
