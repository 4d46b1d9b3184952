//! What holds for every situation and every wish. The expectations are worked out here from the equations of the gate, not
//! with [`survey`].

use proptest::prelude::*;
use proptest::test_runner::Config;

use super::tests::{ALL, Scene, at, in_flight, intent, lock, q};
use super::*;
use crate::basin::{GateKind, MeterId};
use crate::control::command::FailReason;

/// The usual 256 cases, or as many as `PROPTEST_CASES` asks for.
fn config() -> Config {
    Config { failure_persistence: None, max_global_rejects: u32::MAX, ..Config::default() }
}

fn kinds() -> impl Strategy<Value = GateKind> {
    prop_oneof![
        Just(GateKind::Valve { bore_m: 0.6, cd_full: 0.8 }),
        Just(GateKind::Radial { width_m: 6.0, height_m: 7.0 }),
        Just(GateKind::Flap { width_m: 18.0, leaf_m: 2.0, raised_deg: 60.0 }),
        Just(GateKind::Turbine { rated: q(3.0), rated_head_m: 40.0, minimum: q(0.5), power_kw: 900.0 }),
    ]
}

fn duties() -> impl Strategy<Value = Duty> {
    prop_oneof![
        8 => Just(Duty::Trim),
        1 => Just(Duty::Flood),
        1 => Just(Duty::Emergency),
        1 => Just(Duty::SeasonLock),
    ]
}

fn actuations() -> impl Strategy<Value = Actuation> {
    prop_oneof![8 => Just(Actuation::Driven), 1 => Just(Actuation::Passive), 1 => Just(Actuation::MonitorOnly)]
}

/// Usually as it should be, sometimes not, sometimes unknown.
fn flag(usual: bool) -> impl Strategy<Value = Option<bool>> {
    prop_oneof![8 => Just(Some(usual)), 1 => Just(Some(!usual)), 1 => Just(None)]
}

fn rarely() -> impl Strategy<Value = bool> {
    prop_oneof![9 => Just(false), 1 => Just(true)]
}

fn opening() -> impl Strategy<Value = Opening> {
    prop_oneof![1 => Just(Opening::SHUT), 1 => Just(Opening::FULL), 8 => (0.0..=1.0).prop_map(at)]
}

fn flow() -> impl Strategy<Value = Discharge> {
    prop_oneof![1 => Just(Discharge::ZERO), 6 => (0.0..12.0).prop_map(q), 1 => (0.0..900.0).prop_map(q)]
}

prop_compose! {
    fn release()(
        others in (flow(), flow()), floor in flow(), lowest in flow(), highest in flow(), siren in flow(),
        known in prop_oneof![8 => Just(true), 1 => Just(false)],
    ) -> ReleaseLimits {
        ReleaseLimits { others, floor, lowest, highest, siren, known }
    }
}

prop_compose! {
    fn gates()(
        kind in kinds(), duty in duties(), actuation in actuations(), ends in (opening(), opening()),
        automatic in prop_oneof![8 => Just(true), 1 => Just(false)], is_locked in rarely(),
        steps in (0.0..0.1, 0.0..0.1), sill in 690.0..745.0,
    ) -> Gate {
        Gate {
            actuation,
            duty,
            lowest: ends.0.min(ends.1),
            highest: ends.0.max(ends.1),
            automatic,
            lock: is_locked.then(lock),
            min_step: steps.0,
            tolerance: steps.1,
            ..crate::control::testing::gate(kind, sill)
        }
    }
}

