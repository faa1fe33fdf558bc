//! The settings of the study.

use super::{Digest, Input, Section};
use crate::report::escape;

pub(super) static SECTION: Section =
    Section { title: "Settings", note: "With the same settings and engine, the same search.", draw };

fn draw(input: &Input, _: &Digest) -> Option<String> {
    let row = |(name, value): &(String, String)| {
        format!("<tr><th>{}</th><td class=\"text\">{}</td></tr>\n", escape(name), escape(value))
    };
    let rows: Vec<String> = input.settings.iter().map(row).collect();
    Some(format!("<table class=\"pairs\">{}</table>\n", rows.concat()))
}
