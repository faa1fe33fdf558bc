//! The steps of a training on a small table allocate nothing.

mod library;

use evolve::data::{self, Options, Validation};
use evolve::express;
use evolve::genome::{Genome, Schedule, SearchSpace};
use evolve::graph::Target;
use evolve::search::rng;
use evolve::train::{ClassWeights, Request, Setting, metric, train};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::path::Path;
use std::sync::atomic::AtomicBool;

/// The system's allocator, which counts.
struct Counting;

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

fn count() {
    // A thread that ends is not looked at.
    let _ = COUNT.try_with(|count| count.set(count.get() + 1));
}

// SAFETY: all is left to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: the caller's promise.
        unsafe { System.realloc(memory, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Steps that the longer training has more.
const MORE: u64 = 200;

/// Allocations of this thread during some work.
fn allocations(work: impl FnOnce()) -> u64 {
    let before = COUNT.get();
    work();
    COUNT.get() - before
}

#[test]
fn a_step_allocates_nothing() {
    let engine = library::engine();
    for (file, target) in [("iris.csv", "species"), ("concrete.csv", "compressive_strength")] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(file);
        let target = Some(target.to_owned());
        let options = Options { path, target, task: None, validation: Validation::Auto, group: None, seed: 0 };
        let dataset = data::load(&options).unwrap();
        let setting = Setting {
            task: &dataset.task,
            train: &dataset.train,
            resident: None,
            validation: &dataset.validation,
            engine: engine.as_ref(),
            target: Target::CpuKernels,
            metric: metric::default_for(dataset.task.kind),
            class_weights: &ClassWeights::Auto,
            stop: &AtomicBool::new(false),
        };
        let space = SearchSpace::preset(&express::domain(&dataset.task, dataset.train.targets.len()));
        // Other schedules may end sooner, and so have fewer evaluations, which do allocate.
        let anneals = |genome: &Genome| genome.training.schedule != Schedule::Constant;
        let births = (0..14).map(|number| space.birth(&mut rng(3, number, 0)));
        let mut compared = 0;
        for genome in births.filter(anneals) {
            let long_enough = 40 * dataset.validation.targets.len() as u64;
            let trained = |examples: u64| train(&setting, Request::new(&genome, 1, examples)).is_ok();
            if !trained(long_enough) {
                continue;
            }
            let short = allocations(|| assert!(trained(long_enough)));
            let long = allocations(|| assert!(trained(long_enough + MORE * genome.training.batch as u64)));
            // How often an evaluation finds a better state makes a little difference.
            assert!(long < short + MORE / 2, "{short} and {long} allocations on {file}: {genome:?}");
            compared += 1;
        }
        assert!(compared > 5, "{compared} nets of {file}");
    }
}
