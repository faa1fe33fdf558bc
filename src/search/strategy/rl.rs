//! Reinforcement learning: a policy over the genes of genomes, learned by policy gradient (REINFORCE, Williams, 1992; for
//! nets Zoph and Le, 2017).
//!
//! A candidate is an episode. It begins with a choice among [`BIRTHS`] random births; at each of [`STEPS`] steps the policy
//! then keeps the genome or takes one of [`EDITS`] edits of it, drawn evenly over their kinds. Of what there is to choose
//! from it takes each with a probability proportional to exp(preference). The preference of a genome is the sum of one
//! learned number for each of its features: for a category its own, for a number an interpolation between knots
//! [`SPACING`] apart, for what is absent one of its own. So where features are genes the probabilities of each gene's
//! values are learned, and the policy gradient is exact for the choices that were offered; what is offered is no part of
//! the policy.
//!
//! The reward of a candidate is the share of the latest [`WINDOW`] results that are below its own (failures are below all),
//! so that no scale of the objective has to be known. With b the moving average of rewards and H the entropy of the choices,
//! preferences move by [`RATE`]·((reward − b)·∇log π + [`ENTROPY`]·∇H) when a candidate's result is told; gradients are those
//! at the time of its choices. Where the policy proposes what was proposed before, it draws again, each time at a higher
//! temperature.

use super::Entry;
use crate::search::{
    Evaluated, Origin, Proposal, Settings, Space, Strategy, credit::EditCredit, edits::edited, space::Feature,
};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use std::collections::{BTreeMap, VecDeque};

/// Births that an episode chooses from.
const BIRTHS: usize = 6;
/// Choices among edits in an episode.
const STEPS: usize = 8;
/// Edits that a choice offers.
const EDITS: usize = 4;
/// Distance of the knots of a number.
const SPACING: f64 = 0.25;
/// Results that a reward compares with.
const WINDOW: usize = 64;
/// How fast preferences move.
const RATE: f64 = 0.4;
/// Weight of the entropy.
const ENTROPY: f64 = 0.02;
/// How fast the baseline moves.
const BASELINE: f64 = 0.05;
/// Bound of a preference.
const MOST: f64 = 8.0;

pub(super) const fn entry<S: Space>() -> Entry<S> {
    Entry {
        name: "rl",
        doc: "policy gradient: learns preferences for genes and edits random births by them",
        seeded: false,
        make: |_: &Settings, space: &S| Box::new(Reinforce::new(space)),
    }
}

struct Reinforce<S: Space> {
    space: S,
    all: Vec<usize>,
    even: EditCredit,
    policy: Policy,
    /// The latest candidates with their values, `None` for failures.
    values: VecDeque<(u64, Option<f64>)>,
    /// Moving average of the rewards.
    baseline: f64,
    open: BTreeMap<u64, Episode>,
}

/// What has to be remembered of a candidate until its result comes.
struct Episode {
    origin: Origin,
    gradient: Gradient,
    /// Times that it was drawn again.
    again: usize,
}

/// A feature's value, as far as the policy tells values apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Value {
    Absent,
    Category(u32),
    /// A multiple of [`SPACING`].
    Knot(i64),
}

/// Weights of the values that a genome has, by coordinate.
type Genes = Vec<((usize, Value), f64)>;

/// What the logarithm of the probability of an episode's choices, and their entropy, change with each preference.
#[derive(Default)]
struct Gradient(BTreeMap<(usize, Value), [f64; 2]>);

#[derive(Default)]
struct Policy {
    preferences: BTreeMap<(usize, Value), f64>,
}

fn genes(features: &[Feature]) -> Genes {
    let mut genes = Vec::with_capacity(2 * features.len());
    for (coordinate, feature) in features.iter().enumerate() {
        match *feature {
            Feature::Absent => genes.push(((coordinate, Value::Absent), 1.0)),
            Feature::Category(category) => genes.push(((coordinate, Value::Category(category)), 1.0)),
            Feature::Number(number) => {
                let place = number / SPACING;
                let share = place - place.floor();
                genes.push(((coordinate, Value::Knot(place.floor() as i64)), 1.0 - share));
                genes.push(((coordinate, Value::Knot(place.floor() as i64 + 1)), share));
            }
        }
    }
    genes
}

impl Policy {
    fn preference(&self, genes: &Genes) -> f64 {
        genes.iter().map(|(gene, weight)| self.preferences.get(gene).map_or(0.0, |preference| preference * weight)).sum()
    }

    /// Probability of each of these options.
    fn probabilities(&self, options: &[Genes], temperature: f64) -> Vec<f64> {
        let preferences: Vec<f64> = options.iter().map(|genes| self.preference(genes) / temperature).collect();
        let most = preferences.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let odds: Vec<f64> = preferences.iter().map(|preference| (preference - most).exp()).collect();
        let total: f64 = odds.iter().sum();
        odds.iter().map(|odds| odds / total).collect()
    }

