//! The published picture of a tick, for page, metrics and reports.

use std::sync::Arc;
use std::time::Duration;

use super::controller::Controller;
use super::dispatch;
use super::estimate::{self, Ahead};
use super::interlock::Purpose;
use super::quality::{Quality, Reason};
use super::status::{
    Balance, CommandStatus, Estimate, GateStatus, ReleaseStatus, SectionStatus, Status, Transit,
};
use super::{Now, structure};
use crate::basin::{GateId, MeterKind, Place, SectionId};
use crate::units::{Discharge, Stage};

/// Hours of forecast published.
pub(super) const FORECAST_H: f64 = 48.0;

/// Nothing known.
const UNKNOWN: Estimate = Estimate { flow: None, quality: Quality::Bad, reason: Some(Reason::NeverRead) };

impl Controller {
    /// Everything worth showing after this tick.
    pub fn status(&self, now: Now) -> Status {
        Status {
            tick: self.tick,
            mono: now.mono,
            utc: now.utc,
            bench: self.settings.bench,
            observing: self.settings.observing,
            mode: self.carry.mode,
            mode_since: self.carry.mode_since,
            mode_by: self.carry.mode_by.clone(),
            hold_all: self.carry.hold_all.clone(),
            rung: self.rung,
            record_ok: self.record_ok,
            release: self.releases(now),
            sections: (0..self.basin.sections.len())
                .filter_map(|at| self.section(SectionId(at), now))
                .collect(),
            gates: (0..self.basin.gates.len()).filter_map(|at| self.gate(GateId(at), now)).collect(),
            nodes: (0..self.basin.nodes.len()).map(|at| self.node_flow(at, now)).collect(),
            image: Arc::from(self.readings.as_slice()),
            transit: self.transit(now),
            why: self.why.iter().cloned().collect(),
            alarms: self.carry.alarms.status(),
            aside: self.carry.alarms.aside(),
            flood: self.carry.alarms.flood(),
            forecasts: Arc::clone(&self.forecasts),
            entered: self.carry.entered.clone(),
            tickets: self.carry.tickets.open().to_vec(),
            warnings: self.carry.warnings.watches().to_vec(),
            incidents: self.carry.incidents.open().to_vec(),
            proposals: self.carry.advice.open().to_vec(),
            answers: self.carry.advice.tallies().to_vec(),
            calendar: self.carry.calendar.clone(),
        }
    }

    fn releases(&self, now: Now) -> Vec<ReleaseStatus> {
        let each = self.outlets.iter().zip(&self.carry.releases);
        each.filter_map(|(outlets, release)| {
            let view = self.view(outlets, 0.0, now);
            let actual = outlets.present(&view).and_then(Discharge::new);
            let quality = if view.flow.is_some() { Quality::Good } else { Quality::Substituted };
            Some(ReleaseStatus {
                reservoir: outlets.source.0,
                target: Discharge::new(release.target?)?,
                actual: actual.map_or(UNKNOWN, |flow| Estimate { flow: Some(flow), quality, reason: None }),
                because: release.because.clone(),
            })
        })
        .collect()
    }

