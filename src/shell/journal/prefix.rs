//! The whole records at the beginning of a segment, from bytes read once: what a copy is made of and proved by.

use std::path::Path;

use super::JournalError;
use super::frame::{At, Chain, View, chain_after, look};
use super::segment::{HEADER, Header};

/// Whole records that follow each other from the beginning of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::shell) struct Prefix {
    /// Epoch of the segment.
    pub(in crate::shell) epoch: u64,
    /// Sequence of the first record.
    pub(in crate::shell) first: u64,
    /// Sequence of the last one; below `first` when there is none.
    pub(in crate::shell) last: u64,
    /// Chain hash before the first record.
    pub(in crate::shell) prev: Chain,
    /// Chain hash of the last one.
    pub(in crate::shell) head: Chain,
    /// Bytes up to there.
    pub(in crate::shell) end: usize,
}

impl Prefix {
    /// How many records.
    pub(in crate::shell) fn records(&self) -> u64 {
        (self.last + 1).saturating_sub(self.first)
    }
}

/// The records of a segment up to sequence `upto`, handed to `each` with their hashes; `path` is for messages.
///
/// # Errors
/// When the header, or a record up to `upto` that is not there, or the chain is wrong.
pub(in crate::shell) fn prefix(
    path: &Path,
    bytes: &[u8],
    upto: u64,
    mut each: impl FnMut(u64, &Chain),
) -> Result<Prefix, JournalError> {
    let damaged = |at, seq, why| JournalError::Damaged { path: path.to_path_buf(), at, seq, why };
    let Header { epoch, first, prev } = Header::decode(bytes).map_err(|why| damaged(0, 0, why))?;
    let mut found = Prefix { epoch, first, last: first.saturating_sub(1), prev, head: prev, end: HEADER };
    while found.last < upto {
        match look(bytes, found.end) {
            At::Frame(View { seq, body, chain, .. }, size) => {
                if seq != found.last + 1 || chain_after(&found.head, seq, body) != *chain {
                    let why = "hash or number does not follow";
                    return Err(JournalError::Chain { path: path.to_path_buf(), seq: found.last + 1, why });
                }
                each(seq, chain);
                (found.last, found.head, found.end) = (seq, *chain, found.end + size);
            }
            At::End => break,
            At::Damaged(why) => return Err(damaged(found.end as u64, found.last + 1, why)),
        }
    }
    Ok(found)
}
