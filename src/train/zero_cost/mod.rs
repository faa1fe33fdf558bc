//! Zero-cost proxies: scores of a net before any training (Abdelfattah et al., 2021, "Zero-Cost Proxies for Lightweight NAS").
//!
//! A score is of the net alone: every net is drawn from one seed by one initialisation (He et al., 2015), whatever its genome
//! asks for, and looks at the same rows, without dropout, smoothing or augmentation. How a genome is trained changes none. No
//! branch is the identity, as those of a net in training are at its start, since nothing could be said of it then. What needs
//! gradients is a graph that [`crate::graph::differentiate`] makes, run once by the engine.

mod grad_norm;
mod macs;
mod naswot;
mod params;
mod synflow;

use super::batches::{Images, Order, TargetWriter};
use super::evaluate::fill_features;
use super::{TrainError, batches, random};
use crate::data::{InputSpec, Part, Task};
use crate::engine::{Engine, FeedMut, Plan, Slot, StateSlot};
use crate::express::{Param, Untrained, initialise};
use crate::genome::{Genome, Initialisation, Loss, Optimizer, Schedule, Training};
use crate::graph::{DType, Tensor, spell};
use crate::{graph::Target, onnx};
use std::sync::Arc;

/// Rows that a net is judged on: of a table, and of images.
const TABLE_ROWS: usize = 64;
const IMAGE_ROWS: usize = 32;

/// A proxy of the list.
pub struct Proxy {
    /// Name.
    pub name: &'static str,
    /// What it is, in one line.
    pub doc: &'static str,
    /// The score of a genome's net; higher is better. Not finite where it says nothing of this net.
    ///
    /// Fails where the genome does not fit the task or the engine refuses the net.
    pub score: fn(&Genome, &Conditions) -> Result<f64, TrainError>,
}

/// All proxies.
pub const ALL: &[Proxy] = &[synflow::PROXY, grad_norm::PROXY, naswot::PROXY, params::PROXY, macs::PROXY];

/// What all nets are judged under.
#[derive(Debug, Clone)]
pub struct Conditions {
    task: Task,
    rows: Part,
    engine: Arc<dyn Engine>,
    target: Target,
    seed: u64,
}

/// What a net looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    /// All rows.
    Rows,
    /// One row whose numbers or pixels are 1; its categories are those of the first row.
    Ones,
}

impl Conditions {
    /// The conditions of a study: rows of its training part and weights, both drawn by `seed`.
    pub fn new(task: &Task, train: &Part, engine: Arc<dyn Engine>, target: Target, seed: u64) -> Self {
        let all = batches::rows(train);
        let most = if matches!(task.input, InputSpec::Image { .. }) { IMAGE_ROWS } else { TABLE_ROWS };
        let mut rows = vec![0; most.min(all)];
        Order::new(all, random(seed, 1)).fill(&mut rows);
        let rows: Vec<usize> = rows.into_iter().map(|row| row as usize).collect();
        Conditions { task: task.clone(), rows: train.take(&rows), engine, target, seed }
    }

    /// The task.
    pub fn task(&self) -> &Task {
        &self.task
    }

    /// Rows in a batch.
    fn batch(&self, look: Look) -> usize {
        match look {
            Look::Rows => batches::rows(&self.rows),
            Look::Ones => 1,
        }
    }

    /// Draws all parameters of a net.
    fn weights(&self, params: &[Param]) -> Vec<Tensor> {
        let mut rng = random(self.seed, 0);
        params.iter().map(|param| initialise(param, Initialisation::HeNormal, &mut rng)).collect()
    }

    /// Runs a net once and returns those of its outputs that are named, each with its extents.
    fn run(
        &self,
        net: &Untrained,
        weights: &[Tensor],
        look: Look,
        outputs: impl Iterator<Item = (String, Vec<usize>)>,
    ) -> Result<Vec<Vec<f32>>, TrainError> {
        let feeds: Vec<Slot> =
            net.feeds()?.into_iter().map(|feed| Slot { name: feed.name, dtype: feed.dtype, shape: feed.shape }).collect();
        let slot = |p: &Param| StateSlot { input: p.input(), output: None, shape: p.shape.clone(), in_place: false };
        let state = net.params.iter().map(slot).collect();
        let fetches: Vec<Slot> = outputs.map(|(name, shape)| Slot { name, dtype: DType::F32, shape }).collect();
        let count = fetches.len();
        let model = onnx::write(&spell(&net.graph, self.target)?, &vec![])?;
        let mut session = self.engine.load(&model, Plan { feeds: feeds.clone(), state, fetches, ..Plan::default() })?;
        for (slot, weight) in weights.iter().enumerate() {
            session.write_state(slot, weight.as_f32().unwrap_or_default())?;
        }
        let images = Images::new(&self.task.input);
        let rows: Vec<u32> = (0..self.batch(look) as u32).collect();
        for (slot, feed) in feeds.iter().enumerate() {
            self.fill(&feed.name, session.feed(slot), look, &rows, images.as_ref());
        }
        session.step()?;
        (0..count).map(|slot| Ok(session.fetch(slot)?.to_vec())).collect()
    }

    fn fill(&self, name: &str, feed: FeedMut<'_>, look: Look, rows: &[u32], images: Option<&Images>) {
        let targets = || TargetWriter::new(&self.task, &PLAIN, None);
        match (name, feed, look) {
            ("targets", FeedMut::F32(into), _) => targets().targets(&self.rows, rows, into),
            ("weights", FeedMut::F32(into), _) => targets().weights(&self.rows, rows, into),
            (_, FeedMut::F32(into), Look::Ones) => into.fill(1.0),
            (name, feed, _) => fill_features(name, feed, &self.rows, rows, images),
        }
    }
}

/// Targets as they are: without smoothing.
const PLAIN: Training = Training {
    optimizer: Optimizer::Sgd { momentum: 0.0 },
    learning_rate: 0.0,
    schedule: Schedule::Constant,
    weight_decay: 0.0,
    label_smoothing: 0.0,
    batch: 1,
    initialisation: Initialisation::HeNormal,
    loss: Loss::Mse,
    augmentation: crate::genome::Augmentation { flip: false, shift: 0, cutout: 0 },
    length: 1.0,
};

/// Names and extents of gradients that are outputs of a net.
fn extents(net: &Untrained, gradients: &[(usize, String)]) -> impl Iterator<Item = (String, Vec<usize>)> {
    gradients.iter().map(|(index, name)| (name.clone(), net.params[*index].shape.clone()))
}

#[cfg(test)]
mod tests;
