//! Reading a stream in order, also beside a running writer.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::JournalError;
use super::frame::{At, Chain, Frame, MAX_FRAME, View, intact_from, look};
use super::segment::{HEADER, Header, SegmentFile, segments};

/// The segments of a stream as they were when it was made.
#[derive(Clone, Debug)]
pub struct Reader {
    dir: PathBuf,
    files: Vec<SegmentFile>,
    blank: Option<SegmentFile>,
}

impl Reader {
    /// Lists the segments of `stream` in a journal folder.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn open(dir: &Path, stream: &str) -> Result<Self, JournalError> {
        let mut files = segments(dir, stream)?;
        let blank = match files.last() {
            Some(newest) if is_blank(newest)? => files.pop(),
            Some(_) | None => None,
        };
        Ok(Self { dir: dir.to_path_buf(), files, blank })
    }

    /// A newest segment that was made but never acknowledged: no header and no frame, but those a power cut left of its
    /// first batch.
    pub fn blank(&self) -> Option<&SegmentFile> {
        self.blank.as_ref()
    }

    /// The segments, oldest first.
    pub fn files(&self) -> &[SegmentFile] {
        &self.files
    }

    /// Records from sequence `from` on, checked frame by frame and along the chain from the segment that holds it.
    pub fn records(&self, from: u64) -> Records {
        let skip = self.files.partition_point(|file| file.name.first <= from).saturating_sub(1);
        Records {
            dir: self.dir.clone(),
            todo: self.files.iter().skip(skip).cloned().collect(),
            current: None,
            follows: None,
            from,
            proved_from: 0,
            bytes: u64::MAX,
            done: false,
            tail: None,
            bound: None,
        }
    }

    /// The records of one segment alone, up to where the next one begins.
    pub fn records_of(&self, file: &SegmentFile) -> Records {
        self.records_of_part(file, 0)
    }

    /// As [`Reader::records_of`], but hashes are compared from sequence `from` on only: the first of them against what
    /// the record before it says of itself.
    pub fn records_of_part(&self, file: &SegmentFile, from: u64) -> Records {
        let mut records = self.records(file.name.first);
        records.proved_from = from;
        let after = self.files.iter().find(|after| after.name.first > file.name.first);
        records.todo.truncate(1);
        records.bound = after.map(Bound::of);
        records
    }

    /// The first record of a segment.
    ///
    /// # Errors
    /// On damage.
    pub fn first_of(&self, file: &SegmentFile) -> Result<Option<Frame>, JournalError> {
        let mut records = self.records_of(file);
        // Not the whole of it: who looks for a time asks this of every segment.
        records.bytes = (HEADER + MAX_FRAME) as u64;
        records.next().transpose()
    }

    /// The newest `count` records that `keep` accepts, oldest first.
    ///
    /// # Errors
    /// On damage in the segments looked at.
    pub fn last(
        &self,
        count: usize,
        mut keep: impl FnMut(&Frame) -> bool,
    ) -> Result<Vec<Frame>, JournalError> {
        let mut found: VecDeque<Frame> = VecDeque::new();
        let mut before = None;
        for file in self.files.iter().rev() {
            if found.len() >= count {
                break;
            }
            let mut records = self.records(file.name.first);
            let mut here: VecDeque<Frame> = VecDeque::new();
            for frame in &mut records {
                let frame = frame?;
                if before.is_some_and(|before| frame.seq >= before) {
                    break;
                }
                if keep(&frame) {
                    here.push_back(frame);
                    if here.len() + found.len() > count {
                        here.pop_front();
                    }
                }
            }
            before = Some(file.name.first);
            here.append(&mut found);
            found = here;
        }
        Ok(found.into())
    }
}

/// The first bytes of a file, at most so many.
fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    let length = file.metadata()?.len().min(most);
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
    file.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A power cut may lose the page of the header and keep later ones of the batch that was written with it. Lost pages are
