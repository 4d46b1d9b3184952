//! The shipped register layouts against the datasheets of their meters: bytes as printed there, physical values as
//! stated there.

use std::path::Path;

use qindan::config::{self, Config};
use qindan::control::quality::Reason;
use qindan::points::{ByteOrder, DataType, Point, Table};
use qindan::registers::decode;
use tokio_modbus::{Request, Response};

use crate::device::{Device, reply};
use crate::vectors::{connected, crc};

fn shipped() -> Config {
    config::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("config")).unwrap()
}

/// A point of the shipped folder; its address counts from the first register of the meter, whose base is 0.
fn point<'c>(config: &'c Config, id: &str) -> &'c Point {
    let at = config.field.point(id).unwrap_or_else(|| panic!("no point {id}"));
    &config.field.points[at.0]
}

/// What `point` says when the meter holds `registers` from address 0 on.
fn shown(point: &Point, registers: &[u16]) -> Result<f64, Reason> {
    decode(point, &registers[usize::from(point.address)..])
}

#[track_caller]
fn close(value: Result<f64, Reason>, expected: f64, within: f64) {
    assert!(value.is_ok_and(|value| (value - expected).abs() <= within), "{value:?}, not {expected}");
}

/// Unit 1 asked as the datasheet prints it, CRC included; the registers in the answer it prints.
async fn asked(request: Request<'static>, printed: &[u8], answer: &[u8]) -> Vec<u16> {
    let pdu_of = |frame: &[u8]| {
        let (addressed, check) = frame.split_at(frame.len() - 2);
        assert_eq!(crc(addressed), check, "{frame:02X?}");
        assert_eq!(addressed[0], 1, "{frame:02X?}");
        addressed[1..].to_vec()
    };
    let (question, answer) = (pdu_of(printed), pdu_of(answer));
    let device = Device::start(move |query| vec![reply(query, &answer)]).await;
    let mut engine = connected(&device).await;
    let response = engine.request(1, &request).await;
    assert_eq!(device.log()[0].pdu, question);
    match response {
        Ok(Response::ReadHoldingRegisters(words)) => words,
        other => panic!("{other:?}"),
    }
}

/// Sample of the instrument note: 0.05849 m/s, 0.22759 m, 0.13313 m³/s, 479.2578 m³/h, total 85 415 m³.
#[tokio::test]
async fn open_channel_meter() {
    let answer = [
        0x01, 0x03, 0x20, 0x3D, 0x6F, 0x97, 0xC1, 0x3E, 0x69, 0x0D, 0x4E, 0x3E, 0x08, 0x52, 0x7C, 0x43, 0xEF,
        0xA0, 0xFE, 0, 0, 0, 0, 0x00, 0x01, 0x4D, 0xA7, 0, 0, 0, 0, 0, 0, 0, 0, 0xC5, 0x6A,
    ];
    let request = Request::ReadHoldingRegisters(0, 16);
    let words = asked(request, &[0x01, 0x03, 0x00, 0x00, 0x00, 0x10, 0x44, 0x06], &answer).await;
    assert_eq!(words.len(), 16);
    let config = shipped();
    let value = point(&config, "q.zf_canal/value");
    assert_eq!((value.table, value.unit.as_str()), (Table::Holding, "m³/s"));
    close(shown(value, &words), 0.133_13, 5e-6);
    close(shown(point(&config, "q.zf_canal/velocity"), &words), 0.058_49, 5e-6);
    close(shown(point(&config, "q.zf_canal/stage"), &words), 0.227_59, 5e-6);
    // Registers the service does not scan, in the byte order of the layout.
    close(shown(&Point { address: 6, ..value.clone() }, &words), 479.257_8, 5e-5);
    let total = |address| Point { address, data_type: DataType::U32, ..value.clone() };
    assert_eq!(shown(&total(8), &words), Ok(0.0)); // in 10⁸ m³
    assert_eq!(shown(&total(10), &words), Ok(85_415.0));
    // The two flows of the meter agree: 0.13313 m³/s · 3600 s/h.
    let hourly = Point { address: 6, scale: 1.0 / 3600.0, ..value.clone() };
    close(shown(&hourly, &words), 0.133_13, 5e-6);
}

