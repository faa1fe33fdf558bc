//! What a study foresees of nets: zero-cost proxies.
//!
//! What was said of a net is kept in the folder of the study and not found out again: another engine, another processor or
//! another limit on the memory might say otherwise, and a journal is replayed by what its search saw.

use super::{Journal, Memory, Resources, StudyError, evaluator::stopped, settings::Settings};
use crate::genome::Genome;
use crate::search::Foresight;
use crate::train::{self, zero_cost};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Significant digits of a score. What is beyond differs between machines, and a rank should not hang on it.
const DIGITS: i32 = 4;

/// Nets that a proxy has to say nothing of before it counts as silent.
const ENOUGH: usize = 8;

/// Proxies ([`zero_cost::ALL`]) of nets, computed by several threads within the memory of the trainings. They do not depend
/// on the number of threads.
pub struct Proxies {
    proxies: &'static [zero_cost::Proxy],
    conditions: zero_cost::Conditions,
    threads: usize,
    /// Most bytes of a net's training step; a larger one cannot be trained either.
    most: u64,
    memory: Memory,
    stop: &'static AtomicBool,
    /// Rows of the training part.
    rows: usize,
    kept: Mutex<Kept>,
}

/// What was said of nets, by earlier sessions, too.
struct Kept {
    journal: Journal<Line>,
    known: HashMap<String, Vec<Option<f64>>>,
    /// Of each proxy, how it does in this session.
    tallies: Vec<Tally>,
    /// Nets that the proxies were asked about in this session.
    asked: usize,
    /// What the user has not been told of yet.
    warnings: Vec<String>,
    failure: Option<StudyError>,
    is_cut_short: bool,
}

/// A net in the file.
#[derive(Debug, Serialize, Deserialize)]
struct Line {
    /// Canonical hash of the genome.
    genome: String,
    /// What each proxy says; those that say nothing are left out.
    scores: BTreeMap<String, f64>,
}

#[derive(Debug, Clone, Default)]
struct Tally {
    /// Nets that it said something of.
    said: usize,
    /// Why it said nothing of the first that it failed on.
    failure: Option<String>,
    is_warned_of: bool,
}

/// What the proxies say of a net, or why each says nothing; `None` where there is no room for it.
type Said = Option<Vec<Result<f64, String>>>;

impl Proxies {
    /// The proxies of a study: with its seed, its engine, and rows of its training part. What they said of nets before stands
    /// in the file at `path`. A training step of a net may need the `memory` limit of the settings, since that of a session
    /// may be another.
    ///
    /// # Errors
    /// Where the file is damaged or cannot be written.
    pub fn new(settings: &Settings, resources: &Resources<'_>, memory: &Memory, path: &Path) -> Result<Self, StudyError> {
        let dataset = resources.dataset;
        let target = settings.engine.target(resources.engine);
        let engine = resources.engine.shared();
        let seed = settings.search.seed;
        Ok(Proxies {
            proxies: zero_cost::ALL,
            conditions: zero_cost::Conditions::new(&dataset.task, &dataset.train, engine, target, seed),
            threads: resources.workers.max(1),
            most: settings.engine.memory,
            memory: memory.clone(),
            stop: resources.stop,
            rows: dataset.train.targets.len(),
            kept: Mutex::new(Kept::open(path, zero_cost::ALL)?),
        })
    }

    /// What the user should know and has not been told yet.
    ///
    /// # Errors
    /// Where scores could not be kept, or no proxy says anything of any net.
    pub(super) fn warnings(&self) -> Result<Vec<String>, StudyError> {
        let mut kept = self.lock();
        match kept.failure.take() {
            Some(failure) => Err(failure),
            None => Ok(std::mem::take(&mut kept.warnings)),
        }
    }

    /// Whether the user stopped it before all scores were there; what was ranked by them is not to be used.
    pub(super) fn is_cut_short(&self) -> bool {
        self.lock().is_cut_short
    }

