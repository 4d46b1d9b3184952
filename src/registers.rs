//! Registers to numbers and back: pure, one path for both directions.
//!
//! value = raw · scale + offset. Words come as Modbus sends them, lowest address first, high byte first. What
//! is not a number (NaN, infinity, a declared sentinel) is no value and never a zero. Whether a number is
//! credible is graded elsewhere; only what is written is held to the limits of its point.

use crate::control::quality::Reason;
use crate::points::{ByteOrder, DataType, Point, Table};

/// Most registers one value takes.
const WIDEST: usize = 4;

/// Why a value cannot be written to a point.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum CodecError {
    /// NaN or infinity.
    #[error("{point}: {value} is not a number that can be written; give a finite one")]
    NotFinite {
        /// The point.
        point: String,
        /// What was asked for.
        value: f64,
    },
    /// Outside the limits of the point, or of its encoding. Nothing is clamped.
    #[error("{point}: {value} is outside {min} to {max}; ask for a value inside or correct the point")]
    OutOfRange {
        /// The point.
        point: String,
        /// What was asked for.
        value: f64,
        /// Least value that can be written.
        min: f64,
        /// Largest value that can be written.
        max: f64,
    },
    /// The registers would say "no value".
    #[error("{point}: {value} encodes to a pattern declared as no value; ask for a neighbouring value")]
    Sentinel {
        /// The point.
        point: String,
        /// What was asked for.
        value: f64,
    },
    /// A read-only table, or one bit of a shared register.
    #[error("{point}: cannot be written; use a coil or a whole holding register")]
    ReadOnly {
        /// The point.
        point: String,
    },
}

/// The number in `words` (at least as many as the type takes), scaled.
///
/// # Errors
///
/// [`Reason::CommError`] when words are missing, [`Reason::Sentinel`] for NaN and declared patterns,
/// [`Reason::OutOfRange`] for infinities and a bit number above 15.
pub fn decode(point: &Point, words: &[u16]) -> Result<f64, Reason> {
    let taken = words.get(..usize::from(point.data_type.registers())).ok_or(Reason::CommError)?;
    let mut buffer = [0_u16; WIDEST];
    let arranged = buffer.get_mut(..taken.len()).ok_or(Reason::ConfigError)?;
    arranged.copy_from_slice(taken);
    arrange(point.order, arranged);
    let raw = raw_number(point, arranged)?;
    finish(point, raw)
}

/// The number in a coil or discrete input: 0 or 1, scaled.
///
/// # Errors
///
/// As [`decode`].
pub fn decode_bit(point: &Point, on: bool) -> Result<f64, Reason> {
    finish(point, f64::from(u8::from(on)))
}

fn finish(point: &Point, raw: f64) -> Result<f64, Reason> {
    if raw.is_nan() || is_sentinel(point, raw) {
        return Err(Reason::Sentinel);
    }
    // Adding zero turns a negative zero into a plain one.
    let value = raw * point.scale + point.offset + 0.0;
    if value.is_finite() { Ok(value) } else { Err(Reason::OutOfRange) }
}

/// The words that make `value`; one word of 0 or 1 for a coil.
///
/// # Errors
///
/// Refuses what is not finite, outside the limits of the point or its encoding, equal to a sentinel, or not
/// writable. Never clamps.
pub fn encode(point: &Point, value: f64) -> Result<Vec<u16>, CodecError> {
    let id = || point.id.clone();
    let writable = match (point.table, point.data_type) {
        (Table::Coil, DataType::Bit) => true,
        (Table::Holding, kind) => kind != DataType::Bit,
        (Table::Coil | Table::Discrete | Table::Input, _) => false,
    };
    if !writable {
        return Err(CodecError::ReadOnly { point: id() });
    }
    if !value.is_finite() {
        return Err(CodecError::NotFinite { point: id(), value });
    }
    let (min, max) = limits(point);
    let raw = (value - point.offset) / point.scale;
    let raw = if is_integer(point.data_type) { raw.round() } else { raw };
    let (least, most) = raw_limits(point.data_type);
    // A position computed from an opening may miss its end by a rounding error.
    let slack = 1e-12 * min.abs().max(max.abs());
    if !(min - slack..=max + slack).contains(&value) || !(least..=most).contains(&raw) {
        return Err(CodecError::OutOfRange { point: id(), value, min, max });
    }
    if is_sentinel(point, raw) {
        return Err(CodecError::Sentinel { point: id(), value });
    }
    let mut words = raw_words(point.data_type, raw);
    arrange(point.order, &mut words);
    Ok(words)
}

