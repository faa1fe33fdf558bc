//! Failed candidates by kind.

use super::{Digest, Input, Section};
use crate::{report::escape, study::Failure};

pub(super) static SECTION: Section =
    Section { title: "Failures", note: "Failed candidates are ranked last; the search goes on.", draw };

fn draw(_: &Input, digest: &Digest) -> Option<String> {
    Some(failures(digest) + &smaller_batches(digest))
}

fn failures(digest: &Digest) -> String {
    if digest.failures.is_empty() {
        return format!("<p>None of {} candidates failed.</p>\n", digest.candidates);
    }
    let row = |(kind, count, message): &(Failure, u64, String)| {
        format!("<tr><th>{}</th><td>{count}</td><td class=\"text\">{}</td></tr>\n", words(*kind), escape(message))
    };
    let rows: Vec<String> = digest.failures.iter().map(row).collect();
    format!("<table class=\"pairs\">{}</table>\n", rows.concat())
}

/// How many trainings the device had no memory for as their genomes say.
fn smaller_batches(digest: &Digest) -> String {
    match digest.smaller_batches {
        0 => String::new(),
        n => format!(
            "<p>Trained with smaller batches, since the device ran out of memory: {n} of {}, the finals included.</p>\n",
            digest.trainings
        ),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn smaller_batches_are_told_of_where_there_were_any() {
        let digest = |smaller_batches| Digest { smaller_batches, trainings: 9, ..Digest::default() };
        assert_eq!(smaller_batches(&digest(0)), "");
        assert!(smaller_batches(&digest(2)).contains("ran out of memory: 2 of 9, the finals included."));
    }
}
