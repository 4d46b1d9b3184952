//! Registers to numbers and back: pure, one path for both directions.
//!
//! value = raw · scale + offset. Words come as Modbus sends them, lowest address first, high byte first. What
//! is not a number (any NaN, infinity, a decimal digit above 9, a declared sentinel) is no value and never a zero.
//! Whether a number is credible is graded elsewhere; only what is written is held to the limits of its point.
//!
//! Numbers are `f64`. A whole number of 64 bits beyond ±(2⁵³ − 1) has no `f64` of its own: it is refused both ways
//! rather than rounded to a neighbour. Names are no numbers; [`text()`] reads them.

mod raw;
mod text;

use crate::control::quality::Reason;
use crate::points::{ByteOrder, DataType, Point, Table};

pub use text::{CharOrder, NotText, text};

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

/// How registers make a raw number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    data_type: DataType,
    order: ByteOrder,
    bit: u8,
}

impl Layout {
    /// Of a point.
    pub fn of(point: &Point) -> Self {
        Self { data_type: point.data_type, order: point.order, bit: point.bit }
    }
}

/// How a raw number makes a value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scaling<'a> {
    /// value = raw · scale + offset.
    pub scale: f64,
    /// See `scale`.
    pub offset: f64,
    /// Raw numbers that mean "no value".
    pub sentinels: &'a [f64],
}

impl<'a> Scaling<'a> {
    /// Of a point.
    pub fn of(point: &'a Point) -> Self {
        Self { scale: point.scale, offset: point.offset, sentinels: &point.sentinels }
    }
}

/// The number in `words` (at least as many as the type takes), scaled.
///
/// # Errors
///
/// [`Reason::CommError`] when words are missing, [`Reason::Sentinel`] for NaN, decimal digits above 9 and declared
/// patterns, [`Reason::OutOfRange`] for infinities, whole numbers `f64` cannot hold and a bit number above 15.
pub fn decode(point: &Point, words: &[u16]) -> Result<f64, Reason> {
    decode_as(Layout::of(point), Scaling::of(point), words)
}

/// [`decode`], for who holds apart what it needs of a point.
///
/// # Errors
///
/// As [`decode`].
pub fn decode_as(layout: Layout, scaling: Scaling<'_>, words: &[u16]) -> Result<f64, Reason> {
    let Layout { data_type, order, bit } = layout;
    let taken = words.get(..usize::from(data_type.registers())).ok_or(Reason::CommError)?;
    let bits = raw::bits(order, taken)?;
    finish(data_type, scaling, raw::number(data_type, bit, bits)?)
}

/// The number in a coil or discrete input: 0 or 1, scaled.
///
/// # Errors
///
/// As [`decode`].
pub fn decode_bit(point: &Point, on: bool) -> Result<f64, Reason> {
    decode_bit_as(Layout::of(point), Scaling::of(point), on)
}

/// [`decode_bit`], for who holds apart what it needs of a point.
///
/// # Errors
///
/// As [`decode`].
pub fn decode_bit_as(layout: Layout, scaling: Scaling<'_>, on: bool) -> Result<f64, Reason> {
    finish(layout.data_type, scaling, f64::from(u8::from(on)))
}

fn finish(kind: DataType, scaling: Scaling<'_>, raw: f64) -> Result<f64, Reason> {
    if raw.is_nan() || is_sentinel(kind, scaling.sentinels, raw) {
        return Err(Reason::Sentinel);
    }
    let (least, most) = raw::limits(kind);
    if !(least..=most).contains(&raw) {
        return Err(Reason::OutOfRange);
    }
    // Adding zero turns a negative zero into a plain one.
    let value = raw * scaling.scale + scaling.offset + 0.0;
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
    // Adding zero turns a negative zero into a plain one, here as in reading.
    let raw = if point.data_type.is_whole() { raw.round() } else { raw } + 0.0;
    let (least, most) = raw::limits(point.data_type);
    let slack = slack(point, min, max);
    if !(min - slack..=max + slack).contains(&value) || !(least..=most).contains(&raw) {
        return Err(CodecError::OutOfRange { point: id(), value, min, max });
    }
    if is_sentinel(point.data_type, &point.sentinels, raw) {
        return Err(CodecError::Sentinel { point: id(), value });
    }
    let bits = raw::of_number(point.data_type, raw);
    Ok(raw::words(point.order, bits, point.data_type.registers()))
}

