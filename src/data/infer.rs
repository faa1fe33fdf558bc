//! Kinds of columns: the set of kinds of cells seen, widened by union, so that the order of rows cannot matter.

use super::raw::is_missing;

/// Kinds of cells seen in a column, a bit each. Missing cells do not vote.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Kinds(u8);

/// A whole number that fits 64 bits.
const INTEGER: u8 = 1;
/// Any other number.
const REAL: u8 = 2;
/// A date or a time.
const DATE: u8 = 4;
/// Anything else.
const TEXT: u8 = 8;
/// A number beyond float32, or infinite.
const UNBOUNDED: u8 = 16;

/// What a column is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Numbers.
    Number,
    /// Text.
    Text,
    /// Dates only.
    Date,
    /// No cell has a value.
    Missing,
}

impl Kinds {
    /// Adds the kind of a cell.
    pub fn see(&mut self, cell: &str) {
        // Text absorbs everything: no need to look at further cells.
        if self.0 & TEXT == 0 {
            self.0 |= classify(cell);
        }
    }

    /// What a column with these cells is.
    pub fn resolve(self) -> Kind {
        let seen = self.0 & !UNBOUNDED;
        match seen {
            0 => Kind::Missing,
            DATE => Kind::Date,
            _ if seen & (DATE | TEXT) == 0 => Kind::Number,
            _ => Kind::Text,
        }
    }

    /// Whether a number beyond float32 was seen.
    pub fn unbounded(self) -> bool {
        self.0 & UNBOUNDED != 0
    }
}

/// A cell as a number; NaN where it is missing, infinite or beyond float32, `None` where it is no number.
pub fn number(cell: &str) -> Option<f32> {
    let cell = cell.trim();
    if is_missing(cell) {
        return Some(f32::NAN);
    }
    match cell.parse::<f64>() {
        Ok(value) if (value as f32).is_finite() => Some(value as f32),
        Ok(_) => Some(f32::NAN),
        Err(_) => None,
    }
}

fn classify(cell: &str) -> u8 {
    let cell = cell.trim();
    if is_missing(cell) {
        return 0;
    }
    if cell.parse::<i64>().is_ok() {
        return INTEGER;
    }
    // Whole numbers that need more than 64 bits are names, not quantities.
    if cell.bytes().all(|b| b.is_ascii_digit()) {
        return TEXT;
    }
    match cell.parse::<f64>() {
        Ok(value) if (value as f32).is_finite() => REAL,
        Ok(_) => REAL | UNBOUNDED,
        Err(_) if is_date(cell) => DATE,
        Err(_) => TEXT,
    }
}

/// True for `2024-01`, `2024-01-31`, `31.1.2024`, `1/31/2024`, each also with a time behind a space or a `T`.
fn is_date(cell: &str) -> bool {
    let (date, time) = cell.split_once([' ', 'T']).unwrap_or((cell, "00:00"));
    let Some(separator) = date.chars().find(|c| "-/.".contains(*c)) else { return false };
    let groups: Vec<&str> = date.split(separator).collect();
    let digits = |g: &&str| !g.is_empty() && g.len() <= 4 && g.bytes().all(|b| b.is_ascii_digit());
    let has_year = groups.first().is_some_and(|g| g.len() == 4) || groups.last().is_some_and(|g| g.len() == 4);
    (2..=3).contains(&groups.len())
        && groups.iter().all(digits)
        && has_year
        && time.bytes().all(|b| b.is_ascii_digit() || b":.+-Z".contains(&b))
}
