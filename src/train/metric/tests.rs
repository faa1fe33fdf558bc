use super::*;
use proptest::prelude::*;

const BOTH: [TaskKind; 3] = [TaskKind::Binary, TaskKind::Multiclass, TaskKind::Regression];

fn probabilities(classes: usize, values: &[f32]) -> Predictions {
    Predictions::Probabilities { classes, values: values.to_vec() }
}

fn value(name: &str, task: TaskKind, predictions: &Predictions, targets: &Targets) -> f64 {
    (find(name, task).unwrap().compute)(predictions, targets)
}

fn close(left: f64, right: f64) {
    assert!((left - right).abs() < 1e-6, "{left} is not {right}");
}

/// Ten rows of three classes with ties and errors.
fn three_classes() -> (Predictions, Targets) {
    let values = [
        0.7, 0.2, 0.1, 0.3, 0.4, 0.3, 0.2, 0.2, 0.6, 0.5, 0.3, 0.2, 0.1, 0.8, 0.1, //
        0.3, 0.5, 0.2, 0.1, 0.1, 0.8, 0.25, 0.25, 0.5, 0.6, 0.3, 0.1, 0.2, 0.5, 0.3,
    ];
    (probabilities(3, &values), Targets::Classes(vec![0, 1, 2, 2, 1, 0, 2, 1, 0, 2]))
}

/// Eight rows of two classes; the second class has these probabilities.
fn two_classes() -> (Predictions, Targets) {
    let second = [0.1f32, 0.4, 0.35, 0.8, 0.4, 0.2, 0.9, 0.6];
    let values: Vec<f32> = second.iter().flat_map(|p| [1.0 - p, *p]).collect();
    (probabilities(2, &values), Targets::Classes(vec![0, 0, 1, 1, 1, 0, 1, 0]))
}

fn numbers() -> (Predictions, Targets) {
    (Predictions::Values(vec![2.5, 0.0, 2.0, 8.0, 5.0]), Targets::Values(vec![3.0, -0.5, 2.0, 7.0, 4.25]))
}

#[test]
fn every_metric_agrees_with_scikit_learn() {
    let (predictions, targets) = three_classes();
    let multiclass = [
        ("accuracy", 0.6),
        ("balanced_accuracy", 0.611111111),
        ("log_loss", 0.814458251),
        ("roc_auc", 0.825396825),
        ("f1", 0.603174603),
    ];
    for (name, expected) in multiclass {
        close(value(name, TaskKind::Multiclass, &predictions, &targets), expected);
    }
    let (predictions, targets) = two_classes();
    let binary = [
        ("accuracy", 0.625),
        ("balanced_accuracy", 0.625),
        ("log_loss", 0.506279707),
        ("roc_auc", 0.78125),
        ("f1", 0.571428571),
    ];
    for (name, expected) in binary {
        close(value(name, TaskKind::Binary, &predictions, &targets), expected);
    }
    let (predictions, targets) = numbers();
    let regression = [("rmse", 0.642261629), ("mae", 0.55), ("r2", 0.932817590)];
    for (name, expected) in regression {
        close(value(name, TaskKind::Regression, &predictions, &targets), expected);
    }
    assert_eq!(multiclass.len() + regression.len(), ALL.len(), "a metric is missing here");
}

#[test]
fn every_entry_is_documented_listed_once_and_found_by_its_name() {
    for (index, metric) in ALL.iter().enumerate() {
        assert!(metric.doc.len() > 10 && !metric.doc.ends_with('.'), "{}", metric.name);
        assert!(!metric.tasks.is_empty(), "{}", metric.name);
        assert!(ALL[..index].iter().all(|other| other.name != metric.name), "{} twice", metric.name);
        for task in BOTH {
            match find(metric.name, task) {
                Ok(found) => assert!(std::ptr::eq(found, *metric) && metric.tasks.contains(&task)),
                Err(MetricError::WrongTask { .. }) => assert!(!metric.tasks.contains(&task)),
                Err(error) => panic!("{error}"),
            }
        }
    }
}

#[test]
fn the_list_is_what_the_folder_holds() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/train/metric");
    let mut files: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
        .filter(|stem| stem != "mod" && stem != "tests")
        .collect();
    let mut names: Vec<String> = ALL.iter().map(|metric| metric.name.to_owned()).collect();
    files.sort();
    names.sort();
    assert_eq!(files, names);
}

#[test]
fn one_nan_makes_every_metric_nan() {
    for (task, (mut predictions, targets)) in
        [(TaskKind::Binary, two_classes()), (TaskKind::Multiclass, three_classes()), (TaskKind::Regression, numbers())]
    {
        match &mut predictions {
            Predictions::Probabilities { values, .. } | Predictions::Values(values) => values[3] = f32::NAN,
        }
        for metric in all_for(task) {
            assert!((metric.compute)(&predictions, &targets).is_nan(), "{}", metric.name);
            assert!(score(metric, f64::NAN).is_nan());
        }
    }
}

#[test]
fn what_does_not_fit_is_nan() {
    let (predictions, _) = two_classes();
    let (values, _) = numbers();
    for metric in ALL {
        assert!((metric.compute)(&predictions, &Targets::Classes(vec![0, 1])).is_nan(), "{}", metric.name);
        assert!((metric.compute)(&values, &Targets::Values(vec![])).is_nan(), "{}", metric.name);
    }
    assert!(value("accuracy", TaskKind::Binary, &predictions, &Targets::Classes(vec![2; 8])).is_nan());
}

#[test]
fn what_one_class_or_one_value_leaves_undefined_is_nan() {
    let (predictions, _) = two_classes();
    assert!(value("roc_auc", TaskKind::Binary, &predictions, &Targets::Classes(vec![1; 8])).is_nan());
    let (predictions, _) = numbers();
    assert!(value("r2", TaskKind::Regression, &predictions, &Targets::Values(vec![4.0; 5])).is_nan());
}

