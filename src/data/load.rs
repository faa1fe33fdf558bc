//! From a path to a dataset that can be trained on.

use super::doubts;
use super::folds::{CrossValidation, Groups, folds};
use super::inputs::resolve;
use super::preprocess::InputEncoder;
use super::raw::{RawBatch, TextColumn};
use super::source::{self, FileDigest, Purpose, Request, Source};
use super::split::{Split, Validation, split};
use super::target::Target;
use super::{DataError, OutputSpec, Part, Preprocessing, Targets, Task, TaskKind};
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
    /// Column of a table whose rows of one value stay on one side of every split; no input of the net. With a validation
    /// file nothing is split, and it is no more than that.
    pub group: Option<String>,
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
    /// Rows to score on. With folds these are all rows, which are trained on as well: nothing is scored on them then, they
    /// only show that an exported file does what the trained net does.
    pub validation: Part,
    /// Raw inputs of the validation part: columns that the exported model reads, in its order.
    pub raw_validation: RawBatch,
    /// Files read.
    pub files: Vec<FileDigest>,
    /// What was repaired or left out, a sentence each.
    pub warnings: Vec<String>,
    /// Folds of a cross-validation, one repetition after the other: each is trained on the rows outside of it and scored on
    /// its own, and its preprocessing knows only the former. Empty where there is a validation part.
    pub folds: Vec<Dataset>,
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
    let (target, group) = (options.target.as_deref(), options.group.as_deref());
    let known = fitted.map(|fitted| fitted.schema().inputs).unwrap_or_default();
    let request = Request { path: &options.path, target, group, purpose: Purpose::Learn(&known) };
    let mut source = source::read(&request)?;
    let mut warnings = std::mem::take(&mut source.warnings);
    if let (Some(target), None) = (&options.target, &source.target_name) {
        warnings
            .push(format!("the data has no named columns, so the target {target:?} means nothing; its labels are learnt"));
    }
    let name = source.target_name.clone().unwrap_or_else(|| "label".into());
    let column = source.target.take().ok_or_else(|| DataError::file(&options.path, "there is no target to learn"))?;
    // Of two values, and of few, the target finds out by itself.
    let named = source.labels && column.values.len() > 3;
    let task = options.task.or(named.then_some(TaskKind::Multiclass));
    let target = Target::new(&name, &column, task)?;
    let (rows, targets) = target.rows(&column);
    if rows.len() < column.codes.len() {
        let missing = column.codes.len() - rows.len();
        let rows = if missing == 1 { "1 row has".to_owned() } else { format!("{missing} rows have") };
        warnings.push(format!("{rows} no value in the target {name:?}; left out"));
    }
    let groups = match (group, &source.group, &options.validation) {
        (Some(name), None, _) => return Err(DataError::unnamed_group(&options.path, name)),
        // Nothing is split.
        (None, ..) | (_, _, Validation::File(_)) => None,
        (Some(name), Some(column), _) => Some(groups(name, column, &rows, &mut warnings)),
    };
    let fit = Fit { source, target: &target, rows: &rows, targets: &targets, path: &options.path, fitted };
    let mut dataset = match &options.validation {
        Validation::File(path) => {
            let split = Split { train: (0..rows.len()).collect(), validation: Vec::new() };
            let mut dataset = fit.dataset(&split)?;
            dataset.validate_on(path, &fit, &name)?;
            dataset
        }
        Validation::Folds(cut) => {
            check_classes(&target, &targets, *cut)?;
            let splits = folds(&targets, groups.as_ref(), *cut, options.seed)?;
            fit.cross_validated(&splits)?
        }
        Validation::Auto | Validation::Share(_) => {
            let share = if let Validation::Share(share) = options.validation { Some(share) } else { None };
            let split = split(&targets, groups.as_ref(), share, options.seed).map_err(|error| match error {
                DataError::NoValidation { .. } => {
                    doubts::mostly_numbers(&name, &column).map_or(error, |doubt| DataError::file(&options.path, doubt))
                }
                error => error,
            })?;
            if groups.is_none() {
                warn_of_lonely_classes(&target, &targets, &mut warnings);
            }
            let dataset = fit.dataset(&split)?;
            if groups.is_some() {
                let untrained = untrained_classes(&dataset);
                warnings.extend(untrained.map(|class| {
                    format!("no row of the class {class:?} is trained on: all are of groups that are validated on")
                }));
            }
            dataset
        }
    };
    warnings.append(&mut dataset.warnings);
    Ok(Dataset { warnings, ..dataset })
}

/// The groups of the rows with a target. A row without a value is a group of its own.
fn groups(name: &str, column: &TextColumn, rows: &[usize], warnings: &mut Vec<String>) -> Groups {
    let mut number = vec![None; column.values.len()];
    let (mut count, mut lonely) = (0, 0);
    let of_row = rows.iter().map(|&row| {
        let code = column.codes[row] as usize;
        let known = if code == 0 { None } else { number[code] };
        lonely += usize::from(code == 0);
        known.unwrap_or_else(|| {
            number[code] = Some(count);
            count += 1;
            count - 1
        })
    });
    let groups = Groups { column: name.into(), of_row: of_row.collect() };
    if lonely > 0 {
        warnings.push(format!("{lonely} rows have no value in the column of groups {name:?}; each is a group of its own"));
    }
    groups
}

