//! How what is exported was scored, in words.

use crate::{
    report,
    study::{Ensemble, Finished, NotCombined, NotRefit, Study, standard_error},
    train::metric::Metric,
};

/// How the exported net, or ensemble, was scored.
pub(super) fn of(study: &Study, finished: &Finished, metric: &Metric) -> report::Scored {
    let cut = study.settings().data.cross_validation;
    let values = finished.trainings.iter().filter_map(|t| t.scores.get(metric.name)).copied().collect();
    report::Scored {
        cross_validation: cut.map(|cut| cut.to_string()),
        values,
        standard_error: cut.map(|cut| standard_error(&finished.trainings, cut.folds)),
        exported: exported(study, finished, metric),
    }
}

/// What is to be said of `best.onnx` where it is not simply the net that was scored.
fn exported(study: &Study, finished: &Finished, metric: &Metric) -> Option<String> {
    let training = &study.settings().training;
    match (study.settings().data.cross_validation, finished.refit) {
        (Some(_), true) => Some("best.onnx is of the same genome, trained on all rows".into()),
        (Some(_), false) => Some(format!(
            "best.onnx is the net scored on fold {}, which was not trained on its rows: {}",
            finished.fold + 1,
            not_refit(finished)
        )),
        (None, true) => {
            Some("best.onnx was trained once more on all rows, those included that the net was scored on before".into())
        }
        (None, false) if study.refits() => {
            Some(format!("best.onnx was not trained on the validation part: {}", not_refit(finished)))
        }
        (None, _) if training.ensemble > 1 => Some(match &finished.choice.ensemble {
            Some(ensemble) => together(ensemble, metric),
            None => format!("best.onnx is a single network: {}", not_combined(finished)),
        }),
        (None, _) if training.executions > 1 => Some(format!("best.onnx is the best of {} executions", training.executions)),
        (None, _) => None,
    }
}

/// Why no net that was trained on all rows is exported.
fn not_refit(finished: &Finished) -> &'static str {
    match finished.choice.not_refit {
        Some(NotRefit::NoTime) => "there was not enough time left for it",
        Some(NotRefit::Failed) => "that training failed",
        Some(NotRefit::Worse) => "trained on all rows it did not become as good",
        // A study that is stopped in its finals chooses before.
        Some(NotRefit::Stopped) | None => STOPPED,
    }
}

/// Why no ensemble is exported.
fn not_combined(finished: &Finished) -> &'static str {
    match finished.choice.not_combined {
        Some(NotCombined::NoTime) => "there was not enough time left to ask others",
        Some(NotCombined::NoOther) => "there is no other that could be asked",
        Some(NotCombined::Failed) => "others could not be asked",
        Some(NotCombined::NoBetter) => "no mean of several is better where it was scored, or not by much",
        Some(NotCombined::Stopped) | None => STOPPED,
    }
}

const STOPPED: &str = "the study was stopped";

/// Which nets answer together, and how well the single one does that would be exported otherwise.
fn together(ensemble: &Ensemble, metric: &Metric) -> String {
    let each = ensemble.members.iter().map(|member| format!("{} ({:.0} %)", member.candidate, member.share * 100.0));
    let each: Vec<String> = each.collect();
    let alone = ensemble.alone.get(metric.name).map_or_else(|| "unknown".to_owned(), |&value| report::number(value));
    format!(
        "best.onnx is the mean answer of {} networks, of candidates {}, chosen by the rows that they are scored on; a single one would have {} {alone}",
        each.len(),
        each.join(", "),
        metric.name
    )
}
