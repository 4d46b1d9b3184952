//! Each limit by itself: what it stops, for whom, and at which number.

use super::*;
use crate::basin::{GateKind, Lock, MeterId};
use crate::control::command::{FailReason, OpenIntent};
use crate::control::gate::InFlight;
use crate::control::testing;

/// Everything a gate is judged on, in order until a test changes it: a valve of 0.6 m 40 m under water at a quarter of its
/// stroke, long at rest, in automatic, its release free between 0 and 100 m³/s.
#[derive(Clone, Debug)]
pub(super) struct Scene {
    pub(super) basin: Basin,
    pub(super) facts: GateFacts,
    pub(super) memory: GateMemory,
    pub(super) authority: Authority,
    pub(super) service: Authorities,
    pub(super) release: Option<ReleaseLimits>,
    pub(super) above: Option<(Stage, Stage)>,
    pub(super) fallen_back: bool,
    pub(super) freed: Freed,
    pub(super) now: Duration,
}

pub(super) fn q(flow: f64) -> Discharge {
    Discharge::lossy(flow)
}

pub(super) fn at(fraction: f64) -> Opening {
    Opening::clamped(fraction)
}

impl Default for Scene {
    fn default() -> Self {
        let valve = testing::gate(GateKind::Valve { bore_m: 0.6, cd_full: 0.8 }, 702.0);
        let free = ReleaseLimits {
            others: (Discharge::ZERO, Discharge::ZERO),
            floor: Discharge::ZERO,
            lowest: Discharge::ZERO,
            highest: q(100.0),
            siren: q(100.0),
            known: true,
        };
        let service =
            Authorities { mode: Mode::Automatic, hold_all: false, record_ok: true, flood_season: true };
        let level = Stage::lossy(742.0);
        let mut memory = GateMemory::default();
        memory.state = GateState::Idle;
        Self {
            basin: testing::basin(valve),
            facts: testing::facts(0.25, 0.25, 9_000),
            memory,
            authority: Authority::Automatic,
            service,
            release: Some(free),
            above: Some((level, level)),
            fallen_back: false,
            freed: Freed::default(),
            now: Duration::from_secs(10_000),
        }
    }
}

impl Scene {
    pub(super) fn situation(&self) -> Situation<'_> {
        Situation {
            basin: &self.basin,
            id: GateId(0),
            facts: &self.facts,
            memory: &self.memory,
            authority: self.authority,
            service: self.service,
            release: self.release,
            above: self.above,
            fallen_back: self.fallen_back,
            freed: self.freed,
            now: self.now,
        }
    }

    pub(super) fn survey(&self) -> Allowed {
        survey(&self.situation())
    }

    pub(super) fn gate(&mut self) -> &mut Gate {
        &mut self.basin.gates[0]
    }

    pub(super) fn river(&mut self) -> &mut ReleaseLimits {
        self.release.as_mut().unwrap()
    }

    pub(super) fn ask(&self, action: Action, purpose: Purpose) -> Result<Cleared, Vec<Limit>> {
        let allowed = self.survey();
        self.ask_of(&allowed, action, purpose)
    }

    pub(super) fn ask_of(
        &self,
        allowed: &Allowed,
        action: Action,
        purpose: Purpose,
    ) -> Result<Cleared, Vec<Limit>> {
        let because = vec![Because::SeasonLock];
        let wish = Wish { gate: GateId(0), action, purpose, actor: "somebody".into(), because };
        review(&wish, &self.situation(), allowed, CommandId(41), Duration::from_secs(120))
    }

    fn goto(&self, fraction: f64, purpose: Purpose) -> Result<(Opening, Vec<Limit>), Vec<Limit>> {
        let cleared = self.ask(Action::Goto(at(fraction)), purpose)?;
        let Action::Goto(to) = cleared.action() else { panic!("{cleared:?}") };
        Ok((to, cleared.narrowed_by().to_vec()))
    }
}

pub(super) const ALL: [Purpose; 3] = [Purpose::Protective, Purpose::Operator, Purpose::Discretionary];

