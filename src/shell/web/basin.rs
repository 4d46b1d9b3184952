//! `GET /api/v1/basin`: what does not change while the service runs. Names, limits and how things join.
//!
//! Elements refer to each other by position in their lists, as in the state.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::basin::{
    Basin, FixedShape, Gate, GateKind, Inflow, Intake, Meter, MeterKind, Place, PowerStation, Reach,
    ReachKind, Reservoir, Responsible, Section, Transfer, Wetland,
};
use crate::config::Config;
use crate::control::alarm;
use crate::control::schedule::{Entry, Target, When};
use crate::points::PointId;
use crate::units::Discharge;

/// The whole document.
pub(super) fn document(config: &Config, simulated_river: bool) -> Value {
    let basin = &*config.basin;
    let list = |values: Vec<Value>| Value::Array(values);
    let mut document = json!({
        "id": basin.id,
        "name": basin.name,
        "version": env!("CARGO_PKG_VERSION"),
        "digest": config.digest,
        "bench": config.service.bench,
        "zone": basin.zone.iana_name(),
        "flood_season": basin.flood_season,
        "rivers": list(basin.rivers.iter().map(|(id, name)| json!({ "id": id, "name": name })).collect()),
        "nodes": list(basin.nodes.iter().map(|node| json!({
            "id": node.id, "name": node.name, "river": node.river, "km": node.km,
        })).collect()),
        "reaches": list(basin.reaches.iter().map(reach).collect()),
        "reservoirs": list(basin.reservoirs.iter().map(reservoir).collect()),
        "inflows": list(basin.inflows.iter().map(inflow).collect()),
        "meters": list(basin.meters.iter().map(meter).collect()),
        "sections": list(basin.sections.iter().map(section).collect()),
        "gates": list(basin.gates.iter().map(gate).collect()),
        "fixed_openings": list(basin.fixed_openings.iter().map(|opening| json!({
            "id": opening.id, "name": opening.name, "from": opening.from, "to": place(opening.to),
            "kind": match opening.shape {
                FixedShape::Orifice { .. } => "orifice",
                FixedShape::Crest { .. } => "crest",
            },
        })).collect()),
        "stations": list(basin.stations.iter().map(station).collect()),
        "intakes": list(basin.intakes.iter().map(intake).collect()),
        "wetlands": list(basin.wetlands.iter().map(wetland).collect()),
        "transfers": list(basin.transfers.iter().map(transfer).collect()),
        "links": list(config.field.links.iter().enumerate().map(|(at, link)| json!({
            "id": link.id, "address": link.transport.to_string(),
            "devices": config.field.devices.iter().filter(|device| device.link.0 == at)
                .map(|device| &device.name).collect::<Vec<_>>(),
            "device_ids": config.field.devices.iter().filter(|device| device.link.0 == at)
                .map(|device| &device.id).collect::<Vec<_>>(),
        })).collect()),
        "control": {
            "dead_band_m3s": basin.control.dead_band,
            "min_action_m3s": basin.control.min_action,
            "siren_above_m3s": basin.control.siren_above,
            "cycle_s": basin.control.cycle_s,
        },
        "schedules": schedules(basin, config),
        "alarm_list": list(alarm::LIST.iter().map(|(id, priority, on, off)| json!({
            "id": id, "priority": priority, "on_s": on, "off_s": off,
        })).collect()),
        "device_of": device_of(config),
    });
    if let (true, Value::Object(parts)) = (simulated_river, &mut document) {
        parts.insert("simulated_river".to_owned(), Value::Bool(true));
    }
    document
}

/// The device that serves each meter and gate, by identifier of the element: what fails with it.
fn device_of(config: &Config) -> Value {
    let field = &config.field;
    let device = |point: PointId| field.points.get(point.0).and_then(|p| field.devices.get(p.device.0));
    let name = |at: Option<PointId>| at.and_then(device).map(|device| json!(device.id));
    let meters = config.basin.meters.iter().zip(&field.wiring.meters);
    let meters = meters.filter_map(|(meter, at)| Some((meter.id.clone(), name(*at)?)));
    let gates = config.basin.gates.iter().zip(&field.wiring.gates);
    let gates = gates.filter_map(|(gate, points)| Some((gate.id.clone(), name(points.position)?)));
    Value::Object(meters.chain(gates).collect())
}

/// Where something is, as `{"node": 3}`, `{"reach": 2, "km": 1.5}`, `{"reservoir": 0}`, `{"wetland": 1}` or null.
fn place(place: Place) -> Value {
    match place {
        Place::Node(node) => json!({ "node": node }),
        Place::Along { reach, km } => json!({ "reach": reach, "km": km }),
        Place::Reservoir(reservoir) => json!({ "reservoir": reservoir }),
        Place::Wetland(wetland) => json!({ "wetland": wetland }),
        Place::Outside => Value::Null,
    }
}

fn responsible(who: &Responsible) -> Value {
    json!({ "unit": who.unit, "person": who.person })
}

fn reach(reach: &Reach) -> Value {
    let lags: Vec<_> = reach.lags.points().iter().map(|lag| (lag.flow, lag.hours)).collect();
    let (kind, lags) = match reach.kind {
        ReachKind::River => ("river", lags),
        ReachKind::Pipe { lag_s, .. } => ("pipe", vec![(Discharge::ZERO, lag_s / 3600.0)]),
    };
    json!({
        "id": reach.id, "name": reach.name, "river": reach.river, "kind": kind,
        "from": reach.from, "to": reach.to, "length_km": reach.length_km, "lags": lags,
    })
}

