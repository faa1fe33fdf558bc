//! Finding the library of ONNX Runtime on a machine.

use ort_sys::OrtApiBase;
use std::env;
use std::ffi::{CStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Oldest usable minor version: the one whose C interface `ort` is built for.
pub const OLDEST_MINOR: u32 = 24;

/// Where a library was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// `--runtime`.
    Option,
    /// The variable `ORT_DYLIB_PATH`.
    Variable,
    /// The cache folder of `evolve`.
    Cache,
    /// An `onnxruntime` package of the Python on the PATH.
    Python,
    /// The system's library path.
    System,
}

impl Source {
    /// The source in words.
    pub fn describe(self) -> &'static str {
        match self {
            Source::Option => "--runtime",
            Source::Variable => "ORT_DYLIB_PATH",
            Source::Cache => "cache",
            Source::Python => "Python package",
            Source::System => "system",
        }
    }

    /// True where the user named the file, so that nothing else may be used in its place.
    pub fn is_named(self) -> bool {
        matches!(self, Source::Option | Source::Variable)
    }
}

/// A usable library.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The file; a bare name for the system's library path.
    pub path: PathBuf,
    /// Version, such as `1.32.0`.
    pub version: String,
    /// Where it was found.
    pub source: Source,
    /// Whether the CUDA provider lies beside it.
    pub cuda: bool,
}

/// A library that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// The file.
    pub path: PathBuf,
    /// Where it was found.
    pub source: Source,
    /// Why it cannot be used.
    pub reason: String,
}

/// The places of a machine where a library may be.
#[derive(Debug, Clone, Default)]
pub struct Places {
    /// What `--runtime` names.
    pub option: Option<PathBuf>,
    /// What `ORT_DYLIB_PATH` names.
    pub variable: Option<PathBuf>,
    /// The cache folder of `evolve`; `None` where the machine has no home folder.
    pub cache: Option<PathBuf>,
    /// Folders in which programs are looked for.
    pub path: OsString,
    /// Names or files to try last, as the dynamic loader takes them.
    pub system: Vec<PathBuf>,
}

impl Places {
    /// The places that the environment's variables name, and the library of `--runtime` if there is one.
    ///
    /// The cache is `EVOLVE_CACHE`, or `evolve` in `XDG_CACHE_HOME`, or `.cache/evolve` in the home folder.
    pub fn from_env(option: Option<PathBuf>) -> Self {
        let folder = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let cache = folder("EVOLVE_CACHE")
            .or_else(|| folder("XDG_CACHE_HOME").map(|base| base.join("evolve")))
            .or_else(|| folder("HOME").map(|home| home.join(".cache/evolve")));
        Places {
            option,
            variable: folder("ORT_DYLIB_PATH"),
            cache,
            path: env::var_os("PATH").unwrap_or_default(),
            system: ["libonnxruntime.so", "libonnxruntime.so.1", "libonnxruntime.dylib"].map(PathBuf::from).to_vec(),
        }
    }

    /// The program of this name on the PATH.
    pub(super) fn program(&self, name: &str) -> Option<PathBuf> {
        env::split_paths(&self.path).map(|folder| folder.join(name)).find(|file| file.is_file())
    }

    /// The files that may be the library, in the order in which they are tried. Where the user named one, there is no
    /// other. `cuda` puts libraries with the CUDA provider first in the cache.
    fn candidates(&self, cuda: bool) -> Vec<(Source, PathBuf)> {
        if let Some(path) = &self.option {
            return vec![(Source::Option, path.clone())];
        }
        if let Some(path) = &self.variable {
            return vec![(Source::Variable, path.clone())];
        }
        let cached = self.cache.iter().flat_map(|cache| cached(cache, cuda)).map(|path| (Source::Cache, path));
        let python = self.python().into_iter().map(|path| (Source::Python, path));
        let system = self.system.iter().map(|path| (Source::System, path.clone()));
        cached.chain(python).chain(system).collect()
    }

    /// Libraries of the `onnxruntime` package of the Python on the PATH.
    fn python(&self) -> Vec<PathBuf> {
        const ASK: &str = "import importlib.util as u; s = u.find_spec('onnxruntime'); \
                           print(s.submodule_search_locations[0] if s and s.submodule_search_locations else '')";
        let Some(python) = self.program("python3").or_else(|| self.program("python")) else { return Vec::new() };
        let answer = Command::new(python).args(["-c", ASK]).stdin(Stdio::null()).stderr(Stdio::null()).output();
        let Ok(answer) = answer else { return Vec::new() };
        let package = String::from_utf8_lossy(&answer.stdout).trim().to_owned();
        if package.is_empty() { Vec::new() } else { libraries(&Path::new(&package).join("capi")) }
    }
}

