//! Large-batch evaluation.

use super::metric::Predictions;
use super::{Setting, TrainError, Weights, batches};
use crate::data::{Features, InputSpec, OutputSpec, Part, Task};
use crate::engine::{Engine, FeedMut, Plan, Session, Slot, StateSlot};
use crate::express::{self, Inference, Param};
use crate::genome::Genome;
use crate::graph::{DType, Dim, Graph, Target, spell};
use crate::onnx;

/// Rows of an evaluation batch of a table, and of images.
const TABLE_BATCH: usize = 1024;
const IMAGE_BATCH: usize = 250;
/// Bytes of values between layers that an evaluation beside a training may take where the training step takes less, and
/// that any may take at most: large images are evaluated in smaller batches.
const LEAST_BYTES: usize = 1 << 26;
const MOST_BYTES: usize = 1 << 30;

/// A genome's inference graph, loaded to predict parts of a dataset.
pub struct Evaluator {
    session: Box<dyn Session>,
    feeds: Vec<Slot>,
    params: Vec<Param>,
    batch: usize,
    task: Task,
    images: Option<batches::Images>,
}

impl Evaluator {
    /// Loads the inference graph for parts of about `rows` rows.
    ///
    /// # Errors
    /// Where the genome does not fit the task or the engine refuses the graph.
    pub fn new(genome: &Genome, task: &Task, rows: usize, engine: &dyn Engine, target: Target) -> Result<Self, TrainError> {
        Evaluator::load(in_memory(genome, task, rows, MOST_BYTES)?, task, engine, target)
    }

    /// The same beside the training step of the genome, whose peak it exceeds only where that is small.
    pub(super) fn beside(step: &Graph, genome: &Genome, setting: &Setting<'_>) -> Result<Self, TrainError> {
        let rows = batches::rows(setting.validation);
        let batch = in_memory(genome, setting.task, rows, bytes_beside(step))?;
        Evaluator::load(batch, setting.task, setting.engine, setting.target)
    }

    fn load(
        (batch, inference): (usize, Inference),
        task: &Task,
        engine: &dyn Engine,
        target: Target,
    ) -> Result<Self, TrainError> {
        let images = batches::Images::new(&task.input);
        let slot = |p: &Param| StateSlot { input: p.input(), output: None, shape: p.shape.clone(), in_place: false };
        let state = inference.params.iter().map(slot).collect();
        let feeds = feature_slots(task, batch);
        let fetches = vec![Slot { name: express::OUTPUT.into(), dtype: DType::F32, shape: vec![batch, task.outputs()] }];
        let model = onnx::write(&spell(&inference.graph, target)?, &vec![])?;
        let session = engine.load(&model, Plan { feeds: feeds.clone(), state, fetches, ..Plan::default() })?;
        Ok(Evaluator { session, feeds, params: inference.params, batch, task: task.clone(), images })
    }

    /// Sets the weights.
    ///
    /// # Errors
    /// Where some are not there, or the engine fails to take them.
    pub fn set_weights(&mut self, weights: &Weights) -> Result<(), TrainError> {
        for (slot, param) in self.params.iter().enumerate() {
            let values = weights.get(&param.name).and_then(|t| t.as_f32());
            let values = values.ok_or_else(|| TrainError::Weights { what: param.name.clone() })?;
            self.session.write_state(slot, values)?;
        }
        Ok(())
    }

    /// The net's output for each row of `part`, `rows × outputs`.
    ///
    /// # Errors
    /// Where the engine fails.
    pub fn outputs(&mut self, part: &Part) -> Result<Vec<f32>, TrainError> {
        let rows = batches::rows(part);
        let width = self.task.outputs();
        let mut outputs = Vec::with_capacity(rows * width);
        let mut start = 0;
        while start < rows {
            let count = self.batch.min(rows - start);
            let chunk: Vec<u32> = (start as u32..(start + count) as u32).collect();
            for (slot, feed) in self.feeds.iter().enumerate() {
                fill_features(&feed.name, self.session.feed(slot), part, &chunk, self.images.as_ref());
            }
            self.session.step()?;
            outputs.extend_from_slice(&self.session.fetch(0)?[..count * width]);
            start += count;
        }
        Ok(outputs)
    }

    /// What the net says about each row of `part`.
    ///
    /// # Errors
    /// Where the engine fails.
    pub fn predict(&mut self, part: &Part) -> Result<Predictions, TrainError> {
        let outputs = self.outputs(part)?;
        Ok(predictions_from_output(&self.task, outputs))
    }
}

/// Estimated peak of an evaluation of `rows` rows beside a training step, in bytes, with its copy of the parameters.
pub(super) fn peak_beside(step: &Graph, genome: &Genome, task: &Task, rows: usize) -> Result<usize, TrainError> {
    Ok(in_memory(genome, task, rows, bytes_beside(step))?.1.graph.peak_bytes())
}

/// Bytes that an evaluation may take beside a training step.
fn bytes_beside(step: &Graph) -> usize {
    step.peak_bytes().clamp(LEAST_BYTES, MOST_BYTES)
}

