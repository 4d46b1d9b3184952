//! Records packed for the view: some of them together under the number of the first, and by gate where they stand. Pure.
//!
//! ```text
//!  block = earliest and latest time (µs, i64) | kinds (u64, a bit each) | entry …
//!  entry = sequence u64 | length u32 | kind u8 | version u8 | chain hash (32 bytes) | body
//!  span  = of 1024 sequences, those of one gate: the last ten bits of each, u16, ascending
//! ```
//!
//! Numbers are big-endian. The database keeps all its pages in a table in memory and puts nine to seventeen values on one: two
//! million records each by itself, and once more by gate, took 130 MB of it. And it looks for pages to let go of only after 64
//! accesses in one of 256 parts of its cache: with blocks of 6 KiB, so pages of up to 100 KB, two million records that had all
//! been read once held 440 MB, with those of 1 KiB 128 MB (`cargo bench --bench record`).

use std::collections::BTreeMap;

use super::Query;
use crate::shell::journal::{Brief, Frame, Record};

/// Bytes at which a block is full.
const FULL: usize = 1024;
/// Times and kinds.
const HEAD: usize = 24;
/// Sequence and length.
const ENTRY: usize = 12;
/// Bits of a sequence within its span.
const SPAN_BITS: u32 = 10;

/// A record as the view keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stored {
    pub(super) seq: u64,
    /// Kind, version, chain hash, body.
    pub(super) value: Vec<u8>,
}

impl Stored {
    pub(super) fn of(frame: &Frame) -> Self {
        let mut value = Vec::with_capacity(34 + frame.body.len());
        value.extend_from_slice(&[frame.kind, frame.version]);
        value.extend_from_slice(&frame.chain);
        value.extend_from_slice(&frame.body);
        Self { seq: frame.seq, value }
    }

    fn frame(&self) -> Option<Frame> {
        let (head, body) = self.value.split_first_chunk::<34>()?;
        let [kind, version, ..] = *head;
        Some(Frame { seq: self.seq, kind, version, body: body.to_vec(), prev: [0; 32], chain: [0; 32] })
    }

    pub(super) fn record(&self) -> Option<Record> {
        Record::of(&self.frame()?).ok()
    }

    fn size(&self) -> usize {
        ENTRY + self.value.len()
    }
}

/// Whether so many records make a full block.
pub(super) fn is_full(records: &[Stored]) -> bool {
    records.iter().map(Stored::size).sum::<usize>() >= FULL
}

/// A block, and the gates of its records with their sequences.
pub(super) fn pack(records: &[Stored]) -> (Vec<u8>, BTreeMap<String, Vec<u64>>) {
    let (mut earliest, mut latest, mut kinds) = (i64::MAX, i64::MIN, 0_u64);
    let mut gates: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    let mut block = vec![0; HEAD];
    for stored in records {
        if let Some(Ok(brief)) = stored.frame().as_ref().map(Brief::of) {
            let at = brief.utc.as_microsecond();
            (earliest, latest) = (earliest.min(at), latest.max(at));
            if let Some(gate) = brief.gate() {
                gates.entry(gate.to_owned()).or_default().push(stored.seq);
            }
        } else {
            // It cannot be understood: nobody may pass it by.
            (earliest, latest) = (i64::MIN, i64::MAX);
        }
        kinds |= bit(stored.value.first().copied().unwrap_or_default());
        block.extend_from_slice(&stored.seq.to_be_bytes());
        block.extend_from_slice(&u32::try_from(stored.value.len()).unwrap_or(u32::MAX).to_be_bytes());
        block.extend_from_slice(&stored.value);
    }
    let head = [earliest.to_be_bytes(), latest.to_be_bytes(), kinds.to_be_bytes()].concat();
    block.splice(..HEAD, head);
    (block, gates)
}

fn bit(kind: u8) -> u64 {
    1_u64.checked_shl(u32::from(kind)).unwrap_or(1 << 63)
}

/// The records of a block, oldest first; `None` when it is none.
pub(super) fn unpack(block: &[u8]) -> Option<Vec<Stored>> {
    let (_, mut rest) = block.split_first_chunk::<HEAD>()?;
    let mut records = Vec::new();
    while !rest.is_empty() {
        let (seq, after) = rest.split_first_chunk::<8>()?;
        let (length, after) = after.split_first_chunk::<4>()?;
        let (value, after) = after.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
        records.push(Stored { seq: u64::from_be_bytes(*seq), value: value.to_vec() });
        rest = after;
    }
    Some(records)
}

