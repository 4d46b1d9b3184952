//! Samples of all points with their quality, in a journal of their own; expendable, unlike the actions.
//!
//! A point is kept when it moves out of its dead band, changes its quality, or has been silent for ten minutes. A
//! thread of its own writes one block a second at most. When the disk runs low samples stop first; a block that
//! cannot be read is left out and said, it never keeps the service from starting.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::data_dir::space_at;
use super::journal::{
    Chain, Frame, JournalError, Log, LogOptions, Mark, Reader, SAMPLES, SEGMENT_BYTES, genesis, segments,
};
use super::levels::{self, Levels};
use crate::aggregate::HOLD;
pub use crate::aggregate::Kept;
use crate::control::quality::{Quality, Reading};

mod keep;

pub use keep::Keep;

/// Relative dead band: a tenth of what the best meter of a river can resolve. Chosen.
const BAND: f64 = 0.002;
/// Absolute dead band, in the unit of the point: 1 L/s, 1 mm.
const BAND_LEAST: f64 = 0.001;
/// A point is kept at most this often, unless its quality changes.
const LEAST: SignedDuration = SignedDuration::from_secs(10);
/// A point that does not change is kept this often, so that silence is told from rest.
const MOST: SignedDuration = SignedDuration::from_secs(600);
/// A point silent for longer was not recorded: the time of [`MOST`] and a slow scan.
pub(super) const SILENCE: SignedDuration = HOLD;
/// Real time between two blocks.
const PERIOD: Duration = Duration::from_secs(1);
/// Rounds of samples waiting at most; more are left out and counted.
const QUEUE: usize = 4096;
/// Samples in one block at most, so that it fits into a frame.
const BLOCK: usize = 1200;
/// Kind of a block in its frame.
const KIND: u8 = 100;

/// Body of a block. Times are ms after `from`.
#[derive(Debug, Serialize, Deserialize)]
struct Block {
    from: Timestamp,
    /// First block of its batch, when that is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    batch: Option<u64>,
    points: BTreeMap<String, Vec<(i64, Option<f64>, Quality)>>,
}

/// What the thread shares with its handle.
#[derive(Debug, Default)]
struct Shared {
    low: AtomicBool,
    dropped: AtomicU64,
}

/// Takes in readings, drops what lies in the dead band, and hands the rest to the thread that writes.
#[derive(Debug)]
pub struct History {
    queue: SyncSender<Vec<(usize, Kept)>>,
    shared: Arc<Shared>,
    last: Vec<Option<Kept>>,
}

impl History {
    /// Starts the thread. `points` are identifiers in the order of the readings, `least_free` the room of [`super::data_dir::Space::is_low`].
    ///
    /// # Errors
    /// When the journal folder cannot be used, or the system gives no thread.
    pub fn start(
        journal: &Path,
        store: &str,
        points: Vec<String>,
        keep: Keep,
        least_free: Option<u64>,
    ) -> Result<(Self, JoinHandle<()>), JournalError> {
        let log = open(journal, SAMPLES, SEGMENT_BYTES, genesis(store))?;
        let levels = Levels::open(journal, store, points.clone())?;
        let (queue, rounds) = sync_channel(QUEUE);
        let shared = Arc::new(Shared::default());
        let last = vec![None; points.len()];
        let writer = Writer {
            log,
            levels,
            journal: journal.to_path_buf(),
            points,
            keep,
            least_free,
            shared: Arc::clone(&shared),
            newest: None,
            kept: (0, i64::MIN),
        };
        let thread = thread::Builder::new()
            .name("history".into())
            .spawn(move || writer.run(&rounds))
            .map_err(|source| JournalError::io(journal, "start the thread for", source))?;
        Ok((Self { queue, shared, last }, thread))
    }

