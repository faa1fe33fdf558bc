//! The hypervolume of a front: how much of the space below a reference point it dominates.

/// Volume of the points that lie below `reference` in all costs and that one of `points` dominates, all costs minimised.
/// Points that are not below the reference in every cost add nothing.
///
/// Exact in any number of costs, by exclusive volumes (WFG; While, Bradstreet and Barone, A fast way of calculating exact
/// hypervolumes, 2012). Meant for small fronts: the time may grow exponentially with the number of costs.
#[must_use]
pub fn hypervolume(points: &[Vec<f64>], reference: &[f64]) -> f64 {
    let below = |point: &&Vec<f64>| point.iter().zip(reference).all(|(cost, most)| cost < most);
    volume(non_dominated(points.iter().filter(below).cloned().collect()), reference)
}

/// The volume of points of which none dominates another.
fn volume(mut points: Vec<Vec<f64>>, reference: &[f64]) -> f64 {
    match reference {
        [] => 0.0,
        [most] => points.iter().map(|point| most - point[0]).fold(0.0, f64::max),
        [right, top] => {
            points.sort_by(|a, b| a[0].total_cmp(&b[0]));
            let mut top = *top;
            let slab = |point: &Vec<f64>| (right - point[0]) * (std::mem::replace(&mut top, point[1]) - point[1]);
            points.iter().map(slab).sum()
        }
        _ => {
            let exclusive = |index: usize| {
                let point = &points[index];
                let shared = points[index + 1..].iter().map(|other| both(point, other)).collect();
                inclusive(point, reference) - volume(non_dominated(shared), reference)
            };
            (0..points.len()).map(exclusive).sum()
        }
    }
}

/// The volume of a point alone.
fn inclusive(point: &[f64], reference: &[f64]) -> f64 {
    point.iter().zip(reference).map(|(cost, most)| most - cost).product()
}

/// The best point that two points both dominate or are.
fn both(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a.max(*b)).collect()
}

/// Without those that another is nowhere worse than; of equal ones the first stays.
fn non_dominated(points: Vec<Vec<f64>>) -> Vec<Vec<f64>> {
    let mut kept: Vec<Vec<f64>> = Vec::new();
    let covers = |a: &[f64], b: &[f64]| a.iter().zip(b).all(|(a, b)| a <= b);
    for point in points {
        if !kept.iter().any(|other| covers(other, &point)) {
            kept.retain(|other| !covers(&point, other));
            kept.push(point);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection::vec, prelude::*};
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    #[test]
    fn by_hand() {
        assert_eq!(hypervolume(&[], &[1.0, 1.0]), 0.0);
        assert_eq!(hypervolume(&[vec![0.25], vec![0.5]], &[1.0]), 0.75);
        // Two rectangles of 2×1 and 1×2 that share a square.
        assert_eq!(hypervolume(&[vec![1.0, 2.0], vec![2.0, 1.0]], &[3.0, 3.0]), 3.0);
        // Three boxes of 2 that share the unit cube: 3·2 − 3·1 + 1.
        let boxes = [vec![1.0, 2.0, 2.0], vec![2.0, 1.0, 2.0], vec![2.0, 2.0, 1.0]];
        assert_eq!(hypervolume(&boxes, &[3.0, 3.0, 3.0]), 4.0);
        assert_eq!(hypervolume(&[vec![0.0, 5.0], vec![1.0, 1.0]], &[2.0, 2.0]), 1.0, "the first is above the reference");
    }

    /// Share of random points of the unit cube that a point dominates, and the standard error of it.
    fn monte_carlo(points: &[Vec<f64>], costs: usize, samples: u32) -> (f64, f64) {
        let mut rng = ChaCha8Rng::seed_from_u64(8);
        let mut hits = 0_u32;
        for _ in 0..samples {
            let sample: Vec<f64> = (0..costs).map(|_| rng.random()).collect();
            let hit = points.iter().any(|point| point.iter().zip(&sample).all(|(cost, at)| cost <= at));
            hits += u32::from(hit);
        }
        let share = f64::from(hits) / f64::from(samples);
        (share, (share * (1.0 - share) / f64::from(samples)).sqrt())
    }

    #[test]
    fn it_is_what_random_points_say() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        for costs in 1..=5 {
            for count in [1, 4, 12] {
                let points: Vec<Vec<f64>> =
                    (0..count).map(|_| (0..costs).map(|_| rng.random_range(0.0..1.2)).collect()).collect();
                let exact = hypervolume(&points, &vec![1.0; costs]);
                let (share, error) = monte_carlo(&points, costs, 40_000);
                assert!((exact - share).abs() <= 4.0 * error + 1e-4, "{costs} costs: {exact} but {share} ± {error}");
            }
        }
    }

    proptest! {
        #[test]
        fn neither_order_nor_dominated_points_change_it(points in vec(vec(0.0_f64..1.0, 3), 1..10), by in 0_usize..10) {
            let reference = [1.0; 3];
            let whole = hypervolume(&points, &reference);
            let mut turned = points.clone();
            turned.rotate_left(by % points.len());
            turned.push(points[0].iter().map(|cost| cost + 0.1).collect());
            prop_assert!((hypervolume(&turned, &reference) - whole).abs() < 1e-12);
            let alone = points.iter().map(|point| inclusive(point, &reference));
            prop_assert!(whole <= alone.clone().sum::<f64>() + 1e-12 && whole >= alone.fold(0.0, f64::max) - 1e-12);
        }
    }
}
