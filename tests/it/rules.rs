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
use qindan::control::rules;
use qindan::control::station::passes_what_comes;
use qindan::units::{Discharge, Opening};

use crate::fixture::SHUT_AT_REST;

/// A moment at Wu'an.
struct Moment {
    /// Level of the pond, m.
    level: f64,
    /// What is owed to the sections below, m³/s.
    owed: f64,
    /// Opening of the first turbine and of the first sluice, fraction.
    turbine: f64,
    sluice: f64,
}

impl Moment {
    /// Where the first sluice is wished to go.
    fn wish(&self, config: &Config) -> Option<f64> {
        let basin: &Basin = &config.basin;
        let sluice = basin.gate("wa.sluice.g1").unwrap();
        let wuan = basin.reservoirs.iter().position(|r| r.id == "wuan").unwrap();
        let meter = basin.reservoirs[wuan].level_meter;
        let mut facts = vec![SHUT_AT_REST; basin.gates.len()];
        let mut stand = |gate: GateId, at: f64| facts[gate.0].opening = Some(Opening::clamped(at));
        stand(basin.gate("hp.wuan.u1").unwrap(), self.turbine);
        stand(sluice, self.sluice);
        let meter = |id| (Some(id) == meter).then_some(self.level);
        let owed = |pond: ReservoirId| (pond.0 == wuan).then_some(self.owed);
        wished(config, sluice, "2026-05-01T00:00:00Z", &facts, &meter, &owed)
    }
}

/// Where the rules wish `gate` to go at `utc`, a day after the start, when meters show and ponds owe this.
fn wished(
    config: &Config,
    gate: GateId,
    utc: &str,
    facts: &[GateFacts],
    meter: &dyn Fn(MeterId) -> Option<f64>,
    owed: &dyn Fn(ReservoirId) -> Option<f64>,
) -> Option<f64> {
    let scene = rules::Scene {
        basin: &config.basin,
        schedules: &Schedules::default(),
        meter,
        owed,
        facts,
        gates: &vec![GateMemory::default(); config.basin.gates.len()],
        now: Duration::from_secs(86_400),
        utc: utc.parse().unwrap(),
        flood_season: false,
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
    let crest = Moment { level: 535.2, owed: 2.16, turbine: 0.0, sluice: 0.0 };
    // 2.160 − 0.895 = 1.265 of 34.65.
    let to = crest.wish(&config).unwrap();
    assert!((to - 0.0365).abs() < 2e-4, "{to}");
    // A unit of 5 m³/s half open passes 2.5 at its rated head of 9 m: only the toe's 1.0 is owed, 0.105 is missing.
    let to = Moment { turbine: 0.5, ..crest }.wish(&config).unwrap();
    assert!((to - 0.0030).abs() < 2e-4, "{to}");
    // 20 cm down the pond gives its minimum release alone: 0.766 by the pipe, 0.234 of 0.6 · 10 · √(2 · 9.81 · 1.5).
    let to = Moment { level: 535.0, ..crest }.wish(&config).unwrap();
    assert!((to - 0.0072).abs() < 2e-4, "{to}");
}

#[test]
fn an_open_sluice_shuts_when_the_rest_does_it() {
    let config = shipped();
    // 8 cm over the crest of 60 m: 1.7 · 60 · 0.08^1.5 = 2.308 and the pipe's 0.94; owed are 2.16.
    let over = Moment { level: 535.28, owed: 2.16, turbine: 0.0, sluice: 0.04 };
    assert_eq!(over.wish(&config), Some(0.0));
    // At 3 cm, 0.530 and 0.912: the sluice is still wanted, and near enough to what is owed.
    assert_eq!(Moment { level: 535.23, sluice: 0.021, ..over }.wish(&config), None);
    // With a unit running the toe's 1.0 is all that is owed, which crest and pipe pass.
    assert_eq!(Moment { level: 535.23, turbine: 0.5, sluice: 0.021, ..over }.wish(&config), Some(0.0));
}

/// Longqu 1 by hand: the eco pipe of 0.35 m has its axis at 828.505 m; with the pond at 828.80 m it passes
/// 0.606 · 0.09621 m² · √(2 · 9.81 · 0.295) = 0.1403 m³/s of the 0.18 owed. The crest stands at 829.00 m.
/// Where the head gate of the main canal is wished to go in a February, 4.29 m³/s passing at 11.5 %: 0.8 for the first trunk
/// (households) and 3.49 for the transfer (households 1.2, industry 1.2, the Dan 1.09).
fn canal_at(config: &Config, level: Option<f64>) -> Option<f64> {
    let basin: &Basin = &config.basin;
    let head = basin.gate("zf.canal.g1").unwrap();
    let zhangfeng = basin.reservoirs.iter().find(|r| r.id == "zhangfeng").unwrap();
    let mut facts = vec![SHUT_AT_REST; basin.gates.len()];
    facts[head.0].opening = Some(Opening::clamped(0.115));
    let meter = |id| if Some(id) == zhangfeng.level_meter { level } else { Some(4.29) };
    wished(config, head, "2026-02-10T00:00:00Z", &facts, &meter, &|_| None)
}

/// The order of the law: the supplement of the Dan first, then industry, households at the dead level; over the last
/// decimetre a part of it. An opening passes in proportion.
#[test]
fn a_low_reservoir_cuts_its_uses_in_their_order() {
    let config = shipped();
    for (level, left) in [(733.4, 3.2), (731.05, 0.8 + 1.2 + 0.6), (730.5, 2.0), (730.05, 1.0), (729.9, 0.0)]
    {
        let to = canal_at(&config, Some(level)).unwrap();
        assert!((to - 0.115 * left / 4.29).abs() < 1e-6, "{level} m: {to}");
    }
    assert_eq!(canal_at(&config, Some(740.0)), None);
}

#[test]
fn a_reservoir_of_unknown_level_moves_no_head_gate() {
    assert_eq!(canal_at(&shipped(), None), None);
}

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
