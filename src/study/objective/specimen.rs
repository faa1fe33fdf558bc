//! A trained net on which objectives are measured.

use super::Assemble;
use crate::data::Dataset;
use crate::engine::{Engine, EngineError, Port};
use crate::genome::Genome;
use crate::graph::Tensor;
use crate::study::TrainingLength;
use crate::train::{Costs, Scores, TrainError, Weights};
use std::cell::OnceCell;

/// A trained net with all that is needed to measure it.
pub struct Specimen<'a> {
    /// Its genome.
    pub genome: &'a Genome,
    /// What it costs by its graph.
    pub costs: &'a Costs,
    /// The data, of which the validation part is run.
    pub dataset: &'a Dataset,
    /// What runs it.
    pub engine: &'a dyn Engine,
    inherited: bool,
    weights: &'a Weights,
    scores: &'a Scores,
    assemble: &'a Assemble<'a>,
    model: OnceCell<Vec<u8>>,
}

impl<'a> Specimen<'a> {
    pub(super) fn new(
        gauge: &super::Gauge<'a>,
        genome: &'a Genome,
        costs: &'a Costs,
        inherited: bool,
        weights: &'a Weights,
        scores: &'a Scores,
    ) -> Self {
        let (dataset, engine, assemble) = (gauge.dataset, gauge.engine, gauge.assemble);
        Specimen { genome, costs, dataset, engine, inherited, weights, scores, assemble, model: OnceCell::new() }
    }

    /// Bytes of the model as it would be exported, assembled once.
    ///
    /// # Errors
    /// Where it cannot be assembled.
    pub fn model(&self) -> Result<&[u8], TrainError> {
        if let Some(model) = self.model.get() {
            return Ok(model);
        }
        let length = TrainingLength { examples: self.costs.examples, inherited: self.inherited, all_rows: false };
        let model = (self.assemble)(self.genome, length, self.weights, self.scores)?;
        Ok(self.model.get_or_init(|| model))
    }

    /// The first `rows` raw rows of the validation part, again from its beginning where it has fewer, as the inputs of the
    /// exported model.
    ///
    /// # Errors
    /// Where the model has an input that the data lacks.
    pub fn inputs(&self, ports: &[Port], rows: usize) -> Result<Vec<Tensor>, EngineError> {
        let raw = &self.dataset.raw_validation;
        let some: Vec<usize> = (0..raw.rows()).cycle().take(rows).collect();
        let mut named = raw.take(&some).tensors();
        let input = |port: &Port| {
            let at = named.iter().position(|(name, _)| *name == port.name);
            let at = at.ok_or_else(|| EngineError::Run {
                engine: self.engine.name(),
                reason: format!("nothing to feed to the input {}", port.name),
            })?;
            Ok(named.swap_remove(at).1)
        };
        ports.iter().map(input).collect()
    }
}
