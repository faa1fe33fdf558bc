use super::*;
use crate::data::{CategoricalFeature, NumericFeature, TaskKind};
use crate::train::metric::{Metric, find};

fn table(kind: TaskKind, numbers: usize, slots: &[usize], output: OutputSpec) -> Task {
    let numeric = (0..numbers).map(|n| NumericFeature { name: format!("x{n}"), knots: vec![] }).collect();
    let categorical =
        slots.iter().enumerate().map(|(n, &slots)| CategoricalFeature { name: format!("c{n}"), slots }).collect();
    Task { kind, input: InputSpec::Table { numeric, categorical }, output }
}

fn classes(names: &[&str]) -> OutputSpec {
    let names: Vec<String> = names.iter().map(|name| name.to_string()).collect();
    OutputSpec::Classes { counts: vec![0; names.len()], names, integers: false }
}

fn value(metric: &Metric, said: &Predictions, part: &Part) -> f64 {
    (metric.compute)(said, &part.targets)
}

/// `y = 3 + 2·x - z[c]` with z = 0, 1, 5: what a linear model finds exactly.
fn line() -> (Task, Part) {
    let (mut numeric, mut codes, mut targets) = (vec![], vec![], vec![]);
    for row in 0..60 {
        let (x, c) = ((row as f32 - 30.0) / 17.0, row % 3);
        numeric.push(x);
        codes.push(c as i64);
        targets.push(3.0 + 2.0 * x - [0.0, 1.0, 5.0][c]);
    }
    let mean = targets.iter().sum::<f32>() / 60.0;
    let output = OutputSpec::Value { mean: f64::from(mean), std: 2.0 };
    let part = Part { features: Features::Table { numeric, codes }, targets: Targets::Values(targets) };
    (table(TaskKind::Regression, 1, &[3], output), part)
}

#[test]
fn a_linear_law_is_found_and_the_mean_has_no_skill() {
    let (task, part) = line();
    let all = all(&task, &part, &part);
    let r2 = find("r2", TaskKind::Regression).unwrap();
    assert_eq!(all.iter().map(|(name, _)| *name).collect::<Vec<_>>(), ["mean", "linear model"]);
    assert!(value(r2, &all[0].1, &part).abs() < 1e-5);
    assert!(value(r2, &all[1].1, &part) > 0.99999);
}

#[test]
fn classes_split_by_lines_are_found_and_the_majority_is_the_majority() {
    let (mut numeric, mut truth) = (vec![], vec![]);
    for row in 0..200 {
        let angle = row as f32;
        let (x, y) = (angle.sin() * 1.5, (angle * 0.7).cos() * 1.5);
        numeric.extend([x, y]);
        truth.push(if x + 0.5 * y > 0.3 {
            0
        } else if y > 0.0 {
            1
        } else {
            2
        });
    }
    let part = Part { features: Features::Table { numeric, codes: vec![] }, targets: Targets::Classes(truth.clone()) };
    let task = table(TaskKind::Multiclass, 2, &[], classes(&["a", "b", "c"]));
    let accuracy = find("accuracy", TaskKind::Multiclass).unwrap();
    let all = all(&task, &part, &part);
    let most = (0..3).map(|class| truth.iter().filter(|&&t| t == class).count()).max().unwrap();
    assert!((value(accuracy, &all[0].1, &part) - most as f64 / 200.0).abs() < 1e-9);
    assert!(value(accuracy, &all[1].1, &part) > 0.97, "{}", value(accuracy, &all[1].1, &part));
}

#[test]
fn images_are_pooled_to_few_inputs() {
    let (height, width) = (40, 30);
    let input = InputSpec::Image { height, width, channels: 1, mean: vec![100.0], std: vec![50.0] };
    let task = Task { kind: TaskKind::Binary, input, output: classes(&["dark", "light"]) };
    let mut pixels = vec![];
    let mut truth = vec![];
    for image in 0..40u32 {
        let level = if image % 2 == 0 { 60 } else { 150 };
        pixels.extend((0..height * width).map(|p| level + ((p * 7 + image as usize) % 40) as u8));
        truth.push(image % 2);
    }
    let part = Part { features: Features::Images { pixels }, targets: Targets::Classes(truth) };
    let design = Design::new(&task, &part.features, &[0, 1]);
    assert_eq!(design.width(), 14 * 10 + 1);
    let accuracy = find("accuracy", TaskKind::Binary).unwrap();
    assert_eq!(value(accuracy, &all(&task, &part, &part)[1].1, &part), 1.0);
}

#[test]
fn rows_are_sampled_at_equal_distances() {
    assert_eq!(sample(3, 1), [0, 1, 2]);
    let rows = sample(50_000, 1);
    assert_eq!((rows.len(), rows[0], rows[ROWS - 1]), (ROWS, 0, 49_997));
}

#[test]
fn the_least_iterations_of_wide_data_and_of_many_classes_are_within_the_work() {
    let wide = [softmax::row_cost(5001, 10), softmax::row_cost(30, 900), least_squares::row_cost(5001)];
    for cost in wide.into_iter().chain([1, 2 * WORK]) {
        let rows = sample(20_000, cost);
        let iterations = iterations(rows.len() * cost, 300);
        assert!(rows.len() == 1 || (LEAST_ITERATIONS..=300).contains(&iterations), "{cost}: {iterations}");
        assert!(rows.len() == 1 || rows.len() * cost * iterations <= WORK, "{cost}: {}", rows.len());
    }
    let task = table(TaskKind::Multiclass, 3, &[4, 9], classes(&["a", "b", "c"]));
    let part = Features::Table { numeric: vec![0.0; 3], codes: vec![1, 5] };
    assert_eq!(Design::work_of(&task), Design::new(&task, &part, &[0]).work());
}

#[test]
fn a_metric_that_one_class_or_one_value_leaves_undefined_is_noticed() {
    let part = |targets| Part { features: Features::Table { numeric: vec![0.0; 4], codes: vec![] }, targets };
    let task = table(TaskKind::Binary, 1, &[], classes(&["no", "yes"]));
    let (train, single) = (part(Targets::Classes(vec![0, 0, 0, 1])), part(Targets::Classes(vec![0; 4])));
    let metric = |name, task: &Task| find(name, task.kind).unwrap();
    assert_eq!(
        defined(metric("roc_auc", &task), &task, &train, &single).unwrap_err().to_string(),
        "the metric roc_auc is not defined on the validation part: all of its 4 rows have the class \"no\"; choose another \
         --metric, or give validation rows that differ"
    );
    for (name, validation) in [("roc_auc", &train), ("accuracy", &single), ("log_loss", &single), ("f1", &single)] {
        assert_eq!(defined(metric(name, &task), &task, &train, validation), Ok(()), "{name}");
    }
    let task = table(TaskKind::Regression, 1, &[], OutputSpec::Value { mean: 1.5, std: 1.0 });
    let (train, single) = (part(Targets::Values(vec![0.0, 1.0, 2.0, 3.0])), part(Targets::Values(vec![2.0; 4])));
    assert_eq!(defined(metric("r2", &task), &task, &train, &single).unwrap_err().metric, "r2");
    assert_eq!(defined(metric("rmse", &task), &task, &train, &single), Ok(()));
    assert_eq!(defined(metric("r2", &task), &task, &train, &train), Ok(()));
}
