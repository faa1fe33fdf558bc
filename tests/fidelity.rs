//! Studies whose candidates are paused on their way: reproducible and resumable like any other.

mod binary;

use binary::{evolve, fixture, journal, killed_and_resumed, model, run, with_options};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// A short study of credit_g that pauses. Options that are given replace those that stand here.
fn study(out: &Path, options: &[&str]) -> Command {
    let data = fixture("credit_g.csv");
    let command = evolve(&["run", data.to_str().expect("a path"), "--target", "class", "--quiet"]);
    let defaults = [["--seed", "7"], ["--candidates", "44"], ["--examples", "3200"], ["--fidelity", "halving"]];
    with_options(command, &defaults, options, out)
}

fn candidates(out: &Path) -> Vec<Value> {
    journal(out).into_iter().filter(|record| record["event"] == "candidate").collect()
}

fn number(candidate: &Value) -> u64 {
    candidate["number"].as_u64().expect("a number")
}

/// Numbers of the candidates that are paused and did not go on.
fn paused(out: &Path) -> BTreeSet<u64> {
    let all = candidates(out);
    let paused = all.iter().filter(|candidate| candidate["outcome"]["status"] == "paused").map(number);
    let continued: BTreeSet<u64> = all.iter().filter_map(|c| c["proposal"]["continues"]["candidate"].as_u64()).collect();
    paused.filter(|number| !continued.contains(number)).collect()
}

#[test]
fn one_worker_and_four_give_the_same_study_with_pauses() {
    let folder = tempfile::tempdir().expect("a folder");
    let (one, four) = (folder.path().join("one"), folder.path().join("four"));
    run(study(&one, &["--workers", "1"]));
    run(study(&four, &["--workers", "4"]));
    assert_eq!(journal(&one), journal(&four));
    assert!(model(&one) == model(&four), "the models differ");

    let all = candidates(&one);
    assert!(paused(&one).len() > 5, "{} of {} are paused", paused(&one).len(), all.len());
    let early = all.iter().filter(|candidate| number(candidate) < 8);
    assert!(early.clone().count() == 8 && early.clone().all(|candidate| candidate["outcome"]["status"] == "scored"));
    for candidate in all.iter().filter(|candidate| candidate["outcome"]["status"] == "paused") {
        let (rungs, wanted) = (&candidate["outcome"]["rungs"], &candidate["proposal"]["rungs"]);
        let last = rungs.as_array().and_then(|rungs| rungs.last()).expect("a rung");
        let rung = wanted.as_array().expect("rungs").iter().find(|rung| rung["share"] == last["share"]).expect("that rung");
        assert!(last["score"].as_f64() < rung["least"].as_f64(), "{candidate}");
    }
    what_is_exported_was_trained_to_its_end(&one);
    no_more_is_kept_than_can_go_on(&one);
    what_is_shown_counts_them(&one);
}

fn what_is_exported_was_trained_to_its_end(out: &Path) {
    let records = journal(out);
    let finals = records.iter().find(|record| record["event"] == "finals").expect("finals");
    let picked = finals["entries"].as_array().expect("entries").iter().filter_map(|entry| entry["candidate"].as_u64());
    let scored = |number: u64| {
        let candidate = records.iter().find(|record| record["event"] == "candidate" && record["number"] == number);
        candidate.is_some_and(|candidate| candidate["outcome"]["status"] == "scored")
    };
    assert!(picked.into_iter().all(scored));
}

fn no_more_is_kept_than_can_go_on(out: &Path) {
    let kept = fs::read_dir(out.join("weights")).expect("weights");
    let names: BTreeSet<String> =
        kept.map(|file| file.expect("a file").file_name().to_string_lossy().into_owned()).collect();
    let checkpoint =
        |candidate: &Value| candidate["outcome"]["checkpoint"].as_str().map(|hash| format!("{hash}.safetensors"));
    let checkpoints = candidates(out).iter().filter_map(checkpoint).filter(|name| names.contains(name)).count();
    assert!((1..=24).contains(&checkpoints), "{checkpoints} checkpoints");
}

