//! Strategies judged on a table of results: what they propose is looked up instead of trained.

use crate::arguments::Arguments;
use crate::plot;
use evolve::search::model::{Ensemble, Forest, GaussianProcess, Model, Nearest, Ridge, normal_scores, rank_correlation};
use evolve::search::space::Feature;
use evolve::search::{Evaluated, Foresight, Proposal, Search, Settings, Space, rng, strategy};
use rayon::prelude::*;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Genomes that predictions are compared on.
const HELD_OUT: usize = 1_000;
const MARKS: [usize; 9] = [10, 25, 50, 60, 100, 200, 300, 500, 1000];

/// Genome of a table's space.
type Of<T> = <<T as Table>::Space as Space>::Genome;

/// Results of every genome of a space.
pub trait Table: Sync {
    /// The space.
    type Space: Space;

    /// What the results are.
    fn title(&self) -> String;
    /// The same in one word.
    fn column(&self) -> String;
    /// What a regret is in.
    fn unit(&self) -> &'static str;
    /// The space.
    fn space(&self) -> &Self::Space;
    /// What becomes of a proposal.
    fn evaluate(&self, number: u64, proposal: Proposal<Of<Self>>) -> Result<Evaluated<Of<Self>>, String>;
    /// The result at full length; higher is better.
    fn score(&self, genome: &Of<Self>) -> Result<f64, String>;
    /// The best of all results.
    fn best(&self) -> f64;
    /// What is known of genomes beforehand.
    fn foresight(&self) -> Option<Arc<dyn Foresight<Of<Self>>>> {
        None
    }
}

/// What is measured, and where it goes.
pub struct Judge {
    strategies: Vec<String>,
    settings: Settings,
    seeds: u64,
    evaluations: usize,
    json: bool,
    /// Whether it is not regret that is measured but how well models order what was not evaluated.
    pub correlation: bool,
    csv: Option<PathBuf>,
    plot: Option<PathBuf>,
}

/// Regret of one strategy: the table's best value less the best that was trained to its end, over seeds.
#[derive(Serialize)]
struct Curve {
    strategy: String,
    column: String,
    /// Cost in whole trainings.
    evaluations: Vec<usize>,
    regret_mean: Vec<f64>,
    regret_se: Vec<f64>,
}

/// A candidate of a search with its score, and all that was spent until then, in whole trainings.
struct Seen<G> {
    genome: G,
    score: Option<f64>,
    spent: f64,
}

impl Judge {
    /// From the options that all tables share: `--strategy NAME,… --seeds N --evaluations N --json --correlation --csv FILE
    /// --plot FILE`. `strategies` are those of a table where none are named.
    pub fn new(arguments: &mut Arguments, settings: Settings, strategies: &[&str]) -> Result<Judge, String> {
        let named = arguments.option::<String>("--strategy")?.unwrap_or_else(|| strategies.join(","));
        Ok(Judge {
            strategies: named.split(',').map(str::to_owned).collect(),
            settings,
            seeds: arguments.option("--seeds")?.unwrap_or(200).max(2),
            evaluations: arguments.option("--evaluations")?.unwrap_or(1000).max(1),
            json: arguments.option("--json")?.unwrap_or(false),
            correlation: arguments.option("--correlation")?.unwrap_or(false),
            csv: arguments.option("--csv")?,
            plot: arguments.option("--plot")?,
        })
    }

    /// Prints regrets, or with `--correlation` how well models order what was not evaluated.
    pub fn run<T: Table>(&self, table: &T) -> Result<(), String> {
        if self.correlation { self.correlations(table) } else { self.regrets(table) }
    }

