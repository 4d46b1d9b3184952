//! The request and reply pairs of the Modbus specifications: what a request means, its bytes on every transport, and
//! what its reply says. The meanings are written down here by hand, row by row.

use std::time::Duration;

use qindan::shell::clock::Clock;
use qindan::shell::field::engine::{Endpoint, Engine};
use qindan::shell::field::error::FieldError;
use tokio_modbus::bytes::Bytes;
use tokio_modbus::prelude::{ConformityLevel, DeviceIdObject, ReadCode, ReadDeviceIdentificationResponse};
use tokio_modbus::{Request, Response};

use crate::device::{Device, frame, reply};
use crate::engine::endpoint;

/// The unit and the transaction of the table.
const UNIT: u8 = 0x11;
const TRANSACTION: u16 = 0x1501;

/// What has to become of a request.
enum Outcome {
    /// The reply, with bits up to the number asked for.
    Says(Response),
    /// The device refuses with this exception.
    Refused(u8),
    /// The request breaks the specification and must not leave.
    NeverLeaves,
}

struct Row<'t> {
    name: &'t str,
    request_rtu: Vec<u8>,
    request_tcp: Vec<u8>,
    request: Vec<u8>,
    reply: Vec<u8>,
    reply_rtu: Vec<u8>,
    reply_tcp: Vec<u8>,
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

fn rows() -> Vec<Row<'static>> {
    let table = include_str!("../golden/modbus-vectors.tsv");
    let row = |line: &'static str| {
        let cells = line.split('\t').collect::<Vec<_>>();
        let [request, request_rtu, request_tcp, reply, reply_rtu, reply_tcp] =
            [1, 2, 3, 4, 5, 6].map(|at: usize| bytes(cells[at]));
        Row { name: cells[0], request_rtu, request_tcp, request, reply, reply_rtu, reply_tcp }
    };
    table.lines().skip(1).map(row).collect()
}

/// An engine that waits: what is shown here is what is said, not how fast.
pub(crate) async fn connected(device: &Device) -> Engine {
    let patient = Endpoint { timeout: Duration::from_secs(10), ..endpoint(device) };
    let mut engine = Engine::new(patient, Clock::real());
    engine.connect().await.unwrap();
    engine
}

/// Serial line V1.02, 6.2.2: polynomial A001, start FFFF, low byte first on the wire.
pub(crate) fn crc(bytes: &[u8]) -> [u8; 2] {
    let step = |crc: u16| if crc & 1 == 1 { (crc >> 1) ^ 0xA001 } else { crc >> 1 };
    let crc =
        bytes.iter().fold(0xFFFF_u16, |crc, byte| (0..8).fold(crc ^ u16::from(*byte), |crc, _| step(crc)));
    crc.to_le_bytes()
}

/// `1` and `0`, lowest address first.
fn bits(text: &str) -> Vec<bool> {
    text.chars().filter(|char| *char != ' ').map(|char| char == '1').collect()
}

fn custom(function: u8, sent: &'static [u8], came: &'static [u8]) -> (Request<'static>, Outcome) {
    (
        Request::Custom(function, sent.into()),
        Outcome::Says(Response::Custom(function, Bytes::from_static(came))),
    )
}

fn identity() -> Response {
    let object = |id, value: &'static str| DeviceIdObject { id, value: Bytes::from_static(value.as_bytes()) };
    Response::ReadDeviceIdentification(ReadDeviceIdentificationResponse {
        read_code: ReadCode::Basic,
        conformity_level: ConformityLevel::BasicIdentificationStreamOnly,
        more_follows: false,
        next_object_id: 0,
        device_id_objects: vec![object(0, "ACME"), object(1, "P1"), object(2, "V2.11")],
    })
}

