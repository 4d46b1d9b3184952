//! Bad replies on one connection: the stated result, within the deadline, and the next request right.

use std::net::SocketAddr;
use std::time::Duration;

use qindan::points::Transport;
use qindan::shell::clock::Clock;
use qindan::shell::field::engine::{Access, Endpoint, Engine};
use qindan::shell::field::error::FieldError;
use tokio_modbus::client::{Context, Reader};
use tokio_modbus::{Request, Response};

use crate::device::{Act, Bank, Device, Query, frame, reply};

const UNIT: u8 = 0x11;
const ASK: Request<'static> = Request::ReadHoldingRegisters(0x6B, 3);
/// Application protocol V1.1b3: 555, 0, 100.
const GOOD: [u8; 8] = [3, 6, 0x02, 0x2B, 0, 0, 0, 0x64];

pub(crate) fn endpoint(device: &Device) -> Endpoint {
    endpoint_at(device.address)
}

/// The one place that makes an endpoint for the tests.
pub(crate) fn endpoint_at(address: SocketAddr) -> Endpoint {
    Endpoint {
        transport: Transport::Tcp(address),
        connect_timeout: Duration::from_secs(5),
        timeout: Duration::from_millis(150),
        gap: Duration::ZERO,
        window: 1,
        access: Access::Command,
        aliases: Box::default(),
    }
}

async fn connected(device: &Device) -> Engine {
    let mut engine = Engine::new(endpoint(device), Clock::real());
    engine.connect().await.unwrap();
    engine
}

/// A peer that answers its first request as told and all later ones right.
async fn once(first: impl Fn(&Query) -> Vec<Act> + Send + 'static) -> (Device, Engine) {
    let mut asked = 0;
    let device = Device::start(move |query| {
        asked += 1;
        if asked == 1 { first(query) } else { vec![reply(query, &GOOD)] }
    })
    .await;
    let engine = connected(&device).await;
    (device, engine)
}

fn is_good(answer: &Result<Response, FieldError>) -> bool {
    matches!(answer, Ok(Response::ReadHoldingRegisters(words)) if words == &[555, 0, 100])
}

/// The next request is right, on the same connection or after connecting again.
async fn next_is_right(engine: &mut Engine) {
    if !engine.is_connected() {
        engine.connect().await.unwrap();
    }
    let answer = engine.request(UNIT, &ASK).await;
    assert!(is_good(&answer), "{answer:?}");
}

fn raw(query: &Query, rest: &[u8]) -> Vec<Act> {
    vec![Act::Send([&query.id.to_be_bytes()[..], rest].concat())]
}

#[tokio::test]
async fn a_late_reply_is_recognised_and_shifts_nothing() {
    let mut kept: Option<Act> = None;
    let mut bank = Bank::default();
    let mut first = true;
    let device = Device::start(move |query| {
        let answer = reply(query, &bank.serve(query));
        if std::mem::take(&mut first) {
            kept = Some(answer);
            return Vec::new();
        }
        kept.take().into_iter().chain([answer]).collect()
    })
    .await;
    let mut engine = connected(&device).await;
    let lost = engine.request(UNIT, &Request::ReadHoldingRegisters(1000, 2)).await;
    assert!(matches!(lost, Err(FieldError::Silent { .. })), "{lost:?}");
    for address in 0..50 {
        let answer = engine.request(UNIT, &Request::ReadHoldingRegisters(address, 2)).await;
        assert!(
            matches!(&answer, Ok(Response::ReadHoldingRegisters(words)) if words == &[address, address + 1])
        );
    }
    let counters = engine.counters();
    assert_eq!((counters.timeouts, counters.late, counters.replies, counters.connects), (1, 1, 50, 1));
    assert!(counters.late_max_ms >= 150, "delay since the request: {}", counters.late_max_ms);
}