/// Whether registers of `kind` can ever read as the raw number `pattern`: a "no value" that cannot occur would let
/// the real one pass as a number.
pub fn occurs(kind: DataType, pattern: f64) -> bool {
    raw::occurs(kind, pattern)
}

/// Least and largest value that can be written: limits of the point within those of its encoding.
fn limits(point: &Point) -> (f64, f64) {
    let (least, most) = raw::limits(point.data_type);
    let (a, b) = (least * point.scale + point.offset, most * point.scale + point.offset);
    let (low, high) = if a <= b { (a, b) } else { (b, a) };
    (point.min.map_or(low, |min| min.max(low)), point.max.map_or(high, |max| max.min(high)))
}

/// By how much a value may miss a limit: a position computed from an opening may miss its end by a rounding error.
/// Taken from the limits of the point where it has any, since the end of a float's range would permit everything.
fn slack(point: &Point, min: f64, max: f64) -> f64 {
    let ends = match (point.min, point.max) {
        (None, None) => [min, max],
        (low, high) => [low.unwrap_or(0.0), high.unwrap_or(0.0)],
    };
    1e-12 * ends.iter().fold(0.0, |largest: f64, end| largest.max(end.abs()))
}

/// Whether a raw number is one of the declared "no value" patterns; bit for bit in the precision of the type.
fn is_sentinel(kind: DataType, sentinels: &[f64], raw: f64) -> bool {
    sentinels.iter().any(|sentinel| {
        let as_stored = raw::as_stored(kind, *sentinel);
        (as_stored + 0.0).to_bits() == (raw + 0.0).to_bits() || (as_stored.is_nan() && raw.is_nan())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::points::{ByteOrder, DeviceId, Element, Role};
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

    const ORDERS: [ByteOrder; 4] = [ByteOrder::Abcd, ByteOrder::Cdab, ByteOrder::Badc, ByteOrder::Dcba];
    const KINDS: [DataType; 10] = [
        DataType::U16,
        DataType::I16,
        DataType::U32,
        DataType::I32,
        DataType::U64,
        DataType::I64,
        DataType::F32,
        DataType::F64,
        DataType::Bcd16,
        DataType::Bcd32,
    ];
    /// 2⁵³ − 1.
    const EXACT: i64 = 9_007_199_254_740_991;

    fn orders() -> impl Strategy<Value = ByteOrder> {
        prop::sample::select(ORDERS.to_vec())
    }

    /// A type with a number it can hold.
    fn numbers() -> impl Strategy<Value = (DataType, f64)> {
        #[expect(clippy::cast_precision_loss, reason = "within what f64 holds")]
        let wide = |number: i64| number as f64;
        prop_oneof![
            any::<u16>().prop_map(|number| (DataType::U16, f64::from(number))),
            any::<i16>().prop_map(|number| (DataType::I16, f64::from(number))),
            any::<u32>().prop_map(|number| (DataType::U32, f64::from(number))),
            any::<i32>().prop_map(|number| (DataType::I32, f64::from(number))),
            (0..=EXACT).prop_map(move |number| (DataType::U64, wide(number))),
            (-EXACT..=EXACT).prop_map(move |number| (DataType::I64, wide(number))),
            any::<f32>().prop_map(|number| (DataType::F32, f64::from(number))),
            any::<f64>().prop_map(|number| (DataType::F64, number)),
            (0_u32..=9_999).prop_map(|number| (DataType::Bcd16, f64::from(number))),
            (0_u32..=99_999_999).prop_map(|number| (DataType::Bcd32, f64::from(number))),
        ]
        .prop_filter("a number", |(_, number)| number.is_finite())
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(order in orders(), (kind, value) in numbers()) {
            let point = point(kind, order);
            let words = encode(&point, value).unwrap();
            prop_assert_eq!(words.len(), usize::from(kind.registers()));
            prop_assert_eq!(decode(&point, &words), Ok(value + 0.0));
        }

        #[test]
        fn what_is_read_is_written(order in orders(), words in prop::array::uniform4(any::<u16>())) {
            for kind in KINDS {
                let (point, words) = (point(kind, order), &words[..usize::from(kind.registers())]);
                // A negative zero is read as a plain one.
                if let Ok(value) = decode(&point, words) && value != 0.0 {
                    prop_assert_eq!(encode(&point, value).unwrap(), words, "{:?}", kind);
                }
            }
        }

        #[test]
        fn a_scaled_value_comes_back_within_half_a_step(
            value in -300.0_f64..300.0, order in orders(), scale in prop::sample::select(vec![0.01, -0.01, 0.1, 1.0]),
        ) {
            for kind in [DataType::I16, DataType::I32, DataType::I64] {
                let scaled = Point { scale, offset: 5.0, ..point(kind, order) };
                let read = decode(&scaled, &encode(&scaled, value).unwrap()).unwrap();
                prop_assert!((read - value).abs() <= 0.5 * scale.abs() + 1e-9, "{:?}: {}", kind, read);
            }
        }

        #[test]
        fn any_registers_give_a_finite_number_or_a_reason(
            order in orders(), words in prop::array::uniform4(any::<u16>()), bit in any::<u8>(),
        ) {
            for kind in KINDS.into_iter().chain([DataType::Bit]) {
                if let Ok(value) = decode(&Point { bit, ..point(kind, order) }, &words) {
                    prop_assert!(value.is_finite());
                }
            }
        }

        /// Exponent all ones and a fraction that is not zero: whatever the sign, quiet or signalling.
        #[test]
        fn every_nan_is_no_value(order in orders(), sign in any::<bool>(), fraction in 1_u64..=0xF_FFFF_FFFF_FFFF) {
            let double = (u64::from(sign) << 63) | (0x7FF << 52) | fraction;
            let single = (u64::from(sign) << 31) | (0xFF << 23) | (fraction % 0x7F_FFFF + 1);
            let read = |kind: DataType, bits| decode(&point(kind, order), &raw::words(order, bits, kind.registers()));
            prop_assert_eq!(read(DataType::F64, double), Err(Reason::Sentinel));
            prop_assert_eq!(read(DataType::F32, single), Err(Reason::Sentinel));
        }

        /// Read as hexadecimal digits the registers of a decimal number show that number.
        #[test]
        fn decimal_digits_are_those_of_the_number(bits in any::<u32>()) {
            let words = raw::words(ByteOrder::Abcd, u64::from(bits), 2);
            let shown = format!("{bits:08X}").parse::<u32>().map(f64::from).map_err(|_| Reason::Sentinel);
            prop_assert_eq!(decode(&point(DataType::Bcd32, ByteOrder::Abcd), &words), shown);
        }

        #[test]
        fn what_the_registers_cannot_hold_is_refused((kind, value) in numbers(), beyond in 1.0_f64..1e6) {
            let (least, most) = raw::limits(kind);
            for outside in [most + beyond, least - beyond, most * (1.0 + beyond)] {
                // The next float beyond the largest is infinity; that is no number either.
                if outside > most || outside < least {
                    prop_assert!(encode(&point(kind, ByteOrder::Abcd), outside).is_err(), "{:?} {}", kind, outside);
                }
            }
            prop_assert!(encode(&point(kind, ByteOrder::Abcd), value).is_ok());
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
    fn one_limit_alone_holds_whatever_the_type_reaches() {
        for kind in [DataType::F32, DataType::F64, DataType::I64] {
            let floor = Point { min: Some(0.5), ..point(kind, ByteOrder::Abcd) };
            assert!(matches!(encode(&floor, -5.0), Err(CodecError::OutOfRange { .. })), "{kind:?}");
            assert!(encode(&floor, 5.0).is_ok());
        }
    }

    #[test]
    fn a_value_that_would_read_as_no_value_is_refused() {
        let marked = Point { sentinels: vec![65_535.0], ..point(DataType::U16, ByteOrder::Abcd) };
        assert!(matches!(encode(&marked, 65_535.0), Err(CodecError::Sentinel { .. })));
        assert_eq!(decode(&marked, &[0xFFFF]), Err(Reason::Sentinel));
    }

    #[test]
    fn a_pattern_that_cannot_occur_is_known() {
        let marks =
            [(DataType::I16, -1.0), (DataType::U64, 1.844_674_407_370_955_2e19), (DataType::F32, -999.9)];
        assert!(marks.into_iter().all(|(kind, raw)| occurs(kind, raw)));
        let never = [
            (DataType::I16, 65_535.0),
            (DataType::U64, -1.0),
            (DataType::Bcd16, 65_535.0),
            (DataType::U32, 0.5),
        ];
        assert!(never.into_iter().all(|(kind, raw)| !occurs(kind, raw)));
    }
}
