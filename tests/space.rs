//! Spaces from files, from outside: the search that they give, what they forbid, and how mistakes end.

use assert_cmd::cargo::cargo_bin;
use evolve::data::{self, Dataset, Options, Validation};
use evolve::export::{Metrics, Net, assemble, surroundings};
use evolve::express::{domain, inference, initialise, operators, permitted};
use evolve::genome::{Genome, Part, SearchSpace, SpaceFile, mutation};
use evolve::study::TrainingLength;
use evolve::train::{Scores, Weights};
use evolve::{data::Lookup, graph::Dim, onnx};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

fn dataset(name: &str, target: Option<&str>) -> Dataset {
    let target = target.map(str::to_owned);
    let options = Options { path: fixture(name), target, task: None, validation: Validation::Auto, group: None, seed: 0 };
    data::load(&options).expect("a fixture")
}

fn space(dataset: &Dataset, choices: &str) -> SearchSpace {
    let kind = if matches!(dataset.task.input, data::InputSpec::Image { .. }) { "image" } else { "table" };
    let file: SpaceFile = format!("version = 1\nkind = '{kind}'\n{choices}").parse().expect("TOML");
    SearchSpace::from_file(&domain(&dataset.task, dataset.train.targets.len()), &file).expect("a space")
}

/// Types of the nodes of the file that the genome is exported as.
fn exported(genome: &Genome, dataset: &Dataset) -> BTreeSet<String> {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let params = inference(genome, &dataset.task, Dim::Batch).expect("a graph").params;
    let drawn = |param| initialise(param, genome.training.initialisation, &mut rng);
    let weights: Weights = params.iter().map(|param| param.name.clone()).zip(params.iter().map(drawn)).collect();
    let metrics = Metrics { scores: &Scores::new(), cross_validation: None };
    let net = Net::alone(genome, TrainingLength::default(), &weights, metrics);
    let bytes = assemble(&net, dataset, Lookup::LabelEncoder).expect("a model");
    onnx::read(&bytes).expect("a model").nodes.into_iter().map(|node| node.op_type).collect()
}

/// Random genomes of a space: births, and chains of edits from them.
fn made(space: &SearchSpace, count: usize) -> Vec<Genome> {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let mut genomes = space.seeds();
    while genomes.len() < count {
        genomes.push(space.birth(&mut rng));
        for _ in 0..4 {
            let parent = genomes[genomes.len() - 1].clone();
            let mutation = mutation::ALL[rng.random_range(0..mutation::ALL.len())];
            genomes.extend((mutation.apply)(space, &parent, &mut rng).map(|edit| edit.genome));
        }
    }
    genomes
}

#[test]
fn no_exported_net_has_a_forbidden_operator() {
    let table = [
        &["Tanh", "Sin"][..],
        &["Sigmoid"],
        &["Relu", "Elu"],
        &["ReduceMean", "Sqrt"],
        &["ScatterElements"],
        &["Reshape"],
        &["Unsqueeze", "Max"],
        &["Gelu", "Resize"],
    ];
    let image = [
        &["MaxPool"][..],
        &["AveragePool", "ReduceMax"],
        &["Concat", "Tanh"],
        &["Relu", "ReduceMean"],
        &["Sigmoid", "Sqrt"],
        &["Add"],
        &["Mul", "Max"],
    ];
    let mixed = dataset("credit_g.csv", Some("class"));
    let numbers = dataset("concrete.csv", Some("compressive_strength"));
    let digits = dataset("digits.npz", None);
    let mut excluded = BTreeSet::new();
    for (dataset, lists) in [(&mixed, &table[..]), (&numbers, &table), (&digits, &image)] {
        let around = surroundings(dataset).expect("operators");
        for forbidden in lists {
            let space = space(dataset, &format!("forbidden = {forbidden:?}"));
            let before = space.parts().len();
            // What the preprocessing has cannot be forbidden.
            if forbidden.iter().any(|name| around.contains(name)) {
                assert!(permitted(space, &dataset.task, &around).is_err());
                continue;
            }
            let permitted = permitted(space, &dataset.task, &around).expect("a space is left").space;
            if permitted.parts().len() < before {
                excluded.extend(forbidden.iter().copied());
            }
            for genome in made(&permitted, 120) {
                let exported = exported(&genome, dataset);
                let found: Vec<_> = forbidden.iter().filter(|name| exported.contains(**name)).collect();
                assert!(found.is_empty(), "{found:?} in {}", genome.json());
            }
        }
    }
    assert!(excluded.len() >= 12, "too few lists exclude anything: {excluded:?}");
}

