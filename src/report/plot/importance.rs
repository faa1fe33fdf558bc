//! Which genes mattered.

use super::{Digest, Input, Section};
use crate::{report::escape, search::model::Importance};

/// Loss of correlation below which a gene is only named.
const NOTABLE: f64 = 0.01;

pub(super) static SECTION: Section = Section {
    title: "What mattered",
    note: "How much worse a model of the search ranks candidates that it has not seen when one gene is shuffled among them.",
    draw,
};

fn draw(_: &Input, digest: &Digest) -> Option<String> {
    let Some(importance) = &digest.importance else {
        let (least, few) = (Importance::FEWEST, digest.candidates);
        return Some(format!("<p>Too few candidates to tell: {least} are needed, there are {few}.</p>\n"));
    };
    let correlation = importance.correlation;
    if !importance.is_trustworthy() {
        return Some(format!(
            "<p>Not known: how candidates did cannot be foretold from their genes. What a Gaussian process expects of \
             candidates that it has not seen has a rank correlation of only {correlation:.2} with how they did.</p>\n"
        ));
    }
    // They come sorted.
    let (notable, others) = importance.genes.split_at(importance.genes.partition_point(|(_, lost)| *lost >= NOTABLE));
    let most = notable.first().map_or(1.0, |(_, lost)| *lost);
    let row = |(name, lost): &(&str, f64)| {
        let length = lost / most * 100.0;
        format!("<tr><th>{}</th><td><i style=\"width:{length:.1}%\"></i></td><td>{lost:.2}</td></tr>\n", escape(name))
    };
    let rows: Vec<String> = notable.iter().map(row).collect();
    let names: Vec<&str> = others.iter().map(|(name, _)| *name).collect();
    let rest = if names.is_empty() { String::new() } else { format!(" Hardly anything: {}.", escape(&names.join(", "))) };
    let sampled = match importance.sampled < importance.candidates {
        true => format!("{} of the {} candidates, spread evenly", importance.sampled, importance.candidates),
        false => format!("the {} candidates", importance.candidates),
    };
    Some(format!(
        "<table class=\"bars\">\n{}</table>\n<p class=\"note\">Permutation importance: loss of rank correlation (Spearman). \
         With nothing shuffled it is {correlation:.2} (1 is perfect, 0 is chance), for a Gaussian process that is fitted \
         to four fifths of {sampled}, and asked about the rest, in turn.{rest}</p>\n",
        rows.concat()
    ))
}
