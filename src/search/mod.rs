//! Searching: strategies that propose genomes and are told how they did. Knows nothing of how a genome is evaluated.
//!
//! [`Search`] drives one [`Strategy`] from the list [`strategy::Entry::ALL`] in one [`Space`]: it hands out proposals by number, keeps a genome
//! from being proposed twice, passes results on in order and with a fixed lag, and remembers the finalists.
//!
//! The space need not be one of nets, nor the objective a training. [`Parameters`] are a space of choices, whole and real
//! numbers, some of them there only where another has a certain value; the objective is whatever is told, the higher the
//! better, and `None` where it failed:
//!
//! ```
//! use evolve::search::{Evaluated, Parameters, Search, Settings, strategy};
//!
//! let space = Parameters::builder()
//!     .choice("solver", ["direct", "iterative"])
//!     .log_float("tolerance", 1e-8, 1e-2)
//!     .only_if("solver", ["iterative"])
//!     .int("threads", 1, 16)
//!     .build()?;
//! let mut search = Search::new(strategy::find("auto")?, &Settings::default(), space.clone(), 0, 1)?;
//! let mut best = f64::NEG_INFINITY;
//! for number in 0..60 {
//!     let proposal = search.ask(number)?;
//!     let threads: f64 = space.value(&proposal.genome, "threads").unwrap_or_default().parse()?;
//!     let direct = space.value(&proposal.genome, "solver").as_deref() == Some("direct");
//!     let score = if direct { 2.0 } else { 1.0 } - (threads - 6.0).abs() / 16.0;
//!     best = best.max(score);
//!     search.tell(Evaluated::new(number, proposal, Some(score)))?;
//! }
//! assert!(best > 1.8);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Beside the score a candidate may have costs ([`Evaluated::costs`]). [`Search::front`] are then the candidates that no
//! other beats in all of them at once, whatever the strategy; `nsga2` searches for these, the others for the best score.
//!
//! Nets in a space of one's own ([`SearchSpace::builder`]) can be searched for an objective of one's own, too; here, for
//! about ten thousand parameters in as few blocks as that takes:
//!
//! ```
//! use evolve::genome::{self, Act, Domain, InputDomain, Net, SearchSpace, Span};
//! use evolve::search::{Evaluated, Search, Settings, strategy};
//!
//! let input = InputDomain::Table { knots: vec![33; 4], slots: vec![] };
//! let domain = Domain { input, outputs: 3, classification: true, rows: 2_000 };
//! let space = SearchSpace::builder(&domain)
//!     .table(|nets| (nets.blocks, nets.activations) = (Span::new(1, 3), vec![Act::Relu, Act::Silu]))
//!     .build()?;
//! // Up to four candidates may be under way: candidate k is bred from the results of those before k − 3.
//! let mut search = Search::new(strategy::find("ga")?, &Settings::default(), space, 0, 4)?;
//! let mut best = (f64::NEG_INFINITY, None);
//! for number in 0..60 {
//!     let proposal = search.ask(number)?;
//!     let Net::Table(net) = &proposal.genome.net else { continue };
//!     let parameters = genome::parameters(&proposal.genome, &domain);
//!     let score = -(parameters as f64 / 10_000.0).ln().abs() - 0.1 * net.blocks.len() as f64;
//!     if score > best.0 {
//!         best = (score, Some(proposal.genome.clone()));
//!     }
//!     search.tell(Evaluated { parameters, ..Evaluated::new(number, proposal, Some(score)) })?;
//! }
//! assert!(best.0 > -0.5);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Any other space is an implementation of [`Space`]: births, edits, crossing, distance, features and identity of its
//! genomes.

pub mod arm;
mod breeding;
mod credit;
pub mod dominance;
mod driver;
mod edits;
mod error;
mod foresight;
mod front;
mod halving;
mod head_start;
mod hypervolume;
pub mod model;
mod neighbours;
mod population;
mod screen;
mod settings;
mod shares;
pub mod space;
pub mod strategy;
#[cfg(test)]
mod synthetic;

pub use driver::{DEFAULT_LAG, Search, rng};
pub use error::{SearchError, UnknownStrategy};
pub use foresight::Foresight;
pub use front::Front;
pub use hypervolume::hypervolume;
pub use population::{Member, Population, Survival};
pub use settings::{Fidelity, Settings};
pub use space::{Parameters, Space};

use crate::genome::{Genome, SearchSpace};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::Arc;

/// A genome to be evaluated.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Proposal<G = Genome> {
    /// The genome.
    pub genome: G,
    /// How it came about.
    pub origin: Origin,
    /// Candidate whose trained weights it starts from.
    pub inherit: Option<u64>,
    /// Length of its training as a share of the study's full candidate length, above 0 and at most 1.
    pub length: f64,
    /// Where its training is compared with others on its way, in ascending order; empty where it is not.
    #[serde(default = "Vec::new", skip_serializing_if = "Vec::is_empty")]
    pub rungs: Vec<Rung>,
    /// The paused training that it goes on with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub continues: Option<Continuation>,
}

