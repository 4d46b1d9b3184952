//! Rating curves: dates in order, branches that meet and rise, gaugings that lie on them.

use jiff::civil::Date;
use toml::value::Datetime;

use super::super::raw::Given;
use super::super::raw::rating::{RawBetween, RawGauging, RawRating, RawSegment, RawVersion, RawVoid};
use super::super::sheet::{Entry, Sheet, Spot};
use super::names::Names;
use super::wiring::Rated;
use super::{FINITE, NOT_NEGATIVE, Noted, POSITIVE, Rule};
use crate::basin::{Between, Branch, Curve, Gauging, Meter, MeterId, MeterKind, Name, Rating, Version, Void};
use crate::control::rating::{branch_flow, on_curve};
use crate::units::{Discharge, Stage};

/// Exponents of natural sections, rectangular to triangular. Source: hydrometric practice.
const EXPONENT: Rule = Rule { holds: |x| (1.5..=2.5).contains(&x), must: "must be 1.5 to 2.5" };
/// What may be read off above the highest gauging.
const EXTRAPOLATION: Rule = Rule { holds: |x| (0.0..=10.0).contains(&x), must: "must be 0 to 10" };
/// An uncertainty people would still call a measurement.
const UNCERTAINTY: Rule = Rule { holds: |x| x > 0.0 && x <= 50.0, must: "must be above 0 and at most 50" };

/// Largest step between two branches where they meet, share of the flow. Chosen: coefficients with three digits meet
/// within it, and it is far below what any gauging tells.
const JOINT: f64 = 0.005;

/// A gauging further off its curve than this many times the uncertainties of both together is a mistake in one of
/// them. Chosen: at 95 % confidence one gauging in twenty lies beyond once, one in ten thousand beyond twice.
const OFF: f64 = 2.0;

/// The meters that take their value from a rating, as far as their names can be read.
pub(in crate::config) fn rated(names: &Names, sheet: &Sheet<'_>) -> Rated {
    let flows = sheet.texts("rating", "flow").into_iter();
    let meters = flows.filter_map(|id| names.meters.iter().position(|meter| *meter == id)).collect();
    Rated { meters, whole: sheet.whole }
}

/// All ratings; `None` when one of them is wrong.
pub(in crate::config) fn ratings(
    names: &Names,
    meters: &[Option<Meter>],
    entries: Vec<Entry<'_, RawRating>>,
) -> Option<Vec<Rating>> {
    let mut list: Vec<Option<Rating>> = Vec::new();
    for Entry { id, raw, spot } in entries {
        let made = raw.and_then(|raw| rating(names, meters, id, raw, &spot));
        let twin = made.as_ref().and_then(|made| list.iter().flatten().find(|other| other.flow == made.flow));
        if let Some(twin) = twin {
            let what = format!("already takes its value from rating \"{}\"", twin.id);
            spot.key("flow").complain(what, "keep one of the two; what changes with time is a version");
        }
        list.push(made);
    }
    list.into_iter().collect()
}

fn rating(
    names: &Names,
    meters: &[Option<Meter>],
    id: String,
    raw: RawRating,
    at: &Spot<'_>,
) -> Option<Rating> {
    let name = at.name(raw.name_zh, raw.name_en);
    let note = pair(at, ("note_zh", raw.note_zh), ("note_en", raw.note_en));
    let flow = meter(names, at, "flow", raw.flow, "name the flow meter it gives its value to");
    let level = meter(names, at, "level", raw.level, "name the level meter it reads");
    let kind = |id: Option<MeterId>| meters.get(id?.0)?.as_ref().map(|meter| meter.kind);
    if kind(flow).is_some_and(|kind| !matches!(kind, MeterKind::RiverFlow | MeterKind::StructureFlow)) {
        at.key("flow").complain("is no flow meter", "name a meter of kind river_flow or structure_flow");
    }
    if kind(level).is_some_and(|kind| kind != MeterKind::Level) {
        at.key("level").complain("is no level meter", "name a meter of kind level");
    }
    let void = voids(at, raw.void_when);
    let accuracy = flow.and_then(|id| meters.get(id.0)?.as_ref());
    let versions = versions(at, raw.version, accuracy);
    Some(Rating {
        id,
        name: name?,
        note: note.ok()?,
        level: level?,
        flow: flow?,
        void: void?,
        versions: versions?,
    })
}

