//! Choosing nets that answer together.
//!
//! Forward selection with replacement (Caruana et al., Ensemble Selection from Libraries of Models, 2004): in each round the net
//! is counted, once more where it is in already, with which the mean answer is the best on the validation part; of all rounds
//! the best one is taken. Of classes that is judged by the log loss, which says more of few rows than how many of them are
//! right; of values by the study's metric, or the RMSE where that is no error. It has to be lower by [`LEAST_GAIN`] than that of
//! any net alone: a larger model wants a reason. By the study's metric the mean may be worse than the single net that would be
//! exported by a standard error at most: that one was chosen for being the best by it on these very rows, of many, and so in
//! part by luck. The nets are those that have been trained anyway, so it costs what they take to answer.

use super::evaluator::{Clock, stopped};
use super::finished::AsTrained;
use super::front::State;
use super::workshop::message;
use super::{Choice, Ensemble, EnsembleMember, Event, Finals, Memory, NotCombined, Resources, Study, StudyError, lengths};
use crate::data::Targets;
use crate::genome::Genome;
use crate::search::Search;
use crate::train::ensemble::{self, Member};
use crate::train::metric::{self, Metric, Predictions};
use crate::train::{Scores, TrainError, Weights};
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// Rounds for each net that is allowed: no share is less than one of them.
const ROUNDS: usize = 2;
/// Nets that are asked for each that is allowed, and of one candidate: its lengths in the finals say much the same.
const ASKED: usize = 4;
const OF_ONE: usize = 2;
/// Least share by which a mean has to lower the error of the best net alone.
const LEAST_GAIN: f64 = 0.005;
/// Most bytes of weights in one file: one of ONNX has to stay below 2 GiB.
const MOST_BYTES: u64 = 1 << 30;
/// Bytes for each probability or value while nets are asked: what one says, and the sum of it.
const ANSWER_BYTES: usize = 16;
/// Least probability that a row counts with.
const LEAST: f64 = f32::EPSILON as f64;

/// What became of asking a net.
enum Answer {
    /// The probability of the true class of each row, or the value.
    Given(Vec<f32>),
    /// It cannot answer.
    Failed(String),
    /// The time was up before its turn.
    TooLate,
}

/// A mean of nets, and how good it is.
struct Mean {
    /// How often each net counts.
    counts: Vec<usize>,
    /// Its error; lower is better.
    error: f64,
    /// That of the best net alone.
    alone: f64,
}

impl Study {
    /// The choice with the nets that make it better, where there are any.
    pub(super) fn combined(
        &self,
        choice: Choice,
        search: &Search,
        finals: &Finals,
        resources: &Resources<'_>,
        clock: Clock,
        watch: &mut dyn FnMut(Event<'_>),
    ) -> Result<Choice, StudyError> {
        let metric = self.metric(resources)?;
        let single = |reason| Ok(Choice { not_combined: Some(reason), ..choice.clone() });
        let states = self.asked(&choice, search, finals);
        if states.len() < 2 {
            return single(NotCombined::NoOther);
        }
        watch(Event::Asking { nets: states.len() });
        let until = self.settings.search.budget.map_or(f64::INFINITY, |budget| budget * lengths::TRAINING_LIMIT);
        let answers = self.answers(&states, resources, || clock.now() < until && !stopped(resources.stop));
        if stopped(resources.stop) {
            return Ok(Choice { interrupted: true, not_combined: Some(NotCombined::Stopped), ..choice });
        }
        let is_late = answers.iter().any(|answer| matches!(answer, Answer::TooLate));
        let asked = given(&states, answers, watch);
        if asked.len() < 2 {
            return single(if is_late { NotCombined::NoTime } else { NotCombined::Failed });
        }
        let answers: Vec<&[f32]> = asked.iter().map(|(_, answer)| &answer[..]).collect();
        let error = Error::new(&resources.dataset.validation.targets, metric);
        let mean = select(&answers, self.settings.training.ensemble, |mean| error.of(mean));
        let total: usize = mean.counts.iter().sum();
        let members = asked.iter().zip(&mean.counts).filter(|(_, count)| **count > 0);
        let members = members.filter_map(|((state, _), &count)| state.in_ensemble(count as f64 / total as f64));
        let mut members: Vec<EnsembleMember> = members.collect();
        members.sort_by(|a, b| b.share.total_cmp(&a.share));
        if members.len() < 2 || mean.error > (1.0 - LEAST_GAIN) * mean.alone {
            return single(NotCombined::NoBetter);
        }
        match self.scores_together(&members, resources) {
            Ok(scores) if is_as_good(&scores, &choice.scores, metric, resources.dataset.validation.targets.len()) => {
                Ok(with_ensemble(choice, members, scores))
            }
            Ok(_) => single(NotCombined::NoBetter),
            Err(why) => {
                watch(Event::Warning(&format!(
                    "a single network is exported, since several cannot be asked together: {why}"
                )));
                single(NotCombined::Failed)
            }
        }
    }

    /// All metrics of what nets say together.
    fn scores_together(&self, members: &[EnsembleMember], resources: &Resources<'_>) -> Result<Scores, String> {
        let net = |member: &EnsembleMember| self.net(member.candidate, &member.weights);
        let nets: Vec<(Genome, Weights)> =
            members.iter().map(net).collect::<Result<_, _>>().map_err(|e: StudyError| e.to_string())?;
        let shares = members.iter().map(|member| member.share);
        let nets = nets.iter().zip(shares).map(|((genome, weights), share)| Member { genome, weights, share });
        let (data, engine) = (resources.dataset, resources.engine.exact());
        let said = ensemble::predict(
            nets,
            &data.task,
            &data.validation,
            engine.as_ref(),
            self.settings.engine.target(resources.engine),
        );
        let said = said.map_err(|e| e.to_string())?;
        Ok(metric::scores(data.task.kind, &said, &data.validation.targets))
    }

    /// Those that are asked: the single net that would be exported, then the best of what else could be and of what the search
    /// has left, as many as the settings allow together, with so few weights that as many fit into a file.
    fn asked<'a>(&'a self, choice: &Choice, search: &Search, finals: &'a Finals) -> Vec<State<'a>> {
        let most = self.settings.training.ensemble;
        let searched = search.finalists(usize::MAX).into_iter().filter_map(|number| self.candidates.get(&number));
        let mut all: Vec<State<'a>> = self.states(finals).chain(searched.map(State::searched)).collect();
        let is_choice = |state: &State<'a>| state.outcome().weights() == Some(&choice.weights);
        let score = |state: &State<'a>| state.outcome().score().unwrap_or(f64::NEG_INFINITY);
        all.sort_by(|a, b| is_choice(b).cmp(&is_choice(a)).then(score(b).total_cmp(&score(a))));
        let (mut seen, mut of_one) = (BTreeSet::new(), BTreeMap::<u64, usize>::new());
        let is_asked = |state: &State<'a>| {
            let fits = state.outcome().costs().parameters <= MOST_BYTES / (size_of::<f32>() * most) as u64;
            if !fits || !state.outcome().weights().is_some_and(|weights| seen.insert(weights)) {
                return false;
            }
            let others = of_one.entry(state.candidate()).or_default();
            *others += 1;
            *others <= OF_ONE
        };
        all.into_iter().filter(is_asked).take(most * ASKED).collect()
    }

