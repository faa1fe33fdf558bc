//! Writing a space as a file that explains itself.

use super::keys::{KEYS, Key, SECTIONS};
use super::slot::Place;
use super::{SearchSpace, VERSION};
use std::fmt::Write;

/// Columns that comments are wrapped at.
const WIDTH: usize = 116;

const HEAD: &str = "The nets that evolve searches among, for `evolve run DATA --space THIS_FILE`.

What a file leaves out is as evolve chooses it for the data, so one may be a few lines: version, kind and what
differs. Here stands all of it. A gene is written as
  one value, which pins it:      learning_rate = 0.003      activations = \"relu\"
  a list to choose from:         widths = [16, 32, 64]      activations = [\"relu\", \"silu\"]
  a range, or one end of it:     blocks = { high = 3 }      learning_rate = { low = 1e-4, high = 1e-2 }
A range of whole numbers holds those that stand here between its ends; with step = 8 every eighth from its low end
on, with log = true two to an octave. Real numbers with log = true are drawn on a logarithmic scale.";

impl SearchSpace {
    /// The text of a file with every choice of the space and what it means; [`SearchSpace::from_file`] reads the same space
    /// from it, but for its ancestors and constraints.
    pub fn to_toml(&self) -> String {
        let mut space = self.clone();
        let mut text = String::new();
        comment(&mut text, HEAD);
        // Writing into a string cannot fail.
        let _ = writeln!(text, "\nversion = {VERSION}\nkind = \"{}\"", self.kind());
        let mut section = "";
        for key in KEYS {
            if key.section() != section {
                except(&mut text, &mut space, section);
                section = key.section();
                if KEYS.iter().any(|key| key.section() == section && (key.place)(&mut space).is_some()) {
                    begin(&mut text, section);
                }
            }
            let value = match (key.place)(&mut space) {
                Some(Place::One(slot)) => slot.text(),
                Some(Place::By(by)) => by.all().text(),
                None => continue,
            };
            comment(&mut text, key.doc);
            let _ = writeln!(text, "{} = {value}", key.name());
        }
        except(&mut text, &mut space, section);
        text
    }
}

/// Begins a section with its comment.
fn begin(text: &mut String, section: &str) {
    text.push('\n');
    if let Some((_, doc)) = SECTIONS.iter().find(|(name, _)| *name == section) {
        comment(text, doc);
    }
    let _ = writeln!(text, "[{section}]");
}

/// Writes the exceptions of a section, each value that there are some for as a section of its own.
fn except(text: &mut String, space: &mut SearchSpace, section: &str) {
    let keys: Vec<&Key> = KEYS.iter().filter(|key| key.section() == section).collect();
    let mut choices: Vec<&'static str> = vec![];
    for key in &keys {
        if let Some(Place::By(by)) = (key.place)(space) {
            choices.extend(by.made());
        }
    }
    choices.sort_unstable();
    choices.dedup();
    for choice in choices {
        let _ = writeln!(text, "\n[{section}.{choice}]");
        for key in &keys {
            if let Some(Place::By(by)) = (key.place)(space)
                && by.made().contains(&choice)
                && let Some(slot) = by.exception(choice)
            {
                let _ = writeln!(text, "{} = {}", key.name(), slot.text());
            }
        }
    }
}

/// Writes each line as a comment, wrapped between words.
fn comment(text: &mut String, words: &str) {
    for line in words.lines() {
        let indent = line.len() - line.trim_start().len();
        let (mut rest, mut first) = (line, true);
        loop {
            let end = match rest.char_indices().nth(WIDTH) {
                Some((at, _)) => rest[..at].rfind(' ').unwrap_or(at),
                None => rest.len(),
            };
            let margin = if first { "" } else { &"                "[..indent.min(16)] };
            let written = format!("# {margin}{}", &rest[..end]);
            let _ = writeln!(text, "{}", written.trim_end());
            (rest, first) = (rest[end..].trim_start(), false);
            if rest.is_empty() {
                break;
            }
        }
    }
}
