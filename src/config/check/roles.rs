//! Whether elements can do what they are for: floors have a dam, automatic gates what their rules need, meters
//! and openings fit the element that names them.

use super::super::sheet::{Sheet, Spot};
use crate::basin::{
    Basin, Duty, Gate, GateId, GateKind, MeterId, MeterKind, Place, Reservoir, ReservoirId, ReservoirKind,
    SectionId, StationClass, WetlandId,
};
use crate::control::routing;
use crate::units::{Opening, Stage};

/// Checks how the elements of a basin go together.
pub(in crate::config) fn together<'a>(basin: &Basin, sheet: &'a Sheet<'a>) {
    sections(basin, sheet);
    bodies(basin, sheet);
    for (at, gate) in basin.gates.iter().enumerate() {
        gate_fits(basin, GateId(at), gate, &sheet.entry("gate", &gate.id));
    }
    stations(basin, sheet);
    meters(basin, sheet);
    wetlands(basin, sheet);
}

fn sections<'a>(basin: &Basin, sheet: &'a Sheet<'a>) {
    let paths = routing::paths(basin);
    for (at, section) in basin.sections.iter().enumerate() {
        let spot = sheet.entry("section", &section.id);
        let meter = basin.meters.get(section.meter.0);
        if let Some(meter) =
            meter.filter(|meter| meter.kind != MeterKind::RiverFlow || meter.at != section.at)
        {
            let what = format!("{} does not measure the flow of the river at this place", meter.id);
            spot.key("meter").complain(what, "name a river_flow meter at the place of the section");
        }
        if section.floor.is_none() && section.seasonal_floors.is_empty() {
            continue;
        }
        let Some(path) = paths.iter().find(|path| path.section == SectionId(at)) else {
            let remedy = "give a dam above it a driven gate with duty = \"trim\" and automatic = true, \
                          or set observe_only = true and remove the floor";
            spot.key("at").complain("lies below no dam that could hold its floor", remedy);
            continue;
        };
        let body = basin.reservoirs.get(path.source.0);
        let held = basin.gates.iter().any(|gate| {
            gate.from == Place::Reservoir(path.source)
                && gate.to == Place::Node(path.outlet)
                && gate.duty == Duty::Trim
                && gate.is_dispatched()
        });
        if !held {
            let dam = body.map_or("", |body| body.id.as_str());
            let what = format!("lies below {dam}, whose trim gate automatic control may not move");
            spot.key("floor_m3s").complain(what, "let a driven trim gate be automatic = true");
        }
        if let Some(body) = body.filter(|body| body.level_meter.is_none()) {
            let what = "is missing, but the dam holds a floor";
            sheet.entry("reservoir", &body.id).key("level_meter").complain(what, "name its level meter");
        }
        let floor = section.floor.filter(|_| path.way.is_empty());
        for (month, constant) in basin.control.safe_constant.iter().enumerate() {
            let spot = sheet.top().key("control").key("safe_constant_m3s").item(month);
            if let Some(floor) = floor.filter(|floor| constant < floor) {
                let what = format!("is below the floor of {} ({})", section.id, floor.get());
                spot.complain(what, "give the release that holds every floor in the worst hour of the month");
            }
        }
    }
    for (month, constant) in basin.control.safe_constant.iter().enumerate() {
        if *constant > basin.control.siren_above {
            let spot = sheet.top().key("control").key("safe_constant_m3s").item(month);
            spot.complain("is more than may be released without a siren", "correct it or siren_above_m3s");
        }
    }
}

fn bodies<'a>(basin: &Basin, sheet: &'a Sheet<'a>) {
    for (at, body) in basin.reservoirs.iter().enumerate() {
        let spot = sheet.entry("reservoir", &body.id);
        let node = basin.nodes.get(body.at.0).map_or("", |node| node.id.as_str());
        if let Some(other) = basin.reservoirs.iter().take(at).find(|other| other.at == body.at) {
            let what = format!("{node} already fills {}", other.id);
            spot.key("at").complain(what, "give every water body a node of its own");
        }
        if let Some(reach) = basin.reaches.iter().find(|reach| reach.from == body.at) {
            let what = format!("takes in all water of {node}, but reach {} leaves there", reach.id);
            spot.key("at").complain(what, "let the reach begin at a node below the dam");
        }
        let here = Place::Reservoir(ReservoirId(at));
        let drained = basin.gates.iter().any(|gate| gate.from == here)
            || basin.fixed_openings.iter().any(|opening| opening.from == ReservoirId(at));
        if !drained {
            spot.complain("has no outlet", "add the gates and crests its water leaves by");
        }
        let meter = body.level_meter.and_then(|meter| basin.meters.get(meter.0));
        if let Some(meter) = meter.filter(|meter| meter.kind != MeterKind::Level || meter.at != here) {
            let what = format!("{} does not measure the level of this water body", meter.id);
            spot.key("level_meter").complain(what, "name a level meter with at = { reservoir = … }");
        }
        let openings = basin.fixed_openings.iter().filter(|opening| opening.from == ReservoirId(at));
        for opening in openings.filter(|opening| !within(body, opening.sill)) {
            let spot = sheet.entry("fixed_opening", &opening.id).key("sill_m");
            spot.complain(outside_table(body), "correct the level or extend the table");
        }
        if let (Some(dead), Some(limit)) = (
            body.dead_level,
            body.flood_limits.iter().map(|limit| limit.level).reduce(|a, b| if b < a { b } else { a }),
        ) && limit <= dead
        {
            spot.key("flood_limits").complain(
                format!("reach down to {} m, below the dead level", limit.get()),
                "correct one of the two",
            );
        }
    }
}

