//! Command line: arguments and one file for each subcommand.

pub mod runtime;

use std::{ffi::OsString, process::ExitCode};

/// Runs the command line and returns the exit code: 0 done, 1 failed, 2 bad input or usage, 130 stopped by the user.
pub fn run(_args: impl IntoIterator<Item = OsString>) -> ExitCode {
    ExitCode::from(2)
}
