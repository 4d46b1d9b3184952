//! What the disks say, for `/metrics`: room on that of the record, and when the last backup was finished.
//!
//! Asked on a thread of its own: a mount of another machine that is away may keep whoever asks waiting for ever, and nothing
//! of the service may wait with it. What was seen last stays; of a backup its age tells.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread;
use std::time::Duration;

use jiff::Timestamp;

use super::backup::MANIFEST;
use super::data_dir::{Space, space_at};

/// Real time between two looks. Chosen: disks fill and copies age in hours.
const PERIOD: Duration = Duration::from_secs(30);

/// What was seen last.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen {
    /// Room on the disk of the data folder; none before the first look, or when the disk does not say.
    pub(super) space: Option<Space>,
    /// When the newest backup was finished, s of Unix time; 0 when there is none. None without a folder for it.
    pub(super) backup_s: Option<i64>,
}

/// Looks at the disks as long as a clone of it lives.
#[derive(Clone, Debug)]
pub(super) struct Room(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    seen: Mutex<Seen>,
    /// Ends the thread with the last clone.
    _life: mpsc::Sender<()>,
}

impl Room {
    /// Begins to look at the disk of `data`, and at the backup in `backup`, if one is named.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub(super) fn watch(data: PathBuf, backup: Option<PathBuf>) -> std::io::Result<Self> {
        let (life, ended) = mpsc::channel();
        let shared = Arc::new(Shared { seen: Mutex::default(), _life: life });
        let told = Arc::downgrade(&shared);
        thread::Builder::new().name("disks".into()).spawn(move || {
            while tell(&told, look(&data, backup.as_deref()))
                && ended.recv_timeout(PERIOD) == Err(RecvTimeoutError::Timeout)
            {}
        })?;
        Ok(Self(shared))
    }

    /// The same; without it the service runs, and says so.
    pub(super) fn watched(data: PathBuf, backup: Option<PathBuf>) -> Option<Self> {
        let room = Self::watch(data, backup);
        room.inspect_err(|error| tracing::error!(%error, "the disks are not watched")).ok()
    }

    /// What was seen last.
    pub(super) fn seen(&self) -> Seen {
        *self.0.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether somebody still wants to know.
fn tell(told: &Weak<Shared>, seen: Seen) -> bool {
    let Some(shared) = told.upgrade() else { return false };
    *shared.seen.lock().unwrap_or_else(PoisonError::into_inner) = seen;
    true
}

fn look(data: &Path, backup: Option<&Path>) -> Seen {
    Seen { space: space_at(data).ok(), backup_s: backup.map(finished) }
}

/// When the backup in a folder was finished: its manifest is written last.
fn finished(folder: &Path) -> i64 {
    let changed = fs::metadata(folder.join(MANIFEST)).and_then(|manifest| manifest.modified());
    let at = changed.ok().and_then(|changed| Timestamp::try_from(changed).ok());
    at.map_or(0, Timestamp::as_second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backup_is_as_old_as_its_manifest_and_none_is_as_old_as_can_be() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(look(folder.path(), Some(folder.path())).backup_s, Some(0));
        // 2026-05-01 00:00 UTC.
        let manifest = fs::File::create(folder.path().join(MANIFEST)).unwrap();
        manifest.set_modified(std::time::UNIX_EPOCH + Duration::from_secs(1_777_593_600)).unwrap();
        let seen = look(folder.path(), Some(folder.path()));
        assert_eq!(seen.backup_s, Some(1_777_593_600));
        let space = seen.space.unwrap();
        assert!(0 < space.free && space.free <= space.total, "{space:?}");
        assert_eq!(look(folder.path(), None).backup_s, None);
    }
}
