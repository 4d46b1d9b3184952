//! One Modbus connection: requests out, only the right reply back.
//!
//! On TCP replies are matched by transaction id and unit, and up to a window of requests may be open. A reply to
//! anything else is skipped and counted, and one that comes after its time-out is recognised with its real delay, so a
//! slow device can never shift the answers. Only whole frames leave the buffer: a time-out leaves the connection usable.
//! A broken header, a contradictory frame, half a frame at the time-out or three silent requests in a row end it; the
//! owner connects again. On a
//! serial line there is one request at a time, and the silences of `rtu.rs` in place of transaction ids.

mod flow;

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::AsyncWriteExt;
use tokio::time::{Instant, timeout_at};
use tokio_modbus::{Request, Response};

pub use super::endpoint::{Access, Counters, Endpoint};
use super::error::{FieldError, Peer};
use super::pdu::{self, Fault, Reply};
use super::stream::Stream;
use super::trace::{Trace, Way};
use super::{mbap, rtu};
use crate::points::Transport;
use crate::shell::clock::{Clock, Moment};

/// Silent requests in a row that end a connection.
const SILENT_MOST: u8 = 3;
/// Requests given up on whose late reply is still recognised.
const GIVEN_UP_MOST: usize = 64;

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
    sent: Instant,
    deadline: Instant,
}

struct GivenUp {
    id: u16,
    unit: u8,
    sent: Instant,
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
    /// When bytes last came in.
    heard: Moment,
    /// When a request last left.
    sent: Moment,
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
        let heard = clock.look();
        let line = match &endpoint.transport {
            Transport::Tcp(_) | Transport::Tls { .. } => None,
            Transport::RtuOverTcp { line, .. } | Transport::Rtu { line, .. } => {
                Some(rtu::Timing::new(*line, heard.real))
            }
        };
        let window = usize::from(endpoint.window.max(1));
        Self {
            peer: Peer::from(endpoint.transport.to_string()),
            endpoint,
            clock,
            stream: None,
            input: BytesMut::new(),
            output: BytesMut::new(),
            next_id: fastrand::u16(..),
            unit: 1,
            open: Vec::with_capacity(window),
            done: VecDeque::with_capacity(window),
            given_up: VecDeque::new(),
            line,
            echo: Bytes::new(),
            silent: 0,
            not_before: None,
            heard,
            sent: heard,
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

    /// When bytes last came in, or the engine was made.
    pub(super) fn heard(&self) -> Moment {
        self.heard
    }

    /// When a request last left, or the engine was made.
    pub(super) fn sent(&self) -> Moment {
        self.sent
    }

    /// What the units of a serial line take to answer, once enough have.
    pub(super) fn turnaround(&self) -> Option<Duration> {
        self.line.as_ref().and_then(rtu::Timing::turnaround)
    }

    /// When the first of the open requests is given up.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.open.iter().map(|open| open.deadline).min()
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
    /// On TCP it does not wait unless the peer reads nothing.
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
        // What is rare or slow is boxed: a task keeps room for the largest of what it may wait for.
        if let Some(canary) = self.line.as_ref().and_then(|line| line.canary(unit, request)) {
            Box::pin(self.fly(unit, canary)).await?;
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
            Box::pin(tokio::time::sleep_until(until)).await;
        }
        if self.line.is_some() {
            Box::pin(self.await_silence(unit)).await?;
        } else {
            self.look_before_sending()?;
        }
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
        let mut now = self.clock.look();
        if let Some(trace) = &self.trace {
            trace.note(now.mono, Way::Out, &self.output);
        }
        if !self.write_at_once()? {
            let deadline = now.real + self.endpoint.timeout;
            Box::pin(self.write(deadline, self.output.len() < length)).await?;
            now = self.clock.look();
        }
        self.sent = now;
        let deadline = match &mut self.line {
            None => now.real + self.endpoint.timeout,
            Some(line) => line.sent(now.real, length, request, self.endpoint.timeout),
        };
        // On a line it has left when its last bit has.
        let sent = self.line.as_ref().map_or(now.real, rtu::Timing::free);
        self.counters.requests += 1;
        self.counters.writes += u64::from(writes);
        let request = request.clone().into_owned();
        self.open.push(Open { tag, id, unit, request, sent, deadline });
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

    /// One step: whole frames are sorted out, else more bytes awaited until the first deadline. Cancel-safe.
    async fn advance(&mut self) {
        let Some(deadline) = self.deadline() else { return };
        if timeout_at(deadline, poll_fn(|cx| self.poll_step(cx))).await.is_err() {
            self.give_up();
        }
    }

    /// Ready when an answer has come or the connection has ended. Knows nothing of deadlines: see [`Engine::give_up`].
    pub(super) fn poll_step(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let before = self.done.len();
            if let Err(why) = self.sort_out() {
                self.close(&why);
                return Poll::Ready(());
            }
            if self.done.len() > before {
                return Poll::Ready(());
            }
            match self.poll_fill(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(why)) => {
                    self.close(&why);
                    return Poll::Ready(());
                }
                Poll::Pending => return Poll::Pending,
            }
        }
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
            let head = mbap::head(&self.input).inspect_err(|_| self.counters.framing += 1)?;
            let Some(head) = head else { return Ok(()) };
            let pdu = self.input.get(mbap::HEADER..head.length).unwrap_or_default();
            let found = self.open.iter().position(|open| open.id == head.id);
            let open = found.and_then(|at| self.open.get(at));
            let open = open.filter(|open| self.endpoint.accepts(open.unit, head.unit));
            let checked = open.map(|open| pdu::check(&open.request, pdu));
            self.input.advance(head.length);
            match (found, checked) {
                (Some(at), Some(checked)) => self.settle(at, checked)?,
                (Some(_), None) => self.counters.other_unit += 1,
                (None, _) => self.skip(head),
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
        let (unit, left) = (open.unit, open.sent);
        let Some((pdu, before)) = rtu::take(&mut self.input, unit, &open.request) else { return Ok(()) };
        self.counters.garbled += u64::from(before > 0);
        if let Some(line) = &mut self.line {
            line.answered(unit);
            line.took(left, self.heard.real, pdu.len() + 3);
        }
        let checked = self.open.first().map(|open| pdu::check(&open.request, &pdu));
        checked.map_or(Ok(()), |checked| self.settle(0, checked))
    }

