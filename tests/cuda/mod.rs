//! ONNX Runtime's CUDA provider on a machine without a device: NVIDIA's libraries are replaced by stand-ins, in which
//! kernels compute nothing, copies are counted, and what a captured stream must not do fails. And the genomes to try.
#![allow(dead_code, reason = "each test uses a part of it")]

use crate::tasks::{ROWS, classes, image, table};
use evolve::data::{Features, InputSpec, OutputSpec, Part, Targets, Task, TaskKind};
use evolve::engine::{Build, Places, install_for};
use evolve::express::{Feed, domain};
use evolve::genome::{Ancestor, AncestorNet, Genome, Net, SearchSpace, crossover, mutation};
use rand::{SeedableRng, seq::IndexedRandom};
use rand_chacha::ChaCha8Rng;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Rows of a batch.
pub const BATCH: usize = 6;

/// The stand-ins in the order in which they need each other: the macro that each is compiled with, and its file name, which
/// is the version of its symbols as well.
const LIBRARIES: [(&str, &str); 6] = [
    ("CUDA", "libcuda.so.1"),
    ("CUDART", "libcudart.so.13"),
    ("CUBLASLT", "libcublasLt.so.13"),
    ("CUBLAS", "libcublas.so.13"),
    ("CURAND", "libcurand.so.10"),
    ("CUDNN", "libcudnn.so.9"),
];

/// What the stand-in of the CUDA runtime counts.
#[repr(C)]
#[derive(Debug, Default, Clone, Copy)]
pub struct Counts {
    /// Bytes copied from the host to the device.
    pub to_device: u64,
    /// Bytes copied from the device to the host.
    pub to_host: u64,
    /// Kernels that were launched.
    pub launches: u64,
    /// Graphs that were captured.
    pub captures: u64,
    /// Runs of captured graphs.
    pub replays: u64,
    /// Copies between host and device while a stream was captured.
    pub copies_in_capture: u64,
}

/// The stand-ins, loaded into this process.
pub struct Stubs {
    /// The library that is to be loaded on them.
    pub runtime: PathBuf,
    /// Folder of NVIDIA's packages, as far as the program can tell.
    pub nvidia: PathBuf,
    counts: *mut Counts,
}

impl Stubs {
    /// Installs the library with the CUDA provider beside the other engines of the tests, unless it is there, and compiles
    /// and loads the stand-ins.
    pub fn load() -> Self {
        let places = Places { cache: Some(target().join("engines")), ..Places::from_env(None) };
        // The stand-ins are those of the newest, whatever driver there is.
        let installed = install_for(&places, Build::Cuda, None);
        let runtime = installed.unwrap_or_else(|e| panic!("the test needs ONNX Runtime with CUDA: {e}")).path;
        let nvidia = Path::new(env!("CARGO_TARGET_TMPDIR")).join(env!("CARGO_CRATE_NAME"));
        let folder = nvidia.join("cu13/lib");
        compile(&folder);
        for (_, name) in LIBRARIES {
            std::mem::forget(open(&folder.join(name)));
        }
        let cudart = open(&folder.join("libcudart.so.13"));
        // SAFETY: the symbol is a struct of this layout, and the library stays loaded.
        let counts = unsafe { *cudart.get::<*mut Counts>(b"cuda_stub_counts").expect("counts") };
        std::mem::forget(cudart);
        Stubs { runtime, nvidia, counts }
    }

    /// What is counted while something runs.
    pub fn count<T>(&self, run: impl FnOnce() -> T) -> (T, Counts) {
        // SAFETY: only this thread makes the stand-ins count.
        unsafe { *self.counts = Counts::default() };
        let result = run();
        // SAFETY: as above.
        (result, unsafe { *self.counts })
    }
}

fn target() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("a target folder")
}

