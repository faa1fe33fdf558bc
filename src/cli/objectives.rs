//! Objectives beside the metric on the command line: their names, what is said of them, their values in words.

use super::progress::{Note, Progress};
use crate::{
    report,
    search::strategy,
    study::{Cap, Objective, Objectives, objective},
    train::metric::Metric,
};
use clap::builder::{PossibleValuesParser, TypedValueParser};

/// All objectives; help and errors come from the list.
pub(super) fn names() -> impl TypedValueParser<Value = Objective> {
    let names = objective::ALL.iter().map(|entry| entry.name);
    PossibleValuesParser::new(names).try_map(|name| objective::find(&name))
}

/// Says what the search is for, where that is more than the metric.
pub(super) fn introduce(strategy: &str, minimize: &[Objective], caps: &[Cap], metric: &Metric, progress: &mut Progress) {
    if !minimize.is_empty() {
        let names: Vec<&str> = minimize.iter().map(|objective| objective.entry().name).collect();
        let front = format!("{} and {}", metric.name, names.join(", "));
        progress.note(Note::Notice(&if strategy == strategy::default_for(true) {
            format!("{strategy} searches for the front of {front}")
        } else {
            format!("{strategy} searches for the best {}; the front of {front} is that of what it tries", metric.name)
        }));
    }
    let measured = minimize.iter().copied().chain(caps.iter().map(|cap| cap.objective));
    if let Some(timed) = measured.into_iter().find(|objective| objective.entry().is_timed) {
        progress.note(Note::Notice(&format!(
            "{timed} is measured by the clock: the study can be resumed as it is, but run anew it takes another course"
        )));
    }
}

/// Values of objectives in their units.
pub(super) fn in_words(objectives: &Objectives) -> String {
    let words = |(name, &value): (&String, &f64)| match objective::find(name) {
        Ok(objective) => format!("{name} {}", report::quantity(objective.entry().unit, value)),
        Err(_) => format!("{name} {value}"),
    };
    objectives.iter().map(words).collect::<Vec<_>>().join(", ")
}
