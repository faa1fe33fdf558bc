//! What is exported is what was scored, and what is not is noticed.

use super::*;
use crate::data::{Options, OutputSpec, RawBatch, Validation, load};
use crate::engine::{EngineError, Model, Plan, Port, Session, Tract};
use crate::express::{domain, inference, initialise};
use crate::genome::{Genome, SearchSpace};
use crate::graph::{DType, Data, Dim, Tensor};
use crate::train::metric::Predictions;
use crate::train::{Scores, Weights};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use std::fmt::Write;
use std::sync::{Arc, Mutex};

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
    let metrics = Metrics { scores: &Scores::default(), cross_validation: None };
    let length = TrainingLength { examples: 640, inherited: true, all_rows: true };
    let net = Net::alone(&genome, length, &weights, metrics);
    let bytes = assemble(&net, dataset, lookup).unwrap();
    (bytes, genome, weights)
}

fn alone<'a>(genome: &'a Genome, weights: &'a Weights) -> Member<'a> {
    Member { genome, weights, share: 1.0 }
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
    let agreement = verify(&bytes, [alone(&genome, &weights)], &dataset, &Tract, &Tract).unwrap();
    assert!(agreement.difference < TOLERANCE && agreement.rows == dataset.validation.targets.len());
    let mut others = weights.clone();
    others.values_mut().for_each(|w| *w = Tensor::f32(&w.shape, w.as_f32().unwrap().iter().map(|v| v * 1.1).collect()));
    let error = verify(&bytes, [alone(&genome, &others)], &dataset, &Tract, &Tract).unwrap_err();
    assert!(matches!(error, ExportError::Disagrees { engine: "tract", .. }), "{error}");
}

#[test]
fn an_ensemble_says_the_mean_of_what_its_nets_say() {
    let mut values = String::from("x,y\n");
    (0..90).for_each(|i| writeln!(values, "{i},{}", i * 37 % 90).unwrap());
    for dataset in [classes(), dataset(&values)] {
        let (genome, weights) = net(&dataset);
        let others: Vec<Weights> = [0.7, -1.3].map(|factor| scaled(&weights, factor)).into();
        let metrics = Metrics { scores: &Scores::default(), cross_validation: None };
        let length = TrainingLength::default();
        let shared = |weights, share| Trained { member: Member { share, ..alone(&genome, weights) }, length };
        let net = Net {
            chosen: shared(&weights, 0.5),
            others: vec![shared(&others[0], 0.375), shared(&others[1], 0.125)],
            metrics,
        };
        let bytes = assemble(&net, &dataset, Lookup::LabelEncoder).unwrap();
        let members = |net: &Net<'_>| net.all().map(|net| net.member.share).collect::<Vec<_>>();
        assert_eq!(members(&net), [0.5, 0.375, 0.125]);
        let agreement = verify(&bytes, net.all().map(|net| net.member), &dataset, &Tract, &Tract).unwrap();
        assert!(agreement.difference < TOLERANCE);
        let other = Net { others: vec![shared(&others[0], 0.125), shared(&others[1], 0.375)], ..net };
        let error = verify(&bytes, other.all().map(|net| net.member), &dataset, &Tract, &Tract).unwrap_err();
        assert!(matches!(error, ExportError::Disagrees { engine: "tract", .. }), "{error}");
    }
}

/// Weights that say something else.
fn scaled(weights: &Weights, factor: f32) -> Weights {
    let scale = |w: &Tensor| Tensor::f32(&w.shape, w.as_f32().unwrap().iter().map(|v| v * factor).collect());
    weights.iter().map(|(name, w)| (name.clone(), scale(w))).collect()
}

