//! Strategies on NAS-Bench-201 (Dong and Yang, 2020): all 15,625 cells of six edges and five operators, looked up in a
//! table instead of trained.
//!
//! `cargo bench --bench nasbench201 -- FILE --column COLUMN [--strategy NAME,…] [--seeds N] [--evaluations N] [--json]
//! [--csv FILE] [--plot FILE] [--correlation]`. With `--correlation` it is not regret that is measured but how well the models
//! of the predictor, fitted to what a strategy has evaluated, order cells that it has not: rank correlation (Spearman, 1904)
//! with the table. The plot is an SVG picture. FILE is a CSV (gzip or not) with a column `cell`, such as `|nor_conv_3x3~0|+|…`, and accuracies.

mod cells;
mod plot;

use cells::{Cells, EDGES, OPERATORS};
use evolve::search::model::{Ensemble, Forest, GaussianProcess, Model, Nearest, Ridge, normal_scores, rank_correlation};
use evolve::search::{Evaluated, Search, Settings, Space, rng, space::Feature, space::parameters::Point, strategy};
use rayon::prelude::*;
use serde::Serialize;
use std::{collections::HashMap, io::Read, path::PathBuf, process::ExitCode};

/// Cells that predictions are compared on.
const HELD_OUT: usize = 1_000;
const MARKS: [usize; 8] = [10, 25, 50, 100, 200, 300, 500, 1000];

struct Options {
    file: PathBuf,
    column: String,
    strategies: Vec<String>,
    seeds: u64,
    evaluations: usize,
    json: bool,
    correlation: bool,
    csv: Option<PathBuf>,
    plot: Option<PathBuf>,
}

/// Regret of one strategy: the table's best value less the best seen, over seeds.
#[derive(Serialize)]
struct Curve {
    strategy: String,
    column: String,
    evaluations: Vec<usize>,
    regret_mean: Vec<f64>,
    regret_se: Vec<f64>,
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<(), String> {
    let options = options()?;
    let table = Table::read(&options)?;
    if options.correlation {
        return correlations(&options, &table);
    }
    let mut curves = vec![];
    for name in &options.strategies {
        let began = std::time::Instant::now();
        let runs: Result<Vec<Vec<f64>>, String> =
            (0..options.seeds).into_par_iter().map(|seed| table.regrets(name, seed, options.evaluations)).collect();
        let curve = curve(name, &options.column, &runs?);
        if options.json {
            println!("{}", serde_json::to_string(&curve).map_err(|e| e.to_string())?);
        } else {
            let at = |&mark: &usize| {
                let index = curve.evaluations.iter().position(|&e| e == mark)?;
                Some(format!("{mark}: {:.3} ± {:.3}", curve.regret_mean[index], curve.regret_se[index]))
            };
            let marks: Vec<String> = MARKS.iter().filter_map(at).collect();
            println!("{name:10} {}  ({:.1} s)", marks.join("  "), began.elapsed().as_secs_f64());
        }
        curves.push(curve);
    }
    if let Some(path) = &options.csv {
        write_csv(path, &curves)?;
    }
    options.plot.as_ref().map_or(Ok(()), |path| write_plot(path, &options.column, &curves))
}

fn options() -> Result<Options, String> {
    let usage = "cargo bench --bench nasbench201 -- FILE --column COLUMN [--strategy NAME,…] [--seeds N] \
                 [--evaluations N] [--json] [--csv FILE] [--plot FILE] [--correlation]";
    let mut file = None;
    let mut column = None;
    // Of a cell of the table nothing is foreseen.
    let all = <strategy::Entry<Cells>>::ALL.iter().map(|entry| entry.name).filter(|name| *name != "gradient");
    let mut strategies: Vec<String> = all.map(str::to_owned).collect();
    let (mut seeds, mut evaluations, mut csv, mut plot) = (200, 1000, None, None);
    let (mut json, mut correlation) = (false, false);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} wants a value; usage: {usage}"));
        let number = |text: String| text.parse::<usize>().map_err(|e| format!("{text}: {e}"));
        match &argument[..] {
            "--bench" => {}
            "--json" => json = true,
            "--correlation" => correlation = true,
            "--column" => column = Some(value()?),
            "--csv" => csv = Some(PathBuf::from(value()?)),
            "--plot" => plot = Some(PathBuf::from(value()?)),
            "--strategy" => strategies = value()?.split(',').map(str::to_owned).collect(),
            "--seeds" => seeds = number(value()?)?.max(2) as u64,
            "--evaluations" => evaluations = number(value()?)?.max(1),
            other if other.starts_with("--") => return Err(format!("unknown option {other}; usage: {usage}")),
            other => file = Some(PathBuf::from(other)),
        }
    }
    match (file, column) {
        (Some(file), Some(column)) => {
            Ok(Options { file, column, strategies, seeds, evaluations, json, correlation, csv, plot })
        }
        _ => Err(format!("usage: {usage}")),
    }
}