fn meter(names: &Names, at: &Spot<'_>, key: &str, given: Given<String>, remedy: &str) -> Option<MeterId> {
    if !given.is_there() {
        at.key(key).complain("is missing", remedy);
        return None;
    }
    names.meter(at, key, given).ok().flatten()
}

/// Two texts of which both are there or none.
fn pair(at: &Spot<'_>, zh: (&str, Given<String>), en: (&str, Given<String>)) -> Result<Option<Name>, Noted> {
    if !zh.1.is_there() && !en.1.is_there() {
        return Ok(None);
    }
    let remedy = "give it in both languages";
    let (zh, en) = (at.need(zh.0, zh.1, remedy), at.need(en.0, en.1, remedy));
    zh.zip(en).map(|(zh, en)| Some(Name { zh, en })).ok_or(Noted)
}

fn voids(at: &Spot<'_>, given: Given<Vec<Given<RawVoid>>>) -> Option<Vec<Void>> {
    const REMEDY: &str = "give [{ from = \"12-15\", to = \"02-20\", why_zh = \"冰期\", why_en = \"ice\" }]";
    if !given.is_there() {
        return Some(Vec::new());
    }
    let list = at.need("void_when", given, REMEDY)?;
    let spot = at.key("void_when");
    let each = list.into_iter().enumerate().map(|(row, raw)| {
        let here = spot.item(row);
        let raw = here.value(raw, REMEDY)?;
        let (from, to) = (here.need("from", raw.from, REMEDY), here.need("to", raw.to, REMEDY));
        let season = from.zip(to).and_then(|(from, to)| here.season(&from, &to));
        let (zh, en) = (here.need("why_zh", raw.why_zh, REMEDY), here.need("why_en", raw.why_en, REMEDY));
        Some(Void { season: season?, why: Name { zh: zh?, en: en? } })
    });
    each.collect::<Vec<_>>().into_iter().collect()
}

fn versions(
    at: &Spot<'_>,
    given: Given<Vec<Given<RawVersion>>>,
    meter: Option<&Meter>,
) -> Option<Vec<Version>> {
    const REMEDY: &str = "add [[rating.NAME.version]] with valid_from, a curve and its gaugings";
    let list = at.need("version", given, REMEDY)?;
    let spot = at.key("version");
    if list.is_empty() {
        spot.complain("must have at least one version", REMEDY);
        return None;
    }
    let mut before: Option<(Date, Option<Date>)> = None;
    let mut made = Vec::new();
    for (row, raw) in list.into_iter().enumerate() {
        let here = spot.item(row);
        let Some(mut raw) = here.value(raw, REMEDY) else {
            made.push(None);
            continue;
        };
        let from = date(&here, "valid_from", std::mem::take(&mut raw.valid_from));
        let to = match std::mem::take(&mut raw.valid_to) {
            Given::Absent => Ok(None),
            given @ (Given::Wrong(_) | Given::Value(_)) => {
                date(&here, "valid_to", given).map(Some).ok_or(Noted)
            }
        };
        if let (Some(from), Ok(Some(to))) = (from, to)
            && to < from
        {
            here.key("valid_to").complain("lies before valid_from", "give the last day it holds");
        }
        order(&here, before, from);
        before = from.map(|from| (from, to.ok().flatten())).or(before);
        let version = version(&here, raw, (from, to), meter);
        made.push(version);
    }
    made.into_iter().collect()
}

/// Each version begins after the one before it, and not while that one still holds.
fn order(at: &Spot<'_>, before: Option<(Date, Option<Date>)>, from: Option<Date>) {
    let (Some((begun, ends)), Some(from)) = (before, from) else { return };
    if from <= begun {
        let what = format!("is not after the version before, which begins on {begun}");
        at.key("valid_from").complain(what, "put the versions in the order of their dates");
    } else if let Some(ends) = ends.filter(|ends| from <= *ends) {
        let what = format!("overlaps with the version before, which holds until {ends}");
        let remedy = "let that one end the day before; without valid_to it does so by itself";
        at.key("valid_from").complain(what, remedy);
    }
}

