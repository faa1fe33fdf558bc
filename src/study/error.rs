//! Errors of a study.

use crate::search::SearchError;
use crate::train::TrainError;
use std::path::PathBuf;

/// Why a study cannot begin or go on.
#[derive(Debug, thiserror::Error)]
pub enum StudyError {
    /// The folder already holds a study.
    #[error("{} already holds a study; go on with `evolve resume {}`, or choose another --out", .0.display(), .0.display())]
    Exists(PathBuf),
    /// The folder holds no study, but something that a study would overwrite.
    #[error("{} is there already and is of no study; choose another --out, or move it away", .0.display())]
    Occupied(PathBuf),
    /// What is to be the folder is something else.
    #[error("{} is no folder; choose another --out", .0.display())]
    NoFolder(PathBuf),
    /// The folder holds no study.
    #[error("{} holds no study: it has no study.toml", .0.display())]
    Missing(PathBuf),
    /// The folder holds a study without its journal.
    #[error("{} is gone, and with it what the study has found; restore it, or start a new study", .0.display())]
    NoJournal(PathBuf),
    /// The study to start from has nothing to give.
    #[error("{} has no trained candidate to start from", .0.display())]
    NothingToInherit(PathBuf),
    /// Another process works on the study.
    #[error("{} is being worked on by another process; wait for it or end it first", .0.display())]
    Locked(PathBuf),
    /// A file cannot be read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// `read`, `write`, …
        action: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// `study.toml` does not parse.
    #[error("{} is damaged: {reason}", path.display())]
    Settings {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The folder is of a newer evolve, whose files have another form.
    #[error(
        "{} was written by evolve {version} in form {format} of a study's files; this is evolve {}, which reads forms up to {}; go on with the newer one",
        path.display(),
        env!("CARGO_PKG_VERSION"),
        super::settings::FORMAT
    )]
    Newer {
        /// Which file.
        path: PathBuf,
        /// Version of evolve that wrote it.
        version: String,
        /// Form that it has.
        format: u32,
    },
    /// A whole line of the journal does not parse.
    #[error("{} is damaged in line {line}: {reason}; only a torn last line can be repaired", path.display())]
    Journal {
        /// Which file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// The journal was written by a search that proposes otherwise.
    #[error(
        "candidate {number} of the journal is not what this search proposes; the study was made with other settings or another version of evolve"
    )]
    Diverges {
        /// Number of the candidate.
        number: u64,
    },
    /// The data files changed since the study began.
    #[error("{name} has changed since the study began; restore it or start a new study")]
    DataChanged {
        /// Name of the file.
        name: String,
    },
    /// Weights that the journal names are not in the store, or are damaged.
    #[error(
        "weights/{hash}.safetensors of the study is missing or damaged: {reason}; restore it, or begin a new study with --from this one, which trains again what has no weights"
    )]
    Weights {
        /// SHA-256 that names them.
        hash: String,
        /// What is wrong.
        reason: String,
    },
    /// No candidate could be trained.
    #[error("all {candidates} candidates failed; the first: {first}")]
    NothingTrained {
        /// How many were tried.
        candidates: usize,
        /// Message of the first failure.
        first: String,
    },
    /// The user stopped the study before its first candidate was trained.
    #[error("stopped before the first candidate was trained")]
    Stopped,
    /// The budget ended before the first candidate did.
    #[error("the budget was over before the first candidate was trained; give more time")]
    NoTime,
    /// No zero-cost proxy says anything of any net.
    #[error(
        "none of the zero-cost proxies says anything of any of {nets} networks, so that there is nothing to rank them by; the first: {first}; choose another --strategy"
    )]
    Unforeseen {
        /// Nets that they were asked about.
        nets: usize,
        /// Why the first of them says nothing of the first.
        first: String,
    },
    /// A thread that evaluates candidates ended before its time.
    #[error("a thread that trains candidates broke down: {reason}; what was journaled is whole, go on with `evolve resume`")]
    Worker {
        /// What it said.
        reason: String,
    },
    /// The search cannot propose.
    #[error(transparent)]
    Search(#[from] SearchError),
    /// The probe of the machine's speed failed.
    #[error("the first training failed: {0}")]
    Probe(TrainError),
}

impl StudyError {
    /// An error of reading or writing a file.
    pub fn io(action: &'static str, path: impl Into<PathBuf>, source: std::io::Error) -> Self {
        StudyError::Io { action, path: path.into(), source }
    }
}
