//! Starting from an earlier study: the genomes that a new one begins with, and the weights that they go on from.
//!
//! The new study keeps the preprocessing that was fitted for the earlier one. Weights mean something only behind the
//! scales and the order of categories that they were trained with; refitted to new data they would be of no use wherever
//! a category has changed its place. What the new data has beyond is unknown or cut off, and the user is told how much.

use super::{
    Choice, FileSettings, Outcome, Record, Settings, Start, Store, StudyError, TrainingSettings, folder, journal::Journal,
};
use crate::data::{Preprocessing, sha256};
use crate::genome::{Genome, SearchSpace};
use crate::search::{self, Origin, Proposal};
use crate::train::metric::{self, Metric};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Arm of candidates that were taken over.
const ARM: &str = "inherited";

/// What a study was started from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FromSettings {
    /// SHA-256 of the earlier study's journal.
    pub journal: String,
    /// Its candidates that this study begins with, in this order.
    pub candidates: Vec<u64>,
    /// Files that it learned from, with the SHA-256 of each.
    pub files: Vec<FileSettings>,
}

/// A genome of an earlier study, as a candidate of a new one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Heir {
    /// What is proposed.
    pub proposal: Proposal,
    /// What its training goes on from; without, it starts afresh.
    pub start: Option<Start>,
}

/// What a new study takes over. It holds the weights themselves, so that the earlier folder may go.
#[derive(Debug, Clone)]
pub struct Inheritance {
    /// What it comes from.
    pub settings: FromSettings,
    /// The first candidates, the best first.
    pub heirs: Vec<Heir>,
    /// Files of weights that they start from.
    pub(super) weights: Vec<Vec<u8>>,
}

/// An earlier study, which is read and left alone.
#[derive(Debug)]
pub struct Earlier {
    root: PathBuf,
    settings: Settings,
    records: Vec<Record>,
    journal: String,
}

/// A trained genome of an earlier study.
struct Trained<'a> {
    number: u64,
    genome: &'a Genome,
    /// Metric after the search, turned so that higher is better.
    searched: f64,
    /// The same of its best final training, and the weights of that; else of the search.
    best: (f64, &'a str),
    is_finalist: bool,
}

impl Earlier {
    /// Reads the settings and the journal of a study.
    ///
    /// # Errors
    /// Where the folder holds no study, or its files are damaged.
    pub fn read(root: &Path) -> Result<Self, StudyError> {
        let settings = root.join(folder::SETTINGS);
        if !settings.is_file() {
            return Err(StudyError::Missing(root.into()));
        }
        let settings = Settings::read_file(&settings)?;
        let path = root.join(folder::JOURNAL);
        let records = Journal::read(&path)?;
        let bytes = std::fs::read(&path).map_err(|e| StudyError::io("read", &path, e))?;
        Ok(Earlier { root: root.into(), settings, records, journal: sha256(&bytes) })
    }

    /// Its settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The file that they stand in.
    pub fn settings_path(&self) -> PathBuf {
        self.root.join(folder::SETTINGS)
    }

    /// The preprocessing that was fitted for it; `None` for a study of a version that did not keep it.
    ///
    /// # Errors
    /// Where the file is damaged.
    pub fn preprocessing(&self) -> Result<Option<Preprocessing>, StudyError> {
        let path = self.root.join(folder::PREPROCESSING);
        if path.is_file() { folder::read_json(&path).map(Some) } else { Ok(None) }
    }

