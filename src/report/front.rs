//! The front of a study with several objectives, as the report tells it.

use super::Input;
use crate::study::{Objective, Objectives, Record, volume_share};
use serde::Serialize;
use std::collections::BTreeMap;

/// Networks of which none is beaten by another in the metric and all objectives at once.
#[derive(Debug, Clone, Serialize)]
pub struct Front {
    /// What is minimised beside the metric.
    pub objectives: Vec<Objective>,
    /// The networks, the best by the metric first.
    pub members: Vec<Member>,
}

/// A network of the front.
#[derive(Debug, Clone, Serialize)]
pub struct Member {
    /// Its file, from the folder of the study.
    pub file: String,
    /// Candidate it is.
    pub candidate: u64,
    /// The study's metric on the validation part.
    pub value: f64,
    /// Its objectives.
    pub objectives: Objectives,
    /// Size of its file.
    pub bytes: u64,
}

/// How much of what was in reach a front dominates.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Hypervolume {
    /// Share of the space between the ideal and the reference point that is dominated, from 0 to 1.
    pub share: f64,
    /// The ideal point: the metric's best value, and nothing of each objective.
    pub ideal: BTreeMap<String, f64>,
    /// The reference point: the metric of the simplest baseline, and the most that any scored candidate has of each
    /// objective.
    pub reference: BTreeMap<String, f64>,
}

impl Front {
    /// Its hypervolume in a study; `None` where the reference point is not finite or equals the ideal point in something.
    pub fn hypervolume(&self, input: &Input) -> Option<Hypervolume> {
        let names: Vec<&str> = self.objectives.iter().map(|objective| objective.entry().name).collect();
        let point = |value: f64, of: &dyn Fn(&str) -> f64| -> Vec<f64> {
            std::iter::once(value).chain(names.iter().map(|name| of(name))).collect()
        };
        let most = |name: &str| scored(input).filter_map(|o| o.get(name).copied()).fold(0.0, f64::max);
        let ideal = point(if input.metric.higher_is_better { 1.0 } else { 0.0 }, &|_| 0.0);
        let reference = point(input.baselines.first()?.value, &most);
        let of = |member: &Member| point(member.value, &|name| member.objectives.get(name).copied().unwrap_or(f64::MAX));
        let members: Vec<Vec<f64>> = self.members.iter().map(of).collect();
        if !reference.iter().all(|value| value.is_finite()) {
            return None;
        }
        let share = volume_share(&members, &ideal, &reference)?;
        let named = |point: Vec<f64>| {
            let names = std::iter::once(input.metric.name).chain(names.iter().copied());
            names.map(str::to_owned).zip(point).collect()
        };
        Some(Hypervolume { share, ideal: named(ideal), reference: named(reference) })
    }
}

/// Objectives of every scored candidate.
fn scored(input: &Input) -> impl Iterator<Item = &Objectives> {
    input.records.iter().filter_map(|record| match record {
        Record::Candidate(candidate) => candidate.outcome.objectives(),
        _ => None,
    })
}
