//! `evolve run --from`: what a new study takes over from an earlier one.

use super::{Failure, resume, run::RunSettings, session, space::Chosen};
use crate::{
    data::{self, DataError, Dataset, Options, Preprocessing, TaskKind, Validation},
    study::{Earlier, StudyError},
};
use std::path::Path;

/// Reads an earlier study. What cannot be read is bad input: nothing has begun yet.
///
/// # Errors
/// As [`Earlier::read`].
pub(super) fn read(folder: &Path) -> Result<Earlier, Failure> {
    Earlier::read(folder).map_err(unreadable)
}

fn unreadable(error: StudyError) -> Failure {
    match error {
        StudyError::Io { .. } => Failure::bad_input(error),
        error => error.into(),
    }
}

/// The settings with those of the earlier study where none were given: target, metric, validation, group,
/// space, ancestors and constraints.
///
/// # Errors
/// Where a setting that was given excludes one that is taken over.
pub(super) fn completed(settings: &RunSettings, earlier: &Earlier) -> Result<RunSettings, Failure> {
    let mut settings = settings.clone();
    let before = earlier.settings();
    settings.target = settings.target.or_else(|| before.data.target.clone());
    settings.metric = settings.metric.or_else(|| Some(before.search.metric.clone()));
    if settings.ancestors.is_empty() {
        settings.ancestors.clone_from(&before.search.ancestors);
    }
    if settings.constraints.is_empty() && settings.caps.is_empty() {
        settings.constraints.clone_from(&before.search.constraints);
        settings.caps.clone_from(&before.search.caps);
    }
    if settings.validation == Validation::Auto {
        let file = before.data.validation_file.clone().map(Validation::File);
        let share = before.data.validation_share.map(Validation::Share);
        settings.validation = file.or(share).unwrap_or_default();
    }
    settings.group = settings.group.or_else(|| before.data.group.clone());
    let space = || before.space.clone().map(|file| Chosen::of_study(earlier.settings_path(), file));
    settings.space = settings.space.or_else(space);
    settings.check().map_err(|failure| {
        let theirs = "ancestors and bounds are those of the earlier study where none are given";
        let hint = failure.hint.as_deref().map_or_else(|| theirs.to_owned(), |hint| format!("{hint}; {theirs}"));
        failure.hint(hint)
    })?;
    Ok(settings)
}

/// Loads new data through the preprocessing of the earlier study, whose kind of task it poses where none was given.
///
/// # Errors
/// As [`data::load_fitted`], and where the earlier preprocessing is nowhere.
pub(super) fn load(options: &Options, earlier: &Earlier) -> Result<Dataset, Failure> {
    let fitted = preprocessing(earlier)?;
    // How many classes there are is compared by their names.
    let kind = if fitted.kind == TaskKind::Regression { TaskKind::Regression } else { TaskKind::Multiclass };
    let options = Options { task: options.task.or(Some(kind)), ..options.clone() };
    let mut dataset = data::load_fitted(&options, &fitted).map_err(|error| match error {
        DataError::UnknownGroup { .. } if options.group == earlier.settings().data.group => {
            Failure::from(error).hint("the earlier study keeps groups by this column; add it, or name another with --group")
        }
        error => error.into(),
    })?;
    dataset.warnings.extend(overlap(&dataset, &options, earlier));
    Ok(dataset)
}

/// What flatters the score: rows that the networks were trained on before are among those that they are scored on.
fn overlap(dataset: &Dataset, options: &Options, earlier: &Earlier) -> Option<String> {
    if let Validation::File(_) = options.validation {
        return None;
    }
    let before = &earlier.settings().data;
    let is_same = session::files(dataset) == before.files;
    let split = |share: Option<f64>, group: Option<&String>| (share, group.cloned());
    let share = if let Validation::Share(share) = options.validation { Some(share) } else { None };
    let as_before = split(share, options.group.as_ref()) == split(before.validation_share, before.group.as_ref());
    match (is_same, as_before && before.cross_validation.is_none()) {
        (true, true) => None,
        (true, false) => Some(
            "the same data is split in another way than in the earlier study: rows that its networks \
            were trained on are among those that they are scored on, which flatters them"
                .into(),
        ),
        (false, _) => Some(
            "where rows of the earlier data are among these, networks are scored on rows that they were \
            trained on, which flatters them; give rows of their own with --validation"
                .into(),
        ),
    }
}

/// As it was kept, or else fitted again to the same data.
fn preprocessing(earlier: &Earlier) -> Result<Preprocessing, Failure> {
    if let Some(kept) = earlier.preprocessing().map_err(unreadable)? {
        return Ok(kept);
    }
    let again = resume::load(earlier.settings(), None).map_err(|failure| {
        failure.hint("the earlier study was made by a version that did not keep its preprocessing, so its data is needed")
    })?;
    Ok(again.preprocessing)
}
