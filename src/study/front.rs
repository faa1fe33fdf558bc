//! What could be exported, and of it the best or the front.

use super::{Candidate, Choice, EnsembleMember, Finalist, Finals, FrontMember, Objective, Outcome, Study};
use crate::search::{Front, dominance::Point, hypervolume};
use std::collections::BTreeMap;

/// The standard error of a score, given what became of the training.
pub(super) type StandardError<'e> = dyn Fn(f64, &Outcome) -> f64 + 'e;

/// A trained net that could be exported.
#[derive(Debug, Clone, Copy)]
pub(super) struct State<'a> {
    candidate: u64,
    /// Which training of its finals it comes from; `None` where the search trained it.
    finalist: Option<u64>,
    outcome: &'a Outcome,
}

impl<'a> State<'a> {
    /// One as the search left it.
    pub(super) fn searched(candidate: &'a Candidate) -> Self {
        State { candidate: candidate.number, finalist: None, outcome: &candidate.outcome }
    }

    /// Its part in an ensemble; `None` where it has no weights.
    pub(super) fn in_ensemble(&self, share: f64) -> Option<EnsembleMember> {
        let State { candidate, finalist, .. } = *self;
        let weights = self.outcome.weights()?.to_owned();
        Some(EnsembleMember { candidate, finalist, weights, refit: None, not_refit: None, share })
    }

    /// Its candidate.
    pub(super) fn candidate(&self) -> u64 {
        self.candidate
    }

    /// What became of its training.
    pub(super) fn outcome(&self) -> &'a Outcome {
        self.outcome
    }

    /// Whether it is better where it was scored; of states that violate caps the one that does so less. One as the search
    /// left it is better than a finalist only by more than a standard error: its score is the best of many on the same
    /// rows, and so in part luck. Of equal ones that is better which is surer of what is right.
    fn beats(&self, other: &State<'_>, error: &StandardError<'_>) -> bool {
        let (Some(mine), Some(theirs)) = (self.outcome.score(), other.outcome.score()) else { return false };
        let (violation, others) = (self.outcome.violation(), other.outcome.violation());
        if violation != others {
            return violation < others;
        }
        let margin = match (other.finalist, self.finalist) {
            (Some(_), None) => error(theirs, other.outcome),
            _ => 0.0,
        };
        mine > theirs + margin || (mine == theirs && margin == 0.0 && self.log_loss() < other.log_loss())
    }

    /// What tells classifiers apart that are right as often.
    fn log_loss(&self) -> f64 {
        self.outcome.log_loss().unwrap_or(f64::INFINITY)
    }

    /// The best of several.
    pub(super) fn best(states: impl IntoIterator<Item = State<'a>>, error: &StandardError<'_>) -> Option<State<'a>> {
        let mut best: Option<State<'a>> = None;
        for state in states.into_iter().filter(|state| state.outcome.score().is_some()) {
            if best.is_none_or(|best| state.beats(&best, error)) {
                best = Some(state);
            }
        }
        best
    }

    /// The choice of it; `None` where it has no result.
    pub(super) fn choice(&self, after: u64, front: Vec<FrontMember>) -> Option<Choice> {
        let Outcome::Scored { scores, weights, violation, .. } = self.outcome else { return None };
        let State { candidate, finalist, .. } = *self;
        Some(Choice {
            after,
            candidate,
            finalist,
            scores: scores.clone(),
            weights: weights.clone(),
            training: 0,
            refit: None,
            not_refit: None,
            ensemble: None,
            not_combined: None,
            violation: *violation,
            front,
            interrupted: false,
        })
    }

    fn member(&self) -> Option<FrontMember> {
        let Outcome::Scored { scores, weights, objectives, .. } = self.outcome else { return None };
        Some(FrontMember {
            candidate: self.candidate,
            finalist: self.finalist,
            scores: scores.clone(),
            objectives: objectives.clone(),
            weights: weights.clone(),
        })
    }

    /// The metric and the objectives as costs.
    fn point(&self, minimize: &[Objective]) -> Option<Point> {
        let cost = |objective: &Objective| self.outcome.objective(objective.entry().name);
        let costs: Vec<f64> = minimize.iter().filter_map(cost).collect();
        let costs = std::iter::once(-self.outcome.score()?).chain(costs).collect();
        Some(Point { costs, violation: self.outcome.violation() })
    }
}

