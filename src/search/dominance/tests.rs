use super::*;
use proptest::{collection::vec, prelude::*};

fn point(costs: &[f64]) -> Point {
    Point { costs: costs.to_vec(), violation: 0.0 }
}

/// Points of few values, so that ties and copies are frequent; a third of them infeasible.
fn points() -> impl Strategy<Value = Vec<Point>> {
    (1_usize..5).prop_flat_map(|costs| {
        let costs = vec((0_u8..6).prop_map(f64::from), costs);
        let violation = (0_i8..6).prop_map(|v| f64::from((v - 3).max(0)));
        vec((costs, violation).prop_map(|(costs, violation)| Point { costs, violation }), 0..24)
    })
}

proptest! {
    #[test]
    fn dominance_is_a_strict_order(points in points()) {
        for a in &points {
            prop_assert!(!a.dominates(a));
            for b in &points {
                prop_assert!(!(a.dominates(b) && b.dominates(a)));
                for c in &points {
                    prop_assert!(!(a.dominates(b) && b.dominates(c)) || a.dominates(c));
                }
            }
        }
    }

    #[test]
    fn fronts_hold_every_point_once_and_each_is_dominated_by_the_front_before(points in points()) {
        let fronts = fronts(&points);
        let mut all: Vec<usize> = fronts.concat();
        all.sort_unstable();
        prop_assert_eq!(all, (0..points.len()).collect::<Vec<_>>());
        for (rank, front) in fronts.iter().enumerate() {
            prop_assert!(front.windows(2).all(|pair| pair[0] < pair[1]));
            for &a in front {
                // The definition, by brute force: nothing in this front or behind it dominates, something before does.
                prop_assert!(fronts[rank..].concat().iter().all(|&b| !points[b].dominates(&points[a])));
                prop_assert!(rank == 0 || fronts[rank - 1].iter().any(|&b| points[b].dominates(&points[a])));
            }
        }
    }

    #[test]
    fn feasible_points_come_before_infeasible_ones_and_less_violation_before_more(points in points()) {
        let violations: Vec<f64> = fronts(&points).concat().into_iter().map(|index| points[index].violation).collect();
        prop_assert!(violations.windows(2).all(|pair| pair[0] <= pair[1]), "{:?}", violations);
    }

    #[test]
    fn extremes_are_never_crowded_and_scales_do_not_matter(points in points(), scale in 0.01_f64..100.0) {
        let front: Vec<&Point> = points.iter().collect();
        let distances = crowding(&front);
        for cost in 0..points.first().map_or(0, |point| point.costs.len()) {
            let values = || points.iter().map(|point| point.costs[cost]);
            for extreme in [values().fold(f64::MAX, f64::min), values().fold(f64::MIN, f64::max)] {
                prop_assert!(values().zip(&distances).any(|(value, distance)| value == extreme && distance.is_infinite()));
            }
        }
        let scaled: Vec<Point> = points.iter().map(|point| self::point(
            &point.costs.iter().map(|cost| cost * scale + 7.0).collect::<Vec<_>>()
        )).collect();
        for (a, b) in distances.iter().zip(crowding(&scaled.iter().collect::<Vec<_>>())) {
            prop_assert!(*a == b || (a - b).abs() < 1e-9, "{} {}", a, b);
        }
    }

    #[test]
    fn what_stands_for_a_front_is_part_of_it_with_its_best(points in points(), count in 0_usize..12) {
        let kept = spread(&points, count);
        prop_assert_eq!(kept.len(), count.min(points.len()));
        prop_assert!(kept.windows(2).all(|pair| pair[0] < pair[1]));
        if count > 0 && !points.is_empty() {
            let least = points.iter().map(|point| point.costs[0]).fold(f64::MAX, f64::min);
            prop_assert!(kept.iter().any(|&index| points[index].costs[0] == least));
        }
    }
}

#[test]
fn by_hand() {
    let points = [[1.0, 5.0], [2.0, 3.0], [4.0, 1.0], [3.0, 4.0], [4.0, 5.0], [2.0, 3.0]].map(|costs| point(&costs));
    assert_eq!(fronts(&points), [vec![0, 1, 2, 5], vec![3], vec![4]]);
    let line = [[0.0, 10.0], [1.0, 6.0], [4.0, 5.0], [10.0, 0.0]].map(|costs| point(&costs));
    let distances = crowding(&line.iter().collect::<Vec<_>>());
    assert_eq!(distances, [f64::INFINITY, 0.4 + 0.5, 0.9 + 0.6, f64::INFINITY]);
    assert_eq!(spread(&line, 3), [0, 2, 3]);
    assert_eq!(spread(&line, 1), [0]);
    assert!(fronts(&[]).is_empty() && crowding(&[]).is_empty() && spread(&[], 3).is_empty());
}

#[test]
fn enormous_costs_give_no_nan() {
    let points = [[-1.7e308, 1.0], [0.0, 0.5], [1.7e308, 0.1]].map(|costs| point(&costs));
    let distances = crowding(&points.iter().collect::<Vec<_>>());
    assert!(distances.iter().all(|distance| !distance.is_nan()), "{distances:?}");
}