/// A point of a training at which it is compared with others.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Rung {
    /// Share of the training that has been made there, above 0 and below 1.
    pub share: f64,
    /// Score below which the training is paused; `None` where it goes on in any case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub least: Option<f64>,
}

/// A paused training that is gone on with, as if it had never stopped.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Continuation {
    /// Number of the candidate that was paused; its genome is the proposal's.
    pub candidate: u64,
    /// Share of the training that it has had.
    pub from: f64,
}

/// How a training did at a rung.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RungScore {
    /// Share of the training, as in [`Rung::share`].
    pub share: f64,
    /// Metric there, turned so that higher is better.
    pub score: f64,
}

/// How a genome came about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Origin {
    /// Arm of the strategy, such as `birth`, `crossover`, `evsm`, `eems`; `seed` for a genome made by hand.
    pub arm: String,
    /// Edits in words, such as `widen stages.1 64 → 96`; empty for births.
    pub edits: Vec<String>,
    /// Candidates it was made from.
    pub parents: Vec<u64>,
}

/// What became of a candidate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evaluated<G = Genome> {
    /// Number of the candidate.
    pub number: u64,
    /// Its proposal.
    pub proposal: Proposal<G>,
    /// Metric on the validation part, turned so that higher is better; `None` where the candidate failed or was paused. Never
    /// NaN.
    pub score: Option<f64>,
    /// How it did at the rungs that it reached, those before it was gone on with included; finite.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rungs: Vec<RungScore>,
    /// Whether its training was paused at the last of them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub paused: bool,
    /// Score that it is expected to have at full length, where it was paused; the search finds it from the others. Only
    /// models learn from it.
    #[serde(skip)]
    pub expected: Option<f64>,
    /// What tells candidates of equal scores apart, such as the log loss of classifiers that are right as often; lower is
    /// better, and finite. 0 where nothing does.
    #[serde(default)]
    pub doubt: f64,
    /// Trainable parameters.
    pub parameters: u64,
    /// Training examples consumed.
    pub examples: u64,
    /// What is minimised beside the score; finite, and as many numbers for every scored candidate of a search. Empty where
    /// only the score counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub costs: Vec<f64>,
    /// How far it violates constraints: 0 where it violates none; finite. Of two candidates the one that violates less is
    /// the better one, whatever their scores.
    #[serde(default)]
    pub violation: f64,
}

impl<G> Evaluated<G> {
    /// A candidate of which nothing is known but its score.
    #[must_use]
    pub fn new(number: u64, proposal: Proposal<G>, score: Option<f64>) -> Evaluated<G> {
        Evaluated {
            number,
            proposal,
            score,
            rungs: Vec::new(),
            paused: false,
            expected: None,
            doubt: 0.0,
            parameters: 0,
            examples: 0,
            costs: Vec::new(),
            violation: 0.0,
        }
    }

    /// Training that it took, in full candidate lengths.
    #[must_use]
    pub fn length(&self) -> f64 {
        let from = self.proposal.continues.map_or(0.0, |continues| continues.from);
        let until = self.rungs.last().filter(|_| self.paused).map_or(1.0, |rung| rung.share);
        self.proposal.length * (until - from)
    }
}

/// A search strategy behind ask and tell.
///
/// Candidate `k` is asked for after exactly the candidates `0 … k−lag` have been told, in order of their numbers; so a
/// strategy is a pure function of its settings and of what it was told, and resuming is replaying.
pub trait Strategy<S: Space = SearchSpace>: Send {
    /// Proposes candidate `number`. All randomness comes from `rng`, which is derived from the study's seed and
    /// `number`. The driver asks again, with a fresh stream, where a genome was proposed before: being asked twice for
    /// one number means that the first answer was a repetition.
    fn ask(&mut self, number: u64, rng: &mut ChaCha8Rng) -> Proposal<S::Genome>;

    /// Takes note of what became of a candidate.
    fn tell(&mut self, evaluated: &Evaluated<S::Genome>);

    /// Candidates whose trained weights it may still name in [`Proposal::inherit`]. A bounded set; empty for strategies
    /// that inherit nothing.
    fn reachable(&self) -> BTreeSet<u64> {
        BTreeSet::new()
    }

    /// Takes what can be said of genomes before they are evaluated; most strategies have no use for it.
    fn foresee(&mut self, _foresight: Arc<dyn Foresight<S::Genome>>) {}

    /// Whether it cannot propose anything before it is given a foresight.
    fn is_blind(&self) -> bool {
        false
    }
}

impl<G> Proposal<G> {
    /// A genome that is trained from scratch, at the full candidate length, and descends from no candidate.
    pub(crate) fn newborn(arm: &str, genome: G) -> Proposal<G> {
        Proposal::from_scratch(Origin { arm: arm.to_owned(), edits: Vec::new(), parents: Vec::new() }, genome)
    }

    /// A genome that came about in this way, trained in full from weights that are drawn.
    pub(crate) fn from_scratch(origin: Origin, genome: G) -> Proposal<G> {
        Proposal { genome, origin, inherit: None, length: 1.0, rungs: Vec::new(), continues: None }
    }
}
