//! The writer of one stream: open, append with acknowledgement, roll over.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use super::JournalError;
use super::disk::{Disk, FaultHook, sync_dir};
use super::frame::{Chain, Frame, MAX_BODY, VERSION, chain_after, encode};
use super::mark::{Mark, MarkFile};
use super::reader::{Reader, Tail};
use super::segment::{HEADER, Header, SegmentName};

/// How a stream is written.
#[derive(Clone, Debug)]
pub struct LogOptions {
    /// `action` or `sample`.
    pub stream: String,
    /// Bytes of a segment.
    pub segment_bytes: u64,
    /// Chain hash before the first record ([`super::genesis`]).
    pub genesis: Chain,
    /// File removed when the disk is full, so that last words find room.
    pub reserve: Option<PathBuf>,
    /// Failing disk, for tests.
    pub fault: Option<FaultHook>,
    /// Read only the newest segment on opening: for samples, where older damage must not keep a service from starting.
    pub only_newest: bool,
}

/// Sequences left out at least by a new epoch. Chosen: no journal writes as many after its last copy; at the two million
/// records a year a journal is sized for it would take 500 years. Round, so that the epoch shows in the number.
const LEFT_OUT: u64 = 1_000_000_000;

/// The first sequence of an epoch that follows a copy whose last record is `last`.
pub fn first_after(last: u64) -> u64 {
    (last / LEFT_OUT + 2) * LEFT_OUT + 1
}

/// Something mended while opening; the caller journals it as `recovered`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Repair {
    /// Torn bytes after the last record were cut and kept in a side file.
    TornTail {
        /// Name of the segment.
        segment: String,
        /// Where they began.
        at: u64,
        /// How many bytes were kept.
        bytes: u64,
        /// What was wrong with them.
        why: String,
    },
    /// A segment that had been made but never acknowledged was removed; what was written of its first batch is kept in a
    /// side file.
    BlankSegment {
        /// Its name.
        segment: String,
    },
    /// There were records but no mark.
    MarkMissing,
}

/// An opened log and what was found.
#[derive(Debug)]
pub struct Opened {
    /// The writer.
    pub log: Log,
    /// What was mended.
    pub repairs: Vec<Repair>,
}

/// Number and chain position of a record about to be written.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// Its sequence.
    pub seq: u64,
    /// Epoch.
    pub epoch: u64,
    /// Chain hash of the record before.
    pub prev: Chain,
    /// Sequence of the first record of its batch. A body that stands in a longer batch names it as `batch`, so that
    /// what a power cut left of an unfinished batch is told from damage.
    pub batch: u64,
}

/// Writer of one stream.
#[derive(Debug)]
pub struct Log {
    dir: PathBuf,
    options: LogOptions,
    disk: Disk,
    mark: MarkFile,
    /// The open segment; `None` before the first record and after a failure.
    segment: Option<Segment>,
    epoch: u64,
    next: u64,
    chain: Chain,
}

#[derive(Debug)]
struct Segment {
    file: File,
    path: PathBuf,
    first: u64,
    end: u64,
}

impl Log {
    /// Opens a stream for writing, reading every record and handing it to `each`.
    ///
    /// # Errors
    /// On damage, missing records, a log that ends below its mark, and what the operating system refuses.
    pub fn open(
        dir: &Path,
        options: LogOptions,
        mut each: impl FnMut(&Frame) -> Result<(), JournalError>,
    ) -> Result<Opened, JournalError> {
        let mut repairs = Vec::new();
        let mark_path = Mark::path(dir, &options.stream);
        let mark = Mark::read(&mark_path)?;
        let reader = Reader::open(dir, &options.stream)?;
        let newest = reader.files().last().map_or(0, |file| file.name.first);
        let mut records = reader.records(if options.only_newest { newest } else { 0 });
        let mut oldest = None;
        for frame in &mut records {
            let frame = frame?;
            if oldest.is_none() && frame.seq == 1 && frame.prev != options.genesis {
                let why = "it begins with the hash of another store";
                return Err(JournalError::Chain { path: dir.to_path_buf(), seq: 1, why });
            }
            oldest.get_or_insert(frame.seq);
            each(&frame)?;
        }
        let tail = records.tail().cloned();
        let (next, chain) = tail.as_ref().map_or((1, options.genesis), |tail| (tail.next, tail.chain));
        match mark {
            Some(mark) if mark.seq >= next => {
                if let Some((tail, torn)) = tail.as_ref().and_then(Tail::damaged_batch) {
                    let (path, at, why) = (tail.path.clone(), torn.at, torn.why);
                    return Err(JournalError::Damaged { path, at, seq: next, why });
                }
                return Err(JournalError::Missing { dir: dir.to_path_buf(), from: next, to: mark.seq });
            }
            None if next > 1 => repairs.push(Repair::MarkMissing),
            Some(_) | None => {}
        }
        if let Some(blank) = reader.blank() {
            set_aside(&blank.path).map_err(|error| JournalError::io(&blank.path, "remove", error))?;
            repairs.push(Repair::BlankSegment { segment: blank.name.file_name() });
        }
        let epoch = tail.as_ref().map_or(1, |tail| tail.epoch);
        let segment = tail.map(|tail| reopen(&tail, &options, &mut repairs)).transpose()?;
        let mark = MarkFile::open(&mark_path, Mark { seq: next - 1 })?;
        sync_dir(dir).map_err(|error| JournalError::io(dir, "sync", error))?;
        let disk = Disk(options.fault.clone());
        let log = Self { dir: dir.to_path_buf(), options, disk, mark, segment, epoch, next, chain };
        Ok(Opened { log, repairs })
    }