    /// Chooses one of the options and notes how preferences change the choice.
    fn choose(&self, options: &[Genes], temperature: f64, gradient: &mut Gradient, rng: &mut ChaCha8Rng) -> usize {
        let probabilities = self.probabilities(options, temperature);
        let mut left = rng.random::<f64>();
        let drawn = probabilities.iter().position(|probability| {
            left -= probability;
            left < 0.0
        });
        let chosen = drawn.unwrap_or(options.len() - 1);
        let entropy: f64 = -probabilities.iter().map(|p| p * p.max(1e-300).ln()).sum::<f64>();
        for (index, (genes, &p)) in options.iter().zip(&probabilities).enumerate() {
            let of_choice = (f64::from(u8::from(index == chosen)) - p) / temperature;
            let of_entropy = -p * (p.max(1e-300).ln() + entropy) / temperature;
            for &(gene, weight) in genes {
                let slopes = gradient.0.entry(gene).or_default();
                slopes[0] += weight * of_choice;
                slopes[1] += weight * of_entropy;
            }
        }
        chosen
    }

    fn learn(&mut self, gradient: &Gradient, advantage: f64) {
        for (&gene, &[of_choice, of_entropy]) in &gradient.0 {
            let preference = self.preferences.entry(gene).or_default();
            *preference = (*preference + RATE * (advantage * of_choice + ENTROPY * of_entropy)).clamp(-MOST, MOST);
        }
    }
}

impl<S: Space> Reinforce<S> {
    fn new(space: &S) -> Self {
        let kinds = space.edits().len();
        Reinforce {
            space: space.clone(),
            all: (0..kinds).collect(),
            even: EditCredit::new(kinds),
            policy: Policy::default(),
            values: VecDeque::new(),
            baseline: 0.5,
            open: BTreeMap::new(),
        }
    }

    /// One episode: a genome, the edits that led to it, and the gradient of the choices.
    fn episode(&self, temperature: f64, rng: &mut ChaCha8Rng) -> (S::Genome, Vec<String>, Gradient) {
        let mut gradient = Gradient::default();
        let genes = |genome: &S::Genome| genes(&self.space.features(genome));
        let mut births: Vec<S::Genome> = (0..BIRTHS).map(|_| self.space.birth(rng)).collect();
        let options: Vec<Genes> = births.iter().map(genes).collect();
        let mut genome = births.swap_remove(self.policy.choose(&options, temperature, &mut gradient, rng));
        let mut words = Vec::new();
        for _ in 0..STEPS {
            let edit = |_| edited(&self.space, &genome, &self.even, &self.all, 1, rng);
            let mut edits: Vec<_> = (0..EDITS).filter_map(edit).collect();
            let mut options = vec![genes(&genome)];
            options.extend(edits.iter().map(|edited| genes(&edited.genome)));
            if let Some(chosen) = self.policy.choose(&options, temperature, &mut gradient, rng).checked_sub(1) {
                let edited = edits.swap_remove(chosen);
                genome = edited.genome;
                words.extend(edited.words);
            }
        }
        (genome, words, gradient)
    }

    /// The share of the latest values that are below this one, where equal ones count half.
    fn reward(&self, value: Option<f64>) -> f64 {
        let compare = |other: &Option<f64>| match other.partial_cmp(&value) {
            Some(std::cmp::Ordering::Less) => 1.0,
            Some(std::cmp::Ordering::Greater) => 0.0,
            _ => 0.5,
        };
        self.values.iter().map(|(_, other)| compare(other)).sum::<f64>() / self.values.len().max(1) as f64
    }
}

impl<S: Space> Strategy<S> for Reinforce<S> {
    fn ask(&mut self, number: u64, rng: &mut ChaCha8Rng) -> Proposal<S::Genome> {
        let again = self.open.remove(&number).map_or(0, |episode| episode.again + 1);
        let (genome, edits, gradient) = self.episode(1.0 + again as f64, rng);
        let origin = Origin { arm: "policy".to_owned(), edits, parents: Vec::new() };
        self.open.insert(number, Episode { origin: origin.clone(), gradient, again });
        Proposal::from_scratch(origin, genome)
    }

