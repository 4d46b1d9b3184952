//! Pollution incidents 突发水环境事件: people mark a point and a time; the service foretells when the water of that point reaches each
//! section, intake and wetland below, and how much has diluted it, and proposes to shut what leads it out of the river before it
//! comes.
//!
//! A proposal stands beside those of advice, in every mode ([`super::advice`]), and takes two people. A gate that was shut for an
//! incident is left to people until it is closed. Holding the release, or diluting with more of it, is a ticket of the dam's trim
//! gate ([`super::ticket`]), asked for by one person and signed by another.

mod cloud;
mod spread;
#[cfg(test)]
mod tests;
mod velocity;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;

pub use self::spread::{Reached, Travel, What};
use self::spread::{Waters, gates_of, spread};
use super::alarm::Condition;
use super::command::Action;
use super::controller::Controller;
use super::interlock::{Purpose, Wish};
use super::operator::Authority;
use super::reason::Because;
use super::record::{Entry, Kind};
use super::{Decision, Now};
use crate::basin::{Basin, GateId, NodeId, ReachId, ReachKind, ReservoirId};
use crate::units::{Discharge, Opening, Stage};

/// Who proposes.
pub(super) const ACTOR: &str = "incident";

/// How long before its first a gate is proposed to be shut, h: two people have to look, and users may store water. Assumed.
const AHEAD_H: f64 = 2.0;

/// How often the record is told what is foretold, s: hourly.
const TOLD_S: f64 = 3600.0;

/// How long ago an incident may have happened when it is opened: a week, longer than the slowest water stays.
const LATEST: SignedDuration = SignedDuration::from_hours(168);

/// Longest spill, min: a week.
pub const LASTS_MOST_MIN: u32 = 10_080;

/// Incidents open at once.
const MOST: usize = 8;

/// What a person says of an incident.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// Identifier of the reach it happened in.
    pub reach: String,
    /// Distance from its upstream end, km.
    pub km: f64,
    /// When it began.
    pub happened: Timestamp,
    /// How long it lasts, min.
    pub lasts_min: u32,
    /// What came into the water, in their words.
    pub what: String,
    /// How much of it, kg; without it no concentration is foretold.
    pub mass_kg: Option<f64>,
    /// Concentration above which water is not to be used, mg/L.
    pub limit_mg_l: Option<f64>,
}

/// When the water of an incident is at a place.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// Its first.
    pub first: Timestamp,
    /// Its peak, earliest and latest.
    pub peak: (Timestamp, Timestamp),
    /// Its last.
    pub over: Timestamp,
}

/// What the water of an incident reaches.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Arrival {
    /// What, and how the water gets there.
    pub reached: Reached,
    /// When; `None` where nobody can tell.
    pub window: Option<Window>,
    /// Highest concentration, mg/L, where the mass is known.
    pub peak_mg_l: Option<f64>,
}

/// More water from the dam above.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dilution {
    /// Its trim gate, for the ticket.
    pub gate: GateId,
    /// Release now, m³/s: what a ticket to hold keeps.
    pub hold_m3s: f64,
    /// Release with which the highest peak would stay below the limit, m³/s, at most what a siren need not announce; `None` where no
    /// concentration is foretold, or none is above it.
    pub dilute_m3s: Option<f64>,
}

/// An open incident.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Incident {
    /// Running number.
    pub id: u64,
    /// What a person said of it.
    pub report: Report,
    /// When it was opened.
    pub opened: Timestamp,
    /// By whom.
    pub by: String,
    /// What it reaches, by the flows there are now, the first first.
    pub arrivals: Vec<Arrival>,
    /// What the dam above can do.
    pub dilution: Option<Dilution>,
    /// Gates shut for it, by identifier; they are left to people.
    pub taken: Vec<String>,
    /// When the record was last told what is foretold.
    pub told: Option<Timestamp>,
}

/// All open incidents.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Incidents {
    newest: u64,
    open: Vec<Incident>,
}

impl Incidents {
    /// Open ones, oldest first.
    pub fn open(&self) -> &[Incident] {
        &self.open
    }

