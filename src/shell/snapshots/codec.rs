//! A moment as bytes: what changed since the moment before. Pure; frozen, see `tests/golden/snapshots-v1.py`.
//!
//! ```text
//!  moment  = mono − mono before | utc − mono, less the same before | flags u8 | points | change … | 0 |
//!            [rest] [told] [picture]
//!  change  = points left out + 1 | control u8 | [time] [value] [fault]
//!  flags   : 1 the record can be written, 2 rest, 4 told, 8 picture
//!  control : form of the value << 4, 8 fault changed, 4 time of the change before, and of the good reply
//!            0 nothing changed, 1 there is none any more, 2 its time, 3 its time and value
//!  form    : the first of these that gives the value to the bit: 2 whole numbers, 3 tenths, 4 hundredths, 5 thousandths,
//!            6 3600ths, as their number less the one nearest to the value before; 1 a single; 0 all bits
//!  rest    = bytes: JSON of reports, acts, forecasts and intents taken up     told = bytes     picture = count | u64 …
//! ```
//!
//! Times are ns. Numbers are signed or unsigned of any size, seven bits a byte; `bytes` are a length and what it counts.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Moment;
pub use super::value::Malformed;
use super::value::{Rest, put_bytes, put_number, put_signed, put_value, take_value};
use crate::control::command::{OpenIntent, WriteReport};
use crate::control::forecast::Offer;
use crate::control::operator::OperatorAct;
use crate::control::quality::{Reason, Sample};
use crate::control::{Now, Snapshot};

const RECORD_OK: u8 = 1;
const REST: u8 = 2;
const TOLD: u8 = 4;
const PICTURE: u8 = 8;

const GONE: u8 = 1;
const TIMED: u8 = 2;
const VALUED: u8 = 3;
const SAME_TIME: u8 = 4;
const FAULT: u8 = 8;

/// What seldom comes.
#[derive(Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Seldom {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    writes: Vec<WriteReport>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    acts: Vec<OperatorAct>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    offers: Vec<Offer>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    recovered: Vec<OpenIntent>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refused_sign_ins: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deaf_receivers: Option<u32>,
}

/// What the moment before left: the same on both sides.
#[derive(Clone, Debug, Default)]
pub struct Codec {
    mono_ns: i128,
    /// Civil less service time.
    apart_ns: i128,
    samples: Vec<Sample>,
}

impl Codec {
    /// The moment as bytes, appended to `out`.
    pub fn encode(&mut self, moment: &Moment, now: Now, out: &mut Vec<u8>) {
        let Moment { seen, told, picture } = moment;
        let mono_ns = nanos(now.mono);
        let apart_ns = now.utc.as_nanosecond() - mono_ns;
        put_signed(out, mono_ns - self.mono_ns);
        put_signed(out, apart_ns - self.apart_ns);
        (self.mono_ns, self.apart_ns) = (mono_ns, apart_ns);
        let Snapshot {
            samples,
            writes,
            acts,
            offers,
            recovered,
            record_ok,
            refused_sign_ins,
            deaf_receivers,
        } = seen;
        let seldom = !(writes.is_empty()
            && acts.is_empty()
            && offers.is_empty()
            && recovered.is_empty()
            && *refused_sign_ins == 0
            && *deaf_receivers == 0);
        let flag = |is: bool, flag: u8| if is { flag } else { 0 };
        out.push(
            flag(*record_ok, RECORD_OK)
                | flag(seldom, REST)
                | flag(!told.is_empty(), TOLD)
                | flag(!picture.is_empty(), PICTURE),
        );
        self.put_samples(samples, out);
        if seldom {
            let seldom = Seldom {
                writes: writes.clone(),
                acts: acts.clone(),
                offers: offers.clone(),
                recovered: recovered.clone(),
                refused_sign_ins: Some(*refused_sign_ins).filter(|count| *count > 0),
                deaf_receivers: Some(*deaf_receivers).filter(|count| *count > 0),
            };
            put_bytes(out, &serde_json::to_vec(&seldom).unwrap_or_default());
        }
        if !told.is_empty() {
            put_bytes(out, told);
        }
        if !picture.is_empty() {
            put_number(out, picture.len() as u128);
            out.extend(picture.iter().flat_map(|part| part.to_be_bytes()));
        }
    }

