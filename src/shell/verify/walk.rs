//! The walk through all segments, or those that hold a part of the records; damage in one does not end it.

use std::path::Path;

use serde_json::Value;

use super::acts::Acts;
use super::heads::Heads;
use super::{Part, Report, Verdict};
use crate::control::record::Kind;
use crate::shell::journal::{
    ACTIONS, Brief, Chain, Frame, JournalError, Mark, RESTORED, Reader, Record, SegmentFile,
};

/// What was read.
#[derive(Clone, Debug)]
pub(super) struct Walked {
    pub(super) records: u64,
    pub(super) segments: usize,
    pub(super) last: u64,
    pub(super) head: Chain,
    pub(super) checkpoints: u64,
    pub(super) open: usize,
}

/// Walks the records of `part`, noting everything in `report`.
pub(super) fn walk(
    report: &mut Report,
    journal: &Path,
    genesis: &Chain,
    mut heads: Heads,
    part: Part,
) -> Result<Walked, JournalError> {
    let left_out = heads.only(&part);
    if left_out > 0 {
        report.note(format!("chain heads of {left_out} records outside of the range were not compared"));
    }
    let mark = Mark::read(&Mark::path(journal, ACTIONS)).unwrap_or_else(|error| {
        report.journal_error(&error);
        None
    });
    let reader = Reader::open(journal, ACTIONS)?;
    // The segment with the record before the first one is read too: the chain goes on from it.
    let skip = reader.files().partition_point(|file| file.name.first < part.from()).saturating_sub(1);
    let walked = Walked { records: 0, segments: 0, last: 0, head: *genesis, checkpoints: 0, open: 0 };
    let (acts, oldest, trimmed, whole) = (Acts::default(), None, false, true);
    let mut walk =
        Walk { report, part, mark, heads, walked, acts, oldest, trimmed, whole, before: None, over: false };
    let (mut epoch, mut broken) = (0, false);
    for (index, file) in reader.files().iter().enumerate().skip(skip) {
        if walk.over || file.name.first > part.to() {
            walk.over = true;
            break;
        }
        if file.name.epoch < epoch {
            let name = file.name.file_name();
            walk.report.problem(Verdict::Chain, format!("{name}: epoch falls from {epoch}"));
        }
        let risen = index > skip && file.name.epoch > epoch;
        epoch = file.name.epoch;
        let known = !broken && (index > skip || file.name.first == 1);
        let records = walk.walked.records;
        broken = walk.segment(&reader, file, known, risen);
        walk.walked.segments += usize::from(part.is_whole() || walk.walked.records > records);
        walk.whole &= !broken;
    }
    if let Some(blank) = reader.blank().filter(|_| !walk.over) {
        walk.report.note(format!("{}: made but never acknowledged", blank.name.file_name()));
    }
    walk.end(broken);
    Ok(walk.walked)
}

struct Walk<'a> {
    report: &'a mut Report,
    part: Part,
    mark: Option<Mark>,
    heads: Heads,
    walked: Walked,
    acts: Acts,
    oldest: Option<u64>,
    /// A record tells that older ones were removed.
    trimmed: bool,
    /// Everything could be read so far.
    whole: bool,
    /// The record before the first one of the part, where it is there.
    before: Option<u64>,
    /// There are records after the last one of the part.
    over: bool,
}

