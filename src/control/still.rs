//! A position that stands still while the motor runs: its sensor is in doubt, not the gate.
//!
//! Without a register that tells of the motor a gate that jams looks the same; then its deadline tells.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::gate::GateFacts;
use crate::basin::Gate;
use crate::units::Opening;

/// Travel at the gate's own speed that a sound sensor shows, in arrival tolerances or in steps of its register, whichever
/// is longer. Assumed: a drive at half its speed still makes two of them.
const TRAVEL: f64 = 4.0;

/// Least time, s: a motor starts, and the relay of one that has jammed cuts it off. Assumed.
const LEAST_S: f64 = 10.0;

/// Least number of reads. Assumed.
const READS: u32 = 3;

/// What has been seen of a position while the motor ran under a command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Still {
    /// Position in its unit, since when and when last it was read so, and how often.
    run: Option<(f64, Duration, Duration, u32)>,
    /// Position at which the sensor is in doubt: until it shows another.
    frozen: Option<f64>,
}

impl Still {
    /// Whether the sensor is in doubt.
    pub(super) fn is_frozen(&self) -> bool {
        self.frozen.is_some()
    }

    /// Looks at this tick's position; `sent` is where a command the device has taken sends the gate, `step` the resolution
    /// of the position register, fraction of the stroke. Tells whether the sensor is in doubt.
    pub(super) fn look(&mut self, gate: &Gate, facts: &GateFacts, sent: Option<Opening>, step: f64) -> bool {
        let (Some(position), Some(at)) = (facts.position.usable(), facts.position.taken_at) else {
            return self.is_frozen();
        };
        let same = |other: f64| other.to_bits() == position.to_bits();
        self.frozen = self.frozen.filter(|frozen| same(*frozen));
        // At its target a motor may press the gate into its seat.
        let arriving =
            |to: Opening| facts.opening.is_some_and(|opening| super::gate::near(gate, opening, to));
        let runs = facts.moving.is_some_and(|way| way != 0) && sent.is_some_and(|to| !arriving(to));
        if !runs {
            self.run = None;
            return self.is_frozen();
        }
        let (first, since, seen, reads) =
            self.run.filter(|run| same(run.0)).unwrap_or((position, at, Duration::ZERO, 0));
        let reads = if at > seen { reads + 1 } else { reads };
        self.run = Some((first, since, at, reads));
        let enough = (TRAVEL * gate.tolerance.max(step) * gate.stroke_s).max(LEAST_S);
        if reads >= READS && at.saturating_sub(since).as_secs_f64() >= enough {
            self.frozen = Some(position);
        }
        self.is_frozen()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::basin::GateKind;
    use crate::control::testing;

    /// 180 s for the stroke and a tolerance of 0.01: 4 · 0.01 · 180 s = 7.2 s, so the least time of 10 s holds.
    fn gate() -> Gate {
        testing::gate(GateKind::Valve { bore_m: 0.6, cd_full: 0.6 }, 702.0)
    }

    /// The second in which a gate sent from 0.2 to 0.5 is doubted first, of positions read at these seconds.
    fn doubted(
        gate: &Gate,
        step: f64,
        moving: Option<i8>,
        seen: impl IntoIterator<Item = (u64, f64)>,
    ) -> Option<u64> {
        let mut still = Still::default();
        let mut look = |(second, opening): (u64, f64)| {
            let facts = GateFacts { moving, ..testing::facts(opening, 0.5, second) };
            still.look(gate, &facts, Some(Opening::clamped(0.5)), step)
        };
        seen.into_iter().find(|seen| look(*seen)).map(|(second, _)| second)
    }

    fn every(seconds: usize, opening: f64) -> impl Iterator<Item = (u64, f64)> {
        (1..=300).step_by(seconds).map(move |second| (second, opening))
    }

    #[test]
    fn a_position_that_stands_while_the_motor_runs_is_doubted() {
        // First read at 1 s.
        assert_eq!(doubted(&gate(), 0.001, Some(1), every(1, 0.2)), Some(11));
        assert_eq!(doubted(&gate(), 0.001, Some(-1), every(1, 0.2)), Some(11));
        // A register in steps of 0.1 of the stroke: 4 · 0.1 · 180 s = 72 s.
        assert_eq!(doubted(&gate(), 0.1, Some(1), every(1, 0.2)), Some(73));
        // 4 · 0.01 · 862.5 s = 34.5 s, read every five: 1, 6, .. 36.
        assert_eq!(doubted(&Gate { stroke_s: 862.5, ..gate() }, 0.001, Some(1), every(5, 0.2)), Some(36));
        // The third of three reads a minute apart.
        assert_eq!(doubted(&gate(), 0.001, Some(1), every(60, 0.2)), Some(121));
    }

    #[test]
    fn a_gate_that_moves_stands_or_arrives_is_not() {
        let moves = (1..=50).map(|second| (second, 0.2 + 0.001 * f64::from(u32::try_from(second).unwrap())));
        assert_eq!(doubted(&gate(), 0.001, Some(1), moves), None);
        // A jam: the motor is cut off, or nobody tells of it. Its deadline tells.
        assert_eq!(doubted(&gate(), 0.001, Some(0), every(1, 0.2)), None);
        assert_eq!(doubted(&gate(), 0.001, None, every(1, 0.2)), None);
        assert_eq!(doubted(&gate(), 0.001, Some(1), every(1, 0.495)), None, "pressed into its seat");
        let once = (0..300).map(|_| (7, 0.2));
        assert_eq!(doubted(&gate(), 0.001, Some(1), once), None, "one read, looked at again and again");
    }

    #[test]
    fn a_sensor_stays_in_doubt_until_it_shows_something_else() {
        let (gate, to) = (gate(), Some(Opening::clamped(0.5)));
        let mut still = Still::default();
        let mut look = |second: u64, opening: f64, moving: i8, sent: Option<Opening>| {
            let facts = GateFacts { moving: Some(moving), ..testing::facts(opening, 0.5, second) };
            still.look(&gate, &facts, sent, 0.001)
        };
        assert!((1..=11).any(|second| look(second, 0.2, 1, to)));
        assert!(look(60, 0.2, 0, to), "the motor stopped");
        assert!(look(600, 0.2, 0, None), "the command ended");
        assert!(!look(601, 0.31, 0, None));
        assert!(!look(602, 0.2, 0, None), "it came there by itself");
    }
}
