//! `evolve inspect`: what a model or a study holds.

mod ancestor;

use self::ancestor::ImageExtent;
use super::{Failure, Output, Status, layers, objectives, predict, run::ancestor_names};
use crate::{
    export::{CROSS_VALIDATION, FrontFile, SCHEMA, TRAINING},
    genome,
    onnx::{self, Summary, ValueInfo},
    report::{self, Contribution, GeneImportance, Layer, Scored, Step, bytes, grouped, number},
    study::{Candidate, Choice, FrontMember, Journal, Objectives, Outcome, Record, Settings, TrainingLength},
    train::Scores,
};
use serde::Serialize;
use std::{
    collections::BTreeMap,
    fmt::Write,
    fs,
    path::{Path, PathBuf},
};

/// Show what a model, study or ancestor holds: layers, parameters, size, metrics, front, lineage
///
/// Of a study it also says what each edit of the lineage gained, what each arm of the strategy contributed and which genes
/// mattered. Nothing is run. A study is shown from its journal and, where it is exported, its best.onnx; this works while the study
/// runs, too.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// ONNX file, or folder of a study
    #[arg(value_name = "MODEL|DIR", required_unless_present = "ancestor", conflicts_with = "ancestor")]
    pub path: Option<PathBuf>,
    /// Show a published architecture instead
    #[arg(long, value_name = "NAME", value_parser = ancestor_names())]
    pub ancestor: Option<genome::Ancestor>,
    /// Height, width and channels of the images that the ancestor reads [default: as published]
    #[arg(long, value_name = "HxWxC", requires = "ancestor")]
    pub input: Option<ImageExtent>,
    /// Outputs of the ancestor
    #[arg(long, value_name = "N", value_parser = ancestor::classes, default_value = "1000", requires = "ancestor")]
    pub classes: usize,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

const EXAMPLES: &str = "\
Examples:
  evolve inspect adult.evolve/best.onnx
  evolve inspect adult.evolve --json
  evolve inspect --ancestor resnet50 --input 64x64x3 --classes 10";

/// What is shown; a part that is not there is left out.
#[derive(Debug, Default, Serialize)]
struct Inspection {
    #[serde(skip_serializing_if = "Option::is_none")]
    study: Option<StudyPart>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<ModelPart>,
}

