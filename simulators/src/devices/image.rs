//! What the registers show of plant and instruments.

use std::sync::Arc;

use qindan::basin::{Gate, GateId, GateKind, MeterId};
use qindan::points::{ByteOrder, DataType, Element, Field, Point, PointId, Role, Table};
use qindan::registers::{self, CodecError};

use super::Devices;
use crate::plant::{DriveState, Encoding, Plant, Signal};

/// Level of a hoist's load register at rest and while it runs, in the unit of the point. Assumed.
const LOAD_REST: f64 = 12.0;
const LOAD_RUNNING: f64 = 38.0;
/// And while the motor pushes in vain. Assumed: two and a half times as much.
const LOAD_STALLED: f64 = 95.0;
/// A counter with a step of at least this many m³ is the upper part of one in two parts.
const UPPER_PART_M3: f64 = 1e6;

/// Signal quality of a meter in order and of one that is not, per cent. Assumed.
const SIGNAL_SOUND: f64 = 96.0;
const SIGNAL_FAULTY: f64 = 41.0;

/// A point as its device shows it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Shown {
    /// The point as a plain holding register without credibility limits, for the codec. `None` for bits.
    codec: Option<Box<Point>>,
    /// What its registers hold, as rounded there, so that nothing is encoded twice.
    last: Option<u64>,
}

impl Shown {
    pub(super) fn new(point: &Point) -> Self {
        let codec = (point.data_type != DataType::Bit)
            .then(|| Box::new(Point { table: Table::Holding, min: None, max: None, ..point.clone() }));
        Self { codec, last: None }
    }

    /// Its registers were set by somebody else.
    pub(super) fn forget(&mut self) {
        self.last = None;
    }

    /// Its device sends bytes in this order from now on.
    fn send_in(&mut self, order: ByteOrder) {
        if let Some(codec) = self.codec.as_deref_mut() {
            codec.order = order;
        }
        self.last = None;
    }

    /// The words for `value`, unless its registers hold them already.
    fn news(&mut self, value: f64) -> Option<Vec<u16>> {
        let codec = self.codec.as_deref()?;
        let raw = (value - codec.offset) / codec.scale;
        let raw = if codec.data_type.is_whole() { raw.round() } else { raw };
        #[expect(clippy::cast_possible_truncation, reason = "compared in the precision of the registers")]
        let raw = if codec.data_type == DataType::F32 { f64::from(raw as f32) } else { raw };
        let bits = Some(raw.to_bits());
        if self.last == bits {
            return None;
        }
        self.last = bits;
        Some(words(codec, value))
    }
}

/// Points of one gate, by how often they change.
#[derive(Clone, Debug, Default, PartialEq)]
struct GatePanel {
    /// Change with the drive or a command.
    still: Vec<PointId>,
    /// Change with the water.
    live: Vec<PointId>,
    /// The drive as `still` shows it; `None` when they must be shown anew.
    shows: Option<DriveState>,
}

/// Points of meters and gates, sorted.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Panels {
    /// Values of meters, each with the encoding its registers have.
    values: Vec<(PointId, MeterId, Encoding)>,
    /// What else a meter's device shows: velocity, depth, signal.
    beside: Vec<(PointId, MeterId)>,
    /// Totalisers, each with what is counted in another register above it, m³ (infinite without).
    totals: Vec<(PointId, MeterId, f64)>,
    /// By gate.
    gates: Vec<GatePanel>,
}

impl Panels {
    /// Everything the box of a gate shows is shown anew.
    pub(super) fn look_again(&mut self, gate: GateId) {
        if let Some(panel) = self.gates.get_mut(gate.0) {
            panel.shows = None;
        }
    }
}

/// Sorts the points of a field.
pub(super) fn panels(field: &Field, gates: usize) -> Panels {
    let (mut values, mut beside, mut totals) = (Vec::new(), Vec::new(), Vec::new());
    let mut panels = vec![GatePanel::default(); gates];
    for (at, point) in field.points.iter().enumerate() {
        match (point.element, point.role) {
            (Element::Meter(meter), Role::Value) => values.push((PointId(at), meter, Encoding::default())),
            (Element::Meter(meter), Role::Other) if point.unit == "m3" => {
                totals.push((PointId(at), meter, upper_part(field, point)));
            }
            (Element::Meter(meter), Role::Other) => beside.push((PointId(at), meter)),
            (Element::Gate(gate), Role::Flow | Role::LevelUp | Role::LevelDown | Role::Load) => {
                panels[gate.0].live.push(PointId(at));
            }
            (Element::Gate(gate), _) => panels[gate.0].still.push(PointId(at)),
            (Element::Meter(_) | Element::None, _) => {}
        }
    }
    Panels { values, beside, totals, gates: panels }
}

