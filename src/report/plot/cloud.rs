//! Every candidate as error against parameters.

use super::{Digest, Input, Section, error, error_name};
use crate::report::{
    grouped, number,
    svg::{Plot, Scale},
};

pub(super) static SECTION: Section = Section {
    title: "Error against size",
    note: "Every candidate, coloured by the arm that proposed it; left and low is better. The ring is the exported net.",
    draw,
};

fn draw(input: &Input, digest: &Digest) -> Option<String> {
    let errors: Vec<f64> = digest.points.iter().map(|point| error(input, point.value)).collect();
    let worst = super::quantile(errors.clone(), 0.95)?;
    let shown = errors.into_iter().filter(|error| *error <= worst);
    let y = Scale::linear(shown.chain(digest.value.map(|value| error(input, value))));
    let x = Scale::log(digest.points.iter().map(|point| point.parameters as f64));
    let mut plot = Plot::new(x, y, "parameters", &error_name(input));
    for point in &digest.points {
        let title = format!(
            "candidate {}, {}: {} {}, {} parameters",
            point.number,
            digest.arms[point.arm],
            input.metric.name,
            number(point.value),
            grouped(point.parameters)
        );
        let class = format!("arm{}", point.arm % 8);
        plot.dot(point.parameters as f64, error(input, point.value), 3.5, &class, &title);
    }
    if let Some(value) = digest.value {
        let title = format!("exported: {}, {} parameters", number(value), grouped(digest.parameters));
        plot.dot(digest.parameters as f64, error(input, value), 7.0, "ring", &title);
    }
    Some(plot.finish(SECTION.title) + &super::legend(digest))
}