#[derive(Debug, Serialize)]
struct ModelPart {
    file: PathBuf,
    bytes: u64,
    producer: String,
    opset: i64,
    inputs: Vec<Port>,
    outputs: Vec<Port>,
    parameters: u64,
    layers: Vec<Layer>,
    metrics: Scores,
    #[serde(skip_serializing_if = "Option::is_none")]
    cross_validation: Option<String>,
    notes: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Port {
    name: String,
    dtype: String,
    shape: String,
}

#[derive(Debug, Serialize)]
struct StudyPart {
    folder: PathBuf,
    candidates: u64,
    failed: u64,
    /// Those that were paused and did not go on.
    paused: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    best: Option<Best>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    front: Vec<FrontEntry>,
    lineage: Vec<LineageEntry>,
    contributions: Vec<Contribution>,
    importance: Option<GeneImportance>,
}

#[derive(Debug, Serialize)]
struct FrontEntry {
    file: PathBuf,
    candidate: u64,
    /// The study's metric, where its settings tell which that is.
    #[serde(skip_serializing_if = "Option::is_none")]
    metric: Option<String>,
    scores: Scores,
    objectives: Objectives,
}

#[derive(Debug, Serialize)]
struct Best {
    candidate: u64,
    scores: Scores,
    parameters: u64,
    macs: u64,
    exported: bool,
}

#[derive(Debug, Serialize)]
struct LineageEntry {
    candidate: u64,
    arm: String,
    edits: Vec<String>,
    score: Option<f64>,
    gain: Option<f64>,
    /// Whether it was paused, and has no score for that reason.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    paused: bool,
}

/// Inspects.
///
/// # Errors
/// Where the file is no model, or the folder holds no study.
pub fn run(args: &Args) -> Result<Status, Failure> {
    let mut out = Output::new();
    let path = match (args.ancestor, &args.path) {
        (Some(ancestor), _) => {
            let inspection = ancestor::inspect(ancestor, args.input, args.classes)?;
            if args.json {
                out.json(&inspection)?
            } else {
                out.text(&ancestor::text(&inspection))?
            }
            return Ok(Status::Done);
        }
        (None, Some(path)) => path,
        (None, None) => return Err(Failure::bad_input("give a model, the folder of a study, or --ancestor")),
    };
    let inspection = if path.is_dir() {
        let model = path.join("best.onnx");
        Inspection { study: Some(study(path)?), model: if model.is_file() { Some(inspect_model(&model)?) } else { None } }
    } else {
        Inspection { study: None, model: Some(inspect_model(path)?) }
    };
    if args.json {
        out.json(&inspection)?
    } else {
        out.text(&text(&inspection))?
    }
    Ok(Status::Done)
}

fn inspect_model(path: &Path) -> Result<ModelPart, Failure> {
    let content = predict::model_bytes(path)?;
    let summary = onnx::read(&content).map_err(|error| predict::named(path, error.into()))?;
    let layers = layers::of(&summary);
    let metrics = summary.metadata("evolve.metrics").and_then(|text| serde_json::from_str(text).ok());
    Ok(ModelPart {
        file: path.to_owned(),
        bytes: content.len() as u64,
        producer: format!("{} {}", summary.producer, summary.producer_version).trim().to_owned(),
        opset: summary.opset(),
        inputs: summary.inputs.iter().map(port).collect(),
        outputs: summary.outputs.iter().map(port).collect(),
        parameters: layers.iter().map(|layer| layer.parameters).sum(),
        layers,
        metrics: metrics.unwrap_or_default(),
        cross_validation: summary.metadata(CROSS_VALIDATION).map(str::to_owned),
        notes: notes(&summary),
    })
}

fn port(value: &ValueInfo) -> Port {
    Port { name: value.name.clone(), dtype: value.dtype.to_string(), shape: layers::shape_words(&value.shape) }
}

/// What its metrics are of a net that was trained on all rows.
const REFIT: &str = "trained on all rows; the metrics are those of the net that it follows, on rows which that had not seen";

/// What the model's metadata tells its users.
fn notes(summary: &Summary) -> Vec<String> {
    let schema = summary.metadata(SCHEMA).and_then(|text| serde_json::from_str::<crate::data::Schema>(text).ok());
    let length = summary.metadata(TRAINING).and_then(|text| serde_json::from_str::<TrainingLength>(text).ok());
    let refit = length.filter(|length| length.all_rows).map(|_| REFIT.to_owned());
    schema.map(|schema| schema.notes).unwrap_or_default().into_iter().chain(refit).collect()
}

fn study(folder: &Path) -> Result<StudyPart, Failure> {
    let journal = folder.join("journal.jsonl");
    if fs::metadata(&journal).is_err() {
        return Err(Failure::bad_input(format!("{} holds no study: it has no journal.jsonl", folder.display())));
    }
    let mut candidates: BTreeMap<u64, Candidate> = BTreeMap::new();
    let mut choice = None;
    for record in Journal::read(&journal)? {
        match record {
            Record::Candidate(candidate) => drop(candidates.insert(candidate.number, *candidate)),
            Record::Choice(chosen) => choice = Some(chosen),
            Record::Finals(_) | Record::Finalist(_) | Record::Refit(_) => {}
        }
    }
    let best = match &choice {
        Some(choice) => candidates.get(&choice.candidate),
        None => candidates
            .values()
            .filter(|candidate| candidate.outcome.feasible_score().is_some())
            .max_by(|a, b| a.outcome.score().unwrap_or(f64::MIN).total_cmp(&b.outcome.score().unwrap_or(f64::MIN))),
    };
    let scores = |candidate: &Candidate| match (&choice, &candidate.outcome) {
        (Some(choice), _) => choice.scores.clone(),
        (None, Outcome::Scored { scores, .. }) => scores.clone(),
        (None, Outcome::Paused { .. } | Outcome::Failed { .. }) => Scores::new(),
    };
    let continued = |number: u64| {
        candidates.values().any(|c| c.proposal.continues.is_some_and(|continues| continues.candidate == number))
    };
    let by_number = candidates.values().map(|candidate| (candidate.number, candidate)).collect();
    let lineage = |candidate: &Candidate| {
        let steps = report::lineage(candidate, &by_number, |candidate| candidate.outcome.score());
        steps.into_iter().map(LineageEntry::from).collect()
    };
    let paused = candidates.values().filter(|c| c.outcome.checkpoint().is_some() && !continued(c.number));
    Ok(StudyPart {
        folder: folder.to_owned(),
        candidates: candidates.len() as u64,
        failed: candidates.values().filter(|c| matches!(c.outcome, Outcome::Failed { .. })).count() as u64,
        paused: paused.count() as u64,
        best: best.map(|candidate| Best {
            candidate: candidate.number,
            scores: scores(candidate),
            parameters: candidate.outcome.costs().parameters,
            macs: candidate.outcome.costs().macs,
            exported: choice.is_some(),
        }),
        front: choice.as_ref().map(|choice| front(folder, choice)).unwrap_or_default(),
        lineage: best.map(lineage).unwrap_or_default(),
        contributions: report::contributions(candidates.values()),
        importance: report::importance(candidates.values()).map(GeneImportance::from),
    })
}

/// The front that was exported, the best by the metric first.
fn front(folder: &Path, choice: &Choice) -> Vec<FrontEntry> {
    let metric = Settings::read_file(&folder.join("study.toml")).ok().map(|settings| settings.search.metric);
    let entry = |member: &FrontMember| FrontEntry {
        file: FrontFile::path_in(folder, member.candidate),
        candidate: member.candidate,
        metric: metric.clone(),
        scores: member.scores.clone(),
        objectives: member.objectives.clone(),
    };
    choice.front.iter().map(entry).collect()
}

impl From<Step> for LineageEntry {
    fn from(step: Step) -> Self {
        let Step { number: candidate, arm, edits, value: score, gain, paused, .. } = step;
        LineageEntry { candidate, arm, edits, score, gain, paused }
    }
}

/// The inspection for people.
fn text(inspection: &Inspection) -> String {
    let mut text = String::new();
    if let Some(study) = &inspection.study {
        study_text(study, &mut text);
    }
    if let Some(model) = &inspection.model {
        model_text(model, &mut text);
    }
    text
}

// Writing into a string cannot fail, so the results of `writeln!` are dropped below.

fn study_text(study: &StudyPart, text: &mut String) {
    let paused = if study.paused > 0 { format!(", {} paused", study.paused) } else { String::new() };
    let _ = writeln!(text, "{}: {} candidates{paused}, {} failed", study.folder.display(), study.candidates, study.failed);
    if let Some(best) = &study.best {
        let exported = if best.exported { "exported" } else { "best so far" };
        let macs = grouped(best.macs);
        let _ = writeln!(
            text,
            "{exported}: candidate {}, {} parameters, {macs} multiply-adds a row",
            best.candidate,
            grouped(best.parameters)
        );
        scores_text(&best.scores, text);
    }
    if !study.front.is_empty() {
        let _ = writeln!(text, "\nfront");
    }
    for entry in &study.front {
        let value =
            entry.metric.as_ref().and_then(|metric| Some(format!("{metric} {}, ", number(*entry.scores.get(metric)?))));
        let objectives = objectives::in_words(&entry.objectives);
        let _ = writeln!(text, "  {}  {}{objectives}", entry.file.display(), value.unwrap_or_default());
    }
    if !study.lineage.is_empty() {
        let _ = writeln!(text, "\nlineage");
    }
    for entry in &study.lineage {
        let without = if entry.paused { "paused" } else { "failed" };
        let score = entry.score.map_or_else(|| without.to_owned(), number);
        let gain = entry.gain.map_or_else(String::new, signed);
        let edits = entry.edits.join("; ");
        let _ = writeln!(text, "  {:>6}  {score:>10}  {gain:>9}  {:<10} {edits}", entry.candidate, entry.arm);
    }
    contributions_text(&study.contributions, text);
    importance_text(study.importance.as_ref(), text);
    text.push('\n');
}

fn signed(gain: f64) -> String {
    format!("{}{}", if gain < 0.0 { "−" } else { "+" }, number(gain.abs()))
}

fn contributions_text(arms: &[Contribution], text: &mut String) {
    if arms.is_empty() {
        return;
    }
    let _ = writeln!(text, "\n  arm        tried  failed  share of examples  times best       gain  gain per share");
    for arm in arms {
        let _ = writeln!(
            text,
            "  {:<10} {:>5}  {:>6}  {:>16.0}%  {:>10}  {:>9}  {:>14}",
            arm.arm,
            arm.candidates,
            arm.failed,
            arm.share * 100.0,
            arm.improvements,
            number(arm.gain),
            number(arm.gain_per_share)
        );
    }
}

fn importance_text(importance: Option<&GeneImportance>, text: &mut String) {
    let Some(found) = importance else { return };
    if !found.trustworthy {
        let _ = writeln!(text, "\nwhich genes mattered is not known: a model of them ranks unseen candidates hardly better");
        let _ = writeln!(text, "than chance (rank correlation {:.2})", found.correlation);
        return;
    }
    let _ = writeln!(text, "\nloss of the rank correlation {:.2} of a model where a gene is shuffled", found.correlation);
    for gene in &found.genes {
        // Adding zero to what was rounded leaves no negative zero.
        let lost = (gene.importance * 100.0).round() / 100.0 + 0.0;
        let _ = writeln!(text, "  {:<30} {lost:>5.2}", gene.gene);
    }
}

fn model_text(model: &ModelPart, text: &mut String) {
    let _ = writeln!(
        text,
        "{}: {}, {} values, opset {}, by {}",
        model.file.display(),
        bytes(model.bytes),
        grouped(model.parameters),
        model.opset,
        if model.producer.is_empty() { "an unknown producer" } else { &model.producer }
    );
    for (kind, ports) in [("inputs", &model.inputs), ("outputs", &model.outputs)] {
        let _ = writeln!(text, "\n{kind}");
        for port in ports {
            let _ = writeln!(text, "  {:<24} {:<8} {}", port.name, port.dtype, port.shape);
        }
    }
    layers_text(&model.layers, text);
    if !model.metrics.is_empty() {
        let scored = Scored { cross_validation: model.cross_validation.clone(), ..Scored::default() };
        let _ = writeln!(text, "\nmetrics {}", scored.place());
        scores_text(&model.metrics, text);
    }
    for note in &model.notes {
        let _ = writeln!(text, "note: {note}");
    }
}

fn layers_text(layers: &[Layer], text: &mut String) {
    let _ = writeln!(text, "\nlayers");
    for layer in layers {
        let values = if layer.parameters == 0 { String::new() } else { grouped(layer.parameters) };
        let _ = writeln!(text, "  {:<40} {:<28} {:<20} {values:>12}", layer.name, layer.kind, layer.output);
    }
}

fn scores_text(scores: &Scores, text: &mut String) {
    for (name, value) in scores {
        let _ = writeln!(text, "  {name:<18} {}", number(*value));
    }
}
