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
            return vec![(Source::Option, as_file(path))];
        }
        if let Some(path) = &self.variable {
            return vec![(Source::Variable, as_file(path))];
        }
        let cached = self.cache.iter().flat_map(|cache| cached(cache, cuda)).map(|path| (Source::Cache, path));
        let python = self.python().into_iter().map(|path| (Source::Python, path));
        let system = self.system.iter().map(|path| (Source::System, path.clone()));
        cached.chain(python).chain(system).collect()
    }

    /// Libraries of the `onnxruntime` package of the Python on the PATH.
    fn python(&self) -> Vec<PathBuf> {
        self.package("onnxruntime").map(|package| libraries(&package.join("capi"))).unwrap_or_default()
    }

    /// Folder of NVIDIA's packages, with the libraries of CUDA, of the Python on the PATH.
    pub(super) fn nvidia(&self) -> Option<PathBuf> {
        self.package("nvidia")
    }

    /// Folder of a package of the Python on the PATH.
    fn package(&self, name: &str) -> Option<PathBuf> {
        const ASK: &str = "import sys, importlib.util as u; s = u.find_spec(sys.argv[1]); \
                           print(list(s.submodule_search_locations)[0] if s and s.submodule_search_locations else '')";
        let python = self.program("python3").or_else(|| self.program("python"))?;
        let mut command = Command::new(python);
        command.args(["-c", ASK, name]).stdin(Stdio::null()).stderr(Stdio::null());
        let answer = command.output().ok()?;
        let folder = String::from_utf8_lossy(&answer.stdout).trim().to_owned();
        (!folder.is_empty()).then(|| PathBuf::from(folder))
    }
}

/// The absolute path of a file; the dynamic loader would look for a bare name elsewhere. A name that is no file is left
/// to the loader.
fn as_file(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).ok().filter(|absolute| absolute.is_file());
    absolute.unwrap_or_else(|| path.to_owned())
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
    if path.is_absolute() && !path.is_file() {
        return Err("there is no such file".into());
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::tests::{fake_program, library};
    use std::fs;
    use std::os::unix::fs::symlink;

    /// A machine with a library in every place.
    struct Machine {
        folder: tempfile::TempDir,
        places: Places,
    }

    impl Machine {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let base = folder.path();
            let link = |name: &str| {
                let path = base.join(name);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                symlink(library(), &path).unwrap();
                path
            };
            link("cache/onnxruntime-1.32.0/libonnxruntime.so.1.32.0");
            link("site/onnxruntime/capi/libonnxruntime.so.1.30.0");
            let system = link("system/libonnxruntime.so");
            let answer = format!("test \"$3\" = onnxruntime && echo {}/site/onnxruntime", base.display());
            fake_program(&base.join("bin"), "python3", &answer);
            let places = Places {
                option: None,
                variable: None,
                cache: Some(base.join("cache")),
                path: base.join("bin").into(),
                system: vec![system],
            };
            Machine { folder, places }
        }

        fn sources(&self, cuda: bool) -> Vec<Source> {
            locate(&self.places, cuda).found.iter().map(|f| f.source).collect()
        }
    }

    #[test]
    fn the_cache_comes_before_python_and_python_before_the_system() {
        let machine = Machine::new();
        assert_eq!(machine.sources(false), [Source::Cache, Source::Python, Source::System]);
        let first = locate_first(&machine.places, false);
        assert_eq!(first.found.len(), 1);
        assert_eq!(first.found[0].source, Source::Cache);
        fs::remove_dir_all(machine.folder.path().join("cache")).unwrap();
        assert_eq!(machine.sources(false), [Source::Python, Source::System]);
        fs::remove_dir_all(machine.folder.path().join("bin")).unwrap();
        assert_eq!(machine.sources(false), [Source::System]);
        fs::remove_dir_all(machine.folder.path().join("system")).unwrap();
        let nothing = locate(&machine.places, false);
        assert!(nothing.found.is_empty() && nothing.skipped.is_empty(), "{nothing:?}");
    }

    #[test]
    fn a_named_library_is_the_only_one_that_is_tried() {
        let mut machine = Machine::new();
        machine.places.variable = Some(library());
        assert_eq!(machine.sources(false), [Source::Variable]);
        machine.places.option = Some(machine.folder.path().join("nowhere.so"));
        let located = locate(&machine.places, false);
        assert!(located.found.is_empty());
        assert_eq!(located.skipped[0].source, Source::Option);
    }

    #[test]
    fn what_cannot_be_used_is_skipped_with_a_reason() {
        let mut machine = Machine::new();
        let cached = machine.folder.path().join("cache/onnxruntime-1.32.0/libonnxruntime.so.1.32.0");
        fs::remove_file(&cached).unwrap();
        fs::write(&cached, "not a library").unwrap();
        machine.places.system.insert(0, "libc.so.6".into());
        let located = locate(&machine.places, false);
        let sources: Vec<Source> = located.found.iter().map(|f| f.source).collect();
        assert_eq!(sources, [Source::Python, Source::System]);
        assert!(located.skipped[0].reason.contains("cannot be loaded"), "{:?}", located.skipped);
        assert_eq!(located.skipped.len(), 1, "a system library of another name is no find");
        assert!(library_version(Path::new("libc.so.6")).unwrap_err().contains("not ONNX Runtime"));
    }

    #[test]
    fn with_cuda_the_library_beside_the_provider_comes_first_in_the_cache() {
        let machine = Machine::new();
        let gpu = machine.folder.path().join("cache/onnxruntime-gpu-1.31.1");
        fs::create_dir(&gpu).unwrap();
        symlink(library(), gpu.join("libonnxruntime.so.1.31.1")).unwrap();
        fs::write(gpu.join("libonnxruntime_providers_cuda.so"), "").unwrap();
        let first = |cuda| locate_first(&machine.places, cuda).found.remove(0).cuda;
        assert!(first(true));
        assert!(!first(false));
    }

    #[test]
    fn versions_are_compared_as_numbers() {
        let wanted = [("1.24.0", true), ("1.32.1", true), ("1.100.0", true), ("1.9.0", false), ("1.23.2", false)];
        for (version, expected) in wanted.into_iter().chain([("2.0.0", false), ("", false), ("1.x", false)]) {
            assert_eq!(usable(version), expected, "{version:?}");
        }
    }
}
