//! The mode of one gate while the service is in automatic, by the core alone: what is sent by itself, what a person may send, and
//! that giving a gate to somebody moves nothing.

use qindan::control::command::Action;
use qindan::control::interlock::Purpose;
use qindan::control::operator::{Authority, Order};
use qindan::control::reason::{Because, Limit};
use qindan::control::record::Kind;
use qindan::units::Opening;

use crate::core::{Core, V1};

const ALL: [Authority; 4] = [Authority::Automatic, Authority::Advice, Authority::Manual, Authority::Observe];

/// Flow of the fully open valve, m³/s; see `site`.
const FULL_M3S: f64 = 6.336;

/// The safe constant of 2.2 m³/s passes: nothing to do.
fn at_rest() -> Core {
    let mut core = Core::automatic(2.2 / FULL_M3S, 2.2);
    assert_eq!(core.ticks(600), []);
    core
}

fn give(core: &mut Core, authority: Authority) {
    core.order_because(Order::SetAuthority { gate: V1, authority }, Some("beside the old system"));
}

/// Whether the last act was taken.
fn was_taken(core: &Core) -> bool {
    let last = core.entries.iter().rfind(|entry| entry.kind == Kind::Operator).unwrap();
    last.detail.as_ref().unwrap()["accepted"] == true
}

#[test]
fn in_advice_dispatch_proposes_and_a_person_sends() {
    let mut core = at_rest();
    give(&mut core, Authority::Advice);
    core.meter("q.outlet", 2.0);
    assert_eq!(core.ticks(120), []);
    let status = core.status();
    let [open] = status.proposals.as_slice() else { panic!("{:?}", status.proposals) };
    assert!(open.gate == V1 && !open.protective && open.to > Opening::clamped(2.2 / FULL_M3S), "{open:?}");
    let given = status.gates[0].given.clone().unwrap();
    assert_eq!((given.by.as_str(), given.reason.as_deref()), ("console", Some("beside the old system")));
    assert_eq!((status.gates[0].authority, given.authority), (Authority::Advice, Authority::Advice));
    assert!(core.alarms().contains(&"A08:v1".to_owned()), "{:?}", core.alarms());
    // As a person would: accepted, it goes through the interlocks as theirs, and the gate stays in advice.
    core.order(Order::Accept { gate: V1, proposal: open.id, opening: open.to, second: false });
    let sent = core.tick();
    assert_eq!(
        (sent.len(), sent[0].action(), sent[0].purpose()),
        (1, Action::Goto(open.to), Purpose::Operator)
    );
    assert!(matches!(sent[0].because()[0], Because::Advice { .. }), "{sent:?}");
    assert_eq!(core.status().gates[0].authority, Authority::Advice);
    // Given back, what is open ends: from now on it is sent.
    core.stand(open.to.fraction());
    give(&mut core, Authority::Automatic);
    core.tick();
    assert_eq!(core.status().proposals, []);
}

/// The outlet shows 0.9 m³/s, below its floor of 1.0: in automatic and in manual the valve is opened at once, in advice that is
/// proposed as urgent, in observe it is not even that.
#[test]
fn protection_moves_a_gate_in_automatic_and_in_manual_alone() {
    for authority in ALL {
        let mut core = Core::automatic(0.14, 0.9);
        give(&mut core, authority);
        let sent = core.ticks(5);
        let protects = matches!(authority, Authority::Automatic | Authority::Manual);
        assert_eq!(
            sent.first().map(|(_, c)| c.purpose()),
            protects.then_some(Purpose::Protective),
            "{authority:?}"
        );
        let urgent = core.status().proposals.iter().any(|open| open.protective);
        assert_eq!(urgent, authority == Authority::Advice, "{authority:?}");
        let refused =
            core.entries.iter().any(|e| e.kind == Kind::Refusal && e.limits.contains(&Limit::Observed));
        assert_eq!(refused, authority == Authority::Observe, "{authority:?}");
    }
}

