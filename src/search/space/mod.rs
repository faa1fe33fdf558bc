//! What a search needs to know of the genomes that it may propose.

mod nets;
pub mod parameters;

pub use crate::genome::Feature;
pub use parameters::Parameters;
use rand_chacha::ChaCha8Rng;
use std::fmt::Debug;

/// A search space: which genomes there are and how to get from one to another.
///
/// All strategies are written against this trait. [`crate::genome::SearchSpace`], the space of neural nets, implements it;
/// so can any other, whose genomes need not be nets and whose objective need not be a training.
pub trait Space: Clone + Send + Sync + 'static {
    /// A point of the space.
    type Genome: Clone + PartialEq + Debug + Send + Sync + 'static;

    /// A random genome; always of the space.
    fn birth(&self, rng: &mut ChaCha8Rng) -> Self::Genome;

    /// A random genome from which edits that grow lead to the others; a birth where no edit grows.
    fn small(&self, rng: &mut ChaCha8Rng) -> Self::Genome {
        self.birth(rng)
    }

    /// Genomes made by hand that start a search; none by default.
    fn seeds(&self) -> Vec<Self::Genome> {
        Vec::new()
    }

    /// How many of the seeds, from the first on, are tried in any search that starts with seeds, however short its start;
    /// none by default.
    fn wanted_seeds(&self) -> usize {
        0
    }

    /// The kinds of edits, always the same.
    fn edits(&self) -> Vec<EditKind>;

    /// A genome one edit of kind number `kind` away. `None` where the edit does not apply, or where what was drawn
    /// leads nowhere; another draw may do.
    fn edit(&self, kind: usize, genome: &Self::Genome, rng: &mut ChaCha8Rng) -> Option<Child<Self::Genome>>;

    /// A child of two genomes that differs from both. `None` where what was drawn gives none.
    fn cross(&self, a: &Self::Genome, b: &Self::Genome, rng: &mut ChaCha8Rng) -> Option<Child<Self::Genome>>;

    /// Distance of two genomes: 0 where they mean the same; symmetric.
    fn distance(&self, a: &Self::Genome, b: &Self::Genome) -> f64;

    /// A description for models of the objective: as many features for every genome, in a fixed order.
    fn features(&self, genome: &Self::Genome) -> Vec<Feature>;

    /// Identity of a genome: the same text where two genomes mean the same.
    fn hash(&self, genome: &Self::Genome) -> String;
}

/// A kind of edit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EditKind {
    /// Name, such as `insert_block`.
    pub name: String,
    /// Whether a child can go on from its parent's trained weights.
    pub elastic: bool,
    /// Whether a child is its parent with something added, such as a block.
    pub grows: bool,
}

/// A genome made from one or two others.
#[derive(Debug, Clone, PartialEq)]
pub struct Child<G> {
    /// The genome.
    pub genome: G,
    /// What was done, in words.
    pub words: String,
}