/// zeros: a header that holds anything else is damage.
fn is_blank(file: &SegmentFile) -> Result<bool, JournalError> {
    let failed = |error| JournalError::io(&file.path, "read", error);
    let header = read(&file.path, HEADER as u64).map_err(failed)?;
    if Header::decode(&header).is_ok() {
        return Ok(false);
    }
    let is_lost = header.iter().all(|byte| *byte == 0);
    let bytes = fs::read(&file.path).map_err(failed)?;
    Ok(intact_from(&bytes, 0).all(|view| is_lost && of_batch_before(view, file.name.first)))
}

/// Bytes after the last intact frame of the newest segment that are neither frame nor zeros.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Torn {
    /// Where they begin.
    pub at: u64,
    /// What they are not.
    pub why: &'static str,
    /// Intact frames of the same batch stand behind them: damage, if the mark says that batch was acknowledged.
    pub followed: bool,
}

/// Where a stream ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tail {
    /// Newest segment.
    pub path: PathBuf,
    /// Its epoch.
    pub epoch: u64,
    /// Its first sequence.
    pub first: u64,
    /// Where the next frame goes.
    pub end: u64,
    /// Sequence of the next record.
    pub next: u64,
    /// Chain hash of the last record.
    pub chain: Chain,
    /// What stands there instead of zeros.
    pub torn: Option<Torn>,
}

impl Tail {
    /// What is damage if the mark says that it was acknowledged.
    pub(super) fn damaged_batch(&self) -> Option<(&Self, &Torn)> {
        self.torn.as_ref().filter(|torn| torn.followed).map(|torn| (self, torn))
    }
}

struct Open {
    path: PathBuf,
    epoch: u64,
    first: u64,
    bytes: Vec<u8>,
    at: usize,
    next: u64,
    chain: Chain,
    /// The segment after this one.
    until: Option<Bound>,
}

/// Where the next segment begins.
#[derive(Clone, Copy, Debug)]
struct Bound {
    first: u64,
    epoch: u64,
}

impl Bound {
    fn of(file: &SegmentFile) -> Self {
        Self { first: file.name.first, epoch: file.name.epoch }
    }
}

/// Iterator over the records of a stream; ends at the first error.
pub struct Records {
    dir: PathBuf,
    todo: VecDeque<SegmentFile>,
    current: Option<Open>,
    /// Next sequence, chain hash and least epoch that the following segment must begin with. A later epoch may leave
    /// sequences out, never a record of ours: its first hash follows our last.
    follows: Option<(u64, Chain, u64)>,
    from: u64,
    /// Hashes of records below are taken as they stand.
    proved_from: u64,
    /// Read of a segment at most.
    bytes: u64,
    done: bool,
    tail: Option<Tail>,
    /// Where the last of `todo` ends, when a segment not in it follows.
    bound: Option<Bound>,
}

impl Records {
    /// Where the stream ends, once every record has been read; `None` before that, after an error, and for a stream
    /// without a segment.
    pub fn tail(&self) -> Option<&Tail> {
        self.tail.as_ref()
    }

    fn open(&mut self, file: SegmentFile) -> Result<Open, JournalError> {
        let SegmentFile { path, name } = file;
        let bytes = read(&path, self.bytes).map_err(|error| JournalError::io(&path, "read", error))?;
        let damaged = |why| JournalError::Damaged { path: path.clone(), at: 0, seq: name.first, why };
        let header = Header::decode(&bytes).map_err(damaged)?;
        if (header.first, header.epoch) != (name.first, name.epoch) {
            return Err(damaged("header and file name differ"));
        }
        if let Some((next, chain, epoch)) = self.follows {
            if next < name.first && name.epoch <= epoch {
                return Err(JournalError::Missing { dir: self.dir.clone(), from: next, to: name.first - 1 });
            }
            if chain != header.prev {
                let why = "the segment does not follow the one before";
                return Err(JournalError::Chain { path, seq: name.first, why });
            }
        }
        let until = self.todo.front().map(Bound::of).or(self.bound);
        Ok(Open {
            path,
            epoch: header.epoch,
            first: header.first,
            bytes,
            at: HEADER,
            next: header.first,
            chain: header.prev,
            until,
        })
    }

