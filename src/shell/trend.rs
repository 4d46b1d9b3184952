//! History for the screens: minimum, mean and maximum by minute over the last 72 hours, by hour over the last quarter.
//!
//! Fed from [`Status`], kept in memory, and refilled after a restart from what is stored of the samples
//! ([`Trends::preload`], [`Trends::preload_hours`]). A bin without a value stays empty: gaps are shown as gaps. The record is
//! elsewhere; losing a trend loses nothing.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;

use super::levels::Dated;
use crate::config::Config;
use crate::control::quality::{Quality, Reading};
use crate::control::status::Status;

/// Minutes kept.
const MINUTES: usize = 72 * 60;
/// Hours kept: a quarter of a year.
pub const HOURS: usize = 92 * 24;
/// Seconds in one bucket of the finest kind.
pub const BUCKET_S: i64 = 60;
/// Seconds in one of the coarse kind.
const HOUR_S: i64 = 3600;

/// What a trend is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Series {
    /// Flow at a section, by position: its meter, or the estimate in its place.
    Section(usize),
    /// A meter, by position, in its unit.
    Meter(usize),
    /// Opening of a gate, by position, 0..=1.
    Gate(usize),
}

/// One minute, or several when thinned out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bucket {
    /// Smallest value.
    pub min: f64,
    /// Mean of the values.
    pub mean: f64,
    /// Largest value.
    pub max: f64,
    /// Whether any of them was an estimate.
    pub estimated: bool,
}

/// Part of one trend, evenly spaced.
#[derive(Clone, Debug, PartialEq)]
pub struct Window {
    /// Start of the first bucket, Unix seconds.
    pub from_s: i64,
    /// Width of one bucket, s; a whole number of minutes, or of hours when the window is longer than 72 h.
    pub step_s: i64,
    /// Buckets in order; `None` where nothing was known.
    pub buckets: Vec<Option<Bucket>>,
}

#[derive(Clone, Copy)]
struct Slot {
    /// Its minute or hour since 1970.
    bin: i64,
    count: u32,
    min: f32,
    max: f32,
    sum: f64,
    estimated: bool,
    /// It came whole from what is stored.
    whole: bool,
}

const EMPTY: Slot =
    Slot { bin: i64::MIN, count: 0, min: 0.0, max: 0.0, sum: 0.0, estimated: false, whole: false };

impl Slot {
    fn add(&mut self, bin: i64, value: f64, estimated: bool) {
        let small = small(value);
        if self.bin != bin {
            *self = Self { bin, min: small, max: small, ..EMPTY };
        }
        self.count += 1;
        self.sum += value;
        self.min = self.min.min(small);
        self.max = self.max.max(small);
        self.estimated |= estimated;
    }
}

#[expect(clippy::cast_possible_truncation, reason = "seven digits are more than a screen shows")]
fn small(value: f64) -> f32 {
    value as f32
}

/// The newest bins of one width.
#[derive(Clone)]
struct Ring {
    width_s: i64,
    bins: usize,
    slots: Vec<Slot>,
}

impl Ring {
    fn new(width_s: i64, bins: usize) -> Self {
        Self { slots: vec![EMPTY; bins], ..Self::empty(width_s, bins) }
    }

    /// One that takes nothing in.
    fn empty(width_s: i64, bins: usize) -> Self {
        Self { width_s, bins, slots: Vec::new() }
    }

    fn bin(&self, at: Timestamp) -> i64 {
        at.as_second().div_euclid(self.width_s)
    }

    fn at(&self, bin: i64) -> usize {
        let span = i64::try_from(self.bins).unwrap_or(i64::MAX);
        usize::try_from(bin.rem_euclid(span)).unwrap_or_default()
    }

    /// The slot of a bin, unless something newer stands there.
    fn slot(&mut self, bin: i64) -> Option<&mut Slot> {
        let at = self.at(bin);
        self.slots.get_mut(at).filter(|slot| slot.bin <= bin)
    }

    fn put(&mut self, at: Timestamp, value: f64, estimated: bool) {
        let bin = self.bin(at);
        if let Some(slot) = self.slot(bin).filter(|slot| slot.bin < bin || !slot.whole) {
            slot.add(bin, value, estimated);
        }
    }

    fn gather(&self, first: i64, last: i64) -> Option<Bucket> {
        let mut found: Option<(Bucket, f64)> = None;
        for bin in first..=last {
            let Some(slot) = self.slots.get(self.at(bin)).filter(|slot| slot.bin == bin) else { continue };
            let (min, max, count) = (f64::from(slot.min), f64::from(slot.max), f64::from(slot.count));
            let (bucket, weight) = found
                .get_or_insert((Bucket { min, mean: slot.sum / count, max, estimated: slot.estimated }, 0.0));
            bucket.min = bucket.min.min(min);
            bucket.max = bucket.max.max(max);
            bucket.mean = (bucket.mean * *weight + slot.sum) / (*weight + count);
            bucket.estimated |= slot.estimated;
            *weight += count;
        }
        found.map(|(bucket, _)| bucket)
    }

