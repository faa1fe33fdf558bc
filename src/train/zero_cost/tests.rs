use super::*;
use crate::data::{self, Dataset, Features, OutputSpec, Targets, TaskKind, Validation};
use crate::engine::{Tract, tests::onnxruntime};
use crate::genome::{Net, SearchSpace};
use crate::{express, search};
use std::path::Path;

fn iris() -> Dataset {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/iris.csv");
    let target = Some("species".to_owned());
    let options = data::Options { path, target, task: None, validation: Validation::Auto, group: None, seed: 0 };
    data::load(&options).unwrap()
}

/// 40 images of noise in three classes.
fn images() -> (Task, Part) {
    let input = InputSpec::Image { height: 8, width: 8, channels: 1, mean: vec![128.0], std: vec![70.0] };
    let names = ["a", "b", "c"].map(str::to_owned).to_vec();
    let output = OutputSpec::Classes { names, integers: false, counts: vec![14, 13, 13] };
    let pixels = (0..40 * 64_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let targets = Targets::Classes((0..40).map(|row| row % 3).collect());
    (Task { kind: TaskKind::Multiclass, input, output }, Part { features: Features::Images { pixels }, targets })
}

fn births(task: &Task, rows: usize, count: u64) -> Vec<Genome> {
    let space = SearchSpace::preset(&express::domain(task, rows));
    (0..count).map(|number| space.birth(&mut search::rng(3, number, 0))).collect()
}

fn scores(conditions: &Conditions, genome: &Genome) -> Vec<f64> {
    ALL.iter().map(|proxy| (proxy.score)(genome, conditions).unwrap_or_else(|e| panic!("{}: {e}", proxy.name))).collect()
}

fn is_near(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-3 * a.abs().max(b.abs()) || a == b || (a.is_nan() && b.is_nan())
}

#[test]
fn the_list_is_the_folder_and_every_entry_is_documented() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/train/zero_cost");
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
    let mut files: Vec<String> =
        files.filter(|file| file != "mod.rs" && file != "tests.rs").map(|file| file.replace(".rs", "")).collect();
    files.sort_unstable();
    let mut names: Vec<&str> = ALL.iter().map(|proxy| proxy.name).collect();
    names.sort_unstable();
    assert_eq!(names, files);
    assert!(ALL.iter().all(|proxy| !proxy.doc.is_empty()));
}

#[test]
fn engines_and_spellings_agree_and_repeat() {
    let dataset = iris();
    let tables = (&dataset.task, &dataset.train);
    let (task, part) = images();
    for (task, part, count) in [(tables.0, tables.1, 8), (&task, &part, 5)] {
        let conditions = |engine, target| Conditions::new(task, part, engine, target, 7);
        let kernels = conditions(onnxruntime(), Target::CpuKernels);
        let others = [conditions(onnxruntime(), Target::Portable), conditions(Arc::new(Tract), Target::Portable)];
        for genome in births(task, batches::rows(part), count) {
            let expected = scores(&kernels, &genome);
            assert!(expected.iter().all(|score| score.is_finite()), "{expected:?} {genome:?}");
            assert_eq!(scores(&kernels, &genome), expected, "it repeats");
            for other in &others {
                let found = scores(other, &genome);
                // A unit may be switched the other way by rounding.
                let near = |(a, b): (&f64, &f64)| is_near(*a, *b);
                assert!(found.iter().zip(&expected).all(near), "{found:?} {expected:?} {genome:?}");
            }
        }
    }
}

#[test]
fn how_a_genome_is_trained_changes_no_score_and_the_seed_does() {
    let dataset = iris();
    let conditions = |seed| Conditions::new(&dataset.task, &dataset.train, Arc::new(Tract), Target::Portable, seed);
    for genome in births(&dataset.task, dataset.train.targets.len(), 4) {
        let mut other = genome.clone();
        other.training = PLAIN;
        assert_eq!(scores(&conditions(1), &genome), scores(&conditions(1), &other));
        let (first, second) = (scores(&conditions(1), &genome), scores(&conditions(2), &genome));
        assert!(first[..2] != second[..2] && first[3..] == second[3..], "{first:?} {second:?}");
    }
}

/// For a net x·w₁ → ReLU → ·w₂ with all weights above zero, each layer carries the whole flow: Σ|θ·∂R/∂θ| = 2·R, apart from
/// the biases, which are zero.
#[test]
fn synaptic_flow_is_conserved_from_layer_to_layer() {
    let dataset = iris();
    let conditions = Conditions::new(&dataset.task, &dataset.train, Arc::new(Tract), Target::Portable, 1);
    let space = SearchSpace::preset(&express::domain(&dataset.task, 100));
    let mut genome = space.seeds().remove(0);
    if let Net::Table(net) = &mut genome.net {
        net.numeric = crate::genome::NumericEncoding::Plain;
        net.activation = crate::genome::Act::Relu;
        net.norm = crate::genome::Norm::None;
        net.blocks.truncate(1);
        net.blocks[0].motif = crate::genome::TableMotif::Linear;
        net.blocks[0].width = 8;
    }
    let mut net = Untrained::new(&genome, &conditions.task, 1, false).unwrap();
    let output = net.output;
    net.graph.output("output", output);
    let weights: Vec<Tensor> = conditions
        .weights(&net.params)
        .iter()
        .map(|weight| Tensor::f32(&weight.shape, weight.as_f32().unwrap().iter().map(|value| value.abs()).collect()))
        .collect();
    let outputs = conditions.run(&net, &weights, Look::Ones, [("output".to_owned(), vec![1, 3])].into_iter()).unwrap();
    let flow: f64 = outputs[0].iter().map(|&value| f64::from(value)).sum();
    let found = (synflow::PROXY.score)(&genome, &conditions).unwrap();
    assert!((found - (2.0 * flow).ln()).abs() < 1e-4, "{found} {flow}");
}
