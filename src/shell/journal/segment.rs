//! Names and headers of segment files.

use std::fs;
use std::path::{Path, PathBuf};

use super::JournalError;
use super::frame::Chain;

/// First bytes of a segment; the last one is the version of the file layout.
const MAGIC: &[u8; 8] = b"qindanJ1";
/// Bytes before the first frame.
pub(super) const HEADER: usize = 64;

/// What the name of a segment says: `action-000001-00000000000000000042.seg`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentName {
    /// `action` or `sample`.
    pub stream: String,
    /// Epoch (lease term; 1 on a single machine).
    pub epoch: u64,
    /// Sequence of its first record.
    pub first: u64,
}

impl SegmentName {
    /// The file name.
    pub fn file_name(&self) -> String {
        format!("{}-{:06}-{:020}.seg", self.stream, self.epoch, self.first)
    }

    /// The parts of a file name, if it is one of a segment.
    pub fn parse(name: &str) -> Option<Self> {
        let mut parts = name.strip_suffix(".seg")?.split('-');
        let (stream, epoch, first) = (parts.next()?, parts.next()?, parts.next()?);
        let found =
            Self { stream: stream.to_owned(), epoch: epoch.parse().ok()?, first: first.parse().ok()? };
        (parts.next().is_none() && found.file_name() == name).then_some(found)
    }
}

/// A segment in a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentFile {
    /// Where it is.
    pub path: PathBuf,
    /// What its name says.
    pub name: SegmentName,
}

/// The segments of a stream, oldest first.
///
/// # Errors
/// When the folder cannot be read.
pub fn segments(dir: &Path, stream: &str) -> Result<Vec<SegmentFile>, JournalError> {
    let failed = |source| JournalError::io(dir, "list", source);
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name().to_str().and_then(SegmentName::parse);
        if let Some(name) = name.filter(|name| name.stream == stream) {
            found.push(SegmentFile { path: entry.path(), name });
        }
    }
    found.sort_by_key(|segment| (segment.name.first, segment.name.epoch));
    Ok(found)
}

/// What stands before the first frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) epoch: u64,
    pub(super) first: u64,
    /// Chain hash before the first record.
    pub(super) prev: Chain,
}

impl Header {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEADER);
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&self.epoch.to_be_bytes());
        out.extend_from_slice(&self.first.to_be_bytes());
        out.extend_from_slice(&self.prev);
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&crc32c::crc32c(&out).to_be_bytes());
        out
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, &'static str> {
        let short = "header cut short";
        let (header, _) = bytes.split_first_chunk::<HEADER>().ok_or(short)?;
        let (content, crc) = header.split_last_chunk::<4>().ok_or(short)?;
        let rest = content.strip_prefix(MAGIC).ok_or("no segment of this format version")?;
        if crc32c::crc32c(content) != u32::from_be_bytes(*crc) {
            return Err("header checksum does not match");
        }
        let (epoch, rest) = rest.split_first_chunk::<8>().ok_or(short)?;
        let (first, rest) = rest.split_first_chunk::<8>().ok_or(short)?;
        let (prev, _) = rest.split_first_chunk::<32>().ok_or(short)?;
        Ok(Self { epoch: u64::from_be_bytes(*epoch), first: u64::from_be_bytes(*first), prev: *prev })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_sort_as_sequences_do() {
        let name = |first| SegmentName { stream: "action".into(), epoch: 1, first }.file_name();
        assert_eq!(name(42), "action-000001-00000000000000000042.seg");
        assert!(name(9) < name(10));
        assert_eq!(SegmentName::parse(&name(42)).map(|n| n.first), Some(42));
        assert_eq!(SegmentName::parse("action-1-42.seg"), None);
        assert_eq!(SegmentName::parse("mark"), None);
    }
}
