//! What the registers show of plant and instruments.

use qindan::basin::{GateId, GateKind};
use qindan::points::{DataType, Element, Point, PointId, Role, Table};
use qindan::registers::{self, CodecError};

use super::Devices;
use crate::plant::{Plant, Signal};

/// Level of a hoist's load register at rest and while it runs, in the unit of the point. Assumed.
const LOAD_REST: f64 = 12.0;
const LOAD_RUNNING: f64 = 38.0;

/// A point as its device shows it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Shown {
    /// The point as a plain holding register without credibility limits, for the codec. `None` for bits.
    codec: Option<Box<Point>>,
    /// What it showed last, so that nothing is encoded twice.
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
}

/// What a point has to say.
enum Say {
    Number(f64),
    /// The "no value" pattern, or this where there is none.
    Nothing(f64),
    Flag(bool),
    /// Registers that stand as written.
    AsWritten,
}

impl Devices {
    pub(super) fn show(&mut self, plant: &mut Plant) {
        let field = std::sync::Arc::clone(&self.field);
        for (at, point) in field.points.iter().enumerate() {
            let say = match point.element {
                Element::Meter(meter) => match plant.sense(meter) {
                    Signal::Value(value) => Say::Number(value),
                    Signal::Nothing { nearest } => Say::Nothing(nearest),
                },
                Element::Gate(gate) => self.of_gate(plant, gate, point.role),
                Element::None => Say::AsWritten,
            };
            match say {
                Say::AsWritten => {}
                Say::Flag(on) => self.put_flag(PointId(at), point, on),
                Say::Number(value) => self.put(PointId(at), point, value),
                Say::Nothing(nearest) => {
                    let pattern = point.sentinels.first();
                    let value = pattern.map_or(nearest, |raw| raw * point.scale + point.offset);
                    self.put(PointId(at), point, value);
                }
            }
        }
    }

    fn of_gate(&mut self, plant: &Plant, id: GateId, role: Role) -> Say {
        let (Some(gate), Some(drive)) = (self.basin.gates.get(id.0), plant.drive(id)) else {
            return Say::AsWritten;
        };
        let stroke = gate.stroke;
        let position = |opening: f64| stroke.shut_at + opening * (stroke.open_at - stroke.shut_at);
        match role {
            Role::Position => Say::Number(position(drive.opening)),
            // A set point that others gave shows; one written here stands bit for bit.
            Role::Target if self.boxes.get_mut(id.0).is_some_and(|known| known.is_news(drive.setpoint)) => {
                Say::Number(position(drive.setpoint))
            }
            Role::SequenceEcho => {
                Say::Number(f64::from(self.boxes.get(id.0).map_or(0, |gate_box| gate_box.echo)))
            }
            Role::Remote => Say::Flag(drive.remote),
            Role::Estop => Say::Flag(drive.estop),
            Role::MovingOpen => Say::Flag(drive.moving_open),
            Role::MovingShut => Say::Flag(drive.moving_shut),
            Role::TopLimit => Say::Flag(drive.opening >= 1.0),
            Role::BottomLimit => Say::Flag(drive.opening <= 0.0),
            Role::Fault => Say::Flag(drive.fault),
            Role::Trip => Say::Flag(drive.trip),
            Role::Flow => Say::Number(plant.gate_flow(id)),
            Role::LevelUp => Say::Number(plant.gate_levels(id).0),
            Role::LevelDown => Say::Number(plant.gate_levels(id).1),
            Role::Load => Say::Number(match gate.kind {
                GateKind::Turbine { rated, power_kw, .. } => {
                    power_kw * (plant.gate_flow(id) / rated.get()) * f64::from(u8::from(!drive.trip))
                }
                GateKind::Radial { .. }
                | GateKind::Plane { .. }
                | GateKind::Valve { .. }
                | GateKind::Flap { .. } => {
                    if drive.moving_open || drive.moving_shut {
                        LOAD_RUNNING
                    } else {
                        LOAD_REST
                    }
                }
            }),
            Role::Target | Role::Value | Role::Command | Role::Watchdog | Role::Sequence | Role::Other => {
                Say::AsWritten
            }
        }
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
        let Some(shown) = self.shown.get_mut(id.0) else { return };
        let Some(codec) = &shown.codec else { return };
        if shown.last == Some(value.to_bits()) {
            return;
        }
        shown.last = Some(value.to_bits());
        let words = words(codec, value);
        if let Some(unit) = self.units.get_mut(point.device.0) {
            unit.bank_mut(point.table).set(point.address, &words);
        }
    }
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
