//! Water bodies and meters.

use std::collections::BTreeMap;

use super::super::raw::Given;
use super::super::raw::network::{RawFloodLimit, RawMeter, RawReservoir};
use super::super::sheet::{Sheet, Spot};
use super::names::Names;
use super::{NOT_NEGATIVE, Noted, PERCENT, POSITIVE};
use crate::basin::{
    Basin, CurvePoint, FloodLimit, Meter, MeterKind, Place, Priority, Reservoir, ReservoirKind, Twin,
};
use crate::units::{Stage, Volume};

pub(in crate::config) fn reservoir(
    names: &Names,
    id: &str,
    raw: RawReservoir,
    at: &Spot<'_>,
) -> Option<Reservoir> {
    let name = at.name(raw.name_zh, raw.name_en);
    let kind = at.need("kind", raw.kind, "say \"reservoir\" or \"pond\"");
    let node = names.node(at, "at", raw.at);
    let curve = curve(at, raw.curve_m_m3);
    let within = |key: &str, level: Option<f64>| {
        let (Some(level), Some(curve)) = (level, &curve) else { return };
        let ends = curve.first().zip(curve.last()).map(|(low, high)| (low.level.get(), high.level.get()));
        if let Some((low, high)) = ends.filter(|(low, high)| !(*low..=*high).contains(&level)) {
            let what = format!("lies outside the level–volume table ({low} to {high} m)");
            at.key(key).complain(what, "correct the level or extend the table");
        }
    };
    let level = |key: &str, given: Given<f64>| {
        let value = at.optional(key, given, super::FINITE, "give the level in m");
        within(key, value);
        value
    };
    let dead = level("dead_level_m", raw.dead_level_m);
    let normal = level("normal_level_m", raw.normal_level_m);
    if let (Some(dead), Some(normal)) = (dead, normal)
        && dead >= normal
    {
        let what = format!("must lie below the normal level of {normal}");
        at.key("dead_level_m").complain(what, "correct one of the two");
    }
    let lends = level("lends_above_m", raw.lends_above_m);
    lends_at(at, lends, normal, kind);
    let cuts = cuts(at, raw.cut_below_m, dead, &within);
    let flood_limits = flood_limits(at, raw.flood_limits, &within);
    let remedy = "give the level a simulation starts from";
    let initial = at.number("initial_level_m", raw.initial_level_m, super::FINITE, remedy);
    within("initial_level_m", initial);
    let remedy = "give evaporation less rain in mm per year, 0 when it is not counted";
    let evaporation = at.number("net_evaporation_mm_a", raw.net_evaporation_mm_a, NOT_NEGATIVE, remedy);
    let seepage = at.flow("seepage_m3s", raw.seepage_m3s, NOT_NEGATIVE, "give the seepage, 0 for none");
    let seepage_to = match raw.seepage_to {
        Given::Absent => Some(None),
        given @ (Given::Wrong(_) | Given::Value(_)) => {
            names.place_at(at, "seepage_to", given, "say where the seepage comes back").map(Some)
        }
    };
    let level_meter = names.meter(at, "level_meter", raw.level_meter);
    if lends.is_some() && level_meter.as_ref().is_ok_and(Option::is_none) {
        at.key("lends_above_m")
            .complain("needs the level of its pond", "give the pond its level_meter, or leave the key out");
    }
    let responsible = names.responsible(at, raw.responsible);
    Some(Reservoir {
        id: id.into(),
        name: name?,
        kind: kind?,
        at: node?,
        curve: curve?,
        dead_level: dead.and_then(Stage::new),
        normal_level: normal.and_then(Stage::new),
        lends_above: lends.and_then(Stage::new),
        cuts: cuts?,
        flood_limits: flood_limits?,
        initial_level: Stage::new(initial?)?,
        net_evaporation_mm: evaporation?,
        seepage: seepage?,
        seepage_to: seepage_to?,
        level_meter: level_meter.ok()?,
        responsible: responsible?,
    })
}

/// What a pond may give of its own lies below its normal level; a reservoir gives by its outlets.
fn lends_at(at: &Spot<'_>, lends: Option<f64>, normal: Option<f64>, kind: Option<ReservoirKind>) {
    let Some(lends) = lends else { return };
    let spot = at.key("lends_above_m");
    if kind == Some(ReservoirKind::Reservoir) {
        spot.complain("is for ponds", "leave it out: a reservoir is dispatched by its outlets");
    }
    match normal {
        Some(normal) if lends >= normal => {
            spot.complain(format!("must lie below the normal level of {normal}"), "correct one of the two");
        }
        None => spot.complain("needs the level it is counted from", "give normal_level_m"),
        Some(_) => {}
    }
}

