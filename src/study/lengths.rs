//! How long candidates and finalists train: resolved once, at the start of a study.

use super::{StudyError, TrainingSettings, Trainings, refit};
use crate::data::Dataset;
use crate::genome::{Genome, InputDomain, SearchSpace};
use crate::train::{self, ClassWeights, Costs, Request, Setting, TrainError};
use std::time::{Duration, Instant};

/// Least share of a budget for the search; what retraining cannot use is added.
const SEARCH_SHARE: f64 = 0.62;
/// Share of a budget at which retraining ends; the rest is for choosing, exporting and the report.
pub const TRAINING_SHARE: f64 = 0.95;
/// Share of a budget at which a retraining that takes longer than foreseen is broken off.
pub const TRAINING_LIMIT: f64 = 0.98;
/// Share of a budget that is left to choose an ensemble, where one is wanted.
pub const ENSEMBLE_SHARE: f64 = 0.02;
/// Passes over the training part that a candidate is worth at least, and at most.
const LEAST_EPOCHS: f64 = 20.0;
const MOST_EPOCHS: f64 = 150.0;
/// Most passes of a finalist.
const FINAL_EPOCHS: f64 = 300.0;
/// Examples that even a small table is worth.
const LEAST_EXAMPLES: f64 = 60_000.0;
/// Candidates that a search needs at least to be one, and how many it should see before their trainings get longer.
const LEAST_CANDIDATES: f64 = 24.0;
const MANY_CANDIDATES: f64 = 80.0;
/// What a candidate may cost where no budget decides: some ten seconds for a table, a minute or two for images.
const TABLE_EFFORT: f64 = 2e11;
const IMAGE_EFFORT: f64 = 1.5e12;
/// Share of a search that is spent on foreseeing what nets promise, at most about.
const FORESIGHT_SHARE: f64 = 0.05;
/// What the zero-cost proxies of a net cost beside the passes over their rows, in the unit of [`crate::train::Costs::work`]:
/// above all the creation of sessions (`benches/RESULTS.md`).
const FORESIGHT_EFFORT: f64 = 6e8;
/// Rows of such passes.
const FORESIGHT_ROWS: f64 = 128.0;
/// Most births of which the foreseen best start a search.
const MOST_FORESEEN: f64 = 256.0;
/// Rows that the probe is scored on.
const PROBE_ROWS: usize = 64;
/// How long the machine's speed is measured.
const PROBE: Duration = Duration::from_millis(1200);

/// Candidates that are trained at full length where only the metric counts, and members of the front that are where there
/// are several objectives.
pub const FINALISTS: usize = 2;
/// See [`FINALISTS`].
pub const FRONT: usize = 8;

/// Lengths where only the number of candidates is given: from the data alone.
pub fn from_data(space: &SearchSpace, finalists: usize) -> TrainingSettings {
    let rows = space.domain.rows as f64;
    let image = matches!(space.domain.input, InputDomain::Image { .. });
    TrainingSettings {
        effort: if image { IMAGE_EFFORT } else { TABLE_EFFORT },
        examples: (rows * LEAST_EPOCHS).max(LEAST_EXAMPLES) as u64,
        search_share: SEARCH_SHARE,
        finalists,
        final_factor: 3.0,
        // Augmented images are hardly learnt by heart.
        ladder: !image,
        final_examples: (rows * FINAL_EPOCHS).max(6.0 * LEAST_EXAMPLES) as u64,
        executions: 1,
        class_weights: ClassWeights::Auto,
        refit: false,
        ensemble: 1,
    }
}

impl TrainingSettings {
    /// Share of a budget at which finals end that else could go on to `share`: less what choosing an ensemble takes.
    pub(super) fn end_of_finals(&self, share: f64) -> f64 {
        if self.ensemble > 1 { share - ENSEMBLE_SHARE } else { share }
    }

    /// Share of the time that is left which finals of so many nets take on `workers` threads, with so many `trainings` of
    /// each. The rest is for those on all rows, of which one takes as long as `refit` trainings. Nets of an ensemble that are
    /// no finalists were trained for so short a while that all rows take them little time, too.
    pub(super) fn share_of_finals(&self, finalists: usize, workers: usize, trainings: usize, refit: f64) -> f64 {
        let turns = |nets: usize| nets.div_ceil(workers.max(1)).max(1) as f64;
        let (once, again) = (turns(finalists) * trainings as f64, turns(finalists.min(self.ensemble)) * refit);
        once / (once + again)
    }
}

