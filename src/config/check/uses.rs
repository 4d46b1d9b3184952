//! Intakes, wetlands, transfers.

use super::super::raw::Given;
use super::super::raw::uses::{RawIntake, RawShare, RawTransfer, RawWetland};
use super::super::sheet::Spot;
use super::names::Names;
use super::warning::level_grades;
use super::{NOT_NEGATIVE, POSITIVE};
use crate::basin::{Intake, Place, Share, Transfer, Wetland};
use crate::units::{Discharge, Stage};

/// Seconds of a year of 365 days.
const YEAR_S: f64 = 365.0 * 86_400.0;

/// Permit from which an intake of surface water is metered, m³ a year. Source: domain notes 3.4.
const METERED_M3: f64 = 500_000.0;

pub(in crate::config) fn intake(names: &Names, id: &str, raw: RawIntake, at: &Spot<'_>) -> Option<Intake> {
    let name = at.name(raw.name_zh, raw.name_en);
    let from = names.place_at(at, "from", raw.from, "say where it takes water");
    if from == Some(Place::Outside) {
        at.key("from").complain("lies outside the basin", "say where it takes water");
    }
    let to = names.place_at(at, "to", raw.to, "say where the water goes, { outside = true } for users");
    let max_rate = at.flow("max_rate_m3s", raw.max_rate_m3s, POSITIVE, "give the permitted rate");
    let permit =
        at.number("permit_m3_a", raw.permit_m3_a, POSITIVE, "give the permitted volume per year in m³");
    let remedy = "say domestic, ecology, industry, irrigation, amenity or power";
    let priority = at.need("priority", raw.priority, remedy);
    let monthly_use = at.months("monthly_use_m3s", raw.monthly_use_m3s);
    if let (Some(use_by_month), Some(most)) = (monthly_use, max_rate) {
        for (month, rate) in use_by_month.into_iter().enumerate().filter(|(_, rate)| *rate > most) {
            let what = format!("{} is more than the permitted rate of {}", rate.get(), most.get());
            at.key("monthly_use_m3s").item(month).complain(what, "correct the use or the permit");
        }
    }
    let by_turns = at.need("by_turns", raw.by_turns, "say true when it runs in announced turns");
    if let (Some(use_by_month), Some(permit), Some(false)) = (monthly_use, permit, by_turns) {
        let year: f64 = use_by_month.iter().map(|rate| rate.get()).sum::<f64>() / 12.0 * YEAR_S;
        if year > permit {
            let what = format!("makes {year:.0} m³ a year, more than the permit of {permit}");
            at.key("monthly_use_m3s").complain(what, "correct the use or the permit");
        }
    }
    let has_meter = raw.meter.is_there();
    if let Some(permit) = permit.filter(|permit| *permit >= METERED_M3 && !has_meter) {
        let what = format!("is missing, with a permit of {permit} m³ a year");
        let remedy = format!("name its meter: from {METERED_M3} m³ a year on an intake is metered");
        at.key("meter").complain(what, remedy);
    }
    let meter = names.meter(at, "meter", raw.meter);
    let responsible = names.responsible(at, raw.responsible);
    Some(Intake {
        id: id.into(),
        name: name?,
        from: from?,
        to: to?,
        max_rate: max_rate?,
        permit_m3: permit?,
        priority: priority?,
        monthly_use: monthly_use?,
        by_turns: by_turns?,
        meter: meter.ok()?,
        responsible: responsible?,
    })
}

