//! The space of neural nets.

use super::{Child, EditKind, Feature, Space};
use crate::genome::{Genome, SearchSpace, crossover, distance, features, mutation};
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

impl Space for SearchSpace {
    type Genome = Genome;

    fn birth(&self, rng: &mut ChaCha8Rng) -> Genome {
        self.birth(rng)
    }

    fn small(&self, rng: &mut ChaCha8Rng) -> Genome {
        self.small(rng)
    }

    fn seeds(&self) -> Vec<Genome> {
        self.seeds()
    }

    /// The ancestors that were asked for, with the net of the space's own before them.
    fn wanted_seeds(&self) -> usize {
        match self.ancestors.len() {
            0 => 0,
            ancestors => ancestors + 1,
        }
    }

    fn edits(&self) -> Vec<EditKind> {
        let kind = |m: &&mutation::Mutation| {
            let elastic = match m.kind {
                mutation::Kind::Architecture => m.preserving || m.shrinking,
                mutation::Kind::Training => true,
                mutation::Kind::Start => false,
            };
            EditKind { name: m.name.to_owned(), elastic, grows: m.growing }
        };
        mutation::ALL.iter().map(kind).collect()
    }

    fn edit(&self, kind: usize, genome: &Genome, rng: &mut ChaCha8Rng) -> Option<Child<Genome>> {
        (mutation::ALL[kind].apply)(self, genome, rng).map(Child::from)
    }

    fn cross(&self, a: &Genome, b: &Genome, rng: &mut ChaCha8Rng) -> Option<Child<Genome>> {
        let mut ways = crossover::ALL.to_vec();
        ways.shuffle(rng);
        ways.iter().find_map(|way| (way.apply)(self, a, b, rng)).map(Child::from)
    }

    fn distance(&self, a: &Genome, b: &Genome) -> f64 {
        distance(a, b)
    }

    fn features(&self, genome: &Genome) -> Vec<Feature> {
        features(genome, &self.domain)
    }

    fn hash(&self, genome: &Genome) -> String {
        genome.hash()
    }
}

impl From<mutation::Edit> for Child<Genome> {
    fn from(edit: mutation::Edit) -> Self {
        Child { genome: edit.genome, words: edit.words }
    }
}
