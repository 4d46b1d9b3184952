//! Nodes, reaches, inflows, sections.

use super::super::raw::Given;
use super::super::raw::network::{RawBerm, RawInflow, RawNode, RawReach, RawReachKind, RawSection};
use super::super::sheet::Spot;
use super::names::Names;
use super::warning::flow_grades;
use super::{FINITE, NOT_NEGATIVE, PERCENT, POSITIVE, Rule};
use crate::basin::{
    Berm, Inflow, InflowKind, LagPoint, LagTable, Node, Place, Reach, ReachKind, SeasonalFloor, Section,
};
use crate::units::Discharge;

/// A share of the flow lost per km: less than all of it.
const LOSS: Rule = Rule { holds: |x| (0.0..100.0).contains(&x), must: "must be at least 0 and below 100" };

/// A bed slope: a river of this service is no waterfall.
const SLOPE: Rule =
    Rule { holds: |x| x > 0.0 && x <= 200.0, must: "must be above 0 and at most 200 per mille" };

/// Manning's n from glass to boulders and brush.
const ROUGHNESS: Rule = Rule { holds: |x| (0.008..=0.3).contains(&x), must: "must be 0.008 to 0.3" };

pub(in crate::config) fn node(names: &Names, id: &str, raw: RawNode, at: &Spot<'_>) -> Option<Node> {
    let name = at.name(raw.name_zh, raw.name_en);
    let river = names.river(at, raw.river);
    let km = at.optional("km", raw.km, FINITE, "give the distance along the river in km");
    Some(Node { id: id.into(), name: name?, river: river?, km })
}

pub(in crate::config) fn reach(names: &Names, id: &str, raw: RawReach, at: &Spot<'_>) -> Option<Reach> {
    let name = at.name(raw.name_zh, raw.name_en);
    let river = names.river(at, raw.river);
    let from = names.node(at, "from", raw.from);
    let to = names.node(at, "to", raw.to);
    if from.is_some() && from == to {
        at.key("to").complain("is where the reach begins", "name the node at its lower end");
    }
    let length_km = at.number("length_km", raw.length_km, POSITIVE, "give the length in km");
    match at.need("kind", raw.kind, "say \"river\" or \"pipe\"")? {
        RawReachKind::Pipe => {
            let channel = [
                ("slope_permille", raw.slope_permille.is_there()),
                ("bed_width_m", raw.bed_width_m.is_there()),
                ("side_slope", raw.side_slope.is_there()),
                ("manning_n", raw.manning_n.is_there()),
                ("berms", raw.berms.is_there()),
                ("loss_pct_per_km", raw.loss_pct_per_km.is_there()),
                ("lags_m3s_h", raw.lags_m3s_h.is_there()),
            ];
            at.refuse(&channel, "a pipe");
            let lag_s = at.number("lag_s", raw.lag_s, NOT_NEGATIVE, "give the delay in seconds");
            let capacity = at.flow("capacity_m3s", raw.capacity_m3s, POSITIVE, "give the most it carries");
            let (lag_s, capacity) = (lag_s?, capacity?);
            Some(Reach {
                id: id.into(),
                name: name?,
                river: river?,
                kind: ReachKind::Pipe { lag_s, capacity },
                from: from?,
                to: to?,
                length_km: length_km?,
                slope: 0.0,
                bed_width_m: 0.0,
                side_slope: 0.0,
                manning: 0.0,
                berms: Vec::new(),
                loss_per_km: 0.0,
                lags: LagTable::new(vec![LagPoint { flow: capacity, hours: lag_s / 3600.0 }]),
            })
        }
        RawReachKind::River => {
            let pipe = [("lag_s", raw.lag_s.is_there()), ("capacity_m3s", raw.capacity_m3s.is_there())];
            at.refuse(&pipe, "an open channel");
            let slope =
                at.number("slope_permille", raw.slope_permille, SLOPE, "give the bed slope, m per km");
            let width = at.number("bed_width_m", raw.bed_width_m, POSITIVE, "give the bed width in m");
            let side =
                at.number("side_slope", raw.side_slope, NOT_NEGATIVE, "give m horizontal per m vertical");
            let manning = at.number("manning_n", raw.manning_n, ROUGHNESS, "give Manning's n");
            let loss = at.number("loss_pct_per_km", raw.loss_pct_per_km, LOSS, "give the loss in % per km");
            let berms = berms(at, raw.berms);
            let lags = lags(at, raw.lags_m3s_h);
            Some(Reach {
                id: id.into(),
                name: name?,
                river: river?,
                kind: ReachKind::River,
                from: from?,
                to: to?,
                length_km: length_km?,
                slope: slope? / 1000.0,
                bed_width_m: width?,
                side_slope: side?,
                manning: manning?,
                berms: berms?,
                loss_per_km: loss? / 100.0,
                lags: lags?,
            })
        }
    }
}

