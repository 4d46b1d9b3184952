//! Signed chain heads that leave the machine, so that a chain made anew or cut short by whoever holds the disk shows.
//!
//! Once an hour of service time, and when a segment has ended, a `checkpoint` record says which record was the last, its
//! chain hash and how many there are, signed (Ed25519) with a key only the service reads. The same goes to the system
//! log ([`anchors`] reads it back), and its first [`SHORT`] characters onto the daily report ([`newest`]).

pub mod anchors;
mod claim;
mod due;
mod key;

use std::path::Path;

use jiff::Timestamp;

pub use claim::{Claim, Signed, Wrong};
pub use due::Due;
pub(in crate::shell) use key::public_path;
pub use key::{Signer, known_keys};

use super::journal::{ACTIONS, JournalError, Reader, Record};
use crate::control::record::Kind;

/// Characters of a chain head on paper: 48 bits, which nobody finds a second chain for by chance, and a person reads out.
pub const SHORT: usize = 12;

/// A chain head as people keep it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anchor {
    /// Number of the checkpoint record.
    pub record: u64,
    /// When it was made.
    pub utc: Timestamp,
    /// The last record it speaks for.
    pub seq: u64,
    /// First [`SHORT`] characters of the chain hash of that record.
    pub head: String,
}

/// The newest checkpoint made before `before`, for the daily report; `None` when there is none yet.
///
/// # Errors
/// When the journal in the folder `journal` cannot be read.
pub fn newest(journal: &Path, before: Timestamp) -> Result<Option<Anchor>, JournalError> {
    let accepts = |record: &Record| record.kind == Kind::Checkpoint && record.utc < before;
    let reader = Reader::open(journal, ACTIONS)?;
    let found = reader.last(1, |frame| {
        frame.kind == Kind::Checkpoint as u8 && Record::of(frame).is_ok_and(|record| accepts(&record))
    })?;
    let Some(frame) = found.first() else { return Ok(None) };
    let record = Record::of(frame)?;
    let signed = record.detail.as_ref().and_then(Signed::of);
    Ok(signed.map(|signed| Anchor {
        record: record.seq,
        utc: record.utc,
        seq: signed.claim.seq,
        head: short(&signed.claim.head).to_owned(),
    }))
}

/// The first [`SHORT`] characters of a hash in hexadecimal.
pub fn short(hash: &str) -> &str {
    hash.get(..SHORT).unwrap_or(hash)
}
