//! What is exported, as the journal has it.

use super::{Objectives, record::is_zero};
use crate::train::Scores;
use serde::{Deserialize, Serialize};

/// Which trained net is exported.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Choice {
    /// Number of candidates evaluated before.
    pub after: u64,
    /// Candidate it is.
    pub candidate: u64,
    /// Which training of its finals gave the weights; `None` where the search did.
    pub finalist: Option<u64>,
    /// Its metrics on the validation part; of a cross-validation their means over the folds.
    pub scores: Scores,
    /// SHA-256 in the store of the weights that were scored.
    pub weights: String,
    /// Which of several trainings is exported, where none on all rows is.
    #[serde(default, skip_serializing_if = "is_first")]
    pub training: usize,
    /// SHA-256 in the store of the weights trained on all rows, which are exported then; of an ensemble, of its first net.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refit: Option<String>,
    /// Why none trained on all rows is exported, where one was wanted; of an ensemble, its first net.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_refit: Option<NotRefit>,
    /// The nets that answer together, where an ensemble is exported; the metrics are its own then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ensemble: Option<Ensemble>,
    /// Why a single net is exported, where an ensemble was wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_combined: Option<NotCombined>,
    /// How far it violates caps on objectives: 0 unless every candidate does.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub violation: f64,
    /// The front of the metric and the objectives, the best by metric first, which is the one that was chosen; empty where
    /// only the metric counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub front: Vec<FrontMember>,
    /// Whether the user stopped the study before its end; a resumed one chooses anew.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub interrupted: bool,
}

/// Why no net trained on all rows is exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NotRefit {
    /// The user stopped the study before.
    Stopped,
    /// The budget was used up before it was trained, or before it was half trained.
    NoTime,
    /// That training failed.
    Failed,
    /// It is worse on rows that it was trained on than the scored net on rows that it had not seen.
    Worse,
}

/// Nets whose mean answer is exported.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ensemble {
    /// The nets, that with the largest share first, which is the one that the choice names.
    pub members: Vec<EnsembleMember>,
    /// Metrics of the single net that would be exported otherwise.
    pub alone: Scores,
}

/// A net of an ensemble.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EnsembleMember {
    /// Candidate it is.
    pub candidate: u64,
    /// Which training of its finals gave the weights; `None` where the search did.
    pub finalist: Option<u64>,
    /// SHA-256 in the store of the weights that were scored.
    pub weights: String,
    /// As of [`Choice::refit`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refit: Option<String>,
    /// As of [`Choice::not_refit`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_refit: Option<NotRefit>,
    /// Its share in the mean; those of all sum to one.
    pub share: f64,
}

impl Choice {
    /// SHA-256 in the store of all weights that were scored and are exported.
    pub(super) fn weights(&self) -> impl Iterator<Item = &str> {
        let others = self.ensemble.iter().flat_map(|ensemble| &ensemble.members).map(|member| &member.weights[..]);
        let front = self.front.iter().map(|member| &member.weights[..]);
        std::iter::once(&self.weights[..]).chain(others).chain(front)
    }

    /// The nets of what is exported, the choice first: the candidate, which may have several, and the SHA-256 of the weights
    /// that were scored.
    pub(super) fn nets(&self) -> Vec<(u64, &str)> {
        match &self.ensemble {
            Some(ensemble) => ensemble.members.iter().map(|member| (member.candidate, &member.weights[..])).collect(),
            None => vec![(self.candidate, &self.weights)],
        }
    }

    /// Candidates whose nets are in what is exported, one of which may have several there.
    pub fn candidates(&self) -> Vec<u64> {
        self.nets().into_iter().map(|(candidate, _)| candidate).collect()
    }

    /// Takes down for one of [`Choice::nets`] the weights trained on all rows, or why there are none.
    pub(super) fn set_refit(&mut self, net: usize, trained: Result<String, NotRefit>) {
        let not_refit = trained.as_ref().err().copied();
        let refit = trained.ok();
        if let Some(member) = self.ensemble.as_mut().and_then(|ensemble| ensemble.members.get_mut(net)) {
            (member.refit, member.not_refit) = (refit.clone(), not_refit);
        }
        if net == 0 {
            (self.refit, self.not_refit) = (refit, not_refit);
        }
    }
}

/// Why no ensemble is exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NotCombined {
    /// The user stopped the study before.
    Stopped,
    /// The budget was used up before other nets could be asked.
    NoTime,
    /// There is no other net that can be asked.
    NoOther,
    /// The nets can be asked one by one, but not together.
    Failed,
    /// No mean is better than the choice where it was scored, or not by much.
    NoBetter,
}

/// A trained net of the front.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FrontMember {
    /// Candidate it is.
    pub candidate: u64,
    /// Which training of its finals gave the weights; `None` where the search did.
    pub finalist: Option<u64>,
    /// Its metrics on the validation part.
    pub scores: Scores,
    /// Its objectives.
    pub objectives: Objectives,
    /// SHA-256 of its weights in the store.
    pub weights: String,
}

fn is_first(training: &usize) -> bool {
    *training == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nets_of_one_candidate_are_trained_on_all_rows_each_for_itself() {
        let member = |candidate: u64, weights: &str| EnsembleMember {
            candidate,
            finalist: Some(0),
            weights: weights.into(),
            refit: None,
            not_refit: None,
            share: 1.0 / 3.0,
        };
        let members = vec![member(4, "a"), member(4, "b"), member(7, "c")];
        let single = r#"{"after": 9, "candidate": 4, "finalist": 0, "scores": {}, "weights": "a"}"#;
        let mut choice: Choice = serde_json::from_str(single).unwrap();
        assert_eq!(choice.nets(), [(4, "a")]);
        choice.ensemble = Some(Ensemble { members, alone: Scores::new() });
        assert_eq!(choice.nets(), [(4, "a"), (4, "b"), (7, "c")]);
        for (net, trained) in [Ok("A".to_owned()), Err(NotRefit::Failed), Ok("C".to_owned())].into_iter().enumerate() {
            choice.set_refit(net, trained);
        }
        assert_eq!((choice.refit.as_deref(), choice.not_refit), (Some("A"), None), "as the first net");
        let members = choice.ensemble.unwrap().members;
        let refit: Vec<_> = members.iter().map(|member| (member.refit.as_deref(), member.not_refit)).collect();
        assert_eq!(refit, [(Some("A"), None), (None, Some(NotRefit::Failed)), (Some("C"), None)]);
    }
}