/// Berms: each higher than the one before.
fn berms(at: &Spot<'_>, given: Given<Vec<RawBerm>>) -> Option<Vec<Berm>> {
    const REMEDY: &str = "give { height_m, width_m, side_slope, manning_n } of each, the lowest first";
    if !given.is_there() {
        return Some(Vec::new());
    }
    let rows = at.need("berms", given, REMEDY)?;
    let spot = at.key("berms");
    let mut list: Vec<Berm> = Vec::new();
    let mut sound = true;
    for (row, raw) in rows.into_iter().enumerate() {
        let here = spot.item(row);
        let height = here.key("height_m").judge(
            raw.height_m,
            POSITIVE,
            "give its height above the bed of the reach in m",
        );
        let width =
            here.key("width_m").judge(raw.width_m, NOT_NEGATIVE, "give its width in m, both sides together");
        let side =
            here.key("side_slope").judge(raw.side_slope, NOT_NEGATIVE, "give m horizontal per m vertical");
        let manning = here.key("manning_n").judge(raw.manning_n, ROUGHNESS, "give Manning's n");
        let (Some(foot_m), Some(width_m), Some(side_slope), Some(manning)) = (height, width, side, manning)
        else {
            sound = false;
            continue;
        };
        if list.last().is_some_and(|last| last.foot_m >= foot_m) {
            here.complain("is not higher than the berm before it", "list the berms from the lowest up");
            sound = false;
        }
        list.push(Berm { foot_m, width_m, side_slope, manning });
    }
    sound.then_some(list)
}

/// Travel times: flow rises, time falls.
fn lags(at: &Spot<'_>, given: Given<Vec<[f64; 2]>>) -> Option<LagTable> {
    const REMEDY: &str = "give [flow m³/s, hours] pairs: flows rising, hours falling, all positive";
    let rows = at.need("lags_m3s_h", given, REMEDY)?;
    let spot = at.key("lags_m3s_h");
    if rows.is_empty() {
        spot.complain("must have at least one pair", REMEDY);
        return None;
    }
    let mut list: Vec<LagPoint> = Vec::new();
    for (row, [flow, hours]) in rows.into_iter().enumerate() {
        let here = spot.item(row);
        let (flow, hours) = (here.judge(flow, POSITIVE, REMEDY)?, here.judge(hours, POSITIVE, REMEDY)?);
        if let Some(last) = list.last() {
            if flow <= last.flow.get() {
                here.complain("must have a larger flow than the pair before", REMEDY);
            }
            if hours >= last.hours {
                here.complain("must have a shorter time than the pair before", REMEDY);
            }
        }
        list.push(LagPoint { flow: Discharge::new(flow)?, hours });
    }
    Some(LagTable::new(list))
}

/// Discharge above which an outfall is watched online, m³ a day. Source: the plan, chapter 5.2.
const METERED_M3_D: f64 = 5000.0;

pub(in crate::config) fn inflow(names: &Names, id: &str, raw: RawInflow, at: &Spot<'_>) -> Option<Inflow> {
    let name = at.name(raw.name_zh, raw.name_en);
    let kind = at.need("kind", raw.kind, "say headwater, tributary, diffuse or outfall");
    let into = into(names, raw.into, kind, at);
    let monthly_normal = at.months("normal_m3s", raw.normal_m3s);
    let monthly_dry = at.months("dry_m3s", raw.dry_m3s);
    if let (Some(normal), Some(dry)) = (monthly_normal, monthly_dry) {
        for (month, (normal, dry)) in normal.into_iter().zip(dry).enumerate() {
            if dry > normal {
                let what = format!("is more than in a normal year ({})", normal.get());
                at.key("dry_m3s").item(month).complain(what, "give the flow of a dry year");
            }
        }
    }
    let most = monthly_normal.map(|months| months.into_iter().fold(Discharge::ZERO, Discharge::max));
    let is_bare = kind == Some(InflowKind::Outfall) && !raw.meter.is_there();
    if let Some(most) = most.filter(|most| is_bare && most.get() * 86_400.0 > METERED_M3_D) {
        let what = format!("is missing, with {:.0} m³ a day", most.get() * 86_400.0);
        let remedy = format!("name its meter: above {METERED_M3_D} m³ a day an outfall is watched online");
        at.key("meter").complain(what, remedy);
    }
    let meter = names.meter(at, "meter", raw.meter);
    let responsible = names.responsible(at, raw.responsible);
    Some(Inflow {
        id: id.into(),
        name: name?,
        kind: kind?,
        into: into?,
        monthly_normal: monthly_normal?,
        monthly_dry: monthly_dry?,
        meter: meter.ok()?,
        responsible: responsible?,
    })
}