    /// Counts a frame that is no reply to an open request.
    fn skip(&mut self, frame: mbap::Head) {
        if let Some(at) =
            self.given_up.iter().position(|g| g.id == frame.id && self.endpoint.accepts(g.unit, frame.unit))
        {
            let sent = self.given_up.remove(at).map_or(self.heard.real, |given_up| given_up.sent);
            let delay = self.heard.real.saturating_duration_since(sent);
            self.counters.late += 1;
            let delay_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
            self.counters.late_max_ms = self.counters.late_max_ms.max(delay_ms);
            self.silent = 0;
        } else {
            self.counters.stray += 1;
        }
    }

    /// Ends the open request `at` with what its reply was found to be.
    fn settle(&mut self, at: usize, checked: Result<Reply, Fault>) -> Result<(), String> {
        if at >= self.open.len() {
            return Ok(());
        }
        let open = self.open.swap_remove(at);
        let device = || self.peer.clone();
        self.silent = 0;
        let answer = match checked {
            Ok(Reply::Data(response)) => {
                self.counters.replies += 1;
                self.counters.round_trips.note(self.heard.real.saturating_duration_since(open.sent));
                Ok(response)
            }
            Ok(Reply::Exception { code, long }) => {
                self.counters.exceptions += 1;
                let [other, known @ ..] = &mut self.counters.codes;
                let place = known.get_mut(usize::from(code).wrapping_sub(1)).unwrap_or(other);
                *place = place.saturating_add(1);
                self.counters.long_exceptions += u64::from(long);
                Err(FieldError::Refused { device: device(), unit: open.unit, code })
            }
            Err(Fault::Mismatch(what)) => {
                self.counters.mismatches += 1;
                Err(FieldError::Mismatch { device: device(), unit: open.unit, what })
            }
            Err(Fault::Framing(why)) => {
                self.counters.framing += 1;
                let error = FieldError::Broken { device: device(), why: why.into() };
                self.done.push_back((open.tag, Err(error)));
                return Err(why.into());
            }
        };
        self.pause();
        self.done.push_back((open.tag, answer));
        Ok(())
    }

    /// Gives up on the requests whose time is over.
    pub(super) fn give_up(&mut self) {
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

    fn broken(&mut self, why: String) -> FieldError {
        self.close(&why);
        FieldError::Broken { device: self.peer.clone(), why }
    }

    fn unsent(&mut self, why: String) -> FieldError {
        self.close(&why);
        FieldError::Unsent { device: self.peer.clone(), why }
    }
}
