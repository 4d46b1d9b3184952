//! Bytes in and out of the connection of an engine, and the silence a serial line needs before a request.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Buf;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout_at};

use super::super::error::FieldError;
use super::super::stream::Stream;
use super::super::trace::Way;
use super::Engine;

/// What a connection does that takes no more bytes until the time-out.
const READS_NOTHING: &str = "the peer reads nothing";
/// Room for input before it grows: a reply of 125 registers.
const INPUT: usize = 260;

impl Engine {
    /// Takes in what still comes, and waits until a serial line has been silent for as long as it must.
    pub(super) async fn await_silence(&mut self, unit: u8) -> Result<(), FieldError> {
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
            if let Ok(Err(why)) = timeout_at(until, poll_fn(|cx| self.poll_fill(cx))).await {
                return Err(self.unsent(why));
            }
        }
    }

    /// Takes in what has come since the last request; notices a peer that has closed in between.
    pub(super) fn look_before_sending(&mut self) -> Result<(), FieldError> {
        let mut cx = Context::from_waker(Waker::noop());
        while let Poll::Ready(came) = self.poll_fill(&mut cx) {
            came.map_err(|why| self.unsent(why))?;
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

    /// Whether all of it has left without waiting. A TCP connection takes a request whole nearly always.
    pub(super) fn write_at_once(&mut self) -> Result<bool, FieldError> {
        let why = match &self.stream {
            Some(Stream::Tcp(stream)) => match stream.try_write(&self.output) {
                Ok(some) if some > 0 => {
                    self.output.advance(some);
                    self.counters.bytes_out += some as u64;
                    return Ok(self.output.is_empty());
                }
                Ok(_) => "the connection takes no more bytes".to_owned(),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => self.reason(&error),
            },
            Some(Stream::Tls(_) | Stream::Serial(_)) => return Ok(false),
            None => "not connected".to_owned(),
        };
        Err(self.unsent(why))
    }

    /// Writes the rest, some of it `begun` or not.
    pub(super) async fn write(&mut self, deadline: Instant, mut begun: bool) -> Result<(), FieldError> {
        while self.output.has_remaining() {
            let Some(stream) = &mut self.stream else {
                return Err(self.unsent("not connected".into()));
            };
            let why = match timeout_at(deadline, stream.write_buf(&mut self.output)).await {
                Ok(Ok(0)) => "the connection takes no more bytes".to_owned(),
                Ok(Ok(some)) => {
                    begun = true;
                    self.counters.bytes_out += some as u64;
                    continue;
                }
                Ok(Err(error)) => self.reason(&error),
                Err(_) => READS_NOTHING.to_owned(),
            };
            if let Some(stream) = &self.stream {
                stream.abandon();
            }
            // A part of a frame would be completed by the next one: the connection cannot be kept.
            return Err(if begun { self.broken(why) } else { self.unsent(why) });
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

    /// Why a write failed: the peer may have said it before it closed.
    fn reason(&mut self, error: &io::Error) -> String {
        match self.poll_fill(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Err(why)) => why,
            Poll::Ready(Ok(())) | Poll::Pending => error.to_string(),
        }
    }

    /// More bytes into the buffer; what has come stays there.
    pub(super) fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), String>> {
        let Some(stream) = &mut self.stream else { return Poll::Ready(Err("not connected".into())) };
        self.input.reserve(INPUT);
        let had = self.input.len();
        let came = match pin!(stream.read_buf(&mut self.input)).poll(cx) {
            Poll::Ready(Ok(0)) => Err("closed by the peer".into()),
            Poll::Ready(Ok(some)) => {
                self.counters.bytes_in += some as u64;
                Ok(())
            }
            Poll::Ready(Err(error)) => Err(error.to_string()),
            Poll::Pending => return Poll::Pending,
        };
        self.heard = self.clock.look();
        if came.is_ok() {
            if let Some(trace) = &self.trace {
                trace.note(self.heard.mono, Way::In, self.input.get(had..).unwrap_or_default());
            }
            if let Some(line) = &mut self.line {
                line.heard(self.heard.real);
            }
        }
        Poll::Ready(came)
    }
}
