//! Civil-time entries: turns within permits and in order, what gates and sections are asked for within what they may.

use std::cell::RefCell;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use toml::value::{Datetime, Offset};

use super::super::raw::Given;
use super::super::raw::site::{RawEntry, RawGateEntry, RawTurn};
use super::super::sheet::{Entry, Sheet, Spot};
use super::names::Names;
use super::{PERCENT, POSITIVE};
use crate::basin::{Basin, Gate, Intake};
use crate::config::{Schedules, Turn};
use crate::control::schedule::check::{self, Ground};
use crate::control::schedule::row::Row;
use crate::control::schedule::{self, IfMissed, Target, When};
use crate::units::{Discharge, Opening};

/// What the calendar is checked against; an element whose own values are wrong is `None`.
pub(in crate::config) struct Against<'b> {
    pub(in crate::config) names: &'b Names,
    pub(in crate::config) zone: &'b TimeZone,
    pub(in crate::config) intakes: &'b [Option<Intake>],
    pub(in crate::config) gates: &'b [Option<Gate>],
}

/// The calendar when every part of it could be made, and the entries that could.
pub(in crate::config) fn schedules<'a>(
    against: &Against<'_>,
    turns: Vec<Entry<'a, RawTurn>>,
    gates: Vec<Entry<'a, RawGateEntry>>,
    entries: Vec<Entry<'a, RawEntry>>,
) -> (Option<Schedules>, Vec<schedule::Entry>) {
    let turns = turns
        .into_iter()
        .map(|entry| Some((turn(against, entry.id, entry.raw?, &entry.spot)?, entry.spot)))
        .collect::<Vec<_>>();
    let gates = gates
        .into_iter()
        .map(|entry| Some((gate_entry(against, entry.id, entry.raw?, &entry.spot)?, entry.spot)))
        .collect::<Vec<_>>();
    overlaps(&turns.iter().flatten().map(|(t, spot)| (t.intake.0, (t.from, t.to), t.id.as_str(), spot)));
    let entries = entries
        .into_iter()
        .map(|entry| entry_of(against, entry.id, entry.raw?, &entry.spot))
        .collect::<Vec<_>>();
    overlaps(&gates.iter().flatten().filter_map(|(entry, spot)| {
        let When::Once { from, to } = entry.when else { return None };
        let gate =
            against.names.gates.iter().position(|known| Some(known.as_str()) == entry.target.gate())?;
        Some((gate, (from, to), entry.id.as_str(), spot))
    }));
    permits(against, &turns.iter().flatten().map(|(turn, spot)| (turn, spot)));
    let turns = turns.into_iter().map(|turn| Some(turn?.0)).collect::<Option<Vec<_>>>();
    let entries: Vec<_> = gates.into_iter().map(|gate| Some(gate?.0)).chain(entries).collect();
    let made = entries.iter().flatten().cloned().collect();
    let whole = turns.zip(entries.into_iter().collect::<Option<Vec<_>>>());
    (whole.map(|(turns, entries)| Schedules { turns, entries }), made)
}

/// Table of a line of the calendar: `gate` for a position in its short form, `entry` for any.
fn table(sheet: &Sheet<'_>, id: &str) -> &'static str {
    if sheet.names("entry").iter().any(|known| known == id) { "entry" } else { "gate" }
}

/// What is said of the entries that could be made: what they ask of gates and sections, and of each other; a position in its short form has been looked at.
pub(in crate::config) fn entries(basin: &Basin, entries: &[schedule::Entry], sheet: &Sheet<'_>) {
    let ground = Ground { basin, now: None, river: None };
    for conflict in check::conflicts(&ground, entries, &[]) {
        let entry = entries.iter().rfind(|entry| entry.id == conflict.entry);
        let (Some(entry), true) = (entry, conflict.refused) else { continue };
        let overlaps = matches!(conflict.finding, check::Finding::Overlap { .. } | check::Finding::SameName);
        if table(sheet, &entry.id) == "gate" && !overlaps {
            continue;
        }
        let told = matches!(&conflict.finding, check::Finding::Overlap { other }
            if table(sheet, other) == "gate" && table(sheet, &entry.id) == "gate");
        if told || matches!(conflict.finding, check::Finding::Unknown) {
            continue;
        }
        let spot = sheet.entry(table(sheet, &entry.id), &entry.id);
        let (what, remedy) = conflict.finding.words();
        spot.key(key_of(&conflict.finding, &entry.target, &entry.when)).complain(what, remedy);
    }
}

/// The key a finding is about.
fn key_of(finding: &check::Finding, target: &Target, when: &When) -> &'static str {
    use check::Finding;
    let value = match target {
        Target::Opening { .. } => "opening_pct",
        Target::Flow { .. } => "flow_m3s",
        Target::Level { .. } => "level_m",
        Target::Floor { .. } => "floor_m3s",
        Target::Shut { .. } | Target::Stay { .. } => "kind",
    };
    let time = match when {
        When::Once { .. } => "from",
        When::Weekly { .. } => "begin",
        When::Season { .. } => "season_from",
    };
    match finding {
        Finding::Travel { .. } | Finding::Permit { .. } | Finding::BelowFloor { .. } => value,
        Finding::NoMeter | Finding::NoLevel | Finding::HoldsMinimum => "kind",
        Finding::NotHeld => "section",
        Finding::SeasonLock | Finding::Overlap { .. } | Finding::TooSoon { .. } | Finding::Never => time,
        Finding::Unknown
        | Finding::NotDriven
        | Finding::HoldsRelease
        | Finding::SameName
        | Finding::Covered { .. }
        | Finding::Short { .. }
        | Finding::NotTold { .. } => "gate",
    }
}

