//! The fold over the journal that all sections share.

use super::{Contribution, Input, Step, contributions, importance, lineage::begun, lineage::lineage};
use crate::search::model::Importance;
use crate::study::{Candidate, Choice, Failure, Outcome, Record, Timing};
use std::collections::BTreeMap;

/// What the journal adds up to.
#[derive(Debug, Clone, Default)]
pub struct Digest {
    /// Scored candidates in the order in which they ended.
    pub points: Vec<Point>,
    /// Names of the arms in the order of their first candidate.
    pub arms: Vec<String>,
    /// Failures of each kind, with the first message.
    pub failures: Vec<(Failure, u64, String)>,
    /// Those among [`Digest::trainings`] that had smaller batches than the genomes say.
    pub smaller_batches: u64,
    /// Candidates, finalists and trainings on all rows that did not fail.
    pub trainings: u64,
    /// The exported candidate and its ancestors, the oldest first.
    pub lineage: Vec<Step>,
    /// What each arm contributed.
    pub contributions: Vec<Contribution>,
    /// Which genes mattered; `None` where there are too few candidates to tell.
    pub importance: Option<Importance>,
    /// Candidates evaluated.
    pub candidates: u64,
    /// Those among them that were paused and did not go on.
    pub paused: u64,
    /// Seconds until the last candidate or finalist ended.
    pub seconds: f64,
    /// Training examples consumed by candidates, finalists and a training on all rows.
    pub examples: u64,
    /// The study's metric of the exported net.
    pub value: Option<f64>,
    /// Parameters and multiply-accumulates of the exported net.
    pub parameters: u64,
    /// Multiply-accumulates for a row.
    pub macs: u64,
    /// What was chosen.
    pub choice: Option<Choice>,
}

/// A scored candidate.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// Number.
    pub number: u64,
    /// Index of its arm in [`Digest::arms`].
    pub arm: usize,
    /// The study's metric.
    pub value: f64,
    /// Parameters.
    pub parameters: u64,
    /// Seconds of the study at which it ended.
    pub seconds: f64,
    /// Whether it was the best until then.
    pub best: bool,
}

impl Digest {
    /// Folds the journal of a study.
    pub fn of(input: &Input) -> Digest {
        let mut digest = Digest::default();
        let numbered = input.records.iter().filter_map(|record| match record {
            Record::Candidate(candidate) => Some((candidate.number, &**candidate)),
            _ => None,
        });
        let candidates: BTreeMap<u64, &Candidate> = numbered.collect();
        digest.take_names(&candidates);
        let mut best: Option<f64> = None;
        for record in &input.records {
            match record {
                Record::Candidate(candidate) => {
                    digest.take_candidate(candidate, begun(candidate, &candidates), input, &mut best);
                }
                Record::Finalist(finalist) => digest.take_training(&finalist.outcome, &finalist.timing),
                Record::Refit(refit) => digest.take_training(&refit.outcome, &refit.timing),
                Record::Choice(choice) => digest.choice = Some(choice.clone()),
                Record::Finals(_) => {}
            }
        }
        if let Some(choice) = &digest.choice {
            digest.value = choice.scores.get(input.metric.name).copied();
            for costs in choice.candidates().iter().filter_map(|number| Some(candidates.get(number)?.outcome.costs())) {
                digest.parameters += costs.parameters;
                digest.macs += costs.macs;
            }
            if let Some(candidate) = candidates.get(&choice.candidate) {
                digest.lineage = lineage(candidate, &candidates, |candidate| value(candidate, input));
            }
        }
        digest.contributions = contributions(candidates.values().copied());
        digest.importance = importance(candidates.values().copied());
        digest
    }

    /// Takes in arms and failures in the order of the candidates' numbers: that of their ends may be another with other
    /// workers.
    fn take_names(&mut self, candidates: &BTreeMap<u64, &Candidate>) {
        for &candidate in candidates.values() {
            let arm = &begun(candidate, candidates).proposal.origin.arm;
            if !self.arms.contains(arm) {
                self.arms.push(arm.clone());
            }
            let Outcome::Failed { kind, message, .. } = &candidate.outcome else { continue };
            match self.failures.iter_mut().find(|(k, ..)| k == kind) {
                Some((_, count, _)) => *count += 1,
                None => self.failures.push((*kind, 1, message.clone())),
            }
        }
    }

    /// Takes in a candidate that began as another, where it was paused on its way.
    fn take_candidate(&mut self, candidate: &Candidate, begun: &Candidate, input: &Input, best: &mut Option<f64>) {
        self.candidates += 1;
        if candidate.proposal.continues.is_some() {
            self.paused = self.paused.saturating_sub(1);
        }
        self.take_training(&candidate.outcome, &candidate.timing);
        let name = &begun.proposal.origin.arm;
        let arm = self.arms.iter().position(|arm| arm == name).unwrap_or_default();
        match &candidate.outcome {
            Outcome::Failed { .. } => {}
            Outcome::Paused { .. } => self.paused += 1,
            Outcome::Scored { score, costs, violation, .. } => {
                let gain = *violation == 0.0 && best.is_none_or(|best| *score > best);
                if gain {
                    *best = Some(*score);
                }
                if let Some(value) = value(candidate, input) {
                    self.points.push(Point {
                        number: candidate.number,
                        arm,
                        value,
                        parameters: costs.parameters,
                        seconds: candidate.timing.ended(),
                        best: gain,
                    });
                }
            }
        }
    }

    /// Takes in what a training of a candidate, of a finalist or on all rows took.
    fn take_training(&mut self, outcome: &Outcome, timing: &Timing) {
        self.seconds = self.seconds.max(timing.ended());
        self.examples += outcome.costs().examples;
        let is_trained = !matches!(outcome, Outcome::Failed { .. });
        self.trainings += u64::from(is_trained);
        self.smaller_batches += u64::from(is_trained && timing.batch.is_some());
    }
}

fn value(candidate: &Candidate, input: &Input) -> Option<f64> {
    match &candidate.outcome {
        Outcome::Scored { scores, .. } => scores.get(input.metric.name).copied(),
        Outcome::Paused { .. } | Outcome::Failed { .. } => None,
    }
}
