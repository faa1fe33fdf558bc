//! Sections of the page, one a file.

mod arms;
mod cloud;
mod confusion;
mod curves;
mod failures;
mod front;
mod gain;
mod importance;
mod lineage;
mod network;
mod residuals;
mod scores;
mod settings;

use super::{Digest, Input};

/// A section of the page.
pub struct Section {
    /// Its heading.
    pub title: &'static str,
    /// What it shows, in a sentence.
    pub note: &'static str,
    /// Its HTML; `None` where the study has nothing for it.
    pub draw: fn(&Input, &Digest) -> Option<String>,
}

/// All sections in the order of the page.
pub static ALL: &[&Section] = &[
    &gain::SECTION,
    &front::SECTION,
    &cloud::SECTION,
    &curves::SECTION,
    &network::SECTION,
    &importance::SECTION,
    &lineage::SECTION,
    &arms::SECTION,
    &confusion::SECTION,
    &residuals::SECTION,
    &scores::SECTION,
    &failures::SECTION,
    &settings::SECTION,
];

/// The metric as an error, lower is better: what shares lack to one, or the error itself.
fn error(input: &Input, value: f64) -> f64 {
    if input.metric.higher_is_better { 1.0 - value } else { value }
}

/// Name of that error.
fn error_name(input: &Input) -> String {
    if input.metric.higher_is_better { format!("1 − {}", input.metric.name) } else { input.metric.name.to_owned() }
}

/// The value below which a share of the values lies.
fn quantile(mut values: Vec<f64>, share: f64) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let index = (share * values.len().saturating_sub(1) as f64).round() as usize;
    values.get(index).copied()
}

/// Colours of the arms with their names.
fn legend(digest: &Digest) -> String {
    let entry =
        |(index, name): (usize, &String)| format!("<li><i class=\"arm{}\"></i>{}</li>", index % 8, super::escape(name));
    let entries: Vec<String> = digest.arms.iter().enumerate().map(entry).collect();
    format!("<ul class=\"legend\">{}</ul>\n", entries.concat())
}
