//! Frames of Modbus TCP: header and PDU, judged as soon as the header is in.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio_modbus::Request;

use super::pdu;

/// Header up to and including the unit identifier.
const HEADER: usize = 7;

/// A whole frame.
pub(super) struct Frame {
    pub(super) id: u16,
    pub(super) unit: u8,
    pub(super) pdu: Bytes,
}

/// Appends header and PDU of a request.
///
/// # Errors
///
/// The quantities the protocol allows are exceeded.
pub(super) fn encode(
    id: u16,
    unit: u8,
    request: &Request<'_>,
    out: &mut BytesMut,
) -> Result<(), &'static str> {
    let start = out.len();
    out.put_u16(id);
    out.put_u32(0); // protocol 0, and the length to come
    out.put_u8(unit);
    pdu::encode(request, out)?;
    let length = u16::try_from(out.len() - start - 6).unwrap_or_default().to_be_bytes();
    if let Some(place) = out.get_mut(start + 4..start + 6) {
        place.copy_from_slice(&length);
    }
    Ok(())
}

/// Takes the first whole frame out of `input`, or leaves it as it is.
///
/// # Errors
///
/// The header is none: the stream cannot be trusted any more.
pub(super) fn take(input: &mut BytesMut) -> Result<Option<Frame>, String> {
    let Some(header) = input.first_chunk::<6>() else { return Ok(None) };
    let [id, protocol, length] =
        [[header[0], header[1]], [header[2], header[3]], [header[4], header[5]]].map(u16::from_be_bytes);
    if protocol != 0 {
        return Err(format!("protocol identifier {protocol} in place of 0"));
    }
    if !(3..=254).contains(&length) {
        return Err(format!("length {length} outside 3 to 254"));
    }
    if input.len() < 6 + usize::from(length) {
        return Ok(None);
    }
    let mut frame = input.split_to(6 + usize::from(length)).freeze();
    let Some(&unit) = frame.get(6) else { return Ok(None) };
    frame.advance(HEADER);
    Ok(Some(Frame { id, unit, pdu: frame }))
}
