//! The split into a training and a validation part: seeded, and stratified by class or by quantile of the target.

use super::folds::{CrossValidation, Groups, split_groups};
use super::{DataError, Targets};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use std::path::PathBuf;

/// Where the validation part comes from.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Validation {
    /// A share of the rows by their number n: n/5, but at most n/10 or 6,000 rows, whichever is more, and never more than
    /// 10,000. A search compares dozens of candidates, so that a small part would pick the luckiest.
    #[default]
    Auto,
    /// A file or folder of its own; all rows of the data are trained on.
    File(PathBuf),
    /// This share of the rows, between 0 and 1.
    Share(f64),
    /// All rows in turn, fold by fold.
    Folds(CrossValidation),
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
    (n / 5.0).min((n / 10.0).clamp(6_000.0, 10_000.0)) / n
}

/// Splits rows by their targets. Every stratum with two or more rows has at least one row in each part; a stratum with
/// one row has it in the training part. With groups, each is in one part as a whole.
///
/// # Errors
/// Where there are too few rows, no row or group can be spared for validation, or the share is not between 0 and 1.
pub fn split(targets: &Targets, groups: Option<&Groups>, share: Option<f64>, seed: u64) -> Result<Split, DataError> {
    let rows = targets.len();
    if rows < LEAST_ROWS {
        return Err(DataError::TooFewRows { rows, least: LEAST_ROWS });
    }
    let share = share.unwrap_or_else(|| automatic_share(rows));
    if !(share > 0.0 && share < 1.0) {
        return Err(DataError::Share { share });
    }
    if let Some(groups) = groups {
        return split_groups(targets, groups, share, seed);
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
    if split.validation.is_empty() {
        return Err(DataError::NoValidation { classes: split.train.len() });
    }
    split.train.sort_unstable();
    split.validation.sort_unstable();
    Ok(split)
}

/// Rows of each class, or of each quantile bin.
pub(super) fn strata(targets: &Targets) -> Vec<Vec<usize>> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_automatic_share_is_a_fifth_then_a_tenth_then_ten_thousand_rows() {
        for (rows, held) in [(100, 20.0), (26_000, 5_200.0), (40_000, 6_000.0), (70_000, 7_000.0), (1_000_000, 10_000.0)] {
            assert!((automatic_share(rows) * rows as f64 - held).abs() < 1e-6, "{rows}");
        }
    }

    #[test]
    fn a_regression_is_stratified_by_quantile() {
        let values: Vec<f32> = (0..1000).map(|i| ((i * 7919) % 1000) as f32).collect();
        let split = split(&Targets::Values(values.clone()), None, Some(0.2), 3).unwrap();
        for bin in 0..10 {
            let within = |row: &&usize| (values[**row] as usize) / 100 == bin;
            assert_eq!(split.validation.iter().filter(within).count(), 20);
        }
    }

    #[test]
    fn senseless_shares_are_refused() {
        for share in [0.0, 1.0, -0.2, 20.0, f64::NAN] {
            let error = split(&Targets::Classes(vec![0; 20]), None, Some(share), 1).unwrap_err();
            assert_eq!(error.to_string(), format!("a validation share of {share} is not between 0 and 1"));
        }
    }

    #[test]
    fn classes_of_one_row_each_leave_nothing_to_validate_on() {
        let error = split(&Targets::Classes((0..14).collect()), None, None, 1).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the validation part is empty: each of the 14 classes has a single row, which is trained on; give more rows of \
             each class, or name a target with fewer classes"
        );
        let one_twice = Targets::Classes((0..14).chain([3]).collect());
        assert_eq!(split(&one_twice, None, None, 1).unwrap().validation.len(), 1);
    }

    proptest! {
        #[test]
        fn parts_are_disjoint_whole_and_have_every_class_that_can_be_in_both(
            classes in prop::collection::vec(0u32..5, LEAST_ROWS..200), share in 0.01f64..0.99, seed in any::<u64>()
        ) {
            let targets = Targets::Classes(classes.clone());
            let split = split(&targets, None, Some(share), seed).unwrap();
            let mut all: Vec<usize> = split.train.iter().chain(&split.validation).copied().collect();
            all.sort_unstable();
            prop_assert_eq!(all, (0..classes.len()).collect::<Vec<_>>());
            for class in 0..5 {
                let count = |part: &[usize]| part.iter().filter(|&&r| classes[r] == class).count();
                let (train, validation) = (count(&split.train), count(&split.validation));
                let rows = train + validation;
                prop_assert!(rows == 0 || train > 0);
                prop_assert_eq!(rows >= 2, validation > 0);
                if rows >= 2 {
                    prop_assert!((validation as f64 - rows as f64 * share).abs() <= 1.0);
                }
            }
            prop_assert_eq!(&split, &super::split(&targets, None, Some(share), seed).unwrap());
        }
    }
}
