//! What the sluice of a pond weir is asked to pass, and what a canal head, against sums by hand on the shipped basin.
//!
//! Wu'an with the water at its crest, 535.20 m: nothing over the crest; by the eco pipe of 0.7 m bore, axis at 534.45 m,
//! 0.606 · 0.38485 m² · √(2 · 9.81 · 0.75) = 0.895 m³/s. The sand sluice, 4 m wide and 2.5 m high, sill at 533.5 m,
//! passes 0.6 · 4 · 2.5 · √(2 · 9.81 · 1.70) = 34.65 m³/s for its whole stroke.

use std::path::Path;
use std::time::Duration;

use qindan::basin::{Basin, GateId, MeterId, ReservoirId};
use qindan::config::{self, Config, Schedules};
use qindan::control::command::Action;
use qindan::control::gate::{GateFacts, GateMemory};
use qindan::control::rules::{self, Owing};
use qindan::control::schedule::steps::Memory;
use qindan::control::station::passes_what_comes;
use qindan::units::{Discharge, Opening};

use crate::fixture::SHUT_AT_REST;

/// A moment at Wu'an.
struct Moment {
    /// Level of the pond, m.
    level: f64,
    /// What is owed to the sections below, m³/s, and what comes to the pond.
    owed: f64,
    comes: f64,
    /// What it gave lately of its own.
    gives: Option<f64>,
    /// Opening of the first turbine and of the first sluice, fraction.
    turbine: f64,
    sluice: f64,
}

impl Moment {
    /// Where the first sluice is wished to go, a long time after its last move.
    fn wish(&self, config: &Config) -> Option<f64> {
        self.wish_after(config, None)
    }

    /// The same so many minutes after its last move.
    fn wish_after(&self, config: &Config, minutes: Option<u64>) -> Option<f64> {
        let basin: &Basin = &config.basin;
        let sluice = basin.gate("wa.sluice.g1").unwrap();
        let wuan = basin.reservoirs.iter().position(|r| r.id == "wuan").unwrap();
        let meter = basin.reservoirs[wuan].level_meter;
        let mut facts = vec![SHUT_AT_REST; basin.gates.len()];
        let mut stand = |gate: GateId, at: f64| facts[gate.0].opening = Some(Opening::clamped(at));
        stand(basin.gate("hp.wuan.u1").unwrap(), self.turbine);
        stand(sluice, self.sluice);
        let meter = |id| (Some(id) == meter).then_some(self.level);
        let owing = Owing {
            passed: self.owed.min(self.comes),
            lent: self.owed,
            comes: self.comes,
            gives: self.gives,
        };
        let owed = |pond: ReservoirId| (pond.0 == wuan).then_some(owing);
        let mut gates = vec![GateMemory::default(); basin.gates.len()];
        let moved = minutes.map(|minutes| NOW.saturating_sub(Duration::from_secs(60 * minutes)));
        gates[sluice.0].last_move = moved.map(|at| (at, 1));
        wished(config, sluice, "2026-05-01T00:00:00Z", (&facts, &gates), &meter, &owed)
    }
}

/// A day after the start.
const NOW: Duration = Duration::from_secs(86_400);

/// Where the rules wish `gate` to go at `utc`, a day after the start, when meters show and ponds owe this.
fn wished(
    config: &Config,
    gate: GateId,
    utc: &str,
    (facts, gates): (&[GateFacts], &[GateMemory]),
    meter: &dyn Fn(MeterId) -> Option<f64>,
    owed: &dyn Fn(ReservoirId) -> Option<Owing>,
) -> Option<f64> {
    let scene = rules::Scene {
        basin: &config.basin,
        schedules: &Schedules::default(),
        calendar: &Memory::default(),
        meter,
        owed,
        facts,
        gates,
        now: NOW,
        utc: utc.parse().unwrap(),
        flood_season: false,
        tickets: &qindan::control::ticket::Tickets::default(),
    };
    let wish = rules::wishes(&scene).into_iter().find(|wish| wish.gate == gate)?;
    match wish.action {
        Action::Goto(to) => Some(to.fraction()),
        Action::Stop => panic!("{wish:?}"),
    }
}