#[tokio::test]
async fn replies_to_something_else_are_skipped_and_counted() {
    let (_device, mut engine) = once(|query| {
        vec![
            Act::Send(frame(query.id.wrapping_add(1), UNIT, &[3, 6, 9, 9, 9, 9, 9, 9])),
            Act::Send(frame(query.id, UNIT + 1, &[3, 6, 8, 8, 8, 8, 8, 8])),
            reply(query, &GOOD),
        ]
    })
    .await;
    assert!(is_good(&engine.request(UNIT, &ASK).await));
    let counters = engine.counters();
    assert_eq!((counters.stray, counters.other_unit, counters.connects), (1, 1, 1));
    next_is_right(&mut engine).await;
}

/// A gateway that puts its own number into every reply.
#[tokio::test]
async fn a_reply_of_another_unit_is_taken_only_where_that_is_agreed() {
    let answer = |query: &Query| vec![Act::Send(frame(query.id, 0, &GOOD))];
    let device = Device::start(answer).await;
    let quick = Endpoint { timeout: Duration::from_millis(100), ..endpoint(&device) };
    let mut strict = Engine::new(quick.clone(), Clock::real());
    strict.connect().await.unwrap();
    assert!(matches!(strict.request(UNIT, &ASK).await, Err(FieldError::Silent { .. })));
    let mut agreed = Engine::new(Endpoint { aliases: [(UNIT, 0)].into(), ..quick }, Clock::real());
    agreed.connect().await.unwrap();
    assert!(is_good(&agreed.request(UNIT, &ASK).await));
    assert!(matches!(agreed.request(UNIT + 1, &ASK).await, Err(FieldError::Silent { .. })));
    assert_eq!((strict.counters().other_unit, agreed.counters().other_unit), (1, 1));
}

#[tokio::test]
async fn a_broken_header_ends_the_connection_at_once() {
    let headers: [&[u8]; 4] = [
        &[0x12, 0x34, 0, 9, UNIT, 3, 6, 2, 0x2B, 0, 0, 0, 0x64],
        &[0, 0, 0xFF, 0xFF, UNIT, 3],
        &[0, 0, 0, 0],
        &[0, 0, 0, 1, UNIT],
    ];
    for rest in headers {
        let (_device, mut engine) = once(move |query| raw(query, rest)).await;
        let answer = engine.request(UNIT, &ASK).await;
        assert!(matches!(answer, Err(FieldError::Broken { .. })), "{rest:?}: {answer:?}");
        assert!(!engine.is_connected());
        assert_eq!((engine.counters().timeouts, engine.counters().framing), (0, 1));
        next_is_right(&mut engine).await;
    }
}

#[tokio::test]
async fn too_few_or_too_many_registers_are_no_answer() {
    let replies: [&[u8]; 2] = [&[3, 4, 2, 0x2B, 0, 0], &[3, 8, 2, 0x2B, 0, 0, 0, 0x64, 0, 1]];
    for pdu in replies {
        let (_device, mut engine) = once(move |query| vec![reply(query, pdu)]).await;
        let answer = engine.request(UNIT, &ASK).await;
        assert!(matches!(answer, Err(FieldError::Mismatch { .. })), "{answer:?}");
        next_is_right(&mut engine).await;
    }
}

#[tokio::test]
async fn a_reply_that_contradicts_itself_or_the_request_ends_the_connection() {
    let replies: [&[u8]; 4] =
        [&[3, 5, 2, 0x2B, 0, 0, 0, 0x64], &[4, 6, 2, 0x2B, 0, 0, 0, 0x64], &[0x84, 2], &[6, 0, 1, 0, 3]];
    for pdu in replies {
        let (_device, mut engine) = once(move |query| vec![reply(query, pdu)]).await;
        let answer = engine.request(UNIT, &ASK).await;
        assert!(matches!(answer, Err(FieldError::Broken { .. })), "{pdu:?}: {answer:?}");
        assert!(!engine.is_connected());
        next_is_right(&mut engine).await;
    }
}

