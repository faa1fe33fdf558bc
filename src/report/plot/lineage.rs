//! How the exported net came about, edit by edit.

use super::{Digest, Input, Section};
use crate::report::{Step, escape, grouped, number};

pub(super) static SECTION: Section = Section {
    title: "Lineage",
    note: "From the first ancestor to the exported net: what was changed, and what it gained in the search.",
    draw,
};

fn draw(input: &Input, digest: &Digest) -> Option<String> {
    if digest.lineage.is_empty() {
        return None;
    }
    let parents = std::iter::once(None).chain(digest.lineage.iter().map(Some));
    let rows: Vec<String> = digest.lineage.iter().zip(parents).map(|(step, parent)| row(input, step, parent)).collect();
    let exported = digest.value.map(|value| format!("<li class=\"end\">trained at full length: {}</li>\n", number(value)));
    Some(format!("<ol class=\"lineage\">\n{}{}</ol>\n", rows.concat(), exported.unwrap_or_default()))
}

fn row(input: &Input, step: &Step, parent: Option<&Step>) -> String {
    let without = if step.paused { "paused" } else { "failed" };
    let value = step.value.map_or_else(|| without.to_owned(), number);
    let gain = parent.and_then(|parent| Some(step.value? - parent.value?)).map(|difference| {
        let good = (difference > 0.0) == input.metric.higher_is_better && difference != 0.0;
        let sign = if difference > 0.0 { "+" } else { "−" };
        let class = if good { "good" } else { "bad" };
        format!(" <span class=\"{class}\">{sign}{}</span>", number(difference.abs()))
    });
    let edits = if step.edits.is_empty() { String::new() } else { format!("<br>{}", escape(&step.edits.join("; "))) };
    format!(
        "<li><b>{value}</b>{} <small>candidate {} · {} · {} parameters</small>{edits}</li>\n",
        gain.unwrap_or_default(),
        step.number,
        escape(&step.arm),
        grouped(step.parameters)
    )
}
