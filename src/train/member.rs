//! What each net of a training has of its own: its place in the data, its random streams, its course.

use super::batches::{Order, TargetWriter};
use super::metric::{self, Predictions};
use super::{
    Checkpoint, Costs, CurvePoint, Place, Request, RungScore, Scores, Setting, TrainError, Trained, Weights, batches, random,
};
use crate::express::{Mask, Moments, Param, TrainingStep, initialise, learning_rate};
use crate::genome::{Optimizer, Schedule};
use rand_chacha::ChaCha8Rng;

/// Evaluations without a new best after which a training with a constant learning rate stops.
const PATIENCE: usize = 6;

/// One net of a training.
pub(super) struct Member<'a> {
    pub(super) request: Request<'a>,
    /// Rows of the batch.
    pub(super) rows: Vec<u32>,
    /// Rate of each dropout mask.
    pub(super) rates: Vec<f32>,
    pub(super) masks: ChaCha8Rng,
    pub(super) augmentation: ChaCha8Rng,
    pub(super) targets: TargetWriter,
    /// Learning rate of the step.
    pub(super) learning_rate: f32,
    /// Corrections of Adam's moments in the step.
    pub(super) corrections: (f32, f32),
    pub(super) curve: Vec<CurvePoint>,
    rungs: Vec<RungScore>,
    paused: Option<Checkpoint>,
    order: Order,
    moments: Option<Moments>,
    /// Steps of the optimizer.
    updates: u64,
    losses: (f64, u64),
    best: Option<Best>,
    since_best: usize,
    /// Whether nothing more is to be learnt, and why not where that is a failure.
    end: Option<Result<(), TrainError>>,
}

struct Best {
    weights: Weights,
    scores: Scores,
    score: f64,
}

impl<'a> Member<'a> {
    pub(super) fn new(setting: &Setting<'_>, request: Request<'a>, batch: usize, masks: &[Mask]) -> Self {
        let training = &request.genome.training;
        let moments = match training.optimizer {
            Optimizer::Sgd { .. } => None,
            Optimizer::Adam { beta2 } | Optimizer::AdamW { beta2 } => Some(Moments::new(beta2)),
        };
        let mut member = Member {
            rows: vec![0; batch],
            rates: masks.iter().map(|mask| mask.rate).collect(),
            masks: random(request.seed, 2),
            augmentation: random(request.seed, 3),
            targets: TargetWriter::new(setting.task, training, setting.class_weights.of(setting.task, setting.metric)),
            learning_rate: 0.0,
            corrections: (1.0, 1.0),
            curve: vec![],
            rungs: vec![],
            paused: None,
            order: Order::new(batches::rows(setting.train), random(request.seed, 1)),
            moments,
            updates: 0,
            losses: (0.0, 0),
            best: None,
            since_best: 0,
            end: None,
            request,
        };
        member.go_on(batches::rows(setting.train));
        member
    }

    /// Brings it to the point of its checkpoint, where there are `rows` to train on.
    fn go_on(&mut self, rows: usize) {
        let steps = self.request.place(rows).map_or(0, |(steps, _)| steps);
        let Some(checkpoint) = self.request.checkpoint.take() else { return };
        let Place { drawn: (masks, augmentation), curve, rungs, scores, score, since_best, .. } = &checkpoint.place;
        for _ in 0..steps {
            self.order.fill(&mut self.rows);
        }
        self.updates = checkpoint.place.updates.unwrap_or(checkpoint.place.steps);
        for _ in 0..self.updates {
            if let Some(moments) = &mut self.moments {
                moments.advance();
            }
        }
        self.masks.set_word_pos(*masks);
        self.augmentation.set_word_pos(*augmentation);
        (self.curve, self.rungs, self.since_best) = (curve.clone(), rungs.clone(), *since_best);
        self.best = Some(Best { weights: checkpoint.best(), scores: scores.clone(), score: *score });
        self.request.checkpoint = Some(checkpoint);
    }

    /// Training examples that it had before it went on.
    pub(super) fn examples_before(&self) -> u64 {
        let place = self.request.checkpoint.as_ref().map(|checkpoint| &checkpoint.place);
        place.and_then(|place| place.curve.last()).map_or(0, |point| point.examples)
    }

