//! A study: the run of a search, its folder, and going on with it.
//!
//! The journal is the state: everything else (population, streams of random numbers, which weights are still wanted) is
//! rebuilt by asking and telling the search again in the order of candidate numbers.

mod choice;
mod choose;
mod earlier;
mod ensemble;
mod error;
mod evaluator;
mod event;
mod finals;
mod finished;
mod folder;
mod foresight;
mod front;
mod journal;
pub mod lengths;
mod memory;
pub mod objective;
mod pool;
mod record;
mod refit;
mod search;
mod settings;
mod store;
mod trainings;
mod workshop;

pub use choice::{Choice, Ensemble, EnsembleMember, FrontMember, NotCombined, NotRefit};
pub use earlier::{Earlier, FromSettings, Heir, Inheritance};
pub use error::StudyError;
pub use evaluator::{Clock, Done, Evaluator, Job, Start};
pub use event::Event;
pub use finished::{Finished, TrainedNet};
pub use folder::{Folder, write_whole};
pub use foresight::Proxies;
pub use front::volume_share;
pub use journal::Journal;
pub use memory::Memory;
pub use objective::{Assemble, Cap, Gauge, Measured, Objective, Objectives};
pub use pool::LocalPool;
pub use record::{
    Candidate, Failure, FinalEntry, Finalist, Finals, Outcome, Record, Refit, SingleTraining, Timing, TrainingLength,
};
pub use settings::{DataSettings, EngineSettings, FORMAT, FileSettings, SearchSettings, Settings, TrainingSettings};
pub use store::Store;
pub use trainings::{Trainings, standard_error};
pub use workshop::Workshop;

use crate::data::{Dataset, Preprocessing};
use crate::engine::Engine;
use crate::express;
use crate::genome::SearchSpace;
use crate::graph::Target;
use crate::search::{Proposal, Search, strategy};
use crate::train::{
    ClassWeights, ResidentPart, Setting,
    metric::{self, Metric},
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// What a study runs with, which its settings do not hold.
pub struct Resources<'a> {
    /// The data, as the settings say.
    pub dataset: &'a Dataset,
    /// The engine of the search, as the settings say; the finals and what is measured have [`Engine::exact`] of it.
    pub engine: &'a dyn Engine,
    /// Makes the model that would be exported, on which objectives are measured.
    pub assemble: &'a Assemble<'a>,
    /// Threads that train, one candidate each.
    pub workers: usize,
    /// Most bytes that all trainings may take together.
    pub memory: u64,
    /// Set to end the search and go on to exporting the best so far.
    pub stop: &'static AtomicBool,
}

/// A study whose folder is open and locked.
pub struct Study {
    folder: Folder,
    settings: Settings,
    journal: Journal,
    store: Store,
    /// The first candidates, where it was started from an earlier study.
    heirs: Vec<Heir>,
    candidates: BTreeMap<u64, Candidate>,
    /// Weights that the journal names and no sweep has removed.
    stored: BTreeSet<String>,
    /// Proposals under way.
    proposals: BTreeMap<u64, Proposal>,
    finals: Vec<Finals>,
    finalists: Vec<Finalist>,
    refits: Vec<Refit>,
    choice: Option<Choice>,
    /// What is foreseen of nets, where the strategy ranks by it.
    foresight: Option<Arc<Proxies>>,
}

impl Study {
    /// Begins a study: writes the fitted preprocessing, what it takes over from an earlier study (of which its settings
    /// tell, too), its settings and an empty journal. The settings come last: with them, the folder holds a study.
    ///
    /// # Errors
    /// Where the folder cannot be written; nothing is left in it then.
    pub fn create(
        folder: Folder,
        settings: Settings,
        preprocessing: &Preprocessing,
        inheritance: Option<&Inheritance>,
    ) -> Result<Self, StudyError> {
        Study::write(&folder, &settings, preprocessing, inheritance).inspect_err(|_| folder.withdraw())?;
        Study::load(folder, settings)
    }

    /// The files of a study that begins.
    fn write(
        folder: &Folder,
        settings: &Settings,
        preprocessing: &Preprocessing,
        inheritance: Option<&Inheritance>,
    ) -> Result<(), StudyError> {
        folder::write_json(&folder.preprocessing(), preprocessing)?;
        if let Some(inheritance) = inheritance {
            let store = Store::open(&folder.weights())?;
            for bytes in &inheritance.weights {
                store.put_bytes(bytes)?;
            }
            folder::write_json(&folder.inherited(), &inheritance.heirs)?;
        }
        Journal::<Record>::open(&folder.journal())?;
        settings.write(folder)
    }

    /// Opens a study to go on with it.
    ///
    /// # Errors
    /// Where its files are missing or damaged.
    pub fn open(folder: Folder) -> Result<Self, StudyError> {
        let settings = Settings::read(&folder)?;
        // Beside an empty one all weights would be swept.
        if !folder.journal().is_file() {
            return Err(StudyError::NoJournal(folder.journal()));
        }
        Study::load(folder, settings)
    }

