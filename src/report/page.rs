//! `report.html`: the page around the sections.

use super::{Digest, Input, Scored, bytes, escape, format::short, grouped, number, plot};
use crate::train::metric;
use std::fmt::Write;

const STYLE: &str = include_str!("page.css");

/// The whole page, from the fold over its journal.
pub fn html(input: &Input, digest: &Digest) -> String {
    let title = escape(&input.name);
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title} · evolve</title>\n<style>\n{STYLE}</style></head>\n<body>\n<header>\n<h1>{title}</h1>\n{}</header>\n<main>\n",
        headline(input, digest)
    );
    for section in plot::ALL {
        if let Some(body) = (section.draw)(input, digest) {
            // Writing into a string cannot fail.
            let _ = write!(
                page,
                "<section><h2>{}</h2>\n<p class=\"note\">{}</p>\n{body}</section>\n",
                section.title, section.note
            );
        }
    }
    page.push_str("</main>\n</body></html>\n");
    page
}

/// The result beside the baselines, and what it cost.
fn headline(input: &Input, digest: &Digest) -> String {
    let value = digest.value.map_or_else(|| "no result".to_owned(), number);
    let mut text = format!(
        "<p class=\"headline\"><strong>{value}</strong> {} {}</p>\n{}{}<ul class=\"facts\">",
        escape(input.metric.name),
        escape(&input.scored.place()),
        spread(input),
        verdict(input, digest)
    );
    let minutes = digest.seconds / 60.0;
    let facts = [
        (grouped(digest.candidates), "candidates"),
        (if minutes >= 3.0 { format!("{minutes:.0} min") } else { format!("{:.0} s", digest.seconds) }, "of training"),
        (grouped(digest.parameters), "parameters"),
        (short(digest.macs as f64), "multiply-adds a row"),
        (bytes(input.bytes), "best.onnx"),
    ];
    let paused = (digest.paused > 0).then(|| (grouped(digest.paused), "of them paused early"));
    let (candidates, others) = facts.split_at(1);
    for (value, name) in candidates.iter().chain(&paused).chain(others) {
        let _ = write!(text, "<li><b>{value}</b> {name}</li>");
    }
    text.push_str("</ul>\n");
    if input.stopped {
        text.push_str("<p class=\"note\">Stopped by the user before its end.</p>\n");
    }
    text
}

/// The metric on each fold or from each seed, and what net it is then that was exported.
fn spread(input: &Input) -> String {
    let Scored { values, standard_error, exported, .. } = &input.scored;
    let mut text = String::new();
    if !values.is_empty() {
        let each: Vec<String> = values.iter().map(|value| number(*value)).collect();
        let error = standard_error.map(|error| format!(", standard error {}", number(error))).unwrap_or_default();
        let _ = writeln!(text, "<p class=\"note\">each: {}{error}</p>", each.join(" · "));
    }
    if let Some(exported) = exported {
        let _ = writeln!(text, "<p class=\"note\">{}</p>", escape(exported));
    }
    text
}

/// A bar for the result and for each baseline, and a warning where the search was of no use.
fn verdict(input: &Input, digest: &Digest) -> String {
    let Some(value) = digest.value else { return String::new() };
    let rows: Vec<(&str, f64, &str)> = std::iter::once(("evolved net", value, "ours"))
        .chain(input.baselines.iter().map(|baseline| (baseline.name.as_str(), baseline.value, "other")))
        .filter(|(_, value, _)| value.is_finite())
        .collect();
    let longest = rows.iter().map(|(_, value, _)| value.abs()).fold(f64::MIN_POSITIVE, f64::max);
    let mut text = String::from("<table class=\"versus\">\n");
    for (name, value, class) in &rows {
        let length = value.max(0.0) / longest * 100.0;
        let _ = writeln!(
            text,
            "<tr class=\"{class}\"><th>{}</th><td><i style=\"width:{length:.1}%\"></i></td><td>{}</td></tr>",
            escape(name),
            number(*value)
        );
    }
    text.push_str("</table>\n");
    let direction = if input.metric.higher_is_better { "higher" } else { "lower" };
    let _ = writeln!(text, "<p class=\"note\">{direction} is better</p>");
    let score = |value| metric::score(input.metric, value);
    if let Some((name, ..)) = rows.iter().skip(1).find(|(_, other, _)| score(*other) >= score(value)) {
        let _ = writeln!(text, "<p class=\"warning\">The search found nothing better than the {}.</p>", escape(name));
    }
    text
}
