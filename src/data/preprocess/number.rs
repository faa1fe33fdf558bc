//! Columns of numbers: robust clip, logarithm where the column is skewed, standardisation.
//!
//! With q(p) the p-quantile of the training part: values are cut off beyond q(0.001) and q(0.999), each moved outwards
//! by half their distance, so that single outliers do not set the scale and moderate extrapolation stays possible. A
//! column whose skewness is above 2 after that goes through sign(x − median) · ln(1 + |x − median| / width), if that
//! brings the skewness down. Mean and deviation are then taken out; missing values become 0, which is the mean.

use serde::{Deserialize, Serialize};

/// Skewness (third standardised moment) above which the logarithm is tried.
const SKEWED: f64 = 2.0;
/// Share of the values beyond which a value may be an outlier, on each side.
const TAIL: f64 = 0.001;
/// Larger values are left out of the fit: differences of such values overflow. They are cut off like other outliers.
const LARGEST: f32 = 1e37;
/// Least distance between knots.
const LEAST_BIN: f32 = 1e-30;
/// Most knots of a feature.
pub const KNOTS: usize = 64;

/// A fitted column of numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NumberEncoder {
    /// Name of the column.
    pub name: String,
    /// Position among the inputs: of the column, or within the rows of a matrix.
    pub input: usize,
    /// Values below are cut off.
    pub low: f32,
    /// Values above are cut off.
    pub high: f32,
    /// Logarithm before standardisation.
    pub log: Option<LogScale>,
    /// Taken off after the logarithm.
    pub offset: f32,
    /// Multiplied with after that: one over the standard deviation.
    pub scale: f32,
    /// Whether a second feature says that the value is missing: where the training part has missing values.
    pub flag: bool,
    /// Quantiles of the standardised values, strictly increasing.
    pub knots: Vec<f32>,
}

/// sign(x − pivot) · ln(1 + |x − pivot| / width).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LogScale {
    /// Where it is zero.
    pub pivot: f32,
    /// Distance from the pivot within which it is nearly linear; positive.
    pub width: f32,
}

impl LogScale {
    fn apply(self, x: f32) -> f32 {
        let d = x - self.pivot;
        // The sign of zero is zero here, as in ONNX.
        let sign = if d == 0.0 { 0.0 } else { d.signum() };
        (d.abs() / self.width + 1.0).ln() * sign
    }
}

impl NumberEncoder {
    /// Fits a column; what is not finite is missing. `None` where all rows have the same value or none has one.
    pub fn fit(name: &str, input: usize, values: impl Iterator<Item = f32>) -> Option<Self> {
        let all: Vec<f32> = values.collect();
        let mut sorted: Vec<f32> = all.iter().copied().filter(|v| v.abs() <= LARGEST).collect();
        let flag = all.iter().any(|v| !v.is_finite());
        sorted.sort_unstable_by(f32::total_cmp);
        let (first, last) = (*sorted.first()?, *sorted.last()?);
        if first == last {
            // All that a constant says is whether it is there.
            return flag.then(|| NumberEncoder::constant(name, input, first));
        }
        let (low, high) = clip_bounds(&sorted);
        let clipped: Vec<f32> = sorted.iter().map(|v| v.clamp(low, high)).collect();
        let plain = Moments::of(&clipped);
        let log = log_scale(&sorted).filter(|log| {
            let logged: Vec<f32> = clipped.iter().map(|&v| log.apply(v)).collect();
            plain.skewness.abs() > SKEWED && Moments::of(&logged).skewness.abs() < plain.skewness.abs()
        });
        let shaped: Vec<f32> = clipped.iter().map(|&v| log.map_or(v, |log| log.apply(v))).collect();
        let moments = Moments::of(&shaped);
        let (offset, scale) = (moments.mean as f32, (1.0 / moments.std) as f32);
        if !scale.is_finite() {
            return None;
        }
        let standardised: Vec<f32> = shaped.iter().map(|v| (v - offset) * scale).collect();
        let knots = knots(&standardised);
        Some(NumberEncoder { name: name.into(), input, low, high, log, offset, scale, flag, knots })
    }

