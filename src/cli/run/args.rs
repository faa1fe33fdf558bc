//! The arguments of `evolve run`.

use super::super::{EngineArgs, Failure, OutputArgs, bound::Bound, memory, objectives, quantity, space::Chosen};
use super::RunSettings;
use crate::{
    data::{CrossValidation, TaskKind, Validation},
    genome::{Ancestor, ancestor},
    search::{Fidelity, strategy},
    study::Objective,
    train::{
        ClassWeights,
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
#[command(after_help = EXAMPLES, allow_negative_numbers = true)]
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
    /// Score every network by cross-validation instead: the mean over K folds, each scored by a network trained on the
    /// others, such as 5, or 5x2 to cut the rows twice; the best is trained on all rows in the end. For small data
    #[arg(long = "cv", value_name = "K[xR]", value_parser = str::parse::<CrossValidation>, conflicts_with = "validation", help_heading = "Task")]
    pub cross_validation: Option<CrossValidation>,
    /// Column whose rows of one value stay together, all trained on or all scored on, such as a patient with several
    /// visits; the network does not see it, and with a file of validation rows that is all it means
    #[arg(long, value_name = "COLUMN", help_heading = "Task")]
    pub group: Option<String>,
    /// Weights of the classes in training: `balanced` lets rare ones count as much as frequent ones, NAME=WEIGHT,… says how
    /// much a row of each counts, 1 for the others [default: balanced for a metric that counts all classes alike, else
    /// none]
    #[arg(long, value_name = "auto|none|balanced|NAME=WEIGHT,…", value_parser = str::parse::<ClassWeights>, help_heading = "Task")]
    pub class_weights: Option<ClassWeights>,
    /// Time for all of it, search, retraining and export: 90s, 10m, 1h30m [default: 10m, none with --candidates]
    #[arg(long, value_name = "DURATION", value_parser = quantity::duration, help_heading = "Search")]
    pub budget: Option<Duration>,
    /// Most networks to try; without --budget nothing depends on the clock, and the same seed gives the same model on
    /// processors of one kind
    #[arg(long, value_name = "N", value_parser = value_parser!(u64).range(1..), help_heading = "Search")]
    pub candidates: Option<u64>,
    /// Most training examples of a candidate before the finals [default: from the data and the budget]
    #[arg(long, value_name = "N", value_parser = value_parser!(u64).range(1..), help_heading = "Search")]
    pub examples: Option<u64>,
    /// Training examples of all candidates together at which the search ends, of which the last may take more; those of the
    /// finals come on top; without --budget nothing depends on the clock
    #[arg(long, value_name = "N", value_parser = value_parser!(u64).range(1..), help_heading = "Search")]
    pub total_examples: Option<u64>,
    /// How long networks train before they are compared: `full` trains each to its end, `halving` compares at an eighth, a
    /// quarter and half of it and pauses those behind, which go on only where that changes [default: full]
    #[arg(long, value_name = "NAME", value_parser = fidelity_names(), help_heading = "Search")]
    pub fidelity: Option<Fidelity>,
    /// Train every network from N seeds and score it by the mean; costs N times as much, and chance picks less
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..=100), default_value_t = 1, help_heading = "Search")]
    pub executions: u32,
    /// Train what is chosen once more on all rows, those of the validation part included, where it then cannot be scored:
    /// what is reported is how well it did before; --cv does so anyway
    #[arg(long, help_heading = "Search")]
    pub refit: bool,
    /// Most networks that answer together, all in one file: of those that were trained the ones whose mean is the best where
    /// they are scored. With 1 the model is smaller and faster, and mostly a little worse [default: 3; 1 with --cv,
    /// --executions, --minimize, --constraint and a space that caps costs, which it does not go with]
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..=16), help_heading = "Search")]
    pub ensemble: Option<u32>,
    /// Strategy of the search [default: auto, or nsga2 with --minimize]
    #[arg(long, value_name = "NAME", value_parser = strategy_names(), help_heading = "Search")]
    pub strategy: Option<String>,
    /// Folder of an earlier study of the same columns and classes: its best networks come first and train on from their
    /// weights [target, metric, validation, group, space, ancestors and constraints are its own where none are given]
    #[arg(long, value_name = "DIR", conflicts_with = "cross_validation", help_heading = "Search")]
    pub from: Option<PathBuf>,
    /// What to minimise beside the metric, such as size,latency; the folder pareto then holds networks of which none is
    /// beaten in all of them at once
    ///
    /// params and macs are counted; size is that of the exported file; latency is measured on it in this engine, for one
    /// row on one thread, latency_batch for 64 rows; memory is the estimated peak at inference. nsga2 searches for the front
    /// of the metric and these; any other strategy searches for the best metric alone, and the front is that of what it
    /// tries. A study that measures a latency is the same again when it is resumed, but not when it is run anew.
    #[arg(long, value_name = "NAME", value_parser = objectives::names(), value_delimiter = ',', help_heading = "Search")]
    pub minimize: Vec<Objective>,
    /// Published architectures that a search over images starts from beside its own, such as resnet50,mobilenet_v2
    #[arg(long = "ancestor", value_name = "NAME", value_parser = ancestor_names(), value_delimiter = ',', help_heading = "Search")]
    pub ancestors: Vec<Ancestor>,
    /// Bounds on the cost of every network: params<100k, macs<5M; and on what is measured, such as size<200k, memory<1M or
    /// latency<2 (milliseconds), where networks above a bound count as worse than all below it
    #[arg(long = "constraint", value_name = "BOUND", value_parser = str::parse::<Bound>, value_delimiter = ',', help_heading = "Search")]
    pub constraints: Vec<Bound>,
    /// File with the space of networks to search among: layers, sizes, activations, optimizers, operators that there must
    /// not be; `evolve space DATA` prints one to start from [default: chosen for the data]
    #[arg(long, value_name = "FILE", help_heading = "Search")]
    pub space: Option<PathBuf>,
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
    /// Whether the search may round factors to TF32 on a CUDA device, which is faster and good enough to rank networks; the
    /// finals are trained, and models verified and measured, without
    #[arg(long, value_enum, value_name = "on|off", default_value_t = Switch::On, help_heading = "Engine")]
    pub tf32: Switch,
    /// Whether steps of small networks are captured as CUDA graphs and replayed, which spares a CUDA device their launches
    #[arg(long, value_enum, value_name = "on|off", default_value_t = Switch::On, help_heading = "Engine")]
    pub cuda_graphs: Switch,
    /// Memory that trainings may take together, such as 4GiB; what needs more is not trained, so give it where a study is to
    /// be the same elsewhere [default: three quarters of what is free now, written into study.toml]
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
  evolve run digits.npz --minimize size,latency       small and fast networks beside the best, in digits.evolve/pareto
  evolve run digits.npz --candidates 50 --seed 7 --memory-limit 4GiB
                                                      the same model with the same engine on processors of one kind
  evolve run iris.csv --target species --cv 5         few rows: each is scored on in turn
  evolve run fashion/ --validation 10% --json > events.jsonl
  evolve run june.csv --from may.evolve               from the networks and weights of an earlier study";

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
            (None, None) if self.total_examples.is_none() => Some(DEFAULT_BUDGET),
            (budget, _) => budget,
        };
        let mut minimize: Vec<Objective> = vec![];
        for objective in self.minimize {
            if !minimize.contains(&objective) {
                minimize.push(objective);
            }
        }
        let strategy = self.strategy.unwrap_or_else(|| strategy::default_for(!minimize.is_empty()).to_owned());
        let (constraints, caps) = Bound::sorted(&self.constraints);
        let out = match self.out {
            Some(out) => out,
            None => default_folder(&self.data)?,
        };
        is_text(&self.data)?;
        is_text(&out)?;
        self.from.as_deref().map_or(Ok(()), is_text)?;
        if let Some(Validation::File(path)) = &self.validation {
            is_text(path)?;
        }
        let settings = RunSettings {
            out,
            data: self.data,
            target: self.target,
            task,
            metric: self.metric,
            validation: match self.cross_validation {
                Some(cut) => Validation::Folds(cut),
                None => self.validation.unwrap_or_default(),
            },
            group: self.group,
            class_weights: self.class_weights.unwrap_or_default(),
            executions: self.executions as usize,
            refit: self.refit,
            ensemble: self.ensemble.map(|most| most as usize),
            budget,
            candidates: self.candidates,
            total_examples: self.total_examples,
            fidelity: self.fidelity.unwrap_or_default(),
            strategy,
            from: self.from,
            minimize,
            ancestors: self.ancestors,
            constraints,
            caps,
            space: self.space.as_deref().map(Chosen::read).transpose()?,
            seed: self.seed,
            workers: workers(self.workers),
            lag: self.lag,
            engine: self.engine,
            kernels: self.kernels == Switch::On,
            tf32: self.tf32 == Switch::On,
            cuda_graphs: self.cuda_graphs == Switch::On,
            examples: self.examples,
            memory_limit: self.memory_limit.unwrap_or_else(memory::default_limit),
            output: self.output.mode(),
        };
        settings.check()?;
        Ok(settings)
    }
}