    fn section(&self, id: SectionId, now: Now) -> Option<SectionStatus> {
        let section = self.basin.sections.get(id.0)?;
        let date = self.basin.date_at(now.utc);
        let path = self.paths.iter().position(|p| p.section == id);
        let error = path.map_or(0.0, |at| self.carry.river.error(at));
        let raised = dispatch::raised(&self.basin, &self.schedules, section, now.utc, (0.0, 0.0));
        let raised = raised.map(|(floor, _)| floor);
        let series = self.carry.river.meters.get(&section.meter);
        let day = self.carry.days.get(id.0).filter(|d| d.day == Some(date) && d.seconds > 0.0);
        let ahead = path.map_or_else(Vec::new, |at| self.forecast(at));
        let (forecast, forecast_band): (Vec<_>, Vec<_>) = ahead.into_iter().unzip();
        let forecast_min = forecast.iter().copied().min_by(|a, b| a.1.get().total_cmp(&b.1.get()));
        let present = forecast.first().filter(|(ahead, _)| *ahead == 0.0);
        let estimate = present.map_or(UNKNOWN, |(_, flow)| Estimate {
            flow: Some(*flow),
            quality: Quality::Substituted,
            reason: Some(Reason::Estimated),
        });
        Some(SectionStatus {
            section: id,
            reading: self.meter_reading(section.meter),
            estimate,
            floor: section.floor_on(date),
            setpoint: dispatch::setpoint_of(&self.basin, section, (raised, error), date),
            hour_mean: series.and_then(|s| s.means(1, 1).next()).and_then(Discharge::new),
            day_mean: day.and_then(|d| Discharge::new(d.volume / d.seconds)),
            forecast,
            forecast_band,
            forecast_min,
            balance: path.map_or_else(Vec::new, |at| self.balance(at)),
            promise_error: path.map(|_| error),
        })
    }

    /// What no meter explains along a path, by segment.
    fn balance(&self, at: usize) -> Vec<Balance> {
        let (Some(path), Some(memory)) = (self.paths.get(at), self.carry.river.by_path.get(at)) else {
            return Vec::new();
        };
        let segments = path.segments.iter().zip(&memory.segments);
        let one = |(segment, memory): (&super::segment::Segment, &estimate::SegmentMemory)| Balance {
            foot: segment.foot,
            unexplained: memory.learnt.unexplained,
            lasting: memory.learnt.lasting,
            error: memory.learnt.error,
            primed: memory.learnt.primed,
        };
        segments.map(one).collect()
    }

    /// Hours from now with the flow expected, and its least and largest.
    fn forecast(&self, path: usize) -> Vec<((f64, Discharge), (Discharge, Discharge))> {
        let Some(ahead) = self.ahead.get(path) else { return Vec::new() };
        let steps = (0_u32..).map(|step| Ahead::STEP_H * f64::from(step)).zip(ahead.section());
        let hourly = steps.filter(|(hours, _)| hours.fract() == 0.0 && *hours <= FORECAST_H);
        hourly
            .filter_map(|(hours, band)| {
                let range = (Discharge::new(band.low)?, Discharge::new(band.high)?);
                Some(((hours, Discharge::new(band.mid)?), range))
            })
            .collect()
    }

    fn gate(&self, id: GateId, now: Now) -> Option<GateStatus> {
        const HOUR: Duration = Duration::from_secs(3600);
        const DAY: Duration = Duration::from_secs(86_400);
        let facts = self.facts.get(id.0)?;
        let memory = self.gates.get(id.0)?;
        let (_, allowed) = self.situation(id, self.record_ok, now)?;
        Some(GateStatus {
            gate: id,
            opening: facts.opening,
            position: facts.position,
            target: facts.target.map(|(target, _)| target),
            flow: self.gate_flow(id, now),
            authority: self.authority(id),
            given: self.given(id).cloned(),
            remote: facts.remote,
            estop: facts.estop,
            fault: match (facts.fault, facts.trip) {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (Some(false), Some(false)) => Some(false),
                (None, _) | (_, None) => None,
            },
            moving: facts.moving,
            state: memory.state,
            in_flight: memory.in_flight.as_ref().map(|c| CommandStatus {
                id: c.id,
                action: c.action,
                since: c.since,
                because: c.because.clone(),
            }),
            starts: (memory.starts_within(HOUR, now.mono), memory.starts_within(DAY, now.mono)),
            blocked_by: allowed.refusals(Purpose::Operator),
            permitted: allowed.range(),
            permitted_by: allowed.bounds(),
        })
    }