    /// What a new study in this space takes over: the exported genome, the other finalists, then the best of the others,
    /// each as near as the new space has it and distinct. They are half as many as start a search, of which every strategy
    /// that starts from seeds and births keeps at least half for these, so that it still looks elsewhere. Those whose weights are still there train on for a short while, the others afresh: so do all of
    /// a study that trained each of them several times, since none of its weights are of all its rows.
    ///
    /// # Errors
    /// Where no candidate was trained.
    pub fn inheritance(
        &self,
        space: &SearchSpace,
        metric: &'static Metric,
        settings: &search::Settings,
    ) -> Result<Inheritance, StudyError> {
        let most = settings.initial() as usize / 2;
        let once = self.settings.data.cross_validation.is_none() && self.settings.training.executions == 1;
        let store = Store::at(&self.root.join(folder::WEIGHTS));
        let (mut hashes, mut candidates) = (BTreeSet::new(), vec![]);
        let (mut heirs, mut weights) = (vec![], vec![]);
        for trained in self.trained(metric) {
            let mut genome = trained.genome.clone();
            space.repair(&mut genome);
            if heirs.len() == most || space.contains(&genome).is_err() || !hashes.insert(genome.hash()) {
                continue;
            }
            let found = once.then(|| store.bytes(trained.best.1).ok()).flatten();
            let length = if found.is_some() { settings.elastic_length } else { 1.0 };
            let start = found.map(|bytes| {
                weights.push(bytes);
                let rate = TrainingSettings::warm_rate(length);
                let counts = genome == *trained.genome;
                Start { genome: trained.genome.clone(), weights: trained.best.1.to_owned(), counts, rate }
            });
            let edits = vec![format!("candidate {} of the earlier study", trained.number)];
            let origin = Origin { arm: ARM.to_owned(), edits, parents: vec![] };
            heirs.push(Heir { proposal: Proposal { length, origin, ..Proposal::newborn(ARM, genome) }, start });
            candidates.push(trained.number);
        }
        if heirs.is_empty() {
            return Err(StudyError::NothingToInherit(self.root.clone()));
        }
        let files = self.settings.data.files.clone();
        Ok(Inheritance { settings: FromSettings { journal: self.journal.clone(), candidates, files }, heirs, weights })
    }

    /// All that were trained: what was exported first, then finalists, then the others, the best of each first.
    fn trained(&self, metric: &'static Metric) -> Vec<Trained<'_>> {
        let scored = |outcome: &'_ Outcome| match outcome {
            Outcome::Scored { scores, .. } => scores.get(metric.name).map(|&value| metric::score(metric, value)),
            Outcome::Failed { .. } | Outcome::Paused { .. } => None,
        };
        let (mut all, mut chosen) = (BTreeMap::new(), None);
        for record in &self.records {
            match record {
                Record::Candidate(c) => {
                    if let Some((score, weights)) = scored(&c.outcome).zip(c.outcome.weights()) {
                        let (number, genome) = (c.number, &c.proposal.genome);
                        let best = (score, weights);
                        all.insert(number, Trained { number, genome, searched: score, best, is_finalist: false });
                    }
                }
                Record::Finalist(f) => {
                    if let (Some(trained), Some(best)) =
                        (all.get_mut(&f.candidate), scored(&f.outcome).zip(f.outcome.weights()))
                    {
                        if !trained.is_finalist || best.0 > trained.best.0 {
                            trained.best = best;
                        }
                        trained.is_finalist = true;
                    }
                }
                Record::Choice(choice) => chosen = Some(choice),
                Record::Finals(_) | Record::Refit(_) => {}
            }
        }
        let exported = chosen.map(Choice::nets).unwrap_or_default();
        for &(number, weights) in exported.iter().rev() {
            if let Some(trained) = all.get_mut(&number) {
                trained.best.1 = weights;
            }
        }
        let place = |t: &Trained<'_>| exported.iter().position(|&(number, _)| number == t.number);
        let rank = |t: &Trained<'_>| (place(t).map(std::cmp::Reverse), t.is_finalist);
        let score = |t: &Trained<'_>| if t.is_finalist { t.best.0 } else { t.searched };
        let mut all: Vec<Trained<'_>> = all.into_values().collect();
        all.sort_by(|a, b| rank(b).cmp(&rank(a)).then(score(b).total_cmp(&score(a))).then(a.number.cmp(&b.number)));
        all
    }
}

impl Inheritance {
    /// How many of the heirs go on from their weights.
    pub fn with_weights(&self) -> usize {
        self.heirs.iter().filter(|heir| heir.start.is_some()).count()
    }
}
