//! Tasks without data: what nets can be expressed for.

use evolve::data::{CategoricalFeature, InputSpec, NumericFeature, OutputSpec, Task, TaskKind};

/// Rows that a task is thought to have.
pub const ROWS: usize = 700;

/// So many classes, evenly spread.
pub fn classes(n: usize) -> OutputSpec {
    OutputSpec::Classes { names: (0..n).map(|c| c.to_string()).collect(), integers: true, counts: vec![ROWS / n; n] }
}

/// A table of so many numbers, the first of which has no knots, and of categories with so many slots.
pub fn table(numeric: usize, slots: &[usize], output: OutputSpec, kind: TaskKind) -> Task {
    let knots: Vec<f32> = (0..20).map(|k| k as f32 / 5.0 - 2.0).collect();
    let numeric = (0..numeric)
        .map(|i| NumericFeature { name: format!("n{i}"), knots: if i == 0 { vec![] } else { knots.clone() } })
        .collect();
    let categorical =
        slots.iter().enumerate().map(|(i, &slots)| CategoricalFeature { name: format!("c{i}"), slots }).collect();
    Task { kind, input: InputSpec::Table { numeric, categorical }, output }
}

/// Images `[height, width, channels]` of so many classes.
pub fn image([height, width, channels]: [usize; 3], n: usize) -> Task {
    let (mean, std) = (vec![100.0; channels], vec![60.0; channels]);
    let input = InputSpec::Image { height, width, channels, mean, std };
    Task { kind: TaskKind::Multiclass, input, output: classes(n) }
}
