use super::*;
use crate::data::{self, Dataset, Validation};
use crate::engine::Tract;
use crate::genome::SearchSpace;
use crate::graph::Target;
use crate::train::TrainError;
use crate::{express, search};
use std::fs;
use std::sync::Arc;

static GO: AtomicBool = AtomicBool::new(false);
static STOP: AtomicBool = AtomicBool::new(true);

/// A proxy that fails, and one that says something.
static ONE_FAILS: &[zero_cost::Proxy] = &[
    zero_cost::Proxy { name: "broken", doc: "", score: |_, _| Err(TrainError::Shapes) },
    zero_cost::Proxy { name: "length", doc: "", score: |genome, _| Ok(genome.json().len() as f64) },
];

static ALL_FAIL: &[zero_cost::Proxy] = &[
    zero_cost::Proxy { name: "broken", doc: "", score: |_, _| Err(TrainError::Shapes) },
    zero_cost::Proxy { name: "not finite", doc: "", score: |_, _| Ok(f64::NAN) },
];

fn iris() -> Dataset {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/iris.csv");
    let target = Some("species".to_owned());
    let options = data::Options { path, target, task: None, validation: Validation::Auto, group: None, seed: 0 };
    data::load(&options).unwrap()
}

fn births(dataset: &Dataset, count: u64) -> Vec<Genome> {
    let space = SearchSpace::preset(&express::domain(&dataset.task, dataset.train.targets.len()));
    (0..count).map(|number| space.birth(&mut search::rng(1, number, 0))).collect()
}

fn proxies(dataset: &Dataset, path: &Path, threads: usize, most: u64, list: &'static [zero_cost::Proxy]) -> Proxies {
    let engine = Arc::new(Tract);
    Proxies {
        proxies: list,
        conditions: zero_cost::Conditions::new(&dataset.task, &dataset.train, engine, Target::Portable, 5),
        threads,
        most,
        memory: Memory::new(1 << 20),
        stop: &GO,
        rows: dataset.train.targets.len(),
        kept: Mutex::new(Kept::open(path, list).unwrap()),
    }
}

#[test]
fn threads_change_no_score_and_nets_without_room_have_none() {
    let (dataset, folder) = (iris(), tempfile::tempdir().unwrap());
    let births = births(&dataset, 6);
    let scores = |name: &str, threads, most, genomes: &[Genome]| {
        proxies(&dataset, &folder.path().join(name), threads, most, zero_cost::ALL).scores(genomes)
    };
    let alone = scores("one", 1, u64::MAX, &births);
    assert!(alone.iter().flatten().all(Option::is_some), "{alone:?}");
    assert_eq!(scores("four", 4, u64::MAX, &births), alone);
    assert_eq!(scores("some", 4, u64::MAX, &births[3..]), alone[3..]);
    assert!(scores("none", 2, 10, &births).iter().flatten().all(Option::is_none));
}

#[test]
fn what_was_said_once_is_kept_and_a_torn_line_is_not() {
    let (dataset, folder) = (iris(), tempfile::tempdir().unwrap());
    let (births, path) = (births(&dataset, 6), folder.path().join("foresight.jsonl"));
    let first = proxies(&dataset, &path, 2, u64::MAX, zero_cost::ALL).scores(&births[..4]);
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(text.lines().count(), 4);
    fs::write(&path, format!("{text}{{\"genome\":\"{}", births[4].hash())).unwrap();
    // Where there is no room now, there was: what is known is not judged again.
    let again = proxies(&dataset, &path, 1, 10, zero_cost::ALL).scores(&births);
    assert_eq!(again[..4], first);
    assert!(again[4..].iter().flatten().all(Option::is_none));
    assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 6);
    assert_eq!(proxies(&dataset, &path, 1, u64::MAX, zero_cost::ALL).scores(&births), again);
}

#[test]
fn a_proxy_that_says_nothing_is_told_of_once_and_an_end_where_none_says_anything() {
    let (dataset, folder) = (iris(), tempfile::tempdir().unwrap());
    let births = births(&dataset, 24);
    let one_fails = proxies(&dataset, &folder.path().join("one"), 1, u64::MAX, ONE_FAILS);
    one_fails.scores(&births[..ENOUGH - 1]);
    assert!(one_fails.warnings().unwrap().is_empty(), "it may yet say something");
    one_fails.scores(&births[..16]);
    let said = one_fails.warnings().unwrap();
    assert_eq!(said.len(), 1);
    assert!(said[0].contains("the proxy broken says nothing of any of 16 networks") && said[0].contains("several shapes"));
    one_fails.scores(&births);
    assert!(one_fails.warnings().unwrap().is_empty());
    let all_fail = proxies(&dataset, &folder.path().join("all"), 1, u64::MAX, ALL_FAIL);
    all_fail.scores(&births);
    let failure = all_fail.warnings().unwrap_err();
    assert!(matches!(failure, StudyError::Unforeseen { nets: 24, .. }), "{failure}");
    let no_room = proxies(&dataset, &folder.path().join("room"), 1, 10, ALL_FAIL);
    no_room.scores(&births);
    assert!(no_room.warnings().unwrap().is_empty(), "their trainings will say what is wrong");
}

#[test]
fn where_the_user_stops_nothing_is_scored_or_kept() {
    let (dataset, folder) = (iris(), tempfile::tempdir().unwrap());
    let path = folder.path().join("foresight.jsonl");
    let stopped = Proxies { stop: &STOP, ..proxies(&dataset, &path, 2, u64::MAX, ONE_FAILS) };
    let scores = stopped.scores(&births(&dataset, 12));
    assert!(stopped.is_cut_short() && scores.iter().flatten().all(Option::is_none));
    assert_eq!(fs::read_to_string(&path).unwrap(), "");
}

#[test]
fn scores_keep_four_digits() {
    assert_eq!(rounded(123_456.0), 123_500.0);
    assert_eq!(rounded(-0.001_234_56), -0.001_235);
    assert_eq!(rounded(0.0), 0.0);
    assert_eq!(rounded(9.999_96), 10.0);
}
