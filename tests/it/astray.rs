//! A gate that does not go where it is sent, by the core alone: row 9 of the fault table. The guard trips: hold, a stop
//! where the device has one, an alarm that names the gate.

use qindan::basin::{Duty, Gate, GateId};
use qindan::config::Config;
use qindan::control::command::{Action, FailReason, Terminal};
use qindan::control::interlock::Purpose;
use qindan::control::operator::{Authority, Order};
use qindan::control::reason::{Because, Limit};
use qindan::control::record::Kind;
use qindan::control::status::GateState;
use qindan::points::{Element, GatePoints, Point, PointId, Role};
use qindan::units::Opening;

use crate::core::{Core, V1};

/// The outlet shows 0.9 m³/s, below its floor of 1.0: protection opens the valve, whose phases are swapped. It shuts from
/// 14 % by a 180th a second, from the second after the command on.
fn sent_the_wrong_way(core: &mut Core) -> (u64, Opening) {
    let (second, opened) = core.ticks(5).remove(0);
    assert_eq!(opened.purpose(), Purpose::Protective);
    let Action::Goto(to) = opened.action() else { panic!("{opened:?}") };
    assert!(to > Opening::clamped(0.14), "{to}");
    (second, to)
}

#[test]
fn a_gate_that_runs_the_wrong_way_is_stopped_and_left_alone() {
    let mut core = Core::automatic(0.14, 0.9);
    let (second, to) = sent_the_wrong_way(&mut core);
    core.gate(V1, Role::MovingShut, 1.0);
    let mut stop = None;
    for _ in 0..60 {
        let gone = (core.second - second).min(25);
        core.stand(0.14 - f64::from(u32::try_from(gone).unwrap()) / 180.0);
        if let Some(cleared) = core.tick().pop() {
            stop = Some(cleared);
            break;
        }
    }
    // Taken a second after the command, 10 s to settle, 4/180 beyond the band of 0.02 and one second more.
    let stop = stop.unwrap();
    assert_eq!(
        (core.second - second, stop.action(), stop.purpose()),
        (16, Action::Stop, Purpose::Protective)
    );
    let at = Some(Opening::clamped(0.14 - 15.0 / 180.0));
    assert_eq!(stop.because(), [Because::Astray { at, to }]);
    let ended = core.entries.iter().rfind(|entry| entry.kind == Kind::Outcome).unwrap();
    assert_eq!(ended.outcome, Some(Terminal::Failed { why: FailReason::WrongWay }));

    // It stops. The outlet stays short, and still nothing is sent: what it does is not what it is told.
    core.gate(V1, Role::MovingShut, 0.0);
    assert_eq!(core.ticks(1800), []);
    assert!(core.alarms().contains(&"A41:v1".to_owned()), "{:?}", core.alarms());
    let status = core.status();
    assert_eq!((status.gates[0].state, status.gates[0].in_flight.is_none()), (GateState::Stuck, true));
    let refused = core.entries.iter().rfind(|entry| entry.kind == Kind::Refusal).unwrap();
    assert!(refused.limits.contains(&Limit::Astray), "{refused:?}");

    // A person has settled it and gives it back: protection moves it again.
    core.order(Order::SetAuthority { gate: V1, authority: Authority::Automatic });
    let again = core.ticks(90);
    assert_eq!(again[0].1.purpose(), Purpose::Protective);
    assert!(!core.alarms().contains(&"A41:v1".to_owned()));
}

#[test]
fn a_person_may_still_try_a_gate_that_went_astray() {
    let mut core = Core::automatic(0.14, 0.9);
    sent_the_wrong_way(&mut core);
    for step in 1..=25 {
        core.stand(0.14 - f64::from(step) / 180.0);
        core.tick();
    }
    core.ticks(120);
    let opening = Opening::clamped(0.2);
    core.order(Order::SetPoint { gate: V1, opening, reason: "phases put right".into() });
    let sent = core.tick();
    assert_eq!(
        (sent.len(), sent[0].action(), sent[0].purpose()),
        (1, Action::Goto(opening), Purpose::Operator)
    );
    core.stand(0.2);
    core.ticks(60);
    // That it arrived once gives it back to nobody.
    assert!(core.alarms().contains(&"A41:v1".to_owned()));
}

/// Without a register that takes a stop there is nothing to send: held all the same.
#[test]
fn a_box_without_a_stop_is_sent_none() {
    let mut core = Core::automatic(0.14, 0.9);
    let mut field = (*core.config.field).clone();
    field.wiring.gates[0].command = None;
    core = Core::new(Config { field: field.into(), ..core.config }, 0.14, 0.9);
    sent_the_wrong_way(&mut core);
    for step in 1..=25 {
        core.stand(0.14 - f64::from(step) / 180.0);
        assert_eq!(core.tick(), []);
    }
    assert!(core.alarms().contains(&"A41:v1".to_owned()));
    assert_eq!(core.ticks(600), []);
}

/// A stand-by valve makes good what the one that went astray leaves missing, at once: there is nothing to wait for.
#[test]
fn protection_turns_to_the_gate_beside_it() {
    let v2 = GateId(1);
    let core = Core::automatic(0.14, 0.9);
    let mut basin = (*core.config.basin).clone();
    basin.gates[1] = Gate { id: "v2".into(), duty: Duty::Standby, ..basin.gates[0].clone() };
    let mut field = (*core.config.field).clone();
    // Its own points behind the others, in the order of the valve's.
    let (own, first) = (field.points.split_off(3), field.points.len());
    let count = own.len();
    field.points.extend(own.iter().cloned());
    field.points.extend(own.into_iter().map(|point| Point { element: Element::Gate(v2), ..point }));
    let at = |role: Role| {
        let own = field.points.iter().skip(first + count).position(|point| point.role == role);
        own.map(|at| PointId(first + count + at))
    };
    field.wiring.gates[1] = GatePoints {
        position: at(Role::Position),
        target: at(Role::Target),
        command: at(Role::Command),
        remote: at(Role::Remote),
        estop: at(Role::Estop),
        fault: at(Role::Fault),
        ..GatePoints::default()
    };
    let config = Config { basin: basin.into(), field: field.into(), ..core.config };
    let mut core = Core::new(config, 0.14, 0.9);
    core.gate(v2, Role::Remote, 1.0);
    assert!(core.ticks(5).iter().all(|(_, cleared)| cleared.gate() == V1));
    let mut sent = Vec::new();
    for step in 1..=25 {
        let opening = 0.14 - f64::from(step) / 180.0;
        core.stand(opening);
        core.meter("q.outlet", 6.336 * opening);
        sent.extend(core.ticks(1));
    }
    sent.extend(core.ticks(60));
    let after_stop = sent.iter().skip_while(|(_, cleared)| cleared.action() != Action::Stop).skip(1);
    let after_stop: Vec<_> = after_stop.map(|(_, cleared)| (cleared.gate(), cleared.purpose())).collect();
    assert_eq!(after_stop.first(), Some(&(v2, Purpose::Protective)), "{sent:?}");
    assert!(after_stop.iter().all(|(gate, _)| *gate == v2), "{sent:?}");
}
