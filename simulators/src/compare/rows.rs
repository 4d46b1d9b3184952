//! `series.csv` read back, column by column.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::plot::axis::seconds;
use crate::series::{Envelope, with_extremes};

/// Columns by name; an empty cell is no value.
#[derive(Clone, Debug, Default)]
pub(super) struct Rows {
    /// s since 1970.
    pub(super) at: Vec<f64>,
    /// Time of the site, as far as a difference to UTC tells it.
    pub(super) zone: Option<TimeZone>,
    columns: BTreeMap<String, Vec<Option<f64>>>,
}

impl Rows {
    /// Reads the columns whose names are wanted.
    pub(super) fn read(folder: &Path, wanted: impl Fn(&str) -> bool) -> anyhow::Result<Self> {
        let file = folder.join("series.csv");
        let name = file.display().to_string();
        let mut csv = csv::Reader::from_path(&file).with_context(|| format!("{name}: cannot be read"))?;
        let head = csv.headers().with_context(|| format!("{name}: no head"))?.clone();
        let mut rows = Self::default();
        let picked = head.iter().enumerate().filter(|(_, name)| wanted(name)).collect::<Vec<_>>();
        let mut record = csv::StringRecord::new();
        while csv.read_record(&mut record).with_context(|| format!("{name}: not CSV"))? {
            let line = record.position().map_or(0, csv::Position::line);
            let utc = record.get(0).and_then(|text| text.parse::<Timestamp>().ok());
            let utc = utc.with_context(|| format!("{name}: line {line}: time_utc is no time"))?;
            if rows.zone.is_none() {
                rows.zone = record.get(1).and_then(offset);
            }
            rows.at.push(seconds(utc));
            for (at, column) in &picked {
                let value = record.get(*at).and_then(|text| text.parse().ok());
                rows.columns.entry((*column).to_owned()).or_default().push(value);
            }
        }
        Ok(rows)
    }

    /// A column as samples, times shifted by so many s.
    pub(super) fn samples(&self, column: &str, shift: f64) -> Vec<(f64, Option<f64>)> {
        let values = self.columns.get(column).map(Vec::as_slice).unwrap_or_default();
        self.at.iter().map(|at| at + shift).zip(values.iter().copied()).collect()
    }

    /// As [`Rows::samples`], with the least and largest since the row before where they stand out.
    pub(super) fn enveloped(&self, [now, least, most]: [&str; 3], shift: f64) -> Vec<(f64, Option<f64>)> {
        let of = |column: &str| self.columns.get(column).map(Vec::as_slice).unwrap_or_default();
        let values = self.at.iter().zip(of(now)).zip(of(least)).zip(of(most));
        let values = values.map(|(((at, now), least), most)| {
            let envelope = now.zip(least.zip(*most));
            let envelope = envelope.map(|(now, (least, most))| Envelope { now, least, most });
            (at + shift, envelope)
        });
        with_extremes(values)
    }

    /// Names of its columns.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.columns.keys().map(String::as_str)
    }
}

/// `+08:00` at the end of a local time.
fn offset(local: &str) -> Option<TimeZone> {
    let (_, hours, minutes) = local.len().checked_sub(6).and_then(|at| {
        let (sign, rest) = (local.get(at..=at)?, local.get(at + 1..)?);
        let (hours, minutes) = rest.split_once(':')?;
        Some((
            sign,
            format!("{sign}{hours}").parse::<i32>().ok()?,
            format!("{sign}{minutes}").parse::<i32>().ok()?,
        ))
    })?;
    let offset = jiff::tz::Offset::from_seconds(hours * 3600 + minutes * 60).ok()?;
    Some(TimeZone::fixed(offset))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_cell_is_no_value_and_the_zone_is_read_off() {
        let folder = tempfile::tempdir().unwrap();
        let text = "time_utc,time_local,a,b\n2026-05-11T00:00:00Z,2026-05-11T08:00:00+08:00,1.5,\n";
        std::fs::write(folder.path().join("series.csv"), text).unwrap();
        let rows = Rows::read(folder.path(), |_| true).unwrap();
        assert_eq!(rows.samples("b", 0.0)[0].1, None);
        assert_eq!(rows.samples("a", 0.0)[0].1, Some(1.5));
        let eight = TimeZone::fixed(jiff::tz::Offset::from_seconds(8 * 3600).unwrap());
        assert_eq!(rows.zone, Some(eight));
    }
}
