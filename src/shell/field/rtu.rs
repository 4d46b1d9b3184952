//! Frames of Modbus RTU, and the silences a line without transaction numbers needs.
//!
//! A reply that comes after its time-out fits the next request of the same unit, function and length. So after a
//! time-out the line is left alone and drained (the quarantine), and the first read that a late reply could be taken
//! for is preceded by one of another length (the canary): units answer in order, so once the canary has been answered
//! nothing older is on its way.

use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use tokio::time::Instant;
use tokio_modbus::Request;

use super::pdu;
use crate::points::SerialLine;

/// A shorter frame is none.
const LEAST: usize = 4;

/// CRC-16 of Modbus: polynomial 0xA001 reflected, begun with ones.
pub(super) fn crc(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0xFFFF, |crc, byte| {
        (0..8)
            .fold(crc ^ u16::from(*byte), |crc, _| if crc & 1 == 1 { (crc >> 1) ^ 0xA001 } else { crc >> 1 })
    })
}

/// Appends the frame of a request.
///
/// # Errors
///
/// The quantities the protocol allows are exceeded.
pub(super) fn encode(unit: u8, request: &Request<'_>, out: &mut BytesMut) -> Result<(), &'static str> {
    let start = out.len();
    out.put_u8(unit);
    pdu::encode(request, out)?;
    let sum = crc(out.get(start..).unwrap_or_default());
    out.put_u16_le(sum);
    Ok(())
}

/// Takes the reply of `unit` to `request` out of `input`, with the number of bytes before it that belong to nothing.
/// Whatever else is there (noise, the frames of others, replies of another length) stays until the reply is complete.
pub(super) fn take(input: &mut BytesMut, unit: u8, request: &Request<'_>) -> Option<(Bytes, usize)> {
    let function = request.function_code().value();
    let (at, length) = (0..input.len().saturating_sub(LEAST)).find_map(|at| {
        let rest = input.get(at..)?;
        if rest.first() != Some(&unit) {
            return None;
        }
        let length = match *rest.get(1)? {
            code if code == function | 0x80 => 5,
            code if code == function => match pdu::reply_length(request) {
                Some(pdu) => 1 + pdu + 2,
                None => rest.len(),
            },
            _ => return None,
        };
        let frame = rest.get(..length)?;
        (crc(frame) == 0 && is_of_length(frame, request)).then_some((at, length))
    })?;
    let _ = input.split_to(at);
    let frame = input.split_to(length).freeze();
    Some((frame.slice(1..length - 2), at))
}

/// Whether the byte count of a read reply is the one asked for; true for what has none.
fn is_of_length(frame: &[u8], request: &Request<'_>) -> bool {
    let is_exception = frame.get(1).is_some_and(|code| code & 0x80 != 0);
    match pdu::bytes_asked(request) {
        Some(asked) if !is_exception => frame.get(2).is_some_and(|count| usize::from(*count) == asked),
        Some(_) | None => true,
    }
}

/// Answers over which the turnaround is smoothed.
const SMOOTHED_OVER: u32 = 32;
/// Requests given up on that are remembered per unit. Of the lengths a canary can have, 23, so many leave some free.
///
/// The bound of it: an adapter that queues would have to keep a reply while sixteen more requests to the unit are given
/// up, and bring it after that. Each takes a time-out, its quarantine and, from the third on, the pause of a unit that
/// is down, which grows to a minute: four minutes at least. A reply that old is not believed in (assumed); it would be
/// taken for that of a read of the same length.
const LOST_MOST: usize = 16;

/// A request that was given up on.
#[derive(Clone, Debug)]
struct Lost {
    unit: u8,
    request: Request<'static>,
    until: Instant,
}

/// The silences of one line.
#[derive(Debug)]
pub(super) struct Timing {
    line: SerialLine,
    /// Since when the wire is free, as far as is known.
    free: Instant,
    /// Oldest first; a late reply to each may still come.
    lost: Vec<Lost>,
    /// What units have taken to answer so far, smoothed, s; and of how many answers.
    turnaround_s: f64,
    answers: u32,
}

impl Timing {
    pub(super) fn new(line: SerialLine, now: Instant) -> Self {
        Self { line, free: now, lost: Vec::new(), turnaround_s: 0.0, answers: 0 }
    }

    /// Since when the wire is free, or will be when what was sent has left.
    pub(super) fn free(&self) -> Instant {
        self.free
    }

    /// When a request to `unit` may leave.
    pub(super) fn may_send(&self, unit: u8) -> Instant {
        let quiet = self.free + self.line.silence();
        // The late frame of another unit shows its number and is dropped.
        let waits = self.lost.iter().filter(|lost| lost.unit == unit || !self.line.plain_wire);
        waits.map(|lost| lost.until).fold(quiet, Instant::max)
    }

    /// Bytes came at `now`.
    pub(super) fn heard(&mut self, now: Instant) {
        self.free = self.free.max(now);
    }

    /// A frame was handed over at `now`: it leaves at the speed of the line. Gives the time by which the reply must
    /// have come, when the unit may think for `timeout` and the reply takes its own time on the wire.
    pub(super) fn sent(
        &mut self,
        now: Instant,
        bytes: usize,
        request: &Request<'_>,
        timeout: Duration,
    ) -> Instant {
        self.free = now + self.line.wire(bytes);
        self.free + timeout + self.line.wire(pdu::reply_length(request).unwrap_or(253) + 3)
    }

    /// A request had no answer by `now`.
    pub(super) fn fell_silent(&mut self, now: Instant, unit: u8, request: &Request<'_>, timeout: Duration) {
        let quarantine = self.line.quarantine_s.and_then(|s| Duration::try_from_secs_f64(s).ok());
        // Each unit has room of its own: the silence of one must not make us forget what another still owes.
        let mut of_unit =
            self.lost.iter().enumerate().filter(|(_, lost)| lost.unit == unit).map(|(at, _)| at);
        if let (Some(oldest), true) = (of_unit.next(), of_unit.count() + 1 >= LOST_MOST) {
            self.lost.remove(oldest);
        }
        let until = now + quarantine.unwrap_or(timeout);
        self.lost.push(Lost { unit, request: request.clone().into_owned(), until });
    }

    /// A reply has come: units answer in order, nothing older is on its way from this one.
    pub(super) fn answered(&mut self, unit: u8) {
        self.lost.retain(|lost| lost.unit != unit);
    }

    /// A reply of `bytes` to a request that had left at `left` was whole at `now`.
    pub(super) fn took(&mut self, left: Instant, now: Instant, bytes: usize) {
        let took = now.saturating_duration_since(left).saturating_sub(self.line.wire(bytes)).as_secs_f64();
        self.answers = self.answers.saturating_add(1);
        self.turnaround_s += (took - self.turnaround_s) / f64::from(self.answers.min(SMOOTHED_OVER));
    }

    /// What units take to answer, from the end of a request to the begin of the reply, adapters included; `None` before
    /// enough have answered.
    pub(super) fn turnaround(&self) -> Option<Duration> {
        (self.answers >= SMOOTHED_OVER).then(|| Duration::from_secs_f64(self.turnaround_s.max(0.0)))
    }

    /// Takes a late reply to a request given up on out of `input`.
    pub(super) fn take_late(&mut self, input: &mut BytesMut) -> bool {
        let Some(at) = self.lost.iter().position(|lost| take(input, lost.unit, &lost.request).is_some())
        else {
            return false;
        };
        self.lost.remove(at);
        true
    }

    /// The read to make before `request`, when a late reply could be taken for its own: of a length that none of those
    /// given up on has.
    pub(super) fn canary(&self, unit: u8, request: &Request<'_>) -> Option<Request<'static>> {
        let shape = |request: &Request<'_>| (request.function_code().value(), pdu::reply_length(request));
        let is_lost = |wanted: &Request<'_>| {
            self.lost.iter().any(|lost| lost.unit == unit && shape(&lost.request) == shape(wanted))
        };
        if !is_lost(request) {
            return None;
        }
        let of = |count: u16, step: u16, read: &dyn Fn(u16) -> Request<'static>| {
            // Fewer first: they are there for certain.
            let fewer = (1..8).map_while(|times| count.checked_sub(times * step).filter(|count| *count > 0));
            let more = (1..=16).map(|times| count + times * step);
            fewer.chain(more).map(read).find(|canary| !is_lost(canary))
        };
        match *request {
            Request::ReadCoils(at, count) => of(count, 8, &|count| Request::ReadCoils(at, count)),
            Request::ReadDiscreteInputs(at, count) => {
                of(count, 8, &|count| Request::ReadDiscreteInputs(at, count))
            }
            Request::ReadInputRegisters(at, count) => {
                of(count, 1, &|count| Request::ReadInputRegisters(at, count))
            }
            Request::ReadHoldingRegisters(at, count) => {
                of(count, 1, &|count| Request::ReadHoldingRegisters(at, count))
            }
            Request::WriteSingleCoil(..)
            | Request::WriteMultipleCoils(..)
            | Request::WriteSingleRegister(..)
            | Request::WriteMultipleRegisters(..)
            | Request::MaskWriteRegister(..)
            | Request::ReadWriteMultipleRegisters(..)
            | Request::ReadDeviceIdentification(..)
            | Request::ReportServerId
            | Request::Custom(..) => None,
        }
    }

    /// Whether what is sent comes back on the same pair of wires.
    pub(super) fn has_echo(&self) -> bool {
        self.line.echo
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNIT: u8 = 0x11;
    const ASK: Request<'static> = Request::ReadHoldingRegisters(0x6B, 3);
    /// The worked example of the specification: 555, 0, 100.
    const REPLY: [u8; 11] = [0x11, 3, 6, 0x02, 0x2B, 0, 0, 0, 0x64, 0xC8, 0xBA];

    /// `11 03 00 6B 00 03` has the check `76 87`. Source: vectors of the field notes.
    #[test]
    fn a_request_bears_the_check_of_the_specification() {
        let mut out = BytesMut::new();
        encode(UNIT, &ASK, &mut out).unwrap();
        assert_eq!(out[..], [0x11, 3, 0, 0x6B, 0, 3, 0x76, 0x87]);
        assert_eq!(crc(&REPLY), 0);
    }

    fn found(bytes: &[u8]) -> Option<(Vec<u8>, usize)> {
        let mut input = BytesMut::from(bytes);
        take(&mut input, UNIT, &ASK).map(|(pdu, before)| (pdu.to_vec(), before))
    }

    #[test]
    fn a_reply_is_found_behind_noise_and_behind_the_frames_of_others() {
        let pdu = REPLY[1..9].to_vec();
        assert_eq!(found(&REPLY), Some((pdu.clone(), 0)));
        let noisy = [&[0xFF, 0x11, 0x03, 0x00][..], &REPLY].concat();
        assert_eq!(found(&noisy), Some((pdu.clone(), 4)));
        let mut other = REPLY;
        other[0] = 0x12;
        let sum = crc(&other[..9]).to_le_bytes();
        other[9..].copy_from_slice(&sum);
        assert_eq!(found(&[other, REPLY].concat()), Some((pdu, 11)));
        assert_eq!(found(&other), None);
    }

    #[test]
    fn no_single_flipped_bit_and_no_cut_gives_a_value() {
        for bit in 0..8 * REPLY.len() {
            let mut damaged = REPLY;
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(found(&damaged), None, "bit {bit}");
        }
        for length in 0..REPLY.len() {
            assert_eq!(found(&REPLY[..length]), None, "{length} bytes");
        }
    }

    #[test]
    fn a_reply_of_another_length_is_none() {
        // Two registers for three.
        let mut short = vec![0x11, 3, 4, 0x02, 0x2B, 0, 0];
        short.extend(crc(&short).to_le_bytes());
        assert_eq!(found(&short), None);
        let mut refused = vec![0x11, 0x83, 2];
        refused.extend(crc(&refused).to_le_bytes());
        assert_eq!(found(&refused), Some((vec![0x83, 2], 0)));
    }

    fn line(baud: u32) -> SerialLine {
        SerialLine { baud, ..SerialLine::default() }
    }

    fn timing(baud: u32) -> Timing {
        Timing::new(line(baud), crate::shell::clock::Clock::real().real_deadline(Duration::ZERO))
    }

    /// Table of the field notes, 6: t3.5 is 4.01 ms at 9600 baud, 1.75 ms above 19 200.
    #[test]
    fn the_gap_is_three_and_a_half_characters() {
        assert!((line(9600).silence().as_secs_f64() - 0.004_01).abs() < 1e-5);
        assert!((line(19_200).silence().as_secs_f64() - 0.002_005).abs() < 1e-5);
        assert_eq!(line(115_200).silence(), Duration::from_micros(1750));
    }

    #[test]
    fn after_a_time_out_the_line_is_left_alone_and_a_canary_goes_first() {
        let mut timing = timing(9600);
        let (now, wait) = (timing.free, Duration::from_millis(500));
        timing.fell_silent(now, UNIT, &ASK, wait);
        assert_eq!(timing.may_send(UNIT), now + wait);
        assert_eq!(timing.canary(UNIT, &ASK), Some(Request::ReadHoldingRegisters(0x6B, 2)));
        // Another unit, another length: nothing to mistake.
        assert_eq!(timing.canary(0x12, &ASK), None);
        assert_eq!(timing.canary(UNIT, &Request::ReadHoldingRegisters(0, 9)), None);
        // The canary was lost too: the next has a third length.
        timing.fell_silent(now, UNIT, &Request::ReadHoldingRegisters(0x6B, 2), wait);
        assert_eq!(timing.canary(UNIT, &ASK), Some(Request::ReadHoldingRegisters(0x6B, 1)));
        timing.answered(UNIT);
        assert_eq!(timing.canary(UNIT, &ASK), None);
    }

    /// A unit that is silent for long, its neighbours too: each canary has a length of its own, what the first request
    /// may still bring is not forgotten before sixteen later ones to the same unit, and what is kept stays bounded.
    #[test]
    fn canaries_do_not_run_out_and_no_unit_is_forgotten_for_another() {
        let mut timing = timing(9600);
        let (now, wait) = (timing.free, Duration::from_millis(500));
        timing.fell_silent(now, UNIT, &ASK, wait);
        for _ in 0..100 {
            timing.fell_silent(now, 0x12, &ASK, wait);
        }
        let mut lengths = vec![3];
        for _ in 1..LOST_MOST {
            let canary = timing.canary(UNIT, &ASK).unwrap();
            let Request::ReadHoldingRegisters(0x6B, count) = canary else { panic!("{canary:?}") };
            assert!(!lengths.contains(&count), "{count} again after {lengths:?}");
            lengths.push(count);
            timing.fell_silent(now, UNIT, &canary, wait);
        }
        assert!(timing.canary(UNIT, &ASK).is_some());
        assert_eq!(timing.lost.len(), 2 * LOST_MOST);
        timing.answered(0x12);
        assert_eq!(timing.lost.len(), LOST_MOST);
        // The bound: the seventeenth takes the place of the first.
        let canary = timing.canary(UNIT, &ASK).unwrap();
        timing.fell_silent(now, UNIT, &canary, wait);
        assert_eq!(timing.canary(UNIT, &ASK), None);
        assert_eq!(timing.lost.len(), LOST_MOST);
    }
}