    fn constant(name: &str, input: usize, value: f32) -> Self {
        let (low, high, offset) = (value, value, value);
        NumberEncoder { name: name.into(), input, low, high, log: None, offset, scale: 1.0, flag: true, knots: Vec::new() }
    }

    /// The feature of a value, with the arithmetic of the exported graph.
    pub fn apply(&self, value: f32) -> f32 {
        if !value.is_finite() {
            return 0.0;
        }
        let clipped = value.max(self.low).min(self.high);
        (self.log.map_or(clipped, |log| log.apply(clipped)) - self.offset) * self.scale
    }
}

/// Element of sorted values at a quantile, rounded towards the median: the largest and the smallest are never chosen.
fn tail(sorted: &[f32]) -> (f32, f32) {
    let steps = ((sorted.len() - 1) as f64 * TAIL).ceil() as usize;
    (sorted[steps], sorted[sorted.len() - 1 - steps])
}

fn clip_bounds(sorted: &[f32]) -> (f32, f32) {
    let (below, above) = tail(sorted);
    if below >= above {
        return (sorted[0], sorted[sorted.len() - 1]);
    }
    let margin = (above - below) / 2.0;
    let (low, high) = (below - margin, above + margin);
    if low.is_finite() && high.is_finite() { (low, high) } else { (below, above) }
}

/// Median, and the median distance from it of the values that differ from it.
fn log_scale(sorted: &[f32]) -> Option<LogScale> {
    let pivot = sorted[sorted.len() / 2];
    let mut distances: Vec<f32> = sorted.iter().map(|v| (v - pivot).abs()).filter(|d| *d > 0.0).collect();
    distances.sort_unstable_by(f32::total_cmp);
    let width = *distances.get(distances.len() / 2)?;
    (width.is_finite() && width > f32::MIN_POSITIVE).then_some(LogScale { pivot, width })
}

/// Mean, standard deviation and skewness.
struct Moments {
    mean: f64,
    std: f64,
    skewness: f64,
}

impl Moments {
    fn of(values: &[f32]) -> Self {
        let n = values.len() as f64;
        let mean = values.iter().map(|&v| f64::from(v)).sum::<f64>() / n;
        let central = |power: i32| values.iter().map(|&v| (f64::from(v) - mean).powi(power)).sum::<f64>() / n;
        let std = central(2).sqrt();
        let skewness = if std > 0.0 { central(3) / std.powi(3) } else { 0.0 };
        Moments { mean, std, skewness }
    }
}