fn shipped() -> Config {
    config::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("config")).unwrap()
}

#[test]
fn a_sluice_makes_up_what_stopped_turbines_leave_owed() {
    let config = shipped();
    let crest = Moment { level: 535.2, owed: 2.16, comes: 2.16, gives: None, turbine: 0.0, sluice: 0.0 };
    // 2.160 − 0.895 = 1.265 of 34.65.
    let to = crest.wish(&config).unwrap();
    assert!((to - 0.0365).abs() < 2e-4, "{to}");
    // A unit of 5 m³/s half open passes 2.5 at its rated head of 9 m: only the toe's 1.0 is owed, 0.105 is missing.
    let to = Moment { turbine: 0.5, ..crest }.wish(&config).unwrap();
    assert!((to - 0.0030).abs() < 2e-4, "{to}");
}

/// Until the sluice has rested for half an hour it waits, unless the units have stopped and more than a fifth is missing: 0.895
/// are 41 % of 2.16, and 81 % of 1.10.
#[test]
fn a_sluice_does_not_rest_while_stopped_turbines_let_the_pond_fill() {
    let config = shipped();
    let crest = Moment { level: 535.2, owed: 2.16, comes: 2.16, gives: None, turbine: 0.0, sluice: 0.0 };
    let to = crest.wish_after(&config, Some(6)).unwrap();
    assert!((to - 0.0365).abs() < 2e-4, "{to}");
    assert_eq!(crest.wish_after(&config, Some(4)), None, "its stroke may not have shown yet");
    let little = Moment { owed: 1.10, comes: 1.10, ..crest };
    assert_eq!(little.wish_after(&config, Some(6)), None);
    assert!(little.wish_after(&config, Some(30)).is_some());
    // A unit runs: 0.895 of the toe's 1.0 pass the weir.
    assert_eq!(Moment { turbine: 0.5, ..crest }.wish_after(&config, Some(6)), None);
    // Nothing shuts before it has rested: 8 cm over the crest pass more than twice of what is owed.
    let over = Moment { level: 535.28, owed: 1.6, comes: 1.6, gives: None, turbine: 0.0, sluice: 0.04 };
    assert_eq!(over.wish_after(&config, Some(6)), None);
    assert_eq!(over.wish_after(&config, Some(30)), Some(0.0));
}

/// The pond gives of its own down to 534.50 m, all of what is missing from 534.70 m on, and passes on what comes down to 534.30 m.
#[test]
fn a_pond_gives_of_its_own_what_a_section_would_miss() {
    let config = shipped();
    let short = Moment { level: 535.0, owed: 2.16, comes: 1.8, gives: None, turbine: 0.0, sluice: 0.0 };
    // 0.36 more than comes leaves for half an hour: 648 m³ of 35 000 m² are 1.85 cm, half of it 0.93 cm. At 534.9907 m the pipe
    // passes 0.606 · 0.38485 · √(2 · 9.81 · 0.5407) = 0.760; 1.400 of 0.6 · 10 · √(2 · 9.81 · 1.4907) = 32.45.
    let to = short.wish(&config).unwrap();
    assert!((to - 0.0431).abs() < 3e-4, "{to}");
    // Half way through the last two decimetres half of it: 1.98. The decimetre below 534.60 m has 2500 m³, 25 000 m²: half of
    // 324 m³ are 0.65 cm; the pipe gives 0.606 · 0.38485 · √(2 · 9.81 · 0.1435) = 0.391, 1.589 of 0.6 · 10 · √(2 · 9.81 · 1.0935) =
    // 27.79.
    let to = Moment { level: 534.6, ..short }.wish(&config).unwrap();
    assert!((to - 0.0572).abs() < 4e-4, "{to}");
    // Below, what comes alone: at 534.45 m the pipe's axis lies in the water's surface, 1.8 of 0.6 · 10 · √(2 · 9.81 · 0.95) = 25.90.
    let to = Moment { level: 534.45, ..short }.wish(&config).unwrap();
    assert!((to - 0.0695).abs() < 4e-4, "{to}");
}

