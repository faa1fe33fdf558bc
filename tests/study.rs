//! The real binary on small real data: reproducible, resumable, careful with what is there.

mod binary;

use binary::{evolve, fixture, interrupted, killed_and_resumed, model, report, run, signalled, with_options};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A short study of credit_g, with categories. Options that are given replace those that stand here.
fn study(out: &Path, options: &[&str]) -> Command {
    let data = fixture("credit_g.csv");
    let command = evolve(&["run", data.to_str().expect("a path"), "--target", "class", "--quiet"]);
    with_options(command, &[["--seed", "7"], ["--candidates", "14"], ["--examples", "3000"]], options, out)
}

/// Lines of a journal as text.
fn journal(out: &Path) -> Vec<String> {
    binary::journal(out).iter().map(Value::to_string).collect()
}

#[test]
fn one_worker_and_four_give_the_same_study() {
    let folder = tempfile::tempdir().expect("a folder");
    let (one, four) = (folder.path().join("one"), folder.path().join("four"));
    run(study(&one, &["--workers", "1"]));
    run(study(&four, &["--workers", "4"]));
    assert_eq!(journal(&one), journal(&four));
    assert!(model(&one) == model(&four), "the models differ");
    let other = folder.path().join("other");
    run(study(&other, &["--seed", "8"]));
    assert_ne!(journal(&one), journal(&other), "the seed matters");
}

#[test]
fn killed_at_any_moment_and_resumed_it_ends_as_unbroken() {
    let folder = tempfile::tempdir().expect("a folder");
    let (whole, broken) = (folder.path().join("whole"), folder.path().join("broken"));
    let began = Instant::now();
    run(study(&whole, &[]));
    killed_and_resumed(|| study(&broken, &[]), &broken, began.elapsed() / 9, 4);
    assert!(model(&whole) == model(&broken), "the models differ");
    assert_eq!(journal(&whole), journal(&broken));
}

#[test]
fn what_is_foreseen_depends_on_no_worker_and_is_replayed() {
    let folder = tempfile::tempdir().expect("a folder");
    let begun = folder.path().join("begun");
    run(study(&begun, &["--strategy", "gradient", "--candidates", "1", "--examples", "500"]));
    let settings = fs::read_to_string(begun.join("study.toml")).expect("settings");
    // So short a search affords no foresight.
    assert!(settings.contains("pool = 1\ndrafts = 1\n"), "{settings}");
    let more = settings.replace("pool = 1\ndrafts = 1\n", "pool = 12\ndrafts = 2\n");
    fs::write(begun.join("study.toml"), more).expect("other settings");
    let resumed = |name: &str, steps: &[&str], workers: &str| {
        let out = folder.path().join(name);
        copy(&begun, &out);
        for candidates in steps {
            let path = out.to_str().expect("a path");
            run(evolve(&["resume", path, "--quiet", "--candidates", candidates, "--workers", workers]));
        }
        candidates(&out)
    };
    let one = resumed("one", &["12"], "1");
    assert_eq!(one.len(), 12);
    assert_eq!(one, resumed("four", &["12"], "4"));
    assert_eq!(one, resumed("broken", &["9", "12"], "2"));
    // What was said of nets is replayed, not found out again: there is no room for most of them now.
    let broken = folder.path().join("broken");
    let lines = || fs::read_to_string(broken.join("foresight.jsonl")).expect("what was foreseen").lines().count();
    let (path, before) = (broken.to_str().expect("a path"), lines());
    run(evolve(&["resume", path, "--quiet", "--candidates", "14", "--memory-limit", "5.5MB"]));
    assert_eq!(candidates(&broken)[..12], one);
    assert!(before >= 12 && lines() > before, "{before} lines");
}

/// Copies a folder with all that is in it.
fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let (path, to) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() { copy(&path, &to) } else { fs::copy(&path, &to).map(|_| ()).expect("a copy") }
    }
}

/// What the journal says of candidates, by their numbers.
fn candidates(out: &Path) -> Vec<Value> {
    let records = journal(out).into_iter().map(|line| serde_json::from_str::<Value>(&line).expect("JSON"));
    let mut candidates: Vec<Value> = records.filter(|record| record["event"] == "candidate").collect();
    candidates.sort_by_key(|candidate| candidate["number"].as_u64());
    candidates
}

