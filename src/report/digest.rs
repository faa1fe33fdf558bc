//! The fold over the journal that all sections share.

use super::{Contribution, Input, contributions, importance};
use crate::search::model::Importance;
use crate::study::{Candidate, Choice, Failure, Finalist, Outcome, Record, Refit};
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

/// A candidate in a lineage.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Number.
    pub number: u64,
    /// Arm that made it.
    pub arm: String,
    /// Edits in words.
    pub edits: Vec<String>,
    /// First parent, where it has one.
    pub parent: Option<u64>,
    /// Whether its training went on from that parent's weights.
    pub inherits: bool,
    /// The study's metric.
    pub value: Option<f64>,
    /// That less the value of the parent, where both have one.
    pub gain: Option<f64>,
    /// Whether it was paused, and has no value for that reason.
    pub paused: bool,
    /// Parameters.
    pub parameters: u64,
}

impl Digest {
    /// Folds the journal of a study.
    pub fn of(input: &Input) -> Digest {
        let mut digest = Digest::default();
        let mut candidates: BTreeMap<u64, &Candidate> = BTreeMap::new();
        let mut best: Option<f64> = None;
        for record in &input.records {
            match record {
                Record::Candidate(candidate) => {
                    digest.take_candidate(candidate, input, &mut best);
                    candidates.insert(candidate.number, candidate);
                }
                Record::Finalist(finalist) => digest.take_finalist(finalist),
                Record::Refit(refit) => digest.take_refit(refit),
                Record::Choice(choice) => digest.choice = Some(choice.clone()),
                Record::Finals(_) => {}
            }
        }
        if let Some(choice) = &digest.choice {
            digest.value = choice.scores.get(input.metric.name).copied();
            if let Some(candidate) = candidates.get(&choice.candidate) {
                let costs = candidate.outcome.costs();
                (digest.parameters, digest.macs) = (costs.parameters, costs.macs);
            }
            digest.lineage = lineage(choice.candidate, &candidates, input);
        }
        digest.contributions = contributions(candidates.values().copied());
        digest.importance = importance(candidates.values().copied());
        digest
    }

    fn take_candidate(&mut self, candidate: &Candidate, input: &Input, best: &mut Option<f64>) {
        self.candidates += 1;
        if candidate.proposal.continues.is_some() {
            self.paused = self.paused.saturating_sub(1);
        }
        self.seconds = self.seconds.max(candidate.timing.ended());
        self.examples += candidate.outcome.costs().examples;
        let name = &candidate.proposal.origin.arm;
        let arm = self.arms.iter().position(|arm| arm == name).unwrap_or_else(|| {
            self.arms.push(name.clone());
            self.arms.len() - 1
        });
        match &candidate.outcome {
            Outcome::Failed { kind, message, .. } => match self.failures.iter_mut().find(|(k, ..)| k == kind) {
                Some((_, count, _)) => *count += 1,
                None => self.failures.push((*kind, 1, message.clone())),
            },
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

    fn take_finalist(&mut self, finalist: &Finalist) {
        self.seconds = self.seconds.max(finalist.timing.ended());
        self.examples += finalist.outcome.costs().examples;
    }

    fn take_refit(&mut self, refit: &Refit) {
        self.seconds = self.seconds.max(refit.timing.ended());
        self.examples += refit.outcome.costs().examples;
    }
}

fn value(candidate: &Candidate, input: &Input) -> Option<f64> {
    match &candidate.outcome {
        Outcome::Scored { scores, .. } => scores.get(input.metric.name).copied(),
        Outcome::Paused { .. } | Outcome::Failed { .. } => None,
    }
}

/// First parents back to one without.
fn lineage(number: u64, candidates: &BTreeMap<u64, &Candidate>, input: &Input) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut next = candidates.get(&number);
    while let Some(candidate) = next {
        let origin = &candidate.proposal.origin;
        // Parents are older; a journal that says otherwise must not lead in circles.
        next = origin.parents.first().filter(|parent| **parent < candidate.number).and_then(|p| candidates.get(p));
        let (own, before) = (value(candidate, input), next.and_then(|parent| value(parent, input)));
        steps.push(Step {
            number: candidate.number,
            arm: origin.arm.clone(),
            edits: origin.edits.clone(),
            parent: next.map(|parent| parent.number),
            inherits: candidate.proposal.inherit.is_some(),
            value: own,
            gain: own.zip(before).map(|(own, before)| own - before),
            paused: candidate.outcome.checkpoint().is_some(),
            parameters: candidate.outcome.costs().parameters,
        });
    }
    steps.reverse();
    steps
}