struct Table {
    space: Cells,
    /// Accuracy by cell.
    values: HashMap<Vec<usize>, f64>,
    best: f64,
}

impl Table {
    fn read(options: &Options) -> Result<Table, String> {
        let path = &options.file;
        let fault = |e: &dyn std::fmt::Display| format!("{}: {e}", path.display());
        let bytes = std::fs::read(path).map_err(|e| fault(&e))?;
        let mut text = String::new();
        if bytes.starts_with(&[0x1f, 0x8b]) {
            flate2::read::GzDecoder::new(&bytes[..]).read_to_string(&mut text).map_err(|e| fault(&e))?;
        } else {
            text = String::from_utf8(bytes).map_err(|e| fault(&e))?;
        }
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let header = reader.headers().map_err(|e| fault(&e))?.clone();
        let column = |name: &str| {
            let known: Vec<&str> = header.iter().collect();
            known.iter().position(|&other| other == name).ok_or(fault(&format!("no column {name}; there are {known:?}")))
        };
        let (cells, accuracies) = (column("cell")?, column(&options.column)?);
        let mut values = HashMap::new();
        for row in reader.records() {
            let row = row.map_err(|e| fault(&e))?;
            let cell = edges(&row[cells]).ok_or(fault(&format!("no cell: {}", &row[cells])))?;
            values.insert(cell, row[accuracies].parse().map_err(|e| fault(&e))?);
        }
        let best = values.values().copied().fold(f64::NEG_INFINITY, f64::max);
        Ok(Table { space: Cells::new().map_err(|e| e.to_string())?, values, best })
    }

    /// What one search evaluates, in order, with its values.
    fn search(&self, name: &str, seed: u64, evaluations: usize) -> Result<Vec<(Point, f64)>, String> {
        let entry = strategy::find::<Cells>(name).map_err(|e| e.to_string())?;
        let mut search = Search::new(entry, &Settings::default(), self.space.clone(), seed, 1).map_err(|e| e.to_string())?;
        let mut seen = vec![];
        for number in 0..evaluations as u64 {
            let proposal = search.ask(number).map_err(|e| e.to_string())?;
            let score = self.value(&proposal.genome)?;
            seen.push((proposal.genome.clone(), score));
            let told = Evaluated { examples: 1, ..Evaluated::new(number, proposal, Some(score)) };
            search.tell(told).map_err(|e| e.to_string())?;
        }
        Ok(seen)
    }

    /// The regret after each evaluation of one search.
    fn regrets(&self, name: &str, seed: u64, evaluations: usize) -> Result<Vec<f64>, String> {
        let mut best = f64::NEG_INFINITY;
        let regret = |(_, score): &(Point, f64)| {
            best = best.max(*score);
            self.best - best
        };
        Ok(self.search(name, seed, evaluations)?.iter().map(regret).collect())
    }

