//! What users give to the binary: which rows it takes from files, what it says of them, what it refuses.

mod binary;

use binary::{evolve, run};
use npyz::WriterBuilder;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path")
}

/// A table of one column and a target, and a model for it.
fn model(folder: &TempDir) -> (PathBuf, PathBuf) {
    let (data, out) = (folder.path().join("t.csv"), folder.path().join("study"));
    let rows: String = (0..60).map(|i| format!("{},{}\n", i % 9, ["a", "b"][usize::from(i % 9 > 4)])).collect();
    fs::write(&data, format!("x,y\n{rows}")).expect("a file");
    run(short(&["run", text(&data), "--target", "y", "--quiet"], &out));
    (data, out.join("best.onnx"))
}

/// A run of two candidates.
fn short(arguments: &[&str], out: &Path) -> Command {
    let mut command = evolve(arguments);
    command.args(["--candidates", "2", "--examples", "500", "--out"]).arg(out);
    command
}

/// The message of a run that is refused as bad input; it leaves nothing at `out`.
fn refused(mut command: Command, out: &Path) -> String {
    let output = command.output().expect("the binary runs");
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{message}");
    assert!(!out.exists(), "something was left behind");
    message
}

#[test]
fn answers_line_up_with_the_lines_of_a_single_column() {
    let folder = folder();
    let (_, best) = model(&folder);
    let new = folder.path().join("new.csv");
    fs::write(&new, "x\n1\n\n8\n\n").expect("a file");
    let answers = String::from_utf8(run(evolve(&["predict", text(&best), text(&new)])).stdout).expect("text");
    assert_eq!(answers.lines().count(), 1 + 3, "{answers}");
    let label = |line: usize| answers.lines().nth(line).expect("a line").split(',').next().expect("a label").to_owned();
    assert_eq!((label(1), label(3)), ("a".into(), "b".into()), "{answers}");
}

#[test]
fn files_have_the_permissions_of_new_ones_or_those_that_they_had() {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let folder = folder();
        let mode = |path: &Path| fs::metadata(path).expect("a file").permissions().mode() & 0o777;
        let (data, best) = model(&folder);
        for (mask, expected) in [("077", 0o600), ("002", 0o664)] {
            let output = folder.path().join(mask);
            let script = format!("umask {mask}; exec \"$0\" \"$@\"");
            let mut command = Command::new("sh");
            command.args(["-c", &script]).arg(evolve(&[]).get_program());
            command.args(["predict", text(&best), text(&data), "--output", text(&output)]);
            run(command);
            assert_eq!(mode(&output), expected, "mask {mask}");
        }
        let output = folder.path().join("theirs");
        fs::write(&output, "old").expect("a file");
        fs::set_permissions(&output, fs::Permissions::from_mode(0o640)).expect("permissions");
        run(evolve(&["predict", text(&best), text(&data), "--output", text(&output)]));
        assert_eq!(mode(&output), 0o640);
    }
}

/// Writes arrays of float32.
fn npz(path: &Path, arrays: &[(&str, &[u64], Vec<f32>)]) {
    let mut archive = npyz::npz::NpzWriter::create(path).expect("an archive");
    for (name, shape, values) in arrays {
        let array = archive.array::<f32>(name, Default::default()).expect("an array").default_dtype();
        let mut array = array.shape(shape).begin_nd().expect("an array");
        array.extend(values.iter().copied()).expect("values");
        array.finish().expect("an array");
    }
}

