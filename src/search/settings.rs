//! Settings of a search.

use super::SearchError;
use serde::{Deserialize, Serialize};
use std::fmt;

/// How long candidates train before they are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fidelity {
    /// Every training goes to its end.
    #[default]
    Full,
    /// Trainings that are behind at a rung are paused, and go on only where that changes: asynchronous successive halving
    /// (Li et al., 2020).
    Halving,
}

impl Fidelity {
    /// All of them by name.
    pub const ALL: [(&'static str, Fidelity); 2] = [("full", Fidelity::Full), ("halving", Fidelity::Halving)];

    fn is_full(&self) -> bool {
        *self == Fidelity::Full
    }
}

impl fmt::Display for Fidelity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Fidelity::ALL.iter().find(|(_, fidelity)| fidelity == self).map_or("", |(name, _)| name);
        f.write_str(name)
    }
}

/// Settings that all strategies share; each takes what it needs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Members of the population; at least 2. Default 16.
    pub population: usize,
    /// Members drawn for each parent, of which the best is taken; at least 1. Default 3.
    pub tournament: usize,
    /// Members that survive by score alone; at least 1 and at most the population. Default 2.
    pub elites: usize,
    /// Distance under which two genomes share a niche, as a share of the mean distance between random births; at least
    /// 0. Default 0.25.
    pub niche_radius: f64,
    /// Members that one niche keeps before those of other niches go first; at least 1. Default 4.
    pub niche_capacity: usize,
    /// Finalists that can be asked for; at least 1. Default 6.
    pub finalists: usize,
    /// Share of the candidates that each arm gets, however little it found; at least 0 and at most 0.2. Default 0.04.
    pub arm_floor: f64,
    /// Length of a training that starts from inherited weights, as a share of a full one; above 0 and at most 1.
    /// Default 0.35.
    pub elastic_length: f64,
    /// Neighbours without a gain after which a ring counts as exhausted; at least 1. Default 24.
    pub ring: usize,
    /// Genomes that a beam keeps of each level; at least 1. Default 4.
    pub beam: usize,
    /// Births of which the foreseen best start the search, where a strategy ranks by foresight; at least 1. Default 64.
    #[serde(skip_serializing_if = "is_default_pool")]
    pub pool: usize,
    /// Drafts for each later candidate of which the foreseen best is taken, likewise; at least 1. Default 2.
    #[serde(skip_serializing_if = "is_default_drafts")]
    pub drafts: usize,
    /// Estimate of how many candidates the budget allows. It decides how many random births start the search: a quarter
    /// of it, at least 8 and at most the population. Default none, which counts as many.
    pub expected_candidates: Option<u64>,
    /// How long candidates train before they are compared. Default full.
    #[serde(skip_serializing_if = "Fidelity::is_full")]
    pub fidelity: Fidelity,
}

const POOL: usize = 64;
const DRAFTS: usize = 2;

fn is_default_pool(pool: &usize) -> bool {
    *pool == POOL
}

fn is_default_drafts(drafts: &usize) -> bool {
    *drafts == DRAFTS
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            population: 16,
            tournament: 3,
            elites: 2,
            niche_radius: 0.25,
            niche_capacity: 4,
            finalists: 6,
            arm_floor: 0.04,
            elastic_length: 0.35,
            ring: 24,
            beam: 4,
            pool: POOL,
            drafts: DRAFTS,
            expected_candidates: None,
            fidelity: Fidelity::Full,
        }
    }
}

impl Settings {
    /// Checks every range.
    ///
    /// # Errors
    /// The first setting that is out of its range.
    pub fn check(&self) -> Result<(), SearchError> {
        let ranges: [(&'static str, bool, String, &'static str); 12] = [
            ("population", self.population >= 2, self.population.to_string(), "at least 2"),
            ("tournament", self.tournament >= 1, self.tournament.to_string(), "at least 1"),
            (
                "elites",
                (1..=self.population).contains(&self.elites),
                self.elites.to_string(),
                "at least 1 and at most the population",
            ),
            (
                "niche_radius",
                self.niche_radius >= 0.0 && self.niche_radius.is_finite(),
                self.niche_radius.to_string(),
                "a finite number of at least 0",
            ),
            ("niche_capacity", self.niche_capacity >= 1, self.niche_capacity.to_string(), "at least 1"),
            ("finalists", self.finalists >= 1, self.finalists.to_string(), "at least 1"),
            ("arm_floor", (0.0..=0.2).contains(&self.arm_floor), self.arm_floor.to_string(), "from 0 to 0.2"),
            (
                "elastic_length",
                self.elastic_length > 0.0 && self.elastic_length <= 1.0,
                self.elastic_length.to_string(),
                "above 0 and at most 1",
            ),
            ("ring", self.ring >= 1, self.ring.to_string(), "at least 1"),
            ("beam", self.beam >= 1, self.beam.to_string(), "at least 1"),
            ("pool", self.pool >= 1, self.pool.to_string(), "at least 1"),
            ("drafts", self.drafts >= 1, self.drafts.to_string(), "at least 1"),
        ];
        match ranges.into_iter().find(|(_, holds, _, _)| !holds) {
            Some((name, _, given, range)) => Err(SearchError::Setting { name, given, range }),
            None => Ok(()),
        }
    }

    /// Candidates that start the search, seeds and random births together.
    pub fn initial(&self) -> u64 {
        let most = u64::try_from(self.population).unwrap_or(u64::MAX);
        self.expected_candidates.map_or(most, |expected| (expected / 4).max(8).min(most))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_in_range_and_are_what_an_empty_table_means() {
        Settings::default().check().unwrap();
        assert_eq!(toml::from_str::<Settings>("").unwrap(), Settings::default());
        let written = toml::to_string(&Settings::default()).unwrap();
        assert_eq!(toml::from_str::<Settings>(&written).unwrap(), Settings::default());
        assert!(toml::from_str::<Settings>("populatoin = 3").is_err());
    }

    #[test]
    fn a_setting_out_of_range_is_named_with_what_was_given() {
        let cases: [(Settings, &str); 12] = [
            (Settings { population: 1, elites: 1, ..Settings::default() }, "population"),
            (Settings { tournament: 0, ..Settings::default() }, "tournament"),
            (Settings { elites: 17, ..Settings::default() }, "elites"),
            (Settings { niche_radius: f64::NAN, ..Settings::default() }, "niche_radius"),
            (Settings { niche_capacity: 0, ..Settings::default() }, "niche_capacity"),
            (Settings { finalists: 0, ..Settings::default() }, "finalists"),
            (Settings { arm_floor: 0.3, ..Settings::default() }, "arm_floor"),
            (Settings { elastic_length: 0.0, ..Settings::default() }, "elastic_length"),
            (Settings { ring: 0, ..Settings::default() }, "ring"),
            (Settings { beam: 0, ..Settings::default() }, "beam"),
            (Settings { pool: 0, ..Settings::default() }, "pool"),
            (Settings { drafts: 0, ..Settings::default() }, "drafts"),
        ];
        for (settings, expected) in cases {
            match settings.check() {
                Err(SearchError::Setting { name, .. }) => assert_eq!(name, expected),
                other => panic!("{expected}: {other:?}"),
            }
        }
    }

    #[test]
    fn a_quarter_of_the_expected_candidates_starts_the_search() {
        let initial = |expected| Settings { expected_candidates: expected, ..Settings::default() }.initial();
        assert_eq!(
            [initial(Some(4)), initial(Some(20)), initial(Some(48)), initial(Some(2000)), initial(None)],
            [8, 8, 12, 16, 16]
        );
    }
}
