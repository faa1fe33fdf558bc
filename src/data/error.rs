//! Why data cannot be used: what is wrong, where, and what to do.

use std::path::{Path, PathBuf};

/// An objection to a data file. Its message names the file, the line or column, and a way out.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// The file system refused.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// File or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// No format recognises the file.
    #[error("{} is of no known format; known are {known}", path.display())]
    Format {
        /// File or folder.
        path: PathBuf,
        /// Names of the formats.
        known: String,
    },
    /// The file as a whole is not what its format demands.
    #[error("{}: {problem}", path.display())]
    File {
        /// File or folder.
        path: PathBuf,
        /// What is wrong and what to do.
        problem: String,
    },
    /// One line of a text file is wrong.
    #[error("{}, line {line}: {problem}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// Line, from 1; the first line of a record that spans several.
        line: u64,
        /// What is wrong and what to do.
        problem: String,
    },
    /// A table needs to know which column is to be predicted.
    #[error("{} is a table: name the column to be predicted with --target; its columns are {columns}", path.display())]
    NoTarget {
        /// The file.
        path: PathBuf,
        /// Columns of the table.
        columns: String,
    },
    /// The target is no column of the table.
    #[error("{} has no column {target:?}; {near}", path.display())]
    UnknownTarget {
        /// The file.
        path: PathBuf,
        /// What was asked for.
        target: String,
        /// Columns with near names, or all of them.
        near: String,
    },
    /// Columns that a model reads are not in the file.
    #[error("{} lacks {columns}, which the model reads", path.display())]
    MissingColumns {
        /// The file.
        path: PathBuf,
        /// The columns.
        columns: String,
    },
    /// The target cannot be learnt.
    #[error("target {target}: {problem}")]
    Target {
        /// Name of the target.
        target: String,
        /// What is wrong and what to do.
        problem: String,
    },
    /// Nothing is left that a net could read.
    #[error("no column is left to predict from: {reasons}")]
    NoInputs {
        /// Why each column was dropped.
        reasons: String,
    },
    /// An input has the name of an output of the exported model.
    #[error("column {column:?} has the name of an output of the exported model; rename the column")]
    ReservedName {
        /// The column.
        column: String,
    },
    /// There are too few rows to split.
    #[error("{rows} rows with a target are too few: at least {least} are needed")]
    TooFewRows {
        /// Rows with a target.
        rows: usize,
        /// Rows needed.
        least: usize,
    },
    /// No class has a row to spare for the validation part.
    #[error(
        "the validation part is empty: each of the {classes} classes has a single row, which is trained on; give more rows of each class, or name a target with fewer classes"
    )]
    NoValidation {
        /// Classes in the data.
        classes: usize,
    },
    /// The rows cannot be cut into so many folds.
    #[error("{folds} folds are too many: {problem}")]
    Folds {
        /// Folds asked for.
        folds: usize,
        /// What there is too little of, and what to do.
        problem: String,
    },
    /// The column of groups is no column of the table.
    #[error("{} has no column {column:?} to group rows by; {near}", path.display())]
    UnknownGroup {
        /// The file.
        path: PathBuf,
        /// What was asked for.
        column: String,
        /// Columns with near names, or all of them.
        near: String,
    },
    /// All rows are of one group.
    #[error("the column {column:?} has the same value in every row, so that there is one group only; leave --group out")]
    OneGroup {
        /// The column.
        column: String,
    },
    /// The rows to validate on are those that are trained on.
    #[error(
        "{} holds the very rows that are trained on, on which every score would be too good; give other rows to --validation, or leave it out to have some set aside",
        path.display()
    )]
    ValidationIsTraining {
        /// The file or folder.
        path: PathBuf,
    },
    /// The share of the validation part makes no sense.
    #[error("a validation share of {share} is not between 0 and 1")]
    Share {
        /// What was asked for.
        share: f64,
    },
    /// The data is not of the kind that an earlier study learned from.
    #[error(
        "{} does not fit the earlier study: {}; mend the data, or start without --from", path.display(), differences.join("; ")
    )]
    Differs {
        /// File or folder.
        path: PathBuf,
        /// In what it differs, a phrase each.
        differences: Vec<String>,
    },
    /// A batch does not have what the preprocessing was fitted on.
    #[error("the batch does not fit the preprocessing: {problem}")]
    Batch {
        /// What is missing.
        problem: String,
    },
}

impl DataError {
    /// An objection to a whole file.
    pub(super) fn file(path: &Path, problem: impl Into<String>) -> Self {
        DataError::File { path: path.into(), problem: problem.into() }
    }

    /// The objection to a column of groups where no column has a name.
    pub(super) fn unnamed_group(path: &Path, column: &str) -> Self {
        DataError::UnknownGroup { path: path.into(), column: column.into(), near: "none of its columns has a name".into() }
    }

    /// An objection to one line.
    pub(super) fn line(path: &Path, line: u64, problem: impl Into<String>) -> Self {
        DataError::Line { path: path.into(), line, problem: problem.into() }
    }
}

/// How many names a message lists before it only counts the rest.
const LISTED: usize = 12;

/// Names for a message: quoted, separated by commas, the rest counted.
pub(crate) fn quoted<S: AsRef<str>>(names: &[S]) -> String {
    let mut text = names.iter().take(LISTED).map(|n| format!("{:?}", n.as_ref())).collect::<Vec<_>>().join(", ");
    if names.len() > LISTED {
        text.push_str(&format!(" and {} more", names.len() - LISTED));
    }
    text
}

/// Names close to `wanted` by edit distance, nearest first, or else all names, for a message.
pub(super) fn near_names<S: AsRef<str>>(wanted: &str, names: &[S]) -> String {
    let folded = wanted.to_lowercase();
    let mut near: Vec<(f64, &str)> = names
        .iter()
        .map(|n| (strsim::jaro_winkler(&folded, &n.as_ref().to_lowercase()), n.as_ref()))
        .filter(|(similarity, _)| *similarity >= 0.75)
        .collect();
    near.sort_by(|a, b| b.0.total_cmp(&a.0));
    near.truncate(3);
    if near.is_empty() {
        return format!("its columns are {}", quoted(names));
    }
    format!("near names: {}", quoted(&near.iter().map(|(_, n)| *n).collect::<Vec<_>>()))
}
