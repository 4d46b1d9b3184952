//! One database of the view: the only file that names sled.

use std::collections::BTreeMap;
use std::fs;
use std::ops::RangeInclusive;
use std::path::Path;

use super::pack::{self, Stored};
use super::{PATIENCE, Query, Trouble};
use crate::shell::journal::{Brief, Frame, Reader, Record};
use crate::shell::lock::patiently;

/// Layout of the trees.
const SCHEMA: &[u8] = b"2";
/// What the database keeps of its pages in memory, bytes. Chosen: the newest ten thousand records are half of it.
const CACHE: u64 = 16 << 20;

impl From<sled::Error> for Trouble {
    fn from(error: sled::Error) -> Self {
        let full = matches!(&error, sled::Error::Io(io) if io.kind() == std::io::ErrorKind::StorageFull);
        let passes = full || is_held(&error);
        if passes { Self::Waits(error.to_string()) } else { Self::Unusable(error.to_string()) }
    }
}

/// Whether another still holds the lock of the database; sled 0.34 tells that by its words alone.
fn is_held(error: &sled::Error) -> bool {
    matches!(error, sled::Error::Io(_)) && error.to_string().contains("could not acquire lock")
}

/// The database, and the records in it that do not fill a block yet.
pub(super) struct View {
    db: sled::Db,
    /// First sequence to block.
    block: sled::Tree,
    /// Sequence to record: the newest ones, that do not fill a block yet.
    tail: sled::Tree,
    /// Gate and span to sequences.
    by_gate: sled::Tree,
    meta: sled::Tree,
    /// The records of `tail`.
    newest: Vec<Stored>,
    /// Sequences in `tail` that stand in blocks.
    packed: Vec<u64>,
    /// Sequence of its newest record.
    pub(super) last: u64,
}

