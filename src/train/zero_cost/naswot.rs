//! NASWOT (Mellor et al., 2021, "Neural Architecture Search without Training"): how differently a net treats rows.

use super::{Conditions, Look, Proxy};
use crate::express::Untrained;
use crate::genome::Genome;
use crate::graph::ops::activation::ActivationKind;
use crate::train::TrainError;

pub(super) const PROXY: Proxy =
    Proxy { name: "naswot", doc: "how differently the units of a net are switched by the rows of a batch", score };

/// ln det(K + I), where K counts for each pair of rows the units of all activations that are on for both or off for both;
/// a unit is on where the input of its activation is above zero. The identity, which the source lacks, keeps nets apart in
/// which two rows switch all units alike, as small nets for tables do. Not finite for a net without activations.
fn score(genome: &Genome, conditions: &Conditions) -> Result<f64, TrainError> {
    let batch = conditions.batch(Look::Rows);
    let mut net = Untrained::new(genome, &conditions.task, batch, true)?;
    let activations = net.activations();
    if activations.is_empty() {
        return Ok(f64::NAN);
    }
    let mut outputs = vec![];
    for (number, &(value, _)) in activations.iter().enumerate() {
        let name = format!("activation.{number}");
        net.graph.output(&name, value);
        let shape = net.graph.ty(value).shape.extents().map_err(|source| crate::graph::GraphError::Shape {
            operator: "activation",
            place: name.clone(),
            inputs: String::new(),
            source,
        })?;
        outputs.push((name, shape));
    }
    let weights = conditions.weights(&net.params);
    let fetched = conditions.run(&net, &weights, Look::Rows, outputs.into_iter())?;
    let mut codes = vec![Code::default(); batch];
    for (values, (_, kind)) in fetched.iter().zip(&activations) {
        for (code, row) in codes.iter_mut().zip(values.chunks_exact(values.len() / batch)) {
            row.iter().for_each(|&value| code.push(value > at_zero(*kind)));
        }
    }
    let kernel = |i: usize, j: usize| codes[i].agreement(&codes[j]) as f64 + f64::from(u8::from(i == j));
    Ok(log_determinant((0..batch).map(|i| (0..batch).map(|j| kernel(i, j)).collect()).collect()))
}

/// What an activation makes of zero; all of them rise there.
fn at_zero(kind: ActivationKind) -> f32 {
    if kind == ActivationKind::Sigmoid { 0.5 } else { 0.0 }
}

/// Which units are on.
#[derive(Debug, Clone, Default)]
struct Code {
    words: Vec<u64>,
    units: usize,
}

impl Code {
    fn push(&mut self, on: bool) {
        if self.units.is_multiple_of(64) {
            self.words.push(0);
        }
        if let Some(word) = self.words.last_mut() {
            *word |= u64::from(on) << (self.units % 64);
        }
        self.units += 1;
    }

    /// Units that are on in both or off in both.
    fn agreement(&self, other: &Code) -> usize {
        let differing: u32 = self.words.iter().zip(&other.words).map(|(a, b)| (a ^ b).count_ones()).sum();
        self.units - differing as usize
    }
}

/// Logarithm of the determinant of a positive definite matrix, by its Cholesky factor.
fn log_determinant(mut matrix: Vec<Vec<f64>>) -> f64 {
    let mut sum = 0.0;
    for column in 0..matrix.len() {
        let pivot = matrix[column][column].sqrt();
        sum += 2.0 * pivot.ln();
        matrix[column..].iter_mut().for_each(|row| row[column] /= pivot);
        for row in column + 1..matrix.len() {
            for other in column + 1..=row {
                matrix[row][other] -= matrix[row][column] * matrix[other][column];
            }
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_agree_less_have_the_greater_determinant() {
        let code = |bits: u64| {
            let mut code = Code::default();
            (0..100).for_each(|unit| code.push(bits >> (unit % 64) & 1 == 1));
            code
        };
        assert_eq!(code(0).agreement(&code(0)), 100);
        assert_eq!(code(0).agreement(&code(1)), 98, "units 0 and 64 differ");
        let of = |agreement: f64| log_determinant(vec![vec![101.0, agreement], vec![agreement, 101.0]]);
        assert!((of(98.0) - (101.0_f64.powi(2) - 98.0_f64.powi(2)).ln()).abs() < 1e-9);
        assert!(of(50.0) > of(98.0));
        assert!(log_determinant(vec![vec![1.0, 2.0], vec![2.0, 1.0]]).is_nan());
    }
}
