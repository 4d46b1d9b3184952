//! Frames as bytes, and the files they stand in. Pure but for the listing of a folder.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::fmt::strtime;
use jiff::tz::TimeZone;

use crate::shell::journal::checksum;

/// First bytes of a file; the last one is the version of its layout.
pub(super) const MAGIC: &[u8; 8] = b"qindanS1";
/// Length and CRC.
const PREFIX: usize = 8;
/// Largest value of the length field; more is damage. A state of the largest basin anybody may have is a hundredth of it.
const MAX_LENGTH: usize = 256 * 1024 * 1024;

/// What a frame holds; the numbers are part of the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Head = 1,
    State = 2,
    Moment = 3,
    Close = 4,
}

impl Kind {
    fn of(number: u8) -> Option<Self> {
        [Self::Head, Self::State, Self::Moment, Self::Close].into_iter().find(|kind| *kind as u8 == number)
    }
}

/// Appends a frame.
pub(super) fn put(out: &mut Vec<u8>, kind: Kind, body: &[u8]) {
    let length = u32::try_from(body.len() + 1).unwrap_or(u32::MAX);
    let start = out.len();
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(&[0; 4]);
    out.push(kind as u8);
    out.extend_from_slice(body);
    let crc = checksum(length, out.get(start + PREFIX..).unwrap_or_default());
    if let Some(place) = out.get_mut(start + 4..start + PREFIX) {
        place.copy_from_slice(&crc.to_be_bytes());
    }
}

/// What stands at an offset.
#[derive(Debug)]
pub(super) enum At<'a> {
    /// An intact frame, and where it ends.
    Frame(Kind, &'a [u8], usize),
    /// The end of the file.
    End,
    /// No frame, and an intact one stands behind it: damage.
    Damaged(&'static str),
    /// No frame to the end of the file: its writer was ended, or is at work.
    Torn(&'static str),
}

/// Looks at `bytes` from `at` on.
pub(super) fn look(bytes: &[u8], at: usize) -> At<'_> {
    let rest = bytes.get(at..).unwrap_or_default();
    if rest.is_empty() {
        return At::End;
    }
    match intact(rest) {
        Ok((kind, body, size)) => At::Frame(kind, body, at + size),
        Err(why) => {
            let followed =
                (1..rest.len()).any(|next| rest.get(next..).is_some_and(|rest| intact(rest).is_ok()));
            if followed { At::Damaged(why) } else { At::Torn(why) }
        }
    }
}

fn intact(rest: &[u8]) -> Result<(Kind, &[u8], usize), &'static str> {
    const SHORT: &str = "end of file inside a frame";
    let (length, after) = rest.split_first_chunk::<4>().ok_or(SHORT)?;
    let length = u32::from_be_bytes(*length);
    let span = usize::try_from(length).unwrap_or(usize::MAX);
    if !(1..=MAX_LENGTH).contains(&span) {
        return Err("impossible length");
    }
    let (crc, after) = after.split_first_chunk::<4>().ok_or(SHORT)?;
    let content = after.get(..span).ok_or(SHORT)?;
    if checksum(length, content) != u32::from_be_bytes(*crc) {
        return Err("checksum does not match");
    }
    let (kind, body) = content.split_first().ok_or(SHORT)?;
    Ok((Kind::of(*kind).ok_or("frame of an unknown kind")?, body, PREFIX + span))
}

/// What the name of a file says: `snapshots-00000042-20260518T143207Z.bin`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileName {
    /// Running number: the order of the files, also when civil time steps back.
    pub number: u64,
    /// When its first moment was, to the second.
    pub utc: Timestamp,
}

const FORM: &str = "%Y%m%dT%H%M%SZ";

impl FileName {
    /// The file name.
    pub fn file_name(&self) -> String {
        format!("snapshots-{:08}-{}.bin", self.number, self.utc.strftime(FORM))
    }

    /// The parts of a file name, if it is one of the stream.
    pub fn parse(name: &str) -> Option<Self> {
        let (number, utc) = name.strip_prefix("snapshots-")?.strip_suffix(".bin")?.split_once('-')?;
        let civil = strtime::parse(FORM, utc).and_then(|time| time.to_datetime()).ok()?;
        let utc = TimeZone::UTC.to_timestamp(civil).ok()?;
        let found = Self { number: number.parse().ok()?, utc };
        (found.file_name() == name).then_some(found)
    }
}

/// A file of the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedFile {
    /// Where it is.
    pub path: PathBuf,
    /// What its name says.
    pub name: FileName,
    /// Its size, bytes.
    pub bytes: u64,
}

/// The files in a folder, oldest first.
///
/// # Errors
/// When the folder cannot be read.
pub fn files(dir: &Path) -> io::Result<Vec<NamedFile>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if let Some(name) = entry.file_name().to_str().and_then(FileName::parse) {
            found.push(NamedFile { path: entry.path(), name, bytes: entry.metadata()?.len() });
        }
    }
    found.sort_by_key(|file| file.name);
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_its_number_and_its_time() {
        let name = FileName { number: 42, utc: "2026-05-18T14:32:07.25Z".parse().unwrap() };
        assert_eq!(name.file_name(), "snapshots-00000042-20260518T143207Z.bin");
        let parsed = FileName::parse(&name.file_name()).unwrap();
        assert_eq!((parsed.number, parsed.utc.to_string().as_str()), (42, "2026-05-18T14:32:07Z"));
        for other in ["snapshots-42-20260518T143207Z.bin", "snapshots-00000042-20260518T143207Z.torn", "mark"]
        {
            assert_eq!(FileName::parse(other), None, "{other}");
        }
    }

    #[test]
    fn every_flipped_bit_of_a_frame_is_seen() {
        let mut bytes = Vec::new();
        put(&mut bytes, Kind::Moment, b"what was seen");
        let end = bytes.len();
        assert!(matches!(look(&bytes, 0), At::Frame(Kind::Moment, b"what was seen", at) if at == end));
        put(&mut bytes, Kind::Close, b"");
        for bit in 0..end * 8 {
            let mut bent = bytes.clone();
            bent[bit / 8] ^= 1 << (bit % 8);
            assert!(matches!(look(&bent, 0), At::Damaged(_)), "bit {bit}");
            assert!(matches!(look(&bent[..end], 0), At::Torn(_)), "bit {bit}");
        }
    }
}
