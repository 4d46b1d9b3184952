//! One frame as bytes, and the chain through them. Pure.

use sha2::{Digest, Sha256};

/// Version of the record format this build writes.
pub const VERSION: u8 = 1;
/// Largest value of the length field; more is damage.
const MAX_LENGTH: usize = 64 * 1024;
/// Length and CRC.
const HEAD: usize = 8;
/// Largest frame, bytes.
pub(super) const MAX_FRAME: usize = HEAD + MAX_LENGTH;
/// Kind, version, sequence, chain hash.
const FIXED: usize = 1 + 1 + 8 + 32;
/// Largest body, bytes.
pub const MAX_BODY: usize = MAX_LENGTH - FIXED;

/// A chain hash.
pub type Chain = [u8; 32];

/// One record as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Sequence, from 1 without gaps.
    pub seq: u64,
    /// Number of its kind ([`crate::control::record::Kind`] in the action journal).
    pub kind: u8,
    /// Format version of the body.
    pub version: u8,
    /// The body as stored; hashes are over these bytes.
    pub body: Vec<u8>,
    /// Chain hash of the record before.
    pub prev: Chain,
    /// Chain hash of this record.
    pub chain: Chain,
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |n: u8| char::from(DIGITS.get(usize::from(n & 0xF)).copied().unwrap_or(b'?'));
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(*byte)]).collect()
}

/// Whether a text is the lower-case hexadecimal of these bytes.
pub(in crate::shell) fn is_hex_of(text: &str, bytes: &[u8]) -> bool {
    let digit = |n: u8| if n < 10 { b'0' + n } else { b'a' - 10 + n };
    text.bytes().eq(bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 0xF)]))
}

/// h(0) of a store.
pub fn genesis(store: &str) -> Chain {
    Sha256::digest(store.as_bytes()).into()
}

/// h(n) = SHA-256(h(n-1) | sequence, big-endian | body).
pub fn chain_after(prev: &Chain, seq: u64, body: &[u8]) -> Chain {
    let mut hash = Sha256::new();
    hash.update(prev);
    hash.update(seq.to_be_bytes());
    hash.update(body);
    hash.finalize().into()
}

/// Appends the frame to `out`. The caller keeps `body` within [`MAX_BODY`].
pub(super) fn encode(out: &mut Vec<u8>, frame: &Frame) {
    let length = u32::try_from(frame.body.len() + FIXED).unwrap_or(u32::MAX);
    let start = out.len();
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(&[0; 4]);
    out.push(frame.kind);
    out.push(frame.version);
    out.extend_from_slice(&frame.seq.to_be_bytes());
    out.extend_from_slice(&frame.body);
    out.extend_from_slice(&frame.chain);
    let crc = checksum(length, out.get(start + HEAD..).unwrap_or_default());
    if let Some(place) = out.get_mut(start + 4..start + HEAD) {
        place.copy_from_slice(&crc.to_be_bytes());
    }
}

/// Bytes one frame with such a body takes.
#[cfg(test)]
fn size(body: usize) -> usize {
    HEAD + FIXED + body
}

pub(in crate::shell) fn checksum(length: u32, rest: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&length.to_be_bytes()), rest)
}

/// What stands at an offset of a segment.
#[derive(Debug)]
pub(super) enum At<'a> {
    /// An intact frame, and its size.
    Frame(View<'a>, usize),
    /// Nothing but zeros from here on, or the end of the file.
    End,
    /// No frame, and why.
    Damaged(&'static str),
}

/// An intact frame in place.
#[derive(Clone, Copy, Debug)]
pub(super) struct View<'a> {
    pub(super) kind: u8,
    pub(super) version: u8,
    pub(super) seq: u64,
    pub(super) body: &'a [u8],
    pub(super) chain: &'a Chain,
}

impl View<'_> {
    pub(super) fn to_frame(self, prev: Chain) -> Frame {
        Frame {
            seq: self.seq,
            kind: self.kind,
            version: self.version,
            body: self.body.to_vec(),
            prev,
            chain: *self.chain,
        }
    }
}

/// Looks at `bytes` from `at` on.
pub(super) fn look(bytes: &[u8], at: usize) -> At<'_> {
    let rest = bytes.get(at..).unwrap_or_default();
    match intact(rest) {
        Ok((view, size)) => At::Frame(view, size),
        Err(_) if rest.iter().all(|byte| *byte == 0) => At::End,
        Err(why) => At::Damaged(why),
    }
}

/// Intact frames that begin anywhere at or after `at`.
pub(super) fn intact_from(bytes: &[u8], mut at: usize) -> impl Iterator<Item = View<'_>> {
    std::iter::from_fn(move || {
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            if let Ok((view, size)) = intact(rest) {
                at += size;
                return Some(view);
            }
            at += 1;
        }
        None
    })
}

fn intact(rest: &[u8]) -> Result<(View<'_>, usize), &'static str> {
    let (length, after) = rest.split_first_chunk::<4>().ok_or("end of file inside a frame")?;
    let length = u32::from_be_bytes(*length);
    let span = usize::try_from(length).unwrap_or(usize::MAX);
    if !(FIXED..=MAX_LENGTH).contains(&span) {
        return Err("impossible length");
    }
    let (crc, after) = after.split_first_chunk::<4>().ok_or("end of file inside a frame")?;
    let content = after.get(..span).ok_or("end of file inside a frame")?;
    if checksum(length, content) != u32::from_be_bytes(*crc) {
        return Err("checksum does not match");
    }
    let view = (|| {
        let (kind, after) = content.split_first()?;
        let (version, after) = after.split_first()?;
        let (seq, after) = after.split_first_chunk::<8>()?;
        let (body, chain) = after.split_last_chunk::<32>()?;
        Some(View { kind: *kind, version: *version, seq: u64::from_be_bytes(*seq), body, chain })
    })();
    Ok((view.ok_or("impossible length")?, HEAD + span))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_is_known_again() {
        let bytes = [0x00, 0x9a, 0xff];
        assert_eq!(hex(&bytes), "009aff");
        assert!(is_hex_of("009aff", &bytes));
        for other in ["009afe", "009af", "009aff0", "009AFF", ""] {
            assert!(!is_hex_of(other, &bytes), "{other}");
        }
    }

    #[test]
    fn the_checksum_is_crc_32c() {
        // RFC 3720, B.4: 32 bytes of zeros.
        assert_eq!(crc32c::crc32c(&[0; 32]), 0x8a91_36aa);
    }

    #[test]
    fn a_chain_begins_with_the_hash_of_the_store_id() {
        // FIPS 180-2, B.1: SHA-256("abc").
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hex(&genesis("abc")), expected);
    }

    #[test]
    fn every_flipped_bit_of_a_frame_is_seen() {
        let body = b"{\"seq\":7}".to_vec();
        let chain = chain_after(&[1; 32], 7, &body);
        let frame = Frame { seq: 7, kind: 2, version: 1, body, prev: [1; 32], chain };
        let mut bytes = Vec::new();
        encode(&mut bytes, &frame);
        assert_eq!(bytes.len(), size(frame.body.len()));
        assert!(matches!(look(&bytes, 0), At::Frame(view, _) if view.to_frame([1; 32]) == frame));
        for bit in 0..bytes.len() * 8 {
            let mut bent = bytes.clone();
            bent[bit / 8] ^= 1 << (bit % 8);
            assert!(matches!(look(&bent, 0), At::Damaged(_)), "bit {bit}");
        }
    }
}
