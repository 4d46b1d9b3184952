//! Positions of a gate on its way, and what they tell about its drive. Pure.

use std::time::Duration;

use crate::basin::Gate;
use crate::control::quality::Reading;
use crate::units::Opening;

/// The positions read during one movement.
#[derive(Clone, Debug)]
pub(super) struct Trace {
    /// Position before, in the stroke unit.
    from: Option<f64>,
    to: f64,
    /// Arrival tolerance, stroke unit.
    tolerance: f64,
    /// Time between two readings, s.
    pub(super) period_s: f64,
    seen: Vec<(Duration, f64)>,
}

/// What a movement was like.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Measured {
    /// Stroke units per second between the last reading at the old place and the first at the new one; `None` when no
    /// two readings lie far enough apart to tell.
    pub(super) speed_per_s: Option<f64>,
    /// Furthest beyond the target, stroke unit, at least zero; `None` when nothing was read.
    pub(super) overshoot: Option<f64>,
}

impl Trace {
    pub(super) fn new(gate: &Gate, from: Option<Opening>, to: Opening, period_s: f64) -> Self {
        Self {
            from: from.map(|from| gate.stroke.position(from)),
            to: gate.stroke.position(to),
            tolerance: gate.tolerance * gate.stroke.length(),
            period_s,
            seen: Vec::new(),
        }
    }

    /// Adds a position, when it is a new one.
    pub(super) fn add(&mut self, position: &Reading) {
        let (Some(at), Some(value)) = (position.taken_at, position.usable()) else { return };
        if self.seen.last().is_none_or(|(last, _)| at > *last) {
            self.seen.push((at, value));
        }
    }

    /// What the positions since `begun` tell.
    pub(super) fn measured(&self, begun: Duration) -> Measured {
        let Some(from) = self.from else { return Measured::default() };
        let sense = (self.to - from).signum();
        let beyond = self.seen.iter().map(|(_, position)| (position - self.to) * sense);
        let overshoot = beyond.reduce(f64::max).map(|beyond| beyond.max(0.0));
        // A tenth of the way is more than a sensor at rest shows.
        let has_left = |position: f64| (position - from) * sense > 0.1 * (self.to - from).abs();
        let moving = self.seen.iter().position(|(_, position)| has_left(*position));
        let before = match moving {
            Some(0) => Some((begun, from)),
            Some(at) => self.seen.get(at - 1).copied(),
            None => None,
        };
        let there = |(_, position): &&(Duration, f64)| (position - self.to).abs() <= self.tolerance + 1e-9;
        let arrived = self.seen.iter().find(there).copied();
        let speed_per_s = before.zip(arrived).and_then(|((t1, p1), (t2, p2))| {
            let time = t2.saturating_sub(t1).as_secs_f64();
            // One scan tells only that it was quicker than a scan.
            (time > 1.5 * self.period_s).then(|| (p2 - p1).abs() / time)
        });
        Measured { speed_per_s, overshoot }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::basin::GateKind;
    use crate::control::quality::Quality;
    use crate::control::testing;

    /// A valve with positions in % and a tolerance of 1 %, read every second from 20 towards 30 %.
    fn trace(positions: &[(u64, f64)]) -> Measured {
        let valve = testing::gate(GateKind::Valve { bore_m: 0.6, cd_full: 0.6 }, 0.0);
        let mut trace = Trace::new(&valve, Some(Opening::clamped(0.2)), Opening::clamped(0.3), 1.0);
        for (at, value) in positions {
            let (at, seen) = (Duration::from_secs(*at), Some(*value));
            trace.add(&Reading {
                value: seen,
                quality: Quality::Good,
                reason: None,
                taken_at: Some(at),
                last_good: seen,
            });
        }
        trace.measured(Duration::from_secs(0))
    }

    /// Last at rest at 2 s, first within 1 % of 30 at 6 s with 29.6: 9.6 % in 4 s. It runs to 30.4 and settles.
    #[test]
    fn speed_is_from_the_last_rest_to_the_first_arrival_and_overshoot_beyond_it() {
        let seen =
            trace(&[(1, 20.0), (2, 20.0), (3, 22.4), (4, 24.8), (5, 27.2), (6, 29.6), (7, 30.4), (8, 30.1)]);
        assert!((seen.speed_per_s.unwrap() - 2.4).abs() < 1e-9, "{seen:?}");
        assert!((seen.overshoot.unwrap() - 0.4).abs() < 1e-9, "{seen:?}");
    }

    #[test]
    fn what_arrives_within_a_scan_has_no_speed_and_what_stays_has_none() {
        let quick = trace(&[(1, 20.0), (2, 30.0), (2, 99.0)]);
        assert_eq!((quick.speed_per_s, quick.overshoot), (None, Some(0.0)));
        let stuck = trace(&[(1, 20.0), (2, 20.1), (60, 20.0)]);
        assert_eq!((stuck.speed_per_s, stuck.overshoot), (None, Some(0.0)));
        assert_eq!(trace(&[]), Measured::default());
    }
}