/// Whether a block may hold what is looked for, without taking it apart.
pub(super) fn may_hold(block: &[u8], query: &Query) -> bool {
    let Some((head, _)) = block.split_first_chunk::<HEAD>() else { return true };
    let number = |at: usize| {
        head.get(at..at + 8).and_then(|bytes| bytes.first_chunk::<8>()).map_or(0, |b| u64::from_be_bytes(*b))
    };
    let (earliest, latest, kinds) = (number(0).cast_signed(), number(8).cast_signed(), number(16));
    let wanted = query.kinds.iter().fold(0, |all, kind| all | bit(*kind as u8));
    let in_time = |(from, before): &(jiff::Timestamp, jiff::Timestamp)| {
        from.as_microsecond() <= latest && earliest <= before.as_microsecond()
    };
    (query.kinds.is_empty() || kinds & wanted != 0) && query.utc.as_ref().is_none_or(in_time)
}

/// Key of the span of a gate that holds `seq`; those of one gate lie together, in their order.
pub(super) fn span_key(gate: &str, seq: u64) -> Vec<u8> {
    let mut key = gate.as_bytes().to_vec();
    key.push(0);
    key.extend_from_slice(&(seq >> SPAN_BITS).to_be_bytes());
    key
}

/// The sequences a span names, ascending.
pub(super) fn span_seqs(key: &[u8], span: &[u8]) -> Vec<u64> {
    let base = key.last_chunk::<8>().map_or(0, |base| u64::from_be_bytes(*base)) << SPAN_BITS;
    let (places, _) = span.as_chunks::<2>();
    places.iter().map(|place| base | u64::from(u16::from_be_bytes(*place))).collect()
}

/// A span that names `seqs` too.
pub(super) fn span_with(span: &[u8], seqs: &[u64]) -> Vec<u8> {
    let place = |seq: &u64| u16::try_from(seq & ((1 << SPAN_BITS) - 1)).unwrap_or_default();
    let (known, _) = span.as_chunks::<2>();
    let mut places: Vec<_> = known.iter().map(|place| u16::from_be_bytes(*place)).collect();
    places.extend(seqs.iter().map(place));
    places.sort_unstable();
    places.dedup();
    places.iter().flat_map(|place| place.to_be_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::record::Kind;

    fn stored(seq: u64, kind: Kind, second: u32, gate: &str) -> Stored {
        let name = serde_json::to_value(kind).unwrap();
        let body = serde_json::json!({
            "seq": seq, "epoch": 1, "kind": name, "utc": format!("2026-05-01T00:00:{second:02}Z"), "mono_us": 0,
            "boot": "b", "config": "c", "prev": "", "actor": "dispatch", "gate": gate,
        });
        let body = serde_json::to_vec(&body).unwrap();
        let frame = Frame { seq, kind: kind as u8, version: 1, body, prev: [0; 32], chain: [7; 32] };
        Stored::of(&frame)
    }

    #[test]
    fn a_block_gives_back_what_was_put_in_and_says_what_it_cannot_hold() {
        let records = [
            stored(8, Kind::Intent, 10, "alder.v1"),
            stored(9, Kind::Outcome, 40, "alder.v1"),
            stored(2_000_000_001, Kind::Recovered, 20, "oak.v2"),
        ];
        let (block, gates) = pack(&records);
        assert_eq!(unpack(&block).unwrap(), records);
        assert_eq!(records[0].record().unwrap().gate.as_deref(), Some("alder.v1"));
        let expected =
            [("alder.v1".to_owned(), vec![8, 9]), ("oak.v2".to_owned(), vec![2_000_000_001])].into();
        assert_eq!(gates, expected);
        let at = |second: i64| jiff::Timestamp::from_second(1_777_593_600 + second).unwrap();
        let within = |from, before| Query { utc: Some((at(from), at(before))), ..Query::newest(1) };
        assert!(may_hold(&block, &within(0, 11)) && may_hold(&block, &within(40, 41)));
        assert!(!may_hold(&block, &within(0, 9)) && !may_hold(&block, &within(41, 99)));
        let of = |kind| Query { kinds: vec![kind], ..Query::newest(1) };
        assert!(may_hold(&block, &of(Kind::Outcome)) && !may_hold(&block, &of(Kind::Boot)));
        for cut in [0, 23, 30, block.len() - 1] {
            assert_eq!(unpack(&block[..cut]), None, "{cut}");
        }
    }

    #[test]
    fn a_span_names_each_sequence_once_and_in_order() {
        let span = span_with(&span_with(&[], &[1030, 1024]), &[2047, 1030]);
        assert_eq!(span_seqs(&span_key("g", 1500), &span), [1024, 1030, 2047]);
        assert!(span_key("g", 1023) < span_key("g", 1024) && span_key("g", 1 << 40) < span_key("g1", 0));
    }
}
