//! What can go wrong between a study and its search.

use thiserror::Error;

/// A search that cannot go on as asked.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum SearchError {
    /// A setting is out of its range.
    #[error("search setting `{name}` is {given}; it must be {range}")]
    Setting {
        /// Name of the setting.
        name: &'static str,
        /// What was given.
        given: String,
        /// What is accepted.
        range: &'static str,
    },
    /// Candidates are asked for in order of their numbers.
    #[error("candidate {number} was asked for out of turn; candidate {expected} is next")]
    AskedOutOfTurn {
        /// Number that was asked for.
        number: u64,
        /// Number that is next.
        expected: u64,
    },
    /// With the study's lag, more results must be there before this candidate can be bred.
    #[error("candidate {number} was asked for after {told} results; with lag {lag} it is bred from the first {needed}")]
    AskedTooEarly {
        /// Number that was asked for.
        number: u64,
        /// Results that were told.
        told: u64,
        /// Results that it is bred from.
        needed: u64,
        /// Lag of the study.
        lag: u64,
    },
    /// Results are told in order of their numbers.
    #[error("the result of candidate {number} was told out of turn; that of candidate {expected} is next")]
    ToldOutOfTurn {
        /// Number that was told.
        number: u64,
        /// Number that is next.
        expected: u64,
    },
    /// A result for something that the search has not proposed under this number.
    #[error(
        "the result of candidate {number} belongs to genome {told}, but this search proposed {proposed}; the journal was \
         written with other settings, another seed or another version"
    )]
    Foreign {
        /// Number of the candidate.
        number: u64,
        /// Canonical hash of the genome that was told.
        told: String,
        /// Canonical hash of what was proposed, or `nothing`.
        proposed: String,
    },
    /// A score that is no finite number; such a candidate has to be told as failed.
    #[error("the score of candidate {number} is {score}; a candidate without a finite score must be told as failed")]
    NotFinite {
        /// Number of the candidate.
        number: u64,
        /// Its score.
        score: f64,
    },
    /// Costs beside the score that are not finite, or not as many as those of other candidates.
    #[error(
        "the costs of candidate {number} are {given:?} and its violation {violation}; both must be finite, the violation at \
         least 0, and there must be {expected} costs"
    )]
    Costs {
        /// Number of the candidate.
        number: u64,
        /// Its costs.
        given: Vec<f64>,
        /// Its violation.
        violation: f64,
        /// How many costs there must be.
        expected: usize,
    },
    /// The strategy ranks genomes by scores that need no evaluation, and the search was given none.
    #[error(
        "the search strategy ranks genomes by what is foreseen of them, and nothing is here: give the search a foresight \
         (`Search::with_foresight`), or choose another strategy"
    )]
    Blind,
    /// Nothing new can be found in the search space.
    #[error("the search space is exhausted: {proposed} candidates were proposed, and no new genome was found")]
    Exhausted {
        /// Candidates proposed so far.
        proposed: u64,
    },
}

/// A name that no strategy has.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("there is no search strategy `{name}`{}; known are: {}", near_words(.near), .known.join(", "))]
pub struct UnknownStrategy {
    /// The name.
    pub name: String,
    /// Names that are spelled much like it, nearest first.
    pub near: Vec<String>,
    /// All names.
    pub known: Vec<String>,
}

fn near_words(near: &[String]) -> String {
    if near.is_empty() { String::new() } else { format!("; did you mean {}?", near.join(" or ")) }
}
