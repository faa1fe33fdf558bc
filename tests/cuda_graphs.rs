//! Training steps can be captured as CUDA graphs, one for each of the two sets of state, and are then replayed without a
//! launch or a copy; shown on stand-ins of NVIDIA's libraries.

#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

mod cuda;
mod tasks;

use cuda::{BATCH, Stubs, genomes};
use evolve::express::{TrainingStep, training_step};
use evolve::graph::{DType, Target, spell};
use evolve::onnx;
use ort::environment::Environment;
use ort::ep::CUDA;
use ort::memory::{AllocationDevice, Allocator, AllocatorType, MemoryInfo, MemoryType};
use ort::session::builder::GraphOptimizationLevel;
use ort::session::{IoBinding, RunOptions, Session};
use ort::value::{DynTensor, Tensor};

/// A session that captures, and the memory of its device.
fn capturing(step: &TrainingStep, environment: &Environment) -> ort::Result<(Session, Allocator)> {
    let model = onnx::write(&spell(&step.graph, Target::Portable).expect("nodes"), &vec![]).expect("a model");
    let provider = CUDA::default().with_device_id(0).with_cuda_graph(true).build().error_on_failure();
    let session = Session::builder(environment)?
        .with_optimization_level(GraphOptimizationLevel::Level2)?
        // As the engine does: a `Split` that several `Slice` became would upload a table.
        .with_config_entry("optimization.disable_specified_optimizers", "GatherSliceToSplitFusion")?
        .with_execution_providers([provider])?
        .commit_from_memory(&model)?;
    let memory = MemoryInfo::new(AllocationDevice::CUDA, 0, AllocatorType::Device, MemoryType::Default)?;
    let allocator = Allocator::new(&session, memory)?;
    Ok((session, allocator))
}

/// Bindings that read one set of the state and write the other, in turn, and what keeps their tensors.
fn bind(step: &TrainingStep, session: &Session, device: &Allocator) -> ort::Result<([IoBinding; 2], Vec<DynTensor>)> {
    let mut bindings = [session.create_binding()?, session.create_binding()?];
    let mut kept = vec![];
    for feed in &step.feeds {
        let shape = feed.shape.as_slice();
        let tensor = match feed.dtype {
            DType::I64 => Tensor::<i64>::new(device, shape)?.upcast(),
            DType::U8 => Tensor::<u8>::new(device, shape)?.upcast(),
            _ => Tensor::<f32>::new(device, shape)?.upcast(),
        };
        bindings.iter_mut().try_for_each(|binding| binding.bind_input(&feed.name, &tensor))?;
        kept.push(tensor);
    }
    let params = step.params.iter().map(|param| (param.input(), TrainingStep::next(param), param.shape.clone()));
    for (input, output, shape) in params.chain(step.moments.iter().cloned()) {
        let mut sets = [Tensor::<f32>::new(device, shape.as_slice())?, Tensor::<f32>::new(device, shape.as_slice())?];
        for (turn, binding) in bindings.iter_mut().enumerate() {
            binding.bind_input(&input, &sets[turn])?;
            binding.bind_output(&output, &mut sets[1 - turn])?;
        }
        kept.extend(sets.map(Tensor::upcast));
    }
    let mut loss = Tensor::<f32>::new(device, [0_usize; 0])?;
    bindings.iter_mut().try_for_each(|binding| binding.bind_output(TrainingStep::LOSS, &mut loss))?;
    kept.push(loss.upcast());
    Ok((bindings, kept))
}

/// One run of each binding, as its own graph.
fn both(session: &mut Session, bindings: &[IoBinding; 2]) -> ort::Result<()> {
    for (binding, graph) in bindings.iter().zip(["1", "2"]) {
        let mut options = RunOptions::new()?;
        options.set("gpu_graph_id", graph)?;
        session.run_binding_with_options(binding, &options)?;
    }
    Ok(())
}

#[test]
fn steps_are_captured_for_both_sets_of_state() {
    let stubs = Stubs::load();
    let environment =
        ort::init_from(&stubs.runtime).expect("a library").with_telemetry(false).build().expect("an environment");
    for (genome, task) in genomes().into_iter().step_by(3) {
        let step = training_step(&genome, &task, BATCH).expect("a step");
        let captured = capturing(&step, &environment).and_then(|(mut session, device)| {
            let (bindings, kept) = bind(&step, &session, &device)?;
            let (first, capture) = stubs.count(|| both(&mut session, &bindings));
            let (second, replay) = stubs.count(|| both(&mut session, &bindings));
            drop((bindings, kept));
            first.and(second).map(|()| (capture, replay))
        });
        let (capture, replay) = captured.unwrap_or_else(|e| panic!("{e}: {}", genome.json()));
        assert_eq!((capture.captures, replay.captures, replay.replays), (2, 0, 2), "{}", genome.json());
        assert_eq!((replay.launches, replay.to_device, replay.to_host), (0, 0, 0), "{}", genome.json());
        // What is uploaded in a capture is read again in each replay, when its memory may have another use.
        assert_eq!(capture.copies_in_capture, 0, "{}", genome.json());
    }
}
