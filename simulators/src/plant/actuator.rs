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
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing;

    /// Without lost motion and friction. 180 s for the stroke, tolerance 1 %, dead band 0.5 %, cut-off 0.125 %.
    fn valve() -> Actuator {
        Actuator { gear: Gear::ideal(), ..built() }
    }

    /// As built: lost motion 0.1 %, loose after 0.3 s, its meter counts turns of the motor.
    fn built() -> Actuator {
        Actuator::new(&testing::valve("v1"))
    }

    fn run(actuator: &mut Actuator, seconds: u32) {
        for _ in 0..seconds {
            actuator.advance(1.0);
        }
    }

    #[test]
    fn a_third_of_the_stroke_takes_a_third_of_its_time() {
        let mut valve = valve();
        valve.place(0.2);
        assert!(valve.command(0.5));
        run(&mut valve, 53);
        assert!((valve.position - (0.2 + 53.0 / 180.0)).abs() < 1e-9 && valve.motion == Motion::Opening);
        run(&mut valve, 1);
        assert!((valve.position - (0.5 - 0.001_25)).abs() < 1e-9 && valve.motion == Motion::Still);
        assert_eq!(valve.starts, 1);
    }

    #[test]
    fn it_reaches_its_ends_and_rests_there() {
        let mut valve = valve();
        valve.place(0.004);
        valve.command(0.0);
        run(&mut valve, 2);
        assert_eq!((valve.position, valve.motion), (0.0, Motion::Still));
    }

    #[test]
    fn a_step_within_the_dead_band_does_not_start_the_motor() {
        let mut valve = valve();
        valve.place(0.2);
        valve.command(0.204);
        run(&mut valve, 10);
        assert_eq!((valve.position, valve.starts), (0.2, 0));
    }

    #[test]
    fn a_reversal_waits_for_its_pause() {
        let mut valve = valve();
        valve.place(0.5);
        valve.command(0.9);
        run(&mut valve, 9);
        valve.command(0.1);
        // 60 s of pause from the stop, then down.
        run(&mut valve, 60);
        assert!((valve.position - 0.55).abs() < 1e-9, "{}", valve.position);
        run(&mut valve, 9);
        assert!((valve.position - 0.50).abs() < 1e-9, "{}", valve.position);
        assert_eq!(valve.starts, 2);
    }

    #[test]
    fn one_long_step_ends_where_many_short_ones_do() {
        let (mut long, mut short) = (valve(), valve());
        for valve in [&mut long, &mut short] {
            valve.place(0.2);
            valve.command(0.3);
        }
        let mean = long.advance(60.0);
        let means = (0..60).map(|_| short.advance(1.0)).sum::<f64>() / 60.0;
        assert!((long.position - short.position).abs() < 1e-12);
        assert!((mean - means).abs() < 1e-9, "{mean} {means}");
    }

    #[test]
    fn key_and_emergency_stop_end_a_movement() {
        for end in [|v: &mut Actuator| v.turn_key(Key::Local), |v: &mut Actuator| v.press_estop(true)] {
            let mut valve = valve();
            valve.place(0.2);
            valve.command(0.8);
            run(&mut valve, 18);
            end(&mut valve);
            run(&mut valve, 100);
            assert!((valve.position - 0.3).abs() < 1e-9 && !valve.command(0.5));
        }
    }

    #[test]
    fn nobody_moves_it_while_the_emergency_stop_is_pressed() {
        let mut valve = valve();
        valve.place(0.2);
        valve.press_estop(true);
        valve.drive(0.8);
        run(&mut valve, 60);
        assert!((valve.position - 0.2).abs() < 1e-12 && !valve.is_busy());
    }

    #[test]
    fn a_trip_empties_the_unit_in_eight_seconds_and_waits_for_a_reset() {
        let mut unit = valve();
        unit.place(1.0);
        unit.trip();
        run(&mut unit, 4);
        assert!((unit.position - 0.5).abs() < 1e-9);
        run(&mut unit, 4);
        assert!(unit.position == 0.0 && !unit.command(1.0));
        unit.reset_trip();
        assert!(unit.command(1.0));
    }

    #[test]
    fn a_seized_motor_is_cut_off_and_reports_a_fault() {
        let mut valve = valve();
        valve.place(0.2);
        valve.seize();
        assert!(valve.command(0.5) && !valve.has_fault());
        run(&mut valve, 6);
        assert!(valve.has_fault() && (valve.position - 0.2).abs() < 1e-12 && !valve.is_busy());
        valve.free();
        assert!(valve.command(0.5));
        run(&mut valve, 60);
        assert!((valve.position - 0.5).abs() < 0.01);
    }

    /// 0.3 s to break loose, half the lost motion of 0.1 % to take up: the meter counts from the start, the leaf follows.
    #[test]
    fn a_leaf_follows_its_motor_by_the_lost_motion() {
        let mut valve = built();
        valve.place(0.2);
        valve.command(0.5);
        run(&mut valve, 10);
        let turned = 9.7 / 180.0;
        assert!((valve.seen() - (0.2 + turned)).abs() < 1e-9, "{}", valve.seen());
        assert!((valve.position - (0.2 + turned - 0.000_5)).abs() < 1e-9, "{}", valve.position);
        // Back: the whole of it has to be taken up.
        run(&mut valve, 100);
        let stood = valve.position;
        valve.command(0.3);
        run(&mut valve, 60);
        assert!(valve.position < stood);
        assert!(
            (valve.position - valve.seen() - 0.000_5).abs() < 1e-9,
            "{} {}",
            valve.position,
            valve.seen()
        );
    }

    #[test]
    fn a_worn_gear_moves_the_meter_and_not_the_leaf() {
        let mut valve = built();
        valve.wear(|gear| gear.backlash = 0.04);
        valve.place(0.5);
        valve.command(0.515);
        run(&mut valve, 60);
        assert!((valve.seen() - 0.513_75).abs() < 1e-9 && (valve.position - 0.5).abs() < 1e-12);
        // With its meter on the leaf the box runs on until the leaf is there.
        valve.wear(|gear| (gear.backlash, gear.meter) = (0.04, Side::Leaf));
        valve.command(0.52);
        run(&mut valve, 120);
        assert!((valve.position - 0.518_75).abs() < 1e-9, "{}", valve.position);
        valve.wear(|_| {});
        assert!((valve.motor - valve.position).abs() < 0.000_51);
    }

    #[test]
    fn a_leaf_that_sticks_takes_its_time_or_stalls_the_motor() {
        let mut valve = valve();
        valve.gear.breakaway_s = 2.0;
        valve.place(0.2);
        valve.command(0.5);
        run(&mut valve, 20);
        assert!((valve.position - (0.2 + 18.0 / 180.0)).abs() < 1e-9, "{}", valve.position);
        valve.halt();
        valve.gear.breakaway = 1.3;
        valve.command(0.5);
        run(&mut valve, 1);
        assert!(valve.is_stalled() && !valve.has_fault());
        run(&mut valve, 5);
        assert!(valve.has_fault() && (valve.position - 0.3).abs() < 1e-9 && !valve.command(0.6));
        valve.gear.breakaway = 0.6;
        valve.free();
        assert!(valve.command(0.6));
    }

    #[test]
    fn a_lost_limit_switch_lets_the_motor_run_against_its_stop() {
        let mut valve = valve();
        valve.top = Switch::Lost;
        valve.place(0.95);
        valve.command(1.0);
        // 9 s to the stop, 5 s until the relay.
        run(&mut valve, 13);
        assert!(valve.position == 1.0 && !valve.is_at_top() && valve.is_stalled() && !valve.has_fault());
        run(&mut valve, 2);
        assert!(valve.has_fault() && valve.position == 1.0);
    }

    #[test]
    fn a_stuck_limit_switch_lets_it_go_the_other_way_only() {
        let mut valve = valve();
        valve.place(0.5);
        valve.top = Switch::Stuck;
        for target in [0.8, 1.0] {
            assert!(valve.command(target));
            run(&mut valve, 60);
            assert!(valve.position == 0.5 && valve.starts == 0 && valve.is_at_top());
        }
        valve.command(0.4);
        run(&mut valve, 60);
        assert!((valve.position - 0.401_25).abs() < 1e-9);
    }

    #[test]
    fn a_box_whose_position_stands_still_cuts_its_motor_off() {
        let mut valve = valve();
        valve.place(0.3);
        valve.freeze_position();
        valve.command(0.4);
        // 18 s computed: once and a half of them and 5 s more, 32 s, are 17.8 % of the stroke.
        run(&mut valve, 60);
        assert!(valve.has_fault() && (valve.seen() - 0.3).abs() < 1e-12);
        assert!((valve.position - (0.3 + 32.0 / 180.0)).abs() < 1e-9, "{}", valve.position);
    }

    #[test]
    fn a_meter_that_shows_too_much_leaves_the_gate_too_low() {
        let mut valve = valve();
        valve.place(0.3);
        valve.meter = PositionFault::Offset(0.05);
        valve.command(0.5);
        run(&mut valve, 60);
        assert!((valve.seen() - 0.498_75).abs() < 1e-9 && (valve.position - 0.448_75).abs() < 1e-9);
    }

    #[test]
    fn a_motor_that_runs_too_long_is_cut_off_by_its_thermal_relay_and_cools() {
        let mut valve = valve();
        valve.place(0.0);
        let mut ran = 0;
        // Back and forth without a pause: 15 min from cold, less 10 s for each start.
        valve.reversal_pause = 0.0;
        while !valve.has_fault() {
            let goal = if valve.position < 0.5 { 0.99 } else { 0.01 };
            valve.command(goal);
            while valve.is_busy() && !valve.has_fault() {
                valve.advance(1.0);
                ran += 1;
            }
            assert!(ran < 1000);
        }
        assert_eq!(valve.health, Health::Overheated);
        assert!((840..=870).contains(&ran), "{ran}");
    }

    #[test]
    fn a_box_starts_its_motor_three_times_as_often_as_it_may_be_asked_to() {
        let mut valve = valve();
        valve.reversal_pause = 0.0;
        valve.place(0.5);
        for second in 0..3600 {
            if second % 60 == 0 {
                valve.command(if second % 120 == 0 { 0.52 } else { 0.5 });
            }
            valve.advance(1.0);
        }
        assert_eq!(valve.starts, 18);
    }

    proptest! {
        /// Whatever its gear and its meter: the leaf stays in its stroke, and with a sound meter on the leaf it never
        /// passes the target it goes to from one side.
        #[test]
        fn no_drive_overshoots(
            backlash in 0.0..0.1_f64,
            loose in 0.0..3.0_f64,
            offset in -0.2..0.2_f64,
            moves in prop::collection::vec((0.0..=1.0_f64, 1_u32..200, 0.2..7.0_f64), 1..8),
        ) {
            let mut sound = built();
            sound.wear(|gear| (gear.backlash, gear.breakaway_s, gear.meter) = (backlash, loose, Side::Leaf));
            let mut wrong = sound.clone();
            wrong.meter = PositionFault::Offset(offset);
            for (target, steps, dt) in moves {
                let from = sound.position;
                sound.command(target);
                wrong.command(target);
                for _ in 0..steps {
                    sound.advance(dt);
                    wrong.advance(dt);
                    let between = from.min(target) - 1e-9..=from.max(target) + 1e-9;
                    prop_assert!(between.contains(&sound.position), "{from} {} {target}", sound.position);
                    prop_assert!((0.0..=1.0).contains(&wrong.position));
                    prop_assert!((0.0..=1.0).contains(&wrong.seen()));
                }
            }
        }
    }
}
