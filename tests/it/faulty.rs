//! A device that misbehaves: what it sends in place of the right reply, and whether and when it does what it was asked.

use std::time::Duration;

use crate::device::{Act, Bank, Query, frame};

/// What goes wrong with one reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing.
    None,
    /// No reply, ever.
    Lost,
    /// The reply comes before that to the next request.
    Late,
    /// The connection is closed; the reply comes on the next one, before that to the next request.
    LateOnNextConnection,
    /// The reply comes after this many milliseconds.
    Slow(u16),
    /// Another unit replies with its own data.
    OtherUnit,
    /// Another unit replies first, then the right one.
    OtherUnitFirst,
    /// A reply to a request nobody made.
    OtherTransaction,
    /// Two replies to requests nobody made come first.
    TwoStaleFirst,
    /// The right reply and one to a request nobody made, in one segment.
    StaleBehind,
    /// The right reply and one to the request that will come next, in one segment.
    AheadOfTime,
    /// The right reply twice.
    Duplicate,
    /// A register, or eight bits, less than asked for.
    OneTooFew,
    /// A register, or eight bits, more than asked for.
    OneTooMany,
    /// A byte count that is not that of the data.
    ByteCount,
    /// The reply of the sister function.
    OtherFunction,
    /// Function and nothing else.
    FunctionAlone,
    /// An exception.
    Exception(u8),
    /// An exception with a byte behind its code.
    LongException(u8),
    /// An exception of another function.
    ExceptionOfOther,
    /// The echo of a write to another address.
    EchoAddress,
    /// The echo of a write of another value, or of another quantity.
    EchoValue,
    /// The echo of a write, a byte short.
    EchoShort,
    /// Closes after this many bytes of the reply; 255 for all of them.
    CloseAfter(u8),
    /// Resets after this many bytes of the reply; 255 for all of them.
    ResetAfter(u8),
    /// A protocol identifier that is not 0.
    Protocol,
    /// This in the length field.
    Length(u16),
    /// A length field that is so much away from the length.
    LengthBy(i8),
    /// The first half of the reply.
    Half,
    /// Each byte in a segment of its own.
    Drip,
    /// The reply in two segments, cut after this many bytes.
    Cut(u8),
    /// Forty bytes that are no frame.
    Noise,
    /// The connection stays and nothing is answered on it any more.
    Mute,
    /// The connection stays and nothing is read from it any more.
    Deaf,
}

/// Whether and when the device does what a request asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deed {
    /// Before it replies.
    Now,
    /// Not at all.
    Never,
    /// Before it replies to the n-th request after this one.
    After(u8),
}

impl Fault {
    /// What is sent at once in place of the right reply `pdu`.
    fn acts(self, query: &Query, pdu: &[u8]) -> Vec<Act> {
        let (id, unit) = (query.id, query.unit);
        let right = frame(id, unit, pdu);
        let other_data = [&pdu[..2], &pdu[2..].iter().map(|byte| !byte).collect::<Vec<_>>()].concat();
        let stray = |away: u16| frame(id.wrapping_add(away), unit, &other_data);
        let whole = |pdu: &[u8]| vec![Act::Send(frame(id, unit, pdu))];
        let header = |protocol: u16, length: u16| {
            let words = [id, protocol, length].map(u16::to_be_bytes).concat();
            vec![Act::Send([&words[..], &right[6..]].concat())]
        };
        let start = |bytes: u8| Act::Send(right[..right.len().min(usize::from(bytes))].to_vec());
        match self {
            Self::None => whole(pdu),
            Self::Lost | Self::Late | Self::Mute => Vec::new(),
            Self::LateOnNextConnection => vec![Act::Close],
            Self::Slow(ms) => vec![Act::Pause(Duration::from_millis(ms.into())), Act::Send(right)],
            Self::OtherUnit => vec![Act::Send(frame(id, unit.wrapping_add(1), &other_data))],
            Self::OtherUnitFirst => {
                vec![Act::Send(frame(id, unit.wrapping_add(1), &other_data)), Act::Send(right)]
            }
            Self::OtherTransaction => vec![Act::Send(stray(30_000))],
            Self::TwoStaleFirst => vec![Act::Send(stray(40_000)), Act::Send(stray(40_001)), Act::Send(right)],
            Self::StaleBehind => vec![Act::Send([right, stray(40_000)].concat())],
            Self::AheadOfTime => vec![Act::Send([right, stray(1)].concat())],
            Self::Duplicate => vec![Act::Send(right.clone()), Act::Send(right)],
            Self::OneTooFew => whole(&resized(pdu, -1)),
            Self::OneTooMany => whole(&resized(pdu, 1)),
            Self::ByteCount => whole(&[&[pdu[0], pdu[1] - 1], &pdu[2..]].concat()),
            Self::OtherFunction => whole(&[&[sister(pdu[0])], &pdu[1..]].concat()),
            Self::FunctionAlone => whole(&pdu[..1]),
            Self::Exception(code) => whole(&[pdu[0] | 0x80, code]),
            Self::LongException(code) => whole(&[pdu[0] | 0x80, code, 0]),
            Self::ExceptionOfOther => whole(&[sister(pdu[0]) | 0x80, 2]),
            Self::EchoAddress => whole(&[&[pdu[0], pdu[1], pdu[2] ^ 1], &pdu[3..]].concat()),
            Self::EchoValue if pdu[0] == 5 => whole(&[&pdu[..3], &[!pdu[3], pdu[4]]].concat()),
            Self::EchoValue => whole(&[&pdu[..4], &[pdu[4] ^ 1], &pdu[5..]].concat()),
            Self::EchoShort => whole(&pdu[..pdu.len() - 1]),
            Self::CloseAfter(bytes) => vec![start(bytes), Act::Close],
            Self::ResetAfter(bytes) => vec![start(bytes), Act::Reset],
            Self::Protocol => header(0x1234, u16::try_from(pdu.len() + 1).unwrap()),
            Self::Length(length) => header(0, length),
            Self::LengthBy(by) => {
                header(0, u16::try_from(pdu.len() + 1).unwrap().saturating_add_signed(by.into()))
            }
            Self::Half => vec![Act::Send(right[..right.len() / 2].to_vec())],
            Self::Drip => vec![Act::Drip(right)],
            Self::Cut(bytes) => {
                let at = usize::from(bytes).min(right.len());
                vec![Act::Send(right[..at].to_vec()), Act::Send(right[at..].to_vec())]
            }
            Self::Noise => vec![Act::Send((0..40).map(|at| 0xA5 ^ at).collect())],
            Self::Deaf => vec![Act::Deaf],
        }
    }
}