/// The best score of candidates, and the examples that they consumed.
fn best(candidates: &[Value]) -> (f64, u64) {
    let score = candidates.iter().filter_map(|c| c["outcome"]["score"].as_f64()).fold(f64::MIN, f64::max);
    (score, candidates.iter().filter_map(|c| c["outcome"]["costs"]["examples"].as_u64()).sum())
}

#[test]
fn a_study_that_starts_from_another_is_as_good_at_once_and_does_not_need_it_any_more() {
    let folder = tempfile::tempdir().expect("a folder");
    let [earlier, one, four, broken] = ["earlier", "one", "four", "broken"].map(|name| folder.path().join(name));
    run(study(&earlier, &[]));
    let from = ["--from", earlier.to_str().expect("a path"), "--candidates", "7"];
    run(study(&one, &[&from[..], &["--workers", "1"]].concat()));
    run(study(&four, &[&from[..], &["--workers", "4"]].concat()));
    assert_eq!(journal(&one), journal(&four));
    assert!(model(&one) == model(&four), "the models differ");

    let (all, first) = (candidates(&earlier), &candidates(&one)[..4]);
    assert!(first.iter().all(|c| c["proposal"]["origin"]["arm"] == "inherited"), "{first:?}");
    let ((searched, spent), (inherited, cost)) = (best(&all), best(first));
    assert!(inherited >= searched, "{inherited} after {searched}");
    assert!(cost * 4 < spent, "{cost} examples after {spent}");
    let settings = fs::read_to_string(one.join("study.toml")).expect("settings");
    assert!(settings.contains("[from]\njournal = \"") && !settings.contains("earlier"), "{settings}");
    // Another seed must not score nets on what they were trained on before: baselines tell whether the parts are the same.
    let other = folder.path().join("other");
    run(study(&other, &[&from[..], &["--seed", "9"]].concat()));
    let baselines = |out: &Path| report(out)["baselines"].clone();
    assert_eq!(baselines(&other), baselines(&earlier));
    let recut = folder.path().join("recut").into_os_string().into_string().expect("a path");
    let (data, short) = (fixture("credit_g.csv"), ["--candidates", "1", "--examples", "200", "--validation", "0.4"]);
    let arguments = ["run", data.to_str().expect("a path"), "--from", from[1], "--out", &recut];
    let said = run(evolve(&[&arguments[..], &short[..]].concat())).stderr;
    assert!(String::from_utf8_lossy(&said).contains("split in another way"), "{}", String::from_utf8_lossy(&said));

    let mut child = study(&broken, &from).stderr(Stdio::null()).spawn().expect("the binary runs");
    let patience = Instant::now();
    while !broken.join("journal.jsonl").exists() && patience.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().expect("a kill");
    child.wait().expect("an end");
    fs::remove_dir_all(&earlier).expect("the earlier folder goes");
    run(evolve(&["resume", "--quiet", broken.to_str().expect("a path")]));
    assert_eq!(journal(&one), journal(&broken));
    assert!(model(&one) == model(&broken), "the models differ");
}

#[test]
fn a_torn_line_is_cut_off_and_a_damaged_one_is_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("study");
    run(study(&out, &[]));
    let (whole, best) = (fs::read(out.join("journal.jsonl")).expect("a journal"), model(&out));
    fs::write(out.join("journal.jsonl"), [&whole[..whole.len() - 9], br#"{"cut"#].concat()).expect("a file");
    run(evolve(&["resume", "--quiet", out.to_str().expect("a path")]));
    assert_eq!(fs::read(out.join("journal.jsonl")).expect("a journal"), whole);
    assert!(model(&out) == best, "the models differ");
    fs::write(out.join("journal.jsonl"), &whole[1..]).expect("a file");
    let output = evolve(&["resume", "--quiet", out.to_str().expect("a path")]).output().expect("the binary runs");
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && message.contains("line 1"), "{message}");
}