    /// What each of several nets says of the right answers in the validation part, as long as `goes_on`.
    fn answers(&self, states: &[State<'_>], resources: &Resources<'_>, goes_on: impl Fn() -> bool + Sync) -> Vec<Answer> {
        let memory = Memory::new(resources.memory);
        let answer = |state: &State<'_>| {
            let answer = catch_unwind(AssertUnwindSafe(|| self.answer(state, resources, &memory)));
            answer.unwrap_or_else(|panic| Answer::Failed(message(panic.as_ref())))
        };
        let next = AtomicUsize::new(0);
        let answers = Mutex::new(states.iter().map(|_| Answer::TooLate).collect::<Vec<_>>());
        let work = || {
            while goes_on() {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some(state) = states.get(index) else { return };
                let answer = answer(state);
                answers.lock().unwrap_or_else(PoisonError::into_inner)[index] = answer;
            }
        };
        let threads = resources.workers.min(states.len()).max(1);
        std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
        answers.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a net says of the right answers. Where a device has no memory for it, it is asked once more with none beside it.
    fn answer(&self, state: &State<'_>, resources: &Resources<'_>, memory: &Memory) -> Answer {
        let (genome, weights) = match self.net(state.candidate(), state.outcome().weights().unwrap_or_default()) {
            Ok(net) => net,
            Err(e) => return Answer::Failed(e.to_string()),
        };
        let (data, engine) = (resources.dataset, resources.engine.exact());
        let said = || {
            let net = Member { genome: &genome, weights: &weights, share: 1.0 };
            ensemble::predict(
                [net],
                &data.task,
                &data.validation,
                engine.as_ref(),
                self.settings.engine.target(resources.engine),
            )
        };
        let bytes = data.validation.targets.len() * data.task.outputs() * ANSWER_BYTES;
        let mut taken = memory.take(state.outcome().costs().memory + bytes as u64);
        let mut answer = said();
        if answer.as_ref().is_err_and(TrainError::is_out_of_memory) {
            drop(taken);
            taken = memory.take(memory.limit());
            answer = said();
        }
        drop(taken);
        match answer.map(|said| of_the_truth(&said, &data.validation.targets)) {
            Ok(answer) if answer.iter().all(|value| value.is_finite()) => Answer::Given(answer),
            Ok(_) => Answer::Failed("it says what is no number".into()),
            Err(e) => Answer::Failed(e.to_string()),
        }
    }

    /// A net as it was trained.
    fn net(&self, candidate: u64, weights: &str) -> Result<(Genome, Weights), StudyError> {
        let AsTrained { genome, .. } =
            self.as_trained(candidate, weights).ok_or(StudyError::Diverges { number: candidate })?;
        Ok((genome, self.store.get(weights)?))
    }
}

/// The nets that answered, with what they said; of those that could not the user is told.
fn given<'a>(states: &[State<'a>], answers: Vec<Answer>, watch: &mut dyn FnMut(Event<'_>)) -> Vec<(State<'a>, Vec<f32>)> {
    let mut given = vec![];
    for (state, answer) in states.iter().zip(answers) {
        match answer {
            Answer::Given(answer) => given.push((*state, answer)),
            Answer::Failed(why) => {
                watch(Event::Warning(&format!("candidate {} cannot be asked: {why}", state.candidate())));
            }
            Answer::TooLate => {}
        }
    }
    given
}