/// What a row asks and what has to come of it.
fn meant(name: &str) -> (Request<'static>, Outcome) {
    use Outcome::{NeverLeaves, Refused, Says};
    let ten = bits("1011 0011 10");
    match name {
        "fc01-read-coils" => {
            (Request::ReadCoils(19, 19), Says(Response::ReadCoils(bits("1011 0011 1101 0110 101"))))
        }
        "fc02-read-discrete" => (
            Request::ReadDiscreteInputs(196, 22),
            Says(Response::ReadDiscreteInputs(bits("0011 0101 1101 1011 1010 11"))),
        ),
        "fc03-read-holding" => {
            (Request::ReadHoldingRegisters(107, 3), Says(Response::ReadHoldingRegisters(vec![555, 0, 100])))
        }
        "fc04-read-input" => {
            (Request::ReadInputRegisters(8, 1), Says(Response::ReadInputRegisters(vec![10])))
        }
        "fc05-write-coil-on" => {
            (Request::WriteSingleCoil(172, true), Says(Response::WriteSingleCoil(172, true)))
        }
        "fc05-write-coil-off" => {
            (Request::WriteSingleCoil(172, false), Says(Response::WriteSingleCoil(172, false)))
        }
        "fc06-write-register" => {
            (Request::WriteSingleRegister(1, 3), Says(Response::WriteSingleRegister(1, 3)))
        }
        "fc07-exception-status" => custom(0x07, &[], &[0x6D]),
        "fc08-loopback" => custom(0x08, &[0, 0, 0xA5, 0x37], &[0, 0, 0xA5, 0x37]),
        // Status FFFF is busy; 264 events.
        "fc0b-event-counter" => custom(0x0B, &[], &[0xFF, 0xFF, 1, 8]),
        "fc0f-write-coils" => {
            (Request::WriteMultipleCoils(19, ten.into()), Says(Response::WriteMultipleCoils(19, 10)))
        }
        "fc10-write-registers" => (
            Request::WriteMultipleRegisters(1, vec![10, 258].into()),
            Says(Response::WriteMultipleRegisters(1, 2)),
        ),
        "fc11-report-server-id" => {
            (Request::ReportServerId, Says(Response::ReportServerId(42, true, Vec::new())))
        }
        "fc16-mask-write" => {
            (Request::MaskWriteRegister(4, 0xF2, 0x25), Says(Response::MaskWriteRegister(4, 0xF2, 0x25)))
        }
        "fc17-read-write" => (
            Request::ReadWriteMultipleRegisters(3, 6, 14, vec![255, 255, 255].into()),
            Says(Response::ReadWriteMultipleRegisters(vec![254, 2765, 1, 3, 13, 255])),
        ),
        // Six bytes: the count 2 and its values 440 and 4740.
        "fc18-fifo" => custom(0x18, &[4, 0xDE], &[0, 6, 0, 2, 1, 0xB8, 0x12, 0x84]),
        "fc2b-device-id" => (Request::ReadDeviceIdentification(ReadCode::Basic, 0), Says(identity())),
        "exc-illegal-function" => (Request::Custom(0x64, Vec::new().into()), Refused(1)),
        "exc-illegal-address" => (Request::ReadCoils(1185, 1), Refused(2)),
        "exc-illegal-value" => (Request::ReadHoldingRegisters(0, 126), NeverLeaves),
        "exc-busy" => (Request::WriteSingleRegister(1, 3), Refused(6)),
        "exc-acknowledge" => (Request::WriteMultipleRegisters(1, vec![1].into()), Refused(5)),
        "exc-gateway-path" => (Request::ReadHoldingRegisters(0, 1), Refused(10)),
        "exc-gateway-target" => (Request::ReadHoldingRegisters(0, 1), Refused(11)),
        "read-125" => {
            (Request::ReadHoldingRegisters(0, 125), Says(Response::ReadHoldingRegisters(vec![1; 125])))
        }
        _ => panic!("{name}: nobody has written down what it means"),
    }
}

/// A reply with the bits that fill its last byte taken off: they mean nothing.
fn without_padding(reply: Response, asked: &Request<'_>) -> Response {
    let cut = |mut bits: Vec<bool>, count: u16| {
        bits.truncate(usize::from(count));
        bits
    };
    match (reply, asked) {
        (Response::ReadCoils(bits), Request::ReadCoils(_, count)) => Response::ReadCoils(cut(bits, *count)),
        (Response::ReadDiscreteInputs(bits), Request::ReadDiscreteInputs(_, count)) => {
            Response::ReadDiscreteInputs(cut(bits, *count))
        }
        (other, _) => other,
    }
}

#[tokio::test]
async fn every_row_leaves_as_printed_and_is_understood_as_meant() {
    let rows = rows();
    assert_eq!(rows.len(), 25);
    for row in rows {
        let (request, outcome) = meant(row.name);
        let printed = row.reply.clone();
        let device = Device::start(move |query| vec![reply(query, &printed)]).await;
        let mut engine = connected(&device).await;
        let answer = engine.request(UNIT, &request).await;
        let left: Vec<_> = device.log().into_iter().map(|query| (query.unit, query.pdu)).collect();
        match outcome {
            Outcome::NeverLeaves => {
                assert!(matches!(answer, Err(FieldError::Unsent { .. })), "{}: {answer:?}", row.name);
                assert!(left.is_empty(), "{}: {left:?}", row.name);
                continue;
            }
            Outcome::Refused(code) => assert!(
                matches!(answer, Err(FieldError::Refused { code: came, .. }) if came == code),
                "{}: {answer:?}",
                row.name
            ),
            Outcome::Says(meant) => {
                assert_eq!(without_padding(answer.unwrap(), &request), meant, "{}", row.name);
            }
        }
        assert_eq!(left, [(UNIT, row.request)], "{}", row.name);
    }
}

/// Unit, PDU and CRC on a serial line; transaction, protocol 0, length, unit and PDU over TCP.
#[test]
fn frames_wrap_the_same_request_on_every_transport() {
    for row in rows() {
        let pairs =
            [(row.request, row.request_rtu, row.request_tcp), (row.reply, row.reply_rtu, row.reply_tcp)];
        for (pdu, rtu, tcp) in pairs {
            let addressed = [&[UNIT], &pdu[..]].concat();
            assert_eq!(rtu, [&addressed[..], &crc(&addressed)].concat(), "{}", row.name);
            assert_eq!(tcp, frame(TRANSACTION, UNIT, &pdu), "{}", row.name);
            assert!(pdu.len() <= 253 && rtu.len() <= 256 && tcp.len() <= 260, "{}", row.name);
        }
    }
}
