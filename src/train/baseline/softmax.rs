//! Multinomial logistic regression by accelerated gradient descent (Nesterov, 1983) with restarts (O'Donoghue and
//! Candès, 2015) on all rows at once.

use super::{Predictions, design::Design, iterations};

/// Penalty on the squared weights.
const RIDGE: f64 = 1e-4;
/// Iterations, at most.
const ITERATIONS: usize = 300;
/// Steps of the power iteration that bounds the curvature.
const POWER_STEPS: usize = 12;

/// Multiplications of an iteration for a row with so many inputs that are not zero.
pub(super) fn row_cost(inputs: usize, classes: usize) -> usize {
    2 * inputs * classes
}

/// Weights, `classes` for each input.
pub(super) fn fit(design: &Design, truth: &[u32], classes: usize) -> Vec<f64> {
    // Beside the rows, an iteration goes through all weights, which slots that few rows have make many.
    let update = 4 * design.width() * classes;
    let iterations = iterations(design.rows() * row_cost(design.work(), classes) + update, ITERATIONS);
    let step = 1.0 / curvature(design);
    let mut weights = vec![0.0; design.width() * classes];
    let mut ahead = weights.clone();
    let mut momentum: f64 = 1.0;
    for _ in 0..iterations {
        let gradient = gradient(design, truth, classes, &ahead);
        let next: Vec<f64> = ahead.iter().zip(&gradient).map(|(w, g)| w - step * g).collect();
        let uphill: f64 = gradient.iter().zip(next.iter().zip(&weights)).map(|(g, (new, old))| g * (new - old)).sum();
        let next_momentum = if uphill > 0.0 { 1.0 } else { (1.0 + (1.0 + 4.0 * momentum * momentum).sqrt()) / 2.0 };
        let carry = if uphill > 0.0 { 0.0 } else { (momentum - 1.0) / next_momentum };
        ahead = next.iter().zip(&weights).map(|(new, old)| new + carry * (new - old)).collect();
        (weights, momentum) = (next, next_momentum);
    }
    weights
}

/// Probabilities of each class for each row.
pub(super) fn predict(design: &Design, weights: &[f64], classes: usize) -> Predictions {
    let mut values = Vec::with_capacity(design.rows() * classes);
    let mut row = vec![0.0; classes];
    for index in 0..design.rows() {
        probabilities(design, index, weights, &mut row);
        values.extend(row.iter().map(|p| *p as f32));
    }
    Predictions::Probabilities { classes, values }
}

fn gradient(design: &Design, truth: &[u32], classes: usize, weights: &[f64]) -> Vec<f64> {
    let mut gradient: Vec<f64> = weights.iter().map(|weight| RIDGE * weight).collect();
    let share = 1.0 / design.rows() as f64;
    let mut row = vec![0.0; classes];
    for (index, class) in truth.iter().enumerate() {
        probabilities(design, index, weights, &mut row);
        row[*class as usize] -= 1.0;
        design.visit(index, |input, value| {
            for (gradient, error) in gradient[input * classes..][..classes].iter_mut().zip(&row) {
                *gradient += share * value * error;
            }
        });
    }
    gradient
}

/// Softmax of the linear outputs of a row.
fn probabilities(design: &Design, index: usize, weights: &[f64], row: &mut [f64]) {
    let classes = row.len();
    row.fill(0.0);
    design.visit(index, |input, value| {
        for (sum, weight) in row.iter_mut().zip(&weights[input * classes..][..classes]) {
            *sum += value * weight;
        }
    });
    let largest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut total = 0.0;
    for value in row.iter_mut() {
        *value = (*value - largest).exp();
        total += *value;
    }
    row.iter_mut().for_each(|value| *value /= total);
}

/// Upper bound of the loss's curvature: half the largest eigenvalue of the inputs' second moments, plus the penalty.
fn curvature(design: &Design) -> f64 {
    let mut vector = vec![1.0; design.width()];
    let mut largest = 1.0;
    for _ in 0..POWER_STEPS {
        let norm = vector.iter().map(|v| v * v).sum::<f64>().sqrt();
        vector.iter_mut().for_each(|v| *v /= norm);
        vector = design.transposed_times(&design.times(&vector));
        largest = vector.iter().map(|v| v * v).sum::<f64>().sqrt() / design.rows() as f64;
    }
    // A power iteration ends a little below the eigenvalue.
    0.5 * 1.2 * largest + RIDGE
}
