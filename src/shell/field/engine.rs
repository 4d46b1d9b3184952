//! One Modbus connection: requests out, only the right reply back.
//!
//! On TCP replies are matched by transaction id and unit, and up to a window of requests may be open. A reply to
//! anything else is skipped and counted, and one that comes after its time-out is recognised with its real delay, so a
//! slow device can never shift the answers. Only whole frames leave the buffer: a time-out leaves the connection usable.
//! A broken header, a contradictory frame, half a frame at the time-out or three silent requests in a row end it; the
//! owner connects again. On a
//! serial line there is one request at a time, and the silences of `rtu.rs` in place of transaction ids.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use futures_util::FutureExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout_at};
use tokio_modbus::{Request, Response};

pub use super::endpoint::{Access, Counters, Endpoint};
use super::error::{FieldError, Peer};
use super::pdu::{self, Fault, Reply};
use super::stream::Stream;
use super::trace::{Trace, Way};
use super::{mbap, rtu};
use crate::points::Transport;
use crate::shell::clock::{Clock, Mark};

/// Silent requests in a row that end a connection.
const SILENT_MOST: u8 = 3;
/// Requests given up on whose late reply is still recognised.
const GIVEN_UP_MOST: usize = 64;
/// What a connection does that takes no more bytes until the time-out.
const READS_NOTHING: &str = "the peer reads nothing";
/// Room for input before it grows: a reply of 125 registers.
const INPUT: usize = 260;

/// What an answer belongs to; chosen by who sends.
pub type Tag = u32;

/// The tag of [`Engine::request`].
const OWN: Tag = Tag::MAX;

/// The end of a request.
pub type Answer = Result<Response, FieldError>;

struct Open {
    tag: Tag,
    id: u16,
    unit: u8,
    request: Request<'static>,
    sent: Mark,
    deadline: Instant,
}

struct GivenUp {
    id: u16,
    unit: u8,
    sent: Mark,
}

/// The engine behind one connection. Not shared: its owner sends and takes the answers.
pub struct Engine {
    endpoint: Endpoint,
    peer: Peer,
    clock: Clock,
    stream: Option<Stream>,
    input: BytesMut,
    output: BytesMut,
    /// Counts on through reconnections, from a random start: a late reply of an old connection never fits.
    next_id: u16,
    /// For [`Client`].
    unit: u8,
    open: Vec<Open>,
    done: VecDeque<(Tag, Answer)>,
    given_up: VecDeque<GivenUp>,
    /// The silences of a serial line; `None` on TCP.
    line: Option<rtu::Timing>,
    /// Bytes of the last request that an echoing line still owes.
    echo: Bytes,
    silent: u8,
    not_before: Option<Instant>,
    counters: Counters,
    trace: Option<Arc<Trace>>,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

impl Engine {
    /// An engine, not yet connected.
    pub fn new(endpoint: Endpoint, clock: Clock) -> Self {
        let now = clock.real_deadline(Duration::ZERO);
        let line = match &endpoint.transport {
            Transport::Tcp(_) | Transport::Tls { .. } => None,
            Transport::RtuOverTcp { line, .. } | Transport::Rtu { line, .. } => {
                Some(rtu::Timing::new(*line, now))
            }
        };
        Self {
            peer: Peer::from(endpoint.transport.to_string()),
            endpoint,
            clock,
            stream: None,
            input: BytesMut::new(),
            output: BytesMut::new(),
            next_id: fastrand::u16(..),
            unit: 1,
            open: Vec::new(),
            done: VecDeque::new(),
            given_up: VecDeque::new(),
            line,
            echo: Bytes::new(),
            silent: 0,
            not_before: None,
            counters: Counters::default(),
            trace: None,
        }
    }

    /// Keeps what goes over the wire in `trace`.
    pub(super) fn traced(mut self, trace: Arc<Trace>) -> Self {
        self.trace = Some(trace);
        self
    }