    /// Whether this one is open.
    pub(super) fn is_open(&self, id: u64) -> bool {
        self.open.iter().any(|one| one.id == id)
    }

    /// Remembers that a gate was shut for an incident.
    pub(super) fn took(&mut self, id: u64, gate: &str) {
        if let Some(incident) = self.open.iter_mut().find(|one| one.id == id)
            && !incident.taken.iter().any(|taken| taken == gate)
        {
            incident.taken.push(gate.to_owned());
        }
    }
}

/// Whether what a person says can be.
///
/// # Errors
/// What is wrong, and what it must be.
pub fn check(basin: &Basin, report: &Report, now: Timestamp) -> Result<ReachId, String> {
    let Report { reach: id, km, happened, lasts_min, mass_kg, limit_mg_l, .. } = report;
    let at = basin.reaches.iter().position(|reach| reach.id == *id);
    let found = at.and_then(|at| Some((ReachId(at), basin.reaches.get(at)?)));
    let (at, reach) = found.ok_or_else(|| format!("{id}: no such reach; names are in /api/v1/basin"))?;
    if reach.kind != ReachKind::River {
        return Err(format!("{id}: is a pipe; name a reach of a river"));
    }
    if !(0.0..=reach.length_km).contains(km) {
        return Err(format!("{id}: km = {km}: must be from 0 to {}", reach.length_km));
    }
    let ago = now.duration_since(*happened);
    if ago < SignedDuration::ZERO || ago > LATEST {
        return Err(format!("{id}: happened: must lie within the last {} h", LATEST.as_hours()));
    }
    if *lasts_min == 0 || *lasts_min > LASTS_MOST_MIN {
        return Err(format!("{id}: lasts_min = {lasts_min}: must be from 1 to {LASTS_MOST_MIN}"));
    }
    for (key, value) in [("mass_kg", mass_kg), ("limit_mg_l", limit_mg_l)] {
        if value.is_some_and(|value| !(value > 0.0 && value.is_finite())) {
            return Err(format!("{id}: {key}: must be positive"));
        }
    }
    Ok(at)
}

/// Why a gate is left to people: by it closing the incident knows its own.
pub(super) fn taken_for(incident: u64) -> String {
    format!("incident {incident}")
}

/// `hours` after a time.
fn after(time: Timestamp, hours: f64) -> Timestamp {
    let time_on = SignedDuration::try_from_secs_f64(hours * 3600.0).ok();
    time_on.and_then(|by| time.checked_add(by).ok()).unwrap_or(time)
}

fn entry(actor: &str, was: &str, incident: &Incident, more: serde_json::Value) -> Entry {
    let mut entry = Entry::new(Kind::Incident, actor);
    let mut detail = json!({ "incident": incident.id, "incident_was": was });
    if let (serde_json::Value::Object(detail), serde_json::Value::Object(more)) = (&mut detail, more) {
        detail.extend(more);
    }
    entry.detail = Some(detail);
    entry
}

impl Controller {
    /// Open incidents.
    pub fn incidents(&self) -> &Incidents {
        &self.carry.incidents
    }

    /// A person marks a point and a time.
    pub(super) fn open_incident(
        &mut self,
        report: &Report,
        who: &str,
        decision: &mut Decision,
        now: Now,
    ) -> Result<String, String> {
        check(&self.basin, report, now.utc)?;
        let incidents = &mut self.carry.incidents;
        if incidents.open.iter().any(|one| one.report.reach == report.reach) {
            return Err(format!("{}: there is an open incident in this reach; close it first", report.reach));
        }
        if incidents.open.len() >= MOST {
            return Err(format!("there are {MOST} open incidents; close one first"));
        }
        incidents.newest += 1;
        let incident = Incident {
            id: incidents.newest,
            report: report.clone(),
            opened: now.utc,
            by: who.to_owned(),
            arrivals: Vec::new(),
            dilution: None,
            taken: Vec::new(),
            told: None,
        };
        let more = json!({ "report": report });
        decision.entries.push(entry(&format!("operator:{who}"), "opened", &incident, more));
        let number = incident.id;
        incidents.open.push(incident);
        Ok(format!("incident {number} is open"))
    }

