//! Register patterns from datasheets and hand calculation.

use qindan::control::quality::Reason;
use qindan::points::{ByteOrder, DataType, DeviceId, Element, Point, Role, Table};
use qindan::registers::{CharOrder, CodecError, decode, decode_bit, encode, text};

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

use ByteOrder::{Abcd, Badc, Cdab, Dcba};

/// 0x12345678 in all four orders, both ways.
#[test]
fn the_four_orders() {
    let cases = [
        (Abcd, [0x1234, 0x5678]),
        (Cdab, [0x5678, 0x1234]),
        (Badc, [0x3412, 0x7856]),
        (Dcba, [0x7856, 0x3412]),
    ];
    for (order, words) in cases {
        let wide = point(DataType::U32, order);
        assert_eq!(decode(&wide, &words), Ok(305_419_896.0), "{order:?}");
        assert_eq!(encode(&wide, 305_419_896.0).unwrap(), words, "{order:?}");
    }
}

/// 0x0001020304050607 in all four orders, both ways; then the third as a double.
#[test]
fn the_four_orders_over_four_registers() {
    let cases = [
        (Abcd, [0x0001, 0x0203, 0x0405, 0x0607], [0x3FD5, 0x5555, 0x5555, 0x5555]),
        (Cdab, [0x0607, 0x0405, 0x0203, 0x0001], [0x5555, 0x5555, 0x5555, 0x3FD5]),
        (Badc, [0x0100, 0x0302, 0x0504, 0x0706], [0xD53F, 0x5555, 0x5555, 0x5555]),
        (Dcba, [0x0706, 0x0504, 0x0302, 0x0100], [0x5555, 0x5555, 0x5555, 0xD53F]),
    ];
    for (order, whole, third) in cases {
        for kind in [DataType::U64, DataType::I64] {
            let wide = point(kind, order);
            assert_eq!(decode(&wide, &whole), Ok(283_686_952_306_183.0), "{order:?}");
            assert_eq!(encode(&wide, 283_686_952_306_183.0).unwrap(), whole, "{order:?}");
        }
        let double = point(DataType::F64, order);
        assert_eq!(decode(&double, &third), Ok(1.0 / 3.0), "{order:?}");
        assert_eq!(encode(&double, 1.0 / 3.0).unwrap(), third, "{order:?}");
    }
}

/// The last whole number `f64` tells from its neighbour is 2^53 - 1 = 9 007 199 254 740 991.
#[test]
fn sixty_four_bits_are_exact_or_refused() {
    let most = 9_007_199_254_740_991.0;
    let (counter, signed) = (point(DataType::U64, Abcd), point(DataType::I64, Abcd));
    assert_eq!(decode(&counter, &[0x001F, 0xFFFF, 0xFFFF, 0xFFFF]), Ok(most));
    assert_eq!(encode(&counter, most).unwrap(), [0x001F, 0xFFFF, 0xFFFF, 0xFFFF]);
    assert_eq!(decode(&counter, &[0x0020, 0, 0, 0]), Err(Reason::OutOfRange));
    assert!(matches!(encode(&counter, most + 1.0), Err(CodecError::OutOfRange { .. })));
    assert!(matches!(encode(&counter, -1.0), Err(CodecError::OutOfRange { .. })));
    assert_eq!(decode(&signed, &[0xFFFF, 0xFFFF, 0xFFFF, 0xFFFE]), Ok(-2.0));
    assert_eq!(encode(&signed, -2.0).unwrap(), [0xFFFF, 0xFFFF, 0xFFFF, 0xFFFE]);
    assert_eq!(decode(&signed, &[0xFFE0, 0, 0, 1]), Ok(-most));
    assert_eq!(decode(&signed, &[0xFFE0, 0, 0, 0]), Err(Reason::OutOfRange));
}

