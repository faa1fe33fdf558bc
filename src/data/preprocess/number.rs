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
    /// Fits a column; NaN is missing. `None` where it is constant or has no value.
    pub fn fit(name: &str, input: usize, values: impl Iterator<Item = f32>) -> Option<Self> {
        let mut flag = false;
        let mut sorted: Vec<f32> = values.filter(|v| v.is_finite() || std::mem::replace(&mut flag, true) & false).collect();
        sorted.sort_unstable_by(f32::total_cmp);
        let (first, last) = (*sorted.first()?, *sorted.last()?);
        if first == last {
            return None;
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

    /// The feature of a value, with the arithmetic of the exported graph.
    pub fn apply(&self, value: f32) -> f32 {
        if value.is_nan() {
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

/// Quantiles of sorted values in equal steps, both ends included, each once.
fn knots(sorted: &[f32]) -> Vec<f32> {
    let last = sorted.len() - 1;
    let mut knots: Vec<f32> = (0..KNOTS).map(|i| sorted[i * last / (KNOTS - 1)]).collect();
    knots.dedup();
    knots
}
