//! What each dam releases and each pond passes on in this control cycle, told to the record and to the page.

use jiff::Timestamp;

use super::carry::Parcel;
use super::controller::Controller;
use super::dispatch::{self, Inputs, Release};
use super::estimate;
use super::operator::{Authority, Mode};
use super::outlets::Outlets;
use super::plan::model::Task;
use super::plan::programme::Unsolved;
use super::plan::{Plan, Planned};
use super::pond::Owed;
use super::reason::Because;
use super::record::{Entry, Kind};
use super::status::Rung;
use super::ticket::Permit;
use super::{Decision, Now, rules};
use crate::basin::{Duty, Place, ReservoirId};
use crate::units::{Discharge, Stage};

/// Smallest change of release shown as a parcel on its way, m³/s.
const PARCEL: f64 = 0.04;

/// Depth below the dead level over which the release fades, m: where inflow and release are alike it comes to rest. Assumed;
/// five times the centimetre of a level meter.
const BELOW_DEAD_M: f64 = 0.05;

/// What a pond passes on of what a section below needs: the need is an estimate, and a pond that fills a little later
/// costs nobody anything. Assumed.
const OWED_RESERVE: f64 = 1.2;

/// What a pond lets through beyond what a section needs as expected, m³/s: its gate stops where it stops, the hours between are
/// not all alike, and what it gives too much is the pond's, which fills again from what is not needed. Assumed; of
/// two dry years one missed the floor for 52 minutes with 0.02, for 99 with none.
const LENT_RESERVE: f64 = 0.03;

impl Controller {
    /// Decides the release of each dam for this control cycle.
    pub(super) fn plan(&mut self, now: Now, decision: &mut Decision) {
        let scene = estimate::Scene::new(&self.basin, &self.schedules, now.utc);
        let mut rung = Rung::F0;
        let mut releases = std::mem::take(&mut self.carry.releases);
        let mut moved = Vec::new();
        let mut plans = std::mem::take(&mut self.plans);
        plans.resize(releases.len(), Planned::default());
        for ((outlets, release), planned) in self.outlets.iter().zip(&mut releases).zip(&mut plans) {
            let view = self.view(outlets, self.basin.control.cycle_s, now);
            let far = self.paths.iter().filter(|p| p.source == outlets.source && !p.way.is_empty());
            let lost = far
                .filter_map(|p| self.section_seen.get(p.section.0))
                .map(|seen| now.mono.saturating_sub(*seen).as_secs_f64())
                .fold(0.0, f64::max);
            let body = self.basin.reservoirs.get(outlets.source.0);
            // Of two levels the higher: a meter that is wrong may not take water from the river.
            let over_dead =
                body.and_then(|r| r.dead_level).zip(view.level).map(|(dead, (_, high))| high - dead);
            let left = over_dead.map_or(1.0, |over| (1.0 + over.get() / BELOW_DEAD_M).clamp(0.0, 1.0));
            let mut inputs = Inputs {
                planned: None,
                flow: outlets.present(&view),
                sections_lost_s: lost,
                level_in_doubt: view.level.is_some_and(|(low, high)| low != high),
                left,
            };
            let old = release.target;
            if self.basin.control.follow_plan
                && left >= 1.0
                && !inputs.is_blind(self.basin.control.field_lost_s)
            {
                let present = old.or(inputs.flow).unwrap_or(0.0);
                let made = planned.keep(&scene, &self.carry.river, &self.paths, (outlets.source.0, present));
                decision.entries.extend(made.map(|told| plan_entry(body.map(|r| r.id.as_str()), &told)));
                inputs.planned = planned.release(now.utc);
            } else {
                *planned = Planned::default();
            }
            let stands_on = release.decide(&scene, &self.carry.river, &self.paths, outlets.source.0, inputs);
            rung = rung.max(stands_on);
            self.ordered_release(outlets, release, stands_on, (view.setpoint, left));
            if let (Some(old), Some(new)) = (old, release.target)
                && (new - old).abs() >= PARCEL
            {
                moved.push((outlets.source, new - old, new));
                let mut entry = Entry::new(Kind::Decision, "dispatch");
                entry.flow = Some(Discharge::lossy(new));
                entry.because.clone_from(&release.because);
                entry.inputs = Some(self.inputs_digest());
                entry.detail = Some(serde_json::json!({
                    "release_of": body.map(|r| r.id.clone()), "from_m3s": old, "to_m3s": new }));
                decision.entries.push(entry);
            }
        }
        self.carry.releases = releases;
        self.plans = plans;
        for (source, change, release) in moved {
            self.note_parcels(source.0, change, release, now.utc);
        }
        if rung != self.rung {
            let mut entry = Entry::new(Kind::Plan, "dispatch");
            entry.detail = Some(serde_json::json!({ "rung_from": self.rung, "rung_to": rung }));
            decision.entries.push(entry);
            self.rung = rung;
        }
        let arrived = |p: &Parcel| now.utc.duration_since(p.left).as_secs_f64() > 1.5 * p.lag_h * 3600.0;
        self.carry.parcels.retain(|p| !arrived(p));
    }

