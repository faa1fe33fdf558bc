//! `evolve resume`: goes on with a study.

use super::{
    Failure, OutputArgs, Status,
    engine::EngineArgs,
    engine::EngineChoice,
    interrupt,
    progress::{Note, Progress},
    quantity,
    run::{Switch, is_text, workers},
    session::{self, Session},
};
use crate::{
    data::{self, Dataset, Options, Preprocessing, Validation},
    study::{Clock, Folder, Settings, Study, StudyError},
    train::metric,
};
use clap::value_parser;
use std::{path::PathBuf, time::Duration};

/// Go on with a study that was stopped or cut off, or give a finished one more budget
///
/// The study goes on as if it had never stopped: same data, same settings, same result. The data must still be where it
/// was, unchanged. Every candidate in the journal counts; what was under way when the study ended is trained again.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = EXAMPLES, allow_negative_numbers = true)]
pub struct Args {
    /// Folder of the study
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
    /// New time for all sessions together: 90s, 10m, 1h30m [default: as before]
    #[arg(long, value_name = "DURATION", value_parser = quantity::duration, help_heading = "Search")]
    pub budget: Option<Duration>,
    /// New limit on all candidates together [default: as before]
    #[arg(long, value_name = "N", value_parser = value_parser!(u64).range(1..), help_heading = "Search")]
    pub candidates: Option<u64>,
    /// New number of training examples of all candidates together at which the search ends [default: as before]
    #[arg(long, value_name = "N", value_parser = value_parser!(u64).range(1..), help_heading = "Search")]
    pub total_examples: Option<u64>,
    /// Networks trained at the same time, a thread each; changes the speed, never the result [default: the cores]
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..=1024), help_heading = "Search")]
    pub workers: Option<u32>,
    /// Memory that trainings may take together, such as 4GiB [default: as study.toml says]
    #[arg(long, value_name = "SIZE", value_parser = quantity::size, help_heading = "Engine")]
    pub memory_limit: Option<u64>,
    /// Whether steps of small networks are captured as CUDA graphs and replayed [default: as study.toml says]
    #[arg(long, value_enum, value_name = "on|off", help_heading = "Engine")]
    pub cuda_graphs: Option<Switch>,
    /// ONNX Runtime library to load [default: found, or installed into the cache]
    #[arg(long, value_name = "PATH", help_heading = "Engine")]
    pub runtime: Option<PathBuf>,
    /// Never download the ONNX Runtime library
    #[arg(long, help_heading = "Engine")]
    pub offline: bool,
    /// What is printed.
    #[command(flatten)]
    pub output: OutputArgs,
}

const EXAMPLES: &str = "\
Examples:
  evolve resume adult.evolve
  evolve resume adult.evolve --budget 1h       a study of ten minutes gets fifty more";

/// Goes on with a study.
///
/// # Errors
/// Where the folder holds no study, its data has changed, or the study cannot be carried out.
pub fn run(args: &Args) -> Result<Status, Failure> {
    let stop = interrupt::stop_flag()?;
    let mode = args.output.mode();
    let mut progress = Progress::new(mode);
    is_text(&args.folder)?;
    let mut study = Study::open(Folder::open(&args.folder)?)?;
    let clock = Clock::new(study.elapsed());
    let dataset = load(study.settings(), study.preprocessing()?.as_ref())?;
    session::introduce(&dataset, &mut progress);
    let metric = metric::find(&study.settings().search.metric, dataset.task.kind)?;
    let recorded = &study.settings().engine;
    let graphs = args.cuda_graphs.map_or(recorded.cuda_graphs, |switch| switch == Switch::On);
    let engine = engine_args(args, study.settings())?.select(graphs, &mut progress)?;
    let engine = if recorded.tf32 { engine } else { engine.exact() };
    study.extend(args.candidates, args.total_examples, args.budget.map(|budget| budget.as_secs_f64()))?;
    let settings = study.settings();
    if settings.version != env!("CARGO_PKG_VERSION") {
        progress.note(Note::Warning(&format!(
            "the study began with evolve {} and goes on with {}: what is trained from now on may differ from what the older \
             one would have found",
            settings.version,
            env!("CARGO_PKG_VERSION")
        )));
    }
    let recorded = &settings.engine;
    if engine.version() != recorded.version {
        progress.note(Note::Warning(&format!(
            "the study began with {} {} and goes on with {}: results may differ in the last digits",
            recorded.name,
            recorded.version,
            engine.version()
        )));
    }
    if (args.candidates.is_some() || args.total_examples.is_some() || args.budget.is_some())
        && let Some(limit) = used_up(&study, clock.now())
    {
        progress.note(Note::Warning(&format!("no candidates are added: {limit}")));
    }
    let class_weights = study.settings().training.class_weights.clone();
    let session = Session {
        dataset: &dataset,
        engine: engine.as_ref(),
        metric,
        class_weights: &class_weights,
        workers: workers(args.workers),
        memory: args.memory_limit.unwrap_or(study.settings().engine.memory),
        stop,
        clock,
    };
    session.run(&mut study, progress, mode)
}

