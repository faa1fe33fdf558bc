//! The front of a search: what it has seen that nothing else beats in all objectives at once.

use super::dominance::{Point, spread};

/// Candidates that no other dominates, at most a fixed number of them.
#[derive(Debug, Clone)]
pub struct Front {
    numbers: Vec<u64>,
    points: Vec<Point>,
    capacity: usize,
}

impl Front {
    /// Nothing seen yet. Where more than `capacity` candidates do not dominate each other, those that are spread best are
    /// kept.
    #[must_use]
    pub fn new(capacity: usize) -> Front {
        Front { numbers: Vec::new(), points: Vec::new(), capacity }
    }

    /// Takes a candidate in where no member dominates or equals it; members that it dominates go.
    pub fn insert(&mut self, number: u64, point: Point) {
        if self.points.iter().any(|member| member.dominates(&point) || *member == point) {
            return;
        }
        let stays: Vec<usize> = (0..self.points.len()).filter(|&index| !point.dominates(&self.points[index])).collect();
        self.keep(&stays);
        self.numbers.push(number);
        self.points.push(point);
        if self.points.len() > self.capacity {
            self.keep(&spread(&self.points, self.capacity));
        }
    }

    /// Numbers of all members, in the order in which they came.
    #[must_use]
    pub fn numbers(&self) -> &[u64] {
        &self.numbers
    }

    /// At most `count` members that are spread best, the one of the least first cost first.
    #[must_use]
    pub fn spread(&self, count: usize) -> Vec<u64> {
        let mut picked = spread(&self.points, count);
        let cost = |index: &usize| self.points[*index].costs.first().copied().unwrap_or(0.0);
        picked.sort_by(|a, b| cost(a).total_cmp(&cost(b)));
        picked.into_iter().map(|index| self.numbers[index]).collect()
    }

    fn keep(&mut self, indices: &[usize]) {
        self.numbers = indices.iter().map(|&index| self.numbers[index]).collect();
        self.points = indices.iter().map(|&index| self.points[index].clone()).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::dominance::fronts;
    use proptest::{collection::vec, prelude::*};

    proptest! {
        #[test]
        fn it_is_the_first_front_of_all_without_copies(
            costs in vec((0_u8..8, 0_u8..8, 0_u8..3), 0..40)
        ) {
            let points: Vec<Point> = costs.iter().map(|&(a, b, violation)| Point {
                costs: vec![f64::from(a), f64::from(b)],
                violation: f64::from(violation.saturating_sub(1)),
            }).collect();
            let mut front = Front::new(100);
            (0..).zip(&points).for_each(|(number, point)| front.insert(number, point.clone()));
            let mut first: Vec<usize> = Vec::new();
            for index in fronts(&points).into_iter().next().unwrap_or_default() {
                if !first.iter().any(|&other| points[other] == points[index]) {
                    first.push(index);
                }
            }
            let numbers: Vec<usize> = front.numbers().iter().map(|&number| usize::try_from(number).unwrap()).collect();
            prop_assert_eq!(numbers, first);
        }
    }

    #[test]
    fn a_full_front_keeps_its_extremes_and_names_the_best_first() {
        let mut front = Front::new(5);
        for number in 0..40_u64 {
            let x = (number * 17 % 40) as f64;
            front.insert(number, Point { costs: vec![x, 40.0 - x], violation: 0.0 });
        }
        assert_eq!(front.numbers().len(), 5);
        let spread = front.spread(3);
        // 0 has x = 0, and 7 has x = 39.
        assert_eq!((spread[0], spread[2], spread.len()), (0, 7, 3));
        assert_eq!(front.spread(1), [0]);
        front.insert(99, Point { costs: vec![-1.0, -1.0], violation: 0.0 });
        assert_eq!(front.numbers(), [99]);
    }
}
