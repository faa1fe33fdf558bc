//! The CUDA provider: its options, the libraries it needs, and the proof that it works.

use super::{OnnxRuntime, unavailable};
use crate::engine::locate::has_cuda;
use crate::engine::{Engine, EngineError};
use crate::graph::{DType, Graph, GraphError, Op, Shape, ShapeError, Speller, Target, Tensor, TensorType, spell};
use crate::onnx;
use ort::ep::cuda::ConvAlgorithmSearch;
use ort::ep::{ArenaExtendStrategy, CUDA, ExecutionProviderDispatch};
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
}

impl CudaOptions {
    /// The device with TF32 and without a limit.
    pub fn device(device: u32) -> Self {
        CudaOptions { device, tf32: true, memory_limit: None }
    }

    /// The provider. An exhaustive search for convolution plans would cost more than a candidate's training; arenas
    /// grow by what is asked for, because many small sessions live at once. Without `error_on_failure` a session would
    /// silently compute on the CPU.
    pub(super) fn provider(self) -> ExecutionProviderDispatch {
        let mut provider = CUDA::default()
            .with_device_id(self.device as i32)
            .with_conv_algorithm_search(ConvAlgorithmSearch::Heuristic)
            .with_arena_extend_strategy(ArenaExtendStrategy::SameAsRequested)
            .with_tf32(self.tf32)
            .with_prefer_nhwc(false);
        if let Some(limit) = self.memory_limit {
            provider = provider.with_memory_limit(limit);
        }
        provider.build().error_on_failure()
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

/// Opens the CUDA libraries that lie beside the runtime or in NVIDIA's packages next to it, so that the provider finds
/// them. Those that are not there are left to the system's search path.
pub(super) fn preload(library: &Path) -> Result<(), EngineError> {
    if !has_cuda(library) {
        return Err(unavailable(
            "cuda",
            format!("{} was built without it; `evolve runtime install --cuda` gets one with it", library.display()),
        ));
    }
    for file in cuda_libraries(library) {
        // SAFETY: NVIDIA's libraries run no code on loading that has preconditions.
        let opened = unsafe { libloading::Library::new(&file) };
        let opened = opened.map_err(|e| unavailable("cuda", format!("{} cannot be loaded: {e}", file.display())))?;
        // It must stay loaded until the provider asks for it by name.
        std::mem::forget(opened);
    }
    Ok(())
}

/// Files to open, in order.
fn cuda_libraries(library: &Path) -> Vec<PathBuf> {
    let beside = library.parent().unwrap_or(Path::new("."));
    let packages = beside.parent().and_then(Path::parent).unwrap_or(beside).join("nvidia");
    let folders: Vec<PathBuf> = std::iter::once(beside.to_owned()).chain(FOLDERS.iter().map(|f| packages.join(f))).collect();
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
    let bytes = convolution().map_err(|e| unavailable(engine.device(), e))?;
    let outputs = engine
        .load_model(&bytes)
        .and_then(|mut model| model.run(&[Tensor::f32(&[1, 1, 3, 3], vec![1.0; 9])]))
        .map_err(|e| unavailable(engine.device(), e))?;
    match outputs.first().and_then(Tensor::as_f32) {
        Some([value]) if (value - 9.0).abs() < 1e-3 => Ok(()),
        other => Err(unavailable(engine.device(), format!("a convolution that gives 9 gave {other:?}"))),
    }
}

/// A model that sums a 3x3 image by a convolution with ones.
fn convolution() -> Result<Vec<u8>, GraphError> {
    let mut graph = Graph::new();
    let x = graph.input("x", TensorType::new(DType::F32, Shape::fixed(&[1, 1, 3, 3])));
    let w = graph.constant(Tensor::f32(&[1, 1, 3, 3], vec![1.0; 9]));
    let y = graph.apply(Probe, &[x, w])?;
    graph.output("y", y);
    Ok(onnx::write(&spell(&graph, Target::Portable)?, &vec![]))
}

/// ONNX `Conv` of a 3x3 image with a 3x3 kernel.
#[derive(Debug)]
struct Probe;

impl Op for Probe {
    fn name(&self) -> &'static str {
        "Probe"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, ShapeError> {
        Ok(inputs.iter().take(1).map(|x| x.with_shape(Shape::fixed(&[1, 1, 1, 1]))).collect())
    }

    fn standard(&self, s: &mut Speller<'_>) -> Result<(), GraphError> {
        let y = s.node("Conv", &[s.input(0), s.input(1)], vec![]);
        s.output(0, y);
        Ok(())
    }
}
