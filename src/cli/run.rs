//! `evolve run`: searches for a net, retrains the best, exports it.

use super::{
    EngineArgs, Failure, OutputArgs, OutputMode, Status, from, interrupt, memory,
    progress::{Note, Progress},
    quantity,
    session::{self, Session},
};
use crate::{
    data::{self, Dataset, Options, TaskKind, Validation},
    express,
    genome::{Ancestor, Constraint, SearchSpace, ancestor},
    search::{self, DEFAULT_LAG, strategy},
    study::{Clock, DataSettings, Earlier, EngineSettings, Folder, SearchSettings, Settings, Study, lengths},
    train::{
        baseline,
        metric::{self, Metric},
    },
};
use clap::{
    ValueEnum,
    builder::{PossibleValuesParser, TypedValueParser},
    value_parser,
};
use std::{
    ffi::OsStr,
    num::NonZero,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

/// Budget where neither `--budget` nor `--candidates` is given: 10 minutes.
pub const DEFAULT_BUDGET: Duration = Duration::from_secs(600);

/// Search for a network that fits DATA, retrain the best, and export it as an ONNX file
///
/// The search trains hundreds of small networks, breeds new ones from the best, and trains the finalists at full length.
/// What it finds stands in the output folder: best.onnx, report.html for people, report.json for programs, and a journal
/// from which `evolve resume` goes on if the run is cut off. Ctrl-C ends the search and exports the best so far.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Data to learn from: a CSV or TSV file with a header, an NPZ file (x_train, y_train), a folder with IDX files
    /// (train-images-idx3-ubyte, …), or a folder of images with a folder for each class
    #[arg(value_name = "DATA")]
    pub data: PathBuf,
    /// Column to be predicted; tables need it
    #[arg(long, value_name = "COLUMN", help_heading = "Task")]
    pub target: Option<String>,
    /// Kind of the task [default: inferred from the target]
    #[arg(long, value_enum, help_heading = "Task")]
    pub task: Option<TaskChoice>,
    /// Metric that decides which network is better [default: accuracy, or rmse for a regression]
    #[arg(long, value_name = "METRIC", value_parser = metric_names(), help_heading = "Task")]
    pub metric: Option<String>,
    /// A file with validation rows, or the share of the rows set aside for it, such as 0.2 or 20% [default: 20%, less of
    /// a large dataset]
    #[arg(long, value_name = "FILE|SHARE", value_parser = validation, help_heading = "Task")]
    pub validation: Option<Validation>,
    /// Time for all of it, search, retraining and export: 90s, 10m, 1h30m [default: 10m, none with --candidates]
    #[arg(long, value_name = "DURATION", value_parser = quantity::duration, help_heading = "Search")]
    pub budget: Option<Duration>,
    /// Most networks to try; without --budget nothing depends on the clock and the same seed gives the same model
    #[arg(long, value_name = "N", value_parser = value_parser!(u64).range(1..), help_heading = "Search")]
    pub candidates: Option<u64>,
    /// Most training examples of a candidate before the finals [default: from the data and the budget]
    #[arg(long, value_name = "N", value_parser = value_parser!(u64).range(1..), help_heading = "Search")]
    pub examples: Option<u64>,
    /// Strategy of the search
    #[arg(long, value_name = "NAME", value_parser = strategy_names(), default_value = <strategy::Entry>::ALL[0].name, help_heading = "Search")]
    pub strategy: String,
    /// Folder of an earlier study of the same columns and classes: its best networks come first and train on from their
    /// weights [target, metric, ancestors and constraints are its own where none are given]
    #[arg(long, value_name = "DIR", help_heading = "Search")]
    pub from: Option<PathBuf>,
    /// Published architectures that a search over images starts from beside its own, such as resnet50,mobilenet_v2
    #[arg(long = "ancestor", value_name = "NAME", value_parser = ancestor_names(), value_delimiter = ',', help_heading = "Search")]
    pub ancestors: Vec<Ancestor>,
    /// Bounds on the cost of every network: params<100k, macs<5M
    #[arg(long = "constraint", value_name = "BOUND", value_parser = str::parse::<Constraint>, value_delimiter = ',', help_heading = "Search")]
    pub constraints: Vec<Constraint>,
    /// Seed of everything random
    #[arg(long, value_name = "N", default_value_t = 0, help_heading = "Search")]
    pub seed: u64,
    /// Networks trained at the same time, a thread each; changes the speed, never the result [default: the cores]
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..=1024), help_heading = "Search")]
    pub workers: Option<u32>,
    /// Candidate k is bred from the results of candidates 0 to k-N, so that up to N can be under way [default: 8, less
    /// where the budget allows few candidates]
    #[arg(long, value_name = "N", value_parser = value_parser!(u64).range(1..=4096), help_heading = "Search")]
    pub lag: Option<u64>,
    /// Engine and device.
    #[command(flatten)]
    pub engine: EngineArgs,
    /// Whether training on the processor uses evolve's own kernels, which are faster than the standard operators
    #[arg(long, value_enum, value_name = "on|off", default_value_t = Switch::On, help_heading = "Engine")]
    pub kernels: Switch,
    /// Memory that trainings may take together, such as 4GiB [default: three quarters of what is free]
    #[arg(long, value_name = "SIZE", value_parser = quantity::size, help_heading = "Engine")]
    pub memory_limit: Option<u64>,
    /// Folder for the results; must not hold a study yet [default: the name of the data with the ending .evolve]
    #[arg(long, value_name = "DIR", help_heading = "Output")]
    pub out: Option<PathBuf>,
    /// What is printed.
    #[command(flatten)]
    pub output: OutputArgs,
}

