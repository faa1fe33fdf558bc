//! What is exported is what was scored, and what is not is noticed.

use super::*;
use crate::data::{Options, OutputSpec, Validation, load};
use crate::engine::Tract;
use crate::express::{domain, inference, initialise};
use crate::genome::{Genome, SearchSpace};
use crate::graph::{Dim, Tensor};
use crate::train::metric::Predictions;
use crate::train::{Scores, Weights};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use std::fmt::Write;

/// The dataset of a CSV file with the target `y`.
fn dataset(csv: &str) -> Dataset {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.csv");
    std::fs::write(&path, csv).unwrap();
    load(&Options { path, target: Some("y".into()), task: None, validation: Validation::Auto, group: None, seed: 3 })
        .unwrap()
}

/// The first seed of the preset space with weights none of which is zero, so that every output depends on the inputs.
fn net(dataset: &Dataset) -> (Genome, Weights) {
    let genome = SearchSpace::preset(&domain(&dataset.task, dataset.train.targets.len())).seeds().remove(0);
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let params = inference(&genome, &dataset.task, Dim::Batch).unwrap().params;
    let weights = params.iter().map(|param| {
        let fresh = initialise(param, genome.training.initialisation, &mut rng);
        let values = fresh.as_f32().unwrap().iter().zip(1..).map(|(v, i)| v + 0.4 * (i as f32).sin()).collect();
        (param.name.clone(), Tensor::f32(&fresh.shape, values))
    });
    let weights = weights.collect();
    (genome, weights)
}

fn model(dataset: &Dataset, lookup: Lookup) -> (Vec<u8>, Genome, Weights) {
    let (genome, weights) = net(dataset);
    let bytes = assemble(&genome, &weights, dataset, Metrics { scores: &Scores::default(), cross_validation: None }, lookup)
        .unwrap();
    (bytes, genome, weights)
}

fn classes() -> Dataset {
    let mut csv = String::from("x,y\n");
    (0..90).for_each(|i| writeln!(csv, "{},{}", i % 30, ["one", "two", "six"][i % 30 / 10]).unwrap());
    dataset(&csv)
}

/// Bytes with each occurrence of a text replaced by one of the same length.
fn replaced(bytes: &[u8], from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut changed = bytes.to_vec();
    let places = (0..bytes.len() - from.len()).filter(|&at| bytes[at..].starts_with(from.as_bytes()));
    let places: Vec<usize> = places.collect();
    assert!(!places.is_empty());
    places.iter().for_each(|&at| changed[at..][..to.len()].copy_from_slice(to.as_bytes()));
    changed
}

#[test]
fn what_is_exported_is_what_was_scored() {
    let dataset = classes();
    let (bytes, genome, weights) = model(&dataset, Lookup::LabelEncoder);
    let agreement = verify(&bytes, &genome, &weights, &dataset, &Tract, &Tract).unwrap();
    assert!(agreement.difference < TOLERANCE && agreement.rows == dataset.validation.targets.len());
    let mut others = weights.clone();
    others.values_mut().for_each(|w| *w = Tensor::f32(&w.shape, w.as_f32().unwrap().iter().map(|v| v * 1.1).collect()));
    let error = verify(&bytes, &genome, &others, &dataset, &Tract, &Tract).unwrap_err();
    assert!(matches!(error, ExportError::Disagrees { engine: "tract", .. }), "{error}");
}

#[test]
fn labels_that_are_not_the_most_probable_class_are_noticed() {
    let dataset = classes();
    let (bytes, genome, weights) = model(&dataset, Lookup::LabelEncoder);
    let swapped = replaced(&bytes, r#"["one","six","two"]"#, r#"["six","two","one"]"#);
    let error = verify(&swapped, &genome, &weights, &dataset, &Tract, &Tract).unwrap_err();
    assert!(matches!(error, ExportError::Label { engine: "tract", .. }), "{error}");
}

#[test]
fn values_may_differ_by_what_float32_cannot_hold() {
    for (mean, step) in [(48.85, 1e-4), (1e6, 0.1), (-3e7, 10.0), (0.0, 1.0)] {
        let mut csv = String::from("x,y\n");
        (0..400).for_each(|i| writeln!(csv, "{i},{}", mean + step * f64::from(i * 37 % 400)).unwrap());
        let dataset = dataset(&csv);
        let (bytes, genome, weights) = model(&dataset, Lookup::LabelEncoder);
        let agreement = verify(&bytes, &genome, &weights, &dataset, &Tract, &Tract);
        assert!(agreement.is_ok(), "{mean}: {agreement:?}");
        let (last, w) = weights.iter().next_back().unwrap();
        let off = w.as_f32().unwrap().iter().map(|v| v + 0.5).collect();
        let others = Weights::from_iter(weights.clone().into_iter().chain([(last.clone(), Tensor::f32(&w.shape, off))]));
        let error = verify(&bytes, &genome, &others, &dataset, &Tract, &Tract).unwrap_err();
        assert!(matches!(error, ExportError::Disagrees { .. }), "{mean}: {error}");
    }
}

#[test]
fn a_step_of_float32_is_no_disagreement() {
    let differ = |said: f32, scored: f32, mean: f64, std: f64| {
        let (said, scored) = (Predicted::Values(vec![said]), Predictions::Values(vec![scored]));
        super::verify::worst(&said, &scored, &OutputSpec::Value { mean, std }).1
    };
    for (value, mean, std) in [(48.86f32, 48.85, 0.01), (1_000_003.0, 1e6, 2.0), (0.0, 1e6, 2.0)] {
        let step = (mean as f32).next_up() - mean as f32;
        assert_eq!(differ(value + step, value, mean, std), None, "{value}");
        assert_eq!(differ(value + 8.0 * step, value, mean, std), Some(0), "{value}");
    }
    assert_eq!(differ(1.0 + 2e-4, 1.0, 0.0, 1.0), Some(0));
    assert_eq!(differ(f32::NAN, 1.0, 0.0, 1.0), Some(0));
}

#[test]
fn a_model_for_the_embedded_engine_looks_up_many_categories_there() {
    let mut csv = String::from("city,y\n");
    (0..1800).for_each(|i| writeln!(csv, "city {},{}", i % 600, ["no", "yes"][i % 600 / 300]).unwrap());
    let dataset = dataset(&csv);
    let lookup = lookup(&Tract, &Tract);
    let (bytes, genome, weights) = model(&dataset, lookup);
    assert!(verify(&bytes, &genome, &weights, &dataset, &Tract, &Tract).is_ok());
    assert!(dataset.preprocessing.notes(lookup).is_empty());
    let (encoded, ..) = model(&dataset, Lookup::LabelEncoder);
    let error = verify(&encoded, &genome, &weights, &dataset, &Tract, &Tract).unwrap_err();
    assert!(error.to_string().contains("LabelEncoder"), "{error}");
    assert!(dataset.preprocessing.notes(Lookup::LabelEncoder)[0].contains(r#""city""#));
}
