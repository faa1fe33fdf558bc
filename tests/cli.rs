//! The command line from outside: exit codes, and every byte of help and errors.

use assert_cmd::Command;
use std::{fs, path::Path, process::Output};

fn evolve(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::cargo_bin("evolve").unwrap();
    command.current_dir(folder).args(arguments).env_remove("COLUMNS").env_remove("ORT_DYLIB_PATH");
    command.output().unwrap()
}

/// Exit code, standard output and standard error.
fn transcript(arguments: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("good.csv"), table()).unwrap();
    fs::write(folder.path().join("junk.onnx"), "junk".repeat(99)).unwrap();
    let output = evolve(folder.path(), arguments);
    let entries = fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(entries, 2, "something was left behind by {arguments:?}");
    format!(
        "exit code {}\n--- stdout\n{}--- stderr\n{}",
        output.status.code().unwrap(),
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap()
    )
}

fn table() -> String {
    let rows: String = (0..60).map(|i| format!("{i},{},{}\n", i % 7, ["a", "b"][i % 2])).collect();
    format!("x,z,y\n{rows}")
}

#[test]
fn helps_teach() {
    insta::assert_snapshot!("help", transcript(&["--help"]));
    for command in ["run", "resume", "predict", "score", "inspect", "space", "runtime"] {
        insta::assert_snapshot!(format!("help_{command}"), transcript(&[command, "--help"]));
    }
}

#[test]
fn errors_say_what_where_and_what_to_do() {
    let cases: [(&str, &[&str]); 21] = [
        ("no_arguments", &[]),
        ("bad_budget", &["good.csv", "--target", "y", "--budget", "soon"]),
        ("zero_candidates", &["good.csv", "--target", "y", "--candidates", "0"]),
        ("unknown_strategy", &["good.csv", "--target", "y", "--strategy", "randm"]),
        ("unknown_metric", &["good.csv", "--target", "y", "--metric", "acuracy"]),
        ("metric_of_another_task", &["good.csv", "--target", "y", "--task", "binary", "--metric", "rmse"]),
        ("bad_share", &["good.csv", "--target", "y", "--validation", "1.5"]),
        ("bad_device", &["good.csv", "--target", "y", "--device", "gpu"]),
        ("missing_library", &["good.csv", "--target", "y", "--runtime", "none.so"]),
        ("misspelt_subcommand", &["predcit", "m.onnx", "d.csv"]),
        ("missing_model", &["predict", "none.onnx", "good.csv", "--engine", "tract"]),
        ("no_study", &["inspect", "."]),
        ("unknown_ancestor", &["inspect", "--ancestor", "vgg61"]),
        ("ancestor_on_small_images", &["inspect", "--ancestor", "inception_v3", "--input", "64x64x3"]),
        ("bad_image_extent", &["inspect", "--ancestor", "vgg16", "--input", "64x64"]),
        ("unknown_ancestors", &["good.csv", "--target", "y", "--ancestor", "vgg16,rasnet50"]),
        ("ancestor_on_a_table", &["good.csv", "--target", "y", "--ancestor", "vgg16"]),
        ("bad_constraint", &["good.csv", "--target", "y", "--constraint", "weight<3"]),
        ("bad_bound", &["good.csv", "--target", "y", "--constraint", "latency<3k"]),
        ("unknown_objective", &["good.csv", "--target", "y", "--minimize", "params,latncy"]),
        ("constraint_that_nothing_satisfies", &["good.csv", "--target", "y", "--constraint", "params<3"]),
    ];
    for (name, arguments) in cases {
        let text = transcript(arguments);
        assert!(text.starts_with("exit code 2\n"), "{name}: {text}");
        insta::assert_snapshot!(format!("error_{name}"), text);
    }
}

#[test]
fn a_failure_is_an_object_too_where_objects_are_asked_for() {
    let text = transcript(&["none.csv", "--target", "y", "--json"]);
    let line = text.lines().find(|line| line.starts_with('{')).unwrap();
    let object: serde_json::Value = serde_json::from_str(line).unwrap();
    assert_eq!(object["event"], "failed");
    assert_eq!(object["exit_code"], 2);
    assert!(object["message"].as_str().unwrap().contains("none.csv"), "{line}");
}

#[test]
fn a_broken_model_is_bad_input() {
    let text = transcript(&["predict", "junk.onnx", "good.csv", "--engine", "tract"]);
    assert!(text.starts_with("exit code 2\n") && text.contains("junk.onnx"), "{text}");
}

#[test]
fn ancestors_are_inspected_at_any_size() {
    insta::assert_snapshot!("inspect_ancestor", transcript(&["inspect", "--ancestor", "vgg16"]));
    let json = |arguments: &[&str]| -> serde_json::Value {
        let text = transcript(&[&["inspect", "--json", "--ancestor"], arguments].concat());
        let line = text.lines().find(|line| line.starts_with('{')).unwrap_or_else(|| panic!("{text}"));
        serde_json::from_str(line).unwrap()
    };
    let native = json(&["inception_v3"]);
    assert_eq!(native["parameters"], 23_851_784);
    assert_eq!(native["trainable"], 23_817_352);
    assert_eq!(native["input"], serde_json::json!([299, 299, 3]));
    assert!(native["macs"].as_u64().unwrap() > 5_000_000_000);
    let layers = native["layers"].as_array().unwrap();
    let sum: u64 = layers.iter().map(|layer| layer["parameters"].as_u64().unwrap()).sum();
    assert_eq!(sum, 23_851_784);
    let small = json(&["mobilenet_v2", "--input", "28x28x1", "--classes", "10"]);
    // 18 weights of the stem for each channel less, and 990 outputs of 1281 parameters less.
    assert_eq!(small["parameters"], 3_538_984 - 18 * 32 - 990 * 1281);
}

#[test]
fn spaces_are_printed_with_comments_that_teach() {
    let fixture = |name: &str| format!("{}/fixtures/{name}", env!("CARGO_MANIFEST_DIR"));
    insta::assert_snapshot!("space_table", transcript(&["space", &fixture("adult.csv"), "--target", "income"]));
    insta::assert_snapshot!("space_image", transcript(&["space", &fixture("digits.npz")]));
}

#[test]
fn images_that_are_too_small_for_an_ancestor_end_a_run_before_it_begins() {
    let digits = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/digits.npz");
    let text = transcript(&["run", digits, "--ancestor", "resnet50,vgg16", "--quiet"]);
    assert!(text.starts_with("exit code 2\n"), "{text}");
    assert!(text.contains("error: resnet50 does not fit images of 8×8: its layer stages.2.blocks.0.reduce.conv"), "{text}");
}
