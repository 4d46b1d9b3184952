//! Conditions of the alarm list, from this tick's readings and states.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::alarm::Condition;
use super::controller::{Controller, due_after};
use super::dispatch;
use super::estimate::{self, Ahead};
use super::operator::{Authority, Mode};
use super::publish::FORECAST_H;
use super::record::{Entry, Kind};
use super::status::Rung;
use super::{Decision, Now};
use crate::basin::{Actuation, Duty, GateId, MeterId, SectionId};
use crate::units::{Discharge, Opening};

/// Period of the alarm conditions, s.
const PERIOD_S: f64 = 5.0;

/// Bins after which a section is promised its flow anew: an hour.
const BINS_AN_HOUR: u32 = 6;

/// Failed sign-ins within five minutes that are told. Source: page notes, A27.
const SIGN_INS: u32 = 5;

/// Steps a foreseen flow is the mean of: three hours, as a promise is held against. A dip of minutes at the dam is flat
/// after a day of travel, and the
/// forecast knows no dispersion. Assumed.
const LOOKS: usize = 7;

/// Dead band of a flow, share of its limit. Source: list of alarms of the page's design.
pub(super) const BAND: f64 = 0.03;

/// Dead band of a level, m. Source: as [`BAND`].
const LEVEL_BAND: f64 = 0.02;

/// The condition of an alarm when `value` lies below `limit`, or within the `band` above it.
pub(super) fn below(
    (id, element, detail): (&'static str, &str, serde_json::Value),
    value: f64,
    limit: f64,
    band: f64,
) -> Option<Condition> {
    let condition = Condition::new(id, element, detail);
    (value < limit + band).then_some(Condition { in_band: value >= limit, ..condition })
}

/// Least flow foreseen at a far section.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Foreseen {
    section: SectionId,
    /// When, hours from then.
    ahead_h: f64,
    /// Mean over three hours, m³/s.
    flow: f64,
    /// It has fallen below what is tolerated and has not come back to the floor since.
    is_told: bool,
}

/// Flow under which a floor counts as undercut, m³/s. Source: product notes, rounding of measured flows.
fn tolerated(floor: f64) -> f64 {
    floor - (0.005 * floor).max(0.001)
}

impl Controller {
    /// Evaluates the conditions and records what changed.
    pub(super) fn watch(&mut self, decision: &mut Decision, now: Now) {
        if now.mono < self.next_watch {
            return;
        }
        let since = now.mono.saturating_sub(self.next_watch) + Duration::from_secs_f64(PERIOD_S);
        self.next_watch = due_after(self.next_watch, PERIOD_S, now.mono);
        let mut conditions = Vec::new();
        self.sections(&mut conditions, now);
        self.structures(&mut conditions, now);
        self.away(&mut conditions);
        self.fallbacks(&mut conditions);
        self.service(&mut conditions);
        self.foretold(&mut conditions, now);
        self.calendar_conditions(&mut conditions);
        self.water(&mut conditions, now);
        self.stations(&mut conditions, now);
        self.warn(&mut conditions, since, decision, now);
        self.pollution(&mut conditions, now);
        for change in self.carry.alarms.advance(conditions, since, now.utc) {
            let mut entry = Entry::new(Kind::Alarm, "service");
            entry.detail = serde_json::to_value(&change).ok();
            decision.entries.push(entry);
        }
    }

    fn sections(&self, out: &mut Vec<Condition>, now: Now) {
        let date = self.basin.date_at(now.utc);
        for section in &self.basin.sections {
            let Some(floor) = section.floor_on(date) else { continue };
            let reading = self.meter_reading(section.meter);
            let meter = self.basin.meters.get(section.meter.0).map(|m| m.id.clone()).unwrap_or_default();
            match reading.usable() {
                Some(flow) => {
                    let detail = json!({ "flow_m3s": flow, "floor_m3s": floor });
                    out.extend(below(("A01", &section.id, detail), flow, floor.get(), BAND * floor.get()));
                }
                None => out.push(Condition::new(
                    "A09",
                    meter,
                    json!({ "last_m3s": reading.last_good, "reason": reading.reason }),
                )),
            }
        }
        for low in &self.foreseen {
            let Some(section) = self.basin.sections.get(low.section.0) else { continue };
            let Some(floor) = section.floor_on(date) else { continue };
            if low.is_told {
                let detail = json!({ "flow_m3s": low.flow, "floor_m3s": floor, "in_h": low.ahead_h });
                // What is there need not be foretold.
                let parent = format!("A01:{}", section.id);
                out.push(Condition::new("A03", &section.id, detail).under(parent));
            }
        }
    }

