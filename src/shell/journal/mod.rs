//! The record of truth: an append-only, hash-chained journal in segment files.
//!
//! ```text
//!  segment   = header (64 bytes) | frame … | zeros
//!  frame     = length u32 | CRC-32C u32 | kind u8 | version u8 | sequence u64 | body | chain hash (32 bytes)
//!  h(n)      = SHA-256(h(n-1) | sequence | body)        h(0) = SHA-256(store id)
//! ```
//!
//! Numbers are big-endian; the length counts what follows the CRC, and the CRC covers the length too. The
//! `fdatasync` after a batch is its acknowledgement ([`Log::append`]). `mark` holds the last acknowledged
//! sequence, so that a log that lost its end is told from one that never had it.
//!
//! A journal put back from a copy goes on in the next epoch, which leaves out at least 10^9 sequences ([`first_after`]): what
//! was acknowledged after the copy keeps its number. The first hash of an epoch follows the last one before it.
//!
//! A torn tail is cut only when no intact frame follows it but those of its own unfinished batch, it lies in the
//! newest segment, and the mark is satisfied; the bytes cut are kept in a side file. Anything else is refused with the place named. A failed sync
//! is final for its segment: the batch goes into a new one, once; then it is an error.

mod actions;
mod body;
mod disk;
mod error;
mod frame;
mod log;
mod mark;
mod prefix;
mod reader;
mod segment;

pub use actions::{Journal, RESTORED, Settings};
pub(in crate::shell) use body::Brief;
pub use body::{Names, Record};
pub(in crate::shell) use disk::Disk;
pub use disk::{DiskOp, FaultHook};
pub use error::JournalError;
pub use frame::{Chain, Frame, MAX_BODY, VERSION, chain_after, genesis, hex};
pub(in crate::shell) use frame::{checksum, is_hex_of};
pub use log::{Log, LogOptions, Opened, Place, Repair, first_after};
pub use mark::Mark;
pub(in crate::shell) use prefix::{Prefix, prefix};
pub use reader::{Reader, Records, Tail, Torn};
pub use segment::{SegmentFile, SegmentName, segments};

/// Stream of the action journal: the first word of its file names.
pub const ACTIONS: &str = "action";
/// Stream of the samples.
pub const SAMPLES: &str = "sample";
/// Size of a segment, bytes: large enough to be rare, small enough to copy. Chosen.
pub const SEGMENT_BYTES: u64 = 16 * 1024 * 1024;
