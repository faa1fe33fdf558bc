//! The courses of the trainings, where some were paused on their way.

use super::{Digest, Input, Section};
use crate::report::svg::{Plot, Scale};
use crate::study::{Candidate, Outcome, Record};

/// Trainings that are drawn at most, the latest.
const MOST: usize = 200;

pub(super) static SECTION: Section = Section {
    title: "Learning curves",
    note: "The metric on the validation part in the course of each training; grey ones were paused where they were behind.",
    draw,
};

struct Course {
    paused: bool,
    points: Vec<(f64, f64)>,
}

fn draw(input: &Input, digest: &Digest) -> Option<String> {
    if digest.paused == 0 {
        return None;
    }
    let candidates = input.records.iter().filter_map(|record| match record {
        Record::Candidate(candidate) => course(candidate),
        _ => None,
    });
    let courses: Vec<Course> = candidates.collect();
    let courses = &courses[courses.len().saturating_sub(MOST)..];
    let values = || courses.iter().flat_map(|course| course.points.iter().map(|(_, value)| *value));
    let higher = input.metric.higher_is_better;
    let worst = super::quantile(values().collect(), if higher { 0.1 } else { 0.9 })?;
    let shown = values().filter(|value| if higher { *value >= worst } else { *value <= worst });
    let mut plot =
        Plot::new(Scale::from_zero(std::iter::once(1.0)), Scale::linear(shown), "share of the training", input.metric.name);
    // The paused ones first, so that the others are not hidden.
    for is_paused in [true, false] {
        for course in courses.iter().filter(|course| course.paused == is_paused) {
            let class = if is_paused { "course paused" } else { "course" };
            plot.line(course.points.iter().copied(), class);
        }
    }
    Some(plot.finish(SECTION.title))
}

/// The course of a candidate; `None` of one that failed.
fn course(candidate: &Candidate) -> Option<Course> {
    let (paused, curve, share) = match &candidate.outcome {
        Outcome::Scored { curve, .. } => (false, curve, 1.0),
        Outcome::Paused { curve, rungs, .. } => (true, curve, rungs.last()?.share),
        Outcome::Failed { .. } => return None,
    };
    let last = curve.last()?.examples.max(1) as f64;
    let points = curve.iter().map(|point| (share * point.examples as f64 / last, point.metric)).collect();
    Some(Course { paused, points })
}