/// The dam counts on what the pond lets through, so that a few hundredths held back are a few hundredths missing, also when all
/// that is owed comes. 2.052 by the formulas are 3 % less than the 2.12 owed: half a step more than what is missing, 0.149 of 32.55.
#[test]
fn a_pond_that_lends_keeps_nothing_back_of_what_comes() {
    let config = shipped();
    let short = Moment { level: 535.0, owed: 2.12, comes: 2.2, gives: None, turbine: 0.0, sluice: 0.0395 };
    let to = short.wish(&config).unwrap();
    assert!((to - 0.0441).abs() < 3e-4, "{to}");
    // Less than a hundredth is left.
    assert_eq!(Moment { owed: 2.07, ..short }.wish(&config), None);
}

#[test]
fn a_pond_that_has_given_fills_from_what_is_not_needed() {
    let config = shipped();
    // At 535.0 m the pipe passes 0.766 and the sluice at 0.06 of 32.54 another 1.952: 0.618 more than the 2.1 owed. Half a step of
    // half a percent, 0.081, is left on top.
    let over = Moment { level: 535.0, owed: 2.1, comes: 2.6, gives: None, turbine: 0.0, sluice: 0.06 };
    let to = over.wish(&config).unwrap();
    assert!((to - 0.0435).abs() < 3e-4, "{to}");
    // A step more than is owed, 0.163, it stays: one step down may be one and a half.
    assert_eq!(Moment { sluice: 0.0460, ..over }.wish(&config), None);
}

/// Formulas and gates have their tolerances; water that stays in the pond has not passed the weir.
#[test]
fn what_the_level_says_has_the_last_word_on_what_passes() {
    let config = shipped();
    // The pipe's 0.766 and the sluice's 0.0395 · 32.55 = 1.286 make 2.05 by the formulas, near enough to the 2.06 owed. 2.0 come and
    // 0.15 of it stay: 1.85 passed. 0.21 are missing, and half a step of half a percent, 0.081, is given on top: 0.0090 of the
    // stroke. The water sinks by half of 0.06 · 1800 / 35 000 m, which takes 0.002 m³/s.
    let still = Moment { level: 535.0, owed: 2.06, comes: 2.0, gives: None, turbine: 0.0, sluice: 0.0395 };
    assert_eq!(still.wish(&config), None);
    let to = Moment { gives: Some(-0.15), ..still }.wish(&config).unwrap();
    assert!((to - 0.0485).abs() < 3e-4, "{to}");
    // A gauge that lets a flood come that does not shuts nothing.
    let flood = Moment { comes: 20.0, gives: Some(0.0), ..still };
    assert_eq!(flood.wish(&config), None);
}

#[test]
fn an_open_sluice_shuts_when_the_rest_does_it() {
    let config = shipped();
    // 8 cm over the crest of 60 m: 1.7 · 60 · 0.08^1.5 = 2.308 and the pipe's 0.94; owed are 1.6, of which twice is not more.
    let over = Moment { level: 535.28, owed: 1.6, comes: 1.6, gives: None, turbine: 0.0, sluice: 0.04 };
    assert_eq!(over.wish(&config), Some(0.0));
    // With 2.16 owed the water that a wave leaves behind it is waited for.
    assert_eq!(Moment { owed: 2.16, comes: 2.16, ..over }.wish(&config), None);
    // At 3 cm, 0.530 and 0.912; with a unit running the toe's 1.0 is all that is owed, which crest and pipe pass.
    assert_eq!(Moment { level: 535.23, turbine: 0.5, sluice: 0.021, ..over }.wish(&config), Some(0.0));
}

