//! Register patterns from datasheets and hand calculation.

use qindan::control::quality::Reason;
use qindan::points::{ByteOrder, DataType, DeviceId, Element, Point, Role, Table};
use qindan::registers::{CodecError, decode, decode_bit, encode};

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

#[test]
fn floats() {
    let single = point(DataType::F32, Abcd);
    assert_eq!(decode(&single, &[0x42F6, 0xE979]), Ok(f64::from(123.456_f32)));
    assert_eq!(encode(&single, 123.456).unwrap(), [0x42F6, 0xE979]);
    assert_eq!(decode(&single, &[0x8000, 0x0000]), Ok(0.0));
    let double = point(DataType::F64, Abcd);
    assert_eq!(decode(&double, &[0x3FD5, 0x5555, 0x5555, 0x5555]), Ok(1.0 / 3.0));
    assert_eq!(encode(&double, 1.0 / 3.0).unwrap(), [0x3FD5, 0x5555, 0x5555, 0x5555]);
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
    let double = point(DataType::F64, Dcba);
    assert_eq!(decode(&double, &[0, 0, 0, 0xF87F]), Err(Reason::Sentinel));
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

/// Open-channel ultrasonic meter: 16 registers from 0; sample answer of its datasheet (ABCD).
#[test]
fn open_channel_meter() {
    let answer: [u16; 16] =
        [0x3D6F, 0x97C1, 0x3E69, 0x0D4E, 0x3E08, 0x527C, 0x43EF, 0xA0FE, 0, 0, 0x0001, 0x4DA7, 0, 0, 0, 0];
    let close = |at: usize, expected: f64, within: f64| {
        let value = decode(&point(DataType::F32, Abcd), &answer[at..]).unwrap();
        assert!((value - expected).abs() <= within, "register {at}: {value}");
    };
    close(0, 0.058_49, 5e-6);
    close(2, 0.227_59, 5e-6);
    close(4, 0.133_13, 5e-6);
    close(6, 479.257_8, 5e-5);
    assert_eq!(decode(&point(DataType::U32, Abcd), &answer[10..]), Ok(85_415.0));
    // The meter's m³/h made m³/s by its scale: 479.2578 / 3600.
    let per_hour = Point { scale: 1.0 / 3600.0, ..point(DataType::F32, Abcd) };
    assert!((decode(&per_hour, &answer[6..]).unwrap() - 0.133_127).abs() < 1e-6);
}

/// Magnetic water meter: 00 00 C1 48, words swapped.
#[test]
fn magnetic_meter() {
    assert_eq!(decode(&point(DataType::F32, Cdab), &[0x0000, 0xC148]), Ok(-12.5));
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
