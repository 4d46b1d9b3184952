//! Drives: travel, dead band, lost motion, breakaway, limits, key, emergency stop, trips, and a motor that can seize.
//!
//! ```text
//! Still ──target beyond the dead band, after the reversal pause──> Running ──at target, limit, stop──> Still
//!   any ──trip──> runs to shut in TRIP_S, whatever else, and stays until reset
//!   Running ──seized or against a stop for OVERLOAD_S, too hot, too long on its way──> Still with a fault until freed
//! ```
//!
//! The box goes by its position meter, right or wrong, and by its limit switches; the water goes by the leaf.

use qindan::basin::{Gate, GateKind};

use super::mechanics::{Gear, PositionFault, Protection, Side, Switch, travel_limit};
use super::sensor::mix;

/// A unit that trips loses its flow within this time, s. Source: domain notes, dam power units.
const TRIP_S: f64 = 8.0;
/// A seized motor is cut off by its overload relay after this time, s. Assumed.
const OVERLOAD_S: f64 = 5.0;
/// Share of the arrival tolerance within which a new target does not start the motor. Assumed.
const DEAD_BAND: f64 = 0.5;
/// The motor is cut this share of the dead band before the target and coasts no further. Assumed.
const CUT_OFF: f64 = 0.25;

/// Which way the motor turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Motion {
    Still,
    Opening,
    Shutting,
}

/// Who may command it: the key switch on site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    Remote,
    Local,
}

/// What keeps the motor from turning as told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Health {
    Sound,
    /// Seized; the motor pushes in vain.
    Seized,
    /// The overload relay has cut the motor off; the leaf is still seized if it was.
    Overloaded,
    /// The thermal relay has.
    Overheated,
    /// The box has: its position did not get there in time.
    TimedOut,
    /// The unit has tripped.
    Tripped,
}

/// One drive.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Actuator {
    /// True position of the leaf, 0 shut to 1 fully open.
    pub(crate) position: f64,
    /// Position on the motor's side of the gear; half the lost motion beyond the ends at most.
    motor: f64,
    /// Set point as it stands in the box.
    pub(crate) setpoint: f64,
    /// Where the drive goes, if it follows anything.
    goal: Option<f64>,
    pub(crate) motion: Motion,
    pub(crate) key: Key,
    pub(crate) estop: bool,
    pub(crate) health: Health,
    /// Motor starts since the beginning.
    pub(crate) starts: u64,
    /// Travel of the leaf since the beginning, strokes.
    pub(crate) travel: f64,
    pub(crate) gear: Gear,
    built: Gear,
    pub(crate) top: Switch,
    pub(crate) bottom: Switch,
    pub(crate) meter: PositionFault,
    protection: Protection,
    /// For the noise of its position meter.
    key_of: u64,
    /// Strokes per second.
    speed: f64,
    dead_band: f64,
    reversal_pause: f64,
    last: Motion,
    /// Seconds since it stopped, or since it pushes in vain.
    since: f64,
    /// Seconds until the leaf is loose.
    loosening: f64,
    /// Seconds the box still lets the motor run.
    allowed: f64,
    /// Seconds since the beginning.
    clock: f64,
}

impl Actuator {
    pub(crate) fn new(gate: &Gate) -> Self {
        let position = gate.initial.fraction();
        let dead_band = DEAD_BAND * gate.tolerance;
        let gear = Gear::of(gate, dead_band);
        Self {
            position,
            motor: position,
            setpoint: position,
            goal: None,
            motion: Motion::Still,
            key: Key::Remote,
            estop: false,
            health: Health::Sound,
            starts: 0,
            travel: 0.0,
            gear,
            built: gear,
            top: Switch::Sound,
            bottom: Switch::Sound,
            meter: PositionFault::None,
            protection: Protection::of(gate),
            key_of: gate.id.bytes().fold(0, |key, byte| mix(key ^ u64::from(byte))),
            speed: 1.0 / gate.stroke_s,
            dead_band,
            reversal_pause: if matches!(gate.kind, GateKind::Turbine { .. }) {
                0.0
            } else {
                gate.reversal_pause_s
            },
            last: Motion::Still,
            since: f64::INFINITY,
            loosening: 0.0,
            allowed: 0.0,
            clock: 0.0,
        }
    }