prop_compose! {
    fn memories()(
        state in prop_oneof![8 => Just(GateState::Idle), 1 => Just(GateState::Adopting), 1 => Just(GateState::Stuck)],
        sent in prop_oneof![3 => Just(None), 1 => (0.0..=1.0).prop_map(Some)],
        starts in proptest::collection::vec(0_u64..20_000, 0..9),
        last_move in prop_oneof![3 => Just(None), 1 => (0_u64..20_000).prop_map(Some)],
        marks in (rarely(), rarely(), rarely()),
    ) -> GateMemory {
        let (has_intent, foreign, is_astray) = marks;
        let mut starts = starts;
        starts.sort_unstable();
        let mut memory = GateMemory::default();
        memory.state = state;
        memory.in_flight = sent.map(in_flight);
        memory.starts = starts.into_iter().map(Duration::from_secs).collect();
        memory.last_move = last_move.map(|at| (Duration::from_secs(at), 1));
        memory.open_intents = has_intent.then(intent).into_iter().collect();
        memory.foreign = foreign;
        memory.astray = is_astray.then_some(FailReason::WrongWay);
        memory
    }
}

prop_compose! {
    fn facts()(
        opening in prop_oneof![1 => Just(None), 8 => opening().prop_map(Some)],
        remote in flag(true), estop in flag(false), fault in flag(false), trip in flag(false),
    ) -> GateFacts {
        GateFacts { opening, remote, estop, fault, trip, ..crate::control::testing::facts(0.25, 0.25, 9_000) }
    }
}

prop_compose! {
    fn scenes()(
        gate in gates(), memory in memories(), facts in facts(),
        mode in prop_oneof![
            6 => Just(Mode::Automatic), 1 => Just(Mode::Manual), 1 => Just(Mode::Advice), 1 => Just(Mode::Observe)
        ],
        authority in prop_oneof![
            6 => Just(Authority::Automatic), 1 => Just(Authority::Advice), 1 => Just(Authority::Manual),
            1 => Just(Authority::Observe)
        ],
        service in (rarely(), rarely(), any::<bool>(), any::<bool>(), any::<bool>()),
        release in prop_oneof![1 => Just(None), 6 => release().prop_map(Some)],
        above in prop_oneof![1 => Just(None), 6 => (690.0..760.0, 0.0..5.0).prop_map(Some)],
        fallen_back in rarely(), has_meter in any::<bool>(), now in 0_u64..20_000,
    ) -> Scene {
        let (hold_all, is_unrecorded, flood_season, order, starts) = service;
        let mut basin = crate::control::testing::basin(gate);
        basin.reservoirs[0].level_meter = has_meter.then_some(MeterId(7));
        Scene {
            basin,
            facts,
            memory,
            authority,
            service: Authorities { mode, hold_all, record_ok: !is_unrecorded, flood_season },
            release,
            above: above.map(|(low, more)| (Stage::lossy(low), Stage::lossy(low + more))),
            fallen_back,
            freed: Freed { order, starts },
            now: Duration::from_secs(now),
        }
    }
}

fn purposes() -> impl Strategy<Value = Purpose> {
    proptest::sample::select(ALL.to_vec())
}

fn actions() -> impl Strategy<Value = Action> {
    prop_oneof![1 => Just(Action::Stop), 9 => opening().prop_map(Action::Goto)]
}

