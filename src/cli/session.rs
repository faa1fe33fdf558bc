//! One session of a study, from loaded data to the exported model: what `run` and `resume` have in common.

use super::{Failure, Output, OutputMode, Status, layers, progress::Note, progress::Progress, quantity};
use crate::{
    data::{Dataset, InputSpec, OutputSpec},
    engine::{Engine, Tract},
    export,
    graph::Target,
    onnx, report,
    study::{Clock, FileSettings, Finished, Resources, Study, write_whole},
    train::{Evaluator, Setting, baseline, metric::Metric},
};
use serde::Serialize;
use std::{fs, path::PathBuf, sync::atomic::AtomicBool, time::Duration};

/// What a session works with.
pub(super) struct Session<'a> {
    pub dataset: &'a Dataset,
    pub engine: &'a dyn Engine,
    pub metric: &'static Metric,
    pub workers: usize,
    pub memory: u64,
    pub stop: &'a AtomicBool,
    pub clock: Clock,
}

#[derive(Serialize)]
struct Ending<'a> {
    event: &'static str,
    model: PathBuf,
    report: PathBuf,
    metric: &'static str,
    value: Option<f64>,
    candidate: u64,
    parameters: u64,
    bytes: usize,
    stopped: bool,
    baselines: &'a [report::Baseline],
}

impl Session<'_> {
    /// What trainings share.
    pub(super) fn setting(&self, kernels: bool) -> Setting<'_> {
        Setting {
            task: &self.dataset.task,
            train: &self.dataset.train,
            validation: &self.dataset.validation,
            engine: self.engine,
            target: if kernels { Target::CpuKernels } else { Target::Portable },
            metric: self.metric,
            stop: self.stop,
        }
    }

    /// Searches, retrains, exports and reports.
    pub(super) fn run(&self, study: &mut Study, mut progress: Progress, mode: OutputMode) -> Result<Status, Failure> {
        progress.metric(self.metric);
        let resources = Resources {
            dataset: self.dataset,
            engine: self.engine,
            workers: self.workers,
            memory: self.memory,
            stop: self.stop,
        };
        let finished = study.run(&resources, self.clock, &mut |event| progress.event(&event))?;
        progress.phase("exporting");
        let path = study.folder().model();
        let exported = export::export(&finished, self.dataset, self.engine, &Tract, &path)?;
        for agreement in &exported.agreements {
            progress.note(Note::Notice(&format!(
                "best.onnx in {} on {} raw rows: at most {:.0e} from what was scored",
                agreement.engine, agreement.rows, agreement.difference
            )));
        }
        for note in &exported.notes {
            progress.note(Note::Warning(note));
        }
        let input = self.report_input(study, &finished, exported.bytes)?;
        let page = study.folder().root().join("report.html");
        let digest = report::Digest::of(&input);
        write_whole(&page, report::html(&input, &digest).as_bytes())?;
        let numbers = serde_json::to_vec_pretty(&report::numbers(&input, digest)).map_err(Failure::failed)?;
        write_whole(&study.folder().root().join("report.json"), &numbers)?;
        drop(progress);
        let result = Ending {
            event: "finished",
            model: path,
            report: page,
            metric: self.metric.name,
            value: finished.choice.scores.get(self.metric.name).copied(),
            candidate: finished.candidate.number,
            parameters: finished.candidate.outcome.costs().parameters,
            bytes: exported.bytes,
            stopped: finished.stopped,
            baselines: &input.baselines,
        };
        self.print(&result, study, mode)?;
        Ok(if finished.stopped { Status::Interrupted } else { Status::Done })
    }

    fn print(&self, result: &Ending<'_>, study: &Study, mode: OutputMode) -> Result<(), Failure> {
        match mode {
            OutputMode::Quiet => Ok(()),
            OutputMode::Json => Output::new().json(result),
            OutputMode::Terminal => {
                let mut out = Output::new();
                let value = result.value.map_or_else(|| "unknown".to_owned(), report::number);
                let against: Vec<String> =
                    result.baselines.iter().map(|b| format!("{} {}", b.name, report::number(b.value))).collect();
                out.line(&format!("{} {value} on the validation part ({})", result.metric, against.join(", ")))?;
                out.line(&format!(
                    "{}  {} parameters, {}",
                    result.model.display(),
                    report::grouped(result.parameters),
                    report::bytes(result.bytes as u64)
                ))?;
                out.line(&format!("{}", result.report.display()))?;
                if result.stopped {
                    out.line(&format!("stopped; go on with: evolve resume {}", study.folder().root().display()))?;
                }
                Ok(())
            }
        }
    }

    fn report_input(&self, study: &Study, finished: &Finished, bytes: usize) -> Result<report::Input, Failure> {
        let (task, validation) = (&self.dataset.task, &self.dataset.validation);
        let genome = &finished.candidate.proposal.genome;
        let rows = self.dataset.train.targets.len();
        let mut evaluator = Evaluator::new(genome, task, rows, self.engine, Target::Portable)?;
        evaluator.set_weights(&finished.weights)?;
        let predictions = evaluator.predict(validation)?;
        let baselines = baseline::all(task, &self.dataset.train, validation)
            .into_iter()
            .map(|(name, said)| report::Baseline {
                name: name.to_owned(),
                value: (self.metric.compute)(&said, &validation.targets),
            })
            .collect();
        let model = fs::read(study.folder().model())
            .map_err(|error| Failure::failed(format!("cannot read {}: {error}", study.folder().model().display())))?;
        Ok(report::Input {
            name: study.settings().data.path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned()),
            task: task.clone(),
            metric: self.metric,
            records: study.records()?,
            settings: settings(study, self, rows),
            predictions,
            targets: validation.targets.clone(),
            baselines,
            layers: layers::of(&onnx::read(&model)?),
            bytes: bytes as u64,
            stopped: finished.stopped,
        })
    }
}