/// The inference graph for batches of as many of `rows` rows as are evaluated at once, or of fewer where their values would
/// take more than `bytes`.
fn in_memory(genome: &Genome, task: &Task, rows: usize, bytes: usize) -> Result<(usize, Inference), TrainError> {
    let is_image = matches!(task.input, InputSpec::Image { .. });
    let mut batch = if is_image { IMAGE_BATCH } else { TABLE_BATCH }.min(rows.max(1));
    loop {
        let inference = express::inference(genome, task, Dim::Fixed(batch))?;
        if batch <= 1 || bytes_between_layers(&inference) <= bytes {
            return Ok((batch, inference));
        }
        batch /= 2;
    }
}

/// The peak of what a net computes, its parameters left out.
fn bytes_between_layers(inference: &Inference) -> usize {
    let parameters: usize = inference.params.iter().map(Param::elements).sum();
    inference.graph.peak_bytes().saturating_sub(parameters * size_of::<f32>())
}

/// The feeds that hold a net's features.
pub(super) fn feature_slots(task: &Task, batch: usize) -> Vec<Slot> {
    let slot = |name: &str, dtype, shape| Slot { name: name.into(), dtype, shape };
    match &task.input {
        InputSpec::Table { numeric, categorical } => {
            let mut slots = vec![];
            if !numeric.is_empty() {
                slots.push(slot("numeric", DType::F32, vec![batch, numeric.len()]));
            }
            if !categorical.is_empty() {
                slots.push(slot("codes", DType::I64, vec![batch, categorical.len()]));
            }
            slots
        }
        InputSpec::Image { height, width, channels, .. } => {
            vec![slot("image", DType::F32, vec![batch, *channels, *height, *width])]
        }
    }
}

/// Fills the feed `name` with the features of `rows`, without augmentation.
pub(super) fn fill_features(name: &str, feed: FeedMut<'_>, part: &Part, rows: &[u32], images: Option<&batches::Images>) {
    match (name, feed, &part.features, images) {
        ("numeric", FeedMut::F32(into), Features::Table { numeric, .. }, _) => {
            batches::gather(numeric, numeric.len() / batches::rows(part).max(1), rows, into);
        }
        ("codes", FeedMut::I64(into), Features::Table { codes, .. }, _) => {
            batches::gather(codes, codes.len() / batches::rows(part).max(1), rows, into);
        }
        ("image", FeedMut::F32(into), Features::Images { pixels }, Some(images)) => images.gather(pixels, rows, into),
        _ => {}
    }
}

/// A net's raw output as predictions: softmax of logits, or values in the units of the data.
pub fn predictions_from_output(task: &Task, mut output: Vec<f32>) -> Predictions {
    match &task.output {
        OutputSpec::Classes { names, .. } => {
            for row in output.chunks_exact_mut(names.len()) {
                let max = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                let mut sum = 0.0;
                for v in row.iter_mut() {
                    *v = (*v - max).exp();
                    sum += *v;
                }
                for v in row {
                    *v /= sum;
                }
            }
            Predictions::Probabilities { classes: names.len(), values: output }
        }
        OutputSpec::Value { mean, std } => {
            Predictions::Values(output.into_iter().map(|v| (f64::from(v) * std + mean) as f32).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::TaskKind;
    use crate::genome::{Ancestor, SearchSpace};

    #[test]
    fn large_images_are_evaluated_in_smaller_batches() {
        let image = |side: usize| Task {
            kind: TaskKind::Regression,
            input: InputSpec::Image { height: side, width: side, channels: 3, mean: vec![0.0; 3], std: vec![1.0; 3] },
            output: OutputSpec::Value { mean: 0.0, std: 1.0 },
        };
        let batch = |side: usize, bytes: usize| {
            let (task, vgg) = (image(side), Ancestor::all().next().unwrap());
            let space = SearchSpace::preset(&express::domain(&task, 1_000)).with_ancestors(&[vgg]).unwrap();
            let (batch, inference) = in_memory(&space.seeds()[1], &task, 1_000, bytes).unwrap();
            assert!(bytes_between_layers(&inference) <= bytes);
            batch
        };
        // Two maps of 64 channels of float32: 25.7 MB an image at 224×224.
        assert_eq!([batch(32, MOST_BYTES), batch(224, MOST_BYTES), batch(224, LEAST_BYTES)], [IMAGE_BATCH, 31, 1]);
    }

    #[test]
    fn what_a_candidate_needs_includes_its_evaluation() {
        let task = Task {
            kind: TaskKind::Regression,
            input: InputSpec::Image { height: 64, width: 64, channels: 3, mean: vec![0.0; 3], std: vec![1.0; 3] },
            output: OutputSpec::Value { mean: 0.0, std: 1.0 },
        };
        let genome = SearchSpace::preset(&express::domain(&task, 1_000)).seeds().remove(0);
        let memory = |scored: usize| crate::train::costs(&genome, &task, 16, scored).unwrap().memory as usize;
        let step = express::training_step(&genome, &task, 16).unwrap().graph;
        let inference = express::inference(&genome, &task, Dim::Fixed(8)).unwrap().graph;
        assert_eq!(memory(8), step.peak_bytes() + inference.peak_bytes());
        assert!(memory(8) < memory(100) && memory(1_000) < step.peak_bytes() + 2 * bytes_beside(&step));
    }
}
