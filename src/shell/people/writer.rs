//! Writes small files behind the back of whoever answers requests: a disk that hangs must not keep a hold-all.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use super::book::replace;

/// Where, and what.
type File = (PathBuf, Vec<u8>);

/// Writes files one after the other; an older content never replaces a newer one.
#[derive(Clone, Debug, Default)]
pub(super) struct Writer {
    /// The newest content of each file that waits.
    waiting: Arc<Mutex<Vec<File>>>,
    /// Held while one is written.
    turn: Arc<Mutex<()>>,
}

impl Writer {
    /// Hands in a file; what waits of it is out of date.
    pub(super) fn write(&self, path: PathBuf, bytes: Vec<u8>) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.retain(|(known, _)| *known != path);
        waiting.push((path, bytes));
        drop(waiting);
        let this = self.clone();
        match tokio::runtime::Handle::try_current() {
            // Nobody waits for it.
            Ok(runtime) => drop(runtime.spawn_blocking(move || this.work())),
            Err(_) => this.work(),
        }
    }

    fn work(&self) {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let next = || {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            (!waiting.is_empty()).then(|| waiting.remove(0))
        };
        while let Some((path, bytes)) = next() {
            if let Err(error) = replace(&path, &bytes) {
                tracing::warn!(%error, "does not outlive a restart");
            }
        }
    }
}
