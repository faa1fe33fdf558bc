//! Kinds of columns: the set of kinds of cells seen, widened by union, so that the order of rows cannot matter.
//!
//! What stands for a missing value depends on the column. Among numbers any of the usual words does ([`ABSENT`]), in any
//! case; in a column of text `None` or `-` may well be a category, so that there only [`super::raw::MISSING`] counts.

use super::raw::is_missing;
use std::cmp::Ordering;

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
/// A word that stands for a missing value among numbers.
const WORD: u8 = 32;
/// A number with a decimal comma, which is text.
const COMMA: u8 = 64;

/// Words that stand for a missing value among numbers, in any case, beside those that always do.
const ABSENT: [&str; 12] = ["na", "n/a", "#na", "#n/a", "<na>", "nan", "-nan", "null", "none", "nil", "-", "--"];

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
            _ if seen & (INTEGER | REAL) != 0 && seen & (DATE | TEXT | COMMA) == 0 => Kind::Number,
            _ => Kind::Text,
        }
    }

    /// Whether every cell is a number or missing, as a column of numbers may be.
    pub fn are_numbers(self) -> bool {
        self.0 & (DATE | TEXT | COMMA) == 0
    }

    /// Whether it would be a column of numbers if their decimals stood behind points instead of commas.
    pub fn has_decimal_commas(self) -> bool {
        self.0 & COMMA != 0 && self.0 & (DATE | TEXT) == 0
    }

    /// Whether a number beyond float32 was seen.
    pub fn unbounded(self) -> bool {
        self.0 & UNBOUNDED != 0
    }
}

/// What a column of nothing but this cell would be.
pub fn kind(cell: &str) -> Kind {
    Kinds(classify(cell)).resolve()
}

/// True for a word that stands for a missing value among numbers, though it is a value like any other in a column of text.
pub fn is_absent(cell: &str) -> bool {
    let cell = cell.trim();
    ABSENT.iter().any(|word| cell.eq_ignore_ascii_case(word))
}

/// True for a number with a decimal comma, such as `3,14` or `1.234,5`; also for `1,234`, which may be meant otherwise.
pub fn has_decimal_comma(cell: &str) -> bool {
    let cell = cell.trim();
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let unsigned = cell.strip_prefix(['-', '+']).unwrap_or(cell);
    unsigned.split_once(',').is_some_and(|(whole, decimals)| whole.split('.').all(digits) && digits(decimals))
}

/// A cell as a number; NaN where it is missing, infinite or beyond float32, `None` where it is no number.
pub fn number(cell: &str) -> Option<f32> {
    Exact::read(cell).map(|exact| exact.value as f32)
}

/// A number by which cells are told apart: what float32 merges stays distinct, and so does every whole number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Exact {
    /// The number; NaN where the cell is missing, infinite or beyond float32.
    pub value: f64,
    /// What float64 loses of a whole number.
    rest: i128,
}

impl Exact {
    /// A cell as a number, `None` where it is none.
    pub fn read(cell: &str) -> Option<Exact> {
        let cell = cell.trim();
        if is_missing(cell) || is_absent(cell) {
            return Some(Exact { value: f64::NAN, rest: 0 });
        }
        let value: f64 = cell.parse().ok()?;
        let value = if (value as f32).is_finite() { value } else { f64::NAN };
        let rest = cell.parse::<i128>().map_or(0, |whole| whole.saturating_sub(value as i128));
        Some(Exact { value, rest })
    }

    /// Order by value; NaN last or first, by its sign.
    pub fn order(&self, other: &Exact) -> Ordering {
        self.value.total_cmp(&other.value).then(self.rest.cmp(&other.rest))
    }
}

