//! Installing ONNX Runtime into the cache folder, through the machine's own package client.
//!
//! The library is taken out of a wheel of the Python package index. Each wheel is pinned by its digest, so what runs
//! here is what was tested, whichever mirror the client is set up for.

use super::cuda_driver;
use super::locate::{Places, library_version};
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Which build of the library.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Build {
    /// For the CPU.
    Cpu,
    /// With the CUDA provider.
    Cuda,
}

/// A pinned wheel.
#[derive(Debug)]
struct Wheel {
    build: Build,
    /// Oldest major version of the NVIDIA driver that its CUDA works with.
    driver: u32,
    package: &'static str,
    version: &'static str,
    /// `std::env::consts::ARCH`.
    arch: &'static str,
    platform: &'static str,
    sha256: &'static str,
}

/// Every pinned wheel; of those that a machine can use, the first is taken.
static WHEELS: &[Wheel] = &[
    Wheel {
        build: Build::Cpu,
        driver: 0,
        package: "onnxruntime",
        version: "1.32.0",
        arch: "x86_64",
        platform: "manylinux_2_28_x86_64",
        sha256: "5a34fc4dfeb5a7b4a74c95dcba1e773d722abda720b474edf1b0c419dc6d163d",
    },
    Wheel {
        build: Build::Cpu,
        driver: 0,
        package: "onnxruntime",
        version: "1.32.0",
        arch: "aarch64",
        platform: "manylinux_2_28_aarch64",
        sha256: "2303372a85299b6757b0e11e1cbf13e410ddf7e10c37f4b37e99d1c90e7daf7c",
    },
    Wheel {
        build: Build::Cuda,
        driver: 580,
        package: "onnxruntime-gpu",
        version: "1.31.1",
        arch: "x86_64",
        platform: "manylinux_2_28_x86_64",
        sha256: "e26c475fe361b2015f45b4b824bd13f0bb20204e59b62814e6f0acd5f3d491a6",
    },
    Wheel {
        build: Build::Cuda,
        driver: 525,
        package: "onnxruntime-gpu",
        version: "1.26.0",
        arch: "x86_64",
        platform: "manylinux_2_28_x86_64",
        sha256: "4fa231294c2643911d2a7d16469c4808b0bdcdc4b5f4063d3a53744ce25b683a",
    },
];

/// Version of Python that the wheels are named for; the library in them is the same for all.
const PYTHON: (&str, &str) = ("3.11", "cp311");

/// Where the libraries stand in a wheel.
const FOLDER: &str = "onnxruntime/capi/";

/// Why the library could not be installed.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// There is no wheel for this machine.
    #[error("no ONNX Runtime is pinned for {machine}; build one and name it with --runtime")]
    Platform {
        /// System, processor and driver.
        machine: String,
    },
    /// There is no folder to install into.
    #[error("there is no cache folder: set EVOLVE_CACHE or HOME")]
    NoCache,
    /// There is no package client.
    #[error("neither pip nor python3 is on the PATH; install pip, or name a library with --runtime")]
    NoClient,
    /// The package client failed.
    #[error("{client} could not download it: {reason}")]
    Client {
        /// The program that ran.
        client: String,
        /// The last line it wrote.
        reason: String,
    },
    /// What was downloaded is not what was pinned.
    #[error("the downloaded {file} has the SHA-256 {found}, not the pinned {wanted}; it was thrown away")]
    Digest {
        /// Name of the wheel.
        file: String,
        /// Digest of the download.
        found: String,
        /// Digest that was wanted.
        wanted: &'static str,
    },
    /// The wheel cannot be unpacked.
    #[error("the wheel cannot be unpacked: {reason}")]
    Archive {
        /// What is wrong.
        reason: String,
    },
    /// The unpacked library does not work here.
    #[error("the installed library cannot be used: {reason}")]
    Unusable {
        /// What the loader says.
        reason: String,
    },
    /// A file or folder of the cache.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which file or folder.
        path: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
}

/// What was installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// The library.
    pub path: PathBuf,
    /// Its version.
    pub version: String,
    /// False where it was there already.
    pub fresh: bool,
}

/// Installs the library into the cache folder. Processes that do it at once wait for each other, and only a complete
/// folder gets its final name.
///
/// # Errors
/// Where there is no wheel, client or cache, and where a step fails; the cache is then as it was before.
pub fn install(places: &Places, build: Build) -> Result<Installed, InstallError> {
    install_for(places, build, cuda_driver())
}

