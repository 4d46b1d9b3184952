//! `GET /api/v1/state` and the frames of the stream: one status as compact JSON.
//!
//! Lists are in the order of `/api/v1/basin`. Keys carry units; times are seconds of service time (`_at`) or
//! Unix seconds (`_s`). A reading is `{v, q, r, at, last}`: value, quality, reason, time of the last good reply
//! and last good number; absent keys mean "none".

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::basin::Rating;
use crate::config::Config;
use crate::control::advice::Proposal;
use crate::control::incident::{Arrival, Incident};
use crate::control::quality::{Quality, Reading};
use crate::control::schedule::steps::Memory;
use crate::control::status::{
    AlarmStatus, AsideStatus, Balance, CommandStatus, Estimate, Explanation, GateStatus, SectionStatus,
    Status, Transit,
};
use crate::control::warning::{Finding, Watch};
use crate::units::{Discharge, Opening};

/// The state as published, without its sequence number.
pub(super) fn document(config: &Config, status: &Status) -> Value {
    let basin = &config.basin;
    let season = status.utc.to_zoned_datetime(basin.zone.clone());
    let meters =
        config.field.wiring.meters.iter().map(|point| {
            point.and_then(|point| status.image.get(point.0)).map_or_else(|| json!({}), reading)
        });
    json!({
        "tick": status.tick,
        "at": seconds(status.mono),
        "utc_ms": status.utc.as_millisecond(),
        "offset_s": season.offset().seconds(),
        "bench": status.bench,
        "observing": status.observing,
        "mode": status.mode,
        "mode_since_s": status.mode_since.as_second(),
        "mode_by": status.mode_by,
        "hold_all": status.hold_all,
        "rung": status.rung,
        "record_ok": status.record_ok,
        "flood_season": basin.flood_season.contains(season.date()),
        "season_days": season_days(basin.flood_season, season.date()),
        "data": data(config, status),
        "release": status.release.iter().map(|release| json!({
            "reservoir": release.reservoir, "target_m3s": flow(release.target),
            "actual": estimate(release.actual), "because": release.because,
        })).collect::<Vec<_>>(),
        "sections": status.sections.iter().map(section).collect::<Vec<_>>(),
        "gates": status.gates.iter().map(gate).collect::<Vec<_>>(),
        "nodes": status.nodes.iter().map(|node| estimate(*node)).collect::<Vec<_>>(),
        "meters": meters.collect::<Vec<_>>(),
        "ratings": basin.ratings.iter().map(|each| rating(each, season.date())).collect::<Vec<_>>(),
        "flood_limits_m": basin.reservoirs.iter().map(|body| body.flood_limit_on(season.date()))
            .collect::<Vec<_>>(),
        "transit": status.transit.iter().map(transit).collect::<Vec<_>>(),
        "why": status.why.iter().map(explanation).collect::<Vec<_>>(),
        "alarms": status.alarms.iter().map(alarm).collect::<Vec<_>>(),
        "aside": status.aside.iter().map(aside).collect::<Vec<_>>(),
        "tickets": status.tickets.iter().map(|ticket| json!({
            "id": ticket.id, "gate": ticket.gate, "minutes": ticket.minutes, "reason": ticket.reason, "signed": ticket.signed,
            "of": ticket.permit,
            "in_force": ticket.in_force, "left_s": round(ticket.left_s, 1.0),
        })).collect::<Vec<_>>(),
        "warnings": status.warnings.iter().map(watch).collect::<Vec<_>>(),
        "incidents": status.incidents.iter().map(incident).collect::<Vec<_>>(),
        "proposals": status.proposals.iter().map(proposal).collect::<Vec<_>>(),
        "answers": answers(config, status),
        "entered": status.entered.iter().map(|entry| json!({
            "meter": basin.meter(&entry.meter), "value": entry.value, "by": entry.by, "reason": entry.reason,
            "at_s": entry.at.as_second(), "until_s": entry.until.as_second(),
        })).collect::<Vec<_>>(),
        "calendar": calendar(&status.calendar),
        "flood": status.flood.as_ref().map(|flood| json!({
            "since_s": flood.since.as_second(), "first": flood.first,
        })),
    })
}

/// What is known of the warnings of a section or wetland.
fn watch(watch: &Watch) -> Value {
    json!({
        "element": watch.element, "known": watch.known, "grade": watch.grade, "found": watch.found.as_ref().map(finding),
        "proposed": watch.proposed.as_ref().map(|proposed| json!({
            "grade": proposed.grade, "since_s": proposed.since.as_second(),
        })),
        "issued": watch.issued.as_ref().map(|issued| json!({
            "id": issued.id, "grade": issued.grade, "at_s": issued.at.as_second(), "by": issued.by,
            "cause": issued.cause, "measure": issued.measure, "found": issued.found.as_ref().map(finding),
        })),
    })
}

