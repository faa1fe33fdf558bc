//! `--ensemble`: several of the nets that were trained answer together.

mod binary;

use binary::{
    back_before_the_finals_and_out_of_time, evolve, fixture, interrupted, journal, killed_and_resumed, metadata, model,
    records, report, run, with_options,
};
use serde_json::Value;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

/// A short study of a fixture. Options that are given replace those that stand here.
fn study((data, target): (&str, &str), out: &Path, options: &[&str]) -> Command {
    let data = fixture(data);
    let command = evolve(&["run", data.to_str().expect("a path"), "--target", target, "--quiet"]);
    let defaults = [["--candidates", "8"], ["--examples", "3000"], ["--ensemble", "3"], ["--seed", "2"]];
    with_options(command, &defaults, options, out)
}

const CONCRETE: (&str, &str) = ("concrete.csv", "compressive_strength");
const CREDIT: (&str, &str) = ("credit_g.csv", "class");

/// The shares of all nets, the choice first.
fn shares(choice: &Value) -> Vec<f64> {
    let members = choice["ensemble"]["members"].as_array().expect("an ensemble");
    members.iter().map(|net| net["share"].as_f64().expect("a share")).collect()
}

#[test]
fn nets_that_make_the_choice_better_answer_with_it() {
    for (data, metric, judged_by) in [(CONCRETE, "rmse", "rmse"), (CREDIT, "accuracy", "log_loss")] {
        let folder = tempfile::tempdir().expect("a folder");
        let (alone, together) = (folder.path().join("alone"), folder.path().join("together"));
        run(study(data, &alone, &["--ensemble", "1", "--metric", metric]));
        run(study(data, &together, &["--metric", metric]));
        assert_eq!(records(&alone, "candidate"), records(&together, "candidate"), "the search is the same");
        assert_eq!(records(&alone, "finalist"), records(&together, "finalist"), "and so are the finals");

        let (single, choice) = (records(&alone, "choice").swap_remove(0), records(&together, "choice").swap_remove(0));
        assert_eq!(choice["ensemble"]["alone"], single["scores"], "{choice}");
        assert_eq!(single.get("ensemble"), None);
        let value = |scores: &Value| scores[judged_by].as_f64().expect("a number");
        let (mine, its) = (value(&choice["scores"]), value(&single["scores"]));
        assert!(mine < its, "{judged_by} {mine}, alone {its}");
        let shares = shares(&choice);
        assert!((2..=3).contains(&shares.len()) && (shares.iter().sum::<f64>() - 1.0).abs() < 1e-9, "{shares:?}");

        // What is said of it: in the model, in the report, by `inspect`.
        assert_eq!(metadata(&together, "evolve.metrics"), choice["scores"]);
        let members = metadata(&together, "evolve.ensemble");
        let stated: Vec<f64> = members.as_array().expect("nets").iter().filter_map(|net| net["share"].as_f64()).collect();
        assert_eq!(stated, shares);
        assert_eq!(members[0]["genome"], metadata(&together, "evolve.genome"));
        let told = report(&together);
        assert_eq!(told["value"], choice["scores"][metric]);
        assert!(told["scored"]["exported"].as_str().expect("words").contains("mean answer of"));
        let numbers: Vec<&Value> =
            choice["ensemble"]["members"].as_array().expect("nets").iter().map(|net| &net["candidate"]).collect();
        assert_eq!((numbers[0], &told["candidate"]), (&choice["candidate"], &choice["candidate"]));
        let searched = records(&together, "candidate");
        let of = |number: &Value| searched.iter().find(|candidate| candidate["number"] == *number).expect("a candidate");
        let each = numbers.iter().map(|number| of(number)["outcome"]["costs"]["parameters"].as_u64().expect("a number"));
        assert_eq!(told["parameters"], each.sum::<u64>(), "of all of them");
        let shown = run(evolve(&["inspect", together.to_str().expect("a path")])).stdout;
        let shown = String::from_utf8_lossy(&shown).into_owned();
        assert!(shown.contains(&format!("note: an ensemble of {} networks", shares.len())), "{shown}");
        assert!(shown.contains(&format!("candidate {} with ", choice["candidate"])), "{shown}");
    }
}

