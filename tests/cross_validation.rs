//! Cross-validation, groups, executions and class weights: no leak between folds, the same study however it is run, bad
//! input refused before anything is trained.

mod binary;

use binary::{evolve, fixture, journal, killed_and_resumed, model, run, with_options};
use evolve::data::{self, CategoryEncoder, Dataset, InputEncoder, Options, Targets, Validation};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A short study of iris. Options that are given replace those that stand here.
fn study(out: &Path, options: &[&str]) -> Command {
    let data = fixture("iris.csv");
    let command = evolve(&["run", data.to_str().expect("a path"), "--target", "species", "--quiet", "--seed", "3"]);
    with_options(command, &[["--candidates", "6"], ["--examples", "1500"]], options, out)
}

fn report(out: &Path) -> Value {
    serde_json::from_slice(&fs::read(out.join("report.json")).expect("a report")).expect("JSON")
}

/// The records of a kind.
fn records(out: &Path, event: &str) -> Vec<Value> {
    journal(out).into_iter().filter(|record| record["event"] == event).collect()
}

#[test]
fn a_cross_validated_study_is_the_same_with_any_number_of_workers_and_ships_a_net_of_all_rows() {
    let folder = tempfile::tempdir().expect("a folder");
    let (one, four) = (folder.path().join("one"), folder.path().join("four"));
    run(study(&one, &["--cv", "3", "--workers", "1"]));
    run(study(&four, &["--cv", "3", "--workers", "4"]));
    assert_eq!(journal(&one), journal(&four));
    assert!(model(&one) == model(&four), "the models differ");

    let candidates = records(&one, "candidate");
    assert_eq!(candidates.len(), 6);
    for candidate in candidates.iter().filter(|candidate| candidate["outcome"]["status"] == "scored") {
        let outcome = &candidate["outcome"];
        let scores: Vec<f64> = outcome["trainings"]
            .as_array()
            .expect("trainings")
            .iter()
            .map(|t| t["score"].as_f64().expect("a score"))
            .collect();
        assert_eq!(scores.len(), 3);
        let mean = scores.iter().sum::<f64>() / 3.0;
        assert!((mean - outcome["score"].as_f64().expect("a score")).abs() < 1e-9, "{outcome}");
    }
    let (refit, choice) = (records(&one, "refit"), records(&one, "choice"));
    assert_eq!((refit.len(), choice.len()), (1, 1));
    assert_eq!(refit[0]["folds"], choice[0]["weights"]);
    assert_eq!(choice[0]["refit"], refit[0]["outcome"]["weights"]);

    let report = report(&one);
    assert_eq!(report["scored"]["cross_validation"], "3-fold cross-validation");
    assert_eq!(report["scored"]["values"].as_array().map(Vec::len), Some(3));
    assert!(report["scored"]["exported"].as_str().expect("words").contains("all rows"));
    assert!(fs::read_to_string(one.join("report.html")).expect("a page").contains("in 3-fold cross-validation"));
    let best = one.join("best.onnx");
    let shown = run(evolve(&["inspect", best.to_str().expect("a path")])).stdout;
    assert!(String::from_utf8_lossy(&shown).contains("metrics in 3-fold cross-validation"));
    let data = fixture("iris.csv");
    let scored = run(evolve(&["score", best.to_str().expect("a path"), data.to_str().expect("a path"), "--json"]));
    let scores: Value = serde_json::from_slice(&scored.stdout).expect("JSON");
    assert!(scores["accuracy"].as_f64().expect("an accuracy") > 0.9, "{scores}");
}

