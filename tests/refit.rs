//! `--refit`: what is chosen by a validation part is trained once more on all rows.

mod binary;

use binary::{
    back_before_the_finals_and_out_of_time, evolve, fixture, journal, killed_and_resumed, metadata, model, records, report,
    run, with_options,
};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

/// Rows of iris, and those of them that are validated on by default.
const ROWS: (u64, u64) = (120, 24);

/// A short study of iris. Options that are given replace those that stand here.
fn study(out: &Path, options: &[&str]) -> Command {
    let data = fixture("iris.csv");
    let command = evolve(&["run", data.to_str().expect("a path"), "--target", "species", "--quiet", "--seed", "3"]);
    with_options(command, &[["--candidates", "6"], ["--examples", "1500"], ["--ensemble", "1"]], options, out)
}

#[test]
fn the_choice_is_trained_on_all_rows_with_as_many_passes_and_reported_as_it_was_scored_before() {
    let folder = tempfile::tempdir().expect("a folder");
    let (plain, refit) = (folder.path().join("plain"), folder.path().join("refit"));
    run(study(&plain, &[]));
    run(study(&refit, &["--refit"]));
    assert_eq!(records(&plain, "candidate"), records(&refit, "candidate"), "the search is the same");
    assert!(records(&plain, "refit").is_empty());

    let (again, choice) = (records(&refit, "refit").swap_remove(0), records(&refit, "choice").swap_remove(0));
    assert_eq!(again["folds"], choice["weights"]);
    assert_eq!(choice["refit"], again["outcome"]["weights"]);
    let trained = [records(&refit, "finalist"), records(&refit, "candidate")].concat();
    let followed = trained.iter().find(|t| t["outcome"]["weights"] == choice["weights"]).expect("the scored net");
    let examples = followed["outcome"]["costs"]["examples"].as_f64().expect("examples");
    let (rows, validation) = ROWS;
    assert_eq!(again["examples"], (examples / (rows - validation) as f64 * rows as f64).round() as u64);
    assert_eq!(again["outcome"]["status"], "scored");

    assert_eq!(metadata(&refit, "evolve.training")["all_rows"], true);
    assert_eq!(metadata(&plain, "evolve.training").get("all_rows"), None);
    assert_eq!(metadata(&refit, "evolve.metrics"), choice["scores"], "as it was scored before");
    assert!(model(&plain) != model(&refit));
    let told = report(&refit);
    assert_eq!(told["value"], choice["scores"]["accuracy"]);
    assert!(told["scored"]["exported"].as_str().expect("words").contains("all rows"));
    let best = refit.join("best.onnx");
    let shown = run(evolve(&["inspect", best.to_str().expect("a path")])).stdout;
    assert!(String::from_utf8_lossy(&shown).contains("note: trained on all rows"));
    assert!(fs::read_to_string(refit.join("report.html")).expect("a page").contains("trained once more on all rows"));
}

#[test]
fn any_number_of_workers_and_any_kill_gives_the_same() {
    let folder = tempfile::tempdir().expect("a folder");
    let (whole, broken) = (folder.path().join("whole"), folder.path().join("broken"));
    let began = Instant::now();
    run(study(&whole, &["--refit", "--workers", "1"]));
    let begin = || study(&broken, &["--refit", "--workers", "3"]);
    killed_and_resumed(begin, &broken, began.elapsed() / 4, 3);
    assert_eq!(journal(&whole), journal(&broken));
    assert!(model(&whole) == model(&broken), "the models differ");
}

/// What came of inherited weights has no training of its own to be repeated: it goes on from where it was scored.
#[test]
fn what_came_of_inherited_weights_goes_on_from_them() {
    let folder = tempfile::tempdir().expect("a folder");
    let (first, second) = (folder.path().join("first"), folder.path().join("second"));
    run(study(&first, &[]));
    let from = ["--from", first.to_str().expect("a path"), "--refit", "--candidates", "1"];
    run(study(&second, &from));
    let choice = records(&second, "choice").swap_remove(0);
    assert!(choice["refit"].is_string(), "{choice}");
    let training = metadata(&second, "evolve.training");
    assert!(choice["finalist"].is_null(), "{choice}: another seed shows what is to be shown");
    assert_eq!((&training["all_rows"], &training["inherited"]), (&Value::Bool(true), &Value::Bool(true)));
}

/// Of a budget that the search has used up nothing is left to train on all rows, which is said as it is.
#[test]
fn without_time_for_it_the_scored_net_is_exported_and_the_reason_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("study");
    run(study(&out, &["--refit"]));
    back_before_the_finals_and_out_of_time(&out);
    run(evolve(&["resume", "--quiet", out.to_str().expect("a path"), "--budget", "100s"]));
    let choice = records(&out, "choice").swap_remove(0);
    assert_eq!((&choice["not_refit"], choice.get("refit")), (&Value::from("no_time"), None), "{choice}");
    assert!(report(&out)["scored"]["exported"].as_str().expect("words").contains("not enough time left for it"));
}

/// Which execution a training goes on from does not show here; its result does, and whose metrics are told.
#[test]
fn of_several_executions_one_is_trained_on_all_rows_and_the_metrics_are_those_of_the_chosen_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("study");
    run(study(&out, &["--refit", "--executions", "2"]));
    let choice = records(&out, "choice").swap_remove(0);
    assert!(choice["refit"].is_string(), "{choice}");
    let trained = [records(&out, "finalist"), records(&out, "candidate")].concat();
    let followed = trained.iter().find(|t| t["outcome"]["weights"] == choice["weights"]).expect("the scored net");
    let execution = choice.get("training").map_or(0, |training| training.as_u64().expect("a number")) as usize;
    assert_eq!(choice["scores"], followed["outcome"]["trainings"][execution]["scores"], "{choice}");
    assert_eq!(metadata(&out, "evolve.metrics"), choice["scores"]);
}

#[test]
fn it_does_not_go_with_a_front() {
    let folder = tempfile::tempdir().expect("a folder");
    for options in [["--minimize", "size"], ["--constraint", "size<100k"]] {
        let out = folder.path().join("out");
        let output = study(&out, &[&options[..], &["--refit"]].concat()).output().expect("the binary runs");
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && message.contains("--refit") && message.contains("hint"), "{message}");
        assert!(!out.exists());
    }
}
