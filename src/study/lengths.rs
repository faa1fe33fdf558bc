//! How long candidates and finalists train: resolved once, at the start of a study.

use super::{StudyError, TrainingSettings};
use crate::genome::{Genome, InputDomain, SearchSpace};
use crate::train::{self, Request, Setting};
use std::time::{Duration, Instant};

/// Share of a budget that the search may use.
pub const SEARCH_SHARE: f64 = 0.62;
/// Share of a budget at which retraining ends; the rest is for choosing, exporting and the report.
pub const TRAINING_SHARE: f64 = 0.95;
/// Passes over the training part after which a candidate has shown what it can.
const CANDIDATE_EPOCHS: f64 = 20.0;
/// Most passes of a finalist.
const FINAL_EPOCHS: f64 = 120.0;
/// Examples that even a small table is worth.
const LEAST_EXAMPLES: f64 = 100_000.0;
/// Candidates that a search needs at least to be one.
const LEAST_CANDIDATES: f64 = 24.0;
/// Cost of an example besides its arithmetic, in multiply-accumulates: gathering it and launching small operators.
const TABLE_OVERHEAD: f64 = 50_000.0;
const IMAGE_OVERHEAD: f64 = 500_000.0;
/// What a candidate for images may cost where no budget decides.
const IMAGE_EFFORT: f64 = 4e11;
/// How long the machine's speed is measured.
const PROBE: Duration = Duration::from_millis(1200);

/// Lengths where only the number of candidates is given: from the data alone.
pub fn from_data(space: &SearchSpace) -> TrainingSettings {
    let rows = space.domain.rows as f64;
    let image = matches!(space.domain.input, InputDomain::Image { .. });
    let examples = (rows * CANDIDATE_EPOCHS).max(LEAST_EXAMPLES);
    TrainingSettings {
        effort: if image { IMAGE_EFFORT } else { f64::MAX },
        examples: if image { examples } else { examples.min(400_000.0) } as u64,
        overhead: if image { IMAGE_OVERHEAD } else { TABLE_OVERHEAD },
        finalists: 2,
        final_factor: 3.0,
        final_examples: (rows * FINAL_EPOCHS).max(6.0 * LEAST_EXAMPLES) as u64,
    }
}

/// Lengths that let a search of `seconds` on `workers` threads see enough candidates. Also returns how many to expect.
///
/// # Errors
/// Where the probe fails.
pub fn from_budget(
    space: &SearchSpace,
    probe: &Genome,
    setting: &Setting<'_>,
    seconds: f64,
    workers: usize,
) -> Result<(TrainingSettings, u64), StudyError> {
    let mut lengths = from_data(space);
    let costs = train::costs(probe, setting.task, setting.train.targets.len()).map_err(StudyError::Probe)?;
    let cost = costs.macs as f64 + lengths.overhead;
    let speed = cost * examples_per_second(probe, setting, seconds)?;
    let total = speed * seconds * SEARCH_SHARE * workers as f64;
    let full = lengths.examples as f64 * cost;
    let candidates = (total / full).max(LEAST_CANDIDATES);
    lengths.effort = round(total / candidates);
    Ok((lengths, candidates as u64))
}

/// Trains the probe in growing runs until one takes long enough to be trusted.
fn examples_per_second(probe: &Genome, setting: &Setting<'_>, seconds: f64) -> Result<f64, StudyError> {
    let patience = PROBE.min(Duration::from_secs_f64(seconds * 0.02));
    let mut examples = probe.training.batch as u64 * 4;
    loop {
        let began = Instant::now();
        let request = Request { genome: probe, seed: 0, examples, start: None };
        train::train(setting, request).map_err(StudyError::Probe)?;
        let taken = began.elapsed();
        if taken >= patience {
            return Ok(examples as f64 / taken.as_secs_f64());
        }
        examples *= 2;
    }
}

/// Two significant digits, so that a settings file reads well.
fn round(value: f64) -> f64 {
    let scale = 10f64.powf(value.abs().max(f64::MIN_POSITIVE).log10().floor() - 1.0);
    (value / scale).round() * scale
}