    fn window(&self, from: Timestamp, to: Timestamp, points: usize) -> Window {
        let last = self.bin(to);
        let span = i64::try_from(self.bins).unwrap_or(i64::MAX);
        let first = self.bin(from).clamp(last.saturating_sub(span - 1), last);
        let wanted = i64::try_from(points.max(1)).unwrap_or(i64::MAX);
        let step = (last - first + wanted) / wanted;
        let first = first.div_euclid(step) * step;
        let buckets = (first..=last).step_by(usize::try_from(step).unwrap_or(1));
        let buckets = buckets.map(|start| self.gather(start, (start + step - 1).min(last))).collect();
        Window { from_s: first * self.width_s, step_s: step * self.width_s, buckets }
    }
}

/// One trend.
#[derive(Clone)]
struct Trend {
    minutes: Ring,
    hours: Ring,
}

impl Default for Trend {
    fn default() -> Self {
        Self { minutes: Ring::new(BUCKET_S, MINUTES), hours: Ring::new(HOUR_S, HOURS) }
    }
}

/// All trends; a handle that is cheap to clone.
#[derive(Clone, Default)]
pub struct Trends(Arc<Mutex<BTreeMap<Series, Trend>>>);

impl fmt::Debug for Trends {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Trends")
    }
}

impl Trends {
    /// Takes in what a status shows. Values that are stale, suspect or missing leave a gap.
    pub fn record(&self, config: &Config, status: &Status) {
        let at = status.utc;
        self.with(|all| {
            for (i, section) in status.sections.iter().enumerate() {
                let measured = current(&section.reading);
                let value = measured.or(section.estimate.flow.map(crate::units::Discharge::get));
                put(all, Series::Section(i), at, value, measured.is_none());
            }
            for (i, point) in config.field.wiring.meters.iter().enumerate() {
                let reading = point.and_then(|point| status.image.get(point.0));
                put(all, Series::Meter(i), at, reading.and_then(current), false);
            }
            for (i, gate) in status.gates.iter().enumerate() {
                put(all, Series::Gate(i), at, gate.opening.map(crate::units::Opening::fraction), false);
            }
        });
    }

    /// Fills one trend with older values, e.g. after a restart. Newer values already there are kept.
    pub fn preload(&self, series: Series, values: impl IntoIterator<Item = (Timestamp, f64)>) {
        self.with(|all| {
            for (at, value) in values {
                put(all, series, at, Some(value), false);
            }
        });
    }

