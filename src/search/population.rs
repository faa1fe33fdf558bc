//! A bounded population with elitist survival and niches.

use super::{
    Evaluated, Settings, Space,
    credit::reward,
    dominance::{Point, crowding, fronts},
    driver::rng,
    neighbours::{Neighbours, Seats},
};
use crate::genome::{Genome, SearchSpace};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use std::cmp::{Ordering, Reverse};

/// A scored candidate.
#[derive(Debug, Clone, PartialEq)]
pub struct Member<G = Genome> {
    /// Number of the candidate.
    pub number: u64,
    /// Its genome.
    pub genome: G,
    /// Its score, higher is better.
    pub score: f64,
    /// What the training that its inherited weights had before is expected to be worth, in units of the score.
    pub head_start: f64,
    /// What tells it apart from others of equal value, as in [`Evaluated::doubt`].
    pub doubt: f64,
    /// Trainable parameters.
    pub parameters: u64,
    /// What is minimised beside the score, as in [`Evaluated::costs`].
    pub costs: Vec<f64>,
    /// How far constraints are violated, as in [`Evaluated::violation`].
    pub violation: f64,
}

impl<G: Clone> Member<G> {
    /// A candidate as it was scored; `None` where it failed.
    #[must_use]
    pub fn of(evaluated: &Evaluated<G>) -> Option<Member<G>> {
        Some(Member {
            number: evaluated.number,
            genome: evaluated.proposal.genome.clone(),
            score: evaluated.score?,
            head_start: 0.0,
            doubt: evaluated.doubt,
            parameters: evaluated.parameters,
            costs: evaluated.costs.clone(),
            violation: evaluated.violation,
        })
    }

    /// A paused candidate with the score that it is expected to have; `None` of any other.
    #[must_use]
    pub(super) fn expected(evaluated: &Evaluated<G>) -> Option<Member<G>> {
        Member::of(&Evaluated { score: Some(evaluated.expected?), ..evaluated.clone() })
    }
}

impl<G> Member<G> {
    /// The same without its genome.
    #[must_use]
    pub fn bare(&self) -> Member<()> {
        let Member { number, score, head_start, doubt, parameters, violation, .. } = *self;
        Member { number, genome: (), score, head_start, doubt, parameters, costs: self.costs.clone(), violation }
    }

    /// The score that its genome is expected to have after one full training from scratch. Selection compares these,
    /// so that a lineage does not win by the length of its training alone.
    #[must_use]
    pub fn value(&self) -> f64 {
        self.score - self.head_start
    }

    /// Whether it violates no constraint.
    #[must_use]
    pub fn is_feasible(&self) -> bool {
        self.violation == 0.0
    }

    /// All its objectives as costs, that of the value first.
    #[must_use]
    pub fn point(&self) -> Point {
        let costs = std::iter::once(-self.value()).chain(self.costs.iter().copied()).collect();
        Point { costs, violation: self.violation }
    }

    /// Best first: by constraints, less violation before more (Deb, 2000), by value, then less doubt, then fewer parameters, then
    /// the older.
    pub(super) fn rank(&self, other: &Member<G>) -> Ordering {
        self.violation
            .total_cmp(&other.violation)
            .then(other.value().total_cmp(&self.value()))
            .then(self.doubt.total_cmp(&other.doubt))
            .then(self.parameters.cmp(&other.parameters))
            .then(self.number.cmp(&other.number))
    }
}

/// When genomes are so near that they compete with each other first.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Niche {
    /// Distance under which two genomes share a niche.
    pub radius: f64,
    /// Members that a niche keeps.
    pub capacity: usize,
}

impl Niche {
    /// Niches of a search space: the radius is a share of the mean distance between random births. The births are the
    /// same in every study, so that the radius is a property of the space.
    #[must_use]
    pub fn of<S: Space>(space: &S, settings: &Settings) -> Niche {
        const BIRTHS: u64 = 12;
        let births: Vec<S::Genome> = (0..BIRTHS).map(|number| space.birth(&mut rng(0, number, 0))).collect();
        let distances: Vec<f64> =
            births.iter().enumerate().flat_map(|(i, a)| births[..i].iter().map(move |b| space.distance(a, b))).collect();
        let mean = distances.iter().sum::<f64>() / distances.len() as f64;
        Niche { radius: settings.niche_radius * mean, capacity: settings.niche_capacity }
    }
}

