//! How the turbine of a dam gives way to the valve, on the shipped basin: first the valve takes over, then the turbine
//! gives up, and the release stands between.

use std::path::Path;
use std::time::Duration;

use qindan::basin::GateId;
use qindan::config::{self, Config};
use qindan::control::command::Action;
use qindan::control::gate::{GateFacts, GateMemory};
use qindan::control::interlock::{Purpose, Wish};
use qindan::control::operator::Authority;
use qindan::control::outlets::{Outlets, View};
use qindan::control::structure;
use qindan::units::{Opening, Stage};

use crate::fixture::SHUT_AT_REST;

const FLOOR: f64 = 1.0;
const SETPOINT: f64 = 1.05;
const LEVEL: f64 = 742.0;

struct Dam {
    config: Config,
    outlets: Outlets,
    facts: Vec<GateFacts>,
    gates: Vec<GateMemory>,
    authorities: Vec<Authority>,
    /// Wishes for gates that do not move by themselves.
    told: Vec<Wish>,
    second: u64,
    /// What the outlets pass of what their equations say.
    passes: f64,
    /// What the meter below the dam shows.
    shows: fn(&Dam) -> f64,
}

impl Dam {
    fn new() -> Self {
        let config = config::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("config")).unwrap();
        let basin = &config.basin;
        let source = basin.reservoirs.iter().position(|r| r.id == "zhangfeng").unwrap();
        let outlet = basin.nodes.iter().position(|n| n.id == "zf_out").unwrap();
        let outlets = Outlets::new(basin, qindan::basin::ReservoirId(source), qindan::basin::NodeId(outlet));
        let count = basin.gates.len();
        Self {
            outlets,
            facts: vec![SHUT_AT_REST; count],
            gates: vec![GateMemory::default(); count],
            authorities: vec![Authority::Automatic; count],
            told: Vec::new(),
            second: 0,
            passes: 1.0,
            shows: Dam::release,
            config,
        }
    }

    fn gate(&self, id: &str) -> GateId {
        self.config.basin.gate(id).unwrap()
    }

    fn flow(&self, id: GateId) -> f64 {
        let opening = self.facts[id.0].opening.unwrap();
        structure::flow(&self.config.basin.gates[id.0], opening, Stage::new(LEVEL).unwrap()).get()
    }

    fn pass(&mut self, id: GateId, flow: f64) {
        let gate = &self.config.basin.gates[id.0];
        let wanted = qindan::units::Discharge::new(flow).unwrap();
        let to = structure::opening_for(gate, wanted, Stage::new(LEVEL).unwrap());
        self.facts[id.0].opening = Some(to);
    }

    fn release(&self) -> f64 {
        let outlets = ["zf.eco.v1", "zf.eco.v2", "zf.hp.u1", "zf.hp.u2"];
        self.passes * outlets.iter().map(|id| self.flow(self.gate(id))).sum::<f64>()
    }

    /// Seconds of rest, then what is wished; every wish of a gate that moves by itself is obeyed at once, unless it is less than
    /// the least step of its gate.
    fn minutes(&mut self, minutes: u64, target: f64) -> Vec<(GateId, f64)> {
        let mut moved = Vec::new();
        for _ in 0..minutes * 60 {
            self.second += 1;
            let view = View {
                basin: &self.config.basin,
                facts: &self.facts,
                gates: &self.gates,
                authorities: &self.authorities,
                level: Stage::new(LEVEL).map(|level| (level, level)),
                flow: Some((self.shows)(self)),
                floor: FLOOR,
                setpoint: SETPOINT,
                now: Duration::from_secs(self.second),
                dt: 1.0,
            };
            self.outlets.observe(&view);
            let wishes = self.outlets.wishes(&view, target, &[], self.second.is_multiple_of(60));
            for wish in wishes {
                let Action::Goto(to) = wish.action else { panic!("{wish:?}") };
                if !self.authorities[wish.gate.0].protects() {
                    self.told.push(wish);
                    continue;
                }
                let from = self.facts[wish.gate.0].opening.unwrap();
                let least = self.config.basin.gates[wish.gate.0].min_step;
                if (to.fraction() - from.fraction()).abs() < least {
                    continue;
                }
                self.facts[wish.gate.0].opening = Some(to);
                moved.push((wish.gate, self.flow(wish.gate)));
                assert!(self.release() >= FLOOR, "{} after {moved:?}", self.release());
            }
        }
        moved
    }
}

