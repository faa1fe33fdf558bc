//! The append-only journal.

use super::{Record, StudyError};
use serde::{Serialize, de::DeserializeOwned};
use std::fs::File;
use std::io::{Read, Write};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

/// A file of records, one a line, open for appending: the journal of a study, or what is kept beside it in the same form.
#[derive(Debug)]
pub struct Journal<T = Record> {
    path: PathBuf,
    file: File,
    /// Set after a failed write: what follows it could be glued to a fragment.
    broken: bool,
    records: PhantomData<T>,
}

impl<T: Serialize + DeserializeOwned> Journal<T> {
    /// Opens the journal, makes it where there is none, cuts a torn last line off, and returns what it holds.
    ///
    /// # Errors
    /// Where it cannot be read or written, or a whole line is damaged.
    pub fn open(path: &Path) -> Result<(Self, Vec<T>), StudyError> {
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
        Ok((Journal { path: path.into(), file, broken: false, records: PhantomData }, records))
    }

    /// Reads a journal without opening it for appending; a torn last line is passed over.
    ///
    /// # Errors
    /// Where it cannot be read, or a whole line is damaged.
    pub fn read(path: &Path) -> Result<Vec<T>, StudyError> {
        let bytes = std::fs::read(path).map_err(|e| StudyError::io("read", path, e))?;
        Ok(parse(path, &bytes)?.0)
    }

    /// Appends a record and brings it to the disk.
    ///
    /// # Errors
    /// Where that fails; from then on every append fails.
    pub fn append(&mut self, record: &T) -> Result<(), StudyError> {
        self.append_all(std::slice::from_ref(record))
    }

    /// Appends records and brings them to the disk together.
    ///
    /// # Errors
    /// Where that fails; from then on every append fails.
    pub fn append_all(&mut self, records: &[T]) -> Result<(), StudyError> {
        let failed = |e| StudyError::io("write", &self.path, e);
        if self.broken {
            return Err(failed(std::io::Error::other("an earlier write failed; resume the study")));
        }
        let mut lines = vec![];
        for record in records {
            serde_json::to_writer(&mut lines, record).map_err(|e| failed(e.into()))?;
            lines.push(b'\n');
        }
        let written = self.file.write_all(&lines).and_then(|()| self.file.sync_data());
        self.broken = written.is_err();
        written.map_err(failed)
    }
}

/// Records and the length of the part that is whole: lines that end with a line break.
fn parse<T: DeserializeOwned>(path: &Path, bytes: &[u8]) -> Result<(Vec<T>, usize), StudyError> {
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
