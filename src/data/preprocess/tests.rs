//! The exported graph does what the host does, on the embedded engine.

use super::*;
use crate::data::raw::TextBuilder;
use crate::data::{Options, Validation, load};
use crate::graph::ops::linear::Linear;
use crate::graph::{Data, Graph, Target, Tensor, Value, spell};
use crate::onnx;
use std::path::PathBuf;
use tract_onnx::prelude::tract_ndarray::ArrayD;
use tract_onnx::prelude::{Datum, Framework, InferenceModelExt, IntoRunnable, TValue, Tensor as TractTensor};

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

fn options(name: &str, target: Option<&str>) -> Options {
    let target = target.map(Into::into);
    Options { path: fixture(name), target, task: None, validation: Validation::Auto, group: None, seed: 7 }
}

fn array<T: Datum + Clone>(shape: &[usize], values: &[T]) -> TractTensor {
    ArrayD::from_shape_vec(shape.to_vec(), values.to_vec()).unwrap().into()
}

/// Runs a graph on raw rows; outputs by name, with class names and integers as text.
fn run(graph: &Graph, raw: &RawBatch) -> Vec<(String, Vec<f32>, Vec<String>)> {
    let spelled = spell(graph, Target::Portable).unwrap();
    let names: Vec<String> = spelled.outputs.iter().map(|(t, _)| spelled.names[t.index()].clone()).collect();
    let model = onnx::write(&spelled, &Vec::new()).unwrap();
    let plan = tract_onnx::onnx().model_for_read(&mut model.as_slice()).unwrap();
    let plan = plan.into_optimized().unwrap().into_runnable().unwrap();
    let tensors = raw.tensors();
    let fed = |&v: &Value| {
        let (_, tensor) = tensors.iter().find(|(name, _)| *name == graph.describe(v)).unwrap();
        TValue::from(match &tensor.data {
            Data::F32(v) => array(&tensor.shape, v),
            Data::U8(v) => array(&tensor.shape, v),
            Data::Str(v) => array(&tensor.shape, v),
            other => panic!("no input is {}", other.dtype()),
        })
    };
    let outputs = plan.run(graph.inputs().iter().map(fed).collect()).unwrap();
    let read = |(name, value): (String, TValue)| match value.datum_type() {
        t if t == f32::datum_type() => {
            let numbers = value.to_plain_array_view::<f32>().unwrap().iter().copied().collect();
            (name, numbers, Vec::new())
        }
        t if t == String::datum_type() => {
            (name, Vec::new(), value.to_plain_array_view::<String>().unwrap().iter().cloned().collect())
        }
        _ => {
            let integers = value.cast_to::<i64>().unwrap();
            let texts = integers.to_plain_array_view::<i64>().unwrap().iter().map(i64::to_string).collect();
            (name, Vec::new(), texts)
        }
    };
    names.into_iter().zip(outputs).map(read).collect()
}

/// Graph and host give the same features for raw rows.
fn assert_same(preprocessing: &Preprocessing, raw: &RawBatch) {
    let mut graph = Graph::new();
    let inputs = preprocessing.emit_inputs(&mut graph, Lookup::LabelEncoder).unwrap();
    let outputs = [("numeric", inputs.numeric), ("codes", inputs.codes), ("planes", inputs.image)];
    outputs.iter().for_each(|(name, value)| value.iter().for_each(|&v| graph.output(*name, v)));
    let results = run(&graph, raw);
    let found = |name: &str| results.iter().find(|(n, ..)| n == name);
    match preprocessing.apply(raw).unwrap() {
        Features::Table { numeric, codes } => {
            let emitted = found("numeric").map(|r| r.1.clone()).unwrap_or_default();
            assert_eq!(emitted.len(), numeric.len());
            for (i, (a, b)) in emitted.iter().zip(&numeric).enumerate() {
                assert!((a - b).abs() <= 1e-6 * (1.0 + b.abs()), "value {i}: {a} in the graph, {b} on the host");
            }
            let codes: Vec<String> = codes.iter().map(i64::to_string).collect();
            assert_eq!(found("codes").map(|r| r.2.clone()).unwrap_or_default(), codes);
        }
        Features::Images { pixels } => {
            let InputSpec::Image { height, width, channels, mean, std } = preprocessing.task().input else { panic!() };
            let emitted = &found("planes").unwrap().1;
            for (i, &byte) in pixels.iter().enumerate() {
                let (c, at) = (i % channels, i / channels);
                let (image, pixel) = (at / (height * width), at % (height * width));
                let value = emitted[(image * channels + c) * height * width + pixel];
                assert!((value - (f32::from(byte) - mean[c]) / std[c]).abs() < 1e-5);
            }
        }
    }
}