/// A civil date of the site.
pub(super) fn date(at: &Spot<'_>, key: &str, given: Given<Datetime>) -> Option<Date> {
    const REMEDY: &str = "write a date as 2026-04-01, without quotes and without a time";
    let written = at.need(key, given, REMEDY)?;
    let plain = written.date.filter(|_| written.time.is_none() && written.offset.is_none());
    let parsed = plain.and_then(|date| {
        let part = |number: u8| i8::try_from(number).ok();
        Date::new(i16::try_from(date.year).ok()?, part(date.month)?, part(date.day)?).ok()
    });
    if parsed.is_none() {
        at.key(key).complain("is no date", REMEDY);
    }
    parsed
}

fn version(
    at: &Spot<'_>,
    mut raw: RawVersion,
    (from, to): (Option<Date>, Result<Option<Date>, Noted>),
    meter: Option<&Meter>,
) -> Option<Version> {
    let remedy = "give the uncertainty of a flow from this curve in % at 95 % confidence";
    let uncertainty = at.number("uncertainty_pct", raw.uncertainty_pct, UNCERTAINTY, remedy);
    if let (Some(stated), Some(meter)) = (uncertainty, meter)
        && stated > meter.accuracy * 100.0 + 1e-9
    {
        let class = meter.accuracy * 100.0;
        let what = format!("is more than the accuracy class of {} ({class} %)", meter.id);
        let remedy = "raise accuracy_pct of the meter, from which margins are computed, or gauge more";
        at.key("uncertainty_pct").complain(what, remedy);
    }
    let remedy = "give what may be read off above the highest gauging, % of its flow, 0 for nothing";
    let extrapolate = at.number("extrapolate_pct", raw.extrapolate_pct, EXTRAPOLATION, remedy);
    let gaugings = gaugings(at, std::mem::take(&mut raw.gaugings), to.ok().flatten());
    let curve = match (raw.segments.is_there(), raw.table_m_m3s.is_there()) {
        (true, false) => {
            let table = [("between", raw.between.is_there()), ("h0_m", raw.h0_m.is_there())];
            at.refuse(&table, "a curve of segments");
            branches(at, raw.segments).map(Curve::Branches)
        }
        (false, true) => table(at, raw.table_m_m3s, raw.between, raw.h0_m),
        (true, true) => {
            at.key("table_m_m3s").complain("stands beside segments", "keep one of the two");
            None
        }
        (false, false) => {
            let remedy = "give segments of Q = c (H - h0)^beta, or table_m_m3s with [level, flow] rows";
            at.complain("has no curve", remedy);
            None
        }
    };
    let sound = curve.as_ref().filter(|curve| is_sound(curve));
    if let (Some(curve), Some(uncertainty), Some(gaugings)) = (sound, uncertainty, &gaugings) {
        on_the_curve(&at.key("gaugings"), curve, uncertainty / 100.0, gaugings);
    }
    Some(Version {
        from: from?,
        to: to.ok()?,
        curve: curve?,
        gaugings: gaugings?,
        extrapolate: extrapolate? / 100.0,
        uncertainty: uncertainty? / 100.0,
    })
}

fn branches(at: &Spot<'_>, given: Given<Vec<Given<RawSegment>>>) -> Option<Vec<Branch>> {
    const REMEDY: &str = "give [{ from_m = …, to_m = …, c = …, h0_m = …, beta = … }], lowest first";
    let list = at.need("segments", given, REMEDY)?;
    let spot = at.key("segments");
    if list.is_empty() {
        spot.complain("must have at least one segment", REMEDY);
        return None;
    }
    let mut branches: Vec<Branch> = Vec::new();
    let mut whole = true;
    for (row, raw) in list.into_iter().enumerate() {
        let here = spot.item(row);
        let Some(branch) = here.value(raw, REMEDY).and_then(|raw| branch(&here, raw)) else {
            whole = false;
            continue;
        };
        if let Some(before) = branches.last().filter(|_| whole) {
            joint(&here, before, &branch);
        }
        branches.push(branch);
    }
    whole.then_some(branches)
}