/// The limit that leaves no room for further candidates at this second of the study, with how much of it is used and what
/// to give; `None` where there is room.
fn used_up(study: &Study, now: f64) -> Option<String> {
    let search = &study.settings().search;
    let words = |seconds: f64| quantity::in_words(Duration::from_secs_f64(seconds));
    if let Some(budget) = search.budget.filter(|_| !study.has_time(now)) {
        // The search gets its share of what a longer budget leaves.
        let enough = 2.0 * budget.max(now);
        let enough = if enough < 60.0 { format!("{}s", enough.ceil()) } else { format!("{}m", (enough / 60.0).ceil()) };
        return Some(format!(
            "the study has used {} of its budget of {}, which leaves no time to search; give more than both, such as \
             --budget {}",
            words(study.elapsed()),
            words(budget),
            enough
        ));
    }
    if let Some(most) = search.candidates.filter(|&most| study.candidates() >= most) {
        return Some(format!(
            "the study has {} candidates, of {most} at most; give more than it has, such as --candidates {}",
            study.candidates(),
            study.candidates().saturating_mul(2)
        ));
    }
    let total = search.total_examples.filter(|&total| study.examples() >= total)?;
    Some(format!(
        "the candidates have taken {} training examples of {total}; give more than both, such as --total-examples {}",
        study.examples(),
        total.max(study.examples()).saturating_mul(2)
    ))
}

/// The data as the study's settings say, through the preprocessing that was fitted before, where there is one; the same
/// bytes as when it began.
pub(super) fn load(settings: &Settings, fitted: Option<&Preprocessing>) -> Result<Dataset, Failure> {
    let data = &settings.data;
    let validation = match (&data.validation_file, data.validation_share, data.cross_validation) {
        (Some(path), ..) => Validation::File(path.clone()),
        (None, Some(share), _) => Validation::Share(share),
        (None, None, Some(cut)) => Validation::Folds(cut),
        (None, None, None) => Validation::Auto,
    };
    let options = Options {
        path: data.path.clone(),
        target: data.target.clone(),
        task: Some(settings.schema.kind),
        validation,
        group: data.group.clone(),
        seed: settings.split_seed(),
    };
    let dataset = match fitted {
        Some(fitted) => data::load_fitted(&options, fitted)?,
        None => data::load(&options)?,
    };
    let now = session::files(&dataset);
    match data.files.iter().find(|file| !now.contains(file)) {
        Some(changed) => Err(StudyError::DataChanged { name: changed.name.clone() }.into()),
        None => Ok(dataset),
    }
}

/// The engine and the device that the study began with.
fn engine_args(args: &Args, settings: &Settings) -> Result<EngineArgs, Failure> {
    Ok(EngineArgs {
        engine: if settings.engine.name == "tract" { EngineChoice::Tract } else { EngineChoice::OnnxRuntime },
        device: settings.engine.device.parse().map_err(Failure::bad_input)?,
        runtime: args.runtime.clone(),
        offline: args.offline,
    })
}
