//! Why a copy is not made or not put back, with file and remedy.

use std::io;
use std::path::{Path, PathBuf};

use crate::shell::data_dir::DataDirError;
use crate::shell::journal::JournalError;

/// A copy that is not made, or not put back. The last whole copy is still what it was.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The operating system refused.
    #[error("{}: {what}: {source}; nothing that was whole before has changed", path.display())]
    Io {
        /// File or folder.
        path: PathBuf,
        /// What was tried.
        what: &'static str,
        /// Its answer.
        source: io::Error,
    },
    /// The data folder.
    #[error(transparent)]
    Data(#[from] DataDirError),
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A folder with something else in it.
    #[error("{}: not empty (holds {found}); name a new or empty folder", dir.display())]
    NotEmpty {
        /// The folder.
        dir: PathBuf,
        /// One thing in it.
        found: String,
    },
    /// A backup inside of what it copies.
    #[error("{}: inside of {}; name a folder on another disk", to.display(), data.display())]
    Inside {
        /// The backup.
        to: PathBuf,
        /// What it would copy.
        data: PathBuf,
    },
    /// Two backups at once.
    #[error("{}: another backup writes there; wait for it", dir.display())]
    Busy {
        /// The folder.
        dir: PathBuf,
    },
    /// No configuration folder.
    #[error("{}: no configuration folder; name it with --config", dir.display())]
    NoConfig {
        /// The folder.
        dir: PathBuf,
    },
    /// No backup there.
    #[error("{}: no backup (no manifest.json); name the folder that `qindan backup --to` was given", dir.display())]
    NoBackup {
        /// The folder.
        dir: PathBuf,
    },
    /// A manifest that cannot be read.
    #[error("{}: {why}; use an older copy of the backup, and make the next one into a new folder", path.display())]
    BadManifest {
        /// The manifest.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// A backup of another data folder.
    #[error(
        "{}: holds the backup of store {found} ({basin}), the data folder is store {wanted}; name another folder with --to",
        dir.display()
    )]
    OtherStore {
        /// The backup.
        dir: PathBuf,
        /// Its store.
        found: String,
        /// Its basin.
        basin: String,
        /// That of the data folder.
        wanted: String,
    },
    /// Records of the last backup that are not in the data folder any more, or not the same.
    #[error(
        "{}: record {seq} is in the backup of {made} and {what}; keep that backup, run `qindan log verify`, and name a new \
         folder with --to", data.display()
    )]
    Lost {
        /// The data folder.
        data: PathBuf,
        /// The record.
        seq: u64,
        /// When the backup was made.
        made: String,
        /// What is wrong with it here.
        what: &'static str,
    },
    /// A sealed segment that is not what was copied before.
    #[error(
        "{}: differs from the copy of {made}, and sealed segments never change; run `qindan log verify`, keep that backup, \
         and name a new folder with --to", path.display()
    )]
    Changed {
        /// The segment.
        path: PathBuf,
        /// When it was copied.
        made: String,
    },
    /// Records without a mark.
    #[error(
        "{}: the mark of the last acknowledged record is missing; run `qindan log verify`, and start the service once: it \
         makes a new one", path.display()
    )]
    NoMark {
        /// Where it should be.
        path: PathBuf,
    },
    /// A file of the backup that is not what the manifest says.
    #[error("{}: damaged: {why}; nothing was put in place, use another copy of the backup", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The copy is whole and is no journal that holds together.
    #[error("{}: the copy does not prove: {why}; nothing was put in place, use another copy of the backup", from.display())]
    NotProved {
        /// The backup.
        from: PathBuf,
        /// What was found.
        why: String,
    },
}

pub(super) fn failed(path: &Path, what: &'static str) -> impl FnOnce(io::Error) -> BackupError {
    let path = path.to_path_buf();
    move |source| BackupError::Io { path, what, source }
}
