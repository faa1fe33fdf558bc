//! ONNX Runtime, loaded from a library file at run time through `ort`.

mod capture;
mod cuda;
mod library;
mod memory;
mod model;
mod resident;
mod session;

pub use cuda::{CudaOptions, cuda_devices, cuda_driver, cuda_present};

use super::{Engine, EngineError, HostTensor, Model, Plan, Resident, Session, kernels};
use capture::Site;
use library::Library;
use ort::memory::Allocator;
use ort::session::builder::{GraphOptimizationLevel, SessionBuilder};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// Name in messages.
const NAME: &str = "onnxruntime";

/// Whether the library knows the domain of the training kernels. It looks whether it does and then adds it, so sessions
/// that are created side by side fail unless one came first.
static DOMAIN_KNOWN: Mutex<bool> = Mutex::new(false);

/// Passes of the library's optimizer that find nothing to do in a training step. They take half of a session's creation;
/// what is left is, above all, the fusion of products with transpositions (`benches/RESULTS.md`). A name that a version
/// does not know is ignored.
const IDLE_PASSES: [&str; 33] = [
    "BiasDropoutFusion",
    "BiasGeluFusion",
    "BiasSoftmaxFusion",
    "CommonSubexpressionElimination",
    "ConstantFolding",
    "ConstantSharing",
    "DoubleQDQPairsRemover",
    "DynamicQuantizeMatMulFusion",
    "EmbedLayerNormFusion",
    "EnsureUniqueDQForNodeUnit",
    "FastGeluFusion",
    "FreeDimensionOverrideTransformer",
    "FuseFp16InitializerToFp32NodeTransformer",
    "GatherToSliceFusion",
    "GeluFusionL1",
    "GeluFusionL2",
    "GemmActivationFusion",
    "GroupQueryAttentionFusion",
    "LayerNormFusionL1",
    "LayerNormFusionL2",
    "MatMulActivationFusion",
    "MatMulIntegerToFloatFusion",
    "MatMulScaleFusion",
    "NhwcTransformer",
    "QDQFinalCleanupTransformer",
    "QDQPropagationTransformer",
    "QDQSelectorActionTransformer",
    "QuickGeluFusion",
    "ReshapeFusion",
    "SimplifiedLayerNormFusion",
    "TransposeOptimizer",
    "WeightBiasQuantization",
    "WhereDummyDq",
];

/// The pass that makes one `Split` of several `Slice`: for parts of several extents its kernel for CUDA uploads a table in
/// each step.
const SPLIT_PASS: &str = "GatherSliceToSplitFusion";

/// What a session is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// A graph of our own whose state stays bound, run thousands of times; on a device it may be captured.
    Steps { captured: bool },
    /// Any model, run on whole tensors.
    Model,
}

/// Where sessions compute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Placement {
    Cpu,
    Cuda(CudaOptions),
}

/// ONNX Runtime on one device.
#[derive(Debug, Clone)]
pub struct OnnxRuntime {
    library: Arc<Library>,
    placement: Placement,
}

impl OnnxRuntime {
    /// Loads the library at `path` for the CPU. A process loads one library; later calls must name the same.
    ///
    /// # Errors
    /// Where the library cannot be loaded, is too old, or another one is loaded already.
    pub fn cpu(path: &Path) -> Result<Self, EngineError> {
        Ok(OnnxRuntime { library: Library::open(path)?, placement: Placement::Cpu })
    }

    /// Loads the library at `path` for a CUDA device and proves that it works by running a convolution there. `nvidia`
    /// is the folder of NVIDIA's Python packages, whose libraries are used where the system has none.
    ///
    /// # Errors
    /// As [`OnnxRuntime::cpu`], and where the library was built without CUDA, lacks a CUDA library, or finds no device.
    pub fn cuda(path: &Path, options: CudaOptions, nvidia: Option<&Path>) -> Result<Self, EngineError> {
        cuda::preload(path, nvidia)?;
        let engine = OnnxRuntime { library: Library::open(path)?, placement: Placement::Cuda(options) };
        cuda::prove(&engine)?;
        Ok(engine)
    }

    /// The same engine, which captures steps of small nodes as CUDA graphs, after a proof that replays compute what runs do.
    /// On the CPU this changes nothing.
    ///
    /// # Errors
    /// Where a step cannot be captured or its replays compute something else.
    pub fn with_graphs(&self) -> Result<Self, EngineError> {
        let Placement::Cuda(options) = self.placement else { return Ok(self.clone()) };
        let engine = self.on(CudaOptions { graphs: true, ..options });
        cuda::prove_graphs(&engine)?;
        Ok(engine)
    }

    fn on(&self, options: CudaOptions) -> Self {
        OnnxRuntime { placement: Placement::Cuda(options), ..self.clone() }
    }

    /// Path of the loaded library.
    pub fn path(&self) -> &Path {
        self.library.path()
    }

    /// Names of the execution providers that the library was built with.
    ///
    /// # Errors
    /// Where the library does not tell.
    pub fn providers(&self) -> Result<Vec<String>, EngineError> {
        self.library.providers().map_err(failed)
    }