    /// The unit that calls through tokio-modbus go to.
    pub(super) fn addressed(&self) -> u8 {
        self.unit
    }

    /// Sets it.
    pub(super) fn address_to(&mut self, unit: u8) {
        self.unit = unit;
    }

    /// Counters so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Whether there is a connection as far as is known.
    pub fn is_connected(&self) -> bool {
        self.stream.is_some()
    }

    /// Whether another request may be sent now.
    pub fn has_room(&self) -> bool {
        let window = if self.line.is_some() { 1 } else { usize::from(self.endpoint.window) };
        self.open.len() < window.max(1)
    }

    /// Requests without an answer yet.
    pub fn open(&self) -> usize {
        self.open.len()
    }

    /// Whether a request to `unit` has no answer yet.
    pub fn is_open(&self, unit: u8) -> bool {
        self.open.iter().any(|open| open.unit == unit)
    }

    /// Opens the connection, replacing one that is there.
    ///
    /// # Errors
    ///
    /// [`FieldError::Unsent`] when the peer cannot be reached in time.
    pub async fn connect(&mut self) -> Result<(), FieldError> {
        self.close("connecting anew");
        let deadline = self.clock.real_deadline(self.endpoint.connect_timeout);
        match Stream::open(&self.endpoint, deadline).await {
            Ok(stream) => {
                self.stream = Some(stream);
                self.counters.connects += 1;
                Ok(())
            }
            Err(why) => Err(FieldError::Unsent { device: self.peer.clone(), why }),
        }
    }

    /// What a request meets that finds no connection.
    pub(super) fn away(&self) -> FieldError {
        FieldError::Unsent { device: self.peer.clone(), why: "not connected".into() }
    }

    /// Ends the connection, if there is one; open requests may have been carried out. What has no answer and is still
    /// on its way is held back, as far as the system can.
    pub fn close(&mut self, why: &str) {
        if let Some(stream) = self.stream.take()
            && (self.silent > 0 || !self.open.is_empty())
        {
            stream.abandon();
        }
        self.input.clear();
        self.silent = 0;
        for open in self.open.drain(..) {
            let error = FieldError::Broken { device: self.peer.clone(), why: why.to_owned() };
            self.done.push_back((open.tag, Err(error)));
        }
    }

    /// Ends the connection in order.
    pub(super) async fn end(&mut self) -> io::Result<()> {
        if let Some(mut stream) = self.stream.take() {
            stream.shutdown().await?;
        }
        self.close("ended");
        Ok(())
    }

    /// Sends one request to `unit` when nothing else is open there, and waits for its reply. Answers to other requests
    /// that come meanwhile wait for [`Engine::next`].
    ///
    /// # Errors
    ///
    /// See [`FieldError`]. After `Broken` and `Unsent` there is no connection any more.
    pub async fn request(&mut self, unit: u8, request: &Request<'_>) -> Answer {
        while !self.has_room() || self.is_open(unit) {
            self.advance().await;
        }
        self.send(OWN, unit, request).await?;
        loop {
            if let Some(at) = self.done.iter().position(|(tag, _)| *tag == OWN)
                && let Some((_, answer)) = self.done.remove(at)
            {
                return answer;
            }
            self.advance().await;
        }
    }

    /// An answer that is there already.
    pub fn take_done(&mut self) -> Option<(Tag, Answer)> {
        self.done.pop_front()
    }

    /// The next answer, with the tag its request was sent with; `None` when no request is open. Cancel-safe.
    pub async fn next(&mut self) -> Option<(Tag, Answer)> {
        loop {
            if let Some(done) = self.done.pop_front() {
                return Some(done);
            }
            if self.open.is_empty() {
                return None;
            }
            self.advance().await;
        }
    }

