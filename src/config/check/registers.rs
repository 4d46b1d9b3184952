//! One point: a layout's entry and what is overridden of it become one checked address.

use super::super::raw::field::RawPoint;
use super::super::sheet::Spot;
use super::Noted;
use super::field::FieldNames;
use crate::basin::{Gate, Meter, MeterKind, StrokeUnit};
use crate::points::{ClassId, DataType, DeviceId, Element, Point, Role, Table};
use crate::registers;

/// Share of the stroke a position may show beyond its ends before it is not believed. Chosen: sensors are zeroed
/// within some millimetres of the stops.
const BEYOND: f64 = 0.02;

/// Where a point belongs.
#[derive(Clone, Copy)]
pub(in crate::config) struct Owner<'b> {
    pub(in crate::config) element: Element,
    /// The gate, when it is one and its own values are right.
    pub(in crate::config) gate: Option<&'b Gate>,
    /// The meter, likewise.
    pub(in crate::config) meter: Option<&'b Meter>,
}

/// Where a point is read.
#[derive(Clone, Copy)]
pub(in crate::config) struct Seat<'s> {
    pub(in crate::config) device: DeviceId,
    /// Most registers one read of the device may ask for.
    pub(in crate::config) max_block: Option<u16>,
    /// Added to the addresses of a layout.
    pub(in crate::config) base: u16,
    /// Class of points that name none.
    pub(in crate::config) class: Option<ClassId>,
    pub(in crate::config) names: &'s FieldNames,
}

/// What `over` says, else what the layout says.
pub(in crate::config) fn merge(layout: &RawPoint, over: Option<&RawPoint>) -> RawPoint {
    let Some(other) = over else { return layout.clone() };
    RawPoint {
        role: other.role.or(layout.role),
        table: other.table.or(layout.table),
        address: other.address.or(layout.address),
        r#type: other.r#type.or(layout.r#type),
        order: other.order.or(layout.order),
        bit: other.bit.or(layout.bit),
        scale: other.scale.or(layout.scale),
        offset: other.offset.or(layout.offset),
        above_sill: other.above_sill.or(layout.above_sill),
        sentinels: other.sentinels.clone().or_else(|| layout.sentinels.clone()),
        min: other.min.or(layout.min),
        max: other.max.or(layout.max),
        unit: other.unit.clone().or_else(|| layout.unit.clone()),
        class: other.class.clone().or_else(|| layout.class.clone()),
        written_only: other.written_only.or(layout.written_only),
    }
}

/// Where a point is described and where it is used.
#[derive(Clone, Copy)]
pub(in crate::config) struct Spots<'s, 'a> {
    /// The point of the layout, what overrides it, or the point alone: faults of the description.
    pub(in crate::config) spec: &'s Spot<'a>,
    /// The instance: faults of description and element together.
    pub(in crate::config) user: &'s Spot<'a>,
    /// Name of the point in its layout.
    pub(in crate::config) name: &'s str,
}

