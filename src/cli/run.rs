//! `evolve run`: searches for a net, retrains the best, exports it.

mod args;
mod settings;

pub use args::{Args, DEFAULT_BUDGET, Switch, TaskChoice};
pub(super) use args::{ancestor_names, is_text, metric_names, validation, workers};
pub use settings::RunSettings;

use super::{
    Failure, Status, from, interrupt, objectives,
    progress::{Note, Progress},
    session::{self, Session},
    space,
};
use crate::{
    data::{self, Dataset, Options, Validation},
    genome::{SearchSpace, SpaceFile},
    search::{self, DEFAULT_LAG, strategy},
    study::{
        Clock, DataSettings, Earlier, EngineSettings, FORMAT, Folder, SearchSettings, Settings, Study, StudyError,
        TrainingSettings, Trainings, lengths,
    },
    train::{
        self, ResidentPart, Setting, baseline,
        metric::{self, Metric},
    },
};
use std::path::Path;

/// Runs a new study from its data to its model.
///
/// # Errors
/// Where an input is at fault, the study cannot be carried out, or its files cannot be written.
pub fn run(settings: &RunSettings) -> Result<Status, Failure> {
    let clock = Clock::new(0.0);
    let stop = interrupt::stop_flag()?;
    let mut progress = Progress::new(settings.output);
    let earlier = settings.from.as_deref().map(from::read).transpose()?;
    let completed = earlier.as_ref().map(|earlier| from::completed(settings, earlier)).transpose()?;
    let settings = completed.as_ref().unwrap_or(settings);
    let options = Options {
        path: settings.data.clone(),
        target: settings.target.clone(),
        task: settings.task,
        validation: settings.validation.clone(),
        group: settings.group.clone(),
        seed: earlier.as_ref().map_or(settings.seed, |earlier| earlier.settings().split_seed()),
    };
    let dataset = match &earlier {
        Some(earlier) => from::load(&options, earlier)?,
        None => data::load(&options)?,
    };
    session::introduce(&dataset, &mut progress);
    let metric = match &settings.metric {
        Some(name) => metric::find(name, dataset.task.kind)?,
        None => metric::default_for(dataset.task.kind),
    };
    settings.class_weights.check(&dataset.task)?;
    check_metric(metric, &dataset)?;
    objectives::introduce(&settings.strategy, &settings.minimize, &settings.caps, metric, &mut progress);
    let (space, note) = space::resolved(settings.space.as_ref(), &settings.ancestors, &settings.constraints, &dataset)?;
    if let Some(note) = note {
        progress.note(Note::Notice(&note));
    }
    let folder = Folder::create(&settings.out).map_err(|error| match error {
        StudyError::Io { .. } => Failure::bad_input(error).hint("choose another --out"),
        error => error.into(),
    })?;
    let engine = settings.engine.select(settings.cuda_graphs, &mut progress).inspect_err(|_| folder.abandon())?;
    let engine = if settings.tf32 { engine } else { engine.exact() };
    let session = Session {
        dataset: &dataset,
        engine: engine.as_ref(),
        metric,
        class_weights: &settings.class_weights,
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
    resolved.data.split_seed = earlier.as_ref().map(|earlier| earlier.settings().split_seed());
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

/// Whether the metric says something about the rows that are scored on: of each fold, where there are several.
fn check_metric(metric: &Metric, dataset: &Dataset) -> Result<(), Failure> {
    if dataset.folds.is_empty() {
        return Ok(baseline::defined(metric, &dataset.task, &dataset.train, &dataset.validation)?);
    }
    for (number, fold) in (1..).zip(&dataset.folds) {
        baseline::defined(metric, &fold.task, &fold.train, &fold.validation).map_err(|error| {
            let rows = fold.validation.targets.len();
            Failure::from(error)
                .hint(format!("this is fold {number} of the cross-validation, with {rows} rows; fewer folds have more"))
        })?;
    }
    Ok(())
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

/// Candidates that have so many training examples together, where each takes as many as the first seed of the space.
fn affordable(
    total: u64,
    settings: &RunSettings,
    training: &TrainingSettings,
    session: &Session<'_>,
    space: &SearchSpace,
) -> Option<u64> {
    let dataset = session.dataset;
    let seed = space.seeds().into_iter().next()?;
    let (rows, scored) = (dataset.train.targets.len(), dataset.validation.targets.len());
    let costs = train::costs(&seed, &dataset.task, rows, scored).ok()?;
    let trainings = Trainings::new(dataset.folds.len(), settings.executions).count() as u64;
    Some(total / (training.candidate_examples(&costs, f64::from(seed.training.length)) * trainings))
}

/// The settings of a strategy, with as much foresight as the search can afford where the strategy ranks by it.
fn foreseeing(
    own: search::Settings,
    name: &str,
    training: &TrainingSettings,
    session: &Session<'_>,
    space: &SearchSpace,
) -> search::Settings {
    let foresees = strategy::find::<SearchSpace>(name).is_ok_and(|entry| (entry.make)(&own, space).is_blind());
    let (task, rows) = (&session.dataset.task, session.dataset.train.targets.len());
    let scored = session.dataset.validation.targets.len();
    let costs = |probe| train::costs(probe, task, rows, scored).ok();
    match (foresees, own.expected_candidates, space.seeds().first().and_then(costs)) {
        (true, Some(candidates), Some(costs)) => {
            let (pool, drafts) = lengths::foresight(training, &costs, candidates);
            search::Settings { pool, drafts, ..own }
        }
        _ => own,
    }
}

/// Every setting of the study, with the lengths of training measured where a budget decides them.
fn resolved(settings: &RunSettings, session: &Session<'_>, space: &SearchSpace) -> Result<Settings, Failure> {
    let dataset = session.dataset;
    let kernels = settings.kernels && session.engine.has_kernels();
    let finalists = if settings.minimize.is_empty() { lengths::FINALISTS } else { lengths::FRONT };
    let training = TrainingSettings {
        executions: settings.executions,
        class_weights: settings.class_weights.clone(),
        refit: settings.refit,
        ensemble: settings.ensemble(space)?,
        ..lengths::from_data(space, finalists)
    };
    let (mut training, expected) = match (settings.budget, space.seeds().first()) {
        (Some(budget), Some(probe)) => {
            let resident = ResidentPart::new(&dataset.task, &dataset.train);
            let setting = Setting { resident: Some(&resident), ..session.setting(kernels) };
            let (seconds, workers) = (budget.as_secs_f64(), session.workers);
            let (lengths, expected) = lengths::from_budget(training, space, probe, dataset, &setting, seconds, workers)?;
            (lengths, Some(expected))
        }
        _ => (training, None),
    };
    if let Some(examples) = settings.examples {
        training.limit_examples(examples);
    }
    let affordable = settings.total_examples.and_then(|total| affordable(total, settings, &training, session, space));
    let expected_candidates = [expected, settings.candidates, affordable].into_iter().flatten().min();
    let own = search::Settings { expected_candidates, fidelity: settings.fidelity, ..search::Settings::default() };
    let strategy_settings = foreseeing(own, &settings.strategy, &training, session, space);
    let absolute =
        |path: &Path| std::path::absolute(path).map_err(|error| Failure::bad_input(format!("{}: {error}", path.display())));
    Ok(Settings {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        format: FORMAT,
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
            cross_validation: match settings.validation {
                Validation::Folds(cut) => Some(cut),
                _ => None,
            },
            group: settings.group.clone(),
            split_seed: None,
            files: session::files(dataset),
        },
        from: None,
        search: SearchSettings {
            strategy: settings.strategy.clone(),
            seed: settings.seed,
            lag: settings.lag.unwrap_or_else(|| lag(expected, settings.workers)),
            candidates: settings.candidates,
            total_examples: settings.total_examples,
            budget: settings.budget.map(|budget| budget.as_secs_f64()),
            search_until: settings.budget.map(|budget| budget.as_secs_f64() * training.search_share),
            ancestors: space.ancestors.clone(),
            constraints: space.constraints.clone(),
            minimize: settings.minimize.clone(),
            caps: settings.caps.clone(),
            metric: session.metric.name.to_owned(),
            strategy_settings,
        },
        training,
        engine: EngineSettings {
            name: session.engine.name().to_owned(),
            version: session.engine.version(),
            device: session.engine.device(),
            kernels,
            tf32: settings.tf32,
            cuda_graphs: settings.cuda_graphs,
            memory: settings.memory_limit,
        },
        schema: dataset.task.clone(),
        space: Some(SpaceFile::of(space)),
    })
}
