//! The mark: the last acknowledged sequence, so that a lost end is told from one that never was.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::JournalError;

/// What the mark says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    /// Last acknowledged sequence; 0 before the first.
    pub seq: u64,
}

impl Mark {
    /// One line: the sequence, and the CRC-32C of its digits.
    fn line(self) -> String {
        let seq = format!("{:020}", self.seq);
        format!("{seq} {:08x}\n", crc32c::crc32c(seq.as_bytes()))
    }

    /// Where the mark of a stream stands: `mark` for the actions, `STREAM.mark` for others.
    pub fn path(dir: &Path, stream: &str) -> PathBuf {
        if stream == super::ACTIONS { dir.join("mark") } else { dir.join(format!("{stream}.mark")) }
    }

    /// Makes a mark, synced: for a journal put back from a copy.
    pub(in crate::shell) fn make(self, path: &Path) -> Result<(), JournalError> {
        MarkFile::open(path, self).map(drop)
    }

    /// Reads the mark; `None` when there is none.
    ///
    /// # Errors
    /// When it is unreadable or damaged.
    pub fn read(path: &Path) -> Result<Option<Self>, JournalError> {
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(JournalError::io(path, "read", error)),
        };
        let seq = std::str::from_utf8(&bytes).ok().and_then(|text| text.get(..20)?.parse().ok());
        seq.map(|seq| Self { seq })
            .filter(|mark| mark.line().as_bytes() == bytes)
            .map(Some)
            .ok_or_else(|| JournalError::BadMark { path: path.to_path_buf() })
    }
}

/// The mark held open by the writer.
#[derive(Debug)]
pub(super) struct MarkFile {
    file: File,
    dirty: bool,
}

impl MarkFile {
    pub(super) fn open(path: &Path, mark: Mark) -> Result<Self, JournalError> {
        let failed = |source| JournalError::io(path, "open", source);
        let file = File::options().create(true).truncate(false).write(true).open(path).map_err(failed)?;
        let mut this = Self { file, dirty: false };
        this.set(mark).map_err(failed)?;
        this.sync().map_err(failed)?;
        Ok(this)
    }

    /// Overwrites it in place, without a sync.
    pub(super) fn set(&mut self, mark: Mark) -> io::Result<()> {
        self.dirty = true;
        self.file.write_all_at(mark.line().as_bytes(), 0)
    }

    pub(super) fn sync(&mut self) -> io::Result<()> {
        if self.dirty {
            self.file.sync_data()?;
            self.dirty = false;
        }
        Ok(())
    }
}