    /// A person closes it: its gates go back to dispatch, but for those people have given to somebody since. With the last one end the
    /// releases ordered for them.
    pub(super) fn close_incident(
        &mut self,
        id: u64,
        (who, reason): (&str, &str),
        decision: &mut Decision,
    ) -> Result<String, String> {
        let open = &mut self.carry.incidents.open;
        let at = open.iter().position(|one| one.id == id);
        let incident = open.remove(at.ok_or("this incident is not open any more")?);
        let is_last = open.is_empty();
        let why = taken_for(id);
        let is_still = |gate: &String| {
            let given = self.carry.given.iter().find(|given| given.gate == *gate);
            given.is_some_and(|given| {
                given.authority == Authority::Manual && given.reason.as_ref() == Some(&why)
            })
        };
        let back: Vec<_> = incident.taken.iter().filter(|gate| is_still(gate)).cloned().collect();
        for gate in back.iter().filter_map(|gate| self.basin.gate(gate)).collect::<Vec<_>>() {
            self.entrust(gate, Authority::Automatic, (who, Some(reason)));
        }
        let more = json!({ "reason": reason, "given_back": back });
        decision.entries.push(entry(&format!("operator:{who}"), "closed", &incident, more));
        if is_last {
            self.end_releases(who, decision);
        }
        Ok("closed".into())
    }

    /// Foretells anew where the water of each incident goes, and wishes shut what leads it away before it comes.
    pub(super) fn shut_off(&mut self, decision: &mut Decision, now: Now) -> Vec<Wish> {
        if self.carry.incidents.open.is_empty() {
            return Vec::new();
        }
        let mut incidents = std::mem::take(&mut self.carry.incidents);
        let mut wishes = Vec::<Wish>::new();
        for incident in &mut incidents.open {
            self.foretell(incident, now);
            let is_told =
                incident.told.is_some_and(|told| now.utc.duration_since(told).as_secs_f64() < TOLD_S);
            if !is_told {
                incident.told = Some(now.utc);
                let more = json!({ "arrivals": incident.arrivals, "dilution": incident.dilution });
                decision.entries.push(entry(ACTOR, "foretold", incident, more));
            }
            for (gate, arrives_h) in self.to_shut(incident, now) {
                if wishes.iter().all(|wish| wish.gate != gate) {
                    // As it is told; between two tenths of an hour there is nothing new to say.
                    let arrives_h = arrives_h.map(|hours| (10.0 * hours).round() / 10.0);
                    let because = vec![Because::Pollution { incident: incident.id, arrives_h }];
                    let (action, purpose) = (Action::Goto(Opening::SHUT), Purpose::Operator);
                    wishes.push(Wish { gate, action, purpose, actor: ACTOR.into(), because });
                }
            }
        }
        self.carry.incidents = incidents;
        wishes
    }

    /// Gates that should be shut now, with the hours until the water comes.
    fn to_shut(&self, incident: &Incident, now: Now) -> Vec<(GateId, Option<f64>)> {
        let mut gates = Vec::new();
        for arrival in &incident.arrivals {
            let hours = |at: Timestamp| at.duration_since(now.utc).as_secs_f64() / 3600.0;
            // Where nobody can tell when, now.
            let arrives_h = match arrival.window {
                Some(window) if hours(window.over) < 0.0 => continue,
                Some(window) => Some(hours(window.first)),
                None => None,
            };
            if arrives_h.is_some_and(|hours| hours > AHEAD_H) {
                continue;
            }
            let open = gates_of(&self.basin, &arrival.reached).into_iter().filter(|id| self.stands_open(*id));
            gates.extend(open.map(|gate| (gate, arrives_h)));
        }
        gates
    }

    /// Whether a gate can be shut, and is not.
    fn stands_open(&self, id: GateId) -> bool {
        let (Some(gate), Some(facts)) = (self.basin.gates.get(id.0), self.facts.get(id.0)) else {
            return false;
        };
        let is_busy = self.gates.get(id.0).is_some_and(|memory| memory.in_flight.is_some());
        let least = gate.lowest.fraction() + gate.tolerance;
        gate.is_driven() && !is_busy && facts.opening.is_none_or(|opening| opening.fraction() > least)
    }

