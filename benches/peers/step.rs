//! Times a training step on one thread: `peer_step NET portable|kernels STEPS`. Prints one JSON object, as
//! `torch_step.py` does.

#[path = "../nets/mod.rs"]
mod nets;

use evolve::graph::Target;
use std::time::Instant;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let [name, spelling, steps] = &args[..] else {
        eprintln!("usage: peer_step {} portable|kernels STEPS; run benches/peers/run.sh", nets::NAMES.join("|"));
        return;
    };
    let steps: usize = steps.parse().expect("a number of steps");
    let target = if spelling == "kernels" { Target::CpuKernels } else { Target::Portable };
    let engine = nets::engine();
    let began = Instant::now();
    let mut session = nets::session(name, target, engine.as_ref());
    session.step().expect("a step");
    let first = began.elapsed().as_secs_f64();
    for _ in 0..2 {
        session.step().expect("a step");
    }
    let (mut cpu, mut wall) = (vec![], vec![]);
    for _ in 0..steps {
        let (c, w) = (cpu_seconds(), Instant::now());
        session.step().expect("a step");
        cpu.push(cpu_seconds() - c);
        wall.push(w.elapsed().as_secs_f64());
    }
    cpu.sort_by(f64::total_cmp);
    wall.sort_by(f64::total_cmp);
    println!(
        "{}",
        serde_json::json!({
            "net": name, "mode": "evolve", "ms_cpu": cpu[steps / 2] * 1e3, "ms_wall_min": wall[0] * 1e3,
            "first_step_ms": first * 1e3, "peak_mb": peak_mb(),
        })
    );
}

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
