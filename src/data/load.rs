//! From a path to a dataset that can be trained on.

use super::preprocess::InputEncoder;
use super::raw::{Column, RawBatch, TextColumn};
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
    let request = Request { path: &options.path, target: options.target.as_deref(), purpose: Purpose::Learn };
    let mut source = source::read(&request)?;
    let mut warnings = std::mem::take(&mut source.warnings);
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
            let fit = Fit { source: &source, target: &target, warnings };
            let split = Split { train: (0..rows.len()).collect(), validation: Vec::new() };
            let (mut dataset, fields) = fit.dataset(&rows, &targets, &split)?;
            dataset.validate_on(path, &fields, &name, &target)?;
            Ok(dataset)
        }
        chosen => {
            let share = if let Validation::Share(share) = chosen { Some(*share) } else { None };
            let split = split(&targets, share, options.seed)?;
            warn_of_lonely_classes(&target, &targets, &mut warnings);
            Ok(Fit { source: &source, target: &target, warnings }.dataset(&rows, &targets, &split)?.0)
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
    source: &'a Source,
    target: &'a Target,
    warnings: Vec<String>,
}

impl Fit<'_> {
    /// Fits the preprocessing on the training part and encodes both parts. `rows` are those with a target, and the split
    /// counts in them.
    fn dataset(mut self, rows: &[usize], targets: &Targets, split: &Split) -> Result<(Dataset, Vec<Field>), DataError> {
        let in_file = |part: &[usize]| part.iter().map(|&r| rows[r]).collect::<Vec<usize>>();
        let (train, validation) = (in_file(&split.train), in_file(&split.validation));
        let input = InputEncoder::fit(&self.source.inputs, &train, &mut self.warnings)?;
        let train_targets = targets.take(&split.train);
        let output = self.target.describe(&train_targets);
        let preprocessing = Preprocessing { kind: self.target.kind, target: self.source.target_name.clone(), input, output };
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
            files: self.source.files.clone(),
            warnings: self.warnings,
        };
        Ok((dataset, fields))
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

impl Targets {
    /// Targets at the given rows.
    pub fn take(&self, rows: &[usize]) -> Targets {
        match self {
            Targets::Classes(v) => Targets::Classes(rows.iter().map(|&r| v[r]).collect()),
            Targets::Values(v) => Targets::Values(rows.iter().map(|&r| v[r]).collect()),
        }
    }
}

impl RawBatch {
    /// The columns that a model reads, in its order; anything but a table as it is.
    fn only(&self, fields: &[Field]) -> RawBatch {
        let RawBatch::Table { columns, rows } = self else { return self.clone() };
        let find = |field: &Field| columns.iter().find(|(name, _)| *name == field.name).cloned();
        RawBatch::Table { columns: fields.iter().filter_map(find).collect::<Vec<(String, Column)>>(), rows: *rows }
    }
}

impl Target {
    /// As [`Target::rows`], for a column of another file.
    fn known(&self, column: &TextColumn) -> (Vec<usize>, Targets) {
        super::inputs::resolve(&self.output, column)
    }
}
