//! From layouts and instances to the list of points, and which point belongs to which element.

use std::collections::BTreeSet;

use super::super::raw::Given;
use super::super::raw::field::{RawSinglePoint, RawWire};
use super::super::sheet::{Entry, Sheet, Spot, nearest};
use super::field::FieldNames;
use super::layouts::{self, Maps, ROLES, role_named};
use super::names::Names;
use super::registers::{self, Owner, Seat, Spots};
use crate::basin::{Actuation, Gate, GateId, Meter, MeterId};
use crate::points::{
    DataType, Device, DeviceId, Element, GatePoints, Link, LinkId, Point, PointId, Role, ScanClass, Wiring,
    Writes,
};

/// The basin as far as it is right: an element whose own values are wrong is `None`.
#[derive(Clone, Copy)]
pub(in crate::config) struct Elements<'b> {
    pub(in crate::config) names: &'b Names,
    pub(in crate::config) gates: &'b [Option<Gate>],
    pub(in crate::config) meters: &'b [Option<Meter>],
}

/// A point and the place a person would correct.
pub(in crate::config) type Placed<'a> = (Point, Spot<'a>);

/// All points of the file in its order; `None` when one of them is wrong.
pub(in crate::config) fn points<'a>(
    elements: Elements<'_>,
    names: &FieldNames,
    devices: Option<&[Device]>,
    maps: Maps<'_, 'a>,
    wires: Vec<Entry<'a, RawWire>>,
    singles: Vec<Entry<'a, RawSinglePoint>>,
) -> Option<Vec<Placed<'a>>> {
    let mut list = Vec::new();
    let mut complete = maps.are_whole();
    maps.overrides.belong(&wires, names, maps.layouts);
    for wire in wires {
        let at = wire.spot;
        let made = wire.raw.and_then(|raw| instance(elements, names, devices, maps, &wire.id, raw, &at));
        complete &= made.is_some();
        list.extend(made.into_iter().flatten());
    }
    for single in singles {
        let at = single.spot;
        let made = single.raw.and_then(|raw| lone(elements, names, devices, single.id, raw, &at));
        complete &= made.is_some();
        list.extend(made);
    }
    complete.then_some(list)
}

fn owner<'b>(elements: Elements<'b>, id: &str) -> Option<Owner<'b>> {
    if let Some(at) = elements.names.gates.iter().position(|name| name == id) {
        let gate = elements.gates.get(at).and_then(Option::as_ref);
        return Some(Owner { element: Element::Gate(GateId(at)), gate, meter: None });
    }
    let at = elements.names.meters.iter().position(|name| name == id)?;
    let meter = elements.meters.get(at).and_then(Option::as_ref);
    Some(Owner { element: Element::Meter(MeterId(at)), gate: None, meter })
}

fn seat<'s>(names: &'s FieldNames, devices: Option<&[Device]>, device: DeviceId, base: u16) -> Seat<'s> {
    let max_block = devices.and_then(|list| list.get(device.0)).map(|device| device.max_block);
    Seat { device, max_block, base, class: None, names }
}

/// The points of one element by a layout.
fn instance<'a>(
    elements: Elements<'_>,
    names: &FieldNames,
    devices: Option<&[Device]>,
    maps: Maps<'_, 'a>,
    id: &str,
    raw: RawWire,
    at: &Spot<'a>,
) -> Option<Vec<Placed<'a>>> {
    let owner = owner(elements, id);
    if owner.is_none() && elements.names.whole {
        let all = || elements.names.gates.iter().chain(&elements.names.meters).map(String::as_str);
        let remedy = match nearest(id, all()) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => "wire a gate or meter of basin.toml".into(),
        };
        at.complain("is neither gate nor meter of the basin", remedy);
    }
    let device = names.device(at, raw.device);
    let layout = at
        .need("layout", raw.layout, "name its register layout")
        .and_then(|name| maps.layouts.find(&at.key("layout"), &name));
    let base = at.need("base", raw.base, "give the address its layout begins at, often 0");
    let class = at.need("class", raw.class, "name its scan class");
    let class = class.and_then(|name| names.class(&at.key("class"), &name));
    let remedy = "give what is different: position = { scale = … }";
    let own = at.may("override", raw.r#override, remedy).unwrap_or_default();
    let (owner, device, layout, base) = (owner?, device?, layout?, base?);
    let seat = Seat { class: Some(class?), ..seat(names, devices, device, base) };
    let own = layouts::overrides(own, layout, &at.key("override"));
    let mut list = Vec::new();
    for point in layout {
        let shared = maps.overrides.of(device, &point.name);
        let own = own.get(&point.name);
        let over = own.or(shared);
        let merged = registers::merge(&point.raw, shared.map(|shared| &shared.raw));
        let merged = registers::merge(&merged, own.map(|own| &own.raw));
        fits(point.role, owner.element, at);
        let spots = Spots { spec: over.map_or(&point.spot, |over| &over.spot), user: at, name: &point.name };
        let made = registers::point(format!("{id}/{}", point.name), point.role, &merged, owner, seat, spots);
        fits_writes(made.as_ref(), devices, at);
        list.push(made.map(|made| (made, at.clone())));
    }
    list.into_iter().collect()
}

