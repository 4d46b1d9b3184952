//! The devices: register images of meters and gate boxes, and what a write to a gate box does.
//!
//! [`Devices::refresh`] puts what the plant's instruments show into the registers; reads answer from them, as a real box
//! answers from its last cycle. Encoding is [`qindan::registers`], so that resolution and word order are those of the
//! live field.

mod bank;
mod gate_box;
mod image;

#[cfg(test)]
mod failures;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use qindan::basin::Basin;
use qindan::config::Config;
use qindan::points::{DeviceId, Field, LinkId, PointId, Table};

use crate::plant::{self, Plant, Plugged};
use bank::Bank;
use gate_box::{GateBox, Watchdog};
use image::{Panels, Shown};

/// Why a device refuses a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ModbusException {
    /// The table cannot be written.
    #[error("illegal function")]
    IllegalFunction,
    /// The device has no such register, or none that can be written.
    #[error("illegal data address")]
    IllegalAddress,
    /// The value is not one the register takes.
    #[error("illegal data value")]
    IllegalValue,
    /// The device is not there; its gateway says so.
    #[error("gateway target device failed to respond")]
    GatewayTargetFailed,
}

impl ModbusException {
    /// Exception code on the wire.
    pub const fn code(self) -> u8 {
        match self {
            Self::IllegalFunction => 1,
            Self::IllegalAddress => 2,
            Self::IllegalValue => 3,
            Self::GatewayTargetFailed => 0x0B,
        }
    }
}

/// Tables of one unit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Unit {
    coils: Bank,
    discrete: Bank,
    input: Bank,
    holding: Bank,
}

impl Unit {
    fn bank(&self, table: Table) -> &Bank {
        match table {
            Table::Coil => &self.coils,
            Table::Discrete => &self.discrete,
            Table::Input => &self.input,
            Table::Holding => &self.holding,
        }
    }

    fn bank_mut(&mut self, table: Table) -> &mut Bank {
        match table {
            Table::Coil => &mut self.coils,
            Table::Discrete => &mut self.discrete,
            Table::Input => &mut self.input,
            Table::Holding => &mut self.holding,
        }
    }
}

/// Every device of a configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Devices {
    basin: Arc<Basin>,
    field: Arc<Field>,
    units: Vec<Unit>,
    /// By point: how it is shown, and what it showed.
    shown: Vec<Shown>,
    panels: Panels,
    /// By gate.
    boxes: Vec<GateBox>,
    watchdogs: Vec<Watchdog>,
    /// By device: points that may be written.
    writable: Vec<Vec<PointId>>,
    plugged: Vec<Plugged>,
    cut: Vec<bool>,
    /// By device: share of the requests to it that are lost, and who bears its number too.
    lossy: Vec<f64>,
    shared: Vec<Option<DeviceId>>,
    /// Time of the plant, ms: with it loss and collisions are drawn, so that they do not depend on who asks.
    at_ms: u64,
    /// By device: scan period of its quickest points, and when it was last asked.
    periods: Vec<Option<Duration>>,
    asked: Vec<Duration>,
}

/// A device that was not asked for this many scan periods waits. Chosen: below the three that `hold_s` spans at least.
const WAITS_AFTER: u32 = 2;
/// After this many nobody scans it.
const GIVEN_UP_AFTER: u32 = 60;

impl Devices {
    /// Devices for every point of the configuration, their registers empty until the first [`Devices::refresh`].
    pub fn new(config: &Config) -> Self {
        let field = &config.field;
        let unit = |id: usize| {
            // Registers between two values are there to be read along, as many as the service may read.
            let gap = field.devices.get(id).map_or(0, |device| device.max_gap.unwrap_or(device.max_block));
            let bank = |table: Table| {
                let here = field.points.iter().filter(|point| point.device.0 == id && point.table == table);
                let width = |bits: bool, registers: u16| if bits { 1 } else { registers };
                let bits = matches!(table, Table::Coil | Table::Discrete);
                Bank::new(
                    here.map(|point| (point.address, width(bits, point.data_type.registers()))).collect(),
                    if bits { gap.saturating_mul(16) } else { gap },
                )
            };
            Unit {
                coils: bank(Table::Coil),
                discrete: bank(Table::Discrete),
                input: bank(Table::Input),
                holding: bank(Table::Holding),
            }
        };
        let period = |id: usize| {
            let here = field.points.iter().filter(|point| point.device.0 == id);
            here.filter_map(|point| Some(seconds(field.classes.get(point.class?.0)?.period_s))).min()
        };
        Self {
            periods: (0..field.devices.len()).map(period).collect(),
            asked: vec![Duration::ZERO; field.devices.len()],
            panels: image::panels(field, config.basin.gates.len()),
            units: (0..field.devices.len()).map(unit).collect(),
            shown: field.points.iter().map(Shown::new).collect(),
            boxes: vec![GateBox::default(); config.basin.gates.len()],
            watchdogs: gate_box::watchdogs(field),
            writable: gate_box::writable(field),
            plugged: vec![Plugged::Yes; field.devices.len()],
            cut: vec![false; field.links.len()],
            lossy: vec![0.0; field.devices.len()],
            shared: vec![None; field.devices.len()],
            at_ms: 0,
            basin: Arc::clone(&config.basin),
            field: Arc::clone(&config.field),
        }
    }