/// A read reply with one register, or eight bits, more or less.
fn resized(pdu: &[u8], by: i8) -> Vec<u8> {
    let step = if matches!(pdu[0], 1 | 2) { 1 } else { 2 };
    let count = pdu[1].saturating_add_signed(by * step);
    let data = pdu[2..].iter().copied().chain([0, 0]).take(count.into());
    [pdu[0], count].into_iter().chain(data).collect()
}

/// A function whose reply looks the same.
fn sister(function: u8) -> u8 {
    match function {
        1 => 2,
        2 => 1,
        3 => 4,
        5 => 6,
        6 => 5,
        15 => 16,
        16 => 15,
        // Of function 4 as of the rest.
        _ => 3,
    }
}

/// What is still to be done for an earlier request.
struct Owed {
    query: Query,
    /// Requests until it is carried out.
    deed: Option<u8>,
    /// A reply that is still to be sent.
    reply: Option<Vec<u8>>,
    /// The reply is made when the request is carried out.
    answers: bool,
}

type Hand = Box<dyn FnMut(&Query, &mut Bank) -> Vec<u8> + Send>;

/// The device: registers, how it carries out requests, and what it owes.
pub(crate) struct Faulty {
    bank: Bank,
    hand: Hand,
    owed: Vec<Owed>,
    mute: Vec<usize>,
}

impl Faulty {
    /// A device of which `hand` carries out what is carried out.
    pub(crate) fn new(bank: Bank, hand: impl FnMut(&Query, &mut Bank) -> Vec<u8> + Send + 'static) -> Self {
        Self { bank, hand: Box::new(hand), owed: Vec::new(), mute: Vec::new() }
    }

    /// Answers `query` with `fault`; before that, what falls due for earlier requests.
    pub(crate) fn answer(&mut self, query: &Query, fault: Fault, deed: Deed) -> Vec<Act> {
        let mut acts = self.fall_due();
        if self.mute.contains(&query.connection) {
            return Vec::new();
        }
        let late = matches!(fault, Fault::Late | Fault::LateOnNextConnection);
        let (pdu, after) = match deed {
            Deed::Now => ((self.hand)(query, &mut self.bank), None),
            // Answered as if it had been carried out.
            Deed::Never => (self.bank.clone().serve(query), None),
            Deed::After(requests) => (self.bank.clone().serve(query), Some(requests.max(1))),
        };
        if late || after.is_some() {
            let reply = (late && after.is_none()).then(|| pdu.clone());
            self.owed.push(Owed { query: query.clone(), deed: after, reply, answers: late });
        }
        if fault == Fault::Mute {
            self.mute.push(query.connection);
        }
        acts.extend(fault.acts(query, &pdu));
        acts
    }

    /// Late deeds and late replies before the answer to the present request.
    fn fall_due(&mut self) -> Vec<Act> {
        let mut acts = Vec::new();
        for mut owed in std::mem::take(&mut self.owed) {
            owed.deed = owed.deed.map(|requests| requests - 1);
            if owed.deed == Some(0) {
                let pdu = (self.hand)(&owed.query, &mut self.bank);
                owed.deed = None;
                owed.reply = owed.answers.then_some(pdu);
            }
            if owed.deed.is_some() {
                self.owed.push(owed);
            } else if let Some(pdu) = owed.reply {
                acts.push(Act::Send(frame(owed.query.id, owed.query.unit, &pdu)));
            }
        }
        acts
    }
}