fn branch(at: &Spot<'_>, raw: RawSegment) -> Option<Branch> {
    let from = at.level("from_m", raw.from_m, "give its lowest level");
    let to = at.level("to_m", raw.to_m, "give its highest level");
    let factor = at.number("c", raw.c, POSITIVE, "give c of Q = c (H - h0)^beta");
    let zero = at.level("h0_m", raw.h0_m, "give the level at which this branch would cease to flow");
    let exponent = at.number("beta", raw.beta, EXPONENT, "give beta of Q = c (H - h0)^beta");
    let branch = Branch { from: from?, to: to?, factor: factor?, zero: zero?, exponent: exponent? };
    if branch.to <= branch.from {
        at.key("to_m").complain("is not above from_m", "give the range of levels, the lower first");
    }
    if branch.from < branch.zero {
        let what = format!("lies below h0_m = {}, where the branch has no flow", branch.zero.get());
        at.key("from_m").complain(what, "let the branch begin at h0_m or above");
    }
    Some(branch)
}

/// Whether a curve is worth comparing gaugings with; what is wrong with it has been said.
fn is_sound(curve: &Curve) -> bool {
    match curve {
        Curve::Branches(list) => {
            let plain = |b: &Branch| {
                b.factor > 0.0 && (EXPONENT.holds)(b.exponent) && b.zero <= b.from && b.from < b.to
            };
            let meets = |pair: &[Branch]| match pair {
                [low, high] => step(low, high) <= JOINT && (high.from - low.to).get().abs() <= 1e-6,
                _ => true,
            };
            list.iter().all(plain) && list.windows(2).all(meets)
        }
        Curve::Table { rows, .. } => rows.is_sorted_by(|low, high| low.0 < high.0 && low.1 < high.1),
    }
}

/// Step of the flow from one branch to the next where they meet, share of the larger.
fn step(low: &Branch, high: &Branch) -> f64 {
    let (low, high) = (branch_flow(low, low.to), branch_flow(high, high.from));
    (high - low).abs() / high.max(low)
}

/// A branch begins where the one before ends, in level and in flow.
fn joint(at: &Spot<'_>, before: &Branch, branch: &Branch) {
    if (branch.from - before.to).get().abs() > 1e-6 {
        let what = format!("is not where the segment before ends ({})", before.to.get());
        at.key("from_m").complain(what, "let each segment begin where the one before ends");
        return;
    }
    let (low, high) = (branch_flow(before, before.to), branch_flow(branch, branch.from));
    if low > 0.0 && high > 0.0 && step(before, branch) > JOINT {
        let what = format!(
            "gives {high:.4} m³/s where the segment before gives {low:.4}: a step of more than {} %",
            JOINT * 100.0
        );
        at.key("c").complain(what, "correct c, h0_m or beta so that they meet");
    }
}

fn table(
    at: &Spot<'_>,
    rows: Given<Vec<[f64; 2]>>,
    between: Given<RawBetween>,
    zero: Given<f64>,
) -> Option<Curve> {
    const REMEDY: &str = "give at least two [level m, flow m³/s] rows, both rising";
    let zero_there = zero.is_there();
    let zero = at.optional("h0_m", zero, FINITE, "give the level at which the flow ceases");
    let between = at.need("between", between, "say linear or log: what lies between two rows");
    let given = at.need("table_m_m3s", rows, REMEDY)?;
    let spot = at.key("table_m_m3s");
    if given.len() < 2 {
        spot.complain("must have at least two rows", REMEDY);
        return None;
    }
    let mut rows: Vec<(Stage, Discharge)> = Vec::new();
    for (row, [level, flow]) in given.into_iter().enumerate() {
        let here = spot.item(row);
        let (level, flow) = (here.judge(level, FINITE, REMEDY)?, here.judge(flow, NOT_NEGATIVE, REMEDY)?);
        if rows.last().is_some_and(|last| level <= last.0.get() || flow <= last.1.get()) {
            here.complain("must be above the row before, in level and in flow", REMEDY);
        }
        rows.push((Stage::new(level)?, Discharge::new(flow)?));
    }
    let first = rows.first().map(|(level, flow)| (level.get(), flow.get()))?;
    if let Some(zero) = zero.filter(|zero| *zero > first.0) {
        let what = format!("{zero} lies above the lowest row");
        at.key("h0_m").complain(what, "give the level at which the flow ceases");
    }
    if between == Some(RawBetween::Log) {
        if !zero_there {
            let remedy = "give the level at which the flow ceases: depths over it are what is logarithmic";
            at.key("h0_m").complain("is missing for a logarithmic table", remedy);
        }
        if first.1 <= 0.0 || zero.is_some_and(|zero| zero >= first.0) {
            let what = "has no logarithm: its first row is at no flow";
            spot.item(0).complain(what, "begin with the lowest flow that was seen, above h0_m");
        }
    }
    let between = match between? {
        RawBetween::Linear => Between::Linear,
        RawBetween::Log => Between::Log,
    };
    Some(Curve::Table { rows, zero: zero.and_then(Stage::new), between })
}