/// What the register above a totaliser counts in, m³: some devices split a total into 10⁸ m³ and m³.
fn upper_part(field: &Field, point: &Point) -> f64 {
    let above = |other: &&Point| {
        (other.element, other.role, other.unit.as_str()) == (point.element, Role::Other, "m3")
            && other.scale >= UPPER_PART_M3
            && other.scale > point.scale
    };
    field.points.iter().filter(above).map(|other| other.scale).fold(f64::INFINITY, f64::min)
}

impl Devices {
    pub(super) fn show(&mut self, plant: &mut Plant) {
        let field = Arc::clone(&self.field);
        for at in 0..self.panels.values.len() {
            let (id, meter, sent) = self.panels.values[at];
            let point = &field.points[id.0];
            let encoding = plant.encoding(meter);
            if encoding != sent {
                self.panels.values[at].2 = encoding;
                self.shown[id.0].send_in(encoding.order.unwrap_or(point.order));
            }
            match plant.sense(meter) {
                Signal::Value(value) => self.put(id, point, value * encoding.factor),
                Signal::Nothing { .. } if encoding.zero_for_nothing => self.put(id, point, point.offset),
                Signal::Nothing { nearest } => {
                    let pattern = point.sentinels.first();
                    self.put(id, point, pattern.map_or(nearest, |raw| raw * point.scale + point.offset));
                }
            }
        }
        for at in 0..self.panels.totals.len() {
            let (id, meter, above) = self.panels.totals[at];
            self.put(id, &field.points[id.0], counted(&field.points[id.0], plant.meter_total(meter) % above));
        }
        for at in 0..self.panels.beside.len() {
            let (id, meter) = self.panels.beside[at];
            let point = &field.points[id.0];
            let (velocity, depth) = plant.meter_surroundings(meter);
            let value = match point.unit.as_str() {
                "m/s" => velocity,
                "m" => depth,
                "%" if plant.meter_is_sound(meter) => SIGNAL_SOUND,
                "%" => SIGNAL_FAULTY,
                _ => continue,
            };
            self.put(id, point, value);
        }
        let basin = Arc::clone(&self.basin);
        for (at, gate) in basin.gates.iter().enumerate() {
            let Some(drive) = plant.drive(GateId(at)) else { continue };
            if self.panels.gates[at].shows != Some(drive) {
                for i in 0..self.panels.gates[at].still.len() {
                    let id = self.panels.gates[at].still[i];
                    self.show_drive(GateId(at), gate, &drive, id, &field.points[id.0]);
                }
                self.panels.gates[at].shows = Some(drive);
            }
            for i in 0..self.panels.gates[at].live.len() {
                let id = self.panels.gates[at].live[i];
                let point = &field.points[id.0];
                let value = if point.role == Role::Flow {
                    plant.gate_flow(GateId(at))
                } else if point.role == Role::LevelUp {
                    plant.level_above(GateId(at))
                } else if point.role == Role::LevelDown {
                    plant.level_below(GateId(at))
                } else {
                    load(gate, &drive, plant.gate_flow(GateId(at)), &point.unit)
                };
                self.put(id, point, value);
            }
        }
    }

