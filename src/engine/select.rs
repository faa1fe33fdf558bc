//! Choosing an engine and a device: strictly where they are named, the best that works where they are not.

use super::install::{Build, install};
use super::locate::{Found, Located, Places, locate, locate_first};
use super::{CudaOptions, Engine, EngineError, OnnxRuntime, Tract, cuda_present};
use std::path::PathBuf;
use std::sync::Arc;

/// Which engine is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Choice {
    /// ONNX Runtime, or the embedded engine where that cannot be had.
    #[default]
    Auto,
    /// ONNX Runtime and nothing else.
    OnnxRuntime,
    /// The embedded engine.
    Tract,
}

/// Which device is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Device {
    /// CUDA where it works, the CPU elsewhere.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// The CUDA device of this number and nothing else.
    Cuda(u32),
}

/// What is wanted; by default the best that works.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Request {
    /// Engine.
    pub engine: Choice,
    /// Device.
    pub device: Device,
    /// The library to use.
    pub runtime: Option<PathBuf>,
    /// Forbids installing the library.
    pub offline: bool,
    /// Has steps of small nodes captured as CUDA graphs where that works; for who trains.
    pub graphs: bool,
}

/// An engine, and what the user should know of how it was chosen.
#[derive(Debug, Clone)]
pub struct Selected {
    /// The engine.
    pub engine: Arc<dyn Engine>,
    /// One line each.
    pub notices: Vec<String>,
}

/// Chooses an engine on this machine; installs the library where none is found, unless that is forbidden.
///
/// # Errors
/// Where what is named cannot be had: an engine, a device or a library.
pub fn select(request: &Request) -> Result<Selected, EngineError> {
    select_in(request, &Places::from_env(request.runtime.clone()))
}

/// As [`select`], with these places to look for the library.
///
/// # Errors
/// As [`select`].
pub fn select_in(request: &Request, places: &Places) -> Result<Selected, EngineError> {
    match (request.engine, request.device) {
        (Choice::Tract, Device::Cuda(n)) => Err(EngineError::Unavailable {
            what: format!("cuda:{n}"),
            reason: "the embedded engine computes on the CPU; choose --engine onnxruntime".into(),
        }),
        (Choice::Tract, _) => Ok(Selected { engine: Arc::new(Tract), notices: vec![] }),
        (_, Device::Cuda(n)) => strict_cuda(n, request, places),
        (_, Device::Cpu) => on_this_machine(request, places, false),
        (_, Device::Auto) => on_this_machine(request, places, cuda_present()),
    }
}

/// The CUDA device or an error.
fn strict_cuda(device: u32, request: &Request, places: &Places) -> Result<Selected, EngineError> {
    let located = locate(places, true);
    refuse_named(&located)?;
    let Some(found) = located.found.iter().find(|f| f.cuda).or(located.found.iter().find(|f| f.source.is_named())) else {
        let reason =
            format!("no ONNX Runtime with CUDA was found{}; `evolve runtime install --cuda` installs one", others(&located));
        return Err(EngineError::Unavailable { what: format!("cuda:{device}"), reason });
    };
    let engine = OnnxRuntime::cuda(&found.path, CudaOptions::device(device), places.nvidia().as_deref())?;
    let mut notices = vec![];
    Ok(Selected { engine: Arc::new(with_graphs(engine, request, &mut notices)), notices })
}

/// ONNX Runtime on the best device, or else the embedded engine if that is allowed. `cuda` says that a device is there.
fn on_this_machine(request: &Request, places: &Places, cuda: bool) -> Result<Selected, EngineError> {
    let located = locate_first(places, cuda);
    refuse_named(&located)?;
    let mut notices = Vec::new();
    let found = match located.found.first() {
        Some(found) => found.clone(),
        None => match obtain(request, places, &located, &mut notices) {
            Ok(found) => found,
            Err(reason) if request.engine == Choice::OnnxRuntime => {
                return Err(EngineError::Unavailable { what: "onnxruntime".into(), reason });
            }
            Err(reason) => {
                notices.push(format!(
                    "using the embedded engine, which is several times slower: {reason}; \
                     `evolve runtime install` or `--runtime PATH` gives the fast one"
                ));
                return Ok(Selected { engine: Arc::new(Tract), notices });
            }
        },
    };
    if cuda && let Some(engine) = try_cuda(&found, request, places, &mut notices) {
        return Ok(Selected { engine: Arc::new(engine), notices });
    }
    Ok(Selected { engine: Arc::new(OnnxRuntime::cpu(&found.path)?), notices })
}

/// Installs the library, or says why there is none.
fn obtain(request: &Request, places: &Places, located: &Located, notices: &mut Vec<String>) -> Result<Found, String> {
    let reason = if request.offline {
        "none was found, and none is to be downloaded".into()
    } else {
        match install(places, Build::Cpu) {
            Ok(installed) => {
                notices.push(format!("installed ONNX Runtime {} as {}", installed.version, installed.path.display()));
                return Ok(Found {
                    path: installed.path,
                    version: installed.version,
                    source: super::Source::Cache,
                    cuda: false,
                });
            }
            Err(error) => error.to_string(),
        }
    };
    Err(format!("no ONNX Runtime was found{}, and {reason}", others(located)))
}