#[test]
fn a_class_absent_from_the_targets_does_not_count() {
    let predictions = probabilities(3, &[0.6, 0.3, 0.1, 0.2, 0.7, 0.1, 0.5, 0.4, 0.1]);
    let targets = Targets::Classes(vec![0, 1, 1]);
    close(value("balanced_accuracy", TaskKind::Multiclass, &predictions, &targets), 0.75);
    close(value("f1", TaskKind::Multiclass, &predictions, &targets), 2.0 / 3.0);
    close(value("roc_auc", TaskKind::Multiclass, &predictions, &targets), 1.0);
}

#[test]
fn log_loss_of_a_sure_error_is_finite() {
    let predictions = probabilities(2, &[1.0, 0.0]);
    close(value("log_loss", TaskKind::Binary, &predictions, &Targets::Classes(vec![1])), 23.0 * std::f64::consts::LN_2);
}

#[test]
fn the_first_of_equal_probabilities_is_the_label() {
    assert_eq!(probabilities(3, &[0.2, 0.4, 0.4]).labels(), Some(vec![1]));
    assert_eq!(Predictions::Values(vec![1.0]).labels(), None);
}

#[test]
fn names_are_checked_with_near_ones() {
    let message = find("acuracy", TaskKind::Binary).unwrap_err().to_string();
    assert_eq!(
        message,
        "unknown metric `acuracy` (did you mean accuracy?); for binary classification there are accuracy, \
         balanced_accuracy, log_loss, roc_auc, f1"
    );
    let message = find("accuracy", TaskKind::Regression).unwrap_err().to_string();
    assert_eq!(message, "metric `accuracy` is not defined for regression; there are rmse, mae, r2");
    let message = find("zzz", TaskKind::Regression).unwrap_err().to_string();
    assert_eq!(message, "unknown metric `zzz`; for regression there are rmse, mae, r2");
}

#[test]
fn defaults_fit_their_tasks_and_scores_are_turned() {
    for task in BOTH {
        assert!(default_for(task).tasks.contains(&task));
    }
    close(score(find("rmse", TaskKind::Regression).unwrap(), 2.0), -2.0);
    close(score(find("accuracy", TaskKind::Binary).unwrap(), 0.9), 0.9);
}

fn any_rows() -> impl Strategy<Value = (Predictions, Targets)> {
    (2usize..5, 1usize..40).prop_flat_map(|(classes, rows)| {
        let weights = prop::collection::vec(1u8..=20, classes * rows);
        let truth = prop::collection::vec(0..classes as u32, rows);
        (weights, truth).prop_map(move |(weights, truth)| {
            let values = weights
                .chunks(classes)
                .flat_map(|row| {
                    let sum: f32 = row.iter().map(|w| f32::from(*w)).sum();
                    row.iter().map(move |w| f32::from(*w) / sum).collect::<Vec<_>>()
                })
                .collect();
            (Predictions::Probabilities { classes, values }, Targets::Classes(truth))
        })
    })
}

proptest! {
    #[test]
    fn the_order_of_rows_does_not_matter((predictions, targets) in any_rows()) {
        let Predictions::Probabilities { classes, values } = &predictions else { unreachable!() };
        let Targets::Classes(truth) = &targets else { unreachable!() };
        let turned = Predictions::Probabilities {
            classes: *classes,
            values: values.chunks(*classes).rev().flatten().copied().collect(),
        };
        let turned_truth = Targets::Classes(truth.iter().rev().copied().collect());
        for metric in all_for(TaskKind::Multiclass) {
            let (left, right) = ((metric.compute)(&predictions, &targets), (metric.compute)(&turned, &turned_truth));
            prop_assert!((left - right).abs() < 1e-9 || left.is_nan() && right.is_nan(), "{}: {left} {right}", metric.name);
        }
    }

    #[test]
    fn shares_lie_between_zero_and_one_and_truth_is_perfect((predictions, targets) in any_rows()) {
        let Predictions::Probabilities { classes, .. } = &predictions else { unreachable!() };
        let Targets::Classes(truth) = &targets else { unreachable!() };
        let mut perfect = vec![0.0; classes * truth.len()];
        for (row, class) in truth.iter().enumerate() {
            perfect[row * classes + *class as usize] = 1.0;
        }
        let perfect = Predictions::Probabilities { classes: *classes, values: perfect };
        for metric in all_for(TaskKind::Multiclass).filter(|metric| metric.higher_is_better) {
            let (some, best) = ((metric.compute)(&predictions, &targets), (metric.compute)(&perfect, &targets));
            prop_assert!(some.is_nan() || (0.0..=1.0).contains(&some), "{}: {some}", metric.name);
            // F1 of a binary problem without a row of the second class is 0 by convention, ROC AUC is undefined.
            prop_assert!(best == 1.0 || *classes == 2 && !truth.contains(&1) || best.is_nan(), "{}: {best}", metric.name);
        }
    }
}

#[test]
fn standard_errors_by_hand() {
    let error = |name: &str, value, rows| ALL.iter().find(|metric| metric.name == name).unwrap().standard_error(value, rows);
    assert!((error("accuracy", 0.8, 400) - 0.02).abs() < 1e-12);
    assert_eq!(error("roc_auc", 1.0, 10), 0.0);
    assert!((error("rmse", 4.0, 200) - 0.2).abs() < 1e-12);
    assert!((error("r2", 0.9, 200) - 0.01).abs() < 1e-12);
    assert!(ALL.iter().all(|metric| metric.standard_error(0.5, 0).is_finite()));
}
