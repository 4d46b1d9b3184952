//! Drives: travel, dead band, limits, key, emergency stop, trips, and a motor that can seize.
//!
//! ```text
//! Still ──target beyond the dead band, after the reversal pause──> Running ──at target, limit, stop──> Still
//!   any ──trip──> runs to shut in TRIP_S, whatever else, and stays until reset
//!   Running ──seized for OVERLOAD_S──> Still with a fault until freed
//! ```

use qindan::basin::{Gate, GateKind};

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
    /// Seized; the motor has pushed for so many milliseconds.
    Seized,
    /// Seized, and the relay has cut the motor off.
    Overloaded,
    /// The unit has tripped.
    Tripped,
}

/// One drive.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Actuator {
    /// True position, 0 shut to 1 fully open.
    pub(crate) position: f64,
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
    /// Travel since the beginning, strokes.
    pub(crate) travel: f64,
    /// Strokes per second.
    speed: f64,
    dead_band: f64,
    reversal_pause: f64,
    last: Motion,
    /// Seconds since it stopped, or since it pushes in vain.
    since: f64,
}

impl Actuator {
    pub(crate) fn new(gate: &Gate) -> Self {
        let position = gate.initial.fraction();
        Self {
            position,
            setpoint: position,
            goal: None,
            motion: Motion::Still,
            key: Key::Remote,
            estop: false,
            health: Health::Sound,
            starts: 0,
            travel: 0.0,
            speed: 1.0 / gate.stroke_s,
            dead_band: DEAD_BAND * gate.tolerance,
            reversal_pause: if matches!(gate.kind, GateKind::Turbine { .. }) {
                0.0
            } else {
                gate.reversal_pause_s
            },
            last: Motion::Still,
            since: f64::INFINITY,
        }
    }

    /// Places it without a movement.
    pub(crate) fn place(&mut self, position: f64) {
        self.position = position.clamp(0.0, 1.0);
        self.setpoint = self.position;
        self.halt();
    }

    /// A command over the link. False when key, emergency stop, fault or trip refuse it.
    pub(crate) fn command(&mut self, target: f64) -> bool {
        if !self.obeys() {
            return false;
        }
        self.setpoint = target.clamp(0.0, 1.0);
        self.goal = Some(self.setpoint);
        true
    }

    /// Goes somewhere, whoever wants it, with the set point in the box left as it is.
    pub(crate) fn drive(&mut self, target: f64) {
        self.goal = Some(target.clamp(0.0, 1.0));
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
        if matches!(self.health, Health::Seized | Health::Overloaded) {
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

    pub(crate) fn has_fault(&self) -> bool {
        matches!(self.health, Health::Overloaded)
    }

    pub(crate) fn is_tripped(&self) -> bool {
        self.health == Health::Tripped
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
        let goal = self.goal.filter(|_| self.health != Health::Overloaded)?;
        let off = goal - self.position;
        let to_end = goal <= 0.0 || goal >= 1.0;
        let enough = if to_end { off != 0.0 } else { off.abs() > self.dead_band };
        enough.then_some(if off > 0.0 { Motion::Opening } else { Motion::Shutting })
    }

    /// Moves on by `dt` seconds; gives the mean position over them.
    pub(crate) fn advance(&mut self, dt: f64) -> f64 {
        let before = self.position;
        if self.health == Health::Tripped {
            self.position = (before - dt / TRIP_S).max(0.0);
            self.travel += before - self.position;
            return 0.5 * (before + self.position);
        }
        if self.goal.is_none() || self.estop {
            self.since += dt;
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
        self.run(left);
        self.mean(before, dt, left)
    }

    /// Starts the motor if the set point asks for it and the pause is over; gives the time left to run.
    fn start(&mut self, dt: f64) -> f64 {
        let Some(way) = self.wants() else {
            self.since += dt;
            return 0.0;
        };
        let reversed = self.last != Motion::Still && self.last != way;
        let wait = if reversed { (self.reversal_pause - self.since).max(0.0) } else { 0.0 };
        if wait >= dt {
            self.since += dt;
            return 0.0;
        }
        self.motion = way;
        self.starts += 1;
        self.since = 0.0;
        dt - wait
    }

    fn run(&mut self, dt: f64) {
        if self.motion == Motion::Still || dt <= 0.0 {
            return;
        }
        if self.health == Health::Seized {
            self.since += dt;
            if self.since >= OVERLOAD_S {
                self.health = Health::Overloaded;
                self.halt();
            }
            return;
        }
        let Some(goal) = self.goal else { return };
        let to_end = goal <= 0.0 || goal >= 1.0;
        let short = if to_end { 0.0 } else { CUT_OFF * self.dead_band };
        let off = goal - self.position;
        let way = (off.abs() - short).max(0.0);
        let step = (self.speed * dt).min(way);
        self.position = (self.position + step.copysign(off)).clamp(0.0, 1.0);
        self.travel += step;
        if step >= way {
            if to_end {
                self.position = goal;
            }
            self.halt();
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    fn valve() -> Actuator {
        // 180 s for the stroke, tolerance 1 %, dead band 0.5 %, cut-off 0.125 %.
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
}