/// A point without a layout.
fn lone<'a>(
    elements: Elements<'_>,
    names: &FieldNames,
    devices: Option<&[Device]>,
    id: String,
    raw: RawSinglePoint,
    at: &Spot<'a>,
) -> Option<Placed<'a>> {
    let device = names.device(at, raw.device);
    let owner = match raw.element {
        Given::Absent => Some(Owner { element: Element::None, gate: None, meter: None }),
        given @ (Given::Wrong(_) | Given::Value(_)) => {
            let remedy = "name the gate or meter it belongs to";
            let name = at.need("element", given, remedy)?;
            let found = owner(elements, &name);
            if found.is_none() {
                at.key("element").complain("is neither gate nor meter of the basin", remedy);
            }
            found
        }
    };
    let role =
        at.need("role", raw.role, "name its role, \"other\" for what is shown only").and_then(|name| {
            let known = role_named(&name);
            if known.is_none() {
                at.key("role").complain("is no role", format!("use other, {}", ROLES.join(", ")));
            }
            known
        });
    let register = at.need("register", raw.register, "give { table = …, address = …, type = …, class = … }");
    let (device, owner, role, register) = (device?, owner?, role?, register?);
    let spot = at.key("register");
    fits(role, owner.element, at);
    let spots = Spots { spec: &spot, user: at, name: "value" };
    let point = registers::point(id, role, &register, owner, seat(names, devices, device, 0), spots)?;
    fits_writes(Some(&point), devices, at);
    Some((point, at.clone()))
}

/// A meter has a value, a gate everything else, nothing else a role.
fn fits(role: Role, element: Element, at: &Spot<'_>) {
    let what = match (element, role) {
        (_, Role::Other) | (Element::Meter(_), Role::Value) => return,
        (Element::Meter(_), _) => "gives a meter a role of a gate",
        (Element::Gate(_), Role::Value) => "gives a gate the value of a meter",
        (Element::Gate(_), _) => return,
        (Element::None, _) => "gives a role to a point that belongs to nothing",
    };
    at.complain(what, "choose the layout or role that fits the element");
}

/// A target of two registers written one after the other would stand half for a moment.
fn fits_writes(point: Option<&Point>, devices: Option<&[Device]>, at: &Spot<'_>) {
    let Some(point) = point.filter(|point| point.role == Role::Target) else { return };
    let device = devices.and_then(|devices| devices.get(point.device.0));
    if point.data_type.registers() > 1 && device.is_some_and(|device| device.writes == Writes::Single) {
        let what = format!("writes {} to a device that takes one register at a time", point.id);
        at.complain(what, "use a target of one register, or a device that takes several");
    }
}

