//! Columns of text that may not be meant as they are read: numbers but for a few cells, and values with blanks around them.

use super::error::quoted;
use super::infer::{Kind, has_decimal_comma, is_absent, kind};
use super::raw::TextColumn;

/// Share of the cells with a value that are numbers from which on a column of text is doubtful.
const MOSTLY: f64 = 0.9;

/// What a user should know of these columns of text.
pub(super) fn of<'a>(columns: impl Iterator<Item = (&'a str, &'a TextColumn)>) -> Vec<String> {
    let (mut doubts, mut blank) = (Vec::new(), Vec::new());
    for (name, column) in columns {
        doubts.extend(mostly_numbers(name, column));
        blank.extend(column.values.iter().find(|value| *value != value.trim()).map(|value| (name, value)));
    }
    if let Some((first, example)) = blank.first() {
        let names: Vec<&str> = blank.iter().map(|(name, _)| *name).collect();
        doubts.push(format!(
            "values of {} have blanks around them, such as {example:?} in {first:?}; these belong to the values, and the model \
             knows no others",
            quoted(&names)
        ));
    }
    doubts
}

/// A column of numbers but for a few cells; where all of these have decimal commas, that is told elsewhere.
pub(super) fn mostly_numbers(name: &str, column: &TextColumn) -> Option<String> {
    let counts = column.counts();
    let values = || column.values.iter().zip(&counts).skip(1).filter(|(_, count)| **count > 0);
    let cells: usize = values().map(|(_, count)| count).sum();
    let numbers: usize = values().filter(|(value, _)| kind(value) == Kind::Number).map(|(_, count)| count).sum();
    let is_odd = |value: &str| matches!(kind(value), Kind::Text | Kind::Date) && !is_absent(value);
    let odd: Vec<(&String, &usize)> = values().filter(|(value, _)| is_odd(value)).collect();
    let others: usize = odd.iter().map(|(_, count)| **count).sum();
    let (example, _) = odd.iter().find(|(value, _)| !has_decimal_comma(value))?;
    (numbers as f64 >= MOSTLY * cells as f64).then(|| {
        format!(
            "column {name:?} counts as text: {others} of its {cells} values {} no number, such as {example:?}; mend these, or \
             leave them empty, for it to count as numbers",
            if others == 1 { "is" } else { "are" }
        )
    })
}