/// Nothing is excluded in vain: without a part that leads to an operator, there are nets that had it and nets that had not.
#[test]
fn what_is_excluded_has_the_operator() {
    for (name, target) in [("credit_g.csv", Some("class")), ("digits.npz", None)] {
        let dataset = dataset(name, target);
        let around = surroundings(&dataset).expect("operators");
        let whole = space(&dataset, "");
        let genomes = made(&whole, 600);
        let of_nets: Vec<(Genome, BTreeSet<&'static str>)> = genomes
            .into_iter()
            .map(|genome| (genome.clone(), operators(&genome, &dataset.task).expect("a graph")))
            .collect();
        let all: BTreeSet<&'static str> = of_nets.iter().flat_map(|(_, operators)| operators.iter().copied()).collect();
        let mut tried = 0;
        for operator in all {
            let chosen = space(&dataset, &format!("forbidden = '{operator}'"));
            let Ok(permitted) = permitted(chosen, &dataset.task, &around) else { continue };
            tried += 1;
            // Caps and the record aside, a net lies in what is left exactly where it is free of the operator.
            for (genome, operators) in &of_nets {
                let inside = permitted.space.contains(genome);
                assert_eq!(inside.is_ok(), !operators.contains(operator), "{operator}: {inside:?} {}", genome.json());
            }
        }
        assert!(tried >= 8, "{tried} operators of {name}");
    }
}

#[test]
fn parts_of_a_space_are_all_that_can_be_excluded() {
    let dataset = dataset("digits.npz", None);
    let space = space(&dataset, "[image]\nactivations = ['relu', 'tanh']");
    let rest = space.clone().without(&[Part::Activation(evolve::genome::Act::Tanh)]).expect("relu is left");
    assert_eq!(rest.parts().len() + 1, space.parts().len());
    let all: Vec<Part> = space.parts().into_iter().filter(|part| matches!(part, Part::Pool(_))).collect();
    assert_eq!(space.without(&all), Err("image.head.pools"));
}

#[test]
fn the_example_of_the_readme_is_a_space() {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).expect("a README");
    let example = readme.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).expect("an example");
    let dataset = dataset("credit_g.csv", Some("class"));
    let domain = domain(&dataset.task, dataset.train.targets.len());
    let space = SearchSpace::from_file(&domain, &example.parse().expect("TOML")).expect("a space");
    let permitted = permitted(space, &dataset.task, &surroundings(&dataset).expect("operators")).expect("a space is left");
    assert!(permitted.idle.is_empty() || permitted.idle == ["Elu"], "{:?}", permitted.idle);
    assert!(!permitted.space.seeds().is_empty());
}

fn evolve(folder: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(cargo_bin("evolve"));
    command.current_dir(folder).args(args).stdin(Stdio::null()).output().expect("the binary runs")
}

fn iris(folder: &Path, out: &str, more: &[&str]) -> Output {
    let data = fixture("iris.csv");
    let data = data.to_str().expect("a path");
    let few = [
        "run",
        data,
        "--target",
        "species",
        "--candidates",
        "6",
        "--examples",
        "400",
        "--memory-limit",
        "2GiB",
        "--quiet",
        "--out",
        out,
    ];
    evolve(folder, &[&few[..], more].concat())
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn an_unchanged_file_gives_the_search_that_there_is_without_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = fixture("iris.csv");
    let data = data.to_str().expect("a path");
    let printed = evolve(folder.path(), &["space", data, "--target", "species"]);
    assert!(printed.status.success(), "{}", said(&printed));
    let written = evolve(folder.path(), &["space", data, "--target", "species", "--output", "iris.toml"]);
    assert!(written.status.success() && written.stdout.is_empty(), "{}", said(&written));
    assert!(fs::read(folder.path().join("iris.toml")).expect("a file") == printed.stdout);
    for (out, more) in [("without", &[][..]), ("with", &["--space", "iris.toml"])] {
        let output = iris(folder.path(), out, more);
        assert!(output.status.success(), "{}", said(&output));
    }
    let read = |name: &str| fs::read(folder.path().join(name)).expect("a file");
    assert!(read("with/best.onnx") == read("without/best.onnx"), "the models differ");
    assert!(read("with/journal.jsonl").len() > 1_000);
    let settings = |out: &str| String::from_utf8(read(&format!("{out}/study.toml"))).expect("text");
    assert_eq!(settings("with"), settings("without"));
}