/// Level and volume rise together.
fn curve(at: &Spot<'_>, given: Given<Vec<[f64; 2]>>) -> Option<Vec<CurvePoint>> {
    const REMEDY: &str = "give at least two [level m, volume m³] pairs, both rising";
    let rows = at.need("curve_m_m3", given, REMEDY)?;
    let spot = at.key("curve_m_m3");
    if rows.len() < 2 {
        spot.complain("must have at least two pairs", REMEDY);
        return None;
    }
    let mut list: Vec<CurvePoint> = Vec::new();
    for (row, [level, volume]) in rows.into_iter().enumerate() {
        let here = spot.item(row);
        let level = here.judge(level, super::FINITE, REMEDY)?;
        let volume = here.judge(volume, NOT_NEGATIVE, REMEDY)?;
        if list.last().is_some_and(|last| level <= last.level.get() || volume <= last.volume.get()) {
            here.complain("must be above the pair before, in level and in volume", REMEDY);
        }
        list.push(CurvePoint { level: Stage::new(level)?, volume: Volume::new(volume)? });
    }
    Some(list)
}

/// Levels of the cuts, none below the dead level, and what ranks lower not later than what ranks higher.
fn cuts(
    at: &Spot<'_>,
    given: Given<BTreeMap<Priority, f64>>,
    dead: Option<f64>,
    within: &impl Fn(&str, Option<f64>),
) -> Option<Vec<(Priority, Stage)>> {
    const REMEDY: &str = "give levels in m that rise from domestic over industry and irrigation to amenity";
    if !given.is_there() {
        return Some(Vec::new());
    }
    let spot = at.key("cut_below_m");
    let mut cuts = Vec::new();
    let mut higher = dead.unwrap_or(f64::NEG_INFINITY);
    // From the rank that is served first: a map of ranks is in their order.
    for (rank, level) in at.need("cut_below_m", given, REMEDY)? {
        let here = spot.key(rank.name());
        if matches!(rank, Priority::Safety | Priority::Ecology) {
            here.complain("is never cut by a level", "name domestic, industry, irrigation, amenity or power");
        }
        let level = here.judge(level, super::FINITE, REMEDY)?;
        within("cut_below_m", Some(level));
        if level < higher {
            let what =
                format!("must not lie below {higher} m, the dead level or the cut of what ranks before it");
            here.complain(what, REMEDY);
        }
        higher = higher.max(level);
        cuts.push((rank, Stage::new(level)?));
    }
    cuts.reverse();
    Some(cuts)
}

fn flood_limits(
    at: &Spot<'_>,
    given: Given<Vec<RawFloodLimit>>,
    within: &impl Fn(&str, Option<f64>),
) -> Option<Vec<FloodLimit>> {
    const REMEDY: &str = "give [{ from = \"06-01\", to = \"08-31\", level_m = … }]";
    if !given.is_there() {
        return Some(Vec::new());
    }
    let list = at.need("flood_limits", given, REMEDY)?;
    let spot = at.key("flood_limits");
    let mut limits = Vec::new();
    for (row, raw) in list.into_iter().enumerate() {
        let here = spot.item(row);
        let season = here.season(&raw.from, &raw.to);
        within("flood_limits", Some(raw.level_m));
        let level = here.key("level_m").judge(raw.level_m, super::FINITE, REMEDY).and_then(Stage::new);
        limits.push(season.zip(level).map(|(season, level)| FloodLimit { season, level }));
    }
    limits.into_iter().collect()
}