/// Who stays where there is no room for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Survival {
    /// The best by score always; of the others, those that have enough better members within the radius of their niche
    /// go first, the worst of them before the rest: clearing (Pétrowski, 1996).
    Elitist {
        /// How many of the best cannot be displaced.
        elites: usize,
    },
    /// The youngest; the oldest goes (Real et al., 2019).
    Youngest,
    /// The first front of all objectives; of the others, those of the last front go first, the most crowded before the rest
    /// (NSGA-II; Deb et al., 2002). One member at a time comes and goes, so that no generation has to be waited for (Nebro
    /// and Durillo, 2009).
    NonDominated,
}

/// Candidates that are bred from, at most a fixed number.
#[derive(Clone)]
pub struct Population<S: Space = SearchSpace> {
    space: S,
    /// Best first: by value, or by front and crowding.
    members: Vec<Member<S::Genome>>,
    /// Seats of the members, in their order, where niches count.
    seats: Vec<usize>,
    neighbours: Neighbours,
    capacity: usize,
    survival: Survival,
    niche: Niche,
}

impl<S: Space> Population<S> {
    /// An empty population of at most `capacity` members.
    #[must_use]
    pub fn new(space: S, capacity: usize, survival: Survival, niche: Niche) -> Self {
        let (members, seats, neighbours) = (Vec::new(), Vec::new(), Neighbours::default());
        Population { space, members, seats, neighbours, capacity, survival, niche }
    }

    /// All members, best first: by value, or by front and crowding where the survival goes by these; in both cases the first
    /// is the best by value of those that violate constraints least.
    #[must_use]
    pub fn members(&self) -> &[Member<S::Genome>] {
        &self.members
    }

    /// The best by value.
    #[must_use]
    pub fn best(&self) -> Option<&Member<S::Genome>> {
        self.members.first()
    }

    /// A member by the number of its candidate.
    #[must_use]
    pub fn get(&self, number: u64) -> Option<&Member<S::Genome>> {
        self.members.iter().find(|member| member.number == number)
    }

    /// How far the best is ahead of the middle: the scale on which gains in value are judged. 0 where all are equal.
    #[must_use]
    pub fn spread(&self) -> f64 {
        match (self.members.first(), self.members.get(self.members.len() / 2)) {
            (Some(best), Some(middle)) => best.value() - middle.value(),
            _ => 0.0,
        }
    }

    /// How a child did beside its parent: from 0 (worse) over ½ (as well) to 1 (better). By value in units of the spread;
    /// where one of them violates a constraint or all objectives count, by dominance.
    #[must_use]
    pub fn reward<A, B>(&self, parent: &Member<A>, child: &Member<B>) -> f64 {
        if self.survival != Survival::NonDominated && parent.is_feasible() && child.is_feasible() {
            return reward(child.value() - parent.value(), self.spread());
        }
        let (parent, child) = (parent.point(), child.point());
        0.5 * (1.0 + f64::from(u8::from(child.dominates(&parent))) - f64::from(u8::from(parent.dominates(&child))))
    }

    /// What a candidate that is not a member yet gains over all members: 0 for nothing, at most 1. By value over the best
    /// in units of the spread; where all objectives count, 1 where no member dominates it.
    #[must_use]
    pub fn gain<A>(&self, candidate: &Member<A>) -> f64 {
        let Some(best) = self.best() else { return 0.0 };
        if self.survival == Survival::NonDominated {
            let point = candidate.point();
            return f64::from(u8::from(self.members.iter().all(|member| !member.point().dominates(&point))));
        }
        // From ½ for a draw to 1; below that nothing was gained.
        (2.0 * self.reward(best, candidate) - 1.0).max(0.0)
    }

    /// The best of `size` members drawn with replacement.
    #[must_use]
    pub fn tournament(&self, size: usize, rng: &mut ChaCha8Rng) -> Option<&Member<S::Genome>> {
        if self.members.is_empty() {
            return None;
        }
        let drawn = (0..size.max(1)).map(|_| rng.random_range(0..self.members.len())).min();
        drawn.map(|index| &self.members[index])
    }

