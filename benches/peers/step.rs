//! Times a training step on one thread: `peer_step NET portable|kernels SECONDS`. Prints one JSON object, as
//! `torch_step.py` does. `peer_step peak` prints what the core can do at most, `peer_step NET on cpu|cuda MEMBERS SECONDS`
//! the steps a second of so many members on a device in standard operators.

#[path = "../nets/mod.rs"]
mod nets;
mod peak;

use evolve::engine::Device;
use evolve::express::Param;
use evolve::graph::Target;
use std::time::{Duration, Instant};

/// Steps before those that are timed.
const WARM_UP: usize = 3;
/// Steps that are timed at least.
const LEAST: usize = 5;
/// Steps that are timed at most: long after the batch is learnt by heart, vanishing moments become denormal numbers.
const MOST: usize = 400;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    match &args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["peak"] => {
            let engine = nets::engine();
            let engine = format!("{} {}", engine.name(), engine.version());
            let line = serde_json::json!({ "vectors": peak::vectors(), "gflops": peak::gflops(), "engine": engine });
            println!("{line}");
        }
        [name, spelling @ ("portable" | "kernels"), seconds] => {
            let seconds = seconds.parse().expect("a number of seconds");
            let target = if *spelling == "kernels" { Target::CpuKernels } else { Target::Portable };
            time(name, target, Duration::from_secs_f64(seconds));
        }
        [name, "on", device @ ("cpu" | "cuda"), members, seconds] => {
            let device = if *device == "cuda" { Device::Cuda(0) } else { Device::Cpu };
            let seconds = Duration::from_secs_f64(seconds.parse().expect("a number of seconds"));
            rate(name, device, members.parse().expect("a number of members"), seconds);
        }
        _ => eprintln!("usage: peer_step NET portable|kernels SECONDS; run benches/peers/run.sh"),
    }
}

fn time(name: &str, target: Target, limit: Duration) {
    let engine = nets::engine();
    let began = Instant::now();
    let step = nets::step(name).expect("a known net");
    let mut session = nets::session(&step, target, engine.as_ref(), 1);
    session.step().expect("a step");
    let first = began.elapsed().as_secs_f64();
    for _ in 0..WARM_UP {
        session.step().expect("a step");
    }
    let (mut cpu, mut wall) = (vec![], vec![]);
    let began = Instant::now();
    while cpu.len() < LEAST || (cpu.len() < MOST && began.elapsed() < limit) {
        let (c, w) = (cpu_seconds(), Instant::now());
        session.step().expect("a step");
        cpu.push(cpu_seconds() - c);
        wall.push(w.elapsed().as_secs_f64());
    }
    // As a search meets a new net: in a process that has trained another.
    drop(session);
    let began = Instant::now();
    nets::session(&nets::step(name).expect("a known net"), target, engine.as_ref(), 1).step().expect("a step");
    let next = began.elapsed().as_secs_f64();
    cpu.sort_by(f64::total_cmp);
    wall.sort_by(f64::total_cmp);
    let parameters: usize = step.params.iter().filter(|p| p.trainable).map(Param::elements).sum();
    let batch = step.feeds.iter().find(|f| f.name == "targets").map_or(0, |f| f.shape[0]);
    println!(
        "{}",
        serde_json::json!({
            "ms_cpu": cpu[cpu.len() / 2] * 1e3, "ms_wall_min": wall[0] * 1e3, "first_step_ms": first * 1e3,
            "next_first_step_ms": next * 1e3,
            "peak_mb": peak_mb(), "parameters": parameters, "batch": batch, "macs": step.graph.macs(),
        })
    );
}

/// Steps a second of so many members, the loss of each brought to the host.
fn rate(name: &str, device: Device, members: usize, limit: Duration) {
    let (engine, step) = (nets::engine_on(device), nets::step(name).expect("a known net"));
    let mut session = nets::session(&step, Target::Portable, engine.as_ref(), members);
    for _ in 0..WARM_UP {
        session.step().expect("a step");
    }
    let (mut steps, began) = (0, Instant::now());
    while steps < LEAST || began.elapsed() < limit {
        session.step().expect("a step");
        steps += 1;
    }
    println!("{}", serde_json::json!({ "steps_per_second": steps as f64 / began.elapsed().as_secs_f64() }));
}

/// Processor time of the process so far.
fn cpu_seconds() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid place for the result.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) };
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}

fn peak_mb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|l| l.starts_with("VmHWM")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kb| kb.parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
}