/// Quantiles of sorted values in equal steps, both ends included, each once. A value that many rows share counts as often
/// as it takes for a knot of its own: were it counted in full, a column that is zero for nine rows of ten would have no
/// knots left for the rest.
fn knots(sorted: &[f32]) -> Vec<f32> {
    let most = sorted.len().div_ceil(KNOTS - 1);
    let values: Vec<f32> = sorted.chunk_by(|a, b| a == b).flat_map(|same| &same[..same.len().min(most)]).copied().collect();
    let last = values.len() - 1;
    let mut knots: Vec<f32> = (0..KNOTS).map(|i| values[i * last / (KNOTS - 1)]).collect();
    // Bins divide by these distances.
    knots.dedup_by(|b, a| *b - *a < LEAST_BIN);
    knots
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fit(values: &[f32]) -> Option<NumberEncoder> {
        NumberEncoder::fit("x", 0, values.iter().copied())
    }

    #[test]
    fn a_plain_column_is_standardised() {
        let encoder = fit(&[1.0, 2.0, 3.0, 4.0, 5.0]).unwrap();
        // q(0.001) = 2 and q(0.999) = 4 leave out the ends; each moves out by (4 − 2) / 2
        assert_eq!((encoder.low, encoder.high, encoder.offset), (1.0, 5.0, 3.0));
        assert!((encoder.scale - 0.5f32.sqrt()).abs() < 1e-6);
        assert_eq!(encoder.apply(3.0), 0.0);
        assert_eq!([f32::NAN, f32::INFINITY, f32::NEG_INFINITY].map(|value| encoder.apply(value)), [0.0; 3]);
        assert_eq!(encoder.apply(f32::MAX), encoder.apply(5.0));
        assert!(encoder.log.is_none() && !encoder.flag);
    }

    #[test]
    fn a_frequent_value_leaves_knots_for_the_rest() {
        // Nine rows of ten are zero; a hundred other values share the rest.
        let values: Vec<f32> = (0..9_000).map(|_| 0.0).chain((0..1_000).map(|i| 1.0 + (i / 10) as f32)).collect();
        assert!(fit(&values).unwrap().knots.len() > 30);
        // The frequent value has a knot of its own, wherever it stands.
        let values: Vec<f32> = (0..6_400).map(|i| if i < 102 { i } else { 102.max(i - 150) } as f32).collect();
        let encoder = fit(&values).unwrap();
        assert!(encoder.knots.contains(&encoder.apply(102.0)), "{:?}", encoder.knots);
    }

    #[test]
    fn bins_are_never_too_narrow_to_divide_by() {
        let values: Vec<f32> = [-1.0, 0.0, 1e-40, 1.0].iter().flat_map(|&v| [v; 100]).collect();
        let knots = fit(&values).unwrap().knots;
        assert!(knots.windows(2).all(|w| (1.0 / (w[1] - w[0])).is_finite()), "{knots:?}");
    }

    #[test]
    fn one_outlier_does_not_set_the_scale() {
        let mut values: Vec<f32> = (0..100).map(|i| i as f32).collect();
        values.push(1e9);
        let encoder = fit(&values).unwrap();
        assert!(encoder.high < 200.0 && encoder.scale > 0.02, "{encoder:?}");
    }

    #[test]
    fn a_skewed_column_goes_through_the_logarithm() {
        let values: Vec<f32> = (0..1000).map(|i| if i % 10 == 0 { (i * i) as f32 } else { 0.0 }).collect();
        let encoder = fit(&values).unwrap();
        let log = encoder.log.unwrap();
        assert_eq!(log.pivot, 0.0);
        assert!((log.apply(log.width) - 2f32.ln()).abs() < 1e-6 && (log.apply(-log.width) + 2f32.ln()).abs() < 1e-6);
        assert_eq!(log.apply(0.0), 0.0);
    }

    #[test]
    fn a_constant_tells_at_most_whether_it_is_there() {
        assert_eq!(fit(&[7.0; 20]), None);
        assert_eq!(fit(&[f32::NAN; 20]), None);
        assert_eq!(fit(&[]), None);
        let encoder = fit(&[7.0, f32::NAN, 7.0]).unwrap();
        assert!(encoder.flag && encoder.apply(7.0) == 0.0 && encoder.apply(9.0) == 0.0);
    }

    #[test]
    fn a_rare_value_is_not_cut_off() {
        let mut values = vec![0.0; 2000];
        values[5] = 1.0;
        let encoder = fit(&values).unwrap();
        assert!(encoder.apply(1.0) > encoder.apply(0.0));
    }

    proptest! {
        #[test]
        fn features_are_finite_and_knots_increase(
            values in prop::collection::vec(prop_oneof![any::<f32>(), -3f32..3.0, Just(0.0)], 1..80), probe in any::<f32>()
        ) {
            if let Some(encoder) = fit(&values) {
                prop_assert!(encoder.apply(probe).is_finite(), "{:?}", encoder);
                prop_assert!(encoder.knots.len() <= KNOTS && encoder.knots.is_sorted_by(|a, b| a < b));
            }
        }
    }
}
