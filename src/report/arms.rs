//! What each arm of the strategy contributed, as a fold over the candidates of a search.

use super::lineage::begun;
use crate::study::{Candidate, Outcome};
use serde::Serialize;
use std::collections::BTreeMap;

/// What an arm contributed to a search.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Contribution {
    /// Name of the arm.
    pub arm: String,
    /// Its candidates; one that was paused and went on is one.
    pub candidates: u64,
    /// Those of them that failed.
    pub failed: u64,
    /// Training examples that they consumed.
    pub examples: u64,
    /// These as a share of what all candidates consumed.
    pub share: f64,
    /// Times that one of them was better than all candidates before it.
    pub improvements: u64,
    /// By how much in all, in units of the study's metric.
    pub gain: f64,
    /// The gain divided by the share: what a search had gained that spent everything at this rate.
    pub gain_per_share: f64,
}

/// Contributions of the arms, in the order of their first candidates.
///
/// Candidates are taken in the order of their numbers, so that the number of workers changes nothing. What went on after a
/// pause is credited to the arm that made it. The first that was scored is no improvement: there was nothing to be better
/// than. Nor is one above a cap, whatever its score.
pub fn contributions<'a>(candidates: impl IntoIterator<Item = &'a Candidate>) -> Vec<Contribution> {
    let candidates: BTreeMap<u64, &Candidate> = candidates.into_iter().map(|c| (c.number, c)).collect();
    let mut arms: Vec<Contribution> = Vec::new();
    let mut best: Option<f64> = None;
    for &candidate in candidates.values() {
        let name = &begun(candidate, &candidates).proposal.origin.arm;
        let at = arms.iter().position(|arm| arm.arm == *name).unwrap_or_else(|| {
            arms.push(Contribution::none(name));
            arms.len() - 1
        });
        let arm = &mut arms[at];
        arm.candidates += u64::from(candidate.proposal.continues.is_none());
        arm.examples += candidate.outcome.costs().examples;
        arm.failed += u64::from(matches!(candidate.outcome, Outcome::Failed { .. }));
        match (candidate.outcome.feasible_score(), best) {
            (None, _) => {}
            (Some(score), None) => best = Some(score),
            (Some(score), Some(before)) if score > before => {
                arm.improvements += 1;
                arm.gain += score - before;
                best = Some(score);
            }
            (Some(_), Some(_)) => {}
        }
    }
    let all: u64 = arms.iter().map(|arm| arm.examples).sum();
    for arm in &mut arms {
        arm.share = arm.examples as f64 / all.max(1) as f64;
        arm.gain_per_share = if arm.examples > 0 { arm.gain / arm.share } else { 0.0 };
    }
    arms
}

impl Contribution {
    fn none(arm: &str) -> Self {
        Contribution {
            arm: arm.to_owned(),
            candidates: 0,
            failed: 0,
            examples: 0,
            share: 0.0,
            improvements: 0,
            gain: 0.0,
            gain_per_share: 0.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::synthetic;
    use crate::study::{Failure, Record};

    /// Candidates of these arms with these scores and examples; without a score they failed.
    fn candidates(made: &[(&str, Option<f64>, u64)]) -> Vec<Candidate> {
        let Record::Candidate(model) = &synthetic::study().records[0] else { panic!("a candidate") };
        let candidate = |(number, &(arm, score, examples)): (u64, &(&str, Option<f64>, u64))| {
            let mut candidate = Candidate { number, ..(**model).clone() };
            candidate.proposal.origin.arm = arm.to_owned();
            if let Outcome::Scored { score: own, costs, .. } = &mut candidate.outcome {
                (*own, costs.examples) = (score.unwrap_or(0.0), examples);
            }
            if score.is_none() {
                let costs = *candidate.outcome.costs();
                candidate.outcome = Outcome::Failed { kind: Failure::Diverged, message: String::new(), costs };
            }
            candidate
        };
        (0..).zip(made).map(candidate).collect()
    }

    #[test]
    fn contributions_by_hand() {
        let mut all = candidates(&[
            ("seed", None, 0),
            ("seed", Some(0.5), 100),
            ("seed", Some(0.75), 100),
            ("evsm", Some(0.625), 100),
            ("evsm", Some(0.875), 50),
            ("birth", Some(0.875), 50),
        ]);
        all.reverse();
        let arms = contributions(&all);
        let told: Vec<_> = arms
            .iter()
            .map(|a| (&a.arm[..], a.candidates, a.failed, a.share, a.improvements, a.gain, a.gain_per_share))
            .collect();
        assert_eq!(
            told,
            [
                ("seed", 3, 1, 0.5, 1, 0.25, 0.5),
                ("evsm", 2, 0, 0.375, 1, 0.125, 0.125 / 0.375),
                ("birth", 1, 0, 0.125, 0, 0.0, 0.0)
            ]
        );
    }

    #[test]
    fn what_is_above_a_cap_is_no_improvement_and_makes_none_harder() {
        let mut all = candidates(&[("seed", Some(0.5), 100), ("birth", Some(0.95), 100), ("evsm", Some(0.75), 200)]);
        if let Outcome::Scored { violation, .. } = &mut all[1].outcome {
            *violation = 0.1;
        }
        let told: Vec<_> = contributions(&all).into_iter().map(|a| (a.arm, a.failed, a.improvements, a.gain)).collect();
        let none = |arm: &str| (arm.to_owned(), 0, 0, 0.0);
        assert_eq!(told, [none("seed"), none("birth"), ("evsm".to_owned(), 0, 1, 0.25)]);
    }

    #[test]
    fn what_went_on_after_a_pause_is_credited_to_the_arm_that_made_it() {
        let arms = contributions(&synthetic::continued());
        let told: Vec<_> = arms.iter().map(|a| (&a.arm[..], a.candidates, a.failed, a.examples, a.gain)).collect();
        assert_eq!(told, [("birth", 1, 0, 100, 0.0), ("evsm", 1, 0, 300, 0.25), ("mutation", 1, 0, 100, 0.125)]);
    }

    #[test]
    fn nothing_adds_up_to_nothing() {
        assert!(contributions(&[]).is_empty());
        let arms = contributions(&candidates(&[("seed", None, 0)]));
        assert_eq!((arms[0].share, arms[0].gain_per_share), (0.0, 0.0));
    }
}