/// These lengths such that a search of `seconds` on `workers` threads sees enough candidates before the finalists are
/// trained. Also returns how many candidates to expect.
///
/// # Errors
/// Where the probe fails.
pub fn from_budget(
    mut lengths: TrainingSettings,
    space: &SearchSpace,
    probe: &Genome,
    dataset: &Dataset,
    setting: &Setting<'_>,
    seconds: f64,
    workers: usize,
) -> Result<(TrainingSettings, u64), StudyError> {
    let trainings = Trainings::new(dataset.folds.len(), lengths.executions).count();
    let (rows, scored) = (setting.train.targets.len(), setting.validation.targets.len());
    let costs = train::costs(probe, setting.task, rows, scored).map_err(StudyError::Probe)?;
    let cost = costs.work as f64;
    // Of the trainings that make one score together.
    let speed = cost * examples_per_second(probe, setting, seconds)? / trainings as f64;
    let final_seconds = lengths.final_examples as f64 * cost / speed;
    let rounds = lengths.finalists.div_ceil(workers.max(1)) as f64;
    let share = lengths.share_of_finals(lengths.finalists, workers, trainings, refit::cost(&lengths, dataset));
    let retraining = 1.5 * rounds * final_seconds / share / seconds;
    lengths.search_share = SEARCH_SHARE.max(lengths.end_of_finals(TRAINING_SHARE) - retraining);
    let total = speed * seconds * lengths.search_share * workers as f64;
    let least = lengths.examples as f64;
    let most = (space.domain.rows as f64 * MOST_EPOCHS).max(2.0 * LEAST_EXAMPLES);
    lengths.examples = (total / (MANY_CANDIDATES * cost)).clamp(least, most) as u64;
    let candidates = (total / (lengths.examples as f64 * cost)).max(LEAST_CANDIDATES);
    lengths.effort = round(total / candidates);
    Ok((lengths, candidates as u64))
}

/// How many births are foreseen before the first are trained, and how many drafts for each later candidate, so that with
/// `candidates` candidates of which one costs `costs` the foresight takes its share of the search; half of it before the
/// first.
pub fn foresight(training: &TrainingSettings, costs: &Costs, candidates: u64) -> (usize, usize) {
    const MOST_DRAFTS: f64 = 2.0;
    let (work, candidates) = (costs.work as f64, candidates.max(1) as f64);
    let search = candidates * training.candidate_examples(costs, 1.0) as f64 * work;
    let nets = FORESIGHT_SHARE * search / (FORESIGHT_EFFORT + FORESIGHT_ROWS * work);
    let pool = (nets / 2.0).clamp(1.0, MOST_FORESEEN);
    (pool as usize, ((nets - pool) / candidates).clamp(1.0, MOST_DRAFTS) as usize)
}

/// Lengths of a finalist's trainings on a table of `rows` rows, the longest first; together they take as long as one on
/// `examples`. A net can learn a table by heart in a few passes, and where that begins the search does not show, since
/// all its trainings anneal at one length. So beside a long training there is one of a third of its length, one of a
/// ninth and so on, down to a few passes; a training that is short anyway stays alone.
pub fn ladder(examples: u64, rows: usize) -> Vec<u64> {
    const ALONE: u64 = 24;
    const LEAST: u64 = 3;
    let rows = rows as u64;
    if examples < ALONE * rows {
        return vec![examples];
    }
    // Two thirds, two ninths and so on add up to one.
    let rungs = std::iter::successors(Some(examples / 3 * 2), |rung| Some(rung / 3));
    rungs.take_while(|&rung| rung >= LEAST * rows).collect()
}

/// Lengths of a finalist's trainings whose genome asks for less than it is granted: that length, and twice and half of it,
/// as far as together they fit into `affordable` examples. The search has found it best to be brief, but only roughly.
pub fn around(full: u64, affordable: u64) -> Vec<u64> {
    let mut left = affordable;
    let mut lengths: Vec<u64> = [full, 2 * full, full / 2].into_iter().filter(|&length| length > 0).collect();
    lengths.retain(|&length| {
        let fits = length <= left;
        left -= if fits { length } else { 0 };
        fits
    });
    if lengths.is_empty() { vec![affordable] } else { lengths }
}