pub(super) fn in_flight(to: f64) -> InFlight {
    InFlight {
        id: CommandId(3),
        action: Action::Goto(at(to)),
        before: Some(at(0.25)),
        set_points: vec![at(0.25)],
        since: Duration::from_secs(9_990),
        deadline: Duration::from_secs(12_000),
        write: None,
        because: Vec::new(),
        actor: "dispatch".into(),
    }
}

pub(super) fn intent() -> OpenIntent {
    OpenIntent {
        command: CommandId(2),
        gate: "g".into(),
        action: Action::Stop,
        before: None,
        set_points: Vec::new(),
    }
}

pub(super) fn lock() -> Lock {
    Lock { signatures: 2, max_minutes: 60, notify: "duty".into() }
}

/// Changed, the limit it brings, and whether that stops protection, people, automatic control.
type Case = (&'static str, fn(&mut Scene), Limit, [bool; 3]);

const EVERYBODY: [bool; 3] = [true; 3];
const NOT_PROTECTION: [bool; 3] = [false, true, true];
const NOT_PEOPLE: [bool; 3] = [true, false, true];
const AUTOMATIC: [bool; 3] = [false, false, true];

fn cases() -> Vec<Case> {
    vec![
        ("passive", |s| s.gate().actuation = Actuation::Passive, Limit::NotDriven, EVERYBODY),
        ("monitored", |s| s.gate().actuation = Actuation::MonitorOnly, Limit::NotDriven, EVERYBODY),
        ("local", |s| s.facts.remote = Some(false), Limit::Local, EVERYBODY),
        ("key unknown", |s| s.facts.remote = None, Limit::Local, EVERYBODY),
        ("stop pressed", |s| s.facts.estop = Some(true), Limit::EmergencyStop, EVERYBODY),
        ("stop unknown", |s| s.facts.estop = None, Limit::EmergencyStop, EVERYBODY),
        ("fault", |s| s.facts.fault = Some(true), Limit::DriveFault, EVERYBODY),
        ("fault unknown", |s| s.facts.fault = None, Limit::DriveFault, EVERYBODY),
        ("trip", |s| s.facts.trip = Some(true), Limit::DriveFault, EVERYBODY),
        ("trip unknown", |s| s.facts.trip = None, Limit::DriveFault, EVERYBODY),
        ("fallen back", |s| s.fallen_back = true, Limit::FallenBack, NOT_PEOPLE),
        ("no position", |s| s.facts.opening = None, Limit::PositionUnknown, NOT_PROTECTION),
        (
            "neither position nor level",
            |s| (s.facts.opening, s.above) = (None, None),
            Limit::PositionUnknown,
            EVERYBODY,
        ),
        (
            "neither position nor flow",
            |s| {
                s.facts.opening = None;
                s.river().known = false;
            },
            Limit::PositionUnknown,
            EVERYBODY,
        ),
        (
            "no position, no river",
            |s| (s.facts.opening, s.release) = (None, None),
            Limit::PositionUnknown,
            NOT_PROTECTION,
        ),
        ("hold-all", |s| s.service.hold_all = true, Limit::HoldAll, EVERYBODY),
        ("observing", |s| s.service.mode = Mode::Observe, Limit::Mode, EVERYBODY),
        ("advising", |s| s.service.mode = Mode::Advice, Limit::Mode, NOT_PEOPLE),
        ("mode manual", |s| s.service.mode = Mode::Manual, Limit::Mode, AUTOMATIC),
        ("gate manual", |s| s.authority = Authority::Manual, Limit::Manual, AUTOMATIC),
        ("gate in advice", |s| s.authority = Authority::Advice, Limit::Advised, NOT_PEOPLE),
        ("gate observed", |s| s.authority = Authority::Observe, Limit::Observed, EVERYBODY),
        ("left to people", |s| s.gate().automatic = false, Limit::NotDriven, AUTOMATIC),
        ("flood gate", |s| s.gate().duty = Duty::Flood, Limit::FloodOrder, EVERYBODY),
        ("maintenance gate", |s| s.gate().duty = Duty::Emergency, Limit::FloodOrder, EVERYBODY),
        (
            "flood gate, by order",
            |s| {
                s.gate().duty = Duty::Flood;
                s.freed.order = true;
            },
            Limit::FloodOrder,
            NOT_PEOPLE,
        ),
        ("no record", |s| s.service.record_ok = false, Limit::RecordLost, NOT_PROTECTION),
        ("adopting", |s| s.memory.state = GateState::Adopting, Limit::Unresolved, AUTOMATIC),
        ("open intent", |s| s.memory.open_intents = vec![intent()], Limit::Unresolved, AUTOMATIC),
        ("foreign", |s| s.memory.foreign = true, Limit::Unresolved, AUTOMATIC),
        ("astray", |s| s.memory.astray = Some(FailReason::WrongWay), Limit::Astray, NOT_PEOPLE),
        ("in flight", |s| s.memory.in_flight = Some(in_flight(0.5)), Limit::InFlight, AUTOMATIC),
        (
            "starts",
            |s| s.memory.starts.extend([6_400, 7_000, 8_000, 9_000, 9_100, 9_200].map(Duration::from_secs)),
            Limit::Starts { per_hour: 6 },
            NOT_PROTECTION,
        ),
        (
            "pause",
            |s| s.memory.last_move = Some((Duration::from_secs(9_970), 1)),
            Limit::Pause { left_s: 30.0 },
            AUTOMATIC,
        ),
        ("no level", |s| s.above = None, Limit::InputLost { meter: MeterId(7) }, AUTOMATIC),
        ("no flow", |s| s.river().known = false, Limit::InputLost { meter: MeterId(7) }, AUTOMATIC),
        (
            "no level and no meter of one",
            |s| {
                s.above = None;
                s.basin.reservoirs.clear();
            },
            Limit::PositionUnknown,
            AUTOMATIC,
        ),
    ]
}

#[test]
fn each_limit_stops_those_it_is_for_and_nobody_else() {
    for (what, change, limit, stops) in cases() {
        let mut scene = Scene::default();
        change(&mut scene);
        let allowed = scene.survey();
        // Where the position is not known either, automatic control misses the level too.
        let own = |limits: Vec<Limit>| {
            let lost = |it: &Limit| matches!(it, Limit::InputLost { .. }) && *it != limit;
            limits.into_iter().filter(|it| !lost(it)).collect::<Vec<_>>()
        };
        for (purpose, stopped) in ALL.into_iter().zip(stops) {
            let expected = if stopped { vec![limit.clone()] } else { Vec::new() };
            assert_eq!(own(allowed.refusals(purpose)), expected, "{what}, {purpose:?}");
            let asked = scene.ask(Action::Goto(at(0.75)), purpose);
            assert_eq!(asked.err().map(own), stopped.then_some(expected), "{what}, {purpose:?}");
        }
    }
}

#[test]
fn a_gate_in_order_moves_within_its_travel() {
    let mut scene = Scene::default();
    assert_eq!(scene.survey().range(), (Opening::SHUT, Opening::FULL));
    assert_eq!(scene.survey().bounds(), (None, None));
    (scene.gate().lowest, scene.gate().highest) = (at(0.1), at(0.9));
    let travel = Limit::Travel { lowest: at(0.1), highest: at(0.9) };
    assert_eq!(scene.survey().range(), (at(0.1), at(0.9)));
    assert_eq!(scene.survey().bounds(), (Some(travel.clone()), Some(travel.clone())));
    for purpose in ALL {
        assert_eq!(scene.goto(0.5, purpose), Ok((at(0.5), Vec::new())));
        assert_eq!(scene.goto(0.02, purpose), Ok((at(0.1), vec![travel.clone()])));
        assert_eq!(scene.goto(1.0, purpose), Ok((at(0.9), vec![travel.clone()])));
    }
}

#[test]
fn a_gate_there_is_not_is_refused_even_its_stop() {
    let mut scene = Scene::default();
    scene.basin.gates.clear();
    assert_eq!(scene.ask(Action::Goto(at(0.5)), Purpose::Protective).err(), Some(vec![Limit::NotDriven]));
    assert_eq!(scene.ask(Action::Stop, Purpose::Protective).err(), Some(vec![Limit::NotDriven]));
}

#[test]
fn out_of_season_a_locked_gate_may_only_be_shut() {
    let mut scene = Scene::default();
    scene.gate().lock = Some(lock());
    assert_eq!(scene.goto(0.5, Purpose::Operator), Ok((at(0.5), Vec::new())));
    scene.service.flood_season = false;
    assert_eq!(scene.goto(0.5, Purpose::Operator), Ok((Opening::SHUT, vec![Limit::SeasonLock])));
    scene.gate().lock = None;
    assert_eq!(scene.goto(0.5, Purpose::Operator), Ok((at(0.5), Vec::new())));
}

#[test]
fn starts_and_pauses_end_to_the_second() {
    let mut scene = Scene::default();
    scene.memory.starts.extend([7_000, 8_000, 9_000, 9_100, 9_200].map(Duration::from_secs));
    assert_eq!(scene.survey().refusals(Purpose::Operator), []);
    // One start more, but an hour and a second ago.
    scene.memory.starts.push_front(Duration::from_secs(6_399));
    assert_eq!(scene.survey().refusals(Purpose::Operator), []);
    scene.memory.last_move = Some((Duration::from_secs(9_940), -1));
    assert_eq!(scene.survey().refusals(Purpose::Discretionary), []);
    scene.memory.last_move = Some((Duration::from_millis(9_940_500), -1));
    assert_eq!(scene.survey().refusals(Purpose::Discretionary), [Limit::Pause { left_s: 0.5 }]);
}

/// Fully open the valve passes 0.8 · π/4 · 0.6² · √(2 · 9.81 · 40) = 6.3367 m³/s, and in proportion to its opening.
const FULL: f64 = 6.3367;

fn near(a: Opening, flow: f64) -> bool {
    (a.fraction() - flow / FULL).abs() < 1e-4
}

#[test]
fn the_outlet_floor_is_what_the_others_leave_of_it() {
    let mut scene = Scene::default();
    scene.river().floor = q(2.0);
    scene.river().others.0 = q(0.5);
    let (low, high) = scene.survey().range();
    assert!(near(low, 1.5) && high == Opening::FULL, "{low}");
    let (to, why) = scene.goto(0.0, Purpose::Protective).unwrap();
    assert!(near(to, 1.5) && why == [Limit::OutletFloor { opening: to }], "{to} {why:?}");
    // What the others pass beyond the floor is no reason for less than nothing.
    scene.river().others.0 = q(3.0);
    assert_eq!(scene.survey().range().0, Opening::SHUT);
}

#[test]
fn the_siren_and_the_rise_cap_it_and_the_fall_holds_it() {
    let mut scene = Scene::default();
    scene.river().siren = q(4.0);
    scene.river().others.1 = q(1.0);
    let siren = scene.survey();
    assert!(near(siren.range().1, 3.0), "{siren:?}");
    assert_eq!(siren.bounds().1, Some(Limit::Siren { flow: q(4.0) }));
    // A quarter of the stroke passes 1.584 m³/s.
    scene.river().highest = q(3.5);
    let rise = scene.survey();
    assert!(near(rise.range().1, 2.5), "{rise:?}");
    assert_eq!(rise.bounds().1, Some(Limit::RampUp { flow: q(3.5) }));
    scene.river().lowest = q(1.2);
    let fall = scene.survey();
    assert!(near(fall.range().0, 1.2), "{fall:?}");
    assert_eq!(fall.bounds().0, Some(Limit::RampDown { flow: q(1.2) }));
}

#[test]
fn a_ramp_forces_nothing_and_the_floor_goes_before_siren_and_rise() {
    let mut scene = Scene::default();
    // Both ramps lie beyond where it stands: it may stay, no more.
    scene.river().highest = q(1.0);
    assert_eq!(scene.survey().range().1, at(0.25));
    scene.river().highest = q(100.0);
    scene.river().lowest = q(3.0);
    assert_eq!(scene.survey().range().0, at(0.25));
    // Where it is sent counts, not where it is.
    scene.memory.in_flight = Some(in_flight(0.4));
    assert_eq!(scene.survey().range().0, at(0.4));
    scene.river().lowest = Discharge::ZERO;
    scene.river().highest = q(1.0);
    assert_eq!(scene.survey().range().1, at(0.4));
    // The floor is above both, and above where it stands.
    let mut scene = Scene::default();
    scene.river().floor = q(3.0);
    (scene.river().siren, scene.river().highest) = (q(1.0), q(1.0));
    let (low, high) = scene.survey().range();
    assert!(near(low, 3.0) && low == high, "{low} {high}");
    // Nobody knows where it stands: the ramps count from nothing.
    let mut scene = Scene::default();
    scene.facts.opening = None;
    (scene.river().lowest, scene.river().highest) = (q(2.0), q(4.0));
    let (low, high) = scene.survey().range();
    assert!(near(low, 2.0) && near(high, 4.0), "{low} {high}");
}

#[test]
fn what_must_pass_goes_by_the_lower_level_and_what_may_by_the_higher() {
    // 10 m under water it passes half of what it passes 40 m under.
    let above = Some((Stage::lossy(712.0), Stage::lossy(742.0)));
    let mut scene = Scene { above, ..Scene::default() };
    scene.river().floor = q(1.0);
    scene.river().siren = q(4.0);
    scene.river().others = (q(0.2), q(0.4));
    let (low, high) = scene.survey().range();
    assert!(near(low, 1.6) && near(high, 3.6), "{low} {high}");
}

#[test]
fn without_level_or_flow_people_and_protection_may_only_raise() {
    let without_level: fn(&mut Scene) = |scene| scene.above = None;
    let without_flow: fn(&mut Scene) = |scene| scene.river().known = false;
    for change in [without_level, without_flow] {
        let mut scene = Scene::default();
        change(&mut scene);
        assert_eq!(scene.survey().range(), (at(0.25), Opening::FULL));
        for purpose in [Purpose::Protective, Purpose::Operator] {
            let raised = Err(vec![Limit::PositionUnknown, Limit::TooSmall]);
            assert_eq!(scene.goto(0.1, purpose), raised);
            assert_eq!(scene.goto(0.5, purpose), Ok((at(0.5), Vec::new())));
        }
        assert!(scene.goto(0.5, Purpose::Discretionary).is_err());
    }
}

/// The lost level is that of the water the gate takes, whatever else there is.
#[test]
fn the_level_that_is_missed_is_its_own() {
    let mut scene = Scene { above: None, ..Scene::default() };
    let mut other = scene.basin.reservoirs[0].clone();
    other.level_meter = Some(MeterId(3));
    scene.basin.reservoirs.insert(0, other);
    let lost = |scene: &Scene| scene.survey().refusals(Purpose::Discretionary);
    assert_eq!(lost(&scene), [Limit::InputLost { meter: MeterId(3) }]);
    scene.gate().from = Place::Reservoir(crate::basin::ReservoirId(1));
    assert_eq!(lost(&scene), [Limit::InputLost { meter: MeterId(7) }]);
    scene.gate().from = Place::Outside;
    assert_eq!(lost(&scene), [Limit::InputLost { meter: MeterId(3) }]);
}

#[test]
fn a_stop_passes_all_but_a_missing_drive_and_observation() {
    let stops = |scene: &Scene| scene.ask(Action::Stop, Purpose::Protective);
    for (what, change, limit, stopped) in cases() {
        let mut scene = Scene::default();
        change(&mut scene);
        let expected = if scene.service.mode == Mode::Observe {
            Some(vec![Limit::Mode])
        } else if scene.authority == Authority::Observe {
            Some(vec![Limit::Observed])
        } else {
            (limit == Limit::NotDriven && stopped == EVERYBODY).then(|| vec![Limit::NotDriven])
        };
        assert_eq!(stops(&scene).err(), expected, "{what}");
    }
    let cleared = stops(&Scene::default()).unwrap();
    assert_eq!((cleared.action(), cleared.narrowed_by()), (Action::Stop, &[][..]));
}

#[test]
fn limits_that_contradict_hold_the_gate() {
    let mut scene = Scene::default();
    scene.gate().highest = at(0.5);
    scene.river().floor = q(5.0);
    for purpose in ALL {
        assert_eq!(scene.goto(0.6, purpose), Err(vec![Limit::Conflict]));
    }
    // A range of one point is none of contradictions.
    let mut allowed = Allowed::everything();
    allowed.at_least(at(0.5), Limit::SeasonLock);
    allowed.at_most(at(0.5), Limit::SeasonLock);
    assert!(Scene::default().ask_of(&allowed, Action::Goto(at(0.9)), Purpose::Operator).is_ok());
}

#[test]
fn a_movement_smaller_than_is_useful_is_none() {
    let mut scene = Scene::default();
    (scene.gate().min_step, scene.gate().tolerance) = (0.04, 0.02);
    for (purpose, least) in
        [(Purpose::Discretionary, 0.04), (Purpose::Operator, 0.02), (Purpose::Protective, 0.02)]
    {
        for way in [-1.0, 1.0] {
            let to = |step: f64| scene.goto(0.25 + way * step, purpose);
            assert_eq!(to(least - 1e-6), Err(vec![Limit::TooSmall]), "{purpose:?} {way}");
            assert!(to(least).is_ok() && to(least + 1e-6).is_ok(), "{purpose:?} {way}");
        }
    }
    // What an opening may be off by rounding is not asked for: to the last bit.
    let mut shut = Scene::default();
    shut.facts.opening = Some(Opening::SHUT);
    shut.gate().min_step = 0.04;
    assert!(shut.goto(0.04 - 1e-9, Purpose::Discretionary).is_ok());
    // A limit that left nothing of a large movement is named too.
    scene.gate().highest = at(0.26);
    let travel = Limit::Travel { lowest: Opening::SHUT, highest: at(0.26) };
    assert_eq!(scene.goto(0.9, Purpose::Operator), Err(vec![travel, Limit::TooSmall]));
    // From where it is sent, not from where it is.
    let mut scene = Scene::default();
    scene.memory.in_flight = Some(in_flight(0.5));
    assert_eq!(scene.goto(0.5, Purpose::Operator), Err(vec![Limit::TooSmall]));
    assert!(scene.goto(0.25, Purpose::Operator).is_ok());
}

#[test]
fn a_command_says_all_it_was_made_of() {
    let scene = Scene::default();
    let cleared = scene.ask(Action::Goto(at(0.5)), Purpose::Operator).unwrap();
    assert_eq!((cleared.id(), cleared.gate()), (CommandId(41), GateId(0)));
    assert_eq!((cleared.action(), cleared.before()), (Action::Goto(at(0.5)), Some(at(0.25))));
    assert_eq!((cleared.purpose(), cleared.actor()), (Purpose::Operator, "somebody"));
    assert_eq!((cleared.because(), cleared.narrowed_by()), (&[Because::SeasonLock][..], &[][..]));
    assert_eq!(cleared.valid_until(), Duration::from_secs(10_120));
    // The gate of the wish, also where it is not the first.
    let mut scene = scene;
    let other = Gate { tolerance: 0.3, ..scene.basin.gates[0].clone() };
    scene.basin.gates.push(other);
    let wish = Wish {
        gate: GateId(1),
        action: Action::Goto(at(0.5)),
        purpose: Purpose::Operator,
        actor: String::new(),
        because: Vec::new(),
    };
    let seen = Situation { id: GateId(1), ..scene.situation() };
    let small = review(&wish, &seen, &survey(&seen), CommandId(1), Duration::ZERO);
    assert_eq!(small, Err(vec![Limit::TooSmall]));
}

#[test]
fn equal_limits_narrow_nothing_and_the_tightest_is_named() {
    let mut allowed = Allowed::everything();
    allowed.at_least(Opening::SHUT, Limit::SeasonLock);
    allowed.at_most(Opening::FULL, Limit::SeasonLock);
    assert_eq!(allowed.bounds(), (None, None));
    allowed.at_least(at(0.2), Limit::Local);
    allowed.at_least(at(0.3), Limit::Astray);
    allowed.at_least(at(0.1), Limit::HoldAll);
    allowed.at_most(at(0.8), Limit::Local);
    allowed.at_most(at(0.7), Limit::Mode);
    allowed.at_most(at(0.9), Limit::HoldAll);
    assert_eq!(allowed.range(), (at(0.3), at(0.7)));
    assert_eq!(allowed.bounds(), (Some(Limit::Astray), Some(Limit::Mode)));
}