/// An open incident.
fn incident(incident: &Incident) -> Value {
    let report = &incident.report;
    json!({
        "id": incident.id, "reach": report.reach, "km": report.km, "happened_s": report.happened.as_second(),
        "lasts_min": report.lasts_min, "what": report.what, "mass_kg": report.mass_kg, "limit_mg_l": report.limit_mg_l,
        "opened_s": incident.opened.as_second(), "by": incident.by, "taken": incident.taken,
        "arrivals": incident.arrivals.iter().map(arrival).collect::<Vec<_>>(),
        "dilution": incident.dilution.as_ref().map(|dilution| json!({
            "gate": dilution.gate, "hold_m3s": round(dilution.hold_m3s, 1e3),
            "dilute_m3s": dilution.dilute_m3s.map(|flow| round(flow, 1e3)),
        })),
    })
}

fn arrival(arrival: &Arrival) -> Value {
    let travel = arrival.reached.travel;
    json!({
        "what": arrival.reached.what, "element": arrival.reached.element,
        "first_s": arrival.window.map(|window| window.first.as_second()),
        "peak_s": arrival.window.map(|window| (window.peak.0.as_second(), window.peak.1.as_second())),
        "over_s": arrival.window.map(|window| window.over.as_second()),
        "share": travel.map(|travel| round(travel.share, 1e3)), "km": travel.map(|travel| round(travel.km, 10.0)),
        "flow_m3s": travel.map(|travel| round(travel.flow_m3s, 1e3)),
        "peak_mg_l": arrival.peak_mg_l.map(|peak| round(peak, 1e4)),
    })
}

fn finding(found: &Finding) -> Value {
    json!({
        "sign": found.sign, "basis": found.basis, "value": round(found.value, 1e3), "limit": round(found.limit, 1e3),
        "in_h": found.in_h.map(|hours| round(hours, 10.0)),
    })
}

/// What runs by the calendar; all of it is at `/api/v1/schedule`.
fn calendar(memory: &Memory) -> Value {
    let steps = memory.steps.iter().map(|(id, step)| {
        let state = match (step.started, step.missed) {
            (true, _) => "runs",
            (false, true) => "missed",
            (false, false) => "begins",
        };
        json!({ "entry": id, "gate": step.gate, "state": state, "cut": step.cut.is_some() })
    });
    json!({
        "version": memory.active.as_ref().map(|active| active.version),
        "running": steps.collect::<Vec<_>>(),
    })
}

/// Days until the flood season begins, or until it ends while it lasts.
fn season_days(season: crate::basin::Season, today: jiff::civil::Date) -> Option<i32> {
    let inside = season.contains(today);
    let change = today.series(jiff::ToSpan::days(1)).take(366).find(|day| season.contains(*day) != inside)?;
    today.until(change).ok().map(|span| span.get_days())
}

/// How much of the scanned field is good, and the age of its newest reply.
fn data(config: &Config, status: &Status) -> Value {
    let scanned =
        config.field.points.iter().zip(status.image.iter()).filter(|(point, _)| point.class.is_some());
    let (mut total, mut good, mut newest) = (0_u32, 0_u32, None::<Duration>);
    for (_, reading) in scanned {
        total += 1;
        good += u32::from(matches!(reading.quality, Quality::Good | Quality::Simulated));
        newest = newest.max(reading.taken_at);
    }
    json!({ "good": good, "total": total, "at": newest.map(seconds) })
}

fn seconds(time: Duration) -> f64 {
    round(time.as_secs_f64(), 10.0)
}

fn round(value: f64, steps: f64) -> f64 {
    (value * steps).round() / steps
}

fn flow(flow: Discharge) -> f64 {
    round(flow.get(), 1e4)
}

fn opening(opening: Opening) -> f64 {
    round(opening.fraction(), 1e5)
}

pub(super) fn reading(reading: &Reading) -> Value {
    let mut parts = Map::new();
    let mut put = |key: &str, value: Value| {
        if !value.is_null() {
            parts.insert(key.to_owned(), value);
        }
    };
    put("v", json!(reading.value.map(|value| round(value, 1e4))));
    put("q", json!(reading.quality));
    put("r", json!(reading.reason));
    put("at", json!(reading.taken_at.map(seconds)));
    if reading.value.is_none() {
        put("last", json!(reading.last_good.map(|value| round(value, 1e4))));
    }
    Value::Object(parts)
}

/// Which curve a flow meter is read off today.
fn rating(rating: &Rating, today: jiff::civil::Date) -> Value {
    let version = rating.version_on(today).and_then(|at| rating.versions.get(at));
    json!({
        "id": rating.id, "name": rating.name, "meter": rating.flow, "level_meter": rating.level,
        "valid_from": version.map(|version| version.from.to_string()),
        "uncertainty": version.map(|version| version.uncertainty),
        "limit_m3s": version.map(|version| flow(version.limit())),
        "void": rating.void_on(today).map(|void| &void.why),
    })
}

fn estimate(estimate: Estimate) -> Value {
    let mut value = json!({ "v": estimate.flow.map(flow), "q": estimate.quality });
    if let (Some(reason), Value::Object(parts)) = (estimate.reason, &mut value) {
        parts.insert("r".to_owned(), json!(reason));
    }
    value
}

