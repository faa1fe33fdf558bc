//! One session of a study, from loaded data to the exported model: what `run` and `resume` have in common.

mod scored;

use super::{Failure, Output, OutputMode, Status, layers, objectives, progress::Note, progress::Progress, quantity};
use crate::{
    data::{Dataset, InputSpec, OutputSpec, Targets},
    engine::{Engine, Tract},
    export::{self, FrontFile, Metrics, Net},
    genome::Genome,
    graph::Target,
    onnx, report,
    study::{Clock, FileSettings, Finished, Resources, Study, TrainingLength, write_whole},
    train::{
        ClassWeights, Scores, Setting, Weights, baseline,
        ensemble::{self, Member},
        metric::{Metric, Predictions},
    },
};
use serde::Serialize;
use std::{fs, path::PathBuf, sync::atomic::AtomicBool, time::Duration};

/// What a session works with.
pub(super) struct Session<'a> {
    pub dataset: &'a Dataset,
    /// Of the search; the finals are trained, and models judged, by [`Engine::exact`] of it.
    pub engine: &'a dyn Engine,
    pub metric: &'static Metric,
    pub class_weights: &'a ClassWeights,
    pub workers: usize,
    pub memory: u64,
    pub stop: &'static AtomicBool,
    pub clock: Clock,
}

#[derive(Serialize)]
struct Ending<'a> {
    event: &'static str,
    model: PathBuf,
    report: PathBuf,
    metric: &'static str,
    value: Option<f64>,
    scored: &'a report::Scored,
    candidate: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ensemble: Vec<report::Share>,
    parameters: u64,
    bytes: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    front: Option<&'a report::Front>,
    stopped: bool,
    baselines: &'a [report::Baseline],
}

