//! A training under way: the steps of one net, or of several nets of one shape at once.

use super::batches::{Images, draw_mask, mask_scale};
use super::evaluate::{Evaluator, fill_features};
use super::member::Member;
use super::trainer::{load_population, load_resident, shape_of};
use super::{Request, Setting, TrainError, Trained, Weights, batches, costs, scoring};
use crate::data::Features;
use crate::engine::{FeedMut, Session};
use crate::express::{Feed, TrainingStep, training_step};
use crate::graph::Tensor;
use crate::graph::passes::ROWS;
use std::sync::atomic::Ordering;
use std::time::Instant;

/// The session of a training step with what each member of it has of its own.
pub(super) struct Run<'a> {
    setting: &'a Setting<'a>,
    step: TrainingStep,
    session: Box<dyn Session>,
    /// What the session is fed.
    feeds: Vec<Feed>,
    evaluator: Evaluator,
    batch: usize,
    images: Option<Images>,
    members: Vec<Member<'a>>,
    /// Training examples that each member asks for.
    examples: u64,
    /// Shares of the training at which members are compared with others.
    rungs: Vec<f64>,
}

impl<'a> Run<'a> {
    /// Loads the step of at least one request and draws what is random.
    pub(super) fn new(setting: &'a Setting<'a>, requests: Vec<Request<'a>>) -> Result<Self, TrainError> {
        let (genome, task, examples) = (requests[0].genome, setting.task, requests[0].examples);
        let rungs = requests[0].rungs.iter().map(|rung| rung.share).collect();
        let rows = batches::rows(setting.train);
        if requests.iter().any(|request| request.place(rows) != requests[0].place(rows)) {
            return Err(TrainError::Places);
        }
        let batch = requests[0].batch(rows);
        let step = training_step(genome, task, batch)?;
        if requests.len() > 1 {
            let wanted = shape_of(genome, setting, batch)?;
            for request in &requests[1..] {
                if request.batch(rows) != batch || shape_of(request.genome, setting, batch)? != wanted {
                    return Err(TrainError::Shapes);
                }
            }
        }
        let evaluator = Evaluator::beside(&step.graph, genome, setting)?;
        let (engine, target, count) = (setting.engine, setting.target, requests.len());
        let (session, feeds) = match setting.resident.and_then(|part| part.features_of(engine, &requests)) {
            Some(features) => (load_resident(&step, engine, target, count, features)?, features.feeds(&step)),
            None => (load_population(&step, engine, target, count)?, step.feeds.clone()),
        };
        let images = Images::new(&task.input);
        let mut members = vec![];
        for request in requests {
            let rates = match &members[..] {
                [] => step.masks.clone(),
                _ => training_step(request.genome, task, batch)?.masks,
            };
            members.push(Member::new(setting, request, batch, &rates));
        }
        let mut run = Run { setting, step, session, feeds, evaluator, batch, images, members, examples, rungs };
        run.write_state()?;
        Ok(run)
    }

    /// Initial weights, and moments of zero; or those of checkpoints.
    fn write_state(&mut self) -> Result<(), TrainError> {
        let mut states = vec![];
        for member in &self.members {
            states.push(match &member.request.checkpoint {
                Some(checkpoint) => checkpoint.values(&self.step)?,
                None => {
                    let zeros = |shape: &Vec<usize>| vec![0.0; shape.iter().product()];
                    let moments = self.step.moments.iter().map(|(_, _, shape)| zeros(shape));
                    member.initial(&self.step.params).into_iter().chain(moments).collect()
                }
            });
        }
        for slot in 0..self.slots() {
            let values: Vec<f32> = states.iter_mut().flat_map(|member| std::mem::take(&mut member[slot])).collect();
            self.session.write_state(slot, &values)?;
        }
        Ok(())
    }

    /// Parameters, running statistics and moments.
    fn slots(&self) -> usize {
        self.step.params.len() + self.step.moments.len()
    }

