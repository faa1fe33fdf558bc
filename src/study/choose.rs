//! Choosing what is exported, of all that was trained.

use super::front::State;
use super::{Choice, Finals, Outcome, Resources, Study, StudyError, standard_error};
use crate::train::metric::Metric;

impl Study {
    /// The best of all that could be exported, with the front where there are several objectives. Of a cross-validation,
    /// what went on from inherited weights is not chosen where it is to be trained again on all rows, since that would be
    /// another training. Of several executions the best is exported.
    pub(super) fn choose(
        &self,
        finals: &Finals,
        interrupted: bool,
        resources: &Resources<'_>,
    ) -> Result<Choice, StudyError> {
        let metric = self.metric(resources)?;
        let error = |score: f64, outcome: &Outcome| self.standard_error(metric, score, outcome, resources);
        if !self.settings.search.minimize.is_empty() {
            return self.choose_front(finals, &error).ok_or_else(|| self.nothing_trained());
        }
        let again = !interrupted && !resources.dataset.folds.is_empty();
        let states = self.states(finals).filter(|state| !again || !self.has_inherited(state));
        let Some(best) = State::best(states, &error) else {
            // Where every finalist failed, what inherited weights is better than nothing.
            return if again { self.choose(finals, true, resources) } else { Err(self.nothing_trained()) };
        };
        let choice = best.choice(finals.after, vec![]).ok_or_else(|| self.nothing_trained())?;
        Ok(if resources.dataset.folds.is_empty() { best_execution(choice, best.outcome()) } else { choice })
    }

    /// Of a score: from the spread between folds, or by what the metric varies over as many rows.
    pub(super) fn standard_error(&self, metric: &Metric, score: f64, outcome: &Outcome, resources: &Resources<'_>) -> f64 {
        match self.settings.data.cross_validation {
            Some(cut) => standard_error(outcome.trainings(), cut.folds),
            None => {
                let value = if metric.higher_is_better { score } else { -score };
                metric.standard_error(value, resources.dataset.validation.targets.len())
            }
        }
    }
}

/// The choice of the best of several executions, with its own metrics.
fn best_execution(choice: Choice, outcome: &Outcome) -> Choice {
    let mut best: Option<(f64, usize)> = None;
    for (training, score) in outcome.trainings().iter().enumerate().filter_map(|(i, t)| Some((i, t.score?))) {
        if best.is_none_or(|(most, _)| score > most) {
            best = Some((score, training));
        }
    }
    match best {
        Some((_, training)) => Choice { training, scores: outcome.trainings()[training].scores.clone(), ..choice },
        None => choice,
    }
}
