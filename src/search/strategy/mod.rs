//! The strategies that a search can follow.

mod aging;
mod auto;
mod beam;
mod eems;
mod evsm;
mod ga;
mod gradient;
mod greedy;
mod grid;
mod nsga2;
mod predictor;
mod random;
mod rl;

use super::{Settings, Space, Strategy, UnknownStrategy};
use crate::genome::{SearchSpace, near};

/// A strategy of the list.
pub struct Entry<S: Space = SearchSpace> {
    /// Name on the command line and in the study's settings.
    pub name: &'static str,
    /// What it does, in one line.
    pub doc: &'static str,
    /// Whether it starts from the seeds of the space, such as ancestors of nets; if not, from random births alone.
    pub seeded: bool,
    /// Builds it for a search space.
    pub make: fn(&Settings, &S) -> Box<dyn Strategy<S>>,
}

impl<S: Space> Entry<S> {
    /// All strategies, the default of a single objective first.
    pub const ALL: &'static [Entry<S>] = &[
        auto::entry(),
        predictor::entry(),
        ga::entry(),
        gradient::entry(),
        aging::entry(),
        evsm::entry(),
        eems::entry(),
        greedy::entry(),
        beam::entry(),
        grid::entry(),
        rl::entry(),
        nsga2::entry(),
        random::entry(),
    ];
}

/// Name of the strategy where none is asked for: one that searches for a front where there are `several` objectives.
pub const fn default_for(several: bool) -> &'static str {
    if several { nsga2::NAME } else { auto::NAME }
}

/// The strategy with this name.
///
/// # Errors
/// A name that no strategy has; the error lists the near ones and all.
pub fn find<S: Space>(name: &str) -> Result<&'static Entry<S>, UnknownStrategy> {
    let all = Entry::<S>::ALL;
    all.iter().find(|entry| entry.name == name).ok_or_else(|| {
        let known: Vec<&str> = all.iter().map(|entry| entry.name).collect();
        UnknownStrategy {
            name: name.to_owned(),
            near: near(name, &known).into_iter().map(str::to_owned).collect(),
            known: known.into_iter().map(str::to_owned).collect(),
        }
    })
}

#[cfg(test)]
mod tests;
