//! Latency: how long the exported model takes in the study's engine, on one thread.

use super::{Entry, Specimen, Unit};
use crate::train::TrainError;
use std::time::{Duration, Instant};

/// Rows of a batch.
const BATCH: usize = 64;
/// Runs before any is timed: the first ones allocate.
const WARM_UP: usize = 3;
/// Timed runs, unless they take longer than is spent on them; at least some.
const MOST_RUNS: usize = 51;
const LEAST_RUNS: usize = 5;
const PATIENCE: Duration = Duration::from_millis(400);

/// Median time of one row.
pub(super) static LATENCY: Entry = Entry {
    name: "latency",
    doc: "median time for one raw row in this engine on one thread, in milliseconds",
    unit: Unit::Milliseconds,
    is_timed: true,
    measure: |specimen| median(specimen, 1),
};

/// Median time of a batch.
pub(super) static LATENCY_BATCH: Entry = Entry {
    name: "latency_batch",
    doc: "the same for 64 rows at once",
    unit: Unit::Milliseconds,
    is_timed: true,
    measure: |specimen| median(specimen, BATCH),
};

/// Median of the runs on so many raw rows of the validation part, in milliseconds. Sessions have one thread; what other
/// workers train meanwhile shares the machine with it.
fn median(specimen: &Specimen<'_>, rows: usize) -> Result<f64, TrainError> {
    let mut model = specimen.engine.load_model(specimen.model()?)?;
    let inputs = specimen.inputs(model.inputs(), rows)?;
    for _ in 0..WARM_UP {
        model.run(&inputs)?;
    }
    let began = Instant::now();
    let mut runs = Vec::with_capacity(MOST_RUNS);
    while runs.len() < LEAST_RUNS || (runs.len() < MOST_RUNS && began.elapsed() < PATIENCE) {
        let started = Instant::now();
        model.run(&inputs)?;
        runs.push(started.elapsed());
    }
    runs.sort_unstable();
    Ok(runs[runs.len() / 2].as_secs_f64() * 1e3)
}