    /// Options of every session: one thread that does not spin, since candidates are the parallel unit.
    fn builder(&self, purpose: Purpose) -> ort::Result<SessionBuilder> {
        let mut builder = ort::session::Session::builder(self.library.environment())?
            .with_intra_threads(1)?
            .with_inter_threads(1)?
            .with_intra_op_spinning(false)?
            .with_inter_op_spinning(false)?
            // Planned from the first run on, values lie where they lay: a run that is captured asks for no memory.
            .with_memory_pattern(purpose == Purpose::Steps { captured: true })?
            // The level above rewrites pools into a blocked layout and back: `cnn` of benches/peers is 4 to 7 % slower then.
            .with_optimization_level(GraphOptimizationLevel::Level2)?;
        if purpose != Purpose::Model {
            let mut passes = IDLE_PASSES.join(";");
            if self.placement != Placement::Cpu {
                passes = format!("{passes};{SPLIT_PASS}");
            }
            builder = builder.with_config_entry("optimization.disable_specified_optimizers", passes)?;
        }
        match self.placement {
            // Domains cannot be shared between threads; making them for each session takes microseconds.
            Placement::Cpu => {
                for domain in kernels::domains()? {
                    builder = builder.with_operators(domain)?;
                }
            }
            // Without `error_on_failure` a session would silently compute on the CPU.
            Placement::Cuda(options) => {
                let captured = purpose == Purpose::Steps { captured: true };
                builder = builder.with_execution_providers([options.provider(captured).build().error_on_failure()])?;
                // A node of a step that was left to the CPU would have its values cross over and back.
                if purpose != Purpose::Model {
                    builder = builder.with_disable_cpu_fallback()?;
                }
            }
        }
        Ok(builder)
    }

    fn session(&self, model: &[u8], purpose: Purpose) -> Result<ort::session::Session, EngineError> {
        let create = || self.builder(purpose).and_then(|mut builder| builder.commit_from_memory(model)).map_err(refused);
        // On a device there is no such domain.
        if self.placement != Placement::Cpu {
            return create();
        }
        let mut known = DOMAIN_KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        if *known {
            drop(known);
            return create();
        }
        let session = create()?;
        *known = true;
        Ok(session)
    }

    /// Memory in which state lives.
    fn allocator(&self, session: &ort::session::Session) -> ort::Result<Allocator> {
        match self.placement {
            Placement::Cpu => Ok(Allocator::default()),
            Placement::Cuda(options) => Allocator::new(session, options.memory()?),
        }
    }
}

impl Engine for OnnxRuntime {
    fn name(&self) -> &'static str {
        NAME
    }

    fn version(&self) -> String {
        self.library.version().to_owned()
    }

    fn device(&self) -> String {
        match self.placement {
            Placement::Cpu => "cpu".into(),
            Placement::Cuda(options) => format!("cuda:{}", options.device),
        }
    }

    fn has_kernels(&self) -> bool {
        self.placement == Placement::Cpu
    }

    fn shared(&self) -> Arc<dyn Engine> {
        Arc::new(self.clone())
    }

    fn exact(&self) -> Arc<dyn Engine> {
        match self.placement {
            Placement::Cpu => self.shared(),
            Placement::Cuda(options) => Arc::new(self.on(CudaOptions { tf32: false, ..options })),
        }
    }

    fn reside(&self, tensors: &[HostTensor<'_>]) -> Result<Option<Resident>, EngineError> {
        match self.placement {
            Placement::Cpu => Ok(None),
            Placement::Cuda(_) => resident::Kept::upload(self, tensors).map(Some),
        }
    }

    fn load(&self, model: &[u8], plan: Plan) -> Result<Box<dyn Session>, EngineError> {
        let site = match self.placement {
            Placement::Cpu => Site::Host,
            Placement::Cuda(options) if options.graphs && plan.launch_bound => Site::Captured,
            Placement::Cuda(_) => Site::Device,
        };
        let _permit = capture::shared(site);
        let session = self.session(model, Purpose::Steps { captured: site == Site::Captured })?;
        let (inputs, outputs) = (model::ports(session.inputs())?, model::ports(session.outputs())?);
        plan.check(&inputs, &outputs).map_err(refused)?;
        let kept = plan.resident.as_ref().map(|resident| resident::Kept::of(resident, self)).transpose()?;
        let allocator = self.allocator(&session).map_err(refused)?;
        Ok(Box::new(session::BoundSession::new(session, &plan, kept, &allocator, site).map_err(refused)?))
    }

    fn load_model(&self, model: &[u8]) -> Result<Box<dyn Model>, EngineError> {
        let site = if self.placement == Placement::Cpu { Site::Host } else { Site::Device };
        let _permit = capture::shared(site);
        Ok(Box::new(model::WholeModel::new(self.session(model, Purpose::Model)?, site)?))
    }
}

fn refused(reason: impl ToString) -> EngineError {
    memory::exhausted(reason.to_string()).unwrap_or_else(|reason| EngineError::Load { engine: NAME, reason })
}

fn failed(reason: impl ToString) -> EngineError {
    memory::exhausted(reason.to_string()).unwrap_or_else(|reason| EngineError::Run { engine: NAME, reason })
}

fn unavailable(what: impl ToString, reason: impl ToString) -> EngineError {
    EngineError::Unavailable { what: what.to_string(), reason: reason.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::tests::library;

    #[test]
    fn the_exact_engine_is_on_the_same_device_without_tf32() {
        let on = |placement| OnnxRuntime { library: Library::open(&library()).unwrap(), placement };
        let options = CudaOptions { memory_limit: Some(1 << 30), ..CudaOptions::device(2) };
        let engine = on(Placement::Cuda(options));
        let exact = on(Placement::Cuda(CudaOptions { tf32: false, ..options }));
        assert_eq!(format!("{:?}", engine.exact()), format!("{exact:?}"));
        assert_ne!(format!("{:?}", engine.exact()), format!("{engine:?}"));
        let cpu = on(Placement::Cpu);
        for same in [cpu.exact(), cpu.with_graphs().unwrap().shared()] {
            assert_eq!(format!("{same:?}"), format!("{cpu:?}"));
        }
    }
}