    /// Takes in the readings of all points at one instant, without waiting.
    pub fn record(&mut self, utc: Timestamp, readings: &[Reading]) {
        let round = news(&mut self.last, utc, readings);
        if !round.is_empty() && self.queue.try_send(round).is_err() {
            self.shared.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Rounds left out because the disk was too slow or failed.
    pub fn dropped(&self) -> u64 {
        self.shared.dropped.load(Ordering::Relaxed)
    }

    /// Samples have stopped because the disk is nearly full.
    pub fn is_stopped(&self) -> bool {
        self.shared.low.load(Ordering::Relaxed)
    }
}

/// What of the readings is kept.
fn news(last: &mut [Option<Kept>], utc: Timestamp, readings: &[Reading]) -> Vec<(usize, Kept)> {
    let mut round = Vec::new();
    for (index, (reading, last)) in readings.iter().zip(last).enumerate() {
        let now = Kept { utc, value: reading.value, quality: reading.quality };
        if last.is_none_or(|last| is_news(&last, &now)) {
            *last = Some(now);
            round.push((index, now));
        }
    }
    round
}

/// Keeps samples as [`History`] does, but without a thread: for runs in virtual time, which are faster than any clock.
#[derive(Debug)]
pub struct Direct {
    writer: Writer,
    last: Vec<Option<Kept>>,
    waiting: Vec<(usize, Kept)>,
}

impl Direct {
    /// Opens the sample journal; nothing in it is removed, unless [`Direct::keeping`] says so.
    ///
    /// # Errors
    /// When the journal folder cannot be used.
    pub fn open(journal: &Path, store: &str, points: Vec<String>) -> Result<Self, JournalError> {
        let last = vec![None; points.len()];
        let mut writer = Writer {
            log: open(journal, SAMPLES, SEGMENT_BYTES, genesis(store))?,
            levels: Levels::open(journal, store, points.clone())?,
            journal: journal.to_path_buf(),
            points,
            keep: Keep::ALL,
            least_free: Some(0),
            shared: Arc::default(),
            newest: None,
            kept: (0, i64::MIN),
        };
        writer.levels.resume()?;
        Ok(Self { writer, last, waiting: Vec::new() })
    }

    /// Keeps so much from now on.
    #[must_use]
    pub fn keeping(mut self, keep: Keep) -> Self {
        self.writer.keep = keep;
        self
    }

    /// Takes in the readings of all points at one instant.
    pub fn record(&mut self, utc: Timestamp, readings: &[Reading]) {
        self.waiting.extend(news(&mut self.last, utc, readings));
    }

    /// Writes what was taken in; whether all of it could be written.
    pub fn write(&mut self) -> bool {
        let waiting = std::mem::take(&mut self.waiting);
        if !waiting.is_empty() {
            self.writer.write(&waiting);
        }
        self.writer.shared.dropped.load(Ordering::Relaxed) == 0
    }
}

fn is_news(last: &Kept, now: &Kept) -> bool {
    let age = now.utc.duration_since(last.utc);
    if last.quality != now.quality || last.value.is_some() != now.value.is_some() || age.is_negative() {
        return true;
    }
    let moved = match (last.value, now.value) {
        (Some(before), Some(value)) => (value - before).abs() > (before.abs() * BAND).max(BAND_LEAST),
        (None, _) | (_, None) => false,
    };
    age >= MOST || (moved && age >= LEAST)
}

/// Opens the samples or what was made of them; segments that cannot be read are set aside, newest first, until it opens.
pub(super) fn open(
    journal: &Path,
    stream: &str,
    segment_bytes: u64,
    genesis: Chain,
) -> Result<Log, JournalError> {
    let options = LogOptions {
        stream: stream.into(),
        segment_bytes,
        genesis,
        reserve: None,
        fault: None,
        only_newest: true,
    };
    loop {
        let error = match Log::open(journal, options.clone(), |_| Ok(())) {
            Ok(opened) => return Ok(opened.log),
            Err(error) => error,
        };
        tracing::error!(%error, stream, "the newest samples cannot be read and are set aside");
        drop(fs::remove_file(Mark::path(journal, stream)));
        let Some(newest) = segments(journal, stream)?.pop() else { return Err(error) };
        let aside = newest.path.with_extension("bad");
        fs::rename(&newest.path, &aside).map_err(|error| JournalError::io(&aside, "set aside", error))?;
    }
}

/// Ends the epoch of samples put back from a copy, with a block that holds none: what was kept after the copy keeps its number.
///
/// # Errors
/// When the samples cannot be opened or the disk refuses.
pub(super) fn begin_epoch(journal: &Path, store: &str, utc: Timestamp) -> Result<(), JournalError> {
    let mut log = open(journal, SAMPLES, SEGMENT_BYTES, genesis(store))?;
    log.raise_epoch();
    let block = Block { from: utc, batch: None, points: BTreeMap::new() };
    log.append(1, |_, place| {
        let failed = |error: serde_json::Error| JournalError::Body { seq: place.seq, why: error.to_string() };
        Ok((KIND, serde_json::to_vec(&block).map_err(failed)?))
    })?;
    log.sync_mark()
}

#[derive(Debug)]
struct Writer {
    log: Log,
    levels: Levels,
    journal: PathBuf,
    points: Vec<String>,
    keep: Keep,
    least_free: Option<u64>,
    shared: Arc<Shared>,
    newest: Option<Timestamp>,
    /// Files, and hour of the newest sample, when the limits were last held.
    kept: (usize, i64),
}

impl Writer {
    fn run(mut self, rounds: &Receiver<Vec<(usize, Kept)>>) {
        // Nothing is ever sent here: waiting on it is the pause between two blocks.
        let (_pause, pause) = sync_channel::<()>(0);
        if let Err(error) = self.levels.resume() {
            tracing::warn!(%error, "the aggregates of the open hour begin anew");
        }
        loop {
            let mut samples = match rounds.recv_timeout(PERIOD) {
                Ok(first) => first,
                Err(RecvTimeoutError::Timeout) => continue,
                Err(RecvTimeoutError::Disconnected) => break,
            };
            let _pause_over = pause.recv_timeout(PERIOD);
            samples.extend(rounds.try_iter().flatten());
            self.write(&samples);
        }
        if let Err(error) = self.log.sync_mark() {
            tracing::warn!(%error, "the mark of the samples could not be synced");
        }
    }

    fn write(&mut self, samples: &[(usize, Kept)]) {
        let low = space_at(&self.journal).is_ok_and(|space| space.is_low(self.least_free));
        if low != self.shared.low.swap(low, Ordering::Relaxed) {
            tracing::warn!(low, "room on the disk: samples stop while it is low");
        }
        if low {
            self.shared.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let mut blocks: Vec<_> = samples.chunks(BLOCK).map(|chunk| self.block(chunk)).collect();
        let written = self.log.append(blocks.len(), |index, place| {
            let bytes = blocks.get_mut(index).map_or_else(
                || Ok(Vec::new()),
                |block| {
                    block.batch = (place.batch != place.seq).then_some(place.batch);
                    serde_json::to_vec(block)
                },
            );
            let failed =
                |error: serde_json::Error| JournalError::Body { seq: place.seq, why: error.to_string() };
            Ok((KIND, bytes.map_err(failed)?))
        });
        if let Err(error) = written {
            tracing::error!(%error, "samples lost");
            self.shared.dropped.fetch_add(1, Ordering::Relaxed);
        } else {
            self.levels.take(samples);
        }
        self.newest = samples.last().map(|(_, kept)| kept.utc);
        if let Err(error) = self.retain() {
            tracing::warn!(%error, "old samples could not be removed");
        }
    }

    fn block(&self, samples: &[(usize, Kept)]) -> Block {
        let from = samples.first().map_or(Timestamp::UNIX_EPOCH, |(_, kept)| kept.utc);
        let mut points: BTreeMap<String, Vec<_>> = BTreeMap::new();
        for (index, kept) in samples {
            if let Some(id) = self.points.get(*index) {
                let after = kept.utc.as_millisecond() - from.as_millisecond();
                points.entry(id.clone()).or_default().push((after, kept.value, kept.quality));
            }
        }
        Block { from, batch: None, points }
    }

    /// Holds the limits, whenever a file was begun and every hour of the samples.
    fn retain(&mut self) -> Result<(), JournalError> {
        let Some(newest) = self.newest.filter(|_| self.keep != Keep::ALL) else { return Ok(()) };
        let files = || -> Result<usize, JournalError> {
            let of = |stream| segments(&self.journal, stream).map(|files| files.len());
            Ok(of(SAMPLES)? + of(levels::MINUTES)? + of(levels::HOURS)?)
        };
        let hour = newest.as_second().div_euclid(3600);
        if (files()?, hour) != self.kept {
            self.keep.enforce(&self.journal, newest)?;
            self.kept = (files()?, hour);
        }
        Ok(())
    }
}

/// Removes the segments of a stream whose newest block is older than `horizon`.
pub(super) fn remove_before(journal: &Path, stream: &str, horizon: Timestamp) -> Result<(), JournalError> {
    let reader = Reader::open(journal, stream)?;
    for pair in reader.files().windows(2) {
        let [old, next] = pair else { continue };
        let begins = reader.first_of(next).ok().flatten().and_then(|frame| begin(&frame));
        if begins.is_none_or(|begins| begins >= horizon) {
            break;
        }
        fs::remove_file(&old.path).map_err(|error| JournalError::io(&old.path, "remove", error))?;
    }
    Ok(())
}

/// When a block begins, without taking it apart.
pub(super) fn begin(frame: &Frame) -> Option<Timestamp> {
    #[derive(Deserialize)]
    struct Begin {
        from: Timestamp,
    }
    serde_json::from_slice::<Begin>(&frame.body).ok().map(|block| block.from)
}

/// When the oldest block of samples that can be read begins, and when the newest one ends; `None` without any.
///
/// # Errors
/// When the folder cannot be read.
pub fn span(journal: &Path) -> Result<Option<(Timestamp, Timestamp)>, JournalError> {
    let reader = Reader::open(journal, SAMPLES)?;
    let oldest = reader.files().iter().find_map(|file| begin(&reader.first_of(file).ok().flatten()?));
    let newest = |file| end(&reader.records_of(file).map_while(Result::ok).last()?);
    Ok(oldest.zip(reader.files().iter().rev().find_map(newest)))
}

/// When the last sample of a block was.
fn end(frame: &Frame) -> Option<Timestamp> {
    let block: Block = serde_json::from_slice(&frame.body).ok()?;
    let after = block.points.values().flatten().map(|(after, ..)| *after).max().unwrap_or_default();
    block.from.checked_add(SignedDuration::from_millis(after)).ok()
}

/// Samples of `points` (all when empty) from `from` until before `to`, by point, in the order written. Also beside a
/// running service; what cannot be read is left out with a warning.
///
/// # Errors
/// When the folder cannot be read.
pub fn read(
    journal: &Path,
    points: &[&str],
    from: Timestamp,
    to: Timestamp,
) -> Result<BTreeMap<String, Vec<Kept>>, JournalError> {
    let mut found: BTreeMap<String, Vec<Kept>> = BTreeMap::new();
    let points: BTreeSet<_> = points.iter().copied().collect();
    each_frame(journal, SAMPLES, from, |frame| {
        if begin(frame).is_none_or(|begins| begins >= to) {
            // A clock set back may bring earlier ones again.
            return;
        }
        let Ok(block) = serde_json::from_slice::<Block>(&frame.body) else { return };
        take(&mut found, block, &points, from, to);
    })?;
    Ok(found)
}

/// Hands over the samples of `points` that [`read`] gives, one after another and without keeping them.
///
/// # Errors
/// As [`read`].
pub fn each_sample(
    journal: &Path,
    points: &[&str],
    from: Timestamp,
    to: Timestamp,
    mut act: impl FnMut(&str, Kept),
) -> Result<(), JournalError> {
    let points: BTreeSet<_> = points.iter().copied().collect();
    each_frame(journal, SAMPLES, from, |frame| {
        if begin(frame).is_none_or(|begins| begins >= to) {
            return;
        }
        let Ok(block) = serde_json::from_slice::<Block>(&frame.body) else { return };
        let mut found = BTreeMap::new();
        take(&mut found, block, &points, from, to);
        for (id, samples) in found {
            for kept in samples {
                act(&id, kept);
            }
        }
    })
}

/// Hands over the samples of all blocks since `from`, in the order written and within a block in the order of time.
pub(super) fn each_block(
    journal: &Path,
    from: Timestamp,
    mut act: impl FnMut(Vec<(String, Kept)>),
) -> Result<(), JournalError> {
    each_frame(journal, SAMPLES, from, |frame| {
        let Ok(block) = serde_json::from_slice::<Block>(&frame.body) else { return };
        let mut found = BTreeMap::new();
        take(&mut found, block, &BTreeSet::new(), from, Timestamp::MAX);
        let dated = |(id, kept): (String, Vec<Kept>)| kept.into_iter().map(move |kept| (id.clone(), kept));
        let mut samples: Vec<_> = found.into_iter().flat_map(dated).collect();
        samples.sort_by_key(|(_, kept)| kept.utc);
        act(samples);
    })
}

/// Hands over the frames of a stream from the segment in which the block of `from` stands on. What cannot be read is left out
/// with a warning.
pub(super) fn each_frame(
    journal: &Path,
    stream: &str,
    from: Timestamp,
    mut act: impl FnMut(&Frame),
) -> Result<(), JournalError> {
    let reader = Reader::open(journal, stream)?;
    for (index, file) in reader.files().iter().enumerate() {
        let next = reader.files().get(index + 1).and_then(|next| reader.first_of(next).ok().flatten());
        if next.as_ref().and_then(begin).is_some_and(|begins| begins < from) {
            continue;
        }
        for frame in reader.records_of(file) {
            let frame = match frame {
                Ok(frame) => frame,
                Err(error) => {
                    tracing::warn!(%error, stream, "samples left out");
                    break;
                }
            };
            act(&frame);
        }
    }
    Ok(())
}

fn take(
    found: &mut BTreeMap<String, Vec<Kept>>,
    block: Block,
    points: &BTreeSet<&str>,
    from: Timestamp,
    to: Timestamp,
) {
    for (id, samples) in block.points {
        if !points.is_empty() && !points.contains(id.as_str()) {
            continue;
        }
        let kept = samples.into_iter().filter_map(|(after, value, quality)| {
            let utc = block.from.checked_add(SignedDuration::from_millis(after)).ok()?;
            (from <= utc && utc < to).then_some(Kept { utc, value, quality })
        });
        found.entry(id).or_default().extend(kept);
    }
    found.retain(|_, samples| !samples.is_empty());
}

/// Writes samples as CSV: `time,point,value,quality`, ordered by time, then point. Times are UTC.
///
/// # Errors
/// When the samples cannot be read (as text) or `out` takes no more.
pub fn export(
    journal: &Path,
    points: &[&str],
    from: Timestamp,
    to: Timestamp,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    let found = read(journal, points, from, to).map_err(io::Error::other)?;
    let mut rows: Vec<_> =
        found.iter().flat_map(|(id, samples)| samples.iter().map(move |kept| (kept.utc, id, kept))).collect();
    rows.sort_by_key(|(utc, id, _)| (*utc, *id));
    writeln!(out, "time,point,value,quality")?;
    for (utc, id, kept) in rows {
        let value = kept.value.map_or_else(String::new, |value| value.to_string());
        let quality = serde_json::to_value(kept.quality).unwrap_or_default();
        writeln!(out, "{utc},{},{value},{}", csv_field(id), quality.as_str().unwrap_or_default())?;
    }
    Ok(())
}

/// RFC 4180: quoted when it holds a comma, a quote or a line break.
pub(super) fn csv_field(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(second: i64, value: f64) -> Kept {
        let utc = Timestamp::from_second(second).unwrap();
        Kept { utc, value: Some(value), quality: Quality::Good }
    }

    #[test]
    fn news_is_a_move_a_change_of_quality_or_ten_minutes() {
        let last = kept(0, 2.0);
        assert!(!is_news(&last, &kept(60, 2.003)));
        assert!(is_news(&last, &kept(60, 2.005)));
        assert!(!is_news(&last, &kept(9, 2.5)));
        assert!(is_news(&last, &Kept { quality: Quality::Stale, ..kept(1, 2.0) }));
        assert!(is_news(&last, &Kept { value: None, ..kept(1, 2.0) }));
        assert!(is_news(&last, &kept(600, 2.0)) && !is_news(&last, &kept(599, 2.0)));
    }

    #[test]
    fn fields_are_quoted_as_rfc_4180_says() {
        assert_eq!(csv_field("zf.v1/position"), "zf.v1/position");
        assert_eq!(csv_field("a,\"b\""), "\"a,\"\"b\"\"\"");
    }
}
