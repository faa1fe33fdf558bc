//! One suite of problems, run on every engine.

mod exported;

use super::{
    Choice, Device, Engine, EngineError, FeedMut, Places, Plan, Request, Session, Slot, StateSlot, Tract, locate_first,
    select,
};
use crate::graph::ops::elementwise::{Binary, BinaryKind};
use crate::graph::ops::linear::Linear;
use crate::graph::ops::reduce::Mean;
use crate::graph::{DType, Data, Dim, Graph, Shape, Target, Tensor, TensorType, differentiate, spell};
use crate::onnx;
use proptest::prelude::{ProptestConfig, prop, proptest};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, OnceLock};

/// Every engine of this machine.
fn engines() -> Vec<Arc<dyn Engine>> {
    vec![onnxruntime(), Arc::new(Tract)]
}

/// ONNX Runtime on the CPU. Without a library, one is installed, as for a user.
pub(crate) fn onnxruntime() -> Arc<dyn Engine> {
    let request = Request { engine: Choice::OnnxRuntime, device: Device::Cpu, ..Request::default() };
    select(&request).unwrap_or_else(|e| panic!("the tests need ONNX Runtime: {e}")).engine
}

/// A file of ONNX Runtime's library.
pub(crate) fn library() -> PathBuf {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    let find = || {
        onnxruntime();
        locate_first(&Places::from_env(None), false).found.remove(0).path
    };
    LIBRARY.get_or_init(find).clone()
}

/// Writes a shell script as a program. Another process does it: a file that this one still has open for writing, in a
/// child that another test forks, cannot be run.
pub(super) fn fake_program(folder: &Path, name: &str, script: &str) {
    std::fs::create_dir_all(folder).unwrap();
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", "printf '#!/bin/sh\\n%s\\n' \"$1\" > \"$0\" && chmod +x \"$0\""]).arg(folder.join(name)).arg(script);
    assert!(shell.status().unwrap().success());
}

fn tensor(dims: &[usize]) -> TensorType {
    TensorType::new(DType::F32, Shape::fixed(dims))
}

fn bytes(graph: &Graph) -> Vec<u8> {
    onnx::write(&spell(graph, Target::Portable).unwrap(), &vec![]).unwrap()
}

fn slot(name: &str, shape: &[usize]) -> Slot {
    Slot { name: name.into(), dtype: DType::F32, shape: shape.to_vec() }
}

fn state(input: &str, output: Option<&str>, shape: &[usize]) -> StateSlot {
    StateSlot { input: input.into(), output: output.map(str::to_owned), shape: shape.to_vec(), in_place: false }
}

/// Gradient descent on the mean squared error of `x·w + b`; the rate is state that no step writes.
fn descent() -> (Vec<u8>, Plan) {
    let mut g = Graph::new();
    let x = g.input("x", tensor(&[4, 3]));
    let y = g.input("y", tensor(&[4, 2]));
    let w = g.input("w", tensor(&[3, 2]));
    let b = g.input("b", tensor(&[2]));
    let rate = g.input("rate", tensor(&[]));
    let p = g.apply(Linear, &[x, w, b]).unwrap();
    let d = g.apply(Binary(BinaryKind::Sub), &[p, y]).unwrap();
    let squares = g.apply(Binary(BinaryKind::Mul), &[d, d]).unwrap();
    let loss = g.apply(Mean, &[squares]).unwrap();
    g.output("loss", loss);
    let grads = differentiate(&mut g, loss, &[w, b]).unwrap();
    for (value, grad, name) in [(w, grads[0], "w.next"), (b, grads[1], "b.next")] {
        let change = g.apply(Binary(BinaryKind::Mul), &[rate, grad]).unwrap();
        let next = g.apply(Binary(BinaryKind::Sub), &[value, change]).unwrap();
        g.output(name, next);
    }
    let plan = Plan {
        feeds: vec![slot("x", &[4, 3]), slot("y", &[4, 2])],
        state: vec![state("w", Some("w.next"), &[3, 2]), state("b", Some("b.next"), &[2]), state("rate", None, &[])],
        fetches: vec![slot("loss", &[])],
        launch_bound: true,
        ..Plan::default()
    };
    (bytes(&g), plan)
}

