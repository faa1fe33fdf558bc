//! How often a training is scored, and what that costs.

/// Most evaluations of one training.
const MOST: u64 = 16;
/// Most that evaluations cost, as a share of the training.
const SHARE: f64 = 0.15;
/// Rows that are scored in the time of one training example.
const ROWS_PER_EXAMPLE: f64 = 3.0;

/// How often a training on `examples` is evaluated on `rows` rows; at least once, at its end.
pub fn evaluations(examples: u64, rows: usize) -> u64 {
    let affordable = SHARE * ROWS_PER_EXAMPLE * examples as f64 / rows.max(1) as f64;
    (affordable as u64).clamp(1, MOST)
}

/// Whether an evaluation on `rows` rows more than the usual ones costs little beside a training on `examples`.
pub fn is_affordable(examples: f64, rows: usize) -> bool {
    SHARE * ROWS_PER_EXAMPLE * examples >= rows as f64
}

/// Training examples that take as long as a training on `examples` with its evaluations on `rows` rows.
pub fn with_scoring(examples: u64, rows: usize) -> f64 {
    examples as f64 + (evaluations(examples, rows) * rows as u64) as f64 / ROWS_PER_EXAMPLE
}

/// Examples of the longest training that takes, with its evaluations, no longer than `worth` examples without.
pub fn without_scoring(worth: f64, rows: usize) -> u64 {
    let rows = rows.max(1) as f64;
    // The longest with one evaluation, with two and so on; a little longer and there would be one more.
    let with = |count: u64| {
        let most = if count < MOST { (count + 1) as f64 * rows / (SHARE * ROWS_PER_EXAMPLE) - 1.0 } else { f64::INFINITY };
        (worth - count as f64 * rows / ROWS_PER_EXAMPLE).min(most)
    };
    (1..=MOST).map(with).fold(0.0, f64::max) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_training_and_its_evaluations_fit_into_what_they_are_worth() {
        for rows in [1, 30, 6000] {
            for worth in (0..60).map(|i| 1.3f64.powi(i)) {
                let examples = without_scoring(worth, rows);
                let taken = with_scoring(examples, rows);
                assert!(examples == 0 || taken <= worth * 1.001, "{rows} rows: {examples} examples take {taken} of {worth}");
                let more = with_scoring((examples as f64 * 1.2 + rows as f64) as u64, rows);
                assert!(more > worth, "{rows} rows: not {examples} examples, {more} of {worth}");
            }
        }
    }
}
