//! Copies of a data folder, made beside a running service, and put back after they have been proved.
//!
//! ```text
//!  manifest.json    names every file with its SHA-256, records and chain; written last: the copy is what it says
//!  sealed/          segments that never change again, copied once
//!  run-TIME/        what changes: identity, open segments up to their marks, state, reports, public keys, configuration
//! ```
//!
//! A copy holds acknowledged records only. What stands in the open segment behind the mark may be written and not yet synced:
//! a disk that refuses the sync gives its number to another record later. So the mark is read first, and the open segment
//! copied up to it; and a segment counts as sealed only when the mark lies in a later one.
//!
//! Not copied: the view (made from the journal), snapshots (a question of days), the secret key (a restored folder makes its
//! own), the reserve and the lock.

mod copy;
mod error;
mod make;
mod manifest;
mod restore;

pub use error::BackupError;
pub use make::{Done, Order, make};
pub use manifest::{Copied, FORMAT, Manifest, Records, Stream};
pub use restore::{Problems, Restored, restore};

/// Name of the manifest.
pub(super) const MANIFEST: &str = "manifest.json";
/// Folder of the segments that never change.
const SEALED: &str = "sealed";
/// First part of the name of a folder with what changes.
const RUN: &str = "run-";

/// How far a copy is.
#[derive(Clone, Debug)]
pub struct Progress {
    /// What is done now.
    pub doing: &'static str,
    /// File at hand.
    pub file: String,
    /// Bytes done.
    pub done: u64,
    /// Bytes to do, as far as known.
    pub total: u64,
}
