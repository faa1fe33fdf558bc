//! The Cholesky factor of a matrix that grows row by row.

/// The lower factor L of a symmetric positive definite matrix L·Lᵀ.
#[derive(Debug, Clone, Default)]
pub(super) struct Cholesky {
    rows: Vec<Vec<f64>>,
}

impl Cholesky {
    /// Rows so far.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Forgets all rows.
    pub(super) fn clear(&mut self) {
        self.rows.clear();
    }

    /// Adds a row of the matrix: its entries before the diagonal, and the diagonal.
    pub(super) fn push(&mut self, mut row: Vec<f64>, diagonal: f64) {
        let rest = self.forward(&mut row);
        row.push((diagonal - rest).max(1e-9).sqrt());
        self.rows.push(row);
    }

    /// The diagonal of the factor.
    pub(super) fn diagonal(&self) -> impl Iterator<Item = f64> {
        self.rows.iter().filter_map(|row| row.last().copied())
    }

    /// Solves the factor's first rows against `values` in place, and returns the sum of their squares.
    pub(super) fn forward(&self, values: &mut [f64]) -> f64 {
        let mut squares = 0.0;
        for index in 0..values.len() {
            let (known, rest) = values.split_at_mut(index);
            let row = &self.rows[index];
            let sum: f64 = row.iter().zip(known.iter()).map(|(l, v)| l * v).sum();
            rest[0] = (rest[0] - sum) / row[index];
            squares += rest[0] * rest[0];
        }
        squares
    }

    /// Solves the transposed factor against `values` in place.
    pub(super) fn backward(&self, values: &mut [f64]) {
        for index in (0..values.len()).rev() {
            let row = &self.rows[index];
            values[index] /= row[index];
            let solved = values[index];
            values[..index].iter_mut().zip(row).for_each(|(value, l)| *value -= l * solved);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_system_by_hand() {
        let mut factor = Cholesky::default();
        factor.push(vec![], 4.0);
        factor.push(vec![2.0], 10.0);
        assert_eq!(factor.diagonal().collect::<Vec<_>>(), [2.0, 3.0]);
        // 4x + 2y = 8 and 2x + 10y = 22.
        let mut values = [8.0, 22.0];
        assert_eq!(factor.forward(&mut values), 16.0 + 36.0);
        factor.backward(&mut values);
        assert_eq!(values, [1.0, 2.0]);
    }
}
