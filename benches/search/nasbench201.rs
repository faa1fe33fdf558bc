//! Strategies on NAS-Bench-201 (Dong and Yang, 2020): all 15,625 cells of six edges and five operators, looked up in a
//! table instead of trained.
//!
//! `cargo bench --bench nasbench201 -- FILE --column COLUMN [--strategy NAME,…] [--seeds N] [--evaluations N] [--json]
//! [--csv FILE] [--plot FILE] [--correlation]`. With `--correlation` it is not regret that is measured but how well the models
//! of the predictor, fitted to what a strategy has evaluated, order cells that it has not: rank correlation (Spearman, 1904)
//! with the table. The plot is an SVG picture. FILE is a CSV (gzip or not) with a column `cell`, such as `|nor_conv_3x3~0|+|…`, and accuracies.

mod arguments;
mod cells;
mod exit;
mod judge;
mod plot;

use arguments::Arguments;
use cells::{Cells, EDGES, OPERATORS};
use evolve::search::{Evaluated, Proposal, Settings, space::parameters::Point, strategy};
use judge::{Judge, Table};
use std::{collections::HashMap, io::Read, path::Path, process::ExitCode};

const USAGE: &str = "cargo bench --bench nasbench201 -- FILE --column COLUMN [--strategy NAME,…] [--seeds N] \
                     [--evaluations N] [--json] [--csv FILE] [--plot FILE] [--correlation]";

fn main() -> ExitCode {
    exit::exit(run())
}

fn run() -> Result<(), String> {
    let mut arguments = Arguments::read(USAGE)?;
    // Of a cell of the table nothing is foreseen.
    let all = <strategy::Entry<Cells>>::ALL.iter().map(|entry| entry.name).filter(|name| *name != "gradient");
    let judge = Judge::new(&mut arguments, Settings::default(), &all.collect::<Vec<_>>())?;
    let (words, column) = (arguments.words(), arguments.option::<String>("--column")?);
    arguments.finish()?;
    match (&words[..], column) {
        ([file], Some(column)) => judge.run(&Accuracies::read(Path::new(file), &column)?),
        _ => Err(format!("usage: {USAGE}")),
    }
}

/// A column of the table.
struct Accuracies {
    column: String,
    space: Cells,
    /// Accuracy by cell.
    values: HashMap<Vec<usize>, f64>,
    best: f64,
}

impl Accuracies {
    fn read(path: &Path, column: &str) -> Result<Accuracies, String> {
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
        let place = |name: &str| {
            let known: Vec<&str> = header.iter().collect();
            known.iter().position(|&other| other == name).ok_or(fault(&format!("no column {name}; there are {known:?}")))
        };
        let (cells, accuracies) = (place("cell")?, place(column)?);
        let mut values = HashMap::new();
        for row in reader.records() {
            let row = row.map_err(|e| fault(&e))?;
            let cell = edges(&row[cells]).ok_or(fault(&format!("no cell: {}", &row[cells])))?;
            values.insert(cell, row[accuracies].parse().map_err(|e| fault(&e))?);
        }
        let best = values.values().copied().fold(f64::NEG_INFINITY, f64::max);
        Ok(Accuracies { column: column.to_owned(), space: Cells::new().map_err(|e| e.to_string())?, values, best })
    }
}

impl Table for Accuracies {
    type Space = Cells;

    fn title(&self) -> String {
        format!("NAS-Bench-201, {}", self.column)
    }

    fn column(&self) -> String {
        self.column.clone()
    }

    fn unit(&self) -> &'static str {
        "points"
    }

    fn space(&self) -> &Cells {
        &self.space
    }

    fn evaluate(&self, number: u64, proposal: Proposal<Point>) -> Result<Evaluated<Point>, String> {
        let score = self.score(&proposal.genome)?;
        Ok(Evaluated { examples: 1, ..Evaluated::new(number, proposal, Some(score)) })
    }

    fn score(&self, point: &Point) -> Result<f64, String> {
        let cell = self.space.operators(point);
        cell.and_then(|cell| self.values.get(&cell).copied()).ok_or(format!("not in the table: {point:?}"))
    }

    fn best(&self) -> f64 {
        self.best
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
