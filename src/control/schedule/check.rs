//! What stands against an entry: what the gate cannot or may not do, other entries, and the water further down.
//!
//! The look at the water is simple and cautious, by the numbers of the arrival-time rule: what a step takes from the river, or
//! withholds behind a weir, is what passes the gate then less what passes it now. It is missing at each section further down
//! from 0.88 of the travel time after the begin to 1.2 of it after the end, and is taken off the forecast there; nothing is set
//! against it. A step that leaves less than the floor of what is expected is refused when it shows before water released
//! now could be there. Later than that the dam can make up for it, and it is only shown; so is one that leaves less than the
//! floor of the low bound alone. What lies beyond the forecast of two days is not looked at.

use jiff::Timestamp;
use serde::Serialize;

use super::when::{Rank, Span, When};
use super::{Entry, Target};
use crate::basin::{Basin, Duty, Gate, GateId, Place, Section, SectionId};
use crate::control::arrival::ARRIVAL;
use crate::control::routing::{self, Path};
use crate::control::status::Status;
use crate::control::structure;
use crate::points::Field;
use crate::units::{Discharge, Opening, Stage};

/// How far ahead occurrences are looked for, h: a year and a day.
const LOOK_H: f64 = 8784.0;

/// Least flow that counts as missing, m³/s: five litres a second. Assumed, as the least a rule trims.
const LEAST: f64 = 0.005;

/// Something to be said of an entry.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Conflict {
    /// The entry.
    pub entry: String,
    /// Its gate or section.
    pub element: String,
    /// When it first shows; `None`: always.
    pub at: Option<Timestamp>,
    /// The calendar cannot be activated with it.
    pub refused: bool,
    /// What it is.
    #[serde(flatten)]
    pub finding: Finding,
}

/// What stands against an entry.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "finding")]
pub enum Finding {
    /// No gate or section is called so.
    Unknown,
    /// Automatic control does not move the gate.
    NotDriven,
    /// The gate holds the release of a dam, which the local loop does.
    HoldsRelease,
    /// The sluice of a weir, which holds the minimum release: it can be opened further or left where it is.
    HoldsMinimum,
    /// Outside the travel of the gate.
    Travel {
        /// Lowest opening, %.
        lowest_pct: f64,
        /// Highest, %.
        highest_pct: f64,
    },
    /// A flow is asked of a gate without a flow meter of its own.
    NoMeter,
    /// A level is asked of a gate that takes from no water body with a level meter.
    NoLevel,
    /// A gate that is locked outside the flood season would be opened then.
    SeasonLock,
    /// More than the users behind the gate are permitted.
    Permit {
        /// What they are permitted together.
        permitted_m3s: Discharge,
    },
    /// Less than the floor of the section.
    BelowFloor {
        /// The floor.
        floor_m3s: Discharge,
    },
    /// No dam is released for the section.
    NotHeld,
    /// It begins before water released now could be there.
    TooSoon {
        /// When that could be.
        not_before: Timestamp,
    },
    /// It never holds from now on.
    Never,
    /// Another entry is called so too.
    SameName,
    /// Another entry of the same rank is for the same gate at the same time.
    Overlap {
        /// The other.
        other: String,
    },
    /// Another entry counts instead at that time, by its rank.
    Covered {
        /// The other.
        other: String,
    },
    /// A section further down would be left with less than its floor.
    Short {
        /// Which.
        section: String,
        /// Its floor.
        floor_m3s: Discharge,
        /// What would be left, by the low bound of its forecast.
        left_m3s: Discharge,
    },
    /// What it does to a section further down cannot be told now.
    NotTold {
        /// Which.
        section: String,
    },
}

