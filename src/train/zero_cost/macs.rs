//! The number of multiply-accumulate operations, likewise trivial.

use super::{Conditions, Proxy};
use crate::express;
use crate::genome::Genome;
use crate::graph::Dim;
use crate::train::TrainError;

pub(super) const PROXY: Proxy = Proxy { name: "macs", doc: "multiply-accumulate operations for a row", score };

fn score(genome: &Genome, conditions: &Conditions) -> Result<f64, TrainError> {
    Ok(express::inference(genome, &conditions.task, Dim::Batch)?.graph.macs() as f64)
}
