//! Command line: arguments and one file for each subcommand.
//!
//! Arguments are read in two stages. What clap parses is raw (`Args` in each subcommand's file) and has no effects;
//! `resolve` turns it into plain settings with every default filled in, or into a [`Failure`]. A failure is printed as
//! `error: …`, then `hint: …`, and its class is the exit code.

mod bound;
mod engine;
mod failure;
mod from;
pub mod inspect;
mod interrupt;
mod layers;
mod memory;
mod objectives;
mod output;
pub mod predict;
pub mod progress;
mod quantity;
pub mod resume;
pub mod run;
pub mod runtime;
pub mod score;
mod session;
pub mod space;

pub use bound::{BadBound, Bound};
pub use engine::{DeviceChoice, EngineArgs, EngineChoice};
pub use failure::{Failure, Status};
pub use output::{Output, OutputArgs, OutputMode};

use anstyle::{AnsiColor, Style};
use clap::{CommandFactory, Parser, Subcommand};
use std::{ffi::OsString, io::Write, path::Path, process::ExitCode};

/// `evolve` and its subcommands.
#[derive(Debug, Parser)]
#[command(
    name = "evolve",
    version,
    about = "Evolves a neural network for a dataset and writes it as one ONNX file",
    after_help = AFTER_HELP,
    max_term_width = 100,
    disable_help_subcommand = true
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
`evolve DATA …` is short for `evolve run DATA …`.

Examples:
  evolve adult.csv --target income                  search for ten minutes into adult.evolve/
  evolve photos/ --budget 1h                        a folder of images, one folder for each class
  evolve predict adult.evolve/best.onnx new.csv     labels and probabilities for new rows
  evolve score adult.evolve/best.onnx test.csv      metrics on rows whose answer is known

Exit codes: 0 done, 1 failed, 2 bad input or usage, 130 stopped by the user (the best so far is exported).";

#[derive(Debug, Subcommand)]
enum Command {
    Run(Box<run::Args>),
    Resume(resume::Args),
    Predict(predict::Args),
    Score(score::Args),
    Inspect(inspect::Args),
    Space(space::Args),
    Runtime(runtime::Args),
}

/// Runs the command line and returns the exit code; see [`Status`].
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args = with_subcommand(args.into_iter().collect());
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    let (mode, result) = match cli.command {
        Command::Run(args) => (args.output.mode(), args.resolve().and_then(|settings| run::run(&settings))),
        Command::Resume(args) => (args.output.mode(), resume::run(&args)),
        Command::Predict(args) => (OutputMode::Terminal, predict::run(&args)),
        Command::Score(args) => (OutputMode::Terminal, score::run(&args)),
        Command::Inspect(args) => (OutputMode::Terminal, inspect::run(&args)),
        Command::Space(args) => (OutputMode::Terminal, space::run(&args)),
        Command::Runtime(args) => (OutputMode::Terminal, runtime::run(&args)),
    };
    match result {
        Ok(status) => status.into(),
        Err(failure) => {
            output::report(&failure, mode);
            failure.status.into()
        }
    }
}

/// Puts `run` before arguments that name no subcommand, so that `evolve DATA` is `evolve run DATA`.
fn with_subcommand(mut args: Vec<OsString>) -> Vec<OsString> {
    let Some(first) = args.get(1).map(|first| first.to_string_lossy().into_owned()) else { return args };
    let names: Vec<String> = Cli::command().get_subcommands().map(|command| command.get_name().to_owned()).collect();
    let asks_the_program = matches!(first.as_str(), "-h" | "--help" | "-V" | "--version");
    // `evolve predcit …` is a slip of the pen, unless there is data of that name.
    let misspelt = !Path::new(&first).exists() && names.iter().any(|name| strsim::jaro_winkler(name, &first) > 0.85);
    if !asks_the_program && !misspelt && !names.contains(&first) {
        args.insert(1, "run".into());
    }
    args
}

/// Prints what clap has to say: help and version on standard output, objections on standard error.
fn usage(error: &clap::Error) -> ExitCode {
    let status = if error.use_stderr() { Status::BadInput } else { Status::Done };
    // There is nobody left to tell where this cannot be printed.
    let _ = error.print();
    status.into()
}

/// Prints one line of a kind, such as `error`, on standard error.
fn tell(color: AnsiColor, kind: &str, message: &str) {
    let style = Style::new().bold().fg_color(Some(color.into()));
    // Standard error may be closed; the exit code still tells.
    let _ = writeln!(anstream::stderr().lock(), "{style}{kind}{style:#}: {message}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(line: &str) -> Vec<OsString> {
        line.split(' ').map(OsString::from).collect()
    }

    #[test]
    fn the_definitions_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn data_without_a_subcommand_is_run() {
        for (given, expected) in [
            ("evolve data.csv --target y", "evolve run data.csv --target y"),
            ("evolve --target y data.csv", "evolve run --target y data.csv"),
            ("evolve run data.csv", "evolve run data.csv"),
            ("evolve predict m.onnx d.csv", "evolve predict m.onnx d.csv"),
            ("evolve --help", "evolve --help"),
            ("evolve predcit m.onnx", "evolve predcit m.onnx"),
            ("evolve", "evolve"),
        ] {
            assert_eq!(with_subcommand(args(given)), args(expected));
        }
    }

    #[test]
    fn every_option_and_subcommand_is_explained() {
        for command in std::iter::once(&Cli::command()).chain(Cli::command().get_subcommands()) {
            assert!(command.get_about().is_some(), "{}", command.get_name());
            for argument in command.get_arguments() {
                assert!(argument.get_help().is_some(), "{} {}", command.get_name(), argument.get_id());
            }
        }
    }
}