impl Finding {
    /// What is wrong, and what to do, in English.
    pub fn words(&self) -> (String, &'static str) {
        let plain = |text: &str| text.to_owned();
        match self {
            Self::Unknown => (plain("no gate or section of this name"), "name one of the basin"),
            Self::NotDriven => (
                plain("is not moved by automatic control, so no calendar moves it"),
                "name a gate with automatic = true",
            ),
            Self::HoldsRelease => (
                plain("holds the release of a dam, which no calendar sets"),
                "raise the floor of the section below the dam instead",
            ),
            Self::HoldsMinimum => (
                plain("holds the minimum release of its weir"),
                "give an opening, which is then the least, or let it stay where it is",
            ),
            Self::Travel { lowest_pct, highest_pct } => (
                format!("lies outside its permitted travel of {lowest_pct} to {highest_pct} %"),
                "stay inside the travel",
            ),
            Self::NoMeter => (plain("has no flow meter of its own to trim by"), "give an opening instead"),
            Self::NoLevel => {
                (plain("takes from no water body with a level meter"), "give an opening instead")
            }
            Self::SeasonLock => {
                (plain("stays shut outside the flood season"), "let it begin and end within the flood season")
            }
            Self::Permit { permitted_m3s } => (
                format!("is more than the {permitted_m3s} its users are permitted"),
                "ask for what the permits allow",
            ),
            Self::BelowFloor { floor_m3s } => {
                (format!("is less than the floor of {floor_m3s}"), "a floor can only be raised; give more")
            }
            Self::NotHeld => (plain("is held by no dam"), "name a section below a dispatched dam"),
            Self::TooSoon { not_before } => (
                format!("begins before water can be there, {not_before}"),
                "let it begin later, or accept that it is late",
            ),
            Self::Never => (plain("never holds from now on"), "correct its time, or remove it"),
            Self::SameName => (plain("there is another entry of this name"), "give it another name"),
            Self::Overlap { other } => (
                format!("overlaps with \"{other}\""),
                "let one end before the other begins, or make it a one-off",
            ),
            Self::Covered { other } => (
                format!("gives way to \"{other}\", which ranks higher"),
                "nothing has to be done if that is meant",
            ),
            Self::Short { section, floor_m3s, left_m3s } => (
                format!("would leave {section} with {left_m3s}, less than its floor of {floor_m3s}"),
                "ask for less, or let it begin when the dam can make up for it",
            ),
            Self::NotTold { section } => (
                format!("what it does to {section} cannot be told now"),
                "look again when meters and forecast are good",
            ),
        }
    }
}

/// What entries are checked against.
#[derive(Clone, Copy, Debug)]
pub struct Ground<'a> {
    /// The basin.
    pub basin: &'a Basin,
    /// Now; `None` where there is no now, as in a file.
    pub now: Option<Timestamp>,
    /// The picture of the river, with the field it is read from; `None`: what an entry does to it is not looked at.
    pub river: Option<(&'a Field, &'a Status)>,
}

/// Everything to be said of `entries`; `others` stand beside them and are only looked at for overlaps.
pub fn conflicts(ground: &Ground<'_>, entries: &[Entry], others: &[Entry]) -> Vec<Conflict> {
    let mut found = Vec::new();
    let paths = routing::paths(ground.basin);
    for (at, entry) in entries.iter().enumerate() {
        let mut say = |at: Option<Timestamp>, refused: bool, finding: Finding| {
            let (entry, element) = (entry.id.clone(), entry.target.element().to_owned());
            found.push(Conflict { entry, element, at, refused, finding });
        };
        let mut before = entries.iter().take(at).chain(others);
        if before.any(|other| other.id == entry.id) {
            say(None, true, Finding::SameName);
        }
        let first = ground.now.and_then(|now| next(ground.basin, entry, now));
        if ground.now.is_some() && first.is_none() {
            say(None, false, Finding::Never);
        }
        match &entry.target {
            Target::Floor { section, floor } => {
                raised(ground, (entry, section.as_str(), *floor), &paths, first, &mut say);
            }
            Target::Opening { gate, .. }
            | Target::Flow { gate, .. }
            | Target::Level { gate, .. }
            | Target::Shut { gate }
            | Target::Stay { gate } => {
                if let Some(id) = ground.basin.gate(gate) {
                    of_gate(ground, entry, id, &mut say);
                    if let (Some((field, status)), Some(span)) = (ground.river, first) {
                        let look = Look { basin: ground.basin, field, status, paths: &paths };
                        look.downstream(entry, id, span, &mut say);
                    }
                } else {
                    say(None, true, Finding::Unknown);
                }
                for (place, other) in
                    entries.iter().chain(others).enumerate().filter(|(place, _)| *place != at)
                {
                    // Told of one of the two: the later, and one of the page before one of the file.
                    let is_told = place > at && place < entries.len();
                    beside(ground, entry, (other, is_told), &mut say);
                }
            }
        }
    }
    found
}

