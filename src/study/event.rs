//! What a study tells whoever watches it.

use super::{Candidate, Choice, Finalist, Finals, Refit};
use crate::train::ResidentPart;

/// Something that happened in a study, in the order it happened.
#[derive(Debug, Clone, Copy)]
pub enum Event<'a> {
    /// The search begins or goes on.
    Started {
        /// Candidates that the journal already holds.
        done: u64,
        /// Most candidates that will be evaluated, where that is limited.
        candidates: Option<u64>,
        /// Seconds of the whole budget, where there is one.
        budget: Option<f64>,
        /// Seconds used by earlier sessions.
        elapsed: f64,
        /// Training examples of a candidate of ordinary size.
        examples: u64,
        /// Candidates of earlier sessions that are paused and did not go on.
        paused: u64,
        /// The best candidate of earlier sessions.
        best: Option<&'a Candidate>,
    },
    /// Something that the user should look at.
    Warning(&'a str),
    /// A candidate was evaluated and journaled.
    Candidate {
        /// Its record.
        candidate: &'a Candidate,
        /// Whether it is the best so far.
        best: bool,
    },
    /// The search ended and finalists were picked.
    Finals {
        /// These, and how long each is trained.
        finals: &'a Finals,
        /// How many of the trainings were made in earlier sessions.
        done: usize,
    },
    /// A finalist was trained and journaled.
    Finalist(&'a Finalist),
    /// Nets are asked for what they would say together.
    Asking {
        /// How many.
        nets: usize,
    },
    /// What was chosen is trained on all rows.
    Refitting {
        /// How many nets.
        nets: usize,
    },
    /// A net of the choice was trained on all rows and journaled.
    Refit(&'a Refit),
    /// The model to be exported was chosen.
    Choice(&'a Choice),
}

/// The watcher, which is also told where features are fed although there is a device: once, after the first event by which that
/// is known.
pub(super) fn telling_of_refusal<'a>(
    parts: Vec<&'a ResidentPart<'a>>,
    watch: &'a mut dyn FnMut(Event<'_>),
) -> impl FnMut(Event<'_>) + 'a {
    let mut told = false;
    move |event: Event<'_>| {
        watch(event);
        if let Some(error) = parts.iter().find_map(|part| part.refusal()).filter(|_| !told) {
            told = true;
            watch(Event::Warning(&format!(
                "the training examples are sent step by step, as the device cannot hold them: {error}"
            )));
        }
    }
}
