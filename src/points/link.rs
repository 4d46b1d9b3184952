//! Links: what carries the frames to the devices behind them.

use std::net::SocketAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// One peer: a TCP address or a serial port.
#[derive(Clone, Debug, PartialEq)]
pub struct Link {
    /// Identifier.
    pub id: String,
    /// Where it listens and what carries the frames. Resolved at check time; host names are not used in the field.
    pub transport: Transport,
    /// Response time-out, real seconds.
    pub timeout_s: f64,
    /// Connect time-out, real seconds.
    pub connect_timeout_s: f64,
    /// Requests open at once, 1..=16; 1 on a serial line.
    pub window: u8,
    /// Pause between requests, real seconds.
    pub gap_s: f64,
}

/// What carries the frames of a link.
#[derive(Clone, Debug, PartialEq)]
pub enum Transport {
    /// Modbus TCP.
    Tcp(SocketAddr),
    /// Modbus/TCP Security: the same frames inside TLS, both sides with certificates.
    Tls {
        /// Where it listens, port 802 by the specification.
        address: SocketAddr,
        /// Certificates; boxed, for most links have none.
        files: Box<TlsFiles>,
    },
    /// RTU frames through a serial server.
    RtuOverTcp {
        /// Where the server listens.
        address: SocketAddr,
        /// The line behind it.
        line: SerialLine,
    },
    /// RTU frames on a serial port of this machine.
    Rtu {
        /// Its path; one under `/dev/serial/by-id` survives the adapter being plugged anew.
        path: String,
        /// The line.
        line: SerialLine,
    },
}

impl Transport {
    /// The address of a peer reached over the network.
    pub fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(address) | Self::Tls { address, .. } | Self::RtuOverTcp { address, .. } => {
                Some(*address)
            }
            Self::Rtu { .. } => None,
        }
    }

    /// Whether frames are RTU: one request at a time, units 1..=247.
    pub fn is_serial(&self) -> bool {
        self.line().is_some()
    }

    /// The serial line, where frames go over one.
    pub fn line(&self) -> Option<&SerialLine> {
        match self {
            Self::Tcp(_) | Self::Tls { .. } => None,
            Self::RtuOverTcp { line, .. } | Self::Rtu { line, .. } => Some(line),
        }
    }
}

impl std::fmt::Display for Transport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp(address) | Self::Tls { address, .. } | Self::RtuOverTcp { address, .. } => {
                address.fmt(f)
            }
            Self::Rtu { path, .. } => f.write_str(path),
        }
    }
}

/// Files of a TLS link, PEM.
#[derive(Clone, Debug, PartialEq)]
pub struct TlsFiles {
    /// Name or address in the certificate of the peer.
    pub name: String,
    /// Certificates that may have signed it.
    pub ca: String,
    /// Our certificate and those between it and the root.
    pub cert: String,
    /// Its private key.
    pub key: String,
}

/// A serial line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SerialLine {
    /// Bits per second.
    pub baud: u32,
    /// Parity bit.
    pub parity: Parity,
    /// Stop bits, 1 or 2; two without parity.
    pub stop_bits: u8,
    /// Everything sent comes back: both directions share a pair of wires.
    pub echo: bool,
    /// A late frame comes through at once and unaltered: other units may be asked while one is given time. Not
    /// behind a serial server that queues.
    pub plain_wire: bool,
    /// Silence after a time-out, real seconds; the response time-out when not given.
    pub quarantine_s: Option<f64>,
}

impl Default for SerialLine {
    /// 9600 baud, even parity. Source: serial line specification V1.02, 2.2 and 3.3.
    fn default() -> Self {
        Self {
            baud: 9600,
            parity: Parity::Even,
            stop_bits: 1,
            echo: false,
            plain_wire: false,
            quarantine_s: None,
        }
    }
}

/// Bits of a character: start, eight of data, parity or a second stop bit, stop.
const CHARACTER_BITS: f64 = 11.0;
/// Silence between frames above 19 200 baud. Source: serial line specification V1.02, 2.5.1.1.
const FAST_SILENCE: Duration = Duration::from_micros(1750);
/// What a USB adapter or a serial server may keep a reply back. Source: FTDI application note AN232B-04, latency timer of
/// 16 ms when nobody has lowered it.
const ADAPTER_DELAY: Duration = Duration::from_millis(16);
/// Above this the silence is fixed.
const FAST_BAUD: u32 = 19_200;

impl SerialLine {
    /// Time `bytes` take on the wire.
    pub fn wire(&self, bytes: usize) -> Duration {
        let bytes = f64::from(u32::try_from(bytes).unwrap_or(u32::MAX));
        Duration::from_secs_f64(bytes * CHARACTER_BITS / f64::from(self.baud.max(1)))
    }

    /// Least response time-out for reads of `registers`: question and answer on the wire, and what an adapter may add. The
    /// device's own time comes on top.
    pub fn least_timeout(&self, registers: u16) -> Duration {
        self.wire(8) + self.wire(5 + 2 * usize::from(registers)) + ADAPTER_DELAY
    }

    /// Silence between frames, t3.5.
    pub fn silence(&self) -> Duration {
        if self.baud > FAST_BAUD { FAST_SILENCE } else { self.wire(7) / 2 }
    }
}

/// Parity of a serial line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Parity {
    /// Even, the default of the specification.
    #[default]
    Even,
    /// Odd.
    Odd,
    /// None: two stop bits.
    None,
}
