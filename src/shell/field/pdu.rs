//! Requests to bytes, and whether a reply is one to its request.

use bytes::{BufMut, Bytes, BytesMut};
use tokio_modbus::{Request, Response};

/// Most registers one read may ask for.
pub(super) const MAX_READ: u16 = 125;
/// Most bits one read may ask for.
pub(super) const MAX_READ_BITS: u16 = 2000;
/// Largest PDU.
const MAX_PDU: usize = 253;

/// What is wrong with a reply.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The frame contradicts itself or answers another function: the stream cannot be trusted.
    Framing(&'static str),
    /// A whole frame of the right function that does not fit the request: the value is not used.
    Mismatch(String),
}

/// A reply that fits its request.
#[derive(Debug)]
pub(super) enum Reply {
    /// The data.
    Data(Response),
    /// The device answered with an exception.
    Exception {
        /// Its code.
        code: u8,
        /// It came with more bytes than the code.
        long: bool,
    },
}

/// Whether a request can change anything in a device.
pub(super) fn writes(request: &Request<'_>) -> bool {
    !matches!(
        request,
        Request::ReadCoils(..)
            | Request::ReadDiscreteInputs(..)
            | Request::ReadInputRegisters(..)
            | Request::ReadHoldingRegisters(..)
            | Request::ReportServerId
            | Request::ReadDeviceIdentification(..)
    ) && !is_identification(request)
}

/// Device identification, written out: function 43 with type 14 only reads.
fn is_identification(request: &Request<'_>) -> bool {
    matches!(request, Request::Custom(0x2B, bytes) if bytes.first() == Some(&0x0E))
}

/// Appends the PDU of a request.
///
/// # Errors
///
/// The quantities the protocol allows are exceeded.
pub(super) fn encode(request: &Request<'_>, out: &mut BytesMut) -> Result<(), &'static str> {
    let start = out.len();
    out.put_u8(request.function_code().value());
    match request {
        Request::ReadCoils(address, count) | Request::ReadDiscreteInputs(address, count) => {
            range(*address, *count, MAX_READ_BITS)?;
            out.put_u16(*address);
            out.put_u16(*count);
        }
        Request::ReadInputRegisters(address, count) | Request::ReadHoldingRegisters(address, count) => {
            range(*address, *count, MAX_READ)?;
            out.put_u16(*address);
            out.put_u16(*count);
        }
        Request::WriteSingleCoil(address, on) => {
            out.put_u16(*address);
            out.put_u16(if *on { 0xFF00 } else { 0 });
        }
        Request::WriteMultipleCoils(address, coils) => {
            let count = count_of(coils.len())?;
            range(*address, count, 1968)?;
            out.put_u16(*address);
            out.put_u16(count);
            out.put_u8(byte_count(coils.len().div_ceil(8))?);
            for eight in coils.chunks(8) {
                out.put_u8(eight.iter().rev().fold(0, |bits, on| (bits << 1) | u8::from(*on)));
            }
        }
        Request::WriteSingleRegister(address, word) => {
            out.put_u16(*address);
            out.put_u16(*word);
        }
        Request::WriteMultipleRegisters(address, words) => {
            range(*address, count_of(words.len())?, 123)?;
            out.put_u16(*address);
            put_words(out, words)?;
        }
        Request::MaskWriteRegister(address, and, or) => {
            out.put_u16(*address);
            out.put_u16(*and);
            out.put_u16(*or);
        }
        Request::ReadWriteMultipleRegisters(from, count, to, words) => {
            range(*from, *count, MAX_READ)?;
            range(*to, count_of(words.len())?, 121)?;
            out.put_u16(*from);
            out.put_u16(*count);
            out.put_u16(*to);
            put_words(out, words)?;
        }
        Request::ReadDeviceIdentification(code, object) => {
            out.put_u8(0x0E);
            out.put_u8(code.value());
            out.put_u8(*object);
        }
        Request::ReportServerId => {}
        Request::Custom(_, bytes) => out.put_slice(bytes),
    }
    if out.len() - start > MAX_PDU { Err("the request is longer than 253 bytes") } else { Ok(()) }
}

fn put_words(out: &mut BytesMut, words: &[u16]) -> Result<(), &'static str> {
    out.put_u16(count_of(words.len())?);
    out.put_u8(byte_count(2 * words.len())?);
    for word in words {
        out.put_u16(*word);
    }
    Ok(())
}