/// Trains the probe in growing runs until one takes long enough to be trusted.
fn examples_per_second(probe: &Genome, setting: &Setting<'_>, seconds: f64) -> Result<f64, StudyError> {
    // Scoring is not what is measured. Few rows, from all over the data, may leave the study's metric undefined.
    let rows = setting.validation.targets.len();
    let count = rows.min(PROBE_ROWS);
    let few: Vec<usize> = (0..count).map(|i| i * rows / count).collect();
    let validation = setting.validation.take(&few);
    let setting = &Setting { validation: &validation, metric: train::metric::default_for(setting.task.kind), ..*setting };
    let patience = PROBE.min(Duration::from_secs_f64(seconds * 0.02));
    let mut examples = probe.training.batch as u64 * 4;
    loop {
        let began = Instant::now();
        let trained = train::train(setting, Request::new(probe, 0, examples)).map_err(|e| match e {
            TrainError::Stopped => StudyError::Stopped,
            e => StudyError::Probe(e),
        })?;
        let taken = began.elapsed();
        if taken >= patience {
            // A constant rate of learning ends a training that gains no more.
            return Ok(trained.costs.examples as f64 / taken.as_secs_f64());
        }
        examples *= 2;
    }
}

/// Two significant digits, so that a settings file reads well.
fn round(value: f64) -> f64 {
    let scale = 10f64.powf(value.abs().max(f64::MIN_POSITIVE).log10().floor() - 1.0);
    (value / scale).round() * scale
}

#[cfg(test)]
mod tests {
    use super::{FORESIGHT_EFFORT, FORESIGHT_ROWS, FORESIGHT_SHARE, TrainingSettings, around, foresight, from_data, ladder};
    use crate::genome::{Domain, InputDomain, SearchSpace};
    use crate::train::Costs;

    #[test]
    fn a_brief_genome_is_trained_about_as_long_as_in_the_search() {
        assert_eq!(around(100, 1_000), [100, 200, 50]);
        assert_eq!(around(100, 150), [100, 50]);
        assert_eq!(around(100, 40), [40]);
        assert_eq!(around(100, 0), [0], "the finalist stays, as the search left it");
    }

    #[test]
    fn time_is_left_for_choosing_an_ensemble_and_for_training_on_all_rows() {
        let input = InputDomain::Table { knots: vec![32; 4], slots: vec![] };
        let space = SearchSpace::preset(&Domain { input, outputs: 3, classification: true, rows: 2_000 });
        let single = from_data(&space, 2);
        let several = TrainingSettings { ensemble: 3, ..single.clone() };
        let near = |share: f64, expected: f64| assert!((share - expected).abs() < 1e-12, "{share}");
        near(single.end_of_finals(0.95), 0.95);
        near(several.end_of_finals(0.95), 0.93);
        near(single.share_of_finals(2, 1, 5, 0.0), 1.0);
        near(single.share_of_finals(2, 1, 5, 2.0), 10.0 / 12.0);
        near(single.share_of_finals(2, 2, 1, 1.25), 1.0 / 2.25);
        near(several.share_of_finals(2, 2, 1, 1.25), 1.0 / 2.25);
        near(several.share_of_finals(2, 1, 1, 1.25), 2.0 / 4.5);
    }

    #[test]
    fn foresight_takes_no_more_than_its_share_of_the_search() {
        let input = InputDomain::Table { knots: vec![32; 4], slots: vec![] };
        let space = SearchSpace::preset(&Domain { input, outputs: 3, classification: true, rows: 2_000 });
        let mut sizes = vec![];
        for (work, candidates) in [(1_000, 8), (300_000, 80), (2_000_000, 80), (20_000_000, 1_000)] {
            let (training, costs) = (from_data(&space, 2), Costs { work, ..Costs::default() });
            let (pool, drafts) = foresight(&training, &costs, candidates);
            let search = (candidates * training.candidate_examples(&costs, 1.0) * work) as f64;
            let nets = if drafts > 1 { drafts as u64 * candidates } else { 0 } + if pool > 1 { pool as u64 } else { 0 };
            let spent = nets as f64 * (FORESIGHT_EFFORT + FORESIGHT_ROWS * work as f64);
            assert!(spent <= FORESIGHT_SHARE * search, "{pool} {drafts}");
            sizes.push((pool, drafts));
        }
        assert!(sizes.is_sorted() && sizes[0] == (1, 1) && sizes[3].0 > 16, "{sizes:?}");
    }

    #[test]
    fn the_rungs_of_a_ladder_take_no_longer_than_one_training() {
        assert_eq!(ladder(2_300, 100), [2_300]);
        assert_eq!(ladder(9_000, 100), [6_000, 2_000, 666]);
        for (examples, rows) in [(2_400, 100), (3_000_000, 20_000), (u64::MAX / 2, 10)] {
            let rungs = ladder(examples, rows);
            assert!(rungs.len() > 1 && rungs.iter().sum::<u64>() <= examples, "{rungs:?}");
        }
    }
}