/// The occurrence that holds at `now`, or the next one.
fn next(basin: &Basin, entry: &Entry, now: Timestamp) -> Option<Span> {
    let window = Span { from: now, to: super::hours_after(now, LOOK_H) };
    match &entry.when {
        // It may lie further ahead than anybody looks.
        When::Once { from, to } => Some(Span { from: *from, to: *to }).filter(|span| now < span.to),
        When::Weekly { .. } | When::Season { .. } => entry.when.spans(&basin.zone, window).into_iter().next(),
    }
}

fn of_gate(
    ground: &Ground<'_>,
    entry: &Entry,
    id: GateId,
    say: &mut impl FnMut(Option<Timestamp>, bool, Finding),
) {
    let Some(gate) = ground.basin.gates.get(id.0) else { return };
    if !gate.is_dispatched() {
        say(None, true, Finding::NotDriven);
        return;
    }
    if matches!(gate.duty, Duty::Trim | Duty::Standby | Duty::Base) {
        say(None, true, Finding::HoldsRelease);
        return;
    }
    let opens = match &entry.target {
        Target::Opening { opening, .. } => {
            let (lowest_pct, highest_pct) = (gate.lowest.percent(), gate.highest.percent());
            let pct = opening.percent();
            if pct < lowest_pct - 1e-9 || pct > highest_pct + 1e-9 {
                say(None, true, Finding::Travel { lowest_pct, highest_pct });
            }
            *opening > Opening::SHUT
        }
        Target::Flow { flow, .. } => {
            if gate.flow_meter.is_none() {
                say(None, true, Finding::NoMeter);
            }
            if let Some(permitted_m3s) = permitted(ground.basin, gate)
                && *flow > permitted_m3s + Discharge::lossy(1e-9)
            {
                say(None, true, Finding::Permit { permitted_m3s });
            }
            *flow > Discharge::ZERO
        }
        Target::Level { .. } => {
            if level_meter(ground.basin, gate).is_none() {
                say(None, true, Finding::NoLevel);
            }
            true
        }
        Target::Shut { .. } => {
            if gate.lowest > Opening::SHUT {
                let (lowest_pct, highest_pct) = (gate.lowest.percent(), gate.highest.percent());
                say(None, true, Finding::Travel { lowest_pct, highest_pct });
            }
            false
        }
        Target::Stay { .. } | Target::Floor { .. } => false,
    };
    let asks_flow = matches!(entry.target, Target::Flow { .. } | Target::Level { .. } | Target::Shut { .. });
    if gate.duty == Duty::PassOn && asks_flow {
        say(None, true, Finding::HoldsMinimum);
    }
    let locked = gate.lock.is_some() || gate.duty == Duty::SeasonLock;
    if locked
        && opens
        && let Some(Seen(at)) = outside_flood_season(ground, entry)
    {
        say(at, true, Finding::SeasonLock);
    }
}

/// When something was found; `None`: it cannot be said.
struct Seen(Option<Timestamp>);