/// Where the head gate of the main canal is wished to go in a February, 3.96 m³/s passing at 11.5 %: 0.8 for the first trunk
/// (households) and 3.16 for the transfer (households 1.2, industry 1.2, the Dan 0.76).
fn canal_at(config: &Config, level: Option<f64>) -> Option<f64> {
    let basin: &Basin = &config.basin;
    let head = basin.gate("zf.canal.g1").unwrap();
    let zhangfeng = basin.reservoirs.iter().find(|r| r.id == "zhangfeng").unwrap();
    let mut facts = vec![SHUT_AT_REST; basin.gates.len()];
    facts[head.0].opening = Some(Opening::clamped(0.115));
    let meter = |id| if Some(id) == zhangfeng.level_meter { level } else { Some(3.96) };
    let rested = vec![GateMemory::default(); basin.gates.len()];
    wished(config, head, "2026-02-10T00:00:00Z", (&facts, &rested), &meter, &|_| None)
}

/// The order of the law: the supplement of the Dan first, then industry, households at the dead level; over the last
/// decimetre a part of it. An opening passes in proportion.
#[test]
fn a_low_reservoir_cuts_its_uses_in_their_order() {
    let config = shipped();
    for (level, left) in [(733.4, 3.2), (731.05, 0.8 + 1.2 + 0.6), (730.5, 2.0), (730.05, 1.0), (729.9, 0.0)]
    {
        let to = canal_at(&config, Some(level)).unwrap();
        assert!((to - 0.115 * left / 3.96).abs() < 1e-6, "{level} m: {to}");
    }
    assert_eq!(canal_at(&config, Some(740.0)), None);
}

#[test]
fn a_reservoir_of_unknown_level_moves_no_head_gate() {
    assert_eq!(canal_at(&shipped(), None), None);
}

/// A gate and what is read around it, in May: no other meter shows anything.
fn moved(config: &Config, gate: &str, opening: f64, shown: &[(&str, f64)], rested_min: u64) -> Option<f64> {
    let basin: &Basin = &config.basin;
    let id = basin.gate(gate).unwrap();
    let mut facts = vec![SHUT_AT_REST; basin.gates.len()];
    facts[id.0].opening = Some(Opening::clamped(opening));
    let meter = |of: MeterId| {
        let name = basin.meters[of.0].id.as_str();
        shown.iter().find(|(meter, _)| *meter == name).map(|(_, value)| *value)
    };
    let mut gates = vec![GateMemory::default(); basin.gates.len()];
    gates[id.0].last_move = Some((NOW.saturating_sub(Duration::from_secs(60 * rested_min)), 1));
    wished(config, id, "2026-05-10T00:00:00Z", (&facts, &gates), &meter, &|_| None)
}

/// Where a wetland's inlet at a tenth of its stroke goes: Xuezhuang, design 0.25, survival 0.06 m³/s, highest level 701.8 m. What
/// passes grows in proportion to the opening.
#[test]
fn a_wetland_gets_its_design_demand_and_above_its_highest_level_what_keeps_it_alive() {
    let config = shipped();
    let inlet = |level: Option<f64>, flow: Option<f64>| {
        let level = level.map(|level| ("z.wl.xuezhuang", level));
        let flow = flow.map(|flow| ("q.wetland.xuezhuang", flow));
        moved(&config, "xz.canal", 0.1, &level.into_iter().chain(flow).collect::<Vec<_>>(), 60)
    };
    let near = |to: Option<f64>, wanted: f64| to.is_some_and(|to| (to - wanted).abs() < 1e-9);
    // 0.25 / 0.20 of a tenth.
    assert!(near(inlet(Some(701.5), Some(0.20)), 0.125));
    assert!(near(inlet(Some(701.8), Some(0.20)), 0.125), "at its highest level");
    // 0.06 / 0.20 of a tenth.
    assert!(near(inlet(Some(701.81), Some(0.20)), 0.03));
    // A twentieth is left alone: 0.0125 of 0.25.
    assert_eq!(inlet(Some(701.5), Some(0.238)), None);
    assert!(inlet(Some(701.5), Some(0.237)).is_some());
    // Of an unknown level it is not said that it is full; of an unknown flow nothing is said.
    assert!(near(inlet(None, Some(0.20)), 0.125));
    assert_eq!(inlet(Some(701.5), None), None);
    // A tenth of the stroke at a time, and half an hour between two moves.
    assert!(near(inlet(Some(701.5), Some(0.02)), 0.2));
    let dry = [("z.wl.xuezhuang", 701.5), ("q.wetland.xuezhuang", 0.0)];
    assert!(near(moved(&config, "xz.canal", 0.0, &dry, 60), 0.1));
    assert_eq!(moved(&config, "xz.canal", 0.0, &dry, 29), None);
    assert!(near(moved(&config, "xz.canal", 0.0, &dry, 30), 0.1));
}