fn into(
    names: &Names,
    given: Given<Vec<super::super::raw::network::RawPart>>,
    kind: Option<InflowKind>,
    at: &Spot<'_>,
) -> Option<Vec<(Place, f64)>> {
    const REMEDY: &str = "give [{ at = { node = \"…\" }, share = 1.0 }]; shares sum to 1";
    let parts = at.need("into", given, REMEDY)?;
    let spot = at.key("into");
    let sum: f64 = parts.iter().map(|part| part.share).sum();
    if (sum - 1.0).abs() > 1e-6 || !sum.is_finite() {
        spot.complain(format!("has shares that sum to {sum}"), "let the shares sum to 1");
    }
    if parts.len() > 1 && kind.is_some_and(|kind| kind != InflowKind::Diffuse) {
        spot.complain("has several places", "only diffuse water enters at several; give one place");
    }
    let mut list = Vec::new();
    for (at, part) in parts.iter().enumerate() {
        let here = spot.item(at);
        let share = here.key("share").judge(part.share, POSITIVE, REMEDY);
        let place = names.place(&here.key("at"), &part.at);
        if place == Some(Place::Outside) {
            here.key("at").complain("lies outside the basin", "name where the water comes in");
        }
        list.push(place.zip(share));
    }
    list.into_iter().collect()
}

pub(in crate::config) fn section(names: &Names, id: &str, raw: RawSection, at: &Spot<'_>) -> Option<Section> {
    let name = at.name(raw.name_zh, raw.name_en);
    let river = names.river(at, raw.river);
    let place =
        names.place_at(at, "at", raw.at, "say where the section lies: { node = } or { reach =, km = }");
    if matches!(place, Some(Place::Reservoir(_) | Place::Wetland(_) | Place::Outside)) {
        at.key("at").complain("is no place on a river", "give a node or a place along a reach");
    }
    let km = at.number("km", raw.km, FINITE, "give the distance along the river in km");
    let mut has_floor = raw.floor_m3s.is_there();
    let floor =
        at.optional("floor_m3s", raw.floor_m3s, POSITIVE, "give the flow that must never be undercut");
    let seasonal_floors = seasonal(at, raw.seasonal_floors);
    let remedy = "say true for a section that is only watched, false for one with a floor";
    let observe = at.need("observe_only", raw.observe_only, remedy);
    has_floor |= seasonal_floors.as_ref().is_none_or(|list| !list.is_empty());
    if observe == Some(true) && has_floor {
        at.key("observe_only").complain("contradicts the floor of the section", remedy);
    }
    if observe == Some(false) && !has_floor {
        at.key("floor_m3s").complain("is missing", "give the floor, or set observe_only = true");
    }
    let remedy = "give the highest flow the section may be operated at, at or above its floor";
    let cap = at.optional("setpoint_cap_m3s", raw.setpoint_cap_m3s, POSITIVE, remedy);
    if let (Some(floor), Some(cap)) = (floor, cap)
        && cap < floor
    {
        at.key("setpoint_cap_m3s").complain(format!("lies below the floor of {floor}"), remedy);
    }
    let meter = names.meter(at, "meter", raw.meter);
    if meter == Ok(None) {
        at.key("meter").complain("is missing", "name the meter that decides");
    }
    let guarantee = at.optional("guarantee_pct", raw.guarantee_pct, PERCENT, "give the share of days in %");
    if observe == Some(true) && !has_floor && raw.warning.is_there() {
        at.key("warning").complain("belongs to a section with a floor", "remove it, or give the floor");
    }
    let warning = flow_grades(at, raw.warning);
    let responsible = names.responsible(at, raw.responsible);
    Some(Section {
        id: id.into(),
        name: name?,
        river: river?,
        at: place?,
        km: km?,
        floor: floor.and_then(Discharge::new),
        seasonal_floors: seasonal_floors?,
        setpoint_cap: cap.and_then(Discharge::new),
        meter: meter.ok()??,
        guarantee: guarantee.map(|share| share / 100.0),
        warning: warning?,
        responsible: responsible?,
    })
}

fn seasonal(
    at: &Spot<'_>,
    given: Given<Vec<super::super::raw::network::RawSeasonalFloor>>,
) -> Option<Vec<SeasonalFloor>> {
    let remedy = "give [{ from = \"04-01\", to = \"06-30\", floor_m3s = … }]";
    let list = if given.is_there() { at.need("seasonal_floors", given, remedy)? } else { Vec::new() };
    let spot = at.key("seasonal_floors");
    list.into_iter()
        .enumerate()
        .map(|(row, raw)| {
            let here = spot.item(row);
            let season = here.season(&raw.from, &raw.to);
            let floor = here.key("floor_m3s").judge(raw.floor_m3s, POSITIVE, remedy)?;
            Some(SeasonalFloor { season: season?, floor: Discharge::new(floor)? })
        })
        .collect()
}