#[test]
fn killed_and_resumed_a_cross_validated_study_ends_as_unbroken() {
    let folder = tempfile::tempdir().expect("a folder");
    let (whole, broken) = (folder.path().join("whole"), folder.path().join("broken"));
    let options = ["--cv", "3x2", "--strategy", "eems"];
    let began = Instant::now();
    run(study(&whole, &options));
    killed_and_resumed(|| study(&broken, &options), &broken, began.elapsed() / 5, 4);
    assert_eq!(journal(&whole), journal(&broken));
    assert!(model(&whole) == model(&broken), "the models differ");
    let more = ["resume", "--quiet", broken.to_str().expect("a path"), "--candidates", "8"];
    run(evolve(&more));
    assert_eq!(records(&broken, "candidate").len(), 8);
}

/// Candidates that inherit weights have those of every fold to go on from.
#[test]
fn weights_are_inherited_fold_by_fold() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("study");
    run(study(&out, &["--cv", "3", "--strategy", "eems", "--candidates", "20", "--lag", "2"]));
    let candidates = records(&out, "candidate");
    let heirs: Vec<&Value> = candidates.iter().filter(|c| !c["proposal"]["inherit"].is_null()).collect();
    assert!(!heirs.is_empty(), "none of {} candidates inherits", candidates.len());
    assert!(heirs.iter().any(|heir| heir["outcome"]["status"] == "scored"));
    let finals = records(&out, "finals");
    assert!(finals[0]["entries"].as_array().expect("entries").iter().all(|entry| entry["warm"] == false));
}

#[cfg(unix)]
#[test]
fn an_interrupt_ships_the_net_of_a_fold_with_the_preprocessing_of_that_fold() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("study");
    let mut command = study(&out, &["--cv", "3", "--candidates", "100000"]);
    let child = command.stderr(Stdio::piped()).spawn().expect("the binary runs");
    let patience = Instant::now();
    let lines = || fs::read_to_string(out.join("journal.jsonl")).map_or(0, |text| text.lines().count());
    while lines() < 3 && patience.elapsed() < Duration::from_secs(120) {
        std::thread::sleep(Duration::from_millis(10));
    }
    // SAFETY: the process is a child that has not been waited for.
    unsafe { libc::kill(child.id() as libc::pid_t, libc::SIGINT) };
    let ended = child.wait_with_output().expect("an end");
    // Export compares the file with the net on raw rows: with other preprocessing they would differ.
    assert_eq!(ended.status.code(), Some(130), "{}", String::from_utf8_lossy(&ended.stderr));
    assert!(!model(&out).is_empty());
    let exported = report(&out)["scored"]["exported"].as_str().expect("words").to_owned();
    assert!(exported.contains("scored on fold 1") && exported.contains("stopped"), "{exported}");
}

#[test]
fn executions_are_averaged_and_the_best_is_shipped() {
    let folder = tempfile::tempdir().expect("a folder");
    let (one, four) = (folder.path().join("one"), folder.path().join("four"));
    let options = ["--executions", "3", "--candidates", "3"];
    run(study(&one, &[&options[..], &["--workers", "1"]].concat()));
    run(study(&four, &[&options[..], &["--workers", "4"]].concat()));
    assert_eq!(journal(&one), journal(&four));
    assert!(model(&one) == model(&four), "the models differ");
    let choice = &records(&one, "choice")[0];
    let of = |record: &Value| record["outcome"]["weights"] == choice["weights"];
    let all = [records(&one, "finalist"), records(&one, "candidate")].concat();
    let outcome = &all.iter().find(|record| of(record)).expect("what was chosen")["outcome"];
    let trainings = outcome["trainings"].as_array().expect("trainings");
    assert_eq!(trainings.len(), 3);
    let best = trainings.iter().map(|t| t["score"].as_f64().expect("a score")).fold(f64::MIN, f64::max);
    assert_eq!(choice["scores"]["accuracy"].as_f64(), Some(best));
    assert!(fs::read_to_string(one.join("study.toml")).expect("settings").contains("executions = 3"));
}