/// Points by element; two for one role, overlapping registers and repeated names are noted.
pub(in crate::config) fn wiring(gates: usize, meters: usize, points: &[Placed<'_>]) -> Wiring {
    overlaps(points);
    let mut wiring = Wiring { meters: vec![None; meters], gates: vec![GatePoints::default(); gates] };
    let mut ids = BTreeSet::new();
    for (at, (point, spot)) in points.iter().enumerate() {
        if !ids.insert(point.id.as_str()) {
            spot.complain(format!("makes a second point {}", point.id), "give it another name");
        }
        let slot = match point.element {
            Element::Meter(meter) if point.role == Role::Value => wiring.meters.get_mut(meter.0),
            Element::Gate(gate) => wiring.gates.get_mut(gate.0).and_then(|gate| slot(gate, point.role)),
            Element::Meter(_) | Element::None => None,
        };
        let Some(slot) = slot else { continue };
        if slot.is_some() {
            spot.complain(format!("is a second point for {}", point.id), "keep one of the two");
        }
        *slot = Some(PointId(at));
    }
    wiring
}

fn slot(gate: &mut GatePoints, role: Role) -> Option<&mut Option<PointId>> {
    Some(match role {
        Role::Position => &mut gate.position,
        Role::Target => &mut gate.target,
        Role::Command => &mut gate.command,
        Role::Watchdog => &mut gate.watchdog,
        Role::Sequence => &mut gate.sequence,
        Role::SequenceEcho => &mut gate.sequence_echo,
        Role::Remote => &mut gate.remote,
        Role::Estop => &mut gate.estop,
        Role::MovingOpen => &mut gate.moving_open,
        Role::MovingShut => &mut gate.moving_shut,
        Role::Fault => &mut gate.fault,
        Role::Trip => &mut gate.trip,
        Role::Fallback => &mut gate.fallback,
        Role::Flow => &mut gate.flow,
        Role::Value
        | Role::TopLimit
        | Role::BottomLimit
        | Role::LevelUp
        | Role::LevelDown
        | Role::Load
        | Role::Other => return None,
    })
}

/// Registers of one device taken by two points; bits of one register may stand side by side.
fn overlaps(points: &[Placed<'_>]) {
    let mut order: Vec<usize> = (0..points.len()).collect();
    let key = |at: &usize| points.get(*at).map(|(p, _)| (p.device, p.table, p.address));
    order.sort_by_key(key);
    let mut widest: Option<(&Point, u32)> = None;
    for (point, spot) in order.iter().filter_map(|at| points.get(*at)) {
        let end = u32::from(point.address) + u32::from(registers::width(point.table, point.data_type));
        if let Some((before, until)) =
            widest.filter(|(before, _)| (before.device, before.table) == (point.device, point.table))
        {
            let side_by_side = before.data_type == DataType::Bit
                && point.data_type == DataType::Bit
                && before.address == point.address
                && before.bit != point.bit;
            if u32::from(point.address) < until && !side_by_side {
                let what = format!(
                    "puts {} on registers of {} ({:?} {})",
                    point.id, before.id, point.table, point.address
                );
                spot.complain(what, "correct base or address, or the unit of the device");
            }
            if end <= until {
                continue;
            }
        }
        widest = Some((point, end));
    }
}

/// The checked field and the places of its elements.
pub(in crate::config) struct Whole<'b, 'a> {
    pub(in crate::config) elements: Elements<'b>,
    pub(in crate::config) wiring: &'b Wiring,
    pub(in crate::config) links: &'b [Link],
    pub(in crate::config) devices: &'b [Device],
    pub(in crate::config) classes: &'b [ScanClass],
    pub(in crate::config) points: &'b [Placed<'a>],
    pub(in crate::config) basin: &'a Sheet<'a>,
    pub(in crate::config) field: &'a Sheet<'a>,
    pub(in crate::config) rated: &'b Rated,
}

/// The meters that take their value from a rating, by [`MeterId`].
#[derive(Debug)]
pub(in crate::config) struct Rated {
    pub(in crate::config) meters: BTreeSet<usize>,
    /// False when the file of the ratings could not be read: any meter may be meant.
    pub(in crate::config) whole: bool,
}

impl Whole<'_, '_> {
    /// Elements that need points and have none, values given up before they are stale, drives without their
    /// registers, watchdogs that nobody feeds, links to nobody.
    pub(in crate::config) fn complete(&self) {
        for (at, (meter, point)) in self.elements.meters.iter().zip(&self.wiring.meters).enumerate() {
            if let Some(meter) = meter {
                self.meter(meter, *point, self.rated.meters.contains(&at));
            }
        }
        for (gate, points) in self.elements.gates.iter().zip(&self.wiring.gates) {
            if let Some(gate) = gate {
                self.gate(gate, *points);
            }
        }
        for (at, device) in self.devices.iter().enumerate() {
            self.device(DeviceId(at), device);
        }
        for (at, link) in self.links.iter().enumerate() {
            if !self.devices.iter().any(|device| device.link == LinkId(at)) {
                let spot = self.field.entry("link", &link.id);
                spot.complain("has no devices behind it", "name it in a device, or remove it");
            }
        }
    }

    fn meter(&self, meter: &Meter, point: Option<PointId>, rated: bool) {
        let spot = self.basin.entry("meter", &meter.id);
        if rated && point.is_some() {
            let what = "has a register and a rating, and no two values for one flow are right";
            spot.complain(what, "remove its wire from devices.toml, or its rating from ratings.toml");
        }
        if rated && meter.max_rate_per_min.is_some() {
            let what = "is not looked at for a flow that comes from a rating";
            spot.key("max_rate_m3s_per_min").complain(what, "give the level meter its max_rate_m_per_min");
        }
        let Some(point) = point else {
            if rated || !self.rated.whole {
                return;
            }
            let remedy = format!("add [wire.\"{}\"] to devices.toml, or remove the meter", meter.id);
            spot.complain("has no point that brings its value", remedy);
            return;
        };
        let class = self.points.get(point.0).and_then(|(point, _)| point.class);
        if let Some(class) = class.and_then(|class| self.classes.get(class.0))
            && meter.hold_s < class.stale_s
        {
            let what = format!(
                "is shorter than the {} s after which a reading of class {} is stale",
                class.stale_s, class.id
            );
            spot.key("hold_s").complain(what, "hold the value longer, or scan it more often");
        }
    }

    fn gate(&self, gate: &Gate, points: GatePoints) {
        let wanted: &[(&str, Option<PointId>)] = match gate.actuation {
            Actuation::Passive => &[],
            Actuation::MonitorOnly => &[("position", points.position)],
            Actuation::Driven => &[
                ("position", points.position),
                ("target", points.target),
                ("command", points.command),
                ("remote", points.remote),
            ],
        };
        let missing = wanted.iter().filter(|(_, point)| point.is_none()).map(|(role, _)| *role);
        let missing = missing.collect::<Vec<_>>().join(", ");
        if !missing.is_empty() {
            let remedy = match gate.actuation {
                Actuation::Driven => {
                    "wire it with a layout that has them, or set actuation = \"monitor_only\" and automatic = false"
                }
                Actuation::Passive | Actuation::MonitorOnly => "wire it in devices.toml",
            };
            let spot = self.basin.entry("gate", &gate.id);
            spot.complain(format!("has no points for: {missing}"), remedy);
        }
    }

    fn device(&self, id: DeviceId, device: &Device) {
        let own = || self.points.iter().filter(|(point, _)| point.device == id);
        let spot = self.field.entry("device", &device.id);
        if own().next().is_none() {
            spot.complain("has no points", "wire something of it, or remove it");
        }
        match (own().any(|(point, _)| point.role == Role::Watchdog), device.watchdog_s) {
            (true, None) => {
                let remedy = "give the period of its writes, well below the time-out of the device";
                spot.key("watchdog_s").complain("is missing, but the device has a watchdog register", remedy);
            }
            (false, Some(_)) => {
                spot.key("watchdog_s")
                    .complain("has no watchdog register to write", "wire one, or remove it");
            }
            (true, Some(_)) | (false, None) => {}
        }
        match (own().any(|(point, _)| point.role == Role::Fallback), device.watchdog_return) {
            (true, None) => {
                let what = "is missing, but the device shows when its watchdog has run out";
                let remedy = "write operator (a person gives its gates back) or auto (when it obeys again)";
                spot.key("watchdog_return").complain(what, remedy);
            }
            (false, Some(_)) => {
                let what = "means nothing for a device that does not show when its watchdog has run out";
                spot.key("watchdog_return")
                    .complain(what, "wire a point with role = \"fallback\", or remove it");
            }
            (true, Some(_)) | (false, None) => {}
        }
    }
}
