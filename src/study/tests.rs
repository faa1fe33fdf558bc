//! Which weights stay in the store, and what is handed over.

use super::*;
use crate::{
    data::{InputEncoder, InputSpec, NumericFeature, OutputSpec, Preprocessing, TableEncoder, TableInputs, Task, TaskKind},
    genome::SpaceFile,
    graph::Tensor,
    search::{self, Origin},
    train::{Costs, Scores, Weights},
};

fn task() -> Task {
    let numeric = vec![NumericFeature { name: "x".into(), knots: vec![] }];
    let output = OutputSpec::Value { mean: 0.0, std: 1.0 };
    Task { kind: TaskKind::Regression, input: InputSpec::Table { numeric, categorical: vec![] }, output }
}

pub(super) fn settings(space: &SearchSpace) -> Settings {
    Settings {
        format: FORMAT,
        version: "0".into(),
        data: DataSettings {
            path: "x.csv".into(),
            target: None,
            validation_file: None,
            validation_share: None,
            cross_validation: None,
            group: None,
            split_seed: None,
            files: vec![],
        },
        from: None,
        search: SearchSettings {
            strategy: "ga".into(),
            seed: 0,
            lag: 8,
            candidates: Some(4),
            total_examples: None,
            budget: None,
            search_until: None,
            ancestors: vec![],
            constraints: vec![],
            minimize: vec![],
            caps: vec![],
            metric: "rmse".into(),
            strategy_settings: search::Settings::default(),
        },
        training: lengths::from_data(space, lengths::FINALISTS),
        engine: EngineSettings {
            name: "tract".into(),
            version: "0".into(),
            device: "cpu".into(),
            kernels: false,
            tf32: true,
            cuda_graphs: true,
            memory: 1 << 30,
        },
        schema: task(),
        space: Some(SpaceFile::of(space)),
    }
}

pub(super) fn preprocessing() -> Preprocessing {
    let encoder = TableEncoder { inputs: TableInputs::Columns(vec!["x".into()]), numbers: vec![], categories: vec![] };
    let (input, output) = (InputEncoder::Table(encoder), task().output);
    Preprocessing { kind: TaskKind::Regression, target: None, input, output }
}

fn weights(value: f32) -> Weights {
    Weights::from([("w".to_owned(), Tensor::f32(&[1], vec![value]))])
}

/// A study of candidates 0 and 1, of which the store holds the weights.
fn study(root: &std::path::Path) -> (Study, [String; 2]) {
    let space = SearchSpace::preset(&express::domain(&task(), 100));
    let mut study = Study::create(Folder::create(root).unwrap(), settings(&space), &preprocessing(), None).unwrap();
    let hashes = [0.0, 1.0].map(|value| study.store.put(&weights(value)).unwrap());
    for (number, (genome, hash)) in (0..).zip(space.seeds().into_iter().zip(&hashes)) {
        let origin = Origin { arm: "seed".into(), edits: vec![], parents: vec![] };
        let outcome = Outcome::Scored {
            scores: Scores::new(),
            score: 0.0,
            costs: Costs::default(),
            objectives: Objectives::new(),
            violation: 0.0,
            curve: vec![],
            weights: hash.clone(),
            trainings: vec![],
            rungs: vec![],
        };
        let proposal = Proposal { genome, origin, inherit: None, length: 1.0, rungs: Vec::new(), continues: None };
        let hash = proposal.genome.hash();
        let candidate = Candidate { number, hash, proposal, outcome, timing: Timing::default() };
        study.append(Record::Candidate(Box::new(candidate))).unwrap();
    }
    (study, hashes)
}

/// The journal and the weights of a study with four candidates, of which 0 was exported and 2 was a finalist.
fn finished(root: &std::path::Path, space: &SearchSpace) -> Study {
    let mut study = Study::create(Folder::create(root).unwrap(), settings(space), &preprocessing(), None).unwrap();
    let outcome = |study: &Study, rmse: f64, value: f32| Outcome::Scored {
        scores: Scores::from([("rmse".to_owned(), rmse)]),
        score: -rmse,
        costs: Costs::default(),
        objectives: Objectives::new(),
        violation: 0.0,
        curve: vec![],
        trainings: vec![],
        rungs: vec![],
        weights: study.store.put(&weights(value)).unwrap(),
    };
    for (number, rmse) in (0..).zip([5.0, 2.0, 4.0, 3.0]) {
        let genome = space.birth(&mut search::rng(3, number, 0));
        let proposal = Proposal::newborn("birth", genome);
        let (hash, outcome) = (proposal.genome.hash(), outcome(&study, rmse, number as f32));
        let candidate = Candidate { number, hash, proposal, outcome, timing: Timing::default() };
        study.append(Record::Candidate(Box::new(candidate))).unwrap();
    }
    for (rank, (candidate, rmse)) in (0..).zip([(0, 1.0), (2, 1.5), (0, 1.2)]) {
        let outcome = outcome(&study, rmse, 10.0 + rank as f32);
        let finalist = Finalist { after: 4, rank, candidate, outcome, timing: Timing::default() };
        study.append(Record::Finalist(finalist)).unwrap();
    }
    let weights = study.finalists[0].outcome.weights().unwrap().to_owned();
    let (scores, finalist) = (Scores::new(), Some(0));
    let choice = Choice {
        after: 4,
        candidate: 0,
        finalist,
        scores,
        weights,
        training: 0,
        refit: None,
        not_refit: None,
        ensemble: None,
        not_combined: None,
        violation: 0.0,
        front: vec![],
        interrupted: false,
    };
    study.append(Record::Choice(choice)).unwrap();
    study
}