    /// Members in the order in which they survive: those that their niche keeps, best first, then the others; the youngest
    /// first where age decides.
    #[must_use]
    pub fn ranked(&self) -> Vec<&Member<S::Genome>> {
        if self.survival == Survival::Youngest {
            let mut ranked: Vec<&Member<S::Genome>> = self.members.iter().collect();
            ranked.sort_by_key(|member| Reverse(member.number));
            return ranked;
        }
        self.by_niche().into_iter().map(|index| &self.members[index]).collect()
    }

    /// Adds a member and, where there is no room, drops the one that survives last.
    pub fn insert(&mut self, member: Member<S::Genome>) {
        let place = match self.survival {
            Survival::NonDominated => self.members.len(),
            _ => self.members.partition_point(|other| other.rank(&member) == Ordering::Less),
        };
        if self.survival != Survival::Youngest {
            let is_near = |other: &Member<S::Genome>| self.space.distance(&member.genome, &other.genome) < self.niche.radius;
            let near = self.members.iter().zip(&self.seats).filter(|(other, _)| is_near(other)).map(|(_, &seat)| seat);
            let seat = self.neighbours.seat(near);
            self.seats.insert(place, seat);
        }
        self.members.insert(place, member);
        self.sort_fronts();
        if self.members.len() > self.capacity {
            self.drop_last();
            self.sort_fronts();
        }
    }

    /// Drops all members.
    pub fn clear(&mut self) {
        self.members.clear();
        self.seats.clear();
        self.neighbours = Neighbours::default();
    }

    /// The member that survives last.
    fn last(&self) -> Option<usize> {
        match self.survival {
            Survival::NonDominated => self.members.len().checked_sub(1),
            Survival::Youngest => (0..self.members.len()).min_by_key(|&index| self.members[index].number),
            Survival::Elitist { elites } => {
                let mut by_score: Vec<usize> = (0..self.members.len()).collect();
                let elites = elites.min(by_score.len());
                if (1..by_score.len()).contains(&elites) {
                    let better = |&a: &usize, &b: &usize| {
                        let (x, y) = (&self.members[a], &self.members[b]);
                        x.violation.total_cmp(&y.violation).then(y.score.total_cmp(&x.score)).then(a.cmp(&b))
                    };
                    by_score.select_nth_unstable_by(elites - 1, better);
                }
                self.by_niche().into_iter().rev().find(|index| !by_score[..elites].contains(index))
            }
        }
    }

    fn drop_last(&mut self) {
        if let Some(last) = self.last() {
            self.members.remove(last);
            if self.survival != Survival::Youngest {
                self.neighbours.leave(self.seats.remove(last));
            }
        }
    }

    /// Orders the members by front, then by crowding, where the survival goes by these.
    fn sort_fronts(&mut self) {
        if self.survival != Survival::NonDominated {
            return;
        }
        let points: Vec<Point> = self.members.iter().map(Member::point).collect();
        let mut order = Vec::new();
        for front in fronts(&points) {
            let distances = crowding(&front.iter().map(|&index| &points[index]).collect::<Vec<_>>());
            let mut ranked: Vec<(f64, usize)> = distances.into_iter().zip(front).collect();
            ranked.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| self.members[a.1].rank(&self.members[b.1])));
            order.extend(ranked.into_iter().map(|(_, index)| index));
        }
        self.members = order.iter().map(|&index| self.members[index].clone()).collect();
        self.seats = order.iter().map(|&index| self.seats[index]).collect();
    }

    /// Indices of the members: those that their niche keeps, best first, then the others.
    fn by_niche(&self) -> Vec<usize> {
        let mut kept = Seats::default();
        let (mut order, mut cleared) = (Vec::with_capacity(self.members.len()), Vec::new());
        for (index, &seat) in self.seats.iter().enumerate() {
            if self.neighbours.count(seat, &kept) < self.niche.capacity {
                kept.insert(seat);
                order.push(index);
            } else {
                cleared.push(index);
            }
        }
        order.append(&mut cleared);
        order
    }
}

#[cfg(test)]
mod tests;
