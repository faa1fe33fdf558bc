//! Further files for a model that exists: what `predict` and `score` read.

use super::infer::number;
use super::raw::{RawBatch, TextColumn};
use super::source::{self, Purpose, Request};
use super::{DataError, Field, OutputSpec, Targets};
use std::collections::HashMap;
use std::path::Path;

/// Raw inputs of all rows of a file, in the order of `fields`. Columns may stand in any order; others are ignored.
///
/// For a model without metadata of ours, [`Field::column`] makes the fields from the names and types of its inputs.
///
/// # Errors
/// Where the file cannot be read or lacks a field, which is named.
pub fn read_inputs(path: &Path, fields: &[Field]) -> Result<RawBatch, DataError> {
    let request = Request { path, target: None, purpose: Purpose::Apply(fields) };
    Ok(source::read(&request)?.inputs)
}

/// As [`read_inputs`], with the target column as spelled in the file. `target` is needed where columns have names.
///
/// # Errors
/// As [`read_inputs`], and where there is no target.
pub fn read_labelled(path: &Path, fields: &[Field], target: Option<&str>) -> Result<(RawBatch, TextColumn), DataError> {
    let source = source::read(&Request { path, target, purpose: Purpose::Apply(fields) })?;
    let column = source.target.ok_or_else(|| DataError::file(path, "there is no target to compare with"))?;
    Ok((source.inputs, column))
}

/// Rows whose target a model can say, with their targets. Rows with a missing value or an unknown class are left out.
///
/// Classes are found by name, or by number where every class is a number.
pub fn resolve(output: &OutputSpec, column: &TextColumn) -> (Vec<usize>, Targets) {
    let mut rows = Vec::new();
    match output {
        OutputSpec::Classes { names, .. } => {
            let meaning = class_of_each(names, &column.values);
            let mut classes = Vec::new();
            for (row, &code) in column.codes.iter().enumerate() {
                if let Some(class) = meaning[code as usize] {
                    rows.push(row);
                    classes.push(class);
                }
            }
            (rows, Targets::Classes(classes))
        }
        OutputSpec::Value { .. } => {
            let parsed: Vec<Option<f32>> = column.values.iter().map(|v| number(v).filter(|n| n.is_finite())).collect();
            let mut values = Vec::new();
            for (row, &code) in column.codes.iter().enumerate() {
                if let Some(value) = parsed[code as usize] {
                    rows.push(row);
                    values.push(value);
                }
            }
            (rows, Targets::Values(values))
        }
    }
}

/// Class of each distinct value; `None` where it is missing or unknown.
fn class_of_each(names: &[String], values: &[String]) -> Vec<Option<u32>> {
    let by_name: HashMap<&str, u32> = names.iter().map(String::as_str).zip(0..).collect();
    let numbers: Option<Vec<f32>> = names.iter().map(|n| number(n).filter(|v| v.is_finite())).collect();
    let by_number = |value: &str| {
        let value = number(value)?;
        numbers.as_ref()?.iter().position(|n| *n == value).map(|class| class as u32)
    };
    let class = |value: &String| by_name.get(value.as_str()).copied().or_else(|| by_number(value));
    values.iter().enumerate().map(|(code, v)| if code == 0 { None } else { class(v) }).collect()
}