fn within(body: &Reservoir, level: Stage) -> bool {
    let ends = body.curve.first().zip(body.curve.last());
    ends.is_none_or(|(low, high)| low.level <= level && level <= high.level)
}

fn outside_table(body: &Reservoir) -> String {
    let ends = body.curve.first().zip(body.curve.last());
    let (low, high) = ends.map_or((0.0, 0.0), |(low, high)| (low.level.get(), high.level.get()));
    format!("lies outside the level–volume table of {} ({low} to {high} m)", body.id)
}

fn gate_fits(basin: &Basin, id: GateId, gate: &Gate, spot: &Spot<'_>) {
    let body = match gate.from {
        Place::Reservoir(body) => basin.reservoirs.get(body.0),
        Place::Node(_) | Place::Along { .. } | Place::Wetland(_) | Place::Outside => None,
    };
    let turbine = matches!(gate.kind, GateKind::Turbine { .. });
    if let Some(body) = body.filter(|body| !turbine && !within(body, gate.sill)) {
        spot.key("sill_m").complain(outside_table(body), "correct the level or extend the table");
    }
    if let Some(meter) = gate.flow_meter.and_then(|meter| basin.meters.get(meter.0))
        && (meter.kind != MeterKind::StructureFlow || meter.of != [gate.id.clone()])
    {
        let what = format!("{} does not measure this gate alone", meter.id);
        spot.key("flow_meter")
            .complain(what, format!("name a structure_flow meter with of = [\"{}\"]", gate.id));
    }
    if !gate.automatic {
        return;
    }
    let need = |there: bool, what: &str, remedy: &str| {
        if !there {
            spot.key("automatic").complain(format!("needs {what}"), format!("{remedy}, or set it to false"));
        }
    };
    let metered_level = body.is_some_and(|body| body.level_meter.is_some());
    match gate.duty {
        Duty::Trim | Duty::Standby | Duty::Base => {
            need(body.is_some(), "a water body to release from", "say from = { reservoir = … }");
            need(body.is_none() || metered_level, "the level of its water body", "give that a level_meter");
            let into_river = matches!(gate.to, Place::Node(_));
            need(into_river, "a node to release into", "say to = { node = … }");
        }
        Duty::Level => {
            let target = body.is_some_and(|body| body.normal_level.is_some());
            need(target && metered_level, "a level to keep", "give its pond normal_level_m and level_meter");
        }
        Duty::PassOn => {
            let pond = body.is_some_and(|body| body.kind == ReservoirKind::Pond);
            let owed = basin
                .stations
                .iter()
                .any(|station| station.pond.is_some_and(|pond| gate.from == Place::Reservoir(pond)));
            need(pond && metered_level && owed, "a metered pond with a station that owes a flow", "add them");
        }
        Duty::WetlandInlet => {
            let metered = gate.flow_meter.is_some()
                || basin.wetlands.iter().any(|wetland| {
                    (wetland.inlet == Some(id) || wetland.more_inlets.contains(&id))
                        && wetland.flow_meter.is_some()
                });
            need(metered, "a flow meter at its wetland", "give the gate or the wetland a flow_meter");
        }
        Duty::Supply => {
            let users =
                basin.intakes.iter().any(|intake| intake.from == gate.to && gate.to != Place::Outside)
                    || basin.transfers.iter().any(|transfer| gate.to == Place::Node(transfer.head));
            need(
                users && gate.flow_meter.is_some(),
                "metered users behind it",
                "name flow_meter and users at its to",
            );
        }
        Duty::SeasonLock | Duty::Flood | Duty::Emergency => {}
    }
}

