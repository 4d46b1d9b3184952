//! The view in one database per quarter of a year: only the newest stays open, so that years cost disk and not memory, and a
//! quarter goes as a whole when the journal no longer has it.
//!
//! ```text
//!  sled/SEQUENCE-YEARqN/   the records from SEQUENCE on, up to where the next one begins, all of quarter N of YEAR (UTC)
//! ```
//!
//! A directory begins wherever a record is of another quarter than the one before it: a clock that is set back over the turn of
//! a quarter makes one more, and each holds records of its own quarter alone. Sequences name them, so their order is that of
//! the journal.

use std::fs;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::tz::Offset;

use super::view::{Found, View};
use super::{Query, Trouble, differs};
use crate::shell::journal::{ACTIONS, Brief, Frame, Reader, Record};

/// Jobs without a question to it after which an older quarter is shut again. Assumed.
const UNUSED: u32 = 60;

/// A quarter of a year, UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Quarter {
    year: i16,
    /// 1 to 4.
    number: i8,
}

impl Quarter {
    fn of(at: Timestamp) -> Self {
        let date = Offset::UTC.to_datetime(at).date();
        Self { year: date.year(), number: (date.month() - 1) / 3 + 1 }
    }
}

/// Where a directory begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Part {
    first: u64,
    quarter: Quarter,
}

impl Part {
    fn name(self) -> String {
        format!("{:020}-{}q{}", self.first, self.quarter.year, self.quarter.number)
    }

    fn of(name: &str) -> Option<Self> {
        let (first, quarter) = name.split_once('-')?;
        let (year, number) = quarter.split_once('q')?;
        let quarter = Quarter { year: year.parse().ok()?, number: number.parse().ok()? };
        let part = Self { first: first.parse().ok()?, quarter };
        (part.name() == name).then_some(part)
    }
}

/// An older quarter that was asked for.
struct Older {
    part: Part,
    view: View,
    /// Jobs since the last question to it.
    unused: u32,
}

/// All quarters of a data folder.
pub(super) struct Quarters {
    dir: PathBuf,
    journal: PathBuf,
    /// Oldest first; none before the first record.
    parts: Vec<Part>,
    /// Of the last part.
    newest: Option<View>,
    older: Option<Older>,
    /// Sequence of the newest record; 0 when there is none.
    pub(super) last: u64,
    /// Records below were not compared with the journal since it was opened.
    pub(super) uncompared: u64,
}

impl Quarters {
    /// The view in `dir` of the journal in `journal`; nothing is made before the first record is put.
    pub(super) fn open(dir: &Path, journal: &Path) -> Result<Self, Trouble> {
        // One database for all, as earlier versions had it.
        if dir.join("db").exists() {
            return Err(Trouble::Outdated);
        }
        let names = fs::read_dir(dir).into_iter().flatten().flatten();
        let parts = names.filter_map(|entry| Part::of(&entry.file_name().to_string_lossy()));
        let mut parts: Vec<_> = parts.collect();
        parts.sort_unstable();
        let (dir, journal) = (dir.to_path_buf(), journal.to_path_buf());
        let mut quarters = Self { dir, journal, parts, newest: None, older: None, last: 0, uncompared: 0 };
        if let Some(part) = quarters.parts.last() {
            let view = View::open(&quarters.path(*part))?;
            if view.is_outdated()? {
                return Err(Trouble::Outdated);
            }
            quarters.last = if view.is_empty() { part.first.saturating_sub(1) } else { view.last };
            quarters.newest = Some(view);
        }
        Ok(quarters)
    }

    fn path(&self, part: Part) -> PathBuf {
        self.dir.join(part.name())
    }

    /// Adds the records that are newer than its newest.
    pub(super) fn put(&mut self, frames: &[Frame]) -> Result<(), Trouble> {
        let mut rest = frames;
        while let Some(first) = rest.iter().position(|frame| frame.seq > self.last) {
            rest = rest.get(first..).unwrap_or_default();
            let Some(frame) = rest.first() else { break };
            let here = self.parts.last().map(|part| part.quarter);
            // What cannot be read is of the quarter of the record before it.
            let quarter = quarter_of(frame).or(here).unwrap_or(Quarter { year: 0, number: 1 });
            if here != Some(quarter) {
                self.begin(Part { first: frame.seq, quarter })?;
            }
            let same = |frame: &&Frame| quarter_of(frame).is_none_or(|of| of == quarter);
            let (run, after) = rest.split_at(rest.iter().take_while(same).count());
            if let Some(view) = &mut self.newest {
                view.put(run)?;
            }
            self.last = run.last().map_or(self.last, |frame| frame.seq);
            rest = after;
        }
        Ok(())
    }

