//! Weights before training.

use super::net::{Init, Param};
use crate::genome::Initialisation;
use crate::graph::Tensor;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Normal, Uniform};

/// Draws a parameter. Parameters are drawn in the order of the net, from one stream.
pub fn initialise(param: &Param, gene: Initialisation, rng: &mut ChaCha8Rng) -> Tensor {
    let count = param.elements();
    let values = match param.init {
        Init::Constant(value) => vec![value; count],
        Init::Normal(std) => normal(f64::from(std), count, rng),
        Init::Uniform(bound) => uniform(f64::from(bound), count, rng),
        Init::Weight { fan_in, fan_out } => {
            let (fan_in, fan_out) = (fan_in.max(1) as f64, fan_out.max(1) as f64);
            match gene {
                Initialisation::HeNormal => normal((2.0 / fan_in).sqrt(), count, rng),
                Initialisation::LecunNormal => normal((1.0 / fan_in).sqrt(), count, rng),
                // A uniform distribution within ±a has variance a²/3.
                Initialisation::GlorotUniform => uniform((6.0 / (fan_in + fan_out)).sqrt(), count, rng),
            }
        }
    };
    Tensor::f32(&param.shape, values)
}

fn normal(std: f64, count: usize, rng: &mut ChaCha8Rng) -> Vec<f32> {
    match Normal::new(0.0, std) {
        Ok(distribution) => (0..count).map(|_| distribution.sample(rng) as f32).collect(),
        Err(_) => vec![0.0; count],
    }
}

fn uniform(bound: f64, count: usize, rng: &mut ChaCha8Rng) -> Vec<f32> {
    match Uniform::new(-bound, bound) {
        Ok(distribution) => (0..count).map(|_| distribution.sample(rng) as f32).collect(),
        Err(_) => vec![0.0; count],
    }
}