/// Whether every class has a row for each fold.
fn check_classes(target: &Target, targets: &Targets, cut: CrossValidation) -> Result<(), DataError> {
    let OutputSpec::Classes { names, counts, .. } = target.describe(targets) else { return Ok(()) };
    let rarest = names.iter().zip(&counts).min_by_key(|(_, count)| **count);
    match rarest {
        Some((name, &count)) if count < cut.folds => {
            let rows = if count == 1 { "a single row".to_owned() } else { format!("{count} rows") };
            let fewer = if count < 2 { String::new() } else { format!("use at most {count} folds, or ") };
            let problem = format!("the class {name:?} has {rows}; {fewer}give more rows of it, or leave them out");
            Err(DataError::Folds { folds: cut.folds, problem })
        }
        _ => Ok(()),
    }
}

/// A class with one row cannot be in both parts; where groups are not kept whole, it is trained on.
fn warn_of_lonely_classes(target: &Target, targets: &Targets, warnings: &mut Vec<String>) {
    if let OutputSpec::Classes { names, counts, .. } = target.describe(targets) {
        for (name, _) in names.iter().zip(&counts).filter(|(_, count)| **count == 1) {
            warnings.push(format!("class {name:?} has a single row, which is trained on; no validation row has this class"));
        }
    }
}

/// What fitting needs beside the split. Splits count in `rows`, those with a target.
struct Fit<'a> {
    source: Source,
    target: &'a Target,
    rows: &'a [usize],
    targets: &'a Targets,
    path: &'a Path,
    /// What the data goes through, where that is fitted already.
    fitted: Option<&'a Preprocessing>,
}

impl Fit<'_> {
    /// Fits the preprocessing on the training part and encodes both parts.
    fn dataset(&self, split: &Split) -> Result<Dataset, DataError> {
        let in_file = |part: &[usize]| part.iter().map(|&r| self.rows[r]).collect::<Vec<usize>>();
        let (train, validation) = (in_file(&split.train), in_file(&split.validation));
        let mut warnings = Vec::new();
        let train_targets = self.targets.take(&split.train);
        let preprocessing = self.preprocessing(&train, self.target.describe(&train_targets), &mut warnings)?;
        let fields = preprocessing.schema().inputs;
        if let Some(column) = fields.iter().find(|f| preprocessing.output_names().contains(&f.name.as_str())) {
            return Err(DataError::ReservedName { column: column.name.clone() });
        }
        let raw = |part: &[usize]| self.source.inputs.take(part).only(&fields);
        let raw_validation = raw(&validation);
        Ok(Dataset {
            task: preprocessing.task(),
            train: Part { features: preprocessing.apply(&raw(&train))?, targets: train_targets },
            validation: Part {
                features: preprocessing.apply(&raw_validation)?,
                targets: self.targets.take(&split.validation),
            },
            preprocessing,
            raw_validation,
            files: self.source.files.clone(),
            warnings,
            folds: Vec::new(),
        })
    }

    /// The preprocessing of these rows: fitted on them, or as it was fitted, where they are what it was fitted for.
    fn preprocessing(
        &self,
        train: &[usize],
        output: OutputSpec,
        warnings: &mut Vec<String>,
    ) -> Result<Preprocessing, DataError> {
        let mut left_out = Vec::new();
        let input = InputEncoder::fit(&self.source.inputs, train, &mut left_out)?;
        let fresh = Preprocessing { kind: self.target.kind, target: self.source.target_name.clone(), input, output };
        let Some(fitted) = self.fitted else {
            warnings.append(&mut left_out);
            return Ok(fresh);
        };
        let differences = fitted.differences(&self.source.inputs, &fresh);
        if !differences.is_empty() {
            return Err(DataError::Differs { path: self.path.into(), differences });
        }
        warnings.extend(fitted.strangers(&self.source.inputs));
        let mut kept = fitted.clone();
        // How many rows each class has is the data's affair; on mean and deviation of a target the weights depend.
        if let OutputSpec::Classes { .. } = fresh.output {
            kept.output = fresh.output;
        }
        Ok(kept)
    }

    /// All rows as one part, and each fold with what is fitted outside of it.
    fn cross_validated(&self, splits: &[Split]) -> Result<Dataset, DataError> {
        let all: Vec<usize> = (0..self.rows.len()).collect();
        let mut dataset = self.dataset(&Split { train: all.clone(), validation: all })?;
        for (fold, split) in (1..).zip(splits) {
            let part = self.dataset(split)?;
            dataset.warnings.extend(untrained_classes(&part).map(|class| {
                format!("no row of the class {class:?} is trained on where fold {fold} is scored: all are of its groups")
            }));
            dataset.folds.push(part);
        }
        Ok(dataset)
    }
}

/// Classes that the training part has no row of.
fn untrained_classes(dataset: &Dataset) -> impl Iterator<Item = &str> {
    let (names, counts): (&[String], &[usize]) = match &dataset.task.output {
        OutputSpec::Classes { names, counts, .. } => (names, counts),
        OutputSpec::Value { .. } => (&[], &[]),
    };
    names.iter().zip(counts).filter(|(_, count)| **count == 0).map(|(name, _)| name.as_str())
}

impl Dataset {
    /// Takes the validation part from a file of its own, whose target is called `name`.
    fn validate_on(&mut self, path: &Path, fit: &Fit<'_>, name: &str) -> Result<(), DataError> {
        let wanted = self.preprocessing.target.as_deref();
        let fields = self.preprocessing.schema().inputs;
        let request = Request { path, target: wanted, group: None, purpose: Purpose::Apply(&fields) };
        let mut source = source::read(&request)?;
        let column = source.target.take().ok_or_else(|| DataError::file(path, "there is no target to validate on"))?;
        let (rows, targets) = fit.target.known(&column);
        if rows.is_empty() {
            return Err(DataError::file(path, format!("no row has a value of the target {name:?} that is trained on")));
        }
        if (&rows[..], &targets) == (fit.rows, fit.targets) && source.inputs.equals(&fit.source.inputs, &fields) {
            return Err(DataError::ValidationIsTraining { path: path.into() });
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