fn gaugings(at: &Spot<'_>, given: Given<Vec<Given<RawGauging>>>, ends: Option<Date>) -> Option<Vec<Gauging>> {
    const REMEDY: &str =
        "give [{ date = 2026-04-02, level_m = …, flow_m3s = …, uncertainty_pct = …, who = \"…\" }]";
    let list = at.need("gaugings", given, REMEDY)?;
    let spot = at.key("gaugings");
    if list.is_empty() {
        spot.complain("is empty: nothing tells how far up the curve holds", REMEDY);
        return None;
    }
    let mut made = Vec::new();
    for (row, raw) in list.into_iter().enumerate() {
        let here = spot.item(row);
        let gauging = here.value(raw, REMEDY).and_then(|raw| gauging(&here, raw));
        if let (Some(ends), Some(gauging)) = (ends, &gauging)
            && gauging.date > ends
        {
            let what = format!("lies after the last day of its version, {ends}");
            here.key("date").complain(what, "move it to the version it belongs to");
        }
        made.push(gauging);
    }
    made.into_iter().collect()
}

fn gauging(at: &Spot<'_>, raw: RawGauging) -> Option<Gauging> {
    let day = date(at, "date", raw.date);
    let level = at.level("level_m", raw.level_m, "give the level during the gauging");
    let flow = at.flow("flow_m3s", raw.flow_m3s, POSITIVE, "give the flow; a dry bed is h0_m, no gauging");
    let remedy = "give the uncertainty of the gauging in % at 95 % confidence";
    let uncertainty = at.number("uncertainty_pct", raw.uncertainty_pct, UNCERTAINTY, remedy);
    let who = at.need("who", raw.who, "say who measured");
    if who.as_ref().is_some_and(|who| who.trim().is_empty()) {
        at.key("who").complain("must not be empty", "say who measured");
    }
    Some(Gauging { date: day?, level: level?, flow: flow?, uncertainty: uncertainty? / 100.0, who: who? })
}

/// Gaugings the curve does not pass, by far.
fn on_the_curve(at: &Spot<'_>, curve: &Curve, uncertainty: f64, gaugings: &[Gauging]) {
    for (row, gauging) in gaugings.iter().enumerate() {
        let here = at.item(row);
        let Ok(flow) = on_curve(curve, gauging.level) else {
            let what = format!("lies at {} m, where the curve gives no flow", gauging.level.get());
            here.complain(what, "extend the curve to it, or correct the gauging");
            continue;
        };
        let both = uncertainty.hypot(gauging.uncertainty);
        let off = gauging.flow.get() / flow.get() - 1.0;
        // A dry curve under a gauging with flow is infinitely far off.
        if off.abs() > OFF * both {
            let what = format!(
                "lies {:+.0} % off the curve, which gives {:.3} m³/s at {} m; {:.0} % would be twice the uncertainty of both",
                off * 100.0,
                flow.get(),
                gauging.level.get(),
                OFF * both * 100.0
            );
            let remedy = "correct the gauging or the curve; after a shift of the bed begin a new version";
            here.complain(what, remedy);
        }
    }
}
