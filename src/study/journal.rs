//! The append-only journal.

use super::{Record, StudyError};
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

/// The journal of a study, open for appending.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    /// Set after a failed write: what follows it could be glued to a fragment.
    broken: bool,
}

impl Journal {
    /// Opens the journal, makes it where there is none, cuts a torn last line off, and returns what it holds.
    ///
    /// # Errors
    /// Where it cannot be read or written, or a whole line is damaged.
    pub fn open(path: &Path) -> Result<(Self, Vec<Record>), StudyError> {
        let io = |action| move |e| StudyError::io(action, path, e);
        let new = !path.exists();
        let mut file = File::options().create(true).read(true).append(true).open(path).map_err(io("write"))?;
        if new && let Some(parent) = path.parent() {
            super::folder::sync_folder(parent).map_err(io("write"))?;
        }
        let mut bytes = vec![];
        file.read_to_end(&mut bytes).map_err(io("read"))?;
        let (records, whole) = parse(path, &bytes)?;
        if whole < bytes.len() {
            file.set_len(whole as u64).map_err(io("write"))?;
            file.sync_data().map_err(io("write"))?;
        }
        Ok((Journal { path: path.into(), file, broken: false }, records))
    }

    /// Reads a journal without opening it for appending; a torn last line is passed over.
    ///
    /// # Errors
    /// Where it cannot be read, or a whole line is damaged.
    pub fn read(path: &Path) -> Result<Vec<Record>, StudyError> {
        let bytes = std::fs::read(path).map_err(|e| StudyError::io("read", path, e))?;
        Ok(parse(path, &bytes)?.0)
    }

    /// Appends a record and brings it to the disk.
    ///
    /// # Errors
    /// Where that fails; from then on every append fails.
    pub fn append(&mut self, record: &Record) -> Result<(), StudyError> {
        let failed = |e| StudyError::io("write", &self.path, e);
        if self.broken {
            return Err(failed(std::io::Error::other("an earlier write failed; resume the study")));
        }
        let mut line = serde_json::to_vec(record).map_err(|e| failed(e.into()))?;
        line.push(b'\n');
        let written = self.file.write_all(&line).and_then(|()| self.file.sync_data());
        self.broken = written.is_err();
        written.map_err(failed)
    }
}

/// Records and the length of the part that is whole: lines that end with a line break.
fn parse(path: &Path, bytes: &[u8]) -> Result<(Vec<Record>, usize), StudyError> {
    let mut records = vec![];
    let mut whole = 0;
    for (index, line) in bytes.split_inclusive(|&b| b == b'\n').enumerate() {
        if !line.ends_with(b"\n") {
            break;
        }
        let damaged =
            |e: serde_json::Error| StudyError::Journal { path: path.into(), line: index + 1, reason: e.to_string() };
        records.push(serde_json::from_slice(line).map_err(damaged)?);
        whole += line.len();
    }
    Ok((records, whole))
}