#[test]
fn the_valve_takes_over_before_the_turbine_gives_up() {
    let mut dam = Dam::new();
    let (valve, unit) = (dam.gate("zf.eco.v1"), dam.gate("zf.hp.u1"));
    dam.pass(valve, 0.1);
    dam.pass(unit, 0.96);
    let target = 1.06;
    let moved = dam.minutes(180, target);
    // 0.01 over the set point is no load for a unit of at least 0.7: it ends shut, and the valve carries the release.
    assert!(dam.flow(unit) < 0.01 && (dam.flow(valve) - target).abs() < 0.04, "{moved:?}");
    // The fall limit of 0.5 m³/s in half an hour: 0.45 at a time makes three exchanges, each valve first.
    let order: Vec<_> = moved.iter().map(|(gate, _)| *gate).collect();
    assert_eq!(order, [valve, unit, valve, unit, valve, unit], "{moved:?}");
    for (before, after) in [(0.96, moved[1].1), (moved[1].1, moved[3].1), (moved[3].1, moved[5].1)] {
        assert!(before - after < 0.451, "{moved:?}");
    }
}

#[test]
fn what_the_turbine_leaves_to_the_valve_outlasts_a_trip() {
    let mut dam = Dam::new();
    let (valve, unit) = (dam.gate("zf.eco.v1"), dam.gate("zf.hp.u1"));
    let carried = |dam: &Dam| dam.flow(valve) + dam.flow(dam.gate("zf.eco.v2"));
    dam.pass(valve, 2.2);
    // 2.2 less the set point of 1.05 and 0.1 of room: the unit takes 1.05.
    let moved = dam.minutes(120, 2.2);
    assert!((dam.flow(unit) - 1.05).abs() < 0.02, "{moved:?}");
    // The release falls bit by bit, as a recession does; half an hour after each step the valve alone keeps the set point,
    // but for the dead band of 0.03 of the trim.
    let mut changes = 0;
    for step in 1..=8 {
        let moved = dam.minutes(45, 2.2 - 0.05 * f64::from(step));
        changes += moved.iter().filter(|(gate, _)| *gate == unit).count();
        assert!(carried(&dam) >= SETPOINT - 0.03, "{} m³/s after {moved:?}", carried(&dam));
    }
    // 0.4 in steps of 0.05, a change for each 0.1 of room at most.
    assert!(changes <= 4, "{changes}");
    // Below 1.75 the rest is less than the 0.7 it runs on.
    let moved = dam.minutes(120, 1.7);
    assert!(dam.flow(unit) < 0.01 && (carried(&dam) - 1.7).abs() < 0.04, "{moved:?}");
}

#[test]
fn a_valve_left_open_by_less_than_a_step_does_not_keep_the_turbine_from_giving_way() {
    let mut dam = Dam::new();
    let (valve, unit) = (dam.gate("zf.eco.v1"), dam.gate("zf.hp.u1"));
    // The outlets pass a quarter more than their equations say, and the meter shows it. 0.99 % of a valve whose least step is
    // 1 %: more than the least action, and yet nothing to shut.
    dam.passes = 1.25;
    dam.facts[valve.0].opening = qindan::units::Opening::from_fraction(0.0099);
    assert!(1.25 * dam.flow(valve) > dam.config.basin.control.min_action.get(), "{}", dam.flow(valve));
    dam.pass(unit, 1.45 / 1.25);
    let moved = dam.minutes(240, 1.05);
    assert!((dam.release() - 1.05).abs() < 0.06, "{} m³/s after {moved:?}", dam.release());
}

#[test]
fn a_meter_that_shows_nothing_does_not_open_the_valves_to_the_full() {
    let mut dam = Dam::new();
    let valve = dam.gate("zf.eco.v1");
    dam.pass(valve, 1.65);
    dam.minutes(60, 1.65);
    dam.shows = |_| 0.0;
    let moved = dam.minutes(180, 1.65);
    // Half as much again as is wanted through the valve, and the set point of the floor through the stand-by, both rounded up to
    // a tenth of a per cent of their stroke: 1.5 · 1.65 + 1.05 = 3.525.
    assert!(dam.release() < 3.6, "{} m³/s after {moved:?}", dam.release());
}

#[test]
fn a_meter_that_shows_a_flood_does_not_shut_the_valve_below_the_floor() {
    let mut dam = Dam::new();
    let valve = dam.gate("zf.eco.v1");
    dam.pass(valve, 1.6);
    dam.shows = |dam| 7.0 * dam.release();
    // Two thirds of the 1.6 that are wanted would be 1.07: more than the set point of 1.05.
    let moved = dam.minutes(180, 1.6);
    assert!(dam.release() >= 1.06, "{} m³/s after {moved:?}", dam.release());
}

/// People shut a tunnel that was open by a tenth: the meter shows ever less above the target, and it is not the valve that gives
/// it. A valve trimmed by it would pass too little when the tunnel is shut.
#[test]
fn while_a_flood_gate_shuts_the_valve_stays_where_it_is() {
    let mut dam = Dam::new();
    let (valve, tunnel) = (dam.gate("zf.eco.v1"), dam.gate("zf.tunnel.g1"));
    let target = 1.06;
    dam.pass(valve, target);
    dam.shows = |dam| dam.release() + dam.flow(dam.gate("zf.tunnel.g1"));
    let mut moved = Vec::new();
    for step in (0..=40).rev() {
        dam.facts[tunnel.0].opening = Some(Opening::clamped(f64::from(step) * 0.0025));
        moved.extend(dam.minutes(3, target));
    }
    moved.extend(dam.minutes(60, target));
    assert!(moved.is_empty(), "{moved:?}");
    // And from then on the meter counts again: 0.06 less is made good.
    dam.pass(valve, target - 0.06);
    let moved = dam.minutes(30, target);
    assert!((dam.release() - target).abs() < 0.03, "{moved:?}");
}

