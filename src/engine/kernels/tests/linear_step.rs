//! Nets of linear layers whose weights are stepped with their gradients, in place and not, against the standard spelling.

use super::{floats, sample};
use crate::engine::kernels::cpu::tests::on_each;
use crate::engine::tests::onnxruntime;
use crate::engine::{Engine, FeedMut, Plan, Slot, StateSlot};
use crate::graph::ops::Feed;
use crate::graph::ops::activation::{Activation, ActivationKind};
use crate::graph::ops::linear::Linear;
use crate::graph::ops::loss::SquaredError;
use crate::graph::ops::optimizer::{AdamStep, SgdStep};
use crate::graph::ops::shape::Reshape;
use crate::graph::{
    DType, Graph, POPULATION_DOMAIN, Shape, Spelled, Target, TensorType, Value, differentiate, spell, spell_population,
};
use crate::onnx;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// Rows of a batch, then the widths of the layers: the first two products have no kernel of their own, the last has.
const ROWS: usize = 60;
const WIDTHS: [usize; 4] = [70, 130, 75, 1];
/// What is fed but for the scalars.
const FEEDS: [(&str, &[usize]); 3] = [("x", &[ROWS, WIDTHS[0]]), ("targets", &[ROWS]), ("sizes", &[ROWS])];

/// A training step, its scalars, and its state with the outputs that follow it.
struct Net {
    graph: Graph,
    scalars: Vec<&'static str>,
    state: Vec<(String, Vec<usize>)>,
}

fn input(graph: &mut Graph, name: &str, dims: &[usize]) -> Value {
    graph.input(name, TensorType::new(DType::F32, Shape::fixed(dims)))
}

fn net(adam: bool) -> Net {
    let mut graph = Graph::new();
    let [x, targets, sizes] = FEEDS.map(|(name, dims)| input(&mut graph, name, dims));
    let (mut y, mut parameters) = (x, vec![]);
    for (i, pair) in WIDTHS.windows(2).enumerate() {
        let w = input(&mut graph, &format!("w{i}"), pair);
        let b = input(&mut graph, &format!("b{i}"), &pair[1..]);
        parameters.extend([(w, format!("w{i}"), pair.to_vec()), (b, format!("b{i}"), pair[1..].to_vec())]);
        y = graph.apply(Linear, &[y, w, b]).unwrap();
        if i < WIDTHS.len() - 2 {
            y = graph.apply(Activation(ActivationKind::Tanh), &[y]).unwrap();
        }
    }
    let y = graph.apply(Reshape { shape: Shape::fixed(&[ROWS]) }, &[y]).unwrap();
    let loss = graph.apply(SquaredError, &[y, targets, sizes]).unwrap();
    graph.output("loss", loss);
    let values: Vec<Value> = parameters.iter().map(|(value, ..)| *value).collect();
    let gradients = differentiate(&mut graph, loss, &values).unwrap();
    let (scalars, kept): (Vec<&str>, &[&str]) =
        if adam { (vec!["lr", "wd", "c1", "c2"], &["m", "v"]) } else { (vec!["lr", "wd"], &["v"]) };
    let mut inputs: Vec<Value> = scalars.iter().map(|name| input(&mut graph, name, &[])).collect();
    let mut state = vec![];
    for ((value, name, dims), gradient) in parameters.into_iter().zip(gradients) {
        inputs.extend([value, gradient]);
        inputs.extend(kept.iter().map(|kind| input(&mut graph, &format!("{kind}.{name}"), &dims)));
        state.push((name.clone(), dims.clone()));
        state.extend(kept.iter().map(|kind| (format!("{kind}.{name}"), dims.clone())));
    }
    let decay: Vec<bool> = values.iter().map(|&v| graph.ty(v).shape.rank() == 2).collect();
    let made = match adam {
        true => graph.add(AdamStep { beta1: 0.9, beta2: 0.99, epsilon: 1e-3, decoupled: true, decay }, &inputs),
        false => graph.add(SgdStep { momentum: 0.9, decay }, &inputs),
    };
    made.unwrap().into_iter().zip(&state).for_each(|(value, (name, _))| graph.output(format!("next.{name}"), value));
    Net { graph, scalars, state }
}

