//! `evolve space`: the search space for a dataset as a file to start from. Also reads such files for `evolve run`.

use super::{Failure, Output, Status, output::write_file, run::TaskChoice, run::validation};
use crate::{
    data::{self, Dataset, Options, TaskKind, Validation},
    export, express,
    genome::{Ancestor, Constraint, SearchSpace, SpaceFile, UnfitAncestor},
};
use std::{fs, path::Path, path::PathBuf};

/// Print the search space for DATA as a file to change and give to `evolve run --space`
///
/// The file says which layers, sizes, activations, optimizers and so on networks may have, with a comment on each choice.
/// What is left out of a file is as evolve would choose it, so a file may be as short as the three lines that change
/// something. Unchanged, it gives the search that there is without it.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Data to learn from, in any form that `evolve run` reads
    #[arg(value_name = "DATA")]
    pub data: PathBuf,
    /// Column to be predicted; tables need it
    #[arg(long, value_name = "COLUMN")]
    pub target: Option<String>,
    /// Kind of the task [default: inferred from the target]
    #[arg(long, value_enum)]
    pub task: Option<TaskChoice>,
    /// A file with validation rows, or the share of the rows set aside for it, as for `evolve run`; the space depends on
    /// how many rows are left to train on [default: 20%, less of a large dataset]
    #[arg(long, value_name = "FILE|SHARE", value_parser = validation)]
    pub validation: Option<Validation>,
    /// Column that `evolve run` keeps groups of rows together by; networks do not read it
    #[arg(long, value_name = "COLUMN")]
    pub group: Option<String>,
    /// File to write [default: standard output]
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  evolve space adult.csv --target income --output adult.toml
  evolve run adult.csv --target income --space adult.toml";

/// Prints the space, or writes it into a file.
///
/// # Errors
/// Where the data is at fault, or the file cannot be written.
pub fn run(args: &Args) -> Result<Status, Failure> {
    let dataset = data::load(&Options {
        path: args.data.clone(),
        target: args.target.clone(),
        task: args.task.map(TaskKind::from),
        validation: args.validation.clone().unwrap_or_default(),
        group: args.group.clone(),
        seed: 0,
    })?;
    let text = preset(&dataset).to_toml();
    match &args.output {
        Some(path) => write_file(path, text.as_bytes())?,
        None => Output::new().text(&text)?,
    }
    Ok(Status::Done)
}

/// A space's file that has been read.
#[derive(Debug, Clone, PartialEq)]
pub struct Chosen {
    path: PathBuf,
    file: SpaceFile,
}

impl Chosen {
    /// Reads a file.
    ///
    /// # Errors
    /// Where it cannot be read or is no TOML.
    pub fn read(path: &Path) -> Result<Chosen, Failure> {
        let fault = |reason: String| Failure::bad_input(format!("{}: {reason}", path.display()));
        let text = fs::read_to_string(path).map_err(|error| fault(error.to_string()))?;
        Ok(Chosen { path: path.to_owned(), file: text.parse().map_err(|error| fault(format!("{error}")))? })
    }

    /// What an earlier study had chosen, whose settings are in this file.
    pub fn of_study(path: PathBuf, file: SpaceFile) -> Chosen {
        Chosen { path, file }
    }

    /// The failure of a file that does not fit the data.
    fn fault(&self, reason: impl std::fmt::Display) -> Failure {
        let hint = "`evolve space DATA` prints a file with every key and what it means";
        Failure::bad_input(format!("{}: {reason}", self.path.display())).hint(hint)
    }
}

/// The genomes to search among, and what to tell the user of them.
///
/// # Errors
/// Where the file does not fit the data, an ancestor does not fit the space, or nothing satisfies a constraint.
pub(super) fn resolved(
    chosen: Option<&Chosen>,
    ancestors: &[Ancestor],
    constraints: &[Constraint],
    dataset: &Dataset,
) -> Result<(SearchSpace, Option<String>), Failure> {
    let preset = preset(dataset);
    let Some(chosen) = chosen else {
        return Ok((preset.with_ancestors(ancestors)?.with_constraints(constraints)?, None));
    };
    let space = SearchSpace::from_file(&preset.domain, &chosen.file).map_err(|error| chosen.fault(error))?;
    let surroundings = export::surroundings(dataset).map_err(Failure::failed)?;
    let permitted = express::permitted(space, &dataset.task, &surroundings).map_err(|error| chosen.fault(error))?;
    let space = permitted.space.with_ancestors(ancestors).map_err(|error| match error {
        UnfitAncestor::Outside { .. } => chosen.fault(error),
        UnfitAncestor::Table(_) | UnfitAncestor::Misfit(_) => error.into(),
    })?;
    express::permitted_ancestors(&space, &dataset.task).map_err(|error| chosen.fault(error))?;
    let idle = (!permitted.idle.is_empty())
        .then(|| format!("no network has {} anyway: nothing is excluded for it", permitted.idle.join(", ")));
    Ok((space.with_constraints(constraints)?, idle))
}

fn preset(dataset: &Dataset) -> SearchSpace {
    SearchSpace::preset(&express::domain(&dataset.task, dataset.train.targets.len()))
}