    /// Takes note of how it did at a rung, and tells whether it is paused there.
    pub(super) fn is_behind(&mut self, share: f64) -> bool {
        let Some(score) = self.best.as_ref().map(|best| best.score).filter(|_| !self.has_ended()) else { return false };
        self.rungs.push(RungScore { share, score });
        let rung = self.request.rungs.iter().find(|rung| rung.share == share);
        rung.and_then(|rung| rung.least).is_some_and(|least| score < least)
    }

    /// Pauses it after so many steps, with so many regular evaluations left, at these values of the step's state.
    pub(super) fn pause(&mut self, step: &TrainingStep, values: Vec<Vec<f32>>, steps: u64, evaluations: u64) {
        let Some(best) = &self.best else { return };
        let place = Place {
            steps,
            evaluations,
            drawn: (self.masks.get_word_pos(), self.augmentation.get_word_pos()),
            curve: self.curve.clone(),
            rungs: self.rungs.clone(),
            scores: best.scores.clone(),
            score: best.score,
            since_best: self.since_best,
            batch: self.request.other_batch(),
            updates: (self.updates != steps).then_some(self.updates),
        };
        let earlier = (self.since_best > 0).then(|| best.weights.clone());
        self.paused = Some(Checkpoint::new(step, values, earlier, place));
    }

    /// The values that each parameter starts with.
    pub(super) fn initial(&self, params: &[Param]) -> Vec<Vec<f32>> {
        let mut rng = random(self.request.seed, 0);
        let one = |param: &Param| {
            let drawn = initialise(param, self.request.genome.training.initialisation, &mut rng);
            let given = self.request.start.as_ref().and_then(|w| w.get(&param.name));
            given.unwrap_or(&drawn).as_f32().unwrap_or_default().to_vec()
        };
        params.iter().map(one).collect()
    }

    /// Goes on to the next batch, at the share `progress` of the training.
    pub(super) fn advance(&mut self, progress: f64) {
        self.order.fill(&mut self.rows);
        self.updates += 1;
        self.learning_rate = self.request.rate * learning_rate(&self.request.genome.training, progress);
        if let Some(moments) = &mut self.moments {
            self.corrections = moments.advance();
        }
    }

    /// Whether it takes no more steps.
    pub(super) fn has_ended(&self) -> bool {
        self.end.is_some() || self.paused.is_some()
    }

    /// Takes note of the loss of a step.
    pub(super) fn note_loss(&mut self, loss: f64) {
        if self.has_ended() {
            return;
        }
        if !loss.is_finite() {
            self.end = Some(Err(self.diverged("loss")));
        }
        self.losses.0 += loss;
        self.losses.1 += 1;
    }

    /// Takes note of what the present weights predict of the validation part.
    pub(super) fn note(&mut self, setting: &Setting<'_>, examples: u64, weights: Weights, predictions: &Predictions) {
        let truth = &setting.validation.targets;
        let value = (setting.metric.compute)(predictions, truth);
        if !value.is_finite() {
            self.end = Some(Err(self.diverged(setting.metric.name)));
            return;
        }
        let loss = if self.losses.1 > 0 { self.losses.0 / self.losses.1 as f64 } else { 0.0 };
        self.losses = (0.0, 0);
        // Before the first step there is no loss to tell of.
        if examples > 0 {
            self.curve.push(CurvePoint { examples, loss, metric: value });
        }
        let score = metric::score(setting.metric, value);
        if self.request.last || self.best.as_ref().is_none_or(|b| score > b.score) {
            let scores = metric::scores(setting.task.kind, predictions, truth);
            self.best = Some(Best { weights, scores, score });
            self.since_best = 0;
        } else {
            self.since_best += 1;
        }
        // Other schedules gain most at their end.
        if self.request.genome.training.schedule == Schedule::Constant && self.since_best >= PATIENCE {
            self.end = Some(Ok(()));
        }
    }

    fn diverged(&self, what: &str) -> TrainError {
        let batch = self.rows.len() as u64;
        let examples = self.curve.last().map_or(0, |p| p.examples) + self.losses.1 * batch;
        TrainError::Diverged { examples, what: what.into() }
    }

    /// The best state, or what went wrong.
    pub(super) fn finish(mut self, costs: Costs, metric: &str) -> Result<Trained, TrainError> {
        if let Some(Err(error)) = self.end.take() {
            return Err(error);
        }
        match self.best.take() {
            Some(best) => {
                let Best { weights, scores, score } = best;
                Ok(Trained { weights, scores, score, curve: self.curve, rungs: self.rungs, paused: self.paused, costs })
            }
            None => Err(self.diverged(metric)),
        }
    }
}
