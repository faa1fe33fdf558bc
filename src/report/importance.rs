//! Which genes mattered, judged by a model of what all candidates scored.

use crate::{
    genome::Feature,
    search::model::{Described, Importance},
    study::Candidate,
};
use std::collections::BTreeMap;

/// What is no gene but tells candidates apart all the same: how often their weights were handed down and trained on.
const INHERITED: &str = "training of inherited weights";

/// The importance of each gene for the candidates of a search; `None` where these are too few.
///
/// Candidates with weights of a parent have had its training as well. That is a coordinate of its own, so that it is not
/// taken for the doing of their genes.
pub fn importance<'a>(candidates: impl IntoIterator<Item = &'a Candidate>) -> Option<Importance> {
    let mut candidates: Vec<&Candidate> = candidates.into_iter().collect();
    candidates.sort_by_key(|candidate| candidate.number);
    let mut trained: BTreeMap<u64, f64> = BTreeMap::new();
    let mut described = Vec::with_capacity(candidates.len());
    for candidate in candidates {
        let proposal = &candidate.proposal;
        let before = proposal.inherit.and_then(|parent| trained.get(&parent)).copied().unwrap_or(0.0);
        trained.insert(candidate.number, before + proposal.length);
        // What is paused has not shown yet what it is worth.
        if candidate.outcome.checkpoint().is_some() {
            continue;
        }
        let mut genes = crate::genome::genes(&proposal.genome);
        genes.push((INHERITED, Feature::Number((before + proposal.length).ln())));
        described.push(Described { genes, value: candidate.outcome.feasible_score() });
    }
    Importance::of(&described)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::synthetic;
    use crate::study::Record;

    fn candidates() -> Vec<Candidate> {
        let records = synthetic::study().records.into_iter();
        let candidate = |record| if let Record::Candidate(candidate) = record { Some(*candidate) } else { None };
        records.filter_map(candidate).collect()
    }

    #[test]
    fn the_gene_that_decides_is_found_whatever_order_the_journal_has() {
        let mut candidates = candidates();
        let found = importance(&candidates).unwrap();
        assert!(found.is_trustworthy(), "{found:?}");
        assert_eq!(found.genes[0].0, "learning rate", "{found:?}");
        candidates.reverse();
        assert_eq!(importance(&candidates).unwrap(), found);
        candidates.truncate(19);
        assert_eq!(importance(&candidates), None);
    }

    #[test]
    fn weights_that_are_handed_down_are_told_apart() {
        let mut candidates = candidates();
        let names = |found: Importance| found.genes.into_iter().map(|(name, _)| name).collect::<Vec<_>>();
        assert!(!names(importance(&candidates).unwrap()).contains(&INHERITED));
        for candidate in candidates.iter_mut().skip(40).step_by(2) {
            candidate.proposal.inherit = Some(candidate.number - 20);
            candidate.proposal.length = 0.35;
        }
        assert!(names(importance(&candidates).unwrap()).contains(&INHERITED));
    }
}