/// With this seed the best net is so much better than the others that no mean is.
#[test]
fn a_single_net_is_exported_where_no_mean_is_better() {
    let folder = tempfile::tempdir().expect("a folder");
    let (alone, study_of_several) = (folder.path().join("alone"), folder.path().join("several"));
    run(study(CONCRETE, &alone, &["--seed", "12", "--ensemble", "1"]));
    run(study(CONCRETE, &study_of_several, &["--seed", "12"]));
    let choice = records(&study_of_several, "choice").swap_remove(0);
    assert_eq!((&choice["not_combined"], choice.get("ensemble")), (&Value::from("no_better"), None), "{choice}");
    assert!(report(&study_of_several)["scored"]["exported"].as_str().expect("words").contains("no mean of several"));
    assert!(model(&alone) == model(&study_of_several), "the same as without");
}

#[test]
fn any_number_of_workers_and_any_kill_gives_the_same() {
    let folder = tempfile::tempdir().expect("a folder");
    let (whole, broken) = (folder.path().join("whole"), folder.path().join("broken"));
    let began = Instant::now();
    run(study(CONCRETE, &whole, &["--workers", "1"]));
    let begin = || study(CONCRETE, &broken, &["--workers", "3"]);
    killed_and_resumed(begin, &broken, began.elapsed() / 4, 3);
    assert_eq!(journal(&whole), journal(&broken));
    assert!(model(&whole) == model(&broken), "the models differ");
    assert!(shares(&records(&whole, "choice")[0]).len() > 1);
}

/// The shares stay as they were chosen for the nets as they were scored.
#[test]
fn each_net_is_trained_on_all_rows_where_that_is_asked_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let (whole, broken) = (folder.path().join("whole"), folder.path().join("broken"));
    let began = Instant::now();
    run(study(CONCRETE, &whole, &["--refit", "--workers", "1"]));
    let choice = records(&whole, "choice").swap_remove(0);
    let members = choice["ensemble"]["members"].as_array().expect("an ensemble");
    let again = records(&whole, "refit");
    assert_eq!(again.len(), members.len());
    for member in members {
        let its = again.iter().find(|refit| refit["folds"] == member["weights"]).expect("a training on all rows");
        assert_eq!((&member["refit"], &member["candidate"]), (&its["outcome"]["weights"], &its["candidate"]), "{member}");
    }
    assert_eq!(choice["refit"], members[0]["refit"]);

    assert_eq!(metadata(&whole, "evolve.metrics"), choice["scores"], "as they were scored before");
    let stated = metadata(&whole, "evolve.ensemble");
    let on_all_rows = |net: &Value| net["training"]["all_rows"] == true;
    assert!(stated.as_array().expect("nets").iter().all(on_all_rows), "{stated}");
    let told = report(&whole)["scored"]["exported"].to_string();
    assert!(told.contains("mean answer of") && told.contains("each of the networks was trained once more"), "{told}");
    let shown = run(evolve(&["inspect", whole.to_str().expect("a path")])).stdout;
    assert!(String::from_utf8_lossy(&shown).contains("note: all networks trained on all rows"));

    let begin = || study(CONCRETE, &broken, &["--refit", "--workers", "3"]);
    killed_and_resumed(begin, &broken, began.elapsed() / 4, 3);
    assert_eq!(journal(&whole), journal(&broken));
    assert!(model(&whole) == model(&broken), "the models differ");

    // Cut off while the others were trained on all rows.
    let path = broken.join("journal.jsonl");
    let text = std::fs::read_to_string(&path).expect("a journal");
    let is_refit = |line: &&str| line.contains("\"event\":\"refit\"");
    let end = text.lines().position(|line| is_refit(&line)).expect("a training on all rows");
    let before: Vec<&str> = text.lines().take(end + 1).collect();
    std::fs::write(&path, before.join("\n") + "\n").expect("a journal");
    run(evolve(&["resume", "--quiet", broken.to_str().expect("a path")]));
    let resumed = std::fs::read_to_string(&path).expect("a journal");
    assert!(resumed.starts_with(&before.join("\n")) && resumed.lines().filter(is_refit).count() == members.len());
    assert_eq!(journal(&whole), journal(&broken));
    assert!(model(&whole) == model(&broken), "the models differ");
}