/// 0x1234 is 1234; 0x12A4 is no number.
#[test]
fn decimal_digits() {
    let four = point(DataType::Bcd16, Abcd);
    assert_eq!(decode(&four, &[0x1234]), Ok(1234.0));
    assert_eq!(encode(&four, 1234.0).unwrap(), [0x1234]);
    assert_eq!(encode(&four, 7.0).unwrap(), [0x0007]);
    for none in [0x12A4, 0xA234, 0x123F, 0xFFFF] {
        assert_eq!(decode(&four, &[none]), Err(Reason::Sentinel), "{none:04X}");
    }
    assert!(matches!(encode(&four, 10_000.0), Err(CodecError::OutOfRange { .. })));
    assert!(matches!(encode(&four, -1.0), Err(CodecError::OutOfRange { .. })));
    let cases = [
        (Abcd, [0x1234, 0x5678]),
        (Cdab, [0x5678, 0x1234]),
        (Badc, [0x3412, 0x7856]),
        (Dcba, [0x7856, 0x3412]),
    ];
    for (order, words) in cases {
        let eight = point(DataType::Bcd32, order);
        assert_eq!(decode(&eight, &words), Ok(12_345_678.0), "{order:?}");
        assert_eq!(encode(&eight, 12_345_678.0).unwrap(), words, "{order:?}");
    }
    assert_eq!(decode(&point(DataType::Bcd32, Abcd), &[0x1234, 0x56B8]), Err(Reason::Sentinel));
    assert!(encode(&point(DataType::Bcd32, Abcd), 100_000_000.0).is_err());
    let scaled = Point { scale: 0.5, offset: -100.0, ..four };
    assert_eq!(decode(&scaled, &[0x0250]), Ok(25.0));
    assert_eq!(encode(&scaled, 25.0).unwrap(), [0x0250]);
}

/// One register has no words to swap, only bytes.
#[test]
fn the_orders_of_one_register() {
    for (order, word) in [(Abcd, 0x1234), (Cdab, 0x1234), (Badc, 0x3412), (Dcba, 0x3412)] {
        assert_eq!(decode(&point(DataType::U16, order), &[word]), Ok(4660.0), "{order:?}");
        assert_eq!(encode(&point(DataType::U16, order), 4660.0).unwrap(), [word], "{order:?}");
        assert_eq!(decode(&point(DataType::Bcd16, order), &[word]), Ok(1234.0), "{order:?}");
    }
    // Bit 0 of a register with swapped bytes stands in its high byte.
    assert_eq!(decode(&point(DataType::Bit, Badc), &[0x0100]), Ok(1.0));
}

#[test]
fn names_of_devices() {
    assert_eq!(text(&[0x4142, 0x4300], CharOrder::HighFirst).as_deref(), Ok("ABC"));
    assert_eq!(text(&[0x4241, 0x0043], CharOrder::LowFirst).as_deref(), Ok("ABC"));
    assert_eq!(text(&[0x4142, 0x4320, 0x2020], CharOrder::HighFirst).as_deref(), Ok("ABC"));
    assert!(text(&[0x4142, 0xC380], CharOrder::HighFirst).is_err());
    assert!(text(&[0xFFFF, 0xFFFF], CharOrder::LowFirst).is_err());
}

#[test]
fn floats() {
    let single = point(DataType::F32, Abcd);
    assert_eq!(decode(&single, &[0x42F6, 0xE979]), Ok(f64::from(123.456_f32)));
    assert_eq!(encode(&single, 123.456).unwrap(), [0x42F6, 0xE979]);
    assert_eq!(decode(&single, &[0x8000, 0x0000]), Ok(0.0));
    // Written as a plain zero: the sign of nothing carries no news.
    assert_eq!(encode(&single, -0.0).unwrap(), [0x0000, 0x0000]);
    assert_eq!(decode(&point(DataType::F64, Abcd), &[0x8000, 0, 0, 0]), Ok(0.0));
}

#[test]
fn what_is_no_number_is_no_value() {
    let single = point(DataType::F32, Abcd);
    for nan in [[0x7FC0, 0x0000], [0x7FBF, 0xFF80], [0xFFFF, 0xFFFF]] {
        assert_eq!(decode(&single, &nan), Err(Reason::Sentinel), "{nan:04X?}");
    }
    for infinite in [[0x7F80, 0x0000], [0xFF80, 0x0000]] {
        assert_eq!(decode(&single, &infinite), Err(Reason::OutOfRange), "{infinite:04X?}");
    }
    let double = point(DataType::F64, Abcd);
    for nan in [[0x7FF8, 0, 0, 0], [0x7FF0, 0, 0, 1], [0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF]] {
        assert_eq!(decode(&double, &nan), Err(Reason::Sentinel), "{nan:04X?}");
    }
    for infinite in [[0x7FF0, 0, 0, 0], [0xFFF0, 0, 0, 0]] {
        assert_eq!(decode(&double, &infinite), Err(Reason::OutOfRange), "{infinite:04X?}");
    }
    assert_eq!(decode(&point(DataType::F64, Dcba), &[0, 0, 0, 0xF87F]), Err(Reason::Sentinel));
    assert_eq!(decode(&single, &[0x42F6]), Err(Reason::CommError));
}

