//! What lies between a motor and its leaf as built: lost motion, breakaway, limit switches, the position meter, and what
//! the motor's own protection allows.
//!
//! Every size is assumed, named with its range, and lies well within the tolerance of the gate: a sound drive meets the
//! same targets as an ideal one. [`super::Event::Wear`] gives a drive other sizes.

use std::collections::VecDeque;

use qindan::basin::{Actuation, Gate, GateKind};
use serde::{Deserialize, Serialize};

use super::sensor::{mix, normal};

/// Lost motion between motor and leaf, share of the dead band of the drive. With a dead band of 0.5 % of a stroke of
/// 2.5 m that are 2.5 mm. Assumed; source of the range: domain notes 6.2, hysteresis of 2 to 10 mm; worn screws have ten
/// times this.
const BACKLASH: f64 = 0.2;
/// Force that breaks a leaf loose, share of what the motor gives. Assumed; 0.3 to 0.8 for greased guides, above 1 the
/// motor stalls.
const BREAKAWAY: f64 = 0.6;
/// Time from the start of the motor until the leaf is loose, s. Assumed; 0.1 to 2.
const BREAKAWAY_S: f64 = 0.3;
/// Least time a motor may run from cold, s. Source: short-time duty S2 15 min of IEC 60034-1, usual for actuators.
const DUTY_S: f64 = 900.0;
/// A motor is chosen for its hoist: it may run for this many strokes from cold. Assumed.
const DUTY_STROKES: f64 = 1.5;
/// It cools this many times slower than it heats. Assumed; standing motors have no fan.
const COOLING: f64 = 3.0;
/// One start heats like this time of running, s. Assumed: six times the current for 0.3 s.
const START_S: f64 = 10.0;
/// Starts the box itself allows in an hour, times those the service may ask for. Assumed; class S4 allows 60 an hour.
const STARTS: usize = 3;
/// The box cuts a motor off after this many times the computed travel time. Source: domain notes 2.5.
const TRAVEL_TIMEOUT: f64 = 1.5;
/// And this much, s. Assumed: contactors, breakaway, the scan of the box.
const TRAVEL_SLACK_S: f64 = 5.0;
/// An hour, s.
const HOUR_S: f64 = 3600.0;

/// Where a position meter sits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// On the motor's side of the gear: it does not see the lost motion.
    Motor,
    /// On the leaf.
    Leaf,
}

/// End of the stroke.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// Fully open.
    Top,
    /// Shut.
    Bottom,
}

/// State of a limit switch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Switch {
    /// Made at the end of the stroke, and only there.
    #[default]
    Sound,
    /// Always made: the box will not run that way.
    Stuck,
    /// Never made: the motor runs against the stop until its relay cuts it off.
    Lost,
}

impl Switch {
    /// Whether it is made, with the leaf at its end or not.
    pub(crate) fn is_made(self, at_end: bool) -> bool {
        match self {
            Self::Sound => at_end,
            Self::Stuck => true,
            Self::Lost => false,
        }
    }
}

/// What is wrong with a position meter.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) enum PositionFault {
    #[default]
    None,
    /// Shows this, strokes, whatever happens.
    Frozen(f64),
    /// Shows this much more, strokes.
    Offset(f64),
    /// Standard deviation, strokes, new every second.
    Noise(f64),
}

impl PositionFault {
    /// What it makes of a position at a second of the drive.
    pub(crate) fn show(self, position: f64, key: u64, second: u64) -> f64 {
        match self {
            Self::None => position,
            Self::Frozen(at) => at,
            Self::Offset(by) => (position + by).clamp(0.0, 1.0),
            Self::Noise(deviation) => {
                (position + deviation * normal(key ^ mix(second ^ 0x504F))).clamp(0.0, 1.0)
            }
        }
    }
}

/// Gear and guides of a drive.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Gear {
    /// Lost motion on a reversal, strokes, ≥ 0.
    pub(crate) backlash: f64,
    /// Force that breaks the leaf loose, share of what the motor gives; above 1 it stalls.
    pub(crate) breakaway: f64,
    /// Time until it is loose, s.
    pub(crate) breakaway_s: f64,
    /// Where the position meter sits.
    pub(crate) meter: Side,
}

impl Gear {
    /// As built for a gate with a dead band of so many strokes. Screws and actuators count turns of the motor; cylinders of
    /// flaps and governors of turbines have no play, and their meter sits on what they move.
    pub(crate) fn of(gate: &Gate, dead_band: f64) -> Self {
        if gate.actuation == Actuation::Passive {
            return Self::ideal();
        }
        match gate.kind {
            GateKind::Plane { .. } | GateKind::Radial { .. } | GateKind::Valve { .. } => Self {
                backlash: BACKLASH * dead_band,
                breakaway: BREAKAWAY,
                breakaway_s: BREAKAWAY_S,
                meter: Side::Motor,
            },
            GateKind::Flap { .. } => {
                Self { backlash: 0.0, breakaway: BREAKAWAY, breakaway_s: BREAKAWAY_S, meter: Side::Leaf }
            }
            GateKind::Turbine { .. } => Self::ideal(),
        }
    }

    /// Neither play nor friction, its meter on the leaf: governors, and leaves that the water moves.
    pub(crate) fn ideal() -> Self {
        Self { backlash: 0.0, breakaway: 0.0, breakaway_s: 0.0, meter: Side::Leaf }
    }
}

/// Longest time a box lets a motor run towards a position `off` strokes away, s.
pub(crate) fn travel_limit(off: f64, speed: f64) -> f64 {
    TRAVEL_TIMEOUT * off.abs() / speed + TRAVEL_SLACK_S
}

/// The protection of a motor: thermal relay and starts per hour.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Protection {
    /// Time it may run from cold, s; `None` where no motor is to be protected: governors, leaves that the water moves.
    duty_s: Option<f64>,
    /// Heat, share of what the relay allows.
    heat: f64,
    most: usize,
    /// Starts of the last hour, s of the drive.
    starts: VecDeque<f64>,
}

impl Protection {
    pub(crate) fn of(gate: &Gate) -> Self {
        let motorless = gate.actuation == Actuation::Passive || matches!(gate.kind, GateKind::Turbine { .. });
        Self {
            duty_s: (!motorless).then(|| DUTY_S.max(DUTY_STROKES * gate.stroke_s)),
            heat: 0.0,
            most: STARTS * usize::try_from(gate.max_starts_per_hour.max(1)).unwrap_or(1),
            starts: VecDeque::new(),
        }
    }

    /// Time until the box allows another start at `now`, s.
    pub(crate) fn wait(&self, now: f64) -> f64 {
        let Some(oldest) = self.starts.front().filter(|_| self.starts.len() >= self.most) else {
            return 0.0;
        };
        (oldest + HOUR_S - now).max(0.0)
    }

    pub(crate) fn start(&mut self, now: f64) {
        let Some(duty) = self.duty_s else { return };
        while self.starts.len() >= self.most || self.starts.front().is_some_and(|at| now - at >= HOUR_S) {
            self.starts.pop_front();
        }
        self.starts.push_back(now);
        self.heat += START_S / duty;
    }

    /// The motor ran for `dt` seconds; true when the relay cuts it off.
    pub(crate) fn run(&mut self, dt: f64) -> bool {
        let Some(duty) = self.duty_s else { return false };
        self.heat += dt / duty;
        self.heat >= 1.0
    }

    /// It stood for `dt` seconds.
    pub(crate) fn rest(&mut self, dt: f64) {
        if let Some(duty) = self.duty_s {
            self.heat = (self.heat - dt / (COOLING * duty)).max(0.0);
        }
    }
}
