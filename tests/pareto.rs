//! Studies of several objectives with the real binary: the front, its files, resuming, constraints on what is measured.

mod binary;

use binary::{evolve, fixture, killed_and_resumed, run, with_options};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

/// A short study of credit_g. Options that are given replace those that stand here.
fn study(out: &Path, options: &[&str]) -> Command {
    let data = fixture("credit_g.csv");
    let command = evolve(&["run", data.to_str().expect("a path"), "--target", "class"]);
    with_options(command, &[["--seed", "5"], ["--candidates", "12"], ["--examples", "2000"]], options, out)
}

fn resume(out: &Path, options: &[&str]) -> Command {
    let mut command = evolve(&["resume", "--quiet", out.to_str().expect("a path")]);
    command.args(options);
    command
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).expect("a file")).expect("JSON")
}

/// Files of the front with their bytes.
fn models(out: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(out.join("pareto")).expect("a front").map(|entry| entry.expect("an entry").path());
    entries
        .map(|path| (path.file_name().expect("a name").to_string_lossy().into(), fs::read(path).expect("a model")))
        .collect()
}

/// Lines of the journal without what depends on the clock, sorted.
fn journal(out: &Path) -> Vec<String> {
    let text = fs::read_to_string(out.join("journal.jsonl")).expect("a journal");
    let mut lines: Vec<String> = text
        .lines()
        .map(|line| {
            let mut record: Value = serde_json::from_str(line).expect("JSON");
            record.as_object_mut().expect("an object").remove("timing");
            record.to_string()
        })
        .collect();
    lines.sort();
    lines
}

/// What is to be true of every finished study of several objectives; the members of its front.
fn check_front(out: &Path, objectives: &[&str]) -> Vec<Value> {
    let report = json(&out.join("report.json"));
    assert_eq!(report["front"]["objectives"], serde_json::json!(objectives));
    let members = report["front"]["members"].as_array().expect("members").clone();
    assert!(!members.is_empty() && members.len() <= 8, "{}", members.len());
    // Nothing else is in the folder, and the best by the metric is best.onnx.
    let models = models(out);
    let mut files: Vec<String> = members.iter().map(|m| m["file"].as_str().expect("a file").to_owned()).collect();
    files.sort();
    assert_eq!(files, models.keys().map(|name| format!("pareto/{name}")).collect::<Vec<_>>());
    let best = fs::read(out.join("best.onnx")).expect("a model");
    let first = members[0]["file"].as_str().expect("a file");
    assert!(fs::read(out.join(first)).expect("a model") == best, "{first} is not best.onnx");
    assert_eq!(members[0]["value"], report["value"]);
    // No member beats another.
    let costs = |member: &Value| -> Vec<f64> {
        let value = |name: &&str| member["objectives"][name].as_f64().expect("a number");
        std::iter::once(-member["value"].as_f64().expect("a number")).chain(objectives.iter().map(value)).collect()
    };
    for (i, a) in members.iter().enumerate() {
        for (j, b) in members.iter().enumerate() {
            assert!(i == j || costs(a).iter().zip(costs(b)).any(|(a, b)| *a < b), "{a} and {b}");
        }
    }
    members
}

#[test]
fn the_front_is_exported_and_the_same_with_any_number_of_workers() {
    let folder = tempfile::tempdir().expect("a folder");
    let (one, four) = (folder.path().join("one"), folder.path().join("four"));
    let said = run(study(&one, &["--minimize", "params", "--workers", "1"]));
    let said = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(said.contains("nsga2 searches for the front of accuracy and params"), "{said}");
    run(study(&four, &["--minimize", "params", "--workers", "4", "--quiet"]));
    assert_eq!(journal(&one), journal(&four));
    let models = models(&one);
    assert!(models == self::models(&four), "the models differ");
    let members = check_front(&one, &["params"]);
    assert!(members.len() > 1, "a front of one tests little");
    for member in &members {
        let file = one.join(member["file"].as_str().expect("a file"));
        // Each is a model of its own.
        let mut score = evolve(&["score", "--json", "--metric", "accuracy"]);
        score.arg(&file).arg(fixture("credit_g.csv"));
        let scored: Value = serde_json::from_slice(&run(score).stdout).expect("JSON");
        assert!(scored["accuracy"].as_f64().expect("a number") > 0.6, "{scored}");
        let inspected = run(evolve(&["inspect", file.to_str().expect("a path"), "--json"])).stdout;
        let inspected: Value = serde_json::from_slice(&inspected).expect("JSON");
        assert_eq!(inspected["model"]["metrics"]["accuracy"], member["value"]);
        assert_eq!(inspected["model"]["bytes"], member["bytes"]);
    }
    let shown = String::from_utf8(run(evolve(&["inspect", one.to_str().expect("a path")])).stdout).expect("text");
    assert!(members.iter().all(|member| shown.contains(member["file"].as_str().expect("a file"))), "{shown}");
    let page = fs::read_to_string(one.join("report.html")).expect("a page");
    assert!(page.contains("The front") && page.contains("Hypervolume"));
    let share = json(&one.join("report.json"))["hypervolume"]["share"].as_f64().expect("a share");
    assert!(share > 0.0 && share < 1.0, "{share}");
}