    fn put_samples(&mut self, samples: &[Sample], out: &mut Vec<u8>) {
        put_number(out, samples.len() as u128);
        self.samples.resize(samples.len(), Sample::default());
        let (mut left_out, mut time_ns) = (0_u128, None);
        for (now, before) in samples.iter().zip(&mut self.samples) {
            if is_same(now, before) {
                left_out += 1;
                continue;
            }
            put_number(out, left_out + 1);
            left_out = 0;
            let place = out.len();
            out.push(0);
            let mut control = 0;
            if let Some((value, at)) = now.good.filter(|good| !is_good(Some(*good), before.good)) {
                let age_ns = self.mono_ns - nanos(at);
                control |= if time_ns.replace(age_ns) == Some(age_ns) {
                    SAME_TIME
                } else {
                    put_signed(out, age_ns);
                    0
                };
                let known = before.good.filter(|(known, _)| known.to_bits() == value.to_bits());
                control |= if known.is_some() {
                    TIMED
                } else {
                    VALUED | (put_value(out, value, before.good.map_or(0.0, |(value, _)| value)) << 4)
                };
            } else if now.good.is_none() && before.good.is_some() {
                control |= GONE;
            }
            if now.fault != before.fault {
                control |= FAULT;
                put_fault(out, now.fault);
            }
            if let Some(place) = out.get_mut(place) {
                *place = control;
            }
            *before = *now;
        }
        out.push(0);
    }

    /// Reads what [`Codec::encode`] wrote, all of it.
    ///
    /// # Errors
    /// When these are not such bytes.
    pub fn decode(&mut self, bytes: &[u8]) -> Result<(Moment, Now), Malformed> {
        let mut rest = Rest(bytes);
        let rest = &mut rest;
        let late = Malformed("a time that cannot be");
        self.mono_ns = self.mono_ns.checked_add(rest.signed()?).ok_or(late)?;
        self.apart_ns = self.apart_ns.checked_add(rest.signed()?).ok_or(late)?;
        let utc_ns = self.mono_ns.checked_add(self.apart_ns).ok_or(late)?;
        let utc = Timestamp::from_nanosecond(utc_ns).map_err(|_| late)?;
        let now = Now { mono: duration(self.mono_ns)?, utc };
        let flags = rest.byte()?;
        if flags & !(RECORD_OK | REST | TOLD | PICTURE) != 0 {
            return Err(Malformed("unknown flags"));
        }
        self.take_samples(rest)?;
        let text = if flags & REST == 0 { b"{}" } else { rest.bytes()? };
        let seldom = serde_json::from_slice(text);
        let Seldom { writes, acts, offers, recovered, refused_sign_ins, deaf_receivers } =
            seldom.map_err(|_| Malformed("reports, acts, forecasts or intents that cannot be read"))?;
        let told = if flags & TOLD == 0 { Vec::new() } else { rest.bytes()?.to_vec() };
        let mut picture = Vec::new();
        if flags & PICTURE != 0 {
            for _ in 0..rest.count()? {
                picture.push(u64::from_be_bytes(rest.array()?));
            }
        }
        if !rest.0.is_empty() {
            return Err(Malformed("bytes after the end of a moment"));
        }
        let record_ok = flags & RECORD_OK != 0;
        let refused_sign_ins = refused_sign_ins.unwrap_or_default();
        let deaf_receivers = deaf_receivers.unwrap_or_default();
        let samples = self.samples.clone();
        let seen = Snapshot {
            samples,
            writes,
            acts,
            offers,
            recovered,
            record_ok,
            refused_sign_ins,
            deaf_receivers,
        };
        Ok((Moment { seen, told, picture }, now))
    }

