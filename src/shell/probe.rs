//! Register explorer: reads one device through the engine, which cannot write here, and shows what stands there in
//! every byte order.

use std::fmt::Write as _;

use tokio_modbus::{Request, Response};

use super::clock::Clock;
use super::field::Access;
use super::field::engine::{Endpoint, Engine};
use super::field::error::FieldError;
use super::field::plan;
use crate::points::{ByteOrder, DataType, DeviceId, Element, Field, Point, Role, Table};
use crate::registers;

/// The four orders, as columns.
const ORDERS: [ByteOrder; 4] = [ByteOrder::Abcd, ByteOrder::Cdab, ByteOrder::Badc, ByteOrder::Dcba];

/// A run of addresses in one table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Table.
    pub table: Table,
    /// First address, zero based.
    pub start: u16,
    /// Addresses.
    pub count: u16,
}

impl Span {
    fn request(self) -> Request<'static> {
        match self.table {
            Table::Coil => Request::ReadCoils(self.start, self.count),
            Table::Discrete => Request::ReadDiscreteInputs(self.start, self.count),
            Table::Input => Request::ReadInputRegisters(self.start, self.count),
            Table::Holding => Request::ReadHoldingRegisters(self.start, self.count),
        }
    }
}

/// The runs of addresses that hold the scanned points of a device.
pub fn spans(field: &Field, device: DeviceId) -> Vec<Span> {
    let link = field.devices.get(device.0).map(|device| device.link);
    let blocks = link.map(|link| plan::plan(field, link, plan::TURNAROUND).blocks).unwrap_or_default();
    let of_device = blocks.into_iter().filter(|block| block.device == device);
    of_device.map(|block| Span { table: block.table, start: block.start, count: block.count }).collect()
}

/// A connection to the link of a device through which nothing that writes can leave.
///
/// # Errors
/// When the peer cannot be reached.
pub(super) async fn connect(field: &Field, device: DeviceId) -> Result<Engine, FieldError> {
    let device = field.devices.get(device.0);
    let Some((device, link)) = device.and_then(|device| Some((device, field.links.get(device.link.0)?)))
    else {
        let why = "no such device".to_owned();
        return Err(FieldError::Unsent { device: "no link".into(), why });
    };
    let mut engine = Engine::new(Endpoint::of(link, std::iter::once(device), Access::Observe), Clock::real());
    engine.connect().await?;
    Ok(engine)
}

/// Reads `spans` of `device` one after the other and gives the table as text. A span the device refuses is said in
/// its place.
///
/// # Errors
/// When the device cannot be reached.
pub async fn read(
    field: &Field,
    device: DeviceId,
    spans: &[Span],
    pair: DataType,
) -> Result<String, FieldError> {
    let mut text = String::new();
    let Some(unit) = field.devices.get(device.0) else { return Ok(text) };
    let mut engine = connect(field, device).await?;
    for span in spans {
        let end = u32::from(span.start) + u32::from(span.count) - 1;
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{} {:?} {} to {end}", unit.id, span.table, span.start);
        match engine.request(unit.unit, &span.request()).await {
            Ok(Response::ReadHoldingRegisters(words) | Response::ReadInputRegisters(words)) => {
                words_table(&mut text, field, device, *span, &words, pair);
            }
            Ok(Response::ReadCoils(bits) | Response::ReadDiscreteInputs(bits)) => {
                for (at, bit) in (span.start..).zip(bits.iter().take(usize::from(span.count))) {
                    let _ = writeln!(text, "{at:>6}  {}{}", u8::from(*bit), names(field, device, *span, at));
                }
            }
            Ok(_) => {}
            Err(error @ (FieldError::Refused { .. } | FieldError::Mismatch { .. })) => {
                let _ = writeln!(text, "        {error}");
            }
            Err(error) => return Err(error),
        }
    }
    Ok(text)
}

fn words_table(
    text: &mut String,
    field: &Field,
    device: DeviceId,
    span: Span,
    words: &[u16],
    pair: DataType,
) {
    let _ = writeln!(
        text,
        "{:>6}  {:>6} {:>6} {:>6}  {:>14} {:>14} {:>14} {:>14}",
        "", "hex", "u16", "i16", "ABCD", "CDAB", "BADC", "DCBA"
    );
    for (index, (at, word)) in (span.start..).zip(words).enumerate() {
        let pairs = words.get(index..index + 2).map_or_else(String::new, |two| {
            ORDERS.map(|order| format!(" {:>14}", number(pair, order, two))).concat()
        });
        let known = names(field, device, span, at);
        let signed = word.cast_signed();
        let _ = writeln!(text, "{at:>6}  0x{word:04x} {word:>6} {signed:>6} {pairs:<60}{known}");
    }
}

/// Two registers as one number; registers that are none stay empty.
fn number(pair: DataType, order: ByteOrder, words: &[u16]) -> String {
    match registers::decode(&bare(pair, order), words) {
        Ok(value) if value == 0.0 || (1e-3..1e7).contains(&value.abs()) => {
            let text = format!("{value:.3}");
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        }
        Ok(value) => format!("{value:.3e}"),
        Err(_) => "-".into(),
    }
}

/// A point without scale or limits.
fn bare(data_type: DataType, order: ByteOrder) -> Point {
    Point {
        id: String::new(),
        device: DeviceId(0),
        table: Table::Holding,
        address: 0,
        data_type,
        order,
        bit: 0,
        scale: 1.0,
        offset: 0.0,
        sentinels: Vec::new(),
        min: None,
        max: None,
        unit: String::new(),
        class: None,
        element: Element::None,
        role: Role::Other,
    }
}

/// The configured points that begin at an address.
fn names(field: &Field, device: DeviceId, span: Span, at: u16) -> String {
    let here = |point: &&Point| (point.device, point.table, point.address) == (device, span.table, at);
    field.points.iter().filter(here).fold(String::new(), |mut text, point| {
        let _ = write!(text, "  {} ({:?})", point.id, point.data_type);
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_pair_of_registers_reads_differently_in_each_order() {
        // 12.5 is 0x41480000 as IEEE 754 single.
        let words = [0x4148, 0x0000];
        assert_eq!(number(DataType::F32, ByteOrder::Abcd, &words), "12.5");
        assert_eq!(number(DataType::F32, ByteOrder::Cdab, &[0x0000, 0x4148]), "12.5");
        assert_eq!(number(DataType::F32, ByteOrder::Badc, &[0x4841, 0x0000]), "12.5");
        assert_eq!(number(DataType::F32, ByteOrder::Dcba, &[0x0000, 0x4841]), "12.5");
        assert_eq!(number(DataType::I32, ByteOrder::Abcd, &[0xFFFF, 0xFFFE]), "-2");
        assert_eq!(number(DataType::F32, ByteOrder::Abcd, &[0x7FC0, 0x0000]), "-");
    }
}
