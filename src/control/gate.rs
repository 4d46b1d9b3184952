//! One gate: where it is, what was asked of it, and how that ended.
//!
//! ```text
//! Adopting ──position──> Idle ──command──> Commanded ──accepted──> Travelling ──arrived──> Idle
//!                         ^                    │refused, not sent       │deadline, astray
//!                         └──── arrived ───────┴──> Idle                └──> Stuck ──command──> Commanded
//! ```

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::command::{Action, CommandId, FailReason, OpenIntent, Terminal, WriteResult};
use super::course::Course;
use super::quality::Reading;
use super::reason::Because;
use super::status::GateState;
use super::still::Still;
use crate::basin::Gate;
use crate::units::Opening;

mod left_open;

/// How long a command may wait for its turn on the link, s of service time.
pub const VALID_S: u64 = 120;

/// Time on top of 1.5 × the computed travel before a gate counts as stuck, s: scans and a motor's start.
const ARRIVAL_GRACE_S: f64 = 60.0;

/// A command that has not ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InFlight {
    /// Number.
    pub id: CommandId,
    /// What it asks.
    pub action: Action,
    /// Opening before.
    pub before: Option<Opening>,
    /// Set-points that may have stood in the device before.
    pub set_points: Vec<Opening>,
    /// When it was given.
    pub since: Duration,
    /// When it must have ended.
    pub deadline: Duration,
    /// Result of the write, once known.
    pub write: Option<WriteResult>,
    /// Why.
    pub because: Vec<Because>,
    /// By whom.
    pub actor: String,
}

/// Facts about a gate from this tick's readings.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct GateFacts {
    /// Present opening, when usable.
    pub opening: Option<Opening>,
    /// The position reading behind it.
    pub position: Reading,
    /// Set-point in the device, when usable, and when it was read.
    pub target: Option<(Opening, Duration)>,
    /// Key on remote; `None` when there is no usable reading of it.
    pub remote: Option<bool>,
    /// Emergency stop pressed.
    pub estop: Option<bool>,
    /// Drive fault.
    pub fault: Option<bool>,
    /// Unit tripped.
    pub trip: Option<bool>,
    /// +1 opening, −1 shutting, 0 still.
    pub moving: Option<i8>,
}

/// What a gate does to the record: a command ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Ended {
    /// The command.
    pub command: InFlight,
    /// How.
    pub terminal: Terminal,
    /// When.
    pub at: Duration,
}

/// Memory of one gate between ticks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GateMemory {
    /// State machine.
    pub state: GateState,
    /// Command in flight.
    pub in_flight: Option<InFlight>,
    /// Starts of the motor, oldest first, at most a day old.
    pub starts: VecDeque<Duration>,
    /// When the last movement was commanded, and its sign.
    pub last_move: Option<(Duration, i8)>,
    /// Opening at rest, to notice movement without a command.
    pub rest: Option<Opening>,
    /// Set-point we know to stand in the device; `None` until it is read after something left it open.
    pub known_target: Option<Opening>,
    /// Since when: an older reading of it says nothing. Position and set-point are often read apart.
    known_since: Duration,
    /// Somebody else wrote the set-point, until a person settles it.
    pub foreign: bool,
    /// Moved without a command, until it has been still for a while.
    pub drifted: Option<Duration>,
    /// Last command ended without arriving.
    pub missed: bool,
    /// It went away from where a command sent it, or past it, until a person settles it.
    pub astray: Option<FailReason>,
    /// Intents from before the start, to be explained, oldest first.
    pub open_intents: Vec<OpenIntent>,
    /// Since when they wait for it.
    open_since: Option<Duration>,
    /// Since when the position has been usable without a break.
    pub seen_since: Option<Duration>,
    was_local: bool,
    /// How the movement under the command in flight goes, since the device was known to have taken it.
    course: Option<Course>,
    /// How its position stands while the motor runs.
    still: Still,
    /// When the unit was last seen tripped, since its last command: its governor begins again by itself.
    tripped: Option<Duration>,
}

impl Default for GateMemory {
    fn default() -> Self {
        Self {
            state: GateState::Adopting,
            in_flight: None,
            starts: VecDeque::new(),
            last_move: None,
            rest: None,
            known_target: None,
            known_since: Duration::ZERO,
            foreign: false,
            drifted: None,
            missed: false,
            astray: None,
            open_intents: Vec::new(),
            open_since: None,
            seen_since: None,
            was_local: false,
            course: None,
            still: Still::default(),
            tripped: None,
        }
    }
}

