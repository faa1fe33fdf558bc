//! What is known of a study's progress, and the lines that say it.

use crate::{
    cli::quantity,
    report::number,
    study::{Candidate, Event, Outcome},
    train::metric::Metric,
};
use std::time::Duration;

/// Candidates that are evaluated before a rate is stated.
const LEAST_FOR_RATE: u64 = 2;

/// Progress of a study; a fold over its events.
#[derive(Debug, Default)]
pub(super) struct State {
    metric: Option<&'static Metric>,
    phase: String,
    before: u64,
    candidates: u64,
    failed: u64,
    paused: u64,
    limit: Option<u64>,
    budget: Option<f64>,
    elapsed_before: f64,
    best: Option<Best>,
    finalists: Option<(usize, usize)>,
}

#[derive(Debug)]
struct Best {
    value: f64,
    number: u64,
    from: String,
}

impl State {
    pub(super) fn set_metric(&mut self, metric: &'static Metric) {
        self.metric = Some(metric);
    }

    pub(super) fn set_phase(&mut self, name: &str) {
        name.clone_into(&mut self.phase);
    }

    /// Takes an event in.
    pub(super) fn take(&mut self, event: &Event<'_>) {
        match event {
            Event::Started { done, candidates, budget, elapsed, paused, best, .. } => {
                (self.before, self.limit, self.budget, self.elapsed_before) = (*done, *candidates, *budget, *elapsed);
                self.paused = *paused;
                self.best = best.and_then(|candidate| self.best_is(candidate));
                self.set_phase("searching");
            }
            Event::Warning(_) => {}
            Event::Candidate { candidate, best } => {
                self.candidates += 1;
                if candidate.proposal.continues.is_some() {
                    self.paused = self.paused.saturating_sub(1);
                }
                match &candidate.outcome {
                    Outcome::Scored { .. } if *best => self.best = self.best_is(candidate),
                    Outcome::Scored { .. } => {}
                    Outcome::Paused { .. } => self.paused += 1,
                    Outcome::Failed { .. } => self.failed += 1,
                }
            }
            Event::Finals { finals, done } => {
                self.finalists = Some((*done, finals.trainings().count()));
                self.set_phase("retraining the best");
            }
            Event::Finalist(_) => {
                if let Some((done, _)) = &mut self.finalists {
                    *done += 1;
                }
            }
            Event::Asking { nets } => self.set_phase(&format!("asking {nets} networks")),
            Event::Refitting { nets: 1 } => self.set_phase("training on all rows"),
            Event::Refitting { nets } => self.set_phase(&format!("training {nets} networks on all rows")),
            Event::Refit(_) => {}
            Event::Choice(_) => self.set_phase("exporting"),
        }
    }

    /// Phase, candidates, their rate and the time left, `seconds` after this session's search began.
    pub(super) fn status(&self, seconds: f64) -> String {
        let mut parts = vec![self.phase.clone()];
        let done = self.before + self.candidates;
        match (self.finalists, self.limit) {
            (Some((done, all)), _) => parts.push(format!("{done} of {all} trainings")),
            (None, Some(limit)) => parts.push(format!("{done} of {limit} candidates")),
            (None, None) => parts.push(format!("{done} candidates")),
        }
        if self.finalists.is_none() && self.candidates >= LEAST_FOR_RATE && seconds > 0.0 {
            parts.push(format!("{} a minute", three_digits(self.candidates as f64 / seconds * 60.0)));
        }
        if self.paused > 0 {
            parts.push(format!("{} paused", self.paused));
        }
        if self.failed > 0 {
            parts.push(format!("{} failed", self.failed));
        }
        if let Some(left) = self.seconds_left(seconds) {
            parts.push(format!("{} left", quantity::in_words(Duration::from_secs_f64(left.max(0.0)))));
        }
        parts.join(" · ")
    }

    /// The best so far and where it came from.
    pub(super) fn best(&self) -> Option<String> {
        let (best, metric) = (self.best.as_ref()?, self.metric?);
        Some(format!("{} {} · candidate {} · {}", metric.name, number(best.value), best.number, best.from))
    }

