//! Short memory of a flow: means over equal bins, newest last, missing where nothing usable was seen.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// Length of a bin, s. Ten minutes: a fiftieth of the shortest travel time that matters.
pub const BIN_S: f64 = 600.0;

/// Bins on each side of a moment that make its hour.
const HALF_HOUR: usize = 3;

/// Bins kept: five days, more than two of the longest travel times.
const BINS: usize = 720;

/// The same, h.
const LENGTH_H: f64 = 120.0;

/// Bin means of one flow, m³/s.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "Kept")]
pub struct Series {
    bins: VecDeque<Option<f64>>,
    sum: f64,
    count: u32,
    /// Mean of the hour around each bin; `None` where the bin itself is missing. Asked for far more often than it changes.
    #[serde(skip)]
    hours: VecDeque<Option<f64>>,
}

/// What is kept of a series.
#[derive(Deserialize)]
struct Kept {
    bins: VecDeque<Option<f64>>,
    sum: f64,
    count: u32,
}

impl From<Kept> for Series {
    fn from(Kept { bins, sum, count }: Kept) -> Self {
        let mut series = Self { bins, sum, count, hours: VecDeque::new() };
        series.all_hours();
        series
    }
}

impl Series {
    /// Adds a value to the running bin.
    pub fn add(&mut self, value: Option<f64>) {
        if let Some(value) = value {
            self.sum += value;
            self.count += 1;
        }
    }

    /// Closes the running bin.
    pub fn close(&mut self) {
        let mean = (self.count > 0).then(|| self.sum / f64::from(self.count));
        (self.sum, self.count) = (0.0, 0);
        // The first usable value stands for the time before it: a river is steady more often than empty.
        if let Some(first) = mean
            && self.bins.iter().all(Option::is_none)
        {
            self.bins = VecDeque::from(vec![Some(first); BINS]);
            self.all_hours();
        }
        self.push(mean);
    }

    /// Notes time for which nothing is known, as the service was away.
    pub fn skip(&mut self, bins: usize) {
        for _ in 0..bins.min(BINS) {
            self.push(None);
        }
    }

    fn push(&mut self, mean: Option<f64>) {
        self.bins.push_back(mean);
        self.hours.push_back(None);
        if self.bins.len() > BINS {
            self.bins.pop_front();
            self.hours.pop_front();
            // The oldest hours have lost a bin; a memory read back must find the same.
            self.find_hours(0..HALF_HOUR);
        }
        let end = self.bins.len();
        self.find_hours(end.saturating_sub(HALF_HOUR + 1)..end);
    }

    fn all_hours(&mut self) {
        self.hours = vec![None; self.bins.len()].into();
        self.find_hours(0..self.bins.len());
    }

    /// Finds the hours around some bins.
    fn find_hours(&mut self, around: std::ops::Range<usize>) {
        for at in around {
            let hour = at.saturating_sub(HALF_HOUR)..(at + HALF_HOUR + 1).min(self.bins.len());
            let seen = self.bins.range(hour).flatten();
            let (sum, count) = seen.fold((0.0, 0_u32), |(sum, count), bin| (sum + bin, count + 1));
            let is_missing = self.bins.get(at).is_none_or(Option::is_none);
            if let Some(mean) = self.hours.get_mut(at) {
                *mean = (!is_missing).then(|| sum / f64::from(count));
            }
        }
    }

    /// Mean of the newest closed bin.
    pub fn latest(&self) -> Option<f64> {
        self.bins.back().copied().flatten()
    }

    /// The bin `hours` ago, when something was seen in it.
    pub fn bin(&self, hours: f64) -> Option<f64> {
        self.bins.iter().rev().nth(bins_in(hours)).copied().flatten()
    }

    /// The value `hours` ago; across gaps the nearest older one.
    pub fn ago(&self, hours: f64) -> Option<f64> {
        self.bins.iter().rev().skip(bins_in(hours)).find_map(|bin| *bin)
    }

    /// Mean over the hour around `hours` ago; across gaps the nearest older value.
    pub fn around(&self, hours: f64) -> Option<f64> {
        self.hour(hours).or_else(|| self.ago(hours))
    }

    /// Mean over the hour around `hours` ago; `None` when nothing was seen then.
    pub fn hour(&self, hours: f64) -> Option<f64> {
        let at = self.hours.len().checked_sub(bins_in(hours) + 1)?;
        self.hours.get(at).copied().flatten()
    }

    /// Least, mean and largest of what passed at the time of day `lead` hours from now on the last two days.
    pub fn same_hour(&self, lead: f64) -> Option<(f64, f64, f64)> {
        const DAY: f64 = 24.0;
        let days = (lead / DAY).ceil().max(1.0);
        let (last, before) = (self.hour(days * DAY - lead)?, self.hour((days + 1.0) * DAY - lead)?);
        Some((last.min(before), 0.5 * (last + before), last.max(before)))
    }

