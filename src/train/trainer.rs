//! Training candidates: one by one, or several nets of one shape as one graph.

use super::evaluate::peak_beside;
use super::metric::Metric;
use super::resident::{ResidentFeatures, ResidentPart};
use super::run::Run;
use super::{Checkpoint, ClassWeights, Costs, CurvePoint, Rung, RungScore, Scores, TrainError, Weights};
use crate::data::{Part, Task};
use crate::engine::{Engine, Plan, Session, Slot, StateSlot};
use crate::express::{self, Feed, TrainingStep, training_step};
use crate::genome::Genome;
use crate::graph::{DType, Dim, GraphError, Spelled, Target, spell, spell_population, spell_resident};
use crate::onnx;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

/// What all trainings of a study share.
#[derive(Clone, Copy)]
pub struct Setting<'a> {
    /// The task.
    pub task: &'a Task,
    /// Part that is trained on.
    pub train: &'a Part,
    /// The same part, to be put where the engine computes if that is a device; `None` where features are to be fed.
    pub resident: Option<&'a ResidentPart<'a>>,
    /// Part that is scored on.
    pub validation: &'a Part,
    /// Engine that runs it all.
    pub engine: &'a dyn Engine,
    /// How graphs are spelled.
    pub target: Target,
    /// The study's metric.
    pub metric: &'static Metric,
    /// Weights of the classes in the loss.
    pub class_weights: &'a ClassWeights,
    /// Set to end the training early with [`TrainError::Stopped`].
    pub stop: &'a AtomicBool,
}

/// One training.
pub struct Request<'a> {
    /// What is trained.
    pub genome: &'a Genome,
    /// Seed of everything random in it.
    pub seed: u64,
    /// Training examples to consume; rounded up to whole batches.
    pub examples: u64,
    /// Weights to start from.
    pub start: Option<Weights>,
    /// Whether these weights are a result, too, where training makes nothing better of them.
    pub keeps_start: bool,
    /// Factor of the genome's learning rate: 1 for a training from scratch.
    pub rate: f32,
    /// Whether the last state is the result, instead of the best on the validation part.
    pub last: bool,
    /// When the training ends at the latest, with as many examples as it had until then.
    pub deadline: Option<Instant>,
    /// Where it is compared with others on its way, in ascending order.
    pub rungs: Vec<Rung>,
    /// The paused training that it goes on with, instead of starting.
    pub checkpoint: Option<Checkpoint>,
    /// Examples of a step, where they are not as many as the genome says, or as the paused training had.
    pub batch: Option<usize>,
}

impl<'a> Request<'a> {
    /// A whole training from scratch, of which the best state counts.
    pub fn new(genome: &'a Genome, seed: u64, examples: u64) -> Self {
        let (start, rate, last, deadline, rungs, checkpoint, batch) = (None, 1.0, false, None, vec![], None, None);
        Request { genome, seed, examples, start, keeps_start: false, rate, last, deadline, rungs, checkpoint, batch }
    }

    /// Examples of a step, where they are not as many as the genome says.
    pub fn other_batch(&self) -> Option<usize> {
        self.batch.or_else(|| self.checkpoint.as_ref()?.place.batch)
    }

    /// Examples of a step, where there are `rows` to train on.
    pub fn batch(&self, rows: usize) -> usize {
        self.other_batch().unwrap_or(self.genome.training.batch).min(rows)
    }

    /// Steps and regular evaluations left of the training that it goes on with, in steps of its own.
    pub(super) fn place(&self, rows: usize) -> Option<(u64, u64)> {
        let place = &self.checkpoint.as_ref()?.place;
        let before = place.batch.unwrap_or(self.genome.training.batch).min(rows);
        Some(((place.steps * before as u64).div_ceil(self.batch(rows) as u64), place.evaluations))
    }

    /// Whether the training ought to have ended.
    pub(super) fn is_late(&self) -> bool {
        self.deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }
}

/// The result of a training: the state with the best metric on the validation part, or the last one where
/// [`Request::last`] asks for it.
#[derive(Debug, Clone)]
pub struct Trained {
    /// Weights.
    pub weights: Weights,
    /// All metrics of the task on the validation part.
    pub scores: Scores,
    /// The study's metric, turned so that higher is better.
    pub score: f64,
    /// Course of the training.
    pub curve: Vec<CurvePoint>,
    /// How it did at its rungs.
    pub rungs: Vec<RungScore>,
    /// Where it was paused at the last of them; what stands beside is then as it was there.
    pub paused: Option<Checkpoint>,
    /// Costs.
    pub costs: Costs,
}

/// Multiply-accumulate operations that a device makes while it is given the next node: five microseconds at ten
/// trillion operations a second.
const SHORT_NODE: u64 = 25_000_000;

/// A random stream of a training.
pub fn random(seed: u64, stream: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(stream);
    rng
}

/// What a genome costs that is trained on `rows` rows and scored on `scored`, before it is trained: from its graphs.
///
/// # Errors
/// Where the genome does not fit the task.
pub fn costs(genome: &Genome, task: &Task, rows: usize, scored: usize) -> Result<Costs, TrainError> {
    let inference = express::inference(genome, task, Dim::Batch)?;
    let batch = genome.training.batch.min(rows.max(1));
    let step = training_step(genome, task, batch)?;
    let parameters: usize = inference.params.iter().filter(|p| p.trainable).map(express::Param::elements).sum();
    Ok(Costs {
        parameters: parameters as u64,
        macs: inference.graph.macs(),
        work: step.graph.work() / batch as u64,
        examples: 0,
        // Both are loaded until the training ends, and engines keep what they took.
        memory: (step.graph.peak_bytes() + peak_beside(&step.graph, genome, task, scored)?) as u64,
    })
}