    /// Brings the registers up to date with the plant: instruments, boxes, watchdogs, what is unplugged.
    pub fn refresh(&mut self, plant: &mut Plant) {
        self.look_after_watchdogs(plant);
        self.show(plant);
        for at in 0..self.plugged.len() {
            let device = DeviceId(at);
            self.plugged[at] = plant.plugged(device);
            self.lossy[at] = plant.lossy(device);
            self.shared[at] = plant.shared_with(device);
        }
        self.at_ms = u64::try_from(plant.now().0.as_millis()).unwrap_or(u64::MAX);
        for (at, cut) in self.cut.iter_mut().enumerate() {
            *cut = plant.is_cut(LinkId(at));
        }
    }

    /// A device was asked something at `now`.
    pub fn note_asked(&mut self, device: DeviceId, now: Duration) {
        if let Some(asked) = self.asked.get_mut(device.0) {
            *asked = now;
        }
    }

    /// Whether a device that answers and is scanned has waited for its next request too long at `now`: whoever asks does
    /// not keep up with the time. Nobody asks more often than every `step`.
    pub fn wait(&self, now: Duration, step: Duration) -> bool {
        let waits = |(at, (period, asked)): (usize, (&Option<Duration>, &Duration))| {
            let Some(period) = period.map(|period| period.max(step)) else { return false };
            let since = now.saturating_sub(*asked);
            since > WAITS_AFTER * period && since < GIVEN_UP_AFTER * period && self.is_plugged(DeviceId(at))
        };
        self.periods.iter().zip(&self.asked).enumerate().any(waits)
    }

    /// Whether a device answers.
    pub fn is_plugged(&self, device: DeviceId) -> bool {
        self.plugged(device) == Plugged::Yes && !self.is_link_cut(device)
    }

    /// How a device answers, its link apart.
    pub fn plugged(&self, device: DeviceId) -> Plugged {
        self.plugged.get(device.0).copied().unwrap_or(Plugged::Refused)
    }

    /// Whether the line loses a request to a device at an address: the same request at the same time always or never.
    pub fn is_lost(&self, device: DeviceId, address: u16) -> bool {
        let share = self.lossy.get(device.0).copied().unwrap_or(0.0);
        share > 0.0 && self.draw(device, address, 0x4C4F) < share
    }

    /// The other device that bears the number of this one, when it is its reply that comes through.
    pub fn collides(&self, device: DeviceId, address: u16) -> Option<DeviceId> {
        let other = self.shared.get(device.0).copied().flatten()?;
        (self.is_plugged(other) && self.draw(device, address, 0x434F) < 0.5).then_some(other)
    }

    /// An even number from 0 to 1 of device, address and time.
    fn draw(&self, device: DeviceId, address: u16, kind: u64) -> f64 {
        let key = (device.0 as u64) << 32 | u64::from(address) << 16 | kind;
        let bits = plant::mix(plant::mix(key) ^ self.at_ms);
        #[expect(clippy::cast_precision_loss, reason = "53 bits")]
        let draw = (bits >> 11) as f64 / (1_u64 << 53) as f64;
        draw
    }

    /// Whether a link is cut.
    pub fn is_cut(&self, link: LinkId) -> bool {
        self.cut.get(link.0).copied().unwrap_or(false)
    }

    fn is_link_cut(&self, device: DeviceId) -> bool {
        self.field.devices.get(device.0).is_some_and(|device| self.is_cut(device.link))
    }

    /// Reads `count` registers, or bits as 0 and 1.
    ///
    /// # Errors
    ///
    /// The device is not there, its line has lost the request, or it does not have all of the registers.
    pub fn read(
        &self,
        device: DeviceId,
        table: Table,
        address: u16,
        count: u16,
    ) -> Result<Vec<u16>, ModbusException> {
        if !self.is_plugged(device) || self.is_lost(device, address) {
            return Err(ModbusException::GatewayTargetFailed);
        }
        let device = self.collides(device, address).unwrap_or(device);
        let unit = self.units.get(device.0).ok_or(ModbusException::GatewayTargetFailed)?;
        let words = unit.bank(table).get(address, usize::from(count));
        words.map(<[u16]>::to_vec).ok_or(ModbusException::IllegalAddress)
    }

    /// Writes registers, or coils as 0 and 1: nothing of it unless every value is one its register takes. A box whose
    /// gate does not obey (key on local, emergency stop, trip, fault) answers all the same and changes nothing.
    ///
    /// # Errors
    ///
    /// The device is not there, the table or a register cannot be written, or a value is not one it takes.
    pub fn write(
        &mut self,
        plant: &mut Plant,
        device: DeviceId,
        table: Table,
        address: u16,
        values: &[u16],
    ) -> Result<(), ModbusException> {
        if !self.is_plugged(device) || self.is_lost(device, address) {
            return Err(ModbusException::GatewayTargetFailed);
        }
        match table {
            Table::Holding | Table::Coil => {
                if let Some(other) = self.shared.get(device.0).copied().flatten() {
                    // It hears the request too; what it makes of it nobody learns.
                    let _ = self.write_box(plant, other, table, address, values);
                }
                self.write_box(plant, device, table, address, values)
            }
            Table::Input | Table::Discrete => Err(ModbusException::IllegalFunction),
        }
    }
}

/// Seconds as a duration, zero for what is none.
fn seconds(s: f64) -> Duration {
    Duration::try_from_secs_f64(s).unwrap_or(Duration::ZERO)
}
