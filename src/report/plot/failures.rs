//! Failed candidates by kind.

use super::{Digest, Input, Section};
use crate::{report::escape, study::Failure};

pub(super) static SECTION: Section =
    Section { title: "Failures", note: "Failed candidates are ranked last; the search goes on.", draw };

fn draw(_: &Input, digest: &Digest) -> Option<String> {
    if digest.failures.is_empty() {
        return Some(format!("<p>None of {} candidates failed.</p>\n", digest.candidates));
    }
    let row = |(kind, count, message): &(Failure, u64, String)| {
        format!("<tr><th>{}</th><td>{count}</td><td class=\"text\">{}</td></tr>\n", words(*kind), escape(message))
    };
    let rows: Vec<String> = digest.failures.iter().map(row).collect();
    Some(format!("<table class=\"pairs\">{}</table>\n", rows.concat()))
}

fn words(kind: Failure) -> &'static str {
    match kind {
        Failure::Diverged => "diverged",
        Failure::Memory => "too large for the memory",
        Failure::Panic => "panicked",
        Failure::Engine => "refused by the engine",
        Failure::Genome => "could not be expressed",
    }
}