/// Longest a command may take: 1.5 × the travel, and grace.
pub fn deadline(gate: &Gate, from: Option<Opening>, action: Action, since: Duration) -> Duration {
    let travel = match action {
        Action::Goto(to) => from.map_or(1.0, |from| (to.fraction() - from.fraction()).abs()),
        Action::Stop => 0.0,
    };
    since
        + Duration::from_secs_f64(1.5 * travel * gate.stroke_s + ARRIVAL_GRACE_S)
        + Duration::from_secs(VALID_S)
}

impl GateMemory {
    /// Takes up a new command; the one in flight, if any, ends superseded.
    pub fn command(&mut self, next: InFlight, gate: &Gate, now: Duration) -> Option<Ended> {
        let old =
            self.in_flight.take().map(|command| Ended { command, terminal: Terminal::Superseded, at: now });
        if let Action::Goto(to) = next.action
            && let Some(from) = next.before
        {
            let sign = if to > from { 1 } else { -1 };
            if (to.fraction() - from.fraction()).abs() >= 0.5 * gate.tolerance {
                self.starts.push_back(now);
                self.last_move = Some((now, sign));
            }
        }
        self.in_flight = Some(next);
        self.state = GateState::Commanded;
        self.missed = false;
        self.course = None;
        self.tripped = None;
        old
    }

    /// Notes the report of a field task about its command.
    pub fn report(&mut self, id: CommandId, result: WriteResult) {
        if let Some(command) = &mut self.in_flight
            && command.id == id
        {
            command.write = Some(result);
        }
    }

    /// Whether the position sensor is in doubt; `step` is the resolution of its register, fraction of the stroke.
    pub(super) fn doubts(&mut self, gate: &Gate, facts: &GateFacts, step: f64) -> bool {
        let sent =
            self.in_flight.as_ref().filter(|_| self.course.is_some()).and_then(|command| {
                match command.action {
                    Action::Goto(to) => Some(to),
                    Action::Stop => None,
                }
            });
        self.still.look(gate, facts, sent, step)
    }

    /// Whether the position sensor was in doubt when last looked at.
    pub fn is_frozen(&self) -> bool {
        self.still.is_frozen()
    }

    /// A person has looked at the gate: what was held against it is settled.
    pub fn absolve(&mut self) {
        (self.foreign, self.missed, self.astray) = (false, false, None);
        self.still = Still::default();
    }

    /// Advances by this tick's facts; ends the command in flight when its end is known.
    pub fn advance(&mut self, gate: &Gate, facts: &GateFacts, now: Duration) -> Option<Ended> {
        const DAY: Duration = Duration::from_secs(86_400);
        while self.starts.front().is_some_and(|at| now.saturating_sub(*at) > DAY) {
            self.starts.pop_front();
        }
        match (facts.opening, self.seen_since) {
            (Some(_), None) => self.seen_since = Some(now),
            (None, Some(_)) => self.seen_since = None,
            (Some(_), Some(_)) | (None, None) => {}
        }
        let turned_local = facts.remote == Some(false) && !self.was_local;
        self.was_local = facts.remote == Some(false);
        if facts.trip == Some(true) {
            self.tripped = Some(now);
        }
        self.watch_target(gate, facts);
        self.watch_drift(gate, facts, now);
        if self.state == GateState::Adopting && facts.opening.is_some() {
            self.state = GateState::Idle;
            self.rest = facts.opening;
            self.known_target = facts.target.map(|(target, _)| target);
        }
        let terminal = self.ending(gate, facts, turned_local, now)?;
        let command = self.in_flight.take()?;
        self.settle(&command, &terminal, facts, now);
        Some(Ended { command, terminal, at: now })
    }

    fn settle(&mut self, command: &InFlight, terminal: &Terminal, facts: &GateFacts, now: Duration) {
        self.rest = facts.opening;
        self.missed = matches!(
            terminal,
            Terminal::Failed { why: FailReason::NoArrival | FailReason::NotDone | FailReason::Unresolved }
        );
        self.foreign |= matches!(terminal, Terminal::Failed { why: FailReason::Foreign });
        if let Terminal::Failed { why: why @ (FailReason::WrongWay | FailReason::Overshoot) } = terminal {
            self.astray = Some(*why);
        }
        self.state = if self.missed || self.astray.is_some() { GateState::Stuck } else { GateState::Idle };
        let taken = *terminal == Terminal::Verified || command.write == Some(WriteResult::Accepted);
        self.known_since = now;
        self.known_target = match command.action {
            Action::Goto(to) if taken => Some(to),
            Action::Goto(_) | Action::Stop => {
                facts.target.filter(|(_, at)| *at > command.since).map(|(target, _)| target)
            }
        };
    }