#[test]
fn resuming_with_more_candidates_goes_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("study");
    run(study(&out, &[]));
    let before = journal(&out).len();
    run(evolve(&["resume", "--quiet", out.to_str().expect("a path"), "--candidates", "18"]));
    let longer = journal(&out);
    let candidates = longer.iter().filter(|l| l.contains(r#""event":"candidate""#)).count();
    assert_eq!(candidates, 18, "{before} lines before, {} after", longer.len());
}

#[test]
fn a_folder_with_a_study_is_left_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("study");
    run(study(&out, &[]));
    let (journal, best) = (fs::read(out.join("journal.jsonl")).expect("a journal"), model(&out));
    let output = study(&out, &[]).output().expect("the binary runs");
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("already holds a study"));
    assert!(fs::read(out.join("journal.jsonl")).expect("a journal") == journal && model(&out) == best);
}

#[test]
fn what_a_study_would_overwrite_is_left_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    for theirs in ["weights/mine.safetensors", "best.onnx"] {
        let out = folder.path().join(theirs.replace('/', "-"));
        let file = out.join(theirs);
        fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
        fs::write(&file, "theirs").expect("a file");
        let output = study(&out, &[]).output().expect("the binary runs");
        assert_eq!(output.status.code(), Some(2));
        assert!(String::from_utf8_lossy(&output.stderr).contains("is there already and is of no study"));
        assert_eq!(fs::read_to_string(&file).expect("a file"), "theirs");
        assert!(!out.join("lock").exists());
    }
}

#[test]
fn a_study_that_another_process_works_on_is_left_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("study");
    let mut first = study(&out, &["--candidates", "100000"]).spawn().expect("the binary runs");
    let patience = Instant::now();
    while !out.join("journal.jsonl").exists() && patience.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(20));
    }
    let output = evolve(&["resume", "--quiet", out.to_str().expect("a path")]).output().expect("the binary runs");
    first.kill().expect("a kill");
    first.wait().expect("an end");
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("another process"));
}

/// The exit code and the message of a command whose files may have so many blocks, of 512 bytes or 1 KiB: writing fails at
/// such a limit as it does on a full disk.
#[cfg(unix)]
fn limited(inner: &Command, blocks: u32) -> (Option<i32>, String) {
    let words: Vec<String> = std::iter::once(inner.get_program())
        .chain(inner.get_args())
        .map(|w| format!("'{}'", w.to_str().expect("a word")))
        .collect();
    // The signal that comes with the limit is ignored, so that the write reports an error.
    let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec {}", words.join(" "));
    let output = Command::new("sh").args(["-c", &script]).stdin(Stdio::null()).output().expect("a shell");
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[cfg(unix)]
#[test]
fn a_full_disk_ends_the_run_and_leaves_the_journal_whole() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("study");
    let (code, message) = limited(&study(&out, &[]), 0);
    assert!(code == Some(1) && message.contains("cannot write") && !message.contains("resume"), "{message}");
    assert!(!out.exists(), "nothing has begun");
    let (code, message) = limited(&study(&out, &["--candidates", "60"]), 64);
    assert_eq!(code, Some(1), "{message}");
    assert!(message.contains("cannot write") && message.contains("`evolve resume` goes on"), "{message}");
    assert!(!message.contains("panicked"), "{message}");
    run(evolve(&["resume", "--quiet", out.to_str().expect("a path"), "--candidates", "6"]));
}

/// What the report says of the exported model.
fn reported(out: &Path) -> f64 {
    report(out)["value"].as_f64().expect("a value")
}

#[cfg(unix)]
#[test]
fn an_interrupt_exports_the_best_so_far_and_can_be_resumed() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("study");
    let lines = || fs::read_to_string(out.join("journal.jsonl")).map_or(0, |text| text.lines().count());
    let ended = interrupted(study(&out, &["--candidates", "100000"]), || lines() >= 3);
    assert_eq!(ended.status.code(), Some(130));
    assert!(!model(&out).is_empty() && reported(&out) > 0.5);
    let candidates = (lines() + 2).to_string();
    run(evolve(&["resume", "--quiet", out.to_str().expect("a path"), "--candidates", &candidates]));
}

/// As `nohup` starts it.
#[cfg(unix)]
#[test]
fn a_hang_up_that_was_ignored_stays_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("study");
    let began = study(&out, &[]);
    let words: Vec<String> =
        std::iter::once(began.get_program()).chain(began.get_args()).map(|w| format!("'{}'", w.to_string_lossy())).collect();
    let mut command = Command::new("sh");
    command.args(["-c", &format!("trap '' HUP; exec {}", words.join(" "))]).stdin(Stdio::null());
    let lines = || fs::read_to_string(out.join("journal.jsonl")).map_or(0, |text| text.lines().count());
    let ended = signalled(command, libc::SIGHUP, || lines() >= 3);
    assert_eq!(ended.status.code(), Some(0), "{}", String::from_utf8_lossy(&ended.stderr));
}