const EXAMPLES: &str = "\
Examples:
  evolve run adult.csv --target income
  evolve run houses.csv --target price --metric mae --budget 30m --out houses
  evolve run digits.npz --candidates 50 --seed 7      the same model on any machine with the same engine
  evolve run fashion/ --validation 10% --json > events.jsonl
  evolve run june.csv --from may.evolve               from the networks and weights of an earlier study";

/// Everything that a run needs, with all defaults filled in.
#[derive(Debug, Clone, PartialEq)]
pub struct RunSettings {
    /// File or folder with the data.
    pub data: PathBuf,
    /// Column to be predicted.
    pub target: Option<String>,
    /// Kind of the task; `None` to infer it.
    pub task: Option<TaskKind>,
    /// Name of the metric, which exists; `None` for the task's default. Whether it fits an inferred task is known only
    /// once the data is read.
    pub metric: Option<String>,
    /// Where the validation part comes from.
    pub validation: Validation,
    /// Time for search, retraining and export; `None` where only the number of candidates ends the search.
    pub budget: Option<Duration>,
    /// Most candidates.
    pub candidates: Option<u64>,
    /// Most training examples of a candidate; `None` to derive them from the data and the budget.
    pub examples: Option<u64>,
    /// Name of the strategy, which exists.
    pub strategy: String,
    /// Folder of the study to start from.
    pub from: Option<PathBuf>,
    /// Ancestors among the seeds. Whether they fit the data is known only once that is read.
    pub ancestors: Vec<Ancestor>,
    /// Bounds on costs. Whether any net satisfies them is known only once the data is read.
    pub constraints: Vec<Constraint>,
    /// Seed of everything random.
    pub seed: u64,
    /// Candidates trained at the same time; at least 1.
    pub workers: usize,
    /// Lag of breeding; at least 1. `None` where it follows from the budget.
    pub lag: Option<u64>,
    /// Engine and device.
    pub engine: EngineArgs,
    /// Whether training on the processor uses kernels of `evolve.train`.
    pub kernels: bool,
    /// Bytes that all trainings together may take.
    pub memory_limit: u64,
    /// Folder of the study.
    pub out: PathBuf,
    /// For whom progress is printed.
    pub output: OutputMode,
}

impl Args {
    /// Fills in the defaults and checks what can be checked before the data is read.
    ///
    /// # Errors
    /// Where an argument is at fault.
    pub fn resolve(self) -> Result<RunSettings, Failure> {
        self.engine.check()?;
        let task = self.task.map(TaskKind::from);
        if let (Some(name), Some(task)) = (&self.metric, task) {
            metric::find(name, task)?;
        }
        let budget = match (self.budget, self.candidates) {
            (None, None) => Some(DEFAULT_BUDGET),
            (budget, _) => budget,
        };
        Ok(RunSettings {
            out: match self.out {
                Some(out) => out,
                None => default_folder(&self.data)?,
            },
            data: self.data,
            target: self.target,
            task,
            metric: self.metric,
            validation: self.validation.unwrap_or_default(),
            budget,
            candidates: self.candidates,
            strategy: self.strategy,
            from: self.from,
            ancestors: self.ancestors,
            constraints: self.constraints,
            seed: self.seed,
            workers: workers(self.workers),
            lag: self.lag,
            engine: self.engine,
            kernels: self.kernels == Switch::On,
            examples: self.examples,
            memory_limit: self.memory_limit.unwrap_or_else(memory::default_limit),
            output: self.output.mode(),
        })
    }
}

