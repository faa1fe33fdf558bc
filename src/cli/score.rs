//! `evolve score`: metrics of a model on rows whose answer is known.

use super::{EngineArgs, Failure, Output, Status, predict, run::metric_names};
use crate::{
    data::{self, Targets, TaskKind},
    export::Predicted,
    report,
    train::metric::{self, Metric, Predictions},
};
use std::{collections::BTreeMap, path::PathBuf};

/// Score an exported model on DATA, which holds the right answers too
///
/// Prints a metric a line. Rows without an answer, or with a class that the model does not know, are left out, and a
/// line on standard error says how many. Of data with a training and a test part the test part is scored on.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// ONNX file written by `evolve run`
    #[arg(value_name = "MODEL")]
    pub model: PathBuf,
    /// Rows to score on, in any form that `evolve run` reads
    #[arg(value_name = "DATA")]
    pub data: PathBuf,
    /// Column with the right answers [default: the one the model was trained to predict]
    #[arg(long, value_name = "COLUMN")]
    pub target: Option<String>,
    /// Metrics to print, with commas between them [default: all of the task]
    #[arg(long, value_name = "METRIC,…", value_parser = metric_names(), value_delimiter = ',')]
    pub metric: Vec<String>,
    /// Print one JSON object: metrics by name
    #[arg(long)]
    pub json: bool,
    /// Engine and device.
    #[command(flatten)]
    pub engine: EngineArgs,
}

const EXAMPLES: &str = "\
Examples:
  evolve score adult.evolve/best.onnx test.csv
  evolve score adult.evolve/best.onnx test.csv --target income --metric accuracy,roc_auc";

/// Scores.
///
/// # Errors
/// Where the model, the data or a metric is at fault.
pub fn run(args: &Args) -> Result<Status, Failure> {
    let mut predictor = predict::predictor(&args.model, &args.engine)?;
    let Some(schema) = predictor.schema().cloned() else {
        return Err(Failure::bad_input(format!(
            "{} has no metadata of evolve, so what it predicts is not known",
            args.model.display()
        ))
        .hint("`evolve predict` works with it"));
    };
    let metrics = chosen(&args.metric, schema.task)?;
    let target = args.target.as_deref().or(schema.target.as_deref());
    let (further, column) = data::read_labelled(&args.data, predictor.fields(), target)?;
    predict::introduce("scoring", &further, &args.data);
    let (rows, targets) = data::resolve(&schema.classes, &column);
    if rows.is_empty() {
        return Err(Failure::bad_input(format!("no row of {} has an answer that the model knows", args.data.display())));
    }
    if rows.len() < column.codes.len() {
        let left_out = column.codes.len() - rows.len();
        let rows = if left_out == 1 { "1 row has".to_owned() } else { format!("{left_out} rows have") };
        super::tell(anstyle::AnsiColor::Yellow, "warning", &format!("{rows} no known answer; left out"));
    }
    let predictions = predictions(predictor.predict(&further.inputs)?, &rows);
    print(args, &metrics, &predictions, &targets)?;
    Ok(Status::Done)
}

fn chosen(names: &[String], task: TaskKind) -> Result<Vec<&'static Metric>, Failure> {
    if names.is_empty() {
        return Ok(metric::all_for(task).collect());
    }
    names.iter().map(|name| metric::find(name, task).map_err(Failure::from)).collect()
}

/// What was said about these rows.
fn predictions(predicted: Predicted, rows: &[usize]) -> Predictions {
    match predicted {
        Predicted::Classes { names, probabilities, .. } => {
            let classes = names.len();
            let of_row = |&row: &usize| probabilities[row * classes..][..classes].iter().copied();
            Predictions::Probabilities { classes, values: rows.iter().flat_map(of_row).collect() }
        }
        Predicted::Values(values) => Predictions::Values(rows.iter().map(|&row| values[row]).collect()),
    }
}

fn print(args: &Args, metrics: &[&Metric], predictions: &Predictions, targets: &Targets) -> Result<(), Failure> {
    let mut out = Output::new();
    let values = metrics.iter().map(|metric| (metric.name, (metric.compute)(predictions, targets)));
    if args.json {
        // An undefined metric is null: JSON has no NaN.
        return out.json(&values.collect::<BTreeMap<&str, f64>>());
    }
    for (name, value) in values {
        out.line(&format!("{name:<18} {}", report::number(value)))?;
    }
    Ok(())
}
