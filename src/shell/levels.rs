//! What is kept of the samples for years: least, mean and largest value by minute and by hour, and how much of each is known.
//!
//! Made from the samples as they are written, stored once an hour in two streams of their own beside them, each with its own
//! retention ([`history::Keep`]). Samples remain what counts: after a start the open hour is made from them again, and so is everything when
//! nothing is stored. A block that cannot be read is left out.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::history::{self, Kept};
use super::journal::{JournalError, Log, Reader, genesis};
use crate::aggregate::{Bin, HOLD, Running};

/// Stream of the minutes: the first word of its file names.
pub(super) const MINUTES: &str = "minute";
/// Stream of the hours.
pub(super) const HOURS: &str = "hour";
/// Bytes of a segment. Chosen: some weeks of minutes of a basin, so that old ones go piece by piece.
pub(super) const SEGMENT: u64 = 4 << 20;
/// Kind of a block in its frame.
const KIND: u8 = 101;
/// Bytes one number and its comma take at most: a sign, nine digits, point and exponent of an `f32`.
const NUMBER: usize = 17;
/// Bytes of a block at most, so that it fits into a frame.
const BLOCK: usize = 60_000;
/// An hour, ms.
const HOUR: i64 = 3_600_000;

/// How finely.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// By minute.
    Minutes,
    /// By hour.
    Hours,
}

impl Level {
    fn stream(self) -> &'static str {
        match self {
            Self::Minutes => MINUTES,
            Self::Hours => HOURS,
        }
    }

    /// Width of one bin, ms.
    fn width(self) -> i64 {
        match self {
            Self::Minutes => 60_000,
            Self::Hours => HOUR,
        }
    }
}

/// Body of a block: bins of an hour, one after another. A run is `[n]` bins of which nothing is known, `[n, value]` bins known
/// all the time in which nothing moved, or `[n, least, mean, most, seconds known]`.
#[derive(Debug, Serialize, Deserialize)]
struct Block {
    from: Timestamp,
    /// First block of its batch, when that is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    batch: Option<u64>,
    step_s: i64,
    points: BTreeMap<String, Vec<Vec<f32>>>,
}

/// One bin of one point.
pub type Dated = (Timestamp, Bin);

/// Takes in samples and stores what they come to.
#[derive(Debug)]
pub(super) struct Levels {
    journal: PathBuf,
    points: Vec<String>,
    minutes: Log,
    hours: Log,
    /// Begin of the open minute, ms since 1970; `None` before the first sample.
    open: Option<i64>,
    /// Newest sample, ms.
    newest: i64,
    running: Vec<Running>,
    /// Closed minutes of the open hour, by point.
    closed: Vec<Vec<Option<Bin>>>,
}

impl Levels {
    /// Opens both streams.
    ///
    /// # Errors
    /// When the journal folder cannot be used.
    pub(super) fn open(journal: &Path, store: &str, points: Vec<String>) -> Result<Self, JournalError> {
        let open = |level: Level| history::open(journal, level.stream(), SEGMENT, genesis(store));
        let (minutes, hours) = (open(Level::Minutes)?, open(Level::Hours)?);
        let running = vec![Running::default(); points.len()];
        let closed = vec![Vec::new(); points.len()];
        let journal = journal.to_path_buf();
        Ok(Self { journal, points, minutes, hours, open: None, newest: i64::MIN, running, closed })
    }

    /// Goes on where the last run was: the samples written since the last stored hour are taken in again.
    ///
    /// # Errors
    /// When the journal folder cannot be read.
    pub(super) fn resume(&mut self) -> Result<(), JournalError> {
        let reader = Reader::open(&self.journal, Level::Hours.stream())?;
        let newest = |file| {
            reader.records_of(file).map_while(Result::ok).last().and_then(|frame| history::begin(&frame))
        };
        let done = reader.files().iter().rev().find_map(newest).map(|from| from.as_millisecond() + HOUR);
        if let Some(done) = done {
            self.open = Some(done);
            self.running.fill(Running::since(done));
        }
        let hold = i64::try_from(HOLD.as_millis()).unwrap_or_default();
        let from = done.map_or(Timestamp::MIN, |done| {
            Timestamp::from_millisecond(done - hold).unwrap_or(Timestamp::MIN)
        });
        let names: Vec<_> = self.points.clone();
        let index: BTreeMap<&str, usize> =
            names.iter().enumerate().map(|(at, name)| (name.as_str(), at)).collect();
        history::each_block(&self.journal.clone(), from, |samples| {
            let known = |(id, kept): (String, Kept)| Some((*index.get(id.as_str())?, kept));
            let samples: Vec<_> = samples.into_iter().filter_map(known).collect();
            self.take(&samples);
        })
    }

