//! Data that is to go through a preprocessing fitted on earlier data.

use super::error::quoted;
use super::raw::{Column, RawBatch};
use super::schema::{Field, FieldKind};
use super::{InputEncoder, OutputSpec, Preprocessing};

/// Share of the rows beyond what a column was fitted on above which that is worth a warning.
const STRANGE: f64 = 0.05;

impl Preprocessing {
    /// In what new data differs from the data that this was fitted on, a phrase each; empty where nets that were trained
    /// there can go on here. `raw` are the inputs of the new data, and `fresh` is what was fitted on them.
    ///
    /// Values differ as they like: a new category is an unknown one, and a number beyond the old range is cut off. Columns
    /// that `fresh` leaves out may be new.
    pub(super) fn differences(&self, raw: &RawBatch, fresh: &Preprocessing) -> Vec<String> {
        let mut differences = Vec::new();
        if self.target != fresh.target {
            let name = |target: &Option<String>| target.as_ref().map_or("unnamed".to_owned(), |name| format!("{name:?}"));
            differences.push(format!("the target is {}, it was {}", name(&fresh.target), name(&self.target)));
        }
        match (&self.output, &fresh.output) {
            (OutputSpec::Classes { names: old, .. }, OutputSpec::Classes { names: new, .. }) => {
                let only =
                    |a: &[String], b: &[String]| a.iter().filter(|name| !b.contains(name)).cloned().collect::<Vec<_>>();
                for (names, problem) in [(only(new, old), "new"), (only(old, new), "missing")] {
                    if !names.is_empty() {
                        let noun = if names.len() == 1 { "class" } else { "classes" };
                        differences.push(format!("{problem} {noun} {}", quoted(&names)));
                    }
                }
                if differences.is_empty() && old != new {
                    differences.push(format!("the classes are in the order {}, they were {}", quoted(new), quoted(old)));
                }
            }
            (OutputSpec::Value { .. }, OutputSpec::Value { .. }) => {}
            (OutputSpec::Classes { .. }, _) => differences.push("the target is a number, it was classes".into()),
            (OutputSpec::Value { .. }, _) => differences.push("the target is classes, it was a number".into()),
        }
        differences.extend(differing_inputs(&self.schema().inputs, raw, &fresh.schema().inputs));
        differences
    }

    /// What new data holds much of that this was not fitted on, a sentence for each column.
    pub(super) fn strangers(&self, raw: &RawBatch) -> Vec<String> {
        let InputEncoder::Table(table) = &self.input else { return Vec::new() };
        let mut sentences = Vec::new();
        let mut tell = |name: &str, strange: usize, problem: &str| {
            let share = strange as f64 / raw.rows().max(1) as f64;
            if share > STRANGE {
                sentences.push(format!("column {name:?}: {:.0}% of the rows {problem}", share * 100.0));
            }
        };
        for encoder in &table.numbers {
            let beyond = |value: &&f32| **value < encoder.low || **value > encoder.high;
            let strange = match raw {
                RawBatch::Matrix { values, width } => {
                    values.iter().skip(encoder.input).step_by(*width).filter(beyond).count()
                }
                raw => match raw.column(&encoder.name) {
                    Some(Column::Number(values)) => values.iter().filter(beyond).count(),
                    _ => 0,
                },
            };
            tell(&encoder.name, strange, "are beyond the range that the earlier study saw, and are cut off");
        }
        for encoder in &table.categories {
            if let Some(Column::Text(text)) = raw.column(&encoder.name) {
                let unknown = encoder.vocabulary.len() as i64;
                let slots = encoder.slots_of(&text.values);
                let strange = text.codes.iter().filter(|&&code| slots[code as usize] == unknown).count();
                tell(&encoder.name, strange, "have values that the earlier study did not know");
            }
        }
        sentences
    }
}

