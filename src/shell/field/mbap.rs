//! Frames of Modbus TCP: header and PDU, judged as soon as the header is in.

use bytes::{BufMut, BytesMut};
use tokio_modbus::Request;

use super::pdu;

/// Header up to and including the unit identifier.
pub(super) const HEADER: usize = 7;

/// The header of a frame that is whole.
#[derive(Clone, Copy)]
pub(super) struct Head {
    pub(super) id: u16,
    pub(super) unit: u8,
    /// Bytes of the frame; the PDU begins at [`HEADER`].
    pub(super) length: usize,
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

/// The header of the first frame in `input`, once the frame is whole.
///
/// # Errors
///
/// The header is none: the stream cannot be trusted any more.
pub(super) fn head(input: &[u8]) -> Result<Option<Head>, String> {
    let Some(header) = input.first_chunk::<6>() else { return Ok(None) };
    let [id, protocol, length] =
        [[header[0], header[1]], [header[2], header[3]], [header[4], header[5]]].map(u16::from_be_bytes);
    if protocol != 0 {
        return Err(format!("protocol identifier {protocol} in place of 0"));
    }
    if !(3..=254).contains(&length) {
        return Err(format!("length {length} outside 3 to 254"));
    }
    let length = 6 + usize::from(length);
    let whole = input.get(..length).and_then(|frame| frame.get(6));
    Ok(whole.map(|unit| Head { id, unit: *unit, length }))
}