const X: [f32; 12] = [0.5, -1.0, 2.0, 1.5, 0.25, -0.75, -0.5, 1.0, 0.0, 2.0, -2.0, 1.0];
const Y: [f32; 8] = [1.0, 0.0, 0.5, -1.0, 2.0, 1.0, -0.5, 0.25];
const W: [f32; 6] = [0.1, -0.2, 0.3, 0.4, -0.5, 0.6];
const RATE: f32 = 0.05;

fn write(session: &mut dyn Session, slot: usize, values: &[f32]) {
    match session.feed(slot) {
        FeedMut::F32(buffer) => buffer.copy_from_slice(values),
        _ => panic!("feed {slot} is float32"),
    }
}

/// The same descent in float64 on the host: losses of the steps and the last weights.
fn by_hand(steps: usize) -> (Vec<f64>, Vec<f64>, Vec<f64>) {
    let mut w: Vec<f64> = W.iter().map(|&v| v.into()).collect();
    let mut b = vec![0.0f64; 2];
    let mut losses = Vec::new();
    for _ in 0..steps {
        let (mut loss, mut dw, mut db) = (0.0, vec![0.0; 6], vec![0.0; 2]);
        for (n, o) in (0..4).flat_map(|n| [(n, 0), (n, 1)]) {
            let p: f64 = (0..3).map(|k| f64::from(X[n * 3 + k]) * w[k * 2 + o]).sum::<f64>() + b[o];
            let d = p - f64::from(Y[n * 2 + o]);
            loss += d * d / 8.0;
            db[o] += d / 4.0;
            (0..3).for_each(|k| dw[k * 2 + o] += d / 4.0 * f64::from(X[n * 3 + k]));
        }
        losses.push(loss);
        w.iter_mut().zip(&dw).for_each(|(w, d)| *w -= f64::from(RATE) * d);
        b.iter_mut().zip(&db).for_each(|(b, d)| *b -= f64::from(RATE) * d);
    }
    (losses, w, b)
}

fn close(engine: &dyn Engine, got: &[f32], wanted: &[f64]) {
    assert_eq!(got.len(), wanted.len());
    for (g, w) in got.iter().zip(wanted) {
        assert!((f64::from(*g) - w).abs() < 1e-5, "{}: {got:?} instead of {wanted:?}", engine.name());
    }
}

#[test]
fn state_goes_from_step_to_step_as_worked_out_by_hand() {
    for engine in engines() {
        for steps in [1, 2, 7] {
            let (model, plan) = descent();
            let mut session = engine.load(&model, plan).unwrap();
            write(&mut *session, 0, &X);
            write(&mut *session, 1, &Y);
            session.write_state(0, &W).unwrap();
            session.write_state(2, &[RATE]).unwrap();
            let (losses, w, b) = by_hand(steps);
            for loss in losses {
                session.step().unwrap();
                close(&*engine, session.fetch(0).unwrap(), &[loss]);
            }
            let (mut got_w, mut got_b, mut rate) = ([0.0; 6], [9.0; 2], [0.0]);
            session.read_state(0, &mut got_w).unwrap();
            session.read_state(1, &mut got_b).unwrap();
            session.read_state(2, &mut rate).unwrap();
            close(&*engine, &got_w, &w);
            close(&*engine, &got_b, &b);
            assert_eq!(rate, [RATE]);
        }
    }
}

#[test]
fn state_written_after_any_number_of_steps_is_the_state_of_the_next() {
    for engine in engines() {
        let (model, plan) = descent();
        let mut session = engine.load(&model, plan).unwrap();
        write(&mut *session, 0, &X);
        write(&mut *session, 1, &Y);
        session.write_state(2, &[RATE]).unwrap();
        for _ in 0..3 {
            session.write_state(0, &W).unwrap();
            session.write_state(1, &[0.0; 2]).unwrap();
            let mut back = [0.0; 6];
            session.read_state(0, &mut back).unwrap();
            assert_eq!(back, W);
            session.step().unwrap();
            close(&*engine, session.fetch(0).unwrap(), &by_hand(1).0);
        }
    }
}