/// Answer of the note on the meter, 00 00 C1 48: −12.5 m³/h with the words swapped.
#[tokio::test]
async fn magnetic_meter() {
    let answer = [0x01, 0x03, 0x04, 0x00, 0x00, 0xC1, 0x48, 0xAB, 0x95];
    let request = Request::ReadHoldingRegisters(0, 2);
    let words = asked(request, &[0x01, 0x03, 0x00, 0x00, 0x00, 0x02, 0xC4, 0x0B], &answer).await;
    let config = shipped();
    let value = point(&config, "q.rz_supply/value");
    // Function 03 in the note.
    assert_eq!(value.table, Table::Holding);
    assert_eq!(shown(&Point { scale: 1.0, ..value.clone() }, &words), Ok(-12.5));
    close(shown(value, &words), -12.5 / 3600.0, 1e-15);
}

/// The manual numbers registers from 1: flow in m³/h at 1 and 2, total at 9 and 10 as a LONG, low word first. Its
/// request for ten registers is printed; 12.5 is 41480000, 85 415 is 00014DA7.
#[test]
fn transit_time_meter() {
    let request = [0x01, 0x03, 0x00, 0x00, 0x00, 0x0A, 0xC5, 0xCD];
    assert_eq!(crc(&request[..6]), request[6..]);
    let words = [0x0000, 0x4148, 0, 0, 0, 0, 0, 0, 0x4DA7, 0x0001];
    let config = shipped();
    let value = point(&config, "q.transfer/value");
    assert_eq!(value.table, Table::Holding);
    close(shown(value, &words), 12.5 / 3600.0, 1e-15);
    let total = Point { address: 8, data_type: DataType::I32, scale: 1.0, ..value.clone() };
    assert_eq!(shown(&total, &words), Ok(85_415.0));
}

/// Flow at 2, quality 0 to 99 at 1D. 0.25 is 3E800000.
#[test]
fn clamp_on_meter() {
    let mut words = [0_u16; 0x20];
    words[2..4].copy_from_slice(&[0x3E80, 0x0000]);
    words[0x1D] = 87;
    let config = shipped();
    assert_eq!(shown(point(&config, "q.zf_hp/value"), &words), Ok(0.25));
    assert_eq!(shown(point(&config, "q.zf_hp/signal"), &words), Ok(87.0));
}

/// SL 651-2014: rain at 0 in 0.1 mm, level at 2 in mm, 32 bits. 756 123 is 000B899B.
#[test]
fn hydrological_sensors() {
    let words = [0x007D, 0, 0x000B, 0x899B];
    let config = shipped();
    close(shown(point(&config, "r.anze/value"), &words), 12.5, 1e-12);
    close(shown(point(&config, "z.zf/value"), &words), 756.123, 1e-9);
    assert_eq!(shown(point(&config, "r.anze/value"), &[0xFFFF]), Err(Reason::Sentinel));
    assert_eq!(shown(point(&config, "z.zf/value"), &[0, 0, 0x7FFF, 0xFFFF]), Err(Reason::Sentinel));
}

/// No datasheet: the layouts as their comments describe them. 123.456 is 42F6E979, −9999 is C61C3C00, 1234 is 4D2.
#[test]
fn radar_and_rating_curve() {
    let config = shipped();
    let radar = point(&config, "q.zhengzhuang/value");
    close(shown(radar, &[0x79E9, 0xF642]), 123.456, 1e-5);
    assert_eq!(shown(radar, &[0x003C, 0x1CC6]), Err(Reason::Sentinel));
    let rating = point(&config, "q.longqu/value");
    close(shown(rating, &[0x0000, 0xD204]), 1.234, 1e-12);
    assert_eq!(shown(rating, &[0xFFFF, 0xFFFF]), Err(Reason::Sentinel));
}

/// A meter that says it has no number is believed, whichever of the many NaNs it sends.
#[test]
fn no_meter_with_floats_shows_a_nan() {
    let config = shipped();
    let floats: Vec<_> =
        config.field.points.iter().filter(|point| point.data_type == DataType::F32).collect();
    assert!(floats.len() > 20);
    for point in floats {
        for nan in [0x7FC0_0000_u32, 0x7FBF_FF80, 0xFFFF_FFFF] {
            let [a, b, c, d] = nan.to_be_bytes();
            let pair = |first, second| u16::from_be_bytes([first, second]);
            let words = match point.order {
                ByteOrder::Abcd => [pair(a, b), pair(c, d)],
                ByteOrder::Cdab => [pair(c, d), pair(a, b)],
                ByteOrder::Badc => [pair(b, a), pair(d, c)],
                ByteOrder::Dcba => [pair(d, c), pair(b, a)],
            };
            assert_eq!(decode(point, &words), Err(Reason::Sentinel), "{} {nan:08X}", point.id);
        }
    }
}