/// As many as asked for, else as the process may use cores.
pub(super) fn workers(asked: Option<u32>) -> usize {
    asked.map_or_else(|| thread::available_parallelism().map_or(1, NonZero::get), |n| n as usize)
}

/// Kind of a task on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TaskChoice {
    /// Two classes.
    Binary,
    /// More than two classes.
    Multiclass,
    /// A number.
    Regression,
}

impl From<TaskChoice> for TaskKind {
    fn from(choice: TaskChoice) -> TaskKind {
        match choice {
            TaskChoice::Binary => TaskKind::Binary,
            TaskChoice::Multiclass => TaskKind::Multiclass,
            TaskChoice::Regression => TaskKind::Regression,
        }
    }
}

/// Something that is on or off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    /// On.
    On,
    /// Off.
    Off,
}

/// All metrics; help and errors come from the list.
pub(super) fn metric_names() -> PossibleValuesParser {
    PossibleValuesParser::new(metric::ALL.iter().map(|metric: &&Metric| metric.name))
}

/// All ancestors; help and errors come from the list.
pub(super) fn ancestor_names() -> impl TypedValueParser<Value = Ancestor> {
    let names = ancestor::ALL.iter().map(|entry| entry.name);
    PossibleValuesParser::new(names).try_map(|name| ancestor::find(&name))
}

fn strategy_names() -> PossibleValuesParser {
    PossibleValuesParser::new(<strategy::Entry>::ALL.iter().map(|entry| entry.name))
}

/// A share such as `0.2` or `20%`, or else a file.
fn validation(text: &str) -> Result<Validation, String> {
    let share = match text.strip_suffix('%') {
        Some(percent) => percent.parse::<f64>().ok().map(|percent| percent / 100.0),
        None => text.parse::<f64>().ok(),
    };
    match share {
        Some(share) if share > 0.0 && share < 1.0 => Ok(Validation::Share(share)),
        Some(_) => Err("a share lies between 0 and 1, such as 0.2 or 20%".to_owned()),
        None => Ok(Validation::File(PathBuf::from(text))),
    }
}

/// The data's name with the ending `.evolve`, in the current folder.
fn default_folder(data: &Path) -> Result<PathBuf, Failure> {
    let nameless = || Failure::bad_input(format!("{} has no name to call the results by", data.display()));
    let stem = data.file_stem().filter(|stem| *stem != OsStr::new(""));
    let stem = stem.ok_or_else(|| nameless().hint("give a folder with --out"))?;
    let mut name = stem.to_owned();
    name.push(".evolve");
    Ok(PathBuf::from(name))
}