    /// Places it without a movement, in the middle of its lost motion.
    pub(crate) fn place(&mut self, position: f64) {
        self.position = position.clamp(0.0, 1.0);
        self.motor = self.position;
        self.setpoint = self.position;
        self.halt();
    }

    /// A command over the link. False when key, emergency stop, fault or trip refuse it.
    pub(crate) fn command(&mut self, target: f64) -> bool {
        if !self.obeys() {
            return false;
        }
        self.setpoint = target.clamp(0.0, 1.0);
        self.aim(self.setpoint);
        true
    }

    /// Goes somewhere, whoever wants it, with the set point in the box left as it is.
    pub(crate) fn drive(&mut self, target: f64) {
        self.aim(target.clamp(0.0, 1.0));
    }

    fn aim(&mut self, goal: f64) {
        self.goal = Some(goal);
        self.allowed = self.loosening + travel_limit(goal - self.seen(), self.speed);
    }

    /// Where it is going, or stands.
    pub(crate) fn heading(&self) -> f64 {
        self.goal.unwrap_or(self.position)
    }

    /// A stop over the link; false when the key stands on local.
    pub(crate) fn stop(&mut self) -> bool {
        if self.key == Key::Local {
            return false;
        }
        self.halt();
        true
    }

    /// Whether commands over the link move it.
    pub(crate) fn obeys(&self) -> bool {
        self.key == Key::Remote && !self.estop && matches!(self.health, Health::Sound | Health::Seized)
    }

    /// Stops the motor and forgets the target.
    pub(crate) fn halt(&mut self) {
        self.goal = None;
        if self.motion != Motion::Still {
            self.last = self.motion;
            self.motion = Motion::Still;
            self.since = 0.0;
        }
    }

    /// The box restarts with a set point of its own and waits to be told to go there.
    pub(crate) fn restart(&mut self, setpoint: f64) {
        self.setpoint = setpoint.clamp(0.0, 1.0);
        self.halt();
    }

    pub(crate) fn turn_key(&mut self, key: Key) {
        if self.key != key {
            self.key = key;
            self.halt();
        }
    }

    pub(crate) fn press_estop(&mut self, on: bool) {
        self.estop = on;
        if on {
            self.halt();
        }
    }

    pub(crate) fn seize(&mut self) {
        if self.health == Health::Sound {
            self.health = Health::Seized;
            self.since = 0.0;
        }
    }

    pub(crate) fn free(&mut self) {
        if self.has_fault() || self.health == Health::Seized {
            self.health = Health::Sound;
            self.halt();
        }
    }

    pub(crate) fn trip(&mut self) {
        self.health = Health::Tripped;
        self.halt();
    }

    pub(crate) fn reset_trip(&mut self) {
        if self.health == Health::Tripped {
            self.health = Health::Sound;
            self.setpoint = self.position;
            self.halt();
        }
    }

    /// Other sizes of gear and guides; those as built for what is not given.
    pub(crate) fn wear(&mut self, change: impl FnOnce(&mut Gear)) {
        let mut gear = self.built;
        change(&mut gear);
        self.gear = gear;
        self.motor =
            self.motor.clamp(self.position - 0.5 * gear.backlash, self.position + 0.5 * gear.backlash);
    }

    /// The position meter stays where it is.
    pub(crate) fn freeze_position(&mut self) {
        self.meter = PositionFault::Frozen(self.seen());
    }

    pub(crate) fn has_fault(&self) -> bool {
        matches!(self.health, Health::Overloaded | Health::Overheated | Health::TimedOut)
    }

    pub(crate) fn is_tripped(&self) -> bool {
        self.health == Health::Tripped
    }

