//! What inherited weights spare: `cargo bench --bench inheritance -- DATA [--target COL] [--edits N] [--seed N]`.
//!
//! Random nets of the preset space are trained, and the best third of them changed by one edit each of those that EEMS may
//! make. A child is trained from scratch, as a candidate of a study that is limited by their number, and from its parent's
//! weights on shares of these examples. Prints for each share how often the heir is at least as good as the child that was
//! trained from scratch, and the medians over the edits of the scores.

mod arguments;
mod exit;
mod real;

use arguments::Arguments;
use evolve::express;
use evolve::genome::{Genome, SearchSpace};
use evolve::search::rng;
use evolve::search::space::Space;
use evolve::study::{TrainingSettings, lengths};
use evolve::train::{Request, TrainError, Trained, random, train};
use rand::RngExt;
use real::Real;
use std::process::ExitCode;

const USAGE: &str = "cargo bench --bench inheritance -- DATA [--target COL] [--edits N] [--seed N]";

/// Shares of the examples of a training from scratch.
const SHARES: [f64; 5] = [0.0625, 0.125, 0.25, 0.35, 0.5];
/// Births of which the best become parents, and how many do.
const BIRTHS: u64 = 12;
const PARENTS: usize = 4;

fn main() -> ExitCode {
    exit::exit(run())
}

/// What became of a child.
struct Compared {
    words: String,
    parent: f64,
    scratch: f64,
    /// Scores of the heirs, one a share.
    heirs: Vec<f64>,
}

fn run() -> Result<(), String> {
    let mut arguments = Arguments::read(USAGE)?;
    let words = arguments.words();
    let [path] = &words[..] else { return Err(format!("usage: {USAGE}")) };
    let target = arguments.option("--target")?;
    let edits: usize = arguments.option("--edits")?.unwrap_or(15);
    let seed: u64 = arguments.option("--seed")?.unwrap_or(0);
    arguments.finish()?;
    let bench = Bench::new(Real::load(path.into(), target, seed)?, seed);
    let parents = bench.parents();
    if parents.is_empty() {
        return Err("no birth could be trained".to_owned());
    }
    let mut all = vec![];
    for number in 0.. {
        if all.len() == edits {
            break;
        }
        let (parent, trained) = &parents[all.len() % parents.len()];
        if let Some(compared) = bench.compared(parent, trained, number) {
            println!("{}", line(&compared));
            all.push(compared);
        }
    }
    let median = |of: &dyn Fn(&Compared) -> f64| {
        let mut sorted: Vec<f64> = all.iter().map(of).collect();
        sorted.sort_by(f64::total_cmp);
        sorted[sorted.len() / 2]
    };
    println!("medians: parent {:.4}, from scratch {:.4}", median(&|c| c.parent), median(&|c| c.scratch));
    for (index, share) in SHARES.iter().enumerate() {
        let reached = all.iter().filter(|compared| compared.heirs[index] >= compared.scratch).count();
        let (score, gap) = (median(&|c| c.heirs[index]), median(&|c| c.heirs[index] - c.scratch));
        println!("{share:6} of the examples: {score:.4}, {gap:+.4} against scratch, as good or better {reached} of {edits}");
    }
    Ok(())
}

fn line(compared: &Compared) -> String {
    let heirs: Vec<String> = compared.heirs.iter().map(|score| format!("{score:.4}")).collect();
    let Compared { words, parent, scratch, .. } = compared;
    format!("{words:60} parent {parent:.4}  scratch {scratch:.4}  heirs {}", heirs.join(" "))
}

struct Bench {
    real: Real,
    space: SearchSpace,
    training: TrainingSettings,
    /// Kinds of edits that EEMS may make.
    elastic: Vec<usize>,
    seed: u64,
}

impl Bench {
    fn new(real: Real, seed: u64) -> Bench {
        let space = SearchSpace::preset(&real.domain());
        let training = lengths::from_data(&space, lengths::FINALISTS);
        let kinds = space.edits();
        let elastic = kinds.iter().enumerate().filter(|(_, kind)| kind.elastic).map(|(index, _)| index).collect();
        Bench { real, space, training, elastic, seed }
    }

    /// The best of some births, trained.
    fn parents(&self) -> Vec<(Genome, Trained)> {
        let births = (0..BIRTHS).map(|number| self.space.birth(&mut rng(self.seed, number, 0)));
        let trained = |genome: Genome| {
            let trained = self.scratch(&genome, 0).ok()?;
            Some((genome, trained))
        };
        let mut all: Vec<(Genome, Trained)> = births.filter_map(trained).collect();
        all.sort_by(|a, b| b.1.score.total_cmp(&a.1.score));
        all.truncate(PARENTS);
        all
    }

    /// An edit of a parent; `None` where it does not apply, or where a training fails.
    fn compared(&self, parent: &Genome, trained: &Trained, number: u64) -> Option<Compared> {
        let mut draws = rng(self.seed, number, 1);
        let kind = self.elastic[draws.random_range(0..self.elastic.len())];
        let child = self.space.edit(kind, parent, &mut draws)?;
        let scratch = self.scratch(&child.genome, number + 1).ok()?;
        let heir = |share: &f64| self.heir(parent, trained, &child.genome, number + 1, *share).map(|heir| heir.score);
        let heirs = SHARES.iter().map(heir).collect::<Result<Vec<f64>, TrainError>>().ok()?;
        Some(Compared { words: child.words, parent: trained.score, scratch: scratch.score, heirs })
    }

    fn examples(&self, genome: &Genome, share: f64) -> Result<u64, TrainError> {
        let costs = self.real.costs(genome)?;
        Ok(self.training.candidate_examples(&costs, share * f64::from(genome.training.length)))
    }

    fn scratch(&self, genome: &Genome, seed: u64) -> Result<Trained, TrainError> {
        train(&self.real.setting(), Request::new(genome, seed, self.examples(genome, 1.0)?))
    }

    fn heir(
        &self,
        parent: &Genome,
        trained: &Trained,
        child: &Genome,
        seed: u64,
        share: f64,
    ) -> Result<Trained, TrainError> {
        let task = &self.real.dataset.task;
        let start = match parent.net == child.net {
            true => trained.weights.clone(),
            false => express::inherit(parent, &trained.weights, child, task, &mut random(seed, 4))?,
        };
        let (examples, rate) = (self.examples(child, share)?, TrainingSettings::warm_rate(share));
        train(&self.real.setting(), Request { start: Some(start), rate, ..Request::new(child, seed, examples) })
    }
}