/// Loaded libraries are found by their names: those that ONNX Runtime wants are then these, also where there are real ones.
fn open(path: &Path) -> libloading::Library {
    // SAFETY: the stand-ins run no code on loading.
    unsafe { libloading::Library::new(path) }.unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Compiles the stand-ins with the machine's C compiler.
fn compile(folder: &Path) {
    fs::create_dir_all(folder).expect("a folder");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cuda/stubs.c");
    for (library, name) in LIBRARIES {
        let versions = folder.join(format!("{name}.map"));
        fs::write(&versions, format!("{name} {{ *; }};\n")).expect("a file");
        let mut cc = Command::new("cc");
        cc.args(["-O1", "-shared", "-fPIC", "-Wall", "-Werror", "-o"]).arg(folder.join(name)).arg(format!("-D{library}"));
        cc.arg(format!("-Wl,-soname,{name}")).arg(format!("-Wl,--version-script,{}", versions.display())).arg(&source);
        let status = cc.status().unwrap_or_else(|e| panic!("the test needs the C compiler `cc`: {e}"));
        assert!(status.success(), "{cc:?}");
    }
}

/// Seeds, births, edits by every mutation, crossings and the ancestors, each with its task.
pub fn genomes() -> Vec<(Genome, Task)> {
    let tasks = [
        table(5, &[4, 9], classes(2), TaskKind::Binary),
        table(3, &[], OutputSpec::Value { mean: 3.0, std: 2.0 }, TaskKind::Regression),
        table(0, &[5, 3, 700], classes(3), TaskKind::Multiclass),
        image([8, 8, 1], 5),
        image([28, 20, 3], 5),
    ];
    let mut rng = ChaCha8Rng::seed_from_u64(12);
    let mut all: Vec<(Genome, Task)> = ancestors().collect();
    for task in tasks {
        let space = SearchSpace::preset(&domain(&task, ROWS));
        let mut pool = space.seeds();
        pool.extend((0..12).map(|_| space.birth(&mut rng)));
        for mutation in mutation::ALL {
            let mut tries = (0..8).filter_map(|_| (mutation.apply)(&space, pool.choose(&mut rng)?, &mut rng));
            pool.extend(tries.next().map(|edit| edit.genome));
        }
        for crossover in crossover::ALL {
            let mut parent = || pool.choose(&mut rng).expect("genomes").clone();
            let (one, other) = (parent(), parent());
            pool.extend((crossover.apply)(&space, &one, &other, &mut rng).map(|edit| edit.genome));
        }
        all.extend(pool.into_iter().map(|genome| (genome, task.clone())));
    }
    all
}

/// The ancestors, narrow and shallow, for images that are hardly large enough.
fn ancestors() -> impl Iterator<Item = (Genome, Task)> {
    Ancestor::all().map(|ancestor| {
        let side = if ancestor.entry().name == "inception_v3" { 76 } else { 33 };
        let task = image([side, side + 3, 3], 5);
        let training = SearchSpace::preset(&domain(&task, ROWS)).seeds()[0].training;
        let net = AncestorNet { width: 1, depth: 2, ..AncestorNet::published(ancestor) };
        (Genome { net: Net::Ancestor(net), training }, task)
    })
}

/// Some rows for a task, as many as [`ROWS`].
pub fn part(task: &Task) -> Part {
    let features = match &task.input {
        InputSpec::Table { numeric, categorical } => {
            Features::Table { numeric: vec![0.5; ROWS * numeric.len()], codes: vec![0; ROWS * categorical.len()] }
        }
        InputSpec::Image { height, width, channels, .. } => {
            Features::Images { pixels: vec![7; ROWS * height * width * channels] }
        }
    };
    let targets = match &task.output {
        OutputSpec::Classes { .. } => Targets::Classes(vec![0; ROWS]),
        OutputSpec::Value { .. } => Targets::Values(vec![0.0; ROWS]),
    };
    Part { features, targets }
}

/// Bytes of a part's features.
pub fn bytes(part: &Part) -> u64 {
    let bytes = match &part.features {
        Features::Table { numeric, codes } => size_of_val(&numeric[..]) + size_of_val(&codes[..]),
        Features::Images { pixels } => pixels.len(),
    };
    bytes as u64
}

/// Bytes that the host feeds to a step.
pub fn fed(feeds: &[Feed]) -> u64 {
    feeds.iter().map(|feed| (feed.shape.iter().product::<usize>() * feed.dtype.bytes()) as u64).sum()
}
