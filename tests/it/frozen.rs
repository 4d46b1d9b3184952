//! A position sensor that stands still while the motor runs, by the core alone: row 10 of the fault table. Its quality is
//! suspect, and the gate is held.

use qindan::control::command::{Action, FailReason, Terminal};
use qindan::control::operator::{Authority, Order};
use qindan::control::quality::{Quality, Reason};
use qindan::control::reason::Limit;
use qindan::control::record::Kind;
use qindan::points::Role;
use qindan::units::Opening;

use crate::core::{Core, V1};

/// The outlet passes 2.0 of 2.2 m³/s: dispatch opens the valve, its motor runs, its position does not change.
fn running_blind() -> (Core, u64) {
    let mut core = Core::automatic(2.2 / 6.336, 2.2);
    assert_eq!(core.ticks(600), []);
    core.meter("q.outlet", 2.0);
    let sent = loop {
        if let Some(sent) = core.tick().pop() {
            break sent;
        }
        assert!(core.second < 1200, "dispatch opens within ten minutes");
    };
    assert!(matches!(sent.action(), Action::Goto(to) if to > Opening::clamped(0.36)), "{sent:?}");
    core.gate(V1, Role::MovingOpen, 1.0);
    let second = core.second;
    (core, second)
}

#[test]
fn a_position_frozen_under_command_is_suspect_and_its_gate_held() {
    let (mut core, second) = running_blind();
    // Known to be taken after the first tick; looked at from the second on; 10 s of motor.
    core.ticks(11);
    assert_eq!(core.status().gates[0].position.quality, Quality::Good);
    core.tick();
    let position = core.status().gates[0].position;
    assert_eq!((position.quality, position.reason), (Quality::Suspect, Some(Reason::Frozen)));
    assert_eq!((core.second - second, core.status().gates[0].opening), (12, None));
    core.ticks(5);
    assert!(core.alarms().contains(&"A15:v1".to_owned()), "{:?}", core.alarms());

    // The motor stops somewhere, the position goes on showing where it began, the flow is short: nothing is sent.
    core.gate(V1, Role::MovingOpen, 0.0);
    assert_eq!(core.ticks(1800), []);
    let ended = core.entries.iter().rfind(|entry| entry.kind == Kind::Outcome).unwrap();
    assert_eq!(ended.outcome, Some(Terminal::Failed { why: FailReason::NoArrival }));
    assert!(core.status().gates[0].blocked_by.contains(&Limit::PositionUnknown));

    // It shows where the gate stands: believed again, and decided anew from there.
    core.stand(0.365);
    let (_, again) = core.ticks(900).remove(0);
    assert_eq!(again.before(), Some(Opening::clamped(0.365)));
    assert!(!core.alarms().contains(&"A15:v1".to_owned()));
}

#[test]
fn a_person_who_has_looked_ends_the_doubt() {
    let (mut core, _) = running_blind();
    core.ticks(60);
    core.gate(V1, Role::MovingOpen, 0.0);
    core.ticks(600);
    assert_eq!(core.status().gates[0].opening, None);
    core.order(Order::SetAuthority { gate: V1, authority: Authority::Automatic });
    core.ticks(2);
    assert_eq!(core.status().gates[0].opening, Some(Opening::clamped(2.2 / 6.336)));
}

/// Row 8: no motor runs, or nobody tells of it. The position is right, the gate did not move.
#[test]
fn a_gate_that_jams_is_stuck_and_its_position_believed() {
    let (mut core, _) = running_blind();
    core.gate(V1, Role::MovingOpen, 0.0);
    core.ticks(300);
    let status = core.status();
    assert_eq!(status.gates[0].position.quality, Quality::Good);
    let ended = core.entries.iter().find(|entry| entry.kind == Kind::Outcome).unwrap();
    assert_eq!(ended.outcome, Some(Terminal::Failed { why: FailReason::NoArrival }));
    assert!(!core.alarms().contains(&"A15:v1".to_owned()));
}
