//! A space as a TOML file: what its user has chosen, over the preset of the data.

mod keys;
mod slot;
#[cfg(test)]
mod tests;
mod write;

use self::keys::{KEYS, Key};
use self::slot::Place;
use super::{Limits, SearchSpace, SpaceError, check::OTHER_KIND};
use crate::genome::{
    choice::{hint, near},
    domain::Domain,
};
use serde::{Deserialize, Serialize};
use std::str::FromStr;
use toml::{Table, Value};

/// Version of the files that are read and written.
const VERSION: i64 = 1;
/// Kinds of spaces.
const KINDS: [&str; 2] = ["table", "image"];

/// The content of a space's file: its version, the kind of its nets and what has been chosen. What is left out is as in
/// [`SearchSpace::preset`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SpaceFile(Table);

/// A file that gives no space.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum BadSpaceFile {
    /// Not TOML.
    #[error("this is no TOML: {0}")]
    Syntax(String),
    /// Without a version, or with another than is read.
    #[error("version: {given}; this evolve reads version = {VERSION}")]
    Version {
        /// What there is.
        given: String,
    },
    /// A key that there is not.
    #[error("{key}: there is no such key; {}", hint(near, known))]
    Key {
        /// The key, with its section.
        key: String,
        /// Keys like it, the nearest first.
        near: Vec<&'static str>,
        /// Keys that there are in its place.
        known: Vec<&'static str>,
    },
    /// A value that is none of its key.
    #[error("{key}: {reason}")]
    Value {
        /// The key, with its section.
        key: String,
        /// What is wrong with the value.
        reason: String,
    },
    /// Choices that make no space.
    #[error(transparent)]
    Space(#[from] SpaceError),
}

impl FromStr for SpaceFile {
    type Err = BadSpaceFile;

    /// Reads the text of a file; what the choices mean is seen by [`SearchSpace::from_file`].
    fn from_str(text: &str) -> Result<Self, BadSpaceFile> {
        text.parse().map(SpaceFile).map_err(|error: toml::de::Error| BadSpaceFile::Syntax(error.to_string()))
    }
}

impl SpaceFile {
    /// The space as a file that leaves nothing out.
    pub fn of(space: &SearchSpace) -> Self {
        // What is written is read: a property of every space that tests hold on to.
        SpaceFile(space.to_toml().parse().unwrap_or_default())
    }
}

impl SearchSpace {
    /// The preset of a domain with the choices of a file.
    ///
    /// Operators that the file forbids are recorded; [`crate::express::permitted`] excludes what leads to them.
    ///
    /// # Errors
    /// Another version or kind, unknown keys and names, and choices that make no sense, each with its key.
    pub fn from_file(domain: &Domain, file: &SpaceFile) -> Result<Self, BadSpaceFile> {
        let mut space = SearchSpace::preset(domain);
        let mut table = file.0.clone();
        check_version(table.remove("version"))?;
        space.check_kind(table.remove("kind"))?;
        read(&mut space, "", &table)?;
        sort(&mut space);
        space.check()?;
        Ok(space)
    }

    fn kind(&self) -> &'static str {
        match self.limits {
            Limits::Table(_) => KINDS[0],
            Limits::Image(_) => KINDS[1],
        }
    }

    fn check_kind(&self, given: Option<Value>) -> Result<(), BadSpaceFile> {
        let bad = |reason: String| BadSpaceFile::Value { key: "kind".to_owned(), reason };
        let Some(given) = given else {
            return Err(bad(format!("is missing; write kind = {:?}", self.kind())));
        };
        match given.as_str().filter(|kind| KINDS.contains(kind)) {
            None => Err(bad(format!("{given} is neither \"table\" nor \"image\""))),
            Some(kind) if kind != self.kind() => {
                Err(bad(if kind == "image" { OTHER_KIND.0 } else { OTHER_KIND.1 }.to_owned()))
            }
            Some(_) => Ok(()),
        }
    }
}

fn check_version(given: Option<Value>) -> Result<(), BadSpaceFile> {
    let version = |given: String| Err(BadSpaceFile::Version { given });
    match given {
        Some(Value::Integer(VERSION)) => Ok(()),
        Some(Value::Integer(newer)) if newer > VERSION => version(format!("{newer} is of a newer evolve")),
        Some(Value::Integer(older)) => version(format!("{older} is no version that there was")),
        Some(other) => version(format!("{other} is no version")),
        None => version("is missing".to_owned()),
    }
}