fn section(section: &SectionStatus) -> Value {
    let ahead = |(hours, q): &(f64, Discharge)| (round(*hours, 1e3), flow(*q));
    json!({
        "reading": reading(&section.reading),
        "estimate": estimate(section.estimate),
        "floor_m3s": section.floor.map(flow),
        "setpoint_m3s": section.setpoint.map(flow),
        "hour_mean_m3s": section.hour_mean.map(flow),
        "day_mean_m3s": section.day_mean.map(flow),
        "forecast": section.forecast.iter().map(ahead).collect::<Vec<_>>(),
        "forecast_band": section.forecast_band.iter().map(|(low, high)| (flow(*low), flow(*high)))
            .collect::<Vec<_>>(),
        "forecast_min": section.forecast_min.as_ref().map(ahead),
        "balance": section.balance.iter().map(balance).collect::<Vec<_>>(),
        "promise_error_m3s": section.promise_error.map(|error| round(error, 1e3)),
    })
}

/// To the litre a second: it moves with every bin, and the stream is to stay small.
fn balance(balance: &Balance) -> Value {
    json!({
        "foot": balance.foot, "unexplained_m3s": round(balance.unexplained, 1e3),
        "lasting_m3s": round(balance.lasting, 1e3), "error_m3s": round(balance.error, 1e3),
        "primed": balance.primed,
    })
}

/// An alarm that is shelved or suppressed.
fn aside(aside: &AsideStatus) -> Value {
    let mut value = alarm(&aside.alarm);
    if let Value::Object(parts) = &mut value {
        if let Some(shelf) = &aside.shelf {
            let shelf = json!({ "by": shelf.by, "reason": shelf.reason, "until_s": shelf.until.as_second() });
            parts.insert("shelf".to_owned(), shelf);
        }
        if let Some(parent) = &aside.parent {
            parts.insert("parent".to_owned(), json!(parent));
        }
    }
    value
}

fn gate(gate: &GateStatus) -> Value {
    json!({
        "opening": gate.opening.map(opening),
        "position": reading(&gate.position),
        "target": gate.target.map(opening),
        "flow": estimate(gate.flow),
        "authority": gate.authority,
        "given": gate.given.as_ref().map(|given| json!({
            "by": given.by, "since_s": given.since.as_second(), "reason": given.reason,
        })),
        "remote": gate.remote,
        "estop": gate.estop,
        "fault": gate.fault,
        "moving": gate.moving,
        "state": gate.state,
        "in_flight": gate.in_flight.as_ref().map(command),
        "starts": gate.starts,
        "blocked_by": gate.blocked_by,
        "permitted": (opening(gate.permitted.0), opening(gate.permitted.1)),
        "permitted_by": gate.permitted_by,
    })
}

fn command(command: &CommandStatus) -> Value {
    json!({
        "id": command.id, "action": command.action, "since_at": seconds(command.since),
        "because": command.because,
    })
}

fn transit(transit: &Transit) -> Value {
    json!({
        "id": transit.id, "change_m3s": flow(transit.change), "left_at": seconds(transit.left),
        "to": transit.to, "progress": round(transit.progress, 1e3),
        "arrives_in_h": (round(transit.arrives_in_h.0, 1e2), round(transit.arrives_in_h.1, 1e2)),
    })
}

fn explanation(why: &Explanation) -> Value {
    json!({
        "utc_s": why.utc.as_second(), "gate": why.gate, "command": why.command,
        "from": why.from.map(opening), "to": why.to.map(opening), "actor": why.actor,
        "because": why.because, "limits": why.limits,
        "expect": why.expect.iter().map(|(section, change, from, to)| json!({
            "section": section, "change_m3s": flow(*change),
            "from_h": round(*from, 1e2), "to_h": round(*to, 1e2),
        })).collect::<Vec<_>>(),
        "outcome": why.outcome,
    })
}

fn proposal(proposal: &Proposal) -> Value {
    json!({
        "id": proposal.id, "gate": proposal.gate, "from": proposal.from.map(opening), "to": opening(proposal.to),
        "protective": proposal.protective, "because": proposal.because, "limits": proposal.limits,
        "made_at": seconds(proposal.made), "incident": proposal.incident, "signed": proposal.signed,
    })
}

/// Answers to proposals by gate, over the days kept: accepted, rejected, lapsed.
fn answers(config: &Config, status: &Status) -> Vec<Value> {
    let mut sums = std::collections::BTreeMap::<usize, (u32, u32, u32)>::new();
    for tally in &status.answers {
        let Some(gate) = config.basin.gate(&tally.gate) else { continue };
        let sum = sums.entry(gate.0).or_default();
        *sum = (sum.0 + tally.accepted, sum.1 + tally.rejected, sum.2 + tally.lapsed);
    }
    let one = |(gate, (accepted, rejected, lapsed))| {
        json!({
            "gate": gate, "accepted": accepted, "rejected": rejected, "lapsed": lapsed,
        })
    };
    sums.into_iter().map(one).collect()
}

fn alarm(alarm: &AlarmStatus) -> Value {
    json!({
        "key": alarm.key, "id": alarm.id, "element": alarm.element, "priority": alarm.priority,
        "active": alarm.active, "acknowledged": alarm.acknowledged, "since_s": alarm.since.as_second(),
        "detail": alarm.detail,
    })
}
