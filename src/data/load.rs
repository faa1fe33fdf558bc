//! From a path to a dataset that can be trained on.

use super::inputs::resolve;
use super::preprocess::InputEncoder;
use super::raw::{RawBatch, TextColumn};
use super::source::{self, FileDigest, Purpose, Request, Source};
use super::split::{Split, Validation, split};
use super::target::Target;
use super::{DataError, Field, OutputSpec, Part, Preprocessing, Targets, Task, TaskKind};
use std::path::{Path, PathBuf};

/// What to load and how.
#[derive(Debug, Clone)]
pub struct Options {
    /// File or folder.
    pub path: PathBuf,
    /// Column to be predicted; needed for tables with named columns.
    pub target: Option<String>,
    /// Kind of the task; inferred from the target where it is not given.
    pub task: Option<TaskKind>,
    /// Where the validation part comes from.
    pub validation: Validation,
    /// Seed of the split.
    pub seed: u64,
}

/// Data ready to be trained on.
#[derive(Debug, Clone)]
pub struct Dataset {
    /// What a net reads and says.
    pub task: Task,
    /// Preprocessing fitted on the training part.
    pub preprocessing: Preprocessing,
    /// Rows to train on.
    pub train: Part,
    /// Rows to score on.
    pub validation: Part,
    /// Raw inputs of the validation part: columns that the exported model reads, in its order.
    pub raw_validation: RawBatch,
    /// Files read.
    pub files: Vec<FileDigest>,
    /// What was repaired or left out, a sentence each.
    pub warnings: Vec<String>,
}

/// Loads a dataset: reads it, infers the task, splits it and fits the preprocessing.
///
/// # Errors
/// Where the data cannot be read, is broken, or gives nothing to learn.
pub fn load(options: &Options) -> Result<Dataset, DataError> {
    load_with(options, None)
}

/// Loads a dataset that goes through a preprocessing fitted on earlier data. Only the rows of each class are counted anew.
///
/// # Errors
/// As [`load`], and where the data has other inputs, by name and kind, another task or other classes.
pub fn load_fitted(options: &Options, fitted: &Preprocessing) -> Result<Dataset, DataError> {
    load_with(options, Some(fitted))
}

fn load_with(options: &Options, fitted: Option<&Preprocessing>) -> Result<Dataset, DataError> {
    let request = Request { path: &options.path, target: options.target.as_deref(), purpose: Purpose::Learn };
    let mut source = source::read(&request)?;
    let mut warnings = std::mem::take(&mut source.warnings);
    if let (Some(target), None) = (&options.target, &source.target_name) {
        warnings
            .push(format!("the data has no named columns, so the target {target:?} means nothing; its labels are learnt"));
    }
    let name = source.target_name.clone().unwrap_or_else(|| "label".into());
    let column = source.target.take().ok_or_else(|| DataError::file(&options.path, "there is no target to learn"))?;
    let target = Target::new(&name, &column, options.task)?;
    let (rows, targets) = target.rows(&column);
    if rows.len() < column.codes.len() {
        let missing = column.codes.len() - rows.len();
        warnings.push(format!("{missing} rows have no value in the target {name:?} and are left out"));
    }
    match &options.validation {
        Validation::File(path) => {
            let fit = Fit { source, target: &target, path: &options.path, fitted, warnings };
            let split = Split { train: (0..rows.len()).collect(), validation: Vec::new() };
            let (mut dataset, fields) = fit.dataset(&rows, &targets, &split)?;
            dataset.validate_on(path, &fields, &name, &target)?;
            Ok(dataset)
        }
        chosen => {
            let share = if let Validation::Share(share) = chosen { Some(*share) } else { None };
            let split = split(&targets, share, options.seed)?;
            warn_of_lonely_classes(&target, &targets, &mut warnings);
            let fit = Fit { source, target: &target, path: &options.path, fitted, warnings };
            Ok(fit.dataset(&rows, &targets, &split)?.0)
        }
    }
}

/// A class with one row cannot be in both parts.
fn warn_of_lonely_classes(target: &Target, targets: &Targets, warnings: &mut Vec<String>) {
    if let OutputSpec::Classes { names, counts, .. } = target.describe(targets) {
        for (name, _) in names.iter().zip(&counts).filter(|(_, count)| **count == 1) {
            warnings.push(format!("class {name:?} has a single row, which is trained on; no validation row has this class"));
        }
    }
}