/// Reads the keys of a section.
fn read(space: &mut SearchSpace, section: &str, table: &Table) -> Result<(), BadSpaceFile> {
    for (name, value) in table {
        let path = joined(section, name);
        let key = KEYS.iter().find(|key| key.path == path);
        match (key, value) {
            (Some(key), _) => set(space, key, None, value)?,
            (None, Value::Table(table)) if is_section(&path) => read(space, &path, table)?,
            (None, Value::Table(table)) if exceptions(space, section).contains(&name.as_str()) => {
                read_exceptions(space, section, name, table)?;
            }
            (None, _) if is_section(&path) => {
                return Err(BadSpaceFile::Value { key: path, reason: format!("{value} is no section with keys") });
            }
            (None, _) => {
                let known = names(space, section);
                return Err(BadSpaceFile::Key { key: path, near: near(name, &known), known });
            }
        }
    }
    Ok(())
}

/// Reads what is chosen for one value of another gene alone.
fn read_exceptions(space: &mut SearchSpace, section: &str, choice: &str, table: &Table) -> Result<(), BadSpaceFile> {
    for (name, value) in table {
        let in_section = KEYS.iter().filter(|key| key.section() == section);
        let takes = |key: &&Key, space: &mut SearchSpace| matches!((key.place)(space), Some(Place::By(_)));
        let known: Vec<&Key> = in_section.filter(|key| takes(key, space)).collect();
        match known.iter().find(|key| key.name() == name) {
            Some(key) => set(space, key, Some(choice), value)?,
            None => {
                let known: Vec<&'static str> = known.iter().map(|key| key.name()).collect();
                let key = joined(&joined(section, choice), name);
                return Err(BadSpaceFile::Key { key, near: near(name, &known), known });
            }
        }
    }
    Ok(())
}

/// Gives a key its value, or, with a `choice`, an exception for that.
fn set(space: &mut SearchSpace, key: &Key, choice: Option<&str>, value: &Value) -> Result<(), BadSpaceFile> {
    let path = match choice {
        Some(choice) => joined(&joined(key.section(), choice), key.name()),
        None => key.path.to_owned(),
    };
    let slot = match ((key.place)(space), choice) {
        (Some(Place::One(slot)), _) => Some(slot),
        (Some(Place::By(by)), None) => Some(by.all()),
        (Some(Place::By(by)), Some(choice)) => by.exception(choice),
        (None, _) => None,
    };
    match slot {
        Some(slot) => slot.read(value).map_err(|reason| BadSpaceFile::Value { key: path, reason }),
        None => Err(BadSpaceFile::Value { key: path, reason: format!("means nothing here: {}", key.absent) }),
    }
}

fn joined(section: &str, name: &str) -> String {
    if section.is_empty() { name.to_owned() } else { format!("{section}.{name}") }
}

fn is_section(path: &str) -> bool {
    KEYS.iter().any(|key| key.section() == path || key.section().starts_with(&format!("{path}.")))
}

/// Names of the values that the section's keys may make exceptions for.
fn exceptions(space: &mut SearchSpace, section: &str) -> Vec<&'static str> {
    let mut names = vec![];
    for key in KEYS.iter().filter(|key| key.section() == section) {
        if let Some(Place::By(by)) = (key.place)(space) {
            names.extend(by.choices());
        }
    }
    names.sort_unstable();
    names.dedup();
    names
}

/// Everything that may stand in a section.
fn names(space: &mut SearchSpace, section: &str) -> Vec<&'static str> {
    let mut names: Vec<&'static str> = if section.is_empty() { vec!["version", "kind"] } else { vec![] };
    for key in KEYS.iter().filter(|key| (key.place)(space).is_some()) {
        let below = if section.is_empty() { Some(key.path) } else { key.path.strip_prefix(section) };
        let name = below.and_then(|below| below.strip_prefix('.').or(section.is_empty().then_some(below)));
        if let Some(name) = name.map(|name| name.split('.').next().unwrap_or(name)).filter(|name| !names.contains(name)) {
            names.push(name);
        }
    }
    names.extend(exceptions(space, section));
    names
}

/// Puts every list of numbers in order.
pub(super) fn sort(space: &mut SearchSpace) {
    for key in KEYS {
        match (key.place)(space) {
            Some(Place::One(slot)) => slot.sort(),
            Some(Place::By(by)) => {
                by.all().sort();
                for choice in by.made() {
                    if let Some(slot) = by.exception(choice) {
                        slot.sort();
                    }
                }
            }
            None => {}
        }
    }
}