fn what_is_shown_counts_them(out: &Path) {
    let count = paused(out).len();
    let report: Value = serde_json::from_slice(&fs::read(out.join("report.json")).expect("a report")).expect("JSON");
    assert_eq!(report["paused"].as_u64(), Some(count as u64));
    let page = fs::read_to_string(out.join("report.html")).expect("a page");
    assert!(page.contains(&format!("<li><b>{count}</b> of them paused early</li>")));
    let shown = run(evolve(&["inspect", out.to_str().expect("a path")])).stdout;
    assert!(String::from_utf8_lossy(&shown).contains(&format!("44 candidates, {count} paused, 0 failed")));
}

#[test]
fn killed_and_resumed_with_pauses_it_ends_as_unbroken() {
    let folder = tempfile::tempdir().expect("a folder");
    let (whole, broken) = (folder.path().join("whole"), folder.path().join("broken"));
    let began = Instant::now();
    run(study(&whole, &[]));
    killed_and_resumed(|| study(&broken, &[]), &broken, began.elapsed() / 6, 4);
    assert!(model(&whole) == model(&broken), "the models differ");
    assert_eq!(journal(&whole), journal(&broken));
}

#[test]
fn a_search_of_so_many_examples_ends_with_them_whatever_the_workers() {
    let folder = tempfile::tempdir().expect("a folder");
    let spent = |out: &Path| -> u64 {
        candidates(out).iter().filter_map(|candidate| candidate["outcome"]["costs"]["examples"].as_u64()).sum()
    };
    for fidelity in ["full", "halving"] {
        let of = |workers: &str| {
            let out = folder.path().join(format!("{fidelity}{workers}"));
            let data = fixture("credit_g.csv");
            let mut command = evolve(&["run", data.to_str().expect("a path"), "--target", "class", "--quiet", "--out"]);
            command.arg(&out).args(["--examples", "3200", "--total-examples", "40000"]);
            run({
                command.args(["--fidelity", fidelity, "--workers", workers]);
                command
            });
            out
        };
        let (one, four) = (of("1"), of("4"));
        assert_eq!(journal(&one), journal(&four));
        assert!((40_000..40_000 + 3_200 + 512).contains(&spent(&one)), "{fidelity}: {}", spent(&one));
        let settings = fs::read_to_string(one.join("study.toml")).expect("settings");
        assert!(settings.contains("expected_candidates = 12\n"), "{settings}");
        let more = ["--total-examples", "50000", "--workers", "1"];
        run(evolve(&[&["resume", "--quiet", one.to_str().expect("a path")], &more[..]].concat()));
        assert!((50_000..50_000 + 3_200 + 512).contains(&spent(&one)), "{fidelity}: {}", spent(&one));
    }
}

/// Seconds decide how long candidates train and where the search ends; what is paused may still go on in a later session.
#[test]
fn with_a_budget_it_ends_in_time_and_goes_on_where_it_stopped() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("study");
    let data = fixture("credit_g.csv");
    let mut command = evolve(&["run", data.to_str().expect("a path"), "--target", "class", "--quiet", "--budget", "12s"]);
    let began = Instant::now();
    run({
        command.args(["--fidelity", "halving", "--examples", "3200", "--candidates", "60", "--out"]).arg(&out);
        command
    });
    assert!(began.elapsed() < Duration::from_secs(24), "{:?}", began.elapsed());
    let before = candidates(&out);
    assert!(!paused(&out).is_empty(), "none of {} is paused", before.len());
    run(evolve(&["resume", "--quiet", out.to_str().expect("a path"), "--candidates", "70", "--budget", "20s"]));
    let after = candidates(&out);
    assert!(after.len() > before.len() && before.iter().all(|candidate| after.contains(candidate)));
    what_is_exported_was_trained_to_its_end(&out);
}

#[test]
fn what_cannot_be_compared_on_its_way_is_refused_before_anything_is_made() {
    let folder = tempfile::tempdir().expect("a folder");
    for options in [["--cv", "5"], ["--executions", "2"], ["--minimize", "size"], ["--constraint", "size<200k"]] {
        let out = folder.path().join("study");
        let output = study(&out, &options).output().expect("the binary runs");
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{message}");
        assert!(message.contains("leave out --fidelity") && !out.exists(), "{message}");
    }
    let output = study(&folder.path().join("study"), &["--fidelity", "halfing"]).output().expect("the binary runs");
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(2) && message.contains("'halving'"), "{message}");
}