impl Session<'_> {
    /// What trainings share, with features that are fed.
    pub(super) fn setting(&self, kernels: bool) -> Setting<'_> {
        Setting {
            task: &self.dataset.task,
            train: &self.dataset.train,
            resident: None,
            validation: &self.dataset.validation,
            engine: self.engine,
            target: if kernels { Target::CpuKernels } else { Target::Portable },
            metric: self.metric,
            class_weights: self.class_weights,
            stop: self.stop,
        }
    }

    /// Searches, retrains, exports and reports.
    pub(super) fn run(&self, study: &mut Study, mut progress: Progress, mode: OutputMode) -> Result<Status, Failure> {
        progress.metric(self.metric);
        let exact = self.engine.exact();
        let lookup = export::lookup(self.engine, &Tract);
        let assemble = |genome: &Genome, length: TrainingLength, weights: &Weights, scores: &Scores| {
            let metrics = Metrics { scores, cross_validation: None };
            export::assemble(&Net::alone(genome, length, weights, metrics), self.dataset, lookup)
        };
        let resources = Resources {
            dataset: self.dataset,
            engine: self.engine,
            assemble: &assemble,
            workers: self.workers,
            memory: self.memory,
            stop: self.stop,
        };
        let finished = study.run(&resources, self.clock, &mut |event| progress.event(&event));
        let finished = finished.map_err(Failure::of_session)?;
        progress.phase("exporting");
        let path = study.folder().model();
        let cross_validation = study.settings().data.cross_validation;
        let net = Net::of(&finished.net, &finished.others, Metrics { scores: &finished.choice.scores, cross_validation });
        // The weights come with the preprocessing that they were trained with.
        let exported = export::export(&net, finished.data(self.dataset), exact.as_ref(), &Tract, &path)?;
        for agreement in &exported.agreements {
            progress.note(Note::Notice(&format!(
                "best.onnx in {} on {} raw rows: at most {:.0e} from what was scored",
                agreement.engine, agreement.rows, agreement.difference
            )));
        }
        for note in &exported.notes {
            progress.note(Note::Warning(note));
        }
        self.warn_of_violation(study, &finished, &mut progress);
        let front = export::export_front(&finished, study.folder(), self.dataset, exact.as_ref(), &Tract)?;
        let front = self.front(study, front);
        let input = self.report_input(study, &finished, exported.bytes, front)?;
        let page = study.folder().root().join("report.html");
        let digest = report::Digest::of(&input);
        write_whole(&page, report::html(&input, &digest).as_bytes()).map_err(Failure::of_session)?;
        let parameters = digest.parameters;
        let numbers = serde_json::to_vec_pretty(&report::numbers(&input, digest)).map_err(Failure::failed)?;
        write_whole(&study.folder().root().join("report.json"), &numbers).map_err(Failure::of_session)?;
        drop(progress);
        let result = Ending {
            event: "finished",
            model: path,
            report: page,
            metric: self.metric.name,
            value: finished.choice.scores.get(self.metric.name).copied(),
            scored: &input.scored,
            candidate: finished.candidate.number,
            ensemble: report::Share::all_of(&finished.choice),
            parameters,
            bytes: exported.bytes,
            front: input.front.as_ref(),
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
                let place = match (&result.scored.cross_validation, result.scored.standard_error) {
                    (Some(name), Some(error)) => format!("± {} in {name}", report::number(error)),
                    _ => result.scored.place(),
                };
                out.line(&format!("{} {value} {place} ({})", result.metric, against.join(", ")))?;
                if let Some(exported) = &result.scored.exported {
                    out.line(exported)?;
                }
                out.line(&format!(
                    "{}  {} parameters, {}",
                    result.model.display(),
                    report::grouped(result.parameters),
                    report::bytes(result.bytes as u64)
                ))?;
                if let Some(front) = result.front {
                    self.print_front(front, study, &mut out)?;
                }
                out.line(&format!("{}", result.report.display()))?;
                if result.stopped {
                    out.line(&format!("stopped; go on with: evolve resume {}", study.folder().root().display()))?;
                }
                Ok(())
            }
        }
    }

    /// A line for each model of the front.
    fn print_front(&self, front: &report::Front, study: &Study, out: &mut Output) -> Result<(), Failure> {
        for member in &front.members {
            let path = study.folder().root().join(&member.file);
            let values = objectives::in_words(&member.objectives);
            out.line(&format!("{}  {} {}, {values}", path.display(), self.metric.name, report::number(member.value)))?;
        }
        Ok(())
    }

    /// Says so where no candidate is within the caps on what was measured.
    fn warn_of_violation(&self, study: &Study, finished: &Finished, progress: &mut Progress) {
        if finished.choice.violation > 0.0 {
            let caps: Vec<String> = study.settings().search.caps.iter().map(ToString::to_string).collect();
            progress.note(Note::Warning(&format!(
                "no candidate satisfies {}; what is exported violates it the least",
                caps.join(" and ")
            )));
        }
    }

    /// The front as the report tells it; `None` where only the metric counts.
    fn front(&self, study: &Study, files: Vec<FrontFile>) -> Option<report::Front> {
        let member = |file: FrontFile| report::Member {
            file: file.path.strip_prefix(study.folder().root()).unwrap_or(&file.path).to_string_lossy().into_owned(),
            candidate: file.member.candidate,
            value: file.member.scores.get(self.metric.name).copied().unwrap_or(f64::NAN),
            objectives: file.member.objectives,
            bytes: file.bytes as u64,
        };
        let objectives = study.settings().search.minimize.clone();
        let front = || report::Front { objectives, members: files.into_iter().map(member).collect() };
        (!study.settings().search.minimize.is_empty()).then(front)
    }

    fn report_input(
        &self,
        study: &Study,
        finished: &Finished,
        bytes: usize,
        front: Option<report::Front>,
    ) -> Result<report::Input, Failure> {
        let rows = self.dataset.train.targets.len();
        let parts = if self.dataset.folds.is_empty() { std::slice::from_ref(self.dataset) } else { &self.dataset.folds };
        // Those of one repetition are all rows.
        let once = study.settings().data.cross_validation.map_or(1, |cut| cut.folds);
        let (predictions, targets) = self.said(finished, parts.iter().zip(&finished.scored).take(once))?;
        let model = fs::read(study.folder().model())
            .map_err(|error| Failure::failed(format!("cannot read {}: {error}", study.folder().model().display())))?;
        Ok(report::Input {
            name: study.settings().data.path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned()),
            task: self.dataset.task.clone(),
            metric: self.metric,
            records: study.records()?,
            settings: settings(study, self, rows),
            predictions,
            targets,
            baselines: self.baselines(parts),
            layers: layers::of(&onnx::read(&model)?),
            bytes: bytes as u64,
            front,
            stopped: finished.stopped,
            scored: scored::of(study, finished, self.metric),
        })
    }

    /// What the nets say together about the validation parts with the weights that were scored there, and what is true.
    fn said<'d>(
        &self,
        finished: &Finished,
        scored: impl Iterator<Item = (&'d Dataset, &'d Vec<Weights>)>,
    ) -> Result<(Predictions, Targets), Failure> {
        let engine = self.engine.exact();
        let mut all: Option<(Predictions, Targets)> = None;
        for (data, weights) in scored {
            let nets = finished.nets().zip(weights).map(|(net, weights)| Member { weights, ..net.member() });
            let said = ensemble::predict(nets, &data.task, &data.validation, engine.as_ref(), Target::Portable)?;
            let truth = &data.validation.targets;
            match &mut all {
                Some((predictions, targets)) => {
                    predictions.append(said);
                    targets.append(truth);
                }
                None => all = Some((said, truth.clone())),
            }
        }
        all.ok_or_else(|| Failure::failed("nothing was scored"))
    }

    /// The study's metric of every baseline: on the validation part, or its mean over folds.
    fn baselines(&self, parts: &[Dataset]) -> Vec<report::Baseline> {
        let mut all: Vec<report::Baseline> = vec![];
        for part in parts {
            for (name, said) in baseline::all(&part.task, &part.train, &part.validation) {
                let share = (self.metric.compute)(&said, &part.validation.targets) / parts.len() as f64;
                match all.iter_mut().find(|baseline| baseline.name == name) {
                    Some(baseline) => baseline.value += share,
                    None => all.push(report::Baseline { name: name.to_owned(), value: share }),
                }
            }
        }
        all
    }
}