    /// Fills the hours of one trend with what is stored of them, whole. Must come before the values of the same time.
    pub fn preload_hours<'a>(&self, series: Series, hours: impl IntoIterator<Item = &'a Dated>) {
        self.with(|all| {
            let ring = &mut all.entry(series).or_default().hours;
            for (at, stored) in hours {
                let bin = ring.bin(*at);
                let Some(slot) = ring.slot(bin) else { continue };
                // As if a value had come every second, as it does while the service runs.
                let count = u32::try_from(stored.covered_ms / 1000).unwrap_or(u32::MAX).max(1);
                let (min, max, sum) =
                    (small(stored.least), small(stored.most), stored.mean() * f64::from(count));
                *slot = Slot { bin, count, min, max, sum, estimated: false, whole: true };
            }
        });
    }

    /// The part of a trend between two instants, thinned out to at most `points` buckets: of minutes, or of hours when it is
    /// longer than 72 h.
    ///
    /// At least one bucket, at most a quarter of a year; buckets that cover several minutes or hours keep their extremes.
    pub fn window(&self, series: Series, from: Timestamp, to: Timestamp, points: usize) -> Window {
        let long = to.as_second() - from.as_second() > i64::try_from(MINUTES).unwrap_or(i64::MAX) * BUCKET_S;
        self.with(|all| {
            let trend = all.get(&series);
            match (trend, long) {
                (Some(trend), false) => trend.minutes.window(from, to, points),
                (Some(trend), true) => trend.hours.window(from, to, points),
                (None, false) => Ring::empty(BUCKET_S, MINUTES).window(from, to, points),
                (None, true) => Ring::empty(HOUR_S, HOURS).window(from, to, points),
            }
        })
    }

    /// The trends are only ever replaced whole entries at a time, so a poisoned lock still holds good ones.
    fn with<T>(&self, act: impl FnOnce(&mut BTreeMap<Series, Trend>) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn put(
    all: &mut BTreeMap<Series, Trend>,
    series: Series,
    at: Timestamp,
    value: Option<f64>,
    estimated: bool,
) {
    let Some(value) = value.filter(|value| value.is_finite()) else { return };
    let trend = all.entry(series).or_default();
    trend.minutes.put(at, value, estimated);
    trend.hours.put(at, value, estimated);
}

/// A value that is current: read, and not stale, suspect or missing.
fn current(reading: &Reading) -> Option<f64> {
    match reading.quality {
        Quality::Good | Quality::Simulated | Quality::Substituted => reading.value,
        Quality::Stale | Quality::Suspect | Quality::Bad => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aggregate::Bin;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_minute_keeps_its_extremes_and_its_mean() {
        let trends = Trends::default();
        let series = Series::Meter(0);
        trends.preload(series, [(at(600), 1.0), (at(620), 4.0), (at(659), 1.0)]);
        let window = trends.window(series, at(600), at(659), 10);
        assert_eq!((window.from_s, window.step_s), (600, 60));
        assert_eq!(window.buckets, vec![Some(Bucket { min: 1.0, mean: 2.0, max: 4.0, estimated: false })]);
    }

    #[test]
    fn a_silent_minute_is_a_gap_and_thinning_keeps_extremes() {
        let trends = Trends::default();
        let series = Series::Section(3);
        trends.preload(series, [(at(0), 1.0), (at(120), 7.0), (at(180), 3.0)]);
        let fine = trends.window(series, at(0), at(239), 100);
        assert_eq!(
            fine.buckets.iter().map(|b| b.map(|b| b.mean)).collect::<Vec<_>>(),
            [Some(1.0), None, Some(7.0), Some(3.0)]
        );
        let coarse = trends.window(series, at(0), at(239), 2);
        assert_eq!(coarse.step_s, 120);
        let second = coarse.buckets.get(1).copied().flatten().unwrap();
        assert_eq!((second.min, second.mean, second.max), (3.0, 5.0, 7.0));
    }

    #[test]
    fn what_is_older_than_72_hours_is_gone() {
        let trends = Trends::default();
        let series = Series::Gate(0);
        let later = 72 * 3600;
        trends.preload(series, [(at(0), 0.5), (at(later), 0.6)]);
        let window = trends.window(series, at(0), at(later), 10_000);
        assert_eq!(window.buckets.len(), 72 * 60);
        assert_eq!(window.buckets.iter().flatten().count(), 1);
    }

    #[test]
    fn what_is_longer_than_72_hours_is_told_by_hour_from_what_is_stored_and_what_comes() {
        let trends = Trends::default();
        let series = Series::Meter(0);
        let day = 24 * 3600;
        // Half of the hour at day 0 is known: 2.0 on average. The hour at day 10 stands, whatever comes again for it.
        let stored =
            [(at(0), Bin::of(1.0, 2.0, 3.0, 1_800_000)), (at(10 * day), Bin::of(4.0, 5.0, 6.0, 3_600_000))];
        trends.preload_hours(series, &stored);
        trends.preload(series, [(at(10 * day), 9.0), (at(31 * day), 7.0)]);
        let window = trends.window(series, at(0), at(31 * day), 2000);
        assert_eq!((window.from_s, window.step_s, window.buckets.len()), (0, 3600, 31 * 24 + 1));
        let known: Vec<_> =
            (0..).zip(&window.buckets).filter_map(|(hour, b)| Some((hour, b.as_ref()?.mean))).collect();
        assert_eq!(known, [(0, 2.0), (10 * 24, 5.0), (31 * 24, 7.0)]);
        let whole = trends.window(series, at(0), at(31 * day), 1).buckets.remove(0).unwrap();
        assert_eq!((whole.min, whole.max), (1.0, 7.0));
        // Weighted by the time known: 1800 s of 2, 3600 s of 5, one value of 7.
        assert!((whole.mean - (3_600.0 + 18_000.0 + 7.0) / 5_401.0).abs() < 1e-9);
        let nothing = trends.window(Series::Meter(1), at(0), at(31 * day), 2000);
        assert!(nothing.buckets.len() == 31 * 24 + 1 && nothing.buckets.iter().all(Option::is_none));
    }

    #[test]
    fn a_clock_set_back_does_not_erase_what_is_newer() {
        let trends = Trends::default();
        let series = Series::Gate(0);
        let later = 72 * 3600;
        trends.preload(series, [(at(later), 0.6), (at(0), 0.1)]);
        let kept = trends.window(series, at(later), at(later), 1);
        assert_eq!(
            kept.buckets,
            vec![Some(Bucket {
                min: f64::from(0.6_f32),
                mean: 0.6,
                max: f64::from(0.6_f32),
                estimated: false
            })]
        );
    }
}
