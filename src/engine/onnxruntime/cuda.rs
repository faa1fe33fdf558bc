//! The CUDA provider: its options, the libraries it needs, and the proof that it works.

use super::{OnnxRuntime, refused, unavailable};
use crate::engine::locate::has_cuda;
use crate::engine::{Engine, EngineError, FeedMut, Plan, Slot, StateSlot};
use crate::graph::{DType, Graph, GraphError, Op, Shape, ShapeError, Spelled, Speller, Target, Tensor, TensorType, spell};
use crate::onnx;
use ort::ep::cuda::ConvAlgorithmSearch;
use ort::ep::{ArenaExtendStrategy, CUDA};
use ort::memory::{AllocationDevice, AllocatorType, MemoryInfo, MemoryType};
use std::path::{Path, PathBuf};

/// How sessions use a CUDA device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CudaOptions {
    /// Number of the device.
    pub device: u32,
    /// Whether products may round their factors to TF32: faster, and good enough to rank candidates.
    pub tf32: bool,
    /// Bytes that one session's arena may take; `None` for no limit.
    pub memory_limit: Option<usize>,
    /// Whether steps of small nodes are captured as CUDA graphs and replayed.
    pub graphs: bool,
}

impl CudaOptions {
    /// The device with TF32, without a limit and without graphs.
    pub fn device(device: u32) -> Self {
        CudaOptions { device, tf32: true, memory_limit: None, graphs: false }
    }

    /// The provider. An exhaustive search for convolution plans would cost more than a candidate's training; arenas
    /// grow by what is asked for, because many small sessions live at once.
    pub(super) fn provider(self, captured: bool) -> CUDA {
        let mut provider = CUDA::default()
            .with_device_id(self.device as i32)
            .with_conv_algorithm_search(ConvAlgorithmSearch::Heuristic)
            .with_arena_extend_strategy(ArenaExtendStrategy::SameAsRequested)
            .with_tf32(self.tf32)
            .with_prefer_nhwc(false)
            .with_cuda_graph(captured);
        if let Some(limit) = self.memory_limit {
            provider = provider.with_memory_limit(limit);
        }
        provider
    }

    pub(super) fn memory(self) -> ort::Result<MemoryInfo<'static>> {
        MemoryInfo::new(AllocationDevice::CUDA, self.device as i32, AllocatorType::Device, MemoryType::Default)
    }
}

/// Start of the names of the libraries that the provider needs, each before those that need it.
const LIBRARIES: [&str; 7] =
    ["libcudart.so.", "libcublasLt.so.", "libcublas.so.", "libnvrtc.so.", "libcurand.so.", "libcufft.so.", "libcudnn.so."];

/// Folders of NVIDIA's Python packages, below `nvidia`, that hold them.
const FOLDERS: [&str; 8] = [
    "cu13/lib",
    "cudnn/lib",
    "cuda_runtime/lib",
    "cublas/lib",
    "cuda_nvrtc/lib",
    "curand/lib",
    "cufft/lib",
    "nvjitlink/lib",
];

/// Number of NVIDIA devices of this machine.
pub fn cuda_devices() -> usize {
    let Ok(entries) = Path::new("/dev").read_dir() else { return 0 };
    let device = |name: &str| name.strip_prefix("nvidia").is_some_and(|rest| rest.parse::<u32>().is_ok());
    entries.flatten().filter(|entry| device(&entry.file_name().to_string_lossy())).count()
}

/// True where this machine has an NVIDIA device, whether or not it can be used.
pub fn cuda_present() -> bool {
    cuda_devices() > 0
}

/// Major version of the NVIDIA driver, where there is one.
pub fn cuda_driver() -> Option<u32> {
    driver_in(&std::fs::read_to_string("/proc/driver/nvidia/version").ok()?)
}

/// The major version in the driver's own words, `NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.104.05  …`.
fn driver_in(text: &str) -> Option<u32> {
    let version = |word: &str| word.split_once('.').and_then(|(major, _)| major.parse().ok());
    text.lines().next()?.split_whitespace().find_map(version)
}

