//! The course of a gate under command: towards its target, or away from it.
//!
//! One rule serves a drive that turns the wrong way and one that does not stop where it should: the distance from the
//! target has grown over its least by more than a band, and goes on growing.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::command::FailReason;
use super::gate::GateFacts;
use crate::basin::{Gate, GateKind};
use crate::units::Opening;

/// After a device has taken a command, s: a motor that still turns for the one before stops first, oil and water give, a
/// transmitter filters. Where the gate stands by then is where its course begins. Assumed.
const SETTLE_S: f64 = 10.0;

/// Distance over the least that is no play of gears and no noise of a transmitter, in arrival tolerances. Assumed: the
/// tolerance stands for them once, at either end of the difference.
const BAND: f64 = 2.0;

/// Growth beyond the band between two readings that shows the gate going on, in arrival tolerances. Assumed.
const GOES_ON: f64 = 0.5;

/// What has been seen of a movement.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Course {
    /// When the device was known to have taken the command.
    taken: Duration,
    /// When the newest position looked at was read.
    seen: Duration,
    /// Least distance from the target, fraction of the stroke; `None` before the first position.
    nearest: Option<f64>,
    /// Distance when it was first beyond the band.
    beyond: Option<f64>,
}

impl Course {
    /// Of a command a device is known to have taken at `now`: what was read before says nothing about it.
    pub(super) fn from(now: Duration) -> Self {
        Self { taken: now, seen: now, nearest: None, beyond: None }
    }

    /// When the device was known to have taken the command.
    pub(super) fn taken(&self) -> Duration {
        self.taken
    }

    /// Looks at this tick's position of a gate sent from `before` to `to`; tells when it has gone astray.
    ///
    /// Turbines are left out: a governor answers to the grid and to its own protection before it answers to us, and a
    /// stop would take the unit out of its hands. Their deadline tells.
    pub(super) fn look(
        &mut self,
        gate: &Gate,
        facts: &GateFacts,
        before: Option<Opening>,
        to: Opening,
    ) -> Option<FailReason> {
        let (opening, at) = (facts.opening?, facts.position.taken_at?);
        if at <= self.seen || matches!(gate.kind, GateKind::Turbine { .. }) || facts.trip == Some(true) {
            return None;
        }
        self.seen = at;
        let distance = (opening.fraction() - to.fraction()).abs();
        let settled = at.saturating_sub(self.taken).as_secs_f64() > SETTLE_S;
        let nearest = self.nearest.filter(|least| settled && *least < distance).unwrap_or(distance);
        self.nearest = Some(nearest);
        if distance <= nearest + BAND * gate.tolerance {
            self.beyond = None;
            return None;
        }
        let beyond = *self.beyond.get_or_insert(distance);
        if distance < beyond + GOES_ON * gate.tolerance {
            return None;
        }
        let past = before.is_some_and(|from| if to > from { opening > to } else { opening < to });
        Some(if past { FailReason::Overshoot } else { FailReason::WrongWay })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::testing;

    /// Sent at second 0 from `from` to `to`, 180 s for the stroke, tolerance 0.01: what the positions read at these
    /// seconds say, and when.
    fn sent(
        from: f64,
        to: f64,
        kind: GateKind,
        seen: impl IntoIterator<Item = (u64, f64)>,
    ) -> Option<(u64, FailReason)> {
        let gate = testing::gate(kind, 702.0);
        let mut course = Course::from(Duration::ZERO);
        seen.into_iter().find_map(|(second, opening)| {
            let facts = testing::facts(opening, to, second);
            let why = course.look(&gate, &facts, Some(Opening::clamped(from)), Opening::clamped(to))?;
            Some((second, why))
        })
    }

    const VALVE: GateKind = GateKind::Valve { bore_m: 0.6, cd_full: 0.6 };

    fn seconds(count: u64, opening: impl Fn(f64) -> f64) -> impl Iterator<Item = (u64, f64)> {
        (1..=count).map(move |second| (second, opening(f64::from(u32::try_from(second).unwrap()))))
    }

    /// The course begins where it stands at 10 s. Away from there, 4/180 = 0.0222 is the first beyond 0.02, and 5/180 is
    /// 0.0056 more, where 0.005 is enough.
    #[test]
    fn a_gate_that_moves_away_is_seen_within_fifteen_seconds() {
        let away = seconds(60, |t| 0.5 - t / 180.0);
        assert_eq!(sent(0.5, 0.8, VALVE, away), Some((15, FailReason::WrongWay)));
        let away = seconds(60, |t| 0.5 + t / 180.0);
        assert_eq!(sent(0.5, 0.1, VALVE, away), Some((15, FailReason::WrongWay)));
    }

    /// 0.025 in five seconds: at its target after 20 s, beyond the band at 25 s, further at 30 s.
    #[test]
    fn a_gate_that_goes_past_its_target_and_on_is_seen() {
        let opening = |second: u64| 0.2 + 0.005 * f64::from(u32::try_from(second).unwrap());
        let on = (5..=60).step_by(5).map(|second| (second, opening(second)));
        assert_eq!(sent(0.2, 0.3, VALVE, on), Some((30, FailReason::Overshoot)));
        let stands = (5..=60).step_by(5).map(|second| (second, opening(second.min(25))));
        assert_eq!(sent(0.2, 0.3, VALVE, stands), None, "past it and still: its deadline tells");
        let returns = [(15, 0.275), (20, 0.3), (25, 0.325), (30, 0.31), (35, 0.3), (40, 0.325), (45, 0.3)];
        assert_eq!(sent(0.2, 0.3, VALVE, returns), None, "it comes back by itself");
    }

    /// The motor still opens for the command before, stops, pauses a minute, then shuts as told.
    #[test]
    fn a_motor_that_has_to_reverse_first_is_on_its_course() {
        let reversing = seconds(200, |t| (0.5 + t.min(9.0) / 180.0 - (t - 69.0).max(0.0) / 180.0).max(0.1));
        assert_eq!(sent(0.5, 0.1, VALVE, reversing), None);
    }

    #[test]
    fn play_noise_and_what_was_read_before_say_nothing() {
        let noise = seconds(300, |t| if (t % 2.0) < 1.0 { 0.49 } else { 0.51 });
        assert_eq!(sent(0.5, 0.8, VALVE, noise), None);
        let (gate, to) = (testing::gate(VALVE, 702.0), Opening::clamped(0.8));
        let mut course = Course::from(Duration::from_secs(100));
        for (second, opening) in [(80, 0.6), (90, 0.4), (100, 0.2), (120, 0.2), (120, 0.1), (120, 0.0)] {
            let facts = testing::facts(opening, 0.8, second);
            assert_eq!(course.look(&gate, &facts, None, to), None, "{second} s");
        }
    }

    #[test]
    fn a_turbine_is_left_to_its_governor() {
        let flow = crate::units::Discharge::lossy;
        let unit =
            GateKind::Turbine { rated: flow(2.0), rated_head_m: 35.0, minimum: flow(0.7), power_kw: 500.0 };
        assert_eq!(sent(0.5, 0.8, unit, seconds(60, |t| 0.5 - t / 180.0)), None);
    }
}
