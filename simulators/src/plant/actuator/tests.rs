//! Drives by hand: times, distances and what cuts them off.

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
    assert!((valve.position - valve.seen() - 0.000_5).abs() < 1e-9, "{} {}", valve.position, valve.seen());
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
    assert!(valve.position >= 1.0 && !valve.is_at_top() && valve.is_stalled() && !valve.has_fault());
    run(&mut valve, 2);
    assert!(valve.has_fault() && (valve.position - 1.0).abs() < 1e-12);
}

#[test]
fn a_stuck_limit_switch_lets_it_go_the_other_way_only() {
    let mut valve = valve();
    valve.place(0.5);
    valve.top = Switch::Stuck;
    for target in [0.8, 1.0] {
        assert!(valve.command(target));
        run(&mut valve, 60);
        assert!((valve.position - 0.5).abs() < 1e-12 && valve.starts == 0 && valve.is_at_top());
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
