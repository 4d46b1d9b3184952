//! When a flow arrives, and between what bounds.

use serde::{Deserialize, Serialize};

use super::routing::{Pace, Stretch};
use super::series::Series;
use super::timing;

/// Earliest and latest arrival as a share of the tabled travel time. Assumed: pools and a rough low-flow bed
/// delay a step more than the table, a rise steepens and comes a little early.
pub const ARRIVAL: (f64, f64) = (0.88, 1.2);

/// A travel time with its bounds, h.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Lag {
    /// Earliest.
    pub early: f64,
    /// Expected.
    pub mid: f64,
    /// Latest.
    pub late: f64,
}

impl Lag {
    /// Of `hours` whose relative spread is `spread`; the bounds of [`ARRIVAL`] for the spread of the table.
    pub(super) fn of(hours: f64, spread: f64) -> Self {
        let bound = |share: f64| hours * (1.0 + (share - 1.0) * spread / timing::TABLE);
        Self { early: bound(ARRIVAL.0), mid: hours, late: bound(ARRIVAL.1) }
    }

    /// The time over two ways, one after the other, of which all is slow or all is fast.
    #[must_use]
    pub(super) fn and(self, other: Self) -> Self {
        let Self { early, mid, late } = other;
        Self { early: self.early + early, mid: self.mid + mid, late: self.late + late }
    }
}

/// Least, expected and largest flow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Band {
    /// Least.
    pub low: f64,
    /// Expected.
    pub mid: f64,
    /// Largest.
    pub high: f64,
}

impl Band {
    /// One value for all three.
    pub(super) fn sure(flow: f64) -> Self {
        Self { low: flow, mid: flow, high: flow }
    }

    /// The same with `more` added throughout, never below zero.
    pub(super) fn raised(self, more: f64) -> Self {
        let up = |part: f64| (part + more).max(0.0);
        Self { low: up(self.low), mid: up(self.mid), high: up(self.high) }
    }

    pub(super) fn add(&mut self, gain: f64, other: Self) {
        self.low += gain * other.low;
        self.mid += gain * other.mid;
        self.high += gain * other.high;
    }

    pub(super) fn subtract(&mut self, gain: f64, other: Self) {
        self.low -= gain * other.high;
        self.mid -= gain * other.mid;
        self.high -= gain * other.low;
    }
}

/// When a flow is asked for at the end of its way.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum When {
    /// So many hours from now, on the clock.
    At(f64),
    /// Together with water that leaves now and takes so many hours. A slow river is slow for both, so only the
    /// difference of their travel times is uncertain.
    With(Lag),
}

impl When {
    /// Hours ago at which a flow entered that needs `lag`: earliest arrival, expected, latest, in no order.
    /// Negative lies ahead.
    fn entered(self, lag: Lag) -> (f64, f64, f64) {
        let Lag { early, mid, late } = match self {
            Self::At(hours) => Lag { early: hours, mid: hours, late: hours },
            Self::With(other) => other,
        };
        (lag.early - early, lag.mid - mid, lag.late - late)
    }

    pub(super) fn hours(self) -> f64 {
        match self {
            Self::At(hours) => hours,
            Self::With(other) => other.mid,
        }
    }
}

/// Band of a flow `series` after travelling `way`; `future` gives what enters `lead` hours from now. `None` when
/// nothing is known of it.
pub(super) fn arriving(
    pace: &Pace,
    way: &[Stretch],
    when: When,
    series: &Series,
    future: impl Fn(f64) -> Band,
) -> Option<Band> {
    let (one, mid_at, other) = when.entered(pace.over(way));
    // Hours ago it entered; negative lies ahead.
    let (early, late) = (one.min(other), one.max(other));
    let past = if late >= 0.0 { series.window(early.max(0.0), late) } else { None };
    // Asked for once: it costs more than all the rest.
    let coming = (mid_at < 0.0).then(|| future(-mid_at));
    let mut band = match (past, coming) {
        (Some((low, mid, high)), None) => Band { low, mid: series.around(mid_at).unwrap_or(mid), high },
        (Some((low, _, high)), Some(coming)) => Band { low, mid: coming.mid, high },
        (None, Some(coming)) if late < 0.0 => coming,
        (None, coming) => {
            let last = Band::sure(series.ago(0.0)?);
            coming.map_or(last, |coming| Band { mid: coming.mid, ..last })
        }
    };
    let mut widen = |flow: Band| {
        band.low = band.low.min(flow.low);
        band.high = band.high.max(flow.high);
    };
    coming.map(&mut widen);
    if early < late {
        let around = [early, 0.5 * (early + mid_at), 0.5 * (mid_at + late), late];
        around.into_iter().filter(|ago| *ago < 0.0).map(|ago| future(-ago)).for_each(widen);
    }
    Some(band)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn water_that_travels_together_arrives_together() {
        // 30 h and 20 h: what enters the side river 10 h from now meets what leaves the dam now, a tenth or a fifth
        // earlier or later, never by a share of the whole 20 h.
        let [dam, side] = [30.0, 20.0].map(|hours| Lag::of(hours, timing::TABLE));
        let (early, middle, late) = When::With(dam).entered(side);
        for (got, expected) in [(early, -8.8), (middle, -10.0), (late, -12.0)] {
            assert!((got - expected).abs() < 1e-9, "{got} {expected}");
        }
        let (early, middle, late) = When::At(30.0).entered(side);
        for (got, expected) in [(early, -12.4), (middle, -10.0), (late, -6.0)] {
            assert!((got - expected).abs() < 1e-9, "{got} {expected}");
        }
    }

    #[test]
    fn a_travel_time_known_better_has_nearer_bounds() {
        // Half the spread of the table: half of 12 % early, half of 20 % late.
        let Lag { early, mid, late } = Lag::of(10.0, 0.5 * timing::TABLE);
        for (got, expected) in [(early, 9.4), (mid, 10.0), (late, 11.0)] {
            assert!((got - expected).abs() < 1e-9, "{got} {expected}");
        }
    }
}