    /// Sends one request to `unit`; its answer comes from [`Engine::next`]. There must be room for it. Not cancel-safe.
    ///
    /// # Errors
    ///
    /// When it has not left ([`FieldError::Unsent`], [`FieldError::ReadOnly`]), or only in part
    /// ([`FieldError::Broken`]); of [`FieldError::Silent`] and others on a line that had to be cleared first.
    pub async fn send(&mut self, tag: Tag, unit: u8, request: &Request<'_>) -> Result<(), FieldError> {
        let writes = pdu::writes(request);
        if writes && self.endpoint.access == Access::Observe {
            let function = request.function_code().value();
            return Err(FieldError::ReadOnly { device: self.peer.clone(), function });
        }
        if let Some(canary) = self.line.as_ref().and_then(|line| line.canary(unit, request)) {
            self.fly(unit, canary).await?;
        }
        self.put(tag, unit, request, writes).await
    }

    /// Puts the request on the wire.
    async fn put(
        &mut self,
        tag: Tag,
        unit: u8,
        request: &Request<'_>,
        writes: bool,
    ) -> Result<(), FieldError> {
        if let Some(until) = self.not_before.take() {
            tokio::time::sleep_until(until).await;
        }
        self.await_silence(unit).await?;
        let id = self.next_id;
        self.next_id = self.next_id.wrapping_add(1);
        self.output.clear();
        let encoded = match self.line {
            None => mbap::encode(id, unit, request, &mut self.output),
            Some(_) => rtu::encode(unit, request, &mut self.output),
        };
        encoded.map_err(|why| FieldError::Unsent { device: self.peer.clone(), why: why.into() })?;
        let length = self.output.len();
        if self.line.as_ref().is_some_and(rtu::Timing::has_echo) {
            self.echo = Bytes::copy_from_slice(&self.output);
        }
        self.note(Way::Out, |engine| &engine.output);
        self.write(self.clock.real_deadline(self.endpoint.timeout)).await?;
        let now = self.clock.real_deadline(Duration::ZERO);
        let deadline = match &mut self.line {
            None => now + self.endpoint.timeout,
            Some(line) => line.sent(now, length, request, self.endpoint.timeout),
        };
        self.counters.requests += 1;
        self.counters.writes += u64::from(writes);
        let request = request.clone().into_owned();
        self.open.push(Open { tag, id, unit, request, sent: self.clock.mark(), deadline });
        self.pause();
        Ok(())
    }

    /// A read of another length than the lost one, for its answer to come after everything older.
    async fn fly(&mut self, unit: u8, canary: Request<'static>) -> Result<(), FieldError> {
        self.counters.canaries += 1;
        self.put(OWN, unit, &canary, false).await?;
        loop {
            if let Some(at) = self.done.iter().position(|(tag, _)| *tag == OWN)
                && let Some((_, answer)) = self.done.remove(at)
            {
                return match answer {
                    // The unit has answered, if only to refuse: that is all a canary is for.
                    Ok(_) | Err(FieldError::Refused { .. } | FieldError::Mismatch { .. }) => Ok(()),
                    Err(error) => Err(error),
                };
            }
            self.advance().await;
        }
    }

    /// Takes in what still comes, and waits until a serial line has been silent for as long as it must.
    async fn await_silence(&mut self, unit: u8) -> Result<(), FieldError> {
        loop {
            self.look_before_sending()?;
            let Some(line) = &self.line else { return Ok(()) };
            let until = line.may_send(unit);
            if until <= self.clock.real_deadline(Duration::ZERO) {
                // What has not become a frame by now is noise.
                self.counters.garbled += u64::from(!self.input.is_empty());
                self.input.clear();
                return Ok(());
            }
            if let Ok(Err(why)) = timeout_at(until, self.fill()).await {
                return Err(self.unsent(why));
            }
        }
    }

