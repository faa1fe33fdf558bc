//! How a candidate came about, edit by edit.

use crate::study::Candidate;
use std::collections::BTreeMap;

/// A candidate in a lineage.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Number; of a candidate that was paused on its way, that under which it ended.
    pub number: u64,
    /// Arm that made it.
    pub arm: String,
    /// Edits in words.
    pub edits: Vec<String>,
    /// First parent, where it has one.
    pub parent: Option<u64>,
    /// Whether its training went on from that parent's weights.
    pub inherits: bool,
    /// What it is worth.
    pub value: Option<f64>,
    /// That less the value of the parent, where both have one.
    pub gain: Option<f64>,
    /// Whether it was paused, and has no value for that reason.
    pub paused: bool,
    /// Parameters.
    pub parameters: u64,
}

/// The candidate as which the training of a candidate began: itself, where it was not paused on its way. That one tells how
/// the genome came about; where it went on it is the same genome under another number.
pub fn begun<'a>(candidate: &'a Candidate, candidates: &BTreeMap<u64, &'a Candidate>) -> &'a Candidate {
    candidate.course(|number| candidates.get(&number).copied()).last().unwrap_or(candidate)
}

/// A candidate and its first parents back to one without, the oldest first; `value` tells what a candidate is worth.
pub fn lineage(
    last: &Candidate,
    candidates: &BTreeMap<u64, &Candidate>,
    value: impl Fn(&Candidate) -> Option<f64>,
) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut next = candidates.get(&last.number).copied();
    while let Some(candidate) = next {
        let begun = begun(candidate, candidates);
        let origin = &begun.proposal.origin;
        // Parents are older; a journal that says otherwise must not lead in circles.
        let parent = origin.parents.first().filter(|parent| **parent < begun.number);
        next = parent.and_then(|parent| candidates.get(parent)).copied();
        let (own, before) = (value(candidate), next.and_then(&value));
        steps.push(Step {
            number: candidate.number,
            arm: origin.arm.clone(),
            edits: origin.edits.clone(),
            parent: next.map(|parent| parent.number),
            inherits: begun.proposal.inherit.is_some(),
            value: own,
            gain: own.zip(before).map(|(own, before)| own - before),
            paused: candidate.outcome.checkpoint().is_some(),
            parameters: candidate.outcome.costs().parameters,
        });
    }
    steps.reverse();
    steps
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::synthetic;
    use crate::study::Outcome;

    #[test]
    fn what_was_paused_and_went_on_is_one_step_with_the_gain_of_its_edits() {
        let candidates = synthetic::continued();
        let by_number: BTreeMap<u64, &Candidate> = candidates.iter().map(|c| (c.number, c)).collect();
        let steps = lineage(&candidates[4], &by_number, |candidate| candidate.outcome.score());
        let told: Vec<_> = steps.iter().map(|s| (s.number, &s.arm[..], s.edits.len(), s.parent, s.value, s.gain)).collect();
        assert_eq!(
            told,
            [
                (0, "birth", 0, None, Some(0.5), None),
                (3, "evsm", 1, Some(0), Some(0.75), Some(0.25)),
                (4, "mutation", 1, Some(3), Some(0.875), Some(0.125)),
            ]
        );
        assert!(steps.iter().all(|step| !step.paused));
        let paused = lineage(&candidates[1], &by_number, |candidate| candidate.outcome.score());
        assert!(paused[1].paused && paused[1].arm == "evsm" && matches!(candidates[1].outcome, Outcome::Paused { .. }));
    }
}