    /// Looks ahead of the release as it stands until the water that leaves now arrives: least flow at each far section,
    /// and when. What comes later is decided later. Once a bin is enough, since the memory of the river moves in bins.
    pub(super) fn foresee(&mut self, now: Now) {
        self.look_ahead(now);
        let date = self.basin.date_at(now.utc);
        let scene = estimate::Scene::new(&self.basin, &self.schedules, now.utc);
        if self.bins.is_multiple_of(BINS_AN_HOUR) {
            let mut river = std::mem::take(&mut self.carry.river);
            for ((at, path), ahead) in self.paths.iter().enumerate().zip(&self.ahead) {
                let Some(release) = self.release_of(path.source.0) else { continue };
                let pace = river.pace(&scene, (path, at), release);
                let Some(section) = self.basin.sections.get(path.section.0) else { continue };
                let relied_on = dispatch::setpoint(&self.basin, section, river.error(at), date);
                let relied_on = relied_on.map_or(f64::INFINITY, Discharge::get);
                river.promise(&scene, (path, at), &pace, (ahead, release), relied_on);
            }
            self.carry.river = river;
        }
        let least = |(at, path): (usize, &super::routing::Path)| {
            let release = self.release_of(path.source.0)?;
            // When the water that leaves now is expected.
            let horizon = self.carry.river.pace(&scene, (path, at), release).over(&path.way).mid;
            let steps =
                (0_u32..).map(|step| Ahead::STEP_H * f64::from(step)).zip(self.ahead.get(at)?.section());
            let due = steps.take_while(|(hours, _)| *hours <= horizon);
            let flows = due.map(|(_, band)| band.mid).collect::<Vec<_>>();
            let mean = |window: &[f64]| window.iter().sum::<f64>() / window.iter().map(|_| 1.0).sum::<f64>();
            let (first, flow) = flows
                .windows(LOOKS.min(flows.len()).max(1))
                .map(mean)
                .enumerate()
                .min_by(|a, b| a.1.total_cmp(&b.1))?;
            let ahead_h = Ahead::STEP_H * f64::from(u32::try_from(first + LOOKS / 2).unwrap_or(0));
            let section = self.basin.sections.get(path.section.0)?;
            let floor = section.floor_on(date).map_or(0.0, Discharge::get);
            let before = self.foreseen.iter().find(|low| low.section == path.section);
            // As far below the floor as the set point lies above it: less than that is as likely not to come.
            let setpoint = dispatch::setpoint(&self.basin, section, self.carry.river.error(at), date);
            let sure = setpoint.map_or(0.0, |setpoint| setpoint.get() - floor);
            let is_told =
                before.is_some_and(|low| low.is_told && flow < floor) || flow < tolerated(floor) - sure;
            Some(Foreseen { section: path.section, ahead_h, flow, is_told })
        };
        let far = self.paths.iter().enumerate().filter(|(_, path)| !path.way.is_empty());
        self.foreseen = far.filter_map(least).collect();
    }

    /// Flows expected along each path when the releases stay as they are.
    pub(super) fn look_ahead(&mut self, now: Now) {
        let scene = estimate::Scene::new(&self.basin, &self.schedules, now.utc);
        let one = |(at, path): (usize, &super::routing::Path)| {
            let release = self.release_of(path.source.0)?;
            let pace = self.carry.river.pace(&scene, (path, at), release);
            let horizon = FORECAST_H.max(pace.over(&path.way).late);
            Some(self.carry.river.ahead(&scene, (path, at), &pace, |_| release, horizon))
        };
        self.ahead = self.paths.iter().enumerate().map(|path| one(path).unwrap_or_default()).collect();
        self.find_owed(now);
    }

    /// Target release of a reservoir.
    pub(super) fn release_of(&self, source: usize) -> Option<f64> {
        let at = self.outlets.iter().position(|o| o.source.0 == source)?;
        self.carry.releases.get(at)?.target
    }

    fn structures(&self, out: &mut Vec<Condition>, now: Now) {
        let flood_season = self.flood_season(now);
        let gates = self.basin.gates.iter().enumerate().zip(&self.facts).zip(&self.gates);
        for (((at, gate), facts), memory) in gates {
            let mut raise = |id, detail| out.push(Condition::new(id, &gate.id, detail));
            if facts.trip == Some(true) {
                raise("A31", json!({}));
            } else if memory.drifted.is_some() && gate.actuation == Actuation::Driven {
                raise("A04", json!({ "opening": facts.opening }));
            }
            if memory.missed {
                raise("A05", json!({ "opening": facts.opening, "target": memory.known_target }));
            }
            if let Some(why) = memory.astray {
                raise("A41", json!({ "why": why, "opening": facts.opening, "target": memory.known_target }));
            }
            if memory.foreign {
                raise("A12", json!({ "target": memory.known_target }));
            }
            if facts.remote == Some(false) {
                raise("A13", json!({}));
            }
            if facts.fault == Some(true) || facts.estop == Some(true) {
                raise("A14", json!({ "estop": facts.estop }));
            }
            // A drive that reports a fault has told more.
            if memory.is_frozen() && facts.fault != Some(true) && facts.estop != Some(true) {
                raise(
                    "A15",
                    json!({ "opening": facts.position.last_good.map(|at| gate.stroke.opening(at)) }),
                );
            }
            if self.carry.tickets.freed(GateId(at)).starts {
                raise("A06", json!({}));
            }
            let locked = gate.lock.is_some() || gate.duty == Duty::SeasonLock;
            let is_free = flood_season || self.carry.tickets.frees(GateId(at));
            if locked && !is_free && facts.opening.is_some_and(|o| o > Opening::clamped(gate.tolerance)) {
                raise("A34", json!({ "opening": facts.opening }));
            }
        }
        for gate in self.conflicts.iter().filter_map(|id| self.basin.gates.get(id.0)) {
            out.push(Condition::new("A33", &gate.id, json!({})));
        }
    }