impl View {
    pub(super) fn open(dir: &Path) -> Result<Self, Trouble> {
        // A kill while sled opens leaves one behind, and sled does not open then.
        for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name.starts_with("snap.") && name.ends_with(".generating") {
                drop(fs::remove_file(entry.path()));
            }
        }
        let config = sled::Config::new().path(dir).cache_capacity(CACHE).flush_every_ms(Some(500));
        let held = |opened: &Result<sled::Db, sled::Error>| opened.as_ref().is_err_and(is_held);
        let db = patiently(PATIENCE, held, || config.open())?;
        let (block, tail) = (db.open_tree("block")?, db.open_tree("tail")?);
        let (by_gate, meta) = (db.open_tree("gate")?, db.open_tree("meta")?);
        let mut view =
            Self { db, block, tail, by_gate, meta, newest: Vec::new(), packed: Vec::new(), last: 0 };
        if let Some((key, block)) = view.block.last()? {
            let records = unpacked(&key, &block)?;
            view.last = records.last().map_or_else(|| seq_of(&key), |stored| stored.seq);
        }
        for item in &view.tail {
            let (key, value) = item?;
            let seq = seq_of(&key);
            if seq > view.last {
                view.newest.push(Stored { seq, value: value.to_vec() });
            } else {
                view.packed.push(seq);
            }
        }
        view.last = view.newest.last().map_or(view.last, |stored| stored.seq);
        Ok(view)
    }

    /// Whether an earlier version laid it out; what is empty is of this one.
    pub(super) fn is_outdated(&self) -> Result<bool, Trouble> {
        Ok(self.meta.get("schema")?.is_some_and(|schema| *schema != *SCHEMA))
    }

    /// Adds the records that are newer than its newest.
    pub(super) fn put<'a>(&mut self, frames: impl IntoIterator<Item = &'a Frame>) -> Result<(), Trouble> {
        let mut alone = std::mem::take(&mut self.newest);
        let (before, mut blocks) = (alone.len(), sled::Batch::default());
        let mut tail = sled::Batch::default();
        let mut gates: BTreeMap<Vec<u8>, Vec<u64>> = BTreeMap::new();
        let (mut packed, mut kept) = (Vec::new(), before);
        for frame in frames {
            if frame.seq <= self.last {
                continue;
            }
            self.last = frame.seq;
            alone.push(Stored::of(frame));
            if let Some(first) = alone.first().filter(|_| pack::is_full(&alone)) {
                let (block, of_gates) = pack::pack(&alone);
                blocks.insert(&first.seq.to_be_bytes(), block);
                for (gate, seqs) in of_gates {
                    for seq in seqs {
                        gates.entry(pack::span_key(&gate, seq)).or_default().push(seq);
                    }
                }
                packed.extend(alone.iter().take(kept).map(|stored| stored.seq));
                kept = 0;
                alone.clear();
            }
        }
        for seq in self.packed.drain(..).chain(packed) {
            tail.remove(&seq.to_be_bytes());
        }
        for stored in alone.iter().skip(kept) {
            tail.insert(&stored.seq.to_be_bytes(), stored.value.as_slice());
        }
        self.newest = alone;
        // In this order: whatever a crash leaves of it, a record of a block is found by its gate.
        let mut spans = sled::Batch::default();
        for (key, seqs) in gates {
            let known = self.by_gate.get(&key)?;
            let span = pack::span_with(known.as_deref().unwrap_or_default(), &seqs);
            spans.insert(key, span);
        }
        self.by_gate.apply_batch(spans)?;
        self.block.apply_batch(blocks)?;
        self.tail.apply_batch(tail)?;
        Ok(())
    }

    /// Says that it is laid out as this version does.
    pub(super) fn claim(&self) -> Result<(), Trouble> {
        self.meta.insert("schema", SCHEMA)?;
        Ok(())
    }

    /// Hands everything to the disk.
    pub(super) fn flush(&self) -> Result<(), Trouble> {
        self.db.flush()?;
        Ok(())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.newest.is_empty() && self.block.is_empty()
    }

    /// Adds what it has to what newer ones had, newest first.
    pub(super) fn find(&self, found: &mut Found<'_>) -> Result<(), Trouble> {
        let (from, to) = found.query.seqs.unwrap_or((0, u64::MAX));
        for stored in self.newest.iter().rev().filter(|stored| (from..=to).contains(&stored.seq)) {
            found.take(stored)?;
        }
        match &found.query.gate {
            Some(gate) => self.find_of(gate, from, to, found),
            None => self.find_in_blocks(from, to, found),
        }
    }

    fn find_in_blocks(&self, from: u64, to: u64, found: &mut Found<'_>) -> Result<(), Trouble> {
        for item in self.block.range(..=to.to_be_bytes()).rev() {
            if found.is_full() {
                break;
            }
            let (key, block) = item?;
            if pack::may_hold(&block, found.query) {
                let records = unpacked(&key, &block)?;
                for stored in records.iter().rev().filter(|stored| (from..=to).contains(&stored.seq)) {
                    found.take(stored)?;
                }
            }
            if seq_of(&key) <= from {
                break;
            }
        }
        Ok(())
    }

    fn find_of(&self, gate: &str, from: u64, to: u64, found: &mut Found<'_>) -> Result<(), Trouble> {
        let mut block: Vec<Stored> = Vec::new();
        let end = self.newest.first().map_or(u64::MAX, |stored| stored.seq);
        for item in self.by_gate.range(pack::span_key(gate, from)..=pack::span_key(gate, to)).rev() {
            let (key, span) = item?;
            for seq in pack::span_seqs(&key, &span).into_iter().rev() {
                if found.is_full() {
                    return Ok(());
                }
                if !(from..=to).contains(&seq) || seq >= end {
                    continue;
                }
                let holds = |block: &[Stored]| block.first().is_some_and(|first| first.seq <= seq);
                if !holds(&block) {
                    block.clear();
                    if let Some((key, packed)) =
                        self.block.range(..=seq.to_be_bytes()).next_back().transpose()?
                    {
                        block = unpacked(&key, &packed)?;
                    }
                }
                match block.iter().find(|stored| stored.seq == seq) {
                    Some(stored) => found.take(stored)?,
                    // Named by what a crash left of a block that was not written.
                    None if seq > self.last => {}
                    None => return Err(Trouble::Unusable(format!("record {seq} is not in the view"))),
                }
            }
        }
        Ok(())
    }

    /// Sequence of its oldest record.
    pub(super) fn first(&self) -> Result<Option<u64>, Trouble> {
        let first = self.block.first()?.map(|(key, _)| seq_of(&key));
        Ok(first.or(self.newest.first().map(|stored| stored.seq)))
    }

    /// Its records from sequence `from` on.
    fn records(&self, from: u64) -> Result<impl Iterator<Item = Result<Stored, Trouble>>, Trouble> {
        let first = self.block.range(..=from.to_be_bytes()).next_back().transpose()?;
        let first = first.map_or(from, |(key, _)| seq_of(&key));
        let blocks = self.block.range(first.to_be_bytes()..).flat_map(|item| {
            let records = item.map_err(Trouble::from).and_then(|(key, block)| unpacked(&key, &block));
            let (records, error) = match records {
                Ok(records) => (records, None),
                Err(error) => (Vec::new(), Some(Err(error))),
            };
            records.into_iter().map(Ok).chain(error)
        });
        let newest = self.newest.iter().cloned().map(Ok);
        Ok(blocks.chain(newest).filter(move |item| item.as_ref().map_or(true, |stored| stored.seq >= from)))
    }

    /// Checks the records with these numbers against the journal; true when the view only lacks the newest ones.
    pub(super) fn agrees(&self, reader: &Reader, seqs: RangeInclusive<u64>) -> Result<bool, Trouble> {
        if self.meta.get("schema")?.as_deref() != Some(SCHEMA) {
            return Ok(self.is_empty());
        }
        let (from, to) = seqs.into_inner();
        let mut end = 0;
        let mut stored = self.records(from)?;
        let mut gates = Gates { view: self, span: BTreeMap::new() };
        for frame in reader.records(from) {
            let frame = frame?;
            end = frame.seq;
            if end > to {
                return Ok(true);
            }
            if frame.seq <= self.last {
                let Some(here) = stored.next().transpose()? else { return Ok(false) };
                if here != Stored::of(&frame) || !gates.name(&frame)? {
                    return Ok(false);
                }
            }
        }
        Ok(self.last <= end)
    }
}

