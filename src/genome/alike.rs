//! Which genomes train as one graph.

use super::{Augmentation, Genome, Net};

impl Genome {
    /// Whether the training step of both is one graph: they differ at most in what the host feeds (rates of learning, decay,
    /// dropout and smoothing, the schedule, how weights are drawn and images altered, the share of the length).
    #[must_use]
    pub fn is_alike(&self, other: &Genome) -> bool {
        self.fed_alike() == other.fed_alike()
    }

    /// The genome with all that the host feeds set to the same.
    fn fed_alike(&self) -> Genome {
        let mut genome = self.clone();
        // Dropout that is off has no mask.
        let level = |rate: &mut f32| *rate = if *rate > 0.0 { 0.5 } else { 0.0 };
        match &mut genome.net {
            Net::Table(net) => net.blocks.iter_mut().for_each(|block| level(&mut block.dropout)),
            Net::Image(net) => level(&mut net.head.dropout),
            Net::Ancestor(net) => level(&mut net.dropout),
        }
        let training = &mut genome.training;
        (training.learning_rate, training.weight_decay, training.label_smoothing, training.length) = (1.0, 0.0, 0.0, 1.0);
        training.schedule = super::Schedule::Constant;
        training.initialisation = super::Initialisation::HeNormal;
        training.augmentation = Augmentation::default();
        genome
    }
}