/// Libraries in the folders of the cache, those of the wanted kind first, newer folders before older ones.
fn cached(cache: &Path, cuda: bool) -> Vec<PathBuf> {
    let Ok(entries) = cache.read_dir() else { return Vec::new() };
    let mut folders: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    folders.retain(|folder| folder.file_name().is_some_and(|name| name.to_string_lossy().starts_with("onnxruntime-")));
    folders.sort();
    folders.reverse();
    let mut found: Vec<PathBuf> = folders.iter().flat_map(|folder| libraries(folder)).collect();
    found.sort_by_key(|library| has_cuda(library) != cuda);
    found
}

/// Files named as the library is, in a folder: `libonnxruntime.so.1.32.0`, `libonnxruntime.1.32.0.dylib`.
fn libraries(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = folder.read_dir() else { return Vec::new() };
    let named = |path: &PathBuf| {
        path.file_name().is_some_and(|name| {
            let name = name.to_string_lossy();
            name.starts_with("libonnxruntime.so") || name.starts_with("libonnxruntime.") && name.ends_with(".dylib")
        })
    };
    let mut found: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(named).collect();
    found.sort();
    found.reverse();
    found
}

/// True where the CUDA provider lies beside the library.
pub(super) fn has_cuda(library: &Path) -> bool {
    library.with_file_name("libonnxruntime_providers_cuda.so").exists()
}

/// What was found on a machine.
#[derive(Debug, Clone, Default)]
pub struct Located {
    /// Usable libraries, the preferred one first.
    pub found: Vec<Found>,
    /// Libraries that cannot be used, and why.
    pub skipped: Vec<Skipped>,
}

/// Looks into every place and tries every library there. `cuda` prefers one with the CUDA provider in the cache.
pub fn locate(places: &Places, cuda: bool) -> Located {
    let mut located = Located::default();
    for (source, path) in places.candidates(cuda) {
        located.take(source, path);
    }
    located
}

/// As [`locate`], but stops at the first library that can be used.
pub fn locate_first(places: &Places, cuda: bool) -> Located {
    let mut located = Located::default();
    for (source, path) in places.candidates(cuda) {
        located.take(source, path);
        if !located.found.is_empty() {
            break;
        }
    }
    located
}

impl Located {
    fn take(&mut self, source: Source, path: PathBuf) {
        match library_version(&path) {
            Ok(version) => self.found.push(Found { cuda: has_cuda(&path), path, version, source }),
            // A name that the loader does not know is not a library that was found.
            Err(_) if source == Source::System && !path.exists() => {}
            Err(reason) => self.skipped.push(Skipped { path, source, reason }),
        }
    }
}

/// Loads a library for a moment and asks for its version.
///
/// # Errors
/// Where it is not a library, not ONNX Runtime, or too old, in words.
pub(super) fn library_version(path: &Path) -> Result<String, String> {
    // SAFETY: loading runs the file's initialisers; the user or the machine put it there as ONNX Runtime.
    let library = unsafe { libloading::Library::new(path) }.map_err(|e| format!("it cannot be loaded: {e}"))?;
    // SAFETY: every version of ONNX Runtime exports this symbol with this type.
    let base = unsafe { library.get::<unsafe extern "C" fn() -> *const OrtApiBase>(b"OrtGetApiBase") };
    let base = base.map_err(|_| "it is not ONNX Runtime: it does not export OrtGetApiBase".to_owned())?;
    // SAFETY: the call has no arguments and returns a pointer to static data, or null.
    let base = unsafe { base().as_ref() }.ok_or("OrtGetApiBase returns nothing")?;
    // SAFETY: the string is static and ends with a zero.
    let version = unsafe { CStr::from_ptr((base.GetVersionString)()) }.to_string_lossy().into_owned();
    if usable(&version) { Ok(version) } else { Err(format!("version {version} is older than 1.{OLDEST_MINOR}")) }
}

/// True for versions from 1.[`OLDEST_MINOR`] on.
fn usable(version: &str) -> bool {
    let mut parts = version.split('.');
    let minor = parts.next().filter(|major| *major == "1").and(parts.next()).and_then(|minor| minor.parse::<u32>().ok());
    minor.is_some_and(|minor| minor >= OLDEST_MINOR)
}
