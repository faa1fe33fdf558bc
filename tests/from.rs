//! Studies that start from an earlier one: which data and options go with it, and what is said where they do not.

mod binary;

use binary::{evolve, run};
use std::fs;
use std::path::Path;
use tempfile::TempDir;

/// One candidate, hardly trained.
const SHORT: [&str; 4] = ["--candidates", "1", "--examples", "200"];

/// A study of the table `may.csv`, with visits of patients, in the folder `may`.
fn visits(options: &[&str]) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).to_str().expect("a path").to_owned();
    fs::write(path("may.csv"), table("x,patient,y", 0..60)).expect("a file");
    let arguments = ["run", &path("may.csv"), "--target", "y", "--quiet", "--out", &path("may")];
    run(evolve(&[&arguments, &SHORT[..], options].concat()));
    folder
}

fn table(header: &str, rows: std::ops::Range<usize>) -> String {
    let rows: String = rows.map(|i| format!("{},{},{}\n", i % 17, i / 3, ["a", "b"][i % 2])).collect();
    format!("{header}\n{rows}")
}

/// The message of a study that is refused as bad input; it leaves nothing behind.
fn refused(folder: &Path, data: &str, from: &str, options: &[&str]) -> String {
    let path = |name: &str| folder.join(name).to_str().expect("a path").to_owned();
    let arguments = ["run", &path(data), "--from", &path(from), "--out", &path("none")];
    let output = evolve(&[&arguments, &SHORT[..], options].concat()).output().expect("the binary runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(!Path::new(&path("none")).exists(), "something is left behind");
    said
}

#[test]
fn data_that_does_not_fit_the_earlier_study_is_refused_and_other_values_are_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).to_str().expect("a path").to_owned();
    let write = |name: &str, header: &str, row: fn(usize) -> String| {
        let rows: Vec<String> = (0..60).map(row).collect();
        fs::write(path(name), format!("{header}\n{}\n", rows.join("\n"))).expect("a file");
    };
    write("may.csv", "x,z,y", |i| format!("{},{},{}", i % 7, ["p", "q"][i % 2], ["a", "b"][i % 2]));
    write("june.csv", "x,z,y", |i| format!("{},{},{}", 50 + i % 7, ["q", "r"][i % 2], ["a", "b"][i % 2]));
    write("july.csv", "x,w,y", |i| format!("{},{},{}", i % 7, i % 5, ["a", "b", "c"][i % 3]));
    run(evolve(&[&["run", &path("may.csv"), "--target", "y", "--quiet", "--out", &path("may")], &SHORT[..]].concat()));

    let said = refused(folder.path(), "july.csv", "may", &[]);
    assert!(said.contains("new class \"c\"; column \"z\" is missing; column \"w\" is new"), "{said}");
    let said = refused(folder.path(), "june.csv", "nowhere", &[]);
    assert!(said.contains("holds no study"), "{said}");
    fs::write(path("may.csv"), "gone").expect("a file");
    let june = ["run", &path("june.csv"), "--from", &path("may"), "--out", &path("june")];
    let output = run(evolve(&[&june, &SHORT[..]].concat()));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("begins with 1 of the earlier study's networks, 1 with their weights"), "{said}");
    assert!(said.contains("where rows of the earlier data are among these"), "{said}");
    assert!(said.contains("column \"x\": 100% of the rows are beyond the range"), "{said}");
    assert!(said.contains("column \"z\": 50% of the rows have values that the earlier study did not know"), "{said}");
}

#[test]
fn the_column_of_groups_is_taken_over_and_left_out_where_a_file_validates() {
    let folder = visits(&["--group", "patient"]);
    let path = |name: &str| folder.path().join(name).to_str().expect("a path").to_owned();
    fs::write(path("june.csv"), table("x,patient,y", 60..120)).expect("a file");
    fs::write(path("held.csv"), table("x,patient,y", 120..150)).expect("a file");
    let june = ["run", &path("june.csv"), "--from", &path("may"), "--validation", &path("held.csv")];
    run(evolve(&[&june, &SHORT[..], &["--quiet", "--out", &path("june")]].concat()));
    let settings = fs::read_to_string(folder.path().join("june/study.toml")).expect("settings");
    assert!(settings.contains("\ngroup = \"patient\"\n") && settings.contains("held.csv"), "{settings}");
    run(evolve(&["resume", &path("june"), "--candidates", "2", "--quiet"]));

    fs::write(path("july.csv"), table("x,visit,y", 60..120)).expect("a file");
    let said = refused(folder.path(), "july.csv", "may", &[]);
    assert!(said.contains("has no column \"patient\" to group rows by"), "{said}");
    assert!(said.contains("hint: the earlier study keeps groups by this column; add it, or name another"), "{said}");
    let july = ["run", &path("july.csv"), "--from", &path("may"), "--group", "visit", "--quiet", "--out", &path("july")];
    run(evolve(&[&july, &SHORT[..]].concat()));
}

#[test]
fn options_that_exclude_what_is_taken_over_are_refused() {
    let folder = visits(&["--constraint", "size<1M"]);
    let said = refused(folder.path(), "may.csv", "may", &["--fidelity", "halving"]);
    assert!(said.contains("hint: leave out --fidelity") && said.contains("bounds are those of the earlier study"), "{said}");
}

#[test]
fn an_earlier_study_that_cannot_be_read_is_bad_input() {
    let folder = visits(&[]);
    let journal = folder.path().join("may/journal.jsonl");
    fs::remove_file(&journal).expect("a journal");
    fs::create_dir(&journal).expect("a folder");
    let said = refused(folder.path(), "may.csv", "may", &[]);
    assert!(said.contains("cannot read") && said.contains("journal.jsonl") && !said.contains("resume"), "{said}");
}