/// i16 8000 is −32768 or "no value", as declared; −9999 and −999.9 as floats.
#[test]
fn sentinels_are_raw_values() {
    let plain = point(DataType::I16, Abcd);
    assert_eq!(decode(&plain, &[0x8000]), Ok(-32_768.0));
    let marked = Point { sentinels: vec![-32_768.0], scale: 0.01, ..plain };
    assert_eq!(decode(&marked, &[0x8000]), Err(Reason::Sentinel));
    assert_eq!(decode(&marked, &[0x8001]), Ok(-327.67));
    let single = Point { sentinels: vec![-9999.0, -999.9], ..point(DataType::F32, Abcd) };
    assert_eq!(decode(&single, &[0xC61C, 0x3C00]), Err(Reason::Sentinel));
    assert_eq!(decode(&single, &[0xC479, 0xF99A]), Err(Reason::Sentinel));
    assert_eq!(decode(&single, &[0x3F80, 0x0000]), Ok(1.0));
}

/// "Not implemented" as meters of many makes have it: the least signed number, the largest unsigned one. As a pattern of 64 bits
/// each is given as the nearest float, -2^63 and 2^64.
#[test]
fn patterns_of_every_width() {
    let cases: [(DataType, f64, &[u16]); 6] = [
        (DataType::U16, 65_535.0, &[0xFFFF]),
        (DataType::I16, -32_768.0, &[0x8000]),
        (DataType::U32, 4_294_967_295.0, &[0xFFFF, 0xFFFF]),
        (DataType::I32, -2_147_483_648.0, &[0x8000, 0]),
        (DataType::U64, 18_446_744_073_709_551_616.0, &[0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF]),
        (DataType::I64, -9_223_372_036_854_775_808.0, &[0x8000, 0, 0, 0]),
    ];
    for (kind, pattern, words) in cases {
        let marked = Point { sentinels: vec![pattern], ..point(kind, Abcd) };
        assert_eq!(decode(&marked, words), Err(Reason::Sentinel), "{kind:?}");
        assert!(encode(&marked, pattern).is_err(), "{kind:?}");
    }
}

/// Gate box: status word 11 with remote, opening and mains on (bits 0, 3, 11), and the target in mm.
#[test]
fn gate_box() {
    let status = 0b1000_0000_1001_u16;
    let bit = |bit| decode(&Point { bit, ..point(DataType::Bit, Abcd) }, &[status]).unwrap();
    assert_eq!((0..12).filter(|at| bit(*at) == 1.0).collect::<Vec<_>>(), [0, 3, 11]);
    let level = Point { scale: 0.01, ..point(DataType::I16, Abcd) };
    assert_eq!(decode(&level, &[0xFFE7]), Ok(-0.25));
    let target = Point { min: Some(0.0), max: Some(600.0), ..point(DataType::U16, Abcd) };
    assert_eq!(encode(&target, 450.0).unwrap(), [450]);
    assert!(matches!(encode(&target, 601.0), Err(CodecError::OutOfRange { .. })));
}

#[test]
fn coils_and_tables_that_only_read() {
    let coil = Point { table: Table::Coil, ..point(DataType::Bit, Abcd) };
    assert_eq!((decode_bit(&coil, true), decode_bit(&coil, false)), (Ok(1.0), Ok(0.0)));
    assert_eq!(encode(&coil, 1.0).unwrap(), [1]);
    assert!(matches!(encode(&coil, 2.0), Err(CodecError::OutOfRange { .. })));
    for table in [Table::Input, Table::Discrete] {
        let fixed = Point { table, ..point(DataType::U16, Abcd) };
        assert!(matches!(encode(&fixed, 1.0), Err(CodecError::ReadOnly { .. })));
    }
    assert!(matches!(encode(&point(DataType::Bit, Abcd), 1.0), Err(CodecError::ReadOnly { .. })));
}

#[test]
fn a_refusal_names_the_point_the_value_and_the_range() {
    let target = Point { min: Some(0.0), max: Some(600.0), ..point(DataType::U16, Abcd) };
    let message = encode(&target, 700.0).unwrap_err().to_string();
    assert_eq!(message, "p/value: 700 is outside 0 to 600; ask for a value inside or correct the point");
}
