//! Makes a table: every net of a small space trained on one data set.

use crate::nets::{Nets, words};
use crate::real::{Real, TARGET};
use crate::{About, EIGHTHS, SEEDS, TABLE};
use evolve::genome::Genome;
use evolve::train::{Request, Rung, TrainError, train, zero_cost};
use rayon::prelude::*;
use std::fmt::Display;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Trains all nets on `examples` training examples with each seed and writes the table into a folder. `every` leaves out all
/// but every so many nets, for a trial.
pub fn make(path: PathBuf, target: String, examples: u64, out: &Path, every: usize) -> Result<(), String> {
    let real = Real::load(path.clone(), Some(target), 0)?;
    let domain = real.domain();
    let nets = Nets::new(&domain).map_err(text)?;
    let all: Vec<Genome> = nets.all().iter().step_by(every).cloned().collect();
    let done = AtomicUsize::new(0);
    let row = |genome: &Genome| {
        let row = row(genome, &real, examples).map_err(|e| format!("{}: {e}", words(genome)));
        let done = done.fetch_add(1, Ordering::Relaxed) + 1;
        if done.is_multiple_of(100) {
            eprintln!("{done} of {}", all.len());
        }
        row
    };
    let rows: Vec<String> = all.par_iter().map(row).collect::<Result<_, _>>()?;
    let metric = real.setting().metric.name.to_owned();
    let data = path.parent().and_then(Path::file_name).unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    fs::create_dir_all(out).map_err(text)?;
    let about = serde_json::to_string(&About { data, metric, examples, domain }).map_err(text)?;
    fs::write(out.join("about.json"), about + "\n").map_err(text)?;
    let file = fs::File::create(out.join(TABLE)).map_err(text)?;
    let mut file = flate2::GzBuilder::new().write(file, flate2::Compression::best());
    file.write_all((header() + &rows.concat()).as_bytes()).map_err(text)?;
    file.finish().map(|_| ()).map_err(text)
}

fn text(error: impl Display) -> String {
    error.to_string()
}

/// Net, cost, zero-cost scores, and for each seed the best score until each eighth of its training.
fn header() -> String {
    let proxies = zero_cost::ALL.iter().map(|proxy| proxy.name.to_owned());
    let scores = SEEDS.iter().flat_map(|seed| (1..=EIGHTHS).map(move |eighth| format!("seed{seed}_{eighth}")));
    let costs = ["net", "work"].map(str::to_owned).into_iter();
    costs.chain(proxies).chain(scores).collect::<Vec<_>>().join(",") + "\n"
}

fn row(genome: &Genome, real: &Real, examples: u64) -> Result<String, TrainError> {
    let (task, part) = (&real.dataset.task, &real.dataset.train);
    let conditions = zero_cost::Conditions::new(task, part, real.engine.clone(), TARGET, 0);
    let mut cells = vec![words(genome), real.costs(genome)?.work.to_string()];
    for proxy in zero_cost::ALL {
        cells.push(format!("{:.4e}", (proxy.score)(genome, &conditions)?));
    }
    for seed in SEEDS {
        let rungs = (1..EIGHTHS).map(|eighth| Rung { share: eighth as f64 / EIGHTHS as f64, least: None }).collect();
        let trained = train(&real.setting(), Request { rungs, ..Request::new(genome, seed, examples) })?;
        let scores = trained.rungs.iter().map(|rung| rung.score).chain([trained.score]);
        cells.extend(scores.map(|score| format!("{score:.5}")));
    }
    Ok(cells.join(",") + "\n")
}