/// What a query has found so far.
pub(super) struct Found<'a> {
    pub(super) query: &'a Query,
    pub(super) records: Vec<Record>,
}

impl Found<'_> {
    pub(super) fn is_full(&self) -> bool {
        self.records.len() >= self.query.count
    }

    fn take(&mut self, stored: &Stored) -> Result<(), Trouble> {
        if self.is_full() {
            return Ok(());
        }
        let Some(record) = stored.record() else {
            return Err(Trouble::Unusable(format!("record {} cannot be read from the view", stored.seq)));
        };
        if self.query.accepts(&record) {
            self.records.push(record);
        }
        Ok(())
    }
}

/// The spans of the gates met on the way through the records.
struct Gates<'a> {
    view: &'a View,
    span: BTreeMap<Vec<u8>, Vec<u64>>,
}

impl Gates<'_> {
    /// Whether a record of a gate that stands in a block is found by that gate.
    fn name(&mut self, frame: &Frame) -> Result<bool, Trouble> {
        if self.view.newest.first().is_some_and(|newest| newest.seq <= frame.seq) {
            return Ok(true);
        }
        let Ok(brief) = Brief::of(frame) else { return Ok(true) };
        let Some(gate) = brief.gate() else { return Ok(true) };
        let key = pack::span_key(gate, frame.seq);
        if !self.span.contains_key(&key) {
            // Records come in order: of every gate the newest span is enough.
            let (gate, _) = key.split_at(gate.len() + 1);
            self.span.retain(|known, _| !known.starts_with(gate));
            let span = self.view.by_gate.get(&key)?;
            self.span.insert(key.clone(), pack::span_seqs(&key, span.as_deref().unwrap_or_default()));
        }
        Ok(self.span.get(&key).is_some_and(|seqs| seqs.binary_search(&frame.seq).is_ok()))
    }
}

fn unpacked(key: &[u8], block: &[u8]) -> Result<Vec<Stored>, Trouble> {
    let broken = || Trouble::Unusable(format!("the block of record {} is broken", seq_of(key)));
    pack::unpack(block).ok_or_else(broken)
}

fn seq_of(key: &[u8]) -> u64 {
    key.last_chunk::<8>().map_or(0, |seq| u64::from_be_bytes(*seq))
}
