//! Fills the trends of the page after a restart: hours from what is kept by hour, the last days from the samples.

use std::collections::BTreeSet;
use std::path::Path;

use jiff::{SignedDuration, Span, Timestamp};

use super::history::{self, Kept, SILENCE};
use super::journal::JournalError;
use super::levels::{self, Level};
use super::trend::{HOURS, Series, Trends};
use crate::aggregate::{Bin, HOUR};
use crate::config::Config;
use crate::control::quality::Quality;
use crate::points::PointId;

/// What the trends hold by minute.
const SPAN: SignedDuration = SignedDuration::from_hours(72);

/// Loads what is kept before `utc` of meters, sections (from their meter) and gate openings: a quarter of a year by hour, 72
/// hours by minute.
///
/// # Errors
/// When the journal folder cannot be read; samples that cannot are left out.
pub fn refill(trends: &Trends, config: &Config, journal: &Path, utc: Timestamp) -> Result<(), JournalError> {
    let from = utc.checked_sub(SPAN).unwrap_or(Timestamp::UNIX_EPOCH);
    let (basin, field) = (&config.basin, &config.field);
    // Only what is shown: three days of all points of a basin are a hundred megabytes.
    let shown =
        field.wiring.meters.iter().copied().chain(field.wiring.gates.iter().map(|gate| gate.position));
    let shown: BTreeSet<_> = shown.flatten().map(|point| point.0).collect();
    let names: Vec<_> =
        field.names().enumerate().filter(|(at, _)| shown.contains(at)).map(|(_, name)| name).collect();
    let samples = history::read(journal, &names, from, utc)?;
    let quarter = i32::try_from(HOURS).map_or(SPAN, |hours| HOUR * hours);
    let hours = levels::read(journal, Level::Hours, &names, utc.checked_sub(quarter).unwrap_or(from), utc)?;
    let load = |series, point: Option<PointId>, convert: &dyn Fn(f64) -> f64| {
        let name = point.and_then(|point| field.names().nth(point.0));
        if let Some(hours) = name.and_then(|name| hours.get(name)) {
            let hours: Vec<_> = hours.iter().map(|(at, bin)| (*at, converted(bin, convert))).collect();
            trends.preload_hours(series, &hours);
        }
        if let Some(kept) = name.and_then(|name| samples.get(name)) {
            let minutes = by_minute(kept, utc);
            trends.preload(series, minutes.into_iter().map(|(at, value)| (at, convert(value))));
        }
    };
    let meter = |index: usize| field.wiring.meters.get(index).copied().flatten();
    for index in 0..basin.meters.len() {
        load(Series::Meter(index), meter(index), &|value| value);
    }
    for (index, section) in basin.sections.iter().enumerate() {
        load(Series::Section(index), meter(section.meter.0), &|value| value);
    }
    for (index, gate) in basin.gates.iter().enumerate() {
        let position = field.wiring.gates.get(index).and_then(|points| points.position);
        load(Series::Gate(index), position, &|position| gate.stroke.opening(position).fraction());
    }
    Ok(())
}

/// A bin in the unit of its series; an opening may fall where its position rises.
fn converted(bin: &Bin, convert: &dyn Fn(f64) -> f64) -> Bin {
    let (one, other) = (convert(bin.least), convert(bin.most));
    Bin::of(one.min(other), convert(bin.mean()), one.max(other), bin.covered_ms)
}

/// A dead-banded series at least once a minute: a value stands until the next one, for at most the time after which
/// a resting point is written again. Stale, suspect and missing values leave a gap.
fn by_minute(kept: &[Kept], end: Timestamp) -> Vec<(Timestamp, f64)> {
    let mut filled = Vec::new();
    for (index, sample) in kept.iter().enumerate() {
        let value = match sample.quality {
            Quality::Good | Quality::Simulated | Quality::Substituted => sample.value,
            Quality::Stale | Quality::Suspect | Quality::Bad => None,
        };
        let Some(value) = value else { continue };
        let next = kept.get(index + 1).map_or(end, |next| next.utc);
        let until = sample.utc.checked_add(SILENCE).map_or(next, |until| until.min(next));
        filled.push((sample.utc, value));
        let later = sample.utc.series(Span::new().minutes(1)).skip(1).take_while(|at| *at < until);
        filled.extend(later.map(|at| (at, value)));
    }
    filled
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(second: i64, value: f64, quality: Quality) -> Kept {
        Kept { utc: Timestamp::from_second(second).unwrap(), value: Some(value), quality }
    }

    #[test]
    fn a_resting_value_fills_its_minutes_and_a_lost_one_leaves_a_gap() {
        let samples = [
            kept(0, 1.0, Quality::Good),
            kept(150, 2.0, Quality::Good),
            kept(200, 2.0, Quality::Bad),
            kept(400, 3.0, Quality::Good),
        ];
        let filled = by_minute(&samples, Timestamp::from_second(100_000).unwrap());
        let seconds: Vec<_> = filled.iter().map(|(at, value)| (at.as_second(), *value)).collect();
        assert_eq!(seconds[..4], [(0, 1.0), (60, 1.0), (120, 1.0), (150, 2.0)]);
        assert_eq!(seconds[4], (400, 3.0));
        // The end is unknown: it stands for ten minutes and a little, no longer.
        assert_eq!(seconds.last(), Some(&(400 + 600, 3.0)));
    }
}
