//! How long and in how much room samples, minutes and hours are kept.
//!
//! Each has its days. Above the quota the oldest go first: what was set aside as damaged, then samples, whose minutes are there
//! still, then minutes, then hours. The newest segment of each stays whatever its size. Room is left for the segments that may
//! be begun before anybody looks again, so that the quota holds at every moment.

use std::fs;
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};

use super::remove_before;
use crate::shell::journal::{JournalError, SAMPLES, SEGMENT_BYTES, segments};
use crate::shell::levels;

/// How much is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    /// Days of samples; 0: for ever.
    pub samples_days: u32,
    /// Days of minutes; 0: for ever.
    pub minutes_days: u32,
    /// Days of hours; 0: for ever.
    pub hours_days: u32,
    /// Room of all three on the disk, bytes; `None`: as much as they take.
    pub bytes: Option<u64>,
}

impl Keep {
    /// Everything for ever.
    pub const ALL: Self = Self { samples_days: 0, minutes_days: 0, hours_days: 0, bytes: None };

    /// The streams in the order in which they go, with their days.
    fn streams(self) -> [(&'static str, u32); 3] {
        [(SAMPLES, self.samples_days), (levels::MINUTES, self.minutes_days), (levels::HOURS, self.hours_days)]
    }

    /// Removes what is over its days at `now`, and then what is over the quota.
    pub(super) fn enforce(self, journal: &Path, now: Timestamp) -> Result<(), JournalError> {
        for (stream, days) in self.streams().into_iter().filter(|(_, days)| *days > 0) {
            if let Ok(horizon) = now.checked_sub(SignedDuration::from_hours(24 * i64::from(days))) {
                remove_before(journal, stream, horizon)?;
            }
        }
        let Some(quota) = self.bytes else { return Ok(()) };
        let mut files = self.files(journal)?;
        let quota = quota.saturating_sub(begun(&files));
        let mut total: u64 = files.iter().map(|file| file.bytes).sum();
        // Stable: those of one rank stay in their order, oldest first.
        files.sort_by_key(|file| file.rank);
        for Old { path, bytes, .. } in files.into_iter().filter(|file| file.rank != Rank::Stays) {
            if total <= quota {
                return Ok(());
            }
            tracing::warn!(quota, total, "the room for the history is used up, {} goes", path.display());
            fs::remove_file(&path).map_err(|error| JournalError::io(&path, "remove", error))?;
            total -= bytes;
        }
        Ok(())
    }

    /// All files of the three streams.
    fn files(self, journal: &Path) -> Result<Vec<Old>, JournalError> {
        let failed = |error| JournalError::io(journal, "list", error);
        let mut found = Vec::new();
        let mut live = Vec::new();
        for (at, (stream, _)) in self.streams().into_iter().enumerate() {
            let files = segments(journal, stream)?;
            let newest = files.last().map(|file| file.path.clone());
            for file in files {
                let rank = if Some(&file.path) == newest.as_ref() { Rank::Stays } else { Rank::Stream(at) };
                live.push(file.path.clone());
                found.extend(Old::of(stream, file.path, rank));
            }
        }
        let mut aside: Vec<PathBuf> = Vec::new();
        for entry in fs::read_dir(journal).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let ours = self.streams().iter().any(|(stream, _)| name.starts_with(&format!("{stream}-")));
            if ours && !live.contains(&path) {
                aside.push(path);
            }
        }
        aside.sort();
        found.extend(aside.into_iter().filter_map(|path| Old::of("", path, Rank::Aside)));
        Ok(found)
    }
}

/// Room for a segment more of each stream: as large as a segment is, or as the largest there is, where an hour did not fit.
fn begun(files: &[Old]) -> u64 {
    let most = |stream: &str| files.iter().filter(|file| file.stream == stream).map(|file| file.bytes).max();
    [(SAMPLES, SEGMENT_BYTES), (levels::MINUTES, levels::SEGMENT), (levels::HOURS, levels::SEGMENT)]
        .into_iter()
        .map(|(stream, bytes)| most(stream).unwrap_or_default().max(bytes))
        .sum()
}

/// When a file goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// Set aside: first.
    Aside,
    /// With its stream.
    Stream(usize),
    /// Not at all.
    Stays,
}

struct Old {
    stream: &'static str,
    path: PathBuf,
    bytes: u64,
    rank: Rank,
}

impl Old {
    /// `None` when it is gone meanwhile.
    fn of(stream: &'static str, path: PathBuf, rank: Rank) -> Option<Self> {
        let bytes = fs::metadata(&path).ok()?.len();
        Some(Self { stream, path, bytes, rank })
    }
}
