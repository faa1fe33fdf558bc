//! Ranks as targets, and what a prediction is worth.

/// The normal scores of values (Blom, 1958): what a standard normal variable would have at their ranks. Values that are
/// equal share the mean of their ranks; `None`, for what failed, ranks below all. A model of ranks is not thrown off by the
/// few values that are far worse than the others, and the best are as far apart as the worst.
#[must_use]
pub fn normal_scores(values: &[Option<f64>]) -> Vec<f64> {
    let values: Vec<f64> = values.iter().map(|value| value.unwrap_or(f64::NEG_INFINITY)).collect();
    ranked(&values, |rank| quantile((rank - 0.375) / (values.len() as f64 + 0.25)))
}

/// Ranks of values from 1, the lowest; values that are equal share the mean of their ranks.
#[must_use]
pub fn ranks(values: &[f64]) -> Vec<f64> {
    ranked(values, |rank| rank)
}

/// What `of` makes of the ranks of values, from 1; values that are equal share the mean of their ranks.
fn ranked(values: &[f64], of: impl Fn(f64) -> f64) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut made = vec![0.0; values.len()];
    let mut first = 0;
    while first < order.len() {
        let equal = order[first..].iter().take_while(|&&index| values[index] == values[order[first]]).count();
        let one = of(first as f64 + (equal + 1) as f64 / 2.0);
        order[first..first + equal].iter().for_each(|&index| made[index] = one);
        first += equal;
    }
    made
}

/// Rank correlation (Spearman, 1904) of two lists of as many values, from −1 to 1; 0 where all values of one are equal.
#[must_use]
pub fn rank_correlation(a: &[f64], b: &[f64]) -> f64 {
    let centred = |values: &[f64]| {
        let middle = (values.len() as f64 + 1.0) / 2.0;
        ranked(values, |rank| rank - middle)
    };
    let (a, b) = (centred(a), centred(b));
    let product = |a: &[f64], b: &[f64]| -> f64 { a.iter().zip(b).map(|(a, b)| a * b).sum() };
    let spread = (product(&a, &a) * product(&b, &b)).sqrt();
    if spread > 0.0 { product(&a, &b) / spread } else { 0.0 }
}

/// Standard deviations below the best from which on an expected improvement is that of its asymptotic series.
const FAR: f64 = -5.0;

/// How much above `best` a normal variable is in the mean, where being below counts as 0 (Močkus, 1975).
#[must_use]
pub fn expected_improvement(mean: f64, variance: f64, best: f64) -> f64 {
    let deviation = variance.max(1e-12).sqrt();
    let z = (mean - best) / deviation;
    if z < FAR {
        // Of two numbers that are almost equal the difference below would be error alone.
        let series = 1.0 - 3.0 / (z * z) + 15.0 / z.powi(4) - 105.0 / z.powi(6);
        return deviation * (-0.5 * z * z).exp() / std::f64::consts::TAU.sqrt() * series / (z * z);
    }
    (mean - best) * cumulative(z) + deviation * (-0.5 * z * z).exp() / std::f64::consts::TAU.sqrt()
}

/// The standard normal distribution function, to 1e-7 (Abramowitz and Stegun, 26.2.17).
fn cumulative(z: f64) -> f64 {
    let t = 1.0 / (1.0 + 0.231_641_9 * z.abs());
    let polynomial =
        t * (0.319_381_530 + t * (-0.356_563_782 + t * (1.781_477_937 + t * (-1.821_255_978 + t * 1.330_274_429))));
    let tail = polynomial * (-0.5 * z * z).exp() / std::f64::consts::TAU.sqrt();
    if z > 0.0 { 1.0 - tail } else { tail }
}

/// The quantile of the standard normal distribution at `p` between 0 and 1, by bisection.
fn quantile(p: f64) -> f64 {
    let (mut low, mut high) = (-8.0, 8.0);
    for _ in 0..40 {
        let middle = 0.5 * (low + high);
        if cumulative(middle) < p { low = middle } else { high = middle }
    }
    0.5 * (low + high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_distribution_and_its_quantiles_by_hand() {
        for (z, p) in [(0.0, 0.5), (1.0, 0.841_344_746), (-1.959_964, 0.025), (3.0, 0.998_650_102)] {
            assert!((cumulative(z) - p).abs() < 1e-6, "{z}: {}", cumulative(z));
            assert!((quantile(p) - z).abs() < 1e-4, "{p}: {}", quantile(p));
        }
    }

    #[test]
    fn scores_follow_ranks_and_equal_values_share_theirs() {
        let scores = normal_scores(&[Some(5.0), Some(-1e300), None, Some(5.0), Some(7.0)]);
        assert!(scores[2] < scores[1] && scores[1] < scores[0] && scores[0] < scores[4]);
        assert_eq!(scores[0], scores[3]);
        assert!((scores.iter().sum::<f64>()).abs() < 0.1);
        assert!(normal_scores(&[]).is_empty());
        assert!(normal_scores(&[Some(3.0), Some(3.0)]).iter().all(|score| score.abs() < 1e-6));
    }

    #[test]
    fn rank_correlations_by_hand() {
        let rising = [1.0, 2.0, 3.0, 4.0];
        assert_eq!(rank_correlation(&rising, &[0.1, 0.2, 9.0, 1e9]), 1.0);
        assert_eq!(rank_correlation(&rising, &[4.0, 3.0, 2.0, -1.0]), -1.0);
        // 1 − 6 · (1 + 1 + 0 + 0) / (4 · 15).
        assert!((rank_correlation(&rising, &[2.0, 1.0, 3.0, 4.0]) - 0.8).abs() < 1e-12);
        assert_eq!(rank_correlation(&rising, &[5.0; 4]), 0.0);
        assert_eq!(rank_correlation(&[], &[]), 0.0);
    }

    #[test]
    fn improvement_grows_with_the_mean_and_with_doubt() {
        assert!((expected_improvement(0.0, 1.0, 0.0) - 0.398_942_28).abs() < 1e-6);
        assert!((expected_improvement(3.0, 1e-9, 1.0) - 2.0).abs() < 1e-6);
        assert!(expected_improvement(-1.0, 1.0, 0.0) < expected_improvement(-1.0, 4.0, 0.0));
        let falling: Vec<f64> = (0..370).map(|i| expected_improvement(f64::from(i) * -0.1, 1.0, 0.0)).collect();
        assert!(falling.windows(2).all(|pair| pair[0] > pair[1] && pair[1] > 0.0), "{falling:?}");
    }
}
