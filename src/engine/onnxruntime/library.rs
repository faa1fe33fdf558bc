//! The library and its environment, of which a process has one.

use super::unavailable;
use crate::engine::EngineError;
use crate::engine::locate::library_version;
use ort::environment::Environment;
use ort::ortsys;
use std::ffi::CStr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// A loaded library.
#[derive(Debug)]
pub(super) struct Library {
    path: PathBuf,
    version: String,
    environment: Environment,
}

static LOADED: Mutex<Option<Arc<Library>>> = Mutex::new(None);

impl Library {
    /// Loads the library, or hands out the loaded one where it is the same file.
    pub(super) fn open(path: &Path) -> Result<Arc<Self>, EngineError> {
        let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(library) = loaded.as_ref() {
            return if same_file(&library.path, path) {
                Ok(Arc::clone(library))
            } else {
                let reason = format!("this process already uses {}; start another one for it", library.path.display());
                Err(unavailable(path.display(), reason))
            };
        }
        let version = library_version(path).map_err(|reason| unavailable(path.display(), reason))?;
        let builder = ort::init_from(path).map_err(|e| unavailable(path.display(), e))?;
        let environment =
            builder.with_name("evolve").with_telemetry(false).build().map_err(|e| unavailable(path.display(), e))?;
        let library = Arc::new(Library { path: path.to_owned(), version, environment });
        *loaded = Some(Arc::clone(&library));
        Ok(library)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn version(&self) -> &str {
        &self.version
    }

    pub(super) fn providers(&self) -> ort::Result<Vec<String>> {
        let (mut names, mut count) = (std::ptr::null_mut(), 0);
        ortsys![unsafe GetAvailableProviders(&mut names, &mut count)?];
        // SAFETY: the call gave `count` strings that end with a zero and stay until they are released below.
        let listed = (0..count as usize).map(|i| unsafe { CStr::from_ptr(*names.add(i)) }.to_string_lossy().into_owned());
        let listed = listed.collect();
        ortsys![unsafe ReleaseAvailableProviders(names, count)?];
        Ok(listed)
    }

    pub(super) fn environment(&self) -> &Environment {
        &self.environment
    }
}

fn same_file(a: &Path, b: &Path) -> bool {
    a == b || matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}
