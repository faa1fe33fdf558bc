//! The split into a training and a validation part: seeded, and stratified by class or by quantile of the target.

use super::{DataError, Targets};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use std::path::PathBuf;

/// Where the validation part comes from.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Validation {
    /// A share of the rows by their number n: n/5, for more than 10,000 rows at most the larger of 2,000 and n/10, and
    /// never more than 10,000 rows.
    #[default]
    Auto,
    /// A file or folder of its own; all rows of the data are trained on.
    File(PathBuf),
    /// This share of the rows, between 0 and 1.
    Share(f64),
}

/// Bins of equal size in which the target of a regression is stratified.
const BINS: usize = 10;
/// Fewest rows with a target that are split.
pub const LEAST_ROWS: usize = 10;

/// Rows of the training and of the validation part, each in the order of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    /// Rows to train on.
    pub train: Vec<usize>,
    /// Rows to validate on; disjoint from `train`.
    pub validation: Vec<usize>,
}

/// Share of the rows that [`Validation::Auto`] sets aside.
fn automatic_share(rows: usize) -> f64 {
    let n = rows as f64;
    (n / 5.0).min((n / 10.0).max(2000.0)).min(10_000.0) / n
}

/// Splits rows by their targets. Every stratum with two or more rows has at least one row in each part; a stratum with
/// one row has it in the training part.
///
/// # Errors
/// Where there are too few rows, or the share is not between 0 and 1.
pub fn split(targets: &Targets, share: Option<f64>, seed: u64) -> Result<Split, DataError> {
    let rows = targets.len();
    if rows < LEAST_ROWS {
        return Err(DataError::TooFewRows { rows, least: LEAST_ROWS });
    }
    let share = share.unwrap_or_else(|| automatic_share(rows));
    if !(share > 0.0 && share < 1.0) {
        return Err(DataError::Share { share });
    }
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut split = Split { train: Vec::new(), validation: Vec::new() };
    for mut stratum in strata(targets) {
        stratum.shuffle(&mut rng);
        let most = stratum.len().saturating_sub(1);
        let wanted = (stratum.len() as f64 * share).round() as usize;
        let held = wanted.max(1).min(most);
        split.validation.extend(&stratum[..held]);
        split.train.extend(&stratum[held..]);
    }
    split.train.sort_unstable();
    split.validation.sort_unstable();
    Ok(split)
}

/// Rows of each class, or of each quantile bin.
fn strata(targets: &Targets) -> Vec<Vec<usize>> {
    match targets {
        Targets::Classes(classes) => {
            let count = classes.iter().max().map_or(0, |&c| c as usize + 1);
            let mut strata = vec![Vec::new(); count];
            classes.iter().enumerate().for_each(|(row, &class)| strata[class as usize].push(row));
            strata
        }
        Targets::Values(values) => {
            let mut order: Vec<usize> = (0..values.len()).collect();
            order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
            order.chunks(values.len().div_ceil(BINS).max(2)).map(<[usize]>::to_vec).collect()
        }
    }
}