    fn show_drive(&mut self, id: GateId, gate: &Gate, drive: &DriveState, at: PointId, point: &Point) {
        let position =
            |opening: f64| gate.stroke.shut_at + opening * (gate.stroke.open_at - gate.stroke.shut_at);
        let flag = match point.role {
            Role::Position => return self.put(at, point, position(drive.shown)),
            // A set point that others gave shows; one written here stands bit for bit.
            Role::Target if self.boxes[id.0].is_news(drive.setpoint) => {
                return self.put(at, point, position(drive.setpoint));
            }
            Role::SequenceEcho => return self.put(at, point, f64::from(self.boxes[id.0].echo)),
            Role::Remote => drive.remote,
            Role::Estop => drive.estop,
            Role::MovingOpen => drive.moving_open,
            Role::MovingShut => drive.moving_shut,
            Role::TopLimit => drive.top,
            Role::BottomLimit => drive.bottom,
            Role::Fault => drive.fault,
            Role::Trip => drive.trip,
            Role::Fallback => self.is_in_fallback(id),
            // A lamp of the box: the motor turns, the unit runs.
            Role::Other if point.data_type == DataType::Bit => {
                let runs = matches!(gate.kind, GateKind::Turbine { .. }) && drive.opening > 0.0;
                runs || drive.moving_open || drive.moving_shut
            }
            // As written, or not of the drive.
            Role::Target
            | Role::Value
            | Role::Command
            | Role::Watchdog
            | Role::Sequence
            | Role::Flow
            | Role::LevelUp
            | Role::LevelDown
            | Role::Load
            | Role::Other => return,
        };
        self.put_flag(at, point, flag);
    }

    fn put_flag(&mut self, id: PointId, point: &Point, on: bool) {
        if point.data_type == DataType::Bit {
            let Some(unit) = self.units.get_mut(point.device.0) else { return };
            let bank = unit.bank_mut(point.table);
            match point.table {
                Table::Coil | Table::Discrete => bank.set(point.address, &[u16::from(on)]),
                Table::Input | Table::Holding => bank.set_bit(point.address, point.bit, on),
            }
        } else {
            self.put(id, point, f64::from(u8::from(on)));
        }
    }

    /// Puts a number into the registers of a point, held to what they can show.
    fn put(&mut self, id: PointId, point: &Point, value: f64) {
        let Some(words) = self.shown.get_mut(id.0).and_then(|shown| shown.news(value)) else { return };
        if let Some(unit) = self.units.get_mut(point.device.0) {
            unit.bank_mut(point.table).set(point.address, &words);
        }
    }
}

/// What a load register shows: power of a turbine in kW or per cent, else effort of the hoist in the unit of the point.
fn load(gate: &Gate, drive: &DriveState, flow: f64, unit: &str) -> f64 {
    match gate.kind {
        GateKind::Turbine { .. } if drive.trip => 0.0,
        GateKind::Turbine { rated, power_kw, .. } => {
            flow / rated.get() * if unit == "kW" { power_kw } else { 100.0 }
        }
        GateKind::Radial { .. } | GateKind::Plane { .. } | GateKind::Valve { .. } | GateKind::Flap { .. } => {
            if drive.stalled {
                LOAD_STALLED
            } else if drive.moving_open || drive.moving_shut {
                LOAD_RUNNING
            } else {
                LOAD_REST
            }
        }
    }
}

/// What a totaliser shows of a total: whole steps of its register, from zero again beyond the width of its type.
fn counted(point: &Point, total: f64) -> f64 {
    let bits = match point.data_type {
        DataType::U16 => 16,
        DataType::I16 => 15,
        DataType::U32 => 32,
        DataType::I32 => 31,
        DataType::U64 | DataType::I64 => 53,
        DataType::Bcd16 => return (total / point.scale).floor() % 1e4 * point.scale,
        DataType::Bcd32 => return (total / point.scale).floor() % 1e8 * point.scale,
        DataType::F32 | DataType::F64 | DataType::Bit => return total,
    };
    (total / point.scale).floor() % 2_f64.powi(bits) * point.scale
}

/// The words a device puts for `value`: saturated at the end of its range; a reading that would look like "no value"
/// gives way by a step.
fn words(point: &Point, value: f64) -> Vec<u16> {
    let is_sentinel = point.sentinels.iter().any(|raw| same(raw * point.scale + point.offset, value));
    let plain = || Point { sentinels: Vec::new(), ..point.clone() };
    let result =
        if is_sentinel { registers::encode(&plain(), value) } else { registers::encode(point, value) };
    match result {
        Ok(words) => words,
        Err(CodecError::OutOfRange { min, max, .. }) => {
            registers::encode(&plain(), value.clamp(min, max)).unwrap_or_default()
        }
        Err(CodecError::Sentinel { .. }) => {
            let step = if point.scale == 0.0 { 1.0 } else { point.scale };
            registers::encode(point, value + step).unwrap_or_default()
        }
        Err(CodecError::NotFinite { .. } | CodecError::ReadOnly { .. }) => Vec::new(),
    }
}

fn same(a: f64, b: f64) -> bool {
    a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan())
}
