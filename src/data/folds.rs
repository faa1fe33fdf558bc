//! Cuts of rows into parts: folds of a cross-validation, and parts that keep groups whole.

use super::split::{LEAST_ROWS, Split, strata};
use super::{DataError, Targets};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// Most folds, and most repetitions: beyond that a digit too many is likelier than a wish.
const MOST: usize = 100;

/// How rows are cut for a cross-validation: each is scored once in every repetition, by a net that was trained on the
/// other folds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written")]
pub struct CrossValidation {
    /// Folds, at least 2.
    pub folds: usize,
    /// How often the rows are cut anew.
    #[serde(skip_serializing_if = "is_once")]
    pub repetitions: usize,
}

/// A cross-validation as a file says it.
#[derive(Deserialize)]
struct Written {
    folds: usize,
    #[serde(default = "once")]
    repetitions: usize,
}

impl TryFrom<Written> for CrossValidation {
    type Error = String;

    fn try_from(Written { folds, repetitions }: Written) -> Result<Self, String> {
        CrossValidation::new(folds, repetitions)
    }
}

impl CrossValidation {
    /// A cut into so many folds, so often.
    ///
    /// # Errors
    /// Where there are fewer than two folds, no repetition, or more than [`MOST`] of either.
    fn new(folds: usize, repetitions: usize) -> Result<Self, String> {
        match (folds, repetitions) {
            (0 | 1, _) => Err("there must be at least 2 folds: one to score on, the others to train on".into()),
            (1..=MOST, 1..=MOST) => Ok(CrossValidation { folds, repetitions }),
            (_, 0) => Err("the rows must be cut at least once".into()),
            _ => Err(format!("at most {MOST} folds and {MOST} repetitions")),
        }
    }
}

fn once() -> usize {
    1
}

fn is_once(repetitions: &usize) -> bool {
    *repetitions == 1
}

impl FromStr for CrossValidation {
    type Err = String;

    /// Reads `5`, or `5x2` for two repetitions.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "folds are written like 5, or 5x2 to cut the rows twice".to_owned();
        let (folds, repetitions) = text.trim().split_once(['x', 'X', '×']).unwrap_or((text.trim(), "1"));
        let number = |text: &str| text.trim().parse::<usize>().map_err(|_| wrong());
        CrossValidation::new(number(folds)?, number(repetitions)?)
    }
}

impl fmt::Display for CrossValidation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-fold cross-validation", self.folds)?;
        if self.repetitions > 1 { write!(f, ", {} times", self.repetitions) } else { Ok(()) }
    }
}

/// Which group each row belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Groups {
    /// Name of the column that says so.
    pub column: String,
    /// Group of each row, numbered from 0 without a gap.
    pub of_row: Vec<usize>,
}

impl Groups {
    /// Number of groups.
    pub fn count(&self) -> usize {
        self.of_row.iter().max().map_or(0, |last| last + 1)
    }
}

/// The folds of every repetition, one repetition after the other: the rows of each are the validation part of its split,
/// all others the training part. In a repetition each row is validated on once. Without groups, folds differ by at most
/// one row, in all and in each class or tenth of a regression's target; with groups, whole groups are put where the
/// classes or tenths are then spread most evenly, the largest first.
///
/// # Errors
/// Where there are fewer rows or groups than folds, or hardly any rows.
pub fn folds(targets: &Targets, groups: Option<&Groups>, cut: CrossValidation, seed: u64) -> Result<Vec<Split>, DataError> {
    let (rows, folds) = (targets.len(), cut.folds);
    if rows < LEAST_ROWS {
        return Err(DataError::TooFewRows { rows, least: LEAST_ROWS });
    }
    if folds > rows {
        return Err(DataError::Folds { folds, problem: format!("there are {rows} rows; use at most {rows} folds") });
    }
    if let Some(groups) = groups.filter(|groups| groups.count() < folds) {
        let (column, count) = (&groups.column, groups.count());
        let most = if count < 2 { "leave --group out".into() } else { format!("use at most {count} folds") };
        return Err(DataError::Folds { folds, problem: format!("the column {column:?} has {count} groups; {most}") });
    }
    let mut splits = Vec::with_capacity(folds * cut.repetitions);
    for repetition in 0..cut.repetitions {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(repetition as u64);
        let fold_of = match groups {
            Some(groups) => parts_of_groups(targets, groups, &vec![1.0; folds], &mut rng),
            None => dealt(targets, folds, &mut rng),
        };
        splits.extend((0..folds).map(|fold| split_off(&fold_of, fold)));
    }
    Ok(splits)
}

/// A split that keeps groups whole, with about the share `share` of the rows to validate on.
///
/// # Errors
/// Where there are hardly any rows, or a single group.
pub fn split_groups(targets: &Targets, groups: &Groups, share: f64, seed: u64) -> Result<Split, DataError> {
    let rows = targets.len();
    if rows < LEAST_ROWS {
        return Err(DataError::TooFewRows { rows, least: LEAST_ROWS });
    }
    if groups.count() < 2 {
        return Err(DataError::OneGroup { column: groups.column.clone() });
    }
    let parts = parts_of_groups(targets, groups, &[1.0 - share, share], &mut ChaCha8Rng::seed_from_u64(seed));
    Ok(split_off(&parts, 1))
}

