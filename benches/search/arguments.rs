//! Arguments of the benches that judge strategies.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

/// What takes no value.
const FLAGS: [&str; 2] = ["--json", "--correlation"];

/// Words and options of a command line. What is asked for is taken out; what is left is unknown.
pub struct Arguments {
    words: Vec<String>,
    options: BTreeMap<String, String>,
    usage: &'static str,
}

impl Arguments {
    /// Those of this program.
    pub fn read(usage: &'static str) -> Result<Arguments, String> {
        let (mut words, mut options) = (vec![], BTreeMap::new());
        // Cargo adds `--bench`.
        let mut rest = std::env::args().skip(1).filter(|argument| argument != "--bench");
        while let Some(argument) = rest.next() {
            if FLAGS.contains(&&argument[..]) {
                options.insert(argument, true.to_string());
            } else if argument.starts_with("--") {
                let value = rest.next().ok_or_else(|| format!("{argument} wants a value; usage: {usage}"))?;
                options.insert(argument, value);
            } else {
                words.push(argument);
            }
        }
        Ok(Arguments { words, options, usage })
    }

    /// The words.
    pub fn words(&mut self) -> Vec<String> {
        std::mem::take(&mut self.words)
    }

    /// The value of an option, `true` for one that takes none; `None` where it is not given.
    pub fn option<T: FromStr<Err: Display>>(&mut self, name: &str) -> Result<Option<T>, String> {
        let value = |text: String| text.parse().map_err(|e| format!("{name} {text}: {e}; usage: {}", self.usage));
        self.options.remove(name).map(value).transpose()
    }

    /// Refuses what nobody has asked for.
    pub fn finish(self) -> Result<(), String> {
        match self.options.keys().chain(&self.words).next() {
            Some(unknown) => Err(format!("unknown argument {unknown}; usage: {}", self.usage)),
            None => Ok(()),
        }
    }
}