    /// Sequence of the next record.
    pub fn next_seq(&self) -> u64 {
        self.next
    }

    /// Epoch of the next record.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Chain hash of the last record.
    pub fn chain(&self) -> Chain {
        self.chain
    }

    /// First sequence of the open segment; `None` before the first record and after a failure.
    pub(super) fn segment_first(&self) -> Option<u64> {
        self.segment.as_ref().map(|open| open.first)
    }

    /// Ends the epoch: what is appended next goes into a segment of the next one, from [`first_after`] on. For a log put
    /// back from a copy: whatever was acknowledged after the copy was made keeps its number for ever.
    pub fn raise_epoch(&mut self) {
        if let Some(open) = self.segment.take() {
            // Sealed as in `write`: zeros after the last frame are a valid end.
            drop(self.disk.cut(&open.file, open.end));
        }
        self.epoch += 1;
        self.next = first_after(self.next - 1);
    }

    /// Appends `count` records made by `make` (kind and body) and syncs once: returning is the acknowledgement.
    ///
    /// After a failed write or sync the segment is left for good and the same bytes go into a new one, once. An
    /// error means that none of the batch is acknowledged; the next call tries again in a new segment.
    ///
    /// # Errors
    /// When a body is too large, or the disk refuses twice.
    pub fn append(
        &mut self,
        count: usize,
        mut make: impl FnMut(usize, Place) -> Result<(u8, Vec<u8>), JournalError>,
    ) -> Result<Vec<Frame>, JournalError> {
        let mut frames = Vec::with_capacity(count);
        let (mut seq, mut prev) = (self.next, self.chain);
        let mut bytes = Vec::new();
        for index in 0..count {
            let (kind, body) = make(index, Place { seq, epoch: self.epoch, prev, batch: self.next })?;
            if body.len() > MAX_BODY {
                return Err(JournalError::TooLarge { seq, bytes: body.len() });
            }
            let chain = chain_after(&prev, seq, &body);
            let frame = Frame { seq, kind, version: VERSION, body, prev, chain };
            encode(&mut bytes, &frame);
            (seq, prev) = (seq + 1, chain);
            frames.push(frame);
        }
        if frames.is_empty() {
            return Ok(frames);
        }
        self.write(&bytes)?;
        (self.next, self.chain) = (seq, prev);
        if let Err(error) = self.mark.set(Mark { seq: seq - 1 }) {
            tracing::warn!(%error, "the mark of the journal could not be written");
        }
        Ok(frames)
    }