    /// What the water of an incident reaches, by the flows there are now.
    fn foretell(&self, incident: &mut Incident, now: Now) {
        let Report { reach, km, happened, lasts_min, mass_kg, limit_mg_l, .. } = &incident.report;
        let at = self.basin.reaches.iter().position(|one| one.id == *reach);
        let Some((at, spec)) = at.and_then(|at| Some((ReachId(at), self.basin.reaches.get(at)?))) else {
            // Of another configuration: nothing can be said of it, and it stays until a person closes it.
            incident.arrivals.clear();
            incident.dilution = None;
            return;
        };
        let flow = |node: NodeId| self.node_flow(node.0, now).flow.map(Discharge::get);
        let volume = |body: ReservoirId| {
            let body = self.basin.reservoirs.get(body.0)?;
            let level = Stage::new(self.meter(body.level_meter?)?)?;
            Some(body.volume_at(level).get())
        };
        let waters = Waters { basin: &self.basin, flow: &flow, volume: &volume };
        let lasts_h = f64::from(*lasts_min) / 60.0;
        let start = flow(spec.from);
        let arrival = |reached: Reached| {
            let window = reached.travel.map(|travel| Window {
                first: after(*happened, travel.first_h),
                peak: (after(*happened, travel.peak_h), after(*happened, travel.late_h)),
                over: after(*happened, cloud::over_h(&travel, lasts_h)),
            });
            let mixed = reached.travel.zip(*mass_kg).zip(start);
            let peak_mg_l =
                mixed.and_then(|((travel, mass), start)| cloud::peak_mg_l(mass, (start, lasts_h), &travel));
            Arrival { reached, window, peak_mg_l }
        };
        incident.arrivals = spread(&waters, (at, *km)).into_iter().map(arrival).collect();
        incident.dilution = self.dilution(at, start, highest(&incident.arrivals).zip(*limit_mg_l));
    }

    /// What the dam above a reach can do about a peak above a limit.
    fn dilution(&self, at: ReachId, start: Option<f64>, peak: Option<(f64, f64)>) -> Option<Dilution> {
        let path = self.paths.iter().find(|path| path.way.iter().any(|part| part.reach == at))?;
        let gate = self.outlets.iter().find(|one| one.source == path.source)?.trim.first().copied()?;
        let release = self.release_of(path.source.0)?;
        // A concentration falls as the flow rises: so much more flow, so much less of it.
        let more = peak.zip(start).filter(|((peak, limit), _)| peak > limit);
        let more = more.map(|((peak, limit), start)| start * (peak / limit - 1.0));
        let most = self.basin.control.siren_above.get().max(release);
        let dilute_m3s = more.map(|more| (release + more / path.gain.max(0.1)).min(most));
        Some(Dilution { gate, hold_m3s: release, dilute_m3s })
    }

    /// The alarms of open incidents.
    pub(super) fn pollution(&self, out: &mut Vec<Condition>, now: Now) {
        for incident in self.carry.incidents.open() {
            let Report { reach, km, .. } = &incident.report;
            let name = self.basin.reaches.iter().find(|one| one.id == *reach).map(|one| &one.name);
            let next = incident.arrivals.iter().filter_map(|one| one.window).map(|window| window.first);
            let in_h = next.map(|first| first.duration_since(now.utc).as_secs_f64() / 3600.0);
            let in_h = in_h.filter(|hours| *hours > 0.0).reduce(f64::min);
            let detail = json!({
                "incident": incident.id, "km": km, "name": name, "in_h": in_h, "by": format!("operator:{}", incident.by),
            });
            out.push(Condition::new("A56", reach, detail));
        }
    }
}

/// Highest concentration at anything that uses the water.
fn highest(arrivals: &[Arrival]) -> Option<f64> {
    arrivals.iter().filter_map(|one| one.peak_mg_l).reduce(f64::max)
}