#[tokio::test]
async fn an_exception_keeps_the_connection_even_with_a_byte_too_many() {
    let replies: [(&[u8], u64); 2] = [(&[0x83, 2], 0), (&[0x83, 2, 0], 1)];
    for (pdu, long) in replies {
        let (_device, mut engine) = once(move |query| vec![reply(query, pdu)]).await;
        let answer = engine.request(UNIT, &ASK).await;
        assert!(matches!(answer, Err(FieldError::Refused { code: 2, unit: UNIT, .. })), "{answer:?}");
        assert!(engine.is_connected());
        assert_eq!((engine.counters().exceptions, engine.counters().long_exceptions), (1, long));
        next_is_right(&mut engine).await;
        assert_eq!(engine.counters().connects, 1);
    }
}

#[tokio::test]
async fn a_reply_may_come_in_single_bytes_or_behind_stale_frames() {
    let (_device, mut engine) = once(|query| vec![Act::Drip(frame(query.id, UNIT, &GOOD))]).await;
    assert!(is_good(&engine.request(UNIT, &ASK).await));
    next_is_right(&mut engine).await;

    let (_device, mut engine) = once(|query| {
        let stale = |back| frame(query.id.wrapping_sub(back), UNIT, &[3, 6, 1, 1, 1, 1, 1, 1]);
        vec![Act::Send([stale(200), stale(201), frame(query.id, UNIT, &GOOD), stale(202)].concat())]
    })
    .await;
    assert!(is_good(&engine.request(UNIT, &ASK).await));
    next_is_right(&mut engine).await;
    assert_eq!((engine.counters().stray, engine.counters().connects), (3, 1));
}

#[tokio::test]
async fn a_peer_that_goes_away_is_an_error_by_the_deadline() {
    let (_device, mut engine) =
        once(|query| vec![Act::Send(frame(query.id, UNIT, &GOOD)[..5].to_vec()), Act::Close]).await;
    assert!(matches!(engine.request(UNIT, &ASK).await, Err(FieldError::Broken { .. })));
    next_is_right(&mut engine).await;

    let (_device, mut engine) = once(|_| vec![Act::Reset]).await;
    assert!(matches!(engine.request(UNIT, &ASK).await, Err(FieldError::Broken { .. })));
    next_is_right(&mut engine).await;
}

#[tokio::test]
async fn half_a_reply_at_the_time_out_costs_no_other_request() {
    let (_device, mut engine) =
        once(|query| vec![Act::Send(frame(query.id, UNIT, &GOOD)[..9].to_vec())]).await;
    let answer = engine.request(UNIT, &ASK).await;
    assert!(matches!(answer, Err(FieldError::Silent { .. })), "{answer:?}");
    assert!(!engine.is_connected());
    next_is_right(&mut engine).await;
}

#[tokio::test]
async fn three_silent_requests_in_a_row_end_the_connection() {
    let device = Device::start(|_| Vec::new()).await;
    let mut engine = connected(&device).await;
    for silent in 1..=3 {
        assert!(engine.is_connected(), "before request {silent}");
        assert!(matches!(engine.request(UNIT, &ASK).await, Err(FieldError::Silent { .. })));
    }
    assert!(!engine.is_connected());
    assert!(matches!(engine.request(UNIT, &ASK).await, Err(FieldError::Unsent { .. })));
}

#[tokio::test]
async fn a_connection_closed_between_requests_is_noticed_before_sending() {
    let (device, mut engine) = once(|query| vec![reply(query, &GOOD), Act::Close]).await;
    assert!(is_good(&engine.request(UNIT, &ASK).await));
    // The close is on its way: until it is seen a request may still leave and break.
    let answer = engine.request(UNIT, &ASK).await;
    assert!(matches!(answer, Err(FieldError::Unsent { .. } | FieldError::Broken { .. })), "{answer:?}");
    next_is_right(&mut engine).await;
    assert_eq!(device.log().len(), 2);
}

