//! Progress for programs: one JSON object a line on standard output. Each has the key `event`.

use super::{Note, Watcher};
use crate::{
    cli::Output,
    study::{Candidate, Choice, Event, Finalist, Finals, Refit},
    train::metric::Metric,
};
use serde::Serialize;

#[derive(Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Line<'a> {
    Notice {
        message: &'a str,
    },
    Warning {
        message: &'a str,
    },
    Started {
        metric: Option<&'static str>,
        higher_is_better: Option<bool>,
        done: u64,
        candidates: Option<u64>,
        budget: Option<f64>,
        elapsed: f64,
        examples: u64,
        paused: u64,
        /// Number of the best candidate of earlier sessions.
        #[serde(skip_serializing_if = "Option::is_none")]
        best: Option<u64>,
    },
    Candidate {
        best: bool,
        #[serde(flatten)]
        candidate: &'a Candidate,
    },
    Finals(&'a Finals),
    Finalist(&'a Finalist),
    Refitting {
        nets: usize,
    },
    Refit(&'a Refit),
    Choice(&'a Choice),
    Asking {
        nets: usize,
    },
    Phase {
        name: &'a str,
    },
}

pub(super) struct Json {
    metric: Option<&'static Metric>,
}

impl Json {
    pub(super) fn new() -> Json {
        Json { metric: None }
    }
}

impl Watcher for Json {
    fn note(&mut self, note: Note<'_>) {
        write(&match note {
            Note::Notice(message) => Line::Notice { message },
            Note::Warning(message) => Line::Warning { message },
        });
    }

    fn event(&mut self, event: &Event<'_>) {
        write(&match *event {
            Event::Started { done, candidates, budget, elapsed, examples, paused, best } => Line::Started {
                metric: self.metric.map(|metric| metric.name),
                higher_is_better: self.metric.map(|metric| metric.higher_is_better),
                done,
                candidates,
                budget,
                elapsed,
                examples,
                paused,
                best: best.map(|candidate| candidate.number),
            },
            Event::Warning(message) => Line::Warning { message },
            Event::Candidate { candidate, best } => Line::Candidate { best, candidate },
            Event::Finals { finals, .. } => Line::Finals(finals),
            Event::Finalist(finalist) => Line::Finalist(finalist),
            Event::Asking { nets } => Line::Asking { nets },
            Event::Refitting { nets } => Line::Refitting { nets },
            Event::Refit(refit) => Line::Refit(refit),
            Event::Choice(choice) => Line::Choice(choice),
        });
    }

    fn phase(&mut self, name: &str) {
        write(&Line::Phase { name });
    }

    fn metric(&mut self, metric: &'static Metric) {
        self.metric = Some(metric);
    }

    fn end(&mut self) {}
}

/// A reader that is gone must not end the study: its result is in the folder.
fn write(line: &Line<'_>) {
    let _ = Output::new().json(line);
}
