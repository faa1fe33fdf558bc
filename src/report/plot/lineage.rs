//! How the exported net came about, edit by edit.

use super::{Digest, Input, Section};
use crate::report::{Step, escape, grouped, number};

pub(super) static SECTION: Section = Section {
    title: "Lineage",
    note: "From the first ancestor to the exported net: what was changed, and what it gained over the parent.",
    draw,
};

fn draw(input: &Input, digest: &Digest) -> Option<String> {
    let last = digest.lineage.last()?;
    let rows: Vec<String> = digest.lineage.iter().map(|step| row(input, step)).collect();
    let exported = digest.value.map(|value| {
        let gain = difference(input, last.value.map(|searched| value - searched));
        let others = digest.choice.as_ref().map_or(0, |choice| choice.candidates().len() - 1);
        let how = match others {
            0 => "after its final training".to_owned(),
            1 => "the mean of it and another network".to_owned(),
            others => format!("the mean of it and {others} other networks"),
        };
        format!("<li class=\"end\"><b>{}</b>{gain} <small>exported, {how}</small></li>\n", number(value))
    });
    Some(format!("<ol class=\"lineage\">\n{}{}</ol>\n", rows.concat(), exported.unwrap_or_default()))
}

fn row(input: &Input, step: &Step) -> String {
    let without = if step.paused { "paused" } else { "failed" };
    let value = step.value.map_or_else(|| without.to_owned(), number);
    let edits = if step.edits.is_empty() { String::new() } else { format!("<br>{}", escape(&step.edits.join("; "))) };
    let weights = if step.inherits { " · goes on from the parent's weights" } else { "" };
    format!(
        "<li><b>{value}</b>{} <small>candidate {} · {} · {} parameters{weights}</small>{edits}</li>\n",
        difference(input, step.gain),
        step.number,
        escape(&step.arm),
        grouped(step.parameters)
    )
}

/// A difference of the metric, with its sign and whether it is for the better.
fn difference(input: &Input, difference: Option<f64>) -> String {
    let Some(difference) = difference else { return String::new() };
    if difference == 0.0 {
        return " <span>±0</span>".to_owned();
    }
    let good = (difference > 0.0) == input.metric.higher_is_better;
    let (class, sign) = (if good { "good" } else { "bad" }, if difference > 0.0 { "+" } else { "−" });
    format!(" <span class=\"{class}\">{sign}{}</span>", number(difference.abs()))
}