#[test]
fn labels_that_are_not_the_most_probable_class_are_noticed() {
    let dataset = classes();
    let (bytes, genome, weights) = model(&dataset, Lookup::LabelEncoder);
    let swapped = replaced(&bytes, r#"["one","six","two"]"#, r#"["six","two","one"]"#);
    let error = verify(&swapped, [alone(&genome, &weights)], &dataset, &Tract, &Tract).unwrap_err();
    assert!(matches!(error, ExportError::Label { engine: "tract", .. }), "{error}");
}

#[test]
fn values_may_differ_by_what_float32_cannot_hold() {
    for (mean, step) in [(48.85, 1e-4), (1e6, 0.1), (-3e7, 10.0), (0.0, 1.0)] {
        let mut csv = String::from("x,y\n");
        (0..400).for_each(|i| writeln!(csv, "{i},{}", mean + step * f64::from(i * 37 % 400)).unwrap());
        let dataset = dataset(&csv);
        let (bytes, genome, weights) = model(&dataset, Lookup::LabelEncoder);
        let agreement = verify(&bytes, [alone(&genome, &weights)], &dataset, &Tract, &Tract);
        assert!(agreement.is_ok(), "{mean}: {agreement:?}");
        let (last, w) = weights.iter().next_back().unwrap();
        let off = w.as_f32().unwrap().iter().map(|v| v + 0.5).collect();
        let others = Weights::from_iter(weights.clone().into_iter().chain([(last.clone(), Tensor::f32(&w.shape, off))]));
        let error = verify(&bytes, [alone(&genome, &others)], &dataset, &Tract, &Tract).unwrap_err();
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
    assert!(verify(&bytes, [alone(&genome, &weights)], &dataset, &Tract, &Tract).is_ok());
    assert!(dataset.preprocessing.notes(lookup).is_empty());
    let (encoded, ..) = model(&dataset, Lookup::LabelEncoder);
    let error = verify(&encoded, [alone(&genome, &weights)], &dataset, &Tract, &Tract).unwrap_err();
    assert!(error.to_string().contains("LabelEncoder"), "{error}");
    assert!(dataset.preprocessing.notes(Lookup::LabelEncoder)[0].contains(r#""city""#));
}

/// Runs nothing: notes how many images it is given at once, and says of each that it is the first of two classes.
#[derive(Debug, Clone, Default)]
struct Counting {
    inputs: Vec<Port>,
    rows: Arc<Mutex<Vec<usize>>>,
}

impl Engine for Counting {
    fn name(&self) -> &'static str {
        "counting"
    }

    fn version(&self) -> String {
        String::new()
    }

    fn device(&self) -> String {
        "cpu".into()
    }

    fn has_kernels(&self) -> bool {
        false
    }

    fn shared(&self) -> Arc<dyn Engine> {
        Arc::new(self.clone())
    }

    fn load(&self, _: &[u8], _: Plan) -> Result<Box<dyn Session>, EngineError> {
        unreachable!("exported models are run on whole tensors")
    }

    fn load_model(&self, _: &[u8]) -> Result<Box<dyn Model>, EngineError> {
        let inputs = vec![Port { name: "image".into(), dtype: DType::U8, shape: vec![None; 4] }];
        Ok(Box::new(Counting { inputs, ..self.clone() }))
    }
}

impl Model for Counting {
    fn inputs(&self) -> &[Port] {
        &self.inputs
    }

    fn outputs(&self) -> &[Port] {
        &[]
    }

    fn run(&mut self, inputs: &[Tensor]) -> Result<Vec<Tensor>, EngineError> {
        let rows = inputs[0].shape[0];
        self.rows.lock().unwrap().push(rows);
        let probabilities = [1.0, 0.0].repeat(rows);
        Ok(vec![Tensor::new(&[rows], Data::I64(vec![0; rows])), Tensor::f32(&[rows, 2], probabilities)])
    }
}

#[test]
fn as_many_images_are_predicted_at_once_as_take_a_gib() {
    const SIDE: u32 = 200;
    let folder = tempfile::tempdir().unwrap();
    for i in 0..12u8 {
        let class = folder.path().join(["0", "1"][usize::from(i % 2)]);
        std::fs::create_dir_all(&class).unwrap();
        let image = image::GrayImage::from_fn(SIDE, SIDE, |x, y| image::Luma([i.wrapping_mul((x + y) as u8)]));
        image.save(class.join(format!("{i}.png"))).unwrap();
    }
    let path = folder.path().to_owned();
    let options = Options { path, target: None, task: None, validation: Validation::Auto, group: None, seed: 3 };
    let (bytes, ..) = model(&load(&options).unwrap(), Lookup::LabelEncoder);
    let stated: usize = crate::onnx::read(&bytes).unwrap().metadata(ROW_BYTES).unwrap().parse().unwrap();
    // More than the pixels as float32 and one map of the narrowest net.
    assert!(stated > 5 * (SIDE * SIDE) as usize * size_of::<f32>(), "{stated}");
    // A file that does not say it gives no more at once than it may take.
    let silent = replaced(&bytes, ROW_BYTES, "evolve.row_sizes");
    for model in [&bytes, &silent] {
        let engine = Counting::default();
        let mut predictor = Predictor::new(model, &engine).unwrap();
        let (side, rows) = (SIDE as usize, 700);
        let raw = RawBatch::Images { pixels: vec![0; rows * side * side], height: side, width: side, channels: 1 };
        let Predicted::Classes { labels, .. } = predictor.predict(&raw).unwrap() else { panic!("no classes") };
        assert_eq!(labels.len(), rows);
        let at_once = engine.rows.lock().unwrap().clone();
        assert_eq!(at_once.iter().sum::<usize>(), rows);
        let most = *at_once.iter().max().unwrap();
        assert!(most < rows && most * stated <= predictor::MOST_BYTES, "{at_once:?} of {stated} bytes");
    }
}
