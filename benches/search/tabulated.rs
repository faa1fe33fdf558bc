//! Strategies, fidelities and models on tables of our own: every net of a small space, trained on a real data set with two
//! seeds, with its learning curves, its cost, and its zero-cost scores.
//!
//! `cargo bench --bench tabulated -- FOLDER [--fidelity full|halving] [--strategy NAME,…] [--seeds N] [--evaluations N] [--json]
//! [--csv FILE] [--plot FILE] [--correlation]`, where `FOLDER` is one of `fixtures/tabulated`. What is spent is counted in whole
//! trainings. With `--correlation` it prints how well models, zero-cost scores and the beginning of a training order nets by
//! what they score in the end. `cargo bench --bench tabulated -- make DATA --target COLUMN --examples N --out FOLDER
//! [--every K]` makes a table.

mod arguments;
mod exit;
mod judge;
mod make;
mod nets;
mod plot;
mod real;

use arguments::Arguments;
use evolve::genome::{Domain, Genome};
use evolve::search::model::{rank_correlation, ranks};
use evolve::search::{Evaluated, Fidelity, Foresight, Proposal, RungScore, Settings, strategy};
use evolve::train::zero_cost;
use judge::{Judge, Table};
use nets::Nets;
use serde::{Deserialize, Serialize};
use std::{collections::HashMap, io::Read, path::Path, process::ExitCode, sync::Arc};

/// Name of the table in its folder.
const TABLE: &str = "nets.csv.gz";
/// Seeds of the trainings.
const SEEDS: [u64; 2] = [0, 1];
/// Points of a learning curve.
const EIGHTHS: usize = 8;

const USAGE: &str = "cargo bench --bench tabulated -- FOLDER [--fidelity full|halving] [--strategy NAME,…] [--seeds N] \
                     [--evaluations N] [--json] [--csv FILE] [--plot FILE] [--correlation], or -- make DATA --target COLUMN \
                     --examples N --out FOLDER [--every K]";

/// What a table is of.
#[derive(Debug, Serialize, Deserialize)]
struct About {
    /// Name of the data set.
    data: String,
    /// The metric, turned so that higher is better.
    metric: String,
    /// Training examples of each training.
    examples: u64,
    /// Extents of the task.
    domain: Domain,
}

fn main() -> ExitCode {
    exit::exit(run())
}

fn run() -> Result<(), String> {
    let mut arguments = Arguments::read(USAGE)?;
    let usage = || format!("usage: {USAGE}");
    let words = arguments.words();
    match &words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["make", data] => {
            let target = arguments.option("--target")?.ok_or_else(usage)?;
            let examples = arguments.option("--examples")?.ok_or_else(usage)?;
            let out: String = arguments.option("--out")?.ok_or_else(usage)?;
            let every = arguments.option("--every")?.unwrap_or(1).max(1);
            arguments.finish()?;
            make::make(data.into(), target, examples, Path::new(&out), every)
        }
        [folder] => {
            let named: Option<String> = arguments.option("--fidelity")?;
            let named = named.unwrap_or_else(|| Fidelity::default().to_string());
            let fidelity = Fidelity::ALL.iter().find(|(name, _)| *name == named).ok_or_else(usage)?.1;
            // Nothing is inherited in a table, and it has one objective.
            let all = <strategy::Entry<Nets>>::ALL.iter().map(|entry| entry.name);
            let all: Vec<&str> = all.filter(|name| !["eems", "nsga2"].contains(name)).collect();
            let judge = Judge::new(&mut arguments, Settings { fidelity, ..Settings::default() }, &all)?;
            arguments.finish()?;
            let table = Trainings::read(Path::new(folder))?;
            if judge.correlation {
                table.correlations();
            }
            judge.run(&table)
        }
        _ => Err(usage()),
    }
}

/// What is known of a net.
#[derive(Debug)]
struct Known {
    /// Estimated time of one example in multiply-accumulates.
    work: f64,
    /// Zero-cost scores in the order of [`zero_cost::ALL`].
    proxies: Vec<Option<f64>>,
    /// Best score until each eighth of the training, for each seed.
    curves: Vec<Vec<f64>>,
}

impl Known {
    /// Mean over the seeds of the best score until so many eighths.
    fn score(&self, eighths: usize) -> f64 {
        self.curves.iter().map(|curve| curve[eighths - 1]).sum::<f64>() / self.curves.len() as f64
    }
}

/// A table.
struct Trainings {
    about: About,
    space: Nets,
    /// By the hash of a genome.
    nets: Arc<HashMap<String, Known>>,
    best: f64,
}

