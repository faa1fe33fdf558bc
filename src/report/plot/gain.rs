//! The best metric over the study.

use super::{Digest, Input, Section};
use crate::report::{
    number,
    svg::{Plot, Scale},
};

pub(super) static SECTION: Section = Section {
    title: "Best so far",
    note: "Each dot is a candidate, the line the best until then; dashed lines are the baselines.",
    draw,
};

fn draw(input: &Input, digest: &Digest) -> Option<String> {
    let values: Vec<f64> = digest.points.iter().map(|point| point.value).collect();
    let worst = worst(input, &values)?;
    let baselines = input.baselines.iter().filter(|baseline| baseline.value.is_finite());
    let shown = |value: &f64| if input.metric.higher_is_better { *value >= worst } else { *value <= worst };
    let levels: Vec<_> = baselines.filter(|baseline| shown(&baseline.value)).collect();
    let range = values.iter().copied().filter(shown).chain(levels.iter().map(|b| b.value)).chain(digest.value);
    let minutes = digest.seconds > 180.0;
    let unit = if minutes { 60.0 } else { 1.0 };
    let x = Scale::from_zero(std::iter::once(digest.seconds / unit));
    let name = if minutes { "minutes" } else { "seconds" };
    let mut plot = Plot::new(x, Scale::linear(range), name, input.metric.name);
    for baseline in levels {
        plot.level(baseline.value, &baseline.name);
    }
    for point in &digest.points {
        let title = format!("candidate {}: {} after {:.0} s", point.number, number(point.value), point.seconds);
        plot.dot(point.seconds / unit, point.value, 2.5, &format!("arm{}", point.arm % 8), &title);
    }
    plot.line(steps(digest).into_iter().map(|(seconds, value)| (seconds / unit, value)), "best");
    if let Some(value) = digest.value {
        plot.dot(digest.seconds / unit, value, 5.0, "winner", &format!("exported: {}", number(value)));
    }
    Some(plot.finish(SECTION.title) + &super::legend(digest))
}

/// The worst value that is drawn in its place: nine of ten candidates are better. Others are put at the edge.
fn worst(input: &Input, values: &[f64]) -> Option<f64> {
    let share = if input.metric.higher_is_better { 0.1 } else { 0.9 };
    super::quantile(values.to_vec(), share)
}

/// Corners of the line of the best.
fn steps(digest: &Digest) -> Vec<(f64, f64)> {
    let mut corners: Vec<(f64, f64)> = Vec::new();
    for point in digest.points.iter().filter(|point| point.best) {
        if let Some((_, before)) = corners.last().copied() {
            corners.push((point.seconds, before));
        }
        corners.push((point.seconds, point.value));
    }
    corners.extend(corners.last().map(|(_, value)| (digest.seconds, *value)));
    corners
}