#[test]
fn class_weights_change_the_training_and_stand_in_the_settings() {
    let folder = tempfile::tempdir().expect("a folder");
    let (plain, weighed) = (folder.path().join("plain"), folder.path().join("weighed"));
    run(study(&plain, &["--candidates", "1"]));
    run(study(&weighed, &["--candidates", "1", "--class-weights", "virginica=7"]));
    assert_ne!(journal(&plain), journal(&weighed));
    let settings = fs::read_to_string(weighed.join("study.toml")).expect("settings");
    assert!(settings.contains("virginica = 7.0"), "{settings}");
    let before = journal(&weighed);
    run(evolve(&["resume", "--quiet", weighed.to_str().expect("a path"), "--candidates", "2"]));
    assert!(before.iter().filter(|r| r["event"] == "candidate").all(|r| journal(&weighed).contains(r)));
}

/// A table with the groups `g` and classes in turn.
fn grouped(rows: usize, size: usize) -> String {
    let row = |i: usize| format!("{i}.5,{},{},id{},{}\n", i % 7, i * i % 11, 100_000_000 + i / size, ["a", "b"][i % 2]);
    format!("x,z,w,patient,y\n{}", (0..rows).map(row).collect::<String>())
}

fn load(text: &str, validation: Validation, group: Option<&str>) -> Result<Dataset, String> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("t.csv");
    fs::write(&path, text).expect("a file");
    let group = group.map(str::to_owned);
    data::load(&Options { path, target: Some("y".into()), task: None, validation, group, seed: 1 })
        .map_err(|e| e.to_string())
}

fn folds(text: &str) -> Validation {
    Validation::Folds(text.parse().expect("folds"))
}

/// Bad values, and what the message must hold.
#[test]
fn bad_input_ends_with_code_2_before_anything_is_trained() {
    let folder = tempfile::tempdir().expect("a folder");
    let rare: String = (0..40).map(|i| format!("{i},{}\n", if i < 3 { "rare" } else { "common" })).collect();
    fs::write(folder.path().join("rare.csv"), format!("x,y\n{rare}")).expect("a file");
    let numbers: String = (0..30).map(|i| format!("{i},{}.5\n", i * i)).collect();
    fs::write(folder.path().join("numbers.csv"), format!("x,y\n{numbers}")).expect("a file");
    fs::write(folder.path().join("groups.csv"), grouped(60, 20)).expect("a file");
    let cases: [(&str, &[&str], &str); 13] = [
        ("rare.csv", &["--cv", "1"], "at least 2 folds"),
        ("rare.csv", &["--cv", "many"], "5x2"),
        ("rare.csv", &["--cv", "5"], "the class \"rare\" has 3 rows; use at most 3 folds"),
        ("numbers.csv", &["--cv", "31"], "there are 30 rows; use at most 30 folds"),
        ("numbers.csv", &["--cv", "30", "--metric", "r2"], "fewer folds have more"),
        ("rare.csv", &["--cv", "3", "--validation", "0.2"], "cannot be used with"),
        ("groups.csv", &["--group", "patients"], "near names: \"patient\""),
        ("groups.csv", &["--group", "y"], "the target"),
        ("groups.csv", &["--group", "patient", "--cv", "5"], "has 3 groups; use at most 3 folds"),
        ("groups.csv", &["--group", "patient", "--validation", "groups.csv"], "the very rows"),
        ("numbers.csv", &["--class-weights", "balanced"], "a number is predicted"),
        ("rare.csv", &["--class-weights", "rarest=3"], "the classes are \"common\", \"rare\""),
        ("rare.csv", &["--executions", "0"], "0 is not in 1..=100"),
    ];
    for (file, options, expected) in cases {
        let mut command = evolve(&["run", file, "--target", "y", "--candidates", "1"]);
        let output = command.args(options).current_dir(folder.path()).output().expect("the binary runs");
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{options:?}: {message}");
        assert!(message.contains(expected), "{options:?}: {message}");
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 3, "{options:?} left something behind");
    }
    let digits = fixture("digits.npz");
    let output = evolve(&["run", digits.to_str().expect("a path"), "--group", "who", "--cv", "2"])
        .current_dir(folder.path())
        .output()
        .expect("the binary runs");
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("none of its columns has a name"));
}