    /// Shuts the newest quarter in order and begins another.
    fn begin(&mut self, part: Part) -> Result<(), Trouble> {
        if let Some(view) = self.newest.take() {
            view.flush()?;
            let is_empty = view.is_empty();
            drop(view);
            // Begun, and never written to: a crash came between.
            if let Some(empty) = self.parts.pop_if(|_| is_empty) {
                drop(fs::remove_dir_all(self.path(empty)));
            }
        }
        let view = View::open(&self.path(part))?;
        view.claim()?;
        (self.newest, self.last) = (Some(view), part.first.saturating_sub(1));
        self.parts.push(part);
        Ok(())
    }

    /// Removes the quarters that end before record `first`, the oldest one the journal still has.
    pub(super) fn forget_before(&mut self, first: u64) {
        let ended = self.parts.iter().skip(1).take_while(|next| next.first <= first).count();
        for part in self.parts.drain(..ended).collect::<Vec<_>>() {
            if self.older.as_ref().is_some_and(|older| older.part == part) {
                self.older = None;
            }
            if let Err(error) = fs::remove_dir_all(self.path(part)) {
                tracing::warn!(%error, part = part.name(), "an old quarter of the view cannot be removed");
            }
        }
    }

    /// Hands everything to the disk.
    pub(super) fn flush(&self) -> Result<(), Trouble> {
        self.newest.as_ref().map_or(Ok(()), View::flush)
    }

    /// A job is done: an older quarter nobody asks any more is shut.
    pub(super) fn rest(&mut self) {
        if let Some(older) = &mut self.older {
            older.unused += 1;
        }
        // Out of the hot path: its drop waits for the disk.
        drop(self.older.take_if(|older| older.unused > UNUSED));
    }

    /// Newest first.
    pub(super) fn find(&mut self, query: &Query) -> Result<Vec<Record>, Trouble> {
        let mut found = Found { query, records: Vec::new() };
        let (from, to) = query.seqs.unwrap_or((0, u64::MAX));
        let times = query.utc.map(|(from, before)| Quarter::of(from)..=Quarter::of(before));
        for place in (0..self.parts.len()).rev() {
            if found.is_full() {
                break;
            }
            let Some((part, held)) = self.part(place) else { break };
            let may_hold = *held.start() <= to && from <= *held.end();
            if may_hold && times.as_ref().is_none_or(|times| times.contains(&part.quarter)) {
                let short = || Trouble::Unusable(format!("its part {} is not whole", part.name()));
                self.view(place)?.ok_or_else(short)?.find(&mut found)?;
            }
        }
        Ok(found.records)
    }

    /// A part and the sequences it may hold.
    fn part(&self, place: usize) -> Option<(Part, RangeInclusive<u64>)> {
        let part = self.parts.get(place)?;
        let end = self.parts.get(place + 1).map_or(u64::MAX, |next| next.first.saturating_sub(1));
        Some((*part, part.first..=end))
    }

    /// The database of a part, opened when it is none of those that are; `None` when it is not whole.
    fn view(&mut self, place: usize) -> Result<Option<&View>, Trouble> {
        let Some(part) = self.parts.get(place).copied() else { return Ok(None) };
        if place + 1 == self.parts.len() {
            return Ok(self.newest.as_ref());
        }
        if self.older.as_ref().is_none_or(|older| older.part != part) {
            self.older = None;
            let view = View::open(&self.path(part))?;
            let end = self.parts.get(place + 1).map_or(u64::MAX, |next| next.first);
            if !is_whole(&view, part, end, &self.journal)? {
                return Ok(None);
            }
            self.older = Some(Older { part, view, unused: 0 });
        }
        Ok(self.older.as_mut().map(|older| {
            older.unused = 0;
            &older.view
        }))
    }