fn reservoir(body: &Reservoir) -> Value {
    let curve: Vec<_> = body.curve.iter().map(|row| (row.level, row.volume)).collect();
    let limits: Vec<_> = body
        .flood_limits
        .iter()
        .map(|limit| json!({ "season": limit.season, "level_m": limit.level }))
        .collect();
    json!({
        "id": body.id, "name": body.name, "kind": body.kind, "at": body.at,
        "dead_level_m": body.dead_level, "normal_level_m": body.normal_level, "flood_limits": limits,
        "curve": curve, "level_meter": body.level_meter, "responsible": responsible(&body.responsible),
    })
}

fn inflow(inflow: &Inflow) -> Value {
    let into: Vec<_> = inflow.into.iter().map(|(at, share)| json!([place(*at), share])).collect();
    json!({ "id": inflow.id, "name": inflow.name, "kind": inflow.kind, "into": into, "meter": inflow.meter })
}

fn meter(meter: &Meter) -> Value {
    let unit = match meter.kind {
        MeterKind::RiverFlow | MeterKind::StructureFlow => "m³/s",
        MeterKind::Level => "m",
        MeterKind::Rain => "mm",
    };
    json!({
        "id": meter.id, "name": meter.name, "kind": meter.kind, "unit": unit, "at": place(meter.at),
        "of": meter.of, "min": meter.min, "max": meter.max, "accuracy": meter.accuracy,
        "accuracy_abs": meter.accuracy_abs, "principle": meter.principle, "hold_s": meter.hold_s,
        "responsible": responsible(&meter.responsible),
    })
}

fn section(section: &Section) -> Value {
    json!({
        "id": section.id, "name": section.name, "river": section.river, "at": place(section.at),
        "km": section.km, "floor_m3s": section.floor, "meter": section.meter,
        "guarantee": section.guarantee, "responsible": responsible(&section.responsible),
    })
}

fn gate(gate: &Gate) -> Value {
    let kind = match gate.kind {
        GateKind::Radial { .. } => "radial",
        GateKind::Plane { .. } => "plane",
        GateKind::Valve { .. } => "valve",
        GateKind::Flap { .. } => "flap",
        GateKind::Turbine { .. } => "turbine",
    };
    json!({
        "id": gate.id, "name": gate.name, "kind": kind, "actuation": gate.actuation, "duty": gate.duty,
        "from": place(gate.from), "to": place(gate.to), "automatic": gate.automatic,
        "stroke": {
            "unit": gate.stroke.unit, "shut_at": gate.stroke.shut_at, "open_at": gate.stroke.open_at,
            "seconds": gate.stroke_s,
        },
        "lowest": gate.lowest, "highest": gate.highest, "min_step": gate.min_step, "tolerance": gate.tolerance,
        "max_starts_per_hour": gate.max_starts_per_hour, "on_link_loss": gate.on_link_loss, "lock": gate.lock,
        "flow_meter": gate.flow_meter, "responsible": responsible(&gate.responsible),
    })
}

fn station(station: &PowerStation) -> Value {
    json!({
        "id": station.id, "name": station.name, "units": station.units, "class": station.class,
        "weir_toe": station.weir_toe, "min_release_m3s": station.min_release,
        "stop_below_m3s": station.stop_below, "pond": station.pond,
    })
}

fn intake(intake: &Intake) -> Value {
    json!({
        "id": intake.id, "name": intake.name, "from": place(intake.from), "max_rate_m3s": intake.max_rate,
        "permit_m3": intake.permit_m3, "priority": intake.priority, "meter": intake.meter,
        "responsible": responsible(&intake.responsible),
    })
}

fn wetland(wetland: &Wetland) -> Value {
    json!({
        "id": wetland.id, "name": wetland.name, "source": place(wetland.source), "inlet": wetland.inlet,
        "more_inlets": wetland.more_inlets,
        "survival_m3s": wetland.survival, "design_m3s": wetland.design, "level_band_m": wetland.level_band,
        "level_meter": wetland.level_meter, "flow_meter": wetland.flow_meter,
        "responsible": responsible(&wetland.responsible),
    })
}

fn transfer(transfer: &Transfer) -> Value {
    json!({
        "id": transfer.id, "name": transfer.name, "head": transfer.head, "capacity_m3s": transfer.capacity,
        "quota_m3": transfer.quota_m3, "meter": transfer.meter,
        "shares": transfer.shares.iter().map(|share| json!({
            "name": share.name, "rate_m3s": share.rate, "priority": share.priority, "to": place(share.to),
        })).collect::<Vec<_>>(),
    })
}

fn schedules(basin: &Basin, config: &Config) -> Value {
    let span = |from: Timestamp, to: Timestamp| (from.as_second(), to.as_second());
    let turns = config.schedules.turns.iter().map(|turn| {
        let (from, to) = span(turn.from, turn.to);
        json!({ "id": turn.id, "intake": turn.intake, "from_s": from, "to_s": to, "rate_m3s": turn.rate })
    });
    let turns: Vec<_> = turns.collect();
    // The rest of the calendar, and what people activated, is at /api/v1/schedule.
    let position = |entry: &Entry| match (&entry.target, &entry.when) {
        (Target::Opening { gate, opening }, When::Once { from, to }) => {
            let (from, to) = span(*from, *to);
            let gate = basin.gate(gate)?;
            Some(json!({ "id": entry.id, "gate": gate, "from_s": from, "to_s": to, "opening": opening }))
        }
        (_, _) => None,
    };
    let gates: Vec<_> = config.schedules.entries.iter().filter_map(position).collect();
    json!({ "turns": turns, "gates": gates })
}