#[test]
fn to_a_gate_that_is_only_watched_nobody_sends_anything() {
    let mut core = at_rest();
    give(&mut core, Authority::Observe);
    core.tick();
    let asked: [Order; 3] = [
        Order::SetPoint { gate: V1, opening: Opening::clamped(0.3), reason: "a try".into() },
        Order::StopGate { gate: V1 },
        Order::HoldAll,
    ];
    for order in asked {
        let holds = order == Order::HoldAll;
        core.order(order);
        assert_eq!(core.ticks(5), []);
        assert_eq!(was_taken(&core), holds);
    }
    core.order(Order::ReleaseHold);
    core.meter("q.outlet", 2.0);
    assert_eq!(core.ticks(3600), []);
    let status = core.status();
    assert_eq!((status.proposals.len(), status.gates[0].authority), (0, Authority::Observe));
    assert!(status.gates[0].blocked_by.contains(&Limit::Observed), "{:?}", status.gates[0].blocked_by);
}

/// With a command on its way nothing could stop the gate any more if it went astray: it is not let go.
#[test]
fn a_gate_under_a_command_is_not_let_go() {
    let mut core = Core::automatic(0.14, 0.9);
    assert!(!core.ticks(5).is_empty());
    give(&mut core, Authority::Observe);
    core.tick();
    assert!(!was_taken(&core));
    assert_eq!(core.status().gates[0].authority, Authority::Automatic);
}

/// From each of the four to each: no command comes of it, neither at once nor in the cycles after.
#[test]
fn giving_a_gate_to_somebody_moves_nothing() {
    for from in ALL {
        for to in ALL {
            let mut core = at_rest();
            give(&mut core, from);
            assert_eq!(core.ticks(120), [], "{from:?}");
            give(&mut core, to);
            assert_eq!(core.ticks(120), [], "{from:?} to {to:?}");
            assert!(was_taken(&core));
        }
    }
}

/// A person has moved the gate: dispatch takes over from where it stands, within the rise limit.
#[test]
fn dispatch_takes_over_from_where_the_gate_stands() {
    for by_way_of in [Authority::Manual, Authority::Advice] {
        let mut core = at_rest();
        core.order(Order::SetPoint { gate: V1, opening: Opening::clamped(0.3), reason: "a try".into() });
        assert_eq!(core.tick().len(), 1);
        core.stand(0.3);
        core.meter("q.outlet", 0.3 * FULL_M3S);
        assert_eq!(core.status().gates[0].given.as_ref().map(|g| g.reason.as_deref()), Some(Some("a try")));
        core.ticks(1200);
        give(&mut core, by_way_of);
        assert_eq!(core.ticks(300), []);
        give(&mut core, Authority::Automatic);
        assert_eq!(core.tick(), [], "not in the tick of the transfer");
        let (_, first) = core.ticks(3600).remove(0);
        assert_eq!((first.before(), first.actor()), (Some(Opening::clamped(0.3)), "dispatch"));
        let Action::Goto(to) = first.action() else { panic!("{first:?}") };
        let rise = (to.fraction() - 0.3) * FULL_M3S;
        let limit = core.config.basin.control.ramp_up.change.get();
        assert!(rise > 0.0 && rise <= limit + 0.01, "{rise} of {limit}");
    }
}

#[test]
fn what_a_gate_was_given_to_outlives_a_restart() {
    for authority in ALL {
        let mut core = at_rest();
        give(&mut core, authority);
        core.tick();
        let before = core.status().gates[0].given.clone();
        core.restart();
        core.meter("q.outlet", 2.0);
        let sent = core.ticks(1800);
        assert_eq!(!sent.is_empty(), authority == Authority::Automatic, "{authority:?}: {sent:?}");
        let now = core.status().gates[0].clone();
        assert_eq!((now.authority, now.given), (authority, before));
    }
}
