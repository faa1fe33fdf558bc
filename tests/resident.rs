//! A training whose features lie where it computes, and which is told only the rows of its examples, becomes what it becomes
//! when the features are fed.

mod library;
mod trainings;

use evolve::data::{Dataset, InputSpec};
use evolve::engine::{Engine, EngineError, FeedMut, HostTensor, Model, Plan, Resident, Session, Tract, View};
use evolve::express::domain;
use evolve::genome::{Augmentation, Genome, Schedule, SearchSpace};
use evolve::graph::Target;
use evolve::train::{Request, ResidentPart, Setting, TrainError, Trained, train, train_population};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use trainings::{ROWS, data, setting};

/// An engine on the CPU that keeps tensors as one on a device does: a session reads them from inputs that are filled when it is
/// loaded. What it computes can be compared.
#[derive(Debug, Clone)]
struct Keeping {
    engine: Arc<dyn Engine>,
    has_room: bool,
    /// How often tensors were to be put there.
    asked: Arc<AtomicUsize>,
    /// Feeds of each session that reads them.
    fed: Arc<Mutex<Vec<Vec<String>>>>,
}

/// A tensor that is kept.
enum Kept {
    F32(Vec<f32>),
    I64(Vec<i64>),
    U8(Vec<u8>),
}

impl Keeping {
    fn new(engine: Arc<dyn Engine>) -> Self {
        Keeping { engine, has_room: true, asked: Arc::default(), fed: Arc::default() }
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// Feeds of the sessions that were loaded since the last call and read what is kept.
    fn fed(&self) -> Vec<Vec<String>> {
        std::mem::take(&mut self.fed.lock().expect("a list"))
    }
}

impl Engine for Keeping {
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

    fn reside(&self, tensors: &[HostTensor<'_>]) -> Result<Option<Resident>, EngineError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        if !self.has_room {
            return Err(EngineError::OutOfMemory { engine: "keeping", reason: "there is no room".into() });
        }
        let kept = |tensor: &HostTensor<'_>| match tensor.view {
            View::F32(v) => Kept::F32(v.to_vec()),
            View::I64(v) => Kept::I64(v.to_vec()),
            View::U8(v) => Kept::U8(v.to_vec()),
        };
        let slots = tensors.iter().map(|tensor| tensor.slot.clone()).collect();
        Ok(Some(Resident::new(slots, Arc::new(tensors.iter().map(kept).collect::<Vec<Kept>>()))))
    }

    fn load(&self, model: &[u8], mut plan: Plan) -> Result<Box<dyn Session>, EngineError> {
        let Some(resident) = plan.resident.take() else { return self.engine.load(model, plan) };
        self.fed.lock().expect("a list").push(plan.feeds.iter().map(|feed| feed.name.clone()).collect());
        let own = plan.feeds.len();
        plan.feeds.extend(resident.slots().iter().cloned());
        let mut session = self.engine.load(model, plan)?;
        for (index, kept) in resident.tensors::<Vec<Kept>>().expect("what was kept here").iter().enumerate() {
            match (session.feed(own + index), kept) {
                (FeedMut::F32(into), Kept::F32(from)) => into.copy_from_slice(from),
                (FeedMut::I64(into), Kept::I64(from)) => into.copy_from_slice(from),
                (FeedMut::U8(into), Kept::U8(from)) => into.copy_from_slice(from),
                _ => panic!("an input of another type than its tensor"),
            }
        }
        Ok(session)
    }

    fn load_model(&self, model: &[u8]) -> Result<Box<dyn Model>, EngineError> {
        self.engine.load_model(model)
    }
}

fn datasets() -> [Dataset; 4] {
    // Numbers, categories among them, and images.
    [
        data("iris.csv", Some("species")),
        data("credit_g.csv", Some("class")),
        data("concrete.csv", Some("compressive_strength")),
        data("digits.npz", None),
    ]
}

/// Seeds and births that see images as they are.
fn genomes(dataset: &Dataset, births: usize) -> Vec<Genome> {
    let mut rng = ChaCha8Rng::seed_from_u64(21);
    let space = SearchSpace::preset(&domain(&dataset.task, ROWS));
    let mut genomes = space.seeds();
    genomes.extend((0..births).map(|_| space.birth(&mut rng)));
    for genome in &mut genomes {
        genome.training.augmentation = Augmentation::default();
        // So every training is of as many steps as it is asked for.
        genome.training.schedule = Schedule::Cosine;
    }
    genomes
}

/// What a training became, as far as it can be compared.
fn made(result: Result<Trained, TrainError>) -> Result<Trained, String> {
    result.map_err(|error| error.to_string())
}

/// The same genome with other rates of learning, as members of one graph.
fn members(genome: &Genome) -> [Genome; 3] {
    [1.0, 0.5, 0.25].map(|factor| {
        let mut member = genome.clone();
        member.training.learning_rate *= factor;
        member
    })
}

