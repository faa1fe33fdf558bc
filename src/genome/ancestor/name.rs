//! Ancestors by name.

use super::{ALL, Entry};
use crate::genome::choice::near;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;

/// A published architecture; in JSON and in words its name.
#[derive(Clone, Copy)]
pub struct Ancestor(&'static Entry);

impl Ancestor {
    /// What the list knows of it.
    pub fn entry(self) -> &'static Entry {
        self.0
    }

    /// Every ancestor.
    pub fn all() -> impl Iterator<Item = Ancestor> {
        ALL.iter().copied().map(Ancestor)
    }
}

impl PartialEq for Ancestor {
    fn eq(&self, other: &Self) -> bool {
        self.0.name == other.0.name
    }
}

impl Eq for Ancestor {}

impl fmt::Display for Ancestor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.name)
    }
}

impl fmt::Debug for Ancestor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.name)
    }
}

impl Serialize for Ancestor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.name)
    }
}

impl<'de> Deserialize<'de> for Ancestor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        find(&name).map_err(de::Error::custom)
    }
}

/// A name that no ancestor has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no ancestor {name:?}; {}", if near.is_empty() {
    format!("the ancestors are {}", known.join(", "))
} else {
    format!("near names: {}", near.join(", "))
})]
pub struct UnknownAncestor {
    /// The name.
    pub name: String,
    /// Names like it, the nearest first.
    pub near: Vec<&'static str>,
    /// All names.
    pub known: Vec<&'static str>,
}

/// The ancestor with this name.
///
/// # Errors
/// A name that no ancestor has; the error lists the near ones, or all.
pub fn find(name: &str) -> Result<Ancestor, UnknownAncestor> {
    Ancestor::all().find(|ancestor| ancestor.0.name == name).ok_or_else(|| {
        let known: Vec<&'static str> = ALL.iter().map(|entry| entry.name).collect();
        UnknownAncestor { name: name.to_owned(), near: near(name, &known), known }
    })
}
