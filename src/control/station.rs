//! Small power stations: what each owes the river below its weir, whether it may run at all, and whether anybody sees it.

use serde_json::json;

use super::Now;
use super::alarm::Condition;
use super::controller::Controller;
use super::gate::GateFacts;
use super::structure;
use super::watch::{BAND, below};
use crate::basin::{Basin, FixedShape, Gate, GateId, MeterId, MeterKind, Place, PowerStation, StationClass};
use crate::units::{Discharge, Opening, Stage};

/// Share of what its free pipes pass by the formula that a clean pipe passes at least. Assumed: ratings of small pipes
/// and their meters differ by up to a third.
const CLEAN: f64 = 0.7;

/// Whether a station that leaves `flow` below its weir passes on all that comes (来多少泄多少): its units stand, the pond is
/// below its crest, and its free pipes give what they give at that level. What cannot be known counts as no.
pub fn passes_what_comes(
    basin: &Basin,
    facts: &[GateFacts],
    meter: impl Fn(MeterId) -> Option<f64>,
    station: &PowerStation,
    flow: Discharge,
) -> bool {
    let stands = |unit: &crate::basin::GateId| {
        let tolerance = basin.gates.get(unit.0).map_or(0.0, |gate| gate.tolerance);
        facts.get(unit.0).and_then(|f| f.opening).is_some_and(|o| o <= Opening::clamped(tolerance))
    };
    let Some(pond) = station.pond else { return false };
    let level = basin.reservoirs.get(pond.0).and_then(|body| body.level_meter);
    let Some(level) = level.and_then(meter).and_then(Stage::new) else { return false };
    let free = || basin.fixed_openings.iter().filter(|fixed| fixed.from == pond);
    let crest = free().filter(|fixed| matches!(fixed.shape, FixedShape::Crest { .. }));
    let Some(crest) = crest.map(|fixed| fixed.sill).reduce(|a, b| if a < b { a } else { b }) else {
        return false;
    };
    let pipes: f64 = free().map(|fixed| structure::fixed_flow(fixed, level).get()).sum();
    station.units.iter().all(stands) && level < crest && flow.get() >= CLEAN * pipes
}

/// Share of its stop flow below which a running station is told of: gauge and units together are known no better. Assumed.
const SURE: f64 = 0.9;

impl Controller {
    /// Alarms of the small stations.
    pub(super) fn stations(&self, out: &mut Vec<Condition>, now: Now) {
        for station in &self.basin.stations {
            self.unseen(station, out);
            let toe = self.node_flow(station.weir_toe.0, now).flow;
            let running = self.running(station);
            match station.class {
                StationClass::Withdraw => out.extend(running.first().map(|(unit, facts)| {
                    let detail = json!({ "unit": unit.id, "opening": facts.opening });
                    Condition::new("A57", &station.id, detail)
                })),
                StationClass::Keep | StationClass::Rectify => {
                    let carries = toe.zip(self.through(station, &running)).map(|(toe, units)| toe + units);
                    out.extend(carries.filter(|_| !running.is_empty()).and_then(|flow| {
                        let stop = station.stop_below;
                        let detail = json!({ "flow_m3s": flow, "stop_m3s": stop });
                        let told = ("A58", station.id.as_str(), detail);
                        below(told, flow.get(), SURE * stop.get(), (1.0 - SURE) * stop.get())
                    }));
                }
            }
            let Some(flow) = toe else { continue };
            if passes_what_comes(&self.basin, &self.facts, |id| self.meter(id), station, flow) {
                continue;
            }
            let owed = station.min_release;
            let detail = json!({ "flow_m3s": flow, "owed_m3s": owed });
            out.extend(below(("A40", &station.id, detail), flow.get(), owed.get(), BAND * owed.get()));
        }
    }

    /// The meter below a weir is lost: nobody sees whether the minimum release passes. Without the network all are.
    fn unseen(&self, station: &PowerStation, out: &mut Vec<Condition>) {
        let toe = Place::Node(station.weir_toe);
        let meters = self.basin.meters.iter().enumerate();
        let mut meters = meters.filter(|(_, meter)| meter.kind == MeterKind::RiverFlow && meter.at == toe);
        let Some((at, meter)) = meters.next() else { return };
        // One of a section with a floor has its own alarm.
        let is_told =
            |section: &crate::basin::Section| section.meter == MeterId(at) && section.floor.is_some();
        let reading = self.meter_reading(MeterId(at));
        if reading.usable().is_none() && !self.basin.sections.iter().any(is_told) {
            let detail = json!({ "last_m3s": reading.last_good, "reason": reading.reason });
            out.push(Condition::new("A59", &meter.id, detail).under("A42:".into()));
        }
    }

    /// Units that are known to run.
    fn running(&self, station: &PowerStation) -> Vec<(&Gate, &GateFacts)> {
        let unit = |id: &GateId| Some((self.basin.gates.get(id.0)?, self.facts.get(id.0)?));
        let runs = |(gate, facts): &(&Gate, &GateFacts)| {
            facts.opening.is_some_and(|opening| opening > Opening::clamped(gate.tolerance))
        };
        station.units.iter().filter_map(unit).filter(runs).collect()
    }

