//! `evolve run --from`: what a new study takes over from an earlier one.

use super::{Failure, resume, run::RunSettings, space::Chosen};
use crate::{
    data::{self, Dataset, Options, Preprocessing, TaskKind},
    study::Earlier,
};

/// The settings with those of the earlier study where none were given: target, metric, group, space, ancestors
/// and constraints.
pub(super) fn completed(settings: &RunSettings, earlier: &Earlier) -> RunSettings {
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
    settings.group = settings.group.or_else(|| before.data.group.clone());
    let space = || before.space.clone().map(|file| Chosen::of_study(earlier.settings_path(), file));
    settings.space = settings.space.or_else(space);
    settings
}

/// Loads new data through the preprocessing of the earlier study, whose kind of task it poses where none was given.
///
/// # Errors
/// As [`data::load_fitted`], and where the earlier preprocessing is nowhere.
pub(super) fn load(options: Options, earlier: &Earlier) -> Result<Dataset, Failure> {
    let fitted = preprocessing(earlier)?;
    // How many classes there are is compared by their names.
    let kind = if fitted.kind == TaskKind::Regression { TaskKind::Regression } else { TaskKind::Multiclass };
    Ok(data::load_fitted(&Options { task: options.task.or(Some(kind)), ..options }, &fitted)?)
}

/// As it was kept, or else fitted again to the same data.
fn preprocessing(earlier: &Earlier) -> Result<Preprocessing, Failure> {
    if let Some(kept) = earlier.preprocessing()? {
        return Ok(kept);
    }
    let again = resume::load(earlier.settings(), None).map_err(|failure| {
        failure.hint("the earlier study was made by a version that did not keep its preprocessing, so its data is needed")
    })?;
    Ok(again.preprocessing)
}