/// Opens the CUDA libraries that lie beside the runtime or in NVIDIA's Python packages, so that the provider finds
/// them. Those that are not there are left to the system's search path.
pub(super) fn preload(library: &Path, nvidia: Option<&Path>) -> Result<(), EngineError> {
    if !has_cuda(library) {
        let reason = format!("{} was built without it; `evolve runtime install --cuda` gets one with it", library.display());
        return Err(unavailable("cuda", reason));
    }
    for file in cuda_libraries(library, nvidia) {
        // SAFETY: NVIDIA's libraries run no code on loading that has preconditions.
        let opened = unsafe { libloading::Library::new(&file) };
        let opened = opened.map_err(|e| unavailable("cuda", format!("{} cannot be loaded: {e}", file.display())))?;
        // It must stay loaded until the provider asks for it by name.
        std::mem::forget(opened);
    }
    Ok(())
}

/// Files to open, in order. `nvidia` is the folder of NVIDIA's Python packages.
fn cuda_libraries(library: &Path, nvidia: Option<&Path>) -> Vec<PathBuf> {
    let beside = library.parent().map(Path::to_owned);
    let packages = nvidia.into_iter().flat_map(|base| FOLDERS.map(|folder| base.join(folder)));
    let folders: Vec<PathBuf> = beside.into_iter().chain(packages).collect();
    LIBRARIES.iter().filter_map(|start| folders.iter().find_map(|folder| file_starting(folder, start))).collect()
}

fn file_starting(folder: &Path, start: &str) -> Option<PathBuf> {
    let entries = folder.read_dir().ok()?;
    let mut names: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    names.sort();
    names.into_iter().find(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(start)))
}

/// Runs one convolution: a missing cuDNN shows only then.
pub(super) fn prove(engine: &OnnxRuntime) -> Result<(), EngineError> {
    let mut model = probe().and_then(|bytes| engine.load_model(&bytes)).map_err(|e| unavailable(engine.device(), e))?;
    let ones = Tensor::f32(&[1, 1, 3, 3], vec![1.0; 9]);
    let outputs = model.run(&[ones.clone(), ones]).map_err(|e| unavailable(engine.device(), e))?;
    compare(9.0, outputs.first().and_then(Tensor::as_f32)).map_err(|reason| unavailable(engine.device(), reason))
}

/// Captures a step and replays it with other feeds: what comes back must be of those, and the state as it was.
pub(super) fn prove_graphs(engine: &OnnxRuntime) -> Result<(), EngineError> {
    let slot = |name: &str, shape: &[usize]| Slot { name: name.into(), dtype: DType::F32, shape: shape.to_vec() };
    let shape = vec![1, 1, 3, 3];
    let plan = Plan {
        feeds: vec![slot("x", &shape)],
        state: vec![StateSlot { input: "w".into(), output: Some("w.next".into()), shape, in_place: false }],
        fetches: vec![slot("y", &[1, 1, 1, 1])],
        launch_bound: true,
        ..Plan::default()
    };
    let refused = |reason: String| unavailable("capturing steps", reason);
    let run = || -> Result<Vec<(f32, f32)>, EngineError> {
        let mut session = engine.load(&probe()?, plan)?;
        session.write_state(0, &[2.0; 9])?;
        let mut pairs = vec![];
        for step in 0..6_u8 {
            let value = f32::from(step);
            if let FeedMut::F32(x) = session.feed(0) {
                x.fill(value);
            }
            session.step()?;
            pairs.push((18.0 * value, session.fetch(0)?.first().copied().unwrap_or(f32::NAN)));
        }
        Ok(pairs)
    };
    let pairs = run().map_err(|e| refused(e.to_string()))?;
    pairs.into_iter().try_for_each(|(wanted, got)| compare(wanted, Some(&[got])).map_err(refused))
}

