//! One Modbus TCP connection: requests out, only the right reply back.
//!
//! Replies are matched by transaction id and unit. A reply to anything else is skipped and counted, and one
//! that comes after its time-out is recognised with its real delay, so a slow device can never shift the
//! answers. Only whole frames leave the buffer: a time-out leaves the connection usable. A broken header, a
//! contradictory frame, half a frame at the time-out or three silent requests in a row end it; the owner connects again.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, timeout_at};
use tokio_modbus::client::Client;
use tokio_modbus::slave::{Slave, SlaveContext};
use tokio_modbus::{ExceptionCode, Request, Response};

use super::error::FieldError;
use super::pdu::{self, Fault, Reply};
use crate::shell::clock::{Clock, Mark};

/// Header up to and including the unit identifier.
const HEADER: usize = 7;
/// Silent requests in a row that end a connection.
const SILENT_MOST: u8 = 3;
/// Requests given up on whose late reply is still recognised.
const GIVEN_UP_MOST: usize = 64;

/// Where and how to connect.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Endpoint {
    /// Peer.
    pub address: SocketAddr,
    /// Longest wait for a connection, real time.
    pub connect_timeout: Duration,
    /// Longest wait for a reply, real time.
    pub timeout: Duration,
    /// Pause between the end of one request and the next, real time.
    pub gap: Duration,
    /// Whether functions that write may leave.
    pub access: Access,
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
    /// Connections opened.
    pub connects: u64,
    /// Bytes received.
    pub bytes_in: u64,
    /// Bytes sent.
    pub bytes_out: u64,
}

impl Counters {
    /// Whole answers of any kind: the peer lives.
    pub fn heard(&self) -> u64 {
        self.replies + self.exceptions + self.mismatches + self.late
    }
}

struct GivenUp {
    id: u16,
    unit: u8,
    sent: Mark,
}

/// The engine behind one connection. Not shared: its owner makes one request at a time.
pub struct Engine {
    endpoint: Endpoint,
    clock: Clock,
    stream: Option<TcpStream>,
    input: BytesMut,
    output: BytesMut,
    /// Counts on through reconnections, from a random start: a late reply of an old connection never fits.
    next_id: u16,
    unit: u8,
    given_up: VecDeque<GivenUp>,
    silent: u8,
    not_before: Option<Instant>,
    counters: Counters,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

impl Engine {
    /// An engine, not yet connected.
    pub fn new(endpoint: Endpoint, clock: Clock) -> Self {
        Self {
            endpoint,
            clock,
            stream: None,
            input: BytesMut::with_capacity(1024),
            output: BytesMut::with_capacity(300),
            next_id: fastrand::u16(..),
            unit: 1,
            given_up: VecDeque::with_capacity(GIVEN_UP_MOST),
            silent: 0,
            not_before: None,
            counters: Counters::default(),
        }
    }

    /// Counters so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Whether there is a connection as far as is known.
    pub fn is_connected(&self) -> bool {
        self.stream.is_some()
    }

