//! Which nets are put together.

use super::*;
use crate::data::TaskKind;

fn error<'a>(name: &str, task: TaskKind, targets: &'a Targets) -> Error<'a> {
    Error::new(targets, metric::find(name, task).unwrap())
}

#[test]
fn errors_that_cancel_out_are_put_together_in_the_right_shares() {
    let truth = Targets::Values(vec![1.0, 2.0, 3.0]);
    let answers: [&[f32]; 3] = [&[1.2, 2.2, 3.2], &[9.0, 9.0, 9.0], &[0.6, 1.6, 2.6]];
    for metric in ["rmse", "mae", "r2"] {
        let error = error(metric, TaskKind::Regression, &truth);
        let mean = select(&answers, 2, |mean| error.of(mean));
        assert_eq!(mean.counts, [2, 0, 1], "{metric}: two thirds and one third");
        assert!(mean.error < 1e-6 && (mean.alone - 0.2).abs() < 1e-6, "{metric}");
        assert_eq!(select(&answers[..2], 2, |mean| error.of(mean)).counts, [1, 0], "alone where nothing makes it better");
    }
}

#[test]
fn there_are_no_more_nets_than_allowed() {
    let truth = Targets::Values((0..64).map(|row| row as f32).collect());
    let noisy = |net: usize| -> Vec<f32> {
        (0..64).map(|row| row as f32 + ((row * 37 + net * 101) % 23) as f32 / 11.0 - 1.0).collect()
    };
    let answers: Vec<Vec<f32>> = (0..12).map(noisy).collect();
    let answers: Vec<&[f32]> = answers.iter().map(Vec::as_slice).collect();
    let error = error("rmse", TaskKind::Regression, &truth);
    for most in [2, 3, 8] {
        let Mean { counts, error: found, alone } = select(&answers, most, |mean| error.of(mean));
        let (nets, total) = (counts.iter().filter(|&&count| count > 0).count(), counts.iter().sum::<usize>());
        assert!((2..=most).contains(&nets), "{counts:?}");
        let at = |row: usize| answers.iter().zip(&counts).map(|(a, &n)| f64::from(a[row]) * n as f64).sum::<f64>();
        let mean: Vec<f64> = (0..64).map(|row| at(row) / total as f64).collect();
        assert!((error.of(&mean) - found).abs() < 1e-6 && found < alone);
    }
}

#[test]
fn classes_are_judged_by_the_probability_of_the_true_one() {
    let said = Predictions::Probabilities { classes: 2, values: vec![0.8, 0.2, 0.4, 0.6, 1.0, 0.0] };
    let truth = Targets::Classes(vec![0, 1, 1]);
    let answer = of_the_truth(&said, &truth);
    assert_eq!(answer, [0.8, 0.6, 0.0]);
    let mean: Vec<f64> = answer.iter().map(|&p| f64::from(p)).collect();
    let [a, b, c] = [0.8f64, 0.6, LEAST].map(|p| -p.ln());
    for (metric, expected) in [("accuracy", (a + b + c) / 3.0), ("balanced_accuracy", a / 2.0 + (b + c) / 4.0)] {
        assert!((error(metric, TaskKind::Binary, &truth).of(&mean) - expected).abs() < 1e-6, "{metric}");
    }
}

#[test]
fn what_is_much_worse_by_the_metric_or_has_none_is_not_taken() {
    let accuracy = metric::find("accuracy", TaskKind::Binary).unwrap();
    let rmse = metric::find("rmse", TaskKind::Regression).unwrap();
    let of = |name: &str, value: f64| Scores::from([(name.to_owned(), value)]);
    // The standard errors on 100 rows are 0.03, and 1.4 where the RMSE is 20.
    let accurate = |value| is_as_good(&of("accuracy", value), &of("accuracy", 0.9), accuracy, 100);
    assert_eq!([0.95, 0.9, 0.88, 0.86].map(accurate), [true, true, true, false]);
    let near = |value| is_as_good(&of("rmse", value), &of("rmse", 20.0), rmse, 100);
    assert_eq!([19.0, 20.0, 21.0, 22.0].map(near), [true, true, true, false]);
    assert!(!is_as_good(&Scores::new(), &of("rmse", 20.0), rmse, 100));
}