/// Least and largest value that can be written: limits of the point within those of its encoding.
fn limits(point: &Point) -> (f64, f64) {
    let (least, most) = raw_limits(point.data_type);
    let (a, b) = (least * point.scale + point.offset, most * point.scale + point.offset);
    let (low, high) = if a <= b { (a, b) } else { (b, a) };
    (point.min.map_or(low, |min| min.max(low)), point.max.map_or(high, |max| max.min(high)))
}

/// Between the order on the wire and high word first, high byte first. Its own inverse.
fn arrange(order: ByteOrder, words: &mut [u16]) {
    match order {
        ByteOrder::Abcd => {}
        ByteOrder::Cdab => words.reverse(),
        ByteOrder::Badc => swap_bytes(words),
        ByteOrder::Dcba => {
            words.reverse();
            swap_bytes(words);
        }
    }
}

fn swap_bytes(words: &mut [u16]) {
    for word in words {
        *word = word.swap_bytes();
    }
}

fn is_integer(kind: DataType) -> bool {
    match kind {
        DataType::U16 | DataType::I16 | DataType::U32 | DataType::I32 | DataType::Bit => true,
        DataType::F32 | DataType::F64 => false,
    }
}

fn raw_limits(kind: DataType) -> (f64, f64) {
    match kind {
        DataType::Bit => (0.0, 1.0),
        DataType::U16 => (0.0, f64::from(u16::MAX)),
        DataType::I16 => (f64::from(i16::MIN), f64::from(i16::MAX)),
        DataType::U32 => (0.0, f64::from(u32::MAX)),
        DataType::I32 => (f64::from(i32::MIN), f64::from(i32::MAX)),
        DataType::F32 => (f64::from(f32::MIN), f64::from(f32::MAX)),
        DataType::F64 => (f64::MIN, f64::MAX),
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "the bits of a register are reinterpreted as the declared type"
)]
fn raw_number(point: &Point, words: &[u16]) -> Result<f64, Reason> {
    let bits = words.iter().fold(0_u64, |bits, word| (bits << 16) | u64::from(*word));
    Ok(match point.data_type {
        DataType::U16 => f64::from(bits as u16),
        DataType::I16 => f64::from(bits as u16 as i16),
        DataType::U32 => f64::from(bits as u32),
        DataType::I32 => f64::from(bits as u32 as i32),
        DataType::F32 => f64::from(f32::from_bits(bits as u32)),
        DataType::F64 => f64::from_bits(bits),
        DataType::Bit if point.bit < 16 => f64::from((bits >> point.bit) as u16 & 1),
        DataType::Bit => return Err(Reason::OutOfRange),
    })
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the caller has checked the range; the cast takes the bits of the declared type"
)]
fn raw_words(kind: DataType, raw: f64) -> Vec<u16> {
    let wide = |bits: u32| vec![(bits >> 16) as u16, bits as u16];
    match kind {
        DataType::U16 | DataType::Bit => vec![raw as u16],
        DataType::I16 => vec![raw as i16 as u16],
        DataType::U32 => wide(raw as u32),
        DataType::I32 => wide(raw as i32 as u32),
        DataType::F32 => wide((raw as f32).to_bits()),
        DataType::F64 => {
            let bits = raw.to_bits();
            [48, 32, 16, 0].iter().map(|shift| (bits >> shift) as u16).collect()
        }
    }
}

