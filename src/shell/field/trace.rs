//! The last frames of a link, as they went over the wire: what everybody asks for after a fault.

use std::collections::VecDeque;
use std::fmt::Write;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Bytes of frames kept per link.
const KEPT: usize = 1536;

/// Which way a frame went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Out,
    In,
}

/// A ring of frames. The oldest make room for the newest.
#[derive(Debug, Default)]
pub(super) struct Trace(Mutex<Ring>);

#[derive(Debug, Default)]
struct Ring {
    bytes: VecDeque<u8>,
    frames: VecDeque<Head>,
}

#[derive(Clone, Copy, Debug)]
struct Head {
    at: Duration,
    way: Way,
    length: u16,
}

impl Trace {
    /// Notes bytes that went `way` at service time `at`; more than a ring holds are cut.
    pub(super) fn note(&self, at: Duration, way: Way, bytes: &[u8]) {
        let bytes = bytes.get(..bytes.len().min(KEPT)).unwrap_or_default();
        let mut ring = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while ring.bytes.len() + bytes.len() > KEPT {
            let Some(oldest) = ring.frames.pop_front() else { break };
            ring.bytes.drain(..usize::from(oldest.length));
        }
        ring.bytes.extend(bytes);
        let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
        ring.frames.push_back(Head { at, way, length });
    }

    /// As text, oldest first: service time in seconds, direction, hex.
    pub(super) fn text(&self) -> String {
        let ring = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut bytes = ring.bytes.iter();
        let mut text = String::with_capacity(4 * ring.bytes.len());
        for head in &ring.frames {
            let way = match head.way {
                Way::Out => ">",
                Way::In => "<",
            };
            // Writing to a string cannot fail.
            let _ = write!(text, "{:.3} {way}", head.at.as_secs_f64());
            for byte in bytes.by_ref().take(usize::from(head.length)) {
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
        // 1536 bytes hold 128 frames of 12.
        assert_eq!(lines.len(), 128);
        assert_eq!(lines[0], "0.072 > 48 48 48 48 48 48 48 48 48 48 48 48");
        assert!(lines[127].starts_with("0.199 > c7"));
    }
}