fn classify(cell: &str) -> u8 {
    let cell = cell.trim();
    if is_missing(cell) {
        return 0;
    }
    if is_absent(cell) {
        return WORD;
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
        Err(_) if has_decimal_comma(cell) => COMMA,
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn resolved(cells: &[&str]) -> Kind {
        let mut kinds = Kinds::default();
        cells.iter().for_each(|cell| kinds.see(cell));
        kinds.resolve()
    }

    #[test]
    fn columns_are_what_all_their_cells_are() {
        for (cells, kind) in [
            (["1", " -2 ", ""], Kind::Number),
            (["1", "2.5e3", "NA"], Kind::Number),
            ([".5", "+7", "inf"], Kind::Number),
            (["1", "x", "2"], Kind::Text),
            (["", "?", "null"], Kind::Missing),
            (["2024-01-31", "2024-02-01T10:30:00Z", "NaN"], Kind::Date),
            (["1949-01", "31.12.1999", "1/2/2003 10:00"], Kind::Date),
            (["2024-01-31", "7", ""], Kind::Text),
            (["2024-01-31", "soon", ""], Kind::Text),
            (["123456789012345678901", "1", ""], Kind::Text),
            (["192.168.1.1", "", ""], Kind::Text),
            (["12-34", "", ""], Kind::Text),
            (["1,5", "", ""], Kind::Text),
            (["1", "None", "-"], Kind::Number),
            (["1.5", " n/a ", "#N/A"], Kind::Number),
            (["None", "none", ""], Kind::Text),
            (["None", "Gas", "1"], Kind::Text),
            (["2024-01-31", "-", ""], Kind::Text),
        ] {
            assert_eq!(resolved(&cells), kind, "{cells:?}");
        }
    }

    #[test]
    fn columns_of_numbers_but_for_their_commas_are_noticed() {
        let noticed = |cells: &[&str]| {
            let mut kinds = Kinds::default();
            cells.iter().for_each(|cell| kinds.see(cell));
            kinds.has_decimal_commas()
        };
        for cells in [["3,14", "2", "NA"], ["-0,5", "1.234,5", "None"]] {
            assert!(noticed(&cells), "{cells:?}");
        }
        for cells in [["3,14", "x", ""], ["3.14", "2", ""], ["a,b", "1,2,3", ""], ["1,", ",5", ""], ["3,14", "2024-01", ""]]
        {
            assert!(!noticed(&cells), "{cells:?}");
        }
    }

    #[test]
    fn numbers_are_read_with_missing_and_infinite_ones_as_nan() {
        assert_eq!(number(" 2.5 "), Some(2.5));
        for missing in ["", " ? ", "NA", "nan", "inf", "-Infinity", "1e39", "None", "-", "N/a", "<NA>"] {
            assert!(number(missing).is_some_and(f32::is_nan), "{missing}");
        }
        assert_eq!(number("1 000"), None);
    }

    #[test]
    fn numbers_that_float32_or_float64_merges_stay_distinct() {
        let exact = |cell| Exact::read(cell).unwrap();
        for (a, b) in [("100000000", "100000001"), ("9007199254740992", "9007199254740993"), ("48.85", "48.850001")] {
            assert_ne!(exact(a), exact(b));
            assert!(exact(a).order(&exact(b)).is_lt());
        }
        for (a, b) in [("9", " 9.0 "), ("-0", "0"), ("1e3", "+1000"), ("9223372036854775807", "09223372036854775807")] {
            assert_eq!(exact(a), exact(b));
        }
    }

    proptest! {
        #[test]
        fn the_order_of_rows_cannot_matter(
            mut cells in prop::collection::vec(prop_oneof!["[0-9]{1,22}", "-?[0-9]\\.[0-9]", "20[0-9]{2}-0[1-9]", "[a-z]", "[0-9],[0-9]", Just("".to_owned()), Just("1e99".to_owned()), Just("None".to_owned())], 0..12)
        ) {
            let of = |cells: &[String]| {
                let mut kinds = Kinds::default();
                cells.iter().for_each(|cell| kinds.see(cell));
                kinds.resolve()
            };
            let forwards = of(&cells);
            cells.reverse();
            prop_assert_eq!(forwards, of(&cells));
        }
    }
}