/// Why a movement may not be, from the rules as they are written down; nothing when it may.
fn forbidden(scene: &Scene, purpose: Purpose) -> Vec<&'static str> {
    let (gate, facts, memory, service) = (&scene.basin.gates[0], &scene.facts, &scene.memory, scene.service);
    let automatic = purpose == Purpose::Discretionary;
    let recent =
        memory.starts.iter().filter(|at| scene.now.saturating_sub(**at) <= Duration::from_secs(3600));
    let paused = memory
        .last_move
        .is_some_and(|(at, _)| scene.now.saturating_sub(at).as_secs_f64() < gate.reversal_pause_s);
    let unresolved = memory.state == GateState::Adopting || !memory.open_intents.is_empty() || memory.foreign;
    let unknown = scene.release.is_some_and(|release| !release.known || scene.above.is_none());
    let rules = [
        ("no drive", gate.actuation != Actuation::Driven),
        ("key", facts.remote != Some(true)),
        ("emergency stop", facts.estop != Some(false)),
        ("fault", facts.fault != Some(false)),
        ("trip", facts.trip != Some(false)),
        ("hold-all", service.hold_all),
        ("mode", service.mode == Mode::Observe),
        ("mode advice", service.mode == Mode::Advice && purpose != Purpose::Operator),
        (
            "order",
            matches!(gate.duty, Duty::Flood | Duty::Emergency)
                && !(scene.freed.order && purpose == Purpose::Operator),
        ),
        ("box", scene.fallen_back && purpose != Purpose::Operator),
        ("astray", memory.astray.is_some() && purpose != Purpose::Operator),
        ("no position", facts.opening.is_none() && (purpose != Purpose::Protective || unknown)),
        ("no record", !service.record_ok && purpose != Purpose::Protective),
        (
            "starts",
            recent.count() >= gate.max_starts_per_hour as usize
                && purpose != Purpose::Protective
                && !(scene.freed.starts && purpose == Purpose::Operator),
        ),
        ("mode manual", service.mode == Mode::Manual && automatic),
        ("gate manual", scene.authority == Authority::Manual && automatic),
        ("gate advice", scene.authority == Authority::Advice && purpose != Purpose::Operator),
        ("gate observed", scene.authority == Authority::Observe),
        ("not automatic", !gate.automatic && automatic),
        ("unresolved", unresolved && automatic),
        ("in flight", memory.in_flight.is_some() && automatic),
        ("pause", paused && automatic),
        ("river unknown", unknown && automatic),
    ];
    rules.iter().filter(|(_, holds)| *holds).map(|(rule, _)| *rule).collect()
}

/// Flow through the gate and all others; `lower` at the lower level, for what must pass.
fn total(scene: &Scene, to: Opening, lower: bool) -> Option<f64> {
    let (release, (low, high)) = (scene.release?, scene.above?);
    let (level, others) = if lower { (low, release.others.0) } else { (high, release.others.1) };
    Some((structure::flow(&scene.basin.gates[0], to, level) + others).get())
}

/// Flow that the resolution of an opening may be off: 2⁻⁴⁰ of the stroke at the widest gate, with room for rounding.
const ROUNDING: f64 = 1e-6;