/// Inputs that are missing, of another kind or, among those that would be read, new.
fn differing_inputs(old: &[Field], raw: &RawBatch, fresh: &[Field]) -> Vec<String> {
    match raw {
        RawBatch::Table { .. } if old.iter().all(|field| is_column(field.kind)) => {}
        _ if old == fresh => return Vec::new(),
        _ => return vec![format!("the data holds {}, it was {}", words(fresh), words(old))],
    }
    let mut differences = Vec::new();
    for Field { name, kind } in old {
        match (raw.column(name), kind) {
            (None, _) => differences.push(format!("column {name:?} is missing")),
            (Some(Column::Text(_)), FieldKind::Number) => {
                differences.push(format!("column {name:?} holds text, it was numbers"));
            }
            (Some(Column::Number(_)), FieldKind::Text) => {
                differences.push(format!("column {name:?} holds numbers, it was text"));
            }
            (Some(_), _) => {}
        }
    }
    let new: Vec<&str> = fresh.iter().map(|f| &f.name[..]).filter(|name| !old.iter().any(|o| o.name == *name)).collect();
    differences.extend(new.iter().map(|name| format!("column {name:?} is new")));
    differences
}

fn is_column(kind: FieldKind) -> bool {
    matches!(kind, FieldKind::Number | FieldKind::Text)
}

/// What fields hold, as a whole.
fn words(fields: &[Field]) -> String {
    match fields {
        [one] if !is_column(one.kind) => one.to_string(),
        fields => format!("{} named columns", fields.len()),
    }
}

#[cfg(test)]
mod tests {
    use crate::data::{
        DataError, Dataset, Features, FieldKind, Options, OutputSpec, Preprocessing, Validation, load, load_fitted,
    };
    use std::path::Path;

    fn options(folder: &Path, name: &str, text: &str) -> Options {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        Options { path, target: Some("y".into()), task: None, validation: Validation::Share(0.2), group: None, seed: 0 }
    }

    /// Rows of a number, a category and a class, made from the number of each row.
    fn table(rows: usize, row: impl Fn(usize) -> String) -> String {
        let rows: String = (0..rows).map(|i| row(i) + "\n").collect();
        format!("x,z,y\n{rows}")
    }

    fn earlier(folder: &Path) -> Dataset {
        load(&options(
            folder,
            "old.csv",
            &table(60, |i| format!("{},{},{}", i % 17, ["p", "q", "q"][i % 3], ["a", "b"][i % 2])),
        ))
        .unwrap()
    }

    fn follow(folder: &Path, fitted: &Preprocessing, text: &str) -> Result<Dataset, DataError> {
        load_fitted(&options(folder, "new.csv", text), fitted)
    }