    /// Position as its meter shows it, 0..=1.
    pub(crate) fn seen(&self) -> f64 {
        let position = match self.gear.meter {
            Side::Motor => self.motor.clamp(0.0, 1.0),
            Side::Leaf => self.position,
        };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "seconds of a run")]
        self.meter.show(position, self.key_of, self.clock as u64)
    }

    /// Whether the switch at the end of the stroke it moves to is made.
    fn is_limited(&self, way: Motion) -> bool {
        match way {
            Motion::Opening => self.is_at_top(),
            Motion::Shutting => self.is_at_bottom(),
            Motion::Still => false,
        }
    }

    /// The upper limit switch is made.
    pub(crate) fn is_at_top(&self) -> bool {
        self.top.is_made(self.position >= 1.0)
    }

    /// The lower limit switch is made.
    pub(crate) fn is_at_bottom(&self) -> bool {
        self.bottom.is_made(self.position <= 0.0)
    }

    /// The motor turns and nothing moves.
    pub(crate) fn is_stalled(&self) -> bool {
        self.motion != Motion::Still && (self.is_blocked() || self.room(self.motion) <= 0.0)
    }

    fn is_blocked(&self) -> bool {
        self.health == Health::Seized || (self.gear.breakaway > 1.0 && self.loosening > 0.0)
    }

    /// Whether it moves or is about to.
    pub(crate) fn is_busy(&self) -> bool {
        if self.health == Health::Tripped {
            return self.position > 0.0;
        }
        self.motion != Motion::Still || (!self.estop && self.wants().is_some())
    }

    /// Direction the goal asks for, when it is beyond the dead band or at an end of the stroke.
    fn wants(&self) -> Option<Motion> {
        let goal = self.goal.filter(|_| !self.has_fault())?;
        let off = goal - self.seen();
        let way = if is_end(goal) {
            if goal > 0.0 { Motion::Opening } else { Motion::Shutting }
        } else if off.abs() <= self.dead_band {
            return None;
        } else if off > 0.0 {
            Motion::Opening
        } else {
            Motion::Shutting
        };
        (!self.is_limited(way)).then_some(way)
    }

    /// Moves on by `dt` seconds; gives the mean position over them.
    pub(crate) fn advance(&mut self, dt: f64) -> f64 {
        let before = self.position;
        self.clock += dt;
        if self.health == Health::Tripped {
            self.position = (before - dt / TRIP_S).max(0.0);
            self.motor = self.position;
            self.travel += before - self.position;
            return 0.5 * (before + self.position);
        }
        if self.goal.is_none() || self.estop {
            self.since += dt;
            self.protection.rest(dt);
            return before;
        }
        let mut left = dt;
        if self.motion == Motion::Still {
            left = self.start(left);
        } else if self.wants().is_some_and(|way| way != self.motion) {
            let goal = self.goal;
            self.halt();
            self.goal = goal;
            left = self.start(left);
        }
        self.protection.rest(dt - left);
        let lead = self.run(left);
        self.mean(before, dt, left - lead)
    }

    /// Starts the motor if the set point asks for it and the pauses are over; gives the time left to run.
    fn start(&mut self, dt: f64) -> f64 {
        let (Some(way), Some(goal)) = (self.wants(), self.goal) else {
            self.since += dt;
            return 0.0;
        };
        let reversed = self.last != Motion::Still && self.last != way;
        let pause = if reversed { (self.reversal_pause - self.since).max(0.0) } else { 0.0 };
        let wait = pause.max(self.protection.wait(self.clock - dt));
        if wait >= dt {
            self.since += dt;
            return 0.0;
        }
        self.motion = way;
        self.starts += 1;
        self.since = 0.0;
        self.loosening = self.gear.breakaway_s;
        self.aim(goal);
        self.protection.start(self.clock - dt + wait);
        dt - wait
    }

    /// Lets the motor run for `dt` seconds; gives the part of them before the leaf moved.
    fn run(&mut self, dt: f64) -> f64 {
        if self.motion == Motion::Still || dt <= 0.0 {
            return 0.0;
        }
        if self.protection.run(dt) {
            self.cut_off(Health::Overheated);
            return dt;
        }
        if self.is_blocked() {
            self.push(dt);
            return dt;
        }
        let Some(goal) = self.goal else { return 0.0 };
        let ran = dt.min(self.allowed.max(0.0));
        self.allowed -= dt;
        let loosening = self.loosening.min(ran);
        self.loosening -= loosening;
        let time = ran - loosening;
        let way = self.motion;
        let (play, room, need) = (self.play(way), self.room(way), self.need(goal, way));
        let step = (self.speed * time).min(need).min(room);
        self.turn(step, way);
        if step >= need || (step >= room && self.is_limited(way)) {
            if is_end(goal) && self.is_limited(way) {
                self.position = goal;
            }
            self.halt();
        } else if step >= room {
            self.push(time - step / self.speed);
        } else if self.allowed < 0.0 {
            self.cut_off(Health::TimedOut);
        }
        loosening + play.min(step) / self.speed
    }

    /// Pushes in vain for `dt` seconds.
    fn push(&mut self, dt: f64) {
        self.since += dt;
        if self.since >= OVERLOAD_S {
            self.cut_off(Health::Overloaded);
        }
    }

    fn cut_off(&mut self, why: Health) {
        self.health = why;
        self.halt();
    }

    /// Turns the motor by `step` strokes; the leaf follows once the lost motion is used up.
    fn turn(&mut self, step: f64, way: Motion) {
        let half = 0.5 * self.gear.backlash;
        self.motor += if way == Motion::Opening { step } else { -step };
        self.motor = self.motor.clamp(-half, 1.0 + half);
        let before = self.position;
        self.position = before.clamp(self.motor - half, self.motor + half).clamp(0.0, 1.0);
        self.travel += (self.position - before).abs();
    }

    /// What the motor turns before the leaf follows, strokes.
    fn play(&self, way: Motion) -> f64 {
        let ahead = match way {
            Motion::Opening => self.position - self.motor,
            Motion::Shutting => self.motor - self.position,
            Motion::Still => return 0.0,
        };
        (0.5 * self.gear.backlash + ahead).max(0.0)
    }

    /// What the motor can turn until the leaf is against its stop, strokes.
    fn room(&self, way: Motion) -> f64 {
        let leaf = match way {
            Motion::Opening => 1.0 - self.position,
            Motion::Shutting => self.position,
            Motion::Still => return 0.0,
        };
        if leaf <= 0.0 { 0.0 } else { leaf + self.play(way) }
    }

    /// What the motor turns until the box cuts it off for its goal, strokes: an end of the stroke is where its switch makes.
    fn need(&self, goal: f64, way: Motion) -> f64 {
        if is_end(goal) || matches!(self.meter, PositionFault::Frozen(_)) {
            return f64::INFINITY;
        }
        let off = goal - self.seen();
        let ahead = if way == Motion::Opening { off } else { -off };
        let unseen = match self.gear.meter {
            // Beyond an end of the stroke its meter stands at the end.
            Side::Motor => (self.motor - self.motor.clamp(0.0, 1.0)).abs(),
            Side::Leaf => self.play(way),
        };
        let need = ahead - CUT_OFF * self.dead_band;
        if need > 0.0 { need + unseen } else { 0.0 }
    }

    /// Mean position over `dt` when it moved for the last `left` seconds of it, and stopped once there.
    fn mean(&self, before: f64, dt: f64, left: f64) -> f64 {
        let moved = self.position - before;
        if moved == 0.0 || dt <= 0.0 {
            return before;
        }
        let running = (moved.abs() / self.speed).min(left);
        let after = left - running;
        before + moved * (0.5 * running + after) / dt
    }
}

/// Whether a goal is an end of the stroke.
fn is_end(goal: f64) -> bool {
    goal <= 0.0 || goal >= 1.0
}

#[cfg(test)]
mod tests;
