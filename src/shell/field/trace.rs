//! The last frames of a link, as they went over the wire: what everybody asks for after a fault.

use std::collections::VecDeque;
use std::fmt::Write;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Bytes of frames kept per link.
const KEPT: usize = 1024;

/// Which way a frame went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Out,
    In,
}

/// A ring of frames. The oldest make room for the newest.
#[derive(Debug, Default)]
pub(super) struct Trace(Mutex<VecDeque<u8>>);

/// What stands before each frame: length and direction in two bytes, service time in six, ms.
const HEAD: usize = 8;
/// Bit of the first byte that says a frame came in.
const CAME_IN: u8 = 0x80;

impl Trace {
    /// Notes bytes that went `way` at service time `at`; more than a ring holds are cut.
    pub(super) fn note(&self, at: Duration, way: Way, bytes: &[u8]) {
        let bytes = bytes.get(..bytes.len().min(KEPT - HEAD)).unwrap_or_default();
        let [high, low] = u16::try_from(bytes.len()).unwrap_or(0).to_be_bytes();
        let way = match way {
            Way::Out => 0,
            Way::In => CAME_IN,
        };
        let ms = u64::try_from(at.as_millis()).unwrap_or(u64::MAX).to_be_bytes();
        let mut ring = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if ring.capacity() < KEPT {
            ring.reserve_exact(KEPT);
        }
        while ring.len() + HEAD + bytes.len() > KEPT {
            let length = ring.iter().take(2).fold(0, |length, byte| (length << 8) | usize::from(*byte));
            let oldest = (HEAD + (length & 0x7FFF)).min(ring.len());
            ring.drain(..oldest);
        }
        ring.extend([high | way, low]);
        ring.extend(ms.get(2..).unwrap_or_default());
        ring.extend(bytes);
    }

    /// As text, oldest first: service time in seconds, direction, hex.
    pub(super) fn text(&self) -> String {
        let ring = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut bytes = ring.iter().copied();
        let mut text = String::with_capacity(4 * ring.len());
        while let (Some(first), Some(low)) = (bytes.next(), bytes.next()) {
            let length = u16::from_be_bytes([first & !CAME_IN, low]);
            let ms = bytes.by_ref().take(HEAD - 2).fold(0_u64, |ms, byte| (ms << 8) | u64::from(byte));
            let way = if first & CAME_IN == 0 { ">" } else { "<" };
            // Writing to a string cannot fail.
            let _ = write!(text, "{}.{:03} {way}", ms / 1000, ms % 1000);
            for byte in bytes.by_ref().take(usize::from(length)) {
                let _ = write!(text, " {byte:02x}");
            }
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_frames_make_room() {
        let trace = Trace::default();
        for number in 0..200_u8 {
            trace.note(Duration::from_millis(u64::from(number)), Way::Out, &[number; 12]);
        }
        let text = trace.text();
        let lines = text.lines().collect::<Vec<_>>();
        // 1024 bytes hold 51 frames of 12 with what stands before each.
        assert_eq!(lines.len(), 51);
        assert_eq!(lines[0], "0.149 > 95 95 95 95 95 95 95 95 95 95 95 95");
        assert!(lines[50].starts_with("0.199 > c7"));
        trace.note(Duration::from_secs(86_400), Way::In, &[0x11; 300]);
        assert!(trace.text().lines().last().unwrap().starts_with("86400.000 < 11 11"));
    }
}