    fn service(&self, out: &mut Vec<Condition>) {
        let mut raise = |id, detail| out.push(Condition::new(id, "", detail));
        if self.carry.mode == Mode::Manual || self.carry.mode == Mode::Advice {
            raise("A08", json!({ "mode": self.carry.mode, "by": self.carry.mode_by }));
        }
        if let Some(who) = &self.carry.hold_all {
            raise("A36", json!({ "by": who }));
        }
        if !self.record_ok {
            raise("A20", json!({}));
        }
        if self.refused_sign_ins >= SIGN_INS {
            raise("A27", json!({ "count": self.refused_sign_ins }));
        }
        if self.deaf_receivers > 0 {
            raise("A46", json!({ "receivers": self.deaf_receivers }));
        }
        if self.rung > Rung::F2 && !self.is_starting() {
            raise("A30", json!({ "rung": self.rung }));
        }
        let dispatches = self.carry.mode == Mode::Automatic;
        let protects = dispatches || self.carry.mode == Mode::Manual;
        for (gate, authority) in self.basin.gates.iter().zip(&self.carry.authorities) {
            let is_idle = gate.duty == Duty::Trim && *authority != Authority::Automatic;
            let is_guard = gate.duty == Duty::Trim || gate.duty == Duty::Standby;
            if (dispatches && is_idle) || (protects && is_guard && !authority.protects()) {
                out.push(Condition::new("A08", &gate.id, json!({ "gate": gate.id, "authority": authority })));
            }
        }
    }

    fn water(&self, out: &mut Vec<Condition>, now: Now) {
        let date = self.basin.date_at(now.utc);
        for body in &self.basin.reservoirs {
            let Some((_, level)) = body.level_meter.and_then(|m| self.level_range(m)) else { continue };
            let Some(limit) = body.flood_limit_on(date) else { continue };
            let detail = json!({ "level_m": level, "limit_m": limit });
            // As below, looked at from above; at the limit itself it holds.
            let near = limit.get() - self.basin.control.flood_level_margin.get();
            let low = below(("A32", &body.id, detail), -level, -near, LEVEL_BAND);
            out.extend(low.map(|it| Condition { in_band: it.in_band && level < near, ..it }));
        }
        for wetland in &self.basin.wetlands {
            let [lowest, ..] = wetland.level_band;
            let level = wetland.level_meter.and_then(|m| self.level_range(m)).map(|(low, _)| low);
            if let Some(level) = level {
                let detail = json!({ "level_m": level, "lowest_m": lowest });
                out.extend(below(("A39", &wetland.id, detail), level, lowest.get(), LEVEL_BAND));
            }
        }
        let name =
            |id: MeterId| self.basin.meters.get(id.0).map(|meter| meter.id.clone()).unwrap_or_default();
        for (pair, (own, other)) in self.twins.iter().filter_map(|pair| Some((pair, pair.levels?))) {
            out.push(Condition::new(
                "A44",
                name(pair.meter),
                json!({ "level_m": own, "twin": name(pair.twin), "twin_m": other }),
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::super::quality::{Quality, Reading};
    use super::super::{Settings, Snapshot};
    use super::*;

    /// Xuezhuang has 701.2 m as its lowest level; the dead band is 2 cm.
    #[test]
    fn a_wetland_below_its_lowest_level_is_told_with_its_dead_band() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
        let config = crate::config::load(&folder).unwrap();
        let utc: Timestamp = "2026-05-18T02:00:00Z".parse().unwrap();
        let now = Now { mono: Duration::ZERO, utc };
        let mut controller = Controller::new(&config, Settings::default(), None, utc);
        controller.decide(&Snapshot::default(), now);
        let id = config.basin.meters.iter().position(|meter| meter.id == "z.wl.xuezhuang").unwrap();
        let point = controller.field.wiring.meters[id].unwrap();
        let mut told = |value: Option<f64>| {
            let quality = if value.is_some() { Quality::Good } else { Quality::Bad };
            controller.readings[point.0] = Reading { value, quality, ..Reading::NEVER };
            let mut out = Vec::new();
            controller.water(&mut out, now);
            let of = out.into_iter().filter(|one| one.id == "A39");
            of.map(|one| (one.element, one.in_band)).collect::<Vec<_>>()
        };
        assert_eq!(told(Some(701.19)), [("xuezhuang".to_owned(), false)]);
        assert_eq!(told(Some(701.21)), [("xuezhuang".to_owned(), true)]);
        assert_eq!(told(Some(701.23)), []);
        assert_eq!(told(None), [], "of an unknown level nothing is said");
    }
}