    /// Flow of a gate: its own meter, its box, or the equations.
    fn gate_flow(&self, id: GateId, now: Now) -> Estimate {
        let Some(gate) = self.basin.gates.get(id.0) else { return UNKNOWN };
        let metered = gate.flow_meter.map(|m| self.meter_reading(m));
        if let Some((flow, reading)) = metered.and_then(|r| Some((Discharge::new(r.usable()?)?, r))) {
            let entered = reading.reason.filter(|reason| *reason == Reason::Manual);
            let quality = entered.map_or(Quality::Good, |_| reading.quality);
            return Estimate { flow: Some(flow), quality, reason: entered };
        }
        let boxed =
            self.field.wiring.gates.get(id.0).and_then(|w| w.flow).and_then(|p| self.readings.get(p.0));
        if let Some(flow) = boxed.and_then(super::quality::Reading::usable).and_then(Discharge::new) {
            return Estimate { flow: Some(flow), quality: Quality::Good, reason: None };
        }
        let Some(facts) = self.facts.get(id.0) else { return UNKNOWN };
        let outlets = self.outlets.iter().find(|o| o.has(id));
        let level = match gate.from {
            Place::Reservoir(body) => self
                .basin
                .reservoirs
                .get(body.0)
                .and_then(|r| self.meter(r.level_meter?))
                .and_then(Stage::new)
                .or_else(|| outlets?.level(now.mono)),
            Place::Node(_) | Place::Along { .. } | Place::Wetland(_) | Place::Outside => None,
        };
        let Some(level) = level else { return UNKNOWN };
        let flow = match (outlets, facts.opening) {
            (Some(outlets), _) => Discharge::lossy(outlets.flow_of(&self.basin, id, facts, level)),
            (None, Some(opening)) => structure::flow(gate, opening, level),
            (None, None) => return UNKNOWN,
        };
        Estimate { flow: Some(flow), quality: Quality::Substituted, reason: Some(Reason::Estimated) }
    }

    /// Flow at a node: its gauge, or the estimate along a path.
    pub(super) fn node_flow(&self, node: usize, now: Now) -> Estimate {
        let here = Place::Node(crate::basin::NodeId(node));
        let gauge = self.basin.meters.iter().position(|m| m.kind == MeterKind::RiverFlow && m.at == here);
        if let Some(at) = gauge {
            let reading = self.meter_reading(crate::basin::MeterId(at));
            if let Some(flow) = reading.usable().and_then(Discharge::new) {
                return Estimate { flow: Some(flow), quality: reading.quality, reason: reading.reason };
            }
        }
        let scene = estimate::Scene::new(&self.basin, &self.schedules, now.utc);
        let found = self.paths.iter().enumerate().find_map(|(at, path)| {
            let (_, left) = path.nodes.iter().find(|(n, _)| n.0 == node)?;
            let release = self.release_of(path.source.0)?;
            self.carry.river.at_node(&scene, (path, at), *left, release)
        });
        found.and_then(Discharge::new).map_or(UNKNOWN, |flow| Estimate {
            flow: Some(flow),
            quality: Quality::Substituted,
            reason: Some(Reason::Estimated),
        })
    }

    fn transit(&self, now: Now) -> Vec<Transit> {
        self.carry
            .parcels
            .iter()
            .map(|parcel| {
                let gone_s = now.utc.duration_since(parcel.left).as_secs_f64();
                let gone_h = gone_s / 3600.0;
                Transit {
                    id: parcel.id,
                    change: parcel.change,
                    left: now.mono.saturating_sub(Duration::from_secs_f64(gone_s.max(0.0))),
                    to: parcel.to,
                    progress: (gone_h / parcel.lag_h.max(0.1)).clamp(0.0, 1.0),
                    arrives_in_h: (
                        estimate::ARRIVAL.0 * parcel.lag_h - gone_h,
                        estimate::ARRIVAL.1 * parcel.lag_h - gone_h,
                    ),
                }
            })
            .collect()
    }
}