#[cfg(unix)]
#[test]
fn an_interrupted_resume_exports_nothing_worse_than_before() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("study");
    run(study(&out, &["--candidates", "4"]));
    let (before, done) = (reported(&out), journal(&out).len());
    let more = evolve(&["resume", "--quiet", out.to_str().expect("a path"), "--candidates", "100000"]);
    let ended = interrupted(more, || journal_length(&out) > done);
    assert_eq!(ended.status.code(), Some(130));
    assert!(reported(&out) >= before, "{} after {before}", reported(&out));
}

/// Lines of a journal that is being written.
fn journal_length(out: &Path) -> usize {
    fs::read_to_string(out.join("journal.jsonl")).map_or(0, |text| text.lines().count())
}

#[cfg(unix)]
#[test]
fn an_interrupt_before_the_first_candidate_says_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("study");
    // So many examples that the first candidate is under way for long.
    let long = study(&out, &["--examples", "1000000000", "--candidates", "2"]);
    let ended = interrupted(long, || out.join("journal.jsonl").exists());
    let message = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert_eq!(ended.status.code(), Some(130), "{message}");
    assert!(message.contains("stopped before the first candidate"), "{message}");
}

#[test]
fn the_memory_limit_fails_the_same_candidates_with_any_number_of_workers() {
    let folder = tempfile::tempdir().expect("a folder");
    let (one, four) = (folder.path().join("one"), folder.path().join("four"));
    let limit = ["--memory-limit", "5.5MB", "--candidates", "6"];
    run(study(&one, &[&limit[..], &["--workers", "1"]].concat()));
    run(study(&four, &[&limit[..], &["--workers", "4"]].concat()));
    let lines = journal(&one);
    assert!(lines.iter().any(|l| l.contains(r#""kind":"memory""#)), "the limit is too high for this test");
    assert_eq!(lines, journal(&four));
}

#[test]
fn where_everything_fails_the_search_ends_soon() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("study");
    let output = study(&out, &["--memory-limit", "1KB", "--candidates", "100000"]).output().expect("the binary runs");
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(message.contains("candidates failed") && journal_length(&out) < 60, "{message}");
}

#[test]
fn predictions_go_to_a_bare_name_through_a_link_and_into_a_pipe() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("study");
    run(study(&out, &["--candidates", "2"]));
    let (best, data) = (out.join("best.onnx"), fixture("credit_g.csv"));
    let predict = |output: &str| {
        let mut command = evolve(&["predict", best.to_str().expect("a path"), data.to_str().expect("a path")]);
        command.args(["--output", output]).current_dir(folder.path());
        command
    };
    run(predict("bare.csv"));
    let written = fs::read(folder.path().join("bare.csv")).expect("predictions");
    assert!(written.starts_with(b"label,"));
    #[cfg(unix)]
    {
        fs::write(folder.path().join("real.csv"), "old").expect("a file");
        std::os::unix::fs::symlink("real.csv", folder.path().join("link.csv")).expect("a link");
        run(predict("link.csv"));
        assert_eq!(fs::read(folder.path().join("real.csv")).expect("a file"), written);
        assert_eq!(run(predict("/dev/stdout")).stdout, written);
    }
    let output = predict("missing/folder.csv").output().expect("the binary runs");
    assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_study_that_cannot_begin_leaves_no_folder() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("study");
    let missing = folder.path().join("no_such_library.so");
    let output = study(&out, &["--runtime", missing.to_str().expect("a path")]).output().expect("the binary runs");
    assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(!out.exists());
    let junk = folder.path().join("junk.so");
    fs::write(&junk, "junk").expect("a file");
    for was_there in [false, true] {
        let output = study(&out, &["--runtime", junk.to_str().expect("a path")]).output().expect("the binary runs");
        assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(out.exists(), was_there, "the user's folder stays, and no other");
        fs::create_dir_all(&out).expect("a folder");
        assert_eq!(fs::read_dir(&out).expect("a folder").count(), 0);
    }
}

#[test]
fn what_a_device_may_do_is_recorded_and_a_folder_of_before_is_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("study");
    run(study(&out, &["--candidates", "2", "--tf32", "off", "--cuda-graphs", "off"]));
    let path = out.join("study.toml");
    let settings = fs::read_to_string(&path).expect("settings");
    let recorded = "\ntf32 = false\ncuda_graphs = false\n";
    assert!(settings.contains(recorded), "{settings}");
    fs::write(&path, settings.replace(recorded, "\n")).expect("a file");
    run(evolve(&["resume", "--quiet", out.to_str().expect("a path"), "--candidates", "3"]));
    let settings = fs::read_to_string(&path).expect("settings");
    assert!(settings.contains("\ntf32 = true\ncuda_graphs = true\n"), "{settings}");
}

