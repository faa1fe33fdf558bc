//! Features as vectors of numbers.

use crate::search::space::Feature;
use std::collections::BTreeSet;

/// How features become a vector: numbers in units of their standard deviation, a column of 0 and 1 for each category and
/// for what is absent. What no genome had that was learned from has no column.
#[derive(Debug, Clone, Default)]
pub(super) struct Encoding {
    columns: Vec<Column>,
}

#[derive(Debug, Clone, Copy)]
struct Column {
    coordinate: usize,
    shows: Shows,
}

#[derive(Debug, Clone, Copy)]
enum Shows {
    Number { mean: f64, deviation: f64 },
    Category(u32),
    Absence,
}

impl Encoding {
    /// The columns in which these genomes differ.
    pub(super) fn of(genomes: &[&[Feature]]) -> Encoding {
        let width = genomes.first().map_or(0, |features| features.len());
        let columns = (0..width).flat_map(|coordinate| {
            let values: Vec<Feature> = genomes.iter().map(|features| features[coordinate]).collect();
            let columns = columns(&values).into_iter();
            columns.map(move |shows| Column { coordinate, shows })
        });
        Encoding { columns: columns.collect() }
    }

    /// The vector of a genome.
    pub(super) fn vector(&self, features: &[Feature]) -> Vec<f64> {
        let value = |column: &Column| match (column.shows, features[column.coordinate]) {
            (Shows::Number { mean, deviation }, Feature::Number(number)) => (number - mean) / deviation,
            (Shows::Category(category), Feature::Category(other)) => f64::from(u8::from(category == other)),
            (Shows::Absence, feature) => f64::from(u8::from(feature == Feature::Absent)),
            _ => 0.0,
        };
        self.columns.iter().map(value).collect()
    }
}

/// Columns for one coordinate, none where its values are all the same.
fn columns(values: &[Feature]) -> Vec<Shows> {
    let (mut numbers, mut categories, mut absent) = (Vec::new(), BTreeSet::new(), false);
    for value in values {
        match *value {
            Feature::Number(number) => numbers.push(number),
            Feature::Category(category) => {
                categories.insert(category);
            }
            Feature::Absent => absent = true,
        }
    }
    let mut columns = Vec::new();
    let mean = numbers.iter().sum::<f64>() / numbers.len().max(1) as f64;
    let variance = numbers.iter().map(|number| (number - mean).powi(2)).sum::<f64>() / numbers.len().max(1) as f64;
    if variance > 1e-12 {
        columns.push(Shows::Number { mean, deviation: variance.sqrt() });
    }
    if categories.len() + usize::from(absent) > 1 {
        columns.extend(categories.into_iter().map(Shows::Category));
    }
    if absent && values.iter().any(|value| *value != Feature::Absent) {
        columns.push(Shows::Absence);
    }
    columns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_standardised_and_categories_and_absence_have_columns() {
        use Feature::{Absent, Category, Number};
        let genomes: [&[Feature]; 4] = [
            &[Number(1.0), Category(3), Number(5.0), Category(1)],
            &[Number(3.0), Category(9), Absent, Category(1)],
            &[Number(1.0), Category(3), Absent, Category(1)],
            &[Number(3.0), Category(3), Number(5.0), Category(1)],
        ];
        let encoding = Encoding::of(&genomes);
        assert_eq!(encoding.vector(genomes[0]), [-1.0, 1.0, 0.0, 0.0]);
        assert_eq!(encoding.vector(genomes[1]), [1.0, 0.0, 1.0, 1.0]);
        // What was never seen is nothing of what was.
        assert_eq!(encoding.vector(&[Number(4.0), Category(7), Category(2), Absent]), [2.0, 0.0, 0.0, 0.0]);
        assert_eq!(Encoding::of(&[]).vector(&[]), [0.0; 0]);
    }
}