/// The rows of one part to validate on, all others to train on.
fn split_off(part_of: &[usize], part: usize) -> Split {
    let (validation, train) = (0..part_of.len()).partition(|&row| part_of[row] == part);
    Split { train, validation }
}

/// The fold of each row: the rows of each stratum, shuffled, are dealt out in turn, going on where the stratum before ended.
fn dealt(targets: &Targets, folds: usize, rng: &mut ChaCha8Rng) -> Vec<usize> {
    let mut fold_of = vec![0; targets.len()];
    let mut turn = 0;
    for mut stratum in strata(targets) {
        stratum.shuffle(rng);
        for row in stratum {
            fold_of[row] = turn % folds;
            turn += 1;
        }
    }
    fold_of
}

/// The part of each row, where groups stay whole and parts get about these shares of the rows, given up to a factor: the
/// largest group first, each to the part where Σ n²/(N·share) over the n rows that a part has of a stratum of N then grows
/// least, which would be smallest with all strata spread by the shares. No part stays empty where there are as many groups.
fn parts_of_groups(targets: &Targets, groups: &Groups, shares: &[f64], rng: &mut ChaCha8Rng) -> Vec<usize> {
    let strata = strata(targets);
    let mut counts = vec![vec![0.0; strata.len()]; groups.count()];
    for (stratum, rows) in strata.iter().enumerate() {
        rows.iter().for_each(|&row| counts[groups.of_row[row]][stratum] += 1.0);
    }
    let size = |group: &[f64]| group.iter().sum::<f64>();
    let mut order: Vec<usize> = (0..counts.len()).collect();
    order.shuffle(rng);
    order.sort_by(|&a, &b| size(&counts[b]).total_cmp(&size(&counts[a])));
    let mut filled = vec![vec![0.0; strata.len()]; shares.len()];
    let mut part_of = vec![0; counts.len()];
    for (placed, &group) in order.iter().enumerate() {
        let growth = |part: usize| {
            let of = |(stratum, rows): (usize, &Vec<usize>)| {
                let (has, more) = (filled[part][stratum], counts[group][stratum]);
                (2.0 * has + more) * more / (rows.len().max(1) as f64 * shares[part])
            };
            strata.iter().enumerate().map(of).sum::<f64>()
        };
        let empty = |part: &usize| size(&filled[*part]) == 0.0;
        let must_fill = (0..shares.len()).filter(empty).count() >= counts.len() - placed;
        let ratio = |part: usize| size(&filled[part]) / shares[part];
        let better =
            |&a: &usize, &b: &usize| growth(a).total_cmp(&growth(b)).then(ratio(a).total_cmp(&ratio(b))).then(a.cmp(&b));
        let best = (0..shares.len()).filter(|part| !must_fill || empty(part)).min_by(better).unwrap_or(0);
        filled[best].iter_mut().zip(&counts[group]).for_each(|(has, more)| *has += more);
        part_of[group] = best;
    }
    groups.of_row.iter().map(|&group| part_of[group]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cut(text: &str) -> CrossValidation {
        text.parse().unwrap()
    }

    /// Groups by number, as they come.
    fn groups(of_row: &[usize]) -> Groups {
        let mut seen: Vec<usize> = vec![];
        let mut number = |group: &usize| {
            seen.iter().position(|known| known == group).unwrap_or_else(|| {
                seen.push(*group);
                seen.len() - 1
            })
        };
        Groups { column: "g".into(), of_row: of_row.iter().map(&mut number).collect() }
    }

    #[test]
    fn folds_are_written_like_5_or_5x2() {
        assert_eq!(cut("5"), CrossValidation { folds: 5, repetitions: 1 });
        assert_eq!(cut(" 10x3 "), CrossValidation { folds: 10, repetitions: 3 });
        for wrong in ["", "1", "0", "x", "5x0", "-3", "5x", "2.5", "1000", "5x5x5"] {
            assert!(wrong.parse::<CrossValidation>().is_err(), "{wrong}");
        }
        assert_eq!(cut("5").to_string(), "5-fold cross-validation");
        assert_eq!(cut("5x2").to_string(), "5-fold cross-validation, 2 times");
    }

    #[test]
    fn what_cannot_be_cut_is_refused_with_what_to_do() {
        let classes = Targets::Classes((0..12).map(|i| i % 2).collect());
        let message =
            |groups: Option<&Groups>, folds: &str| super::folds(&classes, groups, cut(folds), 0).unwrap_err().to_string();
        assert_eq!(message(None, "13"), "13 folds are too many: there are 12 rows; use at most 12 folds");
        let three = groups(&[0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2]);
        assert_eq!(message(Some(&three), "5"), "5 folds are too many: the column \"g\" has 3 groups; use at most 3 folds");
        let one = groups(&[0; 12]);
        assert!(message(Some(&one), "2").ends_with("has 1 groups; leave --group out"));
        assert!(split_groups(&classes, &one, 0.2, 0).unwrap_err().to_string().contains("same value"));
    }

    #[test]
    fn groups_of_one_size_fill_folds_evenly() {
        let of_row: Vec<usize> = (0..120).map(|row| row / 4).collect();
        let classes = Targets::Classes(of_row.iter().map(|group| *group as u32 % 3).collect());
        for split in folds(&classes, Some(&groups(&of_row)), cut("5"), 3).unwrap() {
            assert_eq!(split.validation.len(), 24);
            let Targets::Classes(held) = classes.take(&split.validation) else { panic!() };
            assert!((0..3).all(|class| held.iter().filter(|c| **c == class).count() == 8), "{held:?}");
        }
    }

    #[test]
    fn repetitions_and_seeds_cut_otherwise() {
        let classes = Targets::Classes((0..60).map(|i| i % 3).collect());
        let splits = folds(&classes, None, cut("3x2"), 7).unwrap();
        assert_eq!(splits.len(), 6);
        assert_ne!(splits[..3], splits[3..]);
        assert_eq!(splits[..3], folds(&classes, None, cut("3"), 7).unwrap(), "a first repetition is as alone");
        assert_ne!(splits[..3], folds(&classes, None, cut("3"), 8).unwrap());
    }

    proptest! {
        #[test]
        fn folds_are_a_partition_and_as_even_as_can_be(
            classes in prop::collection::vec(0u32..4, LEAST_ROWS..120), folds in 2usize..8, seed in any::<u64>()
        ) {
            let cut = CrossValidation { folds, repetitions: 2 };
            let targets = Targets::Classes(classes.clone());
            let splits = super::folds(&targets, None, cut, seed).unwrap();
            for repetition in splits.chunks(folds) {
                let mut held: Vec<usize> = repetition.iter().flat_map(|s| s.validation.clone()).collect();
                held.sort_unstable();
                prop_assert_eq!(held, (0..classes.len()).collect::<Vec<_>>());
                for split in repetition {
                    let mut all = [split.train.clone(), split.validation.clone()].concat();
                    all.sort_unstable();
                    prop_assert_eq!(all, (0..classes.len()).collect::<Vec<_>>());
                    prop_assert!(split.validation.len().abs_diff(classes.len() / folds) <= 1);
                    for class in 0..4 {
                        let count = |rows: &[usize]| rows.iter().filter(|&&r| classes[r] == class).count();
                        let all = count(&split.train) + count(&split.validation);
                        prop_assert!((count(&split.validation) as f64 - all as f64 / folds as f64).abs() < 1.0);
                    }
                }
            }
            prop_assert_eq!(splits, super::folds(&targets, None, cut, seed).unwrap());
        }

        #[test]
        fn groups_stay_whole_and_no_fold_is_empty(
            rows in prop::collection::vec((0u32..3, 0usize..12), 24..150), folds in 2usize..6, seed in any::<u64>()
        ) {
            let (classes, of_row): (Vec<u32>, Vec<usize>) = rows.into_iter().unzip();
            let (targets, groups) = (Targets::Classes(classes.clone()), groups(&of_row));
            prop_assume!(groups.count() >= folds);
            let splits = super::folds(&targets, Some(&groups), CrossValidation { folds, repetitions: 1 }, seed).unwrap();
            let share = split_groups(&targets, &groups, 0.2, seed).unwrap();
            for split in splits.iter().chain([&share]) {
                prop_assert!(!split.validation.is_empty() && !split.train.is_empty());
                let inside: Vec<usize> = split.validation.iter().map(|&r| groups.of_row[r]).collect();
                prop_assert!(split.train.iter().all(|&r| !inside.contains(&groups.of_row[r])));
                prop_assert_eq!(split.train.len() + split.validation.len(), classes.len());
            }
            let mut held: Vec<usize> = splits.iter().flat_map(|s| s.validation.clone()).collect();
            held.sort_unstable();
            prop_assert_eq!(held, (0..classes.len()).collect::<Vec<_>>());
        }

        #[test]
        fn many_small_groups_spread_about_as_single_rows_would(
            classes in prop::collection::vec(0u32..3, 150..300), seed in any::<u64>()
        ) {
            let of_row: Vec<usize> = (0..classes.len()).map(|row| row / 3).collect();
            let targets = Targets::Classes(classes.clone());
            let cut = CrossValidation { folds: 5, repetitions: 1 };
            for split in super::folds(&targets, Some(&groups(&of_row)), cut, seed).unwrap() {
                let fair = classes.len() as f64 / 5.0;
                prop_assert!((split.validation.len() as f64 - fair).abs() <= 6.0, "{} of {fair}", split.validation.len());
            }
            let held = split_groups(&targets, &groups(&of_row), 0.2, seed).unwrap().validation.len() as f64;
            prop_assert!((held / classes.len() as f64 - 0.2).abs() < 0.08, "{held} of {}", classes.len());
        }
    }
}