#[test]
fn which_part_is_predicted_and_what_was_repaired_is_said() {
    let folder = folder();
    let (data, out) = (folder.path().join("t.npz"), folder.path().join("study"));
    let shades =
        |rows: usize| (0..rows * 64).map(|i| (i / 64 % 2) as f32 * 0.5 + (i % 3) as f32 / 8.0).collect::<Vec<f32>>();
    let classes = |rows: usize| (0..rows).map(|i| (i % 2) as f32).collect::<Vec<f32>>();
    let train = [("x_train", &[60, 8, 8][..], shades(60)), ("y_train", &[60], classes(60))];
    let test = [("x_test", &[10, 8, 8][..], shades(10)), ("y_test", &[10], classes(10))];
    npz(&data, &[train.clone(), test].concat());
    run(short(&["run", text(&data), "--quiet"], &out));
    trained_as_the_journal_says(&out);
    let best = out.join("best.onnx");
    for (command, doing) in [("predict", "predicting"), ("score", "scoring")] {
        let said = run(evolve(&[command, text(&best), text(&data)]));
        let message = String::from_utf8_lossy(&said.stderr);
        assert!(message.contains(&format!("{doing} the part x_test of {}: 10 rows", data.display())), "{message}");
        assert!(message.contains("warning: pixels of x_test lie between 0 and 1"), "{message}");
    }
    npz(&data, &train);
    let said = run(evolve(&["predict", text(&best), text(&data)]));
    assert!(String::from_utf8_lossy(&said.stderr).contains("the part x_train"), "{said:?}");
    assert_eq!(String::from_utf8_lossy(&said.stdout).lines().count(), 1 + 60);
}

/// The exported file names the training of the finals, which alter images, and for how long it went.
fn trained_as_the_journal_says(out: &Path) {
    let journal = binary::journal(out);
    let of = |event: &str| journal.iter().filter(|line| line["event"] == event).collect::<Vec<_>>();
    let choice = of("choice")[0];
    let rank = choice["finalist"].as_u64().expect("a net that was trained in the finals");
    let entry = &of("finals")[0]["entries"][rank as usize];
    let finalist = of("finalist").into_iter().find(|line| line["rank"] == rank).expect("a finalist");
    let summary = evolve::onnx::read(&binary::model(out)).expect("a model");
    let stated = |key: &str| {
        let text = summary.metadata(key).unwrap_or_else(|| panic!("no {key}"));
        serde_json::from_str::<serde_json::Value>(text).expect("JSON")
    };
    assert!(entry["training"]["augmentation"]["cutout"].as_u64().expect("an altered training") > 0, "{entry}");
    assert_eq!(stated("evolve.genome")["training"]["augmentation"], entry["training"]["augmentation"]);
    assert_eq!(stated("evolve.training")["examples"], finalist["outcome"]["costs"]["examples"]);
}

#[test]
fn validating_on_the_training_data_is_refused() {
    let folder = folder();
    let (data, _) = model(&folder);
    let (copy, out) = (folder.path().join("copy.csv"), folder.path().join("out"));
    fs::copy(&data, &copy).expect("a copy");
    for file in [&data, &copy] {
        let message = refused(short(&["run", text(&data), "--target", "y", "--validation", text(file)], &out), &out);
        assert!(message.contains("holds the very rows that are trained on"), "{message}");
    }
}

#[test]
fn decimal_commas_are_warned_of() {
    let folder = folder();
    let data = folder.path().join("t.csv");
    let rows: String = (0..60).map(|i| format!("{};{},5;{}\n", i % 9, i % 4, ["a", "b"][i % 2])).collect();
    fs::write(&data, format!("x;price;y\n{rows}")).expect("a file");
    let said = run(short(&["run", text(&data), "--target", "y"], &folder.path().join("study")));
    let message = String::from_utf8_lossy(&said.stderr);
    assert!(message.contains(r#"warning: column "price" holds numbers with commas, such as "0,5""#), "{message}");
}

#[cfg(target_os = "linux")]
#[test]
fn paths_that_are_not_utf8_are_refused_at_once() {
    use std::os::unix::ffi::OsStrExt;
    let folder = folder();
    let odd = folder.path().join(std::ffi::OsStr::from_bytes(b"odd\xff.csv"));
    let (data, out) = (folder.path().join("t.csv"), folder.path().join("out"));
    let rows: String = (0..60).map(|i| format!("{},{}\n", i % 9, i % 2)).collect();
    fs::write(&data, format!("x,y\n{rows}")).expect("a file");
    fs::copy(&data, &odd).expect("a copy");
    let mut named_oddly = evolve(&["run", "--target", "y", "--out", text(&out)]);
    named_oddly.arg(&odd);
    let message = refused(named_oddly, &out);
    assert!(message.contains("not UTF-8"), "{message}");
    let odd_out = folder.path().join(std::ffi::OsStr::from_bytes(b"odd\xff.evolve"));
    let message = refused(short(&["run", text(&data), "--target", "y"], &odd_out), &odd_out);
    assert!(message.contains("not UTF-8"), "{message}");
}
