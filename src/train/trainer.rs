//! Running a training step over batches.

use super::batches::{Images, Order, TargetWriter, draw_mask};
use super::evaluate::{Evaluator, fill_features};
use super::metric::{self, Metric};
use super::{Costs, CurvePoint, Scores, TrainError, Weights, batches, scoring};
use crate::data::{Features, Part, Task};
use crate::engine::{Engine, FeedMut, Plan, Session, Slot, StateSlot};
use crate::express::{self, Moments, TrainingStep, initialise, learning_rate, training_step};
use crate::genome::{Genome, Optimizer};
use crate::graph::{DType, Dim, Target, Tensor, spell};
use crate::onnx;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// Evaluations without a new best after which a training with a constant learning rate stops.
const PATIENCE: usize = 6;

/// What all trainings of a study share.
pub struct Setting<'a> {
    /// The task.
    pub task: &'a Task,
    /// Part that is trained on.
    pub train: &'a Part,
    /// Part that is scored on.
    pub validation: &'a Part,
    /// Engine that runs it all.
    pub engine: &'a dyn Engine,
    /// How graphs are spelled.
    pub target: Target,
    /// The study's metric.
    pub metric: &'static Metric,
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
    /// Factor of the genome's learning rate: 1 for a training from scratch.
    pub rate: f32,
    /// When the training ends at the latest, with as many examples as it had until then.
    pub deadline: Option<Instant>,
}

impl Request<'_> {
    fn is_late(&self) -> bool {
        self.deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }
}

/// The result of a training: the state with the best metric on the validation part.
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
    /// Costs.
    pub costs: Costs,
}

/// A random stream of a training.
pub fn random(seed: u64, stream: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(stream);
    rng
}

/// What a genome costs, before it is trained: from its graphs.
///
/// # Errors
/// Where the genome does not fit the task.
pub fn costs(genome: &Genome, task: &Task, rows: usize) -> Result<Costs, TrainError> {
    let inference = express::inference(genome, task, Dim::Batch)?;
    let batch = genome.training.batch.min(rows.max(1));
    let step = training_step(genome, task, batch)?;
    let parameters: usize = inference.params.iter().filter(|p| p.trainable).map(express::Param::elements).sum();
    Ok(Costs {
        parameters: parameters as u64,
        macs: inference.graph.macs(),
        work: step.graph.work() / batch as u64,
        examples: 0,
        memory: step.graph.peak_bytes() as u64,
    })
}

/// Trains a genome and scores it.
///
/// # Errors
/// Where the genome does not fit the task, the engine fails, the training diverges, or it is told to stop.
pub fn train(setting: &Setting<'_>, request: Request<'_>) -> Result<Trained, TrainError> {
    let mut run = Run::new(setting, &request)?;
    let steps = request.examples.div_ceil(run.batch as u64).max(1);
    let evaluations = scoring::evaluations(request.examples, batches::rows(setting.validation)).min(steps);
    let mut done = 0;
    for evaluation in 1..=evaluations {
        let until = steps * evaluation / evaluations;
        while done < until {
            if setting.stop.load(Ordering::Relaxed) {
                return Err(TrainError::Stopped);
            }
            run.step(done as f64 / steps as f64)?;
            done += 1;
            if request.is_late() {
                break;
            }
        }
        run.evaluate(done * run.batch as u64)?;
        if run.is_exhausted(request.genome) || request.is_late() {
            break;
        }
    }
    run.finish(done)
}

/// A training under way.
struct Run<'a> {
    setting: &'a Setting<'a>,
    genome: &'a Genome,
    step: TrainingStep,
    session: Box<dyn Session>,
    evaluator: Evaluator,
    batch: usize,
    rows: Vec<u32>,
    order: Order,
    masks: ChaCha8Rng,
    augmentation: ChaCha8Rng,
    images: Option<Images>,
    rate: f32,
    targets: TargetWriter,
    moments: Option<Moments>,
    losses: (f64, u64),
    curve: Vec<CurvePoint>,
    best: Option<Best>,
    since_best: usize,
}

struct Best {
    weights: Weights,
    scores: Scores,
    score: f64,
}

impl<'a> Run<'a> {
    fn new(setting: &'a Setting<'a>, request: &Request<'a>) -> Result<Self, TrainError> {
        let (genome, task) = (request.genome, setting.task);
        let rows = batches::rows(setting.train);
        let batch = genome.training.batch.min(rows);
        let step = training_step(genome, task, batch)?;
        let mut session = load(&step, setting.engine, setting.target)?;
        let mut rng = random(request.seed, 0);
        for (slot, param) in step.params.iter().enumerate() {
            let drawn = initialise(param, genome.training.initialisation, &mut rng);
            let tensor = request.start.as_ref().and_then(|w| w.get(&param.name)).unwrap_or(&drawn);
            session.write_state(slot, tensor.as_f32().unwrap_or_default())?;
        }
        for (i, (_, _, shape)) in step.moments.iter().enumerate() {
            session.write_state(step.params.len() + i, &vec![0.0; shape.iter().product()])?;
        }
        let validation_rows = batches::rows(setting.validation);
        let moments = match genome.training.optimizer {
            Optimizer::Sgd { .. } => None,
            Optimizer::Adam { beta2 } | Optimizer::AdamW { beta2 } => Some(Moments::new(beta2)),
        };
        Ok(Run {
            setting,
            genome,
            session,
            evaluator: Evaluator::new(genome, task, validation_rows, setting.engine, setting.target)?,
            batch,
            rows: vec![0; batch],
            order: Order::new(rows, random(request.seed, 1)),
            masks: random(request.seed, 2),
            augmentation: random(request.seed, 3),
            images: Images::new(&task.input),
            rate: request.rate,
            targets: TargetWriter::new(task, &genome.training, setting.metric.weighs_classes),
            moments,
            losses: (0.0, 0),
            curve: vec![],
            best: None,
            since_best: 0,
            step,
        })
    }

