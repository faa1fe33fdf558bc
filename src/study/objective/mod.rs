//! Objectives beside the metric: what a net costs where it is deployed. All of them are minimised.
//!
//! Those of its graph are known before it is trained; the others are measured on the very model that would be exported.
//! Adding one: an [`Entry`] in a file of its own or that of its kin, and a line in [`ALL`].

mod cap;
mod gauge;
mod graph;
mod latency;
mod size;
mod specimen;
#[cfg(test)]
mod tests;

pub use cap::{BadCap, Cap};
pub use gauge::{Assemble, Gauge, Measured};
pub use specimen::Specimen;

use crate::train::TrainError;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::collections::BTreeMap;
use std::fmt;

/// Every objective, in the order in which they are listed to users.
pub static ALL: &[&Entry] =
    &[&graph::PARAMETERS, &graph::MACS, &size::SIZE, &latency::LATENCY, &latency::LATENCY_BATCH, &graph::MEMORY];

/// Values of objectives by name.
pub type Objectives = BTreeMap<String, f64>;

/// What the list knows of an objective.
pub struct Entry {
    /// Name on the command line, in the journal and in reports.
    pub name: &'static str,
    /// What it is, in a line.
    pub doc: &'static str,
    /// What it is counted in.
    pub unit: Unit,
    /// Whether it is measured by the clock: it differs from machine to machine and a little from run to run.
    pub is_timed: bool,
    /// Its value, in the unit; finite and at least 0.
    pub measure: fn(&Specimen<'_>) -> Result<f64, TrainError>,
}

/// What an objective is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Pieces.
    Count,
    /// Bytes.
    Bytes,
    /// Thousandths of a second.
    Milliseconds,
}

/// An objective; in JSON, in settings and in words its name.
#[derive(Clone, Copy)]
pub struct Objective(&'static Entry);

impl Objective {
    /// What the list knows of it.
    pub fn entry(self) -> &'static Entry {
        self.0
    }

    /// Every objective.
    pub fn all() -> impl Iterator<Item = Objective> {
        ALL.iter().copied().map(Objective)
    }
}

impl PartialEq for Objective {
    fn eq(&self, other: &Self) -> bool {
        self.0.name == other.0.name
    }
}

impl Eq for Objective {}

impl fmt::Display for Objective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.name)
    }
}

impl fmt::Debug for Objective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.name)
    }
}

impl Serialize for Objective {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.name)
    }
}

impl<'de> Deserialize<'de> for Objective {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        find(&name).map_err(de::Error::custom)
    }
}

/// A name that no objective has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no objective {name:?}; there are {}", known.join(", "))]
pub struct UnknownObjective {
    /// The name.
    pub name: String,
    /// All names.
    pub known: Vec<&'static str>,
}

/// The objective with this name.
///
/// # Errors
/// A name that no objective has; the error lists all.
pub fn find(name: &str) -> Result<Objective, UnknownObjective> {
    let unknown = || UnknownObjective { name: name.to_owned(), known: ALL.iter().map(|entry| entry.name).collect() };
    Objective::all().find(|objective| objective.0.name == name).ok_or_else(unknown)
}