    fn load(folder: Folder, settings: Settings) -> Result<Self, StudyError> {
        let (journal, records) = Journal::open(&folder.journal())?;
        let store = Store::open(&folder.weights())?;
        let heirs: Vec<Heir> = if settings.from.is_some() { folder::read_json(&folder.inherited())? } else { Vec::new() };
        let mut study = Study {
            folder,
            settings,
            journal,
            store,
            heirs,
            candidates: BTreeMap::new(),
            stored: BTreeSet::new(),
            proposals: BTreeMap::new(),
            finals: vec![],
            finalists: vec![],
            refits: vec![],
            choice: None,
            foresight: None,
        };
        for record in records {
            study.note(record);
        }
        let starts = study.heirs.iter().filter_map(|heir| heir.start.as_ref());
        study.stored.extend(starts.map(|start| start.weights.clone()));
        // What a killed session stored and did not journal.
        study.store.retain(&study.stored)?;
        Ok(study)
    }

    /// The settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Sets other limits than before. With another budget the search gets its share of the time that is left.
    ///
    /// # Errors
    /// Where the settings cannot be written.
    pub fn extend(
        &mut self,
        candidates: Option<u64>,
        total_examples: Option<u64>,
        budget: Option<f64>,
    ) -> Result<(), StudyError> {
        let (elapsed, share) = (self.elapsed(), self.settings.training.search_share);
        let search = &mut self.settings.search;
        search.candidates = candidates.or(search.candidates);
        search.total_examples = total_examples.or(search.total_examples);
        if let Some(budget) = budget.filter(|&budget| search.budget != Some(budget)) {
            search.budget = Some(budget);
            search.search_until = Some(elapsed + share * (budget - elapsed).max(0.0));
        }
        self.settings.write(&self.folder)
    }

    /// The preprocessing that was fitted before, where the study was started from an earlier one; others are fitted to
    /// the same data again.
    ///
    /// # Errors
    /// Where the file is missing or damaged.
    pub fn preprocessing(&self) -> Result<Option<Preprocessing>, StudyError> {
        self.settings.from.as_ref().map(|_| folder::read_json(&self.folder.preprocessing())).transpose()
    }

    /// The folder.
    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    /// All records of the journal.
    ///
    /// # Errors
    /// Where the journal cannot be read.
    pub fn records(&self) -> Result<Vec<Record>, StudyError> {
        Journal::read(&self.folder.journal())
    }

    /// Number of candidates that have been evaluated.
    pub fn candidates(&self) -> u64 {
        self.candidates.len() as u64
    }

    /// Training examples that these have taken.
    pub fn examples(&self) -> u64 {
        self.candidates.values().map(|candidate| candidate.outcome.costs().examples).sum()
    }

    /// Seconds that all sessions have used so far, as far as the journal shows.
    pub fn elapsed(&self) -> f64 {
        let candidates = self.candidates.values().map(|c| c.timing.ended());
        let finalists = self.finalists.iter().map(|f| f.timing.ended());
        let refits = self.refits.iter().map(|r| r.timing.ended());
        candidates.chain(finalists).chain(refits).fold(0.0, f64::max)
    }

