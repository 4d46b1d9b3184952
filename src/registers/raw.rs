//! The bits of a value and the number they mean: byte order, sign, exponent, digits. No scale, no limits of a point.

use crate::control::quality::Reason;
use crate::points::{ByteOrder, DataType};

/// Most registers one value takes.
const WIDEST: usize = 4;

/// Largest whole number up to which `f64` tells every whole number from its neighbours, 2⁵³ − 1. A counter of m³
/// never gets there: at 10 000 m³/s it takes 28 000 years.
const EXACT: f64 = 9_007_199_254_740_991.0;

/// The bits in `words` as they came over the wire, most significant first.
///
/// # Errors
///
/// [`Reason::ConfigError`] for more words than a value has.
pub(super) fn bits(order: ByteOrder, words: &[u16]) -> Result<u64, Reason> {
    if words.len() > WIDEST {
        return Err(Reason::ConfigError);
    }
    let (reversed, swapped) = choices(order);
    let one = |word: &u16| u64::from(if swapped { word.swap_bytes() } else { *word });
    let join = |bits: u64, word: &u16| (bits << 16) | one(word);
    Ok(if reversed { words.iter().rev().fold(0, join) } else { words.iter().fold(0, join) })
}

/// The `count` words that carry `bits` over the wire.
#[expect(clippy::cast_possible_truncation, reason = "a word is the low half of what has been shifted down")]
pub(super) fn words(order: ByteOrder, bits: u64, count: u16) -> Vec<u16> {
    let (reversed, swapped) = choices(order);
    let one = |at: u16| {
        let word = (bits >> (16 * u32::from(at))) as u16;
        if swapped { word.swap_bytes() } else { word }
    };
    if reversed { (0..count).map(one).collect() } else { (0..count).rev().map(one).collect() }
}

/// Whether the low word comes first, and whether the low byte of a word does: the same for reading and writing.
fn choices(order: ByteOrder) -> (bool, bool) {
    match order {
        ByteOrder::Abcd => (false, false),
        ByteOrder::Cdab => (true, false),
        ByteOrder::Badc => (false, true),
        ByteOrder::Dcba => (true, true),
    }
}

/// The number `bits` mean; NaN as it stands. Whole numbers beyond [`limits`] come as the nearest `f64`, so that they
/// can still be known as a declared "no value".
///
/// # Errors
///
/// [`Reason::Sentinel`] for a decimal digit above 9, [`Reason::OutOfRange`] for a bit number above 15.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    reason = "the bits of registers are reinterpreted as the declared type; what f64 cannot hold is refused by limits"
)]
pub(super) fn number(kind: DataType, bit: u8, bits: u64) -> Result<f64, Reason> {
    Ok(match kind {
        DataType::U16 => f64::from(bits as u16),
        DataType::I16 => f64::from(bits as u16 as i16),
        DataType::U32 => f64::from(bits as u32),
        DataType::I32 => f64::from(bits as u32 as i32),
        DataType::U64 => bits as f64,
        DataType::I64 => bits as i64 as f64,
        DataType::F32 => f64::from(f32::from_bits(bits as u32)),
        DataType::F64 => f64::from_bits(bits),
        DataType::Bcd16 => from_digits(bits as u32, 4)?,
        DataType::Bcd32 => from_digits(bits as u32, 8)?,
        DataType::Bit if bit < 16 => f64::from((bits >> bit) as u16 & 1),
        DataType::Bit => return Err(Reason::OutOfRange),
    })
}

/// The bits that mean `raw`, which is inside [`limits`] and whole where the type is.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the caller has checked the range; the cast takes the bits of the declared type"
)]
pub(super) fn of_number(kind: DataType, raw: f64) -> u64 {
    match kind {
        DataType::U16 | DataType::U32 | DataType::U64 | DataType::Bit => raw as u64,
        // Sign extended: the words above those of the type are not sent.
        DataType::I16 | DataType::I32 | DataType::I64 => (raw as i64).cast_unsigned(),
        DataType::F32 => u64::from((raw as f32).to_bits()),
        DataType::F64 => raw.to_bits(),
        DataType::Bcd16 | DataType::Bcd32 => to_digits(raw as u64),
    }
}

/// Four bits per decimal digit, the highest first; a digit above 9 makes the whole no value.
fn from_digits(bits: u32, count: u32) -> Result<f64, Reason> {
    let mut digits = (0..count).rev().map(|at| (bits >> (4 * at)) & 0xF);
    let number = digits.try_fold(0, |number, digit| (digit < 10).then(|| 10 * number + digit));
    number.map(f64::from).ok_or(Reason::Sentinel)
}

fn to_digits(mut number: u64) -> u64 {
    let (mut bits, mut shift) = (0, 0);
    while number > 0 {
        bits |= (number % 10) << shift;
        number /= 10;
        shift += 4;
    }
    bits
}

/// Least and largest raw number that goes both ways without becoming another one.
pub(super) fn limits(kind: DataType) -> (f64, f64) {
    match kind {
        DataType::Bit => (0.0, 1.0),
        DataType::U16 => (0.0, f64::from(u16::MAX)),
        DataType::I16 => (f64::from(i16::MIN), f64::from(i16::MAX)),
        DataType::U32 => (0.0, f64::from(u32::MAX)),
        DataType::I32 => (f64::from(i32::MIN), f64::from(i32::MAX)),
        DataType::U64 => (0.0, EXACT),
        DataType::I64 => (-EXACT, EXACT),
        DataType::F32 => (f64::from(f32::MIN), f64::from(f32::MAX)),
        DataType::F64 => (f64::MIN, f64::MAX),
        DataType::Bcd16 => (0.0, 9_999.0),
        DataType::Bcd32 => (0.0, 99_999_999.0),
    }
}

/// `raw` in the precision of its registers.
#[expect(clippy::cast_possible_truncation, reason = "that is the precision of the registers")]
pub(super) fn as_stored(kind: DataType, raw: f64) -> f64 {
    if kind == DataType::F32 { f64::from(raw as f32) } else { raw }
}

/// Whether registers of this type can ever read as `raw`: a pattern that cannot occur marks nothing.
#[expect(clippy::cast_precision_loss, reason = "compared as a declared pattern is: as the nearest f64")]
pub(super) fn occurs(kind: DataType, raw: f64) -> bool {
    let (least, most) = match kind {
        DataType::U64 => (0.0, u64::MAX as f64),
        DataType::I64 => (i64::MIN as f64, i64::MAX as f64),
        DataType::F32 | DataType::F64 => return true,
        DataType::U16
        | DataType::I16
        | DataType::U32
        | DataType::I32
        | DataType::Bcd16
        | DataType::Bcd32
        | DataType::Bit => limits(kind),
    };
    (least..=most).contains(&raw) && raw.fract() == 0.0
}