/// A checked point.
pub(in crate::config) fn point(
    id: String,
    role: Role,
    raw: &RawPoint,
    owner: Owner<'_>,
    seat: Seat<'_>,
    spots: Spots<'_, '_>,
) -> Option<Point> {
    let at = spots.spec;
    let missing = |key: &str, there: bool, remedy: &str| {
        if !there {
            at.key(key).complain("is missing", remedy);
        }
    };
    missing("table", raw.table.is_some(), "say coil, discrete, input or holding");
    missing("address", raw.address.is_some(), "give the zero-based address");
    missing("type", raw.r#type.is_some(), "say u16, i16, u32, i32, u64, i64, f32, f64, bcd16, bcd32 or bit");
    let (table, offset_in, data_type) = (raw.table?, raw.address?, raw.r#type?);
    encoding(raw, table, data_type, at);
    let address = seat.base.checked_add(offset_in);
    let ends = address.map(|first| u32::from(first) + u32::from(width(table, data_type)));
    if ends.is_none_or(|end| end > 65_536) {
        let what = format!("its {} runs past the end of the table", spots.name);
        spots.user.complain(what, "lower the base, or the address in the layout");
        return None;
    }
    if let Some(block) = seat.max_block.filter(|block| data_type.registers() > *block) {
        let wide = data_type.registers();
        let what = format!("its {} takes {wide} registers, but one read brings {block}", spots.name);
        spots.user.complain(what, "raise max_block of the device");
    }
    written(role, raw, table, data_type, at);
    let number = |key: &str, value: Option<f64>, default: f64| match value {
        Some(value) if !value.is_finite() => {
            at.key(key).complain("must be a finite number", "correct it");
            None
        }
        value => Some(value.unwrap_or(default)),
    };
    let scale = number("scale", raw.scale, 1.0)?;
    if scale == 0.0 {
        at.key("scale").complain("would make every value the same", "give value per raw unit");
        return None;
    }
    let offset = number("offset", raw.offset, 0.0)?
        + if raw.above_sill == Some(true) { owner.gate.map_or(0.0, |gate| gate.sill.get()) } else { 0.0 };
    if raw.above_sill == Some(true) && !matches!(owner.element, Element::Gate(_)) {
        at.key("above_sill").complain("belongs to points of gates only", "remove it");
    }
    let (min, max) = limits(raw, role, owner, at);
    let unit = unit(raw, role, owner, spots);
    let point = Point {
        id,
        device: seat.device,
        table,
        address: address?,
        data_type,
        order: raw.order.unwrap_or_default(),
        bit: raw.bit.unwrap_or(0),
        scale,
        offset,
        sentinels: raw.sentinels.clone().unwrap_or_default(),
        min,
        max,
        unit,
        class: class(raw, seat, at).ok()?,
        element: owner.element,
        role,
    };
    holds(&point, owner, spots);
    Some(point)
}

/// Addresses a point takes.
pub(in crate::config) fn width(table: Table, data_type: DataType) -> u16 {
    match table {
        Table::Coil | Table::Discrete => 1,
        Table::Input | Table::Holding => data_type.registers(),
    }
}

/// Type, bit and byte order against the table.
fn encoding(raw: &RawPoint, table: Table, data_type: DataType, at: &Spot<'_>) {
    let bits = matches!(table, Table::Coil | Table::Discrete);
    if bits && data_type != DataType::Bit {
        at.key("type")
            .complain("cannot stand in a table of bits", "say bit, or input or holding for the table");
    }
    match (bits, data_type, raw.bit) {
        (false, DataType::Bit, None) => {
            at.key("bit").complain("is missing", "give the bit of the register, 0 is the least significant");
        }
        (false, DataType::Bit, Some(bit)) if bit > 15 => {
            at.key("bit").complain("must be 0 to 15", "give the bit of the register");
        }
        (_, _, None) | (false, DataType::Bit, Some(_)) => {}
        (_, _, Some(_)) => {
            at.key("bit").complain("belongs to a bit of a register only", "remove it");
        }
    }
    if !bits && data_type.registers() > 1 && raw.order.is_none() {
        let remedy = "say ABCD, CDAB, BADC or DCBA, as the manual or a test with a known value tells";
        at.key("order").complain("is missing on a value of several registers", remedy);
    }
    for pattern in raw.sentinels.iter().flatten().filter(|raw| !registers::occurs(data_type, **raw)) {
        let what = format!("names {pattern}, but these registers never read as that number");
        at.key("sentinels").complain(what, "give the number as the type reads it, before scale and offset");
    }
}

/// What is written must be writable, and what the field task writes as one plain word must be one.
fn written(role: Role, raw: &RawPoint, table: Table, data_type: DataType, at: &Spot<'_>) {
    match role {
        Role::Target if table != Table::Holding || data_type == DataType::Bit => {
            at.key("table").complain("cannot take a target", "a target stands in whole holding registers");
        }
        Role::Command | Role::Watchdog | Role::Sequence
            if table != Table::Holding
                || data_type != DataType::U16
                || raw.scale.is_some_and(|scale| (scale - 1.0).abs() > 0.0)
                || raw.offset.is_some_and(|offset| offset.abs() > 0.0) =>
        {
            at.complain(
                "cannot be a command word",
                "command, watchdog and sequence are single holding registers, type u16, without scale",
            );
        }
        Role::Target | Role::Command | Role::Watchdog | Role::Sequence => {}
        Role::Value
        | Role::Position
        | Role::SequenceEcho
        | Role::Remote
        | Role::Estop
        | Role::MovingOpen
        | Role::MovingShut
        | Role::TopLimit
        | Role::BottomLimit
        | Role::Fault
        | Role::Trip
        | Role::Fallback
        | Role::Flow
        | Role::LevelUp
        | Role::LevelDown
        | Role::Load
        | Role::Other => {
            if raw.written_only == Some(true) {
                at.key("written_only").complain("is never written", "remove it and name a scan class");
            }
        }
    }
    if role == Role::Target && raw.written_only == Some(true) {
        at.key("written_only").complain("must be read back", "remove it and name a scan class");
    }
}

fn class(raw: &RawPoint, seat: Seat<'_>, at: &Spot<'_>) -> Result<Option<ClassId>, Noted> {
    if raw.written_only == Some(true) {
        return Ok(None);
    }
    let class = match &raw.class {
        Some(name) => Some(seat.names.class(&at.key("class"), name).ok_or(Noted)?),
        None => seat.class,
    };
    if class.is_none() {
        at.key("class").complain("is missing", "name a scan class, or set written_only = true");
    }
    Ok(class)
}

/// Credible range: as given, or the stroke for positions and targets.
fn limits(raw: &RawPoint, role: Role, owner: Owner<'_>, at: &Spot<'_>) -> (Option<f64>, Option<f64>) {
    if let (Some(min), Some(max)) = (raw.min, raw.max)
        && min >= max
    {
        at.key("min").complain(format!("is not below max ({max})"), "give the smaller value first");
    }
    let stroke = owner.gate.map(|gate| gate.stroke);
    let beyond = match role {
        Role::Position => BEYOND,
        Role::Target => 0.0,
        Role::Value
        | Role::Command
        | Role::Watchdog
        | Role::Sequence
        | Role::SequenceEcho
        | Role::Remote
        | Role::Estop
        | Role::MovingOpen
        | Role::MovingShut
        | Role::TopLimit
        | Role::BottomLimit
        | Role::Fault
        | Role::Trip
        | Role::Fallback
        | Role::Flow
        | Role::LevelUp
        | Role::LevelDown
        | Role::Load
        | Role::Other => return (raw.min, raw.max),
    };
    let Some(stroke) = stroke else { return (raw.min, raw.max) };
    let slack = beyond * stroke.length();
    let (low, high) = (stroke.shut_at.min(stroke.open_at), stroke.shut_at.max(stroke.open_at));
    (raw.min.or(Some(low - slack)), raw.max.or(Some(high + slack)))
}

/// Unit for the screens; where control computes with the number, the unit must be the one it computes in.
fn unit(raw: &RawPoint, role: Role, owner: Owner<'_>, spots: Spots<'_, '_>) -> String {
    let wanted = match (role, owner.gate, owner.meter) {
        (Role::Position | Role::Target, Some(gate), _) => Some(match gate.stroke.unit {
            StrokeUnit::Millimetre => ("mm", "mm"),
            StrokeUnit::Percent => ("%", "%"),
            StrokeUnit::Degree => ("deg", "°"),
        }),
        (Role::Value, _, Some(meter)) => Some(match meter.kind {
            MeterKind::RiverFlow | MeterKind::StructureFlow => ("m3/s", "m³/s"),
            MeterKind::Level => ("m", "m"),
            MeterKind::Rain => ("mm", "mm"),
        }),
        (Role::Flow, _, _) => Some(("m3/s", "m³/s")),
        (Role::LevelUp | Role::LevelDown, _, _) => Some(("m", "m")),
        (_, _, _) => None,
    };
    let given = raw.unit.as_deref();
    let Some((written, shown)) = wanted else { return given.unwrap_or_default().into() };
    if given != Some(written) {
        let what = match given {
            Some(given) => {
                format!("its {} is in {given}, but control computes in {written} here", spots.name)
            }
            None => format!("its {} has no unit, but control computes in {written} here", spots.name),
        };
        let remedy = format!("take a layout that scales to {written}, or correct scale and unit of this one");
        spots.user.complain(what, remedy);
    }
    shown.into()
}

/// Whether the registers can carry what has to go through them.
fn holds(point: &Point, owner: Owner<'_>, spots: Spots<'_, '_>) {
    let ends = match (point.role, owner.gate, owner.meter) {
        (Role::Target | Role::Position, Some(gate), _) => [gate.stroke.shut_at, gate.stroke.open_at],
        (Role::Value, _, Some(meter)) => [meter.min, meter.max],
        (_, _, _) => return,
    };
    let as_written = Point { table: Table::Holding, min: None, max: None, ..point.clone() };
    for end in ends {
        if let Err(registers::CodecError::OutOfRange { min, max, .. }) = registers::encode(&as_written, end) {
            let what =
                format!("its {} cannot hold {end}: the registers reach from {min} to {max}", spots.name);
            spots.user.complain(what, "take a wider type, or correct scale and offset");
        }
    }
}
