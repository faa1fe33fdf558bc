//! Progress of a study: what is printed while it runs.

mod json;
mod lines;
mod state;
mod terminal;

use super::OutputMode;
use crate::{study::Event, train::metric::Metric};
use std::io::{self, IsTerminal};

/// Something to be said that is no event of the study.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Note<'a> {
    /// What the program does, such as the data it read.
    Notice(&'a str),
    /// What the user should look at, such as a column that was left out.
    Warning(&'a str),
}

/// Shows notes and events.
trait Watcher {
    fn note(&mut self, note: Note<'_>);
    fn event(&mut self, event: &Event<'_>);
    /// Says what happens after the last event, such as `exporting`.
    fn phase(&mut self, name: &str);
    fn metric(&mut self, metric: &'static Metric);
    /// Nothing more will come; clears what should not stay.
    fn end(&mut self);
}

/// Where progress goes: a live display on a terminal, a line now and then where standard error is no terminal, objects
/// for programs, or nowhere.
pub struct Progress {
    watcher: Option<Box<dyn Watcher>>,
}

impl Progress {
    /// Progress for this mode.
    pub fn new(mode: OutputMode) -> Progress {
        let watcher: Option<Box<dyn Watcher>> = match mode {
            OutputMode::Quiet => None,
            OutputMode::Json => Some(Box::new(json::Json::new())),
            OutputMode::Terminal if io::stderr().is_terminal() => Some(Box::new(terminal::Terminal::new())),
            OutputMode::Terminal => Some(Box::new(lines::Lines::new())),
        };
        Progress { watcher }
    }

    /// Says something.
    pub fn note(&mut self, note: Note<'_>) {
        if let Some(watcher) = &mut self.watcher {
            watcher.note(note);
        }
    }

    /// Takes note of the metric that the study goes by. Before the first event.
    pub fn metric(&mut self, metric: &'static Metric) {
        if let Some(watcher) = &mut self.watcher {
            watcher.metric(metric);
        }
    }

    /// Shows an event of the study.
    pub fn event(&mut self, event: &Event<'_>) {
        match (&mut self.watcher, event) {
            (Some(watcher), Event::Warning(message)) => watcher.note(Note::Warning(message)),
            (Some(watcher), event) => watcher.event(event),
            (None, _) => {}
        }
    }

    /// Says what happens now that the study reports no events, such as `exporting`.
    pub fn phase(&mut self, name: &str) {
        if let Some(watcher) = &mut self.watcher {
            watcher.phase(name);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(watcher) = &mut self.watcher {
            watcher.end();
        }
    }
}