#[cfg(unix)]
#[test]
fn what_is_stopped_between_trainings_on_all_rows_exports_what_there_is_and_can_be_resumed() {
    let folder = tempfile::tempdir().expect("a folder");
    let (whole, stopped) = (folder.path().join("whole"), folder.path().join("stopped"));
    run(study(CONCRETE, &whole, &["--refit"]));
    let begun =
        || std::fs::read_to_string(stopped.join("journal.jsonl")).unwrap_or_default().contains("\"event\":\"refit\"");
    let ended = interrupted(study(CONCRETE, &stopped, &["--refit", "--workers", "1"]), begun);
    assert_eq!(ended.status.code(), Some(130), "{}", String::from_utf8_lossy(&ended.stderr));
    let choice = records(&stopped, "choice").swap_remove(0);
    let members = choice["ensemble"]["members"].as_array().expect("an ensemble");
    assert!(members.iter().any(|member| member.get("refit").is_some()), "{choice}");
    assert!(members.iter().any(|member| member.get("refit").is_none()), "{choice}");
    assert!(!model(&stopped).is_empty());
    run(evolve(&["resume", "--quiet", stopped.to_str().expect("a path")]));
    assert_eq!(records(&stopped, "refit"), records(&whole, "refit"));
    assert!(model(&whole) == model(&stopped), "the models differ");
}

/// A study that is over is exported anew as it was chosen, without asking any net again.
#[test]
fn a_finished_study_keeps_its_ensemble() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("study");
    run(study(CONCRETE, &out, &[]));
    let (before, lines) = (model(&out), journal(&out));
    std::fs::remove_file(out.join("best.onnx")).expect("a model");
    run(evolve(&["resume", "--quiet", out.to_str().expect("a path")]));
    assert_eq!(journal(&out), lines);
    assert!(model(&out) == before);
}

#[test]
fn without_time_to_ask_others_a_single_net_is_exported_and_the_reason_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("study");
    run(study(CONCRETE, &out, &[]));
    back_before_the_finals_and_out_of_time(&out);
    run(evolve(&["resume", "--quiet", out.to_str().expect("a path"), "--budget", "100s"]));
    let choice = records(&out, "choice").swap_remove(0);
    assert_eq!((&choice["not_combined"], choice.get("ensemble")), (&Value::from("no_time"), None), "{choice}");
    assert!(report(&out)["scored"]["exported"].as_str().expect("words").contains("not enough time"));
}

/// Most networks that a study lets answer together.
fn most(out: &Path) -> i64 {
    let text = std::fs::read_to_string(out.join("study.toml")).expect("settings");
    let settings: toml::Table = text.parse().expect("TOML");
    settings["training"].get("ensemble").map_or(1, |most| most.as_integer().expect("a number"))
}

#[test]
fn by_default_there_are_up_to_three_where_nothing_stands_against_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let space = folder.path().join("space.toml");
    std::fs::write(&space, "version = 1\nkind = \"table\"\nmax_parameters = 20000\n").expect("a file");
    let space = space.to_str().expect("a path");
    let cases: [(&[&str], i64); 6] = [
        (&[], 3),
        (&["--fidelity", "halving"], 3),
        (&["--constraint", "params<100k"], 1),
        (&["--cv", "2"], 1),
        (&["--refit"], 3),
        (&["--space", space], 1),
    ];
    for (number, (options, expected)) in cases.into_iter().enumerate() {
        let out = folder.path().join(number.to_string());
        let data = fixture(CONCRETE.0);
        let command = evolve(&["run", data.to_str().expect("a path"), "--target", CONCRETE.1, "--quiet"]);
        run(with_options(command, &[["--candidates", "3"], ["--examples", "1000"]], options, &out));
        assert_eq!(most(&out), expected, "{options:?}");
        let choice = records(&out, "choice").swap_remove(0);
        let is_told = choice.get("ensemble").is_some() || choice.get("not_combined").is_some();
        assert_eq!(is_told, expected > 1, "{options:?}: {choice}");
    }
    let out = folder.path().join("refused");
    let output = study(CONCRETE, &out, &["--space", space]).output().expect("the binary runs");
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(2) && message.contains("max_parameters"), "{message}");
    assert!(!out.exists());
}

