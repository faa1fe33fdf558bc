//! The strategies that a search can follow.

mod ga;
mod random;

use super::{Settings, Strategy, UnknownStrategy};
use crate::genome::SearchSpace;

/// All strategies, the default first.
pub static ALL: &[&Entry] = &[&ga::ENTRY, &random::ENTRY];

/// A strategy of the list.
pub struct Entry {
    /// Name on the command line and in the study's settings.
    pub name: &'static str,
    /// What it does, in one line.
    pub doc: &'static str,
    /// Builds it for a search space.
    pub make: fn(&Settings, &SearchSpace) -> Box<dyn Strategy>,
}

/// The strategy with this name.
///
/// # Errors
/// A name that no strategy has; the error lists the near ones and all.
pub fn find(name: &str) -> Result<&'static Entry, UnknownStrategy> {
    ALL.iter().find(|entry| entry.name == name).copied().ok_or_else(|| {
        let mut near: Vec<(f64, &str)> =
            ALL.iter().map(|entry| (strsim::jaro_winkler(name, entry.name), entry.name)).collect();
        near.retain(|(likeness, _)| *likeness > 0.7);
        near.sort_by(|a, b| b.0.total_cmp(&a.0));
        UnknownStrategy {
            name: name.to_owned(),
            near: near.into_iter().map(|(_, name)| name.to_owned()).collect(),
            known: ALL.iter().map(|entry| entry.name.to_owned()).collect(),
        }
    })
}

#[cfg(test)]
mod tests;