    /// The terminal state the command in flight has reached, if it has.
    fn ending(
        &mut self,
        gate: &Gate,
        facts: &GateFacts,
        turned_local: bool,
        now: Duration,
    ) -> Option<Terminal> {
        let command = self.in_flight.as_ref()?;
        let failed = |why| Some(Terminal::Failed { why });
        if turned_local {
            return Some(Terminal::Abandoned);
        }
        if facts.estop == Some(true) || facts.fault == Some(true) {
            return failed(FailReason::DriveFault);
        }
        match command.write {
            Some(WriteResult::Refused(_)) => return failed(FailReason::Refused),
            Some(WriteResult::NotDone) => return failed(FailReason::NotDone),
            Some(WriteResult::Foreign) => return failed(FailReason::Foreign),
            Some(WriteResult::NotSent(super::command::NotSent::Expired)) => return Some(Terminal::Expired),
            Some(WriteResult::NotSent(super::command::NotSent::Superseded)) => {
                return Some(Terminal::Superseded);
            }
            Some(WriteResult::NotSent(_)) => return failed(FailReason::NotSent),
            Some(WriteResult::Accepted) => self.state = GateState::Travelling,
            Some(WriteResult::Unknown) | None => {}
        }
        let fresh = facts.position.taken_at.is_some_and(|at| at > command.since);
        let in_device = match command.action {
            // The set-point that stands in the device tells that an unanswered write was carried out.
            Action::Goto(to) => {
                facts.target.is_some_and(|(target, at)| at > command.since && near(gate, target, to))
            }
            Action::Stop => true,
        };
        let taken = command.write == Some(WriteResult::Accepted) || in_device || self.course.is_some();
        let arrived = match (command.action, facts.opening) {
            (Action::Goto(to), Some(opening)) => near(gate, opening, to) && facts.moving.unwrap_or(0) == 0,
            (Action::Stop, Some(_)) => facts.moving == Some(0) || facts.moving.is_none(),
            (_, None) => false,
        };
        if taken && fresh && arrived {
            return Some(Terminal::Verified);
        }
        if taken && let Action::Goto(to) = command.action {
            if self.is_overwritten(gate, facts, to) {
                return failed(FailReason::Foreign);
            }
            let course = self.course.get_or_insert(Course::from(now));
            if let Some(why) = course.look(gate, facts, command.before, to) {
                return failed(why);
            }
        }
        if now >= command.deadline {
            return failed(if taken { FailReason::NoArrival } else { FailReason::Unresolved });
        }
        None
    }

    fn watch_target(&mut self, gate: &Gate, facts: &GateFacts) {
        let (Some((target, at)), None) = (facts.target, &self.in_flight) else { return };
        if self.state == GateState::Adopting || at <= self.known_since {
            return;
        }
        let known = *self.known_target.get_or_insert(target);
        if !near(gate, target, known) {
            // With the key on local the panel sets it, and who takes over again begins from there. Any other value was
            // written by somebody, or is what a box starts with.
            self.foreign |= facts.remote != Some(false) && !self.is_governor(gate, facts, target);
            (self.known_target, self.known_since) = (Some(target), at);
        }
    }

    /// Whether a set-point is that of a governor whose trip was reset: it begins from where the unit stands.
    fn is_governor(&self, gate: &Gate, facts: &GateFacts, target: Opening) -> bool {
        self.tripped.is_some() && facts.opening.is_some_and(|opening| near(gate, target, opening))
    }

    /// Whether another set-point stands in the device than the one it was seen to hold for the command in flight: written
    /// by somebody, or a box that restarted. Waiting for the deadline would leave a tick in which it could be written over.
    fn is_overwritten(&self, gate: &Gate, facts: &GateFacts, to: Opening) -> bool {
        let (Some((target, at)), Some(course)) = (facts.target, self.course) else { return false };
        at > course.taken()
            && facts.remote == Some(true)
            && !near(gate, target, to)
            && !self.is_governor(gate, facts, target)
    }

