//! The real binary and what it leaves: shared by the tests that run whole studies.
#![allow(dead_code, reason = "each test uses a part of it")]

use assert_cmd::cargo::cargo_bin;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

pub fn evolve(args: &[&str]) -> Command {
    let mut command = Command::new(cargo_bin("evolve"));
    command.args(args).stdin(Stdio::null());
    command
}

/// Adds `options`, and those of the `defaults` that they do not replace.
pub fn with_options(mut command: Command, defaults: &[[&str; 2]], options: &[&str], out: &Path) -> Command {
    for default in defaults.iter().filter(|default| !options.contains(&default[0])) {
        command.args(default);
    }
    command.args(options).arg("--out").arg(out);
    command
}

/// Runs to a good end.
pub fn run(mut command: Command) -> Output {
    let output = command.output().expect("the binary runs");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

/// Sends SIGINT once `ready`, and returns how the process ended.
#[cfg(unix)]
pub fn interrupted(command: Command, ready: impl Fn() -> bool) -> Output {
    signalled(command, libc::SIGINT, ready)
}

/// Sends the signal once `ready`, and returns how the process ended.
#[cfg(unix)]
pub fn signalled(mut command: Command, signal: i32, ready: impl Fn() -> bool) -> Output {
    let child = command.stderr(Stdio::piped()).spawn().expect("the binary runs");
    let patience = Instant::now();
    while !ready() && patience.elapsed() < Duration::from_secs(120) {
        std::thread::sleep(Duration::from_millis(10));
    }
    // SAFETY: the process is a child that has not been waited for.
    unsafe { libc::kill(child.id() as libc::pid_t, signal) };
    child.wait_with_output().expect("an end")
}

/// Runs a study that is killed so many times, each after about a `pause`, and resumed until it ends.
pub fn killed_and_resumed(begin: impl Fn() -> Command, out: &Path, pause: Duration, kills: u64) {
    let resume = || evolve(&["resume", "--quiet", out.to_str().expect("a path")]);
    for kill in 0..kills {
        let mut command = if out.join("study.toml").exists() { resume() } else { begin() };
        let mut child = command.stderr(Stdio::null()).spawn().expect("the binary runs");
        std::thread::sleep(pause + Duration::from_millis(41 * kill));
        child.kill().expect("a kill");
        child.wait().expect("an end");
    }
    run(resume());
}

/// Lines of a journal without what depends on the clock, sorted: they may come in another order.
pub fn journal(out: &Path) -> Vec<Value> {
    let text = fs::read_to_string(out.join("journal.jsonl")).expect("a journal");
    let mut lines: Vec<Value> = text.lines().map(|line| strip(serde_json::from_str(line).expect("JSON"))).collect();
    lines.sort_by_key(Value::to_string);
    lines
}

fn strip(value: Value) -> Value {
    match value {
        Value::Object(map) => map.into_iter().filter(|(k, _)| k != "timing").map(|(k, v)| (k, strip(v))).collect(),
        Value::Array(list) => list.into_iter().map(strip).collect(),
        other => other,
    }
}

/// Bytes of the exported model.
pub fn model(out: &Path) -> Vec<u8> {
    fs::read(out.join("best.onnx")).expect("a model")
}

/// Records of a kind in the journal.
pub fn records(out: &Path, event: &str) -> Vec<Value> {
    journal(out).into_iter().filter(|record| record["event"] == event).collect()
}

/// An entry of the exported model's metadata.
pub fn metadata(out: &Path, key: &str) -> Value {
    let model = evolve::onnx::read(&model(out)).expect("a model");
    serde_json::from_str(model.metadata(key).expect("an entry")).expect("JSON")
}

/// The numbers of the report.
pub fn report(out: &Path) -> Value {
    serde_json::from_slice(&fs::read(out.join("report.json")).expect("a report")).expect("JSON")
}

/// Takes a study back to the end of its search, as if that had taken a slow machine 1000 seconds.
pub fn back_before_the_finals_and_out_of_time(out: &Path) {
    let slow = |line: &str| {
        let mut record: Value = serde_json::from_str(line).expect("JSON");
        record["timing"]["started"] = Value::from(1000.0);
        record.to_string() + "\n"
    };
    let text = fs::read_to_string(out.join("journal.jsonl")).expect("a journal");
    let searched: String = text.lines().filter(|line| line.contains("\"event\":\"candidate\"")).map(slow).collect();
    fs::write(out.join("journal.jsonl"), searched).expect("a journal");
}