proptest! {
    #![proptest_config(config())]

    /// No command lies outside of travel, season lock, floor, siren, ramps, or against any rule.
    #[test]
    fn no_command_leaves_its_limits(scene in scenes(), purpose in purposes(), action in actions()) {
        let Ok(cleared) = scene.ask(action, purpose) else { return Ok(()) };
        let gate = &scene.basin.gates[0];
        let Action::Goto(to) = cleared.action() else {
            prop_assert!(gate.actuation == Actuation::Driven && scene.service.mode != Mode::Observe);
            prop_assert!(scene.authority != Authority::Observe);
            return Ok(());
        };
        prop_assert_eq!(forbidden(&scene, purpose), Vec::<&str>::new());
        prop_assert!(gate.lowest <= to && to <= gate.highest);
        prop_assert!(gate.lock.is_none() || scene.service.flood_season || to == Opening::SHUT);
        let Some(release) = scene.release else { return Ok(()) };
        let heading = scene.memory.heading(&scene.facts);
        if !release.known || scene.above.is_none() {
            // Nobody knows what it does: never down.
            prop_assert!(scene.facts.opening.is_some_and(|at| to >= at));
            return Ok(());
        }
        let full = to >= Opening::FULL;
        let least = total(&scene, to, true).unwrap() + ROUNDING;
        let most = total(&scene, to, false).unwrap() - ROUNDING;
        let holds_floor = full || least >= release.floor.get();
        prop_assert!(holds_floor, "floor {release:?} {to}");
        // What is needed for the floor goes before siren and rise; a shut gate is no less than shut.
        let step = Opening::clamped(to.fraction() - 1e-9);
        let is_for_floor = to == Opening::SHUT || total(&scene, step, true).unwrap() < release.floor.get() + ROUNDING;
        let is_standing = heading.is_some_and(|at| to <= at);
        prop_assert!(most <= release.siren.get() || is_for_floor, "siren {release:?} {to}");
        prop_assert!(most <= release.highest.get() || is_for_floor || is_standing, "rise {release:?} {to}");
        let is_kept = heading.is_some_and(|at| to >= at);
        prop_assert!(full || least >= release.lowest.get() || is_kept, "fall {release:?} {to}");
    }

    /// Whatever is added narrows: nothing is permitted that was not, and the order does not change the range.
    #[test]
    fn one_more_interlock_never_allows_more(
        scene in scenes(), purpose in purposes(), wanted in opening(),
        more in proptest::collection::vec((0_u8..4, opening()), 1..4),
    ) {
        let before = scene.survey();
        let narrow = |allowed: &mut Allowed, (which, opening): (u8, Opening)| match which {
            0 => allowed.at_least(opening, Limit::Astray),
            1 => allowed.at_most(opening, Limit::Astray),
            2 => allowed.refuse(Limit::Astray, Applies::All),
            _ => allowed.refuse(Limit::Astray, Applies::Discretionary),
        };
        let (mut after, mut backwards) = (before.clone(), before.clone());
        for each in &more {
            narrow(&mut after, *each);
        }
        for each in more.iter().rev() {
            narrow(&mut backwards, *each);
        }
        prop_assert_eq!(after.range(), backwards.range());
        prop_assert!(after.range().0 >= before.range().0 && after.range().1 <= before.range().1);
        for each in ALL {
            let kept = after.refusals(each);
            prop_assert!(before.refusals(each).iter().all(|limit| kept.contains(limit)));
        }
        if let Ok(cleared) = scene.ask_of(&after, Action::Goto(wanted), purpose) {
            prop_assert!(before.refusals(purpose).is_empty());
            let Action::Goto(to) = cleared.action() else { panic!("{cleared:?}") };
            prop_assert!(before.range().0 <= to && to <= before.range().1);
            // What was permitted before is nearer to the wish, or the same.
            let whole = scene.ask_of(&before, Action::Goto(wanted), purpose);
            if let Ok(Action::Goto(nearest)) = whole.map(|cleared| cleared.action()) {
                let off = |opening: Opening| (opening.fraction() - wanted.fraction()).abs();
                prop_assert!(off(nearest) <= off(to));
            }
        }
    }

    /// A reading that is lost takes away, whichever it is. One thing it cannot keep: without level or flow the siren and the
    /// rise cannot be computed, so that people and protection may raise the gate; automatic control may not.
    #[test]
    fn a_lost_reading_never_loosens(scene in scenes(), purpose in purposes(), which in 0_u8..7) {
        let mut lost = scene.clone();
        match which {
            0 => lost.facts.opening = None,
            1 => lost.facts.remote = None,
            2 => lost.facts.estop = None,
            3 => lost.facts.fault = None,
            4 => lost.facts.trip = None,
            5 => lost.above = None,
            _ => if let Some(release) = &mut lost.release { release.known = false },
        }
        let (before, after) = (scene.survey(), lost.survey());
        // Refusals stay, whatever they are called; there may be more.
        prop_assert!(before.refusals(purpose).is_empty() || !after.refusals(purpose).is_empty());
        if !after.refusals(purpose).is_empty() {
            return Ok(());
        }
        let (was, is) = (before.range(), after.range());
        let river_lost = which >= 5 && scene.release.is_some();
        if river_lost {
            prop_assert!(purpose != Purpose::Discretionary);
            prop_assert!(scene.facts.opening.is_some_and(|at| is.0 >= at));
        } else {
            prop_assert!(is.0 >= was.0 && is.1 <= was.1, "{was:?} {is:?}");
        }
    }

    /// The same question has the same answer, and every question has one: a command, or at least one reason.
    #[test]
    fn review_answers_everything_and_always_the_same(scene in scenes(), purpose in purposes(), action in actions()) {
        let first = scene.ask(action, purpose);
        prop_assert_eq!(&first, &scene.clone().ask(action, purpose));
        prop_assert!(first.is_ok_and(|cleared| cleared.valid_until() > scene.now) || scene.ask(action, purpose).is_err_and(|why| !why.is_empty()));
    }
}
