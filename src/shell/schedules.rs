//! What people made of the calendar of gates, kept in the data folder: a draft, and the versions that were activated.
//!
//! It is one small state file, replaced whole and synced before anybody is answered. What runs is what the controller remembers
//! ([`crate::control::schedule::steps::Active`]); the newest version here takes its place only when that memory was lost.

mod csv;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use self::csv::{Problem, entries, read, write};

use super::data_dir::{DataDir, DataDirError};
use crate::control::schedule::steps::Active;
use crate::control::schedule::{self, Entry};

/// Name of the state file.
const FILE: &str = "schedules";
/// Versions kept with their entries; the record has all of them.
const KEPT: usize = 20;

/// A calendar somebody works on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Draft {
    /// [`schedule::hash`] of its entries.
    pub hash: String,
    /// Who saved it.
    pub by: String,
    /// In which role.
    pub role: String,
    /// When.
    pub at: Timestamp,
    /// Its entries.
    pub entries: Vec<Entry>,
}

impl Draft {
    /// A draft of entries.
    pub fn new(entries: Vec<Entry>, by: &str, role: &str, at: Timestamp) -> Self {
        Self { hash: schedule::hash(&entries), by: by.to_owned(), role: role.to_owned(), at, entries }
    }
}

/// A calendar that was activated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Version {
    /// In which role.
    pub role: String,
    /// It.
    #[serde(flatten)]
    pub active: Active,
}

/// All of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Kept {
    /// What is being worked on.
    pub draft: Option<Draft>,
    /// What was activated, the newest last.
    pub versions: Vec<Version>,
}

/// The draft and the versions, in memory and on the disk.
#[derive(Debug, Default)]
pub struct Schedules {
    /// The folder while the service has it; `None`: in memory only.
    dir: Option<Weak<DataDir>>,
    kept: Mutex<Kept>,
    turn: tokio::sync::Mutex<()>,
}

impl Schedules {
    /// What a data folder has, and why it has none although it should.
    pub fn load(dir: &Arc<DataDir>) -> (Self, Option<String>) {
        let (kept, trouble) = match dir.load_state(FILE) {
            Ok(None) => (Kept::default(), None),
            Ok(Some(bytes)) => match serde_json::from_slice(&bytes) {
                Ok(kept) => (kept, None),
                Err(error) => {
                    (Kept::default(), Some(format!("state/{FILE}: {error}; written by another version")))
                }
            },
            Err(error) => (Kept::default(), Some(error.to_string())),
        };
        let dir = Some(Arc::downgrade(dir));
        (Self { dir, kept: Mutex::new(kept), turn: tokio::sync::Mutex::default() }, trouble)
    }

    fn locked(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What stands there now.
    pub fn kept(&self) -> Kept {
        self.locked().clone()
    }

    /// Waits until nobody else changes it.
    pub async fn turn(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.turn.lock().await
    }

    /// Changes it, on the disk first. Waits for the disk.
    ///
    /// # Errors
    /// When the disk does not take it; nothing has changed then.
    pub fn change(&self, change: impl FnOnce(&mut Kept)) -> Result<(), DataDirError> {
        let mut next = self.kept();
        change(&mut next);
        let surplus = next.versions.len().saturating_sub(KEPT);
        next.versions.drain(..surplus);
        if let Some(dir) = &self.dir {
            let dir = dir.upgrade().ok_or(DataDirError::Stopped)?;
            dir.save_state(FILE, &serde_json::to_vec(&next).unwrap_or_default())?;
        }
        *self.locked() = next;
        Ok(())
    }

    /// The newest version activated.
    pub fn newest(&self) -> Option<Active> {
        self.locked().versions.last().map(|version| version.active.clone())
    }

    /// Takes in what runs, when that is newer than what is known: a crash between the two.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn take_in(&self, active: &Active) -> Result<(), DataDirError> {
        if self.newest().is_some_and(|newest| newest.version >= active.version) {
            return Ok(());
        }
        self.change(|kept| {
            kept.draft.take_if(|draft| draft.hash == active.hash);
            kept.versions.push(Version { role: String::new(), active: active.clone() });
        })
    }
}
