//! What is kept by minute or by hour as CSV.

use std::io::{self, Write};
use std::path::Path;

use jiff::Timestamp;

use super::history::csv_field;
use super::levels::{self, Level};

/// Writes `time,point,least,mean,most,known_s`, ordered by time, then point. Times are UTC, of the begin of each bin.
///
/// # Errors
/// When they cannot be read (as text) or `out` takes no more.
pub(super) fn aggregates(
    journal: &Path,
    level: Level,
    points: &[&str],
    (from, to): (Timestamp, Timestamp),
    out: &mut dyn Write,
) -> io::Result<()> {
    let found = levels::read(journal, level, points, from, to).map_err(io::Error::other)?;
    let mut rows: Vec<_> =
        found.iter().flat_map(|(id, bins)| bins.iter().map(move |(at, bin)| (*at, id, bin))).collect();
    rows.sort_by_key(|(at, id, _)| (*at, *id));
    writeln!(out, "time,point,least,mean,most,known_s")?;
    for (at, id, bin) in rows {
        let known = bin.covered_ms / 1000;
        writeln!(out, "{at},{},{},{},{},{known}", csv_field(id), bin.least, bin.mean(), bin.most)?;
    }
    Ok(())
}