/// Items separated by commas, or `none`.
fn listed(items: &[impl ToString]) -> String {
    let items: Vec<String> = items.iter().map(ToString::to_string).collect();
    if items.is_empty() { "none".to_owned() } else { items.join(", ") }
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
    let rows = match dataset.folds.len() {
        0 => format!(
            "{} rows to train on, {} to validate on",
            report::grouped(train as u64),
            report::grouped(validation as u64)
        ),
        folds => format!("{} rows in {folds} folds, each scored by nets trained on others", report::grouped(train as u64)),
    };
    progress.note(Note::Notice(&format!("{rows}; {input}, {output}")));
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
        (
            "scored on",
            match settings.data.cross_validation {
                Some(cut) => cut.to_string(),
                None => format!("{} rows", report::grouped(session.dataset.validation.targets.len() as u64)),
            },
        ),
        ("executions", settings.training.executions.to_string()),
        ("networks that answer together, at most", settings.training.ensemble.to_string()),
        ("trained on all rows in the end", if study.refits() { "yes" } else { "no" }.to_owned()),
        ("target", optional(settings.data.target.clone())),
        ("metric", search.metric.clone()),
        ("strategy", search.strategy.clone()),
        ("minimised beside the metric", listed(&search.minimize)),
        ("constraints", {
            let bounds =
                search.constraints.iter().map(ToString::to_string).chain(search.caps.iter().map(ToString::to_string));
            listed(&bounds.collect::<Vec<_>>())
        }),
        ("seed", search.seed.to_string()),
        ("lag", search.lag.to_string()),
        ("budget", optional(search.budget.map(|s| quantity::in_words(Duration::from_secs_f64(s))))),
        ("most candidates", optional(search.candidates.map(report::grouped))),
        ("examples that end the search", optional(search.total_examples.map(report::grouped))),
        ("fidelity", search.strategy_settings.fidelity.to_string()),
        ("examples a candidate, at most", report::grouped(settings.training.examples)),
        ("examples a finalist, at most", report::grouped(settings.training.final_examples)),
        ("finalists", settings.training.finalists.to_string()),
        ("engine", format!("{} {} on {}", settings.engine.name, settings.engine.version, settings.engine.device)),
        ("kernels", if settings.engine.kernels { "on" } else { "off" }.to_owned()),
        ("memory limit", report::bytes(session.memory)),
        ("workers", session.workers.to_string()),
        ("evolve", settings.version.clone()),
    ];
    let from = settings.from.iter().map(|from| ("journal of the earlier study".to_owned(), from.journal.clone()));
    let files = settings.data.files.iter().map(|file| (format!("SHA-256 of {}", file.name), file.sha256.clone()));
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).chain(from).chain(files).collect()
}
