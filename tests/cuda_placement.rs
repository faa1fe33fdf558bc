//! What can be proved of CUDA without a device: every node of every step is placed on it, and of a step nothing crosses over
//! but what is fed and the loss.

#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

mod cuda;
mod tasks;

use cuda::{BATCH, Stubs, fed, genomes};
use evolve::data::Task;
use evolve::engine::{CudaOptions, Engine, OnnxRuntime, Plan, Session, Slot};
use evolve::express::{TrainingStep, training_step};
use evolve::genome::Genome;
use evolve::graph::{DType, Graph, GraphError, Op, Shape, ShapeError, Speller, Target, TensorType, spell};
use evolve::onnx;
use evolve::train::{self, Evaluator, TrainError};

/// Members of a population.
const MEMBERS: usize = 3;

/// Runs two steps of so many members. Of each nothing goes to the device but what is fed, and nothing comes to the host but
/// the losses.
fn run(session: &mut dyn Session, step: &TrainingStep, members: u64, stubs: &Stubs) -> Result<(), String> {
    for _ in 0..2 {
        let (result, counts) = stubs.count(|| session.step());
        result.map_err(|e| e.to_string())?;
        let wanted = (members * fed(step), members * size_of::<f32>() as u64);
        if (counts.to_device, counts.to_host) != wanted || counts.launches == 0 {
            return Err(format!("{members} members: {counts:?} instead of {wanted:?}"));
        }
    }
    Ok(())
}

/// Trains a genome for two steps, alone and, where `joined`, as members of a population, and loads what scores it.
fn check(genome: &Genome, task: &Task, joined: bool, device: &OnnxRuntime, stubs: &Stubs) -> Result<(), String> {
    let step = training_step(genome, task, BATCH).map_err(|e| e.to_string())?;
    let mut session = train::load(&step, device, Target::Portable).map_err(|e| e.to_string())?;
    run(&mut *session, &step, 1, stubs)?;
    if joined {
        let mut session = train::load_population(&step, device, Target::Portable, MEMBERS).map_err(|e| e.to_string())?;
        run(&mut *session, &step, MEMBERS as u64, stubs)?;
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
    let plan = Plan { feeds: vec![slot("x")], state: vec![], fetches: vec![slot("y")], launch_bound: false };
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