    /// Least, mean and largest of the hours around each moment between `from` and `to` hours ago (either order), gaps left
    /// out. Single bins are mostly the noise of the meter, whose extremes say nothing of the river.
    pub fn window(&self, from: f64, to: f64) -> Option<(f64, f64, f64)> {
        let (near, far) = (bins_in(from.min(to)), bins_in(from.max(to)));
        let newest = self.hours.len().checked_sub(near)?;
        let hours = self.hours.range(newest.saturating_sub(far - near + 1)..newest).flatten();
        let seen = hours.fold((f64::INFINITY, 0.0, f64::NEG_INFINITY, 0_u32), |(low, sum, high, n), mean| {
            (mean.min(low), sum + mean, mean.max(high), n + 1)
        });
        let (low, sum, high, n) = seen;
        (n > 0).then(|| (low, sum / f64::from(n), high))
    }

    /// Means over `each` hours, newest first, over the last `hours`; gaps left out.
    pub fn means(&self, each: usize, hours: usize) -> impl Iterator<Item = f64> {
        let per_hour = bins_in(1.0);
        let end = self.bins.len();
        let first = end.saturating_sub(hours * per_hour);
        (0..hours.div_ceil(each.max(1)))
            .map_while(move |nth| {
                let newest = end.checked_sub(nth * each * per_hour).filter(|newest| *newest > first)?;
                let bins = self.bins.range(newest.saturating_sub(each * per_hour).max(first)..newest);
                let (sum, n) =
                    bins.rev().flatten().fold((0.0, 0_u32), |(sum, n), value| (sum + value, n + 1));
                Some((n > 0).then(|| sum / f64::from(n)))
            })
            .flatten()
    }

    /// Whether anything has ever been seen.
    pub fn is_empty(&self) -> bool {
        self.bins.iter().all(Option::is_none)
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to the length of the memory"
)]
fn bins_in(hours: f64) -> usize {
    (hours.clamp(0.0, LENGTH_H) * 3600.0 / BIN_S + 0.5) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(values: &[f64]) -> Series {
        let mut series = Series::default();
        for value in values {
            series.add(Some(*value));
            series.close();
        }
        series
    }

    #[test]
    fn the_first_value_stands_for_the_past() {
        let series = series(&[2.0, 3.0]);
        assert_eq!(series.ago(0.0), Some(3.0));
        assert_eq!(series.ago(100.0), Some(2.0));
    }

    #[test]
    fn a_gap_is_no_zero() {
        let mut series = series(&[2.0]);
        series.close();
        assert_eq!(series.latest(), None);
        assert_eq!(series.ago(0.0), Some(2.0));
        series.skip(6);
        assert_eq!(series.window(0.0, 0.5), None);
    }

    #[test]
    fn hours_are_means_of_six_bins_newest_first_without_gaps() {
        // Oldest to newest: an hour of which only two bins are left, an hour without a value, an hour of 1 to 6.
        let mut series = series(&[9.0]);
        series.bins.clear();
        series.bins.extend([Some(4.0), Some(2.0)]);
        series.bins.extend([None; 6]);
        series.bins.extend([1.0, 2.0, 3.0, 4.0, 5.0, 6.0].map(Some));
        assert_eq!(series.means(1, 9).collect::<Vec<_>>(), [3.5, 3.0]);
        assert_eq!(series.means(1, 1).collect::<Vec<_>>(), [3.5]);
        assert_eq!(series.means(1, 0).count(), 0);
        // Two hours together: 1 to 6 and the gap, then 4 and 2.
        assert_eq!(series.means(2, 4).collect::<Vec<_>>(), [3.5, 3.0]);
    }

    #[test]
    fn a_window_gives_least_mean_and_largest_of_hours() {
        // Oldest to newest 1 to 20: the hour around the bin of value v is the seven from v - 3 to v + 3, so v itself.
        let values = (1..=20).map(f64::from).collect::<Vec<_>>();
        let series = series(&values);
        let bins = |n: f64| n * BIN_S / 3600.0;
        // Five to nine bins ago stand 15 down to 11.
        assert_eq!(series.window(bins(5.0), bins(9.0)), Some((11.0, 13.0, 15.0)));
        // The newest hour has only the four bins 20 down to 17.
        assert_eq!(series.window(0.0, 0.0), Some((18.5, 18.5, 18.5)));
        assert_eq!(series.around(bins(5.0)), Some(15.0));
    }

    #[test]
    fn one_noisy_bin_is_a_seventh_of_its_hour() {
        let mut values = vec![2.0; 40];
        values[20] = 9.0;
        let series = series(&values);
        assert_eq!(series.window(0.0, 6.0).map(|(low, _, high)| (low, high)), Some((2.0, 3.0)));
    }
}