fn count_of(len: usize) -> Result<u16, &'static str> {
    u16::try_from(len).map_err(|_| "more items than the protocol can count")
}

fn byte_count(len: usize) -> Result<u8, &'static str> {
    u8::try_from(len).map_err(|_| "more bytes than the protocol can count")
}

fn range(address: u16, count: u16, most: u16) -> Result<(), &'static str> {
    if count == 0 || count > most {
        return Err("the quantity is outside what the function allows");
    }
    if u32::from(address) + u32::from(count) > 65_536 {
        return Err("the range runs past address 65535");
    }
    Ok(())
}

/// Decodes `pdu` (at least two bytes) as the reply to `request`.
pub(super) fn check(request: &Request<'_>, pdu: &[u8]) -> Result<Reply, Fault> {
    let function = request.function_code().value();
    let (Some(&first), Some(&second)) = (pdu.first(), pdu.get(1)) else {
        return Err(Fault::Framing("reply without content"));
    };
    if first == function | 0x80 {
        return Ok(Reply::Exception { code: second, long: pdu.len() > 2 });
    }
    if first != function {
        return Err(Fault::Framing("reply of another function"));
    }
    let asked = bytes_asked(request);
    if let Some(asked) = asked {
        let came = usize::from(second);
        if came + 2 != pdu.len() {
            return Err(Fault::Framing("byte count against the length of the frame"));
        }
        if came != asked {
            return Err(Fault::Mismatch(format!("{came} bytes of data for {asked} asked")));
        }
    }
    let expected_length = echo_length(request);
    if expected_length.is_some_and(|length| length != pdu.len()) {
        return Err(Fault::Framing("write reply of the wrong length"));
    }
    // Registers are what is read all day: no copy of the frame for them.
    let words =
        || pdu.get(2..).unwrap_or_default().as_chunks::<2>().0.iter().map(|two| u16::from_be_bytes(*two));
    if matches!(request, Request::ReadHoldingRegisters(..)) {
        return Ok(Reply::Data(Response::ReadHoldingRegisters(words().collect())));
    }
    if matches!(request, Request::ReadInputRegisters(..)) {
        return Ok(Reply::Data(Response::ReadInputRegisters(words().collect())));
    }
    let copy = Bytes::copy_from_slice(pdu);
    let reply = Response::try_from(copy).map_err(|_| Fault::Framing("reply that does not decode"))?;
    if echo(request, &reply) {
        Ok(Reply::Data(reply))
    } else {
        Err(Fault::Mismatch(format!("echo {reply:?} of another write")))
    }
}

/// Bytes of data a reply to a read brings; `None` for what brings no counted data.
pub(super) fn bytes_asked(request: &Request<'_>) -> Option<usize> {
    match request {
        Request::ReadCoils(_, count) | Request::ReadDiscreteInputs(_, count) => {
            Some(usize::from(count.div_ceil(8)))
        }
        Request::ReadInputRegisters(_, count)
        | Request::ReadHoldingRegisters(_, count)
        | Request::ReadWriteMultipleRegisters(_, count, ..) => Some(2 * usize::from(*count)),
        Request::WriteSingleCoil(..)
        | Request::WriteMultipleCoils(..)
        | Request::WriteSingleRegister(..)
        | Request::WriteMultipleRegisters(..)
        | Request::MaskWriteRegister(..)
        | Request::ReadDeviceIdentification(..)
        | Request::ReportServerId
        | Request::Custom(..) => None,
    }
}

/// Length of the PDU of a reply that is no exception; `None` where the request does not tell.
pub(super) fn reply_length(request: &Request<'_>) -> Option<usize> {
    bytes_asked(request).map(|bytes| bytes + 2).or_else(|| echo_length(request))
}