/// Shicongtou 2 has two inlets and one meter of both: each counts for half of the 0.20 m³/s it wants.
#[test]
fn two_inlets_share_the_demand_of_their_wetland() {
    let config = shipped();
    let shown = [("z.wl.shicongtou2", 610.8), ("q.wetland.shicongtou2", 0.16)];
    for gate in ["sct.inlet.g1", "sct.inlet.g2"] {
        // 0.10 / 0.08 of a fifth.
        let to = moved(&config, gate, 0.2, &shown, 60).unwrap();
        assert!((to - 0.25).abs() < 1e-9, "{gate}: {to}");
    }
}

/// The flap of Xuezhuang keeps 702.2 m within a decimetre, by a quarter of the stroke for each metre it is off, a twentieth at most.
#[test]
fn a_flap_keeps_the_level_of_its_pond_and_does_not_hunt() {
    let config = shipped();
    let flap = |level: f64, rested: u64| moved(&config, "xz.flap", 0.2, &[("z.xuezhuang", level)], rested);
    for level in [702.2, 702.29, 702.11] {
        assert_eq!(flap(level, 60), None, "{level} m");
    }
    for (level, to) in [(702.32, 0.23), (702.08, 0.17), (702.6, 0.25), (701.9, 0.15)] {
        let found = flap(level, 60).unwrap();
        assert!((found - to).abs() < 1e-6, "{level} m: {found}");
    }
    assert_eq!(flap(702.6, 29), None, "its last move has not shown yet");
    assert_eq!(moved(&config, "xz.flap", 0.2, &[], 60), None, "without its level it holds");
    // What the water moves by itself is asked for nothing.
    assert_eq!(moved(&config, "sct.flap1", 0.2, &[("z.shicongtou1", 615.0)], 60), None);
}

/// Longqu 1 by hand: the eco pipe of 0.35 m has its axis at 828.505 m; with the pond at 828.80 m it passes
/// 0.606 · 0.09621 m² · √(2 · 9.81 · 0.295) = 0.1403 m³/s of the 0.18 owed. The crest stands at 829.00 m.
#[test]
fn a_station_that_stands_and_leaves_what_comes_holds_nothing_back() {
    let config = shipped();
    let basin: &Basin = &config.basin;
    let station = basin.stations.iter().find(|s| s.id == "hp.longqu1").unwrap();
    let unit = basin.gate("hp.longqu1.u1").unwrap();
    let passes = |level: Option<f64>, turbine: Option<f64>, flow: f64| {
        let mut facts = vec![SHUT_AT_REST; basin.gates.len()];
        facts[unit.0].opening = turbine.map(Opening::clamped);
        let flow = Discharge::new(flow).unwrap();
        passes_what_comes(basin, &facts, |_| level, station, flow)
    };
    assert!(passes(Some(828.80), Some(0.0), 0.14));
    assert!(!passes(Some(828.80), Some(0.5), 0.14), "its unit takes the rest");
    assert!(!passes(Some(828.80), None, 0.14), "nobody knows what its unit does");
    assert!(!passes(Some(828.80), Some(0.0), 0.05), "the pipe is clogged and the pond fills");
    assert!(!passes(Some(829.02), Some(0.0), 0.14), "the water stands over the crest and does not arrive");
    assert!(!passes(None, Some(0.0), 0.14), "the level is not known");
}