    /// Takes in samples in the order of their time. Where the clock was set back, time that was counted is not counted again.
    pub(super) fn take(&mut self, samples: &[(usize, Kept)]) {
        for (index, kept) in samples {
            let at = kept.utc.as_millisecond();
            self.advance(at);
            self.newest = self.newest.max(at);
            if let Some(running) = self.running.get_mut(*index) {
                running.take(kept);
            }
        }
    }

    /// Closes the minutes that end until `to`.
    fn advance(&mut self, to: i64) {
        let width = Level::Minutes.width();
        let mut open = self.open.unwrap_or(to - to.rem_euclid(HOUR));
        while open + width <= to {
            open += width;
            for (running, closed) in self.running.iter_mut().zip(&mut self.closed) {
                closed.push(running.close(open));
            }
            if open % HOUR == 0 {
                self.store(open - HOUR);
                let known = self.newest.saturating_add(i64::try_from(HOLD.as_millis()).unwrap_or_default());
                if known <= open {
                    // Nobody wrote for a while: nothing is known until the hour of this sample.
                    open = to - to.rem_euclid(HOUR);
                    self.running.fill(Running::since(open));
                }
            }
        }
        self.open = Some(open);
    }

    /// Stores the closed hour that began at `from`, and begins the next one.
    fn store(&mut self, from: i64) {
        let closed = std::mem::take(&mut self.closed);
        self.closed = vec![Vec::new(); self.points.len()];
        let Ok(from) = Timestamp::from_millisecond(from) else { return };
        let hour = |bins: &Vec<Option<Bin>>| vec![bins.iter().flatten().copied().reduce(Bin::and)];
        let hours: Vec<_> = closed.iter().map(hour).collect();
        for (level, log, bins) in
            [(Level::Minutes, &mut self.minutes, &closed), (Level::Hours, &mut self.hours, &hours)]
        {
            let blocks = blocks(level, from, &self.points, bins);
            if let Err(error) = append(log, blocks) {
                tracing::error!(%error, stream = level.stream(), "aggregates of an hour lost, their samples are there");
            }
        }
    }
}

/// The bins of an hour, in as many blocks as needed. Points of which nothing is known are left out.
fn blocks(level: Level, from: Timestamp, points: &[String], bins: &[Vec<Option<Bin>>]) -> Vec<Block> {
    let begin = || Block { from, batch: None, step_s: level.width() / 1000, points: BTreeMap::new() };
    let (mut done, mut block, mut size) = (Vec::new(), begin(), 0);
    for (id, bins) in points.iter().zip(bins).filter(|(_, bins)| bins.iter().any(Option::is_some)) {
        let runs = runs(level, bins);
        let more = id.len() + 8 + runs.iter().map(|run| 2 + NUMBER * run.len()).sum::<usize>();
        if size + more > BLOCK && size > 0 {
            done.push(std::mem::replace(&mut block, begin()));
            size = 0;
        }
        size += more;
        block.points.insert(id.clone(), runs);
    }
    // An hour without anything is stored too: it is done.
    done.push(block);
    done
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "seven digits are more than a meter has"
)]
fn runs(level: Level, bins: &[Option<Bin>]) -> Vec<Vec<f32>> {
    let mut runs: Vec<Vec<f32>> = Vec::new();
    for bin in bins {
        let said = match bin {
            None => vec![1.0],
            Some(bin) if bin.is_still() && bin.covered_ms >= level.width() => vec![1.0, bin.least as f32],
            Some(bin) => {
                let known = bin.covered_ms as f64 / 1000.0;
                vec![1.0, bin.least as f32, bin.mean() as f32, bin.most as f32, known as f32]
            }
        };
        match runs.last_mut() {
            Some(last)
                if last.iter().skip(1).map(|v| v.to_bits()).eq(said.iter().skip(1).map(|v| v.to_bits())) =>
            {
                if let Some(count) = last.first_mut() {
                    *count += 1.0;
                }
            }
            Some(_) | None => runs.push(said),
        }
    }
    runs
}

fn append(log: &mut Log, mut blocks: Vec<Block>) -> Result<(), JournalError> {
    log.append(blocks.len(), |index, place| {
        let failed = |why: String| JournalError::Body { seq: place.seq, why };
        let Some(block) = blocks.get_mut(index) else { return Err(failed("no such block".into())) };
        block.batch = (place.batch != place.seq).then_some(place.batch);
        Ok((KIND, serde_json::to_vec(block).map_err(|error| failed(error.to_string()))?))
    })?;
    log.sync_mark()
}

