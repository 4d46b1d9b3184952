//! Modbus requests to replies: the server's half of the protocol. Pure but for the registers it reads and writes.

use qindan::points::{DeviceId, Field, LinkId, Table};

use crate::devices::ModbusException;
use crate::plant::Plugged;
use crate::world::World;

/// What the server does about a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Sends this PDU.
    Reply(Vec<u8>),
    /// Nothing: the unit is gone and nobody says so.
    Silence,
}

/// Exception codes the server itself gives.
const ILLEGAL_FUNCTION: u8 = 1;
const ILLEGAL_VALUE: u8 = 3;
pub(super) const GATEWAY_TARGET_FAILED: u8 = 0x0B;

/// Answers a request to `unit` behind `link`. Checks in the order of the specification: function, quantity, address.
pub(super) fn answer(world: &mut World, field: &Field, link: LinkId, unit: u8, pdu: &[u8]) -> Answer {
    let Some(&function) = pdu.first() else { return Answer::Silence };
    let refuse = |code: u8| Answer::Reply(vec![function | 0x80, code]);
    let device = field.devices.iter().position(|device| device.link == link && device.unit == unit);
    let Some(device) = device.map(DeviceId) else { return refuse(GATEWAY_TARGET_FAILED) };
    match world.devices.plugged(device) {
        Plugged::Yes => {}
        Plugged::Refused => return refuse(GATEWAY_TARGET_FAILED),
        Plugged::Silent => return Answer::Silence,
    }
    if world.devices.is_lost(device, address(pdu)) {
        return Answer::Silence;
    }
    let (now, _) = world.plant.now();
    world.devices.note_asked(device, now);
    let unit = Unit { world, field, device };
    match unit.carry_out(function, pdu.get(1..).unwrap_or_default()) {
        Ok(mut reply) => {
            reply.insert(0, function);
            Answer::Reply(reply)
        }
        Err(code) => refuse(code),
    }
}

/// First address a request names; 0 for one that names none.
pub(super) fn address(pdu: &[u8]) -> u16 {
    word(pdu.get(1..).unwrap_or_default(), 0).unwrap_or(0)
}

/// One unit for the time of one request.
struct Unit<'a> {
    world: &'a mut World,
    field: &'a Field,
    device: DeviceId,
}

