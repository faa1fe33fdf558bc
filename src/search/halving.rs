//! Asynchronous successive halving over the length of training (Li et al., 2020).
//!
//! A training is compared at rungs, shares of its full length. It is paused at a rung where it is not among the best half of
//! those that reached it before. What "before" means is fixed by the lag: the scores to be reached come with the proposal, so
//! that neither the number of workers nor their timing changes who is paused. A paused candidate goes on where it stopped once
//! it is among the best half after all, ahead of anything new; those from further rungs first.
//!
//! Candidates that inherit weights are neither paused nor counted: their trainings are short as it is, and they begin near
//! where others end.

use super::{Continuation, Evaluated, Origin, Proposal, Rung};
use std::collections::BTreeMap;

/// Shares of a full training at which candidates are compared.
const RUNGS: [f64; 3] = [0.125, 0.25, 0.5];

/// One of so many goes on from a rung.
const REDUCTION: usize = 2;

/// Candidates that have reached a rung before any is paused there.
const ENOUGH: usize = 8;

/// Paused candidates that can still go on; each takes a checkpoint on the disk.
const KEPT: usize = 16;

/// Who reached which rung, and who was paused there.
pub(super) struct Halving<G> {
    levels: [Level; RUNGS.len()],
    paused: BTreeMap<u64, Paused<G>>,
}

/// What is known of one rung.
#[derive(Default)]
struct Level {
    /// Scores of all that reached it and did not fail later, in ascending order.
    scores: Vec<f64>,
    /// The same of those that were trained to their ends, and their scores then, each in ascending order.
    ended: (Vec<f64>, Vec<f64>),
}

struct Paused<G> {
    proposal: Proposal<G>,
    level: usize,
    score: f64,
}

impl Level {
    /// The score that a candidate must reach to go on; `None` while there are too few to compare with.
    fn least(&self) -> Option<f64> {
        let place = self.scores.len() - self.scores.len().div_ceil(REDUCTION);
        self.scores.get(place).copied().filter(|_| self.scores.len() >= ENOUGH)
    }

    /// Share of those that reached it that a score is not above.
    fn rank(&self, score: f64) -> f64 {
        let above = self.scores.len() - self.scores.partition_point(|other| *other <= score);
        above as f64 / self.scores.len().max(1) as f64
    }

    /// What a score here leads to: that at the end which has the same rank among those that were trained so far.
    fn expected(&self, score: f64) -> Option<f64> {
        let (here, end) = &self.ended;
        let next = here.partition_point(|other| *other <= score);
        let (&first, &worst) = (here.first()?, end.first()?);
        match (next.checked_sub(1), here.get(next)) {
            (None, _) => Some(worst - (first - score)),
            (Some(last), None) => Some(end[last]),
            (Some(last), Some(above)) => {
                let way = (score - here[last]) / (above - here[last]);
                Some(end[last] + way * (end[next] - end[last]))
            }
        }
    }
}

fn insert(sorted: &mut Vec<f64>, score: f64) {
    let place = sorted.partition_point(|other| *other <= score);
    sorted.insert(place, score);
}

impl<G: Clone> Halving<G> {
    pub(super) fn new() -> Self {
        Halving { levels: Default::default(), paused: BTreeMap::new() }
    }

    /// The rungs of a training that begins, or goes on, from the share `from`, with what must be reached there.
    fn rungs(&self, from: f64) -> Vec<Rung> {
        let ahead = RUNGS.iter().zip(&self.levels).filter(|(share, _)| **share > from);
        ahead.map(|(&share, level)| Rung { share, least: level.least() }).collect()
    }

    /// Gives a proposal its rungs.
    pub(super) fn compared(&self, proposal: Proposal<G>) -> Proposal<G> {
        let rungs = if proposal.inherit.is_some() { vec![] } else { self.rungs(0.0) };
        Proposal { rungs, ..proposal }
    }

    /// Takes note of a candidate, and returns what it is expected to score at full length where it was paused.
    pub(super) fn told(&mut self, evaluated: &Evaluated<G>) -> Option<f64> {
        let from = evaluated.proposal.continues.map_or(0.0, |continues| continues.from);
        for (share, level) in RUNGS.iter().zip(&mut self.levels) {
            let Some(rung) = evaluated.rungs.iter().find(|rung| rung.share == *share) else { continue };
            if rung.share > from {
                insert(&mut level.scores, rung.score);
            }
            if let Some(score) = evaluated.score {
                insert(&mut level.ended.0, rung.score);
                insert(&mut level.ended.1, score);
            }
        }
        let last = evaluated.rungs.last().filter(|_| evaluated.paused)?;
        let level = RUNGS.iter().position(|share| *share == last.share)?;
        let paused = Paused { proposal: evaluated.proposal.clone(), level, score: last.score };
        self.paused.insert(evaluated.number, paused);
        if self.paused.len() > KEPT {
            let least = self.paused.iter().max_by(|a, b| self.order(a, b)).map(|(&number, _)| number);
            least.and_then(|number| self.paused.remove(&number));
        }
        self.levels[level].expected(last.score)
    }

    /// Who goes on before whom: from a further rung, of a better rank there, the older.
    fn order(&self, a: &(&u64, &Paused<G>), b: &(&u64, &Paused<G>)) -> std::cmp::Ordering {
        let rank = |paused: &Paused<G>| self.levels[paused.level].rank(paused.score);
        let further = b.1.level.cmp(&a.1.level);
        further.then(rank(a.1).total_cmp(&rank(b.1))).then(a.0.cmp(b.0))
    }

    /// A paused candidate that is to go on, where there is one; it no longer counts as paused.
    pub(super) fn promoted(&mut self) -> Option<Proposal<G>> {
        let is_due = |paused: &Paused<G>| self.levels[paused.level].least().is_some_and(|least| paused.score >= least);
        let due = self.paused.iter().filter(|(_, paused)| is_due(paused));
        let number = due.min_by(|a, b| self.order(a, b)).map(|(&number, _)| number)?;
        let Paused { proposal, level, .. } = self.paused.remove(&number)?;
        let from = RUNGS[level];
        Some(Proposal {
            origin: Origin { arm: "continued".to_owned(), edits: vec![], parents: vec![number] },
            rungs: self.rungs(from),
            continues: Some(Continuation { candidate: number, from }),
            ..proposal
        })
    }

    /// Paused candidates that may go on.
    pub(super) fn reachable(&self) -> impl Iterator<Item = u64> {
        self.paused.keys().copied()
    }
}

#[cfg(test)]
mod tests;
