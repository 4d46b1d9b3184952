//! Short memory of a flow: means over equal bins, newest last, missing where nothing usable was seen.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// Length of a bin, s. Ten minutes: a fiftieth of the shortest travel time that matters.
pub const BIN_S: f64 = 600.0;

/// Bins kept: five days, more than two of the longest travel times.
const BINS: usize = 720;

/// The same, h.
const LENGTH_H: f64 = 120.0;

/// Bin means of one flow, m³/s.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Series {
    bins: VecDeque<Option<f64>>,
    sum: f64,
    count: u32,
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
        if self.bins.len() > BINS {
            self.bins.pop_front();
        }
    }

    /// Mean of the newest closed bin.
    pub fn latest(&self) -> Option<f64> {
        self.bins.back().copied().flatten()
    }

    /// The value `hours` ago; across gaps the nearest older one.
    pub fn ago(&self, hours: f64) -> Option<f64> {
        self.bins.iter().rev().skip(bins_in(hours)).find_map(|bin| *bin)
    }

    /// Least, mean and largest between `from` and `to` hours ago (either order), gaps left out.
    pub fn window(&self, from: f64, to: f64) -> Option<(f64, f64, f64)> {
        let (near, far) = (bins_in(from.min(to)), bins_in(from.max(to)));
        let end = self.bins.len().saturating_sub(near);
        let bins = self.bins.range(end.saturating_sub(far - near + 1)..end);
        // Newest first; from −0, so that a single bin is its own sum to the bit.
        let nothing = (f64::INFINITY, -0.0, f64::NEG_INFINITY, 0_u32);
        let (low, sum, high, n) = bins.flatten().rfold(nothing, |(low, sum, high, n), value| {
            (value.min(low), sum + value, value.max(high), n + 1)
        });
        (n > 0).then(|| (low, sum / f64::from(n), high))
    }

    /// Hourly means, newest first, over the last `hours`; gaps left out.
    pub fn hourly(&self, hours: usize) -> impl Iterator<Item = f64> {
        let per_hour = bins_in(1.0);
        let end = self.bins.len();
        let first = end.saturating_sub(hours * per_hour);
        (0..hours)
            .map_while(move |hour| {
                let newest = end.checked_sub(hour * per_hour).filter(|newest| *newest > first)?;
                let bins = self.bins.range(newest.saturating_sub(per_hour).max(first)..newest);
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
    (hours.clamp(0.0, LENGTH_H) * 3600.0 / BIN_S).round() as usize
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
        assert_eq!(series.hourly(9).collect::<Vec<_>>(), [3.5, 3.0]);
        assert_eq!(series.hourly(1).collect::<Vec<_>>(), [3.5]);
        assert_eq!(series.hourly(0).count(), 0);
    }

    #[test]
    fn a_window_gives_least_mean_and_largest() {
        // Six bins an hour: 1, 2, 3 are the newest three.
        let series = series(&[1.0, 2.0, 3.0]);
        assert_eq!(series.window(0.0, 2.0 / 6.0), Some((1.0, 2.0, 3.0)));
    }
}