/// What fitting needs beside the split.
struct Fit<'a> {
    source: Source,
    target: &'a Target,
    path: &'a Path,
    /// What the data goes through, where that is fitted already.
    fitted: Option<&'a Preprocessing>,
    warnings: Vec<String>,
}

impl Fit<'_> {
    /// Fits the preprocessing on the training part and encodes both parts. `rows` are those with a target, and the split
    /// counts in them.
    fn dataset(mut self, rows: &[usize], targets: &Targets, split: &Split) -> Result<(Dataset, Vec<Field>), DataError> {
        let in_file = |part: &[usize]| part.iter().map(|&r| rows[r]).collect::<Vec<usize>>();
        let (train, validation) = (in_file(&split.train), in_file(&split.validation));
        let train_targets = targets.take(&split.train);
        let preprocessing = self.preprocessing(&train, self.target.describe(&train_targets))?;
        let fields = preprocessing.schema().inputs;
        if let Some(column) = fields.iter().find(|f| preprocessing.output_names().contains(&f.name.as_str())) {
            return Err(DataError::ReservedName { column: column.name.clone() });
        }
        let raw = self.source.inputs.only(&fields);
        let raw_validation = raw.take(&validation);
        let dataset = Dataset {
            task: preprocessing.task(),
            train: Part { features: preprocessing.apply(&raw.take(&train))?, targets: train_targets },
            validation: Part { features: preprocessing.apply(&raw_validation)?, targets: targets.take(&split.validation) },
            preprocessing,
            raw_validation,
            files: self.source.files,
            warnings: self.warnings,
        };
        Ok((dataset, fields))
    }

    /// The preprocessing of these rows: fitted on them, or as it was fitted, where they are what it was fitted for.
    fn preprocessing(&mut self, train: &[usize], output: OutputSpec) -> Result<Preprocessing, DataError> {
        let mut left_out = Vec::new();
        let input = InputEncoder::fit(&self.source.inputs, train, &mut left_out)?;
        let fresh = Preprocessing { kind: self.target.kind, target: self.source.target_name.clone(), input, output };
        let Some(fitted) = self.fitted else {
            self.warnings.append(&mut left_out);
            return Ok(fresh);
        };
        let differences = fitted.differences(&self.source.inputs, &fresh);
        if !differences.is_empty() {
            return Err(DataError::Differs { path: self.path.into(), differences });
        }
        self.warnings.extend(fitted.strangers(&self.source.inputs));
        let mut kept = fitted.clone();
        // How many rows each class has is the data's affair; on mean and deviation of a target the weights depend.
        if let OutputSpec::Classes { .. } = fresh.output {
            kept.output = fresh.output;
        }
        Ok(kept)
    }
}

impl Dataset {
    /// Takes the validation part from a file of its own.
    fn validate_on(&mut self, path: &Path, fields: &[Field], name: &str, target: &Target) -> Result<(), DataError> {
        let wanted = self.preprocessing.target.as_deref();
        let request = Request { path, target: wanted, purpose: Purpose::Apply(fields) };
        let mut source = source::read(&request)?;
        let column = source.target.take().ok_or_else(|| DataError::file(path, "there is no target to validate on"))?;
        let (rows, targets) = target.known(&column);
        if rows.is_empty() {
            return Err(DataError::file(path, format!("no row has a value of the target {name:?} that is trained on")));
        }
        let lost = column.codes.len() - rows.len();
        if lost > 0 {
            let file = source.files.first().map_or("the validation file", |f| f.name.as_str());
            self.warnings
                .push(format!("{lost} rows of {file} have no target, or one that no training row has; they are left out"));
        }
        self.raw_validation = source.inputs.take(&rows);
        self.validation = Part { features: self.preprocessing.apply(&self.raw_validation)?, targets };
        self.files.append(&mut source.files);
        self.warnings.append(&mut source.warnings);
        Ok(())
    }
}

impl Target {
    /// As [`Target::rows`], for a column of another file.
    fn known(&self, column: &TextColumn) -> (Vec<usize>, Targets) {
        match &self.output {
            OutputSpec::Classes { names, .. } => resolve(names, column),
            OutputSpec::Value { .. } => resolve(&[], column),
        }
    }
}
