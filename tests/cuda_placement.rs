//! What can be proved of CUDA without a device: every node of every step is placed on it, and of a step nothing crosses over
//! but what is fed and the loss.

#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

mod cuda;
mod tasks;

use cuda::{BATCH, Stubs, bytes, fed, genomes, part};
use evolve::data::Task;
use evolve::engine::{CudaOptions, Engine, EngineError, HostTensor, OnnxRuntime, Plan, Session, Slot, View};
use evolve::express::{Feed, training_step};
use evolve::genome::Genome;
use evolve::graph::{DType, Graph, GraphError, Op, Shape, ShapeError, Speller, Target, TensorType, spell};
use evolve::onnx;
use evolve::train::{self, Evaluator, ResidentPart, TrainError};

/// Members of a population.
const MEMBERS: usize = 3;

/// Most bytes of constants that a step has more, or fewer, where its features lie on the device.
const CONSTANTS: u64 = 1 << 10;

/// Runs two steps of so many members. Of each nothing goes to the device but what is fed, and nothing comes to the host but
/// the losses.
fn run(session: &mut dyn Session, feeds: &[Feed], members: u64, stubs: &Stubs) -> Result<(), String> {
    for _ in 0..2 {
        let (result, counts) = stubs.count(|| session.step());
        result.map_err(|e| e.to_string())?;
        let wanted = (members * fed(feeds), members * size_of::<f32>() as u64);
        if (counts.to_device, counts.to_host) != wanted || counts.launches == 0 {
            return Err(format!("{members} members: {counts:?} instead of {wanted:?}"));
        }
    }
    Ok(())
}

/// Trains a genome for two steps, alone and, where `joined`, as members of a population, with features that are fed and with
/// features that lie there; and loads what scores it.
fn check(genome: &Genome, task: &Task, joined: bool, device: &OnnxRuntime, stubs: &Stubs) -> Result<(), String> {
    let step = training_step(genome, task, BATCH).map_err(|e| e.to_string())?;
    let part = part(task);
    let resident = ResidentPart::new(task, &part);
    let (features, counts) = stubs.count(|| resident.features(device));
    let features = features.ok_or_else(|| format!("not taken: {:?}", resident.refusal()))?;
    if counts.to_device != bytes(&part) {
        return Err(format!("{counts:?} for {} bytes of features", bytes(&part)));
    }
    let rows = features.feeds(&step);
    let features_of = |feeds: &[Feed]| feeds.iter().any(|feed| ["numeric", "codes", "image"].contains(&feed.name.as_str()));
    assert!(features_of(&step.feeds) && !features_of(&rows) && rows[0].shape == [BATCH]);
    for members in if joined { vec![1, MEMBERS] } else { vec![1] } {
        let load = || train::load_population(&step, device, Target::Portable, members);
        let (session, apart) = stubs.count(load);
        run(&mut *session.map_err(|e| e.to_string())?, &step.feeds, members as u64, stubs)?;
        let (session, shared) = stubs.count(|| train::load_resident(&step, device, Target::Portable, members, features));
        run(&mut *session.map_err(|e| e.to_string())?, &rows, members as u64, stubs)?;
        // Constants go there with a session; the features of all rows, which take more, do not.
        if shared.to_device > apart.to_device + CONSTANTS || shared.to_device + CONSTANTS < apart.to_device {
            return Err(format!("{members} members: {shared:?} to load a step, {apart:?} where all is fed"));
        }
    }
    Evaluator::new(genome, task, 9, device, Target::Portable).map_err(|e| e.to_string())?;
    Ok(())
}

#[test]
fn steps_run_on_the_device_alone() {
    let stubs = Stubs::load();
    let device = OnnxRuntime::cuda(&stubs.runtime, CudaOptions::device(0), Some(&stubs.nvidia)).expect("the device");
    a_node_that_the_device_lacks_is_refused_in_a_step(&device);
    a_step_that_finds_no_memory_says_so(&stubs);
    features_take_half_of_the_memory_at_most(&stubs);
    features_outlive_the_training_that_brought_them(&device, &stubs);
    a_tensor_of_many_pieces_lies_there_as_it_was(&device);
    let all = genomes();
    assert!(all.len() > 200, "{} genomes", all.len());
    for (index, (genome, task)) in all.into_iter().enumerate() {
        let checked = check(&genome, &task, index % 8 == 0, &device, &stubs);
        checked.unwrap_or_else(|reason| panic!("{reason}: {}", genome.json()));
    }
}

/// ONNX `Tan`, of which there is no kernel for CUDA.
#[derive(Debug)]
struct Tan;

impl Op for Tan {
    fn name(&self) -> &'static str {
        "Tan"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        Ok(inputs.iter().map(|&x| x.clone()).collect())
    }

    fn standard(&self, s: &mut Speller<'_>) -> Result<(), GraphError> {
        let y = s.node("Tan", &[s.input(0)], vec![]);
        s.output(0, y);
        Ok(())
    }
}