    /// What running units pass; `None` when nobody knows the level above them.
    fn through(&self, station: &PowerStation, running: &[(&Gate, &GateFacts)]) -> Option<Discharge> {
        let meter = self.basin.reservoirs.get(station.pond?.0)?.level_meter?;
        let level = Stage::new(self.meter(meter)?)?;
        let passes = |(gate, facts): &(&Gate, &GateFacts)| {
            structure::flow(gate, facts.opening.unwrap_or(Opening::SHUT), level)
        };
        Some(running.iter().map(passes).sum())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::Timestamp;

    use super::super::quality::{Quality, Reading};
    use super::super::{Settings, Snapshot};
    use super::*;

    struct Story {
        controller: Controller,
        now: Now,
    }

    impl Story {
        /// The shipped basin after its first tick, in which nothing was read.
        fn begin() -> Self {
            let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
            let config = crate::config::load(&folder).unwrap();
            let utc: Timestamp = "2026-05-18T02:00:00Z".parse().unwrap();
            let mut controller = Controller::new(&config, Settings::default(), None, utc);
            let now = Now { mono: Duration::ZERO, utc };
            controller.decide(&Snapshot::default(), now);
            Self { controller, now }
        }

        /// A meter shows a value; `None`: it is lost.
        fn shows(&mut self, meter: &str, value: Option<f64>) -> &mut Self {
            let id = self.controller.basin.meters.iter().position(|one| one.id == meter).unwrap();
            let point = self.controller.field.wiring.meters[id].unwrap();
            let quality = if value.is_some() { Quality::Good } else { Quality::Bad };
            self.controller.readings[point.0] = Reading { value, quality, ..Reading::NEVER };
            self
        }

        fn opens(&mut self, gate: &str, opening: f64) -> &mut Self {
            let id = self.controller.basin.gate(gate).unwrap();
            self.controller.facts[id.0].opening = Opening::from_fraction(opening);
            self
        }

        /// Conditions of one alarm: their elements, and whether they lie in the dead band.
        fn told(&self, alarm: &str) -> Vec<(String, bool)> {
            let mut out = Vec::new();
            self.controller.stations(&mut out, self.now);
            let of = out.into_iter().filter(|one| one.id == alarm);
            of.map(|one| (one.element, one.in_band)).collect()
        }
    }

    fn only(element: &str, in_band: bool) -> Vec<(String, bool)> {
        vec![(element.to_owned(), in_band)]
    }

    #[test]
    fn a_withdrawn_station_must_stand() {
        let mut story = Story::begin();
        assert_eq!(story.told("A57"), []);
        // Its tolerance is 1 %.
        assert_eq!(story.opens("hp.longqu3.u1", 0.01).told("A57"), []);
        assert_eq!(story.opens("hp.longqu3.u1", 0.3).told("A57"), only("hp.longqu3", false));
        assert_eq!(story.opens("hp.longqu2.u1", 0.3).told("A57"), only("hp.longqu3", false));
        // It says more than that the river carries too little.
        story.shows("q.longqu3_eco", Some(0.2)).shows("z.longqu3", Some(769.0));
        assert_eq!(story.told("A58"), []);
    }

    #[test]
    fn a_station_stands_while_the_river_carries_less_than_its_stop_flow() {
        // Wu'an stops below 2.5 m³/s; a unit passes 5 m³/s fully open under 9 m: with the pond 9 m above the outlet, 526.2 m, and
        // opened to a fifth, 1 m³/s.
        let mut story = Story::begin();
        story.shows("z.wuan", Some(535.2)).shows("q.wuan_eco", Some(1.2));
        assert_eq!(story.told("A58"), [], "nothing runs");
        story.opens("hp.wuan.u1", 0.2);
        assert_eq!(story.told("A58"), only("hp.wuan", false), "2.2 of 2.25");
        story.shows("q.wuan_eco", Some(1.3));
        assert_eq!(story.told("A58"), only("hp.wuan", true), "2.3 of 2.5");
        story.shows("q.wuan_eco", Some(1.6));
        assert_eq!(story.told("A58"), [], "2.6");
        // Without the level nobody knows what the unit passes.
        story.shows("q.wuan_eco", Some(1.2)).shows("z.wuan", None);
        assert_eq!(story.told("A58"), []);
    }

    #[test]
    fn a_lost_meter_below_a_weir_is_told() {
        let mut story = Story::begin();
        let eco = ["wuan", "yuchi", "duhe", "longqu1", "longqu2", "longqu3"].map(|id| format!("q.{id}_eco"));
        for meter in &eco {
            story.shows(meter, Some(1.5));
        }
        assert_eq!(story.told("A59"), []);
        assert_eq!(story.shows("q.yuchi_eco", None).told("A59"), only("q.yuchi_eco", false));
    }

    #[test]
    fn what_is_owed_below_a_weir_is_watched_with_its_dead_band() {
        // Yuchi owes 1.2 m³/s at the toe of its weir, its dead band is 3 % of it.
        let mut story = Story::begin();
        // The pond stands over its crest, so that water is held back by nothing but the station.
        story.shows("z.yuchi", Some(515.9));
        for (flow, told) in [(1.19, only("hp.yuchi", false)), (1.22, only("hp.yuchi", true)), (1.24, vec![])]
        {
            let found = story.shows("q.yuchi_eco", Some(flow)).told("A40");
            assert_eq!(found.iter().filter(|(id, _)| id == "hp.yuchi").cloned().collect::<Vec<_>>(), told);
        }
        // 来多少泄多少: the units stand, the pond is below its crest of 515.8 m, its free pipe gives what it gives.
        for unit in ["hp.yuchi.u1", "hp.yuchi.u2"] {
            story.opens(unit, 0.0);
        }
        story.shows("z.yuchi", Some(515.5)).shows("q.yuchi_eco", Some(1.19));
        assert!(story.told("A40").iter().all(|(id, _)| id != "hp.yuchi"));
        story.opens("hp.yuchi.u1", 0.3);
        assert!(story.told("A40").iter().any(|(id, _)| id == "hp.yuchi"));
    }
}
