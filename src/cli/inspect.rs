//! `evolve inspect`: what a model or a study holds.

mod ancestor;
mod study;

use self::{ancestor::ImageExtent, study::StudyPart};
use super::{Failure, Output, Status, layers, predict, run::ancestor_names};
use crate::{
    export::{CROSS_VALIDATION, ENSEMBLE, SCHEMA, TRAINING},
    genome,
    onnx::{self, Summary, ValueInfo},
    report::{Layer, Scored, bytes, grouped, number},
    study::TrainingLength,
    train::Scores,
};
use serde::{Deserialize, Serialize};
use std::{
    fmt::Write,
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
        Inspection {
            study: Some(study::inspect(path)?),
            model: if model.is_file() { Some(inspect_model(&model)?) } else { None },
        }
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

/// The same of an ensemble.
const REFIT_TOGETHER: &str = "the metrics are those of the ensemble before, on rows which none of its networks had seen";

/// What is to be known of an ensemble where any of its networks was trained on all rows.
fn refit_together(members: &[MemberEntry]) -> Option<String> {
    let trained = members.iter().filter(|member| member.training.all_rows).count();
    let which = match trained {
        0 => return None,
        _ if trained == members.len() => "all networks".to_owned(),
        _ => format!("{trained} of {} networks", members.len()),
    };
    Some(format!("{which} trained on all rows; {REFIT_TOGETHER}"))
}

/// What is shown of a network in an ensemble.
#[derive(Deserialize)]
struct MemberEntry {
    share: f64,
    training: TrainingLength,
}

/// What the model's metadata tells its users.
fn notes(summary: &Summary) -> Vec<String> {
    let schema = summary.metadata(SCHEMA).and_then(|text| serde_json::from_str::<crate::data::Schema>(text).ok());
    let length = summary.metadata(TRAINING).and_then(|text| serde_json::from_str::<TrainingLength>(text).ok());
    let members = summary.metadata(ENSEMBLE).and_then(|text| serde_json::from_str::<Vec<MemberEntry>>(text).ok());
    let refit = match &members {
        Some(members) => refit_together(members),
        None => length.filter(|length| length.all_rows).map(|_| REFIT.to_owned()),
    };
    let ensemble = members.map(|members| {
        let shares: Vec<String> = members.iter().map(|member| format!("{:.0} %", member.share * 100.0)).collect();
        let (count, shares) = (members.len(), shares.join(", "));
        format!("an ensemble of {count} networks, net_1 to net_{count}, with shares of {shares}")
    });
    schema.map(|schema| schema.notes).unwrap_or_default().into_iter().chain(refit).chain(ensemble).collect()
}

/// The inspection for people.
fn text(inspection: &Inspection) -> String {
    let mut text = String::new();
    if let Some(study) = &inspection.study {
        study::text(study, &mut text);
    }
    if let Some(model) = &inspection.model {
        model_text(model, &mut text);
    }
    text
}

// Writing into a string cannot fail, so the results of `writeln!` are dropped below.

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
