//! All metrics of the exported net.

use super::{Digest, Input, Section};
use crate::report::{escape, number};

pub(super) static SECTION: Section = Section {
    title: "All metrics",
    note: "On rows that the net was not trained on. They steered the search, so new data is judged a little less well.",
    draw,
};

fn draw(_: &Input, digest: &Digest) -> Option<String> {
    let choice = digest.choice.as_ref()?;
    let row = |(name, value): (&String, &f64)| format!("<tr><th>{}</th><td>{}</td></tr>\n", escape(name), number(*value));
    let rows: Vec<String> = choice.scores.iter().map(row).collect();
    Some(format!("<table class=\"pairs\">{}</table>\n", rows.concat()))
}