#[test]
fn a_later_study_begins_with_its_networks() {
    let folder = tempfile::tempdir().expect("a folder");
    let (first, second) = (folder.path().join("first"), folder.path().join("second"));
    run(study(CONCRETE, &first, &[]));
    run(study(CONCRETE, &second, &["--from", first.to_str().expect("a path"), "--candidates", "4"]));
    let choice = records(&first, "choice").swap_remove(0);
    let mut exported: Vec<i64> = vec![];
    for member in choice["ensemble"]["members"].as_array().expect("nets") {
        let number = member["candidate"].as_i64().expect("a number");
        if !exported.contains(&number) {
            exported.push(number);
        }
    }
    let text = std::fs::read_to_string(second.join("study.toml")).expect("settings");
    let settings: toml::Table = text.parse().expect("TOML");
    let heirs = settings["from"]["candidates"].as_array().expect("heirs");
    let heirs: Vec<i64> = heirs.iter().filter_map(toml::Value::as_integer).collect();
    assert_eq!(heirs[..exported.len()], exported[..]);
}

#[test]
fn what_it_does_not_go_with_is_refused_before_anything_is_made() {
    let folder = tempfile::tempdir().expect("a folder");
    let cases: [&[&str]; 4] =
        [&["--minimize", "size"], &["--constraint", "params<100k"], &["--cv", "3"], &["--executions", "2"]];
    for options in cases {
        let out = folder.path().join("out");
        let output = study(CONCRETE, &out, options).output().expect("the binary runs");
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{options:?}: {message}");
        assert!(message.contains("leave out --ensemble") && message.contains(options[0]), "{message}");
        assert!(!out.exists());
    }
}

/// Takes the choice out of a study's journal, as if it had been killed before.
fn before_the_choice(out: &Path) {
    let path = out.join("journal.jsonl");
    let text = std::fs::read_to_string(&path).expect("a journal");
    let before: String =
        text.lines().filter(|line| !line.contains("\"event\":\"choice\"")).map(|l| format!("{l}\n")).collect();
    std::fs::write(&path, before).expect("a journal");
}

#[test]
fn a_net_that_cannot_be_asked_is_left_out_and_the_user_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("study");
    run(study(CONCRETE, &out, &[]));
    let choice = records(&out, "choice").swap_remove(0);
    let trained = [records(&out, "finalist"), records(&out, "candidate")].concat();
    let is_alone = |member: &&Value| {
        let its = trained.iter().find(|t| t["outcome"]["weights"] == member["weights"]).expect("a training");
        its["outcome"]["scores"] == choice["ensemble"]["alone"]
    };
    let members = choice["ensemble"]["members"].as_array().expect("nets");
    let lost = members.iter().find(|member| !is_alone(member)).expect("another net");
    let hash = lost["weights"].as_str().expect("a hash");
    std::fs::remove_file(out.join("weights").join(format!("{hash}.safetensors"))).expect("weights");

    before_the_choice(&out);
    let told = run(evolve(&["resume", out.to_str().expect("a path")]));
    let told = String::from_utf8_lossy(&told.stderr).into_owned();
    assert!(told.contains(&format!("candidate {} cannot be asked", lost["candidate"])), "{told}");
    let again = records(&out, "choice").swap_remove(0);
    assert!(again["scores"].is_object() && !again.to_string().contains(hash), "{again}");
    assert_ne!(again, choice);
}