    /// Makes the mark durable; once a second and before closing.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn sync_mark(&mut self) -> Result<(), JournalError> {
        self.mark.sync().map_err(|error| JournalError::io(&self.dir, "sync the mark in", error))
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), JournalError> {
        let fits = |open: &Segment| open.end + bytes.len() as u64 <= self.options.segment_bytes;
        if let Some(full) = self.segment.take_if(|open| !fits(open)) {
            // Sealed: cut to its records. A failure here loses nothing, zeros after the last frame are a valid end.
            drop(self.disk.cut(&full.file, full.end));
        }
        if let Some(open) = &mut self.segment {
            let Err(error) = put(&self.disk, open, bytes) else { return Ok(()) };
            tracing::error!(%error, "journal segment closed as suspect, the batch goes into a new one");
            self.leave();
        }
        self.begin(bytes).inspect_err(|_| self.segment = None)
    }

    /// Leaves a segment that failed, without its unacknowledged bytes where the disk still allows that.
    fn leave(&mut self) {
        if let Some(suspect) = self.segment.take() {
            drop(self.disk.cut(&suspect.file, suspect.end));
        }
    }

    /// Puts the batch into a new segment; on a full disk once more after giving up the reserve.
    fn begin(&mut self, bytes: &[u8]) -> Result<(), JournalError> {
        match self.try_begin(bytes) {
            Err(error) if error.is_full() && self.give_up_reserve() => self.try_begin(bytes),
            done => done,
        }
    }

    fn try_begin(&mut self, bytes: &[u8]) -> Result<(), JournalError> {
        let name = SegmentName { stream: self.options.stream.clone(), epoch: self.epoch, first: self.next };
        let path = self.dir.join(name.file_name());
        // A failed attempt at the same sequence acknowledged nothing; its handle is never used again.
        drop(fs::remove_file(&path));
        let header = Header { epoch: self.epoch, first: self.next, prev: self.chain };
        let length = self.options.segment_bytes.max((HEADER + bytes.len()) as u64);
        let file = self.disk.create(&path, length).map_err(|error| JournalError::io(&path, "make", error))?;
        let mut content = header.encode();
        content.extend_from_slice(bytes);
        let mut open = Segment { file, path: path.clone(), first: self.next, end: 0 };
        let written = put(&self.disk, &mut open, &content)
            .and_then(|()| sync_dir(&self.dir).map_err(|error| JournalError::io(&self.dir, "sync", error)));
        if let Err(error) = written {
            drop(fs::remove_file(&path));
            return Err(error);
        }
        self.segment = Some(open);
        Ok(())
    }

    fn give_up_reserve(&self) -> bool {
        let Some(reserve) = &self.options.reserve else { return false };
        let gone = fs::remove_file(reserve).is_ok();
        if gone {
            tracing::error!("disk full: the reserve file was given up for the last words of the journal");
        }
        gone
    }
}

fn put(disk: &Disk, open: &mut Segment, bytes: &[u8]) -> Result<(), JournalError> {
    disk.write(&open.file, bytes, open.end).map_err(|error| JournalError::io(&open.path, "write", error))?;
    disk.sync(&open.file).map_err(|error| JournalError::io(&open.path, "sync", error))?;
    open.end += bytes.len() as u64;
    Ok(())
}

/// Removes a segment that was never acknowledged, or keeps what it holds in a side file.
fn set_aside(blank: &Path) -> std::io::Result<()> {
    if fs::read(blank)?.iter().all(|byte| *byte == 0) {
        fs::remove_file(blank)
    } else {
        fs::rename(blank, blank.with_extension("torn-at-0"))
    }
}

/// Opens the newest segment for writing: cuts a torn tail (kept in a side file) and takes its space again.
fn reopen(tail: &Tail, options: &LogOptions, repairs: &mut Vec<Repair>) -> Result<Segment, JournalError> {
    let failed = |what| move |source| JournalError::io(&tail.path, what, source);
    let file = File::options().read(true).write(true).open(&tail.path).map_err(failed("open"))?;
    if let Some(torn) = &tail.torn {
        let bytes = fs::read(&tail.path).map_err(failed("read"))?;
        let start = usize::try_from(torn.at).unwrap_or(usize::MAX);
        let cut = bytes.get(start..).unwrap_or_default();
        let used = cut.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        let cut = cut.get(..used).unwrap_or_default();
        let side = tail.path.with_extension(format!("torn-at-{start}"));
        fs::write(&side, cut)
            .and_then(|()| File::open(&side)?.sync_all())
            .map_err(|error| JournalError::io(&side, "write", error))?;
        let segment = tail.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let (bytes, why) = (cut.len() as u64, torn.why.to_owned());
        repairs.push(Repair::TornTail { segment, at: torn.at, bytes, why });
        file.set_len(torn.at).map_err(failed("cut"))?;
    }
    // The space after the last frame is taken anew; when that fails the first write that needs it says so.
    let length = file.metadata().map_err(failed("measure"))?.len();
    if length < options.segment_bytes
        && let Err(error) =
            rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, options.segment_bytes)
    {
        tracing::warn!(%error, "no space set aside for the journal segment");
    }
    file.sync_all().map_err(failed("sync"))?;
    Ok(Segment { file, path: tail.path.clone(), first: tail.first, end: tail.end })
}