/// An entry in its long form: the row it makes is read as one of the page is.
fn entry_of(against: &Against<'_>, id: String, raw: RawEntry, at: &Spot<'_>) -> Option<schedule::Entry> {
    // A key whose kind is wrong has been told, and is not missing.
    let wrong = RefCell::new(Vec::new());
    let note = |key: &'static str, is_wrong: bool| {
        if is_wrong {
            wrong.borrow_mut().push(key);
        }
    };
    let text = |key: &'static str, given: Given<String>| {
        note(key, matches!(given, Given::Wrong(_)));
        at.may(key, given, "write a text in quotes").unwrap_or_default()
    };
    let number = |key: &'static str, given: Given<f64>| {
        note(key, matches!(given, Given::Wrong(_)));
        at.may(key, given, "write a number").map(|number| number.to_string()).unwrap_or_default()
    };
    let moment = |key: &'static str, given: Given<Datetime>| {
        note(key, matches!(given, Given::Wrong(_)));
        let remedy = "write civil time of the site as 2026-05-04T06:00:00, without quotes";
        at.may(key, given, remedy).map(|moment| moment.to_string()).unwrap_or_default()
    };
    let is_floor = matches!(&raw.kind, Given::Value(kind) if kind == "floor");
    let (gate, section) = (text("gate", raw.gate), text("section", raw.section));
    let (own, (key, other)) = if is_floor { (section, ("gate", gate)) } else { (gate, ("section", section)) };
    if !other.is_empty() {
        at.key(key).complain("does not belong to this kind of entry", "remove it");
    }
    let row = Row {
        id,
        name: text("name", raw.name),
        kind: text("kind", raw.kind),
        element: own,
        opening_pct: number("opening_pct", raw.opening_pct),
        flow_m3s: number("flow_m3s", raw.flow_m3s),
        level_m: number("level_m", raw.level_m),
        floor_m3s: number("floor_m3s", raw.floor_m3s),
        from: moment("from", raw.from),
        to: moment("to", raw.to),
        days: text("days", raw.days),
        begin: text("begin", raw.begin),
        end: text("end", raw.end),
        season_from: text("season_from", raw.season_from),
        season_to: text("season_to", raw.season_to),
        valid_from: moment("valid_from", raw.valid_from),
        valid_to: moment("valid_to", raw.valid_to),
        if_missed: text("if_missed", raw.if_missed),
        order_number: text("order_number", raw.order_number),
        order_giver: text("order_giver", raw.order_giver),
        order_receiver: text("order_receiver", raw.order_receiver),
        order_given: moment("order_given", raw.order_given),
        order_basis: text("order_basis", raw.order_basis),
    };
    let key = if is_floor { "section" } else { "gate" };
    let known = match (row.element.as_str(), is_floor) {
        ("", _) => true,
        (name, false) => against.names.gate(&at.key(key), name).is_some(),
        (name, true) => against.names.section(&at.key(key), name),
    };
    match row.entry(against.zone) {
        Ok(entry) => Some(entry).filter(|_| known),
        Err(faults) => {
            for fault in faults {
                let key = match fault.column {
                    "element" => key,
                    "id" => "",
                    column => column,
                };
                if wrong.borrow().contains(&key) {
                    continue;
                }
                let spot = if key.is_empty() { at.clone() } else { at.key(key) };
                spot.complain(fault.what, fault.remedy);
            }
            None
        }
    }
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

fn gate_entry(
    against: &Against<'_>,
    id: String,
    raw: RawGateEntry,
    at: &Spot<'_>,
) -> Option<schedule::Entry> {
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
    let gate = against.names.gates.get(gate?.0)?.clone();
    Some(schedule::Entry {
        id,
        name: String::new(),
        target: Target::Opening { gate, opening: Opening::clamped(opening? / 100.0) },
        when: When::Once { from, to },
        if_missed: IfMissed::Late,
        order: None,
    })
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