#[test]
fn the_graph_equals_the_host_on_every_fixture() {
    let cases = [
        ("iris.csv", Some("species")),
        ("concrete.csv", Some("compressive_strength")),
        ("credit_g.csv", Some("class")),
        ("adult.csv", Some("income")),
        ("digits.npz", None),
        ("fashion_mnist", None),
    ];
    for (name, target) in cases {
        let dataset = load(&options(name, target)).unwrap();
        assert_same(&dataset.preprocessing, &dataset.raw_validation.slice(0..64));
        let json = serde_json::to_string(&dataset.preprocessing).unwrap();
        assert_eq!(serde_json::from_str::<Preprocessing>(&json).unwrap(), dataset.preprocessing, "{name}");
    }
}

/// Numbers `x` (plain), `skew` (logarithm), `gap` (with missing cells), and text `colour`.
fn small_table() -> (RawBatch, Preprocessing) {
    let rows = 400;
    let of = |f: fn(usize) -> f32| Column::Number((0..rows).map(f).collect());
    let mut colour = TextBuilder::new(rows);
    for row in 0..rows {
        match row {
            0 => colour.push("once"),
            1..100 => colour.push("blue"),
            100..250 => colour.push("red"),
            250..260 => colour.push_missing(),
            _ => colour.push("green"),
        }
    }
    let columns = vec![
        ("skew".into(), of(|i| if i % 10 == 0 { (i * i) as f32 } else { 0.0 })),
        ("x".into(), of(|i| i as f32)),
        ("colour".into(), Column::Text(colour.finish())),
        ("gap".into(), of(|i| if i % 7 == 0 { f32::NAN } else { (i % 5) as f32 })),
    ];
    let raw = RawBatch::Table { columns, rows };
    let input = InputEncoder::fit(&raw, &(0..rows).collect::<Vec<_>>(), &mut Vec::new()).unwrap();
    let output = OutputSpec::Value { mean: 0.0, std: 1.0 };
    (raw, Preprocessing { kind: TaskKind::Regression, target: None, input, output })
}

#[test]
fn parts_and_raw_rows_are_taken_alike() {
    for (name, target) in [("adult.csv", Some("income")), ("digits.npz", None)] {
        let dataset = load(&options(name, target)).unwrap();
        let rows = [3, 0, 7, 7];
        let taken = dataset.validation.take(&rows);
        assert_eq!(taken.features, dataset.preprocessing.apply(&dataset.raw_validation.take(&rows)).unwrap());
        assert_eq!(taken.targets, dataset.validation.targets.take(&rows));
    }
}

#[test]
fn missing_infinite_and_unknown_cells_are_the_same_in_graph_and_host() {
    let (_, preprocessing) = small_table();
    let mut colour = TextBuilder::new(0);
    ["blue", "purple", "NA", "?", "null", " blue", "green"].iter().for_each(|c| colour.push(c));
    colour.push_missing();
    let odd = vec![f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 0.0, -1e30, 1e30, 3.0, -0.0];
    let columns = vec![
        ("colour".into(), Column::Text(colour.finish())),
        ("gap".into(), Column::Number(odd.clone())),
        ("skew".into(), Column::Number(odd.iter().rev().copied().collect())),
        ("more".into(), Column::Number(vec![1.0; 8])),
        ("x".into(), Column::Number(odd)),
    ];
    let raw = RawBatch::Table { columns, rows: 8 };
    assert_same(&preprocessing, &raw);
    let Features::Table { numeric, codes } = preprocessing.apply(&raw).unwrap() else { panic!() };
    assert!(numeric.iter().all(|v| v.is_finite()));
    // x and gap, with whether it is missing; those of skew stand in another order.
    let row = |row: usize| [0, 1, 3].map(|at| numeric[row * 4 + at]);
    assert_eq!([row(1), row(2)], [row(0), row(0)], "what is infinite is missing");
    assert_ne!(row(3), row(0));
    // green has 140 rows, red 150, blue 99; "once" is unknown
    assert_eq!(codes, [2, 3, 4, 4, 4, 3, 1, 4]);
}

