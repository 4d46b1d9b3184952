//! Civil-time entries: turns within permits and in order, gate positions within travel.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use toml::value::{Datetime, Offset};

use super::super::raw::Given;
use super::super::raw::site::{RawGateEntry, RawTurn};
use super::super::sheet::{Entry, Spot};
use super::names::Names;
use super::{PERCENT, POSITIVE};
use crate::basin::{Gate, Intake};
use crate::config::{GateEntry, Schedules, Turn};
use crate::units::{Discharge, Opening};

/// What the calendar is checked against; an element whose own values are wrong is `None`.
pub(in crate::config) struct Against<'b> {
    pub(in crate::config) names: &'b Names,
    pub(in crate::config) zone: &'b TimeZone,
    pub(in crate::config) intakes: &'b [Option<Intake>],
    pub(in crate::config) gates: &'b [Option<Gate>],
}

pub(in crate::config) fn schedules<'a>(
    against: &Against<'_>,
    turns: Vec<Entry<'a, RawTurn>>,
    gates: Vec<Entry<'a, RawGateEntry>>,
) -> Option<Schedules> {
    let turns = turns
        .into_iter()
        .map(|entry| Some((turn(against, entry.id, entry.raw?, &entry.spot)?, entry.spot)))
        .collect::<Vec<_>>();
    let gates = gates
        .into_iter()
        .map(|entry| Some((gate_entry(against, entry.id, entry.raw?, &entry.spot)?, entry.spot)))
        .collect::<Vec<_>>();
    overlaps(&turns.iter().flatten().map(|(t, spot)| (t.intake.0, (t.from, t.to), t.id.as_str(), spot)));
    overlaps(&gates.iter().flatten().map(|(g, spot)| (g.gate.0, (g.from, g.to), g.id.as_str(), spot)));
    permits(against, &turns.iter().flatten().map(|(turn, spot)| (turn, spot)));
    let turns = turns.into_iter().map(|turn| Some(turn?.0)).collect::<Option<Vec<_>>>();
    let gates = gates.into_iter().map(|gate| Some(gate?.0)).collect::<Option<Vec<_>>>();
    Some(Schedules { turns: turns?, gates: gates? })
}

fn turn(against: &Against<'_>, id: String, raw: RawTurn, at: &Spot<'_>) -> Option<Turn> {
    let intake = against.names.intake(at, raw.intake);
    let span = span(at, raw.from, raw.to, against.zone);
    let rate = at.flow("rate_m3s", raw.rate_m3s, POSITIVE, "give the rate of the turn");
    let spec = intake.and_then(|id| against.intakes.get(id.0)?.as_ref());
    if let (Some(rate), Some(spec)) = (rate, spec) {
        if rate > spec.max_rate {
            let what = format!("is more than the permitted rate of {} m³/s", spec.max_rate.get());
            at.key("rate_m3s").complain(what, "announce what the permit allows");
        }
        if !spec.by_turns {
            at.key("intake")
                .complain("does not run in turns", "set by_turns = true there, or remove the turn");
        }
    }
    let (from, to) = span?;
    Some(Turn { id, intake: intake?, from, to, rate: rate? })
}

fn gate_entry(against: &Against<'_>, id: String, raw: RawGateEntry, at: &Spot<'_>) -> Option<GateEntry> {
    let gate = at
        .need("gate", raw.gate, "name the gate")
        .and_then(|name| against.names.gate(&at.key("gate"), &name));
    let span = span(at, raw.from, raw.to, against.zone);
    let opening = at.number("opening_pct", raw.opening_pct, PERCENT, "give the position in %");
    let spec = gate.and_then(|id| against.gates.get(id.0)?.as_ref());
    if let Some(spec) = spec {
        if !spec.is_dispatched() {
            let what = "is not moved by automatic control, so no calendar moves it";
            at.key("gate").complain(what, "name a gate with automatic = true, or remove the entry");
        }
        let (low, high) = (spec.lowest.percent(), spec.highest.percent());
        if let Some(pct) = opening.filter(|pct| *pct < low - 1e-9 || *pct > high + 1e-9) {
            let what = format!("{pct} lies outside its permitted travel of {low} to {high}");
            at.key("opening_pct").complain(what, "stay inside the travel");
        }
    }
    let (from, to) = span?;
    Some(GateEntry { id, gate: gate?, from, to, opening: Opening::clamped(opening? / 100.0) })
}

/// Start and end, in order.
pub(super) fn span(
    at: &Spot<'_>,
    from: Given<Datetime>,
    to: Given<Datetime>,
    zone: &TimeZone,
) -> Option<(Timestamp, Timestamp)> {
    let from = instant(at, "from", from, zone);
    let to = instant(at, "to", to, zone);
    let (from, to) = (from?, to?);
    if to <= from {
        at.key("to").complain("is not after the start", "give an end after the start");
    }
    Some((from, to))
}

/// Civil time of the site, or an instant with its own offset.
pub(super) fn instant(
    at: &Spot<'_>,
    key: &str,
    given: Given<Datetime>,
    zone: &TimeZone,
) -> Option<Timestamp> {
    const REMEDY: &str = "write civil time of the site as 2026-05-04T06:00:00, without quotes";
    let written = at.need(key, given, REMEDY)?;
    let parsed = match written.offset {
        None => civil(&written).and_then(|civil| zone.to_ambiguous_timestamp(civil).unambiguous().ok()),
        Some(Offset::Z | Offset::Custom { .. }) => written.to_string().parse().ok(),
    };
    if parsed.is_none() {
        at.key(key).complain("is no instant at the site", REMEDY);
    }
    parsed
}

fn civil(written: &Datetime) -> Option<DateTime> {
    written.date.and(written.time)?;
    written.to_string().parse().ok()
}

/// Two entries for one thing at one time: which one holds would depend on the order of the file.
fn overlaps<'s, 'a: 's>(
    entries: &(impl Iterator<Item = (usize, (Timestamp, Timestamp), &'s str, &'s Spot<'a>)> + Clone),
) {
    for (at, (of, (from, to), _, spot)) in entries.clone().enumerate() {
        let earlier = entries.clone().take(at).find(|(o, (f, t), ..)| *o == of && *f < to && from < *t);
        if let Some((_, _, other, _)) = earlier {
            let what = format!("overlaps with \"{other}\"");
            spot.key("from").complain(what, "let one end before the other begins");
        }
    }
}

/// Announced turns of one intake within its yearly permit, by the civil year they begin in.
fn permits<'s, 'a: 's>(
    against: &Against<'_>,
    turns: &(impl Iterator<Item = (&'s Turn, &'s Spot<'a>)> + Clone),
) {
    let year = |turn: &Turn| against.zone.to_datetime(turn.from).year();
    for (at, (turn, spot)) in turns.clone().enumerate() {
        let Some(Some(intake)) = against.intakes.get(turn.intake.0) else { continue };
        let volume: f64 = turns
            .clone()
            .take(at + 1)
            .filter(|(other, _)| other.intake == turn.intake && year(other) == year(turn))
            .map(|(other, _)| Discharge::get(other.rate) * other.to.duration_since(other.from).as_secs_f64())
            .sum();
        if volume > intake.permit_m3 {
            let what = format!(
                "brings the announced turns of {} to {volume:.0} m³ in {}, more than the permit of {}",
                intake.id,
                year(turn),
                intake.permit_m3
            );
            spot.key("to").complain(what, "shorten the turns or correct the permit");
            break;
        }
    }
}