    /// Opens the connection, replacing one that is there.
    ///
    /// # Errors
    ///
    /// [`FieldError::Unsent`] when the peer cannot be reached in time.
    pub async fn connect(&mut self) -> Result<(), FieldError> {
        self.close();
        let deadline = self.clock.real_deadline(self.endpoint.connect_timeout);
        let opened = timeout_at(deadline, open(&self.endpoint)).await;
        let why = match opened {
            Ok(Ok(stream)) => {
                self.stream = Some(stream);
                self.counters.connects += 1;
                return Ok(());
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no connection within {:?}", self.endpoint.connect_timeout),
        };
        Err(FieldError::Unsent { device: self.endpoint.address, why })
    }

    /// Ends the connection, if there is one.
    pub fn close(&mut self) {
        self.stream = None;
        self.input.clear();
        self.silent = 0;
    }

    /// Sends one request to `unit` and waits for its reply.
    ///
    /// # Errors
    ///
    /// See [`FieldError`]. After `Broken` and `Unsent` there is no connection any more.
    pub async fn request(&mut self, unit: u8, request: &Request<'_>) -> Result<Response, FieldError> {
        let device = self.endpoint.address;
        let writes = pdu::writes(request);
        if writes && self.endpoint.access == Access::Observe {
            let function = request.function_code().value();
            return Err(FieldError::ReadOnly { device, function });
        }
        if let Some(until) = self.not_before.take() {
            tokio::time::sleep_until(until).await;
        }
        let answer = self.exchange(unit, request, writes).await;
        if !self.endpoint.gap.is_zero() {
            self.not_before = Some(self.clock.real_deadline(self.endpoint.gap));
        }
        answer
    }

    async fn exchange(
        &mut self,
        unit: u8,
        request: &Request<'_>,
        writes: bool,
    ) -> Result<Response, FieldError> {
        let id = self.next_id;
        self.next_id = self.next_id.wrapping_add(1);
        let deadline = self.clock.real_deadline(self.endpoint.timeout);
        self.frame(id, unit, request)?;
        self.look_before_sending()?;
        self.send(deadline).await?;
        let sent = self.clock.mark();
        self.counters.requests += 1;
        self.counters.writes += u64::from(writes);
        loop {
            let frame = match timeout_at(deadline, self.next_frame()).await {
                Ok(Ok(frame)) => frame,
                Ok(Err(why)) => return Err(self.broken(why)),
                Err(_) => return Err(self.fell_silent(GivenUp { id, unit, sent })),
            };
            if frame.id == id && frame.unit == unit {
                self.silent = 0;
                return self.judge(unit, request, frame.pdu);
            }
            self.skip(&frame, Some(id));
        }
    }

    /// Puts header and PDU into the output buffer.
    fn frame(&mut self, id: u16, unit: u8, request: &Request<'_>) -> Result<(), FieldError> {
        self.output.clear();
        self.output.put_u16(id);
        self.output.put_u32(0); // protocol 0, and the length to come
        self.output.put_u8(unit);
        let encoded = pdu::encode(request, &mut self.output);
        let length = u16::try_from(self.output.len() - 6).unwrap_or_default().to_be_bytes();
        if let Some(place) = self.output.get_mut(4..6) {
            place.copy_from_slice(&length);
        }
        encoded.map_err(|why| FieldError::Unsent { device: self.endpoint.address, why: why.into() })
    }

    /// Takes in what has come since the last request; notices a peer that has closed in between.
    fn look_before_sending(&mut self) -> Result<(), FieldError> {
        loop {
            while let Some(frame) = take_frame(&mut self.input).map_err(|why| {
                self.counters.framing += 1;
                self.unsent(why)
            })? {
                self.skip(&frame, None);
            }
            let Some(stream) = &self.stream else {
                return Err(self.unsent("not connected".into()));
            };
            match stream.try_read_buf(&mut self.input) {
                Ok(0) => return Err(self.unsent("the peer has closed the connection".into())),
                Ok(some) => self.counters.bytes_in += some as u64,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(self.unsent(error.to_string())),
            }
        }
    }

    async fn send(&mut self, deadline: Instant) -> Result<(), FieldError> {
        let mut sent = 0_usize;
        while self.output.has_remaining() {
            let Some(stream) = &mut self.stream else {
                return Err(self.unsent("not connected".into()));
            };
            let why = match timeout_at(deadline, stream.write_buf(&mut self.output)).await {
                Ok(Ok(0)) => "the connection takes no more bytes".to_owned(),
                Ok(Ok(some)) => {
                    sent += some;
                    self.counters.bytes_out += some as u64;
                    continue;
                }
                Ok(Err(error)) => error.to_string(),
                Err(_) => "the peer reads nothing".to_owned(),
            };
            // A part of a frame would be completed by the next one: the connection cannot be kept.
            return Err(if sent == 0 { self.unsent(why) } else { self.broken(why) });
        }
        Ok(())
    }

    /// The next whole frame. Cancel-safe: what has come stays in the buffer.
    async fn next_frame(&mut self) -> Result<Frame, String> {
        loop {
            match take_frame(&mut self.input) {
                Ok(Some(frame)) => return Ok(frame),
                Ok(None) => {}
                Err(why) => {
                    self.counters.framing += 1;
                    return Err(why);
                }
            }
            let Some(stream) = &mut self.stream else { return Err("not connected".into()) };
            match stream.read_buf(&mut self.input).await {
                Ok(0) => return Err("closed by the peer".into()),
                Ok(some) => self.counters.bytes_in += some as u64,
                Err(error) => return Err(error.to_string()),
            }
        }
    }

    /// Counts a frame that is no reply to the open request.
    fn skip(&mut self, frame: &Frame, open: Option<u16>) {
        if Some(frame.id) == open {
            self.counters.other_unit += 1;
        } else if let Some(at) = self.given_up.iter().position(|g| g.id == frame.id && g.unit == frame.unit) {
            let delay = self.given_up.remove(at).map(|given_up| given_up.sent.elapsed()).unwrap_or_default();
            self.counters.late += 1;
            let delay_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
            self.counters.late_max_ms = self.counters.late_max_ms.max(delay_ms);
            self.silent = 0;
        } else {
            self.counters.stray += 1;
        }
    }

    fn judge(&mut self, unit: u8, request: &Request<'_>, pdu: Bytes) -> Result<Response, FieldError> {
        let device = self.endpoint.address;
        match pdu::check(request, pdu) {
            Ok(Reply::Data(response)) => {
                self.counters.replies += 1;
                Ok(response)
            }
            Ok(Reply::Exception { code, long }) => {
                self.counters.exceptions += 1;
                self.counters.long_exceptions += u64::from(long);
                Err(FieldError::Refused { device, unit, code })
            }
            Err(Fault::Mismatch(what)) => {
                self.counters.mismatches += 1;
                Err(FieldError::Mismatch { device, unit, what })
            }
            Err(Fault::Framing(why)) => {
                self.counters.framing += 1;
                Err(self.broken(why.into()))
            }
        }
    }

    fn fell_silent(&mut self, request: GivenUp) -> FieldError {
        self.counters.timeouts += 1;
        if self.given_up.len() >= GIVEN_UP_MOST {
            self.given_up.pop_front();
        }
        self.given_up.push_back(request);
        self.silent += 1;
        // Part of a frame is left over: its rest may never come, and the next reply would be taken for it.
        if self.silent >= SILENT_MOST || !self.input.is_empty() {
            self.close();
        }
        FieldError::Silent { device: self.endpoint.address, waited: self.endpoint.timeout }
    }

    fn broken(&mut self, why: String) -> FieldError {
        self.close();
        FieldError::Broken { device: self.endpoint.address, why }
    }

    fn unsent(&mut self, why: String) -> FieldError {
        self.close();
        FieldError::Unsent { device: self.endpoint.address, why }
    }
}

/// A prepared stream: no delay, keepalive 10 s / 3 probes, and the kernel gives up after three time-outs.
async fn open(endpoint: &Endpoint) -> io::Result<TcpStream> {
    let socket = if endpoint.address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    let stream = socket.connect(endpoint.address).await?;
    stream.set_nodelay(true)?;
    let options = socket2::SockRef::from(&stream);
    let keepalive = socket2::TcpKeepalive::new()
        .with_time(Duration::from_secs(10))
        .with_interval(Duration::from_secs(10))
        .with_retries(3);
    options.set_tcp_keepalive(&keepalive)?;
    options.set_tcp_user_timeout(Some(endpoint.timeout * 3))?;
    Ok(stream)
}

struct Frame {
    id: u16,
    unit: u8,
    pdu: Bytes,
}

/// Takes the first whole frame out of `input`, or leaves it as it is. Judges the header as soon as it is in.
fn take_frame(input: &mut BytesMut) -> Result<Option<Frame>, String> {
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

impl SlaveContext for Engine {
    fn set_slave(&mut self, slave: Slave) {
        self.unit = slave.into();
    }
}

#[async_trait::async_trait]
impl Client for Engine {
    async fn call(&mut self, request: Request<'_>) -> tokio_modbus::Result<Response> {
        let unit = self.unit;
        match self.request(unit, &request).await {
            Ok(response) => Ok(Ok(response)),
            Err(FieldError::Refused { code, .. }) => Ok(Err(ExceptionCode::new(code))),
            Err(error) => Err(tokio_modbus::Error::Transport(transport(&error))),
        }
    }

    async fn disconnect(&mut self) -> io::Result<()> {
        if let Some(mut stream) = self.stream.take() {
            stream.shutdown().await?;
        }
        self.close();
        Ok(())
    }
}

fn transport(error: &FieldError) -> io::Error {
    let kind = match error {
        FieldError::Silent { .. } => io::ErrorKind::TimedOut,
        FieldError::Refused { .. } | FieldError::Mismatch { .. } => io::ErrorKind::InvalidData,
        FieldError::Broken { .. } => io::ErrorKind::ConnectionAborted,
        FieldError::Unsent { .. } => io::ErrorKind::NotConnected,
        FieldError::ReadOnly { .. } => io::ErrorKind::PermissionDenied,
    };
    io::Error::new(kind, error.to_string())
}
