//! Gradient rules of all operators against central differences in float64 on the embedded engine, agreement of the
//! engines on their spellings in float32, and hygiene of the list.

use evolve::engine::{Choice, Device, Engine, Request, select};
use evolve::graph::ops::elementwise::{Binary, BinaryKind};
use evolve::graph::ops::reduce::SumTo;
use evolve::graph::ops::{ALL, Case, Entry, Feed};
use evolve::graph::{DType, Data, Graph, Shape, Target, Tensor, TensorType, Value, differentiate, spell, spell_population};
use rand::{RngExt, SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use std::collections::BTreeSet;
use std::sync::Arc;
use tract_onnx::prelude::{Framework, InferenceModelExt, IntoRunnable, TValue, Tensor as TractTensor};

/// Length of a step along the direction. Differences are exact to about its square and to 1e-16 over it.
const STEP: f64 = 1e-5;
/// Largest difference accepted, relative to the size of the terms compared.
const TOLERANCE: f64 = 1e-6;
/// Largest difference accepted between two engines in float32, which add up in different orders.
const ENGINE_TOLERANCE: f64 = 1e-4;

fn normal(rng: &mut ChaCha8Rng, count: usize) -> Vec<f64> {
    StandardNormal.sample_iter(rng).take(count).collect()
}

/// Between −3 and 3, evenly spaced, none zero, in random order.
fn distinct(rng: &mut ChaCha8Rng, count: usize) -> Vec<f64> {
    let mut values: Vec<f64> = (0..count).map(|i| 6.0 * (i as f64 + 0.4) / count as f64 - 3.0).collect();
    values.shuffle(rng);
    values
}

/// What a feed stands for, and whether it is differentiated.
fn sample(feed: &Feed, dtype: DType, rng: &mut ChaCha8Rng) -> (Tensor, bool) {
    let count = |shape: &[usize]| shape.iter().product::<usize>();
    let floats = |shape: &[usize], values: &[f64]| Tensor::from_f64(dtype, shape, values);
    match feed {
        Feed::Normal(shape) => (floats(shape, &normal(rng, count(shape))), true),
        Feed::Positive(shape) => {
            let values: Vec<f64> = (0..count(shape)).map(|_| rng.random_range(0.5..2.0)).collect();
            (floats(shape, &values), true)
        }
        Feed::Distinct(shape) => (floats(shape, &distinct(rng, count(shape))), true),
        Feed::Distribution(shape) => {
            let width = shape.last().copied().unwrap_or(1);
            let mut values: Vec<f64> = (0..count(shape)).map(|_| rng.random_range(0.1..1.0)).collect();
            for row in values.chunks_mut(width) {
                let sum: f64 = row.iter().sum();
                row.iter_mut().for_each(|v| *v /= sum);
            }
            (floats(shape, &values), false)
        }
        Feed::Mask(shape) => {
            let values = (0..count(shape)).map(|_| rng.random_range(0..2)).collect();
            (Tensor::new(shape, Data::U8(values)), false)
        }
        Feed::Index(shape, bound) => {
            let values = (0..count(shape)).map(|_| rng.random_range(0..*bound as i64)).collect();
            (Tensor::new(shape, Data::I64(values)), false)
        }
        Feed::Known(shape, values) => (floats(shape, values), false),
        Feed::Text(shape, values) => {
            let drawn = (0..count(shape)).map(|_| values[rng.random_range(0..values.len())].to_owned()).collect();
            (Tensor::new(shape, Data::Str(drawn)), false)
        }
    }
}

/// The case's inputs in a graph, with what to feed and which feeds are differentiated.
fn inputs(graph: &mut Graph, case: &Case, dtype: DType, rng: &mut ChaCha8Rng) -> (Vec<Value>, Vec<Tensor>, Vec<bool>) {
    let (mut values, mut feeds, mut moving) = (vec![], vec![], vec![]);
    for (i, feed) in case.inputs.iter().enumerate() {
        let (tensor, moves) = sample(feed, dtype, rng);
        if matches!(feed, Feed::Known(..)) {
            values.push(graph.constant(tensor));
        } else {
            values.push(graph.input(format!("x{i}"), tensor.ty()));
            feeds.push(tensor);
            moving.push(moves);
        }
    }
    (values, feeds, moving)
}

/// A loss over one or two uses of an operator, with its gradients.
struct Problem {
    model: Vec<u8>,
    feeds: Vec<Tensor>,
    /// Which feeds are differentiated; the model's outputs are the loss and a gradient for each of them.
    moving: Vec<bool>,
}

/// Σ c·op(inputs), summed over `uses`, each of which states which sample is read as which input.
fn problem(case: &Case, dtype: DType, uses: &[Vec<usize>], rng: &mut ChaCha8Rng) -> Problem {
    let mut graph = Graph::new();
    let (values, feeds, moving) = inputs(&mut graph, case, dtype, rng);
    let terms: Vec<Value> = uses.iter().map(|order| weighted(&mut graph, case, &values, order, rng)).collect();
    let loss = terms[1..].iter().fold(terms[0], |a, &b| graph.apply(Binary(BinaryKind::Add), &[a, b]).unwrap());
    let targets: Vec<Value> = graph.inputs().iter().zip(&moving).filter(|(_, m)| **m).map(|(v, _)| *v).collect();
    let gradients = differentiate(&mut graph, loss, &targets).unwrap();
    graph.output("loss", loss);
    for (i, gradient) in gradients.into_iter().enumerate() {
        graph.output(format!("g{i}"), gradient);
    }
    let spelled = spell(&graph, Target::Portable).unwrap();
    Problem { model: evolve::onnx::write(&spelled, &vec![]).unwrap(), feeds, moving }
}

/// Σ c·y of the operator's first output with random c. Further outputs are statistics, which no rule differentiates.
fn weighted(graph: &mut Graph, case: &Case, values: &[Value], order: &[usize], rng: &mut ChaCha8Rng) -> Value {
    let inputs: Vec<Value> = order.iter().map(|&i| values[i]).collect();
    let y = graph.add_shared(case.op.clone(), &inputs).unwrap()[0];
    let shape = graph.ty(y).shape.extents().unwrap();
    let c = graph.constant(Tensor::from_f64(graph.ty(y).dtype, &shape, &normal(rng, shape.iter().product())));
    let product = graph.apply(Binary(BinaryKind::Mul), &[y, c]).unwrap();
    graph.apply(SumTo { shape: Shape::default() }, &[product]).unwrap()
}

fn to_tract(tensor: &Tensor) -> TractTensor {
    match &tensor.data {
        Data::F64(v) => TractTensor::from_shape(&tensor.shape, v),
        Data::U8(v) => TractTensor::from_shape(&tensor.shape, v),
        Data::I64(v) => TractTensor::from_shape(&tensor.shape, v),
        other => panic!("no case feeds {:?}", other.dtype()),
    }
    .unwrap()
}

/// Compares the gradient along a random direction with the central difference of the loss along it.
fn check(problem: &Problem, what: &str, rng: &mut ChaCha8Rng) {
    let plan = tract_onnx::onnx()
        .model_for_read(&mut problem.model.as_slice())
        .and_then(|m| m.into_typed())
        .and_then(|m| m.into_runnable())
        .unwrap_or_else(|e| panic!("{what}: {e:?}"));
    let run = |feeds: &[Tensor]| -> Vec<Vec<f64>> {
        let inputs = feeds.iter().map(|t| TValue::from(to_tract(t))).collect();
        let outputs = plan.run(inputs).unwrap_or_else(|e| panic!("{what}: {e:?}"));
        outputs.iter().map(|o| o.to_plain_array_view::<f64>().unwrap().iter().copied().collect()).collect()
    };
    let directions: Vec<Vec<f64>> = problem
        .feeds
        .iter()
        .zip(&problem.moving)
        .map(|(t, moves)| if *moves { normal(rng, t.data.len()) } else { vec![0.0; t.data.len()] })
        .collect();
    let moved = |step: f64| -> Vec<Tensor> {
        let shift = |(t, direction): (&Tensor, &Vec<f64>)| match &t.data {
            Data::F64(v) => Tensor::new(&t.shape, Data::F64(v.iter().zip(direction).map(|(x, d)| x + step * d).collect())),
            _ => t.clone(),
        };
        problem.feeds.iter().zip(&directions).map(shift).collect()
    };
    let gradients = run(&problem.feeds);
    let moving = directions.iter().zip(&problem.moving).filter(|(_, m)| **m).map(|(d, _)| d);
    let terms: Vec<f64> = gradients[1..].iter().zip(moving).flat_map(|(g, t)| g.iter().zip(t).map(|(g, t)| g * t)).collect();
    let difference = (run(&moved(STEP))[0][0] - run(&moved(-STEP))[0][0]) / (2.0 * STEP);
    let (along, size) = (terms.iter().sum::<f64>(), terms.iter().map(|v| v.abs()).sum::<f64>() + gradients[0][0].abs());
    assert!((along - difference).abs() <= TOLERANCE * (1.0 + size), "{what}: gradient {along}, difference {difference}");
}

fn shape_of(feed: &Feed) -> &[usize] {
    match feed {
        Feed::Normal(s) | Feed::Positive(s) | Feed::Distinct(s) | Feed::Distribution(s) | Feed::Mask(s) => s,
        Feed::Index(s, _) | Feed::Known(s, _) | Feed::Text(s, _) => s,
    }
}

/// Inputs in the given order, and, where two of them are alike, exchanged.
fn orders(case: &Case) -> Vec<Vec<usize>> {
    let straight: Vec<usize> = (0..case.inputs.len()).collect();
    let mut all = vec![straight.clone()];
    for i in 0..straight.len() {
        for j in 0..i {
            let alike = matches!((&case.inputs[i], &case.inputs[j]), (Feed::Normal(a), Feed::Normal(b)) if a == b);
            if alike {
                let mut exchanged = straight.clone();
                exchanged.swap(i, j);
                all.push(exchanged);
            }
        }
    }
    all
}

fn each_case(visit: impl Fn(&Entry, usize, &Case)) {
    for entry in ALL {
        for (i, case) in (entry.cases)().iter().enumerate() {
            visit(entry, i, case);
        }
    }
}

#[test]
fn gradients_equal_central_differences() {
    each_case(|entry, i, case| {
        if entry.differentiable {
            let mut rng = ChaCha8Rng::seed_from_u64(i as u64);
            let what = format!("{} case {i} {:?} on {:?}", entry.name, case.op, case.inputs);
            check(&problem(case, DType::F64, &[(0..case.inputs.len()).collect()], &mut rng), &what, &mut rng);
        }
    });
}

#[test]
fn gradients_add_up_over_two_uses_of_every_input() {
    each_case(|entry, i, case| {
        if entry.differentiable {
            let mut rng = ChaCha8Rng::seed_from_u64(1000 + i as u64);
            let orders = orders(case);
            for second in &orders {
                let what = format!("{} case {i} {:?} in orders {:?} and {second:?}", entry.name, case.op, orders[0]);
                check(&problem(case, DType::F64, &[orders[0].clone(), second.clone()], &mut rng), &what, &mut rng);
                check(&problem(case, DType::F64, &[second.clone(), orders[0].clone()], &mut rng), &what, &mut rng);
            }
        }
    });
}

/// The operator alone, in float32, with all its outputs.
fn alone(case: &Case, rng: &mut ChaCha8Rng) -> Problem {
    let mut graph = Graph::new();
    let (values, feeds, moving) = inputs(&mut graph, case, DType::F32, rng);
    for (i, y) in graph.add_shared(case.op.clone(), &values).unwrap().into_iter().enumerate() {
        graph.output(format!("y{i}"), y);
    }
    let spelled = spell(&graph, Target::Portable).unwrap();
    Problem { model: evolve::onnx::write(&spelled, &vec![]).unwrap(), feeds, moving }
}

fn floats(tensor: &Tensor) -> Vec<f64> {
    match &tensor.data {
        Data::F32(v) => v.iter().map(|&x| x.into()).collect(),
        Data::I64(v) => v.iter().map(|&x| x as f64).collect(),
        Data::U8(v) => v.iter().map(|&x| x.into()).collect(),
        Data::Bool(v) => v.iter().map(|&x| f64::from(u8::from(x))).collect(),
        other => panic!("no operator of nets gives {:?}", other.dtype()),
    }
}

/// Compares all outputs of a model in two engines, relative to the greatest of each output.
fn compare(problem: &Problem, engines: &[Arc<dyn Engine>; 2], what: &str) {
    let [first, second] = engines.each_ref().map(|engine| {
        let mut model = engine.load_model(&problem.model).unwrap_or_else(|e| panic!("{what}: {e}"));
        model.run(&problem.feeds).unwrap_or_else(|e| panic!("{what}: {e}"))
    });
    assert_eq!(first.len(), second.len(), "{what}");
    for (i, (a, b)) in first.iter().zip(&second).enumerate() {
        assert_eq!(a.shape, b.shape, "{what}: output {i}");
        let (a, b) = (floats(a), floats(b));
        let size = a.iter().fold(1.0_f64, |m, v| m.max(v.abs()));
        let apart = a.iter().zip(&b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(apart <= ENGINE_TOLERANCE * size, "{what}: output {i} is {apart} apart of {size}");
    }
}

#[test]
fn engines_agree_on_portable_spellings() {
    let request = |engine| Request { engine, device: Device::Cpu, ..Request::default() };
    let engines = [Choice::OnnxRuntime, Choice::Tract]
        .map(|engine| select(&request(engine)).unwrap_or_else(|e| panic!("both engines are needed: {e}")).engine);
    each_case(|entry, i, case| {
        let mut rng = ChaCha8Rng::seed_from_u64(2000 + i as u64);
        let what = format!("{} case {i} {:?}", entry.name, case.op);
        compare(&alone(case, &mut rng), &engines, &what);
        if entry.differentiable {
            let uses = orders(case);
            compare(&problem(case, DType::F32, &uses, &mut rng), &engines, &format!("gradient of {what} used as {uses:?}"));
        }
    });
}

/// The operator with all its outputs and, where it has a rule, the gradients of a weighted sum of them.
fn whole(entry: &Entry, case: &Case, rng: &mut ChaCha8Rng) -> Graph {
    let mut graph = Graph::new();
    let (values, _, moving) = inputs(&mut graph, case, DType::F32, rng);
    for (i, y) in graph.add_shared(case.op.clone(), &values).unwrap().into_iter().enumerate() {
        graph.output(format!("y{i}"), y);
    }
    if entry.differentiable {
        let order: Vec<usize> = (0..values.len()).collect();
        let loss = weighted(&mut graph, case, &values, &order, rng);
        let targets: Vec<Value> = graph.inputs().iter().zip(&moving).filter(|(_, m)| **m).map(|(v, _)| *v).collect();
        for (i, gradient) in differentiate(&mut graph, loss, &targets).unwrap().into_iter().enumerate() {
            graph.output(format!("g{i}"), gradient);
        }
    }
    graph
}

/// Tensors one after the other, along a new leading axis.
fn stacked(members: &[Tensor]) -> Tensor {
    let shape = [&[members.len()], &members[0].shape[..]].concat();
    match &members[0].data {
        Data::F32(_) => {
            let values = members.iter().flat_map(|m| if let Data::F32(v) = &m.data { v.clone() } else { vec![] });
            Tensor::new(&shape, Data::F32(values.collect()))
        }
        Data::I64(_) => {
            let values = members.iter().flat_map(|m| if let Data::I64(v) = &m.data { v.clone() } else { vec![] });
            Tensor::new(&shape, Data::I64(values.collect()))
        }
        Data::U8(_) => {
            let values = members.iter().flat_map(|m| if let Data::U8(v) = &m.data { v.clone() } else { vec![] });
            Tensor::new(&shape, Data::U8(values.collect()))
        }
        other => panic!("no member is fed {:?}", other.dtype()),
    }
}

/// With kernels bit for bit; the portable spelling may add up in another order.
#[test]
fn members_of_a_population_are_what_operators_make_of_each_alone() {
    const MEMBERS: usize = 3;
    let request = Request { engine: Choice::OnnxRuntime, device: Device::Cpu, ..Request::default() };
    let engine = select(&request).expect("ONNX Runtime").engine;
    let run = |spelled, feeds: &[Tensor], what: &str| {
        let mut model =
            engine.load_model(&evolve::onnx::write(&spelled, &vec![]).unwrap()).unwrap_or_else(|e| panic!("{what}: {e}"));
        model.run(feeds).unwrap_or_else(|e| panic!("{what}: {e}"))
    };
    each_case(|entry, i, case| {
        if case.inputs.iter().any(|feed| matches!(feed, Feed::Text(..))) {
            return;
        }
        let mut rng = ChaCha8Rng::seed_from_u64(3000 + i as u64);
        let graph = whole(entry, case, &mut rng);
        let fed = case.inputs.iter().filter(|feed| !matches!(feed, Feed::Known(..)));
        let feeds: Vec<Vec<Tensor>> =
            fed.map(|feed| (0..MEMBERS).map(|_| sample(feed, DType::F32, &mut rng).0).collect()).collect();
        for target in [Target::Portable, Target::CpuKernels] {
            let what = format!("{} case {i} {:?} for {target:?}", entry.name, case.op);
            let all: Vec<Tensor> = feeds.iter().map(|members| stacked(members)).collect();
            let together = run(spell_population(&graph, target, MEMBERS).unwrap(), &all, &what);
            for member in 0..MEMBERS {
                let own: Vec<Tensor> = feeds.iter().map(|members| members[member].clone()).collect();
                for (o, (alone, all)) in run(spell(&graph, target).unwrap(), &own, &what).iter().zip(&together).enumerate() {
                    let (alone, all) = (floats(alone), floats(all));
                    let part = &all[member * alone.len()..][..alone.len()];
                    let size = alone.iter().fold(1.0_f64, |m, v| m.max(v.abs()));
                    let accepted = if target == Target::CpuKernels { 0.0 } else { ENGINE_TOLERANCE * size };
                    let apart = alone.iter().zip(part).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
                    assert!(apart <= accepted, "{what}: output {o} of member {member} is {apart} apart of {size}");
                }
            }
        }
    });
}

#[test]
fn wrong_gradients_are_found() {
    let (loss, gradient) = ("loss", "g0");
    let mut graph = Graph::new();
    let x = graph.input("x0", TensorType::new(DType::F64, Shape::fixed(&[3])));
    let square = graph.apply(Binary(BinaryKind::Mul), &[x, x]).unwrap();
    let sum = graph.apply(SumTo { shape: Shape::default() }, &[square]).unwrap();
    graph.output(loss, sum);
    graph.output(gradient, x);
    let model = evolve::onnx::write(&spell(&graph, Target::Portable).unwrap(), &vec![]).unwrap();
    let feeds = vec![Tensor::new(&[3], Data::F64(vec![1.0, -2.0, 0.5]))];
    let wrong = Problem { model, feeds, moving: vec![true] };
    let caught = std::panic::catch_unwind(|| check(&wrong, "x for 2x", &mut ChaCha8Rng::seed_from_u64(0)));
    assert!(caught.is_err());
}

#[test]
fn entries_are_named_documented_and_have_cases() {
    let mut names = BTreeSet::new();
    each_case(|entry, _, case| {
        for feed in &case.inputs {
            assert!(shape_of(feed).iter().all(|&d| d > 0), "{} feeds nothing", entry.name);
        }
    });
    for entry in ALL {
        assert!(names.insert(entry.name), "{} stands in the list twice", entry.name);
        assert!(!entry.doc.is_empty() && !entry.doc.ends_with('.'), "{}: one line without a full stop wanted", entry.name);
        assert!(!(entry.cases)().is_empty(), "{} has no cases", entry.name);
    }
}