    fn take_samples(&mut self, rest: &mut Rest<'_>) -> Result<(), Malformed> {
        /// Points of the largest field anybody may have; more is damage.
        const MOST: u128 = 10_000_000;
        let points = rest.number()?;
        if points > MOST {
            return Err(Malformed("too many points"));
        }
        self.samples.resize(usize::try_from(points).unwrap_or_default(), Sample::default());
        let mut samples = self.samples.iter_mut();
        let mut time_ns = None;
        loop {
            let skip = usize::try_from(rest.number()?).unwrap_or(usize::MAX);
            let Some(left_out) = skip.checked_sub(1) else { return Ok(()) };
            let sample = samples.nth(left_out).ok_or(Malformed("a change of no point"))?;
            let control = rest.byte()?;
            let what = control & 3;
            if what & TIMED != 0 {
                let age_ns = if control & SAME_TIME == 0 { Some(rest.signed()?) } else { time_ns };
                let age_ns = age_ns.ok_or(Malformed("no time to be the same as"))?;
                time_ns = Some(age_ns);
                let at =
                    duration(self.mono_ns.checked_sub(age_ns).ok_or(Malformed("a time that cannot be"))?)?;
                let before = sample.good.map(|(value, _)| value);
                let value = if what == VALUED {
                    take_value(rest, control >> 4, before.unwrap_or(0.0))?
                } else {
                    before.ok_or(Malformed("no value to be the same as"))?
                };
                sample.good = Some((value, at));
            } else if what == GONE {
                sample.good = None;
            }
            if control & FAULT != 0 {
                sample.fault = take_fault(rest)?;
            }
        }
    }
}

fn nanos(time: Duration) -> i128 {
    i128::try_from(time.as_nanos()).unwrap_or(i128::MAX)
}

fn duration(ns: i128) -> Result<Duration, Malformed> {
    const SECOND: u128 = 1_000_000_000;
    let bad = Malformed("a time before the start of the service");
    let ns = u128::try_from(ns).map_err(|_| bad)?;
    let seconds = u64::try_from(ns / SECOND).map_err(|_| bad)?;
    Ok(Duration::new(seconds, u32::try_from(ns % SECOND).unwrap_or_default()))
}

fn is_same(a: &Sample, b: &Sample) -> bool {
    is_good(a.good, b.good) && a.fault == b.fault
}

/// Equal to the bit.
fn is_good(a: Option<(f64, Duration)>, b: Option<(f64, Duration)>) -> bool {
    let bits = |good: Option<(f64, Duration)>| good.map(|(value, at)| (value.to_bits(), at));
    bits(a) == bits(b)
}

const NONE: u8 = 0;
const EXCEPTION: u8 = 3;

/// Numbers are never changed and never used again.
fn put_fault(out: &mut Vec<u8>, fault: Option<Reason>) {
    let number = match fault {
        None => NONE,
        Some(Reason::NeverRead) => 1,
        Some(Reason::CommError) => 2,
        Some(Reason::Exception(_)) => EXCEPTION,
        Some(Reason::Sentinel) => 4,
        Some(Reason::OutOfRange) => 5,
        Some(Reason::ConfigError) => 6,
        Some(Reason::WrongDevice) => 7,
        Some(Reason::Stale) => 8,
        Some(Reason::Rate) => 9,
        Some(Reason::Frozen) => 10,
        Some(Reason::Disagree) => 11,
        Some(Reason::NoRating) => 12,
        Some(Reason::RatingVoid) => 13,
        Some(Reason::BelowRating) => 14,
        Some(Reason::AboveRating) => 15,
        Some(Reason::Manual) => 16,
        Some(Reason::Estimated) => 17,
    };
    out.push(number);
    if let Some(Reason::Exception(code)) = fault {
        out.push(code);
    }
}

