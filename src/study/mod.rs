//! A study: the run of a search, its folder, and going on with it.

mod record;

pub use record::{Candidate, Choice, Costs, Finalist, Outcome, Record, Timing};
