//! Chain heads: those signed in the journal, and those kept elsewhere.

use std::collections::BTreeMap;

use super::{Part, Verdict};
use crate::control::record::Kind;
use crate::shell::checkpoint::anchors::Kept;
use crate::shell::checkpoint::{Signed, short};
use crate::shell::journal::{Frame, Record, hex};

/// What is compared with the journal as it is walked.
pub(super) struct Heads {
    store: String,
    keys: Vec<String>,
    anchors: BTreeMap<u64, Vec<Kept>>,
    /// Checkpoints that are right.
    pub(super) signed: u64,
}

type Found = Vec<(Verdict, String)>;

impl Heads {
    pub(super) fn new(store: &str, keys: Vec<String>, anchors: &[Kept]) -> Self {
        let mut by_seq: BTreeMap<u64, Vec<Kept>> = BTreeMap::new();
        for anchor in anchors {
            by_seq.entry(anchor.seq).or_default().push(anchor.clone());
        }
        Self { store: store.to_owned(), keys, anchors: by_seq, signed: 0 }
    }

    /// Leaves out the anchors of other records; how many.
    pub(super) fn only(&mut self, part: &Part) -> usize {
        let before = self.anchors.len();
        self.anchors.retain(|seq, _| part.holds(*seq));
        before - self.anchors.len()
    }

    /// Compares a record with the anchors of its number.
    pub(super) fn anchored(&mut self, frame: &Frame) -> Found {
        let Some(anchors) = self.anchors.remove(&frame.seq) else { return Vec::new() };
        let head = hex(&frame.chain);
        let differs = anchors.into_iter().filter(|anchor| !head.starts_with(&anchor.head));
        let told = |anchor: Kept| {
            let (line, seq, kept, here) = (anchor.line, frame.seq, short(&anchor.head), short(&head));
            let why = format!(
                "record {seq}: its chain head is {here}, line {line} of the anchors kept {kept}; records up to there were \
                 changed after that was written down"
            );
            (Verdict::AnchorDiffers, why)
        };
        differs.map(told).collect()
    }

    /// Checks a checkpoint against what stands before it, of which `records` were read when all are there.
    pub(super) fn checkpoint(
        &mut self,
        record: &Record,
        frame: &Frame,
        before: u64,
        records: Option<u64>,
    ) -> Found {
        if record.kind != Kind::Checkpoint {
            return Vec::new();
        }
        let wrong = |why: String| vec![(Verdict::Chain, format!("record {}: checkpoint: {why}", record.seq))];
        let Some(signed) = record.detail.as_ref().and_then(Signed::of) else {
            return wrong("it lacks what is signed".to_owned());
        };
        let claim = &signed.claim;
        if claim.store != self.store || claim.seq != before || claim.head != hex(&frame.prev) {
            return wrong("it speaks for other records than those before it".to_owned());
        }
        if claim.epoch != record.epoch {
            return wrong(format!("it is of epoch {}, not {}", claim.epoch, record.epoch));
        }
        if let Some(records) = records.filter(|records| *records != claim.records) {
            return wrong(format!("{} records were before it, there are {records}", claim.records));
        }
        if let Err(error) = signed.check() {
            return wrong(error.to_string());
        }
        if !self.keys.contains(&signed.key) {
            return wrong(format!("signed with {}, a key this folder does not know", short(&signed.key)));
        }
        self.signed += 1;
        Vec::new()
    }

    /// Anchors whose records were not met. `trimmed`: those below were removed in order.
    pub(super) fn left(&self, oldest: u64, last: u64, trimmed: bool) -> Found {
        let anchors = self.anchors.values().flatten();
        let missing = anchors.filter(|anchor| !(trimmed && anchor.seq < oldest));
        let told = |anchor: &Kept| {
            let why = if anchor.seq > last {
                format!("the log ends at record {last}")
            } else {
                "it is not in the log: left out by a restore, or removed".to_owned()
            };
            (
                Verdict::AnchorDiffers,
                format!("record {} of line {} of the anchors: {why}", anchor.seq, anchor.line),
            )
        };
        missing.map(told).collect()
    }
}