    fn step(&mut self) -> Result<Option<Frame>, JournalError> {
        loop {
            let Some(open) = &mut self.current else {
                let Some(file) = self.todo.pop_front() else { return Ok(None) };
                self.current = Some(self.open(file)?);
                continue;
            };
            if let Some(until) = open.until.filter(|until| open.next >= until.first) {
                if let At::Frame(view, _) = look(&open.bytes, open.at)
                    && view.seq < until.first
                {
                    let why = "it stands there twice";
                    return Err(JournalError::Chain { path: open.path.clone(), seq: view.seq, why });
                }
                // What still follows here was written again in the next segment, after a failed sync.
                self.follows = Some((open.next, open.chain, open.epoch));
                self.current = None;
                continue;
            }
            match look(&open.bytes, open.at) {
                At::Frame(view, size) => {
                    let chain_error =
                        |why| JournalError::Chain { path: open.path.clone(), seq: open.next, why };
                    if view.seq != open.next {
                        return Err(chain_error("another sequence stands here"));
                    }
                    if view.seq >= self.proved_from
                        && super::frame::chain_after(&open.chain, view.seq, view.body) != *view.chain
                    {
                        return Err(chain_error("hash does not match"));
                    }
                    let frame = view.to_frame(open.chain);
                    open.chain = frame.chain;
                    open.next += 1;
                    open.at += size;
                    if frame.seq >= self.from {
                        return Ok(Some(frame));
                    }
                }
                At::End if open.until.is_some_and(|until| until.epoch > open.epoch) => {
                    // The sequences left out by a later epoch were never written here.
                    self.follows = Some((open.next, open.chain, open.epoch));
                    self.current = None;
                }
                At::End => return self.end(None),
                At::Damaged(why) => {
                    // A running writer may have been in the middle of this very batch.
                    if open.until.is_none()
                        && let Ok(again) = fs::read(&open.path)
                        && again != open.bytes
                    {
                        open.bytes = again;
                        continue;
                    }
                    return self.end(Some(why));
                }
            }
        }
    }

    /// No intact frame where the current segment goes on.
    fn end(&mut self, torn: Option<&'static str>) -> Result<Option<Frame>, JournalError> {
        let Some(open) = self.current.take() else { return Ok(None) };
        let at = open.at as u64;
        let mut after = intact_from(&open.bytes, open.at + 1).peekable();
        let followed = torn.is_some() && after.peek().is_some();
        if let Some(why) = torn
            && (open.until.is_some() || !after.all(|view| of_batch_before(view, open.next)))
        {
            return Err(JournalError::Damaged { path: open.path, at, seq: open.next, why });
        }
        if let Some(until) = open.until {
            return Err(JournalError::Missing {
                dir: self.dir.clone(),
                from: open.next,
                to: until.first - 1,
            });
        }
        self.tail = Some(Tail {
            path: open.path,
            epoch: open.epoch,
            first: open.first,
            end: at,
            next: open.next,
            chain: open.chain,
            torn: torn.map(|why| Torn { at, why, followed }),
        });
        Ok(None)
    }
}

/// Whether a record was written in one batch with record `seq` or an earlier one. A power cut may keep the later pages
/// of a batch and lose earlier ones: as long as its sync had not returned, none of it was acknowledged.
fn of_batch_before(view: View<'_>, seq: u64) -> bool {
    #[derive(serde::Deserialize)]
    struct Body {
        batch: Option<u64>,
    }
    serde_json::from_slice::<Body>(view.body).is_ok_and(|body| body.batch.is_some_and(|first| first <= seq))
}

impl Iterator for Records {
    type Item = Result<Frame, JournalError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let item = self.step().transpose();
        self.done = !matches!(item, Some(Ok(_)));
        item
    }
}
