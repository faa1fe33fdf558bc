//! What a study foresees of nets: zero-cost proxies.

use super::{Resources, settings::Settings};
use crate::genome::Genome;
use crate::graph::Target;
use crate::search::Foresight;
use crate::train::{self, zero_cost};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// Significant digits of a score. What is beyond differs between machines, and a rank should not hang on it.
const DIGITS: i32 = 4;

/// All proxies ([`zero_cost::ALL`]) of a net, computed by several threads. They do not depend on the number of threads.
pub struct Proxies {
    conditions: zero_cost::Conditions,
    threads: usize,
    /// Most bytes of a net's training step; a larger one could not be trained either.
    memory: u64,
    /// Rows of the training part.
    rows: usize,
}

impl Proxies {
    /// The proxies of a study: with its seed, its engine, and rows of its training part.
    pub fn new(settings: &Settings, resources: &Resources<'_>) -> Self {
        let dataset = resources.dataset;
        let kernels = settings.engine.kernels && resources.engine.has_kernels();
        let target = if kernels { Target::CpuKernels } else { Target::Portable };
        let engine = resources.engine.shared();
        let seed = settings.search.seed;
        Proxies {
            conditions: zero_cost::Conditions::new(&dataset.task, &dataset.train, engine, target, seed),
            threads: resources.workers.max(1),
            memory: resources.memory,
            rows: dataset.train.targets.len(),
        }
    }

    /// What each proxy says of a net; nothing where it cannot be expressed, has no room, or is told apart by no number.
    fn of(&self, genome: &Genome) -> Vec<Option<f64>> {
        let memory = train::costs(genome, self.conditions.task(), self.rows, 0).map(|costs| costs.memory);
        let has_room = memory.is_ok_and(|memory| memory <= self.memory);
        let score = |proxy: &zero_cost::Proxy| {
            let score = catch_unwind(AssertUnwindSafe(|| (proxy.score)(genome, &self.conditions)));
            score.ok().and_then(Result::ok).filter(|score| score.is_finite()).map(rounded)
        };
        zero_cost::ALL.iter().map(|proxy| has_room.then(|| score(proxy)).flatten()).collect()
    }
}

impl Foresight<Genome> for Proxies {
    fn scores(&self, genomes: &[Genome]) -> Vec<Vec<Option<f64>>> {
        let next = AtomicUsize::new(0);
        let scored = Mutex::new(vec![vec![]; genomes.len()]);
        std::thread::scope(|scope| {
            for _ in 0..self.threads.min(genomes.len()) {
                scope.spawn(|| {
                    loop {
                        let index = next.fetch_add(1, Ordering::Relaxed);
                        let Some(genome) = genomes.get(index) else { return };
                        let scores = self.of(genome);
                        scored.lock().unwrap_or_else(PoisonError::into_inner)[index] = scores;
                    }
                });
            }
        });
        scored.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

fn rounded(value: f64) -> f64 {
    if value == 0.0 {
        return 0.0;
    }
    let scale = 10f64.powi(DIGITS - 1 - value.abs().log10().floor() as i32);
    if scale.is_finite() && scale > 0.0 { (value * scale).round() / scale } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{self, Validation};
    use crate::engine::Tract;
    use crate::genome::SearchSpace;
    use crate::{express, search};
    use std::{path::Path, sync::Arc};

    #[test]
    fn threads_change_no_score_and_nets_without_room_have_none() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/iris.csv");
        let target = Some("species".to_owned());
        let options = data::Options { path, target, task: None, validation: Validation::Auto, group: None, seed: 0 };
        let dataset = data::load(&options).unwrap();
        let (task, rows) = (&dataset.task, dataset.train.targets.len());
        let proxies = |threads, memory| {
            let engine = Arc::new(Tract);
            let conditions = zero_cost::Conditions::new(task, &dataset.train, engine, Target::Portable, 5);
            Proxies { conditions, threads, memory, rows }
        };
        let space = SearchSpace::preset(&express::domain(task, rows));
        let births: Vec<Genome> = (0..6).map(|number| space.birth(&mut search::rng(1, number, 0))).collect();
        let alone = proxies(1, u64::MAX).scores(&births);
        assert!(alone.iter().flatten().all(Option::is_some), "{alone:?}");
        assert_eq!(proxies(4, u64::MAX).scores(&births), alone);
        assert_eq!(proxies(4, u64::MAX).scores(&births[3..]), alone[3..]);
        assert!(proxies(2, 10).scores(&births).iter().flatten().all(Option::is_none));
    }

    #[test]
    fn scores_keep_four_digits() {
        assert_eq!(rounded(123_456.0), 123_500.0);
        assert_eq!(rounded(-0.001_234_56), -0.001_235);
        assert_eq!(rounded(0.0), 0.0);
        assert_eq!(rounded(9.999_96), 10.0);
    }
}
