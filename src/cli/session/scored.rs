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
    let (training, choice) = (&study.settings().training, &finished.choice);
    if study.settings().data.cross_validation.is_some() {
        return Some(match finished.refit {
            true => "best.onnx is of the same genome, trained on all rows".into(),
            false => format!(
                "best.onnx is the net scored on fold {}, which was not trained on its rows: {}",
                finished.fold + 1,
                not_refit(choice.not_refit)
            ),
        });
    }
    let is_single = choice.ensemble.is_none() && training.ensemble > 1;
    let nets = match &choice.ensemble {
        Some(ensemble) => Some(together(ensemble, metric)),
        None if is_single => Some(format!("best.onnx is a single network: {}", not_combined(finished))),
        None if training.executions > 1 && !study.refits() => {
            Some(format!("best.onnx is the best of {} executions", training.executions))
        }
        None => None,
    };
    let what = if is_single { "it" } else { "best.onnx" };
    let rows = study.refits().then(|| match &choice.ensemble {
        Some(ensemble) => rows_together(ensemble),
        None if finished.refit => {
            format!("{what} was trained once more on all rows, those included that the net was scored on before")
        }
        None => format!("{what} was not trained on the validation part: {}", not_refit(choice.not_refit)),
    });
    let both: Vec<String> = nets.into_iter().chain(rows).collect();
    (!both.is_empty()).then(|| both.join("; "))
}

/// Which rows the nets of an ensemble were trained on in the end.
fn rows_together(ensemble: &Ensemble) -> String {
    let members = || (1..).zip(&ensemble.members);
    let without = members().filter(|(_, member)| member.refit.is_none());
    let without: Vec<String> =
        without.map(|(number, member)| format!("net_{number} ({})", not_refit(member.not_refit))).collect();
    let each = match without.len() {
        0 => "each of the networks".to_owned(),
        count if count == ensemble.members.len() => {
            return format!("none of the networks was trained on the validation part: {}", without.join(", "));
        }
        _ => format!("each of the networks but {}", without.join(", ")),
    };
    format!("{each} was trained once more on all rows, those included that it was scored on before")
}

/// Why no net that was trained on all rows is exported.
fn not_refit(reason: Option<NotRefit>) -> &'static str {
    match reason {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::study::EnsembleMember;

    #[test]
    fn which_networks_were_trained_on_all_rows_is_told() {
        let words = |refit: [Option<NotRefit>; 3]| {
            let member = |not_refit: Option<NotRefit>| EnsembleMember {
                candidate: 3,
                finalist: None,
                weights: "scored".into(),
                refit: not_refit.is_none().then(|| "refit".into()),
                not_refit,
                share: 1.0 / 3.0,
            };
            rows_together(&Ensemble { members: refit.map(member).to_vec(), alone: crate::train::Scores::new() })
        };
        let (no_time, worse) = (Some(NotRefit::NoTime), Some(NotRefit::Worse));
        assert!(words([None; 3]).starts_with("each of the networks was trained once more on all rows"));
        let one = words([None, worse, None]);
        assert!(one.starts_with("each of the networks but net_2 (trained on all rows it did not become as good)"), "{one}");
        let none = words([no_time; 3]);
        assert!(none.starts_with("none of the networks was trained on the validation part: net_1 (there"), "{none}");
    }
}
