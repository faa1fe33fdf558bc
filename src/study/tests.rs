//! Which weights stay in the store.

use super::*;
use crate::{
    data::{InputSpec, NumericFeature, OutputSpec, Task, TaskKind},
    genome::SpaceFile,
    graph::Tensor,
    search::{self, Origin},
    train::{Costs, Scores},
};

fn task() -> Task {
    let numeric = vec![NumericFeature { name: "x".into(), knots: vec![] }];
    let output = OutputSpec::Value { mean: 0.0, std: 1.0 };
    Task { kind: TaskKind::Regression, input: InputSpec::Table { numeric, categorical: vec![] }, output }
}

fn settings(space: &SearchSpace) -> Settings {
    Settings {
        version: "0".into(),
        data: DataSettings {
            path: "x.csv".into(),
            target: None,
            validation_file: None,
            validation_share: None,
            cross_validation: None,
            group: None,
            files: vec![],
        },
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
            memory: 1 << 30,
        },
        schema: task(),
        space: Some(SpaceFile::of(space)),
    }
}

fn weights(value: f32) -> Weights {
    Weights::from([("w".to_owned(), Tensor::f32(&[1], vec![value]))])
}

/// A study of candidates 0 and 1, of which the store holds the weights.
fn study(root: &std::path::Path) -> (Study, [String; 2]) {
    let space = SearchSpace::preset(&express::domain(&task(), 100));
    let mut study = Study::create(Folder::create(root).unwrap(), settings(&space)).unwrap();
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
