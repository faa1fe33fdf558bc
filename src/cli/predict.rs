//! `evolve predict`: what a model says about new rows.

use super::{
    EngineArgs, Failure, Output, OutputMode, Status,
    output::write_file,
    progress::{Note, Progress},
};
use crate::{
    data::{self, FurtherRows},
    export::{Predicted, Predictor},
};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Predict the rows of DATA with an exported model
///
/// Writes a CSV file with a row for each row of DATA: `label` and a column `p_CLASS` with the probability of each class,
/// or `prediction`. Nothing but the model file is needed. Columns may come in any order; those that the model does not
/// know are ignored, those that it lacks are an error. Of data with a training and a test part (x_test, t10k-…, a folder
/// test) the test part is predicted, and a line on standard error says so. A blank line is no row, except in a file with
/// one column, where it is a missing value.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// ONNX file written by `evolve run`, or another whose inputs are columns
    #[arg(value_name = "MODEL")]
    pub model: PathBuf,
    /// Rows to predict, in any form that `evolve run` reads
    #[arg(value_name = "DATA")]
    pub data: PathBuf,
    /// File to write [default: standard output]
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Engine and device.
    #[command(flatten)]
    pub engine: EngineArgs,
}

const EXAMPLES: &str = "\
Examples:
  evolve predict adult.evolve/best.onnx new.csv --output predictions.csv
  evolve predict adult.evolve/best.onnx new.csv --engine tract | head";

/// Predicts.
///
/// # Errors
/// Where the model or the data is at fault, or the output cannot be written.
pub fn run(args: &Args) -> Result<Status, Failure> {
    let mut predictor = predictor(&args.model, &args.engine)?;
    let rows = data::read_inputs(&args.data, predictor.fields())?;
    introduce("predicting", &rows, &args.data);
    let predicted = predictor.predict(&rows.inputs)?;
    let text = table(&predicted).map_err(Failure::failed)?;
    match &args.output {
        Some(path) => write_file(path, text.as_bytes())?,
        None => Output::new().text(&text)?,
    }
    Ok(Status::Done)
}

/// Says which part of the data was read where it has several, and what was repaired in it.
pub(super) fn introduce(doing: &str, rows: &FurtherRows, data: &Path) {
    let mut progress = Progress::new(OutputMode::Terminal);
    if let Some(part) = rows.part {
        progress.note(Note::Notice(&format!("{doing} the part {part} of {}: {} rows", data.display(), rows.inputs.rows())));
    }
    for warning in &rows.warnings {
        progress.note(Note::Warning(warning));
    }
}

/// Loads a model file.
pub(super) fn predictor(path: &Path, engine: &EngineArgs) -> Result<Predictor, Failure> {
    let bytes = model_bytes(path)?;
    let engine = engine.select(false, &mut Progress::new(OutputMode::Terminal))?.exact();
    Predictor::new(&bytes, engine.as_ref()).map_err(|error| named(path, error.into()))
}

/// The bytes of a model file.
pub(super) fn model_bytes(path: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(path).map_err(|error| Failure::bad_input(format!("cannot read {}: {error}", path.display())))
}

/// The failure with the file that caused it.
pub(super) fn named(path: &Path, failure: Failure) -> Failure {
    Failure { message: format!("{}: {}", path.display(), failure.message), ..failure }
}

/// A CSV table: a row for each row.
fn table(predicted: &Predicted) -> Result<String, csv::Error> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    match predicted {
        Predicted::Classes { names, labels, probabilities } => {
            let header = names.iter().map(|name| format!("p_{name}"));
            writer.write_record(std::iter::once("label".to_owned()).chain(header))?;
            for (label, row) in labels.iter().zip(probabilities.chunks_exact(names.len().max(1))) {
                writer.write_record(std::iter::once(label.clone()).chain(row.iter().map(|&value| digits(value))))?;
            }
        }
        Predicted::Values(values) => {
            writer.write_record(["prediction"])?;
            for &value in values {
                writer.write_record([digits(value)])?;
            }
        }
    }
    let bytes = writer.into_inner().map_err(|error| csv::Error::from(error.into_error()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The shortest digits that give the number back, with an exponent where most of them would be zeros.
fn digits(value: f32) -> String {
    let plain = value == 0.0 || (1e-5..1e9).contains(&value.abs()) || !value.is_finite();
    if plain { value.to_string() } else { format!("{value:e}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_have_a_column_each_and_names_are_quoted() {
        let predicted = Predicted::Classes {
            names: vec!["a,b".to_owned(), "c".to_owned()],
            labels: vec!["a,b".to_owned(), "c".to_owned()],
            probabilities: vec![0.75, 0.25, 0.125, 0.875],
        };
        assert_eq!(table(&predicted).unwrap(), "label,\"p_a,b\",p_c\n\"a,b\",0.75,0.25\nc,0.125,0.875\n");
    }

    #[test]
    fn values_are_one_column() {
        assert_eq!(table(&Predicted::Values(vec![1.5, -2.0])).unwrap(), "prediction\n1.5\n-2\n");
        let far = Predicted::Values(vec![0.0, -1.5e-36, 2e38]);
        assert_eq!(table(&far).unwrap(), "prediction\n0\n-1.5e-36\n2e38\n");
    }
}