pub(in crate::config) fn meter(names: &Names, id: &str, raw: RawMeter, at: &Spot<'_>) -> Option<Meter> {
    let name = at.name(raw.name_zh, raw.name_en);
    let kind = at.need("kind", raw.kind, "say river_flow, structure_flow, level or rain")?;
    let place = names.place_at(at, "at", raw.at, "say where the meter stands");
    let remedy = "name the gates, intakes, inflows or transfers whose flow it shows";
    let of = if raw.of.is_there() { at.need("of", raw.of, remedy)? } else { Vec::new() };
    for (row, name) in of.iter().enumerate() {
        names.metered(&at.key("of").item(row), name);
    }
    match (kind, of.is_empty()) {
        (MeterKind::StructureFlow, true) => at.key("of").complain("is missing", remedy),
        (MeterKind::RiverFlow | MeterKind::Level | MeterKind::Rain, false) => {
            at.key("of").complain("belongs to structure_flow only", "remove it, or change the kind");
        }
        (MeterKind::StructureFlow, false)
        | (MeterKind::RiverFlow | MeterKind::Level | MeterKind::Rain, true) => {}
    }
    if kind == MeterKind::RiverFlow && !matches!(place, None | Some(Place::Node(_) | Place::Along { .. })) {
        at.key("at").complain("is no place on a river", "give a node or a place along a reach");
    }
    let flow = matches!(kind, MeterKind::RiverFlow | MeterKind::StructureFlow);
    let (level, rain) = (kind == MeterKind::Level, kind == MeterKind::Rain);
    let foreign = [
        ("range_m3s", raw.range_m3s.is_there() && !flow),
        ("accuracy_m3s", raw.accuracy_m3s.is_there() && !flow),
        ("max_rate_m3s_per_min", raw.max_rate_m3s_per_min.is_there() && !flow),
        ("range_m", raw.range_m.is_there() && !level),
        ("accuracy_m", raw.accuracy_m.is_there() && !level),
        ("max_rate_m_per_min", raw.max_rate_m_per_min.is_there() && !level),
        ("twin", raw.twin.is_there() && !level),
        ("twin_tolerance_m", raw.twin_tolerance_m.is_there() && !level),
        ("range_mm", raw.range_mm.is_there() && !rain),
        ("accuracy_mm", raw.accuracy_mm.is_there() && !rain),
    ];
    at.refuse(&foreign, "a meter of this kind");
    let (range_key, range, accuracy_key, accuracy_abs) = match kind {
        MeterKind::RiverFlow | MeterKind::StructureFlow => {
            ("range_m3s", raw.range_m3s, "accuracy_m3s", raw.accuracy_m3s)
        }
        MeterKind::Level => ("range_m", raw.range_m, "accuracy_m", raw.accuracy_m),
        MeterKind::Rain => ("range_mm", raw.range_mm, "accuracy_mm", raw.accuracy_mm),
    };
    let range = range_of(at, range_key, range);
    let accuracy_abs = at.number(
        accuracy_key,
        accuracy_abs,
        NOT_NEGATIVE,
        "give the absolute part of the accuracy, 0 for none",
    );
    let accuracy = at.number("accuracy_pct", raw.accuracy_pct, PERCENT, "give the accuracy class in %");
    let remedy = "name how it measures, as parshall, radar_velocity, rating_curve, transit_time, pressure";
    let principle = at.need("principle", raw.principle, remedy);
    let (rate_key, rate) = if level {
        ("max_rate_m_per_min", raw.max_rate_m_per_min)
    } else {
        ("max_rate_m3s_per_min", raw.max_rate_m3s_per_min)
    };
    let max_rate_per_min =
        at.optional(rate_key, rate, POSITIVE, "give the largest credible change per minute");
    let hold_s = at.number("hold_s", raw.hold_s, POSITIVE, "say how long an old value may still be used");
    let twin = twin(names, at, raw.twin, raw.twin_tolerance_m);
    let responsible = names.responsible(at, raw.responsible);
    let (min, max) = range?;
    Some(Meter {
        id: id.into(),
        name: name?,
        kind,
        at: place?,
        of,
        min,
        max,
        accuracy: accuracy? / 100.0,
        accuracy_abs: accuracy_abs?,
        principle: principle?,
        max_rate_per_min,
        hold_s: hold_s?,
        twin: twin.ok()?,
        responsible: responsible?,
    })
}

fn twin(
    names: &Names,
    at: &Spot<'_>,
    twin: Given<String>,
    tolerance: Given<f64>,
) -> Result<Option<Twin>, Noted> {
    let remedy = "give the largest difference in m at which the two agree: both accuracies, and waves";
    if !twin.is_there() {
        if tolerance.is_there() {
            at.key("twin_tolerance_m").complain("belongs to a twin", "name the twin, or remove it");
        }
        return Ok(None);
    }
    let tolerance = at.number("twin_tolerance_m", tolerance, POSITIVE, remedy);
    let meter = names.meter(at, "twin", twin)?;
    Ok(meter.zip(tolerance).map(|(meter, tolerance)| Twin { meter, tolerance }))
}

/// Twins measure the same level, and nobody has two.
pub(in crate::config) fn twins(basin: &Basin, sheet: &Sheet<'_>) {
    let pairs = basin.meters.iter().enumerate().filter_map(|(at, meter)| Some((at, meter, meter.twin?)));
    let pairs = pairs.collect::<Vec<_>>();
    for (at, meter, twin) in &pairs {
        let spot = sheet.entry("meter", &meter.id).key("twin");
        let Some(other) = basin.meters.get(twin.meter.0) else { continue };
        if twin.meter.0 == *at {
            spot.complain("is the meter itself", "name the other meter of this level");
        } else if other.kind != MeterKind::Level || other.at != meter.at {
            spot.complain("does not measure the same level", "name a meter of kind level at the same place");
        }
        let taken = |(by, _, another): &(usize, &Meter, Twin)| {
            by != at && (another.meter == twin.meter || *by == twin.meter.0)
        };
        if let Some((_, by, _)) = pairs.iter().find(|pair| taken(pair)) {
            let what = format!("is in a pair already, by the twin of {}", by.id);
            spot.complain(what, "name each pair once, at the meter that control goes by");
        }
    }
}

fn range_of(at: &Spot<'_>, key: &str, given: Given<[f64; 2]>) -> Option<(f64, f64)> {
    let remedy = "give [least, largest] value it can show";
    let [min, max] = at.need(key, given, remedy)?;
    if !(min.is_finite() && max.is_finite() && min < max) {
        at.key(key).complain("must be two numbers, the smaller first", remedy);
        return None;
    }
    Some((min, max))
}