pub(in crate::config) fn wetland(names: &Names, id: &str, raw: RawWetland, at: &Spot<'_>) -> Option<Wetland> {
    let name = at.name(raw.name_zh, raw.name_en);
    let remedy = "say where its water is taken from, its own name for an own catchment";
    let source = names.place_at(at, "source", raw.source, remedy);
    let remedy = "name its inlet gates, [] for an open side inlet";
    let inlets = at.need("inlets", raw.inlets, remedy).and_then(|list| {
        let gates = list.iter().enumerate();
        gates.map(|(row, gate)| names.gate(&at.key("inlets").item(row), gate)).collect::<Option<Vec<_>>>()
    });
    let returns_to = match raw.returns_to {
        Given::Absent => Some(None),
        given @ (Given::Wrong(_) | Given::Value(_)) => {
            names.place_at(at, "returns_to", given, "say where its outflow goes").map(Some)
        }
    };
    let survival = at.flow("survival_m3s", raw.survival_m3s, POSITIVE, "give the demand that keeps it alive");
    let remedy = "give the design demand, not below the survival demand";
    let design = at.flow("design_m3s", raw.design_m3s, POSITIVE, remedy);
    if let (Some(survival), Some(design)) = (survival, design)
        && design < survival
    {
        at.key("design_m3s").complain(format!("is below the survival demand of {}", survival.get()), remedy);
    }
    let remedy = "give [lowest, target, highest] level in m, rising";
    let band = at.need("level_band_m", raw.level_band_m, remedy).and_then(|[low, target, high]| {
        if !(low < target && target < high && low.is_finite() && high.is_finite()) {
            at.key("level_band_m").complain("must rise", remedy);
            return None;
        }
        Some([Stage::new(low)?, Stage::new(target)?, Stage::new(high)?])
    });
    let remedy = "give the level of its floor, below the lowest level";
    let floor = at.level("floor_level_m", raw.floor_level_m, remedy);
    if let (Some(floor), Some([low, ..])) = (floor, band)
        && floor >= low
    {
        at.key("floor_level_m").complain(format!("must lie below the lowest level of {}", low.get()), remedy);
    }
    let area = at.number("area_m2", raw.area_m2, POSITIVE, "give the water area in m²");
    let remedy = "give evapotranspiration and seepage in mm per day";
    let consumption = at.number("consumption_mm_d", raw.consumption_mm_d, NOT_NEGATIVE, remedy);
    let level_meter = names.meter(at, "level_meter", raw.level_meter);
    let flow_meter = names.meter(at, "flow_meter", raw.flow_meter);
    let warning = level_grades(at, raw.warning);
    let responsible = names.responsible(at, raw.responsible);
    let mut inlets = inlets?.into_iter();
    Some(Wetland {
        id: id.into(),
        name: name?,
        source: source?,
        inlet: inlets.next(),
        more_inlets: inlets.collect(),
        returns_to: returns_to?,
        survival: survival?,
        design: design?,
        level_band: band?,
        area_m2: area?,
        floor_level: floor?,
        consumption_mm_d: consumption?,
        level_meter: level_meter.ok()?,
        flow_meter: flow_meter.ok()?,
        warning: warning?,
        responsible: responsible?,
    })
}

pub(in crate::config) fn transfer(
    names: &Names,
    id: &str,
    raw: RawTransfer,
    at: &Spot<'_>,
) -> Option<Transfer> {
    let name = at.name(raw.name_zh, raw.name_en);
    let head = names.node(at, "head", raw.head);
    let capacity = at.flow("capacity_m3s", raw.capacity_m3s, POSITIVE, "give the most it carries");
    let quota = at.number("quota_m3_a", raw.quota_m3_a, POSITIVE, "give the yearly quota in m³");
    if let (Some(capacity), Some(quota)) = (capacity, quota)
        && quota > capacity.get() * 366.0 * 86_400.0
    {
        let what = "is more than the line can carry in a year";
        at.key("quota_m3_a").complain(what, "correct the quota or the capacity");
    }
    let shares = shares(names, at, raw.shares, (capacity, quota));
    let meter = names.meter(at, "meter", raw.meter);
    let responsible = names.responsible(at, raw.responsible);
    Some(Transfer {
        id: id.into(),
        name: name?,
        head: head?,
        capacity: capacity?,
        quota_m3: quota?,
        shares: shares?,
        meter: meter.ok()?,
        responsible: responsible?,
    })
}

fn shares(
    names: &Names,
    at: &Spot<'_>,
    given: Given<Vec<RawShare>>,
    (capacity, quota): (Option<Discharge>, Option<f64>),
) -> Option<Vec<Share>> {
    const REMEDY: &str = "give [{ name_zh, name_en, rate_m3s, priority, to }] for every user";
    let raw = at.need("shares", given, REMEDY)?;
    let spot = at.key("shares");
    if raw.is_empty() {
        spot.complain("must have at least one user", REMEDY);
    }
    let sum: f64 = raw.iter().map(|share| share.rate_m3s).sum();
    if let Some(capacity) = capacity.filter(|capacity| sum > capacity.get() + 1e-9) {
        let what = format!("sum to {sum} m³/s, more than the capacity of {}", capacity.get());
        spot.complain(what, "lower the shares");
    } else if let Some(quota) = quota.filter(|quota| sum * YEAR_S > *quota) {
        let what = format!("make {:.0} m³ a year, more than the quota of {quota}", sum * YEAR_S);
        spot.complain(what, format!("lower the shares, to {:.3} m³/s in all", quota / YEAR_S));
    }
    let mut list = Vec::new();
    for (row, share) in raw.into_iter().enumerate() {
        let here = spot.item(row);
        let name = here.name(Given::Value(share.name_zh), Given::Value(share.name_en));
        let rate = here.key("rate_m3s").judge(share.rate_m3s, POSITIVE, REMEDY).and_then(Discharge::new);
        let to = names.place(&here.key("to"), &share.to);
        list.push(name.zip(rate).zip(to).map(|((name, rate), to)| Share {
            name,
            rate,
            priority: share.priority,
            to,
        }));
    }
    list.into_iter().collect()
}
