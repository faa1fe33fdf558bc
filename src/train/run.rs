//! A training under way: the steps of one net, or of several nets of one shape at once.

use super::batches::{Images, draw_mask};
use super::evaluate::{Evaluator, fill_features};
use super::member::Member;
use super::trainer::{load_population, shape};
use super::{Request, Setting, TrainError, Trained, Weights, batches, costs, scoring};
use crate::data::Features;
use crate::engine::{FeedMut, Session};
use crate::express::{TrainingStep, training_step};
use crate::graph::Tensor;
use std::sync::atomic::Ordering;
use std::time::Instant;

/// The session of a training step with what each member of it has of its own.
pub(super) struct Run<'a> {
    setting: &'a Setting<'a>,
    step: TrainingStep,
    session: Box<dyn Session>,
    evaluator: Evaluator,
    batch: usize,
    images: Option<Images>,
    members: Vec<Member<'a>>,
    /// Training examples that each member asks for.
    examples: u64,
}

impl<'a> Run<'a> {
    /// Loads the step of at least one request and draws what is random.
    pub(super) fn new(setting: &'a Setting<'a>, requests: Vec<Request<'a>>) -> Result<Self, TrainError> {
        let (genome, task, examples) = (requests[0].genome, setting.task, requests[0].examples);
        let rows = batches::rows(setting.train);
        let batch = genome.training.batch.min(rows);
        let step = training_step(genome, task, batch)?;
        if requests.len() > 1 {
            let wanted = shape(genome, setting)?;
            for request in &requests[1..] {
                if shape(request.genome, setting)? != wanted {
                    return Err(TrainError::Shapes);
                }
            }
        }
        let evaluator = Evaluator::beside(&step.graph, genome, setting)?;
        let session = load_population(&step, setting.engine, setting.target, requests.len())?;
        let images = Images::new(&task.input);
        let mut members = vec![];
        for request in requests {
            let rates = match &members[..] {
                [] => step.masks.clone(),
                _ => training_step(request.genome, task, batch)?.masks,
            };
            members.push(Member::new(setting, request, batch, &rates));
        }
        let mut run = Run { setting, step, session, evaluator, batch, images, members, examples };
        run.write_state()?;
        Ok(run)
    }

    /// Initial weights, and moments of zero.
    fn write_state(&mut self) -> Result<(), TrainError> {
        let mut drawn: Vec<_> = self.members.iter().map(|m| m.initial(&self.step.params)).collect();
        for slot in 0..self.step.params.len() {
            let values: Vec<f32> = drawn.iter_mut().flat_map(|member| std::mem::take(&mut member[slot])).collect();
            self.session.write_state(slot, &values)?;
        }
        for (i, (_, _, shape)) in self.step.moments.iter().enumerate() {
            let size = self.members.len() * shape.iter().product::<usize>();
            self.session.write_state(self.step.params.len() + i, &vec![0.0; size])?;
        }
        Ok(())
    }