    /// Whether it begins with the same record as the journal, or is empty.
    pub(super) fn begins(&self, reader: &Reader) -> Result<bool, Trouble> {
        let Some(oldest) = self.parts.first() else { return Ok(true) };
        let first = reader.files().first().map(|file| file.name.first);
        // Of the quarter the journal begins in, it may still hold more.
        let begins = first.is_some_and(|first| oldest.first <= first);
        let named = match self.parts.last().zip(self.newest.as_ref()) {
            Some((part, view)) => view.first()?.is_none_or(|first| first == part.first),
            None => true,
        };
        Ok(named && (begins || self.last < oldest.first))
    }

    /// Checks the records with these numbers against the journal; true when the view only lacks the newest ones.
    pub(super) fn agrees(&mut self, reader: &Reader, seqs: RangeInclusive<u64>) -> Result<bool, Trouble> {
        let (from, to) = seqs.into_inner();
        let from = from.max(reader.files().first().map_or(0, |file| file.name.first));
        for place in 0..self.parts.len() {
            let Some((_, held)) = self.part(place) else { break };
            let (from, to) = (from.max(*held.start()), to.min(*held.end()));
            if from <= to {
                let Some(view) = self.view(place)? else { return Ok(false) };
                if !view.agrees(reader, from..=to)? {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// Compares the records of one more segment of the journal with a quarter that has ended, backwards. A journal that cannot be
    /// read there is no fault of the view: `verify` tells of it.
    ///
    /// The newest quarter is left out: the database would keep every page of it that was read once, 240 MB more for two
    /// million records. A quarter that has ended is shut after each segment and gives them back.
    pub(super) fn compare_more(&mut self) -> Result<(), Trouble> {
        let newest = self.parts.last().map_or(0, |part| part.first);
        let to = self.uncompared.min(newest).saturating_sub(1);
        if to == 0 {
            return Ok(());
        }
        self.uncompared = 0;
        let compared = Reader::open(&self.journal, ACTIONS).map_err(Trouble::from).and_then(|reader| {
            let from = reader.files().iter().map(|file| file.name.first).rfind(|first| *first <= to);
            let agrees = from.map_or(Ok(true), |from| self.agrees(&reader, from..=to))?;
            self.uncompared = from.unwrap_or(0);
            self.older = None;
            Ok(agrees)
        });
        match compared {
            Ok(true) => Ok(()),
            Ok(false) => Err(differs()),
            Err(Trouble::Waits(why)) => {
                tracing::warn!(
                    why,
                    "the older part of the view of the log was not compared with the journal"
                );
                Ok(())
            }
            Err(trouble @ (Trouble::Outdated | Trouble::Unusable(_))) => Err(trouble),
        }
    }
}

fn quarter_of(frame: &Frame) -> Option<Quarter> {
    Brief::of(frame).ok().map(|brief| Quarter::of(brief.utc))
}

/// Whether an older part holds all from its first record to the one before `end`: a power cut may have taken what was written
/// last of it.
fn is_whole(view: &View, part: Part, end: u64, journal: &Path) -> Result<bool, Trouble> {
    if view.is_outdated()? || view.first()? != Some(part.first) {
        return Ok(false);
    }
    let next = Reader::open(journal, ACTIONS)?.records(view.last + 1).next().transpose()?;
    Ok(next.is_some_and(|next| next.seq == end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_named_by_its_first_record_and_its_quarter() {
        let at = |text: &str| Quarter::of(text.parse().unwrap());
        assert_eq!(at("2026-03-31T23:59:59.999999Z"), Quarter { year: 2026, number: 1 });
        assert_eq!(at("2026-04-01T00:00:00Z"), Quarter { year: 2026, number: 2 });
        assert_eq!(at("2026-12-31T23:59:59Z"), Quarter { year: 2026, number: 4 });
        let part = Part { first: 20, quarter: at("2026-10-01T00:00:00Z") };
        assert_eq!(part.name(), "00000000000000000020-2026q4");
        assert_eq!(Part::of(&part.name()), Some(part));
        for other in ["db", "conf", "20-2026q4", "00000000000000000020-2026q4.bad", "lost+found"] {
            assert_eq!(Part::of(other), None, "{other}");
        }
    }
}
