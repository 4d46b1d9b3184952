//! What a decision stood on: the exact inputs while they are kept, else the samples beside them.

use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use jiff::SignedDuration;

use super::history::{self, SILENCE};
use super::journal::Record;
use super::snapshots::{self, Moment, Opened, Step};
use crate::config::Config;
use crate::control::quality::Sample;
use crate::control::record::Kind;

/// How far the begin of a file of exact inputs may be from a record in it, civil time.
const NEAR: SignedDuration = SignedDuration::from_hours(2);

/// Whether a record comes out of a decision.
pub(super) fn has(record: &Record) -> bool {
    matches!(
        record.kind,
        Kind::Intent | Kind::LateIntent | Kind::Refusal | Kind::Decision | Kind::Plan | Kind::Alarm
    )
}

/// Prints the inputs of the decision that made `record`, a line each.
pub(super) fn print(
    data: &Path,
    record: &Record,
    config: Option<&Config>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let exact = match moment(data, record) {
        Ok(exact) => exact,
        Err(error) => {
            writeln!(out, "\nthe exact inputs cannot be read: {error}")?;
            None
        }
    };
    match exact {
        Some(moment) => print_exact(&moment, record, config, out),
        None => print_samples(data, record, out),
    }
}

/// The moment of a record: of the same start, at the same service time.
fn moment(data: &Path, record: &Record) -> Result<Option<Moment>, snapshots::ReadError> {
    let folder = snapshots::folder(data);
    let failed = |source| snapshots::ReadError::Io { path: folder.clone(), source };
    let files = match snapshots::files(&folder) {
        Ok(files) => files,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    // A file covers an hour of service time; where civil time was set it is not found, and samples are shown.
    let near = |file: &&snapshots::NamedFile| {
        let before = record.utc.duration_since(file.name.utc);
        before > -NEAR && before < NEAR
    };
    for file in files.iter().rev().filter(near) {
        let Some(mut opened) = Opened::read(&file.path)? else { continue };
        if opened.head().boot != record.boot || micros(opened.head().now.mono) > record.mono_us {
            continue;
        }
        while let Some(step) = opened.step()? {
            match step {
                Step::Moment(moment, now) if micros(now.mono) == record.mono_us => return Ok(Some(*moment)),
                Step::Moment(_, now) if micros(now.mono) > record.mono_us => return Ok(None),
                Step::Moment(..) | Step::Close(_) => {}
            }
        }
        return Ok(None);
    }
    Ok(None)
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

fn print_exact(
    moment: &Moment,
    record: &Record,
    config: Option<&Config>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let config = config.filter(|config| config.digest == record.config);
    let kind = if config.is_some() {
        "exact, as they were decided on"
    } else {
        "exact; points are numbered, --config with the configuration that was in force names them"
    };
    writeln!(out, "\ninputs ({kind}):")?;
    let names: Vec<_> = config.into_iter().flat_map(|config| config.field.names()).collect();
    for (at, sample) in moment.seen.samples.iter().enumerate() {
        let name = names.get(at).map_or_else(|| format!("point {at}"), |name| (*name).to_owned());
        writeln!(out, "  {name:<32} {}", words(sample, record.mono_us))?;
    }
    let seen = &moment.seen;
    for (what, count) in [
        ("reports of writes", seen.writes.len()),
        ("acts of people", seen.acts.len()),
        ("forecasts", seen.offers.len()),
        ("commands taken up after a start", seen.recovered.len()),
    ] {
        if count > 0 {
            writeln!(out, "  {count} {what}")?;
        }
    }
    if !seen.record_ok {
        writeln!(out, "  the record could not be written")?;
    }
    Ok(())
}

fn words(sample: &Sample, mono_us: u64) -> String {
    let good = sample.good.map(|(value, taken)| {
        let age = Duration::from_micros(mono_us).saturating_sub(taken);
        format!("{value}, {:.1} s old", age.as_secs_f64())
    });
    let good = good.unwrap_or_else(|| "no value yet".to_owned());
    let fault = sample.fault.and_then(|fault| serde_json::to_value(fault).ok());
    match fault {
        Some(fault) => format!(
            "{good}; newest attempt: {}",
            fault.as_str().map_or_else(|| fault.to_string(), str::to_owned)
        ),
        None => good,
    }
}

/// The samples kept last before the record: each within its dead band of what was read.
fn print_samples(data: &Path, record: &Record, out: &mut dyn Write) -> io::Result<()> {
    let end = record.utc.saturating_add(SignedDuration::from_millis(1)).unwrap_or(record.utc);
    let from = record.utc.saturating_sub(SILENCE).unwrap_or(record.utc);
    let found = history::read(&data.join("journal"), &[], from, end).map_err(io::Error::other)?;
    if found.is_empty() {
        return writeln!(out, "\ninputs: neither exact inputs nor samples of that time are kept");
    }
    writeln!(out, "\ninputs (samples kept last before it; the exact ones are not kept any more):")?;
    for (point, kept) in &found {
        let Some(kept) = kept.iter().max_by_key(|kept| kept.utc) else { continue };
        let value = kept.value.map_or_else(|| "no value".to_owned(), |value| value.to_string());
        let quality = serde_json::to_value(kept.quality).unwrap_or_default();
        writeln!(out, "  {point:<32} {value}, {}, kept {}", quality.as_str().unwrap_or_default(), kept.utc)?;
    }
    Ok(())
}