/// As [`install`], for a machine whose NVIDIA driver is of this major version; without one the newest is taken.
///
/// # Errors
/// As [`install`].
pub fn install_for(places: &Places, build: Build, driver: Option<u32>) -> Result<Installed, InstallError> {
    let wheel = choose(build, std::env::consts::OS, std::env::consts::ARCH, driver)?;
    let cache = places.cache.as_deref().ok_or(InstallError::NoCache)?;
    let at = |path: &Path| {
        let path = path.to_owned();
        move |source| InstallError::Io { path, source }
    };
    fs::create_dir_all(cache).map_err(at(cache))?;
    let lock_path = cache.join("install.lock");
    let lock = File::create(&lock_path).map_err(at(&lock_path))?;
    lock.lock().map_err(at(&lock_path))?;
    let home = cache.join(format!("{}-{}", wheel.package, wheel.version));
    let file = format!("libonnxruntime.so.{}", wheel.version);
    let path = home.join(&file);
    if let Ok(version) = library_version(&path) {
        return Ok(Installed { path, version, fresh: false });
    }
    let staging = tempfile::Builder::new().prefix(".installing-").tempdir_in(cache).map_err(at(cache))?;
    let archive = download(places, wheel, staging.path())?;
    verify(&archive, wheel)?;
    let unpacked = staging.path().join("unpacked");
    fs::create_dir(&unpacked).map_err(at(&unpacked))?;
    unpack(&archive, &unpacked)?;
    let version = library_version(&unpacked.join(&file)).map_err(|reason| InstallError::Unusable { reason })?;
    if home.exists() {
        // What is there does not load. It goes where the staging folder goes.
        fs::rename(&home, staging.path().join("broken")).map_err(at(&home))?;
    }
    fs::rename(&unpacked, &home).map_err(at(&home))?;
    Ok(Installed { path, version, fresh: true })
}

/// The wheel for a machine. Without a known driver it is the newest.
fn choose(build: Build, system: &str, arch: &str, driver: Option<u32>) -> Result<&'static Wheel, InstallError> {
    let fits = |w: &&Wheel| {
        system == "linux" && w.build == build && w.arch == arch && driver.is_none_or(|driver| w.driver <= driver)
    };
    WHEELS.iter().find(fits).ok_or_else(|| InstallError::Platform {
        machine: match driver {
            Some(driver) => format!("{system} on {arch} with NVIDIA driver {driver}"),
            None => format!("{system} on {arch}"),
        },
    })
}

/// Lets the package client put the wheel into `folder`. Version, platform and tag of Python are named, so that the
/// pinned file is fetched whatever Python the client belongs to.
fn download(places: &Places, wheel: &Wheel, folder: &Path) -> Result<PathBuf, InstallError> {
    let (client, first) = [("pip", None), ("pip3", None), ("python3", Some(["-m", "pip"]))]
        .into_iter()
        .find_map(|(name, first)| places.program(name).map(|program| (program, first)))
        .ok_or(InstallError::NoClient)?;
    let failure = |reason: String| InstallError::Client { client: client.display().to_string(), reason };
    let output = Command::new(&client)
        .args(first.iter().flatten())
        .args(["download", "--quiet", "--disable-pip-version-check", "--no-input", "--retries", "2", "--timeout", "20"])
        .args(["--no-deps", "--only-binary", ":all:", "--implementation", "cp"])
        .args(["--python-version", PYTHON.0, "--abi", PYTHON.1, "--platform", wheel.platform])
        .arg("--dest")
        .arg(folder)
        .arg(format!("{}=={}", wheel.package, wheel.version))
        .stdin(Stdio::null())
        .output()
        .map_err(|e| failure(e.to_string()))?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        let last = text.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or("it says nothing");
        return Err(failure(format!("{last} ({})", output.status)));
    }
    let entries = folder.read_dir().map_err(|source| InstallError::Io { path: folder.to_owned(), source })?;
    let wheels = entries.flatten().map(|entry| entry.path());
    wheels
        .into_iter()
        .find(|path| path.extension().is_some_and(|e| e == "whl"))
        .ok_or_else(|| failure("it left no wheel".into()))
}

fn verify(archive: &Path, wheel: &Wheel) -> Result<(), InstallError> {
    let at = |source| InstallError::Io { path: archive.to_owned(), source };
    let mut digest = Sha256::new();
    let mut file = File::open(archive).map_err(at)?;
    let mut block = vec![0; 1 << 16];
    loop {
        match file.read(&mut block).map_err(at)? {
            0 => break,
            n => digest.update(&block[..n]),
        }
    }
    let found: String = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    if found == wheel.sha256 {
        return Ok(());
    }
    let file = archive.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Err(InstallError::Digest { file, found, wanted: wheel.sha256 })
}