#[test]
fn heirs_are_the_exported_the_finalists_and_the_best_others_with_the_weights_that_are_left() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (folder.path().join("old"), folder.path().join("new"));
    let space = SearchSpace::preset(&express::domain(&task(), 100));
    let study = finished(&old, &space);
    study.store.remove(study.candidates[&1].outcome.weights().unwrap()).unwrap();
    let metric = metric::find("rmse", TaskKind::Regression).unwrap();
    let earlier = Earlier::read(&old).unwrap();
    let inheritance = earlier.inheritance(&space, metric, &search::Settings::default()).unwrap();
    assert_eq!(inheritance.settings.candidates, [0, 2, 1, 3]);
    assert_eq!((inheritance.heirs.len(), inheritance.with_weights()), (4, 3));
    let trained = [Some(10.0), Some(11.0), None, Some(3.0)];
    for ((heir, trained), old) in inheritance.heirs.iter().zip(trained).zip([0, 2, 1, 3]) {
        assert_eq!(heir.proposal.genome, study.candidates[&old].proposal.genome);
        assert_eq!(heir.proposal.length, if trained.is_some() { 0.35 } else { 1.0 });
        let hash = heir.start.as_ref().map(|start| start.weights.clone());
        assert_eq!(hash, trained.map(|value| study.store.put(&weights(value)).unwrap()));
    }
    let few = search::Settings { expected_candidates: Some(5), ..search::Settings::default() };
    assert_eq!(earlier.inheritance(&space, metric, &few).unwrap().settings.candidates, [0, 2, 1, 3]);

    // What was handed down stays where the earlier study goes and while heirs wait for their turns.
    let settings = Settings { from: Some(inheritance.settings.clone()), ..settings(&space) };
    let started = Study::create(Folder::create(&new).unwrap(), settings, &preprocessing(), Some(&inheritance)).unwrap();
    drop((study, started));
    std::fs::remove_dir_all(&old).unwrap();
    let mut study = Study::open(Folder::open(&new).unwrap()).unwrap();
    assert_eq!(study.heirs, inheritance.heirs);
    assert_eq!(study.preprocessing().unwrap(), Some(preprocessing()));
    study.sweep([]).unwrap();
    let starts: Vec<Start> = study.awaited().cloned().collect();
    assert!(starts.len() == 3 && starts.iter().all(|start| study.store.get(&start.weights).is_ok()));
}

#[test]
fn of_equal_finalists_the_surer_is_best_and_then_the_first_whichever_ended_first() {
    let space = SearchSpace::preset(&express::domain(&task(), 100));
    let best = |order: [u64; 3], log_losses: [f64; 3]| {
        let folder = tempfile::tempdir().unwrap();
        let mut study = finished(&folder.path().join("study"), &space);
        study.finalists.clear();
        for rank in order {
            let mut outcome = study.candidates[&rank].outcome.clone();
            let Outcome::Scored { scores, score, .. } = &mut outcome else { panic!() };
            scores.insert("log_loss".into(), log_losses[rank as usize]);
            *score = 0.9;
            let finalist = Finalist { after: 4, rank, candidate: rank, outcome, timing: Timing::default() };
            study.append(Record::Finalist(finalist)).unwrap();
        }
        let finals = Finals { after: 4, entries: vec![] };
        let best = front::State::best(study.states(&finals), &|_, _| 0.1).unwrap();
        best.choice(4, vec![]).unwrap().finalist
    };
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
        assert_eq!(best(order, [0.5, 0.3, 0.4]), Some(1));
        assert_eq!(best(order, [0.3, 0.3, 0.3]), Some(0));
    }
}

#[test]
fn a_study_without_a_trained_candidate_has_nothing_to_give() {
    let folder = tempfile::tempdir().unwrap();
    let space = SearchSpace::preset(&express::domain(&task(), 100));
    let root = folder.path().join("old");
    drop(Study::create(Folder::create(&root).unwrap(), settings(&space), &preprocessing(), None).unwrap());
    let metric = metric::find("rmse", TaskKind::Regression).unwrap();
    let refused = Earlier::read(&root).unwrap().inheritance(&space, metric, &search::Settings::default());
    assert!(matches!(refused, Err(StudyError::NothingToInherit(_))), "{refused:?}");
    assert!(matches!(Earlier::read(folder.path()), Err(StudyError::Missing(_))));
}