/// Whether a raw number is one of the declared "no value" patterns; bit for bit in the precision of the type.
fn is_sentinel(point: &Point, raw: f64) -> bool {
    point.sentinels.iter().any(|sentinel| {
        #[expect(clippy::cast_possible_truncation, reason = "compared in the precision of the registers")]
        let as_stored =
            if point.data_type == DataType::F32 { f64::from(*sentinel as f32) } else { *sentinel };
        (as_stored + 0.0).to_bits() == (raw + 0.0).to_bits() || (as_stored.is_nan() && raw.is_nan())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::points::{DeviceId, Element, Role};
    use proptest::prelude::*;

    fn point(data_type: DataType, order: ByteOrder) -> Point {
        Point {
            id: "p/value".into(),
            device: DeviceId(0),
            table: Table::Holding,
            address: 0,
            data_type,
            order,
            bit: 0,
            scale: 1.0,
            offset: 0.0,
            sentinels: Vec::new(),
            min: None,
            max: None,
            unit: String::new(),
            class: None,
            element: Element::None,
            role: Role::Other,
        }
    }

    fn orders() -> impl Strategy<Value = ByteOrder> {
        prop_oneof![
            Just(ByteOrder::Abcd),
            Just(ByteOrder::Cdab),
            Just(ByteOrder::Badc),
            Just(ByteOrder::Dcba)
        ]
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(order in orders(), a in any::<u16>(), b in any::<i16>(), c in any::<u32>(),
                                   d in any::<i32>(), e in any::<f32>(), f in any::<f64>()) {
            let cases = [
                (DataType::U16, f64::from(a)), (DataType::I16, f64::from(b)), (DataType::U32, f64::from(c)),
                (DataType::I32, f64::from(d)), (DataType::F32, f64::from(e)), (DataType::F64, f),
            ];
            for (kind, value) in cases.into_iter().filter(|(_, value)| value.is_finite()) {
                let point = point(kind, order);
                let words = encode(&point, value).unwrap();
                prop_assert_eq!(words.len(), usize::from(kind.registers()));
                prop_assert_eq!(decode(&point, &words), Ok(value + 0.0));
            }
        }

        #[test]
        fn a_scaled_value_comes_back_within_half_a_step(value in -300.0_f64..300.0) {
            let scaled = Point { scale: 0.01, offset: 5.0, ..point(DataType::I16, ByteOrder::Badc) };
            let read = decode(&scaled, &encode(&scaled, value).unwrap()).unwrap();
            prop_assert!((read - value).abs() <= 0.005 + 1e-9);
        }

        #[test]
        fn any_registers_give_a_finite_number_or_a_reason(order in orders(), words in prop::array::uniform4(any::<u16>())) {
            for kind in [DataType::U16, DataType::I32, DataType::F32, DataType::F64, DataType::Bit] {
                if let Ok(value) = decode(&point(kind, order), &words) {
                    prop_assert!(value.is_finite());
                }
            }
        }
    }

    #[test]
    fn nothing_is_clamped() {
        let percent = Point { min: Some(0.0), max: Some(100.0), ..point(DataType::U16, ByteOrder::Abcd) };
        assert!(matches!(encode(&percent, 100.5), Err(CodecError::OutOfRange { .. })));
        assert!(matches!(encode(&percent, -1.0), Err(CodecError::OutOfRange { .. })));
        assert!(matches!(encode(&percent, f64::NAN), Err(CodecError::NotFinite { .. })));
        assert!(matches!(
            encode(&point(DataType::I16, ByteOrder::Abcd), 40_000.0),
            Err(CodecError::OutOfRange { .. })
        ));
    }

    #[test]
    fn a_value_that_would_read_as_no_value_is_refused() {
        let marked = Point { sentinels: vec![65_535.0], ..point(DataType::U16, ByteOrder::Abcd) };
        assert!(matches!(encode(&marked, 65_535.0), Err(CodecError::Sentinel { .. })));
        assert_eq!(decode(&marked, &[0xFFFF]), Err(Reason::Sentinel));
    }
}