fn stations<'a>(basin: &Basin, sheet: &'a Sheet<'a>) {
    for (at, station) in basin.stations.iter().enumerate() {
        let spot = sheet.entry("station", &station.id);
        for (row, id) in station.units.iter().enumerate() {
            let here = spot.key("turbines").item(row);
            let Some(gate) = basin.gates.get(id.0) else { continue };
            if !matches!(gate.kind, GateKind::Turbine { .. }) {
                here.complain("is no turbine", "name gates of kind turbine");
            }
            if station.pond.is_some_and(|pond| gate.from != Place::Reservoir(pond)) {
                here.complain("does not take from the pond of the station", "correct its from, or the pond");
            }
            if basin.stations.iter().take(at).any(|other| other.units.contains(id)) {
                here.complain("belongs to another station too", "name it once");
            }
            if station.class == StationClass::Withdraw && gate.initial > Opening::SHUT {
                let what = format!("runs at the start, in {}, which is withdrawn", station.id);
                let remedy = "give 0, or another class to the station";
                sheet.entry("gate", &gate.id).key("initial_pct").complain(what, remedy);
            }
        }
        if let Some(pond) = station.pond {
            let toe = Place::Node(station.weir_toe);
            let sluice = |gate: &&Gate| {
                gate.from == Place::Reservoir(pond)
                    && gate.to == toe
                    && !matches!(gate.kind, GateKind::Turbine { .. })
            };
            let opens = basin.gates.iter().any(|gate| sluice(&gate))
                || basin.fixed_openings.iter().any(|opening| opening.from == pond && opening.to == toe);
            if !opens {
                let what = "is reached by no sluice or opening of the pond";
                spot.key("weir_toe").complain(what, "name the node just below the weir");
            }
        }
    }
}

fn meters<'a>(basin: &Basin, sheet: &'a Sheet<'a>) {
    let shows = |meter: MeterId, id: &str| {
        basin
            .meters
            .get(meter.0)
            .is_some_and(|meter| meter.kind == MeterKind::RiverFlow || meter.of.iter().any(|name| name == id))
    };
    let wrong = |spot: Spot<'_>, id: &str| {
        let remedy = format!("name a river_flow meter, or a structure_flow meter with of = [\"{id}\"]");
        spot.complain("does not measure this flow", remedy);
    };
    for inflow in &basin.inflows {
        if inflow.meter.is_some_and(|meter| !shows(meter, &inflow.id)) {
            wrong(sheet.entry("inflow", &inflow.id).key("meter"), &inflow.id);
        }
    }
    for intake in &basin.intakes {
        if intake.meter.is_some_and(|meter| !shows(meter, &intake.id)) {
            wrong(sheet.entry("intake", &intake.id).key("meter"), &intake.id);
        }
    }
    for transfer in &basin.transfers {
        if transfer.meter.is_some_and(|meter| !shows(meter, &transfer.id)) {
            wrong(sheet.entry("transfer", &transfer.id).key("meter"), &transfer.id);
        }
    }
}

fn wetlands<'a>(basin: &Basin, sheet: &'a Sheet<'a>) {
    for (at, wetland) in basin.wetlands.iter().enumerate() {
        let spot = sheet.entry("wetland", &wetland.id);
        for (row, id) in wetland.inlet.iter().chain(&wetland.more_inlets).enumerate() {
            let Some(gate) = basin.gates.get(id.0) else { continue };
            let here = spot.key("inlets").item(row);
            if gate.to != Place::Wetland(WetlandId(at)) {
                here.complain("does not lead to this wetland", "correct the to of the gate, or the inlet");
            } else if gate.from != wetland.source {
                here.complain("does not take from the source of the wetland", "let from and source agree");
            }
        }
        if let Some(meter) = wetland.level_meter.and_then(|meter| basin.meters.get(meter.0))
            && meter.kind != MeterKind::Level
        {
            spot.key("level_meter").complain(format!("{} is no level meter", meter.id), "name a level meter");
        }
        let inlets =
            || wetland.inlet.iter().chain(&wetland.more_inlets).filter_map(|id| basin.gates.get(id.0));
        if let Some(meter) = wetland.flow_meter.and_then(|meter| basin.meters.get(meter.0))
            && (meter.kind != MeterKind::StructureFlow || inlets().any(|gate| !meter.of.contains(&gate.id)))
        {
            let what = format!("{} does not measure all inlets", meter.id);
            spot.key("flow_meter").complain(what, "name a structure_flow meter whose of lists the inlets");
        }
    }
    for (at, gate) in basin.gates.iter().enumerate().filter(|(_, gate)| gate.duty == Duty::WetlandInlet) {
        let named = basin
            .wetlands
            .iter()
            .any(|wetland| wetland.inlet == Some(GateId(at)) || wetland.more_inlets.contains(&GateId(at)));
        if !named {
            let spot = sheet.entry("gate", &gate.id);
            spot.key("duty")
                .complain("but no wetland names it as an inlet", "list it in the inlets of its wetland");
        }
    }
}
