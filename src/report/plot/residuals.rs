//! Predicted against true values of a regression.

use super::{Digest, Input, Section};
use crate::{
    data::Targets,
    report::{
        number,
        svg::{Plot, Scale},
    },
    train::metric::Predictions,
};

/// Dots that are drawn, at equal distances among the rows.
const DOTS: usize = 1500;

pub(super) static SECTION: Section = Section {
    title: "Predicted against true",
    note: "Rows that the net was not trained on; the closer to the diagonal, the better.",
    draw,
};

fn draw(input: &Input, _: &Digest) -> Option<String> {
    let (Predictions::Values(said), Targets::Values(truth)) = (&input.predictions, &input.targets) else { return None };
    let both = || said.iter().chain(truth).map(|value| f64::from(*value));
    let scale = Scale::linear(both());
    let mut plot = Plot::new(scale, scale, "true", "predicted");
    let (low, high) = (both().fold(f64::INFINITY, f64::min), both().fold(f64::NEG_INFINITY, f64::max));
    plot.line([(low, low), (high, high)].into_iter(), "level");
    let every = said.len().div_ceil(DOTS).max(1);
    for (said, truth) in said.iter().zip(truth).step_by(every) {
        let (said, truth) = (f64::from(*said), f64::from(*truth));
        plot.dot(truth, said, 2.5, "arm0", &format!("true {}, predicted {}", number(truth), number(said)));
    }
    Some(plot.finish(SECTION.title))
}