    fn best_is(&self, candidate: &Candidate) -> Option<Best> {
        let Outcome::Scored { scores, .. } = &candidate.outcome else { return None };
        let value = self.metric.and_then(|metric| scores.get(metric.name)).copied()?;
        Some(Best { value, number: candidate.number, from: origin_words(candidate) })
    }

    fn seconds_left(&self, seconds: f64) -> Option<f64> {
        match (self.budget, self.limit) {
            (Some(budget), _) => Some(budget - self.elapsed_before - seconds),
            (None, Some(limit)) if self.finalists.is_none() && self.candidates >= LEAST_FOR_RATE => {
                let left = limit.saturating_sub(self.before + self.candidates);
                Some(seconds / self.candidates as f64 * left as f64)
            }
            _ => None,
        }
    }
}

/// Arm and edits of a candidate: `evsm: widen blocks.0 64 → 96`.
pub(super) fn origin_words(candidate: &Candidate) -> String {
    let origin = &candidate.proposal.origin;
    if origin.edits.is_empty() { origin.arm.clone() } else { format!("{}: {}", origin.arm, origin.edits.join(", ")) }
}

fn three_digits(value: f64) -> String {
    if value >= 99.95 { format!("{value:.0}") } else { format!("{value:.1}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::synthetic;
    use crate::search::Continuation;
    use crate::study::Record;
    use crate::train::metric::default_for;

    fn started(state: &mut State, limit: Option<u64>, budget: Option<f64>, paused: u64, best: Option<&Candidate>) {
        state.set_metric(default_for(crate::data::TaskKind::Binary));
        let (done, elapsed, examples) = (10, 20.0, 1000);
        state.take(&Event::Started { done, candidates: limit, budget, elapsed, examples, paused, best });
    }

    fn searching(limit: Option<u64>, budget: Option<f64>) -> State {
        let mut state = State::default();
        started(&mut state, limit, budget, 0, None);
        state
    }

    fn candidates() -> Vec<Candidate> {
        let candidate = |record| if let Record::Candidate(candidate) = record { Some(*candidate) } else { None };
        synthetic::study().records.into_iter().filter_map(candidate).collect()
    }

    fn feed(state: &mut State, count: usize) {
        for (index, candidate) in candidates().iter().take(count).enumerate() {
            state.take(&Event::Candidate { candidate, best: index == 0 });
        }
    }

    #[test]
    fn the_rate_and_the_time_left_follow_the_clock() {
        let mut state = searching(None, Some(600.0));
        assert_eq!(state.status(5.0), "searching · 10 candidates · 9m35s left");
        feed(&mut state, 4);
        assert_eq!(state.status(60.0), "searching · 14 candidates · 4.0 a minute · 8m40s left");
    }

    #[test]
    fn without_a_budget_the_rate_tells_the_time_left() {
        let mut state = searching(Some(18), None);
        assert_eq!(state.status(1.0), "searching · 10 of 18 candidates");
        feed(&mut state, 4);
        assert_eq!(state.status(60.0), "searching · 14 of 18 candidates · 4.0 a minute · 1m00s left");
    }

    #[test]
    fn what_earlier_sessions_paused_and_found_is_known() {
        let mut state = State::default();
        let mut candidate = candidates().remove(3);
        started(&mut state, None, None, 2, Some(&candidate));
        assert_eq!(state.status(1.0), "searching · 10 candidates · 2 paused");
        assert!(state.best().unwrap().contains("candidate 3 · birth"));
        candidate.proposal.continues = Some(Continuation { candidate: 1, from: 0.125 });
        state.take(&Event::Candidate { candidate: &candidate, best: false });
        assert_eq!(state.status(1.0), "searching · 11 candidates · 1 paused");
    }

    #[test]
    fn the_best_names_its_origin() {
        let mut state = searching(None, None);
        assert_eq!(state.best(), None);
        feed(&mut state, 2);
        let best = state.best().unwrap();
        assert!(best.starts_with("accuracy 0.") && best.contains("candidate 0 · birth"), "{best}");
    }
}