    #[test]
    fn other_values_go_through_what_was_fitted_and_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let fitted = earlier(folder.path()).preprocessing;
        // Here `p` is the more frequent one, `r` is new, and numbers are a hundred times as large.
        let row = |i| format!("{},{},{}", 100 * (i % 17), ["p", "p", "r"][i % 3], ["a", "b", "b"][i % 3]);
        let followed = follow(folder.path(), &fitted, &table(90, row)).unwrap();
        let OutputSpec::Classes { counts, .. } = &followed.preprocessing.output else { panic!("classes") };
        assert_eq!(counts, &[24, 48]);
        let same = Preprocessing { output: fitted.output.clone(), ..followed.preprocessing.clone() };
        assert_eq!(same, fitted, "nothing else is fitted anew");
        let Features::Table { codes, .. } = &followed.train.features else { panic!("a table") };
        // The slots are those of `q`, `p`, unknown and missing.
        assert!(codes.iter().all(|code| [1, 2].contains(code)), "{codes:?}");
        assert_eq!(
            followed.warnings,
            [
                "column \"x\": 93% of the rows are beyond the range that the earlier study saw, and are cut off",
                "column \"z\": 33% of the rows have values that the earlier study did not know"
            ]
        );
    }

    #[test]
    fn the_same_data_is_the_same_dataset() {
        let folder = tempfile::tempdir().unwrap();
        let earlier = earlier(folder.path());
        let text = std::fs::read_to_string(folder.path().join("old.csv")).unwrap();
        let followed = follow(folder.path(), &earlier.preprocessing, &text).unwrap();
        assert!(followed.train == earlier.train && followed.validation == earlier.validation);
        assert_eq!((followed.task, followed.warnings), (earlier.task, vec![]));
        let text = serde_json::to_string(&earlier.preprocessing).unwrap();
        assert_eq!(serde_json::from_str::<Preprocessing>(&text).unwrap(), earlier.preprocessing);
    }

    #[test]
    fn columns_have_the_kind_that_they_had_whatever_they_hold_this_time() {
        let folder = tempfile::tempdir().unwrap();
        let fitted = earlier(folder.path()).preprocessing;
        let rows = |cells: fn(usize) -> String| (0..60).map(|i| cells(i) + "\n").collect::<String>();
        let followed = |text: &str| follow(folder.path(), &fitted, text).unwrap();
        let kinds = |dataset: &Dataset| {
            dataset.preprocessing.schema().inputs.iter().map(|field| (field.name.clone(), field.kind)).collect::<Vec<_>>()
        };
        let known = [("x".to_owned(), FieldKind::Number), ("z".to_owned(), FieldKind::Text)];
        // Digits alone are text, dates and the words for a missing number too, and names are found beside white space.
        let digits = followed(&format!(" z,x,y\n{}", rows(|i| format!("{},{},{}", i % 3, i % 17, ["a", "b"][i % 2]))));
        assert_eq!(kinds(&digits), known);
        assert_eq!(digits.warnings, ["column \"z\": 100% of the rows have values that the earlier study did not know"]);
        let dates =
            followed(&table(60, |i| format!("{},2024-01-0{},{}", ["None", "-"][i % 2], 1 + i % 3, ["a", "b"][i % 2])));
        assert_eq!(kinds(&dates), known);
        let Features::Table { numeric, .. } = &dates.train.features else { panic!("a table") };
        assert!(numeric.iter().all(|value| value.is_finite()), "{numeric:?}");
        for empty in [
            rows(|i| format!(",{},{}", ["p", "q"][i % 2], ["a", "b"][i % 2])),
            rows(|i| format!("{},,{}", i % 17, ["a", "b"][i % 2])),
        ] {
            let followed = followed(&format!("x,z,y\n{empty}"));
            assert_eq!(kinds(&followed), known);
            assert!(matches!(&followed.warnings[..], [one] if one.ends_with("has no value in any row")));
        }
    }

    #[test]
    fn all_differences_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let fitted = earlier(folder.path()).preprocessing;
        let rows: String = (0..60).map(|i| format!("v{},{},{},7\n", i % 5, i % 9, ["a", "c"][i % 2])).collect();
        let error = follow(folder.path(), &fitted, &format!("x,w,y,constant\n{rows}")).unwrap_err();
        let expected = "does not fit the earlier study: new class \"c\"; missing class \"b\"; column \"x\" holds text, it was \
                        numbers; column \"z\" is missing; column \"w\" is new; mend the data, or start without --from";
        assert!(error.to_string().ends_with(expected), "{error}");
        let numbers = table(60, |i| format!("{},{},{}", i % 17, ["p", "q"][i % 2], 0.37 * i as f32));
        let error = follow(folder.path(), &fitted, &numbers).unwrap_err();
        assert!(error.to_string().contains("the target is a number, it was classes"), "{error}");
        let mut other =
            options(folder.path(), "other.csv", &table(60, |i| format!("{},{},{}", i % 17, ["p", "q"][i % 2], i % 2)));
        other.target = Some("z".into());
        let error = load_fitted(&other, &fitted).unwrap_err();
        assert!(error.to_string().contains("the target is \"z\", it was \"y\""), "{error}");
    }
}