    /// Values of one of them for all members.
    fn read_slot(&mut self, slot: usize) -> Result<Vec<f32>, TrainError> {
        let elements: usize = match slot.checked_sub(self.step.params.len()) {
            Some(moment) => self.step.moments[moment].2.iter().product(),
            None => self.step.params[slot].elements(),
        };
        let mut values = vec![0.0; self.members.len() * elements];
        self.session.read_state(slot, &mut values)?;
        Ok(values)
    }

    /// Trains all members to their ends.
    pub(super) fn train(mut self) -> Result<Vec<Result<Trained, TrainError>>, TrainError> {
        let asked = self.examples.div_ceil(self.batch as u64).max(1);
        let evaluations = scoring::evaluations(self.examples, batches::rows(self.setting.validation)).min(asked);
        let place = self.members[0].request.place(batches::rows(self.setting.train));
        let (first, mut left) = place.unwrap_or((0, evaluations));
        let (mut steps, mut done, began) = (asked, first, Instant::now());
        if self.members.iter().any(|member| member.request.keeps_start) {
            self.evaluate(0)?;
        }
        let all_ended = |members: &[Member<'_>]| members.iter().all(Member::has_ended);
        loop {
            let stop = Stop::next(&self.rungs, asked, steps, done, left);
            while done < stop.step {
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
            left -= u64::from(stop.regular);
            // Where time runs out there is no other training for which to pause one.
            if let Some(share) = stop.rung.filter(|_| steps == asked) {
                self.compare(share, done, left)?;
                if all_ended(&self.members) {
                    break;
                }
            }
            steps = self.steps_in_time(asked, done, done - first, began.elapsed().as_secs_f64());
        }
        self.finish()
    }

    /// Pauses the members that are behind at a rung, after so many steps and with so many regular evaluations left.
    fn compare(&mut self, share: f64, steps: u64, evaluations: u64) -> Result<(), TrainError> {
        let behind: Vec<usize> = (0..self.members.len()).filter(|&index| self.members[index].is_behind(share)).collect();
        if behind.is_empty() {
            return Ok(());
        }
        let all = (0..self.slots()).map(|slot| self.read_slot(slot)).collect::<Result<Vec<_>, _>>()?;
        let count = self.members.len();
        for index in behind {
            let own = |values: &Vec<f32>| values[index * values.len() / count..][..values.len() / count].to_vec();
            self.members[index].pause(&self.step, all.iter().map(own).collect(), steps, evaluations);
        }
        Ok(())
    }

    /// How many of the steps `asked` are made, where `done` are and `made` of them took so many seconds.
    fn steps_in_time(&self, asked: u64, done: u64, made: u64, seconds: f64) -> u64 {
        let deadline = self.members.iter().filter_map(|member| member.request.deadline).min();
        let left = |deadline: Instant| deadline.saturating_duration_since(Instant::now()).as_secs_f64();
        deadline.map_or(asked, |deadline| affordable(asked, done, made, seconds, left(deadline)))
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
            for (slot, feed) in self.feeds.iter().enumerate() {
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
        let states = (0..self.step.params.len()).map(|slot| self.read_slot(slot)).collect::<Result<Vec<_>, _>>()?;
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
            costs.examples = member.curve.last().map_or(0, |point| point.examples) - member.examples_before();
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

/// Where a training is evaluated next.
#[derive(Debug, PartialEq)]
struct Stop {
    /// After so many steps.
    step: u64,
    /// Whether it is one of the regular evaluations.
    regular: bool,
    /// Share of the training where members are compared.
    rung: Option<f64>,
}

impl Stop {
    /// The next stop of a training of `steps` steps, of which `done` are made: the next of the `left` regular evaluations,
    /// which divide the rest evenly, or a rung before it. A regular one that would come soon after a rung is made there. Of a
    /// training that was to be of as many steps as `asked`.
    fn next(rungs: &[f64], asked: u64, steps: u64, done: u64, left: u64) -> Stop {
        let spacing = (steps - done).div_ceil(left);
        let regular = done + spacing;
        let at = |share: f64| (share * asked as f64).ceil() as u64;
        match rungs.iter().find(|share| at(**share) > done && at(**share) <= regular.min(steps - 1)) {
            Some(&share) => {
                let step = at(share);
                Stop { step, regular: regular < steps && 2 * (regular - step) <= spacing, rung: Some(share) }
            }
            None => Stop { step: regular, regular: true, rung: None },
        }
    }
}

/// How many of the steps `asked` fit before a deadline `left` seconds from now, where `done` are made and `made` of them took
/// so many seconds; at least one more. A schedule that is broken off in its middle is worth far less than one that ends
/// sooner.
fn affordable(asked: u64, done: u64, made: u64, seconds: f64, left: f64) -> u64 {
    let more = (left * made as f64 / seconds.max(1e-9)) as u64;
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
        (ROWS, FeedMut::I64(v)) => v.iter_mut().zip(&member.rows).for_each(|(v, &row)| *v = i64::from(row)),
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
            v[0] = mask_scale(member.rates[filled.scales]);
            filled.scales += 1;
        }
        (name, view) => fill_features(name, view, part, &member.rows, None),
    }
}

#[cfg(test)]
mod tests {
    use super::{Stop, affordable};
    use proptest::prelude::*;

    #[test]
    fn what_does_not_fit_before_the_deadline_is_left_out() {
        assert_eq!(affordable(1_600, 100, 100, 1.0, 60.0), 1_600, "there is time enough");
        assert_eq!(affordable(1_600, 100, 100, 1.0, 15.0), 1_600, "there is just enough");
        assert_eq!(affordable(1_600, 100, 100, 2.0, 15.0), 850, "steps take twice as long as foreseen");
        assert_eq!(affordable(1_600, 100, 50, 1.0, 15.0), 850, "half of them were made by an earlier session");
        assert_eq!(affordable(1_600, 100, 100, 1.0, 0.0), 101, "one step ends the schedule");
        assert_eq!(affordable(1_600, 100, 100, 0.0, 1.0), 1_600);
    }

    /// Steps and rungs of all stops of a training.
    fn stops(rungs: &[f64], steps: u64, evaluations: u64) -> Vec<(u64, Option<f64>)> {
        let (mut done, mut left, mut stops) = (0, evaluations, vec![]);
        while done < steps {
            let stop = Stop::next(rungs, steps, steps, done, left);
            (done, left) = (stop.step, left - u64::from(stop.regular));
            stops.push((stop.step, stop.rung));
        }
        stops
    }

    #[test]
    fn rungs_take_the_place_of_evaluations_that_are_near() {
        let eighths: Vec<(u64, Option<f64>)> = (1..=8).map(|i| (100 * i, None)).collect();
        assert_eq!(stops(&[], 800, 8), eighths);
        let mut with_rungs = eighths.clone();
        (with_rungs[0].1, with_rungs[3].1) = (Some(0.125), Some(0.5));
        assert_eq!(stops(&[0.125, 0.5], 800, 8), with_rungs);
        assert_eq!(stops(&[0.125], 800, 2), [(100, Some(0.125)), (450, None), (800, None)]);
        assert_eq!(stops(&[0.5], 3, 2), [(2, Some(0.5)), (3, None)]);
        assert_eq!(stops(&[0.125, 0.25, 0.5], 1, 1), [(1, None)], "a single step");
    }

    proptest! {
        #[test]
        fn every_training_comes_to_its_end_past_all_rungs(steps in 1_u64..5000, evaluations in 1_u64..17) {
            let evaluations = evaluations.min(steps);
            let rungs = [0.125, 0.25, 0.5];
            let all = stops(&rungs, steps, evaluations);
            prop_assert!(all.windows(2).all(|pair| pair[0].0 < pair[1].0));
            prop_assert_eq!(all.last().map(|stop| stop.0), Some(steps));
            prop_assert!(all.len() as u64 <= evaluations + 3);
            let passed: Vec<f64> = all.iter().filter_map(|stop| stop.1).collect();
            prop_assert!(steps < 16 || passed == rungs);
        }
    }
}