/// Loss and state of so many members after three steps.
fn trained(engine: &dyn Engine, net: &Net, spelled: &Spelled, in_place: &[bool], members: usize) -> Vec<Vec<f32>> {
    let extents = |dims: &[usize]| if members == 1 { dims.to_vec() } else { [&[members], dims].concat() };
    let slot = |name: &str, dims: &[usize]| Slot { name: name.into(), dtype: DType::F32, shape: extents(dims) };
    let feeds = FEEDS.iter().map(|(name, dims)| slot(name, dims)).chain(net.scalars.iter().map(|name| slot(name, &[])));
    let state = net.state.iter().zip(in_place).map(|((name, dims), &in_place)| StateSlot {
        input: name.clone(),
        output: Some(format!("next.{name}")),
        shape: extents(dims),
        in_place,
    });
    let plan = Plan { feeds: feeds.collect(), state: state.collect(), fetches: vec![slot("loss", &[])], ..Plan::default() };
    let mut session = engine.load(&onnx::write(spelled, &vec![]).unwrap(), plan).unwrap();
    for member in 0..members {
        let mut rng = ChaCha8Rng::seed_from_u64(member as u64);
        for (i, (_, dims)) in FEEDS.iter().enumerate() {
            let FeedMut::F32(values) = session.feed(i).part(member, members) else { panic!("a feed of float32") };
            values.copy_from_slice(floats(&sample(&Feed::Positive(dims.to_vec()), &mut rng)));
        }
        for (i, name) in net.scalars.iter().enumerate() {
            let FeedMut::F32(values) = session.feed(FEEDS.len() + i).part(member, members) else { panic!("likewise") };
            values[0] = if name.starts_with('c') { 1.0 } else { 0.01 };
        }
    }
    let mut rngs: Vec<_> = (0..members).map(|member| ChaCha8Rng::seed_from_u64(100 + member as u64)).collect();
    for (i, (name, dims)) in net.state.iter().enumerate() {
        let scale = if name.starts_with('w') { 0.1 } else { 0.0 };
        let draw = |rng| floats(&sample(&Feed::Normal(dims.clone()), rng)).iter().map(|v| v * scale).collect::<Vec<f32>>();
        session.write_state(i, &rngs.iter_mut().flat_map(draw).collect::<Vec<f32>>()).unwrap();
    }
    for _ in 0..3 {
        session.step().unwrap();
    }
    let mut all = vec![session.fetch(0).unwrap().to_vec()];
    for (i, (_, dims)) in net.state.iter().enumerate() {
        let mut values = vec![0.0; members * dims.iter().product::<usize>()];
        session.read_state(i, &mut values).unwrap();
        all.push(values);
    }
    all
}

fn in_place(net: &Net, spelled: &Spelled) -> Vec<bool> {
    let names: Vec<_> = net.state.iter().map(|(name, _)| (name.clone(), format!("next.{name}"))).collect();
    spelled.in_place(names.iter().map(|(input, output)| (input.as_str(), output.as_str())))
}

#[test]
fn weights_are_stepped_in_place_with_their_gradients() {
    let engine = onnxruntime();
    for adam in [false, true] {
        let net = net(adam);
        let portable = spell(&net.graph, Target::Portable).unwrap();
        let wanted = trained(&*engine, &net, &portable, &in_place(&net, &portable), 1);
        let spelled = spell(&net.graph, Target::CpuKernels).unwrap();
        let steps = spelled.nodes.iter().filter(|n| n.op_type == if adam { "LinearAdamStep" } else { "LinearSgdStep" });
        assert_eq!(steps.count(), 2, "the last product is small");
        let all = in_place(&net, &spelled);
        assert!(all.iter().all(|&in_place| in_place), "{all:?} of {:?}", net.state);
        on_each(|cpu| {
            let given = trained(&*engine, &net, &spelled, &all, 1);
            for ((wanted, given), name) in wanted.iter().zip(&given).zip(["loss"].into_iter().chain(net.names())) {
                let size = wanted.iter().fold(1e-3_f32, |m, v| m.max(v.abs()));
                let worst = wanted.iter().zip(given).fold(0.0_f32, |worst, (w, g)| worst.max((w - g).abs()));
                assert!(worst <= 1e-4 * size, "{cpu}, {name}: off by {worst} of {size}");
            }
            assert_eq!(given, trained(&*engine, &net, &spelled, &vec![false; all.len()], 1), "{cpu}: two sets in turn");
        });
    }
}

#[test]
fn members_are_stepped_as_alone() {
    let engine = onnxruntime();
    let net = net(true);
    let spelled = spell_population(&net.graph, Target::CpuKernels, 2).unwrap();
    assert!(spelled.nodes.iter().any(|n| n.op_type == "LinearAdamStep" && n.domain == POPULATION_DOMAIN));
    let both = trained(&*engine, &net, &spelled, &in_place(&net, &spelled), 2);
    let alone = spell(&net.graph, Target::CpuKernels).unwrap();
    let alone = trained(&*engine, &net, &alone, &in_place(&net, &alone), 1);
    for (both, alone) in both.iter().zip(&alone) {
        assert_eq!(both[..alone.len()], alone[..]);
    }
}

impl Net {
    fn names(&self) -> impl Iterator<Item = &str> {
        self.state.iter().map(|(name, _)| name.as_str())
    }
}
