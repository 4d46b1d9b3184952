//! Recent history for the screens: one-minute minimum, mean and maximum over the last 72 hours.
//!
//! Fed from [`Status`], kept in memory, and refilled from the stored samples after a restart
//! ([`Trends::preload`]). A minute without a value stays empty: gaps are shown as gaps. The record is
//! elsewhere; losing a trend loses nothing.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;

use crate::config::Config;
use crate::control::quality::{Quality, Reading};
use crate::control::status::Status;

/// Minutes kept.
const MINUTES: usize = 72 * 60;
/// Seconds in one bucket.
pub const BUCKET_S: i64 = 60;

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
    /// Width of one bucket, s; a whole number of minutes.
    pub step_s: i64,
    /// Buckets in order; `None` where nothing was known.
    pub buckets: Vec<Option<Bucket>>,
}

#[derive(Clone, Copy)]
struct Slot {
    minute: i64,
    count: u32,
    min: f32,
    max: f32,
    sum: f64,
    estimated: bool,
}

const EMPTY: Slot = Slot { minute: i64::MIN, count: 0, min: 0.0, max: 0.0, sum: 0.0, estimated: false };

impl Slot {
    fn add(&mut self, minute: i64, value: f64, estimated: bool) {
        #[expect(clippy::cast_possible_truncation, reason = "seven digits are more than a screen shows")]
        let small = value as f32;
        if self.minute != minute {
            *self = Self { minute, count: 0, min: small, max: small, sum: 0.0, estimated: false };
        }
        self.count += 1;
        self.sum += value;
        self.min = self.min.min(small);
        self.max = self.max.max(small);
        self.estimated |= estimated;
    }
}

/// All trends; a handle that is cheap to clone.
#[derive(Clone, Default)]
pub struct Trends(Arc<Mutex<BTreeMap<Series, Vec<Slot>>>>);

impl fmt::Debug for Trends {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Trends")
    }
}

impl Trends {
    /// Takes in what a status shows. Values that are stale, suspect or missing leave a gap.
    pub fn record(&self, config: &Config, status: &Status) {
        let minute = minute_of(status.utc);
        self.with(|all| {
            for (i, section) in status.sections.iter().enumerate() {
                let measured = current(&section.reading);
                let value = measured.or(section.estimate.flow.map(crate::units::Discharge::get));
                put(all, Series::Section(i), minute, value, measured.is_none());
            }
            for (i, point) in config.field.wiring.meters.iter().enumerate() {
                let reading = point.and_then(|point| status.image.get(point.0));
                put(all, Series::Meter(i), minute, reading.and_then(current), false);
            }
            for (i, gate) in status.gates.iter().enumerate() {
                put(all, Series::Gate(i), minute, gate.opening.map(crate::units::Opening::fraction), false);
            }
        });
    }

    /// Fills one trend with older values, e.g. after a restart. Newer values already there are kept.
    pub fn preload(&self, series: Series, values: impl IntoIterator<Item = (Timestamp, f64)>) {
        self.with(|all| {
            for (at, value) in values {
                put(all, series, minute_of(at), Some(value), false);
            }
        });
    }

    /// The part of a trend between two instants, thinned out to at most `points` buckets.
    ///
    /// At least one bucket, at most 72 h; buckets that cover several minutes keep their extremes.
    pub fn window(&self, series: Series, from: Timestamp, to: Timestamp, points: usize) -> Window {
        let last = minute_of(to);
        let span = i64::try_from(MINUTES).unwrap_or(i64::MAX);
        let first = minute_of(from).clamp(last.saturating_sub(span - 1), last);
        let wanted = i64::try_from(points.max(1)).unwrap_or(i64::MAX);
        let step = (last - first + wanted) / wanted;
        let first = first.div_euclid(step) * step;
        self.with(|all| {
            let slots = all.get(&series).map_or(&[][..], Vec::as_slice);
            let buckets = (first..=last).step_by(usize::try_from(step).unwrap_or(1));
            let buckets = buckets.map(|start| gather(slots, start, (start + step - 1).min(last))).collect();
            Window { from_s: first * BUCKET_S, step_s: step * BUCKET_S, buckets }
        })
    }

    /// The trends are only ever replaced whole entries at a time, so a poisoned lock still holds good ones.
    fn with<T>(&self, act: impl FnOnce(&mut BTreeMap<Series, Vec<Slot>>) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn minute_of(at: Timestamp) -> i64 {
    at.as_second().div_euclid(BUCKET_S)
}

fn slot_of(minute: i64) -> usize {
    let span = i64::try_from(MINUTES).unwrap_or(i64::MAX);
    usize::try_from(minute.rem_euclid(span)).unwrap_or_default()
}

fn put(
    all: &mut BTreeMap<Series, Vec<Slot>>,
    series: Series,
    minute: i64,
    value: Option<f64>,
    estimated: bool,
) {
    let Some(value) = value.filter(|value| value.is_finite()) else { return };
    let slots = all.entry(series).or_insert_with(|| vec![EMPTY; MINUTES]);
    if let Some(slot) = slots.get_mut(slot_of(minute))
        && slot.minute <= minute
    {
        slot.add(minute, value, estimated);
    }
}

fn gather(slots: &[Slot], first: i64, last: i64) -> Option<Bucket> {
    let mut found: Option<(Bucket, f64)> = None;
    for minute in first..=last {
        let Some(slot) = slots.get(slot_of(minute)).filter(|slot| slot.minute == minute) else { continue };
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
