//! Where results, progress and failures are printed.

use super::{Failure, Status, tell};
use crate::study::{StudyError, write_whole};
use anstyle::AnsiColor;
use clap::Args;
use serde::Serialize;
use std::{
    fs,
    io::{self, Write},
    path::Path,
};

/// What is printed while a study runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Args)]
#[command(next_help_heading = "Output")]
pub struct OutputArgs {
    /// Print one JSON object a line on standard output: every event of the study, then its result
    #[arg(long)]
    pub json: bool,
    /// Print nothing but errors
    #[arg(long, short, conflicts_with = "json")]
    pub quiet: bool,
}

impl OutputArgs {
    /// The mode asked for.
    pub fn mode(self) -> OutputMode {
        match (self.json, self.quiet) {
            (true, _) => OutputMode::Json,
            (_, true) => OutputMode::Quiet,
            _ => OutputMode::Terminal,
        }
    }
}

/// For whom it is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputMode {
    /// People: progress on standard error, results on standard output.
    Terminal,
    /// Programs: one JSON object a line on standard output.
    Json,
    /// Nobody: errors only.
    Quiet,
}

/// Standard output, locked. Results go here and nothing else.
#[derive(Debug)]
pub struct Output {
    stream: io::StdoutLock<'static>,
}

impl Output {
    /// Locks standard output.
    pub fn new() -> Output {
        Output { stream: io::stdout().lock() }
    }

    /// Writes text and flushes it.
    ///
    /// # Errors
    /// Where it cannot be written; [`Status::Done`] where the reader closed the pipe.
    pub fn text(&mut self, text: &str) -> Result<(), Failure> {
        let written = self.stream.write_all(text.as_bytes()).and_then(|()| self.stream.flush());
        written.map_err(|error| Failure::output(&error))
    }

    /// Writes a line and flushes it.
    ///
    /// # Errors
    /// As [`Output::text`].
    pub fn line(&mut self, text: &str) -> Result<(), Failure> {
        self.text(&format!("{text}\n"))
    }

    /// Writes a value as one line of JSON.
    ///
    /// # Errors
    /// As [`Output::line`].
    pub fn json(&mut self, value: &impl Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string(value).map_err(Failure::failed)?;
        self.line(&text)
    }
}

impl Default for Output {
    fn default() -> Output {
        Output::new()
    }
}

/// Writes a file that the user named whole or not at all; into a link's target, and straight into a pipe or a device.
///
/// # Errors
/// Where it cannot be written, which is the name's fault unless the disk is full.
pub(super) fn write_file(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let written = if fs::metadata(&target).is_ok_and(|there| !there.is_file()) {
        fs::write(&target, bytes).map_err(|source| StudyError::io("write", path, source))
    } else {
        write_whole(&target, bytes)
    };
    written.map_err(|error| match &error {
        StudyError::Io { source, .. } if source.kind() == io::ErrorKind::StorageFull => Failure::failed(error),
        _ => Failure::bad_input(error),
    })
}

#[derive(Serialize)]
struct FailureLine<'a> {
    event: &'static str,
    exit_code: u8,
    message: &'a str,
    hint: Option<&'a str>,
}

/// Prints a failure: `error: …` and `hint: …` on standard error, and for programs an object on standard output.
pub fn report(failure: &Failure, mode: OutputMode) {
    if failure.status == Status::Done {
        return;
    }
    tell(AnsiColor::Red, "error", &failure.message);
    if let Some(hint) = &failure.hint {
        tell(AnsiColor::Cyan, "hint", hint);
    }
    if mode == OutputMode::Json {
        let (exit_code, hint) = (failure.status as u8, failure.hint.as_deref());
        // The reader may be gone; the exit code still tells.
        let _ = Output::new().json(&FailureLine { event: "failed", exit_code, message: &failure.message, hint });
    }
}