/// A time outside the flood season at which an entry holds.
fn outside_flood_season(ground: &Ground<'_>, entry: &Entry) -> Option<Seen> {
    let basin = ground.basin;
    let begin = ground.now.or(match &entry.when {
        When::Once { from, .. } => Some(*from),
        When::Weekly { .. } | When::Season { .. } => None,
    });
    // Without a now any year serves: a leap year has all days.
    let begin = begin.or_else(|| "2024-01-01T00:00:00Z".parse().ok())?;
    let window = Span { from: begin, to: super::hours_after(begin, LOOK_H) };
    let dry = |span: &Span| {
        let (first, last) = (basin.date_at(span.from), basin.date_at(super::hours_after(span.to, -1e-3)));
        let mut days = first.series(jiff::Span::new().days(1)).take_while(|day| *day <= last).take(367);
        days.any(|day| !basin.flood_season.contains(day))
    };
    let spans = entry.when.spans(&basin.zone, window);
    let found = spans.iter().map(|span| span.within(window)).find(dry)?;
    Some(Seen(ground.now.map(|_| found.from)))
}

/// What the users behind a gate are permitted together; `None` when there are none.
fn permitted(basin: &Basin, gate: &Gate) -> Option<Discharge> {
    let intakes = basin.intakes.iter().filter(|intake| intake.from == gate.to);
    let intakes = intakes.map(|intake| intake.max_rate);
    let transfers = basin.transfers.iter().filter(|transfer| Place::Node(transfer.head) == gate.to);
    let transfers = transfers.map(|transfer| transfer.capacity);
    let all: Vec<Discharge> = intakes.chain(transfers).collect();
    (!all.is_empty()).then(|| all.into_iter().sum())
}

/// The level meter of the water a gate takes from.
fn level_meter(basin: &Basin, gate: &Gate) -> Option<crate::basin::MeterId> {
    match gate.from {
        Place::Reservoir(body) => basin.reservoirs.get(body.0)?.level_meter,
        Place::Node(_) | Place::Along { .. } | Place::Wetland(_) | Place::Outside => None,
    }
}

fn raised(
    ground: &Ground<'_>,
    (entry, section, floor): (&Entry, &str, Discharge),
    paths: &[Path],
    first: Option<Span>,
    say: &mut impl FnMut(Option<Timestamp>, bool, Finding),
) {
    let Some(id) = ground.basin.section(section) else {
        say(None, true, Finding::Unknown);
        return;
    };
    let Some(section) = ground.basin.sections.get(id.0) else { return };
    let Some(path) = paths.iter().find(|path| path.section == id) else {
        say(None, true, Finding::NotHeld);
        return;
    };
    let highest = legal(section, entry, ground);
    if let Some((at, floor_m3s)) = highest.filter(|(_, legal)| floor < *legal) {
        say(at, true, Finding::BelowFloor { floor_m3s });
    }
    if let (Some(now), Some(span)) = (ground.now, first) {
        let not_before = super::hours_after(now, path.lag_h(ground.basin, floor));
        if span.from > now && span.from < not_before {
            say(Some(span.from), false, Finding::TooSoon { not_before });
        }
    }
}

/// The highest floor of a section while the entry holds, and when that is.
fn legal(section: &Section, entry: &Entry, ground: &Ground<'_>) -> Option<(Option<Timestamp>, Discharge)> {
    match &entry.when {
        When::Once { from, to } => {
            let (first, last) = (ground.basin.date_at(*from), ground.basin.date_at(*to));
            let days = first.series(jiff::Span::new().days(1)).take_while(|day| *day <= last).take(367);
            let highest = days.filter_map(|day| section.floor_on(day)).reduce(Discharge::max)?;
            Some((Some(*from), highest))
        }
        // Every day of the year may come.
        When::Weekly { .. } | When::Season { .. } => {
            let always = section.seasonal_floors.iter().map(|seasonal| seasonal.floor).chain(section.floor);
            Some((None, always.reduce(Discharge::max)?))
        }
    }
}