    /// A release two people ordered for an incident goes before that of dispatch, but below neither what the outlet needs nor, to hold
    /// it, that of dispatch where the sections are not seen. It fades with the water that is left, as that does.
    fn ordered_release(
        &self,
        outlets: &Outlets,
        release: &mut Release,
        rung: Rung,
        (least, left): (f64, f64),
    ) {
        let ordered = outlets.trim.iter().find_map(|gate| self.carry.tickets.release_of(*gate));
        let Some((ticket, flow)) = ordered.and_then(|one| Some((one, one.permit.release()?))) else { return };
        let given = (flow.get() * left).max(least);
        let holds = matches!(ticket.permit, Permit::Hold { .. }) && rung < Rung::F3;
        if holds || release.target.is_none_or(|target| target < given) {
            release.target = Some(given);
            release.because = vec![Because::IncidentRelease { ticket: ticket.id, flow }];
        }
    }

    /// The releases of each dam as one programme over the horizon sees them from here, with what binds them and its price,
    /// whether they are followed or not. By reservoir; none for a dam without a section further down, nor before the river is
    /// known.
    ///
    /// # Errors
    ///
    /// In place of a plan: why the programme has no solution.
    pub fn programmes(&self, now: Now) -> Vec<(ReservoirId, Result<Plan, Unsolved>)> {
        let scene = estimate::Scene::new(&self.basin, &self.schedules, now.utc);
        let (river, paths) = (&self.carry.river, &self.paths);
        let one = |(outlets, release): (&super::outlets::Outlets, &super::dispatch::Release)| {
            let source = outlets.source.0;
            let present = release.target?;
            let task = Task { scene: &scene, river, paths, source, present };
            task.is_known().then(|| (outlets.source, task.solve()))
        };
        self.outlets.iter().zip(&self.carry.releases).filter_map(one).collect()
    }

    fn note_parcels(&mut self, source: usize, change: f64, release: f64, left: Timestamp) {
        for path in self.paths.iter().filter(|p| p.source.0 == source && !p.way.is_empty()) {
            let lag_h = path.lag_h(&self.basin, Discharge::lossy(release));
            let parcel = Parcel {
                id: self.carry.next_parcel,
                to: path.section,
                change: Discharge::lossy(change),
                left,
                lag_h,
            };
            self.carry.next_parcel += 1;
            self.carry.parcels.push_back(parcel);
        }
        while self.carry.parcels.len() > 64 {
            self.carry.parcels.pop_front();
        }
    }

    /// What must pass a pond for the sections below it: at most what comes to it, and beyond that what it should lend; m³/s.
    pub(super) fn owed(&self, pond: ReservoirId, now: Now) -> Option<rules::Owing> {
        let node = self.basin.reservoirs.get(pond.0)?.at;
        let owed = self.owing.get(pond.0).copied().flatten()?;
        let comes = self.node_flow(node.0, now).flow?.get();
        let passed = (OWED_RESERVE * owed.passed.get()).min(comes);
        let lent = owed.lent.get() + LENT_RESERVE;
        Some(rules::Owing { passed, lent, comes, gives: self.carry.river.gave_lately(pond) })
    }

    /// What has to pass each pond for the sections below it, and what the ponds can stand in for. Once a bin is enough, since the
    /// memory of the river moves in bins.
    pub(super) fn find_owed(&mut self, now: Now) {
        let scene = estimate::Scene::new(&self.basin, &self.schedules, now.utc);
        let date = self.basin.date_at(now.utc);
        let mut river = std::mem::take(&mut self.carry.river);
        river.rely_on(&scene, &self.paths, |pond| self.lendable(pond), |source| self.release_of(source));
        let below = |pond: &crate::basin::Reservoir| {
            let below = self.paths.iter().enumerate().filter_map(|(at, path)| {
                let (_, left) = path.nodes.iter().find(|(on_way, _)| *on_way == pond.at)?;
                let section = self.basin.sections.get(path.section.0)?;
                let setpoint = dispatch::setpoint_ahead(&scene, path, section, river.error(at), date)?.get();
                river.owed_at_node(&scene, (path, at), *left, setpoint)
            });
            below.reduce(|one, other| Owed {
                passed: one.passed.max(other.passed),
                lent: one.lent.max(other.lent),
            })
        };
        self.owing = self.basin.reservoirs.iter().map(below).collect();
        self.carry.river = river;
    }

    /// Level of a pond that lends, while one of its sluices obeys.
    fn lendable(&self, pond: ReservoirId) -> Option<Stage> {
        let level = Stage::new(self.meter(self.basin.reservoirs.get(pond.0)?.level_meter?)?)?;
        let obeys = |(at, gate): (usize, &crate::basin::Gate)| {
            gate.from == Place::Reservoir(pond)
                && gate.duty == Duty::PassOn
                && gate.is_dispatched()
                && self.carry.mode == Mode::Automatic
                && self.carry.authorities.get(at) == Some(&Authority::Automatic)
                && self.facts.get(at).is_some_and(|facts| {
                    let is_well = facts.estop != Some(true) && facts.fault != Some(true);
                    facts.opening.is_some() && facts.remote == Some(true) && is_well
                })
        };
        self.basin.gates.iter().enumerate().any(obeys).then_some(level)
    }
}

/// What the record keeps of a plan that was made, or of why none was.
fn plan_entry(reservoir: Option<&str>, told: &serde_json::Value) -> Entry {
    let mut entry = Entry::new(Kind::Plan, "dispatch");
    entry.detail = Some(serde_json::json!({ "release_of": reservoir, "plan": told }));
    entry
}