/// As many as asked for, else as the process may use cores.
pub(in crate::cli) fn workers(asked: Option<u32>) -> usize {
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
pub(in crate::cli) fn metric_names() -> PossibleValuesParser {
    PossibleValuesParser::new(metric::ALL.iter().map(|metric: &&Metric| metric.name))
}

/// All ancestors; help and errors come from the list.
pub(in crate::cli) fn ancestor_names() -> impl TypedValueParser<Value = Ancestor> {
    let names = ancestor::ALL.iter().map(|entry| entry.name);
    PossibleValuesParser::new(names).try_map(|name| ancestor::find(&name))
}

fn strategy_names() -> PossibleValuesParser {
    PossibleValuesParser::new(<strategy::Entry>::ALL.iter().map(|entry| entry.name))
}

/// All fidelities; help and errors come from the list.
fn fidelity_names() -> impl TypedValueParser<Value = Fidelity> {
    let named = |name: String| Fidelity::ALL.into_iter().find(|(known, _)| *known == name).map(|(_, fidelity)| fidelity);
    PossibleValuesParser::new(Fidelity::ALL.map(|(name, _)| name)).try_map(move |name| named(name).ok_or("unknown"))
}

/// A share such as `0.2` or `20%`, or else a file.
pub(in crate::cli) fn validation(text: &str) -> Result<Validation, String> {
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

/// Whether a path can be written into `study.toml` and printed as JSON, which are UTF-8.
pub(in crate::cli) fn is_text(path: &Path) -> Result<(), Failure> {
    let fault = |problem: String| Failure::bad_input(format!("{}: {problem}", path.display()));
    let absolute = std::path::absolute(path).map_err(|error| fault(error.to_string()))?;
    match absolute.to_str() {
        Some(_) => Ok(()),
        None => Err(fault("the path is not UTF-8, so a study cannot record it".to_owned())
            .hint("rename what is not, or reach it through a link of another name")),
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