    /// How well each model orders cells that one search has not evaluated.
    fn correlations(&self, name: &str, seed: u64, evaluations: usize) -> Result<Vec<f64>, String> {
        let seen = self.search(name, seed, evaluations)?;
        let features: Vec<Vec<Feature>> = seen.iter().map(|(cell, _)| self.space.features(cell)).collect();
        let known: Vec<&[Feature]> = features.iter().map(|features| &features[..]).collect();
        let targets = normal_scores(&seen.iter().map(|(_, score)| Some(*score)).collect::<Vec<_>>());
        let births = (0..).map(|number| self.space.birth(&mut rng(seed, number, u64::MAX)));
        let unseen = births.filter(|birth| seen.iter().all(|(cell, _)| cell != birth));
        let held_out: Vec<Point> = unseen.take(HELD_OUT).collect();
        let truth: Vec<f64> = held_out.iter().map(|cell| self.value(cell)).collect::<Result<_, _>>()?;
        let correlation = |(_, make): &Named| {
            let mut model = make();
            model.fit(&known, &targets, &[], true, &mut rng(seed, 0, u64::MAX));
            let predicted: Vec<f64> = held_out.iter().map(|cell| model.predict(&self.space.features(cell)).0).collect();
            rank_correlation(&predicted, &truth)
        };
        Ok(MODELS.iter().map(correlation).collect())
    }

    fn value(&self, point: &Point) -> Result<f64, String> {
        let cell = self.space.operators(point);
        cell.and_then(|cell| self.values.get(&cell).copied()).ok_or(format!("not in the table: {point:?}"))
    }
}

/// Operators of a cell's edges, in the order of the string.
fn edges(cell: &str) -> Option<Vec<usize>> {
    let names = cell.split(['|', '+']).filter(|part| !part.is_empty());
    let operator = |part: &str| {
        let name = part.split('~').next()?;
        OPERATORS.iter().position(|&operator| operator == name)
    };
    names.map(operator).collect::<Option<Vec<_>>>().filter(|edges| edges.len() == EDGES.len())
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

/// Prints the mean correlation of each model over the seeds and its standard error, a line for each strategy.
fn correlations(options: &Options, table: &Table) -> Result<(), String> {
    for name in &options.strategies {
        let of = |seed| table.correlations(name, seed, options.evaluations);
        let runs: Vec<Vec<f64>> = (0..options.seeds).into_par_iter().map(of).collect::<Result<_, _>>()?;
        let cell = |(index, (model, _)): (usize, &Named)| {
            let (mean, error) = mean_and_error(&runs, index);
            format!("{model}: {mean:.3} ± {error:.3}")
        };
        let cells: Vec<String> = MODELS.iter().enumerate().map(cell).collect();
        println!("{name:10} {}", cells.join("  "));
    }
    Ok(())
}

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

fn write_csv(path: &PathBuf, curves: &[Curve]) -> Result<(), String> {
    let mut text = String::from("strategy,column,evaluations,regret_mean,regret_se\n");
    for curve in curves {
        for (index, evaluations) in curve.evaluations.iter().enumerate() {
            let (mean, error) = (curve.regret_mean[index], curve.regret_se[index]);
            text += &format!("{},{},{evaluations},{mean:.6},{error:.6}\n", curve.strategy, curve.column);
        }
    }
    std::fs::write(path, text).map_err(|e| format!("{}: {e}", path.display()))
}

fn write_plot(path: &PathBuf, column: &str, curves: &[Curve]) -> Result<(), String> {
    let lines: Vec<plot::Line<'_>> = curves
        .iter()
        .map(|curve| plot::Line { name: &curve.strategy, means: &curve.regret_mean, errors: &curve.regret_se })
        .collect();
    let svg = plot::curves(&format!("NAS-Bench-201, {column}"), "mean regret, points", &lines, 0.01);
    std::fs::write(path, svg).map_err(|e| format!("{}: {e}", path.display()))
}