fn assert_same(fed: &Result<Trained, String>, resident: &Result<Trained, String>, genome: &Genome) {
    match (fed, resident) {
        (Ok(fed), Ok(resident)) => {
            assert_eq!(fed.curve, resident.curve, "{}", genome.json());
            assert!(fed.weights == resident.weights, "weights differ: {}", genome.json());
        }
        (fed, resident) => assert_eq!(fed.as_ref().err(), resident.as_ref().err(), "{}", genome.json()),
    }
}

/// Trains genomes with features that are fed and with features that are there, alone or as members.
fn compare(dataset: &Dataset, engine: &Keeping, target: Target, genomes: &[Genome]) -> usize {
    let stop = AtomicBool::new(false);
    let fed = setting(dataset, engine, target, &stop);
    let part = ResidentPart::new(&dataset.task, &dataset.train);
    let resident = Setting { resident: Some(&part), ..setting(dataset, engine, target, &stop) };
    let mut compared = 0;
    for genome in genomes {
        let examples = 4 * genome.training.batch as u64;
        let alone = |setting: &Setting<'_>| made(train(setting, Request::new(genome, 3, examples)));
        let (one, other) = (alone(&fed), alone(&resident));
        assert_same(&one, &other, genome);
        compared += usize::from(one.is_ok());
        let sessions = engine.fed();
        assert_eq!(sessions.len(), 1, "one of both trainings reads what is there");
        let features = |name: &String| ["numeric", "codes", "image"].contains(&name.as_str());
        assert!(sessions[0][0] == "rows" && !sessions[0].iter().any(features), "{sessions:?}");
    }
    let members = members(&genomes[0]);
    let together = |setting: &Setting<'_>| {
        let requests = members.iter().zip(0..).map(|(genome, seed)| Request::new(genome, seed, 64)).collect();
        train_population(setting, requests).expect("a training of all").into_iter().map(made).collect::<Vec<_>>()
    };
    for ((one, other), genome) in together(&fed).iter().zip(&together(&resident)).zip(&members) {
        assert_same(one, other, genome);
    }
    assert_eq!(engine.fed().len(), 1);
    assert_eq!(engine.asked(), 1, "the features are put there once for all trainings");
    compared
}

#[test]
fn in_onnx_runtime_nothing_becomes_of_it_but_what_becomes_of_feeding_bit_for_bit() {
    let engine = library::engine();
    for dataset in datasets() {
        for (target, births) in [(Target::Portable, 4), (Target::CpuKernels, 8)] {
            let genomes = genomes(&dataset, births);
            let compared = compare(&dataset, &Keeping::new(engine.clone()), target, &genomes);
            assert!(2 * compared > genomes.len(), "{compared} of {} did not diverge", genomes.len());
        }
    }
}

/// It multiplies by the reciprocal instead of dividing by a deviation; that of a power of two is exact.
#[test]
fn in_the_embedded_engine_as_well() {
    for mut dataset in datasets() {
        if let InputSpec::Image { std, .. } = &mut dataset.task.input {
            std.fill(64.0);
        }
        let small = &genomes(&dataset, 0)[..1];
        assert_eq!(compare(&dataset, &Keeping::new(Arc::new(Tract)), Target::Portable, small), 1);
    }
}

#[test]
fn images_that_a_member_alters_are_fed() {
    let (engine, stop) = (Keeping::new(library::engine()), AtomicBool::new(false));
    let dataset = data("digits.npz", None);
    let part = ResidentPart::new(&dataset.task, &dataset.train);
    let resident = Setting { resident: Some(&part), ..setting(&dataset, &engine, Target::CpuKernels, &stop) };
    let plain = &genomes(&dataset, 0)[0];
    let [flip, shift, cutout] = [(true, 0, 0), (false, 1, 0), (false, 0, 2)].map(|(flip, shift, cutout)| {
        let mut altered = plain.clone();
        altered.training.augmentation = Augmentation { flip, shift, cutout };
        altered
    });
    for altered in [flip, shift, cutout] {
        let requests = vec![Request::new(plain, 0, 64), Request::new(&altered, 1, 64)];
        train_population(&resident, requests).expect("a training of both");
        assert_eq!((engine.fed().len(), engine.asked()), (0, 0));
    }
    train(&resident, Request::new(plain, 0, 64)).expect("a training");
    assert_eq!((engine.fed().len(), engine.asked()), (1, 1));
}

#[test]
fn without_room_features_are_fed_as_before() {
    let stop = AtomicBool::new(false);
    let engine = Keeping { has_room: false, ..Keeping::new(library::engine()) };
    let dataset = data("credit_g.csv", Some("class"));
    let fed = setting(&dataset, &engine, Target::CpuKernels, &stop);
    let part = ResidentPart::new(&dataset.task, &dataset.train);
    let resident = Setting { resident: Some(&part), ..setting(&dataset, &engine, Target::CpuKernels, &stop) };
    assert!(part.refusal().is_none(), "nobody has asked yet");
    for genome in &genomes(&dataset, 1) {
        let run = |setting: &Setting<'_>| made(train(setting, Request::new(genome, 3, 128)));
        assert_same(&run(&fed), &run(&resident), genome);
    }
    assert!(part.refusal().is_some_and(EngineError::is_out_of_memory));
    assert_eq!((engine.asked(), engine.fed().len()), (1, 0), "the device is asked once");
}
