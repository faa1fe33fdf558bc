//! Ridge regression by conjugate gradients on the normal equations (Hestenes and Stiefel, 1952): the closed form without
//! the matrix, which one-hot inputs would make large.

use super::design::Design;
use super::iterations;

/// Penalty on the squared weights, for a row.
const RIDGE: f64 = 1e-4;
const ITERATIONS: usize = 300;
/// Squared residual, relative to the start, at which it has converged.
const TOLERANCE: f64 = 1e-16;

/// Multiplications of an iteration for a row with so many inputs that are not zero.
pub(super) fn row_cost(inputs: usize) -> usize {
    2 * inputs
}

/// Weights that minimise the mean squared error plus the penalty.
pub(super) fn fit(design: &Design, truth: &[f64]) -> Vec<f64> {
    let penalty = RIDGE * design.rows() as f64;
    let mut weights = vec![0.0; design.width()];
    let mut residual = design.transposed_times(truth);
    let mut direction = residual.clone();
    let mut size = dot(&residual, &residual);
    let enough = size * TOLERANCE;
    for _ in 0..iterations(design.rows() * row_cost(design.work()), ITERATIONS) {
        if size <= enough {
            break;
        }
        let mut image = design.transposed_times(&design.times(&direction));
        for (image, direction) in image.iter_mut().zip(&direction) {
            *image += penalty * direction;
        }
        let step = size / dot(&direction, &image);
        for index in 0..weights.len() {
            weights[index] += step * direction[index];
            residual[index] -= step * image[index];
        }
        let next = dot(&residual, &residual);
        for (direction, residual) in direction.iter_mut().zip(&residual) {
            *direction = residual + next / size * *direction;
        }
        size = next;
    }
    weights
}

fn dot(left: &[f64], right: &[f64]) -> f64 {
    left.iter().zip(right).map(|(l, r)| l * r).sum()
}
