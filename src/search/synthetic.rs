//! A world for tests: a smooth, deterministic objective over genomes for tables, with an effect of training.

use super::{Evaluated, Proposal, RungScore, Search, SearchError, rng};
use crate::genome::{
    Act, By, CategoricalKind, Domain, Genome, InputDomain, Net, Norm, NumericEncoding, NumericKind, Optimizer, Schedule,
    SearchSpace, Span, TableLimits, TableMotif,
};
use rand::RngExt;
use std::collections::BTreeMap;

/// A table with numbers and categories, and three classes.
pub fn table() -> SearchSpace {
    let input = InputDomain::Table { knots: vec![32; 8], slots: vec![5, 9] };
    SearchSpace::preset(&Domain { input, outputs: 3, classification: true, rows: 20_000 })
}

/// Small grey images in ten classes.
pub fn images() -> SearchSpace {
    let input = InputDomain::Image { height: 28, width: 28, channels: 1 };
    SearchSpace::preset(&Domain { input, outputs: 10, classification: true, rows: 60_000 })
}

/// A table's space with one width, one block at most, no encodings and one batch.
pub fn tiny() -> SearchSpace {
    let narrow = |nets: &mut TableLimits| {
        nets.widths = By::all(vec![16]);
        nets.blocks = Span::new(1, 1);
        nets.numeric = vec![NumericKind::Plain];
        nets.categorical = vec![CategoricalKind::OneHot];
    };
    SearchSpace::builder(&table().domain).table(narrow).training(|training| training.batches = vec![64]).build().unwrap()
}

fn hump(x: f64, centre: f64, width: f64) -> f64 {
    (-((x - centre) / width).powi(2)).exp()
}

/// How good a genome is when it is trained for long: at most 1. A sum of smooth humps, one for each gene that is looked
/// at, and two interactions. Not defined for images.
pub fn quality(genome: &Genome) -> f64 {
    let Net::Table(net) = &genome.net else { panic!("the objective is for tables") };
    let training = &genome.training;
    let blocks = net.blocks.len() as f64;
    let residual = net.blocks.iter().filter(|block| block.motif == TableMotif::Residual).count() as f64 / blocks;
    let width = net.blocks.iter().map(|block| (block.width as f64).ln()).sum::<f64>() / blocks;
    let dropout = net.blocks.iter().map(|block| f64::from(block.dropout)).sum::<f64>() / blocks;
    let rate = f64::from(training.learning_rate).ln();
    let encoding = match net.numeric {
        NumericEncoding::Plain => 0.0,
        NumericEncoding::Piecewise { bins, dim } => 0.6 * hump(bins as f64, 24.0, 20.0) + 0.4 * hump(dim as f64, 12.0, 8.0),
        NumericEncoding::Periodic { sigma, .. } => 0.7 * hump(f64::from(sigma).ln(), 0.0, 2.0),
    };
    let best_rate = match training.optimizer {
        Optimizer::Sgd { .. } => 0.05_f64.ln(),
        Optimizer::Adam { .. } | Optimizer::AdamW { .. } => 0.002_f64.ln(),
    } - 0.2 * (width - 5.0);
    let gates = [
        (net.norm == Norm::Batch, 0.05),
        (matches!(net.activation, Act::Gelu | Act::Silu), 0.05),
        (training.schedule == Schedule::OneCycle, 0.05),
    ];
    0.2 * hump(rate, best_rate, 0.8)
        + 0.15 * hump(width, 5.3, 0.6)
        + 0.15 * hump(blocks, 4.0 - residual, 1.5)
        + 0.1 * hump(residual, 0.6, 0.4)
        + 0.1 * hump(dropout, 0.15, 0.1)
        + 0.1 * encoding
        + 0.05 * hump((training.batch as f64).ln(), 5.5, 0.7)
        + gates.iter().map(|(holds, worth)| if *holds { *worth } else { 0.0 }).sum::<f64>()
}

/// Evaluates candidates: the score is the quality less what is left to train, with a little noise that depends on the
/// candidate alone. Training that was inherited counts. A candidate that is behind at a rung is paused there.
pub struct World {
    /// What is lost without any training.
    untrained: f64,
    /// A full length of training divides that by e to this power.
    pace: f64,
    /// Training that candidates have had in full lengths, that of their parents included.
    trained: BTreeMap<u64, f64>,
    /// How they did at their rungs.
    rungs: BTreeMap<u64, Vec<RungScore>>,
    /// Examples consumed by all.
    pub examples: u64,
}

impl Default for World {
    fn default() -> World {
        World::new(0.1, 1.2)
    }
}

impl World {
    /// A world where a net without training loses `untrained`, and each full length of training divides that by e to
    /// the power of `pace`.
    pub fn new(untrained: f64, pace: f64) -> World {
        World { untrained, pace, trained: BTreeMap::new(), rungs: BTreeMap::new(), examples: 0 }
    }

    /// What becomes of candidate `number`.
    pub fn evaluate(&mut self, number: u64, proposal: Proposal) -> Evaluated {
        let before = proposal.inherit.map_or(0.0, |parent| self.trained[&parent]);
        let noise = 0.004 * (rng(9, number, 0).random::<f64>() - 0.5);
        let after = |share: f64| {
            let trained = before + share * proposal.length;
            (quality(&proposal.genome) - self.untrained * (-self.pace * trained).exp() + noise, trained)
        };
        let mut rungs = proposal.continues.map_or_else(Vec::new, |paused| self.rungs[&paused.candidate].clone());
        let mut paused = false;
        for rung in &proposal.rungs {
            let (score, _) = after(rung.share);
            rungs.push(RungScore { share: rung.share, score });
            paused = rung.least.is_some_and(|least| score < least);
            if paused {
                break;
            }
        }
        let (score, trained) = after(1.0);
        self.trained.insert(number, trained);
        self.rungs.insert(number, rungs.clone());
        let told = Evaluated::new(number, proposal, Some(score).filter(|_| !paused));
        let told = Evaluated { parameters: 1000, rungs, paused, ..told };
        let examples = (told.length() * 10_000.0) as u64;
        self.examples += examples;
        Evaluated { examples, ..told }
    }
}

/// Runs a search for candidates `0 … count` and tells each result as late as the lag allows. `evaluate` makes the
/// results. The rest is told in the end. Returns what was proposed.
///
/// # Errors
/// What the search says.
pub fn run(
    search: &mut Search,
    lag: u64,
    count: u64,
    mut evaluate: impl FnMut(u64, Proposal) -> Evaluated,
) -> Result<Vec<Proposal>, SearchError> {
    let mut proposals = Vec::new();
    let mut told = 0;
    for number in 0..count {
        while told + lag <= number {
            let proposal: &Proposal = &proposals[usize::try_from(told).unwrap()];
            search.tell(evaluate(told, proposal.clone()))?;
            told += 1;
        }
        proposals.push(search.ask(number)?);
    }
    for (number, proposal) in (0..).zip(&proposals).skip(usize::try_from(told).unwrap()) {
        search.tell(evaluate(number, proposal.clone()))?;
    }
    Ok(proposals)
}