/// Takes the libraries out of a wheel: the runtime and, in a wheel for CUDA, the providers that must lie beside it.
fn unpack(archive: &Path, into: &Path) -> Result<(), InstallError> {
    let bad = |reason: String| InstallError::Archive { reason };
    let at = |path: &Path| {
        let path = path.to_owned();
        move |source| InstallError::Io { path, source }
    };
    let file = File::open(archive).map_err(at(archive))?;
    let mut zip = zip::ZipArchive::new(file).map_err(|e| bad(e.to_string()))?;
    let mut count = 0;
    for index in 0..zip.len() {
        let mut entry = zip.by_index(index).map_err(|e| bad(e.to_string()))?;
        let name = entry.name().strip_prefix(FOLDER).filter(|n| n.starts_with("libonnxruntime") && !n.contains('/'));
        let Some(path) = name.map(|name| into.join(name)) else { continue };
        let mut out = File::create(&path).map_err(at(&path))?;
        io::copy(&mut entry, &mut out).map_err(at(&path))?;
        out.sync_all().map_err(at(&path))?;
        count += 1;
    }
    if count == 0 { Err(bad(format!("there is no library below {FOLDER}"))) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::tests::fake_program;
    use std::io::Write;

    fn places(folder: &Path) -> Places {
        Places { cache: Some(folder.join("cache")), path: folder.join("bin").into(), ..Places::default() }
    }

    /// Names in the cache folder but for the lock.
    fn left(folder: &Path) -> Vec<String> {
        let entries = folder.join("cache").read_dir().unwrap();
        let names = entries.map(|e| e.unwrap().file_name().to_string_lossy().into_owned());
        names.filter(|name| name != "install.lock").collect()
    }

    #[test]
    fn a_failing_client_is_reported_with_its_last_line_and_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        fake_program(&folder.path().join("bin"), "pip", "echo trying >&2; echo no network here >&2; exit 3");
        let error = install(&places(folder.path()), Build::Cpu).unwrap_err();
        assert!(matches!(&error, InstallError::Client { reason, .. } if reason.contains("no network here")), "{error}");
        assert!(left(folder.path()).is_empty());
    }

    #[test]
    fn a_download_with_another_digest_is_thrown_away() {
        let folder = tempfile::tempdir().unwrap();
        let script = "while [ \"$1\" != --dest ]; do shift; done; echo junk > \"$2/onnxruntime.whl\"";
        fake_program(&folder.path().join("bin"), "pip3", script);
        let error = install(&places(folder.path()), Build::Cpu).unwrap_err();
        let junk = "edff58f2a441868dc58c35d06f2b1c86e12e12bedfaa793a49c227672f77566e";
        assert!(matches!(&error, InstallError::Digest { found, .. } if found == junk), "{error}");
        assert!(left(folder.path()).is_empty());
    }

    #[test]
    fn without_a_client_or_a_cache_the_reason_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let places = places(folder.path());
        assert!(matches!(install(&places, Build::Cpu), Err(InstallError::NoClient)));
        let homeless = Places { cache: None, ..places.clone() };
        assert!(matches!(install(&homeless, Build::Cpu), Err(InstallError::NoCache)));
        std::fs::write(folder.path().join("file"), "").unwrap();
        let blocked = Places { cache: Some(folder.path().join("file/cache")), ..places };
        assert!(matches!(install(&blocked, Build::Cpu), Err(InstallError::Io { .. })));
    }

    #[test]
    fn only_the_libraries_are_taken_out_of_a_wheel() {
        let folder = tempfile::tempdir().unwrap();
        let archive = folder.path().join("a.whl");
        let mut zip = zip::ZipWriter::new(File::create(&archive).unwrap());
        let names = ["onnxruntime/capi/libonnxruntime.so.1", "onnxruntime/capi/libonnxruntime_providers_cuda.so"];
        let others = ["onnxruntime/__init__.py", "onnxruntime/capi/x.py", "onnxruntime/capi/libonnxruntime/../../../evil"];
        for name in names.iter().chain(&others) {
            zip.start_file(*name, zip::write::FileOptions::default()).unwrap();
            zip.write_all(name.as_bytes()).unwrap();
        }
        zip.finish().unwrap();
        let into = folder.path().join("into");
        std::fs::create_dir(&into).unwrap();
        unpack(&archive, &into).unwrap();
        let mut files: Vec<String> =
            into.read_dir().unwrap().map(|e| e.unwrap().file_name().to_string_lossy().into_owned()).collect();
        files.sort();
        assert_eq!(files, ["libonnxruntime.so.1", "libonnxruntime_providers_cuda.so"]);
        assert_eq!(std::fs::read_to_string(into.join("libonnxruntime.so.1")).unwrap(), names[0]);
        assert!(matches!(unpack(&into.join("libonnxruntime.so.1"), &into), Err(InstallError::Archive { .. })));
    }

    #[test]
    fn each_machine_gets_its_wheel_or_a_reason() {
        let version = |build, arch, driver| choose(build, "linux", arch, driver).map(|w| w.version);
        assert_eq!(version(Build::Cpu, "x86_64", Some(470)).unwrap(), "1.32.0");
        assert_eq!(version(Build::Cpu, "aarch64", None).unwrap(), "1.32.0");
        assert_eq!(version(Build::Cuda, "x86_64", Some(580)).unwrap(), "1.31.1");
        assert_eq!(version(Build::Cuda, "x86_64", None).unwrap(), "1.31.1");
        assert_eq!(version(Build::Cuda, "x86_64", Some(535)).unwrap(), "1.26.0");
        assert!(matches!(version(Build::Cuda, "x86_64", Some(470)), Err(InstallError::Platform { .. })));
        assert!(matches!(choose(Build::Cpu, "windows", "x86_64", None), Err(InstallError::Platform { .. })));
        for wheel in WHEELS {
            assert!(wheel.sha256.len() == 64 && wheel.platform.ends_with(wheel.arch), "{wheel:?}");
        }
    }
}
