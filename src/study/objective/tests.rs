//! What every objective of the list has to hold, and caps.

use super::*;
use crate::data::{Dataset, Lookup, Options, Validation, load};
use crate::engine::Tract;
use crate::express::{domain, inference, initialise};
use crate::genome::{Genome, SearchSpace};
use crate::graph::Dim;
use crate::study::TrainingLength;
use crate::train::{self, Costs, Scores, Weights};
use crate::{export, graph::GraphError};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeSet;
use std::fmt::Write;

fn dataset() -> Dataset {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.csv");
    let mut csv = String::from("a,b,y\n");
    (0..90).for_each(|i| writeln!(csv, "{},{},{}", i % 30, ["u", "v"][i % 2], ["one", "two"][i % 30 / 15]).unwrap());
    std::fs::write(&path, csv).unwrap();
    load(&Options { path, target: Some("y".into()), task: None, validation: Validation::Auto, group: None, seed: 3 })
        .unwrap()
}

fn net(dataset: &Dataset) -> (Genome, Weights, Costs) {
    let rows = dataset.train.targets.len();
    let genome = SearchSpace::preset(&domain(&dataset.task, rows)).seeds().remove(0);
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let params = inference(&genome, &dataset.task, Dim::Batch).unwrap().params;
    let fresh = |param: &crate::express::Param| initialise(param, genome.training.initialisation, &mut rng);
    let weights = params.iter().map(|param| param.name.clone()).zip(params.iter().map(fresh).collect::<Vec<_>>()).collect();
    let costs = train::costs(&genome, &dataset.task, rows, dataset.validation.targets.len()).unwrap();
    (genome, weights, costs)
}

#[test]
fn the_list_has_names_and_words() {
    let names: BTreeSet<&str> = ALL.iter().map(|entry| entry.name).collect();
    assert_eq!(names.len(), ALL.len());
    for objective in Objective::all() {
        assert!(!objective.entry().doc.is_empty());
        assert_eq!(find(objective.entry().name).unwrap(), objective);
        let text = serde_json::to_string(&objective).unwrap();
        assert_eq!(serde_json::from_str::<Objective>(&text).unwrap(), objective);
    }
    let unknown = find("latncy").unwrap_err().to_string();
    assert!(unknown.contains("latncy") && names.iter().all(|name| unknown.contains(name)), "{unknown}");
}

#[test]
fn all_are_measured_on_what_would_be_exported() {
    let dataset = dataset();
    let (genome, weights, costs) = net(&dataset);
    let assemble = |genome: &Genome, length: TrainingLength, weights: &Weights, scores: &Scores| {
        let metrics = export::Metrics { scores, cross_validation: None };
        export::assemble(&export::Net::alone(genome, length, weights, metrics), &dataset, Lookup::Comparisons)
    };
    let all: Vec<Objective> = Objective::all().collect();
    let caps = ["size<1k".parse::<Cap>().unwrap(), "params<100M".parse().unwrap()];
    let gauge = Gauge::new(&all, &caps, &dataset, &Tract, &assemble).unwrap();
    let measured = gauge.measure(&genome, &costs, true, &weights, &Scores::new()).unwrap();
    let value = |name: &str| measured.objectives[name];
    assert_eq!(measured.objectives.len(), ALL.len());
    assert!(measured.objectives.values().all(|value| value.is_finite() && *value > 0.0), "{measured:?}");
    assert_eq!((value("params"), value("macs")), (costs.parameters as f64, costs.macs as f64));
    let length = TrainingLength { examples: costs.examples, inherited: true, all_rows: false };
    let size = assemble(&genome, length, &weights, &Scores::new()).unwrap().len() as f64;
    assert_eq!(value("size"), size);
    assert!(value("memory") >= 4.0 * value("params"));
    assert!((measured.violation - (size / 1000.0 - 1.0)).abs() < 1e-9, "of both caps one is violated: {measured:?}");
}

#[test]
fn nothing_is_measured_where_nothing_is_asked_for_and_failures_are_told() {
    let dataset = dataset();
    let (genome, weights, costs) = net(&dataset);
    let broken = |_: &Genome, _: TrainingLength, _: &Weights, _: &Scores| {
        Err(TrainError::Graph(GraphError::NoGradient { operator: "Net", place: "here".into() }))
    };
    assert!(Gauge::new(&[], &[], &dataset, &Tract, &broken).is_none());
    let minimize = [find("params").unwrap()];
    let counted = Gauge::new(&minimize, &[], &dataset, &Tract, &broken).unwrap();
    assert!(
        counted.measure(&genome, &costs, false, &weights, &Scores::new()).is_ok(),
        "no model is assembled for what is counted"
    );
    let caps = ["latency<1".parse().unwrap()];
    let timed = Gauge::new(&minimize, &caps, &dataset, &Tract, &broken).unwrap();
    assert!(timed.measure(&genome, &costs, false, &weights, &Scores::new()).is_err());
}

#[test]
fn caps_are_read_and_written() {
    let cases = [
        ("size<200k", "size<=200000"),
        ("size <= 1.5M", "size<=1500000"),
        ("memory<2g", "memory<=2000000000"),
        ("latency<2", "latency<=2"),
        ("latency<2.5ms", "latency<=2.5"),
        ("latency_batch<40us", "latency_batch<=0.04"),
        ("latency<1s", "latency<=1000"),
    ];
    for (text, written) in cases {
        let cap: Cap = text.parse().unwrap();
        assert_eq!(cap.to_string(), written);
        assert_eq!(serde_json::from_str::<Cap>(&serde_json::to_string(&cap).unwrap()).unwrap(), cap);
    }
    for text in ["", "size", "size<", "size>3", "size<x", "size<0", "size<-5", "latency<inf", "latency<nan", "latency<2k"] {
        assert_eq!(text.parse::<Cap>(), Err(BadCap::Form(text.to_owned())), "{text}");
    }
    assert!(matches!("weight<3".parse::<Cap>(), Err(BadCap::Objective { .. })));
    let cap: Cap = "latency<2".parse().unwrap();
    assert_eq!([1.0, 2.0, 3.0].map(|value| cap.violation(value)), [0.0, 0.0, 0.5]);
}