    fn regrets<T: Table>(&self, table: &T) -> Result<(), String> {
        let mut curves = vec![];
        for name in &self.strategies {
            let began = std::time::Instant::now();
            let runs: Result<Vec<Vec<f64>>, String> =
                (0..self.seeds).into_par_iter().map(|seed| self.regret(table, name, seed)).collect();
            let curve = curve(name, &table.column(), &runs?);
            if self.json {
                println!("{}", serde_json::to_string(&curve).map_err(|e| e.to_string())?);
            } else {
                println!("{name:10} {}  ({:.1} s)", marks(&curve), began.elapsed().as_secs_f64());
            }
            curves.push(curve);
        }
        if !self.json {
            overtakings(&curves);
        }
        if let Some(path) = &self.csv {
            write_csv(path, &curves)?;
        }
        self.plot.as_ref().map_or(Ok(()), |path| write_plot(path, table, &curves))
    }

    /// The candidates of one search, in order.
    fn search<T: Table>(&self, table: &T, name: &str, seed: u64) -> Result<Vec<Seen<Of<T>>>, String> {
        let entry = strategy::find::<T::Space>(name).map_err(|e| e.to_string())?;
        let search = Search::new(entry, &self.settings, table.space().clone(), seed, 1).map_err(|e| e.to_string())?;
        let mut search = match table.foresight() {
            Some(foresight) => search.with_foresight(foresight),
            None => search,
        };
        let (mut seen, mut spent) = (vec![], 0.0);
        for number in 0.. {
            if spent >= self.evaluations as f64 {
                break;
            }
            let proposal = search.ask(number).map_err(|e| e.to_string())?;
            let evaluated = table.evaluate(number, proposal)?;
            spent += evaluated.length();
            seen.push(Seen { genome: evaluated.proposal.genome.clone(), score: evaluated.score, spent });
            search.tell(evaluated).map_err(|e| e.to_string())?;
        }
        Ok(seen)
    }

    /// The regret of one search after 1, 2, … whole trainings.
    fn regret<T: Table>(&self, table: &T, name: &str, seed: u64) -> Result<Vec<f64>, String> {
        let seen = self.search(table, name, seed)?;
        let (mut best, mut next) = (f64::NEG_INFINITY, seen.iter().peekable());
        let regret = |spent: usize| {
            while let Some(candidate) = next.next_if(|candidate| candidate.spent <= spent as f64) {
                best = candidate.score.map_or(best, |score| best.max(score));
            }
            table.best() - best
        };
        Ok((1..=self.evaluations).map(regret).collect())
    }

    /// Prints for each strategy the mean over seeds of the rank correlation (Spearman, 1904) between what each model expects
    /// of genomes that the strategy did not evaluate and the table.
    fn correlations<T: Table>(&self, table: &T) -> Result<(), String> {
        for name in &self.strategies {
            let of = |seed| self.correlation(table, name, seed);
            let runs: Vec<Vec<f64>> = (0..self.seeds).into_par_iter().map(of).collect::<Result<_, _>>()?;
            let cell = |(index, (model, _)): (usize, &Named)| {
                let (mean, error) = mean_and_error(&runs, index);
                format!("{model}: {mean:.3} ± {error:.3}")
            };
            let cells: Vec<String> = MODELS.iter().enumerate().map(cell).collect();
            println!("{name:10} {}", cells.join("  "));
        }
        Ok(())
    }

    fn correlation<T: Table>(&self, table: &T, name: &str, seed: u64) -> Result<Vec<f64>, String> {
        let seen = self.search(table, name, seed)?;
        let space = table.space();
        let features: Vec<Vec<Feature>> = seen.iter().map(|seen| space.features(&seen.genome)).collect();
        let known: Vec<&[Feature]> = features.iter().map(|features| &features[..]).collect();
        let targets = normal_scores(&seen.iter().map(|seen| seen.score).collect::<Vec<_>>());
        let births = (0..).map(|number| space.birth(&mut rng(seed, number, u64::MAX)));
        let unseen = births.filter(|birth| seen.iter().all(|seen| seen.genome != *birth));
        let held_out: Vec<Of<T>> = unseen.take(HELD_OUT).collect();
        let truth: Vec<f64> = held_out.iter().map(|genome| table.score(genome)).collect::<Result<_, _>>()?;
        let correlation = |(_, make): &Named| {
            let mut model = make();
            model.fit(&known, &targets, &[], true, &mut rng(seed, 0, u64::MAX));
            let predicted: Vec<f64> = held_out.iter().map(|genome| model.predict(&space.features(genome)).0).collect();
            rank_correlation(&predicted, &truth)
        };
        Ok(MODELS.iter().map(correlation).collect())
    }
}