    /// Searches, retrains the finalists and chooses what to export, as far as the journal does not hold it already.
    ///
    /// # Errors
    /// Where nothing could be trained, the journal does not fit the search, or a file cannot be written.
    pub fn run(
        &mut self,
        resources: &Resources<'_>,
        clock: Clock,
        watch: &mut dyn FnMut(Event<'_>),
    ) -> Result<Finished, StudyError> {
        let metric = self.metric(resources)?;
        let memory = Memory::new(resources.memory);
        let mut search = self.search(resources, &memory)?;
        let target = self.settings.engine.target(resources.engine);
        let store = self.store.clone();
        let class_weights = self.settings.training.class_weights.clone();
        let dataset = resources.dataset;
        let (all_rows, has_folds) = (self.all_rows(dataset), !dataset.folds.is_empty());
        let part = ResidentPart::new(&dataset.task, &dataset.train);
        let whole = ResidentPart::new(&dataset.task, &all_rows);
        let folds: Vec<_> = dataset.folds.iter().map(|fold| ResidentPart::new(&fold.task, &fold.train)).collect();
        let watch = &mut event::telling_of_refusal([&part, &whole].into_iter().chain(&folds).collect(), watch);
        // Rounding may be coarse where candidates are only compared, not in the finals and in what is measured.
        let exact = resources.engine.exact();
        let workshop = |engine, last| {
            let of = |(data, part)| setting(data, part, engine, resources, metric, target, &class_weights);
            let setting = of((dataset, &part));
            Workshop {
                setting,
                folds: dataset.folds.iter().zip(&folds).map(of).collect(),
                whole: Setting { train: &all_rows, resident: Some(&whole), ..setting },
                last,
                executions: self.settings.training.executions,
                store: &store,
                gauge: Gauge::new(
                    &self.settings.search.minimize,
                    &self.settings.search.caps,
                    resources.dataset,
                    exact.as_ref(),
                    resources.assemble,
                ),
                memory: memory.clone(),
                clock,
            }
        };
        // What is trained on all rows has the last state; so have those then that it follows.
        let searching = workshop(resources.engine, has_folds);
        let retraining = workshop(exact.as_ref(), has_folds || self.settings.training.refit);
        let told = LocalPool::scoped(resources.workers, &searching, |pool| {
            self.search_phase(&mut search, pool, resources, clock, watch)
        })?;
        let choice = LocalPool::scoped(resources.workers, &retraining, |pool| {
            self.final_phase(&search, told, pool, resources, clock, watch)
        })?;
        self.finished(choice, resources)
    }

    /// How often each candidate is trained.
    fn trainings(&self, resources: &Resources<'_>) -> Trainings {
        Trainings::new(resources.dataset.folds.len(), self.settings.training.executions)
    }

    /// The study's metric.
    fn metric(&self, resources: &Resources<'_>) -> Result<&'static Metric, StudyError> {
        metric::find(&self.settings.search.metric, resources.dataset.task.kind)
            .map_err(|e| StudyError::Settings { path: self.folder.settings(), reason: e.to_string() })
    }

    /// The search at its beginning. What it foresees shares the memory of the trainings.
    fn search(&mut self, resources: &Resources<'_>, memory: &Memory) -> Result<Search, StudyError> {
        let settings = &self.settings.search;
        let domain = express::domain(&resources.dataset.task, resources.dataset.train.targets.len());
        let bad = |reason: String| StudyError::Settings { path: self.folder.settings(), reason };
        let strategy = strategy::find(&settings.strategy).map_err(|e| bad(e.to_string()))?;
        let space = match &self.settings.space {
            Some(file) => SearchSpace::from_file(&domain, file).map_err(|e| bad(format!("space.{e}")))?,
            None => SearchSpace::preset(&domain),
        };
        let space = space.with_ancestors(&settings.ancestors).map_err(|e| bad(e.to_string()))?;
        let space = space.with_constraints(&settings.constraints).map_err(|e| bad(e.to_string()))?;
        let mut search = Search::new(strategy, &settings.strategy_settings, space, settings.seed, settings.lag)?;
        if search.is_blind() {
            let proxies = Arc::new(Proxies::new(&self.settings, resources, memory, &self.folder.foresight())?);
            search = search.with_foresight(proxies.clone());
            self.foresight = Some(proxies);
        }
        Ok(search.beginning_with(self.heirs.iter().map(|heir| heir.proposal.clone()).collect()))
    }

    /// Appends a record, then takes it into the state.
    fn append(&mut self, record: Record) -> Result<(), StudyError> {
        self.journal.append(&record)?;
        self.note(record);
        Ok(())
    }

    fn note(&mut self, record: Record) {
        self.stored.extend(record.stored().map(str::to_owned));
        match record {
            Record::Candidate(mut c) => {
                if let Some(curve) = c.outcome.curve_mut() {
                    // The journal has it; a long study needs the memory.
                    *curve = vec![];
                }
                self.candidates.insert(c.number, *c);
            }
            Record::Finals(f) => self.finals.push(f),
            Record::Finalist(f) => self.finalists.push(f),
            Record::Refit(r) => self.refits.push(r),
            Record::Choice(c) => self.choice = Some(c),
        }
    }

    /// Removes weights that neither the search, nor an heir still to be trained, nor an export can reach any more. Only weights
    /// that the journal names are removed: a worker may have stored others that are about to be journaled.
    fn sweep(&mut self, wanted: impl IntoIterator<Item = u64>) -> Result<(), StudyError> {
        let kept: BTreeSet<&str> = wanted
            .into_iter()
            .filter_map(|n| self.candidates.get(&n)?.outcome.stored())
            .chain(self.awaited().map(|start| &start.weights[..]))
            .chain(self.finalists.iter().filter_map(|f| f.outcome.weights()))
            .chain(self.refits.iter().filter_map(|r| r.outcome.weights()))
            .chain(self.choice.iter().flat_map(Choice::weights))
            .collect();
        for hash in self.stored.iter().filter(|hash| !kept.contains(hash.as_str())) {
            self.store.remove(hash)?;
        }
        self.stored = kept.into_iter().map(str::to_owned).collect();
        Ok(())
    }

    /// What heirs start from that are not evaluated yet.
    fn awaited(&self) -> impl Iterator<Item = &Start> {
        let open = (0..).zip(&self.heirs).filter(|(number, _)| !self.candidates.contains_key(number));
        open.filter_map(|(_, heir)| heir.start.as_ref())
    }
}

/// What all trainings on a dataset or on a fold share.
fn setting<'a>(
    data: &'a Dataset,
    resident: &'a ResidentPart<'a>,
    engine: &'a dyn Engine,
    resources: &Resources<'a>,
    metric: &'static Metric,
    target: Target,
    class_weights: &'a ClassWeights,
) -> Setting<'a> {
    Setting {
        task: &data.task,
        train: &data.train,
        resident: Some(resident),
        validation: &data.validation,
        engine,
        target,
        metric,
        class_weights,
        stop: resources.stop,
    }
}

#[cfg(test)]
mod tests;
