//! Progress where standard error is no terminal: plain lines, one at each gain and one now and then.

use super::{Note, Watcher, state::State};
use crate::{study::Event, train::metric::Metric};
use std::{
    io::{self, Write},
    time::{Duration, Instant},
};

/// Longest silence while candidates come in.
const NOW_AND_THEN: Duration = Duration::from_secs(30);

pub(super) struct Lines {
    state: State,
    began: Instant,
    spoke: Instant,
}

impl Lines {
    pub(super) fn new() -> Lines {
        Lines { state: State::default(), began: Instant::now(), spoke: Instant::now() }
    }

    fn say(&mut self, text: &str) {
        // Progress that cannot be shown must not end the study.
        let _ = writeln!(io::stderr().lock(), "{text}");
        self.spoke = Instant::now();
    }

    fn status(&mut self) {
        let mut text = self.state.status(self.began.elapsed().as_secs_f64());
        if let Some(best) = self.state.best() {
            text = format!("{text} · best {best}");
        }
        self.say(&text);
    }
}

impl Watcher for Lines {
    fn note(&mut self, note: Note<'_>) {
        match note {
            Note::Notice(text) => self.say(text),
            Note::Warning(text) => self.say(&format!("warning: {text}")),
        }
    }

    fn event(&mut self, event: &Event<'_>) {
        if let Event::Started { .. } = event {
            self.began = Instant::now();
        }
        self.state.take(event);
        let ordinary = matches!(event, Event::Candidate { best: false, .. });
        if !ordinary || self.spoke.elapsed() >= NOW_AND_THEN {
            self.status();
        }
    }

    fn phase(&mut self, name: &str) {
        self.state.set_phase(name);
        self.say(name);
    }

    fn metric(&mut self, metric: &'static Metric) {
        self.state.set_metric(metric);
    }

    fn end(&mut self) {}
}