#[test]
fn a_meter_at_the_end_of_its_range_measures_nothing() {
    let dam = Dam::new();
    let basin = &dam.config.basin;
    // q.zf_out shows 50 m³/s at most.
    for (shown, measured) in [(50.0, None), (49.9, Some(49.9)), (0.0, Some(0.0))] {
        assert_eq!(dam.outlets.measured(basin, |_| Some(shown)), measured);
    }
    assert_eq!(dam.outlets.measured(basin, |_| None), None);
}

#[test]
fn a_valve_that_passes_nothing_is_made_good_by_the_stand_by() {
    let mut dam = Dam::new();
    let valve = dam.gate("zf.eco.v1");
    dam.pass(valve, 1.65);
    dam.minutes(60, 1.65);
    // Its stem is broken: whatever its position says, only the stand-by passes.
    dam.shows = |dam| dam.flow(dam.gate("zf.eco.v2"));
    let moved = dam.minutes(10, 1.65);
    let passes = dam.flow(dam.gate("zf.eco.v2"));
    assert!(passes >= FLOOR, "{passes} m³/s after {moved:?}");
}

/// A meter that showed nothing has opened the stand-by, and shows the truth again: what is too much is taken from the stand-by, and
/// the valve stays where it is wanted.
#[test]
fn what_stands_by_goes_before_the_valve() {
    let mut dam = Dam::new();
    let (valve, standby) = (dam.gate("zf.eco.v1"), dam.gate("zf.eco.v2"));
    dam.pass(valve, 1.6);
    dam.pass(standby, 1.7);
    let moved = dam.minutes(30, 1.65);
    // 3.30 pass and 1.65 are wanted: 0.05 are left to the stand-by.
    assert!(moved[0].0 == standby && (moved[0].1 - 0.05).abs() < 0.03, "{moved:?}");
    assert!(moved.iter().all(|(id, flow)| *id == standby || *flow > 1.59), "{moved:?}");
    assert!((dam.release() - 1.65).abs() < 0.06, "{}", dam.release());
}

/// The valve is in advice, or only watched, when the turbine trips: the stand-by passes what the turbine passed, at once. It is not
/// shut again while nobody may take its flow over.
#[test]
fn a_valve_that_does_not_move_by_itself_leaves_the_floor_to_the_stand_by() {
    for authority in [Authority::Advice, Authority::Observe] {
        let mut dam = Dam::new();
        let (valve, stand_by, unit) = (dam.gate("zf.eco.v1"), dam.gate("zf.eco.v2"), dam.gate("zf.hp.u1"));
        dam.authorities[valve.0] = authority;
        dam.pass(valve, 0.1);
        dam.pass(unit, 1.0);
        dam.minutes(30, 1.1);
        dam.facts[unit.0].trip = Some(true);
        dam.facts[unit.0].opening = Some(Opening::SHUT);
        let moved = dam.minutes(3, 1.1);
        assert!(moved.iter().all(|(gate, _)| *gate == stand_by), "{moved:?}");
        // 1.1 wanted less the 0.1 of the valve; at 40 m of head a valve of 1.1 m³/s at 35 m passes 1.18.
        assert!(dam.flow(stand_by) > 0.99 && dam.release() < 1.15, "{moved:?}");
        let moved = dam.minutes(180, 1.1);
        assert!(dam.flow(stand_by) > 0.95, "{moved:?}");
    }
}

/// Neither valve nor stand-by moves by itself: nothing from here holds the floor, and what would is proposed as urgent.
#[test]
fn what_nothing_does_by_itself_is_proposed_as_protection() {
    let mut dam = Dam::new();
    let (valve, stand_by, unit) = (dam.gate("zf.eco.v1"), dam.gate("zf.eco.v2"), dam.gate("zf.hp.u1"));
    for gate in [valve, stand_by] {
        dam.authorities[gate.0] = Authority::Advice;
    }
    dam.pass(valve, 0.1);
    dam.pass(unit, 1.2);
    dam.minutes(30, 1.3);
    dam.told.clear();
    dam.facts[unit.0].trip = Some(true);
    dam.facts[unit.0].opening = Some(Opening::SHUT);
    let moved = dam.minutes(2, 1.3);
    assert!(moved.is_empty(), "{moved:?}");
    for gate in [valve, stand_by] {
        let urgent = dam.told.iter().any(|wish| wish.gate == gate && wish.purpose == Purpose::Protective);
        assert!(urgent, "{gate:?}: {:?}", dam.told);
    }
}