fn echo_length(request: &Request<'_>) -> Option<usize> {
    match request {
        Request::WriteSingleCoil(..)
        | Request::WriteMultipleCoils(..)
        | Request::WriteSingleRegister(..)
        | Request::WriteMultipleRegisters(..) => Some(5),
        Request::MaskWriteRegister(..) => Some(7),
        Request::ReadCoils(..)
        | Request::ReadDiscreteInputs(..)
        | Request::ReadInputRegisters(..)
        | Request::ReadHoldingRegisters(..)
        | Request::ReadWriteMultipleRegisters(..)
        | Request::ReadDeviceIdentification(..)
        | Request::ReportServerId
        | Request::Custom(..) => None,
    }
}

/// Whether a write reply repeats its request; true for what has no echo.
fn echo(request: &Request<'_>, reply: &Response) -> bool {
    match (request, reply) {
        (Request::WriteSingleCoil(a, on), Response::WriteSingleCoil(b, was)) => a == b && on == was,
        (Request::WriteSingleRegister(a, word), Response::WriteSingleRegister(b, was)) => {
            a == b && word == was
        }
        (Request::WriteMultipleCoils(a, coils), Response::WriteMultipleCoils(b, count)) => {
            a == b && coils.len() == usize::from(*count)
        }
        (Request::WriteMultipleRegisters(a, words), Response::WriteMultipleRegisters(b, count)) => {
            a == b && words.len() == usize::from(*count)
        }
        (Request::MaskWriteRegister(a, and, or), Response::MaskWriteRegister(b, c, d)) => {
            (a, and, or) == (b, c, d)
        }
        (_, _) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(request: &Request<'_>) -> Result<Vec<u8>, &'static str> {
        let mut out = BytesMut::new();
        encode(request, &mut out).map(|()| out.to_vec())
    }

    /// Application protocol V1.1b3, the worked examples.
    #[test]
    fn requests_are_those_of_the_specification() {
        let coils = [true, false, true, true, false, false, true, true, true, false];
        let cases: [(Request<'_>, &[u8]); 5] = [
            (Request::ReadCoils(0x13, 0x13), &[1, 0, 0x13, 0, 0x13]),
            (Request::WriteSingleRegister(1, 3), &[6, 0, 1, 0, 3]),
            (
                Request::WriteMultipleCoils(0x13, coils.as_slice().into()),
                &[0x0F, 0, 0x13, 0, 0x0A, 2, 0xCD, 1],
            ),
            (
                Request::WriteMultipleRegisters(1, [0x0A, 0x0102].as_slice().into()),
                &[0x10, 0, 1, 0, 2, 4, 0, 0x0A, 1, 2],
            ),
            (Request::MaskWriteRegister(4, 0xF2, 0x25), &[0x16, 0, 4, 0, 0xF2, 0, 0x25]),
        ];
        for (request, expected) in cases {
            assert_eq!(bytes(&request).as_deref(), Ok(expected));
        }
    }

    #[test]
    fn quantities_beyond_the_protocol_are_never_asked_for() {
        assert!(bytes(&Request::ReadHoldingRegisters(0, 126)).is_err());
        assert!(bytes(&Request::ReadHoldingRegisters(0, 0)).is_err());
        assert!(bytes(&Request::ReadHoldingRegisters(65_535, 2)).is_err());
        assert!(bytes(&Request::ReadCoils(0, 2001)).is_err());
        assert!(bytes(&Request::ReadHoldingRegisters(65_535, 1)).is_ok());
    }

    #[test]
    fn a_write_echo_with_another_value_is_a_mismatch() {
        let request = Request::WriteSingleRegister(1, 3);
        let other = check(&request, &[6, 0, 2, 0, 9]);
        assert!(matches!(other, Err(Fault::Mismatch(_))));
        assert!(matches!(check(&request, &[6, 0, 1, 0, 3]), Ok(Reply::Data(_))));
    }
}
