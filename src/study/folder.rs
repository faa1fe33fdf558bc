//! The folder of a study: where its files are, its lock, writing files whole.

use super::StudyError;
use serde::{Serialize, de::DeserializeOwned};
use std::fs::{self, File, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

pub(super) const SETTINGS: &str = "study.toml";
pub(super) const JOURNAL: &str = "journal.jsonl";
pub(super) const WEIGHTS: &str = "weights";
pub(super) const PREPROCESSING: &str = "preprocessing.json";
const INHERITED: &str = "inherited.json";
const FORESIGHT: &str = "foresight.jsonl";

/// The folder of a study, locked for this process.
#[derive(Debug)]
pub struct Folder {
    root: PathBuf,
    /// Whether it was made for the study.
    made: bool,
    /// Whether the file that is locked was made for this process.
    made_lock: bool,
    _lock: File,
}

impl Folder {
    /// Makes the folder of a new study, or takes one that holds none yet.
    ///
    /// # Errors
    /// Where it holds a study or what one would overwrite, is locked, or cannot be written.
    pub fn create(root: &Path) -> Result<Self, StudyError> {
        if root.exists() && !root.is_dir() {
            return Err(StudyError::NoFolder(root.into()));
        }
        let made = !root.exists();
        fs::create_dir_all(root).map_err(|e| StudyError::io("create", root, e))?;
        let folder = Folder::lock(root, made).inspect_err(|_| {
            if made {
                // Nothing is left behind; what is not empty stays.
                let _ = fs::remove_dir(root);
            }
        })?;
        if folder.settings().exists() {
            return Err(StudyError::Exists(root.into()));
        }
        let taken =
            [JOURNAL, "best.onnx", "report.json", "report.html", WEIGHTS, "pareto", PREPROCESSING, INHERITED, FORESIGHT];
        match taken.map(|name| root.join(name)).into_iter().find(|path| path.exists()) {
            Some(path) => {
                folder.abandon();
                Err(StudyError::Occupied(path))
            }
            None => Ok(folder),
        }
    }

    /// Opens the folder of a study.
    ///
    /// # Errors
    /// Where it holds none or is locked.
    pub fn open(root: &Path) -> Result<Self, StudyError> {
        if !root.join(SETTINGS).is_file() {
            return Err(StudyError::Missing(root.into()));
        }
        Folder::lock(root, false)
    }

    /// Leaves nothing behind of a study that did not begin; whatever else is in the folder stays, and so does a folder that
    /// was there before.
    pub fn abandon(&self) {
        // A folder that cannot be removed now does no harm: it holds no study.
        if self.made_lock {
            let _ = fs::remove_file(self.root.join("lock"));
        }
        if self.made {
            let _ = fs::remove_dir(&self.root);
        }
    }

    /// As [`Folder::abandon`], with what was written before the settings.
    pub(super) fn withdraw(&self) {
        // None of these was there before.
        for path in [self.preprocessing(), self.inherited(), self.journal()] {
            let _ = fs::remove_file(path);
        }
        let _ = fs::remove_dir_all(self.weights());
        self.abandon();
    }

    fn lock(root: &Path, made: bool) -> Result<Self, StudyError> {
        let path = root.join("lock");
        let (file, made_lock) = match File::create_new(&path) {
            Ok(file) => (file, true),
            Err(_) => {
                let there = File::options().create(true).truncate(false).write(true).open(&path);
                (there.map_err(|e| StudyError::io("write", &path, e))?, false)
            }
        };
        match file.try_lock() {
            Ok(()) => Ok(Folder { root: root.into(), made, made_lock, _lock: file }),
            Err(TryLockError::WouldBlock) => Err(StudyError::Locked(root.into())),
            Err(TryLockError::Error(e)) => Err(StudyError::io("lock", path, e)),
        }
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// `study.toml`.
    pub fn settings(&self) -> PathBuf {
        self.root.join(SETTINGS)
    }

    /// `journal.jsonl`.
    pub fn journal(&self) -> PathBuf {
        self.root.join(JOURNAL)
    }

    /// `weights/`.
    pub fn weights(&self) -> PathBuf {
        self.root.join(WEIGHTS)
    }

    /// `preprocessing.json`.
    pub fn preprocessing(&self) -> PathBuf {
        self.root.join(PREPROCESSING)
    }

    /// `inherited.json`: the first candidates of a study that was started from another.
    pub fn inherited(&self) -> PathBuf {
        self.root.join(INHERITED)
    }

    /// `foresight.jsonl`: what was foreseen of nets, where the strategy ranks by it.
    pub fn foresight(&self) -> PathBuf {
        self.root.join(FORESIGHT)
    }

    /// `best.onnx`.
    pub fn model(&self) -> PathBuf {
        self.root.join("best.onnx")
    }
}

/// Reads a file of JSON.
pub(super) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, StudyError> {
    let bytes = fs::read(path).map_err(|e| StudyError::io("read", path, e))?;
    serde_json::from_slice(&bytes).map_err(|e| StudyError::Settings { path: path.into(), reason: e.to_string() })
}

/// Writes a file of JSON whole.
pub(super) fn write_json(path: &Path, value: &impl Serialize) -> Result<(), StudyError> {
    let bytes = serde_json::to_vec_pretty(value);
    write_whole(path, &bytes.map_err(|e| StudyError::io("write", path, e.into()))?)
}

/// Writes a file whole or not at all: under another name in the same folder, synced, then renamed. Its permissions are
/// those of a file that is there already, or else of any new one.
///
/// # Errors
/// Where the folder cannot be written or the disk is full; the file is then as it was.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), StudyError> {
    let parent = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let write = || -> std::io::Result<()> {
        // Of a folder that is not there the error would name the temporary file.
        fs::metadata(parent)?;
        let mut file = beside(path, parent)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|e| e.error)?;
        sync_folder(parent)
    };
    write().map_err(|e| StudyError::io("write", path, e))
}

/// A temporary file that may be read and written by whom the file may that it takes the place of; where there is none, by
/// whom any new file may: by all, less what the user's mask takes away.
#[cfg(unix)]
fn beside(path: &Path, parent: &Path) -> std::io::Result<NamedTempFile> {
    use std::os::unix::fs::PermissionsExt;
    let new = fs::Permissions::from_mode(0o666);
    let file = tempfile::Builder::new().prefix(".evolve-").permissions(new).tempfile_in(parent)?;
    if let Ok(there) = fs::metadata(path) {
        file.as_file().set_permissions(there.permissions())?;
    }
    Ok(file)
}

#[cfg(not(unix))]
fn beside(_path: &Path, parent: &Path) -> std::io::Result<NamedTempFile> {
    tempfile::Builder::new().prefix(".evolve-").tempfile_in(parent)
}

/// Makes a rename last.
#[cfg(unix)]
pub(super) fn sync_folder(folder: &Path) -> std::io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
pub(super) fn sync_folder(_folder: &Path) -> std::io::Result<()> {
    Ok(())
}
