//! A box that restarts with the set-point it starts with, by the core alone: row 16 of the fault table. Seen through the
//! set-point; hold, an alarm, then a new decision.

use qindan::control::command::{Action, FailReason, Terminal};
use qindan::control::interlock::Purpose;
use qindan::control::operator::{Authority, Order};
use qindan::control::reason::Limit;
use qindan::control::record::Kind;
use qindan::points::Role;
use qindan::units::Opening;

use crate::core::{Core, V1};

/// The safe constant of 2.2 m³/s passes at 2.2 / 6.336 of the stroke: nothing to do.
fn at_rest() -> Core {
    let mut core = Core::automatic(2.2 / 6.336, 2.2);
    assert_eq!(core.ticks(600), []);
    core
}

/// Held though the outlet is a fifth of a cubic metre short of its target; given back, a command from where it stands.
fn is_held_then_decided_anew(core: &mut Core) {
    core.ticks(10);
    assert!(core.alarms().contains(&"A12:v1".to_owned()), "{:?}", core.alarms());
    core.meter("q.outlet", 2.0);
    assert_eq!(core.ticks(3600), []);
    let refused = core.entries.iter().rfind(|entry| entry.kind == Kind::Refusal).unwrap();
    assert!(refused.limits.contains(&Limit::Unresolved), "{refused:?}");
    core.order(Order::SetAuthority { gate: V1, authority: Authority::Automatic });
    let (_, again) = core.ticks(120).remove(0);
    assert_eq!((again.purpose(), again.actor()), (Purpose::Discretionary, "dispatch"));
    assert_eq!(again.before(), Some(Opening::clamped(2.2 / 6.336)));
    assert!(!core.alarms().contains(&"A12:v1".to_owned()));
}

#[test]
fn a_box_that_comes_back_with_another_set_point_is_held() {
    // Half a minute away, stale, and longer than a position is held, bad.
    for away in [30, 400] {
        let mut core = at_rest();
        core.plugged(false);
        assert_eq!(core.ticks(away), []);
        core.plugged(true);
        core.gate(V1, Role::Target, 0.0);
        is_held_then_decided_anew(&mut core);
    }
}

#[test]
fn a_box_that_restarts_between_two_reads_is_held() {
    let mut core = at_rest();
    core.gate(V1, Role::Target, 0.0);
    is_held_then_decided_anew(&mut core);
}

#[test]
fn a_box_that_restarts_under_a_command_ends_it() {
    let mut core = at_rest();
    core.meter("q.outlet", 2.0);
    let (_, sent) = core.ticks(120).pop().unwrap();
    assert!(matches!(sent.action(), Action::Goto(_)), "{sent:?}");
    core.gate(V1, Role::Target, 0.0);
    core.tick();
    let ended = core.entries.iter().rfind(|entry| entry.kind == Kind::Outcome).unwrap();
    assert_eq!(ended.command, Some(sent.id()));
    assert_eq!(ended.outcome, Some(Terminal::Failed { why: FailReason::Foreign }));
    is_held_then_decided_anew(&mut core);
}

/// The floor is no leisure: it is held by the same valve, from where it stands.
#[test]
fn protection_does_not_wait_for_a_person() {
    let mut core = at_rest();
    core.gate(V1, Role::Target, 0.0);
    core.ticks(10);
    core.meter("q.outlet", 0.9);
    let (_, sent) = core.ticks(60).remove(0);
    assert_eq!((sent.purpose(), sent.actor()), (Purpose::Protective, "failsafe"));
}