/// Says what data was read, and what was repaired in it.
pub(super) fn introduce(dataset: &Dataset, progress: &mut Progress) {
    let input = match &dataset.task.input {
        InputSpec::Table { numeric, categorical } => {
            format!("{} numeric and {} categorical features", numeric.len(), categorical.len())
        }
        InputSpec::Image { height, width, channels, .. } => format!("images of {height}×{width}×{channels}"),
    };
    let output = match &dataset.task.output {
        OutputSpec::Classes { names, .. } => format!("{} classes", names.len()),
        OutputSpec::Value { .. } => "a number to predict".to_owned(),
    };
    let (train, validation) = (dataset.train.targets.len(), dataset.validation.targets.len());
    progress.note(Note::Notice(&format!(
        "{} rows to train on, {} to validate on; {input}, {output}",
        report::grouped(train as u64),
        report::grouped(validation as u64)
    )));
    for warning in &dataset.warnings {
        progress.note(Note::Warning(warning));
    }
}

/// Names and digests of the data files.
pub(super) fn files(dataset: &Dataset) -> Vec<FileSettings> {
    dataset.files.iter().map(|file| FileSettings { name: file.name.clone(), sha256: file.sha256.clone() }).collect()
}

/// The settings of a study as they are shown to people.
fn settings(study: &Study, session: &Session<'_>, rows: usize) -> Vec<(String, String)> {
    let settings = study.settings();
    let search = &settings.search;
    let optional = |value: Option<String>| value.unwrap_or_else(|| "none".to_owned());
    let pairs = [
        ("rows to train on", report::grouped(rows as u64)),
        ("rows to validate on", report::grouped(session.dataset.validation.targets.len() as u64)),
        ("target", optional(settings.data.target.clone())),
        ("metric", search.metric.clone()),
        ("strategy", search.strategy.clone()),
        ("seed", search.seed.to_string()),
        ("lag", search.lag.to_string()),
        ("budget", optional(search.budget.map(|s| quantity::in_words(Duration::from_secs_f64(s))))),
        ("most candidates", optional(search.candidates.map(report::grouped))),
        ("examples a candidate, at most", report::grouped(settings.training.examples)),
        ("examples a finalist, at most", report::grouped(settings.training.final_examples)),
        ("finalists", settings.training.finalists.to_string()),
        ("engine", format!("{} {} on {}", settings.engine.name, settings.engine.version, settings.engine.device)),
        ("kernels", if settings.engine.kernels { "on" } else { "off" }.to_owned()),
        ("workers", session.workers.to_string()),
        ("evolve", settings.version.clone()),
    ];
    let from = settings.from.iter().map(|from| ("journal of the earlier study".to_owned(), from.journal.clone()));
    let files = settings.data.files.iter().map(|file| (format!("SHA-256 of {}", file.name), file.sha256.clone()));
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).chain(from).chain(files).collect()
}
