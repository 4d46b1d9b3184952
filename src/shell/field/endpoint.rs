//! Where a link leads, what may leave through it, and what is counted of it.

use std::time::Duration;

use super::round_trips::RoundTrips;
use crate::points::{Device, Link, Transport};

/// Where and how to connect.
#[derive(Clone, Debug, PartialEq)]
pub struct Endpoint {
    /// Peer, and what carries the frames to it.
    pub transport: Transport,
    /// Longest wait for a connection, real time.
    pub connect_timeout: Duration,
    /// Longest wait for a reply, real time. On a serial line it begins when the request has left, and the time the
    /// reply itself takes on the wire is added.
    pub timeout: Duration,
    /// Pause between the end of one request and the next, real time.
    pub gap: Duration,
    /// Requests open at once, 1 to 16; a serial line has one.
    pub window: u8,
    /// Whether functions that write may leave.
    pub access: Access,
    /// Unit asked and other unit it may answer as. The transaction id still has to be the right one; on a serial line,
    /// where there is none, nothing is accepted.
    pub aliases: Box<[(u8, u8)]>,
}

impl Endpoint {
    /// Whether a reply that bears `shown` may be one of `unit`.
    pub(super) fn accepts(&self, unit: u8, shown: u8) -> bool {
        unit == shown || self.aliases.contains(&(unit, shown))
    }

    /// Of a configured link with its devices.
    pub fn of<'a>(link: &Link, devices: impl Iterator<Item = &'a Device>, access: Access) -> Self {
        let seconds = |s: f64| Duration::try_from_secs_f64(s).unwrap_or(Duration::from_secs(1));
        Self {
            transport: link.transport.clone(),
            connect_timeout: seconds(link.connect_timeout_s),
            timeout: seconds(link.timeout_s),
            gap: seconds(link.gap_s),
            window: link.window,
            access,
            aliases: devices
                .flat_map(|device| device.accept_unit_ids.iter().map(|other| (device.unit, *other)))
                .collect(),
        }
    }
}

/// What may leave through a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Reads only: a function that writes is refused before a byte of it exists.
    Observe,
    /// Reads and writes.
    Command,
}

/// Counters of one connection since the start, over all reconnections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Counters {
    /// Requests that left.
    pub requests: u64,
    /// Replies that fitted.
    pub replies: u64,
    /// Requests that left and could write.
    pub writes: u64,
    /// Exceptions received.
    pub exceptions: u64,
    /// Exceptions by code, 1 to 11; any other code in the place of 0.
    pub codes: [u32; 12],
    /// Exceptions with more bytes than the code.
    pub long_exceptions: u64,
    /// Requests without a reply in time.
    pub timeouts: u64,
    /// Replies that came after their time-out.
    pub late: u64,
    /// Largest delay of such a reply since its request, ms.
    pub late_max_ms: u64,
    /// Replies to no request of ours.
    pub stray: u64,
    /// Replies from another unit.
    pub other_unit: u64,
    /// Whole replies that did not fit their request.
    pub mismatches: u64,
    /// Connections ended for a broken frame.
    pub framing: u64,
    /// Pieces of a line that belonged to no frame: noise, cut replies, collisions.
    pub garbled: u64,
    /// Reads sent ahead so that no late reply could be taken for another.
    pub canaries: u64,
    /// Connections opened.
    pub connects: u64,
    /// Bytes received.
    pub bytes_in: u64,
    /// Bytes sent.
    pub bytes_out: u64,
    /// How long replies took.
    pub round_trips: RoundTrips,
}

impl Counters {
    /// Whole answers of any kind: the peer lives.
    pub fn heard(&self) -> u64 {
        self.replies + self.exceptions + self.mismatches + self.late
    }
}
