//! Caps on objectives, which are checked once a candidate is measured.

use super::{Objective, Unit, find};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// The most that there may be of an objective, written like `size<200k` or `latency<=2`; the bound itself is allowed in
/// both forms.
///
/// A candidate above it is infeasible: it stays in the study, ranked behind all that are feasible.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Cap {
    /// What is bounded.
    pub objective: Objective,
    /// The most there may be of it, in its unit; above 0.
    pub most: f64,
}

/// Suffixes of counts and bytes.
const THOUSANDS: &[(&str, f64)] = &[("k", 1e3), ("m", 1e6), ("g", 1e9)];
/// Suffixes of times.
const TIMES: &[(&str, f64)] = &[("us", 1e-3), ("ms", 1.0), ("s", 1e3)];

/// A text that is no cap.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadCap {
    /// Not of the form OBJECTIVE<NUMBER.
    #[error("`{0}` is no constraint; write it like params<100k, size<200k or latency<2 (milliseconds)")]
    Form(String),
    /// Something else is to be bounded.
    #[error("`{name}` cannot be bounded; {} can", known.join(", "))]
    Objective {
        /// The name.
        name: String,
        /// What can be bounded.
        known: Vec<&'static str>,
    },
}

impl Cap {
    /// By how much a value is above the cap, as a share of it; 0 where it is not.
    pub fn violation(&self, value: f64) -> f64 {
        (value / self.most - 1.0).max(0.0)
    }
}

impl FromStr for Cap {
    type Err = BadCap;

    fn from_str(text: &str) -> Result<Self, BadCap> {
        let form = || BadCap::Form(text.to_owned());
        let (name, bound) = text.split_once('<').ok_or_else(form)?;
        let objective = find(name.trim()).map_err(|e| BadCap::Objective { name: e.name, known: e.known })?;
        let bound = bound.strip_prefix('=').unwrap_or(bound).trim().to_ascii_lowercase();
        let suffixes = match objective.entry().unit {
            Unit::Count | Unit::Bytes => THOUSANDS,
            Unit::Milliseconds => TIMES,
        };
        let suffix = suffixes.iter().find_map(|(suffix, factor)| Some((bound.strip_suffix(suffix)?, *factor)));
        let (number, factor) = suffix.unwrap_or((&bound, 1.0));
        let most = number.trim().parse::<f64>().map_err(|_| form())? * factor;
        if most > 0.0 && most < 1e18 { Ok(Cap { objective, most }) } else { Err(form()) }
    }
}

impl fmt::Display for Cap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}<={}", self.objective, self.most)
    }
}

impl TryFrom<String> for Cap {
    type Error = BadCap;

    fn try_from(text: String) -> Result<Self, BadCap> {
        text.parse()
    }
}

impl From<Cap> for String {
    fn from(cap: Cap) -> String {
        cap.to_string()
    }
}