    fn watch_drift(&mut self, gate: &Gate, facts: &GateFacts, now: Duration) {
        const CLEARED_AFTER: Duration = Duration::from_secs(600);
        let Some(opening) = facts.opening else { return };
        if self.in_flight.is_some() || facts.remote == Some(false) {
            self.rest = Some(opening);
            return;
        }
        let rest = *self.rest.get_or_insert(opening);
        if (opening.fraction() - rest.fraction()).abs() > 2.0 * gate.tolerance {
            // A gate that missed its deadline may still arrive where it was sent.
            let nearer = |to: Opening| {
                (opening.fraction() - to.fraction()).abs() < (rest.fraction() - to.fraction()).abs()
            };
            if !(self.missed && self.known_target.is_some_and(nearer)) {
                self.drifted = Some(now);
            }
            self.rest = Some(opening);
        } else if self.drifted.is_some_and(|at| now.saturating_sub(at) > CLEARED_AFTER) {
            self.drifted = None;
        }
    }

    /// Starts within the last `window`.
    pub fn starts_within(&self, window: Duration, now: Duration) -> u32 {
        let n = self.starts.iter().filter(|at| now.saturating_sub(**at) <= window).count();
        u32::try_from(n).unwrap_or(u32::MAX)
    }

    /// Where the gate is going, or stands.
    pub fn heading(&self, facts: &GateFacts) -> Option<Opening> {
        match self.in_flight.as_ref().map(|c| c.action) {
            Some(Action::Goto(to)) => Some(to),
            Some(Action::Stop) | None => facts.opening,
        }
    }
}

