//! Training steps of several nets of one shape as one graph: `cargo bench --bench population`.

mod nets;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use evolve::engine::{FeedMut, Session};
use evolve::express::TrainingStep;
use evolve::graph::Target;

/// Members of one graph.
const MEMBERS: [usize; 4] = [1, 4, 16, 64];

/// Sets the rate of learning to zero: a batch learnt by heart would have gradients that vanish and moments that become
/// denormal numbers, which no training sees.
fn stand_still(step: &TrainingStep, session: &mut dyn Session) {
    let rate = step.feeds.iter().position(|feed| feed.name == "lr").expect("a rate");
    if let FeedMut::F32(values) = session.feed(rate) {
        values.fill(0.0);
    }
}

fn steps(c: &mut Criterion) {
    let engine = nets::engine();
    for (name, target) in [
        ("small_mlp", Target::CpuKernels),
        ("small_mlp", Target::Portable),
        ("small_cnn", Target::CpuKernels),
        ("small_cnn", Target::Portable),
    ] {
        let step = nets::step(name).expect("a known net");
        let rows = nets::net(name).expect("a known net").0.training.batch;
        let mut group = c.benchmark_group(format!("population {name} {target:?}"));
        for members in MEMBERS {
            group.throughput(Throughput::Elements((members * rows) as u64));
            group.bench_function(BenchmarkId::from_parameter(members), |b| {
                let mut session = nets::session(&step, target, engine.as_ref(), members);
                stand_still(&step, session.as_mut());
                b.iter(|| session.step().expect("a step"));
            });
        }
        group.finish();
    }
}

criterion_group!(benches, steps);
criterion_main!(benches);