/// CUDA with a library that was found; where that does not work, a notice says why.
fn try_cuda(found: &Found, request: &Request, places: &Places, notices: &mut Vec<String>) -> Option<OnnxRuntime> {
    if !found.cuda {
        notices.push(format!(
            "the NVIDIA device is not used: {} was built without CUDA; `evolve runtime install --cuda` installs one with it",
            found.path.display()
        ));
        return None;
    }
    match OnnxRuntime::cuda(&found.path, CudaOptions::device(0), places.nvidia().as_deref()) {
        Ok(engine) => Some(with_graphs(engine, request, notices)),
        Err(error) => {
            notices.push(format!("the NVIDIA device is not used: {error}"));
            None
        }
    }
}

/// The engine with CUDA graphs where they are wanted; where these do not work, a notice says why.
fn with_graphs(engine: OnnxRuntime, request: &Request, notices: &mut Vec<String>) -> OnnxRuntime {
    if !request.graphs {
        return engine;
    }
    engine.with_graphs().unwrap_or_else(|error| {
        notices.push(format!("small networks train slower than they could: {error}"));
        engine
    })
}

/// A library that the user named must work: nothing is put in its place.
fn refuse_named(located: &Located) -> Result<(), EngineError> {
    match located.skipped.iter().find(|s| s.source.is_named()) {
        Some(skipped) => Err(EngineError::Unavailable {
            what: format!("the library {} of {}", skipped.path.display(), skipped.source.describe()),
            reason: skipped.reason.clone(),
        }),
        None => Ok(()),
    }
}

/// The libraries that were found but do not serve, in brackets.
fn others(located: &Located) -> String {
    let found = located.found.iter().map(|f| format!("{} has no CUDA", f.path.display()));
    let skipped = located.skipped.iter().map(|s| format!("{}: {}", s.path.display(), s.reason));
    let all: Vec<String> = found.chain(skipped).collect();
    if all.is_empty() { String::new() } else { format!(" ({})", all.join("; ")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::tests::{fake_program, library};

    fn request(engine: Choice, device: Device, offline: bool) -> Request {
        Request { engine, device, offline, ..Request::default() }
    }

    /// A machine without any library, on which `pip` fails.
    fn bare(folder: &std::path::Path) -> Places {
        fake_program(&folder.join("bin"), "pip", "echo the index cannot be reached >&2; exit 1");
        Places { cache: Some(folder.join("cache")), path: folder.join("bin").into(), ..Places::default() }
    }

    #[test]
    fn without_a_library_auto_takes_the_embedded_engine_and_says_why() {
        let folder = tempfile::tempdir().unwrap();
        let places = bare(folder.path());
        for (offline, reason) in [(true, "none is to be downloaded"), (false, "the index cannot be reached")] {
            let selected = select_in(&request(Choice::Auto, Device::Cpu, offline), &places).unwrap();
            assert_eq!(selected.engine.name(), "tract");
            assert_eq!(selected.notices.len(), 1);
            let notice = &selected.notices[0];
            assert!(notice.contains(reason) && notice.contains("runtime install") && !notice.contains('\n'), "{notice}");
        }
        assert!(!folder.path().join("cache/onnxruntime-1.32.0").exists());
    }

    #[test]
    fn what_is_named_is_had_or_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let places = bare(folder.path());
        let strict = request(Choice::OnnxRuntime, Device::Cpu, true);
        assert!(matches!(select_in(&strict, &places), Err(EngineError::Unavailable { .. })));
        for engine in [Choice::Auto, Choice::OnnxRuntime, Choice::Tract] {
            let wanted = request(engine, Device::Cuda(0), true);
            let Err(EngineError::Unavailable { what, .. }) = select_in(&wanted, &places) else { panic!("{engine:?}") };
            assert_eq!(what, "cuda:0");
        }
        let broken = Places { option: Some(folder.path().join("bin/pip")), ..places };
        let auto = request(Choice::Auto, Device::Auto, false);
        let error = select_in(&auto, &broken).unwrap_err().to_string();
        assert!(error.contains("--runtime") && error.contains("bin/pip"), "{error}");
    }

    #[test]
    fn a_library_that_is_found_is_used_without_a_word() {
        let places = Places { option: Some(library()), ..Places::default() };
        let selected = select_in(&request(Choice::Auto, Device::Cpu, true), &places).unwrap();
        assert_eq!((selected.engine.name(), selected.engine.device().as_str()), ("onnxruntime", "cpu"));
        assert!(selected.notices.is_empty());
        assert!(selected.engine.version().starts_with("1."));
        let tract = select_in(&request(Choice::Tract, Device::Auto, true), &places).unwrap();
        assert_eq!((tract.engine.name(), tract.engine.has_kernels()), ("tract", false));
    }

    #[test]
    fn a_library_without_cuda_is_an_error_where_cuda_is_named_and_a_notice_where_it_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let plain = folder.path().join("libonnxruntime.so");
        std::os::unix::fs::symlink(library(), &plain).unwrap();
        let places = Places { option: Some(plain), ..Places::default() };
        let error = select_in(&request(Choice::Auto, Device::Cuda(0), true), &places).unwrap_err().to_string();
        assert!(error.contains("install --cuda"), "{error}");
        let found = &locate_first(&places, true).found[0];
        let mut notices = Vec::new();
        assert!(try_cuda(found, &Request::default(), &places, &mut notices).is_none());
        assert!(notices.len() == 1 && notices[0].contains("install --cuda"), "{notices:?}");
    }
}