    fn tell(&mut self, evaluated: &Evaluated<S::Genome>) {
        if let Some(paused) = evaluated.proposal.continues {
            self.values.retain(|(number, _)| *number != paused.candidate);
        }
        if self.values.len() == WINDOW {
            self.values.pop_front();
        }
        // What violates a constraint counts as a failure.
        let value = evaluated.score.or(evaluated.expected).filter(|_| evaluated.violation == 0.0);
        self.values.push_back((evaluated.number, value));
        let reward = self.reward(value);
        // Where the driver found nothing new, the candidate is a birth that the policy has not chosen.
        let episode = self.open.remove(&evaluated.number).filter(|open| open.origin == evaluated.proposal.origin);
        if let Some(episode) = episode {
            self.policy.learn(&episode.gradient, reward - self.baseline);
            self.baseline += BASELINE * (reward - self.baseline);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        genome::{Act, Genome, Net, Norm, Schedule, SearchSpace},
        search::{
            Continuation, rng,
            synthetic::{World, quality, table},
        },
    };

    #[test]
    fn the_gradient_is_that_of_the_log_probability_and_of_the_entropy() {
        let options = vec![
            genes(&[Feature::Category(1), Feature::Number(0.3)]),
            genes(&[Feature::Category(2), Feature::Number(0.9)]),
            genes(&[Feature::Absent, Feature::Number(0.4)]),
        ];
        let mut policy = Policy::default();
        options.iter().flatten().enumerate().for_each(|(index, &(gene, _))| {
            policy.preferences.insert(gene, 0.3 * index as f64 - 1.0);
        });
        let mut gradient = Gradient::default();
        let chosen = policy.choose(&options, 1.7, &mut gradient, &mut rng(1, 1, 1));
        let log_and_entropy = |policy: &Policy| {
            let probabilities = policy.probabilities(&options, 1.7);
            [probabilities[chosen].ln(), -probabilities.iter().map(|p| p * p.ln()).sum::<f64>()]
        };
        assert!(gradient.0.len() >= 6);
        for (gene, slopes) in &gradient.0 {
            let moved = |by: f64| {
                let mut policy = Policy { preferences: policy.preferences.clone() };
                *policy.preferences.entry(*gene).or_default() += by;
                log_and_entropy(&policy)
            };
            let (low, high) = (moved(-1e-5), moved(1e-5));
            for (index, slope) in slopes.iter().enumerate() {
                let numeric = (high[index] - low[index]) / 2e-5;
                assert!((numeric - slope).abs() < 1e-6, "{gene:?} {index}: {numeric} {slope}");
            }
        }
    }

    #[test]
    fn numbers_lie_between_their_knots() {
        assert_eq!(
            genes(&[Feature::Number(-0.0625), Feature::Number(0.5)]),
            [
                ((0, Value::Knot(-1)), 0.25),
                ((0, Value::Knot(0)), 0.75),
                ((1, Value::Knot(2)), 1.0),
                ((1, Value::Knot(3)), 0.0)
            ]
        );
    }

    #[test]
    fn a_candidate_that_was_paused_and_went_on_counts_once() {
        let mut search = Reinforce::new(&table());
        let proposal = search.ask(0, &mut rng(1, 0, 0));
        let paused = Evaluated { paused: true, expected: Some(0.3), ..Evaluated::new(0, proposal.clone(), None) };
        search.tell(&paused);
        let continues = Some(Continuation { candidate: 0, from: 0.25 });
        search.tell(&Evaluated::new(1, Proposal { continues, ..proposal }, Some(0.6)));
        assert_eq!(search.values, [(1, Some(0.6))]);
    }

    /// The policy after a search in the synthetic world, and the mean quality of its last 50 candidates.
    fn learned(seed: u64, count: u64) -> (Reinforce<SearchSpace>, f64) {
        let (space, mut world) = (table(), World::default());
        let mut search = Reinforce::new(&space);
        let mut late = 0.0;
        for number in 0..count {
            let proposal = search.ask(number, &mut rng(seed, number, 0));
            if number + 50 >= count {
                late += quality(&proposal.genome) / 50.0;
            }
            search.tell(&world.evaluate(number, proposal));
        }
        (search, late)
    }

    #[test]
    fn probability_moves_to_what_pays() {
        let births: Vec<Genome> = (0..1000).map(|number| table().birth(&mut rng(77, number, 0))).collect();
        let before = births.iter().map(quality).sum::<f64>() / births.len() as f64;
        type Pays = fn(&Genome) -> bool;
        let pays: [Pays; 3] = [
            |genome| genome.training.schedule == Schedule::OneCycle,
            |genome| matches!(&genome.net, Net::Table(net) if net.norm == Norm::Batch),
            |genome| matches!(&genome.net, Net::Table(net) if matches!(net.activation, Act::Gelu | Act::Silu)),
        ];
        let mut gained = [0.0; 3];
        for seed in 0..5 {
            let (search, late) = learned(seed, 300);
            assert!(late > before + 0.1, "seed {seed}: {late:.3} after births of {before:.3}");
            // What the policy would choose if it were offered all births at once.
            let options: Vec<Genes> = births.iter().map(|genome| genes(&search.space.features(genome))).collect();
            let probabilities = search.policy.probabilities(&options, 1.0);
            for (gained, pays) in gained.iter_mut().zip(pays) {
                let mass: f64 = births.iter().zip(&probabilities).filter(|(birth, _)| pays(birth)).map(|(_, p)| p).sum();
                let share = births.iter().filter(|birth| pays(birth)).count() as f64 / births.len() as f64;
                *gained += (mass - share) / 5.0;
            }
        }
        assert!(gained.iter().all(|gained| *gained > 0.1), "{gained:?}");
    }
}