/// Ends the epochs of minutes and hours put back from a copy, as [`history::begin_epoch`] does; the block that holds nothing repeats
/// the time of the one before, so that the hours after it are made of the samples again.
///
/// # Errors
/// When they cannot be opened or the disk refuses.
pub(super) fn begin_epoch(journal: &Path, store: &str) -> Result<(), JournalError> {
    for level in [Level::Minutes, Level::Hours] {
        let newest = Reader::open(journal, level.stream())?.last(1, |_| true)?;
        let Some(from) = newest.first().and_then(history::begin) else { continue };
        let mut log = history::open(journal, level.stream(), SEGMENT, genesis(store))?;
        log.raise_epoch();
        let points = BTreeMap::new();
        append(&mut log, vec![Block { from, batch: None, step_s: level.width() / 1000, points }])?;
    }
    Ok(())
}

/// What is stored of `points` (all when empty) from `from` until before `to`, by point, in the order of time. Also beside a
/// running service; what cannot be read is left out with a warning.
///
/// # Errors
/// When the folder cannot be read.
pub fn read(
    journal: &Path,
    level: Level,
    points: &[&str],
    from: Timestamp,
    to: Timestamp,
) -> Result<BTreeMap<String, Vec<Dated>>, JournalError> {
    let mut found: BTreeMap<String, BTreeMap<i64, Bin>> = BTreeMap::new();
    let points: BTreeSet<_> = points.iter().copied().collect();
    let (first, end) = (from.as_millisecond(), to.as_millisecond());
    // A block speaks for the hour that follows its time.
    let since = Timestamp::from_millisecond(first.saturating_sub(HOUR)).unwrap_or(Timestamp::MIN);
    history::each_frame(journal, level.stream(), since, |frame| {
        let Ok(block) = serde_json::from_slice::<Block>(&frame.body) else { return };
        for (id, runs) in block.points {
            if !points.is_empty() && !points.contains(id.as_str()) {
                continue;
            }
            let bins = found.entry(id).or_default();
            let mut at = block.from.as_millisecond();
            for run in &runs {
                let (count, bin) = unpacked(level, run);
                for _ in 0..count {
                    if let Some(bin) = bin.filter(|_| first <= at && at < end) {
                        bins.insert(at, bin);
                    }
                    at += level.width();
                }
            }
        }
    })?;
    let dated = |bins: BTreeMap<i64, Bin>| {
        bins.into_iter().filter_map(|(at, bin)| Some((Timestamp::from_millisecond(at).ok()?, bin))).collect()
    };
    let found = found.into_iter().map(|(id, bins)| (id, dated(bins)));
    Ok(found.filter(|(_, bins): &(String, Vec<Dated>)| !bins.is_empty()).collect())
}

/// How many bins, at most an hour of minutes, and what each was.
fn unpacked(level: Level, run: &[f32]) -> (usize, Option<Bin>) {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped before")]
    let count = run.first().map_or(0, |count| count.clamp(0.0, 60.0) as usize);
    let bin = match run {
        [_, value] => Some(Bin::of(f64::from(*value), f64::from(*value), f64::from(*value), level.width())),
        [_, least, mean, most, known] => {
            #[expect(clippy::cast_possible_truncation, reason = "clamped before")]
            let covered = (f64::from(*known) * 1000.0).round().clamp(0.0, 3.6e6) as i64;
            Some(Bin::of(f64::from(*least), f64::from(*mean), f64::from(*most), covered))
        }
        _ => None,
    };
    (count, bin.filter(|bin| bin.covered_ms > 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_are_packed_in_runs_and_come_back() {
        let still = Some(Bin::of(2.5, 2.5, 2.5, 60_000));
        let moved = Some(Bin::of(1.0, 1.25, 2.0, 45_000));
        let packed = runs(Level::Minutes, &[None, None, still, still, still, moved]);
        assert_eq!(packed, [vec![2.0], vec![3.0, 2.5], vec![1.0, 1.0, 1.25, 2.0, 45.0]]);
        let back: Vec<_> = packed.iter().map(|run| unpacked(Level::Minutes, run)).collect();
        assert_eq!(back, [(2, None), (3, still), (1, moved)]);
    }

    #[test]
    fn the_blocks_of_ten_thousand_points_fit_into_their_frames() {
        let points: Vec<_> = (0..10_000).map(|index| format!("site.device/point{index:05}")).collect();
        let long = Some(Bin::of(-1.234_567_8e-30, -1.234_567_8e-31, 9.876_543e30, 59_999));
        let other = Some(Bin::of(-1.234_567_8e-29, -1.234_567_8e-31, 9.876_543e30, 59_999));
        let bins: Vec<_> = points.iter().map(|_| [long, other].repeat(30)).collect();
        let from = Timestamp::UNIX_EPOCH;
        let packed = blocks(Level::Minutes, from, &points, &bins);
        assert_eq!(packed.iter().map(|block| block.points.len()).sum::<usize>(), 10_000);
        for block in packed {
            assert!(serde_json::to_vec(&block).unwrap().len() <= super::super::journal::MAX_BODY);
        }
    }
}