/// A model of the objective under its name.
type Named = (&'static str, fn() -> Box<dyn Model>);

const MODELS: [Named; 5] = [
    ("ensemble", || Box::new(Ensemble::new())),
    ("gaussian process", || Box::new(GaussianProcess::new())),
    ("forest", || Box::new(Forest::new())),
    ("ridge", || Box::new(Ridge::new())),
    ("nearest", || Box::new(Nearest::new())),
];

fn curve(strategy: &str, column: &str, runs: &[Vec<f64>]) -> Curve {
    let length = runs[0].len();
    let (regret_mean, regret_se) = (0..length).map(|index| mean_and_error(runs, index)).unzip();
    let evaluations = (1..=length).collect();
    Curve { strategy: strategy.to_owned(), column: column.to_owned(), evaluations, regret_mean, regret_se }
}

/// Mean over runs of their values at an index, and its standard error.
fn mean_and_error(runs: &[Vec<f64>], index: usize) -> (f64, f64) {
    let count = runs.len() as f64;
    let mean = runs.iter().map(|run| run[index]).sum::<f64>() / count;
    let variance = runs.iter().map(|run| (run[index] - mean).powi(2)).sum::<f64>() / (count - 1.0);
    (mean, (variance / count).sqrt())
}

/// The curve at a few costs, in words.
fn marks(curve: &Curve) -> String {
    let at = |&mark: &usize| {
        let index = curve.evaluations.iter().position(|&e| e == mark)?;
        Some(format!("{mark}: {:.3} ± {:.3}", curve.regret_mean[index], curve.regret_se[index]))
    };
    MARKS.iter().filter_map(at).collect::<Vec<_>>().join("  ")
}

/// Prints when each strategy reaches what random search has at its end.
fn overtakings(curves: &[Curve]) {
    let Some(random) = curves.iter().find(|curve| curve.strategy == "random") else { return };
    let Some((&end, length)) = random.regret_mean.last().zip(random.evaluations.last()) else { return };
    println!("mean regret of random search after {length}: {end:.3}; reached after");
    for curve in curves {
        match curve.regret_mean.iter().position(|&regret| regret <= end) {
            Some(index) => println!("{:10} {}", curve.strategy, curve.evaluations[index]),
            None => println!("{:10} more", curve.strategy),
        }
    }
}

fn write_csv(path: &Path, curves: &[Curve]) -> Result<(), String> {
    let mut text = String::from("strategy,column,evaluations,regret_mean,regret_se\n");
    for curve in curves {
        for (index, evaluations) in curve.evaluations.iter().enumerate() {
            let (mean, error) = (curve.regret_mean[index], curve.regret_se[index]);
            text += &format!("{},{},{evaluations},{mean:.6},{error:.6}\n", curve.strategy, curve.column);
        }
    }
    std::fs::write(path, text).map_err(|e| format!("{}: {e}", path.display()))
}

fn write_plot<T: Table>(path: &Path, table: &T, curves: &[Curve]) -> Result<(), String> {
    let lines: Vec<plot::Line<'_>> = curves
        .iter()
        .map(|curve| plot::Line { name: &curve.strategy, means: &curve.regret_mean, errors: &curve.regret_se })
        .collect();
    let svg = plot::curves(&table.title(), &format!("mean regret, {}", table.unit()), &lines, 0.01);
    std::fs::write(path, svg).map_err(|e| format!("{}: {e}", path.display()))
}