#[tokio::test]
async fn an_observing_connection_sends_nothing_that_writes() {
    let device = Device::start(|query| vec![reply(query, &query.pdu)]).await;
    let mut engine = Engine::new(Endpoint { access: Access::Observe, ..endpoint(&device) }, Clock::real());
    engine.connect().await.unwrap();
    let words = [1_u16, 2];
    let writes = [
        Request::WriteSingleCoil(1, true),
        Request::WriteSingleRegister(1, 1),
        Request::WriteMultipleCoils(1, [true].as_slice().into()),
        Request::WriteMultipleRegisters(1, words.as_slice().into()),
        Request::MaskWriteRegister(1, 0, 1),
        Request::ReadWriteMultipleRegisters(1, 1, 1, words.as_slice().into()),
        Request::Custom(0x41, [0_u8].as_slice().into()),
    ];
    for write in writes {
        let answer = engine.request(UNIT, &write).await;
        assert!(matches!(answer, Err(FieldError::ReadOnly { .. })), "{answer:?}");
    }
    assert_eq!(device.log(), Vec::new());
    assert_eq!(engine.counters().requests, 0);
}

#[tokio::test]
async fn the_usual_typed_calls_work_on_the_engine() {
    let mut bank = Bank::default();
    let device = Device::start(move |query| vec![reply(query, &bank.serve(query))]).await;
    let engine: Box<dyn tokio_modbus::client::Client> = Box::new(connected(&device).await);
    let mut context = Context::from(engine);
    assert_eq!(context.read_holding_registers(7, 3).await.unwrap().unwrap(), [7, 8, 9]);
    assert_eq!(context.read_coils(5 * 16, 3).await.unwrap().unwrap(), [true, false, true]);
}
/// Messaging guide V1.0b: several requests may be open, replies are matched by their transaction ids alone.
#[tokio::test]
async fn answers_in_any_order_reach_their_requests() {
    let (mut bank, mut kept) = (Bank::default(), Vec::new());
    let device = Device::start(move |query| {
        kept.push(reply(query, &bank.serve(query)));
        if kept.len() < 4 { Vec::new() } else { kept.drain(..).rev().collect() }
    })
    .await;
    let mut engine = Engine::new(Endpoint { window: 4, ..endpoint(&device) }, Clock::real());
    engine.connect().await.unwrap();
    for at in 0..4_u16 {
        assert!(engine.has_room());
        engine.send(u32::from(at), UNIT, &Request::ReadHoldingRegisters(100 * at, 1)).await.unwrap();
    }
    assert!(!engine.has_room());
    let mut order = Vec::new();
    while let Some((tag, answer)) = engine.next().await {
        let Ok(Response::ReadHoldingRegisters(words)) = answer else { panic!("{answer:?}") };
        assert_eq!(u32::from(words[0]), 100 * tag);
        order.push(tag);
    }
    assert_eq!(order, [3, 2, 1, 0]);
}

#[tokio::test]
async fn a_write_goes_alone_to_its_unit() {
    let mut bank = Bank::default();
    let mut first = None;
    let device = Device::start(move |query| {
        let answer = reply(query, &bank.serve(query));
        match (query.unit, query.writes()) {
            // The read of the other unit is answered behind the write: the write does not wait for it.
            (9, _) => {
                first = Some(answer);
                Vec::new()
            }
            (_, true) => vec![answer].into_iter().chain(first.take()).collect(),
            (_, false) => vec![answer],
        }
    })
    .await;
    let mut engine = Engine::new(Endpoint { window: 4, ..endpoint(&device) }, Clock::real());
    engine.connect().await.unwrap();
    engine.send(1, 9, &Request::ReadHoldingRegisters(0, 1)).await.unwrap();
    engine.send(2, UNIT, &Request::ReadHoldingRegisters(50, 1)).await.unwrap();
    engine.request(UNIT, &Request::WriteSingleRegister(20, 300)).await.unwrap();
    let sent = device.log().iter().map(|query| (query.unit, query.function())).collect::<Vec<_>>();
    assert_eq!(sent, [(9, 3), (UNIT, 3), (UNIT, 6)]);
    let mut rest = Vec::new();
    while let Some((tag, answer)) = engine.next().await {
        assert!(answer.is_ok());
        rest.push(tag);
    }
    // The read of the same unit had its answer before the write left.
    assert_eq!(rest, [2, 1]);
}