/// Two entries for one gate.
fn beside(
    ground: &Ground<'_>,
    entry: &Entry,
    (other, is_told): (&Entry, bool),
    say: &mut impl FnMut(Option<Timestamp>, bool, Finding),
) {
    let ranks: (Rank, Rank) = (entry.when.rank(), other.when.rank());
    let same = ranks.0 == ranks.1;
    if entry.target.gate() != other.target.gate() || ranks.0 > ranks.1 || (same && is_told) {
        return;
    }
    let Some(Seen(at)) = meet(ground, entry, other) else { return };
    let other = other.id.clone();
    say(at, same, if same { Finding::Overlap { other } } else { Finding::Covered { other } });
}

/// Whether two entries hold at one time, and when first; from now on, or in the four years of a leap cycle.
fn meet(ground: &Ground<'_>, one: &Entry, other: &Entry) -> Option<Seen> {
    let zone = &ground.basin.zone;
    if let (When::Once { from, to }, When::Once { from: f, to: t }) = (&one.when, &other.when) {
        let (a, b) = (Span { from: *from, to: *to }, Span { from: *f, to: *t });
        return a.meets(b).then(|| Seen(Some(a.from.max(b.from))));
    }
    // A one-off says when to look; else the begin of what is valid.
    let span_of = |entry: &Entry| match entry.when {
        When::Once { from, to } => Some(Span { from, to }),
        When::Weekly { .. } | When::Season { .. } => None,
    };
    let starts = [one, other].map(|entry| match &entry.when {
        When::Weekly { within, .. } | When::Season { within } => within.first,
        When::Once { .. } => None,
    });
    let begin = starts.into_iter().flatten().max();
    let begin = begin.and_then(|day| zone.to_timestamp(day.at(0, 0, 0, 0)).ok());
    let begin = begin.max(ground.now).or_else(|| "2024-01-01T00:00:00Z".parse().ok())?;
    let years = if ground.now.is_some() { 1.0 } else { 4.0 };
    let only = span_of(one).or_else(|| span_of(other));
    let window = only.unwrap_or(Span { from: begin, to: super::hours_after(begin, years * LOOK_H) });
    let (first, second) = (one.when.spans(zone, window), other.when.spans(zone, window));
    let mut second = second.iter().peekable();
    for span in &first {
        while second.next_if(|other| other.to <= span.from).is_some() {}
        if let Some(other) = second.peek().filter(|other| other.meets(*span)) {
            let at = span.from.max(other.from);
            return Some(Seen(Some(at).filter(|_| ground.now.is_some() || only.is_some())));
        }
    }
    None
}

/// The water further down, as it is expected now.
struct Look<'a> {
    basin: &'a Basin,
    field: &'a Field,
    status: &'a Status,
    paths: &'a [Path],
}