#[test]
fn a_study_begins_with_the_ancestors_asked_for_and_goes_on_with_them() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("images");
    let data = fixture("fashion_mnist");
    let mut command = evolve(&["run", data.to_str().expect("a path"), "--ancestor", "mobilenet_v2", "--quiet", "--out"]);
    command.arg(&out).args(["--candidates", "2", "--examples", "64", "--lag", "1"]);
    run(command);
    let settings = fs::read_to_string(out.join("study.toml")).expect("settings");
    assert!(settings.contains("ancestors = [\"mobilenet_v2\"]"), "{settings}");
    let scored = |number: u64| {
        let records = journal(&out).into_iter().map(|line| serde_json::from_str::<Value>(&line).expect("JSON"));
        let mut candidates = records.filter(|record| record["event"] == "candidate" && record["number"] == number);
        candidates.next().unwrap_or_else(|| panic!("no candidate {number}"))
    };
    let second = scored(1);
    assert_eq!(second["proposal"]["genome"]["net"]["ancestor"]["name"], "mobilenet_v2");
    assert_eq!(second["outcome"]["status"], "scored", "{second}");
    run(evolve(&["resume", out.to_str().expect("a path"), "--candidates", "3", "--quiet"]));
    assert_eq!(scored(2)["event"], "candidate");
}

/// Resumes with these options and returns what is said on standard error.
fn resumed(out: &Path, options: &[&str]) -> (Option<i32>, String) {
    let mut command = evolve(&["resume", out.to_str().expect("a path")]);
    let output = command.args(options).output().expect("the binary runs");
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn resuming_tells_of_another_version_and_of_limits_that_add_nothing_and_refuses_a_newer_form() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("study");
    run(study(&out, &["--candidates", "2", "--memory-limit", "1GiB"]));
    let path = out.join("study.toml");
    let settings = fs::read_to_string(&path).expect("settings");
    assert!(settings.contains("\nformat = 3\n") && settings.contains("memory = 1073741824\n"), "{settings}");
    // Folders of before say nothing of their form.
    let version = format!("version = \"{}\"", env!("CARGO_PKG_VERSION"));
    fs::write(&path, settings.replace("format = 3\n", "").replace(&version, "version = \"0.0.1\"")).expect("a file");
    let (code, said) = resumed(&out, &["--candidates", "2"]);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(said.matches("the study began with evolve 0.0.1 and goes on with").count(), 1, "{said}");
    assert!(said.contains("no candidates are added: the study has 2 candidates, of 2 at most; give more than it has, such as --candidates 4"), "{said}");
    let (code, said) = resumed(&out, &["--candidates", "9", "--total-examples", "100"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("training examples of 100; give more than both, such as --total-examples"), "{said}");
    let (code, said) = resumed(&out, &["--candidates", "2", "--budget", "0.01s"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains("of its budget of 0s, which leaves no time to search; give more than both, such as --budget"),
        "{said}"
    );
    // Of a newer form nothing else is looked at.
    fs::write(&path, settings.replace("format = 3\n", "format = 4\n").replace("[data]", "[dataset]")).expect("a file");
    let before = fs::read(out.join("journal.jsonl")).expect("a journal");
    let (code, said) = resumed(&out, &[]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("in form 4 of a study's files") && said.contains("go on with the newer one"), "{said}");
    assert!(fs::read(out.join("journal.jsonl")).expect("a journal") == before && model(&out).len() > 100);
}
