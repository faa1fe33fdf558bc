//! From a genome to a training step, and what the search does around it: `cargo bench --bench pipeline`.

mod nets;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use evolve::express::{TrainingStep, domain, training_step};
use evolve::genome::{SearchSpace, mutation};
use evolve::graph::{Target, spell};
use evolve::study::{Candidate, Journal, Objectives, Outcome, Record, Timing};
use evolve::{onnx, search, train};
use rand::SeedableRng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;
use std::hint::black_box;

/// The nets that are timed here.
const NETS: [&str; 4] = ["mlp", "cnn", "dw", "res"];

fn step(name: &str) -> TrainingStep {
    nets::step(name).expect("a known net")
}

fn express(c: &mut Criterion) {
    let mut group = c.benchmark_group("express");
    for name in NETS {
        let (genome, task) = nets::net(name).expect("a known net");
        group.bench_function(BenchmarkId::new("express and differentiate", name), |b| {
            b.iter(|| training_step(black_box(&genome), &task, nets::BATCH).expect("a valid net"));
        });
        let step = step(name);
        group.bench_function(BenchmarkId::new("emit ONNX", name), |b| {
            b.iter(|| onnx::write(&spell(&step.graph, Target::Portable).expect("a spelling"), &vec![]));
        });
    }
    group.finish();
}

fn sessions(c: &mut Criterion) {
    let engine = nets::engine();
    let mut group = c.benchmark_group("session creation");
    for (name, target) in NETS.iter().flat_map(|n| [(n, Target::Portable), (n, Target::CpuKernels)]) {
        let step = step(name);
        let nodes = spell(&step.graph, target).expect("a spelling").nodes.len();
        let id = BenchmarkId::new(format!("{name} {target:?}"), format!("{nodes} nodes"));
        group.bench_function(id, |b| b.iter(|| train::load(&step, engine.as_ref(), target).expect("a session")));
    }
    group.finish();
}

fn steps(c: &mut Criterion) {
    let engine = nets::engine();
    let mut group = c.benchmark_group("training step");
    group.sample_size(10).throughput(Throughput::Elements(nets::BATCH as u64));
    for (name, target) in NETS.iter().flat_map(|n| [(n, Target::Portable), (n, Target::CpuKernels)]) {
        let mut session = nets::session(&step(name), target, engine.as_ref(), 1);
        group.bench_function(format!("{name} {target:?}"), |b| b.iter(|| session.step().expect("a step")));
    }
    group.finish();
}

fn genomes(c: &mut Criterion) {
    let (_, task) = nets::net("cnn").expect("a known net");
    let space = SearchSpace::preset(&domain(&task, 60_000));
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let parent = space.birth(&mut rng);
    c.bench_function("genome/birth", |b| b.iter(|| space.birth(&mut rng)));
    c.bench_function("genome/mutation", |b| {
        b.iter(|| mutation::ALL.choose(&mut rng).and_then(|m| (m.apply)(&space, black_box(&parent), &mut rng)));
    });
    c.bench_function("genome/hash", |b| b.iter(|| black_box(&parent).hash()));
}

fn journal(c: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut journal, _) = Journal::open(&folder.path().join("journal.jsonl")).expect("a journal");
    let (genome, _) = nets::net("cnn").expect("a known net");
    let origin = search::Origin { arm: "birth".into(), edits: vec![], parents: vec![] };
    let proposal =
        search::Proposal { genome: genome.clone(), origin, inherit: None, length: 1.0, rungs: Vec::new(), continues: None };
    let outcome = Outcome::Scored {
        scores: train::Scores::from([("accuracy".into(), 0.9)]),
        score: 0.9,
        costs: train::Costs::default(),
        objectives: Objectives::new(),
        violation: 0.0,
        curve: vec![],
        weights: "0".repeat(64),
        trainings: vec![],
        rungs: vec![],
    };
    let candidate = Candidate { number: 0, hash: genome.hash(), proposal, outcome, timing: Timing::default() };
    let record = Record::Candidate(Box::new(candidate));
    c.bench_function("journal/append and sync", |b| b.iter(|| journal.append(&record).expect("an append")));
}

criterion_group!(benches, express, sessions, steps, genomes, journal);
criterion_main!(benches);