impl Look<'_> {
    /// What a step of a gate does to the sections below.
    fn downstream(
        &self,
        entry: &Entry,
        id: GateId,
        span: Span,
        say: &mut impl FnMut(Option<Timestamp>, bool, Finding),
    ) {
        let Some(gate) = self.basin.gates.get(id.0) else { return };
        let Some(from) = self.river_place(gate.from) else { return };
        for path in self.paths {
            let Some(rest) = path.below(self.basin, from) else { continue };
            let Some(section) = self.basin.sections.get(path.section.0) else { continue };
            let passes = self.river_place(gate.to).is_some_and(|to| path.below(self.basin, to).is_some());
            let Some(more) = self.change(entry, gate, id) else {
                say(Some(span.from), false, Finding::NotTold { section: section.id.clone() });
                continue;
            };
            let missing = if passes { -more } else { more };
            if missing >= LEAST {
                self.at_section(span, (path, &rest), missing, section, say);
            }
        }
    }

    /// Where along the river a gate takes its water, or gives it; none for a reservoir that is released from as dispatch
    /// has it.
    fn river_place(&self, place: Place) -> Option<Place> {
        match place {
            Place::Node(_) | Place::Along { .. } => Some(place),
            Place::Reservoir(body) => {
                let body = self.basin.reservoirs.get(body.0)?;
                let is_dam =
                    self.paths.iter().any(|path| self.basin.reservoirs.get(path.source.0) == Some(body));
                (!is_dam).then_some(Place::Node(body.at))
            }
            Place::Wetland(_) | Place::Outside => None,
        }
    }

    /// What passes a gate then less what passes it now, m³/s.
    fn change(&self, entry: &Entry, gate: &Gate, id: GateId) -> Option<f64> {
        let now = self.status.gates.get(id.0)?;
        let passes = now.flow.flow.map(Discharge::get);
        let then = match &entry.target {
            Target::Opening { opening, .. } => {
                let by_level = self.level(gate).map(|level| structure::flow(gate, *opening, level).get());
                by_level.or_else(|| {
                    let stands = now.opening.filter(|stands| *stands > Opening::SHUT)?;
                    Some(passes? * opening.fraction() / stands.fraction())
                })?
            }
            Target::Flow { flow, .. } => flow.get(),
            Target::Shut { .. } => 0.0,
            // What keeps a level passes on what comes, in the mean.
            Target::Level { .. } | Target::Stay { .. } | Target::Floor { .. } => return Some(0.0),
        };
        Some(then - passes?)
    }

    fn level(&self, gate: &Gate) -> Option<Stage> {
        let meter = level_meter(self.basin, gate)?;
        let point = self.field.wiring.meters.get(meter.0).copied().flatten()?;
        Stage::new(self.status.image.get(point.0)?.usable()?)
    }

    fn at_section(
        &self,
        span: Span,
        (path, rest): (&Path, &[routing::Stretch]),
        missing: f64,
        section: &Section,
        say: &mut impl FnMut(Option<Timestamp>, bool, Finding),
    ) {
        let SectionId(at) = path.section;
        let Some(now) = self.status.sections.get(at) else { return };
        let base = now.forecast.first().map_or(Discharge::lossy(1.0), |(_, flow)| *flow);
        let base = base.max(Discharge::lossy(0.1));
        let hours = |utc: Timestamp| utc.duration_since(self.status.utc).as_secs_f64() / 3600.0;
        let lag = routing::lag_h(self.basin, rest, base);
        let arrives = hours(span.from).max(0.0) + ARRIVAL.0 * lag;
        let ends = hours(span.to) + ARRIVAL.1 * lag;
        if now.forecast.is_empty() {
            say(Some(span.from), false, Finding::NotTold { section: section.id.clone() });
            return;
        }
        let there = |hour: f64| hour >= arrives.floor() && hour <= ends.ceil();
        let steps = now.forecast.iter().zip(&now.forecast_band).filter(|((hour, _), _)| there(*hour));
        let worst = steps.min_by(|a, b| a.0.1.get().total_cmp(&b.0.1.get()));
        let Some(((hour, expected), (low, _))) = worst else { return };
        let when = super::hours_after(self.status.utc, *hour);
        let Some(floor_m3s) = section.floor_on(self.basin.date_at(when)) else { return };
        let left = |flow: Discharge| flow - Discharge::lossy(missing);
        if left(*low) >= floor_m3s {
            return;
        }
        let in_time = arrives >= ARRIVAL.1 * path.lag_h(self.basin, base);
        let refused = left(*expected) < floor_m3s && !in_time;
        let left_m3s = if left(*expected) < floor_m3s { left(*expected) } else { left(*low) };
        let left_m3s = Discharge::lossy((left_m3s.get() * 1e3).round() / 1e3);
        let section = section.id.clone();
        say(Some(span.from), refused, Finding::Short { section, floor_m3s, left_m3s });
    }
}
