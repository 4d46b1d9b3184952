//! Two meters of one level: the second stands in for the first, and tells when one of them is wrong.

use std::time::Duration;

use super::controller::Controller;
use super::quality::{Quality, Reading, Reason};
use crate::basin::{Basin, MeterId};
use crate::points::{Field, PointId};

/// How long two levels differ before both are in doubt, s: waves, and scans at different times. Assumed.
const APART_S: f64 = 60.0;

/// How long they agree again before both are believed, s. Assumed.
const TOGETHER_S: f64 = 600.0;

/// Two meters of one level.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Pair {
    /// The meter control goes by.
    pub(super) meter: MeterId,
    /// The other.
    pub(super) twin: MeterId,
    pub(super) points: (PointId, PointId),
    pub(super) tolerance: f64,
    /// Since when they have been on the other side of `at_odds`: apart while they agree, together while they do not.
    pub(super) turned: Option<Duration>,
    pub(super) at_odds: bool,
    /// Both levels, m, the meter's own first, while they disagree and both can be read.
    pub(super) levels: Option<(f64, f64)>,
}

/// The pairs of a basin.
pub(super) fn pairs(basin: &Basin, field: &Field) -> Vec<Pair> {
    let point = |id: MeterId| field.wiring.meters.get(id.0).copied().flatten();
    let pair = |(at, meter): (usize, &crate::basin::Meter)| {
        let (twin, meter) = (meter.twin?, MeterId(at));
        let points = (point(meter)?, point(twin.meter)?);
        let tolerance = twin.tolerance;
        Some(Pair { meter, twin: twin.meter, points, tolerance, turned: None, at_odds: false, levels: None })
    };
    basin.meters.iter().enumerate().filter_map(pair).collect()
}

impl Pair {
    /// Compares the two readings; both are suspect while they disagree. One alone is as good as it is.
    pub(super) fn compare(&mut self, now: Duration, readings: &mut [Reading]) {
        let usable = |id: PointId| readings.get(id.0).and_then(Reading::usable);
        let Some((own, other)) = usable(self.points.0).zip(usable(self.points.1)) else {
            (self.turned, self.levels) = (None, None);
            return;
        };
        let apart = (own - other).abs() > self.tolerance + 1e-9;
        if apart == self.at_odds {
            self.turned = None;
        } else {
            let since = now.saturating_sub(*self.turned.get_or_insert(now)).as_secs_f64();
            let patience = if self.at_odds { TOGETHER_S } else { APART_S };
            if since >= patience {
                (self.at_odds, self.turned) = (apart, None);
            }
        }
        self.levels = self.at_odds.then_some((own, other));
        if !self.at_odds {
            return;
        }
        for id in [self.points.0, self.points.1] {
            if let Some(reading) = readings.get_mut(id.0) {
                (reading.quality, reading.reason) = (Quality::Suspect, Some(Reason::Disagree));
            }
        }
    }
}

impl Controller {
    /// Reading of a meter, or of its twin in its place when it has no usable one.
    pub(super) fn meter_reading(&self, id: MeterId) -> Reading {
        let own = self.own_reading(id);
        let Some(pair) = self.twins.iter().find(|pair| pair.meter == id && own.usable().is_none()) else {
            return own;
        };
        let twin = self.own_reading(pair.twin);
        match twin.usable() {
            Some(_) => Reading { quality: Quality::Substituted, reason: own.reason, ..twin },
            None => own,
        }
    }

    /// Lower and higher of what may be the level a meter shows: the same when it is known, both when twins disagree.
    pub(super) fn level_range(&self, id: MeterId) -> Option<(f64, f64)> {
        if let Some(level) = self.meter(id) {
            return Some((level, level));
        }
        let (own, other) = self.twins.iter().find(|pair| pair.meter == id)?.levels?;
        Some((own.min(other), own.max(other)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(level: f64) -> Reading {
        let (value, taken_at) = (Some(level), Some(Duration::from_secs(1)));
        Reading { value, quality: Quality::Good, reason: None, taken_at, last_good: value }
    }

    /// Tolerance 0.10 m. What stands beside 742.00 m, second by second, and the seconds in which it is in doubt.
    fn doubted(seconds: u64, other: impl Fn(u64) -> Option<f64>) -> Vec<u64> {
        let mut pair = Pair {
            meter: MeterId(0),
            twin: MeterId(1),
            points: (PointId(0), PointId(1)),
            tolerance: 0.10,
            turned: None,
            at_odds: false,
            levels: None,
        };
        let at_odds = |second: &u64| {
            let other = other(*second).map_or(Reading::NEVER, reading);
            let mut readings = [reading(742.0), other];
            pair.compare(Duration::from_secs(*second), &mut readings);
            let suspect =
                readings.map(|r| (r.quality, r.reason) == (Quality::Suspect, Some(Reason::Disagree)));
            assert_eq!(suspect[0], suspect[1]);
            assert_eq!(pair.levels.is_some(), suspect[0]);
            suspect[0]
        };
        (0..seconds).filter(at_odds).collect()
    }

    #[test]
    fn both_are_in_doubt_after_a_minute_apart_and_believed_after_ten_together() {
        assert!(doubted(300, |_| Some(742.10)).is_empty());
        // Apart from 100 s on: in doubt from 160 s. Together from 200 s on: believed from 800 s.
        let doubt = doubted(1000, |second| Some(if (100..200).contains(&second) { 742.11 } else { 742.05 }));
        assert_eq!((doubt.first(), doubt.last(), doubt.len()), (Some(&160), Some(&799), 640));
    }

    #[test]
    fn a_wave_is_no_disagreement() {
        assert!(doubted(600, |second| Some(if second % 60 < 50 { 741.8 } else { 742.0 })).is_empty());
    }

    #[test]
    fn one_alone_is_as_good_as_it_is() {
        let dies = |second| (second < 300).then_some(743.0);
        assert_eq!(doubted(600, dies).last(), Some(&299));
        // Back, and still apart: there is no new minute of trust.
        let back = |second| (!(300..400).contains(&second)).then_some(743.0);
        assert!(doubted(600, back).contains(&400));
    }
}