/// So what is loaded has no such node.
fn a_node_that_the_device_lacks_is_refused_in_a_step(device: &OnnxRuntime) {
    let mut graph = Graph::new();
    let x = graph.input("x", TensorType::new(DType::F32, Shape::fixed(&[4])));
    let y = graph.apply(Tan, &[x]).expect("a node");
    graph.output("y", y);
    let model = onnx::write(&spell(&graph, Target::Portable).expect("nodes"), &vec![]).expect("a model");
    let slot = |name: &str| Slot { name: name.into(), dtype: DType::F32, shape: vec![4] };
    let plan = Plan { feeds: vec![slot("x")], fetches: vec![slot("y")], ..Plan::default() };
    let refusal = device.load(&model, plan).err().expect("a refusal").to_string();
    assert!(refusal.contains("CPU"), "{refusal}");
    device.load_model(&model).expect("a model with nodes on the CPU");
}

/// In the words of the arena, whether what stays bound or what it computes does not fit.
fn a_step_that_finds_no_memory_says_so(stubs: &Stubs) {
    let (genome, task) = genomes().swap_remove(0);
    let step = training_step(&genome, &task, 1 << 10).expect("a step");
    let limited = |bytes: usize| {
        let options = CudaOptions { memory_limit: Some(bytes), ..CudaOptions::device(0) };
        let device = OnnxRuntime::cuda(&stubs.runtime, options, Some(&stubs.nvidia)).expect("the device");
        train::load(&step, &device, Target::Portable)
    };
    let Err(TrainError::Engine(refusal)) = limited(1 << 12) else { panic!("it was loaded") };
    assert!(refusal.is_out_of_memory(), "{refusal}");
    let mut session = limited(step.graph.peak_bytes() / 2).expect("a session");
    let failure = session.step().expect_err("a step");
    assert!(failure.is_out_of_memory(), "{failure}");
}

/// Others are fed: trainings need the other half.
fn features_take_half_of_the_memory_at_most(stubs: &Stubs) {
    let task = tasks::image([28, 20, 3], 5);
    let part = part(&task);
    let size = bytes(&part) as usize;
    for (limit, fits) in [(size / 2, false), (2 * size - 4096, false), (2 * size + 4096, true)] {
        let options = CudaOptions { memory_limit: Some(limit), ..CudaOptions::device(0) };
        let device = OnnxRuntime::cuda(&stubs.runtime, options, Some(&stubs.nvidia)).expect("the device");
        let resident = ResidentPart::new(&task, &part);
        let (features, counts) = stubs.count(|| resident.features(&device).is_some());
        assert_eq!((features, counts.to_device), (fits, if fits { size as u64 } else { 0 }));
        assert_eq!(resident.refusal().is_some_and(EngineError::is_out_of_memory), !fits, "{:?}", resident.refusal());
    }
}

/// A session keeps what it reads, and the engine of the finals reads what the search brought there; the CPU does not.
fn features_outlive_the_training_that_brought_them(device: &OnnxRuntime, stubs: &Stubs) {
    let (genome, task) = genomes().swap_remove(20);
    let step = training_step(&genome, &task, BATCH).expect("a step");
    let part = part(&task);
    let resident = ResidentPart::new(&task, &part);
    let features = resident.features(device).expect("room");
    let feeds = features.feeds(&step);
    let load = |engine: &dyn Engine| train::load_resident(&step, engine, Target::Portable, 1, features);
    let exact = device.exact();
    let (_, apart) = stubs.count(|| train::load(&step, exact.as_ref(), Target::Portable).expect("a session"));
    let (session, counts) = stubs.count(|| load(exact.as_ref()));
    assert!(counts.to_device <= apart.to_device + CONSTANTS && bytes(&part) > CONSTANTS, "{counts:?}, {apart:?}");
    let elsewhere = OnnxRuntime::cpu(&stubs.runtime).expect("the same library");
    assert!(resident.features(&elsewhere).is_some(), "who asks later gets what is there");
    let refusal = load(&elsewhere).err().expect("a refusal").to_string();
    assert!(refusal.contains("not on cpu"), "{refusal}");
    assert!(ResidentPart::new(&task, &part).features(&elsewhere).is_none(), "nothing is kept on the CPU");
    drop(resident);
    run(&mut *session.expect("a session"), &feeds, 1, stubs).expect("steps");
}

/// Copying a tensor is all that the stand-ins can do with it.
fn a_tensor_of_many_pieces_lies_there_as_it_was(device: &OnnxRuntime) {
    let values: Vec<f32> = (0..(1 << 24) + 9).map(|i| (i % 8191) as f32).collect();
    let mut graph = Graph::new();
    let x = graph.input("x", TensorType::new(DType::F32, Shape::fixed(&[values.len()])));
    graph.output("y", x);
    let model = onnx::write(&spell(&graph, Target::Portable).expect("nodes"), &vec![]).expect("a model");
    let tensor = HostTensor::new("x", &[values.len()], View::F32(&values));
    let resident = device.reside(std::slice::from_ref(&tensor)).expect("room");
    let fetches = vec![Slot { name: "y".into(), ..tensor.slot.clone() }];
    let mut session = device.load(&model, Plan { resident, fetches, ..Plan::default() }).expect("a session");
    session.step().expect("a step");
    assert!(session.fetch(0).expect("values") == values);
    let wrong = HostTensor::new("x", &[values.len() + 1], View::F32(&values));
    assert!(device.reside(&[wrong]).expect_err("a refusal").to_string().contains("elements were given"));
}
