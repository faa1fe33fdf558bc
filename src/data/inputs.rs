//! Further files for a model that exists: what `predict` and `score` read.

use super::infer::{Exact, number};
use super::raw::{RawBatch, TextColumn};
use super::source::{self, Purpose, Request, Source};
use super::{DataError, Field, Targets};
use std::collections::HashMap;
use std::path::Path;

/// Rows of a further file.
#[derive(Debug, Clone)]
pub struct FurtherRows {
    /// Raw inputs of all rows.
    pub inputs: RawBatch,
    /// Which part of the data was read, where its format has several, such as `x_test`.
    pub part: Option<&'static str>,
    /// What was repaired or left out, a sentence each.
    pub warnings: Vec<String>,
}

/// Raw inputs of all rows of a file, in the order of `fields`. Columns may stand in any order; others are ignored. Of data
/// with a training and a test part the latter is read.
///
/// For a model without metadata of ours, [`Field::column`] makes the fields from the names and types of its inputs.
///
/// # Errors
/// Where the file cannot be read or lacks a field, which is named.
pub fn read_inputs(path: &Path, fields: &[Field]) -> Result<FurtherRows, DataError> {
    let source = source::read(&Request { path, target: None, group: None, purpose: Purpose::Apply(fields) })?;
    Ok(FurtherRows { inputs: source.inputs, part: source.part, warnings: source.warnings })
}

/// As [`read_inputs`], with the target column as spelled in the file. `target` is needed where columns have names.
///
/// # Errors
/// As [`read_inputs`], and where there is no target.
pub fn read_labelled(path: &Path, fields: &[Field], target: Option<&str>) -> Result<(FurtherRows, TextColumn), DataError> {
    let request = Request { path, target, group: None, purpose: Purpose::Apply(fields) };
    let Source { inputs, target, part, warnings, .. } = source::read(&request)?;
    let place = part.map_or_else(String::new, |part| format!(" in its part {part}"));
    let column = target.ok_or_else(|| DataError::file(path, format!("there is no target to compare with{place}")))?;
    Ok((FurtherRows { inputs, part, warnings }, column))
}

/// Rows whose target a model can say, with their targets; `classes` are the names of its classes, none for a regression.
/// Rows with a missing value or an unknown class are left out.
///
/// Classes are found by name, or by number where every class is a number.
pub fn resolve(classes: &[String], column: &TextColumn) -> (Vec<usize>, Targets) {
    if classes.is_empty() {
        let meaning: Vec<Option<f32>> = column.values.iter().map(|v| number(v).filter(|n| n.is_finite())).collect();
        let (rows, values) = known(column, &meaning);
        return (rows, Targets::Values(values));
    }
    let (rows, classes) = known(column, &class_of_each(classes, &column.values));
    (rows, Targets::Classes(classes))
}

/// Rows whose value has a meaning, with it.
fn known<T: Copy>(column: &TextColumn, meaning: &[Option<T>]) -> (Vec<usize>, Vec<T>) {
    let meant = |(row, &code): (usize, &u32)| meaning[code as usize].map(|m| (row, m));
    column.codes.iter().enumerate().filter_map(meant).unzip()
}

/// Class of each distinct value; `None` where it is missing or unknown.
fn class_of_each(names: &[String], values: &[String]) -> Vec<Option<u32>> {
    let by_name: HashMap<&str, u32> = names.iter().map(String::as_str).zip(0..).collect();
    let numbers: Option<Vec<Exact>> = names.iter().map(|n| Exact::read(n).filter(|n| n.value.is_finite())).collect();
    let by_number = |value: &str| {
        let value = Exact::read(value)?;
        numbers.as_ref()?.iter().position(|n| *n == value).map(|class| class as u32)
    };
    let class = |value: &String| by_name.get(value.as_str()).copied().or_else(|| by_number(value));
    values.iter().enumerate().map(|(code, v)| if code == 0 { None } else { class(v) }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::raw::TextBuilder;

    #[test]
    fn labels_that_float32_merges_are_classes_of_their_own() {
        let names: Vec<String> = ["100000000", "100000003", "100000006"].map(Into::into).to_vec();
        let mut column = TextBuilder::new(0);
        ["100000006.0", "100000003", "1e8", "100000001"].iter().for_each(|cell| column.push(cell));
        assert_eq!(resolve(&names, &column.finish()), (vec![0, 1, 2], Targets::Classes(vec![2, 1, 0])));
    }
}
