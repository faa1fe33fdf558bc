//! Which trainings and measurements have the engine of the search, and which one without shortcuts in precision.

mod binary;
mod library;

use binary::{evolve, fixture, run};
use evolve::data::{Lookup, Options, Validation, load};
use evolve::engine::{Engine, EngineError, Model, Plan, Session};
use evolve::export::{Metrics, Net, assemble};
use evolve::genome::Genome;
use evolve::study::{Clock, Event, Folder, Resources, Study, TrainingLength};
use evolve::train::{Scores, Weights};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

/// A model that was loaded: whether for steps, and whether without shortcuts.
type Loaded = (bool, bool);

/// An engine that is exact or not, and notes what it loads.
#[derive(Debug, Clone)]
struct Noting {
    engine: Arc<dyn Engine>,
    is_exact: bool,
    loaded: Arc<Mutex<Vec<Loaded>>>,
}

impl Engine for Noting {
    fn name(&self) -> &'static str {
        self.engine.name()
    }

    fn version(&self) -> String {
        self.engine.version()
    }

    fn device(&self) -> String {
        self.engine.device()
    }

    fn has_kernels(&self) -> bool {
        self.engine.has_kernels()
    }

    fn shared(&self) -> Arc<dyn Engine> {
        Arc::new(self.clone())
    }

    fn exact(&self) -> Arc<dyn Engine> {
        Arc::new(Noting { is_exact: true, ..self.clone() })
    }

    fn load(&self, model: &[u8], plan: Plan) -> Result<Box<dyn Session>, EngineError> {
        self.loaded.lock().expect("no panic").push((true, self.is_exact));
        self.engine.load(model, plan)
    }

    fn load_model(&self, model: &[u8]) -> Result<Box<dyn Model>, EngineError> {
        self.loaded.lock().expect("no panic").push((false, self.is_exact));
        self.engine.load_model(model)
    }
}

#[test]
fn candidates_are_trained_with_shortcuts_and_finalists_are_not_nor_is_anything_measured_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let (data, out) = (fixture("iris.csv"), folder.path().join("study"));
    let arguments = ["run", data.to_str().expect("a path"), "--target", "species", "--minimize", "latency", "--quiet"];
    let short = ["--candidates", "2", "--examples", "300", "--out", out.to_str().expect("a path")];
    run(evolve(&[&arguments[..], &short].concat()));

    let mut study = Study::open(Folder::open(&out).expect("a folder")).expect("a study");
    study.extend(Some(5), None, None).expect("more candidates");
    let (target, seed) = (Some("species".to_owned()), study.settings().split_seed());
    let options = Options { path: data, target, task: None, validation: Validation::Auto, group: None, seed };
    let dataset = load(&options).expect("a dataset");
    let engine = Noting { engine: library::engine(), is_exact: false, loaded: Arc::default() };
    let assembled = |genome: &Genome, length: TrainingLength, weights: &Weights, scores: &Scores| {
        let metrics = Metrics { scores, cross_validation: None };
        assemble(&Net::alone(genome, length, weights, metrics), &dataset, Lookup::LabelEncoder)
    };
    static STOP: AtomicBool = AtomicBool::new(false);
    let resources =
        Resources { dataset: &dataset, engine: &engine, assemble: &assembled, workers: 1, memory: 1 << 30, stop: &STOP };
    let (loaded, mut searching) = (Arc::clone(&engine.loaded), vec![]);
    let mut watch = |event: Event<'_>| {
        if let Event::Finals { .. } = event {
            searching = std::mem::take(&mut *loaded.lock().expect("no panic"));
        }
    };
    study.run(&resources, Clock::new(study.elapsed()), &mut watch).expect("a result");
    let retraining = std::mem::take(&mut *loaded.lock().expect("no panic"));
    let exactness = |loaded: &[Loaded], steps| {
        let mut of: Vec<bool> = loaded.iter().filter(|(is, _)| *is == steps).map(|(_, exact)| *exact).collect();
        of.dedup();
        of
    };
    assert_eq!((exactness(&searching, true), exactness(&retraining, true)), (vec![false], vec![true]));
    assert_eq!((exactness(&searching, false), exactness(&retraining, false)), (vec![true], vec![true]));
}