    /// What is said of each net, found out by several threads; `None` of those that were left when the user asked to stop.
    fn said(&self, genomes: &[&Genome]) -> Vec<Option<Said>> {
        let next = AtomicUsize::new(0);
        let said = Mutex::new(vec![None; genomes.len()]);
        std::thread::scope(|scope| {
            for _ in 0..self.threads.min(genomes.len()) {
                scope.spawn(|| {
                    loop {
                        let index = next.fetch_add(1, Ordering::Relaxed);
                        let Some(genome) = genomes.get(index).filter(|_| !stopped(self.stop)) else { return };
                        let one = self.said_of(genome);
                        said.lock().unwrap_or_else(PoisonError::into_inner)[index] = Some(one);
                    }
                });
            }
        });
        said.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    fn said_of(&self, genome: &Genome) -> Said {
        let needed = train::costs(genome, self.conditions.task(), self.rows, 0).map(|costs| costs.memory);
        let needed = needed.ok().filter(|needed| *needed <= self.most)?;
        let _taken = self.memory.take(needed);
        Some(self.proxies.iter().map(|proxy| self.score(proxy, genome)).collect())
    }

    fn score(&self, proxy: &zero_cost::Proxy, genome: &Genome) -> Result<f64, String> {
        match catch_unwind(AssertUnwindSafe(|| (proxy.score)(genome, &self.conditions))) {
            Ok(Ok(score)) if score.is_finite() => Ok(rounded(score)),
            Ok(Ok(_)) => Err("its score is not finite".to_owned()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("it panicked".to_owned()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Foresight<Genome> for Proxies {
    fn scores(&self, genomes: &[Genome]) -> Vec<Vec<Option<f64>>> {
        let hashes: Vec<String> = genomes.iter().map(Genome::hash).collect();
        let mut kept = self.lock();
        let new = hashes.iter().zip(genomes).filter(|(hash, _)| !kept.known.contains_key(*hash));
        let (new, asked): (Vec<String>, Vec<&Genome>) = new.map(|(hash, genome)| (hash.clone(), genome)).unzip();
        let said = self.said(&asked);
        kept.is_cut_short |= said.iter().any(Option::is_none);
        kept.take(self.proxies, new.into_iter().zip(said).filter_map(|(hash, said)| Some((hash, said?))).collect());
        hashes.iter().map(|hash| kept.known.get(hash).cloned().unwrap_or_default()).collect()
    }
}

impl Kept {
    fn open(path: &Path, proxies: &[zero_cost::Proxy]) -> Result<Self, StudyError> {
        let (journal, lines) = Journal::<Line>::open(path)?;
        let scores = |line: &Line| proxies.iter().map(|proxy| line.scores.get(proxy.name).copied()).collect();
        Ok(Kept {
            journal,
            known: lines.iter().map(|line| (line.genome.clone(), scores(line))).collect(),
            tallies: vec![Tally::default(); proxies.len()],
            asked: 0,
            warnings: vec![],
            failure: None,
            is_cut_short: false,
        })
    }

    /// Keeps what is said of nets that were not known, on the disk first.
    fn take(&mut self, proxies: &[zero_cost::Proxy], new: Vec<(String, Said)>) {
        let mut lines = vec![];
        for (genome, said) in new {
            self.asked += usize::from(said.is_some());
            let said = said.unwrap_or_default();
            for (tally, said) in self.tallies.iter_mut().zip(&said) {
                match said {
                    Ok(_) => tally.said += 1,
                    Err(reason) => drop(tally.failure.get_or_insert_with(|| reason.clone())),
                }
            }
            let named = proxies.iter().zip(&said);
            let scores = named.filter_map(|(proxy, said)| Some((proxy.name.to_owned(), *said.as_ref().ok()?))).collect();
            let score = |index: usize| said.get(index).and_then(|said| said.as_ref().ok()).copied();
            self.known.insert(genome.clone(), (0..proxies.len()).map(score).collect());
            lines.push(Line { genome, scores });
        }
        if let Err(error) = self.journal.append_all(&lines) {
            self.failure.get_or_insert(error);
        }
        self.judge(proxies);
    }

    /// Looks for proxies that have said nothing so far.
    fn judge(&mut self, proxies: &[zero_cost::Proxy]) {
        let nets = self.asked;
        if nets < ENOUGH {
            return;
        }
        let first = |tally: &Tally| tally.failure.clone().unwrap_or_default();
        if self.tallies.iter().all(|tally| tally.said == 0) {
            let first = self.tallies.first().map(first).unwrap_or_default();
            self.failure.get_or_insert(StudyError::Unforeseen { nets, first });
            return;
        }
        for (proxy, tally) in proxies.iter().zip(&mut self.tallies).filter(|(_, t)| t.said == 0 && !t.is_warned_of) {
            tally.is_warned_of = true;
            self.warnings.push(format!(
                "the proxy {} says nothing of any of {nets} networks, which are ranked without it; the first: {}",
                proxy.name,
                first(tally)
            ));
        }
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
mod tests;