#[test]
fn every_fold_is_preprocessed_by_what_it_is_trained_on_alone() {
    let dataset = load(&grouped(120, 4), folds("3x2"), None).expect("a dataset");
    assert_eq!(dataset.folds.len(), 6);
    assert_eq!((dataset.train.targets.len(), dataset.validation.targets.len()), (120, 120));
    for fold in &dataset.folds {
        assert_eq!(fold.train.targets.len() + fold.validation.targets.len(), 120);
        let InputEncoder::Table(table) = &fold.preprocessing.input else { panic!("a table") };
        let data::Features::Table { numeric, .. } = &fold.train.features else { panic!("a table") };
        let mean = numeric.iter().step_by(numeric.len() / 80).sum::<f32>() / 80.0;
        assert!(mean.abs() < 0.05, "the first column is centred on the rows that are trained on, not at {mean}");
        assert_ne!(fold.preprocessing.input, dataset.preprocessing.input);
        assert_eq!(table.inputs, data::TableInputs::Columns(["x", "z", "w", "patient"].map(Into::into).to_vec()));
    }
}

/// A category that only the rows of one group have is unknown to the net that is scored on that group.
#[test]
fn categories_of_the_rows_scored_on_are_unknown() {
    let row = |i: usize| format!("{},c{},g{},{}\n", i % 13, i / 6, i / 6, ["a", "b"][i % 2]);
    let text = format!("x,c,g,y\n{}", (0..72).map(row).collect::<String>());
    let dataset = load(&text, folds("4"), Some("g")).expect("a dataset");
    let vocabulary = |data: &Dataset| match &data.preprocessing.input {
        InputEncoder::Table(table) => table.categories.iter().flat_map(|c: &CategoryEncoder| c.vocabulary.clone()).collect(),
        InputEncoder::Image(_) => Vec::new(),
    };
    assert_eq!(vocabulary(&dataset).len(), 12);
    for fold in &dataset.folds {
        assert_eq!(vocabulary(fold).len(), 9, "three groups are scored on");
    }
}

#[test]
fn groups_are_no_input_and_stay_on_one_side() {
    let text = grouped(120, 4);
    for validation in [Validation::Auto, Validation::Share(0.3), folds("5")] {
        let dataset = load(&text, validation.clone(), Some("patient")).expect("a dataset");
        let names = dataset.preprocessing.input_names();
        assert_eq!(names, ["x", "z", "w"], "{validation:?}");
        let parts = if dataset.folds.is_empty() { vec![dataset.clone()] } else { dataset.folds.clone() };
        for part in parts {
            // Column x counts the rows, so that it tells the group.
            let data::RawBatch::Table { columns, .. } = &part.raw_validation else { panic!("a table") };
            let data::Column::Number(x) = &columns[0].1 else { panic!("numbers") };
            let mut groups = std::collections::BTreeMap::<usize, usize>::new();
            x.iter().for_each(|x| *groups.entry((x - 0.5) as usize / 4).or_default() += 1);
            assert!(groups.values().all(|rows| *rows == 4), "{validation:?}: {groups:?}");
            let Targets::Classes(classes) = &part.validation.targets else { panic!("classes") };
            assert_eq!(classes.iter().filter(|class| **class == 0).count() * 2, classes.len());
        }
    }
}

#[test]
fn rows_without_a_group_are_groups_of_their_own() {
    let text = grouped(60, 20).replace("id100000000", "");
    let dataset = load(&text, folds("5"), Some("patient")).expect("22 groups");
    assert!(
        dataset.warnings.iter().any(|w| w.contains("20 rows have no value in the column of groups")),
        "{:?}",
        dataset.warnings
    );
}
