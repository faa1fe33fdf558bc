//! Columns of text: each known value has a slot of its own, and there is one slot for unknown and one for missing values.
//!
//! Values with a single row in the training part are unknown, so that the slot of the unknown is trained on something.

use crate::data::raw::{TextColumn, is_missing};
use serde::{Deserialize, Serialize};

/// Fewest rows of a value that gets a slot.
const LEAST_ROWS: usize = 2;
/// Most values of a column that get a slot; rarer ones are unknown.
const MOST_VALUES: usize = 10_000;

/// A fitted column of text. With V values known, slot V is for unknown and slot V + 1 for missing ones.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CategoryEncoder {
    /// Name of the column.
    pub name: String,
    /// Position among the inputs.
    pub input: usize,
    /// Known values by falling frequency, then by name.
    pub vocabulary: Vec<String>,
}

impl CategoryEncoder {
    /// Fits a column on some of its rows. `None` where one slot would hold every row.
    pub fn fit(name: &str, input: usize, column: &TextColumn, rows: &[usize]) -> Option<Self> {
        let mut counts = vec![0usize; column.values.len()];
        rows.iter().for_each(|&row| counts[column.codes[row] as usize] += 1);
        let mut known: Vec<usize> = (1..counts.len()).filter(|&code| counts[code] >= LEAST_ROWS).collect();
        known.sort_by(|&a, &b| counts[b].cmp(&counts[a]).then_with(|| column.values[a].cmp(&column.values[b])));
        known.truncate(MOST_VALUES);
        let held = |code: usize| counts[code] == rows.len();
        if known.is_empty() || known.iter().any(|&code| held(code)) {
            return None;
        }
        let vocabulary = known.into_iter().map(|code| column.values[code].clone()).collect();
        Some(CategoryEncoder { name: name.into(), input, vocabulary })
    }

    /// Number of slots.
    pub fn slots(&self) -> usize {
        self.vocabulary.len() + 2
    }

    /// Slot of each distinct value of a column.
    pub fn slots_of(&self, values: &[String]) -> Vec<i64> {
        let index: std::collections::HashMap<&str, i64> = self.vocabulary.iter().map(String::as_str).zip(0..).collect();
        let unknown = self.vocabulary.len() as i64;
        values
            .iter()
            .map(|v| if is_missing(v) { unknown + 1 } else { index.get(v.as_str()).copied().unwrap_or(unknown) })
            .collect()
    }
}