#[test]
fn features_are_standardised_and_flagged() {
    let (raw, preprocessing) = small_table();
    let InputSpec::Table { numeric, categorical } = preprocessing.task().input else { panic!() };
    let names: Vec<&str> = numeric.iter().map(|n| n.name.as_str()).collect();
    assert_eq!(names, ["x", "gap", "skew", "gap is missing"]);
    assert_eq!(categorical, [CategoricalFeature { name: "colour".into(), slots: 5 }]);
    let Features::Table { numeric: values, .. } = preprocessing.apply(&raw).unwrap() else { panic!() };
    let column = |at: usize| values.iter().skip(at).step_by(4).copied().collect::<Vec<f32>>();
    for at in [0, 2] {
        let mean = column(at).iter().sum::<f32>() / 400.0;
        let square = column(at).iter().map(|v| v * v).sum::<f32>() / 400.0;
        assert!(mean.abs() < 1e-4 && (square - 1.0).abs() < 1e-3, "mean {mean}, square {square}");
    }
    assert_eq!(column(1)[0], 0.0);
    assert_eq!(column(3)[..8], [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0]);
    for feature in &numeric[..3] {
        assert!((2..=64).contains(&feature.knots.len()) && feature.knots.is_sorted_by(|a, b| a < b), "{}", feature.name);
    }
    assert!(numeric[3].knots.is_empty());
}

/// A net of one layer behind the preprocessing, with outputs.
fn with_linear_net(preprocessing: &Preprocessing, outputs: usize) -> Graph {
    let mut graph = Graph::new();
    let features = preprocessing.emit_inputs(&mut graph, Lookup::LabelEncoder).unwrap().numeric.unwrap();
    let inputs = graph.ty(features).shape.extent(1).unwrap();
    let weights = (0..inputs * outputs).map(|i| ((i * 7 % 11) as f32 - 5.0) / 10.0).collect();
    let weights = graph.constant(Tensor::f32(&[inputs, outputs], weights));
    let bias = graph.constant(Tensor::f32(&[outputs], vec![0.1; outputs]));
    let net = graph.apply(Linear, &[features, weights, bias]).unwrap();
    preprocessing.emit_outputs(&mut graph, NetOutput::Raw(net)).unwrap();
    graph
}

#[test]
fn labels_and_probabilities_come_out() {
    let dataset = load(&options("iris.csv", Some("species"))).unwrap();
    let outputs = run(&with_linear_net(&dataset.preprocessing, 3), &dataset.raw_validation);
    let names: Vec<&str> = outputs.iter().map(|(name, ..)| name.as_str()).collect();
    assert_eq!(names, ["label", "probabilities"]);
    let OutputSpec::Classes { names, .. } = &dataset.task.output else { panic!() };
    assert_eq!(names, &["setosa", "versicolor", "virginica"]);
    for (label, row) in outputs[0].2.iter().zip(outputs[1].1.chunks(3)) {
        assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-6);
        let best = (0..3).max_by(|&a, &b| row[a].total_cmp(&row[b])).unwrap();
        assert_eq!(*label, names[best]);
    }
}

#[test]
fn predictions_come_out_in_the_units_of_the_data() {
    let dataset = load(&options("concrete.csv", Some("compressive_strength"))).unwrap();
    let preprocessing = &dataset.preprocessing;
    let outputs = run(&with_linear_net(preprocessing, 1), &dataset.raw_validation.slice(0..1));
    let Features::Table { numeric, .. } = preprocessing.apply(&dataset.raw_validation.slice(0..1)).unwrap() else {
        panic!()
    };
    let OutputSpec::Value { mean, std } = dataset.task.output else { panic!() };
    let net: f32 = numeric.iter().enumerate().map(|(i, x)| x * ((i * 7 % 11) as f32 - 5.0) / 10.0).sum::<f32>() + 0.1;
    assert_eq!(outputs[0].0, "prediction");
    assert!((f64::from(outputs[0].1[0]) - (mean + std * f64::from(net))).abs() < 1e-3);
}