#[test]
fn state_starts_at_zero_and_two_sessions_share_nothing() {
    for engine in engines() {
        let (model, plan) = descent();
        let mut one = engine.load(&model, plan.clone()).unwrap();
        let mut other = engine.load(&model, plan).unwrap();
        one.write_state(0, &W).unwrap();
        let mut w = [1.0; 6];
        other.read_state(0, &mut w).unwrap();
        assert_eq!(w, [0.0; 6]);
        write(&mut *other, 1, &Y);
        other.step().unwrap();
        let zero: f64 = Y.iter().map(|&y| f64::from(y).powi(2) / 8.0).sum();
        close(&*engine, other.fetch(0).unwrap(), &[zero]);
    }
}

#[test]
fn sizes_and_slots_that_do_not_fit_are_errors() {
    for engine in engines() {
        let (model, plan) = descent();
        let mut session = engine.load(&model, plan).unwrap();
        assert!(matches!(session.write_state(0, &[0.0; 5]), Err(EngineError::Run { .. })));
        assert!(matches!(session.read_state(0, &mut [0.0; 7]), Err(EngineError::Run { .. })));
        assert!(session.write_state(3, &[0.0]).is_err());
        assert!(session.fetch(1).is_err());
    }
}

#[test]
fn plans_that_do_not_fit_the_model_are_refused_with_the_name() {
    type Change = (&'static str, fn(&mut Plan));
    let changes: [Change; 7] = [
        ("\"x\"", |p| p.feeds[0].shape = vec![4, 2]),
        ("\"other\"", |p| p.feeds[0].name = "other".into()),
        ("\"y\"", |p| p.feeds[1].dtype = DType::I64),
        ("\"rate\"", |p| p.state.truncate(2)),
        ("\"w.next\"", |p| p.state[0].output = Some("b.next".into())),
        ("\"w\"", |p| p.feeds.push(slot("w", &[3, 2]))),
        ("\"nothing\"", |p| p.fetches.push(slot("nothing", &[]))),
    ];
    for engine in engines() {
        for (wanted, change) in changes {
            let (model, mut plan) = descent();
            change(&mut plan);
            let Err(EngineError::Load { reason, .. }) = engine.load(&model, plan) else { panic!("{wanted} was accepted") };
            let name = if wanted == "\"w.next\"" { "\"b.next\"" } else { wanted };
            assert!(reason.contains(name), "{reason}");
        }
    }
}

#[test]
fn broken_bytes_and_unknown_operators_are_refused() {
    let (model, plan) = descent();
    let unknown: Vec<u8> = {
        let at = model.windows(4).rposition(|w| w == b"Gemm").unwrap();
        [&model[..at], b"Gexx", &model[at + 4..]].concat()
    };
    for engine in engines() {
        for bytes in [&b"junk"[..], &model[..model.len() - 9], &unknown] {
            assert!(matches!(engine.load(bytes, plan.clone()), Err(EngineError::Load { .. })));
            assert!(matches!(engine.load_model(bytes), Err(EngineError::Load { .. })));
        }
    }
}

/// `y = x·w + b` for a symbolic batch.
fn batched() -> Vec<u8> {
    let mut g = Graph::new();
    let x = g.input("x", TensorType::new(DType::F32, Shape::batched(Dim::Batch, &[3])));
    let w = g.constant(Tensor::f32(&[3, 2], W.to_vec()));
    let b = g.constant(Tensor::f32(&[2], vec![1.0, -1.0]));
    let y = g.apply(Linear, &[x, w, b]).unwrap();
    g.output("y", y);
    bytes(&g)
}

#[test]
fn one_loaded_model_takes_any_batch() {
    for engine in engines() {
        let mut model = engine.load_model(&batched()).unwrap();
        assert_eq!(model.inputs()[0].shape, [None, Some(3)]);
        assert_eq!(model.outputs()[0].shape, [None, Some(2)]);
        for n in [1, 4, 2, 1] {
            let out = model.run(&[Tensor::f32(&[n, 3], X[..n * 3].to_vec())]).unwrap();
            assert_eq!(out[0].shape, [n, 2]);
            let Data::F32(values) = &out[0].data else { panic!("float32 wanted") };
            let first = [0.5 * 0.1 - 0.3 + 2.0 * -0.5 + 1.0, 0.5 * -0.2 - 0.4 + 2.0 * 0.6 - 1.0];
            close(&*engine, &values[..2], &first);
        }
        assert!(matches!(model.run(&[Tensor::f32(&[4, 2], vec![0.0; 8])]), Err(EngineError::Run { .. })));
        assert!(matches!(model.run(&[]), Err(EngineError::Run { .. })));
        assert!(matches!(model.run(&[Tensor::ints(&[1])]), Err(EngineError::Run { .. })));
    }
}

#[test]
fn a_model_with_a_symbolic_batch_loads_for_a_fixed_one() {
    for engine in engines() {
        let plan =
            Plan { feeds: vec![slot("x", &[4, 3])], state: vec![], fetches: vec![slot("y", &[4, 2])], ..Plan::default() };
        let mut session = engine.load(&batched(), plan).unwrap();
        for scale in [1.0, 2.0] {
            write(&mut *session, 0, &X.map(|x| x * scale));
            session.step().unwrap();
            let row = f64::from(scale) * (0.5 * 0.1 - 0.3 - 2.0 * 0.5) + 1.0;
            close(&*engine, &session.fetch(0).unwrap()[..1], &[row]);
        }
    }
}

/// `total.next = total + x` of this shape.
fn running_sum(shape: &[usize]) -> (Vec<u8>, Plan) {
    let mut g = Graph::new();
    let (x, total) = (g.input("x", tensor(shape)), g.input("total", tensor(shape)));
    let next = g.apply(Binary(BinaryKind::Add), &[total, x]).unwrap();
    g.output("total.next", next);
    let plan =
        Plan { feeds: vec![slot("x", shape)], state: vec![state("total", Some("total.next"), shape)], ..Plan::default() };
    (bytes(&g), plan)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn state_of_any_shape_and_age_is_read_as_it_is(
        shape in prop::collection::vec(1usize..5, 0..4), steps in 0usize..5, first in -9i8..9, each in -9i8..9,
    ) {
        let elements = shape.iter().product::<usize>();
        let ramp = |start: i8| (0..elements).map(|i| f32::from(start) + i as f32).collect::<Vec<f32>>();
        for engine in engines() {
            let (model, plan) = running_sum(&shape);
            let mut session = engine.load(&model, plan).unwrap();
            write(&mut *session, 0, &ramp(each));
            session.write_state(0, &ramp(first)).unwrap();
            for _ in 0..steps {
                session.step().unwrap();
            }
            let mut total = vec![f32::NAN; elements];
            session.read_state(0, &mut total).unwrap();
            let wanted: Vec<f32> = ramp(first).iter().zip(ramp(each)).map(|(f, e)| f + steps as f32 * e).collect();
            assert_eq!(total, wanted, "{}", engine.name());
        }
    }
}

/// `y = 2·x + 1`, with an input and an output named as values inside usually are.
#[test]
fn no_constant_takes_the_name_of_an_input() {
    let mut g = Graph::new();
    let x = g.input("c0", tensor(&[2]));
    let (two, one) = (g.scalar(DType::F32, 2.0), g.scalar(DType::F32, 1.0));
    let twice = g.apply(Binary(BinaryKind::Mul), &[x, two]).unwrap();
    let y = g.apply(Binary(BinaryKind::Add), &[twice, one]).unwrap();
    g.output("t2", y);
    for engine in engines() {
        let out = engine.load_model(&bytes(&g)).unwrap().run(&[Tensor::f32(&[2], vec![1.0, -3.0])]).unwrap();
        assert_eq!(out, [Tensor::f32(&[2], vec![3.0, -5.0])], "{}", engine.name());
    }
}