/// Trains a genome and scores it.
///
/// # Errors
/// Where the genome does not fit the task, the engine fails, the training diverges, or it is told to stop.
pub fn train(setting: &Setting<'_>, request: Request<'_>) -> Result<Trained, TrainError> {
    Run::new(setting, vec![request])?.train()?.remove(0)
}

/// Trains genomes of one shape as one graph with a leading axis of members, and scores them. They differ in what the host
/// feeds: weights, order of the examples, learning rate and its schedule, decay, smoothing, rates of dropout, augmentation.
/// All train on as many examples as the first asks for, are compared at its rungs, and go on from one point. With the kernels
/// each result is, bit for bit, that of a training alone.
///
/// # Errors
/// What ends all trainings: genomes of several shapes, a failure of the engine, being told to stop. What ends one is its
/// result.
pub fn train_population(
    setting: &Setting<'_>,
    requests: Vec<Request<'_>>,
) -> Result<Vec<Result<Trained, TrainError>>, TrainError> {
    if requests.is_empty() { Ok(vec![]) } else { Run::new(setting, requests)?.train() }
}

/// What all genomes that can train as one graph share: the model of one step of one net.
///
/// # Errors
/// Where the genome does not fit the task.
pub fn shape(genome: &Genome, setting: &Setting<'_>) -> Result<Vec<u8>, TrainError> {
    shape_of(genome, setting, genome.training.batch.min(setting.train.targets.len()))
}

/// The same for steps of `batch` examples.
pub(super) fn shape_of(genome: &Genome, setting: &Setting<'_>, batch: usize) -> Result<Vec<u8>, TrainError> {
    let step = training_step(genome, setting.task, batch)?;
    Ok(onnx::write(&spelled(&step, setting.target, 1)?, &vec![])?)
}

/// Loads a training step into an engine. State slots are the parameters in their order, then the moments; fetch 0 is the
/// loss; feeds are those of the step.
///
/// # Errors
/// Where the step cannot be spelled for `target`, or the engine refuses it.
pub fn load(step: &TrainingStep, engine: &dyn Engine, target: Target) -> Result<Box<dyn Session>, TrainError> {
    load_population(step, engine, target, 1)
}

/// As [`load`], for so many members: where there are several, all slots have a leading axis of members.
///
/// # Errors
/// As [`load`].
pub fn load_population(
    step: &TrainingStep,
    engine: &dyn Engine,
    target: Target,
    members: usize,
) -> Result<Box<dyn Session>, TrainError> {
    let plan = Plan { feeds: slots(&step.feeds, members), ..Plan::default() };
    load_spelled(step, &spelled(step, target, members)?, engine, members, plan)
}

/// As [`load_population`], with features that lie where the engine computes: feeds are [`ResidentFeatures::feeds`].
///
/// # Errors
/// As [`load`], and where the features are those of another task or on another device.
pub fn load_resident(
    step: &TrainingStep,
    engine: &dyn Engine,
    target: Target,
    members: usize,
    features: &ResidentFeatures,
) -> Result<Box<dyn Session>, TrainError> {
    let feeds = slots(&features.feeds(step), members);
    let plan = Plan { feeds, resident: Some(features.tensors().clone()), ..Plan::default() };
    load_spelled(step, &spell_resident(&step.graph, target, members, features.inputs())?, engine, members, plan)
}

/// Loads a step in ONNX nodes with a plan that says where its examples come from.
fn load_spelled(
    step: &TrainingStep,
    spelled: &Spelled,
    engine: &dyn Engine,
    members: usize,
    plan: Plan,
) -> Result<Box<dyn Session>, TrainError> {
    let params = step.params.iter().map(|p| (p.input(), TrainingStep::next(p), p.shape.clone()));
    let state: Vec<_> = params.chain(step.moments.iter().cloned()).collect();
    let in_place = spelled.in_place(state.iter().map(|(input, output, _)| (input.as_str(), output.as_str())));
    let state = state
        .into_iter()
        .zip(in_place)
        .map(|((input, output, shape), in_place)| StateSlot {
            input,
            output: Some(output),
            shape: extents(&shape, members),
            in_place,
        })
        .collect();
    let fetches = vec![Slot { name: TrainingStep::LOSS.into(), dtype: DType::F32, shape: extents(&[], members) }];
    let launch_bound = step.graph.macs() * members as u64 <= SHORT_NODE * spelled.nodes.len() as u64;
    Ok(engine.load(&onnx::write(spelled, &vec![])?, Plan { state, fetches, launch_bound, ..plan })?)
}

/// Feeds of so many members.
fn slots(feeds: &[Feed], members: usize) -> Vec<Slot> {
    feeds.iter().map(|f| Slot { name: f.name.clone(), dtype: f.dtype, shape: extents(&f.shape, members) }).collect()
}

/// The extents behind a leading axis of members, where there are several.
fn extents(shape: &[usize], members: usize) -> Vec<usize> {
    match members {
        1 => shape.to_vec(),
        _ => [&[members], shape].concat(),
    }
}

/// A training step in ONNX nodes.
fn spelled(step: &TrainingStep, target: Target, members: usize) -> Result<Spelled, GraphError> {
    match members {
        1 => spell(&step.graph, target),
        _ => spell_population(&step.graph, target, members),
    }
}
