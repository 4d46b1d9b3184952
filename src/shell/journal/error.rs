//! What can be wrong with a journal, with place and remedy.

use std::io;
use std::path::PathBuf;

/// A journal that cannot be read, opened or written.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The operating system refused.
    #[error("{}: {what}: {source}", path.display())]
    Io {
        /// File or folder.
        path: PathBuf,
        /// What was tried.
        what: &'static str,
        /// Its answer.
        source: io::Error,
    },
    /// Bytes that are no frame where one must stand.
    #[error(
        "{}: damaged at byte {at} (record {seq}): {why}; restore the journal from a backup or the mirror, \
         nothing is cut by itself", path.display()
    )]
    Damaged {
        /// Segment.
        path: PathBuf,
        /// Offset in it.
        at: u64,
        /// Sequence expected there.
        seq: u64,
        /// What is wrong.
        why: &'static str,
    },
    /// Intact frames whose hashes do not follow each other.
    #[error(
        "{}: chain broken at record {seq}: {why}; records were changed, removed or added, compare with a backup",
        path.display()
    )]
    Chain {
        /// Segment.
        path: PathBuf,
        /// Sequence.
        seq: u64,
        /// What is wrong.
        why: &'static str,
    },
    /// Records are gone.
    #[error(
        "{}: records {from} to {to} are missing; restore them from a backup or the mirror before starting",
        dir.display()
    )]
    Missing {
        /// Journal folder.
        dir: PathBuf,
        /// First missing.
        from: u64,
        /// Last missing.
        to: u64,
    },
    /// The mark cannot be read.
    #[error(
        "{}: unreadable mark of the last acknowledged record; run `qindan log verify`, and when the log itself is \
         whole remove this file: the next start records that", path.display()
    )]
    BadMark {
        /// Mark file.
        path: PathBuf,
    },
    /// The body cannot be understood.
    #[error("record {seq}: {why}; this build reads version {}", super::VERSION)]
    Body {
        /// Sequence.
        seq: u64,
        /// What is wrong.
        why: String,
    },
    /// A body over the limit of a frame.
    #[error("record {seq}: body of {bytes} bytes, at most {}", super::MAX_BODY)]
    TooLarge {
        /// Sequence it would have had.
        seq: u64,
        /// Its size.
        bytes: usize,
    },
    /// The record thread is gone or its queue is full.
    #[error("record: {0}")]
    Unavailable(&'static str),
}

impl JournalError {
    pub(crate) fn io(path: &std::path::Path, what: &'static str, source: io::Error) -> Self {
        Self::Io { path: path.to_path_buf(), what, source }
    }

    /// Whether the disk is full.
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::StorageFull)
    }
}
