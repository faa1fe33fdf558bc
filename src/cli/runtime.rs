//! What `evolve runtime` prints, and `evolve runtime install`.

use super::{Failure, Output, Status};
use crate::engine::{
    Build, Choice, Device, Engine, Found, InstallError, Located, OnnxRuntime, Places, Request, Tract, cuda_devices,
    cuda_driver, install, locate, select_in,
};
use clap::Subcommand;
use std::{fmt::Write, path::PathBuf};

/// Show which engines and devices there are, or install ONNX Runtime
///
/// Without a subcommand: what was found and where, what a run would use, and what was skipped and why. Nothing is
/// installed then.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// ONNX Runtime library to look at first
    #[arg(long, value_name = "PATH")]
    pub runtime: Option<PathBuf>,
    /// What to do instead of showing.
    #[command(subcommand)]
    pub action: Option<Action>,
}

/// What `evolve runtime` can do besides showing.
#[derive(Debug, Clone, Subcommand)]
pub enum Action {
    /// Install ONNX Runtime into the cache of evolve, through pip
    Install {
        /// The build for NVIDIA cards, some 250 MB
        #[arg(long)]
        cuda: bool,
    },
}

const EXAMPLES: &str = "\
Examples:
  evolve runtime
  evolve runtime install
  evolve runtime install --cuda";

/// Shows or installs.
///
/// # Errors
/// Where the library cannot be installed.
pub fn run(args: &Args) -> Result<Status, Failure> {
    let places = Places::from_env(args.runtime.clone());
    match &args.action {
        None => Output::new().text(&describe(&places))?,
        Some(Action::Install { cuda }) => {
            let done = install_library(&places, *cuda).map_err(Failure::failed)?;
            Output::new().line(&done)?;
        }
    }
    Ok(Status::Done)
}

/// Describes the engines and devices of this machine: a table of what was found, the engine that a run would use, what
/// was skipped and why. Nothing is installed.
pub fn describe(places: &Places) -> String {
    let located = locate(places, cuda_devices() > 0);
    let mut text = table(&located.found);
    for skipped in &located.skipped {
        let _ =
            writeln!(text, "skipped      {} ({}): {}", skipped.path.display(), skipped.source.describe(), skipped.reason);
    }
    let _ = writeln!(text, "devices      {}", devices());
    chosen(places, &located, &mut text);
    text
}

/// One row for each engine.
fn table(found: &[Found]) -> String {
    let mut rows = vec![["engine", "version", "built for", "found in", "path"].map(str::to_owned)];
    rows.extend(found.iter().map(|f| {
        let built = if f.cuda { "cpu, cuda" } else { "cpu" };
        ["onnxruntime".into(), f.version.clone(), built.into(), f.source.describe().into(), f.path.display().to_string()]
    }));
    rows.push([Tract.name().into(), Tract.version(), "cpu".into(), "built in".into(), String::new()]);
    let widths: Vec<usize> = (0..5).map(|column| rows.iter().map(|row| row[column].len()).max().unwrap_or(0)).collect();
    let mut text = String::new();
    for row in rows {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:width$}")).collect();
        let _ = writeln!(text, "{}", cells.join("  ").trim_end());
    }
    text
}

/// The machine's devices in words.
fn devices() -> String {
    match (cuda_devices(), cuda_driver()) {
        (0, _) => "cpu; no NVIDIA device".into(),
        (n, Some(driver)) => format!("cpu; {n} NVIDIA, driver {driver}"),
        (n, None) => format!("cpu; {n} NVIDIA, driver unknown"),
    }
}

/// What a run with default options would use, and what its library can do.
fn chosen(places: &Places, located: &Located, text: &mut String) {
    let request =
        Request { engine: Choice::Auto, device: Device::Auto, runtime: places.option.clone(), offline: true, graphs: false };
    match select_in(&request, places) {
        Ok(selected) => {
            let engine = &selected.engine;
            let _ = writeln!(text, "used         {} {} on {}", engine.name(), engine.version(), engine.device());
            if engine.name() != Tract.name()
                && let Some(found) = located.found.first()
            {
                let providers = OnnxRuntime::cpu(&found.path).and_then(|runtime| runtime.providers());
                let _ = match providers {
                    Ok(names) => writeln!(text, "providers    {}", names.join(", ")),
                    Err(error) => writeln!(text, "providers    {error}"),
                };
            }
            for notice in &selected.notices {
                let _ = writeln!(text, "note         {notice}");
            }
        }
        Err(error) => {
            let _ = writeln!(text, "used         none: {error}");
        }
    }
}

/// Installs the library into the cache, for CUDA where `cuda` is set, and says in one line what was done.
///
/// # Errors
/// As [`install`].
pub fn install_library(places: &Places, cuda: bool) -> Result<String, InstallError> {
    let installed = install(places, if cuda { Build::Cuda } else { Build::Cpu })?;
    let verb = if installed.fresh { "installed" } else { "already there:" };
    Ok(format!("{verb} ONNX Runtime {} as {}", installed.version, installed.path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_machine_has_the_embedded_engine_and_says_how_to_get_the_other() {
        let text = describe(&Places::default());
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with("engine  version"), "{text}");
        assert!(lines[1].starts_with("tract") && lines[1].ends_with("built in"), "{text}");
        assert!(text.contains("used         tract") && text.contains("runtime install"), "{text}");
    }

    #[test]
    fn the_library_that_is_used_is_listed_with_its_providers() {
        let places = Places { option: Some(crate::engine::tests::library()), ..Places::default() };
        let text = describe(&places);
        assert!(text.contains("used         onnxruntime 1."), "{text}");
        assert!(text.contains("CPUExecutionProvider"), "{text}");
        assert!(text.contains("--runtime"), "{text}");
    }

    #[test]
    fn a_named_file_that_is_no_library_is_listed_as_skipped() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x.so");
        std::fs::write(&file, "no").unwrap();
        let text = describe(&Places { option: Some(file), ..Places::default() });
        assert!(text.contains("skipped") && text.contains("used         none"), "{text}");
    }

    #[test]
    fn installing_without_a_cache_is_an_error_in_words() {
        let error = install_library(&Places::default(), true).unwrap_err().to_string();
        assert!(!error.is_empty() && !error.contains('\n'), "{error}");
    }
}