    /// Trains all members to their ends.
    pub(super) fn train(mut self) -> Result<Vec<Result<Trained, TrainError>>, TrainError> {
        let asked = self.examples.div_ceil(self.batch as u64).max(1);
        let evaluations = scoring::evaluations(self.examples, batches::rows(self.setting.validation)).min(asked);
        let mut steps = asked;
        let (began, mut done) = (Instant::now(), 0);
        if self.members.iter().any(|member| member.request.keeps_start) {
            self.evaluate(0)?;
        }
        let all_ended = |members: &[Member<'_>]| members.iter().all(Member::has_ended);
        for evaluation in 1..=evaluations {
            let until = done + (steps - done).div_ceil(evaluations - evaluation + 1);
            while done < until {
                if self.setting.stop.load(Ordering::Relaxed) {
                    return Err(TrainError::Stopped);
                }
                self.step(done as f64 / steps as f64)?;
                done += 1;
                if self.is_late() || all_ended(&self.members) {
                    break;
                }
            }
            self.evaluate(done * self.batch as u64)?;
            if self.is_late() || all_ended(&self.members) || done == steps {
                break;
            }
            steps = self.steps_in_time(asked, done, began.elapsed().as_secs_f64());
        }
        self.finish()
    }

    /// How many of the steps `asked` are made, after `done` took so many seconds.
    fn steps_in_time(&self, asked: u64, done: u64, seconds: f64) -> u64 {
        let deadline = self.members.iter().filter_map(|member| member.request.deadline).min();
        let left = |deadline: Instant| deadline.saturating_duration_since(Instant::now()).as_secs_f64();
        deadline.map_or(asked, |deadline| affordable(asked, done, seconds, left(deadline)))
    }

    fn is_late(&self) -> bool {
        self.members.iter().any(|member| member.request.is_late())
    }

    /// One batch of each member at the share `progress` of the training.
    fn step(&mut self, progress: f64) -> Result<(), TrainError> {
        let count = self.members.len();
        // Those that have ended go on as well: a batch that stays the same is learnt by heart, and gradients that vanish
        // become denormal numbers, which take long.
        for (index, member) in self.members.iter_mut().enumerate() {
            member.advance(progress);
            let mut filled = Filled::default();
            for (slot, feed) in self.step.feeds.iter().enumerate() {
                let view = self.session.feed(slot).part(index, count);
                fill(&feed.name, view, self.setting, self.images.as_ref(), member, &mut filled);
            }
        }
        self.session.step()?;
        for (member, &loss) in self.members.iter_mut().zip(self.session.fetch(0)?) {
            member.note_loss(f64::from(loss));
        }
        Ok(())
    }

    /// Scores the present weights of those that have not ended, and keeps them where they are the best so far.
    fn evaluate(&mut self, examples: u64) -> Result<(), TrainError> {
        let count = self.members.len();
        let mut states = vec![];
        for (slot, param) in self.step.params.iter().enumerate() {
            let mut values = vec![0.0; count * param.elements()];
            self.session.read_state(slot, &mut values)?;
            states.push(values);
        }
        let counts = |member: &Member<'_>| !member.has_ended() && (examples > 0 || member.request.keeps_start);
        for (index, member) in self.members.iter_mut().enumerate().filter(|(_, member)| counts(member)) {
            let mut weights = Weights::new();
            for (param, values) in self.step.params.iter().zip(&states) {
                let own = values[index * param.elements()..][..param.elements()].to_vec();
                weights.insert(param.name.clone(), Tensor::f32(&param.shape, own));
            }
            self.evaluator.set_weights(&weights)?;
            let predictions = self.evaluator.predict(self.setting.validation)?;
            member.note(self.setting, examples, weights, &predictions);
        }
        Ok(())
    }

    fn finish(self) -> Result<Vec<Result<Trained, TrainError>>, TrainError> {
        let setting = self.setting;
        let (rows, scored) = (batches::rows(setting.train), batches::rows(setting.validation));
        let finished = |member: Member<'a>| {
            let mut costs = costs(member.request.genome, setting.task, rows, scored)?;
            costs.examples = member.curve.last().map_or(0, |point| point.examples);
            member.finish(costs, setting.metric.name)
        };
        Ok(self.members.into_iter().map(finished).collect())
    }
}

/// Feeds of dropout that a step has filled so far; they stand in the order of the masks' rates.
#[derive(Default)]
struct Filled {
    masks: usize,
    scales: usize,
}

/// How many of the steps `asked` fit before a deadline `left` seconds from now, after `done` took so many seconds; at least
/// one more. A schedule that is broken off in its middle is worth far less than one that ends sooner.
fn affordable(asked: u64, done: u64, seconds: f64, left: f64) -> u64 {
    let more = (left * done as f64 / seconds.max(1e-9)) as u64;
    asked.min(done + more.max(1))
}

/// Fills a feed with what a member wants to see next.
fn fill(
    name: &str,
    view: FeedMut<'_>,
    setting: &Setting<'_>,
    images: Option<&Images>,
    member: &mut Member<'_>,
    filled: &mut Filled,
) {
    let part = setting.train;
    match (name, view) {
        ("lr", FeedMut::F32(v)) => v[0] = member.learning_rate,
        ("wd", FeedMut::F32(v)) => v[0] = member.request.genome.training.weight_decay,
        ("c1", FeedMut::F32(v)) => v[0] = member.corrections.0,
        ("c2", FeedMut::F32(v)) => v[0] = member.corrections.1,
        ("targets", FeedMut::F32(v)) => member.targets.targets(part, &member.rows, v),
        ("weights", FeedMut::F32(v)) => member.targets.weights(part, &member.rows, v),
        ("image", FeedMut::F32(v)) => {
            if let (Some(images), Features::Images { pixels }) = (images, &part.features) {
                let genes = member.request.genome.training.augmentation;
                images.gather_augmented(pixels, &member.rows, genes, &mut member.augmentation, v);
            }
        }
        (_, FeedMut::U8(v)) => {
            draw_mask(member.rates[filled.masks], &mut member.masks, v);
            filled.masks += 1;
        }
        (name, FeedMut::F32(v)) if name.starts_with("scale.") => {
            v[0] = (1.0 / (1.0 - f64::from(member.rates[filled.scales]))) as f32;
            filled.scales += 1;
        }
        (name, view) => fill_features(name, view, part, &member.rows, None),
    }
}

#[cfg(test)]
mod tests {
    use super::affordable;

    #[test]
    fn what_does_not_fit_before_the_deadline_is_left_out() {
        assert_eq!(affordable(1_600, 100, 1.0, 60.0), 1_600, "there is time enough");
        assert_eq!(affordable(1_600, 100, 1.0, 15.0), 1_600, "there is just enough");
        assert_eq!(affordable(1_600, 100, 2.0, 15.0), 850, "steps take twice as long as foreseen");
        assert_eq!(affordable(1_600, 100, 1.0, 0.0), 101, "one step ends the schedule");
        assert_eq!(affordable(1_600, 100, 0.0, 1.0), 1_600);
    }
}