/// Whether the study's metric on so many rows is as good as another, but for a standard error of that.
fn is_as_good(scores: &Scores, others: &Scores, metric: &Metric, rows: usize) -> bool {
    let both = scores.get(metric.name).zip(others.get(metric.name));
    both.is_some_and(|(&value, &other)| {
        metric::score(metric, value) >= metric::score(metric, other) - metric.standard_error(other, rows)
    })
}

/// The choice of an ensemble in place of a single net.
fn with_ensemble(single: Choice, members: Vec<EnsembleMember>, scores: Scores) -> Choice {
    let Some(EnsembleMember { candidate, finalist, weights, .. }) = members.first().cloned() else { return single };
    let ensemble = Some(Ensemble { members, alone: single.scores });
    Choice { candidate, finalist, weights, scores, ensemble, ..single }
}

/// The probability of the true class of each row, or the value.
fn of_the_truth(said: &Predictions, targets: &Targets) -> Vec<f32> {
    match (said, targets) {
        (Predictions::Probabilities { classes, values }, Targets::Classes(truth)) => {
            values.chunks_exact(*classes).zip(truth).map(|(row, &class)| row[class as usize]).collect()
        }
        _ => said.values().to_vec(),
    }
}

/// How a mean of such answers is judged.
struct Error<'a> {
    targets: &'a Targets,
    metric: &'a Metric,
    /// Weight of each row, where the classes count alike; they sum to one.
    weights: Vec<f64>,
}

impl<'a> Error<'a> {
    fn new(targets: &'a Targets, metric: &'a Metric) -> Self {
        let rows = targets.len().max(1) as f64;
        let weights = match targets {
            Targets::Classes(truth) if metric.weighs_classes => {
                let mut counts = BTreeMap::<u32, f64>::new();
                truth.iter().for_each(|&class| *counts.entry(class).or_default() += 1.0);
                truth.iter().map(|class| 1.0 / (counts[class] * counts.len() as f64)).collect()
            }
            Targets::Classes(truth) => vec![1.0 / rows; truth.len()],
            Targets::Values(_) => vec![],
        };
        Error { targets, metric, weights }
    }

    /// Lower is better.
    fn of(&self, mean: &[f64]) -> f64 {
        match self.targets {
            Targets::Classes(_) => mean.iter().zip(&self.weights).map(|(p, weight)| -p.max(LEAST).ln() * weight).sum(),
            Targets::Values(truth) if self.metric.higher_is_better => {
                let squares = mean.iter().zip(truth).map(|(value, &truth)| (value - f64::from(truth)).powi(2));
                (squares.sum::<f64>() / truth.len().max(1) as f64).sqrt()
            }
            Targets::Values(_) => {
                let values = Predictions::Values(mean.iter().map(|&value| value as f32).collect());
                (self.metric.compute)(&values, self.targets)
            }
        }
    }
}

/// The best mean that is found of at most `most` answers.
fn select(answers: &[&[f32]], most: usize, error: impl Fn(&[f64]) -> f64) -> Mean {
    let mut counts = vec![0; answers.len()];
    let mut sum = vec![0.0; answers.first().map_or(0, |answer| answer.len())];
    let mut best = Mean { counts: counts.clone(), error: f64::INFINITY, alone: f64::INFINITY };
    for total in 1..=most * ROUNDS {
        let is_full = counts.iter().filter(|&&count| count > 0).count() >= most;
        let mut next: Option<(f64, usize)> = None;
        for (index, answer) in answers.iter().enumerate().filter(|(index, _)| !is_full || counts[*index] > 0) {
            let mean: Vec<f64> = sum.iter().zip(*answer).map(|(sum, &v)| (sum + f64::from(v)) / total as f64).collect();
            let error = error(&mean);
            if next.is_none_or(|(least, _)| error < least) {
                next = Some((error, index));
            }
        }
        let Some((error, index)) = next else { break };
        counts[index] += 1;
        sum.iter_mut().zip(answers[index]).for_each(|(sum, &value)| *sum += f64::from(value));
        if total == 1 {
            best.alone = error;
        }
        if error < best.error {
            (best.counts, best.error) = (counts.clone(), error);
        }
    }
    best
}

#[cfg(test)]
mod tests;