    /// One batch at the share `progress` of the training.
    fn step(&mut self, progress: f64) -> Result<(), TrainError> {
        self.order.fill(&mut self.rows);
        let rate = self.rate * learning_rate(&self.genome.training, progress);
        let corrections = self.moments.as_mut().map(Moments::advance);
        let mut next_mask = 0;
        for (slot, feed) in self.step.feeds.iter().enumerate() {
            let part = self.setting.train;
            match (feed.name.as_str(), self.session.feed(slot)) {
                ("lr", FeedMut::F32(v)) => v[0] = rate,
                ("wd", FeedMut::F32(v)) => v[0] = self.genome.training.weight_decay,
                ("c1", FeedMut::F32(v)) => v[0] = corrections.map_or(1.0, |c| c.0),
                ("c2", FeedMut::F32(v)) => v[0] = corrections.map_or(1.0, |c| c.1),
                ("targets", FeedMut::F32(v)) => self.targets.targets(part, &self.rows, v),
                ("weights", FeedMut::F32(v)) => self.targets.weights(part, &self.rows, v),
                ("image", FeedMut::F32(v)) => {
                    if let (Some(images), Features::Images { pixels }) = (&self.images, &part.features) {
                        let genes = self.genome.training.augmentation;
                        images.gather_augmented(pixels, &self.rows, genes, &mut self.augmentation, v);
                    }
                }
                (_, FeedMut::U8(v)) => {
                    draw_mask(self.step.masks[next_mask].rate, &mut self.masks, v);
                    next_mask += 1;
                }
                (name, view) => fill_features(name, view, part, &self.rows, None),
            }
        }
        self.session.step()?;
        let loss = f64::from(self.session.fetch(0)?[0]);
        if !loss.is_finite() {
            return Err(self.diverged("loss"));
        }
        self.losses.0 += loss;
        self.losses.1 += 1;
        Ok(())
    }

    fn diverged(&self, what: &str) -> TrainError {
        let examples = self.curve.last().map_or(0, |p| p.examples) + self.losses.1 * self.batch as u64;
        TrainError::Diverged { examples, what: what.into() }
    }

    fn weights(&mut self) -> Result<Weights, TrainError> {
        let mut weights = Weights::new();
        for (slot, param) in self.step.params.iter().enumerate() {
            let mut values = vec![0.0; param.elements()];
            self.session.read_state(slot, &mut values)?;
            weights.insert(param.name.clone(), Tensor::f32(&param.shape, values));
        }
        Ok(weights)
    }

    /// Scores the present weights and keeps them where they are the best so far.
    fn evaluate(&mut self, examples: u64) -> Result<(), TrainError> {
        let weights = self.weights()?;
        self.evaluator.set_weights(&weights)?;
        let part = self.setting.validation;
        let predictions = self.evaluator.predict(part)?;
        let value = (self.setting.metric.compute)(&predictions, &part.targets);
        if !value.is_finite() {
            return Err(self.diverged(self.setting.metric.name));
        }
        let loss = if self.losses.1 > 0 { self.losses.0 / self.losses.1 as f64 } else { 0.0 };
        self.losses = (0.0, 0);
        self.curve.push(CurvePoint { examples, loss, metric: value });
        let score = metric::score(self.setting.metric, value);
        if self.best.as_ref().is_none_or(|b| score > b.score) {
            let scores = metric::ALL
                .iter()
                .filter(|m| m.tasks.contains(&self.setting.task.kind))
                .map(|m| (m.name.to_owned(), (m.compute)(&predictions, &part.targets)))
                .filter(|(_, v)| v.is_finite())
                .collect();
            self.best = Some(Best { weights, scores, score });
            self.since_best = 0;
        } else {
            self.since_best += 1;
        }
        Ok(())
    }

    /// Whether a training whose learning rate stays constant has stopped gaining; the others gain most at their end.
    fn is_exhausted(&self, genome: &Genome) -> bool {
        genome.training.schedule == crate::genome::Schedule::Constant && self.since_best >= PATIENCE
    }

    fn finish(self, steps: u64) -> Result<Trained, TrainError> {
        let diverged = self.diverged(self.setting.metric.name);
        let Some(best) = self.best else { return Err(diverged) };
        let mut costs = costs(self.genome, self.setting.task, batches::rows(self.setting.train))?;
        costs.examples = steps * self.batch as u64;
        Ok(Trained { weights: best.weights, scores: best.scores, score: best.score, curve: self.curve, costs })
    }
}

/// Loads a training step into an engine. State slots are the parameters in their order, then the moments; fetch 0 is the
/// loss; feeds are those of the step.
///
/// # Errors
/// Where the step cannot be spelled for `target`, or the engine refuses it.
pub fn load(step: &TrainingStep, engine: &dyn Engine, target: Target) -> Result<Box<dyn Session>, TrainError> {
    let params = step.params.iter().map(|p| (p.input(), TrainingStep::next(p), p.shape.clone()));
    let state = params
        .chain(step.moments.iter().cloned())
        .map(|(input, output, shape)| StateSlot { input, output: Some(output), shape })
        .collect();
    let feeds = step.feeds.iter().map(|f| Slot { name: f.name.clone(), dtype: f.dtype, shape: f.shape.clone() }).collect();
    let fetches = vec![Slot { name: TrainingStep::LOSS.into(), dtype: DType::F32, shape: vec![] }];
    let model = onnx::write(&spell(&step.graph, target)?, &vec![]);
    Ok(engine.load(&model, Plan { feeds, state, fetches })?)
}