impl Unit<'_> {
    fn carry_out(mut self, function: u8, body: &[u8]) -> Result<Vec<u8>, u8> {
        match function {
            1 => self.read_bits(Table::Coil, body),
            2 => self.read_bits(Table::Discrete, body),
            3 => self.read_registers(Table::Holding, body),
            4 => self.read_registers(Table::Input, body),
            5 => {
                let on = match word(body, 1)? {
                    0xFF00 => 1,
                    0 => 0,
                    _ => return Err(ILLEGAL_VALUE),
                };
                self.write(Table::Coil, word(body, 0)?, &[on])?;
                Ok(body.get(..4).unwrap_or_default().to_vec())
            }
            6 => {
                self.write(Table::Holding, word(body, 0)?, &[word(body, 1)?])?;
                Ok(body.get(..4).unwrap_or_default().to_vec())
            }
            15 => self.write_coils(body),
            16 => {
                let count = quantity(body, 123)?;
                let words = payload(body, 2 * usize::from(count))?;
                let words = words.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
                self.write(Table::Holding, word(body, 0)?, &words.collect::<Vec<_>>())?;
                Ok(body.get(..4).unwrap_or_default().to_vec())
            }
            43 => self.identify(body),
            _ => Err(ILLEGAL_FUNCTION),
        }
    }

    fn read(&self, table: Table, address: u16, count: u16) -> Result<Vec<u16>, u8> {
        self.world.devices.read(self.device, table, address, count).map_err(ModbusException::code)
    }

    fn write(&mut self, table: Table, address: u16, words: &[u16]) -> Result<(), u8> {
        let World { plant, devices, .. } = &mut *self.world;
        devices.write(plant, self.device, table, address, words).map_err(ModbusException::code)
    }

    fn read_registers(&self, table: Table, body: &[u8]) -> Result<Vec<u8>, u8> {
        let words = self.read(table, word(body, 0)?, quantity(body, 125)?)?;
        let mut reply = vec![u8::try_from(2 * words.len()).map_err(|_| ILLEGAL_VALUE)?];
        reply.extend(words.iter().flat_map(|word| word.to_be_bytes()));
        Ok(reply)
    }

    fn read_bits(&self, table: Table, body: &[u8]) -> Result<Vec<u8>, u8> {
        let bits = self.read(table, word(body, 0)?, quantity(body, 2000)?)?;
        let bytes = bits
            .chunks(8)
            .map(|eight| eight.iter().rev().fold(0, |byte, bit| (byte << 1) | u8::from(*bit != 0)));
        let bytes = bytes.collect::<Vec<u8>>();
        let mut reply = vec![u8::try_from(bytes.len()).map_err(|_| ILLEGAL_VALUE)?];
        reply.extend(bytes);
        Ok(reply)
    }

    fn write_coils(&mut self, body: &[u8]) -> Result<Vec<u8>, u8> {
        let count = usize::from(quantity(body, 1968)?);
        let bytes = payload(body, count.div_ceil(8))?;
        let coils = bytes.iter().flat_map(|byte| (0..8).map(move |bit| u16::from(byte >> bit & 1)));
        self.write(Table::Coil, word(body, 0)?, &coils.take(count).collect::<Vec<_>>())?;
        Ok(body.get(..4).unwrap_or_default().to_vec())
    }

    /// Read device identification (43/14): vendor, product code, revision, as one basic stream or one object.
    fn identify(&self, body: &[u8]) -> Result<Vec<u8>, u8> {
        let (&[14, code, object], true) = (body.get(..3).unwrap_or_default(), body.len() == 3) else {
            return Err(ILLEGAL_FUNCTION);
        };
        let device = self.field.devices.get(self.device.0).map_or("", |device| device.id.as_str());
        let objects = ["qindan-sim", device, env!("CARGO_PKG_VERSION")];
        let wanted = match code {
            1..=3 => 0..objects.len(),
            4 if usize::from(object) < objects.len() => usize::from(object)..usize::from(object) + 1,
            4 => return Err(2),
            _ => return Err(ILLEGAL_VALUE),
        };
        let mut reply = vec![14, code, 0x81, 0, 0, u8::try_from(wanted.len()).unwrap_or(0)];
        for at in wanted {
            let text = objects[at].as_bytes();
            let text = text.get(..text.len().min(60)).unwrap_or_default();
            reply.extend([u8::try_from(at).unwrap_or(0), u8::try_from(text.len()).unwrap_or(0)]);
            reply.extend(text);
        }
        Ok(reply)
    }
}

/// The 16-bit number at position `at` (in words) of a request.
fn word(body: &[u8], at: usize) -> Result<u16, u8> {
    match body.get(2 * at..2 * at + 2) {
        Some(&[high, low]) => Ok(u16::from_be_bytes([high, low])),
        Some(_) | None => Err(ILLEGAL_VALUE),
    }
}

/// Quantity of a read or write: 1 to `most`, not past the last address.
fn quantity(body: &[u8], most: u16) -> Result<u16, u8> {
    let (first, count) = (word(body, 0)?, word(body, 1)?);
    if count == 0 || count > most {
        return Err(ILLEGAL_VALUE);
    }
    if u32::from(first) + u32::from(count) > 65_536 { Err(2) } else { Ok(count) }
}

/// The data of a multiple write: byte count and bytes must agree with the quantity.
fn payload(body: &[u8], bytes: usize) -> Result<&[u8], u8> {
    let data = body.get(5..).ok_or(ILLEGAL_VALUE)?;
    let agrees = body.get(4).is_some_and(|count| usize::from(*count) == bytes) && data.len() == bytes;
    if agrees { Ok(data) } else { Err(ILLEGAL_VALUE) }
}