#[test]
fn whole_numbers_are_int64_labels() {
    let dataset = load(&options("digits.npz", None)).unwrap();
    assert_eq!(dataset.task.kind, TaskKind::Multiclass);
    let mut graph = Graph::new();
    let logits =
        graph.input("skip", crate::graph::TensorType::new(crate::graph::DType::F32, crate::graph::Shape::fixed(&[2, 10])));
    dataset.preprocessing.emit_outputs(&mut graph, NetOutput::Raw(logits)).unwrap();
    assert_eq!(graph.ty(graph.outputs()[0].1).dtype, crate::graph::DType::I64);
}

#[test]
fn columns_may_have_the_names_of_spelled_values() {
    let rows = 40;
    let of = |k: usize| Column::Number((0..rows).map(|i| ((i * k) % 7) as f32).collect());
    let columns =
        ["t0", "t5", "c0", "c1", "numeric_", "Concat_0"].into_iter().zip(1..).map(|(name, k)| (name.to_owned(), of(k)));
    let raw = RawBatch::Table { columns: columns.collect(), rows };
    let input = InputEncoder::fit(&raw, &(0..rows).collect::<Vec<_>>(), &mut Vec::new()).unwrap();
    let output = OutputSpec::Value { mean: 0.0, std: 1.0 };
    assert_same(&Preprocessing { kind: TaskKind::Regression, target: None, input, output }, &raw);
}

#[test]
fn many_categories_are_looked_up_and_that_is_noted() {
    let cases = [(512, Lookup::LabelEncoder, false), (513, Lookup::LabelEncoder, true), (513, Lookup::Comparisons, false)];
    for (values, lookup, looked_up) in cases {
        let mut city = TextBuilder::new(0);
        (0..2 * values).for_each(|i| city.push(&format!("city {}", i / 2)));
        let raw = RawBatch::Table { columns: vec![("city".into(), Column::Text(city.finish()))], rows: 2 * values };
        let Column::Text(text) = column(&raw, "city").unwrap() else { panic!() };
        let encoder = CategoryEncoder::fit("city", 0, text, &(0..2 * values).collect::<Vec<_>>()).unwrap();
        let inputs = TableInputs::Columns(vec!["city".into()]);
        let input = InputEncoder::Table(TableEncoder { inputs, numbers: Vec::new(), categories: vec![encoder] });
        let output = OutputSpec::Value { mean: 0.0, std: 1.0 };
        let preprocessing = Preprocessing { kind: TaskKind::Regression, target: None, input, output };
        let mut graph = Graph::new();
        let codes = preprocessing.emit_inputs(&mut graph, lookup).unwrap().codes.unwrap();
        graph.output("codes", codes);
        let nodes = spell(&graph, Target::Portable).unwrap().nodes;
        assert_eq!(nodes.iter().any(|n| n.op_type == "LabelEncoder" && n.domain == "ai.onnx.ml"), looked_up);
        assert_eq!(preprocessing.notes(lookup).len(), usize::from(looked_up));
    }
}

#[test]
fn a_column_that_float32_makes_constant_is_not_said_to_be_constant() {
    let rows = 30;
    let numbers = |of: &dyn Fn(f64) -> f64| Column::Number((0..rows).map(|i| of(i as f64) as f32).collect());
    let columns = vec![
        ("id".to_owned(), numbers(&|i| 1e15 + i)),
        ("part".to_owned(), numbers(&|i| 0.5 + 1e-9 * i)),
        ("same".to_owned(), numbers(&|_| 7.0)),
        ("x".to_owned(), numbers(&|i| i)),
    ];
    let mut warnings = Vec::new();
    InputEncoder::fit(&RawBatch::Table { columns, rows }, &(0..rows).collect::<Vec<_>>(), &mut warnings).unwrap();
    let merged = "is constant as float32 (7 digits; if its values differ, subtract an offset) in the training part and is \
                  left out";
    assert_eq!(
        warnings,
        [
            format!(r#"column "id" {merged}"#),
            format!(r#"column "part" {merged}"#),
            r#"column "same" is constant in the training part and is left out"#.to_owned(),
        ]
    );
}