impl Trainings {
    fn read(folder: &Path) -> Result<Trainings, String> {
        let fault = |e: &dyn std::fmt::Display| format!("{}: {e}", folder.display());
        let about = std::fs::read_to_string(folder.join("about.json")).map_err(|e| fault(&e))?;
        let about: About = serde_json::from_str(&about).map_err(|e| fault(&e))?;
        let space = Nets::new(&about.domain).map_err(|e| fault(&e))?;
        let scale = if about.domain.classification { 100.0 } else { 1.0 };
        let file = std::fs::File::open(folder.join(TABLE)).map_err(|e| fault(&e))?;
        let mut text = String::new();
        flate2::read::GzDecoder::new(file).read_to_string(&mut text).map_err(|e| fault(&e))?;
        let mut nets = HashMap::new();
        for row in csv::Reader::from_reader(text.as_bytes()).records() {
            let row = row.map_err(|e| fault(&e))?;
            let numbers: Result<Vec<f64>, _> = row.iter().skip(1).map(str::parse).collect();
            let numbers = numbers.map_err(|e| fault(&e))?;
            let proxies = zero_cost::ALL.len();
            let genome = space.read(&row[0]).filter(|_| numbers.len() == 1 + proxies + SEEDS.len() * EIGHTHS);
            let genome = genome.ok_or_else(|| fault(&format!("no row of this table: {row:?}")))?;
            let known = Known {
                work: numbers[0],
                proxies: numbers[1..=proxies].iter().map(|&score| Some(score).filter(|s| s.is_finite())).collect(),
                curves: numbers[1 + proxies..]
                    .chunks(EIGHTHS)
                    .map(|curve| curve.iter().map(|s| scale * s).collect())
                    .collect(),
            };
            nets.insert(genome.hash(), known);
        }
        let best = nets.values().map(|known| known.score(EIGHTHS)).fold(f64::NEG_INFINITY, f64::max);
        Ok(Trainings { about, space, nets: Arc::new(nets), best })
    }

    fn known(&self, genome: &Genome) -> Result<&Known, String> {
        self.nets.get(&genome.hash()).ok_or_else(|| format!("not in the table: {}", nets::words(genome)))
    }

    /// Prints the rank correlation with the score at the end, over all nets, of what is known before.
    fn correlations(&self) {
        let all: Vec<&Known> = self.nets.values().collect();
        let ends: Vec<f64> = all.iter().map(|known| known.score(EIGHTHS)).collect();
        let print = |name: &str, scores: &[f64]| println!("{name:18} {:.3}", rank_correlation(scores, &ends));
        println!(
            "{} nets on {}, {}; rank correlation with the score at the end",
            all.len(),
            self.about.data,
            self.about.metric
        );
        for eighths in 1..EIGHTHS {
            let scores: Vec<f64> = all.iter().map(|known| known.score(eighths)).collect();
            print(&format!("after {eighths}/{EIGHTHS}"), &scores);
        }
        let of = |seed: usize| all.iter().map(|known| known.curves[seed][EIGHTHS - 1]).collect::<Vec<f64>>();
        println!("{:18} {:.3}", "seed 0 with seed 1", rank_correlation(&of(0), &of(1)));
        print("work", &all.iter().map(|known| known.work).collect::<Vec<f64>>());
        let mut mean = vec![0.0; all.len()];
        for (index, proxy) in zero_cost::ALL.iter().enumerate() {
            let scores: Vec<f64> = all.iter().map(|known| known.proxies[index].unwrap_or(f64::NEG_INFINITY)).collect();
            print(proxy.name, &scores);
            mean.iter_mut().zip(ranks(&scores)).for_each(|(sum, rank)| *sum += rank);
        }
        print("mean rank", &mean);
    }
}

impl Table for Trainings {
    type Space = Nets;

    fn title(&self) -> String {
        format!("{}, {} nets", self.about.data, self.nets.len())
    }

    fn column(&self) -> String {
        self.about.data.clone()
    }

    fn unit(&self) -> &'static str {
        if self.about.domain.classification { "points" } else { "units of the target" }
    }

    fn space(&self) -> &Nets {
        &self.space
    }

    fn evaluate(&self, number: u64, proposal: Proposal) -> Result<Evaluated, String> {
        let known = self.known(&proposal.genome)?;
        let at = |share: f64| (share * EIGHTHS as f64).round() as usize;
        let from = proposal.continues.map_or(0.0, |continues| continues.from);
        let mut rungs: Vec<RungScore> = (1..=at(from))
            .map(|eighths| RungScore { share: eighths as f64 / EIGHTHS as f64, score: known.score(eighths) })
            .collect();
        let mut paused = false;
        for rung in &proposal.rungs {
            let score = known.score(at(rung.share));
            rungs.push(RungScore { share: rung.share, score });
            paused = rung.least.is_some_and(|least| score < least);
            if paused {
                break;
            }
        }
        let score = (!paused).then(|| known.score(EIGHTHS));
        Ok(Evaluated { rungs, paused, examples: self.about.examples, ..Evaluated::new(number, proposal, score) })
    }

    fn score(&self, genome: &Genome) -> Result<f64, String> {
        Ok(self.known(genome)?.score(EIGHTHS))
    }

    fn best(&self) -> f64 {
        self.best
    }

    fn foresight(&self) -> Option<Arc<dyn Foresight<Genome>>> {
        Some(Arc::new(ZeroCost(self.nets.clone())))
    }
}

/// The zero-cost scores of a table.
struct ZeroCost(Arc<HashMap<String, Known>>);

impl Foresight<Genome> for ZeroCost {
    fn scores(&self, genomes: &[Genome]) -> Vec<Vec<Option<f64>>> {
        let scores = |genome: &Genome| self.0.get(&genome.hash()).map_or(vec![], |known| known.proxies.clone());
        genomes.iter().map(scores).collect()
    }
}