impl Study {
    /// All finalists at full length, those of earlier finals included, then those of these finals as the search left them.
    pub(super) fn states<'a>(&'a self, finals: &'a Finals) -> impl Iterator<Item = State<'a>> {
        let mut trained: Vec<&Finalist> = self.finalists.iter().collect();
        // The journal has them in the order in which they ended, which depends on the workers.
        trained.sort_by_key(|finalist| (finalist.after, finalist.rank));
        let trained =
            trained.into_iter().map(|f| State { candidate: f.candidate, finalist: Some(f.rank), outcome: &f.outcome });
        let searched = finals.entries.iter().filter_map(|entry| self.candidates.get(&entry.candidate));
        trained.chain(searched.map(State::searched))
    }

    /// Whether a state is that of a search that went on from inherited weights.
    pub(super) fn has_inherited(&self, state: &State<'_>) -> bool {
        let inherits = |candidate: &Candidate| self.inherits(candidate);
        state.finalist.is_none() && self.candidates.get(&state.candidate).is_some_and(inherits)
    }

    /// The best state of each candidate that no other candidate's dominates, at most as many as there are finalists; the
    /// choice is the one that is best by the metric. `None` where nothing was trained.
    pub(super) fn choose_front(&self, finals: &Finals, error: &StandardError<'_>) -> Option<Choice> {
        let minimize = &self.settings.search.minimize;
        let mut states: BTreeMap<u64, Vec<State<'_>>> = BTreeMap::new();
        for state in self.states(finals) {
            states.entry(state.candidate).or_default().push(state);
        }
        let best = states.into_iter().filter_map(|(number, states)| Some((number, State::best(states, error)?)));
        let best: BTreeMap<u64, State<'_>> = best.collect();
        let mut front = Front::new(usize::MAX);
        for (&number, state) in &best {
            state.point(minimize).into_iter().for_each(|point| front.insert(number, point));
        }
        let picked = front.spread(self.settings.training.finalists);
        let members: Vec<FrontMember> = picked.iter().filter_map(|number| best.get(number)?.member()).collect();
        best.get(picked.first()?)?.choice(finals.after, members)
    }
}

/// Share of the space between an ideal point and a reference point that a front dominates: its hypervolume where each value
/// is scaled to 0 at `ideal` and 1 at `reference`, which may lie on either side. Members beyond the reference add nothing.
/// `None` where both are equal in some value.
pub fn volume_share(front: &[Vec<f64>], ideal: &[f64], reference: &[f64]) -> Option<f64> {
    if ideal.iter().zip(reference).any(|(ideal, reference)| ideal == reference) {
        return None;
    }
    let scaled = |point: &Vec<f64>| -> Vec<f64> {
        let scale = ideal.iter().zip(reference);
        point.iter().zip(scale).map(|(value, (ideal, reference))| ((value - ideal) / (reference - ideal)).max(0.0)).collect()
    };
    Some(hypervolume(&front.iter().map(scaled).collect::<Vec<_>>(), &vec![1.0; ideal.len()]))
}

#[cfg(test)]
mod tests {
    use super::volume_share;

    #[test]
    fn the_volume_is_a_share_whatever_the_direction() {
        // Accuracy from 0.5 to the ideal 1, parameters from 1000 to the ideal 0.
        let share = |front: &[Vec<f64>]| volume_share(front, &[1.0, 0.0], &[0.5, 1000.0]);
        assert_eq!(share(&[vec![1.0, 0.0]]), Some(1.0));
        assert_eq!(share(&[vec![0.75, 500.0]]), Some(0.25));
        assert_eq!(share(&[vec![0.75, 500.0], vec![1.0, 750.0]]), Some(0.375));
        assert_eq!(share(&[vec![0.4, 10.0], vec![0.9, 1000.0]]), Some(0.0));
        assert_eq!(volume_share(&[vec![1.0, 0.0]], &[1.0, 0.0], &[1.0, 7.0]), None);
    }
}
