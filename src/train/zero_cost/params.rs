//! The number of parameters: what every other proxy has to beat.

use super::{Conditions, Proxy};
use crate::express::{self, Param};
use crate::genome::Genome;
use crate::graph::Dim;
use crate::train::TrainError;

pub(super) const PROXY: Proxy = Proxy { name: "params", doc: "trainable parameters", score };

fn score(genome: &Genome, conditions: &Conditions) -> Result<f64, TrainError> {
    let params = express::inference(genome, &conditions.task, Dim::Batch)?.params;
    let trainable: usize = params.iter().filter(|param| param.trainable).map(Param::elements).sum();
    Ok(trainable as f64)
}