#[test]
fn a_search_and_its_resumption_stay_in_the_space_of_the_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let choices = "version = 1\nkind = 'table'\nforbidden = ['Elu', 'Sin']\n[table]\nactivations = ['elu', 'tanh']\n\
                   norms = 'none'\n[table.block]\nwidths = [5, 7]\n[training]\nlearning_rate = 0.02\n";
    let file = folder.path().join("small.toml");
    fs::write(&file, choices).expect("a file");
    let output = iris(folder.path(), "study", &["--space", "small.toml", "--constraint", "params<200"]);
    assert!(output.status.success(), "{}", said(&output));
    // The file is not needed any more.
    fs::remove_file(&file).expect("removed");
    let output = evolve(folder.path(), &["resume", "study", "--candidates", "9", "--quiet"]);
    assert!(output.status.success(), "{}", said(&output));
    let journal = fs::read_to_string(folder.path().join("study/journal.jsonl")).expect("a journal");
    let mut candidates = 0;
    for line in journal.lines() {
        let record: serde_json::Value = serde_json::from_str(line).expect("JSON");
        let Some(genome) = record.pointer("/proposal/genome") else { continue };
        let net = &genome["net"]["table"];
        let gated = net["blocks"].as_array().expect("blocks").iter().all(|block| block["motif"] == "gated");
        assert!(net["activation"] == "tanh" || gated, "{line}");
        assert!(net["norm"] == "none" && net["numeric"].get("periodic").is_none(), "{line}");
        let widths = net["blocks"].as_array().expect("blocks").iter().map(|block| block["width"].as_u64());
        assert!(widths.into_iter().all(|width| [Some(5), Some(7)].contains(&width)), "{line}");
        assert!((genome["training"]["learning_rate"].as_f64().expect("a rate") - 0.02).abs() < 1e-6, "{line}");
        candidates += 1;
    }
    assert_eq!(candidates, 9);
}

#[test]
fn mistakes_in_a_file_end_a_run_before_it_begins() {
    let iris = ("iris.csv", Some("species"));
    let fashion = ("fashion_mnist", None);
    let table = "version = 1\nkind = 'table'\n";
    let image = "version = 1\nkind = 'image'\n";
    let cases: [(_, String, &[&str], &str); 12] = [
        (iris, "version = 1\nkind = ".into(), &[], "this is no TOML"),
        (iris, "version = 3\nkind = 'table'".into(), &[], "version: 3 is of a newer evolve"),
        (iris, image.into(), &[], "kind: this is a space of nets for images, and the data is a table"),
        (
            iris,
            format!("{table}[table]\nactivatons = 'relu'"),
            &[],
            "table.activatons: there is no such key; near names: activations",
        ),
        (iris, format!("{table}[table]\nactivations = 'rellu'"), &[], "there is no activation \"rellu\"; near names: relu"),
        (iris, format!("{table}[table]\nnorms = []"), &[], "table.norms: there is nothing to choose from"),
        (iris, format!("{table}forbidden = 'Signoid'"), &[], "ONNX has no operator \"Signoid\"; near names: Sigmoid"),
        (iris, format!("{table}forbidden = 'Gemm'"), &[], "every model for this data has Gemm"),
        (
            iris,
            format!("{table}forbidden = 'ArgMax'"),
            &[],
            "every model for this data has ArgMax, before or behind its net",
        ),
        (
            iris,
            format!("{table}forbidden = 'Tanh'\n[table]\nactivations = ['tanh', 'gelu']"),
            &[],
            "without Tanh nothing is left of table.activations",
        ),
        (
            iris,
            format!("{table}[table.block]\nwidths = 300"),
            &["--constraint", "params<500"],
            "no net satisfies params<=500",
        ),
        (
            fashion,
            format!("{image}[image]\nactivations = 'elu'"),
            &["--ancestor", "resnet50"],
            "resnet50 lies outside of the space: its layer stem.norm has relu",
        ),
    ];
    for ((data, target), text, more, expected) in cases {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("space.toml"), &text).expect("a file");
        let data = fixture(data);
        let mut args =
            vec!["run", data.to_str().expect("a path"), "--space", "space.toml", "--candidates", "2", "--out", "study"];
        args.extend(target.into_iter().flat_map(|target| ["--target", target]));
        args.extend(more);
        let output = evolve(folder.path(), &args);
        let said = said(&output);
        assert_eq!(output.status.code(), Some(2), "{text}: {said}");
        assert!(said.contains(expected), "{text}: {said}");
        assert!(said.contains("space.toml: ") || more.contains(&"--constraint"), "{said}");
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1, "something was left behind by {text}");
    }
    let folder = tempfile::tempdir().expect("a folder");
    let data = fixture("iris.csv");
    let output =
        evolve(folder.path(), &["run", data.to_str().expect("a path"), "--target", "species", "--space", "none.toml"]);
    assert!(output.status.code() == Some(2) && said(&output).contains("none.toml: "), "{}", said(&output));
}

#[test]
fn a_space_is_written_through_a_link_into_a_pipe_and_not_into_a_folder_that_is_not_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = fixture("iris.csv");
    let space = ["space", data.to_str().expect("a path"), "--target", "species"];
    let printed = evolve(folder.path(), &space).stdout;
    let written = |output: &str| evolve(folder.path(), &[&space[..], &["--output", output]].concat());
    #[cfg(unix)]
    {
        fs::write(folder.path().join("real.toml"), "old").expect("a file");
        std::os::unix::fs::symlink("real.toml", folder.path().join("link.toml")).expect("a link");
        written("link.toml");
        assert_eq!(fs::read(folder.path().join("real.toml")).expect("a file"), printed);
        assert_eq!(written("/dev/stdout").stdout, printed);
    }
    let output = written("missing/space.toml");
    assert!(output.status.code() == Some(2) && said(&output).contains("missing/space.toml"), "{}", said(&output));
}
