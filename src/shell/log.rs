//! `qindan log`: reads the action journal of a data folder, also while the service runs or after it died.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::Path;

use jiff::Timestamp;

use super::data_dir::Identity;
use super::journal::{ACTIONS, Frame, Reader, Record, Records, hex};
use super::log_inputs;
use super::log_text::{Line, full};
use super::store::Query;
pub use super::verify::{Verdict, verify};
use crate::config::Config;
use crate::control::record::Kind;

/// Prints the newest records that satisfy `query`, oldest first, one line each. Read from the journal: also beside a running
/// service, and of a folder whose view is gone.
///
/// # Errors
/// When the folder or journal cannot be read, or `out` takes no more.
pub fn tail(data: &Path, query: &Query, out: &mut dyn Write) -> io::Result<()> {
    let all = *query == Query::newest(query.count);
    // What this build cannot understand satisfies nothing but the wish for everything.
    let wanted = |frame: &Frame| all || Record::of(frame).is_ok_and(|record| query.accepts(&record));
    for frame in open(data)?.last(query.count, wanted).map_err(io::Error::other)? {
        print_line(&frame, out)?;
    }
    Ok(())
}

/// Prints what was decided together with record `seq`, from the same inputs, and what became of its commands, one line each.
///
/// # Errors
/// When there is no such record, it is none that was decided, the journal cannot be read, or `out` takes no more.
pub fn decided(data: &Path, seq: u64, out: &mut dyn Write) -> io::Result<()> {
    let (_, record, _) = record(data, seq)?;
    let Some(inputs) = record.inputs else {
        let why = format!("record {seq}: not decided from readings; see `qindan log show {seq}`");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
    };
    let mut intents = BTreeSet::new();
    for frame in open(data)?.records(record.batch.unwrap_or(seq)) {
        let frame = frame.map_err(io::Error::other)?;
        let Ok(record) = Record::of(&frame) else { continue };
        if record.inputs.as_ref() == Some(&inputs) {
            intents.insert(record.seq);
        } else if record.of.is_none_or(|of| !intents.contains(&of)) {
            continue;
        }
        print_line(&frame, out)?;
    }
    Ok(())
}

/// A record, and those behind it.
fn record(data: &Path, seq: u64) -> io::Result<(Frame, Record, Records)> {
    let mut records = open(data)?.records(seq);
    let first = records.next().transpose().map_err(io::Error::other)?;
    let Some(frame) = first.filter(|frame| frame.seq == seq) else {
        let why = format!("record {seq}: not in {}; see `qindan log tail`", data.display());
        return Err(io::Error::new(io::ErrorKind::NotFound, why));
    };
    let record = Record::of(&frame).map_err(io::Error::other)?;
    Ok((frame, record, records))
}

/// A record that this build cannot understand is printed as stored.
fn print_line(frame: &Frame, out: &mut dyn Write) -> io::Result<()> {
    match Record::of(frame) {
        Ok(record) => writeln!(out, "{}", Line(&record)),
        Err(error) => writeln!(out, "{error}: {}", String::from_utf8_lossy(&frame.body)),
    }
}

/// Prints records from `from` until before `to` (civil time) as JSON lines with their hashes.
///
/// `hash` is the SHA-256 of `prev` (32 bytes), `seq` (8 bytes, big-endian) and the bytes of `body` as they stand in
/// the line, so that anyone can verify the chain (`ops/verify-export`). `prev` of the first record is the hash of the store id.
///
/// One piece of the chain: from the first record of that time to the last one, with whatever stands between them. Where civil
/// time was set back in it, that is more than the time asked for.
///
/// # Errors
/// When the folder or journal cannot be read, or `out` takes no more.
pub fn export(
    data: &Path,
    from: Option<Timestamp>,
    to: Option<Timestamp>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let reader = open(data)?;
    let Some((first, last)) = piece(&reader, from, to)? else { return Ok(()) };
    for frame in reader.records(first) {
        let frame = frame.map_err(io::Error::other)?;
        if frame.seq > last {
            break;
        }
        let (seq, prev, hash) = (frame.seq, hex(&frame.prev), hex(&frame.chain));
        write!(out, r#"{{"seq":{seq},"prev":"{prev}","hash":"{hash}","body":"#)?;
        out.write_all(&frame.body)?;
        out.write_all(b"}\n")?;
    }
    Ok(())
}

/// First and last sequence of the records of a time; `None` when there are none.
fn piece(reader: &Reader, from: Option<Timestamp>, to: Option<Timestamp>) -> io::Result<Option<(u64, u64)>> {
    /// Of a record of any version.
    #[derive(serde::Deserialize)]
    struct Dated {
        utc: Timestamp,
    }

    if from.is_none() && to.is_none() {
        return Ok(Some((0, u64::MAX)));
    }
    let mut piece = None;
    for frame in reader.records(0) {
        let frame = frame.map_err(io::Error::other)?;
        let Dated { utc } = serde_json::from_slice(&frame.body).map_err(io::Error::other)?;
        if from.is_none_or(|from| from <= utc) && to.is_none_or(|to| utc < to) {
            let (_, last) = piece.get_or_insert((frame.seq, frame.seq));
            *last = frame.seq;
        }
    }
    Ok(piece)
}

/// Prints one record in full, for an intent what became of it, and for what was decided the inputs, as far as they are kept.
/// `config` names the points of exact inputs, when it is the one that was in force.
///
/// # Errors
/// When there is no such record, the journal cannot be read, or `out` takes no more.
pub fn show(data: &Path, seq: u64, config: Option<&Config>, out: &mut dyn Write) -> io::Result<()> {
    let (frame, record, records) = record(data, seq)?;
    writeln!(out, "{}hash      {}", full(&record), hex(&frame.chain))?;
    if log_inputs::has(&record) {
        log_inputs::print(data, &record, config, out)?;
    }
    if !matches!(record.kind, Kind::Intent | Kind::LateIntent) {
        return Ok(());
    }
    for later in records {
        let later = later.map_err(io::Error::other)?;
        if later.kind == Kind::Outcome as u8
            && let Ok(outcome) = Record::of(&later)
            && outcome.of == Some(seq)
        {
            return write!(out, "\noutcome in record {}:\n{}", later.seq, full(&outcome));
        }
    }
    writeln!(out, "\nno outcome yet")
}

fn open(data: &Path) -> io::Result<Reader> {
    Identity::read(data).map_err(io::Error::other)?;
    Reader::open(&data.join("journal"), ACTIONS).map_err(io::Error::other)
}