    /// Takes in what has come since the last request; notices a peer that has closed in between.
    fn look_before_sending(&mut self) -> Result<(), FieldError> {
        loop {
            match self.fill().now_or_never() {
                None => break,
                Some(Ok(())) => {}
                Some(Err(why)) => return Err(self.unsent(why)),
            }
        }
        if self.line.is_none() {
            return self.sort_out().map_err(|why| self.unsent(why));
        }
        // Between the requests of a serial line only a late reply is expected.
        if self.line.as_mut().is_some_and(|line| line.take_late(&mut self.input)) {
            self.counters.late += 1;
        }
        Ok(())
    }

    async fn write(&mut self, deadline: Instant) -> Result<(), FieldError> {
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
                // The peer may have said why before it closed.
                Ok(Err(error)) => match self.fill().now_or_never() {
                    Some(Err(why)) => why,
                    Some(Ok(())) | None => error.to_string(),
                },
                Err(_) => READS_NOTHING.to_owned(),
            };
            if let Some(stream) = &self.stream {
                stream.abandon();
            }
            // A part of a frame would be completed by the next one: the connection cannot be kept.
            return Err(if sent == 0 { self.unsent(why) } else { self.broken(why) });
        }
        if let Some(stream @ Stream::Tls(_)) = &mut self.stream {
            let why = match timeout_at(deadline, stream.flush()).await {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(error)) => error.to_string(),
                Err(_) => READS_NOTHING.to_owned(),
            };
            stream.abandon();
            return Err(self.broken(why));
        }
        Ok(())
    }

    /// One step: whole frames are sorted out, else more bytes awaited until the first deadline. Cancel-safe.
    async fn advance(&mut self) {
        let before = self.done.len();
        if let Err(why) = self.sort_out() {
            self.close(&why);
        }
        if self.done.len() > before {
            return;
        }
        let Some(deadline) = self.open.iter().map(|open| open.deadline).min() else { return };
        match timeout_at(deadline, self.fill()).await {
            Ok(Ok(())) => {}
            Ok(Err(why)) => self.close(&why),
            Err(_) => self.give_up(),
        }
    }

    /// More bytes into the buffer. Cancel-safe: what has come stays there.
    async fn fill(&mut self) -> Result<(), String> {
        let Some(stream) = &mut self.stream else { return Err("not connected".into()) };
        self.input.reserve(INPUT);
        let had = self.input.len();
        match stream.read_buf(&mut self.input).await {
            Ok(0) => return Err("closed by the peer".into()),
            Ok(some) => self.counters.bytes_in += some as u64,
            Err(error) => return Err(error.to_string()),
        }
        self.note(Way::In, |engine| engine.input.get(had..).unwrap_or_default());
        if let Some(line) = &mut self.line {
            line.heard(self.clock.real_deadline(Duration::ZERO));
        }
        Ok(())
    }

    /// Gives every whole frame to the request it answers.
    ///
    /// # Errors
    ///
    /// The stream cannot be trusted any more.
    fn sort_out(&mut self) -> Result<(), String> {
        if self.line.is_some() {
            return self.sort_out_line();
        }
        loop {
            let frame = mbap::take(&mut self.input).inspect_err(|_| self.counters.framing += 1)?;
            let Some(frame) = frame else { return Ok(()) };
            match self.open.iter().position(|open| open.id == frame.id) {
                Some(at) if self.open.get(at).is_some_and(|open| open.unit == frame.unit) => {
                    self.settle(at, frame.pdu)?;
                }
                Some(_) => self.counters.other_unit += 1,
                None => self.skip(&frame),
            }
        }
    }

    fn sort_out_line(&mut self) -> Result<(), String> {
        let Some(open) = self.open.first() else { return Ok(()) };
        if !self.echo.is_empty() {
            if self.input.len() < self.echo.len() {
                return Ok(());
            }
            if self.input.starts_with(&self.echo) {
                self.input.advance(self.echo.len());
            } else {
                self.counters.garbled += 1;
            }
            self.echo.clear();
        }
        let unit = open.unit;
        let Some((pdu, before)) = rtu::take(&mut self.input, unit, &open.request) else { return Ok(()) };
        self.counters.garbled += u64::from(before > 0);
        if let Some(line) = &mut self.line {
            line.answered(unit);
        }
        self.settle(0, pdu)
    }

    /// Counts a frame that is no reply to an open request.
    fn skip(&mut self, frame: &mbap::Frame) {
        if let Some(at) = self.given_up.iter().position(|g| g.id == frame.id && g.unit == frame.unit) {
            let delay = self.given_up.remove(at).map(|given_up| given_up.sent.elapsed()).unwrap_or_default();
            self.counters.late += 1;
            let delay_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
            self.counters.late_max_ms = self.counters.late_max_ms.max(delay_ms);
            self.silent = 0;
        } else {
            self.counters.stray += 1;
        }
    }

    /// Ends the open request `at` with the reply in `pdu`.
    fn settle(&mut self, at: usize, pdu: Bytes) -> Result<(), String> {
        if at >= self.open.len() {
            return Ok(());
        }
        let open = self.open.swap_remove(at);
        let (device, unit) = (self.peer.clone(), open.unit);
        self.silent = 0;
        self.pause();
        let answer = match pdu::check(&open.request, pdu) {
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
                self.done.push_back((open.tag, Err(FieldError::Broken { device, why: why.into() })));
                return Err(why.into());
            }
        };
        self.done.push_back((open.tag, answer));
        Ok(())
    }

    /// Gives up on the requests whose time is over.
    fn give_up(&mut self) {
        let now = self.clock.real_deadline(Duration::ZERO);
        let mut half = false;
        while let Some(at) = self.open.iter().position(|open| open.deadline <= now) {
            let open = self.open.swap_remove(at);
            self.counters.timeouts += 1;
            self.silent = self.silent.saturating_add(1);
            self.pause();
            if let Some(line) = &mut self.line {
                line.fell_silent(now, open.unit, &open.request, self.endpoint.timeout);
                if let Some(port @ Stream::Serial(_)) = &self.stream {
                    port.abandon();
                }
                self.counters.garbled += u64::from(!self.input.is_empty());
                self.input.clear();
                self.echo.clear();
            } else {
                half |= self.is_half_in(open.id);
                if self.given_up.len() >= GIVEN_UP_MOST {
                    self.given_up.pop_front();
                }
                self.given_up.push_back(GivenUp { id: open.id, unit: open.unit, sent: open.sent });
            }
            let error = FieldError::Silent { device: self.peer.clone(), waited: self.endpoint.timeout };
            self.done.push_back((open.tag, Err(error)));
        }
        // A serial port is not opened anew for a dead unit.
        let is_port = matches!(self.endpoint.transport, Transport::Rtu { .. });
        if self.silent >= SILENT_MOST && !is_port {
            self.close("three requests in a row without an answer");
        } else if half {
            // The rest may never come, and the next reply would be taken for it.
            self.close("half a reply at the time-out");
        }
    }

    /// Whether the rest in the buffer is the begin of the reply to `id`; of a single byte nobody knows.
    fn is_half_in(&self, id: u16) -> bool {
        match self.input.first_chunk::<2>() {
            Some(first) => u16::from_be_bytes(*first) == id,
            None => !self.input.is_empty(),
        }
    }

    /// The pause between one request and the next begins.
    fn pause(&mut self) {
        if !self.endpoint.gap.is_zero() {
            self.not_before = Some(self.clock.real_deadline(self.endpoint.gap));
        }
    }

    fn note(&self, way: Way, bytes: impl Fn(&Self) -> &[u8]) {
        if let Some(trace) = &self.trace {
            trace.note(self.clock.mono(), way, bytes(self));
        }
    }

    fn broken(&mut self, why: String) -> FieldError {
        self.close(&why);
        FieldError::Broken { device: self.peer.clone(), why }
    }

    fn unsent(&mut self, why: String) -> FieldError {
        self.close(&why);
        FieldError::Unsent { device: self.peer.clone(), why }
    }
}