fn take_fault(rest: &mut Rest<'_>) -> Result<Option<Reason>, Malformed> {
    Ok(Some(match rest.byte()? {
        NONE => return Ok(None),
        1 => Reason::NeverRead,
        2 => Reason::CommError,
        EXCEPTION => Reason::Exception(rest.byte()?),
        4 => Reason::Sentinel,
        5 => Reason::OutOfRange,
        6 => Reason::ConfigError,
        7 => Reason::WrongDevice,
        8 => Reason::Stale,
        9 => Reason::Rate,
        10 => Reason::Frozen,
        11 => Reason::Disagree,
        12 => Reason::NoRating,
        13 => Reason::RatingVoid,
        14 => Reason::BelowRating,
        15 => Reason::AboveRating,
        16 => Reason::Manual,
        17 => Reason::Estimated,
        _ => return Err(Malformed("unknown reason")),
    }))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::basin::GateId;
    use crate::control::command::{CommandId, WriteResult};

    fn fault() -> impl Strategy<Value = Option<Reason>> {
        let number = prop_oneof![3 => Just(0_u8), 1 => 1..18_u8];
        (number, any::<u8>()).prop_map(|(number, code)| take_fault(&mut Rest(&[number, code])).unwrap())
    }

    fn sample() -> impl Strategy<Value = Sample> {
        let value = prop_oneof![
            (-9000..9000_i32).prop_map(|steps| f64::from(steps) * 0.1),
            any::<f64>().prop_filter("a number", |value| !value.is_nan()),
        ];
        let time = prop_oneof![(0..4_u64).prop_map(Duration::from_secs), any::<Duration>()];
        (prop::option::of((value, time)), fault()).prop_map(|(good, fault)| Sample { good, fault })
    }

    fn moment() -> impl Strategy<Value = (Moment, Now)> {
        let inputs = (prop::collection::vec(sample(), 0..9), any::<bool>(), 0..3_u64);
        let told = (prop::collection::vec(any::<u8>(), 0..9), prop::collection::vec(any::<u64>(), 0..3));
        let now = (any::<u64>(), -9_000_000_000..9_000_000_000_i64, 0..1_000_000_000_i32);
        (inputs, told, now).prop_map(
            |((samples, record_ok, reports), (told, picture), (mono, second, ns))| {
                let report = |number| WriteReport {
                    command: CommandId(number),
                    gate: GateId(2),
                    result: WriteResult::Refused(6),
                    at: Duration::from_nanos(mono),
                };
                let writes = (0..reports).map(report).collect();
                let seen = Snapshot { samples, writes, record_ok, ..Snapshot::default() };
                let now = Now { mono: Duration::from_nanos(mono), utc: Timestamp::new(second, ns).unwrap() };
                (Moment { seen, told, picture }, now)
            },
        )
    }

    proptest! {
        #[test]
        fn every_row_of_moments_comes_back(moments in prop::collection::vec(moment(), 1..6)) {
            let (mut writer, mut reader) = (Codec::default(), Codec::default());
            for (moment, now) in moments {
                let mut bytes = Vec::new();
                writer.encode(&moment, now, &mut bytes);
                prop_assert_eq!(reader.decode(&bytes), Ok((moment, now)));
            }
        }

        #[test]
        fn damage_is_an_error_or_another_moment_and_nothing_worse(
            (moment, now) in moment(), bent in prop::collection::vec(any::<u8>(), 0..40), cut in 0..200_usize,
        ) {
            let mut bytes = Vec::new();
            Codec::default().encode(&moment, now, &mut bytes);
            let short = bytes.get(..cut.min(bytes.len().saturating_sub(1))).unwrap_or_default();
            prop_assert!(Codec::default().decode(short).is_err());
            // What it says does not matter, that it says something does.
            drop(Codec::default().decode(&bent));
        }
    }
}