impl Walk<'_> {
    /// Walks one segment; whether it broke off. `known`: what it must follow was read; `risen`: a new epoch begins.
    fn segment(&mut self, reader: &Reader, file: &SegmentFile, known: bool, risen: bool) -> bool {
        let name = file.name.file_name();
        let mut begins = known;
        let mut records = reader.records_of_part(file, self.part.from());
        for frame in &mut records {
            if self.oldest.is_some() && self.walked.last >= self.part.to() {
                // Whatever stands there: it is no part of this.
                self.over = true;
                return false;
            }
            let frame = match frame {
                Ok(frame) => frame,
                Err(error) => {
                    self.report.journal_error(&error);
                    // What comes next cannot follow from here; said once.
                    return true;
                }
            };
            if frame.seq < self.part.from() {
                (self.walked.last, self.walked.head) = (frame.seq, frame.chain);
                (self.before, begins) = (Some(frame.seq), false);
                continue;
            }
            if frame.seq > self.part.to() {
                self.over = true;
                return false;
            }
            let record = match Brief::of(&frame) {
                Ok(record) => Some(record),
                Err(error) => {
                    self.report.journal_error(&error);
                    None
                }
            };
            // Of few records the detail counts.
            let detailed = |kind| matches!(kind, Kind::Recovered | Kind::Checkpoint);
            let whole = record.as_ref().filter(|record| detailed(record.kind)).map(|_| Record::of(&frame));
            let whole = whole.transpose().unwrap_or_else(|error| {
                self.report.journal_error(&error);
                None
            });
            if std::mem::take(&mut begins) {
                self.joins(&name, &frame, whole.as_ref(), risen);
            }
            self.take(&frame, record.as_ref(), whole.as_ref(), file.name.epoch);
        }
        let Some(torn) = records.tail().and_then(|tail| tail.torn.as_ref()) else { return false };
        if torn.followed && self.mark.is_some_and(|mark| mark.seq > self.walked.last) {
            let (path, at, why) = (file.path.clone(), torn.at, torn.why);
            self.report.journal_error(&JournalError::Damaged { path, at, seq: self.walked.last + 1, why });
            return true;
        }
        self.report
            .note(format!("{name}: torn tail at byte {}: {}; the next start cuts it", torn.at, torn.why));
        false
    }

    fn take(&mut self, frame: &Frame, record: Option<&Brief>, whole: Option<&Record>, epoch: u64) {
        let mut found = self.heads.anchored(frame);
        if let Some(record) = record {
            if record.epoch != epoch {
                let why = format!("record {}: of epoch {} in a segment of {epoch}", frame.seq, record.epoch);
                found.push((Verdict::Chain, why));
            }
            let counted = self.whole && self.oldest == Some(1);
            let (before, records) = (self.walked.last, counted.then_some(self.walked.records));
            if let Some(whole) = whole {
                found.extend(self.heads.checkpoint(whole, frame, before, records));
            }
            found.extend(self.acts.note(frame.seq, record, whole, &frame.prev));
            self.trimmed |= record.kind == Kind::Trim;
        }
        self.report.problems.extend(found);
        self.oldest.get_or_insert(frame.seq);
        self.walked.records += 1;
        (self.walked.last, self.walked.head) = (frame.seq, frame.chain);
    }

    /// The first record of a segment follows the last one before it; in a new epoch it tells of the restore that began it.
    fn joins(&mut self, name: &str, frame: &Frame, record: Option<&Record>, risen: bool) {
        let (last, follows) = (self.walked.last, frame.prev == self.walked.head);
        if follows && (frame.seq == last + 1 && !risen) {
            return;
        }
        let told =
            record.and_then(|record| record.detail.as_ref().filter(|_| record.kind == Kind::Recovered));
        let says = |key: &str| told.and_then(|detail| detail.get(key));
        let restored = says("what").and_then(Value::as_str) == Some(RESTORED);
        let after = says("after").and_then(Value::as_u64);
        if follows && risen && restored && after == Some(last) && frame.seq > last {
            let seq = frame.seq;
            return self.report.note(format!(
                "record {seq}: restored from a backup that ended at record {last}; what was recorded after it is not here"
            ));
        }
        let why = match (self.oldest.or(self.before), follows && risen) {
            (None, _) => "begins with the hash of another store",
            (Some(_), true) => "begins an epoch that no restore before it explains",
            (Some(_), false) => "does not follow the one before",
        };
        self.report.problem(Verdict::Chain, format!("{name}: record {} {why}", frame.seq));
    }

    fn end(&mut self, broken: bool) {
        let last = self.walked.last;
        let (from, whole) = (self.part.from(), self.part.is_whole());
        let gap = self.oldest.filter(|oldest| *oldest > from && self.before.is_none() && !self.trimmed);
        match gap.map(|oldest| oldest - 1) {
            Some(gone) if whole => {
                let why = format!("records 1 to {gone} are missing, and no record says that they were removed");
                self.report.problem(Verdict::Missing, why);
            }
            Some(gone) => self.report.note(format!(
                "records {from} to {gone} are not here; whether they were removed in order only the whole log tells"
            )),
            None => {}
        }
        if !broken && !self.over {
            self.against_mark(last);
        }
        if self.oldest.is_none() && !whole && self.report.problems.is_empty() {
            self.report.problem(Verdict::Usage, format!("no record of {} is in the log", self.part.said()));
        }
        let end = if self.over { u64::MAX } else { last };
        let left = self.heads.left(self.oldest.unwrap_or(0), end, self.trimmed || !whole);
        self.report.problems.extend(left);
        self.walked.checkpoints = self.heads.signed;
        self.walked.open = self.acts.open.len();
        for (verdict, why) in self.acts.ends(self.over.then_some(self.part.to())) {
            if verdict == Verdict::Right {
                self.report.note(why);
            } else {
                self.report.problem(verdict, why);
            }
        }
    }

    fn against_mark(&mut self, last: u64) {
        match self.mark {
            Some(mark) if mark.seq > last && self.part.to() > last => {
                let seq = mark.seq;
                let why = format!("the log ends at record {last}, {seq} was acknowledged: its end is lost");
                self.report.problem(Verdict::Missing, why);
            }
            None if last > 0 && self.report.problems.is_empty() => {
                self.report.note("no mark; the next start records that");
            }
            Some(_) | None => {}
        }
    }
}