/// Runs a new study from its data to its model.
///
/// # Errors
/// Where an input is at fault, the study cannot be carried out, or its files cannot be written.
pub fn run(settings: &RunSettings) -> Result<Status, Failure> {
    let clock = Clock::new(0.0);
    let stop = interrupt::stop_flag()?;
    let mut progress = Progress::new(settings.output);
    let earlier = settings.from.as_deref().map(Earlier::read).transpose()?;
    let settings = &earlier.as_ref().map_or_else(|| settings.clone(), |earlier| from::completed(settings, earlier));
    let options = Options {
        path: settings.data.clone(),
        target: settings.target.clone(),
        task: settings.task,
        validation: settings.validation.clone(),
        seed: settings.seed,
    };
    let dataset = match &earlier {
        Some(earlier) => from::load(options, earlier)?,
        None => data::load(&options)?,
    };
    session::introduce(&dataset, &mut progress);
    let metric = match &settings.metric {
        Some(name) => metric::find(name, dataset.task.kind)?,
        None => metric::default_for(dataset.task.kind),
    };
    baseline::defined(metric, &dataset.task, &dataset.train, &dataset.validation)?;
    let space = space(settings, &dataset)?;
    let folder = Folder::create(&settings.out)?;
    let engine = settings.engine.select(&mut progress).inspect_err(|_| folder.abandon())?;
    let session = Session {
        dataset: &dataset,
        engine: engine.as_ref(),
        metric,
        workers: settings.workers,
        memory: settings.memory_limit,
        stop,
        clock,
    };
    let mut resolved = resolved(settings, &session, &space).inspect_err(|_| folder.abandon())?;
    let own = &resolved.search.strategy_settings;
    let inherit = |earlier: &Earlier| earlier.inheritance(&space, metric, own);
    let inheritance = earlier.as_ref().map(inherit).transpose().inspect_err(|_| folder.abandon())?;
    if let Some(inheritance) = &inheritance {
        let (all, warm) = (inheritance.heirs.len(), inheritance.with_weights());
        progress
            .note(Note::Notice(&format!("begins with {all} of the earlier study's networks, {warm} with their weights")));
    }
    resolved.from = inheritance.as_ref().map(|inheritance| inheritance.settings.clone());
    let lag = resolved.search.lag;
    if settings.workers as u64 > lag {
        progress.note(Note::Warning(&format!(
            "with a lag of {lag} at most {lag} of {} workers are busy; give a greater --lag",
            settings.workers
        )));
    }
    let mut study = Study::create(folder, resolved, &dataset.preprocessing, inheritance.as_ref())?;
    session.run(&mut study, progress, settings.output)
}

/// The genomes to search among.
fn space(settings: &RunSettings, dataset: &Dataset) -> Result<SearchSpace, Failure> {
    let domain = express::domain(&dataset.task, dataset.train.targets.len());
    Ok(SearchSpace::preset(&domain).with_ancestors(&settings.ancestors)?.with_constraints(&settings.constraints)?)
}

/// Enough candidates under way to keep all workers busy, but fewer than usual where the budget allows so few candidates
/// that those bred from nothing would be most of them.
fn lag(expected: Option<u64>, workers: usize) -> u64 {
    const FEW: u64 = 64;
    match expected {
        Some(candidates) if candidates < FEW => (2 * workers as u64).clamp(4, DEFAULT_LAG),
        _ => DEFAULT_LAG,
    }
}

/// Every setting of the study, with the lengths of training measured where a budget decides them.
fn resolved(settings: &RunSettings, session: &Session<'_>, space: &SearchSpace) -> Result<Settings, Failure> {
    let dataset = session.dataset;
    let kernels = settings.kernels && session.engine.has_kernels();
    let (mut training, expected) = match (settings.budget, space.seeds().first()) {
        (Some(budget), Some(probe)) => {
            let (lengths, expected) =
                lengths::from_budget(space, probe, &session.setting(kernels), budget.as_secs_f64(), session.workers)?;
            (lengths, Some(expected))
        }
        _ => (lengths::from_data(space), None),
    };
    if let Some(examples) = settings.examples {
        training.limit_examples(examples);
    }
    let expected_candidates = [expected, settings.candidates].into_iter().flatten().min();
    let absolute =
        |path: &Path| std::path::absolute(path).map_err(|error| Failure::bad_input(format!("{}: {error}", path.display())));
    Ok(Settings {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        data: DataSettings {
            path: absolute(&settings.data)?,
            target: settings.target.clone(),
            validation_file: match &settings.validation {
                Validation::File(path) => Some(absolute(path)?),
                _ => None,
            },
            validation_share: match settings.validation {
                Validation::Share(share) => Some(share),
                _ => None,
            },
            files: session::files(dataset),
        },
        from: None,
        search: SearchSettings {
            strategy: settings.strategy.clone(),
            seed: settings.seed,
            lag: settings.lag.unwrap_or_else(|| lag(expected, settings.workers)),
            candidates: settings.candidates,
            budget: settings.budget.map(|budget| budget.as_secs_f64()),
            search_until: settings.budget.map(|budget| budget.as_secs_f64() * training.search_share),
            ancestors: space.ancestors.clone(),
            constraints: space.constraints.clone(),
            metric: session.metric.name.to_owned(),
            strategy_settings: search::Settings { expected_candidates, ..search::Settings::default() },
        },
        training,
        engine: EngineSettings {
            name: session.engine.name().to_owned(),
            version: session.engine.version(),
            device: session.engine.device(),
            kernels,
            memory: settings.memory_limit,
        },
        schema: dataset.task.clone(),
    })
}