/// Within the arrival tolerance.
pub fn near(gate: &Gate, a: Opening, b: Opening) -> bool {
    (a.fraction() - b.fraction()).abs() <= gate.tolerance + 1e-9
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::basin::GateKind;
    use crate::control::testing::{self, facts};

    pub(super) fn valve() -> Gate {
        testing::gate(GateKind::Valve { bore_m: 0.6, cd_full: 0.6 }, 702.0)
    }

    pub(super) fn commanded(to: f64) -> (Gate, GateMemory) {
        let (gate, mut memory) = (valve(), GateMemory::default());
        memory.advance(&gate, &facts(0.2, 0.2, 0), Duration::ZERO);
        assert_eq!(memory.state, GateState::Idle);
        let since = Duration::from_secs(10);
        let action = Action::Goto(Opening::clamped(to));
        let before = Some(Opening::clamped(0.2));
        let deadline = deadline(&gate, before, action, since);
        let next = InFlight {
            id: CommandId(7),
            action,
            before,
            set_points: before.into_iter().collect(),
            since,
            deadline,
            write: None,
            because: Vec::new(),
            actor: "dispatch".into(),
        };
        assert_eq!(memory.command(next, &gate, since), None);
        (gate, memory)
    }

    #[test]
    fn a_command_is_verified_by_position_not_by_echo() {
        let (gate, mut memory) = commanded(0.3);
        memory.report(CommandId(7), WriteResult::Accepted);
        assert_eq!(memory.advance(&gate, &facts(0.2, 0.3, 12), Duration::from_secs(12)), None);
        assert_eq!(memory.state, GateState::Travelling);
        let ended = memory.advance(&gate, &facts(0.3, 0.3, 30), Duration::from_secs(30));
        assert_eq!(ended.map(|e| e.terminal), Some(Terminal::Verified));
    }

    #[test]
    fn silence_is_resolved_by_what_stands_in_the_device() {
        let (gate, mut memory) = commanded(0.3);
        memory.report(CommandId(7), WriteResult::Unknown);
        let ended = memory.advance(&gate, &facts(0.3, 0.3, 40), Duration::from_secs(40));
        assert_eq!(ended.map(|e| e.terminal), Some(Terminal::Verified));
    }

    #[test]
    fn a_gate_that_does_not_arrive_is_stuck_at_its_deadline() {
        let (gate, mut memory) = commanded(0.3);
        memory.report(CommandId(7), WriteResult::Accepted);
        // 10 s + 1.5 · 0.1 · 180 s + 60 s + 120 s = 217 s.
        assert_eq!(memory.advance(&gate, &facts(0.2, 0.3, 216), Duration::from_secs(216)), None);
        let ended = memory.advance(&gate, &facts(0.2, 0.3, 217), Duration::from_secs(217));
        assert_eq!(ended.map(|e| e.terminal), Some(Terminal::Failed { why: FailReason::NoArrival }));
        assert_eq!(memory.state, GateState::Stuck);
    }

    #[test]
    fn a_foreign_set_point_is_noticed_and_not_fought() {
        let (gate, mut memory) = (valve(), GateMemory::default());
        memory.advance(&gate, &facts(0.2, 0.2, 0), Duration::ZERO);
        memory.advance(&gate, &facts(0.2, 0.6, 5), Duration::from_secs(5));
        assert!(memory.foreign && memory.in_flight.is_none());
    }

    #[test]
    fn a_set_point_read_before_the_command_ended_is_not_foreign() {
        // Position and set-point stand in blocks of their own: the one is fresh, the other still from before.
        let (gate, mut memory) = commanded(0.3);
        memory.report(CommandId(7), WriteResult::Accepted);
        let mut seen = facts(0.3, 0.2, 30);
        seen.target = Some((Opening::clamped(0.2), Duration::from_secs(9)));
        let ended = memory.advance(&gate, &seen, Duration::from_secs(30));
        assert_eq!(ended.map(|e| e.terminal), Some(Terminal::Verified));
        memory.advance(&gate, &seen, Duration::from_secs(31));
        memory.advance(&gate, &facts(0.3, 0.3, 35), Duration::from_secs(35));
        assert!(!memory.foreign);
        memory.advance(&gate, &facts(0.3, 0.5, 40), Duration::from_secs(40));
        assert!(memory.foreign);
    }

    #[test]
    fn a_set_point_that_goes_away_under_the_command_is_foreign_at_once() {
        let (gate, mut memory) = commanded(0.3);
        memory.report(CommandId(7), WriteResult::Accepted);
        memory.advance(&gate, &facts(0.2, 0.3, 12), Duration::from_secs(12));
        // Read before the device was known to have it: a block of its own, scanned earlier.
        memory.advance(&gate, &facts(0.2, 0.2, 12), Duration::from_secs(13));
        assert!(memory.in_flight.is_some());
        let ended = memory.advance(&gate, &facts(0.22, 0.0, 15), Duration::from_secs(15));
        assert_eq!(ended.map(|e| e.terminal), Some(Terminal::Failed { why: FailReason::Foreign }));
        assert!(memory.foreign);
    }

    #[test]
    fn a_late_arrival_is_neither_foreign_nor_drift() {
        let (gate, mut memory) = commanded(0.3);
        memory.report(CommandId(7), WriteResult::Accepted);
        let mut seen = facts(0.2, 0.2, 217);
        seen.target = Some((Opening::clamped(0.2), Duration::from_secs(9)));
        let ended = memory.advance(&gate, &seen, Duration::from_secs(217));
        assert_eq!(ended.map(|e| e.terminal), Some(Terminal::Failed { why: FailReason::NoArrival }));
        memory.advance(&gate, &facts(0.3, 0.3, 240), Duration::from_secs(240));
        assert!(!memory.foreign && memory.drifted.is_none() && memory.missed);
    }

    #[test]
    fn what_the_panel_set_on_local_is_not_foreign_afterwards() {
        let (gate, mut memory) = (valve(), GateMemory::default());
        memory.advance(&gate, &facts(0.2, 0.2, 0), Duration::ZERO);
        let local = GateFacts { remote: Some(false), ..facts(0.4, 0.4, 60) };
        memory.advance(&gate, &local, Duration::from_secs(60));
        memory.advance(&gate, &facts(0.4, 0.4, 120), Duration::from_secs(120));
        assert!(!memory.foreign);
    }

    #[test]
    fn a_governor_that_begins_again_after_a_trip_is_nobody_else() {
        let (gate, mut memory) = (valve(), GateMemory::default());
        memory.advance(&gate, &facts(0.6, 0.6, 0), Duration::ZERO);
        let tripped = GateFacts { trip: Some(true), ..facts(0.0, 0.6, 5) };
        memory.advance(&gate, &tripped, Duration::from_secs(5));
        // Reset: the set-point follows the unit, which stands.
        memory.advance(&gate, &facts(0.0, 0.0, 900), Duration::from_secs(900));
        assert!(!memory.foreign);
        // Somebody wants more of it: that is another master, trip or not.
        memory.advance(&gate, &facts(0.0, 0.4, 905), Duration::from_secs(905));
        assert!(memory.foreign);
    }

    #[test]
    fn movement_without_a_command_is_drift() {
        let (gate, mut memory) = (valve(), GateMemory::default());
        memory.advance(&gate, &facts(0.2, 0.2, 0), Duration::ZERO);
        memory.advance(&gate, &facts(0.25, 0.2, 5), Duration::from_secs(5));
        assert!(memory.drifted.is_some());
    }
}
