//! Dominance among candidates of several objectives: fronts, crowding, and few that stand for many.
//!
//! After Deb, Pratap, Agarwal and Meyarivan, A fast and elitist multiobjective genetic algorithm: NSGA-II (2002).

use std::cmp::Ordering;

/// What a candidate of several objectives is compared by.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// What is minimised; finite, and as many numbers for each point that it is compared with.
    pub costs: Vec<f64>,
    /// How far it violates constraints: 0 where it is feasible, else above 0.
    pub violation: f64,
}

impl Point {
    /// Whether it is better: a feasible point than an infeasible one, of two infeasible ones the one that violates less,
    /// of two feasible ones the one that is nowhere worse and somewhere better (definition 1 of the paper).
    #[must_use]
    pub fn dominates(&self, other: &Point) -> bool {
        if self.violation > 0.0 || other.violation > 0.0 {
            return self.violation < other.violation;
        }
        let pairs = || self.costs.iter().zip(&other.costs);
        pairs().all(|(mine, theirs)| mine <= theirs) && pairs().any(|(mine, theirs)| mine < theirs)
    }
}

/// Fast non-dominated sorting: indices of the points that no other dominates, then of those that only these dominate, and
/// so on. Within a front the indices ascend.
#[must_use]
pub fn fronts(points: &[Point]) -> Vec<Vec<usize>> {
    let mut dominated: Vec<Vec<usize>> = vec![Vec::new(); points.len()];
    let mut dominators = vec![0_usize; points.len()];
    for (a, first) in points.iter().enumerate() {
        for (b, second) in points.iter().enumerate() {
            if first.dominates(second) {
                dominated[a].push(b);
                dominators[b] += 1;
            }
        }
    }
    let mut fronts = Vec::new();
    let mut front: Vec<usize> = (0..points.len()).filter(|&index| dominators[index] == 0).collect();
    while !front.is_empty() {
        let mut next = Vec::new();
        for &index in &front {
            for &other in &dominated[index] {
                dominators[other] -= 1;
                if dominators[other] == 0 {
                    next.push(other);
                }
            }
        }
        next.sort_unstable();
        fronts.push(std::mem::replace(&mut front, next));
    }
    fronts
}

/// Crowding distances of the points of one front, in their order: for each cost how far the neighbours on both sides are
/// apart, as a share of its range over the front; infinite for the least and the greatest of a cost.
#[must_use]
pub fn crowding(front: &[&Point]) -> Vec<f64> {
    let mut distances = vec![0.0; front.len()];
    let costs = front.first().map_or(0, |point| point.costs.len());
    for cost in 0..costs {
        let of = |index: usize| front[index].costs[cost];
        let mut order: Vec<usize> = (0..front.len()).collect();
        order.sort_by(|&a, &b| of(a).total_cmp(&of(b)));
        let (Some(&least), Some(&greatest)) = (order.first(), order.last()) else { break };
        let range = of(greatest) - of(least);
        if range > 0.0 {
            for neighbours in order.windows(3) {
                // Each divided on its own, so that costs whose range is infinite give no NaN.
                distances[neighbours[1]] += of(neighbours[2]) / range - of(neighbours[0]) / range;
            }
        }
        (distances[least], distances[greatest]) = (f64::INFINITY, f64::INFINITY);
    }
    distances
}

/// Indices of `count` points that stand for a front: the most crowded is left out, and again, until so many are left. The
/// one of the least first cost stays as long as any.
#[must_use]
pub fn spread(front: &[Point], count: usize) -> Vec<usize> {
    let first = |&index: &usize| front[index].costs.first().copied().unwrap_or(0.0);
    let mut kept: Vec<usize> = (0..front.len()).collect();
    let best = kept.iter().copied().min_by(|a, b| first(a).total_cmp(&first(b)));
    while kept.len() > count {
        let distances = crowding(&kept.iter().map(|&index| &front[index]).collect::<Vec<_>>());
        let goes_before = |&a: &usize, &b: &usize| -> Ordering {
            let by_cost = first(&kept[b]).total_cmp(&first(&kept[a]));
            distances[a].total_cmp(&distances[b]).then(by_cost).then(b.cmp(&a))
        };
        let others = (0..kept.len()).filter(|&at| kept.len() == 1 || Some(kept[at]) != best);
        let Some(least) = others.min_by(goes_before) else { break };
        kept.remove(least);
    }
    kept
}

#[cfg(test)]
mod tests;