#[test]
fn killed_and_resumed_the_front_is_that_of_the_unbroken_study() {
    let folder = tempfile::tempdir().expect("a folder");
    let (whole, broken) = (folder.path().join("whole"), folder.path().join("broken"));
    let options = ["--minimize", "size,macs", "--quiet"];
    let began = Instant::now();
    run(study(&whole, &options));
    killed_and_resumed(|| study(&broken, &options), &broken, began.elapsed() / 4, 3);
    assert_eq!(journal(&whole), journal(&broken));
    assert!(models(&whole) == models(&broken), "the models differ");
    check_front(&broken, &["size", "macs"]);
    // A file of size N is N bytes, also where the net was trained anew.
    let member = &check_front(&whole, &["size", "macs"])[0];
    assert_eq!(member["objectives"]["size"], member["bytes"].as_f64().expect("bytes"));

    let before = models(&whole);
    run(resume(&whole, &[]));
    assert!(models(&whole) == before, "a finished study changed");
    run(resume(&whole, &["--candidates", "16"]));
    check_front(&whole, &["size", "macs"]);
}

#[test]
fn measured_latencies_stand_in_the_journal_and_are_replayed() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("study");
    let data = fixture("iris.csv");
    let mut command = evolve(&["run", data.to_str().expect("a path"), "--target", "species", "--candidates", "5"]);
    command.args(["--examples", "500", "--strategy", "random", "--minimize", "latency,latency_batch,memory", "--out"]);
    let said = run({
        command.arg(&out);
        command
    });
    let said = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(said.contains("random searches for the best accuracy") && said.contains("measured by the clock"), "{said}");
    for member in check_front(&out, &["latency", "latency_batch", "memory"]) {
        let value = |name: &str| member["objectives"][name].as_f64().expect("a number");
        assert!(value("latency") > 0.0 && value("latency_batch") > 0.0 && value("memory") > 1000.0, "{member}");
    }
    let (lines, models) = (journal(&out), models(&out));
    run(resume(&out, &[]));
    assert!(journal(&out) == lines && self::models(&out) == models, "what was measured is not measured again");
}

#[test]
fn what_is_above_a_cap_is_infeasible_and_not_exported() {
    let folder = tempfile::tempdir().expect("a folder");
    let (free, capped, none) = (folder.path().join("free"), folder.path().join("capped"), folder.path().join("none"));
    run(study(&free, &["--minimize", "size", "--quiet"]));
    let sizes: Vec<f64> = fs::read_to_string(free.join("journal.jsonl"))
        .expect("a journal")
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).expect("JSON")["outcome"]["objectives"]["size"].as_f64())
        .collect();
    let (least, most) = (sizes.iter().copied().fold(f64::MAX, f64::min), sizes.iter().copied().fold(0.0, f64::max));
    assert!(least < most);
    let cap = format!("size<{}", (least + most) / 2.0);
    run(study(&capped, &["--constraint", &cap, "--strategy", "ga", "--quiet"]));
    let lines = journal(&capped);
    assert!(lines.iter().any(|line| line.contains(r#""violation":"#)), "no candidate was above the cap");
    assert!(fs::metadata(capped.join("best.onnx")).expect("a model").len() as f64 <= (least + most) / 2.0);
    assert!(!capped.join("pareto").exists(), "only the metric was asked for");

    let output = run(study(&none, &["--constraint", "size<100", "--candidates", "3"]));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("no candidate satisfies size<=100"), "{said}");
}