/// Whether the only value is the wanted one, or what there is instead.
fn compare(wanted: f32, got: Option<&[f32]>) -> Result<(), String> {
    match got {
        Some([value]) if (value - wanted).abs() < 1e-3 => Ok(()),
        other => Err(format!("a convolution that gives {wanted} gave {other:?}")),
    }
}

/// The model of [`Probe`], with the inputs `x` and `w` and the outputs `y` and `w.next`.
fn probe() -> Result<Vec<u8>, EngineError> {
    let build = || -> Result<Spelled, GraphError> {
        let mut graph = Graph::new();
        let ty = TensorType::new(DType::F32, Shape::fixed(&[1, 1, 3, 3]));
        let inputs = ["x", "w"].map(|name| graph.input(name, ty.clone()));
        let outputs = graph.add(Probe, &inputs)?;
        ["y", "w.next"].into_iter().zip(outputs).for_each(|(name, value)| graph.output(name, value));
        spell(&graph, Target::Portable)
    };
    let spelled = build().map_err(refused)?;
    onnx::write(&spelled, &vec![]).map_err(refused)
}

/// ONNX `Conv` of a 3x3 image with a 3x3 kernel, and the kernel again.
#[derive(Debug)]
struct Probe;

impl Op for Probe {
    fn name(&self) -> &'static str {
        "Probe"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        let same = inputs[0].clone();
        Ok(vec![same.with_shape(Shape::fixed(&[1, 1, 1, 1])), same])
    }

    fn standard(&self, s: &mut Speller<'_>) -> Result<(), GraphError> {
        let y = s.node("Conv", &[s.input(0), s.input(1)], vec![]);
        s.output(0, y);
        let w = s.node("Identity", &[s.input(1)], vec![]);
        s.output(1, w);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_provider_has_the_options_that_are_documented() {
        // The library reads `true` and `false` as 1 and 0.
        for (tf32, word) in [(true, "true"), (false, "false")] {
            let options = CudaOptions { tf32, memory_limit: Some(4096), ..CudaOptions::device(3) };
            let said = format!("{:?}", options.provider(tf32));
            let expected = [
                ("device_id", "3"),
                ("cudnn_conv_algo_search", "HEURISTIC"),
                ("arena_extend_strategy", "kSameAsRequested"),
                ("use_tf32", word),
                ("enable_cuda_graph", word),
                ("prefer_nhwc", "false"),
                ("gpu_mem_limit", "4096"),
            ];
            for (key, value) in expected {
                assert!(said.contains(&format!("{key:?}: {value:?}")), "{key} is not {value}: {said}");
            }
        }
        assert!(!format!("{:?}", CudaOptions::device(0).provider(false)).contains("gpu_mem_limit"));
    }

    #[test]
    fn the_driver_is_read_from_both_forms_of_its_words() {
        let closed =
            "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.104.05  Sat Aug 19 01:15:15 UTC 2023\nGCC version: 12.2.0";
        let open = "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.65.06  Release Build";
        assert_eq!(driver_in(closed), Some(535));
        assert_eq!(driver_in(open), Some(580));
        assert_eq!(driver_in(""), None);
    }

    #[test]
    fn libraries_are_opened_in_the_order_in_which_they_need_each_other() {
        let base = tempfile::tempdir().unwrap();
        let put = |name: &str| {
            let path = base.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, "").unwrap();
            path
        };
        let library = put("lib/libonnxruntime.so.1.31.1");
        let (cudnn, cublas) = (put("nvidia/cudnn/lib/libcudnn.so.9"), put("nvidia/cu13/lib/libcublas.so.13"));
        let (lt, runtime) = (put("nvidia/cu13/lib/libcublasLt.so.13"), put("lib/libcudart.so.13"));
        put("nvidia/cu13/lib/libcudart.so.13");
        let nvidia = base.path().join("nvidia");
        assert_eq!(cuda_libraries(&library, Some(&nvidia)), [runtime.clone(), lt, cublas, cudnn]);
        assert_eq!(cuda_libraries(&library, None), [runtime]);
        assert!(matches!(preload(&library, None), Err(EngineError::Unavailable { .. })));
    }
}