#[test]
fn a_training_that_was_paused_is_as_long_as_its_parts_and_one_that_goes_on_from_weights_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let (mut study, [first, second]) = study(&folder.path().join("s"));
    for (number, examples) in [(0, 40), (1, 60)] {
        let candidate = study.candidates.get_mut(&number).unwrap();
        let Outcome::Scored { costs, .. } = &mut candidate.outcome else { panic!() };
        costs.examples = examples;
    }
    let length = |study: &Study, number: u64, weights: &str| study.as_trained(number, weights).unwrap().length;
    assert_eq!(length(&study, 1, &second), TrainingLength { examples: 60, inherited: false, all_rows: false });
    let proposal = &mut study.candidates.get_mut(&1).unwrap().proposal;
    proposal.continues = Some(search::Continuation { candidate: 0, from: 0.5 });
    assert_eq!(length(&study, 1, &second), TrainingLength { examples: 100, inherited: false, all_rows: false });
    assert_eq!(length(&study, 0, &first), TrainingLength { examples: 40, inherited: false, all_rows: false });
    let proposal = &mut study.candidates.get_mut(&1).unwrap().proposal;
    (proposal.continues, proposal.inherit) = (None, Some(0));
    assert_eq!(length(&study, 1, &second), TrainingLength { examples: 60, inherited: true, all_rows: false });
}

#[test]
fn a_study_without_its_journal_is_not_begun_anew() {
    let folder = tempfile::tempdir().unwrap();
    let (study, hashes) = study(&folder.path().join("s"));
    std::fs::remove_file(study.folder.journal()).unwrap();
    let store = study.store.clone();
    drop(study);
    let refused = Study::open(Folder::open(&folder.path().join("s")).unwrap()).err().unwrap();
    assert!(matches!(refused, StudyError::NoJournal(_)), "{refused}");
    assert!(hashes.iter().all(|hash| store.get(hash).is_ok()));
}

#[test]
fn settings_out_of_their_range_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let (study, _) = study(&folder.path().join("s"));
    let file = study.folder.settings();
    let text = std::fs::read_to_string(&file).unwrap();
    let refused = |key: &str, from: &str, to: &str| {
        assert!(text.contains(from), "{text}");
        std::fs::write(&file, text.replacen(from, to, 1)).unwrap();
        let error = Settings::read_file(&file).unwrap_err().to_string();
        assert!(error.contains(key), "{to}: {error}");
    };
    for value in ["-1.0", "inf", "nan", "1e300"] {
        refused("search.budget", "lag = 8", &format!("lag = 8\nbudget = {value}"));
        refused("search.search_until", "lag = 8", &format!("lag = 8\nsearch_until = {value}"));
    }
    refused("training.finalists", "finalists = 2", "finalists = 0");
    refused("training.effort", "effort = ", "effort = -");
    refused("training.search_share", "search_share = 0", "search_share = 1");
    refused("training.executions", "final_factor", "executions = 0\nfinal_factor");
    refused("training.ensemble", "final_factor", "ensemble = 0\nfinal_factor");
    for weight in ["-1.0", "0.0", "nan"] {
        refused(
            "training.class_weights",
            "final_factor",
            &format!("class_weights = {{ given = {{ a = {weight} }} }}\nfinal_factor"),
        );
    }
    refused("at least 2 folds", "files = []", "files = []\ncross_validation = { folds = 0 }");
    std::fs::write(&file, &text).unwrap();
    assert!(Settings::read_file(&file).is_ok());
}

#[test]
fn a_file_that_was_there_stays_where_a_study_does_not_begin() {
    let folder = tempfile::tempdir().unwrap();
    let lock = folder.path().join("lock");
    std::fs::write(&lock, "mine").unwrap();
    Folder::create(folder.path()).unwrap().abandon();
    assert_eq!(std::fs::read(&lock).unwrap(), b"mine");
    std::fs::remove_file(&lock).unwrap();
    Folder::create(folder.path()).unwrap().abandon();
    assert!(!lock.exists());
}

#[test]
fn a_sweep_leaves_what_is_wanted_and_what_a_worker_has_stored_but_not_reported() {
    let folder = tempfile::tempdir().unwrap();
    let (mut study, [unwanted, wanted]) = study(&folder.path().join("s"));
    let early = study.store.put(&weights(2.0)).unwrap();
    for _ in 0..2 {
        study.sweep([1]).unwrap();
        assert!(study.store.get(&unwanted).is_err());
        assert!(study.store.get(&wanted).is_ok());
        assert!(study.store.get(&early).is_ok());
    }
}

#[test]
fn a_study_that_is_opened_drops_what_a_killed_worker_has_left() {
    let folder = tempfile::tempdir().unwrap();
    let (study, hashes) = study(&folder.path().join("s"));
    let orphan = study.store.put(&weights(2.0)).unwrap();
    drop(study);
    let study = Study::open(Folder::open(&folder.path().join("s")).unwrap()).unwrap();
    assert!(study.store.get(&orphan).is_err());
    assert!(hashes.iter().all(|hash| study.store.get(hash).is_ok()));
}
